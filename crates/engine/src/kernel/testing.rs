//! The test bench of the kernels.
//!
//! Each [`Case`] is an operator with operands and a reference written from the definition, in double precision and plain
//! layout. [`check`] compares, in every layout of the case and for every instruction set:
//!
//! * the results with the reference's;
//! * the gradients of all operands with central differences of the reference;
//! * the bits of both with those from another number of threads, and of the widest vectors with those of narrower ones.
//!
//! Buffers are filled with NaN first, so that an element that a kernel does not write shows; what a kernel does not ask
//! for in [`Needs`] it does not get.

use deepinside_graph::op::Operator;
use deepinside_graph::{Inconsistency, Shape, Weights};

use super::{Backward, Forward, Kernel, Lowering, Operand};
use crate::simd::Instructions;
use crate::{BackwardRule, Layout, Precision};

/// Reproducible noise (Marsaglia's xorshift).
pub(crate) struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number between −1 and 1 with 24 random bits.
    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// So many of them.
    pub fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// An array in plain layout.
#[derive(Debug, Clone)]
pub(crate) struct Array {
    pub shape: Shape,
    pub numbers: Vec<f32>,
    /// Whether the kernel takes it as a constant at lowering.
    pub constant: bool,
}

impl Array {
    pub fn new(extents: &[usize], numbers: impl Into<Vec<f32>>) -> Self {
        let array = Self { shape: Shape::new(extents).unwrap(), numbers: numbers.into(), constant: false };
        assert_eq!(array.numbers.len(), array.shape.elements());
        array
    }

    /// Noise between −1 and 1.
    pub fn noise(extents: &[usize], seed: u64) -> Self {
        Self::new(extents, Noise::new(seed).numbers(extents.iter().product()))
    }

    /// Different numbers in random order, at least 2⁻¹⁰ apart from each other and from zero: nothing that compares them
    /// is near a tie.
    pub fn apart(extents: &[usize], seed: u64) -> Self {
        let count: usize = extents.iter().product();
        let noise = Noise::new(seed).numbers(count);
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| noise[a].total_cmp(&noise[b]));
        let step = (2.0 / count as f32).max(1.0 / 1024.0);
        let mut numbers = vec![0.0; count];
        for (rank, at) in order.into_iter().enumerate() {
            numbers[at] = (rank as f32 + 0.5 - (count / 2) as f32) * step;
        }
        Self::new(extents, numbers)
    }

    /// The same as weights.
    pub fn constant(self) -> Self {
        Self { constant: true, ..self }
    }

    /// Each number changed.
    pub fn map(mut self, function: impl Fn(f32) -> f32) -> Self {
        self.numbers.iter_mut().for_each(|number| *number = function(*number));
        self
    }

    pub fn doubles(&self) -> Vec<f64> {
        self.numbers.iter().map(|&number| f64::from(number)).collect()
    }
}

/// An operator's door, given the operator.
pub(crate) type Lower<'a> = Box<dyn Fn(&Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> + Sync + 'a>;

/// What an operator computes, in double precision and plain layout: from operands to results.
pub(crate) type Reference<'a> = Box<dyn Fn(&[Vec<f64>]) -> Vec<Vec<f64>> + Sync + 'a>;

/// An operator with operands and what it should give.
pub(crate) struct Case<'a> {
    pub name: String,
    pub operator: &'a (dyn Operator + Sync),
    pub lower: Lower<'a>,
    pub operands: Vec<Array>,
    pub reference: Reference<'a>,
    /// The layouts in which all operands and results are tried.
    pub layouts: Vec<Layout>,
    /// How far results and gradients may be off, relative to the largest magnitude of the array.
    pub tolerance: f64,
    /// How exactly the kernel computes.
    pub precision: Precision,
    /// Whether gradients are compared with differences; too slow for large operands.
    pub differences: bool,
}

impl<'a> Case<'a> {
    /// A case in both layouts.
    pub fn new(
        name: impl Into<String>,
        operator: &'a (dyn Operator + Sync),
        lower: impl Fn(&Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> + Sync + 'a,
        operands: Vec<Array>,
        reference: impl Fn(&[Vec<f64>]) -> Vec<Vec<f64>> + Sync + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            operator,
            lower: Box::new(lower),
            operands,
            reference: Box::new(reference),
            layouts: vec![Layout::Plain, Layout::ChannelsLast],
            tolerance: 2e-6,
            precision: Precision::Exact,
            differences: true,
        }
    }

