//! Sparseness (Chalasani and others 2020): the Gini index of the map's magnitudes.

use deepinside_files::Array;

use super::{Measure, Metric, MetricEntry};
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Method, Runner};
use crate::{Result, Target};

pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "sparseness",
    title: "sparseness",
    summary: "The Gini index of the map's magnitudes: 0 where all are equal, nearly 1 where one holds everything.",
    source: "Chalasani, Chen, Chowdhury, Jha, Wu 2020, Concise Explanations of Neural Networks using Adversarial Training",
    parameters: &[STABILISER],
    make: |values| Ok(Box::new(Sparseness { values: values.clone() })),
};

const STABILISER: Parameter = Parameter {
    name: "stabiliser",
    help: "what is added to each magnitude: nothing in the paper, 0.0000001 in Quantus",
    unit: "",
    kind: Kind::Number { least: 0.0, most: f64::INFINITY },
    default: Default::Number(0.0),
};

#[derive(Debug)]
struct Sparseness {
    values: Values,
}

impl Metric for Sparseness {
    fn measure(
        &self,
        _runner: &mut Runner,
        _input: &Array,
        _target: &Target,
        map: &Array,
        _method: &dyn Method,
    ) -> Result<Measure> {
        let stabiliser = self.values.number(STABILISER.name).unwrap_or(0.0);
        let mut magnitudes: Vec<f64> =
            map.data().iter().map(|&number| f64::from(number).abs() + stabiliser).collect();
        magnitudes.sort_by(f64::total_cmp);
        let count = magnitudes.len() as f64;
        let sum: f64 = magnitudes.iter().sum();
        let weighted =
            magnitudes.iter().enumerate().map(|(at, number)| (2.0 * (at + 1) as f64 - count - 1.0) * number);
        Ok(Measure::of(if sum == 0.0 { 0.0 } else { weighted.sum::<f64>() / (count * sum) }))
    }
}
