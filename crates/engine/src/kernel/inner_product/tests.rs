//! Fully connected layers against their definition.

use super::*;
use crate::BackwardRule;
use crate::kernel::testing::{Array, Case, check};

/// The definition, in plain layout.
fn reference(op: &InnerProduct, inputs: usize, outputs: usize, operands: &[Vec<f64>]) -> Vec<f64> {
    let rows = operands[0].chunks_exact(inputs);
    let product = |row: &[f64], output: usize| -> f64 {
        let weight = |input| if op.transposed { input * outputs + output } else { output * inputs + input };
        let sum: f64 = (0..inputs).map(|input| row[input] * operands[1][weight(input)]).sum();
        sum + operands.get(2).map_or(0.0, |bias| bias[output])
    };
    rows.flat_map(|row| (0..outputs).map(move |output| product(row, output))).collect()
}

#[test]
fn equals_the_definition_and_its_differences() {
    // Extents of the operand, the axis, outputs, whether transposed, whether with a bias.
    let settings: [(&[usize], usize, usize, bool, bool); 11] = [
        (&[2, 30, 12], 2, 20, false, true),
        (&[4, 15, 17], 2, 33, true, true),
        (&[1, 12], 1, 7, false, true),
        (&[2, 5, 2, 3], 1, 9, false, true),
        (&[2, 5, 2, 3], 1, 9, true, false),
        (&[5, 5, 2, 3], 1, 4, false, true),
        (&[5, 5, 2, 3], 1, 4, true, true),
        (&[2, 3, 4, 5], 3, 6, false, true),
        (&[2, 3, 4, 5], 2, 6, true, false),
        (&[4, 3], 0, 5, false, true),
        (&[1, 1], 1, 1, false, false),
    ];
    let operators: Vec<InnerProduct> =
        settings.iter().map(|&(_, axis, _, transposed, _)| InnerProduct { axis, transposed }).collect();
    let cases = settings.iter().zip(&operators).enumerate().map(
        |(seed, (&(extents, axis, outputs, transposed, bias), operator))| {
            let seed = seed as u64;
            let inputs: usize = extents[axis..].iter().product();
            let weights = if transposed { [inputs, outputs] } else { [outputs, inputs] };
            // Half of the inputs are zero, as behind a rectifier; those rows are skipped.
            let operand = Array::noise(extents, seed).map(|number| number.max(0.0));
            let mut operands = vec![operand, Array::noise(&weights, seed + 50).constant()];
            if bias {
                operands.push(Array::noise(&[outputs], seed + 90).constant());
            }
            let definition =
                move |operands: &[Vec<f64>]| vec![reference(operator, inputs, outputs, operands)];
            let case = Case::new(
                format!("{settings:?}", settings = settings[seed as usize]),
                operator,
                |lowering: &Lowering<'_>| lower(operator, lowering, false, (None, false)),
                operands,
                definition,
            );
            // Only the flattening of everything behind the batch is prepared for channels-last operands.
            if axis == 1 { case } else { case.layouts(&[Layout::Plain]) }
        },
    );
    check(cases.collect());
}

/// The gradient of one class score, and of a few, forth to the inputs of one picture and of a batch.
#[test]
fn gradients_of_a_few_outputs_are_those_of_all() {
    let operator = &InnerProduct { axis: 1, transposed: false };
    let (inputs, outputs) = (300, PANEL + 40);
    for pictures in [1, 2, 5] {
        let weights = Array::noise(&[outputs, inputs], 5);
        let mut gradient = vec![0.0; pictures * outputs];
        for picture in 0..pictures {
            gradient[picture * outputs + 7 * picture] = 0.5;
            gradient[picture * outputs + PANEL + 3] = -2.0;
        }
        let expected = |picture: usize, input: usize| -> f32 {
            let weight = |output: usize| weights.numbers[output * inputs + input];
            0.5 * weight(7 * picture) - 2.0 * weight(PANEL + 3)
        };
        let operands = vec![Array::noise(&[pictures, inputs], 4), weights.clone().constant()];
        let lower = |lowering: &Lowering<'_>| lower(operator, lowering, false, (None, false));
        let definition = move |operands: &[Vec<f64>]| vec![reference(operator, inputs, outputs, operands)];
        let case = Case::new("few", operator, lower, operands, definition);
        let found = case.run(Layout::Plain, BackwardRule::Gradient, &[gradient]).gradients;
        for (at, &found) in found[0].iter().enumerate() {
            assert!((found - expected(at / inputs, at % inputs)).abs() < 1e-5);
        }
    }
}

