//! What is explained: a number computed from values of the network.

mod grammar;
mod index;

use std::collections::BTreeMap;
use std::sync::Arc;

use deepinside_files::Array;
use deepinside_graph::ValueId;

pub use self::index::{Index, Slice};
use crate::score::Normalisation;
use crate::{Error, Model, Result};

/// What is explained: a weighted sum of [`Term`]s. Its gradient with respect to the values it reads starts a backward pass.
///
/// [`Target::parse`] reads the grammar that every door takes, and [`Target::text`] writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The terms with their weights.
    pub terms: Vec<(f32, Term)>,
}

/// One number of a picture. Values are meant without their batch axis.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Term {
    /// The unnormalised score of a class; the mean over positions where the model's score is a map.
    Class(usize),
    /// The probability of a class: the softmax of the scores, or the sigmoid where the network ends in one or has a single score.
    Probability(usize),
    /// Elements of a value.
    Elements {
        /// The value.
        value: ValueId,
        /// Which of its elements.
        index: Index,
        /// What becomes of them.
        reduction: Reduction,
    },
    /// How similar a value is to an array of its shape.
    Similarity {
        /// The value.
        value: ValueId,
        /// The array.
        to: Arc<Array>,
        /// The measure.
        measure: Similarity,
    },
}

/// How elements become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
}

/// How two arrays are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarity {
    /// The scalar product: the sum of the value's elements, each weighted by a number of the array.
    Dot,
    /// The cosine of the angle between them.
    Cosine,
}

/// A target's number for one picture, and its gradient with respect to each value that it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// The number.
    pub number: f64,
    /// Per value the gradient, in C order without the batch axis.
    pub gradients: Vec<(ValueId, Vec<f32>)>,
}

impl From<Term> for Target {
    fn from(term: Term) -> Self {
        Self { terms: vec![(1.0, term)] }
    }
}

impl Target {
    /// The score of a class.
    pub fn class(class: usize) -> Self {
        Term::Class(class).into()
    }

    /// The score of a class minus that of another: what speaks for the first and against the second.
    pub fn difference(class: usize, minus: usize) -> Self {
        Self { terms: vec![(1.0, Term::Class(class)), (-1.0, Term::Class(minus))] }
    }

    /// The score of a class, minus that of another where one is given.
    ///
    /// # Errors
    /// When the model has no such class.
    pub fn of_classes(model: &Model, class: usize, minus: Option<usize>) -> Result<Self> {
        let classes = model.score.classes;
        if let Some(index) = [Some(class), minus].into_iter().flatten().find(|&class| class >= classes) {
            return Err(Error::ClassOutOfRange { index, classes });
        }
        Ok(minus.map_or_else(|| Self::class(class), |minus| Self::difference(class, minus)))
    }

    /// One element of a value, by its place in C order without the batch axis.
    ///
    /// # Errors
    /// When the value has no such element.
    pub fn element(model: &Model, value: ValueId, place: usize) -> Result<Self> {
        let extents = shape_of(model, value);
        let elements: usize = extents.iter().product();
        if place >= elements {
            let name = &model.graph.value(value).name;
            return Err(Error::Option(format!("'{name}' has {elements} elements, found element {place}")));
        }
        Ok(Term::Elements { value, index: Index::of_place(place, extents), reduction: Reduction::Sum }.into())
    }

    /// Reads the grammar of targets: terms joined by ` + ` and ` - `, each of which is
    ///
    /// * a class: its index, synset or name, as in `281` or `tabby`;
    /// * `p(CLASS)`, its probability;
    /// * `VALUE[INDEX]`, the mean of some elements of a value of the network, by NumPy's indices without the batch axis, as
    ///   in `map[15, 20:40, :]` (where the first axis is one of boxes or windows, all axes count); `mean(…)` says so and `sum(…)` takes the sum. A value's name alone means all of it;
    /// * `cos(VALUE, ARRAY)` and `dot(VALUE, ARRAY)`, its similarity to an array of its shape.
    ///
    /// A name in double quotes is literal. `array` finds arrays by the names that the text gives them.
    ///
    /// # Errors
    /// When the text does not follow the grammar, or names what the model does not have.
    pub fn parse(text: &str, model: &Model, array: &dyn Fn(&str) -> Result<Array>) -> Result<Self> {
        grammar::parse(text, model, array)
    }

