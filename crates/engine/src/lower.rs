//! From a graph's nodes to kernels on tensors in memory.
//!
//! Each value becomes a tensor in the layout in which its producer writes it; where a kernel wants another layout, a
//! conversion (a kernel like any other, with its own backward pass) is put between, once per value.

mod affine;
mod chains;
mod channel_maxima;
mod movement;
mod rectifier;
mod transposed;
mod view;

use std::collections::{HashMap, HashSet};

use deepinside_graph::op::Eltwise;
use deepinside_graph::pass::Keep;
use deepinside_graph::{Graph, Inconsistency, Interrupt, Node, NodeId, Op, Shape, ValueId, operations};

use crate::kernel::activation::Activation;
use crate::kernel::chain::Link;
use crate::kernel::convolution::{self, Part, Placing};
use crate::kernel::mean_variance_normalization::Affine;
use crate::kernel::{self, Kernel, Lowering, Operand, convert};
use crate::simd::Instructions;
use crate::stage::Stages;
use crate::{BackwardRule, EngineError, Layout, Precision};

/// Names a tensor of a program.
pub(crate) type TensorId = usize;

/// An array that lives during a run, or a constant.
pub(crate) struct Tensor {
    /// The shape for the whole batch.
    pub shape: Shape,
    pub layout: Layout,
    /// The numbers in memory order, where they are constant.
    pub constant: Option<Vec<f32>>,
}

/// One kernel with its operands and results.
pub(crate) struct Step {
    /// The node's name; the value's for a conversion.
    pub name: String,
    /// The stage it belongs to.
    pub stage: usize,
    /// Computes the pictures of one run of the stage.
    pub kernel: Box<dyn Kernel>,
    pub operands: Vec<TensorId>,
    pub results: Vec<TensorId>,
    /// Floating-point operations of the forward pass.
    pub operations: u64,
    /// The bytes of operands, weights and results.
    pub bytes: u64,
}

/// Kernels in order, and the tensors which they read and write.
pub(crate) struct Program {
    pub tensors: Vec<Tensor>,
    pub steps: Vec<Step>,
    /// Per stage, in how many runs it takes the batch.
    pub runs: Vec<usize>,
    /// The tensor of each value that is an input or computed.
    pub of_value: HashMap<ValueId, TensorId>,
    /// The tensor with the maxima of the channels of a value.
    pub maxima: HashMap<ValueId, TensorId>,
}

impl Program {
    /// The elements that one run of a stage reads or writes of a tensor.
    pub fn elements(&self, tensor: TensorId, stage: usize) -> usize {
        let Tensor { shape, constant, .. } = &self.tensors[tensor];
        if constant.is_some() { shape.elements() } else { shape.elements() / self.runs[stage] }
    }
}

/// What kernels are made for.
#[derive(Clone, Copy)]
pub(crate) struct LowerOptions<'a> {
    /// Whether weights are also packed for the backward pass.
    pub backward: bool,
    /// Values that are observed, and thus computed as they are.
    pub keep: &'a Keep,
    /// What rectifiers do on the way back.
    pub rule: BackwardRule,
    /// The instruction set of inner loops.
    pub instructions: Instructions,
    /// How exactly kernels compute.
    pub precision: Precision,
    /// Values of whose channels the maxima are taken.
    pub maxima: &'a [ValueId],
    /// Those of them that nothing else observes, where no backward pass follows.
    pub only_maxima: &'a HashSet<ValueId>,
    /// Stops the lowering.
    pub interrupt: &'a Interrupt,
}

