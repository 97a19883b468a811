//! Kernel SHAP (Lundberg and Lee 2017): Shapley values of segments by a weighted linear regression that is complete by construction.

use deepinside_files::Array;

use crate::attribution::baseline::{BASELINE, baseline};
use crate::attribution::enough::{Rounds, UNTIL};
use crate::attribution::linear_algebra::LeastSquares;
use crate::attribution::masks::{SEGMENTS, SUPERPIXELS, Segments, coalitions};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, samples, seed};
use crate::attribution::{Attribution, Completeness, Entry, Method, Passes, Runner};
use crate::random::Random;
use crate::{Error, Model, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "kernel-shap",
    aliases: &["kernelshap"],
    title: "Kernel SHAP",
    summary: "Shapley values of segments: what each adds to the target, meaned over all orders in which segments are switched on.",
    source: "Lundberg and Lee 2017, A Unified Approach to Interpreting Model Predictions, theorem 2",
    parameters: &[SAMPLES, UNTIL, SEGMENTS, SUPERPIXELS, MASKS, KERNEL, SEED, BASELINE],
    layers: false,
    make: |_, values| Ok(Box::new(KernelShap { values: values.clone() })),
};

const SAMPLES: Parameter = samples(
    "how many choices of segments; their sizes follow the Shapley kernel, and each comes with its opposite",
    "samples",
    300.0,
);