    pub fn layouts(self, layouts: &[Layout]) -> Self {
        Self { layouts: layouts.to_vec(), ..self }
    }

    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    pub fn fast(self) -> Self {
        Self { precision: Precision::Fast, ..self }
    }

    pub fn without_differences(self) -> Self {
        Self { differences: false, ..self }
    }

    /// The shapes of the results.
    pub fn result_shapes(&self) -> Vec<Shape> {
        let shapes: Vec<&Shape> = self.operands.iter().map(|operand| &operand.shape).collect();
        self.operator.infer(&shapes).unwrap()
    }

    /// Runs forward and backward with all values in one layout.
    pub fn run(&self, layout: Layout, rule: BackwardRule, result_gradients: &[Vec<f32>]) -> Outcome {
        let count = self.operands.len();
        self.run_mixed(&vec![layout; count], layout, rule, result_gradients)
    }

    /// The same with inner loops compiled for given instructions.
    fn run_by(&self, by: Instructions, layout: Layout, seeds: &[Vec<f32>]) -> Outcome {
        let layouts = vec![layout; self.operands.len()];
        self.run_mixed_by(by, &layouts, layout, BackwardRule::Gradient, seeds)
    }

    /// Runs forward and backward with each operand in its own layout.
    pub fn run_mixed(
        &self,
        layouts: &[Layout],
        result_layout: Layout,
        rule: BackwardRule,
        result_gradients: &[Vec<f32>],
    ) -> Outcome {
        self.run_mixed_by(Instructions::Detected, layouts, result_layout, rule, result_gradients)
    }

    fn run_mixed_by(
        &self,
        instructions: Instructions,
        layouts: &[Layout],
        result_layout: Layout,
        rule: BackwardRule,
        result_gradients: &[Vec<f32>],
    ) -> Outcome {
        let result_shapes = self.result_shapes();
        let weights: Vec<Option<Weights>> = self
            .operands
            .iter()
            .map(|array| {
                array.constant.then(|| Weights::from_f32(array.shape.clone(), &array.numbers).unwrap())
            })
            .collect();
        let operands = self.operands.iter().zip(layouts).zip(&weights);
        let lowering = Lowering {
            operands: operands
                .map(|((array, &layout), weights)| Operand {
                    shape: &array.shape,
                    layout,
                    weights: weights.as_ref(),
                })
                .collect(),
            results: result_shapes
                .iter()
                .map(|shape| Operand { shape, layout: result_layout, weights: None })
                .collect(),
            instructions,
            precision: self.precision,
            rule,
            backward: true,
        };
        let kernel = (self.lower)(&lowering).unwrap_or_else(|cause| panic!("{}: {cause}", self.name));

        let variable: Vec<(&Array, Layout)> =
            self.operands.iter().zip(layouts.iter().copied()).filter(|(array, _)| !array.constant).collect();
        let operands: Vec<Vec<f32>> =
            variable.iter().map(|(array, layout)| to_memory(&array.shape, *layout, &array.numbers)).collect();
        let mut results: Vec<Vec<f32>> =
            result_shapes.iter().map(|shape| vec![f32::NAN; shape.elements()]).collect();
        let saved = kernel.saved();
        let (mut numbers, mut positions) =
            (vec![f32::NAN; saved.numbers], vec![u32::MAX - 1; saved.positions]);
        kernel.forward(Forward {
            operands: &operands.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            results: &mut results.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>(),
            numbers: &mut numbers,
            positions: &mut positions,
            workspace: &mut vec![f32::NAN; kernel.workspace()],
        });

        let needs = kernel.needs();
        let given = |arrays: &[Vec<f32>], needed: bool| -> Vec<Vec<f32>> {
            arrays.iter().map(|array| if needed { array.clone() } else { Vec::new() }).collect()
        };
        let (seen_operands, seen_results) =
            (given(&operands, needs.operands), given(&results, needs.results));
        let result_gradients: Vec<Vec<f32>> = result_shapes
            .iter()
            .zip(result_gradients)
            .map(|(shape, gradient)| to_memory(shape, result_layout, gradient))
            .collect();
        let mut gradients: Vec<Vec<f32>> =
            operands.iter().map(|operand| vec![f32::NAN; operand.len()]).collect();
        let backward = |gradients: &mut [Vec<f32>], accumulates: &[bool]| {
            kernel.backward(Backward {
                rule,
                operands: &seen_operands.iter().map(Vec::as_slice).collect::<Vec<_>>(),
                results: &seen_results.iter().map(Vec::as_slice).collect::<Vec<_>>(),
                result_gradients: &result_gradients.iter().map(Vec::as_slice).collect::<Vec<_>>(),
                operand_gradients: &mut gradients
                    .iter_mut()
                    .map(|gradient| Some(gradient.as_mut_slice()))
                    .collect::<Vec<_>>(),
                accumulates,
                numbers: &numbers,
                positions: &positions,
                workspace: &mut vec![f32::NAN; kernel.workspace()],
            });
        };
        backward(&mut gradients, &vec![false; operands.len()]);
        let accumulates: Vec<bool> = (0..operands.len()).map(|operand| kernel.accumulates(operand)).collect();
        if accumulates.contains(&true) {
            let start: Vec<Vec<f32>> =
                operands.iter().map(|operand| Noise::new(5).numbers(operand.len())).collect();
            let mut sums = start.clone();
            backward(&mut sums, &accumulates);
            for (index, _) in accumulates.iter().enumerate().filter(|(_, accumulates)| **accumulates) {
                let terms = start[index].iter().zip(&gradients[index]);
                let expected: Vec<f64> = terms.map(|(a, b)| f64::from(*a) + f64::from(*b)).collect();
                if let Some(fault) = mismatch(&sums[index], &expected, 1e-5) {
                    panic!("{}, added to gradient {index}: {fault}", self.name);
                }
            }
        }
        Outcome {
            results: result_shapes
                .iter()
                .zip(&results)
                .map(|(shape, result)| from_memory(shape, result_layout, result))
                .collect(),
            gradients: variable
                .iter()
                .zip(&gradients)
                .map(|((array, layout), gradient)| from_memory(&array.shape, *layout, gradient))
                .collect(),
        }
    }

