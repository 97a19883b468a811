//! The names of a network's classes.

use std::path::Path;

use deepinside_files::whole_file;

use crate::{Error, Result};

pub(crate) mod class_list;
mod label_map;
mod numbered;
mod python;
mod table;
pub(crate) mod text;

/// The thousand classes of the ImageNet challenge (ILSVRC 2012) in their usual order, one `synset TAB names` a line.
const ILSVRC: &str = include_str!("../assets/ilsvrc2012_classes.tsv");

/// One class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The WordNet synset, as `n02123045`, where the list states one.
    pub synset: Option<String>,
    /// The name; several are separated by commas, the best known first.
    pub name: String,
}

/// The classes of a network in the order of its outputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    labels: Vec<Label>,
}

impl Labels {
    /// The classes of the ImageNet challenge (ILSVRC 2012).
    pub fn ilsvrc() -> Self {
        Self::parse(ILSVRC)
    }

    /// These classes, in the order of a network's outputs.
    pub(crate) fn from_list(labels: Vec<Label>) -> Self {
        Self { labels }
    }

    /// Reads a list of one class per line (a name, or a synset and names as in Caffe's `synset_words.txt`), or JSON: a list
    /// of names, or an object from numbers to names, also under a key such as `id2label` or `names`; tables, label maps, lines that begin
    /// or end with their numbers, and the `names` of a YAML file are read by number.
    ///
    /// # Errors
    /// When the file cannot be read, is neither or names no class.
    pub fn read(path: &Path) -> Result<Self> {
        const LARGEST: u64 = 16 << 20;
        let bytes = whole_file::read(path, LARGEST).map_err(|error| {
            Error::Model(format!("{error}; a list of class names is text, one name a line"))
        })?;
        let failed = |what: &str| Error::Model(format!("{}: {what}", path.display()));
        let text = text::decode(&bytes).ok_or_else(|| {
            failed("it is not UTF-8 text, nor UTF-16 with its mark; a list of class names is text, one name a line: save it as UTF-8")
        })?;
        let labels = Self::of_text(&text).map_err(|what| failed(&what))?;
        if labels.labels.is_empty() {
            return Err(Error::Model(format!(
                "{}: no class names in the file; one a line is expected",
                path.display()
            )));
        }
        Ok(labels)
    }

    /// The classes of a text in any of the forms that are read.
    fn of_text(text: &str) -> std::result::Result<Self, String> {
        if let Some(listed) = class_list::read(text)? {
            return Ok(listed);
        }
        if let Some(names) = label_map::read(text) {
            return Ok(Self::parse(&names?.join("\n")));
        }
        // Comments before the first name, and all names in one line.
        let text = text.trim_start_matches('\n');
        let comments = text.lines().take_while(|line| line.starts_with('#')).count();
        let text = text.split_inclusive('\n').skip(comments).collect::<String>();
        if let Some(labels) = table::read(&text) {
            return Ok(Self::from_list(labels));
        }
        let only = text.trim();
        let names = numbered::read(&text).or_else(|| {
            let is_listed = !only.contains('\n') && only.matches(',').count() > 1;
            is_listed.then(|| only.split(',').map(|name| name.trim().to_owned()).collect())
        });
        Ok(names.map_or_else(|| Self::parse(&text), |names| Self::parse(&names.join("\n"))))
    }

