//! Where numbers that are not finite begin in a network.

use deepinside_engine::{PlanOptions, Threads};
use deepinside_graph::{Graph, Node, ValueId};

use crate::{Error, Model, Result, expect_finite};

/// Says of [`Error::NotFinite`] where such numbers begin for a picture, by another run of the network; other errors stay as they are.
pub(crate) fn with_origin(error: Error, model: &Model, picture: &[f32], threads: &Threads) -> Error {
    match error {
        Error::NotFinite { what, nan, infinite, of, origin: None } => {
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
    let (depends, leads) = (graph.depends_on(model.input), graph.leads_to(model.score.value));
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
