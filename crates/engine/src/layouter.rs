//! Works out when arrays live, and thereby where they lie.

use std::collections::HashSet;

use deepinside_graph::ValueId;

use crate::EngineError;
use crate::lower::{Program, Step, TensorId};
use crate::memory::{Allocator, Lifetime};
use crate::plan::{Memory, PlanOptions, StepMemory};
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
}

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
        let mut layouter = Self { program, options, wanted, reached, backward: Vec::new() };
        let takes_part = |step: &Step| {
            step.operands.iter().any(|&operand| layouter.flows(operand))
                && step.results.iter().any(|&result| layouter.reached[result])
        };
        layouter.backward = program.steps.iter().map(takes_part).collect();
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
            let bytes = memory.bytes();
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
        let data = self.request_data(&mut numbers, &schedule, &kept);
        let gradient = self.request_gradients(&mut numbers, &schedule);
        let mut requests = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let saved = step.kernel.saved();
            let now = Lifetime::at(index);
            let lives = match (self.backward[index], schedule.again(index)) {
                (false, _) => vec![now],
                (true, None) => vec![now.and(schedule.end())],
                (true, Some(again)) => vec![now, Lifetime::at(again).and(schedule.backward(index))],
            };
            let mut seen = HashSet::new();
            let contributions = step.operands.iter().map(|&operand| {
                // The first to write a gradient writes it in place; all others, in the order of the backward pass, add.
                let adds = self.backward[index]
                    && self.flows(operand)
                    && (!seen.insert(operand) || !self.is_first_writer(operand, index));
                let time = Lifetime::at(schedule.backward(index));
                adds.then(|| numbers.request(self.elements(operand), [time]))
            });
            let contributions: Vec<Option<usize>> = contributions.collect();
            let size = step.kernel.workspace();
            let forward = schedule.forward(index).map(Lifetime::at);
            let workspace = [
                (size > 0).then(|| numbers.request(size, forward)),
                (size > 0 && self.backward[index])
                    .then(|| numbers.request(size, [Lifetime::at(schedule.backward(index))])),
            ];
            requests.push((
                workspace,
                (saved.numbers > 0).then(|| numbers.request(saved.numbers, lives.clone())),
                (saved.positions > 0).then(|| positions.request(saved.positions, lives)),
                contributions,
            ));
        }
        let (slots, sizes) = numbers.assign();
        let (position_slots, position_sizes) = positions.assign();
        let slot = |request: Option<usize>| request.map(|request| slots[request]);
        let memory = Memory {
            data: data.into_iter().map(slot).collect(),
            gradient: gradient.into_iter().map(slot).collect(),
            steps: requests
                .into_iter()
                .zip(&self.backward)
                .map(|((workspace, numbers, positions, contributions), &backward)| StepMemory {
                    workspace: workspace.map(slot),
                    numbers: slot(numbers),
                    positions: positions.map(|request| position_slots[request]),
                    backward,
                    contributions: contributions.into_iter().map(slot).collect(),
                })
                .collect(),
            slots: sizes,
            position_slots: position_sizes,
        };
        (memory, schedule)
    }

    /// Per tensor: whether its data is not computed again. That is so for what somebody observes, for what is fed, and for what one
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
        for value in &self.options.activations {
            if let Some(&tensor) = self.program.of_value.get(value) {
                kept[tensor] = true;
            }
        }
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
        let later = self.program.steps.iter().enumerate().skip(index + 1);
        let is_target =
            self.options.targets.iter().any(|value| self.program.of_value.get(value) == Some(&operand));
        !is_target
            && !later
                .into_iter()
                .any(|(other, step)| self.backward[other] && step.operands.contains(&operand))
    }

    fn request_data(
        &self,
        allocator: &mut Allocator,
        schedule: &Schedule,
        kept: &[bool],
    ) -> Vec<Option<usize>> {
        let tensors = &self.program.tensors;
        // In the forward pass, and for the backward pass.
        let mut lives: Vec<[Option<Lifetime>; 2]> = vec![[None; 2]; tensors.len()];
        let extend = |life: &mut Option<Lifetime>, time: usize| {
            *life = Some(life.map_or(Lifetime::at(time), |life| life.and(time)));
        };
        for (index, step) in self.program.steps.iter().enumerate() {
            let needs = step.kernel.needs();
            let passes = [(&step.operands, needs.operands), (&step.results, needs.results)];
            for (tensors, is_needed) in passes {
                for &tensor in tensors {
                    extend(&mut lives[tensor][0], index);
                    let backward = (self.backward[index] && is_needed).then(|| schedule.backward(index));
                    for time in schedule.again(index).into_iter().chain(backward) {
                        extend(&mut lives[tensor][1], time);
                    }
                }
            }
        }
        let request = |tensor: TensorId| {
            if tensors[tensor].constant.is_some() {
                return None;
            }
            let [forward, backward] = lives[tensor];
            // What is fed is there before the first step.
            let is_fed = !self.program.steps.iter().any(|step| step.results.contains(&tensor));
            let mut forward = forward.unwrap_or(Lifetime::at(0));
            if is_fed {
                forward = forward.and(0);
            }
            let is_observed = self
                .options
                .activations
                .iter()
                .any(|value| self.program.of_value.get(value) == Some(&tensor));
            let lives = match backward {
                _ if is_observed => vec![forward.and(schedule.end())],
                None => vec![forward],
                Some(_) if kept[tensor] => vec![forward.and(schedule.end())],
                Some(backward) => vec![forward, backward],
            };
            Some(allocator.request(self.elements(tensor), lives))
        };
        (0..tensors.len()).map(request).collect()
    }

    fn request_gradients(&self, allocator: &mut Allocator, schedule: &Schedule) -> Vec<Option<usize>> {
        let count = self.program.tensors.len();
        let mut lives: Vec<Option<Lifetime>> = vec![None; count];
        let extend = |life: &mut Option<Lifetime>, time: usize| {
            *life = Some(life.map_or(Lifetime::at(time), |life| life.and(time)));
        };
        let steps = self.program.steps.iter().enumerate().filter(|(index, _)| self.backward[*index]);
        for (index, step) in steps {
            let time = schedule.backward(index);
            // Results through which nothing flows have a gradient of zeros.
            step.results.iter().for_each(|&result| extend(&mut lives[result], time));
            step.operands
                .iter()
                .filter(|&&operand| self.flows(operand))
                .for_each(|&operand| extend(&mut lives[operand], time));
        }
        for value in &self.options.targets {
            if let Some(&tensor) = self.program.of_value.get(value) {
                extend(&mut lives[tensor], schedule.turn());
            }
        }
        for value in &self.options.gradients {
            if let Some(&tensor) = self.program.of_value.get(value)
                && lives[tensor].is_some()
            {
                extend(&mut lives[tensor], schedule.end());
            }
        }
        (0..count)
            .map(|tensor| lives[tensor].map(|life| allocator.request(self.elements(tensor), [life])))
            .collect()
    }
}
