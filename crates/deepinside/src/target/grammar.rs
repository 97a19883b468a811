//! How targets are written; see [`Target::parse`].

use std::sync::Arc;

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::{Index, Reduction, Similarity, Target, Term, expect_shape};
use crate::score::no_such_value;
use crate::{Error, Model, Result};

/// One term as it is written, before names are looked up.
#[derive(Debug, PartialEq)]
enum Written<'a> {
    /// A class, or a whole value.
    Name(Name<'a>),
    Probability(&'a str),
    Elements {
        value: Name<'a>,
        index: Option<&'a str>,
        reduction: Reduction,
    },
    Similarity {
        value: Name<'a>,
        array: &'a str,
        measure: Similarity,
    },
}

/// A name, and whether it stood in double quotes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Name<'a> {
    text: &'a str,
    is_literal: bool,
}

/// See [`Target::parse`].
pub(super) fn parse(text: &str, model: &Model, array: &dyn Fn(&str) -> Result<Array>) -> Result<Target> {
    let mut terms = Vec::new();
    for (weight, part) in split(text)? {
        terms.push((weight, resolve(written(part)?, model, array)?));
    }
    Ok(Target { terms })
}

/// See [`Target::arrays_in`].
pub(super) fn arrays_in(text: &str) -> Result<Vec<String>> {
    let mut arrays = Vec::new();
    for (_, part) in split(text)? {
        if let Written::Similarity { array, .. } = written(part)? {
            arrays.push(array.to_owned());
        }
    }
    Ok(arrays)
}

/// Splits a sum at ` + ` and ` - `, outside of quotes and brackets.
fn split(text: &str) -> Result<Vec<(f32, &str)>> {
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut start, mut weight) = (0usize, false, 0, 1.0);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => quoted = !quoted,
            b'(' | b'[' if !quoted => depth += 1,
            b')' | b']' if !quoted => depth = depth.saturating_sub(1),
            b' ' if !quoted && depth == 0 && matches!(bytes.get(at + 1..at + 3), Some(b"- " | b"+ ")) => {
                parts.push((weight, &text[start..at]));
                weight = if bytes[at + 1] == b'-' { -1.0 } else { 1.0 };
                start = at + 3;
                at += 2;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push((weight, &text[start..]));
    if quoted || depth > 0 || parts.iter().any(|(_, part)| part.trim().is_empty()) {
        return Err(Error::Option(format!(
            "the target '{text}' is not complete: a quote, a bracket or a term is missing; {FORMS}"
        )));
    }
    Ok(parts)
}

/// What a target may look like.
const FORMS: &str = "expected a class (281, tabby), p(281), a difference (281 - 282), a value of the network with an index \
                     (map[15,:,:], sum(map[15,:,:])), or cos(value, array)";

fn written(part: &str) -> Result<Written<'_>> {
    let part = part.trim();
    if let Some(class) = call(part, "p") {
        return Ok(Written::Probability(class));
    }
    for (function, reduction) in [("mean", Reduction::Mean), ("sum", Reduction::Sum)] {
        if let Some(inner) = call(part, function) {
            let (value, index) = indexed(inner)?;
            return Ok(Written::Elements { value, index, reduction });
        }
    }
    for (function, measure) in [("cos", Similarity::Cosine), ("dot", Similarity::Dot)] {
        if let Some(inner) = call(part, function) {
            let expected =
                || Error::Option(format!("'{part}' needs a value and an array: {function}(value, array)"));
            let comma = outside_quotes(inner, b',').ok_or_else(expected)?;
            let value = name(&inner[..comma])?;
            return Ok(Written::Similarity { value, array: inner[comma + 1..].trim(), measure });
        }
    }
    match indexed(part)? {
        (value, None) => Ok(Written::Name(value)),
        (value, index) => Ok(Written::Elements { value, index, reduction: Reduction::Mean }),
    }
}

/// What stands between the brackets of a call of this function.
fn call<'a>(part: &'a str, function: &str) -> Option<&'a str> {
    let inner = part.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.trim())
}

/// A name with an index behind it: the last bracket, for names of ONNX files have brackets of their own.
fn indexed(text: &str) -> Result<(Name<'_>, Option<&str>)> {
    let text = text.trim();
    if let Some(inner) = text.strip_suffix(']')
        && let Some(bracket) = inner.rfind('[')
        && !inner[bracket..].contains('"')
    {
        return Ok((name(&inner[..bracket])?, Some(&inner[bracket + 1..])));
    }
    Ok((name(text)?, None))
}

fn name(text: &str) -> Result<Name<'_>> {
    let text = text.trim();
    let literal = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match literal {
        Some(literal) => Ok(Name { text: literal, is_literal: true }),
        None if text.is_empty() => Err(Error::Option(format!("a name is missing; {FORMS}"))),
        None => Ok(Name { text, is_literal: false }),
    }
}

