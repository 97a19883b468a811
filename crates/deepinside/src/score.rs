//! Which value of a network is the class score.
//!
//! The class model and the saliency map differentiate the *unnormalised* class score: a posterior can also be raised by
//! lowering all other classes (Simonyan, Vedaldi, Zisserman 2013, §2). So a final softmax or sigmoid is cut off, and where
//! a rectifier follows the class convolution (SqueezeNet) the score is taken before it: behind it most classes are exactly
//! zero and have no gradient.

use deepinside_graph::op::{PoolKind, Reduction, Unary};
use deepinside_graph::{Graph, Node, Op, ValueId};

use crate::{Error, Result};

/// How a network's output relates to its class scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalisation {
    /// The output is the softmax of the scores: one class of many.
    Softmax,
    /// The output is the sigmoid of the scores: each class by itself.
    Sigmoid,
    /// The output is the scores themselves.
    None,
}

/// Where a network's class scores are.
#[derive(Debug, Clone)]
pub struct Score {
    /// The value: `N × classes`, or `N × classes × H × W` of which the spatial mean is the score.
    pub value: ValueId,
    /// The network's own result that belongs to it.
    pub output: ValueId,
    /// The number of classes.
    pub classes: usize,
    /// What stands between score and output.
    pub normalisation: Normalisation,
    /// What was cut off, in whole sentences.
    pub notes: Vec<String>,
}

impl Score {
    /// Finds the class score of a network: behind its only or last result, or at the value named `asked`.
    ///
    /// # Errors
    /// When there is no such value, or it has no channel axis.
    pub fn find(graph: &Graph, asked: Option<&str>) -> Result<Self> {
        let producers = graph.producers();
        let producer = |value: ValueId| producers[value.index()].map(|node| graph.node(node));
        let output = match asked {
            Some(name) => graph.find(name).ok_or_else(|| no_such_value(graph, name))?,
            None => {
                let computed =
                    |value: &&ValueId| producer(**value).is_some() && graph.value(**value).shape.rank() >= 2;
                let normalised = |value: &&ValueId| {
                    let op = producer(**value).map(|node| &node.op);
                    matches!(op, Some(Op::Softmax(_) | Op::LogSoftmax(_) | Op::Unary(Unary::Sigmoid)))
                };
                // Of several results the last that is normalised, else the last.
                let results = || graph.outputs().iter().rev().filter(computed);
                *results().find(normalised).or_else(|| results().next()).ok_or_else(|| {
                    Error::Model(
                        "the network has no result with a class axis; name the score with --score".to_owned(),
                    )
                })?
            }
        };
        let mut notes = Vec::new();
        if asked.is_none() && graph.outputs().len() > 1 {
            notes.push(format!(
                "the network has {} results; '{}' is taken for the class scores (--score names another)",
                graph.outputs().len(),
                graph.value(output).name
            ));
        }
        let mut value = output;
        let mut normalisation = Normalisation::None;
        // A value that was asked for by name is the score as it is.
        while asked.is_none() {
            let Some(node) = producer(value) else { break };
            match node.op {
                Op::Identity(_) => {}
                Op::Reshape(_) if keeps_classes(graph, node) => {}
                Op::Softmax(_) if normalisation == Normalisation::None => {
                    normalisation = Normalisation::Softmax;
                    notes.push(format!(
                        "the final softmax '{}' is cut off: the score is the unnormalised one before it",
                        node.name
                    ));
                }
                // Its exponentials are the softmax of the scores, which is computed from them.
                Op::LogSoftmax(_) if normalisation == Normalisation::None => notes.push(format!(
                    "the final log-softmax '{}' is cut off: the score is the unnormalised one before it",
                    node.name
                )),
                Op::Unary(Unary::Sigmoid) if normalisation == Normalisation::None => {
                    normalisation = Normalisation::Sigmoid;
                    notes.push(format!(
                        "the final sigmoid '{}' is cut off: the score is the unnormalised one before it",
                        node.name
                    ));
                }
                _ => break,
            }
            value = node.inputs[0];
        }
        if asked.is_none()
            && let Some((before, note)) = before_class_rectifier(graph, &producers, value)
        {
            value = before;
            notes.push(note);
        }
        let shape = &graph.value(value).shape;
        let classes = shape.extent(1).ok_or_else(|| {
            Error::Model(format!(
                "'{}' has shape {shape} and no class axis; name the score with --score",
                graph.value(value).name
            ))
        })?;
        Ok(Self { value, output, classes, normalisation, notes })
    }
}

/// Whether a reshape only adds or removes axes of extent one behind the classes.
fn keeps_classes(graph: &Graph, node: &Node) -> bool {
    let (from, to) = (&graph.value(node.inputs[0]).shape, &graph.value(node.outputs[0]).shape);
    let classes = |shape: &deepinside_graph::Shape| (shape.extent(0), shape.extent(1));
    from.rank() >= 2 && classes(from) == classes(to)
}