#[test]
fn more_outputs_than_a_panel() {
    let operator = &InnerProduct { axis: 1, transposed: false };
    let cases = [1, 4, 18].map(|pictures| {
        let (inputs, outputs) = (67, 2 * PANEL + 3);
        let operands = vec![
            Array::noise(&[pictures, inputs], 1),
            Array::noise(&[outputs, inputs], 2).constant(),
            Array::noise(&[outputs], 3).constant(),
        ];
        let definition = move |operands: &[Vec<f64>]| vec![reference(operator, inputs, outputs, operands)];
        let lower = |lowering: &Lowering<'_>| lower(operator, lowering, false, (None, false));
        Case::new(format!("{pictures} pictures"), operator, lower, operands, definition)
            .layouts(&[Layout::Plain])
    });
    check(cases.into());
}

/// Half precision keeps eleven bits of each weight: with one or two pictures, forward and backward, and weights that are not
/// a multiple of vectors.
#[test]
fn fast_layers_are_those_with_rounded_weights() {
    for transposed in [false, true] {
        let operator = &InnerProduct { axis: 1, transposed };
        let cases = [1, 2, 3].map(|pictures| {
            let (inputs, outputs) = (131, PANEL + 37);
            let weights = if transposed { [inputs, outputs] } else { [outputs, inputs] };
            // Such numbers are their own nearest of half precision.
            let weights = Array::noise(&weights, 2).map(|number| (number * 512.0).round() / 512.0);
            let operand = Array::noise(&[pictures, inputs], 1).map(|number| number.max(0.0));
            let operands = vec![operand, weights.constant(), Array::noise(&[outputs], 3).constant()];
            let definition =
                move |operands: &[Vec<f64>]| vec![reference(operator, inputs, outputs, operands)];
            let lower = |lowering: &Lowering<'_>| lower(operator, lowering, false, (None, false));
            let case = Case::new(format!("{pictures} pictures"), operator, lower, operands, definition);
            case.layouts(&[Layout::Plain]).fast()
        });
        check(cases.into());
    }
}

/// Weights that half precision cannot hold are kept in single precision.
#[test]
fn weights_beyond_half_precision_stay_as_they_are() {
    let operator = &InnerProduct { axis: 1, transposed: false };
    let operands = vec![Array::noise(&[1, 40], 1), Array::noise(&[9, 40], 2).map(|x| x * 1e6).constant()];
    let definition = move |operands: &[Vec<f64>]| vec![reference(operator, 40, 9, operands)];
    let lower = |lowering: &Lowering<'_>| lower(operator, lowering, false, (None, false));
    let case = Case::new("large weights", operator, lower, operands, definition);
    check(vec![case.layouts(&[Layout::Plain]).fast()]);
}

/// Where the gradients of zeros are not asked for they are zero, and all others what they are.
#[test]
fn gradients_of_dead_inputs_are_left_out() {
    let operator = &InnerProduct { axis: 1, transposed: false };
    let (inputs, outputs) = (600, 70);
    for pictures in [1, 2, 3] {
        let operand = Array::noise(&[pictures, inputs], 4).map(|number| number.max(0.0));
        let dead: Vec<bool> = operand.numbers.iter().map(|&number| number == 0.0).collect();
        let operands = vec![operand, Array::noise(&[outputs, inputs], 5).constant()];
        let gradient = Array::noise(&[pictures, outputs], 6).numbers;
        let run = |dead_at_zero: bool| {
            let lower = move |lowering: &Lowering<'_>| lower(operator, lowering, dead_at_zero, (None, false));
            let definition =
                move |operands: &[Vec<f64>]| vec![reference(operator, inputs, outputs, operands)];
            let case = Case::new("dead", operator, lower, operands.clone(), definition);
            case.run(Layout::Plain, BackwardRule::Gradient, std::slice::from_ref(&gradient)).gradients
        };
        let (all, some) = (run(false), run(true));
        for ((all, some), dead) in all[0].iter().zip(&some[0]).zip(dead) {
            // With more pictures all are computed together.
            let expected = if dead && pictures <= ROW_BY_ROW { 0.0 } else { *all };
            assert_eq!(*some, expected);
        }
    }
}
