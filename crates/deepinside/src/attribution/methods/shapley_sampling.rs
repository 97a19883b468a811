//! Shapley values by sampling (Štrumbelj and Kononenko 2010): what each segment adds where segments are switched on in random orders.

use deepinside_files::Array;

use crate::attribution::baseline::{BASELINE, baseline};
use crate::attribution::enough::{Rounds, UNTIL};
use crate::attribution::masks::{SEGMENTS, SUPERPIXELS, Segments};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, samples, seed};
use crate::attribution::{Attribution, Completeness, Entry, Method, Passes, Runner};
use crate::random::Random;
use crate::{Error, Model, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "shapley-sampling",
    aliases: &["shapley-value-sampling"],
    title: "Shapley value sampling",
    summary: "What each segment adds to the target where segments are switched on one after the other, meaned over random orders.",
    source: "Štrumbelj and Kononenko 2010, An Efficient Explanation of Individual Classifications using Game Theory, algorithm 1",
    parameters: &[SAMPLES, UNTIL, SEGMENTS, SUPERPIXELS, PERMUTATIONS, SEED, BASELINE],
    layers: false,
    make: |_, values| Ok(Box::new(ShapleySampling { values: values.clone() })),
};

const SAMPLES: Parameter = samples("how many orders; each takes one pass per segment", "orders", 10.0);

/// From how many orders on their spread is looked at.
const FIRST_LOOK: usize = 8;

const SEED: Parameter = seed("the random seed of orders");

const PERMUTATIONS: Parameter = Parameter {
    name: "permutations",
    help: "the orders, number × segments: in each row the segments, counted from 0 by rising labels, in the order in which they are \
           switched on; instead of random ones",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

#[derive(Debug)]
struct ShapleySampling {
    values: Values,
}

impl ShapleySampling {
    fn orders(&self, count: usize) -> Result<Vec<Vec<usize>>> {
        let Some(given) = self.values.array(PERMUTATIONS.name) else {
            let mut random = Random::new(self.values.whole(SEED.name).unwrap_or(0) as u64);
            let order = |_| {
                let mut order: Vec<usize> = (0..count).collect();
                for place in 0..count {
                    order.swap(place, place + (random.uniform() * (count - place) as f64) as usize);
                }
                order
            };
            return Ok((0..self.values.whole(SAMPLES.name).unwrap_or(10)).map(order).collect());
        };
        let segments = self.values.indices(PERMUTATIONS.name)?.unwrap_or_default();
        let orders: Vec<Vec<usize>> = segments.chunks_exact(count).map(<[usize]>::to_vec).collect();
        let is_order = |order: &Vec<usize>| {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            sorted.into_iter().eq(0..count)
        };
        if given.shape().last() != Some(&count) || orders.is_empty() || !orders.iter().all(is_order) {
            return Err(Error::Option(format!(
                "'permutations' has each of the {count} segments once in every row, counted from 0, found shape {:?}",
                given.shape()
            )));
        }
        Ok(orders)
    }
}

impl Method for ShapleySampling {
    fn passes(&self, model: &Model, input: &Array) -> Result<Passes> {
        let count = Segments::of(&self.values, model, input)?.count();
        let given = self.values.array(PERMUTATIONS.name).map(|given| given.data().len() / count.max(1));
        let orders = given.or(self.values.whole(SAMPLES.name)).unwrap_or(10);
        Ok(Passes::new(orders.saturating_mul(count.saturating_sub(1)) + 2, 0))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let segments = Segments::of(&self.values, runner.model(), input)?;
        let baseline = baseline(&self.values, input)?;
        let count = segments.count();
        let orders = self.orders(count)?;
        // The first place of each order is the baseline and its last the input: those are computed once.
        let steps = count - 1;
        let chosen = |sample: usize| {
            let on = &orders[sample / steps][..=sample % steps];
            let mut is_on = vec![false; count];
            on.iter().for_each(|&segment| is_on[segment] = true);
            segments.apply(input, &baseline, |segment| is_on[segment])
        };
        let [nothing, everything] = [&baseline, input].map(|end| runner.number(end, target));
        let (nothing, everything) = (nothing?, everything?);
        let mut rounds = Rounds::new(&self.values, FIRST_LOOK, orders.len());
        let (mut sums, mut squares, mut taken) = (vec![0.0; count], vec![0.0; count], 0);
        let mut samples = None;
        let estimate = |sums: &[f64], squares: &[f64], taken: usize| {
            let taken = taken as f64;
            let means: Vec<f64> = sums.iter().map(|sum| sum / taken).collect();
            let error = |(mean, square): (&f64, &f64)| {
                ((square / taken - mean * mean).max(0.0) / (taken - 1.0).max(1.0)).sqrt()
            };
            let errors: Vec<f64> = means.iter().zip(squares).map(error).collect();
            (means, errors)
        };
        while let Some(round) = rounds.next() {
            let numbers = runner
                .numbers(target, round.len() * steps, &|sample| chosen(round.start * steps + sample))?;
            for (order, own) in orders[round.clone()].iter().enumerate() {
                let mut before = nothing;
                for (place, &segment) in own.iter().enumerate() {
                    let now = if place == steps { everything } else { numbers[order * steps + place] };
                    sums[segment] += now - before;
                    squares[segment] += (now - before).powi(2);
                    before = now;
                }
            }
            taken = round.end;
            let (means, errors) = estimate(&sums, &squares, taken);
            samples = rounds.look(means, errors);
        }
        let (means, errors) = estimate(&sums, &squares, taken);
        let shape = &input.shape()[1..];
        let standard_error = Array::new(shape, segments.spread(&errors))?;
        let completeness = Completeness { sum: means.iter().sum(), difference: everything - nothing };
        Ok(Attribution {
            completeness: Some(completeness),
            standard_error: (taken > 1).then_some(standard_error),
            samples,
            ..Attribution::of_input(Array::new(shape, segments.spread(&means))?)
        })
    }
}
