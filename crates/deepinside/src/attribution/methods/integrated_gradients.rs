//! Integrated gradients (Sundararajan, Taly, Yan 2017): `(x − b) ∫₀¹ ∇S(b + α (x − b)) dα`, which adds up to `S(x) − S(b)`.

use deepinside_files::Array;

use crate::attribution::baseline::{BASELINE, MULTIPLY, baseline, factor, multiplies};
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Attribution, Completeness, Entry, Method, Pass, Passes, Runner};
use crate::{BackwardRule, Error, Model, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "integrated-gradients",
    aliases: &["ig"],
    title: "integrated gradients",
    summary: "The gradient along the straight line from a baseline to the input, times how far each number goes.",
    source: "Sundararajan, Taly, Yan 2017, Axiomatic Attribution for Deep Networks, equation 1",
    parameters: &[STEPS, QUADRATURE, BASELINE, MULTIPLY],
    layers: false,
    make: |_, values| Ok(Box::new(IntegratedGradients::new(values)?)),
};

pub(super) const STEPS: Parameter = Parameter {
    name: "steps",
    help: "at how many points of the line the gradient is computed",
    unit: "points",
    kind: Kind::Whole { least: 1, most: 10_000 },
    default: Default::Number(50.0),
};

pub(super) const QUADRATURE: Parameter = Parameter {
    name: "quadrature",
    help: "where the points lie and what each counts: Gauss–Legendre, trapezoids with both ends, those as Captum weighs them, which do not \
           add up to one, both ends counting as much as all others as in PAIR's saliency, or the \
           right end of each step as in zennit",
    unit: "",
    kind: Kind::Choice(&["gauss-legendre", "trapezoid", "captum-trapezoid", "pair", "right"]),
    default: Default::Word("gauss-legendre"),
};

#[derive(Debug)]
struct IntegratedGradients {
    /// Points in [0, 1] with their weights.
    points: Vec<(f64, f64)>,
    values: Values,
}

impl IntegratedGradients {
    fn new(values: &Values) -> Result<Self> {
        Ok(Self { points: points(values)?, values: values.clone() })
    }
}

/// The points that the parameters ask for, in [0, 1], with their weights.
pub(super) fn points(values: &Values) -> Result<Vec<(f64, f64)>> {
    let steps = values.whole(STEPS.name).unwrap_or(50);
    match values.word(QUADRATURE.name) {
        Some("trapezoid") => trapezoid(steps, 1.0),
        Some("captum-trapezoid") => trapezoid(steps, 1.0 - 1.0 / steps as f64),
        Some("pair") => {
            let last = (steps - 1).max(1) as f64;
            Ok((0..steps).map(|step| (step as f64 / last, 1.0 / steps as f64)).collect())
        }
        Some("right") => {
            Ok((1..=steps).map(|step| (step as f64 / steps as f64, 1.0 / steps as f64)).collect())
        }
        _ => Ok(gauss_legendre(steps)),
    }
}

impl Method for IntegratedGradients {
    fn passes(&self, _model: &Model, _input: &Array) -> Result<Passes> {
        let steps = self.points.len();
        Ok(Passes::new(steps + 2, steps))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let baseline = baseline(&self.values, input)?;
        let (from, to) = (baseline.data(), input.data());
        let at = |step: usize| -> Vec<f32> {
            let share = self.points[step].0;
            let between = |(&from, &to): (&f32, &f32)| {
                (f64::from(from) + share * (f64::from(to) - f64::from(from))) as f32
            };
            from.iter().zip(to).map(between).collect()
        };
        let pass = Pass::to_input(runner.model(), BackwardRule::Gradient);
        let mut sums = vec![0.0f64; to.len()];
        runner.each(
            &pass,
            target,
            self.points.len(),
            &at,
            &|passed| passed.input_gradient(),
            &mut |step, gradient| {
                let weight = self.points[step].1;
                for (sum, &number) in sums.iter_mut().zip(gradient.data()) {
                    *sum += weight * f64::from(number);
                }
                Ok(())
            },
        )?;
        let factor = factor(&self.values);
        for ((sum, &from), &to) in sums.iter_mut().zip(from).zip(to) {
            *sum *= factor(to, from);
        }
        // The input comes last, so that its number can be read next without another pass.
        let base = runner.number(&baseline, target)?;
        let difference = runner.number(input, target)? - base;
        let values = Array::new(input.shape(), sums.iter().map(|&sum| sum as f32).collect())?;
        let completeness = Completeness { sum: sums.iter().sum(), difference };
        let completeness = multiplies(&self.values).then_some(completeness);
        Ok(Attribution { completeness, ..Attribution::of_input(values) })
    }
}

