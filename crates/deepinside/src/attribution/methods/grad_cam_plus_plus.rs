//! Grad-CAM++ (Chattopadhay and others 2018): positive gradients, weighed by `α = g² / (2 g² + Σ A · g³)`.

use super::class_activation::{POSITIVE, entry, make, weighted_sum};
use crate::attribution::Entry;
use crate::attribution::parameter::{Default, Kind, Parameter};

pub(super) const ENTRY: Entry = entry(
    "grad-cam-plus-plus",
    &["grad-cam++", "gradcam++", "gradcamplusplus"],
    [
        "Grad-CAM++",
        "The channels of a layer, each weighed by its positive gradients with the second and third derivatives of the exponential.",
        "Chattopadhay, Sarkar, Howlader, Balasubramanian 2018, Grad-CAM++, equations 10 and 19",
    ],
    &[POSITIVE, STABILISER],
    |model, values| {
        make(model, values, |activation, gradient, values| {
            let stabiliser = values.number(STABILISER.name).unwrap_or(0.0);
            let weight = |(activations, gradients): (&[f32], &[f32])| -> f64 {
                let sum: f64 = activations.iter().map(|&number| f64::from(number)).sum();
                let term = |&gradient: &f32| {
                    let g = f64::from(gradient);
                    let denominator = 2.0 * g * g + sum * g * g * g + stabiliser;
                    // Where the gradient is zero so is its share.
                    if g > 0.0 && denominator != 0.0 { g * g / denominator * g } else { 0.0 }
                };
                gradients.iter().map(term).sum()
            };
            let weights: Vec<f64> = activation.each().zip(gradient.each()).map(weight).collect();
            Ok(weighted_sum(activation, &weights))
        })
    },
);

const STABILISER: Parameter = Parameter {
    name: "stabiliser",
    help: "what is added to the denominator: nothing in the paper, 0.000001 in pytorch-grad-cam, which makes the map depend on the \
           size of the gradient",
    unit: "",
    kind: Kind::Number { least: 0.0, most: f64::INFINITY },
    default: Default::Number(0.0),
};
