//! Eigen-CAM (Muhammad and Yeasin 2020): what varies most over the positions of a layer.

use super::class_activation::{POSITIVE, entry, make, principal_component};
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = entry(
    "eigen-cam",
    &["eigencam"],
    [
        "Eigen-CAM",
        "The first principal component of a layer's activation; it does not depend on the target.",
        "Muhammad and Yeasin 2020, Eigen-CAM",
    ],
    &[POSITIVE],
    |model, values| {
        make(model, values, |activation, _gradient, _| {
            Ok(principal_component(activation, |index| f64::from(activation.numbers[index])))
        })
    },
);