/// Evenly spaced points with both ends, which count half; the weights add up to `sum`.
fn trapezoid(steps: usize, sum: f64) -> Result<Vec<(f64, f64)>> {
    if steps < 2 {
        return Err(Error::Option("trapezoids need at least 2 'steps', found 1".to_owned()));
    }
    let last = steps - 1;
    let point = |step: usize| {
        let share = if step == 0 || step == last { 0.5 } else { 1.0 };
        (step as f64 / last as f64, sum * share / last as f64)
    };
    Ok((0..steps).map(point).collect())
}

/// The abscissae and weights of Gauss–Legendre quadrature on [0, 1]: roots of the Legendre polynomial by Newton's method.
pub(super) fn gauss_legendre(steps: usize) -> Vec<(f64, f64)> {
    let n = steps as f64;
    let root = |index: usize| {
        let mut x = (std::f64::consts::PI * (index as f64 + 0.75) / (n + 0.5)).cos();
        let mut derivative = 1.0;
        for _ in 0..100 {
            let (mut last, mut value) = (1.0, x);
            for degree in 2..=steps {
                let degree = degree as f64;
                (last, value) = (value, ((2.0 * degree - 1.0) * x * value - (degree - 1.0) * last) / degree);
            }
            derivative = n * (x * value - last) / (x * x - 1.0);
            let change = value / derivative;
            x -= change;
            if change.abs() < 1e-15 {
                break;
            }
        }
        // In [0, 1], from the left.
        (0.5 - 0.5 * x, 1.0 / ((1.0 - x * x) * derivative * derivative))
    };
    (0..steps).map(root).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Abramowitz and Stegun, table 25.4, brought to [0, 1].
    #[test]
    fn points_and_weights_are_those_of_the_tables() {
        let three = gauss_legendre(3);
        let expected =
            [(0.112_701_665_379_258, 5.0 / 18.0), (0.5, 8.0 / 18.0), (0.887_298_334_620_742, 5.0 / 18.0)];
        for (found, expected) in three.iter().zip(expected) {
            assert!(
                (found.0 - expected.0).abs() < 1e-14 && (found.1 - expected.1).abs() < 1e-14,
                "{three:?}"
            );
        }
        assert_eq!(gauss_legendre(1), [(0.5, 1.0)]);
        for steps in [2, 50, 333] {
            let points = gauss_legendre(steps);
            assert!((points.iter().map(|point| point.1).sum::<f64>() - 1.0).abs() < 1e-12);
            assert!(points.is_sorted_by(|a, b| a.0 < b.0));
        }
    }

    #[test]
    fn trapezoids_add_up_to_one_and_captums_do_not() {
        let sum = |points: Vec<(f64, f64)>| points.iter().map(|point| point.1).sum::<f64>();
        assert!((sum(trapezoid(50, 1.0).unwrap()) - 1.0).abs() < 1e-12);
        assert!((sum(trapezoid(50, 0.98).unwrap()) - 0.98).abs() < 1e-12);
        assert_eq!(trapezoid(50, 0.98).unwrap()[1].1, 0.02);
    }
}
