//! Works out when arrays live, and thereby where they lie.

use std::collections::HashSet;

use deepinside_graph::ValueId;

use crate::EngineError;
use crate::lane::Sizes;
use crate::lower::{Program, Step, TensorId};
use crate::memory::{Allocator, Lifetime};
use crate::plan::{Array, Memory, PlanOptions, StepMemory};
use crate::schedule::{Schedule, segments};

/// Works out lifetimes.
pub(crate) struct Layouter<'a> {
    program: &'a Program,
    options: &'a PlanOptions,
    /// Per tensor: whether a gradient is wanted here or before it, and whether one can arrive.
    wanted: Vec<bool>,
    reached: Vec<bool>,
    /// Per step: whether it takes part in the backward pass.
    backward: Vec<bool>,
    /// Per tensor: whether a step computes it, and the stage of the first step that reads or writes it.
    is_computed: Vec<bool>,
    stage: Vec<Option<usize>>,
    /// Per tensor: the last step that reads it and takes part in the backward pass.
    last_reader: Vec<Option<usize>>,
    targets: HashSet<TensorId>,
}

/// An array that was asked for: the number of the request, and whether it holds the whole batch.
type Request = (usize, bool);

impl<'a> Layouter<'a> {
    pub fn new(program: &'a Program, options: &'a PlanOptions) -> Self {
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
        let (mut is_computed, mut stage) = (vec![false; count], vec![None; count]);
        for step in &program.steps {
            step.results.iter().for_each(|&result| is_computed[result] = true);
            for &tensor in step.operands.iter().chain(&step.results) {
                stage[tensor].get_or_insert(step.stage);
            }
        }
        let last_reader = vec![None; count];
        let backward = Vec::new();
        let mut layouter =
            Self { program, options, wanted, reached, backward, is_computed, stage, last_reader, targets };
        let takes_part = |step: &Step| {
            step.operands.iter().any(|&operand| layouter.flows(operand))
                && step.results.iter().any(|&result| layouter.reached[result])
        };
        layouter.backward = program.steps.iter().map(takes_part).collect();
        for (index, step) in program.steps.iter().enumerate().filter(|(index, _)| layouter.backward[*index]) {
            step.operands.iter().for_each(|&operand| layouter.last_reader[operand] = Some(index));
        }
        layouter
    }

    /// The layout that computes the least again of those that take no more than `limit` bytes.
    ///
    /// # Errors
    /// When all take more.
    pub fn fit(&self, limit: usize) -> Result<(Memory, Schedule), EngineError> {
        let steps = self.program.steps.len();
        let mut least = usize::MAX;
        let mut count = 1;
        loop {
            let (memory, schedule) = self.lay_out(count);
            let bytes = memory.sizes.bytes();
            if bytes <= limit {
                return Ok((memory, schedule));
            }
            least = least.min(bytes);
            count += count.div_ceil(2);
            if count > steps || !self.backward.contains(&true) {
                // Rounded up: a limit of so many is enough.
                return Err(EngineError::MemoryLimit { needed: least.div_ceil(1 << 20), limit: limit >> 20 });
            }
        }
    }

    /// Whether a gradient of the tensor is computed.
    fn flows(&self, tensor: TensorId) -> bool {
        self.wanted[tensor] && self.reached[tensor] && self.program.tensors[tensor].constant.is_none()
    }

