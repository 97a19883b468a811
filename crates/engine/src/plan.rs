//! A network prepared for running: kernels with packed weights, and a layout of memory.

use std::collections::{HashMap, HashSet};

use deepinside_graph::pass::{
    Keep, average_first, fold_batch_normalization, fuse_activations, fuse_normalizations, remove_dead_code,
    remove_identity,
};
use deepinside_graph::{Graph, Interrupt, Origin, Shape, ValueId};

use crate::aligned::is_available;
use crate::lane::{Pass, Sizes, lane_sizes, passes};
use crate::layouter::Layouter;
use crate::lower::{LowerOptions, Program, lower};
use crate::memory::Slot;
use crate::schedule::{Action, Schedule};
use crate::simd::Instructions;
use crate::stage::Stages;
use crate::{BackwardRule, EngineError};

/// How exactly kernels compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Precision {
    /// As exactly as single precision sums allow: results within 1e-5 of the largest of their value, usually 2e-6.
    #[default]
    Exact,
    /// As exact, and every element of a convolution is the sum of its products in one order: equal windows give equal numbers, so that maxima
    /// over what is equal in exact arithmetic are ties, which the first element wins. Slower: Winograd's transforms, which round each place of a
    /// tile in another way, are left out.
    Even,
    /// Faster: the weights of fully connected layers are kept in half precision, where one or two pictures are computed at a time.
    /// Their results are then off by about 2e-4 of the largest.
    Fast,
}

/// What a plan must be able to tell afterwards. Everything else may be fused or overwritten.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// The values whose activations can be read after a forward pass.
    pub activations: Vec<ValueId>,
    /// The values of whose channels the largest number and its first position can be read after a forward pass. That takes a look at
    /// each number while it is in the caches, and no memory for the value as a whole. Values have axes for pictures, channels and at least
    /// one more, and are computed by the network.
    pub maxima: Vec<ValueId>,
    /// The values whose gradients can be read after a backward pass. The pass stops at the deepest of them; with none, no
    /// backward pass is planned.
    pub gradients: Vec<ValueId>,
    /// The values from which a backward pass may start.
    pub targets: Vec<ValueId>,
    /// What rectifiers do on the way back.
    pub rule: BackwardRule,
    /// The most bytes of memory that a session may take, weights not counted, which may take as much, and at least 8 GiB.
    /// Default 8 GiB. Where keeping all that the backward
    /// pass reads would take more, parts of the forward pass are computed again on the way back, which takes up to half as long
    /// again and changes no bit of a result. Where even that is too much for a batch, all of its pictures go through
    /// each layer at once, which saves what is kept for one part of them while another is computed; sums may then be taken in another order.
    /// Parts of a batch are computed at the same time, each by one thread with memory of its own, as far as the limit allows.
    pub memory_limit: usize,
    /// The instruction set that inner loops are compiled for.
    pub instructions: Instructions,
    /// How exactly kernels compute.
    pub precision: Precision,
    /// Stops the planning.
    pub interrupt: Interrupt,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            activations: Vec::new(),
            maxima: Vec::new(),
            gradients: Vec::new(),
            targets: Vec::new(),
            rule: BackwardRule::Gradient,
            memory_limit: DEFAULT_MEMORY,
            instructions: Instructions::Detected,
            precision: Precision::Exact,
            interrupt: Interrupt::default(),
        }
    }
}

/// A network prepared for running. Shared by any number of sessions.
pub struct Plan {
    pub(crate) program: Program,
    pub(crate) rule: BackwardRule,
    pub(crate) memory: Memory,
    pub(crate) schedule: Schedule,
    /// What is done forward, and backward.
    pub(crate) passes: [Vec<Pass>; 2],
    /// What runs of a stage need on each thread but the first.
    pub(crate) lane: Sizes,
    memory_limit: usize,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) activations: HashSet<ValueId>,
    pub(crate) gradients: HashSet<ValueId>,
    pub(crate) targets: HashSet<ValueId>,
    pub(crate) values: HashMap<ValueId, (String, Shape)>,
}

/// Where every array of a run lies.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub sizes: Sizes,
    /// Per tensor: where its data lies (constants have none) and where its gradient, if one is computed.
    pub data: Vec<Option<Array>>,
    pub gradient: Vec<Option<Array>>,
    pub steps: Vec<StepMemory>,
}

/// Where an array lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Array {
    pub slot: Slot,
    /// Whether it holds the whole batch, and not just one run of a stage.
    pub is_whole: bool,
}

/// Where the arrays of one step lie.
#[derive(Debug, Default, Clone)]
pub(crate) struct StepMemory {
    pub numbers: Option<Array>,
    pub positions: Option<Array>,
    /// Working memory of the forward pass, also where it is done again, and of the backward pass.
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
    /// When an operator has no kernel for its attributes, the memory limit is too small, the planning was asked to
    /// stop, or a file of weights was changed since it was opened.
    pub fn new(graph: &Graph, options: &PlanOptions) -> Result<Self, EngineError> {
        let plan = Self::packed(graph, options);
        // From here on the weights are the plan's own. That they are the file's is known once all are read.
        graph.check_files().map_err(EngineError::Changed)?;
        plan
    }

