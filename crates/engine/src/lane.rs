//! Memory for runs of a stage that are computed at the same time.
//!
//! An array that holds the whole batch is cut into the runs' shares, and a run touches nothing but its own. Everything else a run
//! needs only while it lasts: each thread that takes runs has it in a *lane* of its own.

use crate::EngineError;
use crate::aligned::Aligned;
use crate::lower::Program;
use crate::memory::Slot;
use crate::plan::{Array, Memory};
use crate::schedule::Action;

/// Consecutive actions of one stage.
#[derive(Debug)]
pub(crate) struct Pass {
    /// How many runs take the whole batch through them.
    pub runs: usize,
    pub actions: Vec<Action>,
    /// Of the slots that hold the whole batch meanwhile: the elements of one run.
    pub shares: Sizes,
}

/// Numbers of elements per slot, zero where a slot does not matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sizes {
    pub slots: Vec<usize>,
    pub position_slots: Vec<usize>,
}

impl Sizes {
    fn zeros(memory: &Memory) -> Self {
        let Self { slots, position_slots } = &memory.sizes;
        Self { slots: vec![0; slots.len()], position_slots: vec![0; position_slots.len()] }
    }

    /// What all of them take together.
    pub fn bytes(&self) -> usize {
        4 * (self.slots.iter().sum::<usize>() + self.position_slots.iter().sum::<usize>())
    }

    /// The largest of the arrays that hold the whole batch, or of those that do not, which an action touches.
    fn include(&mut self, program: &Program, memory: &Memory, action: Action, is_whole: bool) {
        let (numbers, positions) = touched(program, memory, action);
        for (sizes, arrays) in [(&mut self.slots, numbers), (&mut self.position_slots, positions)] {
            for (array, elements) in arrays.into_iter().filter(|(array, _)| array.is_whole == is_whole) {
                sizes[array.slot] = sizes[array.slot].max(elements);
            }
        }
    }
}

/// Divides actions into those of one stage each.
pub(crate) fn passes(program: &Program, memory: &Memory, actions: &[Action]) -> Vec<Pass> {
    let stage = |action: &Action| program.steps[action.step()].stage;
    let pass = |actions: &[Action]| {
        let runs = program.runs[stage(&actions[0])];
        let mut shares = Sizes::zeros(memory);
        if runs > 1 {
            actions.iter().for_each(|&action| shares.include(program, memory, action, true));
        }
        Pass { runs, actions: actions.to_vec(), shares }
    };
    actions.chunk_by(|one, next| stage(one) == stage(next)).map(pass).collect()
}

/// What a lane needs beside the whole batch's arrays.
pub(crate) fn lane_sizes<'a>(
    program: &Program,
    memory: &Memory,
    passes: impl IntoIterator<Item = &'a Pass>,
) -> Sizes {
    let mut sizes = Sizes::zeros(memory);
    let split = passes.into_iter().filter(|pass| pass.runs > 1);
    split.flat_map(|pass| &pass.actions).for_each(|&action| sizes.include(program, memory, action, false));
    sizes
}

/// Arrays and how many elements of them a run has.
type Touched = Vec<(Array, usize)>;

/// The arrays of numbers and of positions that an action reads or writes.
fn touched(program: &Program, memory: &Memory, action: Action) -> (Touched, Touched) {
    let index = action.step();
    let (step, own) = (&program.steps[index], &memory.steps[index]);
    let (saved, needs) = (step.kernel.saved(), step.kernel.needs());
    let part = |slot: Slot| Array { slot, is_whole: false };
    let (reads_operands, reads_results, direction) = match action {
        Action::Forward(_) | Action::Again(_) => (true, true, 0),
        Action::Backward(_) if !own.backward => return Default::default(),
        Action::Backward(_) => (needs.operands, needs.results, 1),
    };
    let operands = step.operands.iter().map(|&operand| (operand, reads_operands));
    let results = step.results.iter().map(|&result| (result, reads_results));
    let mut numbers = Vec::new();
    for (tensor, is_read) in operands.chain(results) {
        let elements = program.elements(tensor, step.stage);
        let gradient = memory.gradient[tensor].filter(|_| direction == 1);
        numbers.extend(memory.data[tensor].filter(|_| is_read).map(|array| (array, elements)));
        numbers.extend(gradient.map(|array| (array, elements)));
    }
    if direction == 1 {
        let beside = own.contributions.iter().zip(&step.operands);
        numbers.extend(beside.filter_map(|(&slot, &operand)| {
            slot.map(|slot| (part(slot), program.elements(operand, step.stage)))
        }));
    }
    numbers.extend(own.numbers.map(|array| (array, saved.numbers)));
    numbers.extend(own.workspace[direction].map(|slot| (part(slot), step.kernel.workspace())));
    (numbers, own.positions.map(|array| (array, saved.positions)).into_iter().collect())
}

/// What one thread needs while it takes runs.
#[derive(Debug)]
pub(crate) struct Lane {
    pub slots: Vec<Aligned>,
    position_slots: Vec<Vec<u32>>,
}

