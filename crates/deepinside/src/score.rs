//! Which value of a network is the class score.
//!
//! The class model and the saliency map differentiate the *unnormalised* class score: a posterior can also be raised by
//! lowering all other classes (Simonyan, Vedaldi, Zisserman 2013, §2). So a final softmax or sigmoid is cut off, and where
//! a rectifier follows the class convolution (SqueezeNet) the score is taken before it: behind it most classes are exactly
//! zero and have no gradient.

mod appearance;
mod normaliser;
mod results;

use deepinside_graph::op::{Concat, Extent, PoolKind, Reduction, Reshape, Unary};
use deepinside_graph::{Graph, Node, NodeId, Op, ValueId};

pub(crate) use self::appearance::Appearance;
use self::normaliser::{Found, normaliser_behind, normaliser_of};
use crate::{Error, Result};

/// The most classes. The largest list in use has 21,843; each class takes a name and a place in every ranking.
const MOST_CLASSES: usize = 1 << 20;

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
    /// The value with the probabilities that belong to it; without a normalisation, the network's own result.
    pub output: ValueId,
    /// The number of classes.
    pub classes: usize,
    /// What stands between score and output.
    pub normalisation: Normalisation,
    /// What was cut off, in whole sentences.
    pub notes: Vec<String>,
    /// Where one of several results was chosen, which, in a whole sentence.
    pub(crate) chosen: Option<String>,
    /// What the network's result looks like, where not like class scores.
    pub(crate) appearance: Option<Appearance>,
}

/// What is known about a network when its score is looked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ScoreQuestion<'a> {
    /// The value that holds the score, by its name.
    pub asked: Option<&'a str>,
    /// How many class names there are.
    pub names: Option<usize>,
    /// Height and width of the network's pictures.
    pub picture: Option<[usize; 2]>,
    /// Whether its results are a detector's boxes and their scores, whatever they look like.
    pub is_detector: bool,
}

impl Score {
    /// Finds the class score of a network for one picture: before the softmax or sigmoid of its result, or at the value
    /// that is asked for by name.
    ///
    /// A score without a class axis gets one, and a single score for which there are two names becomes two classes; both
    /// add nodes to the graph, behind all others.
    ///
    /// # Errors
    /// When there is no such value, or no result that could be scores.
    pub(crate) fn find(graph: &mut Graph, question: &ScoreQuestion<'_>) -> Result<Self> {
        let producers = graph.producers();
        let mut chosen = None;
        let result = match question.asked {
            Some(name) => graph.find(name).ok_or_else(|| no_such_value(graph, name))?,
            None => {
                let result = results::choose(graph, &producers)?;
                if graph.outputs().len() > 1 {
                    chosen = Some(format!(
                        "the network has {} results; '{}' is taken for the class scores (--score names another)",
                        graph.outputs().len(),
                        graph.value(result).name
                    ));
                }
                result
            }
        };
        let mut notes = Vec::new();
        let (value, output, normalisation) = match question.asked {
            // A value that was asked for by name is the score as it is.
            Some(_) => {
                let (output, normalisation) = match normaliser_behind(graph, &producers, result) {
                    Some(found) => (result, found.normalisation),
                    None => normaliser_of(graph, result).unwrap_or((result, Normalisation::None)),
                };
                (result, output, normalisation)
            }
            None => cut(graph, &producers, result, &mut notes),
        };
        let appearance = match question.asked {
            Some(_) => None,
            None => Appearance::of(graph, &producers, results::whole(graph, &producers, result), question),
        };
        let mut score = Self { value, output, classes: 0, normalisation, notes, chosen, appearance };
        score.give_class_axis(graph)?;
        if score.classes > MOST_CLASSES {
            return Err(Error::Model(format!(
                "its score '{}' has {} classes, and networks of at most {MOST_CLASSES} are read; --score names another value",
                graph.value(score.value).name,
                score.classes
            )));
        }
        if score.classes == 1 && question.names == Some(2) {
            score.split_in_two(graph)?;
        }
        Ok(score)
    }

    /// Gives the score a class axis behind the batch axis where it has none: `[]`, `[1]`, `[C]`, or `1 × 1 × C`.
    fn give_class_axis(&mut self, graph: &mut Graph) -> Result<()> {
        let shape = graph.value(self.value).shape.clone();
        let extents = shape.extents();
        let is_vector = extents.iter().filter(|&&extent| extent != 1).count() <= 1;
        let target = match extents {
            [] | [1] => vec![Extent::Fixed(1), Extent::Infer],
            [_] => vec![Extent::Fixed(1), Extent::Copy(0)],
            [1, 1, ..] if is_vector && shape.elements() > 1 => {
                vec![Extent::Copy(0), Extent::Merge(1, shape.rank())]
            }
            _ => Vec::new(),
        };
        if !target.is_empty() {
            let name = format!("{}@classes", graph.value(self.value).name);
            let reshaped = graph.append(name, Reshape { extents: target }, &[self.value])?;
            if self.output == self.value {
                self.output = reshaped;
            }
            self.value = reshaped;
        }
        self.classes = graph.value(self.value).shape.extent(1).unwrap_or(1);
        Ok(())
    }