    /// Class `0` first, one a line; empty lines at the end are dropped.
    pub fn parse(text: &str) -> Self {
        let parse_line = |line: &str| {
            let line = line.trim();
            let synset = line.split_whitespace().next().filter(|word| is_synset(word));
            let name = synset.map_or(line, |synset| line[synset.len()..].trim());
            let name = if name.is_empty() { line } else { name };
            Label { synset: synset.map(str::to_owned), name: name.to_owned() }
        };
        Self { labels: text.trim_start_matches('\u{feff}').trim_end().lines().map(parse_line).collect() }
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The name of a class; `None` where the list is too short.
    pub fn get(&self, index: usize) -> Option<&Label> {
        self.labels.get(index)
    }

    /// The same names behind an unnamed class 0, as networks with a background class count.
    pub fn with_background(mut self) -> Self {
        self.labels.insert(0, Label { synset: None, name: "background".to_owned() });
        self
    }

    /// The class that a person means: an index, a synset, a full name, one of a class's several names, or the only class
    /// with those words in one of its names. Case does not matter.
    ///
    /// # Errors
    /// When no class or several match, or the index is not below `classes`.
    pub fn find(&self, asked: &str, classes: usize) -> Result<usize> {
        if let Ok(index) = asked.trim().parse::<usize>() {
            return if index < classes { Ok(index) } else { Err(Error::ClassOutOfRange { index, classes }) };
        }
        let wanted = Wanted::new(asked);
        let known = || self.labels.iter().take(classes).enumerate();
        // From the strictest reading to the loosest; the first that fits any class decides.
        for reading in [Fit::Itself, Fit::FirstName, Fit::Name, Fit::Words] {
            let fits = known().filter(|(_, label)| wanted.fit(label) == Some(reading));
            match fits.map(|(index, _)| index).collect::<Vec<_>>()[..] {
                [] => continue,
                [index] => return Ok(index),
                ref several => {
                    let matches =
                        several.iter().take(5).map(|&index| format!("{index} {}", self.labels[index].name));
                    return Err(Error::AmbiguousClass {
                        asked: asked.trim().to_owned(),
                        matches: matches.collect(),
                    });
                }
            }
        }
        let wanted = wanted.text;
        let mut nearest: Vec<(f64, String)> = known()
            .flat_map(|(_, label)| {
                names(&label.name)
                    .map(|name| (strsim::jaro_winkler(&wanted, &name), name))
                    .collect::<Vec<_>>()
            })
            .filter(|(similarity, _)| *similarity > 0.75)
            .collect();
        nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
        nearest.dedup_by(|a, b| a.1 == b.1);
        let nearest = nearest.into_iter().take(3).map(|(_, name)| format!("'{name}'")).collect();
        Err(Error::UnknownClass { asked: asked.trim().to_owned(), nearest })
    }

    /// The classes that fit what a person has typed so far, the best first, at most `limit`: the one whose index, synset or name it
    /// is, then those that have its words in one of their names, names that have words beginning so, and last words that merely
    /// contain it. Where nothing fits, classes with nearly those words. All classes in their order for an empty text.
    pub fn search(&self, asked: &str, classes: usize, limit: usize) -> Vec<usize> {
        let wanted = Wanted::new(asked);
        if wanted.text.is_empty() {
            return (0..classes).take(limit).collect();
        }
        let unnamed = Label { synset: None, name: String::new() };
        let label = |index: usize| self.get(index).unwrap_or(&unnamed);
        let fit = |index: usize| {
            if wanted.text == index.to_string() { Some(Fit::Itself) } else { wanted.fit(label(index)) }
        };
        let mut found: Vec<(Fit, usize)> =
            (0..classes).filter_map(|index| Some((fit(index)?, index))).collect();
        if found.is_empty() {
            let nearly = |index: usize| wanted.is_nearly(label(index)).then_some((Fit::Part, index));
            found.extend((0..classes).filter_map(nearly));
        }
        found.sort_unstable();
        found.into_iter().take(limit).map(|(_, index)| index).collect()
    }
}

/// How well a class fits what a person asks for, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It is the synset, or all of the name.
    Itself,
    /// It is the first of several names.
    FirstName,
    /// It is another of them.
    Name,
    /// Its words are words of one of the names.
    Words,
    /// Its words begin words of one of the names.
    Beginnings,
    /// It is part of a name, or the synset begins so.
    Part,
}

/// What a person asks for.
struct Wanted {
    text: String,
    words: Vec<String>,
}

impl Wanted {
    fn new(asked: &str) -> Self {
        let text = asked.trim().to_lowercase();
        Self { words: words(&text).map(str::to_owned).collect(), text }
    }

    fn fit(&self, label: &Label) -> Option<Fit> {
        let Self { text, words: wanted } = self;
        let synset = label.synset.as_deref().unwrap_or_default();
        let names: Vec<String> = names(&label.name).collect();
        let has_words = |test: &dyn Fn(&str, &str) -> bool| {
            let fits = |name: &String| wanted.iter().all(|wanted| words(name).any(|word| test(word, wanted)));
            !wanted.is_empty() && names.iter().any(fits)
        };
        match () {
            () if text == synset || *text == label.name.to_lowercase() => Some(Fit::Itself),
            () if names.first() == Some(text) => Some(Fit::FirstName),
            () if names.contains(text) => Some(Fit::Name),
            () if has_words(&|word, wanted| word == wanted) => Some(Fit::Words),
            () if has_words(&|word, wanted| word.starts_with(wanted)) => Some(Fit::Beginnings),
            () if wanted.is_empty() => None,
            () if names.iter().any(|name| name.contains(text)) || synset.starts_with(text.as_str()) => {
                Some(Fit::Part)
            }
            () => None,
        }
    }

    /// Whether each word is a word of one of the names but for a letter, or two letters of a long one.
    fn is_nearly(&self, label: &Label) -> bool {
        let near = |word: &str, wanted: &str| {
            let slips = if wanted.chars().count() < 8 { 1 } else { 2 };
            // A word of three letters is next to every other.
            wanted.chars().count() > 3 && strsim::osa_distance(word, wanted) <= slips
        };
        let fits = |name: String| self.words.iter().all(|wanted| words(&name).any(|word| near(word, wanted)));
        !self.words.is_empty() && names(&label.name).any(fits)
    }
}