impl Lane {
    /// # Errors
    /// When there is no memory for it.
    pub fn new(sizes: &Sizes) -> Result<Self, EngineError> {
        let no_memory = || EngineError::OutOfMemory { needed: sizes.bytes().div_ceil(1 << 20) };
        let zeros = |&size: &usize| -> Result<Vec<u32>, EngineError> {
            let mut numbers = Vec::new();
            numbers.try_reserve_exact(size).map_err(|_| no_memory())?;
            numbers.resize(size, 0);
            Ok(numbers)
        };
        Ok(Self {
            slots: Aligned::several(&sizes.slots).ok_or_else(no_memory)?,
            position_slots: sizes.position_slots.iter().map(zeros).collect::<Result<_, _>>()?,
        })
    }

    pub fn view(&mut self) -> View<'_> {
        View {
            slots: self.slots.iter_mut().map(|slot| &mut **slot).collect(),
            position_slots: self.position_slots.iter_mut().map(|slot| &mut **slot).collect(),
        }
    }
}

/// What is seen of the slots, from the first element of each on.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub slots: Vec<&'a mut [f32]>,
    pub position_slots: Vec<&'a mut [u32]>,
}

impl<'a> View<'a> {
    /// Cuts the slots that have shares into those; the view sees the others only.
    pub fn cut(&mut self, pass: &Pass) -> Vec<Shares<'a>> {
        let slots = cut(&mut self.slots, &pass.shares.slots, pass.runs);
        let position_slots = cut(&mut self.position_slots, &pass.shares.position_slots, pass.runs);
        slots.zip(position_slots).map(|(slots, position_slots)| Shares { slots, position_slots }).collect()
    }

    /// The same with a run's shares, for as long as that run takes.
    pub fn with<'run>(&'run mut self, shares: Shares<'run>) -> View<'run> {
        View {
            slots: replaced(&mut self.slots, shares.slots),
            position_slots: replaced(&mut self.position_slots, shares.position_slots),
        }
    }
}

/// What a run has of the slots that hold the whole batch.
#[derive(Debug)]
pub(crate) struct Shares<'a> {
    slots: Vec<(Slot, &'a mut [f32])>,
    position_slots: Vec<(Slot, &'a mut [u32])>,
}

/// Takes the slots whose size is not zero, and cuts them into pieces of that size; per run its pieces.
fn cut<'a, T>(
    slots: &mut [&'a mut [T]],
    sizes: &[usize],
    runs: usize,
) -> impl Iterator<Item = Vec<(Slot, &'a mut [T])>> {
    let mut shares: Vec<_> = (0..runs).map(|_| Vec::new()).collect();
    for (slot, (numbers, &size)) in
        slots.iter_mut().zip(sizes).enumerate().filter(|(_, (_, size))| **size > 0)
    {
        let pieces = std::mem::take(numbers).chunks_exact_mut(size);
        shares.iter_mut().zip(pieces).for_each(|(share, piece)| share.push((slot, piece)));
    }
    shares.into_iter()
}

/// The slots, for a while, with these in place of some.
fn replaced<'run, T>(slots: &'run mut [&mut [T]], others: Vec<(Slot, &'run mut [T])>) -> Vec<&'run mut [T]> {
    let mut slots: Vec<&'run mut [T]> = slots.iter_mut().map(|slot| &mut **slot).collect();
    others.into_iter().for_each(|(slot, numbers)| slots[slot] = numbers);
    slots
}

#[cfg(test)]
mod tests {
    use deepinside_graph::op::Unary;
    use deepinside_graph::{GraphBuilder, Shape};

    use super::*;
    use crate::{Plan, PlanOptions};

    #[test]
    fn every_run_has_its_own_share() {
        let mut lane = Lane::new(&Sizes { slots: vec![7, 5], position_slots: vec![4] }).unwrap();
        let shares = Sizes { slots: vec![0, 2], position_slots: vec![2] };
        let pass = Pass { runs: 2, actions: Vec::new(), shares };
        let mut view = lane.view();
        for (run, shares) in view.cut(&pass).into_iter().enumerate() {
            let mut own = view.with(shares);
            assert_eq!(own.slots.iter().map(|slot| slot.len()).collect::<Vec<_>>(), [7, 2]);
            own.slots.iter_mut().for_each(|slot| slot.fill(1.0 + run as f32));
            own.position_slots[0].fill(1 + run as u32);
        }
        let view = lane.view();
        assert_eq!((&*view.slots[0], &*view.slots[1]), (&[2.0; 7][..], &[1.0, 1.0, 2.0, 2.0, 0.0][..]));
        assert_eq!(*view.position_slots[0], [1, 1, 2, 2]);
    }

    #[test]
    fn there_are_no_more_lanes_than_threads_runs_or_memory() {
        let mut b = GraphBuilder::new("chain");
        let mut value = b.input("0", Shape::new([4, 1 << 20]).unwrap()).unwrap();
        for name in ["1", "2", "3"] {
            value = b.node(name, Unary::Tanh, &[value], &[name]).unwrap()[0];
        }
        let graph = b.finish(&[value]);
        let plan = |memory_limit: usize| {
            let options = PlanOptions { activations: vec![value], memory_limit, ..PlanOptions::default() };
            Plan::new(&graph, &options).unwrap()
        };
        let free = plan(usize::MAX);
        assert_eq!([1, 2, 3, 9].map(|threads| free.lanes(threads)), [1, 2, 3, 4]);
        let (bytes, lane) = (free.session_bytes(), free.lane.bytes());
        assert!(lane >= 4 << 20, "{lane}");
        assert_eq!([bytes, bytes + 2 * lane].map(|limit| plan(limit).lanes(9)), [1, 3]);
    }
}
