//! Loops over the axes of arrays in memory order, for kernels that take any axes of any shape.

use deepinside_graph::{Inconsistency, MAXIMUM_RANK};

use super::Operand;

/// How many elements lie between neighbours along each axis of an array of these extents.
pub(crate) fn steps(extents: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; extents.len()];
    for axis in (1..extents.len()).rev() {
        steps[axis - 1] = steps[axis] * extents[axis];
    }
    steps
}

/// Splits extents at an axis: the product before it, its own extent and the product behind it.
pub(crate) fn around(extents: &[usize], axis: usize) -> (usize, usize, usize) {
    (extents[..axis].iter().product(), extents[axis], extents[axis + 1..].iter().product())
}

/// Checks that two values have their elements in the same order, as elementwise kernels need.
pub(crate) fn expect_same_order(operand: &Operand<'_>, result: &Operand<'_>) -> Result<(), Inconsistency> {
    if operand.layout.equivalent(result.layout, operand.shape) {
        return Ok(());
    }
    Err(Inconsistency::new(
        "layout of the result",
        format!("{:?}", operand.layout),
        format!("{:?}", result.layout),
    ))
}

/// Nested loops with the steps that `ARRAYS` arrays take in each, outermost first. Neighbouring loops that are one walk
/// in all arrays have been made one.
#[derive(Debug, Clone)]
pub(crate) struct Loops<const ARRAYS: usize> {
    extents: Vec<usize>,
    steps: Vec<[usize; ARRAYS]>,
}

impl<const ARRAYS: usize> Loops<ARRAYS> {
    /// Loops of these extents and steps.
    pub fn new(loops: impl IntoIterator<Item = (usize, [usize; ARRAYS])>) -> Self {
        let mut joined = Self { extents: Vec::new(), steps: Vec::new() };
        for (extent, steps) in loops {
            if extent == 1 {
                continue;
            }
            if let (Some(last), Some(outer)) = (joined.extents.last_mut(), joined.steps.last_mut())
                && (0..ARRAYS).all(|array| outer[array] == extent * steps[array])
            {
                *last *= extent;
                *outer = steps;
            } else {
                joined.extents.push(extent);
                joined.steps.push(steps);
            }
        }
        joined
    }

    /// Takes the innermost loop away where its steps are these, and returns its extent; 1 where they are others.
    pub fn take_innermost(&mut self, steps: [usize; ARRAYS]) -> usize {
        if self.steps.last() == Some(&steps) {
            self.steps.pop();
            return self.extents.pop().unwrap_or(1);
        }
        1
    }

    /// The number of iterations.
    pub fn count(&self) -> usize {
        self.extents.iter().product()
    }

    /// Starts at an iteration, counted in row-major order.
    #[inline(always)]
    pub fn start_at(&self, mut index: usize) -> Cursor<ARRAYS> {
        let mut cursor = Cursor { counters: [0; MAXIMUM_RANK], offsets: [0; ARRAYS] };
        for (axis, (&extent, steps)) in self.extents.iter().zip(&self.steps).enumerate().rev() {
            let counter = index % extent;
            index /= extent;
            cursor.counters[axis] = counter;
            for (offset, step) in cursor.offsets.iter_mut().zip(steps) {
                *offset += counter * step;
            }
        }
        cursor
    }

    /// Goes to the next iteration; from the last one to the first.
    #[inline(always)]
    pub fn advance(&self, cursor: &mut Cursor<ARRAYS>) {
        for (axis, (&extent, steps)) in self.extents.iter().zip(&self.steps).enumerate().rev() {
            cursor.counters[axis] += 1;
            if cursor.counters[axis] < extent {
                for (offset, step) in cursor.offsets.iter_mut().zip(steps) {
                    *offset += step;
                }
                return;
            }
            cursor.counters[axis] = 0;
            for (offset, step) in cursor.offsets.iter_mut().zip(steps) {
                *offset -= (extent - 1) * step;
            }
        }
    }

    /// Calls `work` with the offsets of every iteration, in row-major order.
    #[inline(always)]
    pub fn for_each(&self, mut work: impl FnMut([usize; ARRAYS])) {
        let mut cursor = self.start_at_first();
        for _ in 0..self.count() {
            work(cursor.offsets);
            self.advance(&mut cursor);
        }
    }

    #[inline(always)]
    fn start_at_first(&self) -> Cursor<ARRAYS> {
        Cursor { counters: [0; MAXIMUM_RANK], offsets: [0; ARRAYS] }
    }
}

