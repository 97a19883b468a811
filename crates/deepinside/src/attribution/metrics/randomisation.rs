//! Parameter randomisation (Adebayo and others 2018): whether the map changes where the network's weights are replaced.

use std::collections::BTreeMap;
use std::sync::Arc;

use deepinside_files::Array;
use deepinside_graph::{ValueId, Weights};

use super::statistics::rank_correlation;
use super::{Measure, Metric, MetricEntry};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, seed};
use crate::attribution::{Attribution, Method, Runner};
use crate::file_name::portable;
use crate::random::Random;
use crate::{Error, Model, Result, Target};

pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "randomisation",
    title: "parameter randomisation",
    summary: "The rank correlation of the map with that of the network with other weights; one near 1 shows a map that does not depend on what the network has learnt.",
    source: "Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim 2018, Sanity Checks for Saliency Maps, §3",
    parameters: &[WEIGHTS, MODE, DEPTHS, SEED],
    make: |values| Ok(Box::new(Randomisation { values: values.clone() })),
};

const WEIGHTS: Parameter = Parameter {
    name: "weights",
    help: "a folder of .npy files with other weights, by the names of the weights or of their layers, instead of random ones",
    unit: "",
    kind: Kind::Arrays,
    default: Default::Chosen,
};

const MODE: Parameter = Parameter {
    name: "mode",
    help: "whether weights are replaced from the score down, more and more of them, or those of each layer alone",
    unit: "",
    kind: Kind::Choice(&["cascading", "independent"]),
    default: Default::Word("cascading"),
};

const DEPTHS: Parameter = Parameter {
    name: "depths",
    help: "at how many depths of the network the map is compared",
    unit: "depths",
    kind: Kind::Whole { least: 1, most: 10_000 },
    default: Default::Number(3.0),
};

const SEED: Parameter =
    seed("the random seed of weights: normal numbers with the deviation of those that they replace");

#[derive(Debug)]
struct Randomisation {
    values: Values,
}

/// Weights with more than one axis, which scale nothing but mix what comes in, from the score down, each with the name of its layer.
fn mixing_weights(model: &Model) -> Vec<(ValueId, String)> {
    let leads = model.graph.leads_to(model.score.value);
    let mut found: Vec<(ValueId, String)> = Vec::new();
    for node in model.graph.nodes().iter().rev() {
        for &input in &node.inputs {
            let value = model.graph.value(input);
            let is_mixing = value.weights().is_some()
                && value.shape.extents().iter().filter(|&&extent| extent > 1).count() > 1;
            if is_mixing && leads[node.outputs[0].index()] && found.iter().all(|(known, _)| *known != input) {
                found.push((input, node.name.clone()));
            }
        }
    }
    found
}

impl Metric for Randomisation {
    fn measure(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        _map: &Array,
        method: &dyn Method,
    ) -> Result<Measure> {
        let model = Arc::clone(runner.model());
        let own = method.attribute(runner, input, target)?;
        let known = mixing_weights(&model);
        let mut curve = Vec::new();
        let mut signed = Vec::new();
        let mut compare = |changed: Model| -> Result<()> {
            let mut other = Runner::new(Arc::new(changed), runner.threads().clone());
            let map = method.attribute(&mut other, input, target)?;
            let [of_maps, of_values] = correlations(&own, &map)?;
            curve.push(of_maps);
            signed.push(of_values);
            Ok(())
        };
        if let Some(given) = self.values.arrays(WEIGHTS.name) {
            compare(replaced(&model, &known, given)?)?;
        } else {
            let depths = self.values.whole(DEPTHS.name).unwrap_or(3).min(known.len());
            let is_independent = self.values.word(MODE.name) == Some("independent");
            for depth in 1..=depths {
                let last = depth * known.len() / depths;
                let first = if is_independent { last - 1 } else { 0 };
                // Of the same seed, so that what was replaced stays as it is where more is.
                let mut random = Random::new(self.values.number(SEED.name).unwrap_or(0.0) as u64);
                let mut changed = model.as_ref().clone();
                for (value, _) in &known[first..last] {
                    let weights = random_like(&model, *value, &mut random)?;
                    changed.graph = changed.graph.with_weights(*value, weights)?;
                }
                compare(changed)?;
            }
        }
        // Where most is replaced, which stands last.
        let value = curve.last().copied().unwrap_or(1.0);
        Ok(Measure { value, curve: Some(curve), details: [("signed", signed)].into() })
    }
}

/// The rank correlations of two attributions: of their maps, one number a pixel, and of all their values with signs.
fn correlations(a: &Attribution, b: &Attribution) -> Result<[f64; 2]> {
    let numbers = |array: &Array| array.data().iter().map(|&number| f64::from(number)).collect::<Vec<f64>>();
    let of_maps = rank_correlation(&numbers(&a.map()?), &numbers(&b.map()?));
    Ok([of_maps, rank_correlation(&numbers(&a.values), &numbers(&b.values))])
}

/// The model with these weights in the places of others.
fn replaced(model: &Model, known: &[(ValueId, String)], given: &BTreeMap<String, Array>) -> Result<Model> {
    let mut changed = model.clone();
    for (name, array) in given {
        let by_name = model.graph.find(name).filter(|&value| model.graph.value(value).weights().is_some());
        let is_named = |(value, layer): &&(ValueId, String)| {
            portable(&model.graph.value(*value).name) == *name || layer == name || portable(layer) == *name
        };
        let value =
            by_name.or_else(|| known.iter().find(is_named).map(|(value, _)| *value)).ok_or_else(|| {
                let names: Vec<&str> = known.iter().take(5).map(|(_, layer)| layer.as_str()).collect();
                Error::Option(format!(
                    "no weights are called '{name}'; there are those of {}, …",
                    names.join(", ")
                ))
            })?;
        let shape = model.graph.value(value).shape.clone();
        if shape.elements() != array.data().len() {
            return Err(Error::Option(format!(
                "the weights '{name}' have shape {shape}, found {:?}",
                array.shape()
            )));
        }
        let weights =
            Weights::from_f32(shape, array.data()).map_err(|cause| Error::Option(cause.to_string()))?;
        changed.graph = changed.graph.with_weights(value, weights)?;
    }
    Ok(changed)
}

fn random_like(model: &Model, value: ValueId, random: &mut Random) -> Result<Weights> {
    let constant = model.graph.value(value);
    let own: Vec<f32> = constant.weights().map(|weights| weights.to_vec()).unwrap_or_default();
    let count = own.len().max(1) as f64;
    let mean = own.iter().map(|&number| f64::from(number)).sum::<f64>() / count;
    let deviation =
        (own.iter().map(|&number| (f64::from(number) - mean).powi(2)).sum::<f64>() / count).sqrt();
    let numbers: Vec<f32> = own.iter().map(|_| (deviation * random.normal()) as f32).collect();
    Weights::from_f32(constant.shape.clone(), &numbers).map_err(|cause| Error::Option(cause.to_string()))
}