/// The words of a text: what is neither a letter nor a digit parts them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a word is a WordNet noun offset, as `n02123045`.
pub(crate) fn is_synset(word: &str) -> bool {
    word.strip_prefix('n')
        .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The several names of a class, in lower case.
fn names(name: &str) -> impl Iterator<Item = String> {
    name.split(',').map(|name| name.trim().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thousand_classes_are_in_order() {
        let labels = Labels::ilsvrc();
        assert_eq!(labels.len(), 1000);
        let tabby = Label { synset: Some("n02123045".to_owned()), name: "tabby, tabby cat".to_owned() };
        assert_eq!(labels.get(281), Some(&tabby));
        assert_eq!(labels.get(0).unwrap().name, "tench, Tinca tinca");
        assert_eq!(labels.get(999).unwrap().synset.as_deref(), Some("n15075141"));
    }

    #[test]
    fn finds_what_a_person_means() {
        let labels = Labels::ilsvrc();
        for (asked, index) in [
            ("281", 281),
            ("n02123045", 281),
            ("tabby", 281),
            ("Tabby Cat", 281),
            ("tabby, tabby cat", 281),
            ("goose", 99),
            ("ostrich", 9),
        ] {
            assert_eq!(labels.find(asked, 1000).unwrap(), index, "{asked}");
        }
    }

    /// "basset" also gave the merganser (red-Breasted merganSer...), and "cat" began with the catamaran.
    #[test]
    fn a_search_ranks_by_words() {
        let labels = Labels::ilsvrc();
        let search = |asked: &str| labels.search(asked, 1000, 50);
        assert_eq!(search("basset"), [161]);
        assert_eq!(search(" Golden Ret"), [207]);
        assert_eq!(search("retriever golden"), [207]);
        assert_eq!(search("n02123045"), [281]);
        assert_eq!(search("tabby"), [281]);
        // Both cranes, the bird and the machine, before whatever has the word in a name.
        assert_eq!(search("crane")[..2], [134, 517]);
        // Cats, and then what only begins so.
        assert_eq!(search("cat")[..6], [281, 282, 283, 284, 285, 383]);
        let rest = &search("cat")[6..];
        assert!(rest.contains(&484) && rest.contains(&143), "{rest:?}");
        // The class of that number, before the ones whose names have it.
        assert_eq!(search("747")[0], 747);
        assert_eq!(search("otterhound"), [175]);
        assert_eq!(search("foxhound"), [166, 167]);
        assert_eq!((search(""), search("  ").len()), ((0..50).collect(), 50));
        assert_eq!(labels.search("", 3, 50), [0, 1, 2]);
        assert_eq!(labels.search("tabby", 281, 50), [0usize; 0]);
        assert_eq!(labels.search("dog", 1000, 4).len(), 4);
        for nothing in ["xyzzy", "-", ",", "qq"] {
            assert_eq!(search(nothing), [0usize; 0], "{nothing}");
        }
        assert_eq!(Labels::default().search("2", 5, 50), [2]);
    }

    #[test]
    fn a_search_forgives_a_slip_where_nothing_fits() {
        let labels = Labels::ilsvrc();
        let search = |asked: &str| labels.search(asked, 1000, 50);
        assert!(search("terier").contains(&193), "the Australian terrier");
        assert_eq!(search("golden retreiver"), [207]);
        assert_eq!(search("hammerhaed"), [4]);
        // What fits as it is leaves nothing to forgive: "cot" is no cat.
        assert!(!search("tabb").contains(&0) && search("tabb") == [281]);
    }

    #[test]
    fn says_what_it_does_not_understand() {
        let labels = Labels::ilsvrc();
        let text = labels.find("tabbi cat", 1000).unwrap_err().to_string();
        assert!(text.contains("did you mean 'tabby cat'"), "{text}");
        let text = labels.find("crane", 1000).unwrap_err().to_string();
        assert!(text.contains("134 crane") && text.contains("517 crane"), "{text}");
        let text = labels.find("1000", 1000).unwrap_err().to_string();
        assert!(text.contains("0 to 999"), "{text}");
        assert!(Labels::default().find("cat", 10).is_err());
    }

    #[test]
    fn reads_plain_names() {
        let labels = Labels::parse("zero\none\n\n");
        assert_eq!(labels.len(), 2);
        assert_eq!(labels.find("one", 2).unwrap(), 1);
        assert_eq!(labels.with_background().find("one", 3).unwrap(), 2);
    }
}
