//! Both normalisations against their definitions.

use super::super::testing::{Array, Case, check, index_of, positions};
use super::*;

/// The definition, the sum over every element that is a neighbour.
fn reference(op: &LocalResponseNormalization, shape: &[usize], x: &[f64]) -> Vec<Vec<f64>> {
    let all = positions(shape);
    let near = |a: usize, b: usize, size: usize| a.abs_diff(b) <= size / 2;
    let value = |position: &Vec<usize>| {
        let neighbours = |neighbour: &dyn Fn(&[usize]) -> bool| -> f64 {
            all.iter().zip(x).filter(|(other, _)| neighbour(other)).map(|(_, x)| x * x).sum()
        };
        let own = x[index_of(shape, position)];
        match *op {
            LocalResponseNormalization::AcrossChannels { size, alpha, beta, k } => {
                let sum = neighbours(&|other| {
                    let same = (0..shape.len()).all(|axis| axis == 1 || other[axis] == position[axis]);
                    same && near(other[1], position[1], size)
                });
                own * (f64::from(k) + f64::from(alpha) / size as f64 * sum).powf(-f64::from(beta))
            }
            LocalResponseNormalization::WithinChannel { size, alpha, beta } => {
                let sum = neighbours(&|other| {
                    other[..2] == position[..2] && (2..4).all(|axis| near(other[axis], position[axis], size))
                });
                own * (1.0 + f64::from(alpha) / (size * size) as f64 * sum).powf(-f64::from(beta))
            }
        }
    };
    vec![all.iter().map(value).collect()]
}

#[test]
fn neighbours_across_channels() {
    let table: [(&[usize], usize, f32, f32, f32); 10] = [
        (&[2, 7, 4, 3], 5, 1e-4, 0.75, 1.0),
        (&[1, 2, 4, 4], 5, 1.5, 0.75, 1.0),
        (&[1, 12, 2, 3], 3, 2.0, 0.5, 2.0),
        (&[1, 12, 2, 3], 7, 2.0, 1.0, 0.5),
        (&[1, 12, 2], 5, 2.0, 0.6, 1.0),
        (&[3, 20], 5, 1.0, 0.75, 1.0),
        (&[2, 1, 3, 3], 5, 1.0, 0.75, 1.0),
        (&[2, 4, 2, 2, 2], 1, 1.0, 0.75, 1.0),
        (&[1, 9, 2, 2], 65535, 1.0, 0.75, 1.0),
        (&[1, 96, 3, 3], 5, 5.0, 0.75, 1.0),
    ];
    let operators: Vec<LocalResponseNormalization> = table
        .iter()
        .map(|&(_, size, alpha, beta, k)| LocalResponseNormalization::AcrossChannels { size, alpha, beta, k })
        .collect();
    let cases = table.iter().zip(&operators).map(|(&(shape, ..), op)| {
        let layouts = if shape.len() < 3 { vec![Layout::Plain] } else { vec![Layout::ChannelsLast] };
        let operands = vec![Array::noise(shape, 60).map(|x| 3.0 * x)];
        let case = Case::new(
            format!("{op} of {shape:?}"),
            op,
            |lowering| lower(op, lowering),
            operands,
            move |x| reference(op, shape, &x[0]),
        );
        let case = case.layouts(&layouts).tolerance(1e-6);
        if shape.contains(&96) { case.without_differences() } else { case }
    });
    check(cases.collect());
}

#[test]
fn neighbours_within_a_channel() {
    let table: [(&[usize], usize, f32, f32); 6] = [
        (&[1, 3, 6, 7], 3, 0.8, 0.75),
        (&[1, 2, 7, 5], 5, 1.2, 0.5),
        (&[2, 2, 3, 4], 9, 1.2, 1.0),
        (&[2, 2, 3, 4], 1, 1.2, 0.9),
        (&[1, 1, 3, 4], 65535, 1.2, 0.75),
        (&[2, 9, 13, 11], 5, 5.0, 0.75),
    ];
    let operators: Vec<LocalResponseNormalization> = table
        .iter()
        .map(|&(_, size, alpha, beta)| LocalResponseNormalization::WithinChannel { size, alpha, beta })
        .collect();
    let cases = table.iter().zip(&operators).map(|(&(shape, ..), op)| {
        let operands = vec![Array::noise(shape, 61).map(|x| 3.0 * x)];
        let case = Case::new(
            format!("{op} of {shape:?}"),
            op,
            |lowering| lower(op, lowering),
            operands,
            move |x| reference(op, shape, &x[0]),
        );
        let case = case.layouts(&[Layout::ChannelsLast]).tolerance(1e-6);
        if shape.contains(&13) { case.without_differences() } else { case }
    });
    check(cases.collect());
}

#[test]
fn large_operands_have_the_same_bits_whatever_the_threads() {
    // The reference is the kernel's own definition of a piece: each picture by itself gives what the batch gives.
    for op in [
        LocalResponseNormalization::AcrossChannels { size: 5, alpha: 2.0, beta: 0.75, k: 1.0 },
        LocalResponseNormalization::WithinChannel { size: 3, alpha: 2.0, beta: 0.75 },
    ] {
        let (batch, one) = ([3, 48, 19, 21], [1, 48, 19, 21]);
        let x = Array::noise(&batch, 62);
        let part = x.numbers.len() / 3;
        let expected: Vec<f64> = (0..3)
            .flat_map(|picture| {
                let own = Array::new(&one, &x.numbers[picture * part..(picture + 1) * part]);
                let case = Case::new("", &op, |lowering| lower(&op, lowering), vec![own], |_| vec![]);
                let g = vec![vec![0.0; part]];
                case.run(Layout::ChannelsLast, crate::BackwardRule::Gradient, &g).results.remove(0)
            })
            .map(f64::from)
            .collect();
        let case = Case::new(
            op.to_string(),
            &op,
            |lowering| lower(&op, lowering),
            vec![x],
            |_| vec![expected.clone()],
        );
        check(vec![case.layouts(&[Layout::ChannelsLast]).tolerance(0.0).without_differences()]);
    }
}
