//! ROAD (Rong and others 2022): the target's change where the pixels that matter most are filled in from their neighbours.

use deepinside_files::Array;

use super::{Measure, Metric, MetricEntry, per_pixel};
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Method, Runner};
use crate::{Error, Result, Target};

pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "road",
    title: "ROAD",
    summary: "The mean change of the target where pixels above each percentile of the map are filled in from their neighbours; less is better. Also those above the percentiles of the negative map, and half the difference.",
    source: "Rong, Leemann, Borisov, Kasneci, Kasneci 2022, A Consistent and Efficient Evaluation Strategy for Attribution Methods",
    parameters: &[PERCENTILES],
    make: |values| Ok(Box::new(Road { values: values.clone() })),
};

const PERCENTILES: Parameter = Parameter {
    name: "percentiles",
    help: "percentiles of the map, joined by commas or as an array: of 90 the tenth of the pixels above it is filled in; 10,20,…,90 where \
           they are not given",
    unit: "percent",
    kind: Kind::Numbers,
    default: Default::Chosen,
};

#[derive(Debug)]
struct Road {
    values: Values,
}

impl Metric for Road {
    fn measure(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        map: &Array,
        _method: &dyn Method,
    ) -> Result<Measure> {
        let map = per_pixel(map, input)?;
        let percentiles = match self.values.numbers(PERCENTILES.name) {
            Some(percentiles) => percentiles,
            None => (1..10).map(|tenth| 10.0 * f64::from(tenth)).collect(),
        };
        if percentiles.iter().any(|percentile| !(0.0..=100.0).contains(percentile)) {
            return Err(Error::Option("'percentiles' lie between 0 and 100".to_owned()));
        }
        let whole = runner.number(input, target)?;
        let mut curve = |map: &[f64]| -> Result<Vec<f64>> {
            let mut curve = Vec::new();
            for &percentile in &percentiles {
                let bound = percentile_of(map, percentile);
                let is_removed: Vec<bool> = map.iter().map(|&number| number >= bound).collect();
                curve.push(runner.number(&filled_in(input, &is_removed)?, target)? - whole);
            }
            Ok(curve)
        };
        let most = curve(&map)?;
        let least = curve(&map.iter().map(|number| 1.0 - number).collect::<Vec<_>>())?;
        let mean = |curve: &[f64]| curve.iter().sum::<f64>() / curve.len().max(1) as f64;
        let combined = (mean(&least) - mean(&most)) / 2.0;
        Ok(Measure {
            value: mean(&most),
            details: [("least", least), ("combined", vec![combined])].into(),
            curve: Some(most),
        })
    }
}

/// As NumPy's, linear between ranks.
fn percentile_of(numbers: &[f64], percentile: f64) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = percentile / 100.0 * (sorted.len() - 1) as f64;
    let low = place.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (place - low as f64) * (sorted[high] - sorted[low])
}

/// A pixel's neighbours and what each counts: straight ones a sixth, diagonal ones a twelfth.
const NEIGHBOURS: [(i64, i64, f64); 8] = [
    (-1, 0, 2.0),
    (0, -1, 2.0),
    (0, 1, 2.0),
    (1, 0, 2.0),
    (-1, -1, 1.0),
    (-1, 1, 1.0),
    (1, -1, 1.0),
    (1, 1, 1.0),
];

