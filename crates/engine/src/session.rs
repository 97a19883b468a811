//! Running a plan.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deepinside_graph::ValueId;

use crate::aligned::Aligned;
use crate::kernel::parallel::{GRAIN, for_each_piece};
use crate::kernel::{Backward, Forward};
use crate::lower::{TensorId, converted};
use crate::memory::Slot;
use crate::plan::Array;
use crate::schedule::Action;
use crate::{EngineError, Layout, Plan, Target, Threads};

/// The memory of one run. Sessions are cheap beside their plan: one per thread that wants results at the same time.
pub struct Session {
    plan: Arc<Plan>,
    threads: Threads,
    slots: Vec<Aligned>,
    position_slots: Vec<Vec<u32>>,
    /// Per tensor: whether its gradient has been written in the current backward pass.
    present: Vec<bool>,
    ran_forward: bool,
    /// Per step the time of its last forward and backward pass, where that is asked for.
    times: Option<Vec<[Duration; 2]>>,
}

/// How long a kernel took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTime {
    /// The node's name.
    pub name: String,
    /// Of the last forward pass.
    pub forward: Duration,
    /// Of the last backward pass, with the forward pass where that was done again; zero where the kernel takes no part in it.
    pub backward: Duration,
    /// Floating-point operations of the forward pass, as [`deepinside_graph::operations`] counts them.
    pub operations: u64,
    /// The bytes of operands, weights and results.
    pub bytes: u64,
}

impl Session {
    /// Takes memory for a plan.
    pub fn new(plan: Arc<Plan>, threads: Threads) -> Self {
        Self {
            slots: plan.memory.slots.iter().map(|&size| Aligned::zeros(size)).collect(),
            position_slots: plan.memory.position_slots.iter().map(|&size| vec![0; size]).collect(),
            present: vec![false; plan.program.tensors.len()],
            ran_forward: false,
            times: None,
            threads,
            plan,
        }
    }

