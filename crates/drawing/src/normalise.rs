//! Scaling values to `[0, 1]` for display, with an account of what was done.
//!
//! A picture of numbers misleads as soon as its scale is unknown: a map of noise of size 1e-9 looks like any other
//! map. So every scaling gives back the two values that became 0 and 1, whether the map holds any variation at all, and
//! how many values were not finite.

use deepinside_files::Array;
use deepinside_vision::{Error, Result};

/// How values become `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Zero to 0 and the largest value to 1, for maps that are never negative: the original project's saliency.
    /// Negative values become 0.
    Maximum,
    /// Zero to 0 and this quantile of the values above zero (in `(0, 1]`, such as 0.99) to 1, so that a few extreme
    /// pixels do not darken all the others; larger values become 1. Zeros do not count: in a map that is zero almost
    /// everywhere, such as that of a unit that sees a few pixels, a quantile of all values would be zero or next to it.
    /// Where the smallest value is more than half of the quantile, as in means of scores (RISE), it becomes 0 in the place of zero: what
    /// varies is what tells.
    Quantile(f32),
    /// Zero to ½ and the largest magnitude to 0 or 1, by sign: for a diverging colour map.
    Signed,
    /// The smallest value to 0 and the largest to 1.
    MinimumMaximum,
}

/// What a map holds, apart from its scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Content {
    /// At least two different finite values.
    Varied,
    /// This one finite value everywhere: the picture shows nothing.
    Constant(f32),
    /// No finite value.
    NothingFinite,
}

/// Values in `[0, 1]` and how they came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalised {
    /// The values, of the shape that was given, all in `[0, 1]`.
    ///
    /// When there is nothing to scale by (no finite value; no positive value for [`Scaling::Maximum`] and
    /// [`Scaling::Quantile`]; a constant for [`Scaling::MinimumMaximum`]; all zero for [`Scaling::Signed`]), all
    /// finite values become 0, or ½ for [`Scaling::Signed`].
    pub values: Array,
    /// The value that became 0.
    pub low: f32,
    /// The value that became 1; equal to `low` when there was nothing to scale by.
    pub high: f32,
    /// Whether the map holds any variation.
    pub content: Content,
    /// How many values were NaN or infinite. NaN becomes 0 (½ for [`Scaling::Signed`]), and the infinities 0 and 1.
    pub not_finite: usize,
}

/// Scales the values of an array of any shape.
///
/// # Errors
/// [`Error::Parameter`] for a quantile outside `(0, 1]`.
pub fn normalise(array: &Array, scaling: Scaling) -> Result<Normalised> {
    let summary = Summary::of(array.data());
    let (low, high) = match scaling {
        Scaling::Maximum => (0.0, summary.largest.max(0.0)),
        Scaling::Quantile(share) => {
            if !(share > 0.0 && share <= 1.0) {
                let expected = "greater than 0 and at most 1";
                return Err(Error::Parameter { name: "the quantile", expected, found: share.to_string() });
            }
            let high = quantile_above_zero(array.data(), share).unwrap_or(0.0);
            let is_far_from_zero = summary.smallest > high / 2.0 && summary.smallest < high;
            (if is_far_from_zero { summary.smallest } else { 0.0 }, high)
        }
        Scaling::Signed => {
            let magnitude = summary.largest.abs().max(summary.smallest.abs());
            (-magnitude, magnitude)
        }
        Scaling::MinimumMaximum => (summary.smallest, summary.largest),
    };
    let neutral = if scaling == Scaling::Signed { 0.5 } else { 0.0 };
    // The range of two finite numbers may overflow single precision, so the division is done in double precision.
    let range = f64::from(high) - f64::from(low);
    let scale = |value: f32| -> f32 {
        if value.is_nan() {
            neutral
        } else if value.is_infinite() {
            if value > 0.0 { 1.0 } else { 0.0 }
        } else if range > 0.0 {
            ((f64::from(value) - f64::from(low)) / range).clamp(0.0, 1.0) as f32
        } else {
            neutral
        }
    };
    let values = Array::new(array.shape(), array.data().iter().map(|&value| scale(value)).collect())?;
    Ok(Normalised { values, low, high, content: summary.content, not_finite: summary.not_finite })
}

/// The extremes of the finite values, 0 when there is none.
struct Summary {
    smallest: f32,
    largest: f32,
    content: Content,
    not_finite: usize,
}

impl Summary {
    fn of(values: &[f32]) -> Self {
        let mut finite = values.iter().copied().filter(|value| value.is_finite());
        let Some(first) = finite.next() else {
            let content = Content::NothingFinite;
            return Self { smallest: 0.0, largest: 0.0, content, not_finite: values.len() };
        };
        let (mut smallest, mut largest, mut count) = (first, first, 1);
        for value in finite {
            smallest = smallest.min(value);
            largest = largest.max(value);
            count += 1;
        }
        // Zero has no sign here: "-0 everywhere" would read as a finding.
        let content = if smallest == largest { Content::Constant(first + 0.0) } else { Content::Varied };
        Self { smallest, largest, content, not_finite: values.len() - count }
    }
}

