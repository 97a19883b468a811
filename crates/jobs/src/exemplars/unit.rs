//! What is kept of one unit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Steps of the sum of activations: each photograph's is rounded to a multiple of 2⁻³², so that the sum does not depend on the order.
const STEPS: f64 = 4_294_967_296.0;

/// A photograph that excites a unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The unit's largest activation.
    pub value: f32,
    /// The photograph's row.
    pub row: u64,
    /// The row and column of the activation among the layer's positions; of equal ones the first.
    pub place: [usize; 2],
}

/// The photographs that excite a unit most, and how its largest activations are distributed over all photographs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// The largest activations first; of equal ones the smaller row.
    pub best: Vec<Best>,
    /// How many photographs were looked at.
    pub photographs: u64,
    /// In how many of them the unit's largest activation is above zero.
    pub active: u64,
    /// The sum of the largest activations, in multiples of 2⁻³².
    #[serde(with = "as_text")]
    pub sum: i128,
    /// How many photographs have a largest activation of at least 2ᵏ and below 2ᵏ⁺¹, by k; those that are not above zero are left out.
    pub histogram: BTreeMap<i16, u64>,
}

impl Unit {
    /// The mean of the largest activations.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / STEPS / self.photographs.max(1) as f64
    }

    /// Takes one photograph: its row, the unit's largest activation there, and how to find the place of that, which is seldom asked for.
    pub fn add(&mut self, row: u64, value: f32, place: impl FnOnce() -> [usize; 2], top: usize) {
        self.photographs += 1;
        // What is beyond the range of sums has no mean that means anything; numbers that are not finite do not come here.
        self.sum = self.sum.saturating_add(steps(value));
        if value > 0.0 {
            self.active += 1;
            *self.histogram.entry(exponent(value)).or_default() += 1;
        }
        let is_kept = match self.best.last() {
            Some(last) if self.best.len() >= top => !is_before(last, value, row),
            _ => top > 0,
        };
        if is_kept {
            self.keep(Best { value, row, place: place() }, top);
        }
    }

    /// Takes what another shard found.
    pub fn join(&mut self, other: Self, top: usize) {
        self.photographs += other.photographs;
        self.active += other.active;
        self.sum = self.sum.saturating_add(other.sum);
        for (exponent, count) in other.histogram {
            *self.histogram.entry(exponent).or_default() += count;
        }
        other.best.into_iter().for_each(|best| self.keep(best, top));
    }

    fn keep(&mut self, best: Best, top: usize) {
        let place = self.best.partition_point(|own| is_before(own, best.value, best.row));
        if place < top {
            self.best.truncate(top.saturating_sub(1).max(place));
            self.best.insert(place, best);
        }
    }
}

/// Whether a photograph comes before another: its activation is larger, or as large and its row smaller.
fn is_before(own: &Best, value: f32, row: u64) -> bool {
    own.value.total_cmp(&value).then(row.cmp(&own.row)).is_gt()
}

/// A number in multiples of 2⁻³², rounded.
fn steps(value: f32) -> i128 {
    let steps = f64::from(value) * STEPS;
    match steps.abs() < 2f64.powi(51) {
        // As `round` has it, for the sum of a half and what single precision has of such numbers is exact or below one.
        true => i128::from((steps + 0.5f64.copysign(steps)) as i64),
        false => steps.round() as i128,
    }
}

/// The k of 2ᵏ ≤ value < 2ᵏ⁺¹.
fn exponent(value: f32) -> i16 {
    // In double precision no number of single precision is subnormal.
    ((f64::from(value).to_bits() >> 52) & 0x7ff) as i16 - 1023
}

/// JSON's readers take whole numbers of 64 bits at most.
mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(number: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against sorting everything.
    #[test]
    fn units_keep_the_best_in_any_order_and_any_split() {
        let values: Vec<f32> = (0..200u32).map(|row| ((row * 7919) % 23) as f32 * 0.37 - 1.0).collect();
        let best = |row: usize| Best { value: values[row], row: row as u64, place: [row, 0] };
        let mut expected: Vec<Best> = (0..values.len()).map(best).collect();
        expected.sort_by(|a, b| b.value.total_cmp(&a.value).then(a.row.cmp(&b.row)));
        for top in [0, 1, 16, 300] {
            let of = |rows: &mut dyn Iterator<Item = usize>| {
                let mut unit = Unit::default();
                rows.for_each(|row| unit.add(row as u64, values[row], || [row, 0], top));
                unit
            };
            let whole = of(&mut (0..200));
            assert_eq!(whole.best, expected[..top.min(200)]);
            assert_eq!(of(&mut (0..200).rev()), whole);
            let mut joined = of(&mut (0..200).step_by(3));
            joined.join(of(&mut (2..200).step_by(3)), top);
            joined.join(of(&mut (1..200).step_by(3)), top);
            assert_eq!(joined, whole);
            let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / 200.0;
            assert!((whole.mean() - mean).abs() < 1e-9);
            assert_eq!(whole.active, whole.histogram.values().sum::<u64>());
            let text = serde_json::to_string(&whole).unwrap();
            assert_eq!(serde_json::from_str::<Unit>(&text).unwrap(), whole);
        }
    }

    #[test]
    fn steps_are_rounded() {
        let tiny = (1..2000u32).map(|number| number as f32 * 0.37 / 4_294_967_296.0);
        let all =
            tiny.chain([0.0, 0.5, 1.0, 1e-38, 3.7, 123_456.79, 524_287.97, 1e7, 3e38, f32::MIN_POSITIVE]);
        for value in all.flat_map(|value| [value, -value]) {
            assert_eq!(steps(value), (f64::from(value) * STEPS).round() as i128, "{value}");
        }
    }

    #[test]
    fn exponents_are_those_of_powers_of_two() {
        for (value, expected) in [(1.0, 0), (1.99, 0), (2.0, 1), (0.5, -1), (f32::MIN_POSITIVE / 4.0, -128)] {
            assert_eq!(exponent(value), expected, "{value}");
        }
    }
}
