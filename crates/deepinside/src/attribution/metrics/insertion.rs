//! Insertion (Petsiuk, Das, Saenko 2018, §4.1).

use super::MetricEntry;
use super::perturbation_curve::{Direction, PerturbationCurve, STEPS};
use crate::attribution::baseline::BASELINE;

pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "insertion",
    title: "insertion",
    summary: "The mean of the target while pixels replace the baseline, those that matter most first; more is better.",
    source: "Petsiuk, Das, Saenko 2018, RISE, §4.1",
    parameters: &[STEPS, BASELINE],
    make: |values| {
        Ok(Box::new(PerturbationCurve { direction: Direction::Insertion, values: values.clone() }))
    },
};
