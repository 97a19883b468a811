//! The target's number while pixels are taken away or put back, those that matter most first.

use deepinside_files::Array;

use super::{Measure, Metric, per_pixel};
use crate::attribution::baseline::baseline;
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Method, Runner};
use crate::{Result, Target};

pub(super) const STEPS: Parameter = Parameter {
    name: "steps",
    help: "in how many equal steps all pixels change",
    unit: "steps",
    kind: Kind::Whole { least: 1, most: 1_000_000 },
    default: Default::Number(100.0),
};

/// What happens to pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// They become the baseline's.
    Deletion,
    /// The baseline's become them.
    Insertion,
}

#[derive(Debug)]
pub(super) struct PerturbationCurve {
    pub direction: Direction,
    pub values: Values,
}

impl Metric for PerturbationCurve {
    fn measure(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        map: &Array,
        _method: &dyn Method,
    ) -> Result<Measure> {
        let map = per_pixel(map, input)?;
        let baseline = baseline(&self.values, input)?;
        let (from, to) = match self.direction {
            Direction::Deletion => (input, &baseline),
            Direction::Insertion => (&baseline, input),
        };
        let pixels = map.len();
        let mut order: Vec<usize> = (0..pixels).collect();
        // Stable: of equal numbers the upper left one comes first.
        order.sort_by(|&a, &b| map[b].total_cmp(&map[a]));
        let mut rank = vec![0; pixels];
        for (place, &pixel) in order.iter().enumerate() {
            rank[pixel] = place;
        }
        let steps = self.values.whole(STEPS.name).unwrap_or(100);
        let each = pixels.div_ceil(steps);
        let points = pixels.div_ceil(each) + 1;
        let changed = |point: usize| -> Vec<f32> {
            let numbers = from.data().iter().zip(to.data()).enumerate();
            numbers
                .map(|(at, (&from, &to))| if rank[at % pixels] < point * each { to } else { from })
                .collect()
        };
        let curve = runner.numbers(target, points, &changed)?;
        Ok(Measure { value: area(&curve), curve: Some(curve), ..Measure::default() })
    }
}

/// The mean of the trapezoids below a curve of equal steps.
fn area(curve: &[f64]) -> f64 {
    let trapezoids = curve.windows(2).map(|ends| 0.5 * (ends[0] + ends[1]));
    trapezoids.sum::<f64>() / (curve.len() - 1).max(1) as f64
}
