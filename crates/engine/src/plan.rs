//! A network prepared for running: kernels with packed weights, and a layout of memory.

use std::collections::{HashMap, HashSet};

use deepinside_graph::pass::{Keep, fold_batch_normalization, remove_dead_code, remove_identity};
use deepinside_graph::{Graph, Shape, ValueId};

use crate::lower::{LowerOptions, Program, TensorId, lower};
use crate::memory::{Allocator, Lifetime, Slot};
use crate::simd::Instructions;
use crate::{BackwardRule, EngineError};

/// How exactly kernels compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Precision {
    /// As exactly as single precision sums allow: results within 1e-5 of the largest of their value, usually 2e-6.
    #[default]
    Exact,
    /// Faster: the weights of fully connected layers are kept in half precision, where one or two pictures are computed at a time.
    /// Their results are then off by about 2e-4 of the largest.
    Fast,
}

/// What a plan must be able to tell afterwards. Everything else may be fused or overwritten.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// The values whose activations can be read after a forward pass.
    pub activations: Vec<ValueId>,
    /// The values whose gradients can be read after a backward pass. The pass stops at the deepest of them; with none, no
    /// backward pass is planned.
    pub gradients: Vec<ValueId>,
    /// The values from which a backward pass may start.
    pub targets: Vec<ValueId>,
    /// What rectifiers do on the way back.
    pub rule: BackwardRule,
    /// The most bytes of memory that a session may take, weights not counted. Default 8 GiB.
    pub memory_limit: usize,
    /// The instruction set that inner loops are compiled for.
    pub instructions: Instructions,
    /// How exactly kernels compute.
    pub precision: Precision,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            activations: Vec::new(),
            gradients: Vec::new(),
            targets: Vec::new(),
            rule: BackwardRule::Gradient,
            memory_limit: 8 << 30,
            instructions: Instructions::Detected,
            precision: Precision::Exact,
        }
    }
}

/// A network prepared for running. Shared by any number of sessions.
pub struct Plan {
    pub(crate) program: Program,
    pub(crate) rule: BackwardRule,
    pub(crate) memory: Memory,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) activations: HashSet<ValueId>,
    pub(crate) gradients: HashSet<ValueId>,
    pub(crate) targets: HashSet<ValueId>,
    pub(crate) values: HashMap<ValueId, (String, Shape)>,
}

/// Where every array of a run lies.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The sizes of the slots of numbers and of positions, in elements.
    pub slots: Vec<usize>,
    pub position_slots: Vec<usize>,
    /// Per tensor: where its data lies (constants have none) and where its gradient, if one is computed.
    pub data: Vec<Option<Slot>>,
    pub gradient: Vec<Option<Slot>>,
    pub steps: Vec<StepMemory>,
}

/// Where the arrays of one step lie.
#[derive(Debug, Default, Clone)]
pub(crate) struct StepMemory {
    pub numbers: Option<Slot>,
    pub positions: Option<Slot>,
    /// Working memory of the forward and of the backward pass.
    pub workspace: [Option<Slot>; 2],
    /// Whether the step takes part in the backward pass.
    pub backward: bool,
    /// Per operand: where a contribution goes that is added to a gradient which is there already.
    pub contributions: Vec<Option<Slot>>,
}

impl Plan {
    /// Simplifies the graph as far as the options allow, chooses and packs kernels, and lays out memory.
    ///
    /// # Errors
    /// When an operator has no kernel for its attributes, or the memory limit is too small.
    pub fn new(graph: &Graph, options: &PlanOptions) -> Result<Self, EngineError> {
        let observed = options.activations.iter().chain(&options.gradients).chain(&options.targets);
        let keep: Keep = observed.copied().collect();
        let graph = remove_dead_code(graph.clone().with_outputs(&[]), &keep);
        let graph = fold_batch_normalization(remove_identity(graph, &keep), &keep);
        let has_backward = !options.gradients.is_empty() && !options.targets.is_empty();
        let kernels = LowerOptions {
            backward: has_backward,
            keep: &keep,
            rule: options.rule,
            instructions: options.instructions,
            precision: options.precision,
        };
        let program = lower(&graph, kernels)?;
        let memory = Layouter::new(&program, options).lay_out();
        let bytes = 4 * (memory.slots.iter().sum::<usize>() + memory.position_slots.iter().sum::<usize>());
        if bytes > options.memory_limit {
            return Err(EngineError::MemoryLimit { needed: bytes >> 20, limit: options.memory_limit >> 20 });
        }
        let known = |values: &[ValueId]| -> HashSet<ValueId> {
            values.iter().copied().filter(|value| program.of_value.contains_key(value)).collect()
        };
        let (activations, gradients, targets) =
            (known(&options.activations), known(&options.gradients), known(&options.targets));
        let values = program.of_value.keys().map(|&value| {
            let known = graph.value(value);
            (value, (known.name.clone(), known.shape.clone()))
        });
        Ok(Self {
            rule: options.rule,
            inputs: graph.inputs().to_vec(),
            activations,
            gradients,
            targets,
            values: values.collect(),
            memory,
            program,
        })
    }

