//! Averages before the convolutions whose results they average.

use super::Keep;
use crate::op::{AverageDivisor, Convolution, Pool, PoolKind};
use crate::{Graph, Op, Origin, Shape, Value, ValueId};

/// Exchanges a pointwise convolution and the average of its result, where nothing else reads that and it is not observed: both are
/// linear, and the weights of an average add up to one, so that `mean(W x + b) = W mean(x) + b`. The convolution then has fewer places
/// to compute: a fourth of them in DenseNet's transitions.
pub fn average_first(mut graph: Graph, keep: &Keep) -> Graph {
    let (consumers, producers) = (graph.consumers(), graph.producers());
    for position in 0..graph.nodes.len() {
        let node = &graph.nodes[position];
        let Op::Pool(pool) = &node.op else { continue };
        let between = node.inputs[0];
        let Some(before) = producers[between.0].map(|node| node.0) else { continue };
        let Op::Convolution(convolution) = &graph.nodes[before].op else { continue };
        let is_private =
            consumers[between.0].len() == 1 && !keep.contains(between) && !graph.outputs.contains(&between);
        let input = graph.nodes[before].inputs[0];
        let shape = &graph.value(input).shape;
        let mut extents = shape.extents()[..2].to_vec();
        extents.extend(&pool.output);
        let Ok(averaged) = Shape::new(extents) else { continue };
        let is_less = averaged.elements() < shape.elements();
        if !is_private || !is_mean(pool, &shape.extents()[2..]) || !is_pointwise(convolution) || !is_less {
            continue;
        }
        let averaged = add(&mut graph, between, averaged);
        // Each node keeps its name and takes the other's place, so that both still follow what they read.
        let result = graph.nodes[position].outputs[0];
        graph.nodes.swap(before, position);
        (graph.nodes[before].inputs[0], graph.nodes[before].outputs[0]) = (input, averaged);
        (graph.nodes[position].inputs[0], graph.nodes[position].outputs[0]) = (averaged, result);
    }
    graph
}

/// Whether each result is a mean whose weights add up to one, also at the borders: no window lies outside an input of these extents, and
/// none counts what does.
fn is_mean(pool: &Pool, extents: &[usize]) -> bool {
    let window = &pool.window;
    let last = |axis: usize| (pool.output[axis] - 1) * window.stride[axis];
    if (0..extents.len()).any(|axis| last(axis) >= extents[axis] + window.pad_begin[axis]) {
        return false;
    }
    let pads = || window.pad_begin.iter().chain(&window.pad_end);
    match pool.kind {
        PoolKind::Average(AverageDivisor::Input) => true,
        PoolKind::Average(AverageDivisor::PaddedInput) => pads().all(|&pad| pad == 0),
        PoolKind::Maximum => false,
    }
}

/// Whether each result depends on the one place where it is.
fn is_pointwise(convolution: &Convolution) -> bool {
    let window = &convolution.window;
    let pads = || window.pad_begin.iter().chain(&window.pad_end);
    window.kernel.iter().chain(&window.stride).all(|&extent| extent == 1) && pads().all(|&pad| pad == 0)
}

/// Adds the average, which is in the place of a value that is not computed any more.
fn add(graph: &mut Graph, instead: ValueId, shape: Shape) -> ValueId {
    let id = ValueId(graph.values.len());
    let mut name = format!("{}@averaged", graph.value(instead).name);
    while graph.names.contains_key(&name) {
        name.push('\'');
    }
    graph.names.insert(name.clone(), id);
    graph.values.push(Value { name, shape, origin: Origin::Computed });
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Unary, Window};
    use crate::{GraphBuilder, Weights};

    /// x → convolution (3 filters) → average of 2 × 2 → y.
    fn network(kernel: usize, pool: impl Fn(&mut Pool), second_reader: bool) -> (Graph, [ValueId; 3]) {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 2, 6, 6]).unwrap()).unwrap();
        let filters = Weights::filled(Shape::new([3, 2, kernel, kernel]).unwrap(), 0.5);
        let w = builder.constant("w", filters).unwrap();
        let mut window = Window::new([kernel, kernel]);
        (window.pad_begin, window.pad_end) = (vec![kernel / 2; 2], vec![kernel / 2; 2]);
        let c = builder.node("c", Convolution { window, groups: 1 }, &[x, w], &["c"]).unwrap()[0];
        let mut average = Pool {
            kind: PoolKind::Average(AverageDivisor::PaddedInput),
            window: Window { stride: vec![2, 2], ..Window::new([2, 2]) },
            output: vec![3, 3],
            with_positions: false,
        };
        pool(&mut average);
        let y = builder.node("y", average, &[c], &["y"]).unwrap()[0];
        if second_reader {
            builder.node("z", Unary::Tanh, &[c], &["z"]).unwrap();
        }
        (builder.finish(&[y]), [x, c, y])
    }

    #[test]
    fn a_pointwise_convolution_reads_the_average() {
        let (graph, [x, c, y]) = network(1, |_| (), false);
        let turned = average_first(graph.clone(), &Keep::from_iter([]));
        let [average, convolution] = turned.nodes() else { panic!("{turned}") };
        assert_eq!((average.name.as_str(), &average.inputs[..]), ("y", &[x][..]));
        assert_eq!((convolution.name.as_str(), &convolution.outputs[..]), ("c", &[y][..]));
        assert_eq!(average.outputs[0], convolution.inputs[0]);
        assert_eq!(turned.value(average.outputs[0]).shape.extents(), [1, 2, 3, 3]);
        // What is observed stays.
        let kept = average_first(graph, &Keep::from_iter([c]));
        assert_eq!(kept.nodes()[0].name, "c");
    }

    #[test]
    fn nothing_is_turned_that_is_not_the_same() {
        let padded = |divisor| {
            move |pool: &mut Pool| {
                pool.kind = PoolKind::Average(divisor);
                (pool.window.pad_begin, pool.output) = (vec![1, 1], vec![4, 4]);
            }
        };
        let maximum = |pool: &mut Pool| pool.kind = PoolKind::Maximum;
        let is_turned = |(graph, _): (Graph, [ValueId; 3])| {
            average_first(graph, &Keep::from_iter([])).nodes()[0].name == "y"
        };
        assert!(is_turned(network(1, padded(AverageDivisor::Input), false)));
        assert!(!is_turned(network(1, padded(AverageDivisor::PaddedInput), false)));
        assert!(!is_turned(network(1, maximum, false)));
        // A window behind the input is a mean of nothing.
        let behind = |pool: &mut Pool| {
            (pool.kind, pool.output) = (PoolKind::Average(AverageDivisor::Input), vec![4, 4])
        };
        assert!(!is_turned(network(1, behind, false)));
        assert!(!is_turned(network(3, |_| (), false)));
        assert!(!is_turned(network(1, |_| (), true)));
    }
}
