//! A fast exponential for arguments that are not positive.

/// What turns its argument's last bits into a whole number when it is added and taken away again: 1.5 · 2²³.
const TO_WHOLE: f32 = 12_582_912.0;

/// Below this the result counts as 0.
const LEAST: f32 = -87.0;

/// eˣ for x ≤ 0, off by at most 2e-7 of itself; 0 below −87. A few multiplications without a branch, so that loops over it become
/// vectors: `2^(n + r)` with n whole, |r| ≤ ½, and the first terms of `2^r = Σ (r ln 2)ᵏ / k!`.
#[inline(always)]
pub fn exponential(x: f32) -> f32 {
    let bounded = x.max(LEAST);
    // Its last bits are the whole number n, and nothing else of it survives the shift below.
    let shifted = bounded * std::f32::consts::LOG2_E + TO_WHOLE;
    let whole = shifted - TO_WHOLE;
    // ln 2 in two parts, the first with so few digits that its products are exact.
    let rest = bounded - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let series = 1.0 / 5040.0;
    let series = series * rest + 1.0 / 720.0;
    let series = series * rest + 1.0 / 120.0;
    let series = series * rest + 1.0 / 24.0;
    let series = series * rest + 1.0 / 6.0;
    let series = series * rest + 0.5;
    let series = (series * rest + 1.0) * rest + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    if x < LEAST { 0.0 } else { series * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_exponential() {
        for step in 0..87_000 {
            let x = -(step as f32) / 1000.0;
            let expected = f64::from(x).exp();
            let off = (f64::from(exponential(x)) / expected - 1.0).abs();
            assert!(off < 2e-7, "e^{x}: {off:.1e} off");
        }
        assert_eq!(exponential(0.0), 1.0);
        assert_eq!(exponential(-87.5), 0.0);
        assert_eq!(exponential(f32::NEG_INFINITY), 0.0);
    }
}
