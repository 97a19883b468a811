//! Eigen-Grad-CAM: what varies most over the positions of a layer's activation times its gradient.

use super::class_activation::{POSITIVE, entry, make, principal_component};
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = entry(
    "eigen-grad-cam",
    &["eigengradcam"],
    [
        "Eigen-Grad-CAM",
        "The first principal component of a layer's activation times its gradient.",
        "the library pytorch-grad-cam, after Muhammad and Yeasin 2020",
    ],
    &[POSITIVE],
    |model, values| {
        make(model, values, |activation, gradient, _| {
            Ok(principal_component(activation, |index| {
                f64::from(activation.numbers[index]) * f64::from(gradient.numbers[index])
            }))
        })
    },
);
