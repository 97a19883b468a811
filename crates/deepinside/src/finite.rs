//! The one place that decides which numbers are results: those that are finite.
//!
//! Weights of NaN, or sums beyond the range of single precision, end in scores that are NaN or infinite. Such numbers are no
//! opinion of a network: sorted they name a class all the same, drawn they are a picture. So every score, activation and gradient
//! that leaves the library passes [`expect_finite`]; only [`crate::trace`] shows numbers as they are, and says where they are none.

use std::sync::Arc;

use deepinside_engine::{Plan, PlanOptions, Session, Threads};
use deepinside_graph::{Graph, Node, ValueId};

use crate::layers::{hangs_on, leads_to};
use crate::{Error, Result};

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

/// Finds where numbers that are not finite begin, with another run of the network.
pub(crate) struct Origins {
    graph: Graph,
    input: ValueId,
    score: ValueId,
}

impl Origins {
    /// Of the score of a network.
    pub fn new(graph: &Graph, input: ValueId, score: ValueId) -> Self {
        Self { graph: graph.clone(), input, score }
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Says of [`Error::NotFinite`] where such numbers begin for a picture; other errors stay as they are.
    pub fn explain(&self, error: Error, picture: &[f32], threads: &Threads) -> Error {
        match error {
            Error::NotFinite { what, nan, infinite, of, .. } => {
                // Where that cannot be found, the error is told without it.
                Error::NotFinite {
                    what,
                    nan,
                    infinite,
                    of,
                    origin: self.find(picture, threads).ok().flatten(),
                }
            }
            other => other,
        }
    }

    /// The first value between picture and score with such numbers, in a sentence's second half.
    fn find(&self, picture: &[f32], threads: &Threads) -> Result<Option<String>> {
        let graph = &self.graph;
        if let Err(error) = expect_finite(|| "the picture as the network reads it".to_owned(), picture) {
            return Ok(Some(format!("{error}: look at mean and scale")));
        }
        let (hangs, leads) = (hangs_on(graph, self.input), leads_to(graph, self.score));
        let between = |value: ValueId| hangs[value.index()] && leads[value.index()];
        let values: Vec<ValueId> = graph
            .nodes()
            .iter()
            .flat_map(|node| &node.outputs)
            .copied()
            .filter(|&value| between(value))
            .collect();
        let options = PlanOptions { activations: values.clone(), ..PlanOptions::default() };
        let mut session = Session::new(Arc::new(Plan::new(graph, &options)?), threads.clone())?;
        session.forward(&[(self.input, picture)])?;
        for node in graph.nodes() {
            for &value in node.outputs.iter().filter(|&&value| between(value)) {
                let name = &graph.value(value).name;
                let what = || format!("'{name}' is the first value that holds such numbers");
                let Err(Error::NotFinite { nan, infinite, of, .. }) =
                    expect_finite(what, &session.activation(value)?)
                else {
                    continue;
                };
                let cause = match self.broken_weights(node) {
                    Some(weights) => format!("its weights '{weights}' hold them"),
                    None => {
                        "its weights are finite, so the sums leave the range of single precision".to_owned()
                    }
                };
                return Ok(Some(format!("{} ({} of {of}); {cause}", what(), nan + infinite)));
            }
        }
        Ok(None)
    }

    /// The weights of a layer that are not finite.
    fn broken_weights(&self, node: &Node) -> Option<&str> {
        let broken = self.graph.not_finite();
        let value = broken.iter().map(|(value, _)| *value).find(|value| node.inputs.contains(value))?;
        Some(&self.graph.value(value).name)
    }
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
