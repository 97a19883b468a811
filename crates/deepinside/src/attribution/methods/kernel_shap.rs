//! Kernel SHAP (Lundberg and Lee 2017): Shapley values of segments by a weighted linear regression that is complete by construction.

use deepinside_vision::Array;

use crate::attribution::baseline::{BASELINE, baseline};
use crate::attribution::linear_algebra::least_squares;
use crate::attribution::masks::{SEGMENTS, SUPERPIXELS, Segments, coalitions};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, samples, seed};
use crate::attribution::{Attribution, Completeness, Entry, Method, Runner};
use crate::random::Random;
use crate::{Error, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "kernel-shap",
    aliases: &["kernelshap"],
    title: "Kernel SHAP",
    summary: "Shapley values of segments: what each adds to the target, meaned over all orders in which segments are switched on.",
    source: "Lundberg and Lee 2017, A Unified Approach to Interpreting Model Predictions, theorem 2",
    parameters: &[SAMPLES, SEGMENTS, SUPERPIXELS, MASKS, KERNEL, SEED, BASELINE],
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

impl Method for KernelShap {
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
        let numbers = runner.numbers(target, choices.len(), &chosen)?;
        let ends = [&baseline, input].map(|end| runner.number(end, target));
        let [nothing, everything] = ends;
        let (nothing, everything) = (nothing?, everything?);
        let size = |choice: &[bool]| choice.iter().filter(|&&on| on).count();
        let on = |on: bool| f64::from(u8::from(on));
        let coefficients = if kernel == "captum" {
            let rows: Vec<f64> = choices
                .iter()
                .flat_map(|choice| choice.iter().map(|&own| on(own)).chain(std::iter::once(1.0)))
                .collect();
            let weight = |choice: &Vec<bool>| if [0, count].contains(&size(choice)) { 1e6 } else { 1.0 };
            let weights: Vec<f64> = choices.iter().map(weight).collect();
            least_squares(&rows, &numbers, &weights, &vec![0.0; count + 1])?
        } else {
            // The last coefficient is what the others leave of the whole change.
            let (mut rows, mut rest, mut weights) = (Vec::new(), Vec::new(), Vec::new());
            for (choice, number) in choices.iter().zip(&numbers) {
                let weight = match (kernel, size(choice)) {
                    (_, own) if own == 0 || own == count => continue,
                    ("shapley", own) => shapley_kernel(own, count),
                    _ => 1.0,
                };
                let last = on(choice[count - 1]);
                rows.extend(choice[..count - 1].iter().map(|&own| on(own) - last));
                rest.push(number - nothing - last * (everything - nothing));
                weights.push(weight);
            }
            let mut coefficients = least_squares(&rows, &rest, &weights, &vec![0.0; count - 1])?;
            coefficients.push(everything - nothing - coefficients.iter().sum::<f64>());
            coefficients
        };
        let completeness =
            Completeness { sum: coefficients[..count].iter().sum(), difference: everything - nothing };
        let attribution =
            Attribution::of_input(Array::new(&input.shape()[1..], segments.spread(&coefficients))?);
        Ok(Attribution { completeness: Some(completeness), ..attribution })
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
