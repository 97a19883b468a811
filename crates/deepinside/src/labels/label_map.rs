//! Label maps in the text form of protocol buffers, as TensorFlow's object detection (`item { id: 1 name: "cat" }`) and SSD's
//! (`item { label: 1 name: "n0212" display_name: "cat" }`) have them.

/// The names in the order of their numbers; `None` where the text is no such map.
///
/// # Errors
/// When numbers are missing or given twice: which.
pub(super) fn read(text: &str) -> Option<Result<Vec<String>, String>> {
    let mut words = Words { rest: text };
    let mut items = Vec::new();
    while let Some(word) = words.next() {
        if word != Word::Name("item") || words.next()? != Word::Sign('{') {
            return None;
        }
        items.push(item(&mut words)?);
    }
    (!items.is_empty()).then(|| in_order(items))
}

/// One item behind its brace: its number and its name.
fn item(words: &mut Words<'_>) -> Option<(u64, String)> {
    let (mut number, mut names) = (None, [None, None]);
    loop {
        let key = match words.next()? {
            Word::Sign('}') => break,
            Word::Sign(',' | ';') => continue,
            Word::Name(key) => key,
            _ => return None,
        };
        let mut value = words.next()?;
        if value == Word::Sign(':') {
            value = words.next()?;
        }
        match (key, value) {
            ("id" | "label", Word::Name(digits)) => number = digits.parse().ok(),
            ("display_name", Word::Text(text)) => names[0] = Some(text).filter(|text| !text.is_empty()),
            ("name", Word::Text(text)) => names[1] = Some(text),
            // What an item says besides, as keypoints.
            (_, Word::Sign('{')) => words.skip_group()?,
            _ => {}
        }
    }
    let [shown, name] = names;
    Some((number?, shown.or(name)?))
}

/// Names in the order of their numbers, from 0 or 1 on.
fn in_order(mut items: Vec<(u64, String)>) -> Result<Vec<String>, String> {
    items.sort_by_key(|(number, _)| *number);
    let first = items[0].0;
    let gap = (first..).zip(&items).find(|(expected, (number, _))| expected != number);
    match gap {
        _ if first > 1 => {
            Err(format!("the first class of the label map has the number {first}, and not 0 or 1"))
        }
        Some((missing, _)) => {
            Err(format!("class {missing} of the label map is missing, or another is given twice"))
        }
        None => Ok(items.into_iter().map(|(_, name)| name).collect()),
    }
}

#[derive(PartialEq)]
enum Word<'a> {
    Sign(char),
    Name(&'a str),
    Text(String),
}

struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<Word<'a>> {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix('#') {
                Some(comment) => self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => break,
            }
        }
        let first = self.rest.chars().next()?;
        if let quote @ ('"' | '\'') = first {
            let mut text = String::new();
            let mut letters = self.rest[1..].char_indices();
            loop {
                match letters.next()? {
                    (place, letter) if letter == quote => {
                        self.rest = &self.rest[place + 2..];
                        return Some(Word::Text(text));
                    }
                    (_, '\\') => text.push(letters.next()?.1),
                    (_, letter) => text.push(letter),
                }
            }
        }
        if !first.is_alphanumeric() && first != '_' && first != '-' {
            self.rest = &self.rest[first.len_utf8()..];
            return Some(Word::Sign(first));
        }
        let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
        let end = self.rest.find(|letter| !is_part(letter)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(Word::Name(name))
    }

    fn skip_group(&mut self) -> Option<()> {
        let mut depth = 1;
        while depth > 0 {
            match self.next()? {
                Word::Sign('{') => depth += 1,
                Word::Sign('}') => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_maps_give_their_names_by_number() {
        let expected = Some(Ok(["it's", "dog, hound", "c"].map(str::to_owned).to_vec()));
        for text in [
            "item {\n  id: 2\n  name: 'dog, hound'\n}\nitem {\n  id: 1\n  name: 'it\\'s'\n}\n# last\nitem { id: 3 name: \"c\" }",
            "item {\n  name: \"/m/0\"\n  id: 1\n  display_name: \"it's\"\n}\nitem{name:\"/m/1\",id:2,display_name:\"dog, hound\"}\
             item { name: \"c\" id: 3 display_name: \"\" keypoints { id: 7 label: \"eye\" } }",
            "item { name: \"none\" label: 0 display_name: \"it's\" }\nitem { name: \"n1\" label: 1 display_name: \"dog, hound\" }\n\
             item { name: \"n2\" label: 2 display_name: \"c\" }\n",
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for (text, what) in [
            ("item { id: 1 name: 'a' } item { id: 3 name: 'b' }", "class 2"),
            ("item { id: 7 name: 'a' }", "the number 7"),
        ] {
            assert!(read(text).unwrap().unwrap_err().contains(what), "{text}");
        }
        for text in ["item", "items\nthings", "item { name: 'a'", "cat\ndog", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
