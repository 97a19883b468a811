//! What each operator does to places.

use deepinside_graph::op::{AxisRange, Eltwise, Window};
use deepinside_graph::{Graph, Node, Op, ValueId};

use super::places::{MOST_OF_ALL, NOWHERE, Places, first, near_middle};

/// The places of all values; none for constants and what is computed of them alone. Where all have too many together, those of the last ones
/// are not known.
pub(super) fn follow(graph: &Graph, picture: ValueId) -> Vec<Option<Places>> {
    let mut places: Vec<Option<Places>> = vec![None; graph.values().len()];
    places[picture.index()] = Places::of_picture(graph.value(picture).shape.extents());
    let mut count = 0usize;
    for node in graph.nodes() {
        if node.inputs.iter().any(|input| places[input.index()].is_some()) {
            let results = results(graph, node, &places);
            for (output, result) in node.outputs.iter().zip(results) {
                let extents = graph.value(*output).shape.extents();
                // What is not understood is about no place.
                let result = result.filter(|result| result.extents == extents && count < MOST_OF_ALL);
                count += result.as_ref().map_or(0, Places::own);
                places[output.index()] = Some(result.unwrap_or_else(|| Places::everywhere(extents, NOWHERE)));
            }
        }
    }
    places
}

/// The places of a node's results.
fn results(graph: &Graph, node: &Node, places: &[Option<Places>]) -> Vec<Option<Places>> {
    let operand = |index: usize| node.inputs.get(index).and_then(|input| places[input.index()].as_ref());
    let extents_of = |value: ValueId| graph.value(value).shape.extents();
    let output = extents_of(node.outputs[0]);
    let one = |result: Option<Places>| vec![result];
    let combined = |operands: &[ValueId]| {
        let known: Vec<&Places> =
            operands.iter().filter_map(|input| places[input.index()].as_ref()).collect();
        (!known.is_empty()).then(|| Places::combined(&known, output, near_middle))
    };
    let Some(input) = operand(0) else {
        return match &node.op {
            Op::Eltwise(_) | Op::Binary(_) => one(combined(&node.inputs)),
            Op::Select(_) => one(combined(&node.inputs[1..])),
            Op::MatrixProduct(_) => one(product(None, operand(1), output)),
            Op::Concat(concat) => one(Some(join(graph, node, places, concat.axis, output))),
            _ => vec![None; node.outputs.len()],
        };
    };
    match &node.op {
        Op::Identity(_)
        | Op::Unary(_)
        | Op::BatchNormalization(_)
        | Op::CumulativeSum(_)
        | Op::LocalResponseNormalization(_)
        | Op::LogSoftmax(_)
        | Op::MeanVarianceNormalization(_)
        | Op::ParametricRelu(_)
        | Op::ScatterElements(_)
        | Op::ScatterNd(_)
        | Op::Softmax(_) => one(Some(input.clone())),
        Op::Eltwise(Eltwise::Sum { .. } | Eltwise::Product | Eltwise::Maximum | Eltwise::Minimum)
        | Op::Binary(_) => one(combined(&node.inputs)),
        // The condition says nothing about places.
        Op::Select(_) => one(combined(&node.inputs[1..]).or_else(|| Some(input.clone()))),
        Op::Reshape(_) => one(Some(input.reshaped(output))),
        Op::Transpose(transpose) => one(Some(input.transposed(&transpose.permutation))),
        Op::Concat(concat) => one(Some(join(graph, node, places, concat.axis, output))),
        Op::Slice(slice) => {
            one(Some(slice.ranges.iter().fold(input.clone(), |places, range| cut(&places, range))))
        }
        Op::Split(split) => {
            let mut start = 0;
            let mut part = |&size: &usize| {
                start += size;
                Some(cut(input, &AxisRange { axis: split.axis, start: start - size, size }))
            };
            split.sizes.iter().map(&mut part).collect()
        }
        Op::Take(take) => {
            let own = input.extents[take.axis];
            let enlarges = take.positions.len() > own && take.positions.is_sorted();
            one(Some(match enlarges {
                true => resized(input, take.axis, take.positions.len()),
                false => input.taken(take.axis, &take.positions),
            }))
        }
        Op::Resample(resample) => one(Some(resized(input, resample.axis, resample.taps.len()))),
        Op::Tile(tile) => {
            let positions: Vec<usize> =
                (0..output[tile.axis]).map(|index| index % input.extents[tile.axis]).collect();
            one(Some(input.taken(tile.axis, &positions)))
        }
        Op::Pad(pad) => one(Some(input.padded(&pad.before, &pad.behind))),
        Op::Reduce(reduce) => {
            let mut summed = input.summed(&reduce.axes);
            if !reduce.keep_axes {
                for &axis in reduce.axes.iter().rev() {
                    summed = summed.without(axis);
                }
            }
            one(Some(summed))
        }
        Op::InnerProduct(inner) => {
            let flat = input.flattened(inner.axis);
            one(Some(
                flat.summed(&[inner.axis]).without(inner.axis).with_axis(inner.axis, output[inner.axis]),
            ))
        }
        Op::MatrixProduct(_) => one(product(Some(input), operand(1), output)),
        Op::Convolution(convolution) => one(Some(slid(&input.summed(&[1]), &convolution.window, output))),
        Op::Pool(pool) => vec![Some(slid(input, &pool.window, output)); node.outputs.len()],
        Op::Im2Col(im2col) => one(columns(input, &im2col.window, output)),
        Op::Col2Im(col2im) => one(image(input, &col2im.window, &col2im.spatial, output)),
        Op::Deconvolution(deconvolution) => {
            let Window { stride, pad_begin, .. } = &deconvolution.window;
            let mut result = input.summed(&[1]).without(1).with_axis(1, output[1]);
            for axis in 2..output.len() {
                let spatial = axis - 2;
                let middle = (deconvolution.window.reach(spatial) - 1) as f32 / 2.0;
                result = result.moved(axis, output[axis], |index| {
                    (index as f32 + pad_begin[spatial] as f32 - middle) / stride[spatial] as f32
                });
            }
            one(Some(result))
        }
        // Numbers from places that only the numbers themselves tell.
        _ => vec![None; node.outputs.len()],
    }
}

