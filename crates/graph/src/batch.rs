//! One network for another number of pictures.

use std::collections::{HashMap, HashSet};

use crate::graph::infer;
use crate::op::{Concat, Extent};
use crate::{Graph, GraphError, Inconsistency, Op, Origin, Shape, Value, ValueId, Weights};

impl Graph {
    /// The same network for another number of pictures: the first extent of every input becomes `batch`.
    ///
    /// A constant that holds the same numbers once for every picture, such as a class token that was written out for the batch
    /// of the file, is written out for this one, and so is the first extent of a reshape that was written down for several pictures.
    ///
    /// # Errors
    /// When an input is a scalar, or a layer fixes the batch size: a reshape to constant extents does, and so do constants that
    /// differ from picture to picture.
    pub fn with_batch(mut self, batch: usize) -> Result<Self, GraphError> {
        self.drop_whole_ranges();
        let before = self.leading_extents();
        let shapes: Vec<Shape> = self.values.iter().map(|value| value.shape.clone()).collect();
        for &input in &self.inputs {
            let value = &mut self.values[input.0];
            value.shape = value
                .shape
                .with_extent(0, batch)
                .map_err(|cause| GraphError::Value { value: value.name.clone(), cause })?;
        }
        self.infer_shapes_of_batch(&shapes)?;
        // A layer that fits both batches may still have kept the pictures of the old one only.
        for (&output, (before, now)) in
            self.outputs.iter().zip(before.into_iter().zip(self.leading_extents()))
        {
            if now == before && before.is_some_and(|before| before < batch) {
                let value = self.value(output);
                let cause = Inconsistency::new("first extent", batch, &value.shape);
                return Err(GraphError::Value { value: value.name.clone(), cause });
            }
        }
        Ok(self)
    }

    /// The first extent of every result that is computed.
    fn leading_extents(&self) -> Vec<Option<usize>> {
        let leading = |&output: &ValueId| {
            let value = self.value(output);
            matches!(value.origin, Origin::Computed).then(|| value.shape.extents().first().copied())?
        };
        self.outputs.iter().map(leading).collect()
    }

    /// A range that keeps the whole of an axis says nothing; written down, it would cut off the pictures that a larger batch adds.
    fn drop_whole_ranges(&mut self) {
        for node in &mut self.nodes {
            if let Op::Slice(slice) = &mut node.op {
                let shape = &self.values[node.inputs[0].0].shape;
                slice.ranges.retain(|range| range.start > 0 || range.size != shape.extents()[range.axis]);
            }
        }
    }

    /// Infers all shapes from those of the inputs, which another batch has changed; `before` are those of the old batch. Constants
    /// follow what they are joined or combined with.
    fn infer_shapes_of_batch(&mut self, before: &[Shape]) -> Result<(), GraphError> {
        let mut followers = HashMap::new();
        let mut interleaved = HashSet::new();
        for position in 0..self.nodes.len() {
            for (operand, shape) in self.constants_that_follow(position, before) {
                let constant = self.nodes[position].inputs[operand];
                let follower = match followers.get(&(constant, shape.clone())) {
                    Some(&follower) => follower,
                    None => self.add_follower(constant, &shape)?,
                };
                followers.insert((constant, shape), follower);
                self.nodes[position].inputs[operand] = follower;
            }
            if self.interleaves(position, before, &interleaved) {
                interleaved.extend(&self.nodes[position].outputs);
            } else {
                self.follow_with_reshape(position, before);
            }
            let node = &self.nodes[position];
            let shapes: Vec<&Shape> = node.inputs.iter().map(|input| &self.values[input.0].shape).collect();
            let inferred = infer(node, &shapes)?;
            for (&output, shape) in node.outputs.iter().zip(inferred) {
                self.values[output.0].shape = shape;
            }
        }
        Ok(())
    }

