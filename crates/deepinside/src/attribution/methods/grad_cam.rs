//! Grad-CAM (Selvaraju and others 2017): `Σ_k mean(∂S/∂A_k) A_k`.

use super::class_activation::{POSITIVE, entry, make, means, weighted_sum};
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = entry(
    "grad-cam",
    &["gradcam"],
    [
        "Grad-CAM",
        "The channels of a layer, each weighed by the mean of its gradient.",
        "Selvaraju and others 2017, Grad-CAM, equations 1 and 2",
    ],
    &[POSITIVE],
    |model, values| {
        make(model, values, |activation, gradient, _| Ok(weighted_sum(activation, &means(gradient))))
    },
);
