//! Finer-CAM (Zhang and others 2025): Grad-CAM of what tells a class from those most like it.

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::class_activation::{
    POSITIVE, activations_and_gradients, attribution, entry, first, layers, means, weighted_sum,
};
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Attribution, Entry, Method, Runner};
use crate::target::Term;
use crate::{Error, Result, Target};

pub(super) const ENTRY: Entry = entry(
    "finer-cam",
    &["finercam"],
    [
        "Finer-CAM",
        "Grad-CAM of the score of a class minus the mean score of the classes that are most like it.",
        "Zhang and others 2025, Finer-CAM, equation 6",
    ],
    &[POSITIVE, ALPHA, COMPARED, CLASSES, WEIGHTING],
    |model, values| Ok(Box::new(FinerCam { layers: layers(model, values)?, values: values.clone() })),
);

const ALPHA: Parameter = Parameter {
    name: "alpha",
    help: "how much of the other classes' scores is subtracted",
    unit: "",
    kind: Kind::Number { least: 0.0, most: 1000.0 },
    default: Default::Number(1.0),
};

const COMPARED: Parameter = Parameter {
    name: "compared",
    help: "how many classes are compared: those whose scores are nearest",
    unit: "classes",
    kind: Kind::Whole { least: 1, most: 1000 },
    default: Default::Number(3.0),
};

const CLASSES: Parameter = Parameter {
    name: "classes",
    help: "the classes that are compared, instead of those with the nearest scores",
    unit: "",
    kind: Kind::Classes,
    default: Default::Chosen,
};

const WEIGHTING: Parameter = Parameter {
    name: "weighting",
    help: "whether the classes count the same, or by their probabilities, through which the gradient then flows as in pytorch-grad-cam",
    unit: "",
    kind: Kind::Choice(&["equal", "probability"]),
    default: Default::Word("equal"),
};

#[derive(Debug)]
struct FinerCam {
    layers: Vec<ValueId>,
    values: Values,
}

impl FinerCam {
    /// The target that is differentiated instead. Where classes count by their probabilities it has the same gradient as
    /// `Σ_j p_j (S_c − α S_j) / (Σ_j p_j + 1e-9)` at this input.
    fn difference(&self, runner: &mut Runner, input: &Array, class: usize) -> Result<Target> {
        let scores: Vec<f64> =
            runner.scores(input.data())?.scores.iter().map(|&score| f64::from(score)).collect();
        let alpha = self.values.number(ALPHA.name).unwrap_or(1.0);
        let compared: Vec<usize> = match self.values.classes(CLASSES.name) {
            Some(classes) => classes.to_vec(),
            None => {
                let mut nearest: Vec<usize> = (0..scores.len()).filter(|&other| other != class).collect();
                nearest.sort_by(|&a, &b| {
                    (scores[a] - scores[class]).abs().total_cmp(&(scores[b] - scores[class]).abs())
                });
                nearest.truncate(self.values.whole(COMPARED.name).unwrap_or(3));
                nearest
            }
        };
        if let Some(&index) = compared.iter().find(|&&other| other >= scores.len()) {
            return Err(Error::ClassOutOfRange { index, classes: scores.len() });
        }
        if compared.is_empty() {
            return Err(Error::Option(
                "Finer-CAM compares classes, and this network has one score".to_owned(),
            ));
        }
        let mut weights = vec![0.0f64; scores.len()];
        if self.values.word(WEIGHTING.name) == Some("probability") {
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
            let probabilities: Vec<f64> = scores.iter().map(|score| (score - largest).exp() / sum).collect();
            let total: f64 = compared.iter().map(|&other| probabilities[other]).sum::<f64>() + 1e-9;
            let differences = |other: usize| scores[class] - alpha * scores[other];
            let mean: f64 =
                compared.iter().map(|&other| probabilities[other] * differences(other)).sum::<f64>() / total;
            for &other in &compared {
                let share = probabilities[other] / total;
                weights[class] += share;
                weights[other] -= alpha * share;
                // Through p_j: ∂p_j/∂S_i = p_j (δ_ij − p_i).
                let slope = (differences(other) - mean) * share;
                weights[other] += slope;
                for (weight, probability) in weights.iter_mut().zip(&probabilities) {
                    *weight -= slope * probability;
                }
            }
        } else {
            weights[class] += 1.0;
            for &other in &compared {
                weights[other] -= alpha / compared.len() as f64;
            }
        }
        let terms = weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
        Ok(Target { terms: terms.map(|(class, &weight)| (weight as f32, Term::Class(class))).collect() })
    }
}

impl Method for FinerCam {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        first(self.attribute_layers(runner, input, target)?)
    }

    fn attribute_layers(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
    ) -> Result<Vec<Attribution>> {
        let class = target.as_class().ok_or_else(|| {
            Error::Option("Finer-CAM tells one class from others: its target is a class".to_owned())
        })?;
        let target = self.difference(runner, input, class)?;
        let mut found = Vec::new();
        for (layer, activation, gradient) in activations_and_gradients(runner, input, &target, &self.layers)?
        {
            let map = weighted_sum(&activation, &means(&gradient));
            found.push(attribution(layer, [activation.rows, activation.columns], map, &self.values)?);
        }
        Ok(found)
    }
}
