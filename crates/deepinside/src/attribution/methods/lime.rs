//! LIME (Ribeiro, Singh, Guestrin 2016): a linear model of the target over segments that are switched on and off.

use deepinside_files::Array;

use crate::attribution::baseline::{BASELINE, baseline};
use crate::attribution::enough::{Rounds, UNTIL};
use crate::attribution::linear_algebra::LeastSquares;
use crate::attribution::masks::{SEGMENTS, SUPERPIXELS, Segments, coalitions};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, samples, seed};
use crate::attribution::{Attribution, Entry, Method, Passes, Runner};
use crate::random::Random;
use crate::{Error, Model, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "lime",
    aliases: &[],
    title: "LIME",
    summary: "The coefficients of a linear model that is fitted to the target over random choices of segments, those near the whole input counting most.",
    source: "Ribeiro, Singh, Guestrin 2016, Why Should I Trust You?, equation 2",
    parameters: &[SAMPLES, UNTIL, SEGMENTS, SUPERPIXELS, MASKS, WEIGHTS, RIDGE, KERNEL_WIDTH, SEED, BASELINE],
    layers: false,
    make: |_, values| Ok(Box::new(Lime { values: values.clone() })),
};

const SAMPLES: Parameter = samples("how many choices of segments", "samples", 500.0);

const MASKS: Parameter = Parameter {
    name: "masks",
    help: "the choices, samples × segments: 1 for a segment that stays, 0 for one that is hidden; instead of random ones",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const WEIGHTS: Parameter = Parameter {
    name: "weights",
    help: "what each choice counts, instead of the kernel's weights",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const RIDGE: Parameter = Parameter {
    name: "ridge",
    help: "how much the sum of the squared coefficients is punished; 0 is plain least squares",
    unit: "",
    kind: Kind::Number { least: 0.0, most: f64::INFINITY },
    default: Default::Number(1.0),
};

const KERNEL_WIDTH: Parameter = Parameter {
    name: "kernel-width",
    help: "the width of the exponential kernel over the cosine distance to the whole input",
    unit: "",
    kind: Kind::Number { least: 0.001, most: 1000.0 },
    default: Default::Number(0.25),
};

const SEED: Parameter = seed("the random seed of the choices");

#[derive(Debug)]
struct Lime {
    values: Values,
}

impl Method for Lime {
    fn passes(&self, _model: &Model, _input: &Array) -> Result<Passes> {
        let given = self.values.array(MASKS.name).map(|masks| masks.shape()[0]);
        Ok(Passes::new(given.or(self.values.whole(SAMPLES.name)).unwrap_or(500), 0))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let values = &self.values;
        let segments = Segments::of(values, runner.model(), input)?;
        let baseline = baseline(values, input)?;
        let count = segments.count();
        let choices = match values.array(MASKS.name) {
            Some(given) => coalitions(given, count)?,
            None => {
                let mut random = Random::new(values.number(SEED.name).unwrap_or(0.0) as u64);
                let mut choices: Vec<Vec<bool>> = (0..values.whole(SAMPLES.name).unwrap_or(500))
                    .map(|_| (0..count).map(|_| random.uniform() < 0.5).collect())
                    .collect();
                // The whole input is always among them.
                choices[0].fill(true);
                choices
            }
        };
        let width = values.number(KERNEL_WIDTH.name).unwrap_or(0.25);
        let kernel = |choice: &Vec<bool>| {
            let on = choice.iter().filter(|&&on| on).count() as f64;
            let distance = 1.0 - (on / count as f64).sqrt();
            (-(distance / width).powi(2)).exp()
        };
        let weights: Vec<f64> = match values.array(WEIGHTS.name) {
            Some(given) if given.data().iter().any(|&weight| weight < 0.0) => {
                return Err(Error::Option(
                    "'weights' are numbers of at least 0, found a negative one".to_owned(),
                ));
            }
            Some(given) if given.data().len() == choices.len() => {
                given.data().iter().map(|&weight| f64::from(weight)).collect()
            }
            Some(given) => {
                return Err(Error::Option(format!(
                    "'weights' has one number for each of {} choices, found {}",
                    choices.len(),
                    given.data().len()
                )));
            }
            None => choices.iter().map(kernel).collect(),
        };
        let chosen = |sample: usize| segments.apply(input, &baseline, |segment| choices[sample][segment]);
        // The last column is the intercept, which is not punished.
        let rows = choices
            .iter()
            .flat_map(|choice| choice.iter().map(|&on| f64::from(u8::from(on))).chain(std::iter::once(1.0)));
        let rows: Vec<f64> = rows.collect();
        let mut ridge = vec![values.number(RIDGE.name).unwrap_or(1.0); count];
        ridge.push(0.0);
        let mut rounds = Rounds::new(values, 4 * count, choices.len());
        let (mut numbers, mut samples) = (Vec::with_capacity(choices.len()), None);
        let fit = |numbers: &[f64]| {
            let (x, weights) = (&rows[..numbers.len() * (count + 1)], &weights[..numbers.len()]);
            LeastSquares { x, y: numbers, weights, ridge: &ridge }.fit(1)
        };
        while let Some(round) = rounds.next() {
            numbers.extend(runner.numbers(target, round.len(), &|sample| chosen(round.start + sample))?);
            if rounds.looks() {
                let fit = fit(&numbers)?;
                let errors = fit.errors().unwrap_or_else(|| vec![f64::INFINITY]);
                let own = |all: Vec<f64>| all.into_iter().take(count);
                samples = rounds.look(own(fit.coefficients), own(errors));
            }
        }
        let fit = fit(&numbers)?;
        let shape = &input.shape()[1..];
        let standard_error = fit.errors().map(|errors| Array::new(shape, segments.spread(&errors)));
        Ok(Attribution {
            standard_error: standard_error.transpose()?,
            samples,
            ..Attribution::of_input(Array::new(shape, segments.spread(&fit.coefficients))?)
        })
    }
}
