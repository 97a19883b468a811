//! Running the steps of a stage for the pictures of one run.

use std::time::{Duration, Instant};

use deepinside_graph::Interrupt;

use crate::Plan;
use crate::kernel::parallel::{GRAIN, for_each_piece};
use crate::kernel::{Backward, Forward};
use crate::lane::View;
use crate::lower::TensorId;
use crate::memory::Slot;
use crate::plan::Array;
use crate::schedule::Action;

/// What one run of a stage reads and writes.
pub(crate) struct Run<'a> {
    plan: &'a Plan,
    /// What this run has of the array that lies in a slot begins with the slot's first element.
    slots: Vec<&'a mut [f32]>,
    position_slots: Vec<&'a mut [u32]>,
    /// Per tensor: whether its gradient has been written in the current backward pass.
    present: Vec<bool>,
    /// Whether it is measured how long steps take.
    measures: bool,
    /// The segment that is computed again, and whether a gradient has come to it.
    reached: Option<(usize, bool)>,
}

/// What is known after a run.
pub(crate) struct Done {
    /// Per tensor: whether its gradient has been written in the current backward pass.
    pub present: Vec<bool>,
    /// How long each action took, with its step, where that was asked for.
    pub times: Vec<(usize, Duration)>,
}

impl<'a> Run<'a> {
    pub fn new(plan: &'a Plan, view: View<'a>, present: Vec<bool>, measures: bool) -> Self {
        let View { slots, position_slots } = view;
        Self { plan, slots, position_slots, present, measures, reached: None }
    }

    /// Does these actions, one after another, until the interrupt is set.
    pub fn act(mut self, actions: &[Action], interrupt: &Interrupt) -> Done {
        let mut times = Vec::new();
        for &action in actions {
            if interrupt.is_asked() {
                break;
            }
            let start = self.measures.then(Instant::now);
            match action {
                Action::Forward(step) => self.forward(step),
                Action::Again(step) if self.reaches(step) => self.forward(step),
                Action::Again(_) => {}
                Action::Backward(step) => self.backward(step),
            }
            times.extend(start.map(|start| (action.step(), start.elapsed())));
        }
        Done { present: self.present, times }
    }

    /// Whether a gradient has come to the segment of a step, so that there will be something to do in it. All steps of a
    /// segment that are computed again are so before its backward pass.
    fn reaches(&mut self, step: usize) -> bool {
        let plan = self.plan;
        let segments = &plan.schedule.segment;
        let segment = segments[step];
        if let Some((last, reached)) = self.reached
            && last == segment
        {
            return reached;
        }
        let first = segments.partition_point(|&other| other < segment);
        let own = (first..segments.len()).take_while(|&other| segments[other] == segment);
        let reached = own.into_iter().any(|other| {
            plan.memory.steps[other].backward
                && plan.program.steps[other].results.iter().any(|&result| self.present[result])
        });
        self.reached = Some((segment, reached));
        reached
    }

    /// The data of a tensor that a step of a stage reads, in memory order.
    fn data(&self, tensor: TensorId, stage: usize) -> &[f32] {
        let program = &self.plan.program;
        match (&program.tensors[tensor].constant, self.plan.memory.data[tensor]) {
            (Some(numbers), _) => numbers,
            (None, Some(array)) => &self.slots[array.slot][..program.elements(tensor, stage)],
            (None, None) => &[],
        }
    }