    /// The names of the arrays that a text would ask for.
    ///
    /// # Errors
    /// When the text does not follow the grammar.
    pub fn arrays_in(text: &str) -> Result<Vec<String>> {
        grammar::arrays_in(text)
    }

    /// The target in the grammar of [`Target::parse`]; arrays are written as `array`.
    pub fn text(&self, model: &Model) -> String {
        grammar::text(self, model)
    }

    /// The only class that this is the score of.
    pub fn as_class(&self) -> Option<usize> {
        match self.terms[..] {
            [(1.0, Term::Class(class))] => Some(class),
            _ => None,
        }
    }

    /// The same with scores turned into probabilities, or `None` where a term is no score.
    pub fn of_probabilities(&self) -> Option<Self> {
        let terms = self.terms.iter().map(|(weight, term)| match term {
            Term::Class(class) | Term::Probability(class) => Some((*weight, Term::Probability(*class))),
            Term::Elements { .. } | Term::Similarity { .. } => None,
        });
        Some(Self { terms: terms.collect::<Option<_>>()? })
    }

    /// The values that are read, each once.
    pub fn values(&self, model: &Model) -> Vec<ValueId> {
        let mut values = Vec::new();
        for (_, term) in &self.terms {
            let value = term.value(model);
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }

    /// The number and its gradients, where `read` gives a value's elements for one picture, in C order.
    ///
    /// # Errors
    /// When a class or an index does not exist, or an array has another shape.
    pub fn evaluate(
        &self,
        model: &Model,
        read: &mut dyn FnMut(ValueId) -> Result<Vec<f32>>,
    ) -> Result<Evaluated> {
        let mut numbers = BTreeMap::new();
        let mut gradients: BTreeMap<usize, (ValueId, Vec<f32>)> = BTreeMap::new();
        let mut sum = 0.0;
        for (weight, term) in &self.terms {
            let value = term.value(model);
            if let std::collections::btree_map::Entry::Vacant(entry) = numbers.entry(value.index()) {
                entry.insert(read(value)?);
            }
            let elements = &numbers[&value.index()];
            let (_, gradient) =
                gradients.entry(value.index()).or_insert_with(|| (value, vec![0.0; elements.len()]));
            sum += f64::from(*weight) * term.evaluate(model, elements, *weight, gradient)?;
        }
        Ok(Evaluated { number: sum, gradients: gradients.into_values().collect() })
    }
}

impl Term {
    /// The value that it reads.
    fn value(&self, model: &Model) -> ValueId {
        match self {
            Self::Class(_) | Self::Probability(_) => model.score.value,
            Self::Elements { value, .. } | Self::Similarity { value, .. } => *value,
        }
    }