/// Makes a kernel for every node; a rectifier behind a convolution or a sum is computed in the same kernel, where nothing
/// else reads what lies between.
pub(crate) fn lower(
    graph: &Graph,
    stages: &Stages,
    options: LowerOptions<'_>,
) -> Result<Program, EngineError> {
    let mut lowerer = Lowerer {
        whole: graph,
        graph,
        stage: 0,
        stage_of: &stages.of_node,
        followed: HashSet::new(),
        options,
        consumers: graph.consumers(),
        producers: graph.producers(),
        fused: HashSet::new(),
        parts: HashMap::new(),
        joint: HashMap::new(),
        chains: HashMap::new(),
        program: Program {
            tensors: Vec::new(),
            steps: Vec::new(),
            runs: stages.runs.clone(),
            of_value: HashMap::new(),
            maxima: HashMap::new(),
        },
        views: HashMap::new(),
        turned: HashSet::new(),
        converted: HashMap::new(),
        gates: HashMap::new(),
    };
    lowerer.find_parts();
    lowerer.find_gates();
    lowerer.find_chains();
    for &input in graph.inputs() {
        let tensor = lowerer.tensor(graph.value(input).shape.clone(), Layout::Plain);
        lowerer.program.of_value.insert(input, tensor);
    }
    for index in 0..graph.nodes().len() {
        if !lowerer.fused.contains(&index) {
            options.interrupt.check()?;
            lowerer.stage = stages.of_node[index];
            lowerer.graph = &stages.graphs[lowerer.stage];
            let node = &lowerer.graph.nodes()[index];
            if !lowerer.is_view(node) && !lowerer.is_moved(index) {
                lowerer.node(node)?;
            }
        }
    }
    lowerer.add_channel_maxima(options.maxima);
    Ok(lowerer.program)
}

struct Lowerer<'graph> {
    /// The network for the whole batch.
    whole: &'graph Graph,
    /// The stage that is lowered, and the network for one of its runs.
    stage: usize,
    graph: &'graph Graph,
    /// Per node, its stage.
    stage_of: &'graph [usize],
    /// Nodes that only move numbers, and have been looked at with those behind them.
    followed: HashSet<usize>,
    options: LowerOptions<'graph>,
    /// Per value the nodes that read it.
    consumers: Vec<Vec<NodeId>>,
    /// Per value the node that computes it.
    producers: Vec<Option<NodeId>>,
    /// Nodes that are computed in the kernel of the node before.
    fused: HashSet<usize>,
    /// Values that convolutions write into the array of a concatenation: its node, and where in it.
    parts: HashMap<ValueId, (usize, Part)>,
    /// The tensors of such concatenations.
    joint: HashMap<usize, TensorId>,
    /// Values that the only node which reads them computes by itself: the node whose result they are, and its rectifier.
    chains: HashMap<ValueId, (NodeId, Option<Activation>)>,
    program: Program,
    /// The layout of values that lie in the tensor of what they are views of, by their own shape.
    views: HashMap<ValueId, Layout>,
    /// Values whose matrices lie with rows and columns exchanged, in the tensor of what they are transposed from.
    turned: HashSet<ValueId>,
    /// Conversions made so far.
    converted: HashMap<(ValueId, Layout), TensorId>,
    /// Maxima by their value, with the rectifier in whose place they stop gradients.
    gates: HashMap<ValueId, Activation>,
}