    /// Everything that is wrong with the case.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut noise = Noise::new(77);
        let seeds: Vec<Vec<f32>> =
            self.result_shapes().iter().map(|shape| noise.numbers(shape.elements())).collect();
        let doubles: Vec<Vec<f64>> = self.operands.iter().map(Array::doubles).collect();
        let expected = (self.reference)(&doubles);
        let differences = self.differences.then(|| self.differences(&doubles, &seeds));
        let ways = self
            .layouts
            .iter()
            .flat_map(|&layout| Instructions::ALL.map(|instructions| (layout, instructions)));
        for (layout, instructions) in ways {
            let outcome = threads(1, || self.run_by(instructions, layout, &seeds));
            let mut compare = |what: String, found: &[f32], expected: &[f64], tolerance: f64| {
                if let Some(fault) = mismatch(found, expected, tolerance) {
                    faults.push(format!("{}, {layout:?}, {instructions:?}, {what}: {fault}", self.name));
                }
            };
            for (index, (found, expected)) in outcome.results.iter().zip(&expected).enumerate() {
                compare(format!("result {index}"), found, expected, self.tolerance);
            }
            for (index, expected) in differences.iter().flatten().enumerate() {
                // A millionth for what central differences themselves are off.
                compare(
                    format!("gradient {index}"),
                    &outcome.gradients[index],
                    expected,
                    self.tolerance + 1e-6,
                );
            }
            let bits = |outcome: &Outcome| -> Vec<u32> {
                let arrays = outcome.results.iter().chain(&outcome.gradients);
                arrays.flatten().map(|number| number.to_bits()).collect()
            };
            let again = threads(3, || self.run_by(instructions, layout, &seeds));
            if bits(&again) != bits(&outcome) {
                faults.push(format!("{}, {layout:?}: other bits with three threads", self.name));
            }
            // Where both round a product and its sum once.
            let narrow = Instructions::Narrow;
            if instructions == Instructions::Detected && narrow.name() != Instructions::Portable.name() {
                let narrow = threads(1, || self.run_by(narrow, layout, &seeds));
                if bits(&narrow) != bits(&outcome) {
                    faults.push(format!("{}, {layout:?}: other bits with narrower vectors", self.name));
                }
            }
        }
        faults
    }

    /// The gradients of all variable operands by central differences of the reference.
    fn differences(&self, operands: &[Vec<f64>], seeds: &[Vec<f32>]) -> Vec<Vec<f64>> {
        let mut operands = operands.to_vec();
        let target = |operands: &[Vec<f64>]| -> Vec<f64> { (self.reference)(operands).concat() };
        let seeds: Vec<f64> = seeds.iter().flatten().map(|&seed| f64::from(seed)).collect();
        let variable = (0..operands.len()).filter(|&index| !self.operands[index].constant);
        variable
            .collect::<Vec<_>>()
            .into_iter()
            .map(|index| {
                (0..operands[index].len())
                    .map(|element| {
                        let step = 1e-5;
                        let own = operands[index][element];
                        operands[index][element] = own + step;
                        let above = target(&operands);
                        operands[index][element] = own - step;
                        let below = target(&operands);
                        operands[index][element] = own;
                        let products =
                            above.iter().zip(&below).zip(&seeds).map(|((a, b), seed)| (a - b) * seed);
                        products.sum::<f64>() / (2.0 * step)
                    })
                    .collect()
            })
            .collect()
    }
}