/// The value before a rectifier that stands between a class convolution and the spatial mean `value`.
fn before_class_rectifier(
    graph: &Graph,
    producers: &[Option<deepinside_graph::NodeId>],
    value: ValueId,
) -> Option<(ValueId, String)> {
    let producer = |value: ValueId| producers[value.index()].map(|node| graph.node(node));
    let through_identities = |mut value: ValueId| {
        while let Some(node) = producer(value)
            && matches!(node.op, Op::Identity(_))
        {
            value = node.inputs[0];
        }
        value
    };
    let mut value = value;
    let mut mean = None;
    if let Some(node) = producer(value) {
        let is_mean = match &node.op {
            Op::Pool(pool) => {
                matches!(pool.kind, PoolKind::Average(_)) && pool.output.iter().all(|&extent| extent == 1)
            }
            Op::Reduce(reduce) => reduce.reduction == Reduction::Mean && !reduce.axes.contains(&1),
            _ => false,
        };
        if is_mean {
            mean = Some(node.name.as_str());
            value = through_identities(node.inputs[0]);
        }
    }
    let rectifier = producer(value)?;
    if !matches!(rectifier.op, Op::Unary(Unary::Relu { .. } | Unary::Clip { .. })) {
        return None;
    }
    let before = through_identities(rectifier.inputs[0]);
    let convolution = producer(before)?;
    if !matches!(convolution.op, Op::Convolution(_) | Op::InnerProduct(_)) {
        return None;
    }
    let what = match mean {
        Some(mean) => format!("the spatial mean ('{mean}') of '{}' before that rectifier", convolution.name),
        None => format!("'{}' before that rectifier", convolution.name),
    };
    let note = format!(
        "a rectifier ('{}') follows the class layer '{}': the score is {what}, since behind it most classes are zero and have no gradient",
        rectifier.name, convolution.name
    );
    Some((before, note))
}

/// The error for a value that does not exist, with the nearest names.
pub(crate) fn no_such_value(graph: &Graph, name: &str) -> Error {
    let computed = graph.values().iter().filter(|value| value.weights().is_none());
    let mut nearest: Vec<(f64, &str)> =
        computed.map(|value| (strsim::jaro_winkler(name, &value.name), value.name.as_str())).collect();
    nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
    let nearest: Vec<String> = nearest.into_iter().take(3).map(|(_, name)| format!("'{name}'")).collect();
    Error::Model(format!("the network has no value named '{name}'; the nearest are {}", nearest.join(", ")))
}

#[cfg(test)]
mod tests {
    use deepinside_graph::op::{AverageDivisor, Convolution, Identity, Pool, Softmax, Window};
    use deepinside_graph::{GraphBuilder, Shape, Weights};

    use super::*;

    /// SqueezeNet's head: class convolution, rectifier, spatial mean, softmax.
    fn head(rectified: bool) -> (Graph, [ValueId; 3]) {
        let mut b = GraphBuilder::new("");
        let x = b.input("x", Shape::new([1, 2, 3, 3]).unwrap()).unwrap();
        let weights = Weights::from_f32(Shape::new([4, 2, 1, 1]).unwrap(), &[0.5; 8]).unwrap();
        let w = b.constant("w", weights).unwrap();
        let c =
            b.node("c", Convolution { window: Window::new([1, 1]), groups: 1 }, &[x, w], &["c"]).unwrap()[0];
        let relu = Unary::Relu { negative_slope: 0.0 };
        let r = if rectified { b.node("r", relu, &[c], &["r"]).unwrap()[0] } else { c };
        let kind = PoolKind::Average(AverageDivisor::PaddedInput);
        let pool = Pool { kind, window: Window::new([3, 3]), output: vec![1, 1], with_positions: false };
        let p = b.node("p", pool, &[r], &["p"]).unwrap()[0];
        let d = b.node("d", Identity, &[p], &["d"]).unwrap()[0];
        let prob = b.node("q", Softmax { axis: 1 }, &[d], &["prob"]).unwrap()[0];
        let other = b.node("t", Unary::Tanh, &[c], &["zzz"]).unwrap()[0];
        (b.finish(&[prob, other]), [c, p, prob])
    }

    #[test]
    fn the_score_is_before_softmax_and_class_rectifier() {
        let (graph, [c, _, prob]) = head(true);
        let score = Score::find(&graph, None).unwrap();
        assert_eq!((score.value, score.output, score.classes), (c, prob, 4));
        assert_eq!(score.normalisation, Normalisation::Softmax);
        assert!(score.notes.iter().any(|note| note.contains("rectifier ('r')")), "{:?}", score.notes);
        let (graph, [_, mean, _]) = head(false);
        assert_eq!(Score::find(&graph, None).unwrap().value, mean);
    }

    #[test]
    fn a_named_score_is_taken_as_it_is() {
        let (graph, [_, p, _]) = head(true);
        let score = Score::find(&graph, Some("p")).unwrap();
        assert_eq!((score.value, score.output, score.normalisation), (p, p, Normalisation::None));
        let message = Score::find(&graph, Some("prop")).unwrap_err().to_string();
        assert!(message.contains("'prob'"), "{message}");
    }
}