    /// Another session of the same plan on the same threads, which has run nothing yet.
    pub fn another(&self) -> Self {
        Self::new(Arc::clone(&self.plan), self.threads.clone())
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Begins to measure how long each kernel takes.
    pub fn measure_steps(&mut self) {
        self.times = Some(vec![[Duration::ZERO; 2]; self.plan.program.steps.len()]);
    }

    /// How long each kernel took, in the order in which they run; nothing where it was not measured.
    pub fn step_times(&self) -> Vec<StepTime> {
        let steps = self.plan.program.steps.iter().zip(self.times.iter().flatten());
        steps
            .map(|(step, &[forward, backward])| StepTime {
                name: step.name.clone(),
                forward,
                backward,
                operations: step.operations,
                bytes: step.bytes,
            })
            .collect()
    }

    /// Runs a step and measures it, where that is asked for.
    fn timed(&mut self, step: usize, direction: usize, run: impl FnOnce(&mut Self)) {
        let start = self.times.is_some().then(Instant::now);
        run(self);
        if let (Some(times), Some(start)) = (&mut self.times, start) {
            times[step][direction] += start.elapsed();
        }
    }

    /// Forgets the times of the last pass in that direction.
    fn reset_times(&mut self, direction: usize) {
        self.times.iter_mut().flatten().for_each(|times| times[direction] = Duration::ZERO);
    }

    /// Computes everything that was asked for from all inputs, given in C order of their shapes.
    ///
    /// # Errors
    /// When an input is missing or has another length than its shape.
    pub fn forward(&mut self, inputs: &[(ValueId, &[f32])]) -> Result<(), EngineError> {
        let plan = Arc::clone(&self.plan);
        for &input in &plan.inputs {
            let (name, shape) = &plan.values[&input];
            let given = inputs.iter().find(|(value, _)| *value == input);
            let (_, numbers) = given
                .ok_or_else(|| EngineError::MissingInput { value: name.clone(), shape: shape.clone() })?;
            if numbers.len() != shape.elements() {
                return Err(EngineError::Length {
                    value: name.clone(),
                    expected: shape.elements(),
                    shape: shape.clone(),
                    found: numbers.len(),
                });
            }
            if let Some(array) = plan.memory.data[plan.program.of_value[&input]] {
                self.slots[array.slot][..numbers.len()].copy_from_slice(numbers);
            }
        }
        self.reset_times(0);
        let threads = self.threads.clone();
        threads.run(|| {
            for (stage, &runs) in plan.program.runs.iter().enumerate() {
                for run in 0..runs {
                    for step in plan.program.steps_of(stage) {
                        self.timed(step, 0, |session| session.forward_step(&plan, step, run));
                    }
                }
            }
        });
        self.ran_forward = true;
        Ok(())
    }

    /// Computes the gradients that were asked for, of the sum of the targets, for the last forward pass. May be repeated
    /// with other targets.
    ///
    /// # Errors
    /// When there was no forward pass, or a target is not one of the plan's.
    pub fn backward(&mut self, targets: &[(ValueId, &Target)]) -> Result<(), EngineError> {
        if !self.ran_forward {
            return Err(EngineError::NoForward);
        }
        let plan = Arc::clone(&self.plan);
        self.present.fill(false);
        for &(value, target) in targets {
            self.seed(&plan, value, target)?;
        }
        let threads = self.threads.clone();
        self.reset_times(1);
        threads.run(|| {
            let stage = |action: &Action| plan.program.steps[action.step()].stage;
            for actions in plan.schedule.actions.chunk_by(|one, next| stage(one) == stage(next)) {
                // Every run finds what later stages wrote, and writes its own part of what is there for the whole batch.
                let present = self.present.clone();
                for run in 0..plan.program.runs[stage(&actions[0])] {
                    self.present.copy_from_slice(&present);
                    for &action in actions {
                        self.act(&plan, action, run);
                    }
                }
            }
        });
        Ok(())
    }

    /// Does one action of a backward pass for the pictures of one run.
    fn act(&mut self, plan: &Plan, action: Action, run: usize) {
        match action {
            Action::Again(step) if self.reaches(plan, step) => {
                self.timed(step, 1, |session| session.forward_step(plan, step, run));
            }
            Action::Again(_) => {}
            Action::Backward(step) => {
                self.timed(step, 1, |session| session.backward_step(plan, step, run));
            }
        }
    }

    /// What the last forward pass computed for a value, in C order of its shape.
    ///
    /// # Errors
    /// When the plan was not told to keep it.
    pub fn activation(&self, value: ValueId) -> Result<Vec<f32>, EngineError> {
        if !self.plan.activations.contains(&value) {
            return Err(self.not_observed("activation", value));
        }
        let tensor = self.plan.program.of_value[&value];
        let numbers = match (&self.plan.program.tensors[tensor].constant, self.plan.memory.data[tensor]) {
            (Some(numbers), _) => numbers,
            (None, Some(array)) => &self.slots[array.slot][..self.elements(tensor)],
            (None, None) => &[][..],
        };
        Ok(self.in_c_order(tensor, numbers))
    }

    /// The gradient of the last backward pass's targets with respect to a value, in C order of its shape; zeros where
    /// nothing flows back to it.
    ///
    /// # Errors
    /// When the plan was not told to keep it.
    pub fn gradient(&self, value: ValueId) -> Result<Vec<f32>, EngineError> {
        if !self.plan.gradients.contains(&value) {
            return Err(self.not_observed("gradient", value));
        }
        let tensor = self.plan.program.of_value[&value];
        let elements = self.elements(tensor);
        Ok(match self.plan.memory.gradient[tensor] {
            Some(array) if self.present[tensor] => {
                self.in_c_order(tensor, &self.slots[array.slot][..elements])
            }
            _ => vec![0.0; elements],
        })
    }

    fn not_observed(&self, what: &'static str, value: ValueId) -> EngineError {
        let name =
            self.plan.values.get(&value).map_or_else(|| format!("{value:?}"), |(name, _)| name.clone());
        EngineError::NotObserved { what, value: name }
    }

    /// Whether a gradient has come to the segment of a step, so that there will be something to do in it.
    fn reaches(&self, plan: &Plan, step: usize) -> bool {
        let segments = &plan.schedule.segment;
        let own = (0..segments.len()).filter(|&other| segments[other] == segments[step]);
        own.into_iter().any(|other| {
            plan.memory.steps[other].backward
                && plan.program.steps[other].results.iter().any(|&result| self.present[result])
        })
    }

    fn elements(&self, tensor: TensorId) -> usize {
        self.plan.program.tensors[tensor].shape.elements()
    }

    fn in_c_order(&self, tensor: TensorId, numbers: &[f32]) -> Vec<f32> {
        let tensor = &self.plan.program.tensors[tensor];
        converted(&tensor.shape, tensor.layout, Layout::Plain, numbers)
    }

    /// The data of a tensor that a run of a step reads, in memory order.
    fn data<'a>(&'a self, plan: &'a Plan, tensor: TensorId, stage: usize, run: usize) -> &'a [f32] {
        match (&plan.program.tensors[tensor].constant, plan.memory.data[tensor]) {
            (Some(numbers), _) => numbers,
            (None, Some(array)) => {
                &self.slots[array.slot][array.range(run, plan.program.elements(tensor, stage))]
            }
            (None, None) => &[],
        }
    }

    fn seed(&mut self, plan: &Plan, value: ValueId, target: &Target) -> Result<(), EngineError> {
        if !plan.targets.contains(&value) {
            return Err(self.not_observed("backward pass", value));
        }
        let tensor = plan.program.of_value[&value];
        let known = &plan.program.tensors[tensor];
        let mut top = vec![0.0; known.shape.elements()];
        target
            .write(&known.shape, &mut top)
            .map_err(|cause| EngineError::Target { value: plan.values[&value].0.clone(), cause })?;
        let top = converted(&known.shape, Layout::Plain, known.layout, &top);
        if let Some(array) = plan.memory.gradient[tensor] {
            let gradient = &mut self.slots[array.slot][..top.len()];
            if self.present[tensor] {
                add(gradient, &top);
            } else {
                gradient.copy_from_slice(&top);
            }
            self.present[tensor] = true;
        }
        Ok(())
    }

    /// Takes a slot out of the session, so that it can be written while others are read. The plan never lets two arrays of
    /// one step share a slot; [`Session::put`] brings it back.
    fn take(&mut self, slot: Option<Slot>) -> Aligned {
        slot.map_or_else(Aligned::default, |slot| std::mem::take(&mut self.slots[slot]))
    }

    fn put(&mut self, slot: Option<Slot>, numbers: Aligned) {
        if let Some(slot) = slot {
            self.slots[slot] = numbers;
        }
    }

    fn forward_step(&mut self, plan: &Plan, index: usize, run: usize) {
        let (step, memory) = (&plan.program.steps[index], &plan.memory.steps[index]);
        let saved = step.kernel.saved();
        let slot = |array: Option<Array>| array.map(|array| array.slot);
        let range =
            |array: Option<Array>, elements| array.map_or(0..0, |array: Array| array.range(run, elements));
        let places: Vec<Option<Array>> =
            step.results.iter().map(|&result| plan.memory.data[result]).collect();
        let mut results: Vec<Aligned> = places.iter().map(|&place| self.take(slot(place))).collect();
        let mut numbers = self.take(slot(memory.numbers));
        let mut workspace = self.take(memory.workspace[0]);
        let mut positions = memory
            .positions
            .map_or_else(Vec::new, |array| std::mem::take(&mut self.position_slots[array.slot]));
        {
            let operands: Vec<&[f32]> =
                step.operands.iter().map(|&operand| self.data(plan, operand, step.stage, run)).collect();
            let mut slices: Vec<&mut [f32]> = results
                .iter_mut()
                .zip(&places)
                .zip(&step.results)
                .map(|((numbers, &place), &result)| {
                    &mut numbers[range(place, plan.program.elements(result, step.stage))]
                })
                .collect();
            step.kernel.forward(Forward {
                operands: &operands,
                results: &mut slices,
                numbers: &mut numbers[range(memory.numbers, saved.numbers)],
                positions: &mut positions[range(memory.positions, saved.positions)],
                workspace: &mut workspace[..step.kernel.workspace()],
            });
        }
        self.put(memory.workspace[0], workspace);
        for (place, numbers) in places.into_iter().zip(results) {
            self.put(slot(place), numbers);
        }
        self.put(slot(memory.numbers), numbers);
        if let Some(array) = memory.positions {
            self.position_slots[array.slot] = positions;
        }
    }

    fn backward_step(&mut self, plan: &Plan, index: usize, run: usize) {
        let (step, memory) = (&plan.program.steps[index], &plan.memory.steps[index]);
        if !memory.backward || !step.results.iter().any(|&result| self.present[result]) {
            return;
        }
        let elements = |tensor: TensorId| plan.program.elements(tensor, step.stage);
        let range = |array: Array, tensor: TensorId| array.range(run, elements(tensor));
        for &result in &step.results {
            if let (Some(array), false) = (plan.memory.gradient[result], self.present[result]) {
                self.slots[array.slot][range(array, result)].fill(0.0);
            }
        }
        let (saved, needs) = (step.kernel.saved(), step.kernel.needs());
        // Where each operand's gradient is written: in place if it is the first or the kernel adds, else beside, to be added.
        let mut written: Vec<(TensorId, Array, bool)> = Vec::new();
        let mut accumulates = vec![false; step.operands.len()];
        let mut taken: Vec<Option<(Aligned, Array)>> = Vec::new();
        for (position, &operand) in step.operands.iter().enumerate() {
            let place = match plan.memory.gradient[operand] {
                None => None,
                Some(_) if plan.program.tensors[operand].constant.is_some() => None,
                Some(gradient) => {
                    let is_second_here = written.iter().any(|(other, ..)| *other == operand);
                    accumulates[position] =
                        self.present[operand] && !is_second_here && step.kernel.accumulates(position);
                    if (self.present[operand] || is_second_here) && !accumulates[position] {
                        memory.contributions[position].map(|slot| (Array { slot, is_whole: false }, true))
                    } else {
                        Some((gradient, false))
                    }
                }
            };
            taken.push(place.map(|(array, adds)| {
                written.push((operand, array, adds));
                (std::mem::take(&mut self.slots[array.slot]), array)
            }));
        }
        let mut workspace = self.take(memory.workspace[1]);
        {
            let values = |wanted: bool, tensors: &[TensorId]| -> Vec<&[f32]> {
                let value = |&tensor: &TensorId| self.data(plan, tensor, step.stage, run);
                tensors.iter().map(|tensor| if wanted { value(tensor) } else { &[] }).collect()
            };
            let (operands, results) =
                (values(needs.operands, &step.operands), values(needs.results, &step.results));
            let result_gradients: Vec<&[f32]> = step
                .results
                .iter()
                .map(|&result| match plan.memory.gradient[result] {
                    Some(array) => &self.slots[array.slot][range(array, result)],
                    None => &[],
                })
                .collect();
            let mut gradients: Vec<Option<&mut [f32]>> = taken
                .iter_mut()
                .zip(&step.operands)
                .map(|(taken, &operand)| {
                    taken.as_mut().map(|(numbers, array)| &mut numbers[range(*array, operand)])
                })
                .collect();
            let (numbers, positions) = (memory.numbers, memory.positions);
            step.kernel.backward(Backward {
                rule: plan.rule,
                operands: &operands,
                results: &results,
                result_gradients: &result_gradients,
                operand_gradients: &mut gradients,
                accumulates: &accumulates,
                numbers: numbers
                    .map_or(&[], |array| &self.slots[array.slot][array.range(run, saved.numbers)]),
                positions: positions
                    .map_or(&[], |array| &self.position_slots[array.slot][array.range(run, saved.positions)]),
                workspace: &mut workspace[..step.kernel.workspace()],
            });
        }
        self.put(memory.workspace[1], workspace);
        for ((operand, array, adds), (numbers, _)) in written.into_iter().zip(taken.into_iter().flatten()) {
            if adds && let Some(gradient) = plan.memory.gradient[operand] {
                let range = range(gradient, operand);
                add(&mut self.slots[gradient.slot][range], &numbers[..elements(operand)]);
            }
            self.slots[array.slot] = numbers;
            self.present[operand] = true;
        }
    }
}

/// Adds one array to another.
fn add(sum: &mut [f32], numbers: &[f32]) {
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