    /// Whether pictures may stand anywhere but one after the other along the first axis of a node's results: where they did not to begin
    /// with, where a reshape merges axes before theirs with theirs, and where they are repeated or joined along their own.
    fn interleaves(&self, position: usize, before: &[Shape], interleaved: &HashSet<ValueId>) -> bool {
        let node = &self.nodes[position];
        // Axes of extent one before theirs change nothing.
        let leads = |input: &ValueId| {
            let Some(old) = before.get(input.0) else { return true };
            let mut pairs = old.extents().iter().zip(self.values[input.0].shape.extents());
            pairs.position(|(old, new)| old != new).is_none_or(|axis| old.product(0..axis) == 1)
        };
        node.inputs.iter().any(|input| interleaved.contains(input))
            || match node.op {
                Op::Reshape(_) => !node.inputs.iter().all(leads),
                Op::Concat(Concat { axis }) => axis == 0,
                Op::Tile(_) => true,
                _ => false,
            }
    }

    /// A reshape keeps the order of its elements, so where those of several pictures came one picture after the other, they still do,
    /// and a first extent that was written down for all of them grows and shrinks with their number. Where there was a single
    /// picture, an extent of one alone is known to have been its number: any other may have nothing to do with the batch.
    fn follow_with_reshape(&mut self, position: usize, before: &[Shape]) {
        let was_single = self.inputs.iter().any(|input| before[input.0].extent(0) == Some(1));
        let node = &mut self.nodes[position];
        let Op::Reshape(reshape) = &mut node.op else { return };
        let (Some(old), new) = (before.get(node.inputs[0].0), &self.values[node.inputs[0].0].shape) else {
            return;
        };
        let ([from, others @ ..], [to, same @ ..]) = (old.extents(), new.extents()) else { return };
        let Some((extent, rest)) = reshape.extents.split_first_mut() else { return };
        let &mut Extent::Fixed(first) = extent else { return };
        let known = !was_single || first == 1;
        if known
            && from != to
            && others == same
            && (first * to).is_multiple_of(*from)
            && !rest.contains(&Extent::Infer)
        {
            let merged = (1..=old.rank()).find(|&end| old.product(0..end) == first);
            *extent = merged.map_or(Extent::Fixed(first * to / from), |end| Extent::Merge(0, end));
        }
    }

    /// Which operands of a node are constants that had the old batch's extent along an axis that has another now, and the shape
    /// that they need. Where operands are broadcast, one picture's numbers do.
    fn constants_that_follow(&self, position: usize, before: &[Shape]) -> Vec<(usize, Shape)> {
        let node = &self.nodes[position];
        let (joins, kept_axes) = match node.op {
            Op::Concat(_) => (true, 0),
            Op::Binary(_) | Op::Eltwise(_) | Op::Select(_) => (false, 0),
            Op::MatrixProduct(_) => (false, 2),
            _ => return Vec::new(),
        };
        // Of each axis, counted from the last: the old and the new extent, where the batch has changed it.
        let mut changed = HashMap::new();
        for &input in &node.inputs {
            let (Some(old), new) = (before.get(input.0), &self.values[input.0].shape) else { continue };
            let axes = old.extents().iter().rev().zip(new.extents().iter().rev()).enumerate();
            changed.extend(
                axes.filter(|(_, (old, new))| old != new).map(|(axis, (&old, &new))| (axis, (old, new))),
            );
        }
        let mut wanted = Vec::new();
        for (operand, &input) in node.inputs.iter().enumerate() {
            let value = &self.values[input.0];
            if value.weights().is_none() || changed.is_empty() {
                continue;
            }
            let mut extents = value.shape.extents().to_vec();
            for (axis, extent) in extents.iter_mut().rev().enumerate().skip(kept_axes) {
                match changed.get(&axis) {
                    Some(&(old, new)) if joins && *extent == old => *extent = new,
                    Some(&(old, _)) if *extent == old => *extent = 1,
                    _ => {}
                }
            }
            if let Ok(shape) = Shape::new(extents)
                && shape != value.shape
            {
                wanted.push((operand, shape));
            }
        }
        wanted
    }

