//! Recurrent layers (RNN, LSTM, GRU), written out step by step as products, sums and functions of one operand.
//!
//! Networks that read text from pictures (CRNN) or mix rows and columns (Sequencer) have them. A picture's sequence has as many
//! steps as the file says, so nothing is left open; a step is about a dozen nodes of the graph, whose memory is counted
//! in the import's budget. The product of all inputs with their weights is one fully connected layer before the steps.

use deepinside_graph::op::{
    AxisRange, Concat, Eltwise, Extent, InnerProduct, Reshape, Slice, Split, Transpose, Unary,
};

use super::activation::power;
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;

/// About what a node of the graph takes, with its results, in bytes.
const BYTES_PER_NODE: u64 = 1024;
/// About how many nodes one step is.
const NODES_PER_STEP: u64 = 16;

/// What one step computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// `h′ = f(x W + h R + b)`.
    Plain,
    /// Gates in, out and forget, and a cell's state (Hochreiter and Schmidhuber 1997; Gers et al. 2000).
    Lstm,
    /// An update gate and a reset gate (Cho et al. 2014).
    Gru,
}

impl Cell {
    /// How many blocks of `hidden` rows the weights have.
    fn gates(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// The functions where the file names none.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["Tanh"],
            Self::Lstm => &["Sigmoid", "Tanh", "Tanh"],
            Self::Gru => &["Sigmoid", "Tanh"],
        }
    }
}

/// One direction of a layer.
struct Direction {
    cell: Cell,
    /// What its steps are called by.
    name: &'static str,
    hidden: usize,
    functions: Vec<Unary>,
    /// Gates × inputs, and gates × hidden.
    weights: Operand,
    recurrent: Operand,
    /// What is added to the products with the inputs.
    bias: Option<Operand>,
    /// GRU with its reset gate behind the product: what is added to the new state's part of it.
    bias_within: Option<Operand>,
    /// Weights of the cell's state for the gates in, out and forget.
    peepholes: Option<[Operand; 3]>,
    /// Whether the forget gate is what the input gate leaves.
    coupled: bool,
    /// Whether a GRU's reset gate stands behind the product with the recurrent weights.
    reset_behind: bool,
}

pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let cell = match node.operator() {
        "LSTM" => Cell::Lstm,
        "GRU" => Cell::Gru,
        _ => Cell::Plain,
    };
    // Which results are wanted is told by their names.
    let _ = node.int("output_sequence")?;
    if node.float("clip")?.is_some_and(|clip| clip != 0.0) {
        return unsupported("a recurrent layer with the attribute 'clip'");
    }
    let pictures_first = node.flag("layout")?;
    let mut operand = importer.operand(node, 0)?;
    if importer.shape(&operand).rank() != 3 {
        return inconsistent("input", "steps, pictures and numbers", importer.shape(&operand));
    }
    if pictures_first {
        operand = importer.step(node, "steps_first", swapped(3), &[operand])?;
    }
    let steps = importer.shape(&operand).extents()[0];
    whole_sequences(node, importer, steps)?;
    let names: &[&'static str] = match node.text("direction")?.as_deref() {
        None | Some("forward") => &["forward"],
        Some("reverse") => &["reverse"],
        Some("bidirectional") => &["forward", "reverse"],
        Some(other) => {
            return inconsistent("attribute 'direction'", "forward, reverse or bidirectional", other);
        }
    };
    importer.keep(steps as u64 * names.len() as u64 * NODES_PER_STEP * BYTES_PER_NODE)?;
    let (mut states, mut last, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    for (index, name) in names.iter().enumerate() {
        let direction = direction(node, importer, cell, (index, names.len(), name))?;
        let first = initial(node, importer, 5, (index, name, "first_state"), pictures_first)?;
        let first_cell = match cell {
            Cell::Lstm => initial(node, importer, 6, (index, name, "first_cell"), pictures_first)?,
            _ => None,
        };
        let [all, end, cell] = direction.run(node, importer, &operand, (first, first_cell))?;
        states.push(all);
        last.push(end);
        cells.push(cell);
    }
    if node.output(0).is_some() {
        let mut joined = Vec::new();
        for (state, name) in states.into_iter().zip(names) {
            let extents = vec![Extent::Copy(0), Extent::Fixed(1), Extent::Copy(1), Extent::Copy(2)];
            joined.push(importer.step(node, &format!("{name}_states"), Reshape { extents }, &[state])?);
        }
        let permutation = if pictures_first { vec![2, 0, 1, 3] } else { vec![0, 1, 2, 3] };
        finish(node, importer, 0, (1, joined), permutation)?;
    }
    let permutation = if pictures_first { vec![1, 0, 2] } else { vec![0, 1, 2] };
    for (index, ends) in [(1, last), (2, cells)] {
        if node.output(index).is_some() {
            finish(node, importer, index, (0, ends), permutation.clone())?;
        }
    }
    Ok(())
}