    /// Cuts the forward pass into so many segments, and lays out what is needed when.
    fn lay_out(&self, count: usize) -> (Memory, Schedule) {
        let steps = &self.program.steps;
        let cost = |step: &Step| step.results.iter().map(|&result| self.elements(result)).sum();
        let segment = segments(&steps.iter().map(cost).collect::<Vec<_>>(), count);
        let kept = self.kept(&segment);
        let schedule = Schedule::new(segment.clone(), &self.needed_again(&segment, &kept));
        let mut numbers = Allocator::default();
        let mut positions = Allocator::default();
        let times = Times::new(self.program, &schedule);
        let data = self.request_data(&mut numbers, &schedule, &times, &kept);
        let gradient = self.request_gradients(&mut numbers, &schedule, &times);
        let mut requests = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let saved = step.kernel.saved();
            let backward = schedule.backward(index);
            let uses = match (self.backward[index], schedule.again(index)) {
                (false, _) => vec![vec![index]],
                (true, None) => vec![vec![index, backward, schedule.end()]],
                (true, Some(again)) => vec![vec![index], vec![again, backward]],
            };
            let (lives, is_whole) = times.lives(&uses, false);
            let runs = if is_whole { self.program.runs[step.stage] } else { 1 };
            let mut seen = HashSet::new();
            let contributions = step.operands.iter().enumerate().map(|(position, &operand)| {
                // The first to write a gradient writes it in place; all others, in the order of the backward pass, add.
                let is_second_here = !seen.insert(operand);
                let adds = self.backward[index]
                    && self.flows(operand)
                    && (is_second_here || !self.is_first_writer(operand, index));
                let beside = adds && (is_second_here || !step.kernel.accumulates(position));
                let time = Lifetime::at(backward);
                beside.then(|| numbers.request(self.program.elements(operand, step.stage), [time]))
            });
            let contributions: Vec<Option<usize>> = contributions.collect();
            let size = step.kernel.workspace();
            let forward = schedule.forward(index).map(Lifetime::at);
            let workspace = [
                (size > 0).then(|| numbers.request(size, forward)),
                (size > 0 && self.backward[index]).then(|| numbers.request(size, [Lifetime::at(backward)])),
            ];
            requests.push((
                workspace,
                (saved.numbers > 0).then(|| (numbers.request(runs * saved.numbers, lives.clone()), is_whole)),
                (saved.positions > 0).then(|| (positions.request(runs * saved.positions, lives), is_whole)),
                contributions,
            ));
        }
        let (slots, sizes) = numbers.assign();
        let (position_slots, position_sizes) = positions.assign();
        let slot = |request: Option<usize>| request.map(|request| slots[request]);
        let array = |slots: &[usize], request: Option<Request>| {
            request.map(|(request, is_whole)| Array { slot: slots[request], is_whole })
        };
        let memory = Memory {
            data: data.into_iter().map(|request| array(&slots, request)).collect(),
            gradient: gradient.into_iter().map(|request| array(&slots, request)).collect(),
            steps: requests
                .into_iter()
                .zip(&self.backward)
                .map(|((workspace, numbers, positions, contributions), &backward)| StepMemory {
                    workspace: workspace.map(slot),
                    numbers: array(&slots, numbers),
                    positions: array(&position_slots, positions),
                    backward,
                    contributions: contributions.into_iter().map(slot).collect(),
                })
                .collect(),
            sizes: Sizes { slots: sizes, position_slots: position_sizes },
        };
        (memory, schedule)
    }

    /// Per tensor: whether its data is not computed again. That is so for what is observed, for what is fed, and for what one
    /// segment writes and another reads or goes on writing; in the last segment nothing is computed again.
    fn kept(&self, segment: &[usize]) -> Vec<bool> {
        let count = self.program.tensors.len();
        let last = segment.last();
        let mut written: Vec<Option<usize>> = vec![None; count];
        let mut kept = vec![false; count];
        for (step, own) in self.program.steps.iter().zip(segment) {
            for &operand in &step.operands {
                kept[operand] |= written[operand] != Some(*own);
            }
            for &result in &step.results {
                kept[result] |= Some(own) == last || written[result].is_some_and(|other| other != *own);
                written[result] = Some(*own);
            }
        }
        self.observed().into_iter().for_each(|tensor| kept[tensor] = true);
        kept
    }

    /// Per step: whether it must run again before the backward pass through its segment.
    fn needed_again(&self, segment: &[usize], kept: &[bool]) -> Vec<bool> {
        let mut is_read = vec![false; self.program.tensors.len()];
        let mut again = vec![false; segment.len()];
        for (index, step) in self.program.steps.iter().enumerate().rev() {
            if Some(&segment[index]) == segment.last() {
                continue;
            }
            let (needs, saved) = (step.kernel.needs(), step.kernel.saved());
            let mut read = |tensors: &[TensorId]| tensors.iter().for_each(|&tensor| is_read[tensor] = true);
            if self.backward[index] && needs.results {
                read(&step.results);
            }
            if self.backward[index] && needs.operands {
                read(&step.operands);
            }
            again[index] = self.backward[index] && saved.numbers + saved.positions > 0
                || step.results.iter().any(|&result| is_read[result] && !kept[result]);
            if again[index] {
                step.operands.iter().for_each(|&operand| is_read[operand] = true);
            }
        }
        again
    }

    fn elements(&self, tensor: TensorId) -> usize {
        self.program.tensors[tensor].shape.elements()
    }

    /// Whether no later step contributes to the gradient of the operand, and it is no target itself.
    fn is_first_writer(&self, operand: TensorId, index: usize) -> bool {
        !self.targets.contains(&operand) && self.last_reader[operand].is_none_or(|last| last <= index)
    }

    fn request_data(
        &self,
        allocator: &mut Allocator,
        schedule: &Schedule,
        times: &Times,
        kept: &[bool],
    ) -> Vec<Option<Request>> {
        let tensors = &self.program.tensors;
        // In the forward pass, and for the backward pass.
        let mut uses: Vec<[Vec<usize>; 2]> = vec![Default::default(); tensors.len()];
        for (index, step) in self.program.steps.iter().enumerate() {
            let needs = step.kernel.needs();
            let passes = [(&step.operands, needs.operands), (&step.results, needs.results)];
            for (tensors, is_needed) in passes {
                for &tensor in tensors {
                    uses[tensor][0].push(index);
                    let backward = (self.backward[index] && is_needed).then(|| schedule.backward(index));
                    uses[tensor][1].extend(schedule.again(index).into_iter().chain(backward));
                }
            }
        }
        let observed = self.observed();
        let mut request = |tensor: TensorId| {
            if tensors[tensor].constant.is_some() {
                return None;
            }
            let [mut forward, backward] = std::mem::take(&mut uses[tensor]);
            // What is fed is there before the first step.
            let is_fed = !self.is_computed[tensor];
            if is_fed {
                forward.push(0);
            }
            let is_observed = observed.contains(&tensor);
            let uses = if is_observed || !backward.is_empty() && kept[tensor] {
                forward.push(schedule.end());
                vec![forward]
            } else {
                vec![forward, backward]
            };
            let (lives, is_whole) = times.lives(&uses, is_fed || is_observed);
            Some((allocator.request(self.extent(tensor, is_whole), lives), is_whole))
        };
        (0..tensors.len()).map(&mut request).collect()
    }

    fn request_gradients(
        &self,
        allocator: &mut Allocator,
        schedule: &Schedule,
        times: &Times,
    ) -> Vec<Option<Request>> {
        let mut uses: Vec<Vec<usize>> = vec![Vec::new(); self.program.tensors.len()];
        let steps = self.program.steps.iter().enumerate().filter(|(index, _)| self.backward[*index]);
        for (index, step) in steps {
            let time = schedule.backward(index);
            // Results through which nothing flows have a gradient of zeros.
            let flowing = step.operands.iter().filter(|&&operand| self.flows(operand));
            step.results.iter().chain(flowing).for_each(|&tensor| uses[tensor].push(time));
        }
        let (targets, wanted) = (&self.targets, self.tensors(&self.options.gradients));
        targets.iter().for_each(|&target| uses[target].push(schedule.turn()));
        let mut request = |(tensor, mut uses): (TensorId, Vec<usize>)| {
            if uses.is_empty() {
                return None;
            }
            if wanted.contains(&tensor) {
                uses.push(schedule.end());
            }
            let (lives, is_whole) = times.lives(&[uses], targets.contains(&tensor));
            Some((allocator.request(self.extent(tensor, is_whole), lives), is_whole))
        };
        uses.into_iter().enumerate().map(&mut request).collect()
    }

    /// The tensors that are read after a forward pass.
    fn observed(&self) -> HashSet<TensorId> {
        let mut observed = self.tensors(&self.options.activations);
        observed.extend(self.program.maxima.values());
        observed
    }

    /// The tensors of values.
    fn tensors(&self, values: &[ValueId]) -> HashSet<TensorId> {
        values.iter().filter_map(|value| self.program.of_value.get(value).copied()).collect()
    }

    /// How many elements an array has: all of a tensor, or what one run of its stage takes.
    fn extent(&self, tensor: TensorId, is_whole: bool) -> usize {
        match self.stage[tensor] {
            Some(stage) if !is_whole => self.program.elements(tensor, stage),
            _ => self.elements(tensor),
        }
    }
}

