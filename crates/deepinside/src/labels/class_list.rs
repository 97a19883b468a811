//! Class names in the forms in which they are passed on: JSON lists and objects, one or many, and the dictionaries, lists and tuples that
//! Python writes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::labels::{is_synset, python, table};
use crate::{Label, Labels};

/// The most classes of a list.
const MOST: usize = 1 << 20;

/// Reads JSON or a Python literal; `None` for anything else, as names one a line.
///
/// # Errors
/// When the text begins as one of these and is none, or classes are missing: what is wrong.
pub(crate) fn read(text: &str) -> Result<Option<Labels>, String> {
    let text = without_assignment(text.trim_start_matches('\u{feff}').trim());
    if !text.starts_with(['{', '[', '(']) {
        return Ok(None);
    }
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => match python::literal(text).or_else(|| lines(text)) {
            Some(value) => value,
            None if text.starts_with('(') => return Ok(None),
            None => return Err(format!("no class names could be read: {error}")),
        },
    };
    match of_json(&value)? {
        Some(labels) => Ok(Some(labels)),
        None => Err("the file holds no class names: a list, or an object from numbers to names, is expected"
            .to_owned()),
    }
}

/// What is behind `names = `, as a line of Python or TOML has it.
fn without_assignment(text: &str) -> &str {
    match text.split_once('=') {
        Some((name, value))
            if !name.trim().is_empty()
                && name.trim().chars().all(|letter| letter.is_alphanumeric() || letter == '_')
                && value.trim_start().starts_with(['{', '[', '(']) =>
        {
            value.trim_start()
        }
        _ => text,
    }
}

/// One JSON value a line, as a list.
fn lines(text: &str) -> Option<Value> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).ok()).collect::<Option<Vec<_>>>().map(Value::Array)
}

/// The keys under which class names are found, in small letters and without underscores.
const KEYS: [&str; 18] = [
    "id2label",
    "label2id",
    "labelnames",
    "names",
    "classnames",
    "classes",
    "labels",
    "categories",
    "classtoidx",
    "idxtoclass",
    "classindices",
    "classindex",
    "indextoname",
    "indextolabel",
    "idxtolabel",
    "classlabels",
    "labelmap",
    "label",
];

/// How deep names may lie within objects.
const DEEPEST: usize = 4;

/// The class names in a JSON value: a list of names, an object from positions to names (or from names to positions), or
/// either under `id2label`, `label2id`, `names`, …; a name is a text, or a pair of synset and text.
///
/// # Errors
/// When positions are missing: which.
pub(crate) fn of_json(value: &Value) -> Result<Option<Labels>, String> {
    within(value, 0)
}