/// Exchanges the first two axes.
fn swapped(rank: usize) -> Transpose {
    let mut permutation: Vec<usize> = (0..rank).collect();
    permutation.swap(0, 1);
    Transpose { permutation }
}

/// Makes directions, joined along an axis and with their axes in another order, a result of the node.
fn finish<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    index: usize,
    (axis, parts): (usize, Vec<Operand>),
    permutation: Vec<usize>,
) -> Result<(), Failure> {
    let kind = parts[0].kind;
    let joined = match parts.as_slice() {
        [only] => only.clone(),
        parts => importer.step(node, ["states", "ends", "cells"][index], Concat { axis }, parts)?,
    };
    importer.finish_output(node, index, Transpose { permutation }, &[joined], kind)
}

/// Refuses sequences that end before the last step.
fn whole_sequences(node: &Node<'_>, importer: &Importer<'_>, steps: usize) -> Result<(), Failure> {
    let lengths = importer.whole_numbers(node, 4, "the sequences' lengths")?.unwrap_or_default();
    match lengths.iter().all(|&length| usize::try_from(length) == Ok(steps)) {
        true => Ok(()),
        false => unsupported(format!(
            "sequences of different lengths ({lengths:?}, while there are {steps} steps)"
        )),
    }
}

/// The state before the first step, of 1 × pictures × hidden; none where it is zero.
fn initial<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    input: usize,
    (index, direction, step): (usize, &str, &str),
    pictures_first: bool,
) -> Result<Option<Operand>, Failure> {
    let Some(mut operand) = importer.optional(node, input)? else { return Ok(None) };
    if let Some(constant) = operand.constant() {
        importer.ask_for(constant.shape().elements() as u64)?;
        if constant.numbers().iter().all(|&number| number == 0.0) {
            return Ok(None);
        }
    }
    if pictures_first {
        operand = importer.step(node, &format!("{direction}_{step}_turned"), swapped(3), &[operand])?;
    }
    Ok(Some(range(node, importer, &format!("{direction}_{step}"), operand, (0, index, 1))?))
}

/// A part of an operand along an axis.
fn range<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    step: &str,
    operand: Operand,
    (axis, start, size): (usize, usize, usize),
) -> Result<Operand, Failure> {
    importer.step(node, step, Slice { ranges: vec![AxisRange { axis, start, size }] }, &[operand])
}

/// The weights of one direction, which must be constant, without the axis of the directions.
fn weights_of<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    input: usize,
    (index, directions, name): (usize, usize, &str),
    expected: &[Option<usize>],
) -> Result<Option<Operand>, Failure> {
    let Some(operand) = importer.optional(node, input)? else { return Ok(None) };
    let what = ["", "weights", "recurrent weights", "biases", "", "", "", "peepholes"][input];
    let shape = importer.shape(&operand);
    if operand.constant().is_none() {
        return unsupported(format!("the {what} must be constant, but depend on an input of the network"));
    }
    let fits =
        |(expected, found): (&Option<usize>, &usize)| expected.is_none_or(|expected| expected == *found);
    let wanted: Vec<Option<usize>> =
        std::iter::once(Some(directions)).chain(expected.iter().copied()).collect();
    if shape.rank() != wanted.len() || !wanted.iter().zip(shape.extents()).all(fits) {
        let extent = |extent: &Option<usize>| extent.map_or("any".to_owned(), |extent| extent.to_string());
        let wanted = wanted.iter().map(extent).collect::<Vec<_>>().join("×");
        return inconsistent(what, wanted, shape);
    }
    let extents = shape.extents()[1..].iter().map(|&extent| Extent::Fixed(extent)).collect();
    let step = format!("{name}_{}", what.replace(' ', "_"));
    let own = range(node, importer, &format!("{step}_row"), operand, (0, index, 1))?;
    Ok(Some(importer.step(node, &step, Reshape { extents }, &[own])?))
}

fn sum(count: usize) -> Eltwise {
    Eltwise::Sum { coefficients: vec![1.0; count] }
}