    /// The number, whose gradient times the weight is added.
    fn evaluate(&self, model: &Model, elements: &[f32], weight: f32, gradient: &mut [f32]) -> Result<f64> {
        match self {
            Self::Class(class) => {
                let (positions, channel) = channel_of(model, *class, elements.len())?;
                let share = weight / positions as f32;
                gradient[channel.clone()].iter_mut().for_each(|number| *number += share);
                Ok(mean(&elements[channel]))
            }
            Self::Probability(class) => {
                let (positions, _) = channel_of(model, *class, elements.len())?;
                let (probability, derivatives) = probability(model, *class, elements, positions);
                for (channel, derivative) in gradient.chunks_exact_mut(positions).zip(derivatives) {
                    let share = (f64::from(weight) * derivative / positions as f64) as f32;
                    channel.iter_mut().for_each(|number| *number += share);
                }
                Ok(probability)
            }
            Self::Elements { value, index, reduction } => {
                let found = index.elements(shape_of(model, *value))?;
                let share = match reduction {
                    Reduction::Sum => 1.0,
                    Reduction::Mean => 1.0 / found.len() as f64,
                };
                let mut sum = 0.0;
                for element in found {
                    sum += f64::from(elements[element]);
                    gradient[element] += (f64::from(weight) * share) as f32;
                }
                Ok(sum * share)
            }
            Self::Similarity { value, to, measure } => {
                expect_shape(model, *value, to)?;
                let to = to.data();
                let product = dot(elements, to);
                match measure {
                    Similarity::Dot => {
                        gradient.iter_mut().zip(to).for_each(|(number, to)| *number += weight * to);
                        Ok(product)
                    }
                    Similarity::Cosine => {
                        let [own, other] = [elements, to].map(|array| dot(array, array).sqrt());
                        if own == 0.0 || other == 0.0 {
                            return Err(Error::Option(
                                "the cosine is not defined where one of the arrays is zero everywhere"
                                    .to_owned(),
                            ));
                        }
                        let cosine = product / (own * other);
                        for ((number, &element), &to) in gradient.iter_mut().zip(elements).zip(to) {
                            let derivative =
                                f64::from(to) / (own * other) - cosine * f64::from(element) / (own * own);
                            *number += (f64::from(weight) * derivative) as f32;
                        }
                        Ok(cosine)
                    }
                }
            }
        }
    }
}

/// How many positions each class has in the score, and where those of one lie.
fn channel_of(model: &Model, class: usize, elements: usize) -> Result<(usize, std::ops::Range<usize>)> {
    let classes = model.score.classes;
    if class >= classes {
        return Err(Error::ClassOutOfRange { index: class, classes });
    }
    let positions = (elements / classes).max(1);
    Ok((positions, class * positions..(class + 1) * positions))
}

/// The probability of a class, and its derivatives with respect to the score of each class.
fn probability(model: &Model, class: usize, elements: &[f32], positions: usize) -> (f64, Vec<f64>) {
    let scores: Vec<f64> = elements.chunks_exact(positions).map(mean).collect();
    let is_sigmoid = match model.score.normalisation {
        Normalisation::Sigmoid => true,
        Normalisation::Softmax => false,
        // A single score without any normalisation is a logit.
        Normalisation::None => scores.len() == 1,
    };
    if is_sigmoid {
        let probability = 1.0 / (1.0 + (-scores[class]).exp());
        let mut derivatives = vec![0.0; scores.len()];
        derivatives[class] = probability * (1.0 - probability);
        return (probability, derivatives);
    }
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    let probability = exponentials[class] / sum;
    let derivatives = exponentials.iter().enumerate().map(|(other, exponential)| {
        let own = if other == class { 1.0 } else { 0.0 };
        probability * (own - exponential / sum)
    });
    (probability, derivatives.collect())
}

/// A value's extents without the batch axis. The network is one for one picture, so a first axis that is longer is none of pictures but
/// of boxes or windows, and stays.
pub(crate) fn shape_of(model: &Model, value: ValueId) -> &[usize] {
    match model.graph.value(value).shape.extents() {
        [1, rest @ ..] => rest,
        all => all,
    }
}

fn expect_shape(model: &Model, value: ValueId, array: &Array) -> Result<()> {
    let expected = shape_of(model, value);
    let found = array.shape();
    // With the batch axis it is the same array.
    if found == expected || found.split_first().is_some_and(|(&batch, rest)| batch == 1 && rest == expected) {
        return Ok(());
    }
    Err(Error::Option(format!(
        "an array that is compared with '{}' has its shape {expected:?}, found {found:?}",
        model.graph.value(value).name
    )))
}

fn mean(numbers: &[f32]) -> f64 {
    numbers.iter().map(|&number| f64::from(number)).sum::<f64>() / numbers.len().max(1) as f64
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}