fn outside_quotes(text: &str, wanted: u8) -> Option<usize> {
    let mut quoted = false;
    text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == wanted && !quoted
    })
}

fn resolve(written: Written<'_>, model: &Model, array: &dyn Fn(&str) -> Result<Array>) -> Result<Term> {
    match written {
        Written::Probability(asked) => Ok(Term::Probability(model.class(name(asked)?.text)?)),
        Written::Name(asked) if asked.is_literal => match find(asked, model) {
            Ok(value) => whole(value),
            Err(_) => Ok(Term::Class(model.class(asked.text)?)),
        },
        // A class comes first: a network whose values are called as its classes are has none yet.
        Written::Name(asked) => match model.class(asked.text) {
            Ok(class) => Ok(Term::Class(class)),
            Err(error) => find(asked, model).map_or(Err(error), whole),
        },
        Written::Elements { value, index, reduction } => {
            let value = find(value, model)?;
            let index = index.map_or_else(|| Ok(Index::default()), Index::parse)?;
            index.elements(super::shape_of(model, value))?;
            Ok(Term::Elements { value, index, reduction })
        }
        Written::Similarity { value, array: asked, measure } => {
            let value = find(value, model)?;
            let to = array(asked)?;
            expect_shape(model, value, &to)?;
            Ok(Term::Similarity { value, to: Arc::new(to), measure })
        }
    }
}

fn whole(value: ValueId) -> Result<Term> {
    Ok(Term::Elements { value, index: Index::default(), reduction: Reduction::Mean })
}

fn find(name: Name<'_>, model: &Model) -> Result<ValueId> {
    let found = model.graph.find(name.text).ok_or_else(|| no_such_value(&model.graph, name.text))?;
    if model.graph.value(found).weights().is_some() {
        return Err(Error::Option(format!(
            "'{}' is a constant of the network, which depends on no picture",
            name.text
        )));
    }
    Ok(found)
}

/// See [`Target::text`].
pub(super) fn text(target: &Target, model: &Model) -> String {
    let mut text = String::new();
    for (position, (weight, term)) in target.terms.iter().enumerate() {
        match (position, *weight < 0.0) {
            (0, false) => {}
            (_, true) => text.push_str(" - "),
            (_, false) => text.push_str(" + "),
        }
        text.push_str(&term_text(term, model));
    }
    text
}

fn term_text(term: &Term, model: &Model) -> String {
    let quoted = |value: ValueId| format!("\"{}\"", model.graph.value(value).name);
    match term {
        Term::Class(class) => class.to_string(),
        Term::Probability(class) => format!("p({class})"),
        Term::Elements { value, index, reduction } => {
            let function = match reduction {
                Reduction::Mean => "mean",
                Reduction::Sum => "sum",
            };
            let index = if index.is_whole() { String::new() } else { format!("[{index}]") };
            format!("{function}({}{index})", quoted(*value))
        }
        Term::Similarity { value, measure, .. } => {
            let function = match measure {
                Similarity::Dot => "dot",
                Similarity::Cosine => "cos",
            };
            format!("{function}({}, array)", quoted(*value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_split_outside_of_quotes_and_brackets() {
        assert_eq!(split("281 - 282").unwrap(), [(1.0, "281"), (-1.0, "282")]);
        assert_eq!(split("\"a - b\"[1] + c").unwrap(), [(1.0, "\"a - b\"[1]"), (1.0, "c")]);
        assert_eq!(split("sum(a[1 - 2])").unwrap(), [(1.0, "sum(a[1 - 2])")]);
        assert_eq!(split("black-footed ferret").unwrap(), [(1.0, "black-footed ferret")]);
        for text in ["", " - 3", "a - ", "\"a", "sum(a"] {
            assert!(split(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn terms_are_told_apart() {
        let named = |text, is_literal| Name { text, is_literal };
        assert_eq!(written("tabby").unwrap(), Written::Name(named("tabby", false)));
        assert_eq!(written("p(tabby)").unwrap(), Written::Probability("tabby"));
        let elements = |text, is_literal, index, reduction| Written::Elements {
            value: named(text, is_literal),
            index,
            reduction,
        };
        assert_eq!(written("map[1,:]").unwrap(), elements("map", false, Some("1,:"), Reduction::Mean));
        assert_eq!(written("sum(\"a[0]\"[2])").unwrap(), elements("a[0]", true, Some("2"), Reduction::Sum));
        assert_eq!(written("mean(\"a[0]\")").unwrap(), elements("a[0]", true, None, Reduction::Mean));
        let similarity =
            Written::Similarity { value: named("a, b", true), array: "r.npy", measure: Similarity::Cosine };
        assert_eq!(written("cos(\"a, b\", r.npy)").unwrap(), similarity);
        assert!(written("cos(a)").is_err());
    }
}