    /// A constant like another, but with other extents along axes on which that is the same all along: in its place where a single
    /// node reads it.
    fn add_follower(&mut self, constant: ValueId, shape: &Shape) -> Result<ValueId, GraphError> {
        let value = &self.values[constant.0];
        let failed = |cause| GraphError::Value { value: value.name.clone(), cause };
        let old = &value.shape;
        let numbers = value.weights().map(Weights::to_vec).unwrap_or_default();
        let differs = || {
            Inconsistency::new("constant", "the same numbers for every picture, to take another batch", old)
        };
        let first = first_along(old, shape, &numbers).ok_or_else(differs).map_err(failed)?;
        let weights = Weights::from_f32(shape.clone(), &first).map_err(failed)?;
        let read = self.nodes.iter().flat_map(|node| &node.inputs).chain(&self.outputs);
        if read.filter(|&&read| read == constant).count() == 1 {
            let value = &mut self.values[constant.0];
            (value.shape, value.origin) = (shape.clone(), Origin::Constant(weights));
            return Ok(constant);
        }
        let mut name = format!("{}@batch", value.name);
        while self.names.contains_key(&name) {
            name.push('+');
        }
        let added = ValueId(self.values.len());
        self.names.insert(name.clone(), added);
        self.values.push(Value { name, shape: shape.clone(), origin: Origin::Constant(weights) });
        Ok(added)
    }
}