/// Where nested loops stand.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<const ARRAYS: usize> {
    counters: [usize; MAXIMUM_RANK],
    /// The offset into each array.
    pub offsets: [usize; ARRAYS],
}

/// How an array is read while another, dense one is walked from its first to its last element, as in broadcasting.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    /// The loops around the rows.
    rows: Loops<1>,
    /// The number of elements of a row.
    row: usize,
    /// The step inside a row: 1 beside the dense array, 0 where one element is repeated, others for odd orders.
    step: usize,
}

/// A part of a dense array along which the spread one is read in equal steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Where it begins, counted from the beginning of the walk.
    pub start: usize,
    /// The number of elements.
    pub length: usize,
    /// Where the spread array is read first.
    pub offset: usize,
    /// The step from one element to the next.
    pub step: usize,
}

impl Spread {
    /// The dense array's extents in memory order, and the step of the spread array along each of those axes.
    pub fn new(extents: &[usize], steps: &[usize]) -> Self {
        let mut rows = Loops::new(extents.iter().zip(steps).map(|(&extent, &step)| (extent, [step])));
        let (row, step) = match (rows.extents.pop(), rows.steps.pop()) {
            (Some(extent), Some([step])) => (extent, step),
            _ => (1, 0),
        };
        Self { rows, row, step }
    }

    /// One number per element of one axis, as weights per channel are.
    pub fn along(extents: &[usize], axis: usize) -> Self {
        let steps: Vec<usize> = (0..extents.len()).map(|other| usize::from(other == axis)).collect();
        Self::new(extents, &steps)
    }

    /// Whether both arrays have the same elements in the same order.
    pub fn is_dense(&self) -> bool {
        self.rows.extents.is_empty() && (self.step == 1 || self.row == 1)
    }

    /// Walks over the dense elements `start..start + length`.
    #[inline(always)]
    pub fn for_each_run(&self, start: usize, length: usize, mut work: impl FnMut(Run)) {
        if self.is_dense() {
            work(Run { start: 0, length, offset: start * self.step, step: self.step });
            return;
        }
        let mut cursor = self.rows.start_at(start / self.row);
        let mut column = start % self.row;
        let mut done = 0;
        while done < length {
            let run = (self.row - column).min(length - done);
            let offset = cursor.offsets[0] + column * self.step;
            work(Run { start: done, length: run, offset, step: self.step });
            done += run;
            column = 0;
            self.rows.advance(&mut cursor);
        }
    }

    /// Walks over the dense elements from `start` on which lie in `target`, with the spread array's value at each.
    #[inline(always)]
    pub fn zip(&self, start: usize, target: &mut [f32], spread: &[f32], work: impl Fn(&mut f32, f32)) {
        self.for_each_run(
            start,
            target.len(),
            #[inline(always)]
            |run| {
                let target = &mut target[run.start..run.start + run.length];
                match run.step {
                    0 => {
                        let number = spread[run.offset];
                        target.iter_mut().for_each(|target| work(target, number));
                    }
                    1 => {
                        let spread = &spread[run.offset..run.offset + run.length];
                        target.iter_mut().zip(spread).for_each(|(target, &number)| work(target, number));
                    }
                    step => {
                        let spread = spread[run.offset..].iter().step_by(step);
                        target.iter_mut().zip(spread).for_each(|(target, &number)| work(target, number));
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_loops_that_are_one_walk_are_joined() {
        let loops = Loops::new([(2, [12]), (3, [4]), (4, [1])]);
        assert_eq!((loops.extents.as_slice(), loops.steps.as_slice()), (&[24][..], &[[1]][..]));
        let loops = Loops::new([(2, [12, 4]), (1, [7, 7]), (3, [4, 0]), (4, [1, 1])]);
        assert_eq!(loops.extents, [2, 3, 4]);
    }

    #[test]
    fn a_walk_begun_anywhere_visits_what_nested_loops_visit() {
        let (extents, walk_steps) = ([2, 3, 4], [5, 0, 7]);
        let mut expected = Vec::new();
        for a in 0..2 {
            for _ in 0..3 {
                expected.extend((0..4).map(|c| a * 5 + c * 7));
            }
        }
        let spread = Spread::new(&extents, &walk_steps);
        for start in 0..24 {
            for length in 0..=24 - start {
                let mut found = Vec::new();
                spread.for_each_run(start, length, |run| {
                    assert_eq!(run.start, found.len());
                    found.extend((0..run.length).map(|step| run.offset + step * run.step));
                });
                assert_eq!(found, expected[start..start + length], "{length} from {start}");
            }
        }
    }
}
