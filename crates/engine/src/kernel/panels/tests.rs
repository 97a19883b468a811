//! Products against sums in double precision.

use super::*;
use crate::kernel::testing::Noise;

const BLOCK: usize = 64;

/// Every number of rows in a tile, a last panel that is not full, pieces out of order, biases and a rectifier.
#[test]
fn equals_the_sums_in_double_precision() {
    let mut noise = Noise::new(3);
    let shapes = [(1, 1), (2, 16), (3, 17), (4, 40), (5, 33), (13, 48), (45, 64)];
    let cases = |instructions| shapes.map(|shape| (instructions, shape));
    // The longer pieces are summed in blocks, one of which has both ends within pieces.
    for (length, pieces) in [(5, [40, 0, 17]), (BLOCK - 1, [300, 0, 140])] {
        for (instructions, (count, columns)) in Instructions::ALL.into_iter().flat_map(cases) {
            let mut source = noise.numbers(100 + 5 * length + 7 * count);
            // The first and the last rows are mostly zeros.
            source[3..20].fill(0.0);
            let end = source.len();
            source[end - 12..end - 2].fill(0.0);
            let inner = length * pieces.len();
            let right = noise.numbers(inner * columns);
            let bias = noise.numbers(columns);
            let panels = Panels::pack(inner, columns, |row, column| right[row * columns + column]);
            let rows: Vec<usize> = (0..count).map(|row| row * 7 + 3).collect();
            let stride = columns + 2;
            let targets: Vec<usize> = (0..count).map(|row| (count - 1 - row) * stride).collect();
            let addend = noise.numbers(count * stride);
            for skips_zeros in [false, true] {
                let mut result = vec![9.0; count * stride];
                let half = panels.count() / 2;
                for range in [0..half, half..panels.count()] {
                    let targets: Vec<usize> =
                        targets.iter().map(|target| target + range.start * PANEL).collect();
                    let product = Product {
                        source: &source,
                        rows: Places::new(&rows),
                        pieces: &pieces,
                        length,
                        block: BLOCK,
                        panels: &panels,
                        range,
                        targets: Places::new(&targets),
                        bias: Some(&bias),
                        addend: Addend::Array(&addend),
                        activation: Some(Activation { minimum: -0.5, maximum: 1.0 }),
                        next: Some((&panels, 0)),
                        skips_zeros,
                    };
                    // SAFETY: nothing else runs.
                    unsafe { product.run(instructions, Shared::new(&mut result)) };
                }
                for row in 0..count {
                    for column in 0..stride {
                        let found = result[targets[row] + column];
                        if column >= columns {
                            assert_eq!(found, 9.0, "something beyond the columns was written");
                            continue;
                        }
                        let places =
                            pieces.iter().flat_map(|piece| piece + rows[row]..piece + rows[row] + length);
                        let sum: f64 = places
                            .enumerate()
                            .map(|(index, at)| {
                                f64::from(source[at]) * f64::from(right[index * columns + column])
                            })
                            .sum();
                        let added = f64::from(bias[column]) + f64::from(addend[targets[row] + column]);
                        let expected = (sum + added).clamp(-0.5, 1.0);
                        assert!(
                            (f64::from(found) - expected).abs() < 2e-7 * (inner as f64 + 5.0).min(80.0),
                            "{found} instead of {expected}"
                        );
                    }
                }
            }
        }
    }
}

/// One chain of 2048 terms is off by about 6e-7 here, blocks by 1.7e-7.
#[test]
fn long_sums_round_as_those_of_a_block_do() {
    let mut noise = Noise::new(4);
    let (inner, count, columns) = (2048, 24, 64);
    let source: Vec<f32> = noise.numbers(inner * count).into_iter().map(|number| number.max(0.0)).collect();
    let right = noise.numbers(inner * columns);
    let panels = Panels::pack(inner, columns, |row, column| right[row * columns + column]);
    let [rows, targets] =
        [inner, columns].map(|step| (0..count).map(|row| row * step).collect::<Vec<usize>>());
    for instructions in Instructions::ALL {
        let mut result = vec![0.0; count * columns];
        let product = Product {
            source: &source,
            rows: Places::new(&rows),
            pieces: &[0],
            length: inner,
            block: BLOCK,
            panels: &panels,
            range: 0..panels.count(),
            targets: Places::new(&targets),
            bias: None,
            addend: Addend::Nothing,
            activation: None,
            next: None,
            skips_zeros: false,
        };
        // SAFETY: nothing else runs.
        unsafe { product.run(instructions, Shared::new(&mut result)) };
        let (mut error, mut size) = (0.0, 0.0);
        for (place, &found) in result.iter().enumerate() {
            let (row, column) = (place / columns, place % columns);
            let term = |index: usize| {
                f64::from(source[row * inner + index]) * f64::from(right[index * columns + column])
            };
            let expected: f64 = (0..inner).map(term).sum();
            error += (f64::from(found) - expected).powi(2);
            size += expected.powi(2);
        }
        let error = (error / size).sqrt();
        assert!(error < 3e-7, "{instructions:?}: off by {error:.1e} of the result");
    }
}
