//! Deletion (Petsiuk, Das, Saenko 2018, §4.1).

use super::MetricEntry;
use super::perturbation_curve::{Direction, PerturbationCurve, STEPS};
use crate::attribution::baseline::BASELINE;

pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "deletion",
    title: "deletion",
    summary: "The mean of the target while pixels are replaced by the baseline, those that matter most first; less is better.",
    source: "Petsiuk, Das, Saenko 2018, RISE, §4.1",
    parameters: &[STEPS, BASELINE],
    make: |values| Ok(Box::new(PerturbationCurve { direction: Direction::Deletion, values: values.clone() })),
};
