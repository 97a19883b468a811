//! Running a plan.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deepinside_graph::{Interrupt, ValueId};
use rayon::prelude::*;

use crate::lane::{Lane, Pass, View};
use crate::lower::{TensorId, converted};
use crate::run::{Done, Run, add};
use crate::{EngineError, Layout, Plan, Target, Threads};

/// The memory in which a network runs. Sessions are cheap beside their plan: one per thread that wants results at the same time.
pub struct Session {
    plan: Arc<Plan>,
    threads: Threads,
    /// Every array, and what runs of a stage need that are computed on one thread.
    memory: Lane,
    /// What they need on each further thread.
    lanes: Vec<Lane>,
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
    ///
    /// # Errors
    /// When there is none.
    pub fn new(plan: Arc<Plan>, threads: Threads) -> Result<Self, EngineError> {
        let lanes = plan.lanes(threads.count());
        Ok(Self {
            memory: Lane::new(&plan.memory.sizes)?,
            lanes: (1..lanes).map(|_| Lane::new(&plan.lane)).collect::<Result<_, _>>()?,
            present: vec![false; plan.program.tensors.len()],
            ran_forward: false,
            times: None,
            threads,
            plan,
        })
    }

    /// From now on every pass stops when this interrupt is set.
    pub fn set_interrupt(&mut self, interrupt: &Interrupt) {
        self.threads = self.threads.until(interrupt);
    }

    /// The threads that it runs on.
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Another session of the same plan on the same threads, which has run nothing yet.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn another(&self) -> Result<Self, EngineError> {
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

    /// Computes everything that was asked for from all inputs, given in C order of their shapes.
    ///
    /// # Errors
    /// When an input is missing or has another length than its shape, or the pass was asked to stop.
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
                self.memory.slots[array.slot][..numbers.len()].copy_from_slice(numbers);
            }
        }
        self.ran_forward = false;
        self.run(&plan, 0)?;
        self.ran_forward = true;
        Ok(())
    }

    /// Computes the gradients that were asked for, of the sum of the targets, for the last forward pass. May be repeated
    /// with other targets.
    ///
    /// # Errors
    /// When there was no forward pass, a target is not one of the plan's, or the pass was asked to stop.
    pub fn backward(&mut self, targets: &[(ValueId, &Target)]) -> Result<(), EngineError> {
        if !self.ran_forward {
            return Err(EngineError::NoForward);
        }
        let plan = Arc::clone(&self.plan);
        self.present.fill(false);
        for &(value, target) in targets {
            self.seed(&plan, value, target)?;
        }
        self.run(&plan, 1)
    }

    /// Does all that the plan does in a direction: forward (0) or backward (1).
    fn run(&mut self, plan: &Plan, direction: usize) -> Result<(), EngineError> {
        self.times.iter_mut().flatten().for_each(|times| times[direction] = Duration::ZERO);
        let threads = self.threads.clone();
        threads.run_awake(|| plan.passes[direction].iter().for_each(|pass| self.pass(plan, pass, direction)));
        // What a pass that was asked to stop has computed is never read.
        Ok(threads.interrupt().check()?)
    }

    /// Takes the batch through a stage: as many runs at the same time as there are lanes. A thread that computes a whole run finds in
    /// its own caches what it wrote, and does not wait for others at every layer.
    fn pass(&mut self, plan: &Plan, pass: &Pass, direction: usize) {
        let mut memory = self.memory.view();
        let runs = Mutex::new(memory.cut(pass).into_iter());
        let mut lanes = vec![memory];
        lanes.extend(self.lanes.iter_mut().take(pass.runs - 1).map(Lane::view));
        let count = lanes.len() as u32;
        let (present, measures) = (&self.present, self.times.is_some());
        let interrupt = self.threads.interrupt();
        let next = || runs.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = |mut lane: View<'_>| -> Vec<Done> {
            let mut done = Vec::new();
            while let Some(shares) = next() {
                done.push(
                    Run::new(plan, lane.with(shares), present.clone(), measures)
                        .act(&pass.actions, interrupt),
                );
            }
            done
        };
        let done: Vec<Done> = lanes.into_par_iter().with_max_len(1).flat_map_iter(work).collect();
        if let Some(times) = &mut self.times {
            for &(step, time) in done.iter().flat_map(|done| &done.times) {
                times[step][direction] += time / count;
            }
        }
        // The same for every run.
        self.present = done.into_iter().next().map_or_else(Vec::new, |done| done.present);
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
            (None, Some(array)) => &self.memory.slots[array.slot][..self.elements(tensor)],
            (None, None) => &[][..],
        };
        Ok(self.in_c_order(tensor, numbers))
    }

    /// The maxima of a value's channels in the last forward pass: for each picture and channel the largest number and its position among
    /// the channel's, counted in C order, of equal ones the first. NaN where one of the channel's numbers is not finite.
    ///
    /// # Errors
    /// When the plan was not told to take them.
    pub fn maxima(&self, value: ValueId) -> Result<&[f32], EngineError> {
        let tensor = self.plan.program.maxima.get(&value);
        let tensor = *tensor.ok_or_else(|| self.not_observed("maxima", value))?;
        let array = self.plan.memory.data[tensor];
        Ok(array.map_or(&[][..], |array| &self.memory.slots[array.slot][..self.elements(tensor)]))
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
                self.in_c_order(tensor, &self.memory.slots[array.slot][..elements])
            }
            _ => vec![0.0; elements],
        })
    }

    fn not_observed(&self, what: &'static str, value: ValueId) -> EngineError {
        let name =
            self.plan.values.get(&value).map_or_else(|| format!("{value:?}"), |(name, _)| name.clone());
        EngineError::NotObserved { what, value: name }
    }

    fn elements(&self, tensor: TensorId) -> usize {
        self.plan.program.tensors[tensor].shape.elements()
    }

    fn in_c_order(&self, tensor: TensorId, numbers: &[f32]) -> Vec<f32> {
        let tensor = &self.plan.program.tensors[tensor];
        converted(&tensor.shape, tensor.layout, Layout::Plain, numbers)
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
            let gradient = &mut self.memory.slots[array.slot][..top.len()];
            if self.present[tensor] {
                add(gradient, &top);
            } else {
                gradient.copy_from_slice(&top);
            }
            self.present[tensor] = true;
        }
        Ok(())
    }
}
