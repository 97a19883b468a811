//! The names of a network's classes.

use std::path::Path;

use deepinside_vision::whole_file;

use crate::{Error, Result};

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

    /// Reads a list of one class per line: a name, or a synset and names as in Caffe's `synset_words.txt`.
    ///
    /// # Errors
    /// When the file cannot be read, is not text or names no class.
    pub fn read(path: &Path) -> Result<Self> {
        const LARGEST: u64 = 16 << 20;
        let text = whole_file::read_text(path, LARGEST).map_err(|error| {
            Error::Model(format!("{error}; a list of class names is text, one name a line"))
        })?;
        let labels = Self::parse(&text);
        if labels.labels.is_empty() {
            return Err(Error::Model(format!(
                "{}: no class names in the file; one a line is expected",
                path.display()
            )));
        }
        Ok(labels)
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
    /// with that word in its name. Case does not matter.
    ///
    /// # Errors
    /// When no class or several match, or the index is not below `classes`.
    pub fn find(&self, asked: &str, classes: usize) -> Result<usize> {
        let asked = asked.trim();
        if let Ok(index) = asked.parse::<usize>() {
            return if index < classes { Ok(index) } else { Err(Error::ClassOutOfRange { index, classes }) };
        }
        let wanted = asked.to_lowercase();
        let known = || self.labels.iter().take(classes).enumerate();
        let matching = |test: &dyn Fn(&Label) -> bool| -> Vec<usize> {
            known().filter(|(_, label)| test(label)).map(|(index, _)| index).collect()
        };
        // From the strictest reading to the loosest; the first that fits any class decides.
        let readings: [&dyn Fn(&Label) -> bool; 5] = [
            &|label| label.synset.as_deref() == Some(wanted.as_str()),
            &|label| label.name.to_lowercase() == wanted,
            &|label| first_name(&label.name) == wanted,
            &|label| names(&label.name).any(|name| name == wanted),
            &|label| names(&label.name).any(|name| name.split([' ', '-']).any(|word| word == wanted)),
        ];
        for reading in readings {
            match matching(reading)[..] {
                [] => continue,
                [index] => return Ok(index),
                ref several => {
                    let matches =
                        several.iter().take(5).map(|&index| format!("{index} {}", self.labels[index].name));
                    return Err(Error::AmbiguousClass {
                        asked: asked.to_owned(),
                        matches: matches.collect(),
                    });
                }
            }
        }
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
        Err(Error::UnknownClass { asked: asked.to_owned(), nearest })
    }
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

fn first_name(name: &str) -> String {
    names(name).next().unwrap_or_default()
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