/// What the file says of one direction: which it is, of how many, and its name.
fn direction<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    cell: Cell,
    own: (usize, usize, &'static str),
) -> Result<Direction, Failure> {
    let (index, _, name) = own;
    let Some(hidden) = importer.shape(&importer.operand(node, 2)?).extent(2).filter(|&hidden| hidden > 0)
    else {
        return inconsistent("recurrent weights", "directions, gates and numbers", "other axes");
    };
    if node.int("hidden_size")?.is_some_and(|said| usize::try_from(said) != Ok(hidden)) {
        return inconsistent("attribute 'hidden_size'", hidden, "another number");
    }
    let rows = cell.gates() * hidden;
    let (Some(weights), Some(recurrent)) = (
        weights_of(node, importer, 1, own, &[Some(rows), None])?,
        weights_of(node, importer, 2, own, &[Some(rows), Some(hidden)])?,
    ) else {
        return inconsistent("number of inputs", "at least 3", node.inputs());
    };
    let reset_behind = cell == Cell::Gru && node.flag("linear_before_reset")?;
    let (mut bias, mut bias_within) = (None, None);
    if let Some(biases) = weights_of(node, importer, 3, own, &[Some(2 * rows)])? {
        let step = |part: &str| format!("{name}_{part}");
        let outer = range(node, importer, &step("bias_outer"), biases.clone(), (0, 0, rows))?;
        let inner = range(node, importer, &step("bias_inner"), biases.clone(), (0, rows, rows))?;
        bias = Some(if reset_behind {
            // The new state's part stands inside the product with the reset gate.
            let gates = range(node, importer, &step("bias_gates"), inner.clone(), (0, 0, 2 * hidden))?;
            let zero = importer.constant(node, &step("bias_zero"), &[hidden], || vec![0.0; hidden])?;
            let gates = importer.step(node, &step("bias_padded"), Concat { axis: 0 }, &[gates, zero])?;
            bias_within = Some(range(node, importer, &step("bias_within"), inner, (0, 2 * hidden, hidden))?);
            importer.step(node, &step("bias"), sum(2), &[outer, gates])?
        } else {
            importer.step(node, &step("bias"), sum(2), &[outer, inner])?
        });
    }
    let peepholes = match cell {
        Cell::Lstm => weights_of(node, importer, 7, own, &[Some(3 * hidden)])?,
        _ => None,
    };
    let peepholes = match peepholes {
        Some(all) => {
            let mut part = |gate: usize| {
                let step = format!("{name}_peephole_{gate}");
                range(node, importer, &step, all.clone(), (0, gate * hidden, hidden))
            };
            Some([part(0)?, part(1)?, part(2)?])
        }
        None => None,
    };
    let coupled = cell == Cell::Lstm && node.flag("input_forget")?;
    let functions = functions(node, cell, index)?;
    Ok(Direction {
        cell,
        name,
        hidden,
        functions,
        weights,
        recurrent,
        bias,
        bias_within,
        peepholes,
        coupled,
        reset_behind,
    })
}

/// The functions of a direction; α and β are given in order to those that have them.
fn functions(node: &Node<'_>, cell: Cell, index: usize) -> Result<Vec<Unary>, Failure> {
    let usual = cell.usual();
    let named = node.texts("activations")?.unwrap_or_default();
    let mut alphas = node.floats("activation_alpha")?.unwrap_or_default().iter().copied();
    let mut betas = node.floats("activation_beta")?.unwrap_or_default().iter().copied();
    let mut all = Vec::new();
    let names: Vec<String> = match named.len() {
        0 => usual.iter().map(|&name| name.to_owned()).cycle().take(2 * usual.len()).collect(),
        _ => named,
    };
    for name in &names {
        let mut alpha = |default: f32| alphas.next().unwrap_or(default);
        all.push(match name.to_ascii_lowercase().as_str() {
            "sigmoid" => Unary::Sigmoid,
            "tanh" => Unary::Tanh,
            "relu" => Unary::Relu { negative_slope: 0.0 },
            "softsign" => Unary::Softsign,
            "softplus" => Unary::Softplus,
            "leakyrelu" => Unary::Relu { negative_slope: alpha(0.01) },
            "elu" => Unary::Elu { alpha: alpha(1.0) },
            "affine" => power(1.0, alpha(1.0), betas.next().unwrap_or(0.0)),
            "hardsigmoid" => Unary::HardSigmoid { alpha: alpha(0.2), beta: betas.next().unwrap_or(0.5) },
            _ => return unsupported(format!("the function {name} in a recurrent layer")),
        });
    }
    match all.get(index * usual.len()..(index + 1) * usual.len()) {
        Some(own) => Ok(own.to_vec()),
        None => inconsistent(
            "attribute 'activations'",
            format!("{} functions for each direction", usual.len()),
            names.len(),
        ),
    }
}