/// What a kernel gave, in plain layout.
pub(crate) struct Outcome {
    pub results: Vec<Vec<f32>>,
    /// For each operand that is not constant.
    pub gradients: Vec<Vec<f32>>,
}

/// Checks all cases and reports all failures together.
pub(crate) fn check(cases: Vec<Case<'_>>) {
    assert!(!cases.is_empty());
    let faults: Vec<String> = cases.iter().flat_map(Case::faults).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Where two arrays differ most, if that is more than the tolerance times the largest expected magnitude.
pub(crate) fn mismatch(found: &[f32], expected: &[f64], tolerance: f64) -> Option<String> {
    if found.len() != expected.len() {
        return Some(format!("{} elements instead of {}", found.len(), expected.len()));
    }
    let largest = expected.iter().fold(0.0f64, |largest, number| largest.max(number.abs()));
    let errors = found.iter().zip(expected).map(|(&found, &expected)| {
        // Equal covers infinities; a NaN counts as the worst.
        let error = (f64::from(found) - expected).abs();
        if f64::from(found) == expected {
            0.0
        } else if error.is_nan() {
            f64::INFINITY
        } else {
            error
        }
    });
    let (at, error) = errors.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (error > tolerance * largest)
        .then(|| format!("element {at} is {} instead of {}, largest {largest}", found[at], expected[at]))
}

/// Runs in a pool of so many threads.
pub(crate) fn threads<R: Send>(count: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap().install(work)
}

/// Where each element of a plain array lies in memory.
fn places(shape: &Shape, layout: Layout) -> Vec<usize> {
    let extents = shape.extents();
    let memory = layout.extents(shape);
    (0..shape.elements())
        .map(|mut plain| {
            let mut position = vec![0; extents.len()];
            for axis in (0..extents.len()).rev() {
                position[layout.axis(axis, extents.len())] = plain % extents[axis];
                plain /= extents[axis];
            }
            position.iter().zip(&memory).fold(0, |place, (position, extent)| place * extent + position)
        })
        .collect()
}

/// From plain order to memory order.
pub(crate) fn to_memory(shape: &Shape, layout: Layout, plain: &[f32]) -> Vec<f32> {
    let mut memory = vec![f32::NAN; plain.len()];
    for (place, &number) in places(shape, layout).into_iter().zip(plain) {
        memory[place] = number;
    }
    memory
}

/// From memory order to plain order.
pub(crate) fn from_memory(shape: &Shape, layout: Layout, memory: &[f32]) -> Vec<f32> {
    places(shape, layout).into_iter().map(|place| memory[place]).collect()
}

/// All positions of an array in row-major order.
pub(crate) fn positions(extents: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for &extent in extents {
        all = all
            .into_iter()
            .flat_map(|position| {
                (0..extent).map(move |index| position.iter().copied().chain([index]).collect::<Vec<_>>())
            })
            .collect();
    }
    all
}

/// The row-major index of a position.
pub(crate) fn index_of(extents: &[usize], position: &[usize]) -> usize {
    position.iter().zip(extents).fold(0, |index, (position, extent)| index * extent + position)
}