const MASKS: Parameter = Parameter {
    name: "masks",
    help: "the choices, samples × segments: 1 for a segment that stays, 0 for one that is hidden; instead of random ones",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const KERNEL: Parameter = Parameter {
    name: "kernel",
    help: "what choices count: one each, for those whose sizes follow the Shapley kernel; the Shapley kernel, for others; or as Captum \
           counts them, with an intercept and a million for all and for none instead of the exact constraint",
    unit: "",
    kind: Kind::Choice(&["sampled", "shapley", "captum"]),
    default: Default::Word("sampled"),
};

const SEED: Parameter = seed("the random seed of the choices");

#[derive(Debug)]
struct KernelShap {
    values: Values,
}

/// What a choice of `on` of `count` segments counts in the Shapley kernel.
fn shapley_kernel(on: usize, count: usize) -> f64 {
    if on == 0 || on == count {
        return 0.0;
    }
    // C(count, on), as a product of ratios.
    let binomial: f64 = (1..=on).map(|k| (count - on + k) as f64 / k as f64).product();
    (count - 1) as f64 / (binomial * on as f64 * (count - on) as f64)
}

/// Choices whose sizes have the probabilities of the Shapley kernel, in pairs of opposites.
fn sampled(count: usize, samples: usize, random: &mut Random) -> Vec<Vec<bool>> {
    let weights: Vec<f64> = (1..count).map(|on| 1.0 / (on as f64 * (count - on) as f64)).collect();
    let total: f64 = weights.iter().sum();
    let mut choices: Vec<Vec<bool>> = Vec::with_capacity(samples);
    while choices.len() < samples {
        if let (Some(last), 1) = (choices.last(), choices.len() % 2) {
            choices.push(last.iter().map(|on| !on).collect());
            continue;
        }
        let mut rest = random.uniform() * total;
        let size = 1 + weights
            .iter()
            .take_while(|&&weight| {
                rest -= weight;
                rest > 0.0
            })
            .count()
            .min(count - 2);
        let mut order: Vec<usize> = (0..count).collect();
        let mut choice = vec![false; count];
        for place in 0..size {
            let other = place + (random.uniform() * (count - place) as f64) as usize;
            order.swap(place, other);
            choice[order[place]] = true;
        }
        choices.push(choice);
    }
    choices
}

/// How many segments are on.
fn size(choice: &[bool]) -> usize {
    choice.iter().filter(|&&on| on).count()
}

fn on(on: bool) -> f64 {
    f64::from(u8::from(on))
}

/// Values of segments, and their standard errors where there are samples enough to know them.
type Estimate = (Vec<f64>, Option<Vec<f64>>);

/// With an intercept, and a million for all segments and for none.
fn as_captum(choices: &[Vec<bool>], numbers: &[f64]) -> Result<Estimate> {
    let count = choices[0].len();
    let x: Vec<f64> = choices
        .iter()
        .flat_map(|choice| choice.iter().map(|&own| on(own)).chain(std::iter::once(1.0)))
        .collect();
    let weight = |choice: &Vec<bool>| if [0, count].contains(&size(choice)) { 1e6 } else { 1.0 };
    let weights: Vec<f64> = choices.iter().map(weight).collect();
    let ridge = vec![0.0; count + 1];
    let fit = LeastSquares { x: &x, y: numbers, weights: &weights, ridge: &ridge }.fit(1)?;
    let own = |all: Vec<f64>| all.into_iter().take(count).collect();
    Ok((own(fit.coefficients.clone()), fit.errors().map(own)))
}

/// With the constraint that the values add up to the change from nothing to everything: the last one is what the others leave of it.
fn complete(
    choices: &[Vec<bool>],
    numbers: &[f64],
    [nothing, everything]: [f64; 2],
    is_weighted: bool,
    together: usize,
) -> Result<Estimate> {
    let count = choices[0].len();
    let (mut x, mut rest, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for (choice, number) in choices.iter().zip(numbers) {
        let weight = match size(choice) {
            own if own == 0 || own == count => continue,
            own if is_weighted => shapley_kernel(own, count),
            _ => 1.0,
        };
        let last = on(choice[count - 1]);
        x.extend(choice[..count - 1].iter().map(|&own| on(own) - last));
        rest.push(number - nothing - last * (everything - nothing));
        weights.push(weight);
    }
    let ridge = vec![0.0; count - 1];
    let fit = LeastSquares { x: &x, y: &rest, weights: &weights, ridge: &ridge }.fit(together)?;
    let mut errors = fit.errors();
    if let (Some(errors), Some(covariance)) = (&mut errors, &fit.covariance) {
        errors.push(covariance.iter().sum::<f64>().max(0.0).sqrt());
    }
    let mut values = fit.coefficients;
    values.push(everything - nothing - values.iter().sum::<f64>());
    Ok((values, errors))
}

impl Method for KernelShap {
    fn passes(&self, _model: &Model, _input: &Array) -> Result<Passes> {
        let given = self.values.array(MASKS.name).map(|masks| masks.shape()[0]);
        Ok(Passes::new(given.or(self.values.whole(SAMPLES.name)).unwrap_or(300) + 2, 0))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let values = &self.values;
        let segments = Segments::of(values, runner.model(), input)?;
        let baseline = baseline(values, input)?;
        let count = segments.count();
        if count < 2 {
            return Err(Error::Option("Kernel SHAP compares segments: at least 2 are needed".to_owned()));
        }
        let kernel = values.word(KERNEL.name).unwrap_or("sampled");
        let choices = match values.array(MASKS.name) {
            Some(given) => coalitions(given, count)?,
            None => {
                let mut random = Random::new(values.number(SEED.name).unwrap_or(0.0) as u64);
                sampled(count, values.whole(SAMPLES.name).unwrap_or(300), &mut random)
            }
        };
        let chosen = |sample: usize| segments.apply(input, &baseline, |segment| choices[sample][segment]);
        let [nothing, everything] = [&baseline, input].map(|end| runner.number(end, target));
        let ends = [nothing?, everything?];
        // Random choices come with their opposites, whose numbers depend on each other.
        let together = if values.array(MASKS.name).is_some() { 1 } else { 2 };
        let fit = |numbers: &[f64]| match kernel {
            "captum" => as_captum(&choices[..numbers.len()], numbers),
            _ => complete(&choices[..numbers.len()], numbers, ends, kernel == "shapley", together),
        };
        let mut rounds = Rounds::new(values, 4 * count, choices.len());
        let (mut numbers, mut samples) = (Vec::with_capacity(choices.len()), None);
        while let Some(round) = rounds.next() {
            numbers.extend(runner.numbers(target, round.len(), &|sample| chosen(round.start + sample))?);
            if rounds.looks() {
                let (values, errors) = fit(&numbers)?;
                samples = rounds.look(values, errors.unwrap_or_else(|| vec![f64::INFINITY]));
            }
        }
        let (coefficients, errors) = fit(&numbers)?;
        let completeness = Completeness { sum: coefficients.iter().sum(), difference: ends[1] - ends[0] };
        let shape = &input.shape()[1..];
        let standard_error = errors.map(|errors| Array::new(shape, segments.spread(&errors)));
        Ok(Attribution {
            completeness: Some(completeness),
            standard_error: standard_error.transpose()?,
            samples,
            ..Attribution::of_input(Array::new(shape, segments.spread(&coefficients))?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_that_of_the_theorem() {
        // (4 − 1) / (C(4, 1) · 1 · 3) and (4 − 1) / (C(4, 2) · 2 · 2).
        assert_eq!([0, 1, 2, 3, 4].map(|on| shapley_kernel(on, 4)), [0.0, 0.25, 0.125, 0.25, 0.0]);
    }

    #[test]
    fn samples_come_with_their_opposites_and_are_never_all_or_none() {
        let choices = sampled(5, 101, &mut Random::new(1));
        assert_eq!(choices.len(), 101);
        for pair in choices.chunks_exact(2) {
            assert!(pair[0].iter().zip(&pair[1]).all(|(a, b)| a != b));
        }
        assert!(choices.iter().all(|choice| choice.contains(&true) && choice.contains(&false)));
    }
}
