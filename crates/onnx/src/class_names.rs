//! Names of classes behind the scores (`ai.onnx.ml`): a file may end in the name of the likeliest class and in a table from names to
//! probabilities, as Azure Custom Vision's and scikit-learn's do. Texts and tables are no numbers; they are left out, the probabilities
//! that they are made of become the result, and the names are kept.

use std::collections::HashSet;

use crate::import::each_read;
use crate::proto;

/// The domain of operators on tables and texts.
const LEARNING: &str = "ai.onnx.ml";

/// The operators that only name classes.
const NAMING: [&str; 3] = ["ZipMap", "ArrayFeatureExtractor", "LabelEncoder"];

/// ONNX's number for texts.
const TEXTS: i32 = 8;

/// Leaves out what names classes at the end of a network, and what depends on it; the names that it held, if any.
pub(crate) fn leave_naming_out(graph: &mut proto::Graph) -> Option<Vec<String>> {
    let texts: HashSet<&str> = graph
        .initializer
        .iter()
        .filter(|tensor| tensor.data_type == TEXTS)
        .map(|tensor| tensor.name.as_str())
        .collect();
    let names_classes = |node: &proto::Node| {
        node.domain == LEARNING
            && NAMING.contains(&node.op_type.as_str())
            // An extractor of numbers is none of names.
            && (node.op_type != "ArrayFeatureExtractor"
                || node.input.first().is_some_and(|first| texts.contains(first.as_str())))
    };
    if !graph.node.iter().any(names_classes) {
        return None;
    }
    let mut names = Vec::new();
    let mut results = Vec::new();
    let mut gone: HashSet<String> = HashSet::new();
    let mut goes = vec![false; graph.node.len()];
    // Nodes may lie in any order.
    loop {
        let before = gone.len();
        for (index, node) in graph.node.iter().enumerate() {
            let mut depends = names_classes(node);
            each_read(node, &mut |name| depends |= gone.contains(name));
            if !depends || std::mem::replace(&mut goes[index], true) {
                continue;
            }
            gone.extend(node.output.iter().filter(|name| !name.is_empty()).cloned());
            if node.op_type == "ZipMap" {
                let held = node.attribute.iter().find(|attribute| attribute.name == "classlabels_strings");
                let text = |text: &prost::bytes::Bytes| String::from_utf8_lossy(text).into_owned();
                names = held.map_or(names, |held| held.strings.iter().map(text).collect());
                results.extend(node.input.first().cloned());
            }
        }
        if gone.len() == before {
            break;
        }
    }
    let mut goes = goes.into_iter();
    graph.node.retain(|_| !goes.next().unwrap_or(false));
    graph.output.retain(|output| !gone.contains(&output.name));
    results.retain(|name| !gone.contains(name));
    for name in results {
        if graph.output.iter().all(|output| output.name != name) {
            graph.output.push(proto::ValueInfo { name, ..Default::default() });
        }
    }
    // Texts are read by nothing that is left.
    let mut read = HashSet::new();
    for node in &graph.node {
        each_read(node, &mut |name| {
            read.insert(name.to_owned());
        });
    }
    graph.initializer.retain(|tensor| tensor.data_type != TEXTS || read.contains(&tensor.name));
    Some(names)
}

/// Names as a list in JSON.
pub(crate) fn as_json(names: &[String]) -> String {
    let escaped = |name: &String| {
        let characters = name.chars().map(|character| match character {
            '"' | '\\' => format!("\\{character}"),
            character if character.is_control() => format!("\\u{:04x}", u32::from(character)),
            character => character.to_string(),
        });
        format!("\"{}\"", characters.collect::<String>())
    };
    format!("[{}]", names.iter().map(escaped).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let names = ["a \"b\"", "c\\d", "e\nf"].map(str::to_owned);
        assert_eq!(as_json(&names), r#"["a \"b\"","c\\d","e\u000af"]"#);
    }
}
