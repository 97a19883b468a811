//! Folding of per-channel affine maps into the convolution before them.

use super::Keep;
use crate::op::{BatchNormalization, Eltwise};
use crate::{Graph, Node, NodeId, Op, Origin, Shape, Value, ValueId, Weights};

/// Folds batch normalisation with stored statistics, and products and sums with one constant per channel (Caffe's Scale
/// and Bias), into the convolution or fully connected layer whose only reader they are.
///
/// `s · (W x + b) + t = (s W) x + (s b + t)`, computed in double precision. Nothing is folded where the convolution's own
/// result is observed or read twice, or where its weights serve another layer too. Several maps in a row are one map.
pub fn fold_batch_normalization(mut graph: Graph, keep: &Keep) -> Graph {
    let consumers = graph.consumers();
    let mut alive = vec![true; graph.nodes.len()];
    for position in 0..graph.nodes.len() {
        // A folded convolution is looked at once, where it was: what reads it has been looked at.
        if alive[position]
            && let Some(chain) = foldable(&graph, position, &consumers, keep)
        {
            let Some(&last) = chain.nodes.last() else { continue };
            if fold(&mut graph, position, last, &chain.affine) {
                alive[position] = false;
                chain.nodes.iter().rev().skip(1).for_each(|&node| alive[node] = false);
            }
        }
    }
    let mut alive = alive.into_iter();
    graph.nodes.retain(|_| alive.next() == Some(true));
    graph
}

/// One scale and one shift per channel.
struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

/// The affine maps that follow a convolution, one reading the other, and what they do together.
struct Chain {
    nodes: Vec<usize>,
    affine: Affine,
}

/// The maps behind a convolution, each the only reader of what is before it, that may be folded into it.
fn foldable(graph: &Graph, position: usize, consumers: &[Vec<NodeId>], keep: &Keep) -> Option<Chain> {
    let node = &graph.nodes[position];
    if !matches!(node.op, Op::Convolution(_) | Op::InnerProduct(_)) {
        return None;
    }
    // Weights that folding made have no other reader.
    let shared = |weights: &ValueId| consumers.get(weights.0).is_some_and(|readers| readers.len() > 1);
    let shared = node.inputs[1..].iter().any(shared);
    let constant = node.inputs[1..].iter().all(|&weights| graph.value(weights).weights().is_some());
    if shared || !constant {
        return None;
    }
    let channels = graph.value(node.inputs[1]).shape.extents()[filter_axis(node)];
    let channel_axis = match &node.op {
        Op::InnerProduct(product) => product.axis,
        _ => 1,
    };
    let affine = Affine { scale: vec![1.0; channels], shift: vec![0.0; channels] };
    let mut chain = Chain { nodes: Vec::new(), affine };
    let mut result = node.outputs[0];
    while !keep.contains(result)
        && !graph.outputs.contains(&result)
        && let [consumer] = consumers[result.0][..]
        && let Some(next) = affine_of(graph, graph.node(consumer), result, channels, channel_axis)
    {
        let Affine { scale, shift } = &mut chain.affine;
        for channel in 0..channels {
            scale[channel] *= next.scale[channel];
            shift[channel] = next.scale[channel] * shift[channel] + next.shift[channel];
        }
        chain.nodes.push(consumer.0);
        result = graph.node(consumer).outputs[0];
    }
    (!chain.nodes.is_empty()).then_some(chain)
}

/// The axis of the weights along which filters are counted.
fn filter_axis(node: &Node) -> usize {
    match &node.op {
        Op::InnerProduct(product) => usize::from(product.transposed),
        _ => 0,
    }
}

