//! RISE (Petsiuk, Das, Saenko 2018): the mean of random masks, each weighted by the target's number for the masked input.

use deepinside_vision::Array;

use crate::attribution::masks::{Enlargement, enlarge};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, samples, seed};
use crate::attribution::{Attribution, Entry, Method, Runner};
use crate::random::Random;
use crate::{Error, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "rise",
    aliases: &[],
    title: "RISE",
    summary: "The mean of random smooth masks, each weighted by the target's number for the input masked with it.",
    source: "Petsiuk, Das, Saenko 2018, RISE, equation 6",
    parameters: &[SAMPLES, PROBABILITY, CELLS, SEED, MASKS, NORMALISATION],
    layers: false,
    make: |_, values| Ok(Box::new(Rise { values: values.clone() })),
};

const SAMPLES: Parameter = samples("how many masks", "masks", 1000.0);

const PROBABILITY: Parameter = Parameter {
    name: "probability",
    help: "with which probability a cell of a mask is open",
    unit: "share",
    kind: Kind::Number { least: 0.001, most: 1.0 },
    default: Default::Number(0.5),
};

const CELLS: Parameter = Parameter {
    name: "cells",
    help: "cells on each side of a mask, before it is enlarged and shifted at random",
    unit: "cells",
    kind: Kind::Whole { least: 2, most: 1000 },
    default: Default::Number(7.0),
};

const SEED: Parameter = seed("the random seed of masks");

const MASKS: Parameter = Parameter {
    name: "masks",
    help: "the masks, number × height × width: shares of 0 to 1, or whole numbers up to 255; instead of random ones",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const NORMALISATION: Parameter = Parameter {
    name: "normalisation",
    help: "what the sum is divided by: the number of masks times the probability, or at each pixel the sum of the masks there",
    unit: "",
    kind: Kind::Choice(&["probability", "coverage"]),
    default: Default::Word("probability"),
};

#[derive(Debug)]
struct Rise {
    values: Values,
}

/// Where masks come from, one at a time.
enum Masks<'a> {
    Given { numbers: &'a [f32], scale: f32 },
    Random { seed: u64, cells: usize, probability: f64 },
}

impl Masks<'_> {
    /// A mask of height × width.
    fn mask(&self, index: usize, [height, width]: [usize; 2]) -> Vec<f32> {
        let pixels = height * width;
        match *self {
            Masks::Given { numbers, scale } => {
                numbers[index * pixels..][..pixels].iter().map(|number| number * scale).collect()
            }
            Masks::Random { seed, cells, probability } => {
                // Of its own seed, so that each can be made again.
                let mut random = Random::new(seed ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let grid: Vec<f64> =
                    (0..cells * cells).map(|_| f64::from(u8::from(random.uniform() < probability))).collect();
                let [down, across] = [height, width].map(|extent| extent.div_ceil(cells));
                let size = [(cells + 1) * down, (cells + 1) * across];
                let [top, left] = [down, across].map(|cell| (random.uniform() * cell as f64) as usize);
                let large = enlarge(&grid, [cells, cells], size, Enlargement::HalfPixel);
                let rows = large.chunks_exact(size[1]).skip(top).take(height);
                rows.flat_map(|row| row[left..left + width].iter().map(|&number| number as f32)).collect()
            }
        }
    }
}

impl Method for Rise {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let values = &self.values;
        let &[_, height, width] = input.shape() else {
            return Err(Error::Option(format!("an input has three axes, found shape {:?}", input.shape())));
        };
        let (size, pixels) = ([height, width], height * width);
        let probability = values.number(PROBABILITY.name).unwrap_or(0.5);
        let (masks, samples) = match values.array(MASKS.name) {
            Some(given) => {
                if !given.data().len().is_multiple_of(pixels) || !given.shape().ends_with(&size) {
                    return Err(Error::Option(format!(
                        "'masks' is number × {height} × {width}, found shape {:?}",
                        given.shape()
                    )));
                }
                let largest = given.data().iter().copied().fold(0.0f32, f32::max);
                // Whole numbers of bytes stand for shares.
                let scale = if largest > 1.0 { 1.0 / 255.0 } else { 1.0 };
                (Masks::Given { numbers: given.data(), scale }, given.data().len() / pixels)
            }
            None => {
                let seed = values.number(SEED.name).unwrap_or(0.0) as u64;
                let cells = values.whole(CELLS.name).unwrap_or(7);
                (Masks::Random { seed, cells, probability }, values.whole(SAMPLES.name).unwrap_or(1000))
            }
        };
        let masked = |index: usize| -> Vec<f32> {
            let mask = masks.mask(index, size);
            input.data().iter().enumerate().map(|(at, number)| number * mask[at % pixels]).collect()
        };
        let numbers = runner.numbers(target, samples, &masked)?;
        let [mut sums, mut squares, mut coverage] = [(); 3].map(|()| vec![0.0f64; pixels]);
        for (index, &number) in numbers.iter().enumerate() {
            let mask = masks.mask(index, size);
            for (pixel, &share) in mask.iter().enumerate() {
                let term = number * f64::from(share);
                sums[pixel] += term;
                squares[pixel] += term * term;
                coverage[pixel] += f64::from(share);
            }
        }
        let count = samples as f64;
        let by_coverage = values.word(NORMALISATION.name) == Some("coverage");
        let divisor = |pixel: usize| if by_coverage { coverage[pixel] } else { count * probability };
        let map = (0..pixels).map(|pixel| match divisor(pixel) {
            0.0 => 0.0,
            divisor => (sums[pixel] / divisor) as f32,
        });
        let attribution = Attribution::of_input(Array::new(size, map.collect())?);
        let errors = (0..pixels).map(|pixel| match divisor(pixel) {
            0.0 => 0.0,
            divisor => {
                let variance = (squares[pixel] / count - (sums[pixel] / count).powi(2)).max(0.0);
                ((variance * count).sqrt() / divisor) as f32
            }
        });
        Ok(Attribution { standard_error: Some(Array::new(size, errors.collect())?), ..attribution })
    }
}
