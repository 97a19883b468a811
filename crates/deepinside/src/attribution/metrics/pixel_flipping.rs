//! Pixel flipping (Bach and others 2015) as Quantus computes it: numbers of the input are replaced one by one, those that matter most
//! first.

use deepinside_files::Array;

use super::{Measure, Metric, MetricEntry};
use crate::attribution::baseline::range;
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Method, Runner};
use crate::{Error, Result, Target};

pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "pixel-flipping",
    title: "pixel flipping",
    summary: "The mean of the target while single numbers of the input, channel by channel, are replaced, those that matter most first; less is better. The curve begins behind the first step, as in Quantus.",
    source: "Bach, Binder, Montavon, Klauschen, Müller, Samek 2015, On Pixel-Wise Explanations, §4; Quantus 0.6",
    parameters: &[NUMBERS, REPLACEMENT],
    make: |values| Ok(Box::new(PixelFlipping { values: values.clone() })),
};

const NUMBERS: Parameter = Parameter {
    name: "values",
    help: "how many numbers are replaced in a step; a hundredth of them where it is not given",
    unit: "numbers",
    kind: Kind::Whole { least: 1, most: usize::MAX >> 11 },
    default: Default::Chosen,
};

const REPLACEMENT: Parameter = Parameter {
    name: "baseline",
    help: "what replaces them: the input's smallest number (black in Quantus), or zero",
    unit: "",
    kind: Kind::Choice(&["minimum", "zero"]),
    default: Default::Word("minimum"),
};

#[derive(Debug)]
struct PixelFlipping {
    values: Values,
}

impl Metric for PixelFlipping {
    fn measure(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        map: &Array,
        _method: &dyn Method,
    ) -> Result<Measure> {
        let (count, own) = (input.data().len(), map.data().len());
        if own == 0
            || !count.is_multiple_of(own)
            || !input.shape().ends_with(&map.shape()[map.shape().len().saturating_sub(2)..])
        {
            return Err(Error::Option(format!(
                "the attribution has one number for each pixel or number of the input, whose shape is {:?}, found {:?}",
                input.shape(),
                map.shape()
            )));
        }
        // One number a pixel counts for all of its channels.
        let number = |at: usize| map.data()[at % own];
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| number(b).total_cmp(&number(a)));
        let replacement = match self.values.word(REPLACEMENT.name) {
            Some("zero") => 0.0,
            _ => range(input).0,
        };
        let each = self.values.whole(NUMBERS.name).unwrap_or(count.div_ceil(100)).min(count);
        let mut rank = vec![0; count];
        order.iter().enumerate().for_each(|(place, &at)| rank[at] = place);
        let flipped = |step: usize| -> Vec<f32> {
            let numbers = input.data().iter().zip(&rank);
            numbers.map(|(&own, &rank)| if rank < (step + 1) * each { replacement } else { own }).collect()
        };
        let curve = runner.numbers(target, count.div_ceil(each), &flipped)?;
        // An empty sum is −0.
        let area = curve.windows(2).map(|ends| 0.5 * (ends[0] + ends[1])).fold(0.0, |sum, own| sum + own);
        let value = curve.iter().sum::<f64>() / curve.len() as f64;
        Ok(Measure { value, curve: Some(curve), details: [("area", vec![area])].into() })
    }
}
