//! XGrad-CAM (Fu and others 2020): channels weighed by their gradient's mean, each position of it counting as much as the activation
//! there.

use super::class_activation::{POSITIVE, entry, make, weighted_sum};
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = entry(
    "xgrad-cam",
    &["xgradcam"],
    [
        "XGrad-CAM",
        "The channels of a layer, each weighed by its gradient, where the activation is large the more.",
        "Fu and others 2020, Axiom-based Grad-CAM, equation 8",
    ],
    &[POSITIVE],
    |model, values| {
        make(model, values, |activation, gradient, _| {
            let weight = |(activations, gradients): (&[f32], &[f32])| {
                let products = activations.iter().zip(gradients).map(|(&a, &g)| f64::from(a) * f64::from(g));
                let sum: f64 = activations.iter().map(|&number| f64::from(number)).sum();
                // As pytorch-grad-cam keeps silent channels from dividing by zero.
                products.sum::<f64>() / (sum + 1e-7)
            };
            let weights: Vec<f64> = activation.each().zip(gradient.each()).map(weight).collect();
            Ok(weighted_sum(activation, &weights))
        })
    },
);