    /// Takes a slot out of the run, so that it can be written while others are read. The plan never lets two arrays of
    /// one step share a slot; [`Run::put`] brings it back.
    fn take(&mut self, slot: Option<Slot>) -> &'a mut [f32] {
        slot.map_or_else(Default::default, |slot| std::mem::take(&mut self.slots[slot]))
    }

    fn put(&mut self, slot: Option<Slot>, numbers: &'a mut [f32]) {
        if let Some(slot) = slot {
            self.slots[slot] = numbers;
        }
    }

    fn forward(&mut self, index: usize) {
        let plan = self.plan;
        let (step, memory) = (&plan.program.steps[index], &plan.memory.steps[index]);
        let saved = step.kernel.saved();
        let slot = |array: Option<Array>| array.map(|array| array.slot);
        let places: Vec<Option<Slot>> =
            step.results.iter().map(|&result| slot(plan.memory.data[result])).collect();
        let mut results: Vec<&mut [f32]> = places.iter().map(|&place| self.take(place)).collect();
        let numbers = self.take(slot(memory.numbers));
        let workspace = self.take(memory.workspace[0]);
        let positions = memory
            .positions
            .map_or_else(Default::default, |array| std::mem::take(&mut self.position_slots[array.slot]));
        {
            let operands: Vec<&[f32]> =
                step.operands.iter().map(|&operand| self.data(operand, step.stage)).collect();
            let mut slices: Vec<&mut [f32]> = results
                .iter_mut()
                .zip(&places)
                .zip(&step.results)
                .map(|((numbers, place), &result)| {
                    let elements = place.map_or(0, |_| plan.program.elements(result, step.stage));
                    &mut numbers[..elements]
                })
                .collect();
            step.kernel.forward(Forward {
                operands: &operands,
                results: &mut slices,
                numbers: &mut numbers[..saved.numbers],
                positions: &mut positions[..saved.positions],
                workspace: &mut workspace[..step.kernel.workspace()],
            });
        }
        self.put(memory.workspace[0], workspace);
        for (place, numbers) in places.into_iter().zip(results) {
            self.put(place, numbers);
        }
        self.put(slot(memory.numbers), numbers);
        if let Some(array) = memory.positions {
            self.position_slots[array.slot] = positions;
        }
    }

    fn backward(&mut self, index: usize) {
        let plan = self.plan;
        let (step, memory) = (&plan.program.steps[index], &plan.memory.steps[index]);
        if !memory.backward || !step.results.iter().any(|&result| self.present[result]) {
            return;
        }
        let elements = |tensor: TensorId| plan.program.elements(tensor, step.stage);
        for &result in &step.results {
            if let (Some(array), false) = (plan.memory.gradient[result], self.present[result]) {
                self.slots[array.slot][..elements(result)].fill(0.0);
            }
        }
        let (saved, needs) = (step.kernel.saved(), step.kernel.needs());
        // Where each operand's gradient is written: in place if it is the first or the kernel adds, else beside, to be added.
        let mut written: Vec<(TensorId, Slot, bool)> = Vec::new();
        let mut accumulates = vec![false; step.operands.len()];
        let mut taken: Vec<Option<&mut [f32]>> = Vec::new();
        for (position, &operand) in step.operands.iter().enumerate() {
            let is_present = self.present[operand];
            let place = match plan.memory.gradient[operand] {
                None => None,
                Some(_) if plan.program.tensors[operand].constant.is_some() => None,
                Some(gradient) => {
                    let is_second_here = written.iter().any(|(other, ..)| *other == operand);
                    accumulates[position] =
                        is_present && !is_second_here && step.kernel.accumulates(position);
                    if (is_present || is_second_here) && !accumulates[position] {
                        memory.contributions[position].map(|slot| (slot, true))
                    } else {
                        Some((gradient.slot, false))
                    }
                }
            };
            taken.push(place.map(|(slot, adds)| {
                written.push((operand, slot, adds));
                std::mem::take(&mut self.slots[slot])
            }));
        }
        let workspace = self.take(memory.workspace[1]);
        {
            let values = |wanted: bool, tensors: &[TensorId]| -> Vec<&[f32]> {
                let value = |&tensor: &TensorId| self.data(tensor, step.stage);
                tensors.iter().map(|tensor| if wanted { value(tensor) } else { &[] }).collect()
            };
            let (operands, results) =
                (values(needs.operands, &step.operands), values(needs.results, &step.results));
            let result_gradients: Vec<&[f32]> = step
                .results
                .iter()
                .map(|&result| match plan.memory.gradient[result] {
                    Some(array) => &self.slots[array.slot][..elements(result)],
                    None => &[],
                })
                .collect();
            let mut gradients: Vec<Option<&mut [f32]>> = taken
                .iter_mut()
                .zip(&step.operands)
                .map(|(taken, &operand)| taken.as_mut().map(|numbers| &mut numbers[..elements(operand)]))
                .collect();
            let numbers = memory.numbers.map_or(&[][..], |array| &self.slots[array.slot][..saved.numbers]);
            let positions =
                memory.positions.map_or(&[][..], |array| &self.position_slots[array.slot][..saved.positions]);
            step.kernel.backward(Backward {
                rule: plan.rule,
                operands: &operands,
                results: &results,
                result_gradients: &result_gradients,
                operand_gradients: &mut gradients,
                accumulates: &accumulates,
                numbers,
                positions,
                workspace: &mut workspace[..step.kernel.workspace()],
            });
        }
        self.put(memory.workspace[1], workspace);
        for ((operand, slot, adds), numbers) in written.into_iter().zip(taken.into_iter().flatten()) {
            if adds && let Some(gradient) = plan.memory.gradient[operand] {
                let elements = elements(operand);
                add(&mut self.slots[gradient.slot][..elements], &numbers[..elements]);
            }
            self.slots[slot] = numbers;
            self.present[operand] = true;
        }
    }
}

/// Adds one array to another.
pub(crate) fn add(sum: &mut [f32], numbers: &[f32]) {
    for_each_piece(
        sum,
        GRAIN,
        #[inline(always)]
        |start, piece| {
            for (sum, number) in piece.iter_mut().zip(&numbers[start..]) {
                *sum += number;
            }
        },
    );
}