/// What a node does to each channel of `operand`, where that is an affine map with constant numbers.
fn affine_of(graph: &Graph, node: &Node, operand: ValueId, channels: usize, axis: usize) -> Option<Affine> {
    let numbers = |value: ValueId| -> Option<Vec<f64>> {
        let weights = graph.value(value).weights()?;
        Some(weights.to_vec().into_iter().map(f64::from).collect())
    };
    match &node.op {
        Op::BatchNormalization(BatchNormalization { epsilon }) => {
            let rank = graph.value(operand).shape.rank();
            if node.inputs[0] != operand || BatchNormalization::channel_axis(rank) != axis {
                return None;
            }
            let (mean, variance) = (numbers(node.inputs[1])?, numbers(node.inputs[2])?);
            let mut scale: Vec<f64> =
                variance.iter().map(|v| 1.0 / (v + f64::from(*epsilon)).sqrt()).collect();
            let mut shift = vec![0.0; channels];
            if node.inputs.len() == 5 {
                shift = numbers(node.inputs[4])?;
                for (scale, factor) in scale.iter_mut().zip(numbers(node.inputs[3])?) {
                    *scale *= factor;
                }
            }
            for channel in 0..channels {
                shift[channel] -= mean[channel] * scale[channel];
            }
            Some(Affine { scale, shift })
        }
        Op::Eltwise(operation) if node.inputs.len() == 2 => {
            let own = node.inputs.iter().position(|&input| input == operand)?;
            let other = per_channel(graph, node.inputs[1 - own], operand, channels, axis)?;
            match operation {
                Eltwise::Product => Some(Affine { scale: other, shift: vec![0.0; channels] }),
                Eltwise::Sum { coefficients } => {
                    let (scale, factor) = (f64::from(coefficients[own]), f64::from(coefficients[1 - own]));
                    let shift = other.into_iter().map(|number| number * factor).collect();
                    Some(Affine { scale: vec![scale; channels], shift })
                }
                Eltwise::Maximum | Eltwise::Minimum => None,
            }
        }
        _ => None,
    }
}

/// A constant that broadcasts to one number per channel of `operand`.
fn per_channel(
    graph: &Graph,
    constant: ValueId,
    operand: ValueId,
    channels: usize,
    axis: usize,
) -> Option<Vec<f64>> {
    let weights = graph.value(constant).weights()?;
    let extents = weights.shape().extents();
    let rank = graph.value(operand).shape.rank();
    // Aligned at the last axis; everything but the channel axis must be 1.
    let fits = extents.len() <= rank
        && extents.iter().enumerate().all(|(own, &extent)| extent == 1 || own + rank - extents.len() == axis);
    if !fits {
        return None;
    }
    match weights.shape().elements() {
        1 => Some(vec![f64::from(weights.to_vec()[0]); channels]),
        count if count == channels => Some(weights.to_vec().into_iter().map(f64::from).collect()),
        _ => None,
    }
}

/// Puts one convolution with new weights where the last of the affine maps behind it stands: everything it reads is there,
/// and nothing before reads it. Says whether it did.
fn fold(graph: &mut Graph, position: usize, last: usize, affine: &Affine) -> bool {
    let node = graph.nodes[position].clone();
    let channels = affine.scale.len();
    let old = &graph.values[node.inputs[1].0];
    let (Some(weights), shape, name) = (old.weights(), old.shape.clone(), old.name.clone()) else {
        return false;
    };
    // A shift alone, as a bias that a file adds by itself, leaves the weights where they lie.
    let scaled = affine.scale.iter().any(|&scale| scale != 1.0).then(|| {
        let inner: usize = shape.extents()[filter_axis(&node) + 1..].iter().product();
        let mut numbers = weights.to_vec();
        weights.release(0, numbers.len());
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = (f64::from(*number) * affine.scale[index / inner.max(1) % channels]) as f32;
        }
        Weights::from_f32(shape, &numbers)
    });
    let mut bias: Vec<f64> = affine.shift.clone();
    if let Some(old) = node.inputs.get(2).and_then(|&input| graph.values[input.0].weights()) {
        for (channel, number) in old.to_vec().into_iter().enumerate() {
            bias[channel] += f64::from(number) * affine.scale[channel];
        }
    }
    let bias: Vec<f32> = bias.into_iter().map(|number| number as f32).collect();
    let channels_shape = Shape::new([channels]).and_then(|shape| Weights::from_f32(shape, &bias));
    let (Ok(scaled), Ok(bias)) = (scaled.transpose(), channels_shape) else { return false };

    let weights = scaled.map_or(node.inputs[1], |weights| add(graph, &name, "weights", weights));
    let inputs = vec![node.inputs[0], weights, add(graph, &name, "bias", bias)];
    let outputs = graph.nodes[last].outputs.clone();
    graph.nodes[last] = Node { inputs, outputs, ..node };
    true
}