impl Direction {
    /// All states in the order of the steps (steps × pictures × hidden), the last state, and the last cell's state (the state
    /// again where there is none).
    fn run<'a>(
        &self,
        node: &Node<'a>,
        importer: &mut Importer<'a>,
        operand: &Operand,
        (mut state, mut cell): (Option<Operand>, Option<Operand>),
    ) -> Result<[Operand; 3], Failure> {
        let steps = importer.shape(operand).extents()[0];
        let product = InnerProduct { axis: 2, transposed: false };
        let mut operands = vec![operand.clone(), self.weights.clone()];
        operands.extend(self.bias.clone());
        let inputs = importer.step(node, &format!("{}_inputs", self.name), product, &operands)?;
        let names: Vec<String> = (0..steps).map(|at| format!("{}_{at}_input", self.name)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let split = Split { axis: 0, sizes: vec![1; steps] };
        let inputs = importer.steps(node, &names, split, &[inputs])?;
        let mut states = Vec::new();
        let order: Vec<usize> = match self.name {
            "reverse" => (0..steps).rev().collect(),
            _ => (0..steps).collect(),
        };
        for at in order {
            let mut step = Step { direction: self, node, importer, at };
            let input = inputs[at].clone();
            let next = match self.cell {
                Cell::Plain => step.plain(input, state)?,
                Cell::Gru => step.gru(input, state)?,
                Cell::Lstm => {
                    let [next, next_cell] = step.lstm(input, state, cell)?;
                    cell = Some(next_cell);
                    next
                }
            };
            states.push(next.clone());
            state = Some(next);
        }
        let Some(last) = states.last().cloned() else {
            return inconsistent("input", "at least one step", "none");
        };
        if self.name == "reverse" {
            states.reverse();
        }
        let all = match states.as_slice() {
            [only] => only.clone(),
            states => importer.step(node, &format!("{}_all", self.name), Concat { axis: 0 }, states)?,
        };
        Ok([all, last.clone(), cell.unwrap_or(last)])
    }
}

/// One step of a direction. States are 1 × pictures × hidden; a state that is zero is none.
struct Step<'b, 'a> {
    direction: &'b Direction,
    node: &'b Node<'a>,
    importer: &'b mut Importer<'a>,
    at: usize,
}

impl Step<'_, '_> {
    fn called(&self, part: &str) -> String {
        format!("{}_{}_{part}", self.direction.name, self.at)
    }

    fn apply(
        &mut self,
        part: &str,
        op: impl Into<deepinside_graph::Op>,
        operands: &[Operand],
    ) -> Result<Operand, Failure> {
        let name = self.called(part);
        self.importer.step(self.node, &name, op, operands)
    }

    /// The sum of those that are there.
    fn added(&mut self, part: &str, one: Operand, other: Option<Operand>) -> Result<Operand, Failure> {
        match other {
            Some(other) => self.apply(part, sum(2), &[one, other]),
            None => Ok(one),
        }
    }

    /// The product of those that are there; none where one is zero.
    fn times(
        &mut self,
        part: &str,
        one: Operand,
        other: Option<Operand>,
    ) -> Result<Option<Operand>, Failure> {
        other.map(|other| self.apply(part, Eltwise::Product, &[one, other])).transpose()
    }

    /// The product of a state with some of the recurrent weights.
    fn recurrent(
        &mut self,
        part: &str,
        state: Option<Operand>,
        weights: &Operand,
    ) -> Result<Option<Operand>, Failure> {
        let product = InnerProduct { axis: 2, transposed: false };
        state.map(|state| self.apply(part, product, &[state, weights.clone()])).transpose()
    }