fn within(value: &Value, depth: usize) -> Result<Option<Labels>, String> {
    match value {
        Value::Array(list) => of_list(list),
        Value::Object(object) => {
            let by_position =
                object.iter().map(|(key, value)| Some((key.trim().parse::<usize>().ok()?, label(value)?)));
            if let Some(labels) =
                by_position.collect::<Option<BTreeMap<_, _>>>().filter(|labels| !labels.is_empty())
            {
                return complete(labels).map(Some);
            }
            let by_name = object.iter().map(|(key, value)| match value {
                // Synsets with their positions and words.
                Value::Array(pair) => {
                    let [at, Value::String(name)] = &pair[..] else { return None };
                    Some((
                        position(at)?,
                        label(&Value::Array(vec![key.as_str().into(), name.as_str().into()]))?,
                    ))
                }
                at => Some((position(at)?, label(&Value::String(key.clone()))?)),
            });
            let by_name: Option<BTreeMap<usize, Label>> = by_name.collect();
            if let Some(labels) = by_name.filter(|labels| !labels.is_empty() && labels.len() == object.len())
            {
                return complete(labels).map(Some);
            }
            for wanted in KEYS {
                let spelt = |key: &str| key.to_lowercase().replace(['_', '-', ' '], "") == wanted;
                let inner = object.iter().filter(|(key, _)| spelt(key)).map(|(_, inner)| inner);
                for inner in inner.filter(|inner| matches!(inner, Value::Array(_) | Value::Object(_))) {
                    if depth < DEEPEST
                        && let Some(labels) = within(inner, depth + 1)?
                    {
                        return Ok(Some(labels));
                    }
                }
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// A list of names; where each has its number beside it, in the order of these.
fn of_list(list: &[Value]) -> Result<Option<Labels>, String> {
    let numbered = list.iter().map(|value| match value {
        Value::Array(pair) => match &pair[..] {
            [Value::Number(at), name @ Value::String(_)] | [name @ Value::String(_), Value::Number(at)] => {
                Some((position(&Value::Number(at.clone()))?, label(name)?))
            }
            _ => None,
        },
        Value::Object(object) => {
            let number = ["id", "index", "idx", "class_id", "class_index", "label_id", "label", "value"];
            let at = number.iter().find_map(|key| position(object.get(*key)?))?;
            Some((at, label(value)?))
        }
        _ => None,
    });
    if let Some(numbered) = numbered.collect::<Option<Vec<_>>>().filter(|numbered| !numbered.is_empty()) {
        let (numbers, mut labels): (Vec<usize>, Vec<Option<Label>>) =
            numbered.into_iter().map(|(number, label)| (number, Some(label))).unzip();
        if let Some(order) = table::positions(&numbers) {
            return Ok(Some(Labels::from_list(order.iter().filter_map(|&row| labels[row].take()).collect())));
        }
        // Categories of a data set may have numbers of their own with gaps between; their order is that of the classes.
        if !numbers.is_sorted() {
            return Err("the numbers of the class names are neither all of those from 0 nor in their order"
                .to_owned());
        }
        return Ok(Some(Labels::from_list(labels.into_iter().flatten().collect())));
    }
    let labels: Option<Vec<Label>> = list.iter().map(label).collect();
    Ok(labels.filter(|labels| !labels.is_empty()).map(Labels::from_list))
}

/// A position, as a number or as its digits.
fn position(value: &Value) -> Option<usize> {
    match value {
        Value::String(digits) => digits.trim().parse().ok(),
        number => number.as_u64().and_then(|position| usize::try_from(position).ok()),
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
            [Value::String(synset), Value::String(name)] if is_synset(synset) => named(Some(synset), name),
            // Several names of one class.
            names => {
                let names: Vec<&str> = names.iter().map(Value::as_str).collect::<Option<_>>()?;
                if names.is_empty() { None } else { named(None, &names.join(", ")) }
            }
        },
        Value::Object(object) => {
            let keys = ["display_name", "name", "label", "class_name", "title"];
            let mut named_by = keys.iter().filter_map(|key| object.get(*key)?.as_str());
            named(None, named_by.next()?)
        }
        Value::Number(number) => named(None, &number.to_string()),
        _ => None,
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
            r#"{'Müller': 0, 'b c': 1, 'it\'s, "d"': 2, '\xe9': 3}"#,
            r#"('Müller', 'b c', "it's, \"d\"", 'é')"#,
            r#"classes = ['Müller', 'b c', "it's, \"d\"", 'é']"#,
            r#"{"classes": {"Label": ["Müller", "b c", "it's, \"d\"", "é"]}, "doc_id": "x"}"#,
            r#"{"CLASSES": ["Müller", "b c", "it's, \"d\"", "é"], "PALETTE": [[1, 2, 3]]}"#,
            r#"[{"id": 3, "name": "é"}, {"id": 1, "name": "b c"}, {"id": 0, "name": "Müller"}, {"id": 2, "name": "it's, \"d\""}]"#,
            r#"[[0, "Müller"], [2, "it's, \"d\""], [1, "b c"], [3, "é"]]"#,
            "{\"id\": 1, \"label\": \"b c\"}\n{\"id\": 0, \"label\": \"Müller\"}\n\
             {\"id\": 2, \"label\": \"it's, \\\"d\\\"\"}\n{\"id\": 3, \"label\": \"é\"}\n",
            r#"{"Müller": "0", "b c": "1", "it's, \"d\"": "2", "é": "3"}"#,
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
        // Two words of a class were taken for a synset and its name.
        assert_eq!(
            names(r#"{"0": ["tench", "Tinca tinca"], "1": ["goldfish"]}"#),
            ["tench, Tinca tinca", "goldfish"]
        );
        let by_synset =
            read(r#"{"n01440764": ["1", "tench"], "n01443537": ["0", "goldfish"]}"#).unwrap().unwrap();
        assert_eq!(by_synset.get(1).unwrap().synset.as_deref(), Some("n01440764"));
        assert_eq!(by_synset.get(0).unwrap().name, "goldfish");
    }

    #[test]
    fn missing_classes_and_broken_lists_are_said() {
        for (text, expected) in [
            (r#"{"0": "a", "2": "c"}"#, "class 1 of the 2"),
            (r#"{"0": "a""#, "no class names could be read"),
            (r#"{"architectures": ["ViT"]}"#, "holds no class names"),
            ("[]", "holds no class names"),
            (r#"{"1": "a", "2": "b"}"#, "class 0 of the 2"),
            (r#"[{"id": 5, "name": "a"}, {"id": 2, "name": "b"}]"#, "neither all of those from 0"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
