//! What tests of whole networks share.

use deepinside_graph::{GraphBuilder, Shape, ValueId, Weights};

/// Reproducible numbers between −1 and 1.
pub fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// A constant of such numbers, times a scale, plus a shift; its name and size are the seed.
pub fn constant(
    builder: &mut GraphBuilder,
    name: &str,
    extents: &[usize],
    scale: f32,
    shift: f32,
) -> ValueId {
    let count = extents.iter().product();
    let numbers: Vec<f32> =
        noise(count, name.len() as u64 * 31 + count as u64).iter().map(|n| n * scale + shift).collect();
    builder.constant(name, Weights::from_f32(Shape::new(extents).unwrap(), &numbers).unwrap()).unwrap()
}
