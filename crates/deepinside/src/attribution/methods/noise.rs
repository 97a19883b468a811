//! Attributions of noisy copies, and what is made of them: their mean, mean square, or variance.

use std::borrow::Cow;
use std::sync::Arc;

use deepinside_files::Array;
use rayon::prelude::*;

use super::gradient::Backward;
use super::integrated_gradients::{self, QUADRATURE, STEPS};
use crate::attribution::baseline::{BASELINE, range};
use crate::attribution::enough::{Rounds, UNTIL};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, samples, seed};
use crate::attribution::{Attribution, Method, Pass, Passes, Runner};
use crate::random::Random;
use crate::{BackwardRule, Error, Model, Result, Target, Threads};

/// What the three methods of this kind can be told.
pub(super) const PARAMETERS: &[Parameter] =
    &[SAMPLES, DEVIATION, ABSOLUTE, SEED, NOISE, OF, STEPS, QUADRATURE, BASELINE];

/// The same for the mean, whose standard error is known.
pub(super) const OF_A_MEAN: &[Parameter] =
    &[SAMPLES, UNTIL, DEVIATION, ABSOLUTE, SEED, NOISE, OF, STEPS, QUADRATURE, BASELINE];

/// The deviation of noise that maps are usually averaged over, as a share of the range of the input's numbers: in every door, unless
/// another is given.
pub const USUAL_DEVIATION: f64 = 0.15;

/// How many numbers are added up by one thread at a time.
const PIECE: usize = 16_384;

/// How many of them are added up beside each other, which stay in the processor's nearest memory.
const BLOCK: usize = 256;

/// From how many copies on their spread is looked at.
const FIRST_LOOK: usize = 16;

const SAMPLES: Parameter = samples("how many noisy copies", "copies", 25.0);

const DEVIATION: Parameter = Parameter {
    name: "deviation",
    help: "the noise's deviation, as a share of the range of the input's numbers",
    unit: "share",
    kind: Kind::Number { least: 0.0, most: f64::INFINITY },
    default: Default::Number(USUAL_DEVIATION),
};

const ABSOLUTE: Parameter = Parameter {
    name: "absolute",
    help: "whether the deviation is a number of the input's own and no share of its range",
    unit: "",
    kind: Kind::Flag,
    default: Default::Flag(false),
};

const SEED: Parameter = seed("the random seed; copies come in pairs of opposite noise");

const NOISE: Parameter = Parameter {
    name: "noise",
    help: "standard normal numbers, samples × C × H × W, used as they are instead of a seed",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const OF: Parameter = Parameter {
    name: "of",
    help: "what is computed of each copy; the parameters of integrated gradients count for that alone",
    unit: "",
    kind: Kind::Choice(&[
        "gradient",
        "input-x-gradient",
        "integrated-gradients",
        "guided",
        "deconvnet",
        "smooth-gates",
    ]),
    default: Default::Word("gradient"),
};

/// What is made of the copies' attributions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Summary {
    /// Their mean.
    Mean,
    /// The mean of their squares.
    MeanSquare,
    /// Their variance (that of a population: the mean square less the squared mean).
    Variance,
}

/// A method of this kind.
pub(super) fn make(summary: Summary, model: &Model, values: &Values) -> Result<Box<dyn Method>> {
    let backward = |rule| Box::new(Backward { rule }) as Box<dyn Method>;
    let (inner, rule) = match values.word(OF.name) {
        Some("integrated-gradients") => ((integrated_gradients::ENTRY.make)(model, values)?, None),
        Some("input-x-gradient") => ((super::input_x_gradient::ENTRY.make)(model, values)?, None),
        other => {
            let rule = match other {
                Some("guided") => BackwardRule::Guided,
                Some("deconvnet") => BackwardRule::DeconvNet,
                Some("smooth-gates") => BackwardRule::Smooth,
                _ => BackwardRule::Gradient,
            };
            (backward(rule), Some(rule))
        }
    };
    Ok(Box::new(Noisy {
        summary,
        inner,
        rule,
        samples: values.whole(SAMPLES.name).unwrap_or(25),
        deviation: values.number(DEVIATION.name).unwrap_or(USUAL_DEVIATION),
        is_absolute: values.flag(ABSOLUTE.name),
        seed: values.number(SEED.name).unwrap_or(0.0) as u64,
        noise: values.array(NOISE.name).cloned(),
        values: values.clone(),
    }))
}