/// Adds a constant under a name that no value has yet.
fn add(graph: &mut Graph, base: &str, what: &str, weights: Weights) -> ValueId {
    let id = ValueId(graph.values.len());
    let mut name = format!("{base}@folded:{what}");
    while graph.names.contains_key(&name) {
        name.push('\'');
    }
    graph.names.insert(name.clone(), id);
    graph.values.push(Value { name, shape: weights.shape().clone(), origin: Origin::Constant(weights) });
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use crate::op::{Convolution, Window};

    fn constant(builder: &mut GraphBuilder, name: &str, extents: &[usize], numbers: &[f32]) -> ValueId {
        builder.constant(name, Weights::from_f32(Shape::new(extents).unwrap(), numbers).unwrap()).unwrap()
    }

    /// x → convolution (2 filters, 1×1) → batch normalisation → product with [2, 3] → sum with [1, 1].
    fn network() -> (Graph, [ValueId; 4]) {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 1, 2, 2]).unwrap()).unwrap();
        let w = constant(&mut builder, "w", &[2, 1, 1, 1], &[1.0, -2.0]);
        let b = constant(&mut builder, "b", &[2], &[0.5, 0.25]);
        let mean = constant(&mut builder, "mean", &[2], &[1.0, 2.0]);
        let variance = constant(&mut builder, "variance", &[2], &[4.0, 16.0]);
        let scale = constant(&mut builder, "scale", &[2, 1, 1], &[2.0, 3.0]);
        let shift = constant(&mut builder, "shift", &[2, 1, 1], &[1.0, -1.0]);
        let window = Window::new([1, 1]);
        let c = builder.node("c", Convolution { window, groups: 1 }, &[x, w, b], &["c"]).unwrap()[0];
        let n =
            builder.node("n", BatchNormalization { epsilon: 0.0 }, &[c, mean, variance], &["n"]).unwrap()[0];
        let p = builder.node("p", Eltwise::Product, &[n, scale], &["p"]).unwrap()[0];
        let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
        let y = builder.node("y", sum, &[p, shift], &["y"]).unwrap()[0];
        (builder.finish(&[y]), [c, n, p, y])
    }

    #[test]
    fn folds_the_whole_chain() {
        let (graph, [.., y]) = network();
        let folded = fold_batch_normalization(graph, &Keep::from_iter([]));
        let [node] = folded.nodes() else { panic!("{folded}") };
        assert_eq!((node.name.as_str(), node.outputs[0]), ("c", y));
        let numbers = |position: usize| folded.value(node.inputs[position]).weights().unwrap().to_vec();
        // By hand: w·s/√v, and ((b − mean)/√v)·s + t.
        assert_eq!(numbers(1), [1.0 / 2.0 * 2.0, -2.0 / 4.0 * 3.0]);
        assert_eq!(numbers(2), [(0.5 - 1.0) / 2.0 * 2.0 + 1.0, (0.25 - 2.0) / 4.0 * 3.0 - 1.0]);
    }

    #[test]
    fn a_shift_alone_leaves_the_weights_where_they_lie() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 2]).unwrap()).unwrap();
        let w = constant(&mut builder, "w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let b = constant(&mut builder, "b", &[2], &[0.5, 0.25]);
        let product = crate::op::InnerProduct { axis: 1, transposed: true };
        let p = builder.node("p", product, &[x, w], &["p"]).unwrap()[0];
        let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
        let y = builder.node("y", sum, &[p, b], &["y"]).unwrap()[0];
        let folded = fold_batch_normalization(builder.finish(&[y]), &Keep::from_iter([]));
        let [node] = folded.nodes() else { panic!("{folded}") };
        assert_eq!(node.inputs[1], w);
        assert_eq!(folded.value(node.inputs[2]).weights().unwrap().to_vec(), [0.5, 0.25]);
    }

    #[test]
    fn folds_nothing_that_is_observed() {
        let (graph, [c, _, p, _]) = network();
        assert_eq!(fold_batch_normalization(graph.clone(), &Keep::from_iter([c])).nodes().len(), 4);
        assert_eq!(fold_batch_normalization(graph.clone(), &Keep::from_iter([p])).nodes().len(), 2);
        assert_eq!(fold_batch_normalization(graph, &Keep::All).nodes().len(), 4);
    }
}
