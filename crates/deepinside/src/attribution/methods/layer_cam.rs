//! LayerCAM (Jiang and others 2021): `Σ_k max(0, ∂S/∂A_k) · A_k`, at each position.

use super::class_activation::{POSITIVE, entry, make, sum_over_channels};
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = entry(
    "layer-cam",
    &["layercam"],
    [
        "LayerCAM",
        "The activation of a layer times its gradient where that is positive, summed over channels.",
        "Jiang and others 2021, LayerCAM, equations 3 and 4",
    ],
    &[POSITIVE],
    |model, values| {
        make(model, values, |activation, gradient, _| {
            Ok(sum_over_channels(activation, gradient, |a, g| g.max(0.0) * a))
        })
    },
);