#[derive(Debug)]
struct Noisy {
    summary: Summary,
    inner: Box<dyn Method>,
    /// Where the inner method is one backward pass, its rule: copies then go through the network at the same time.
    rule: Option<BackwardRule>,
    samples: usize,
    deviation: f64,
    is_absolute: bool,
    seed: u64,
    noise: Option<Arc<Array>>,
    values: Values,
}

impl Noisy {
    fn noise(&self, runner: &Runner, input: &Array) -> Result<Noise<'_>> {
        let size = input.data().len();
        if let Some(given) = &self.noise {
            let copies = given.data().len() / size;
            if given.shape().len() != 4 || given.shape()[1..] != *input.shape() {
                return Err(Error::Option(format!(
                    "'noise' is samples × C × H × W for an input of shape {:?}, found {:?}",
                    input.shape(),
                    given.shape()
                )));
            }
            // As many copies as there is noise for, unless fewer are asked for.
            return Ok(Noise { numbers: Cow::Borrowed(given.data()), size, copies, together: 1 });
        }
        let mut numbers = vec![0.0; self.samples.div_ceil(2) * size];
        let mut random = Random::new(self.seed);
        let mut drawn: Vec<(Random, &mut [f32])> = Vec::new();
        for numbers in numbers.chunks_mut(size) {
            drawn.push((random.clone(), numbers));
            random.skip_normal(size);
        }
        runner.threads().run(|| drawn.into_par_iter().for_each(|(mut random, own)| random.fill_normal(own)));
        Ok(Noise { numbers: Cow::Owned(numbers), size, copies: self.samples, together: 2 })
    }
}

/// The standard normal numbers of each copy.
struct Noise<'a> {
    numbers: Cow<'a, [f32]>,
    size: usize,
    copies: usize,
    /// How many copies share their numbers: random ones come in pairs of opposite noise, antithetic variates (Hammersley and Morton
    /// 1956), in whose mean cancels what is odd in the noise.
    together: usize,
}

impl Noise<'_> {
    fn copy(&self, input: &[f32], copy: usize, deviation: f32) -> Vec<f32> {
        let noise = &self.numbers[copy / self.together * self.size..][..self.size];
        let deviation = if copy.is_multiple_of(self.together) { deviation } else { -deviation };
        input.iter().zip(noise).map(|(number, noise)| number + deviation * noise).collect()
    }
}

impl Method for Noisy {
    fn passes(&self, model: &Model, input: &Array) -> Result<Passes> {
        let samples = match &self.noise {
            Some(given) => given.data().len() / input.data().len().max(1),
            None => self.samples,
        };
        Ok(self.inner.passes(model, input)?.times(samples))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let size = input.data().len();
        let noise = self.noise(runner, input)?;
        let deviation = if self.is_absolute {
            self.deviation as f32
        } else {
            let (low, high) = range(input);
            (self.deviation * f64::from(high - low)) as f32
        };
        let copy = |sample: usize| noise.copy(input.data(), sample, deviation);
        let mut moments = Moments::new(size, noise.together, self.summary);
        let threads = runner.threads().clone();
        let mut rounds = Rounds::new(&self.values, FIRST_LOOK, noise.copies);
        let mut enough = None;
        while let Some(round) = rounds.next() {
            match self.rule {
                Some(rule) => runner.each(
                    &Pass::to_input(runner.model(), rule),
                    target,
                    round.len(),
                    &|sample| copy(round.start + sample),
                    &|passed| passed.input_gradient(),
                    &mut |_, gradient| {
                        moments.add(gradient.into_data(), &threads);
                        Ok(())
                    },
                )?,
                None => {
                    for sample in round {
                        let copy = Array::new(input.shape(), copy(sample))?;
                        moments
                            .add(self.inner.attribute(runner, &copy, target)?.values.into_data(), &threads);
                    }
                }
            }
            if rounds.looks() {
                enough = rounds.look(moments.means(), moments.errors());
            }
        }
        let values = match self.summary {
            Summary::Mean => moments.means().map(|mean| mean as f32).collect(),
            Summary::MeanSquare => moments.mean_squares().map(|square| square as f32).collect(),
            Summary::Variance => moments.variances().map(|variance| variance as f32).collect(),
        };
        // One copy, or one pair, says nothing about it.
        let standard_error = (self.summary == Summary::Mean && moments.groups > 1)
            .then(|| Array::new(input.shape(), moments.errors().map(|error| error as f32).collect()));
        let is_alone = self.summary == Summary::Variance && moments.count == 1;
        let note = "one copy alone has no variance: the map is zero everywhere, whatever the network does";
        Ok(Attribution {
            standard_error: standard_error.transpose()?,
            samples: enough,
            notes: is_alone.then(|| note.to_owned()).into_iter().collect(),
            ..Attribution::of_input(Array::new(input.shape(), values)?)
        })
    }
}

