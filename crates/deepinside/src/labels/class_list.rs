//! Class names in the forms in which they are passed on: JSON lists and objects, and the Python dictionaries that
//! Ultralytics writes into ONNX files.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::labels::is_synset;
use crate::{Label, Labels};

/// The most classes of a list.
const MOST: usize = 1 << 20;

/// Reads JSON or a Python literal; `None` for anything else, as names one a line.
///
/// # Errors
/// When the text begins as one of these and is none, or classes are missing: what is wrong.
pub(crate) fn read(text: &str) -> Result<Option<Labels>, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with(['{', '[']) {
        return Ok(None);
    }
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => python_literal(text).ok_or_else(|| format!("no class names could be read: {error}"))?,
    };
    match of_json(&value)? {
        Some(labels) => Ok(Some(labels)),
        None => Err("the file holds no class names: a list, or an object from numbers to names, is expected"
            .to_owned()),
    }
}

/// The class names in a JSON value: a list of names, an object from positions to names (or from names to positions), or
/// either under `id2label`, `label2id`, `names`, …; a name is a text, or a pair of synset and text.
///
/// # Errors
/// When positions are missing: which.
pub(crate) fn of_json(value: &Value) -> Result<Option<Labels>, String> {
    match value {
        Value::Array(list) => {
            let labels: Option<Vec<Label>> = list.iter().map(label).collect();
            Ok(labels.filter(|labels| !labels.is_empty()).map(Labels::from_list))
        }
        Value::Object(object) => {
            let by_position =
                object.iter().map(|(key, value)| Some((key.trim().parse::<usize>().ok()?, label(value)?)));
            if let Some(labels) =
                by_position.collect::<Option<BTreeMap<_, _>>>().filter(|labels| !labels.is_empty())
            {
                return complete(labels).map(Some);
            }
            let by_name = object.iter().map(|(key, value)| {
                let position = value.as_u64().and_then(|position| usize::try_from(position).ok())?;
                Some((position, label(&Value::String(key.clone()))?))
            });
            let by_name: Option<BTreeMap<usize, Label>> = by_name.collect();
            if let Some(labels) = by_name.filter(|labels| !labels.is_empty() && labels.len() == object.len())
            {
                return complete(labels).map(Some);
            }
            let keys = [
                "id2label",
                "label2id",
                "label_names",
                "names",
                "class_names",
                "classes",
                "labels",
                "categories",
            ];
            for key in keys {
                if let Some(inner @ (Value::Array(_) | Value::Object(_))) = object.get(key)
                    && let Some(labels) = of_json(inner)?
                {
                    return Ok(Some(labels));
                }
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Names for all positions from 0.
fn complete(labels: BTreeMap<usize, Label>) -> Result<Labels, String> {
    let count = labels.len();
    match labels.keys().enumerate().find(|(expected, found)| expected != *found) {
        Some((missing, _)) => Err(format!("class {missing} of the {count} class names has none")),
        None if count > MOST => {
            Err(format!("a list of class names has at most {MOST}, this one has {count}"))
        }
        None => Ok(Labels::from_list(labels.into_values().collect())),
    }
}

/// One class: a name, a pair of synset and name, or an object with a name.
fn label(value: &Value) -> Option<Label> {
    let named = |synset: Option<&str>, name: &str| {
        // Keras writes the words of a name with underscores between.
        let name = if synset.is_some() { name.replace('_', " ") } else { name.to_owned() };
        Some(Label { synset: synset.map(str::to_owned), name: name.trim().to_owned() })
    };
    match value {
        Value::String(name) => {
            let synset = name.split_whitespace().next().filter(|word| is_synset(word));
            let rest = synset.map_or(name.as_str(), |synset| name.trim_start()[synset.len()..].trim());
            if rest.is_empty() { named(None, name) } else { named(synset, rest) }
        }
        Value::Array(pair) => match &pair[..] {
            [Value::String(synset), Value::String(name)] => named(Some(synset), name),
            [Value::String(name)] => named(None, name),
            _ => None,
        },
        Value::Object(object) => match object.get("name").or(object.get("label"))? {
            Value::String(name) => named(None, name),
            _ => None,
        },
        Value::Number(number) => named(None, &number.to_string()),
        _ => None,
    }
}

/// A Python dictionary from numbers to texts, or a list of texts, as `repr` writes them.
fn python_literal(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let value = match reader.next()? {
        '{' => {
            let mut object = serde_json::Map::new();
            while !reader.eats('}') {
                let key = reader.key()?;
                reader.expect(':')?;
                object.insert(key, Value::String(reader.text()?));
                if !reader.eats(',') {
                    reader.expect('}')?;
                    break;
                }
            }
            Value::Object(object)
        }
        '[' => {
            let mut list = Vec::new();
            while !reader.eats(']') {
                list.push(Value::String(reader.text()?));
                if !reader.eats(',') {
                    reader.expect(']')?;
                    break;
                }
            }
            Value::Array(list)
        }
        _ => return None,
    };
    reader.rest.trim().is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        Some(character)
    }

    fn eats(&mut self, wanted: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.eats(wanted).then_some(())
    }

    /// A number, or a text.
    fn key(&mut self) -> Option<String> {
        let rest = self.rest.trim_start();
        let digits = rest.len() - rest.trim_start_matches(|character: char| character.is_ascii_digit()).len();
        if digits == 0 {
            return self.text();
        }
        self.rest = &rest[digits..];
        Some(rest[..digits].to_owned())
    }

    /// A text in single or double quotes, with Python's escapes.
    fn text(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let quote = self.next().filter(|character| matches!(character, '\'' | '"'))?;
        let mut text = String::new();
        loop {
            match self.next()? {
                character if character == quote => return Some(text),
                '\\' => text.push(self.escaped()?),
                character => text.push(character),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let digits = match self.next()? {
            'n' => return Some('\n'),
            't' => return Some('\t'),
            'r' => return Some('\r'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            character @ ('\\' | '\'' | '"') => return Some(character),
            _ => return None,
        };
        let number = self.rest.get(..digits).and_then(|digits| u32::from_str_radix(digits, 16).ok())?;
        self.rest = &self.rest[digits..];
        char::from_u32(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let labels = read(text).unwrap().unwrap();
        (0..labels.len()).map(|index| labels.get(index).unwrap().name.clone()).collect()
    }

    /// What Python's json module and repr write for the same names.
    #[test]
    fn class_names_are_read_in_the_forms_they_are_passed_on() {
        let expected = ["Müller", "b c", "it's, \"d\"", "é"];
        for text in [
            r#"["M\u00fcller", "b c", "it's, \"d\"", "\u00e9"]"#,
            r#"{"0": "M\u00fcller", "2": "it's, \"d\"", "1": "b c", "3": "\u00e9"}"#,
            r#"{"M\u00fcller": 0, "it's, \"d\"": 2, "b c": 1, "\u00e9": 3}"#,
            r#"{"model_type": "vit", "id2label": {"0": "M\u00fcller", "1": "b c", "2": "it's, \"d\"", "3": "\u00e9"}}"#,
            r#"{0: 'Müller', 1: 'b c', 2: 'it\'s, "d"', 3: '\xe9'}"#,
            r#"['Müller', 'b c', "it's, \"d\"", 'é',]"#,
            r#"[{"id": 0, "name": "M\u00fcller"}, {"name": "b c"}, {"name": "it's, \"d\""}, {"name": "é"}]"#,
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
        let keras =
            read(r#"{"0": ["n01440764", "tench"], "1": ["n01443537", "great_white"]}"#).unwrap().unwrap();
        assert_eq!(keras.get(1).unwrap().name, "great white");
        assert_eq!(keras.get(0).unwrap().synset.as_deref(), Some("n01440764"));
        assert_eq!(read("cat\n[dog]").unwrap(), None);
    }

    #[test]
    fn missing_classes_and_broken_lists_are_said() {
        for (text, expected) in [
            (r#"{"0": "a", "2": "c"}"#, "class 1 of the 2"),
            (r#"{"0": "a""#, "no class names could be read"),
            (r#"{"architectures": ["ViT"]}"#, "holds no class names"),
            ("[]", "holds no class names"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