/// The value below which `share` of the finite values above zero lie, interpolated linearly between neighbours in order.
fn quantile_above_zero(values: &[f32], share: f32) -> Option<f32> {
    let mut above_zero: Vec<f32> =
        values.iter().copied().filter(|value| value.is_finite() && *value > 0.0).collect();
    let last = above_zero.len().checked_sub(1)?;
    let position = f64::from(share) * last as f64;
    let rank = (position.floor() as usize).min(last);
    let (_, &mut lower, above) = above_zero.select_nth_unstable_by(rank, f32::total_cmp);
    let upper = above.iter().copied().reduce(f32::min).unwrap_or(lower);
    Some((f64::from(lower) + (f64::from(upper) - f64::from(lower)) * (position - rank as f64)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(values: &[f32], scaling: Scaling) -> Normalised {
        normalise(&Array::new([values.len()], values.to_vec()).unwrap(), scaling).unwrap()
    }

    #[test]
    fn each_scaling_by_its_definition() {
        let values = [-2.0, 0.0, 1.0, 4.0];
        assert_eq!(scaled(&values, Scaling::Maximum).values.data(), [0.0, 0.0, 0.25, 1.0]);
        assert_eq!(scaled(&values, Scaling::Signed).values.data(), [0.25, 0.5, 0.625, 1.0]);
        let minimum_maximum = scaled(&[-2.0, 0.0, 1.0, 2.0], Scaling::MinimumMaximum);
        assert_eq!(minimum_maximum.values.data(), [0.0, 0.5, 0.75, 1.0]);
        assert_eq!((minimum_maximum.low, minimum_maximum.high), (-2.0, 2.0));
        // numpy.quantile([1, 2, 3, 10], 0.5) is 2.5.
        let quantile = scaled(&[10.0, 0.0, 2.0, 1.0, -7.0, 3.0], Scaling::Quantile(0.5));
        assert_eq!((quantile.high, quantile.values.data()), (2.5, &[1.0, 0.0, 0.8, 0.4, 0.0, 1.0][..]));
        assert_eq!(scaled(&[10.0, 0.0, 2.0, 1.0], Scaling::Quantile(1.0)).high, 10.0);
    }

    #[test]
    fn zeros_around_what_a_unit_sees_do_not_set_the_scale() {
        // Of a thousand values eleven are not zero: numpy.quantile of all at 0.99 is 1.01, which would show all but one
        // of them white; of the eleven alone it is 10.9.
        let mut values = vec![0.0; 989];
        values.extend((1..=11).map(|value| value as f32));
        let sparse = scaled(&values, Scaling::Quantile(0.99));
        assert_eq!((sparse.high, sparse.content), (10.9, Content::Varied));
        assert_eq!(sparse.values.data()[989], (1.0f64 / f64::from(10.9f32)) as f32);
        // And of one alone that one.
        assert_eq!(scaled(&[0.0, 0.0, 0.0, 0.0, 5.0], Scaling::Quantile(0.5)).high, 5.0);
    }

    #[test]
    fn nothing_to_show_is_said_and_never_nan() {
        for scaling in [Scaling::Maximum, Scaling::Quantile(0.9), Scaling::Signed, Scaling::MinimumMaximum] {
            let neutral = if scaling == Scaling::Signed { 0.5 } else { 0.0 };
            for (values, content) in
                [(vec![0.0; 3], Content::Constant(0.0)), (vec![f32::NAN; 3], Content::NothingFinite)]
            {
                let result = scaled(&values, scaling);
                assert_eq!(result.values.data(), [neutral; 3], "{scaling:?} of {values:?}");
                assert_eq!((result.content, result.low, result.high), (content, result.high, result.low));
            }
            let constant = scaled(&[7.0, 7.0], scaling);
            assert_eq!(constant.content, Content::Constant(7.0));
            assert!(constant.values.data().iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }

    #[test]
    fn values_that_are_not_finite_are_counted_and_do_not_disturb_the_scale() {
        let result = scaled(&[f32::NAN, 1.0, f32::INFINITY, 3.0, f32::NEG_INFINITY], Scaling::MinimumMaximum);
        assert_eq!(result.values.data(), [0.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!((result.low, result.high, result.not_finite), (1.0, 3.0, 3));
        let huge = scaled(&[f32::MIN, 0.0, f32::MAX], Scaling::MinimumMaximum);
        assert_eq!(huge.values.data(), [0.0, 0.5, 1.0]);
    }

    #[test]
    fn means_of_scores_are_scaled_from_the_least() {
        let of = |numbers: [f32; 4]| {
            normalise(&Array::new([4], numbers.to_vec()).unwrap(), Scaling::Quantile(1.0))
        };
        // All were of nearly one colour, that of RISE's map of a network that is sure of its class.
        let scaled = of([0.9, 0.92, 0.94, 0.98]).unwrap();
        assert_eq!((scaled.low, scaled.high), (0.9, 0.98));
        assert_eq!(scaled.values.data()[0], 0.0);
        assert!((scaled.values.data()[2] - 0.5).abs() < 1e-5);
        assert_eq!(of([0.4, 0.92, 0.94, 0.98]).unwrap().low, 0.0);
        assert_eq!(of([0.9; 4]).unwrap().low, 0.0);
    }

    #[test]
    fn a_quantile_outside_its_range_is_an_error() {
        let array = Array::new([1], vec![1.0]).unwrap();
        for share in [0.0, -0.5, 1.5, f32::NAN] {
            assert!(normalise(&array, Scaling::Quantile(share)).is_err(), "{share}");
        }
    }
}