    /// The bytes that one session takes.
    pub fn session_bytes(&self) -> usize {
        4 * (self.memory.slots.iter().sum::<usize>() + self.memory.position_slots.iter().sum::<usize>())
    }
}

impl std::fmt::Display for Plan {
    /// One line per kernel: what it computes, and the shapes of its results.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (step, memory) in self.program.steps.iter().zip(&self.memory.steps) {
            let shapes: Vec<String> =
                step.results.iter().map(|&result| self.program.tensors[result].shape.to_string()).collect();
            let direction = if memory.backward { "forward, backward" } else { "forward" };
            writeln!(formatter, "{}: {} ({direction})", step.name, shapes.join(", "))?;
        }
        write!(formatter, "{} bytes per session", self.session_bytes())
    }
}

/// Works out lifetimes.
struct Layouter<'a> {
    program: &'a Program,
    options: &'a PlanOptions,
    /// Per tensor: whether a gradient is wanted here or before it, and whether one can arrive.
    wanted: Vec<bool>,
    reached: Vec<bool>,
}

impl<'a> Layouter<'a> {
    fn new(program: &'a Program, options: &'a PlanOptions) -> Self {
        let tensors = |values: &[ValueId]| -> HashSet<TensorId> {
            values.iter().filter_map(|value| program.of_value.get(value).copied()).collect()
        };
        let (gradients, targets) = (tensors(&options.gradients), tensors(&options.targets));
        let count = program.tensors.len();
        let mut wanted: Vec<bool> = (0..count).map(|tensor| gradients.contains(&tensor)).collect();
        for step in &program.steps {
            if step.operands.iter().any(|&operand| wanted[operand]) {
                step.results.iter().for_each(|&result| wanted[result] = true);
            }
        }
        let mut reached: Vec<bool> = (0..count).map(|tensor| targets.contains(&tensor)).collect();
        for step in program.steps.iter().rev() {
            if step.results.iter().any(|&result| reached[result]) {
                step.operands.iter().for_each(|&operand| reached[operand] = true);
            }
        }
        Self { program, options, wanted, reached }
    }

    /// Whether a gradient of the tensor is computed.
    fn flows(&self, tensor: TensorId) -> bool {
        self.wanted[tensor] && self.reached[tensor] && self.program.tensors[tensor].constant.is_none()
    }