/// Sums over copies, from which their mean, mean square and variance follow, and the mean's standard error.
struct Moments {
    count: usize,
    /// Of the copies' squares, where they are asked for.
    squares: Option<Vec<f64>>,
    /// How many copies depend on each other; groups of them do not.
    together: usize,
    groups: usize,
    /// The copies of the group that is not yet whole, and the sums of whole groups' sums and their squares.
    group: Vec<Vec<f32>>,
    group_sums: Vec<f64>,
    group_squares: Vec<f64>,
}

impl Moments {
    fn new(size: usize, together: usize, summary: Summary) -> Self {
        let squares = (summary != Summary::Mean).then(|| vec![0.0; size]);
        let [group_sums, group_squares] = [(); 2].map(|()| vec![0.0; size]);
        Self { count: 0, squares, together, groups: 0, group: Vec::new(), group_sums, group_squares }
    }

    /// Adds a copy's attribution, a piece on each thread.
    fn add(&mut self, values: Vec<f32>, threads: &Threads) {
        if let Some(squares) = &mut self.squares {
            squares
                .iter_mut()
                .zip(&values)
                .for_each(|(sum, &value)| *sum += f64::from(value) * f64::from(value));
        }
        self.count += 1;
        self.group.push(values);
        if self.group.len() < self.together {
            return;
        }
        self.groups += 1;
        let group = &self.group;
        let add = |block: usize, sums: &mut [f64], squares: &mut [f64]| {
            let mut whole = [0.0; BLOCK];
            for values in group {
                whole
                    .iter_mut()
                    .zip(&values[block * BLOCK..])
                    .for_each(|(sum, &value)| *sum += f64::from(value));
            }
            for ((sum, square), whole) in sums.iter_mut().zip(squares).zip(whole) {
                *sum += whole;
                *square += whole * whole;
            }
        };
        threads.run(|| {
            let sums = self.group_sums.par_chunks_mut(BLOCK).zip(self.group_squares.par_chunks_mut(BLOCK));
            let pieces = sums.enumerate().with_min_len(PIECE / BLOCK);
            pieces.for_each(|(block, (sums, squares))| add(block, sums, squares));
        });
        self.group.clear();
    }

    /// What the group that is not yet whole adds to the sums of an element.
    fn rest(&self, at: usize) -> f64 {
        self.group.iter().map(|values| f64::from(values[at])).sum()
    }

    fn means(&self) -> impl Iterator<Item = f64> {
        let sums = self.group_sums.iter().enumerate();
        sums.map(|(at, whole)| (whole + self.rest(at)) / self.count as f64)
    }

    fn mean_squares(&self) -> impl Iterator<Item = f64> {
        self.squares.iter().flatten().map(|square| square / self.count as f64)
    }

    fn variances(&self) -> impl Iterator<Item = f64> {
        self.means().zip(self.mean_squares()).map(|(mean, square)| (square - mean * mean).max(0.0))
    }

    /// The standard errors of the means: the deviation of the groups' means over the root of their number.
    fn errors(&self) -> impl Iterator<Item = f64> {
        let (groups, together) = (self.groups as f64, self.together as f64);
        let error = move |(sum, square): (&f64, &f64)| {
            let [mean, square] = [sum / groups / together, square / groups / (together * together)];
            ((square - mean * mean).max(0.0) / (groups - 1.0)).sqrt()
        };
        self.group_sums.iter().zip(&self.group_squares).map(error)
    }
}