/// The numbers of an array under other extents: along every axis whose extent changes, all slices are the first; `None` where they
/// are not.
fn first_along(old: &Shape, new: &Shape, numbers: &[f32]) -> Option<Vec<f32>> {
    let mut numbers = numbers.to_vec();
    let mut extents = old.extents().to_vec();
    for (axis, &extent) in new.extents().iter().enumerate() {
        if extents[axis] == extent {
            continue;
        }
        let inner: usize = extents[axis + 1..].iter().product();
        let mut changed = Vec::with_capacity(numbers.len() / extents[axis].max(1) * extent);
        for block in numbers.chunks_exact((extents[axis] * inner).max(1)) {
            let (first, others) = block.split_at(inner);
            let is_same =
                |slice: &[f32]| slice.iter().zip(first).all(|(one, other)| one.to_bits() == other.to_bits());
            if !others.chunks_exact(inner.max(1)).all(is_same) {
                return None;
            }
            for _ in 0..extent {
                changed.extend_from_slice(first);
            }
        }
        numbers = changed;
        extents[axis] = extent;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use crate::op::{AxisRange, Concat, Eltwise, Extent, Reshape, Slice, Transpose};
    use crate::{Graph, GraphBuilder, GraphError, Shape, Weights};

    fn slice(pictures: usize, ranges: Vec<AxisRange>) -> Graph {
        let mut builder = GraphBuilder::new("slice");
        let input = builder.input("x", Shape::new([pictures, 3, 5]).unwrap()).unwrap();
        let outputs = builder.node("cut", Slice { ranges }, &[input], &["y"]).unwrap();
        builder.finish(&outputs)
    }

    #[test]
    fn a_slice_that_keeps_all_pictures_keeps_those_of_a_larger_batch() {
        let ranges = vec![AxisRange { axis: 0, start: 0, size: 1 }, AxisRange { axis: 2, start: 1, size: 2 }];
        let batched = slice(1, ranges).with_batch(4).unwrap();
        let [output] = batched.outputs() else { panic!("one result") };
        assert_eq!(batched.value(*output).shape.extents(), [4, 3, 2]);
    }

    #[test]
    fn a_result_with_fewer_pictures_than_the_batch_is_refused() {
        let ranges = vec![AxisRange { axis: 0, start: 0, size: 2 }];
        let error = slice(3, ranges).with_batch(4).unwrap_err().to_string();
        assert!(error.contains("'y'") && error.contains("first extent"), "{error}");
    }

    /// A token joined in front of those of `pictures` pictures, written out for each as exporters do that fix the batch.
    fn class_token(pictures: usize, token: &[f32]) -> Graph {
        let shape = |tokens| Shape::new([pictures, tokens, 2]).unwrap();
        let mut builder = GraphBuilder::new("tokens");
        let input = builder.input("x", shape(3)).unwrap();
        let token = builder.constant("token", Weights::from_f32(shape(1), token).unwrap()).unwrap();
        let joined = builder.node("join", Concat { axis: 1 }, &[token, input], &["joined"]).unwrap()[0];
        let places = (0..8 * pictures).map(|place| (place % 8) as f32).collect::<Vec<_>>();
        let places = builder.constant("places", Weights::from_f32(shape(4), &places).unwrap()).unwrap();
        let outputs = builder
            .node("add", Eltwise::Sum { coefficients: vec![1.0; 2] }, &[joined, places], &["y"])
            .unwrap();
        builder.finish(&outputs)
    }

    #[test]
    fn a_class_token_written_out_for_the_batch_of_the_file_follows_another_batch() {
        for (from, to) in [(1, 3), (4, 1), (4, 6)] {
            let graph = class_token(from, &[7.0, 8.0].repeat(from)).with_batch(to).unwrap();
            let [output] = graph.outputs() else { panic!("one result") };
            assert_eq!(graph.value(*output).shape.extents(), [to, 4, 2], "{from} to {to}");
            let token = graph.value(graph.nodes()[0].inputs[0]).weights().unwrap();
            assert_eq!(token.to_vec(), [7.0, 8.0].repeat(to), "{from} to {to}");
        }
    }

    #[test]
    fn a_first_extent_written_down_for_several_pictures_follows_their_number() {
        let reshaped = |pictures: usize, to: usize| {
            let mut builder = GraphBuilder::new("heads");
            let input = builder.input("x", Shape::new([pictures, 2, 3, 5]).unwrap()).unwrap();
            let extents = vec![Extent::Fixed(2 * pictures), Extent::Fixed(3), Extent::Fixed(5)];
            let outputs = builder.node("join heads", Reshape { extents }, &[input], &["y"]).unwrap();
            let graph = builder.finish(&outputs).with_batch(to)?;
            Ok::<_, GraphError>(graph.value(graph.outputs()[0]).shape.extents().to_vec())
        };
        assert_eq!(reshaped(4, 1).unwrap(), [2, 3, 5]);
        assert_eq!(reshaped(4, 6).unwrap(), [12, 3, 5]);
        // Of one picture the extent may as well mean something else.
        assert!(reshaped(1, 4).is_err());
    }

    /// Windows in front of their pictures, `windows × pictures`, merged and taken apart again: neither extent is the number of pictures.
    #[test]
    fn a_first_extent_of_windows_that_come_before_their_pictures_does_not_follow() {
        let mut builder = GraphBuilder::new("windows");
        let input = builder.input("x", Shape::new([4, 8, 5]).unwrap()).unwrap();
        let turn = Transpose { permutation: vec![1, 0, 2] };
        let turned = builder.node("turn", turn, &[input], &["turned"]).unwrap()[0];
        let merged = builder.node("merge", Reshape::flatten(3, 0, 2), &[turned], &["merged"]).unwrap()[0];
        let extents = vec![Extent::Fixed(8), Extent::Fixed(4), Extent::Fixed(5)];
        let outputs = builder.node("apart", Reshape { extents }, &[merged], &["y"]).unwrap();
        // Two windows of four pictures have as many elements as eight of one, and are others.
        let error = builder.finish(&outputs).with_batch(1).unwrap_err().to_string();
        assert!(error.contains("'apart'"), "{error}");
    }

    #[test]
    fn a_constant_that_differs_from_picture_to_picture_fixes_the_batch() {
        let error = class_token(2, &[7.0, 8.0, 7.0, 9.0]).with_batch(1).unwrap_err().to_string();
        assert!(error.contains("'token'") && error.contains("for every picture"), "{error}");
    }
}
