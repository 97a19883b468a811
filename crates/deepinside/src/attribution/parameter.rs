//! What can be chosen about a method, written once for every door.

use std::collections::BTreeMap;
use std::sync::Arc;

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::Entry;
use crate::{Error, Model, Result, expect_finite};

/// One parameter of a method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub help: &'static str,
    /// What it is counted in; empty for what has no unit.
    pub unit: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is unless it is given.
    pub default: Default,
}

/// The seed of a method's random numbers.
pub(super) const fn seed(help: &'static str) -> Parameter {
    Parameter {
        name: "seed",
        help,
        unit: "",
        // Seeds stay whole numbers as double-precision numbers.
        kind: Kind::Whole { least: 0, most: usize::MAX >> 11 },
        default: Default::Number(0.0),
    }
}

/// How many random samples a method takes.
pub(super) const fn samples(help: &'static str, unit: &'static str, default: f64) -> Parameter {
    Parameter {
        name: "samples",
        help,
        unit,
        kind: Kind::Whole { least: 1, most: 100_000 },
        default: Default::Number(default),
    }
}

/// Perturbations of the input that are given instead of random ones.
pub(super) const fn perturbations(help: &'static str) -> Parameter {
    Parameter { name: "perturbations", help, unit: "", kind: Kind::Array, default: Default::Chosen }
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// A number within these bounds.
    Number {
        /// The smallest.
        least: f64,
        /// The largest.
        most: f64,
    },
    /// A whole number within these bounds.
    Whole {
        /// The smallest.
        least: usize,
        /// The largest.
        most: usize,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// An array of numbers.
    Array,
    /// One of these words, a number, or an array.
    Baseline(&'static [&'static str]),
    /// Classes: indices joined by commas.
    Classes,
    /// Numbers joined by commas, or an array.
    Numbers,
    /// Arrays by name.
    Arrays,
}

/// What a parameter is unless it is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Default {
    /// This number.
    Number(f64),
    /// This word.
    Word(&'static str),
    /// This flag.
    Flag(bool),
    /// The method chooses, as its help says.
    Chosen,
}

/// What is given for a parameter: text, or an array that a door has read.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// A word, a number or a flag, as it is written.
    Text(String),
    /// An array.
    Array(Arc<Array>),
    /// Arrays by name.
    Arrays(BTreeMap<String, Array>),
}

/// What a person chose about a method.
#[derive(Debug, Clone, PartialEq, std::default::Default)]
pub struct Choices {
    /// Parameters by name.
    pub given: BTreeMap<String, Given>,
    /// The layers that are looked at, in their order; the method chooses where there are none.
    pub layers: Vec<String>,
}

/// The parameters of a method, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    by_name: BTreeMap<&'static str, Value>,
    /// The layers that were asked for.
    pub layers: Vec<ValueId>,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(f64),
    Word(String),
    Flag(bool),
    Array(Arc<Array>),
    Classes(Vec<usize>),
    Numbers(Vec<f64>),
    Arrays(BTreeMap<String, Array>),
    Chosen,
}

impl Values {
    /// Checks what was chosen for a method, and fills in defaults.
    pub(super) fn resolve(entry: &Entry, model: &Model, choices: &Choices) -> Result<Self> {
        let mut values = Self::of(entry.name, entry.parameters, choices)?;
        for name in &choices.layers {
            let found = model.graph.find(name);
            values.layers.push(found.ok_or_else(|| crate::score::no_such_value(&model.graph, name))?);
        }
        if !values.layers.is_empty() && !entry.layers {
            return Err(Error::Option(format!("{} looks at no layer: leave --layer out", entry.name)));
        }
        Ok(values)
    }

    /// The same for anything that has a name and parameters.
    pub(super) fn of(name: &str, parameters: &'static [Parameter], choices: &Choices) -> Result<Self> {
        let names = || parameters.iter().map(|parameter| parameter.name).collect::<Vec<_>>().join(", ");
        if let Some(unknown) =
            choices.given.keys().find(|name| parameters.iter().all(|known| known.name != *name))
        {
            let known = match parameters {
                [] => "it has none".to_owned(),
                _ => format!("it has {}", names()),
            };
            return Err(Error::Option(format!("{name} has no parameter '{unknown}'; {known}")));
        }
        let mut by_name = BTreeMap::new();
        for parameter in parameters {
            let value = match choices.given.get(parameter.name) {
                Some(given) => parameter.value(given)?,
                None => match parameter.default {
                    Default::Number(number) => Value::Number(number),
                    Default::Word(word) => Value::Word(word.to_owned()),
                    Default::Flag(flag) => Value::Flag(flag),
                    Default::Chosen => Value::Chosen,
                },
            };
            by_name.insert(parameter.name, value);
        }
        Ok(Self { by_name, layers: Vec::new() })
    }