    fn lay_out(&self) -> Memory {
        let steps = &self.program.steps;
        let end = 2 * steps.len();
        let backward: Vec<bool> = steps
            .iter()
            .map(|step| {
                step.operands.iter().any(|&operand| self.flows(operand))
                    && step.results.iter().any(|&result| self.reached[result])
            })
            .collect();
        let mut numbers = Allocator::default();
        let mut positions = Allocator::default();
        let data = self.request_data(&mut numbers, &backward, end);
        let gradient = self.request_gradients(&mut numbers, &backward, end);
        let mut requests = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let saved = step.kernel.saved();
            let life = Lifetime { first: index, last: if backward[index] { end } else { index } };
            let mut seen = HashSet::new();
            let contributions = step.operands.iter().map(|&operand| {
                // The first to write a gradient writes it in place; all others, in the order of the backward pass, add.
                let adds = backward[index]
                    && self.flows(operand)
                    && (!seen.insert(operand) || !self.is_first_writer(operand, index, &backward));
                let time = end - 1 - index;
                adds.then(|| numbers.request(self.elements(operand), Lifetime { first: time, last: time }))
            });
            let contributions: Vec<Option<usize>> = contributions.collect();
            let working = |first: usize| Lifetime { first, last: first };
            let times = [Some(index), backward[index].then_some(end - 1 - index)];
            let workspace = times.map(|time| {
                let size = step.kernel.workspace();
                time.filter(|_| size > 0).map(|time| numbers.request(size, working(time)))
            });
            requests.push((
                workspace,
                (saved.numbers > 0).then(|| numbers.request(saved.numbers, life)),
                (saved.positions > 0).then(|| positions.request(saved.positions, life)),
                contributions,
            ));
        }
        let (slots, sizes) = numbers.assign();
        let (position_slots, position_sizes) = positions.assign();
        let slot = |request: Option<usize>| request.map(|request| slots[request]);
        Memory {
            data: data.into_iter().map(slot).collect(),
            gradient: gradient.into_iter().map(slot).collect(),
            steps: requests
                .into_iter()
                .zip(backward)
                .map(|((workspace, numbers, positions, contributions), backward)| StepMemory {
                    workspace: workspace.map(slot),
                    numbers: slot(numbers),
                    positions: positions.map(|request| position_slots[request]),
                    backward,
                    contributions: contributions.into_iter().map(slot).collect(),
                })
                .collect(),
            slots: sizes,
            position_slots: position_sizes,
        }
    }

    fn elements(&self, tensor: TensorId) -> usize {
        self.program.tensors[tensor].shape.elements()
    }

    /// Whether no later step contributes to the gradient of the operand, and it is no target itself.
    fn is_first_writer(&self, operand: TensorId, index: usize, backward: &[bool]) -> bool {
        let later = self.program.steps.iter().enumerate().skip(index + 1);
        let is_target =
            self.options.targets.iter().any(|value| self.program.of_value.get(value) == Some(&operand));
        !is_target
            && !later.into_iter().any(|(other, step)| backward[other] && step.operands.contains(&operand))
    }

    fn request_data(&self, allocator: &mut Allocator, backward: &[bool], end: usize) -> Vec<Option<usize>> {
        let tensors = &self.program.tensors;
        let mut lives: Vec<Lifetime> = vec![Lifetime { first: 0, last: 0 }; tensors.len()];
        let mut written = vec![false; tensors.len()];
        for (index, step) in self.program.steps.iter().enumerate() {
            let needs = step.kernel.needs();
            for &operand in &step.operands {
                let last = if backward[index] && needs.operands { end } else { index };
                lives[operand].last = lives[operand].last.max(last);
            }
            for &result in &step.results {
                let last = if backward[index] && needs.results { end } else { index };
                // Several steps may write a tensor, each its part.
                let first = if written[result] { lives[result].first } else { index };
                lives[result] = Lifetime { first, last: last.max(lives[result].last) };
                written[result] = true;
            }
        }
        for value in &self.options.activations {
            if let Some(&tensor) = self.program.of_value.get(value) {
                lives[tensor].last = end;
            }
        }
        (0..tensors.len())
            .map(|tensor| {
                tensors[tensor]
                    .constant
                    .is_none()
                    .then(|| allocator.request(self.elements(tensor), lives[tensor]))
            })
            .collect()
    }

    fn request_gradients(
        &self,
        allocator: &mut Allocator,
        backward: &[bool],
        end: usize,
    ) -> Vec<Option<usize>> {
        let count = self.program.tensors.len();
        let mut lives: Vec<Option<Lifetime>> = vec![None; count];
        let extend = |life: &mut Option<Lifetime>, time: usize| {
            let known = life.get_or_insert(Lifetime { first: time, last: time });
            *known = Lifetime { first: known.first.min(time), last: known.last.max(time) };
        };
        let steps = self.program.steps.iter().enumerate().filter(|(index, _)| backward[*index]);
        for (index, step) in steps {
            let time = end - 1 - index;
            // Results through which nothing flows have a gradient of zeros.
            step.results.iter().for_each(|&result| extend(&mut lives[result], time));
            step.operands
                .iter()
                .filter(|&&operand| self.flows(operand))
                .for_each(|&operand| extend(&mut lives[operand], time));
        }
        for value in &self.options.targets {
            if let Some(&tensor) = self.program.of_value.get(value) {
                extend(&mut lives[tensor], end / 2);
            }
        }
        for value in &self.options.gradients {
            if let Some(&tensor) = self.program.of_value.get(value)
                && lives[tensor].is_some()
            {
                extend(&mut lives[tensor], end);
            }
        }
        (0..count)
            .map(|tensor| lives[tensor].map(|life| allocator.request(self.elements(tensor), life)))
            .collect()
    }
}
