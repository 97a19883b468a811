//! The one place that decides which numbers are results: those that are finite.
//!
//! Weights of NaN, or sums beyond the range of single precision, end in scores that are NaN or infinite. Such numbers are no
//! opinion of a network: sorted they name a class all the same, drawn they are a picture. So every score, activation and gradient
//! that leaves the library passes [`expect_finite`]; only [`crate::trace`] shows numbers as they are, and says where they are none.

use deepinside_engine::{PlanOptions, Threads};
use deepinside_graph::{Graph, Node, ValueId};

use crate::layers::{depends_on, leads_to};
use crate::{Error, Model, Result};

/// Expects numbers to be finite; `what` they are, in the plural, is asked for where they are not.
///
/// # Errors
/// [`Error::NotFinite`], which says how many are not.
pub fn expect_finite(what: impl FnOnce() -> String, numbers: &[f32]) -> Result<()> {
    // All are looked at, without a branch, which is several at once.
    let any = |numbers: &[f32]| numbers.iter().fold(false, |any, number| any | !number.is_finite());
    if !numbers.chunks(4096).any(any) {
        return Ok(());
    }
    let nan = numbers.iter().filter(|number| number.is_nan()).count();
    let infinite = numbers.iter().filter(|number| number.is_infinite()).count();
    Err(Error::NotFinite { what: what(), nan, infinite, of: numbers.len(), origin: None })
}

/// Says of [`Error::NotFinite`] where such numbers begin for a picture, by another run of the network; other errors stay as they are.
pub(crate) fn with_origin(error: Error, model: &Model, picture: &[f32], threads: &Threads) -> Error {
    match error {
        Error::NotFinite { what, nan, infinite, of, .. } => {
            // Where that cannot be found, the error is told without it.
            let origin = origin(model, picture, threads).ok().flatten();
            Error::NotFinite { what, nan, infinite, of, origin }
        }
        other => other,
    }
}

/// The first value between picture and score with such numbers, in a sentence's second half.
fn origin(model: &Model, picture: &[f32], threads: &Threads) -> Result<Option<String>> {
    let graph = &model.graph;
    if let Err(error) = expect_finite(|| "the picture as the network reads it".to_owned(), picture) {
        return Ok(Some(format!("{error}: look at mean and scale")));
    }
    let (depends, leads) = (depends_on(graph, model.input), leads_to(graph, model.score.value));
    let between = |value: ValueId| depends[value.index()] && leads[value.index()];
    let values: Vec<ValueId> = graph
        .nodes()
        .iter()
        .flat_map(|node| &node.outputs)
        .copied()
        .filter(|&value| between(value))
        .collect();
    let options = PlanOptions { activations: values, ..PlanOptions::default() };
    let mut session = model.session(1, &options, threads)?;
    session.forward(&[(model.input, picture)])?;
    for node in graph.nodes() {
        for &value in node.outputs.iter().filter(|&&value| between(value)) {
            let name = &graph.value(value).name;
            let what = || format!("'{name}' is the first value that holds such numbers");
            let Err(Error::NotFinite { nan, infinite, of, .. }) =
                expect_finite(what, &session.activation(value)?)
            else {
                continue;
            };
            let cause = match broken_weights(graph, node) {
                Some(weights) => format!("its weights '{weights}' hold them"),
                None => "its weights are finite, so the sums leave the range of single precision".to_owned(),
            };
            return Ok(Some(format!("{} ({} of {of}); {cause}", what(), nan + infinite)));
        }
    }
    Ok(None)
}

/// The weights of a layer that are not finite.
fn broken_weights<'a>(graph: &'a Graph, node: &Node) -> Option<&'a str> {
    let broken = graph.not_finite();
    let value = broken.iter().map(|(value, _)| *value).find(|value| node.inputs.contains(value))?;
    Some(&graph.value(value).name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_looked_at() {
        for (at, number) in
            [(0, f32::NAN), (4095, f32::INFINITY), (4096, f32::NEG_INFINITY), (9999, -f32::NAN)]
        {
            let mut numbers = vec![f32::MAX; 10_000];
            numbers[1] = f32::MIN_POSITIVE / 2.0;
            expect_finite(|| unreachable!(), &numbers).unwrap();
            numbers[at] = number;
            let message = expect_finite(|| "numbers".to_owned(), &numbers).unwrap_err().to_string();
            let kind = if number.is_nan() { "1 NaN, 0 infinite" } else { "0 NaN, 1 infinite" };
            assert_eq!(message, format!("numbers: 1 of 10000 are not finite ({kind})"));
        }
        expect_finite(|| unreachable!(), &[]).unwrap();
    }
}