    fn get(&self, name: &str) -> &Value {
        self.by_name.get(name).unwrap_or(&Value::Chosen)
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A whole number.
    pub fn whole(&self, name: &str) -> Option<usize> {
        self.number(name).map(|number| number as usize)
    }

    /// A word.
    pub fn word(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    /// A flag; off where there is none of that name.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Value::Flag(true))
    }

    /// Whether a flag that is on by default was turned off.
    pub fn is_off(&self, name: &str) -> bool {
        matches!(self.get(name), Value::Flag(false))
    }

    /// An array.
    pub fn array(&self, name: &str) -> Option<&Arc<Array>> {
        match self.get(name) {
            Value::Array(array) => Some(array),
            _ => None,
        }
    }

    /// An array of whole numbers from 0 on.
    ///
    /// # Errors
    /// When one is none.
    pub fn indices(&self, name: &str) -> Result<Option<Vec<usize>>> {
        let Some(array) = self.array(name) else { return Ok(None) };
        match array.data().iter().find(|number| number.fract() != 0.0 || **number < 0.0) {
            Some(found) => {
                Err(Error::Option(format!("'{name}' holds whole numbers from 0 on, found {found}")))
            }
            None => Ok(Some(array.data().iter().map(|&number| number as usize).collect())),
        }
    }

    /// Numbers.
    pub fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        match self.get(name) {
            Value::Numbers(numbers) => Some(numbers.clone()),
            Value::Array(array) => Some(array.data().iter().map(|&number| f64::from(number)).collect()),
            _ => None,
        }
    }

    /// Arrays by name.
    pub fn arrays(&self, name: &str) -> Option<&BTreeMap<String, Array>> {
        match self.get(name) {
            Value::Arrays(arrays) => Some(arrays),
            _ => None,
        }
    }

    /// Classes.
    pub fn classes(&self, name: &str) -> Option<&[usize]> {
        match self.get(name) {
            Value::Classes(classes) => Some(classes),
            _ => None,
        }
    }
}

impl Parameter {
    /// What it may be, for help texts: `1 to 100`, `zero, mean or an array`.
    pub fn range(&self) -> String {
        match self.kind {
            Kind::Number { least, most } if most == f64::INFINITY => format!("a number of at least {least}"),
            Kind::Number { least, most } => format!("a number, {least} to {most}"),
            Kind::Whole { least, most } => format!("a whole number, {least} to {most}"),
            Kind::Choice(words) => words.join(", "),
            Kind::Flag => "true or false".to_owned(),
            Kind::Array => "an array".to_owned(),
            Kind::Baseline(words) => format!("{}, a number, or an array", words.join(", ")),
            Kind::Classes => "indices of classes, joined by commas".to_owned(),
            Kind::Numbers => "numbers joined by commas, or an array".to_owned(),
            Kind::Arrays => "arrays by name".to_owned(),
        }
    }

    /// Its default, for help texts; `None` where the method chooses.
    pub fn default_text(&self) -> Option<String> {
        match self.default {
            Default::Number(number) => Some(number.to_string()),
            Default::Word(word) => Some(word.to_owned()),
            Default::Flag(flag) => Some(flag.to_string()),
            Default::Chosen => None,
        }
    }

    fn value(&self, given: &Given) -> Result<Value> {
        let failed =
            |found: &str| Err(Error::Option(format!("'{}' is {}, found {found}", self.name, self.range())));
        let text = match (given, self.kind) {
            (Given::Arrays(arrays), Kind::Arrays) => {
                for (name, array) in arrays {
                    expect_finite(|| format!("the numbers of '{name}' in '{}'", self.name), array.data())?;
                }
                return Ok(Value::Arrays(arrays.clone()));
            }
            (Given::Arrays(_), _) => return failed("several arrays"),
            (Given::Array(array), Kind::Array | Kind::Baseline(_) | Kind::Numbers) => {
                expect_finite(|| format!("the numbers of '{}'", self.name), array.data())?;
                return Ok(Value::Array(Arc::clone(array)));
            }
            (Given::Array(_), _) => return failed("an array"),
            (Given::Text(text), _) => text.as_str(),
        };
        let quoted = format!("'{text}'");
        match self.kind {
            Kind::Number { least, most } => match text.parse::<f64>() {
                Ok(number) if number.is_finite() && (least..=most).contains(&number) => {
                    Ok(Value::Number(number))
                }
                _ => failed(&quoted),
            },
            Kind::Whole { least, most } => match text.parse::<usize>() {
                Ok(number) if (least..=most).contains(&number) => Ok(Value::Number(number as f64)),
                _ => failed(&quoted),
            },
            Kind::Choice(words) if words.contains(&text) => Ok(Value::Word(text.to_owned())),
            Kind::Baseline(words) => match text.parse::<f64>() {
                _ if words.contains(&text) => Ok(Value::Word(text.to_owned())),
                Ok(number) if number.is_finite() => Ok(Value::Number(number)),
                _ => failed(&quoted),
            },
            Kind::Flag => match text {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                _ => failed(&quoted),
            },
            Kind::Classes => match text.split(',').map(|class| class.trim().parse()).collect() {
                Ok(classes) => Ok(Value::Classes(classes)),
                Err(_) => failed(&quoted),
            },
            Kind::Numbers => match text.split(',').map(|number| number.trim().parse()).collect() {
                Ok(numbers) => Ok(Value::Numbers(numbers)),
                Err(_) => failed(&quoted),
            },
            Kind::Choice(_) | Kind::Array | Kind::Arrays => failed(&quoted),
        }
    }
}
