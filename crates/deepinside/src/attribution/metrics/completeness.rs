//! Completeness (Sundararajan, Taly, Yan 2017): whether the map adds up to the target's change from a baseline.

use deepinside_files::Array;

use super::{Measure, Metric, MetricEntry};
use crate::attribution::baseline::{BASELINE, baseline};
use crate::attribution::parameter::Values;
use crate::attribution::{Method, Runner};
use crate::{Result, Target};

pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "completeness",
    title: "completeness",
    summary: "The sum of the map minus the target's change from the baseline to the input; 0 is best.",
    source: "Sundararajan, Taly, Yan 2017, Axiomatic Attribution for Deep Networks, proposition 1",
    parameters: &[BASELINE],
    make: |values| Ok(Box::new(Completeness { values: values.clone() })),
};

#[derive(Debug)]
struct Completeness {
    values: Values,
}

impl Metric for Completeness {
    fn measure(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        map: &Array,
        _method: &dyn Method,
    ) -> Result<Measure> {
        let sum: f64 = map.data().iter().map(|&number| f64::from(number)).sum();
        let change =
            runner.number(input, target)? - runner.number(&baseline(&self.values, input)?, target)?;
        Ok(Measure {
            details: [("sum", vec![sum]), ("change", vec![change])].into(),
            ..Measure::of(sum - change)
        })
    }
}
