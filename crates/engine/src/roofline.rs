//! What the machine can do at most, measured: the yardstick of a profile.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::Threads;
use crate::kernel::panels::{Addend, PANEL, Panels, Places, Product, Shared};
use crate::simd::Instructions;

/// The limits of a machine, or of what is left of it when others use it too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roofline {
    /// Floating-point operations per second, of products that stay in the first-level cache.
    pub operations: f64,
    /// Bytes per second read from memory.
    pub bytes: f64,
}

impl Roofline {
    /// Measures for about a fifth of a second.
    pub fn measure(threads: &Threads) -> Self {
        let count = threads.count();
        threads.run(|| Self { operations: operations(count), bytes: bytes(count) })
    }

    /// The higher limits of two measurements: other programs make a machine slower, and nothing makes it faster.
    pub fn or_better(self, other: Self) -> Self {
        Self { operations: self.operations.max(other.operations), bytes: self.bytes.max(other.bytes) }
    }
}

/// The best of some tries within a tenth of a second: `work` per the time that it took.
fn best(work: f64, mut run: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut shortest = f64::INFINITY;
    while begin.elapsed() < Duration::from_millis(100) {
        let start = Instant::now();
        run();
        shortest = shortest.min(start.elapsed().as_secs_f64());
    }
    work / shortest
}

fn operations(threads: usize) -> f64 {
    const INNER: usize = 128;
    const ROWS: usize = 24;
    const ROUNDS: usize = 200;
    const COLUMNS: usize = 2 * PANEL;
    let panels = Panels::pack(INNER, COLUMNS, |row, column| (row + column) as f32);
    let source = vec![1.0; INNER];
    let (rows, targets) = (vec![0; ROWS], (0..ROWS).map(|row| row * COLUMNS).collect::<Vec<_>>());
    let work = threads * ROUNDS * ROWS * INNER * COLUMNS * 2;
    best(work as f64, || {
        (0..threads).into_par_iter().for_each(|_| {
            let mut result = [0.0; ROWS * COLUMNS];
            for _ in 0..ROUNDS {
                let product = Product {
                    source: &source,
                    rows: Places::new(&rows),
                    pieces: &[0],
                    length: INNER,
                    block: INNER,
                    panels: &panels,
                    range: 0..panels.count(),
                    targets: Places::new(&targets),
                    bias: None,
                    addend: Addend::Nothing,
                    activation: None,
                    next: None,
                    skips_zeros: false,
                };
                // SAFETY: the result is this thread's own.
                unsafe { product.run(Instructions::Detected, Shared::new(&mut result)) };
            }
            std::hint::black_box(&result);
        });
    })
}

fn bytes(threads: usize) -> f64 {
    // More than the caches hold.
    const NUMBERS: usize = 16 << 20;
    let numbers = vec![1.0f32; NUMBERS];
    best((4 * NUMBERS) as f64, || {
        let sum = |part: &[f32]| {
            let mut lanes = [0.0f32; 32];
            for chunk in part.as_chunks::<32>().0 {
                for (lane, number) in lanes.iter_mut().zip(chunk) {
                    *lane += number;
                }
            }
            lanes[0]
        };
        let total: f32 = numbers.par_chunks(NUMBERS.div_ceil(threads.max(1))).map(sum).sum();
        std::hint::black_box(total);
    })
}