    fn packed(graph: &Graph, options: &PlanOptions) -> Result<Self, EngineError> {
        let observed = [&options.activations, &options.maxima, &options.gradients, &options.targets];
        let keep: Keep = observed.into_iter().flatten().copied().collect();
        let graph = remove_dead_code(graph.clone().with_outputs(&[]), &keep);
        let graph = fold_batch_normalization(remove_identity(graph, &keep), &keep);
        let graph = fuse_normalizations(fuse_activations(graph, &keep), &keep);
        let graph = average_first(graph, &keep);
        let has_backward = !options.gradients.is_empty() && !options.targets.is_empty();
        let otherwise: Keep = [&options.activations, &options.gradients, &options.targets]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        let looked_at =
            options.maxima.iter().copied().filter(|&value| !has_backward && !otherwise.contains(value));
        let only_maxima = looked_at.collect();
        // A small limit of a session's memory says nothing about weights.
        check_weights(&graph, has_backward, options.memory_limit.max(DEFAULT_MEMORY))?;
        let kernels = LowerOptions {
            backward: has_backward,
            keep: &keep,
            rule: options.rule,
            instructions: options.instructions,
            precision: options.precision,
            maxima: &options.maxima,
            only_maxima: &only_maxima,
            interrupt: &options.interrupt,
        };
        let limit = options.memory_limit;
        let mut program = lower(&graph, &Stages::cached(&graph), kernels)?;
        let (memory, schedule) = match Layouter::new(&program, options).fit(limit) {
            Err(EngineError::MemoryLimit { .. }) if program.runs != [1] => {
                // Without stages nothing has to be kept for all of their runs.
                program = lower(&graph, &Stages::whole(&graph), kernels)?;
                Layouter::new(&program, options).fit(limit)?
            }
            fitted => fitted?,
        };
        let known = |values: &[ValueId]| -> HashSet<ValueId> {
            values.iter().copied().filter(|value| program.of_value.contains_key(value)).collect()
        };
        let (activations, gradients, targets) =
            (known(&options.activations), known(&options.gradients), known(&options.targets));
        let forward: Vec<Action> = (0..program.steps.len()).map(Action::Forward).collect();
        let passes = [&forward, &schedule.actions].map(|actions| passes(&program, &memory, actions));
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
            lane: lane_sizes(&program, &memory, passes.iter().flatten()),
            passes,
            memory_limit: limit,
            memory,
            schedule,
            program,
        })
    }

    /// The bytes that one session takes on one thread.
    pub fn session_bytes(&self) -> usize {
        self.memory.sizes.bytes()
    }

    /// How many runs of a stage a session computes at the same time: no more than there are threads, or the memory limit allows.
    pub(crate) fn lanes(&self, threads: usize) -> usize {
        let most = self.program.runs.iter().copied().max().unwrap_or(1).min(threads);
        let spare = self.memory_limit.saturating_sub(self.session_bytes());
        most.min(1 + spare.checked_div(self.lane.bytes()).unwrap_or(most))
    }
}

/// The bytes that a session may take unless another limit is given.
const DEFAULT_MEMORY: usize = 8 << 30;

/// The most weights of a plan that no file holds, made at random because that was asked for, or one number many times: VGG-19 has 144 million,
/// and a file of ONNX's own tests states it so.
pub const MOST_MADE_UP_WEIGHTS: usize = 1 << 28;

/// Checks that the weights of a network fit in memory, before any is packed. Most are packed once for each direction.
fn check_weights(graph: &Graph, has_backward: bool, limit: usize) -> Result<(), EngineError> {
    let (mut elements, mut made_up) = (0usize, 0usize);
    // Each node that reads a constant packs it anew.
    for value in graph.nodes().iter().flat_map(|node| &node.inputs).map(|&value| graph.value(value)) {
        if let Origin::Constant(weights) = &value.origin {
            let own = weights.shape().elements();
            elements = elements.saturating_add(own);
            made_up = made_up.saturating_add(if weights.is_made_up() { own } else { 0 });
        }
    }
    if made_up > MOST_MADE_UP_WEIGHTS {
        return Err(EngineError::MadeUpWeights { found: made_up, most: MOST_MADE_UP_WEIGHTS });
    }
    let bytes = elements.saturating_mul(size_of::<f32>() * (1 + usize::from(has_backward)));
    let needed = bytes.div_ceil(1 << 20);
    if bytes > limit {
        return Err(EngineError::WeightsLimit { needed, limit: limit >> 20 });
    }
    // Packing allocates them one by one; that there is memory for all is tried first.
    if is_available(bytes) { Ok(()) } else { Err(EngineError::OutOfMemory { needed }) }
}

impl std::fmt::Display for Plan {
    /// One line per kernel: what it computes, and the shapes of its results.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (step, memory) in self.program.steps.iter().zip(&self.memory.steps) {
            let shapes: Vec<String> =
                step.results.iter().map(|&result| self.program.tensors[result].shape.to_string()).collect();
            let direction = if memory.backward { "forward, backward" } else { "forward" };
            let runs = match self.program.runs[step.stage] {
                1 => String::new(),
                runs => format!(", in {runs} runs"),
            };
            writeln!(formatter, "{}: {} ({direction}{runs})", step.name, shapes.join(", "))?;
        }
        write!(formatter, "{} bytes per session", self.session_bytes())
    }
}