    /// The parts of the gates, one after the other.
    fn parts(&mut self, part: &str, operand: Operand, count: usize) -> Result<Vec<Operand>, Failure> {
        let split = Split { axis: 2, sizes: vec![self.direction.hidden; count] };
        let names: Vec<String> = (0..count).map(|index| self.called(&format!("{part}_{index}"))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.importer.steps(self.node, &names, split, &[operand])
    }

    fn plain(&mut self, input: Operand, state: Option<Operand>) -> Result<Operand, Failure> {
        let recurrent = self.recurrent("recurrent", state, &self.direction.recurrent)?;
        let sum = self.added("sum", input, recurrent)?;
        self.apply("state", self.direction.functions[0], &[sum])
    }

    /// The next state and the next cell's state.
    fn lstm(
        &mut self,
        input: Operand,
        state: Option<Operand>,
        cell: Option<Operand>,
    ) -> Result<[Operand; 2], Failure> {
        let [f, g, h] = [0, 1, 2].map(|index| self.direction.functions[index]);
        let recurrent = self.recurrent("recurrent", state, &self.direction.recurrent)?;
        let gates = self.added("gates", input, recurrent)?;
        // In ONNX's order: in, out, forget, and the new content.
        let mut gates = self.parts("gate", gates, 4)?.into_iter();
        let (Some(inward), Some(outward), Some(forget), Some(new)) =
            (gates.next(), gates.next(), gates.next(), gates.next())
        else {
            return inconsistent("gates", 4, "fewer");
        };
        let peepholes = self.direction.peepholes.clone();
        let peephole = |gate: usize| peepholes.as_ref().map(|all| all[gate].clone());
        let seen = |step: &mut Self, name: &str, gate: Operand, weights, cell: Option<Operand>| match weights
        {
            Some(weights) => {
                let seen = step.times(&format!("{name}_seen"), weights, cell)?;
                step.added(&format!("{name}_sum"), gate, seen)
            }
            None => Ok::<_, Failure>(gate),
        };
        let inward = seen(self, "in", inward, peephole(0), cell.clone())?;
        let inward = self.apply("in", f, &[inward])?;
        let new = self.apply("new", g, &[new])?;
        let added = self.apply("added", Eltwise::Product, &[inward.clone(), new])?;
        let kept = match cell {
            None => None,
            Some(cell) => {
                let forget = match self.direction.coupled {
                    true => self.apply("forget", power(1.0, -1.0, 1.0), &[inward])?,
                    false => {
                        let forget = seen(self, "forget", forget, peephole(2), Some(cell.clone()))?;
                        self.apply("forget", f, &[forget])?
                    }
                };
                self.times("kept", forget, Some(cell))?
            }
        };
        let cell = self.added("cell", added, kept)?;
        let outward = seen(self, "out", outward, peephole(1), Some(cell.clone()))?;
        let outward = self.apply("out", f, &[outward])?;
        let shown = self.apply("shown", h, std::slice::from_ref(&cell))?;
        Ok([self.apply("state", Eltwise::Product, &[outward, shown])?, cell])
    }

    /// `(1 − z) ⊙ new + z ⊙ state`.
    fn gru(&mut self, input: Operand, state: Option<Operand>) -> Result<Operand, Failure> {
        let Direction { hidden, reset_behind, .. } = *self.direction;
        let [f, g] = [0, 1].map(|index| self.direction.functions[index]);
        let recurrent = self.direction.recurrent.clone();
        let rows = |step: &mut Self, part: &str, start: usize, size: usize| {
            let name = format!("{}_{part}", step.direction.name);
            range(step.node, step.importer, &name, recurrent.clone(), (0, start * hidden, size * hidden))
        };
        let gates =
            range(self.node, self.importer, &self.called("gates_input"), input.clone(), (2, 0, 2 * hidden))?;
        let mut new =
            range(self.node, self.importer, &self.called("new_input"), input, (2, 2 * hidden, hidden))?;
        let gate_rows = rows(self, "recurrent_gates", 0, 2)?;
        let product = self.recurrent("recurrent", state.clone(), &gate_rows)?;
        let gates = self.added("gates", gates, product)?;
        let gates = self.apply("gates_open", f, &[gates])?;
        let mut gates = self.parts("gate", gates, 2)?.into_iter();
        let (Some(update), Some(reset)) = (gates.next(), gates.next()) else {
            return inconsistent("gates", 2, "fewer");
        };
        let new_rows = rows(self, "recurrent_new", 2, 1)?;
        let within = if reset_behind {
            let product = self.recurrent("within", state.clone(), &new_rows)?;
            let bias = self.direction.bias_within.clone();
            let within = match (product, bias) {
                (Some(product), bias) => Some(self.added("within_sum", product, bias)?),
                (None, bias) => bias,
            };
            self.times("within_reset", reset, within)?
        } else {
            let left = self.times("left", reset, state.clone())?;
            self.recurrent("within", left, &new_rows)?
        };
        new = self.added("new_sum", new, within)?;
        new = self.apply("new", g, &[new])?;
        let open = self.apply("open", power(1.0, -1.0, 1.0), std::slice::from_ref(&update))?;
        let new = self.apply("added", Eltwise::Product, &[open, new])?;
        let kept = self.times("kept", update, state)?;
        self.added("state", new, kept)
    }
}