fn cut(places: &Places, range: &AxisRange) -> Places {
    places.taken(range.axis, &(range.start..range.start + range.size).collect::<Vec<_>>())
}

fn join(graph: &Graph, node: &Node, places: &[Option<Places>], axis: usize, output: &[usize]) -> Places {
    let parts: Vec<(Option<&Places>, usize)> = node
        .inputs
        .iter()
        .map(|input| (places[input.index()].as_ref(), graph.value(*input).shape.extents()[axis]))
        .collect();
    Places::joined(&parts, axis, output)
}

/// An axis made longer or shorter as pictures are: the whole of it stays the whole.
fn resized(places: &Places, axis: usize, count: usize) -> Places {
    let scale = places.extents[axis] as f32 / count as f32;
    places.moved(axis, count, |index| (index as f32 + 0.5) * scale - 0.5)
}

/// A window that slides over the axes from 2 on: its results are about its middle.
fn slid(places: &Places, window: &Window, output: &[usize]) -> Places {
    let mut result = match places.extents[1] == output[1] {
        true => places.clone(),
        false => places.without(1).with_axis(1, output[1]),
    };
    for (axis, &extent) in output.iter().enumerate().skip(2) {
        let spatial = axis - 2;
        let middle = (window.reach(spatial) - 1) as f32 / 2.0 - window.pad_begin[spatial] as f32;
        result = result.moved(axis, extent, |index| (index * window.stride[spatial]) as f32 + middle);
    }
    result
}

/// The columns of all places of a window.
fn columns(places: &Places, window: &Window, output: &[usize]) -> Option<Places> {
    let spatial: Vec<usize> = (0..window.axes())
        .map(|axis| {
            let padded = places.extents[axis + 2] + window.pad_begin[axis] + window.pad_end[axis];
            (padded - window.reach(axis)) / window.stride[axis] + 1
        })
        .collect();
    let shape = [&[places.extents[0], 1], &spatial[..]].concat();
    let slid = slid(&places.summed(&[1]), window, &shape);
    Some(slid.flattened(2).without(1).with_axis(1, *output.get(1)?))
}

/// The inverse: columns whose places are those of a window, added up to an image.
fn image(places: &Places, window: &Window, spatial: &[usize], output: &[usize]) -> Option<Places> {
    let counts = (0..window.axes()).map(|axis| {
        let padded = spatial[axis] + window.pad_begin[axis] + window.pad_end[axis];
        (padded - window.reach(axis)) / window.stride[axis] + 1
    });
    let summed = places.summed(&[1]);
    let mut result = summed.reshaped(&[summed.extents[0], 1].into_iter().chain(counts).collect::<Vec<_>>());
    for axis in 2..output.len() {
        result = resized(&result, axis, output[axis]);
    }
    Some(result.without(1).with_axis(1, output[1]))
}

/// `… × M × K` times `… × K × N`: rows are about what the rows of the left operand are about (queries), else about what the columns of
/// the right one are.
fn product(left: Option<&Places>, right: Option<&Places>, output: &[usize]) -> Option<Places> {
    let rank = output.len();
    let [rows, columns] = [output[rank - 2], output[rank - 1]];
    let left = left.map(|left| {
        let last = left.extents.len() - 1;
        left.summed(&[last]).without(last).with_axis(last, columns)
    });
    let right = right.map(|right| {
        let inner = right.extents.len() - 2;
        right.summed(&[inner]).without(inner).with_axis(inner, rows)
    });
    let known: Vec<&Places> = left.iter().chain(&right).collect();
    (!known.is_empty()).then(|| Places::combined(&known, output, first))
}
