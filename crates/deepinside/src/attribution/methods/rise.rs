//! RISE (Petsiuk, Das, Saenko 2018): the mean of random masks, each weighted by the target's number for the masked input.

use deepinside_files::Array;

use crate::attribution::enough::{Rounds, UNTIL};
use crate::attribution::masks::{Enlargement, enlarge};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, samples, seed};
use crate::attribution::{Attribution, Entry, Method, Passes, Runner};
use crate::random::Random;
use crate::{Error, Model, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "rise",
    aliases: &[],
    title: "RISE",
    summary: "The mean of random smooth masks, each weighted by the target's number for the input masked with it.",
    source: "Petsiuk, Das, Saenko 2018, RISE, equation 6",
    parameters: &[SAMPLES, UNTIL, PROBABILITY, CELLS, SEED, MASKS, NORMALISATION],
    layers: false,
    make: |_, values| Ok(Box::new(Rise { values: values.clone() })),
};

const SAMPLES: Parameter = samples("how many masks", "masks", 1000.0);

/// From how many masks on their spread is looked at.
const FIRST_LOOK: usize = 64;

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
    fn passes(&self, _model: &Model, input: &Array) -> Result<Passes> {
        let pixels = input.shape()[1..].iter().product::<usize>().max(1);
        let given = self.values.array(MASKS.name).map(|masks| masks.data().len() / pixels);
        Ok(Passes::new(given.or(self.values.whole(SAMPLES.name)).unwrap_or(1000), 0))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let values = &self.values;
        let &[_, height, width] = input.shape() else {
            return Err(Error::Option(format!("an input has three axes, found shape {:?}", input.shape())));
        };
        let (size, pixels) = ([height, width], height * width);
        let probability = values.number(PROBABILITY.name).unwrap_or(0.5);
        let (masks, most) = match values.array(MASKS.name) {
            Some(given) => {
                if !given.data().len().is_multiple_of(pixels) || !given.shape().ends_with(&size) {
                    return Err(Error::Option(format!(
                        "'masks' is number × {height} × {width}, found shape {:?}",
                        given.shape()
                    )));
                }
                // Whole numbers of bytes stand for shares. Shares that interpolation left a little above 1 are none.
                let is_above = given.data().iter().any(|&number| number > 1.0);
                let are_bytes = is_above && given.data().iter().all(|number| number.fract() == 0.0);
                let scale = if are_bytes { 1.0 / 255.0 } else { 1.0 };
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
        let [mut sums, mut squares, mut coverage] = [(); 3].map(|()| vec![0.0f64; pixels]);
        let by_coverage = values.word(NORMALISATION.name) == Some("coverage");
        let estimate = |sums: &[f64], squares: &[f64], coverage: &[f64], count: f64| {
            let one = |pixel: usize| match if by_coverage { coverage[pixel] } else { count * probability } {
                0.0 => (0.0, 0.0),
                divisor => {
                    let variance = (squares[pixel] / count - (sums[pixel] / count).powi(2)).max(0.0);
                    (sums[pixel] / divisor, (variance * count).sqrt() / divisor)
                }
            };
            (0..pixels).map(one).unzip::<f64, f64, Vec<f64>, Vec<f64>>()
        };
        let mut rounds = Rounds::new(values, FIRST_LOOK, most);
        let (mut taken, mut samples) = (0.0, None);
        while let Some(round) = rounds.next() {
            let numbers = runner.numbers(target, round.len(), &|index| masked(round.start + index))?;
            for (index, &number) in round.clone().zip(&numbers) {
                let mask = masks.mask(index, size);
                for (pixel, &share) in mask.iter().enumerate() {
                    let term = number * f64::from(share);
                    sums[pixel] += term;
                    squares[pixel] += term * term;
                    coverage[pixel] += f64::from(share);
                }
            }
            taken = round.end as f64;
            if rounds.looks() {
                let (means, errors) = estimate(&sums, &squares, &coverage, taken);
                samples = rounds.look(means, errors);
            }
        }
        let (means, errors) = estimate(&sums, &squares, &coverage, taken);
        let [map, errors] =
            [means, errors].map(|own| Array::new(size, own.iter().map(|&one| one as f32).collect()));
        Ok(Attribution { standard_error: Some(errors?), samples, ..Attribution::of_input(map?) })
    }
}