    /// A single score for which there are two names: the first class is what speaks against the second.
    fn split_in_two(&mut self, graph: &mut Graph) -> Result<()> {
        let name = graph.value(self.value).name.clone();
        // A probability was asked for by name; anything else is a logit.
        let is_probability = self.normalisation != Normalisation::None && self.output == self.value;
        let shift = if is_probability { 1.0 } else { 0.0 };
        let opposite = Unary::Power { power: 1.0, scale: -1.0, shift };
        let opposite = graph.append(format!("{name}@first_class"), opposite, &[self.value])?;
        self.value =
            graph.append(format!("{name}@two_classes"), Concat { axis: 1 }, &[opposite, self.value])?;
        self.output = match is_probability {
            true => self.value,
            false => graph.append(format!("{name}@probabilities"), Unary::Sigmoid, &[self.value])?,
        };
        self.classes = 2;
        self.normalisation = Normalisation::Sigmoid;
        self.notes.push(format!(
            "'{name}' is a single score and there are two class names: it speaks for the second class, its opposite for the first"
        ));
        Ok(())
    }
}

/// Score, probabilities and normalisation of a result: what was computed before its softmax or sigmoid and before a
/// rectifier of classes.
fn cut(
    graph: &Graph,
    producers: &[Option<NodeId>],
    result: ValueId,
    notes: &mut Vec<String>,
) -> (ValueId, ValueId, Normalisation) {
    let result = results::whole(graph, producers, result);
    if let Some(found) = normaliser_behind(graph, producers, result) {
        let Found { normalisation, node, scores, probabilities, is_logarithm, .. } = found;
        let Some(scores) = scores else {
            notes.push(format!(
                "'{}' is computed from probabilities, so that no unnormalised score stands before it: the score is a probability",
                graph.value(result).name
            ));
            return (result, result, normalisation);
        };
        let all = results::whole(graph, producers, scores);
        if all != scores {
            notes.push(format!(
                "'{}' is of the largest scores alone, in their order: the scores are all those before ('{}')",
                graph.value(result).name,
                graph.value(all).name
            ));
            return (through_reshapes(graph, producers, all), all, Normalisation::None);
        }
        let what = match (normalisation, is_logarithm) {
            (Normalisation::Sigmoid, _) => "sigmoid",
            (_, true) => "log-softmax",
            (_, false) => "softmax",
        };
        notes.push(format!(
            "the final {what} '{node}' is cut off: the score is the unnormalised one before it"
        ));
        let scores = through_reshapes(graph, producers, scores);
        let scores = before_rectifier(graph, producers, scores, notes);
        // Exponentials of a log-softmax are the softmax of the scores, which is computed from them.
        let normalisation = if is_logarithm { Normalisation::None } else { normalisation };
        return (scores, probabilities, normalisation);
    }
    let value = through_reshapes(graph, producers, result);
    (before_rectifier(graph, producers, value, notes), result, Normalisation::None)
}

/// The value before reshapes and transpositions that keep the order of classes.
fn through_reshapes(graph: &Graph, producers: &[Option<NodeId>], mut value: ValueId) -> ValueId {
    while let Some(node) = producers[value.index()].map(|node| graph.node(node))
        && graph.value(node.inputs[0]).shape.rank() >= 2
        && keeps_classes(graph, node)
    {
        value = node.inputs[0];
    }
    value
}

fn before_rectifier(
    graph: &Graph,
    producers: &[Option<NodeId>],
    value: ValueId,
    notes: &mut Vec<String>,
) -> ValueId {
    match before_class_rectifier(graph, producers, value) {
        Some((before, note)) => {
            notes.push(note);
            before
        }
        None => value,
    }
}

/// Whether a node passes its operand on, or only adds, removes or moves axes of extent one.
fn keeps_classes(graph: &Graph, node: &Node) -> bool {
    let several = |value: ValueId| {
        let extents = graph.value(value).shape.extents();
        extents.iter().copied().filter(|&extent| extent != 1).collect::<Vec<_>>()
    };
    match &node.op {
        Op::Identity(_) => true,
        Op::Reshape(_) => several(node.inputs[0]) == several(node.outputs[0]),
        // The axes that are longer than one stay in their order.
        Op::Transpose(transpose) => {
            let shape = &graph.value(node.inputs[0]).shape;
            let long = transpose.permutation.iter().filter(|&&axis| shape.extents()[axis] != 1);
            long.is_sorted()
        }
        _ => false,
    }
}

/// The value before a rectifier that stands between a class convolution and the spatial mean `value`.
fn before_class_rectifier(
    graph: &Graph,
    producers: &[Option<NodeId>],
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

    fn asked(graph: &mut Graph, name: &str) -> Result<Score> {
        Score::find(graph, &ScoreQuestion { asked: Some(name), ..ScoreQuestion::default() })
    }

    #[test]
    fn the_score_is_before_softmax_and_class_rectifier() {
        let (mut graph, [c, _, prob]) = head(true);
        let score = Score::find(&mut graph, &ScoreQuestion::default()).unwrap();
        assert_eq!((score.value, score.output, score.classes), (c, prob, 4));
        assert_eq!(score.normalisation, Normalisation::Softmax);
        assert!(score.notes.iter().any(|note| note.contains("rectifier ('r')")), "{:?}", score.notes);
        let (mut graph, [_, mean, _]) = head(false);
        assert_eq!(Score::find(&mut graph, &ScoreQuestion::default()).unwrap().value, mean);
    }

    #[test]
    fn a_named_score_is_taken_as_it_is() {
        let (mut graph, [_, p, prob]) = head(true);
        let score = asked(&mut graph, "p").unwrap();
        assert_eq!((score.value, score.output, score.normalisation), (p, prob, Normalisation::Softmax));
        let message = asked(&mut graph, "prop").unwrap_err().to_string();
        assert!(message.contains("'prob'"), "{message}");
    }
}