/// Which times belong together: a stage of several runs comes to each of its times in every run.
struct Times {
    /// Per time, all of the stage's in that pass; the time alone, where a stage has one run.
    spans: Vec<Lifetime>,
}

impl Times {
    fn new(program: &Program, schedule: &Schedule) -> Self {
        let forward: Vec<usize> = program.steps.iter().map(|step| step.stage).collect();
        let backward: Vec<usize> = schedule.actions.iter().map(|action| forward[action.step()]).collect();
        let mut spans = Vec::new();
        for stages in [forward, backward] {
            for stages in stages.chunk_by(|one, next| one == next) {
                let (first, last) = (spans.len(), spans.len() + stages.len() - 1);
                let span = |time| match program.runs[stages[0]] {
                    1 => Lifetime::at(time),
                    _ => Lifetime { first, last },
                };
                spans.extend((first..=last).map(span));
            }
        }
        spans.push(Lifetime::at(schedule.end()));
        Self { spans }
    }

    /// When an array with these uses lives, which may be several times, and whether it must hold the whole batch: where its uses in
    /// one life are not all within the runs of one stage, or all pictures are wanted at once.
    fn lives(&self, uses: &[Vec<usize>], is_wanted_whole: bool) -> (Vec<Lifetime>, bool) {
        let is_split = |uses: &Vec<usize>| uses.iter().any(|&time| self.spans[time] != self.spans[uses[0]]);
        let is_whole = is_wanted_whole || uses.iter().any(is_split);
        let life = |&time: &usize| if is_whole { self.spans[time] } else { Lifetime::at(time) };
        (uses.iter().filter_map(|uses| uses.iter().map(life).reduce(Lifetime::with)).collect(), is_whole)
    }
}