/// The input with each removed pixel the weighted mean of its neighbours, those removed too unknown: one linear system, whose matrix is
/// symmetric where rows are not normalised, solved by conjugate gradients.
fn filled_in(input: &Array, is_removed: &[bool]) -> Result<Array> {
    let &[_, height, width] = input.shape() else {
        return Err(Error::Option(format!("an input has three axes, found shape {:?}", input.shape())));
    };
    let unknown: Vec<usize> = (0..is_removed.len()).filter(|&pixel| is_removed[pixel]).collect();
    if unknown.len() == is_removed.len() {
        return Err(Error::Option(
            "a percentile removes every pixel, so that none is left to fill in from".to_owned(),
        ));
    }
    let neighbours = |pixel: usize| {
        let (row, column) = ((pixel / width) as i64, (pixel % width) as i64);
        NEIGHBOURS.iter().filter_map(move |&(down, across, weight)| {
            let (row, column) = (row + down, column + across);
            let inside = (0..height as i64).contains(&row) && (0..width as i64).contains(&column);
            inside.then(|| (row as usize * width + column as usize, weight))
        })
    };
    let diagonal: Vec<f64> =
        unknown.iter().map(|&pixel| neighbours(pixel).map(|(_, weight)| weight).sum()).collect();
    // One number a pixel, of which those that are known stay zero.
    let times = |plane: &[f64]| -> Vec<f64> {
        let row = |(&pixel, diagonal): (&usize, &f64)| {
            let others = neighbours(pixel).filter(|(other, _)| is_removed[*other]);
            diagonal * plane[pixel] - others.map(|(other, weight)| weight * plane[other]).sum::<f64>()
        };
        unknown.iter().zip(&diagonal).map(row).collect()
    };
    let mut numbers = input.data().to_vec();
    for channel in numbers.chunks_exact_mut(height * width) {
        let known = |&pixel: &usize| -> f64 {
            let known = neighbours(pixel).filter(|(other, _)| !is_removed[*other]);
            known.map(|(other, weight)| weight * f64::from(channel[other])).sum()
        };
        let right: Vec<f64> = unknown.iter().map(known).collect();
        let mut solution = vec![0.0; unknown.len()];
        let mut residual = right;
        let scale = dot(&residual, &residual).sqrt().max(1e-300);
        let scaled = |residual: &[f64]| -> Vec<f64> {
            residual.iter().zip(&diagonal).map(|(number, diagonal)| number / diagonal).collect()
        };
        let mut preconditioned = scaled(&residual);
        let mut direction = preconditioned.clone();
        let mut product = dot(&residual, &preconditioned);
        let mut plane = vec![0.0; height * width];
        for _ in 0..20 * (height + width) {
            if dot(&residual, &residual).sqrt() < 1e-12 * scale {
                break;
            }
            unknown.iter().zip(&direction).for_each(|(&pixel, &number)| plane[pixel] = number);
            let image = times(&plane);
            let step = product / dot(&direction, &image);
            for ((solution, residual), (direction, image)) in
                solution.iter_mut().zip(&mut residual).zip(direction.iter().zip(&image))
            {
                *solution += step * direction;
                *residual -= step * image;
            }
            preconditioned = scaled(&residual);
            let next = dot(&residual, &preconditioned);
            let share = next / product;
            product = next;
            direction.iter_mut().zip(&preconditioned).for_each(|(own, new)| *own = new + share * *own);
        }
        unknown.iter().zip(&solution).for_each(|(&pixel, &number)| channel[pixel] = number as f32);
    }
    Ok(Array::new(input.shape(), numbers)?)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_filled_in_as_it_was_and_borders_leave_out_what_is_outside() {
        let plane: Vec<f32> = (0..30).map(|at| (at / 6) as f32 + 2.0 * (at % 6) as f32).collect();
        let input = Array::new([1, 5, 6], plane.clone()).unwrap();
        let inner: Vec<bool> =
            (0..30).map(|at| (1..4).contains(&(at / 6)) && (1..5).contains(&(at % 6))).collect();
        let filled = filled_in(&input, &inner).unwrap();
        assert!(filled.data().iter().zip(&plane).all(|(found, expected)| (found - expected).abs() < 1e-5));
        // A corner: (2 · 2 + 2 · 1 + 1 · 3) / 5.
        let corner: Vec<bool> = (0..30).map(|at| at == 0).collect();
        assert!((filled_in(&input, &corner).unwrap().data()[0] - 9.0 / 5.0).abs() < 1e-6);
        assert!(filled_in(&input, &[true; 30]).is_err());
    }

    #[test]
    fn percentiles_are_numpys() {
        assert_eq!(percentile_of(&[3.0, 1.0, 2.0, 10.0], 50.0), 2.5);
        assert_eq!(percentile_of(&[3.0, 1.0, 2.0, 10.0], 100.0), 10.0);
    }
}