impl Lowerer<'_> {
    fn tensor(&mut self, shape: Shape, layout: Layout) -> TensorId {
        self.program.tensors.push(Tensor { shape, layout, constant: None });
        self.program.tensors.len() - 1
    }

    fn node(&mut self, node: &Node) -> Result<(), EngineError> {
        let (operand_layout, result_layout) = self.layouts(node);
        let shapes = self.operand_shapes(node);
        let lowering = self.lowering(node, &shapes, (operand_layout, result_layout));
        let sum = self.sum_behind(node);
        let last = sum.map_or(node, |(sum, _)| self.graph.node(sum));
        let rectifier = self.rectifier_behind(last);
        let (maps, affine) = self.affine_behind(node, operand_layout);
        let last_fused = rectifier.map(|(fused, _)| fused).or(maps.last().copied());
        let result = last_fused.map_or(last.outputs[0], |fused| self.graph.node(fused).outputs[0]);
        let part = self.parts.get(&result).copied();
        let activation = rectifier.map(|(_, activation)| activation);
        // Then the kernel leaves it to the step that takes the maxima.
        let (activation, afterwards) = match self.is_rectified_afterwards(last.outputs[0]) {
            true => (None, activation),
            false => (activation, None),
        };
        let placing = Placing {
            part: part.map(|(_, part)| part),
            adds: sum.is_some(),
            is_open: self.is_stopped_by_maxima(result),
        };
        let dead_at_zero = matches!(node.op, Op::InnerProduct(_)) && self.dead_at_zero(node.inputs[0]);
        let before = self.chains.get(&node.inputs[0]).copied();
        let operand_layout = before.map_or(operand_layout, |(first, _)| self.chain_layout(first));
        let kernel = match before {
            Some(first) => self.chain(first, Link { node, lowering: &lowering, activation }, placing.part),
            None => self.kernel(node, &lowering, Behind { activation, affine, placing, dead_at_zero }),
        };
        let unsupported = |cause| EngineError::Unsupported {
            node: node.name.clone(),
            operator: node.op.operator().name(),
            cause,
        };
        let kernel = kernel.map_err(unsupported)?;

        let mut operands = Vec::new();
        for (position, (&input, shape)) in node.inputs.iter().zip(&shapes).enumerate() {
            if position > 0 && takes_weights(&node.op) {
                break;
            }
            operands.push(match self.graph.value(input).weights() {
                Some(weights) => {
                    let id = self.tensor(shape.clone(), operand_layout);
                    let mut numbers = weights.to_vec();
                    weights.release(0, numbers.len());
                    if operand_layout != Layout::Plain {
                        numbers = converted(shape, Layout::Plain, operand_layout, &numbers);
                    }
                    self.program.tensors[id].constant = Some(numbers);
                    id
                }
                None => {
                    let read = before.map_or(input, |(first, _)| self.graph.node(first).inputs[0]);
                    self.in_layout(read, operand_layout, &node.name)
                }
            });
        }
        if let Some((_, addend)) = sum {
            operands.push(self.in_layout(addend, operand_layout, &node.name));
        }
        let mut results = Vec::new();
        if let Some((concat, _)) = part {
            results.push(self.joint_tensor(concat));
        }
        for &output in node.outputs.iter().skip(results.len()) {
            let tensor = self.tensor(self.whole.value(output).shape.clone(), result_layout);
            self.program.of_value.insert(output, tensor);
            results.push(tensor);
        }
        let fused = [sum.map(|(sum, _)| sum), rectifier.map(|(rectifier, _)| rectifier)];
        for fused in fused.into_iter().flatten().chain(maps) {
            self.program.of_value.remove(&node.outputs[0]);
            self.fused.insert(fused.index());
            if part.is_none() {
                self.program.of_value.insert(result, results[0]);
            }
        }
        let elements = |value: &ValueId| self.whole.value(*value).shape.elements() as u64;
        let first = before.map(|(first, _)| self.graph.node(first));
        let read = first.map_or(&node.inputs[..], |first| &first.inputs);
        let numbers: u64 = read.iter().chain(&node.outputs).map(elements).sum();
        let operations = [Some(node), first].into_iter().flatten().map(|node| operations(self.whole, node));
        self.program.steps.push(Step {
            name: node.name.clone(),
            stage: self.stage,
            kernel,
            operands,
            results,
            operations: operations.sum(),
            bytes: 4 * numbers,
        });
        if let (Some(activation), Some(step)) = (afterwards, self.program.steps.last()) {
            let written = step.results[0];
            self.rectify_afterwards(last.outputs[0], written, activation, placing.part)
                .map_err(unsupported)?;
        }
        Ok(())
    }

    /// What a kernel is told of a node whose operands have these shapes, for layouts of operands and results.
    fn lowering<'call>(
        &'call self,
        node: &'call Node,
        shapes: &'call [Shape],
        (operands, results): (Layout, Layout),
    ) -> Lowering<'call> {
        let operand = |(&input, shape)| {
            let weights = self.graph.value(input).weights();
            Operand { shape, layout: operands, weights }
        };
        let result = |&output: &ValueId| {
            let shape = &self.graph.value(output).shape;
            Operand { shape, layout: results, weights: None }
        };
        Lowering {
            operands: node.inputs.iter().zip(shapes).map(operand).collect(),
            results: node.outputs.iter().map(result).collect(),
            instructions: self.options.instructions,
            precision: self.options.precision,
            rule: self.options.rule,
            backward: self.options.backward,
        }
    }

    /// Whether one node reads a value, and it is not observed.
    fn is_private(&self, value: ValueId) -> bool {
        self.consumers[value.index()].len() == 1
            && !self.options.keep.contains(value)
            && !self.graph.outputs().contains(&value)
    }

    /// The plain sum of a convolution's or a fully connected layer's result with one other value, where nothing else reads or
    /// observes the result: that node, and the other value, which is there already.
    fn sum_behind(&self, node: &Node) -> Option<(NodeId, ValueId)> {
        let result = node.outputs[0];
        let shape = |value: ValueId| &self.graph.value(value).shape;
        let adds = match &node.op {
            Op::Convolution(op) => convolution::adds(op, shape(node.inputs[0]), shape(result)),
            Op::InnerProduct(op) => {
                kernel::inner_product::is_pointwise(op, shape(node.inputs[0]), shape(result))
            }
            _ => false,
        };
        if !adds {
            return None;
        }
        let [consumer] = self.consumers[result.index()][..] else { return None };
        let sum = self.graph.node(consumer);
        let Op::Eltwise(Eltwise::Sum { coefficients }) = &sum.op else { return None };
        if self.options.keep.contains(result) || self.graph.outputs().contains(&result) {
            return None;
        }
        let [first, second] = sum.inputs[..] else { return None };
        let other = if first == result { second } else { first };
        let alike =
            shape(other) == shape(result) && coefficients.iter().all(|&coefficient| coefficient == 1.0);
        let there = self.program.of_value.contains_key(&other);
        (alike && there).then_some((consumer, other))
    }

    /// Finds the concatenations of channels all of whose operands are results of convolutions that nothing else reads or
    /// observes. The convolutions write them where they belong, and read their gradients there.
    fn find_parts(&mut self) {
        for (index, node) in self.graph.nodes().iter().enumerate() {
            let Op::Concat(concat) = &node.op else { continue };
            let whole = &self.graph.value(node.outputs[0]).shape;
            if concat.axis != 1 || whole.rank() < 3 {
                continue;
            }
            let mut parts = Vec::new();
            let mut first = 0;
            for &input in &node.inputs {
                let part = Part { first, of: whole.extents()[1] };
                first += self.graph.value(input).shape.extents()[1];
                parts.push((input, (index, part)));
            }
            if node.inputs.iter().all(|&input| self.is_written_in_place(input)) {
                self.parts.extend(parts);
            }
        }
    }

    /// Whether a value is a convolution's result, as it is or rectified, that has one reader and no observer.
    fn is_written_in_place(&self, value: ValueId) -> bool {
        let Some(producer) = self.producers[value.index()] else { return false };
        let node = self.graph.node(producer);
        let convolution = match &node.op {
            Op::Convolution(_) => true,
            Op::Unary(_) => self.producers[node.inputs[0].index()].is_some_and(|before| {
                let before = self.graph.node(before);
                matches!(before.op, Op::Convolution(_))
                    && self.rectifier_behind(before).is_some_and(|(fused, _)| fused == producer)
            }),
            _ => false,
        };
        convolution && self.is_private(value)
    }

    /// The tensor of a concatenation that convolutions write.
    fn joint_tensor(&mut self, concat: usize) -> TensorId {
        if let Some(&tensor) = self.joint.get(&concat) {
            return tensor;
        }
        let output = self.graph.nodes()[concat].outputs[0];
        let tensor = self.tensor(self.whole.value(output).shape.clone(), Layout::ChannelsLast);
        self.program.of_value.insert(output, tensor);
        self.joint.insert(concat, tensor);
        self.fused.insert(concat);
        tensor
    }

    /// The shapes of the operands; for elementwise operators brought to one rank by leading ones.
    fn operand_shapes(&self, node: &Node) -> Vec<Shape> {
        let shapes: Vec<Shape> =
            node.inputs.iter().map(|&input| self.graph.value(input).shape.clone()).collect();
        let (Op::Eltwise(_) | Op::Binary(_) | Op::Select(_)) = node.op else { return shapes };
        let rank = shapes.iter().map(Shape::rank).max().unwrap_or(0);
        let lead = |shape: Shape| {
            let mut extents = vec![1; rank - shape.rank()];
            extents.extend(shape.extents());
            // Leading ones change neither rank limit nor element count: the result has that rank.
            Shape::new(extents).unwrap_or(shape)
        };
        shapes.into_iter().map(lead).collect()
    }

    /// The layouts of operands and results.
    fn layouts(&self, node: &Node) -> (Layout, Layout) {
        let first = node.inputs.iter().find(|input| self.program.of_value.contains_key(input));
        let own = first.map_or(Layout::Plain, |&input| self.layout_of(input));
        let rank = |input: &ValueId| self.graph.value(*input).shape.rank();
        match &node.op {
            Op::Convolution(_) | Op::Deconvolution(_) | Op::Pool(_) | Op::LocalResponseNormalization(_) => {
                (Layout::ChannelsLast, Layout::ChannelsLast)
            }
            Op::InnerProduct(product) if product.axis == 1 => (own, Layout::Plain),
            Op::Col2Im(_)
            | Op::GatherElements(_)
            | Op::GatherNd(_)
            | Op::GridSample(_)
            | Op::Im2Col(_)
            | Op::InnerProduct(_)
            | Op::MatrixProduct(_)
            | Op::Reduce(_)
            | Op::Reshape(_)
            | Op::ScatterElements(_)
            | Op::ScatterNd(_) => (Layout::Plain, Layout::Plain),
            Op::Transpose(op) => (own, self.transposed_layout(op, own, node.outputs[0])),
            Op::Eltwise(_) | Op::Binary(_) | Op::Select(_) => {
                let mut ranks = node
                    .inputs
                    .iter()
                    .filter(|input| self.graph.value(**input).weights().is_none())
                    .map(rank);
                let most = node.inputs.iter().map(rank).max();
                // Leading ones would move the channel axis of an operand of lower rank.
                if ranks.all(|rank| Some(rank) == most) { (own, own) } else { (Layout::Plain, Layout::Plain) }
            }
            _ => (own, own),
        }
    }

    /// A value in some layout, converted where the elements lie in another order.
    fn in_layout(&mut self, value: ValueId, layout: Layout, reader: &str) -> TensorId {
        let (tensor, own) = (self.program.of_value[&value], self.layout_of(value));
        let shape = &self.whole.value(value).shape;
        if own.equivalent(layout, shape) {
            return tensor;
        }
        if let Some(&converted) = self.converted.get(&(value, layout)) {
            return converted;
        }
        let mut extents = shape.extents().to_vec();
        if let Some(pictures) = extents.first_mut() {
            *pictures /= self.program.runs[self.stage];
        }
        // Fewer pictures than in a shape that is known to be one.
        let part = Shape::new(extents).unwrap_or_default();
        let (shape, kernel) = (shape.clone(), convert::convert(&part, own, layout));
        let bytes = 8 * shape.elements() as u64;
        let result = self.tensor(shape, layout);
        let name = format!("{reader} (operand's layout)");
        self.program.steps.push(Step {
            name,
            stage: self.stage,
            kernel,
            operands: vec![tensor],
            results: vec![result],
            operations: 0,
            bytes,
        });
        self.converted.insert((value, layout), result);
        result
    }

    fn kernel(
        &self,
        node: &Node,
        lowering: &Lowering<'_>,
        Behind { activation, affine, placing, dead_at_zero }: Behind,
    ) -> Result<Box<dyn Kernel>, Inconsistency> {
        match &node.op {
            Op::BatchNormalization(op) => kernel::batch_normalization::lower(op, lowering, activation),
            Op::Binary(op) => kernel::binary::lower(op, lowering),
            Op::Col2Im(op) => kernel::im2col::lower_col2im(op, lowering),
            Op::Concat(op) => kernel::concat::lower(op, lowering),
            Op::Convolution(op) => {
                convolution::lower(op, lowering, activation, placing, self.options.backward)
            }
            Op::CumulativeSum(op) => kernel::cumulative_sum::lower(op, lowering),
            Op::Deconvolution(op) => kernel::deconvolution::lower(op, lowering, self.options.backward),
            Op::Eltwise(op) => kernel::eltwise::lower(op, lowering, activation),
            Op::GatherElements(op) => kernel::gather_places::lower(op, lowering),
            Op::GatherNd(op) => kernel::gather_places::lower_slices(op, lowering),
            Op::GridSample(op) => kernel::grid_sample::lower(op, lowering),
            Op::Identity(op) => kernel::copy::lower(op, lowering),
            Op::Im2Col(op) => kernel::im2col::lower(op, lowering),
            Op::InnerProduct(op) => {
                kernel::inner_product::lower(op, lowering, dead_at_zero, (activation, placing.adds))
            }
            Op::LocalResponseNormalization(op) => kernel::local_response_normalization::lower(op, lowering),
            Op::LogSoftmax(op) => kernel::log_softmax::lower(op, lowering),
            Op::MatrixProduct(op) => {
                let turned = [0, 1].map(|operand| self.turned.contains(&node.inputs[operand]));
                kernel::matrix_product::lower(op, lowering, turned)
            }
            Op::MeanVarianceNormalization(op) => {
                kernel::mean_variance_normalization::lower(op, lowering, affine)
            }
            Op::Pad(op) => kernel::pad::lower(op, lowering),
            Op::ParametricRelu(op) => kernel::parametric_relu::lower(op, lowering),
            Op::Pool(op) => kernel::pool::lower(op, lowering, self.gates.get(&node.outputs[0]).copied()),
            Op::Reduce(op) => kernel::reduce::lower(op, lowering),
            Op::Resample(op) => kernel::resample::lower(op, lowering),
            Op::Reshape(op) => kernel::copy::lower_reshape(op, lowering),
            Op::ScatterElements(op) => kernel::scatter::lower(op, lowering),
            Op::ScatterNd(op) => kernel::scatter::lower_slices(op, lowering),
            Op::Select(op) => kernel::select::lower(op, lowering),
            Op::Slice(op) => kernel::slice::lower(op, lowering),
            Op::Softmax(op) => kernel::softmax::lower(op, lowering),
            Op::Split(op) => kernel::split::lower(op, lowering),
            Op::Take(op) => kernel::resample::lower_take(op, lowering),
            Op::Tile(op) => kernel::tile::lower(op, lowering),
            Op::TopK(op) => kernel::top_k::lower(op, lowering),
            Op::Transpose(op) => kernel::transpose::lower(op, lowering),
            Op::Unary(op) => kernel::unary::lower(op, lowering),
            other => {
                Err(Inconsistency::new("operator", "one that this version computes", other.operator().name()))
            }
        }
    }
}

/// What a kernel does besides its node's operator.
struct Behind {
    activation: Option<Activation>,
    affine: Affine,
    placing: Placing,
    dead_at_zero: bool,
}

/// Whether all operands but the first are taken when the kernel is made.
fn takes_weights(op: &Op) -> bool {
    matches!(
        op,
        Op::BatchNormalization(_)
            | Op::Convolution(_)
            | Op::Deconvolution(_)
            | Op::InnerProduct(_)
            | Op::ParametricRelu(_)
    )
}

/// The numbers of a value in another layout.
pub(crate) fn converted(shape: &Shape, from: Layout, to: Layout, numbers: &[f32]) -> Vec<f32> {
    let mut target = vec![0.0; numbers.len()];
    convert::convert_slice(shape, from, to, numbers, &mut target);
    target
}
