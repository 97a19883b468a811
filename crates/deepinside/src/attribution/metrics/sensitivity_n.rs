//! Sensitivity-n (Ancona and others 2018): whether the map's sum over some pixels tells what their loss does to the target.

use deepinside_files::Array;

use super::statistics::correlation;
use super::{Measure, Metric, MetricEntry, per_pixel};
use crate::attribution::baseline::{BASELINE, baseline};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, seed};
use crate::attribution::{Method, Runner};
use crate::random::Random;
use crate::{Error, Result, Target};

pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "sensitivity-n",
    title: "sensitivity-n",
    summary: "The correlation over random sets of pixels between the map's sum over a set and what the target loses without it; 1 is best.",
    source: "Ancona, Ceolini, Öztireli, Gross 2018, Towards Better Understanding of Gradient-Based Attribution Methods, definition 2",
    parameters: &[SUBSETS, PIXELS, SAMPLES, SEED, BASELINE],
    make: |values| Ok(Box::new(SensitivityN { values: values.clone() })),
};

const SUBSETS: Parameter = Parameter {
    name: "subsets",
    help: "the sets, number × height × width: 1 for a pixel of the set, 0 for others; rows of bytes as numpy.packbits writes them are read \
           too",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const PIXELS: Parameter = Parameter {
    name: "pixels",
    help: "how many pixels a random set has; a tenth of them where it is not given",
    unit: "pixels",
    kind: Kind::Whole { least: 1, most: usize::MAX >> 11 },
    default: Default::Chosen,
};

const SAMPLES: Parameter = Parameter {
    name: "samples",
    help: "how many random sets",
    unit: "sets",
    kind: Kind::Whole { least: 2, most: 100_000 },
    default: Default::Number(100.0),
};

const SEED: Parameter = seed("the random seed of sets");

#[derive(Debug)]
struct SensitivityN {
    values: Values,
}

impl SensitivityN {
    fn subsets(&self, pixels: usize) -> Result<Vec<Vec<bool>>> {
        let Some(given) = self.values.array(SUBSETS.name) else {
            let mut random = Random::new(self.values.number(SEED.name).unwrap_or(0.0) as u64);
            let size = self.values.whole(PIXELS.name).unwrap_or(pixels / 10).clamp(1, pixels);
            let subset = |_| {
                let (mut order, mut subset): (Vec<usize>, _) = ((0..pixels).collect(), vec![false; pixels]);
                for place in 0..size {
                    order.swap(place, place + (random.uniform() * (pixels - place) as f64) as usize);
                    subset[order[place]] = true;
                }
                subset
            };
            return Ok((0..self.values.whole(SAMPLES.name).unwrap_or(100)).map(subset).collect());
        };
        let row: usize = given.shape().get(1..).unwrap_or_default().iter().product();
        let rows = given.data().chunks_exact(row.max(1));
        if row == pixels {
            return Ok(rows.map(|row| row.iter().map(|&number| number > 0.5).collect()).collect());
        }
        if row == pixels.div_ceil(8) {
            let bit = |row: &[f32], pixel: usize| row[pixel / 8] as u8 >> (7 - pixel % 8) & 1 == 1;
            return Ok(rows.map(|row| (0..pixels).map(|pixel| bit(row, pixel)).collect()).collect());
        }
        Err(Error::Option(format!(
            "'subsets' has one number for each of {pixels} pixels in a row, found shape {:?}",
            given.shape()
        )))
    }
}

impl Metric for SensitivityN {
    fn measure(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        map: &Array,
        _method: &dyn Method,
    ) -> Result<Measure> {
        let map = per_pixel(map, input)?;
        let subsets = self.subsets(map.len())?;
        let baseline = baseline(&self.values, input)?;
        let whole = runner.number(input, target)?;
        let without = |set: usize| -> Vec<f32> {
            let numbers = input.data().iter().zip(baseline.data()).enumerate();
            numbers
                .map(|(at, (&own, &other))| if subsets[set][at % map.len()] { other } else { own })
                .collect()
        };
        let numbers = runner.numbers(target, subsets.len(), &without)?;
        let losses: Vec<f64> = numbers.iter().map(|number| whole - number).collect();
        let sum = |set: &Vec<bool>| -> f64 {
            set.iter().zip(&map).filter(|(is_in, _)| **is_in).map(|(_, number)| number).sum()
        };
        let sums: Vec<f64> = subsets.iter().map(sum).collect();
        Ok(Measure::of(correlation(&sums, &losses)))
    }
}
