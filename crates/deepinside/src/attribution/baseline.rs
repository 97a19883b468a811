//! What stands for "nothing there": the inputs that attributions are measured against.

use deepinside_files::Array;

use super::parameter::{Default, Kind, Parameter, Values};
use crate::random::Random;
use crate::{Error, Result};

/// The words that name a baseline.
pub(super) const WORDS: &[&str] = &["zero", "mean", "blur", "uniform"];

/// The parameter of methods that have one.
pub(super) const BASELINE: Parameter = Parameter {
    name: "baseline",
    help: "what stands for nothing there, in the network's own numbers: zero (for most networks the mean colour), the mean of each \
           channel of the input, the input blurred by 5 % of its longer side, uniform noise within the input's range, a number, or an array",
    unit: "",
    kind: Kind::Baseline(WORDS),
    default: Default::Word("zero"),
};

/// Whether values are what each number contributes, or what a unit of it would.
pub(super) const MULTIPLY: Parameter = Parameter {
    name: "multiply",
    help: "whether slopes are multiplied by how far each number of the input is from the baseline (Captum's multiply_by_inputs); without, \
           values do not add up to the target's change",
    unit: "",
    kind: Kind::Flag,
    default: Default::Flag(true),
};

/// What a slope is multiplied by for a number of the input and of the baseline.
pub(super) fn factor(values: &Values) -> impl Fn(f32, f32) -> f64 {
    let multiplies = multiplies(values);
    move |to, from| if multiplies { f64::from(to) - f64::from(from) } else { 1.0 }
}

/// Whether values add up to the target's change.
pub(super) fn multiplies(values: &Values) -> bool {
    // A method that another one uses has the parameters of that one alone.
    !values.is_off(MULTIPLY.name)
}

/// The deviation of the blur, as a share of the input's longer side.
const BLUR: f64 = 0.05;

/// The baseline for an input, of its shape.
///
/// # Errors
/// When an array has another shape.
pub(super) fn baseline(values: &Values, input: &Array) -> Result<Array> {
    let name = BASELINE.name;
    if let Some(array) = values.array(name) {
        return like_input(array, input, name);
    }
    if let Some(number) = values.number(name) {
        return filled(input, |_| number as f32);
    }
    match values.word(name) {
        Some("mean") => {
            let means: Vec<f32> = channels(input).map(mean).collect();
            filled(input, |channel| means[channel])
        }
        Some("blur") => blurred(input),
        Some("uniform") => {
            let (low, high) = range(input);
            let mut random = Random::new(0);
            let numbers = input.data().iter().map(|_| random.between(f64::from(low), f64::from(high)) as f32);
            Ok(Array::new(input.shape(), numbers.collect())?)
        }
        _ => filled(input, |_| 0.0),
    }
}

/// An array as one of the input's shape: given so, with a batch axis of one, or as one number a channel.
///
/// # Errors
/// When it has another shape.
pub(super) fn like_input(array: &Array, input: &Array, name: &str) -> Result<Array> {
    let (expected, found) = (input.shape(), array.shape());
    if found.iter().skip_while(|&&extent| extent == 1).eq(expected.iter().skip_while(|&&extent| extent == 1))
    {
        return Ok(Array::new(expected, array.data().to_vec())?);
    }
    if found == [expected[0]] {
        return filled(input, |channel| array.data()[channel]);
    }
    Err(Error::Option(format!(
        "'{name}' has the input's shape {expected:?} or one number a channel, found {found:?}"
    )))
}

/// The smallest and the largest number of an input.
pub(super) fn range(input: &Array) -> (f32, f32) {
    input.data().iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)))
}

/// The channels of an input.
pub(super) fn channels(input: &Array) -> std::slice::ChunksExact<'_, f32> {
    let size: usize = input.shape()[1..].iter().product();
    input.data().chunks_exact(size.max(1))
}

fn mean(numbers: &[f32]) -> f32 {
    (numbers.iter().map(|&number| f64::from(number)).sum::<f64>() / numbers.len() as f64) as f32
}

fn filled(input: &Array, number: impl Fn(usize) -> f32) -> Result<Array> {
    let size: usize = input.shape()[1..].iter().product();
    let numbers = (0..input.data().len()).map(|element| number(element / size.max(1)));
    Ok(Array::new(input.shape(), numbers.collect())?)
}

/// The input behind a Gaussian that is cut at three deviations; borders are mirrored, without the border itself.
fn blurred(input: &Array) -> Result<Array> {
    let &[_, height, width] = input.shape() else {
        return Err(Error::Option(format!("an input has three axes, found shape {:?}", input.shape())));
    };
    let deviation = BLUR * height.max(width) as f64;
    let radius = (3.0 * deviation).ceil() as i64;
    let weights: Vec<f64> =
        (-radius..=radius).map(|at| (-0.5 * (at as f64 / deviation).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let along = |line: &[f64]| -> Vec<f64> {
        let at = |position: i64| line[mirrored(position, line.len())];
        let smoothed = |position: i64| {
            let terms = weights.iter().zip(-radius..=radius);
            terms.map(|(weight, offset)| weight * at(position + offset)).sum::<f64>() / sum
        };
        (0..line.len() as i64).map(smoothed).collect()
    };
    let mut numbers = Vec::with_capacity(input.data().len());
    for channel in channels(input) {
        let mut plane: Vec<f64> = channel.iter().map(|&number| f64::from(number)).collect();
        for row in plane.chunks_exact_mut(width) {
            row.copy_from_slice(&along(row));
        }
        for column in 0..width {
            let line: Vec<f64> = plane[column..].iter().step_by(width).copied().collect();
            for (row, number) in along(&line).into_iter().enumerate() {
                plane[row * width + column] = number;
            }
        }
        numbers.extend(plane.into_iter().map(|number| number as f32));
    }
    Ok(Array::new(input.shape(), numbers)?)
}

fn mirrored(position: i64, length: usize) -> usize {
    let period = (2 * (length as i64 - 1)).max(1);
    let position = position.rem_euclid(period);
    position.min(period - position) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blurred_plane_keeps_constants_and_mirrors_borders() {
        let input = Array::new([1, 20, 30], vec![3.0; 600]).unwrap();
        assert!(blurred(&input).unwrap().data().iter().all(|number| (number - 3.0).abs() < 1e-6));
        assert_eq!([-2, -1, 0, 3, 4, 5, 6].map(|position| mirrored(position, 4)), [2, 1, 0, 3, 2, 1, 0]);
        assert_eq!(mirrored(7, 1), 0);
    }
}
