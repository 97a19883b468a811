//! HiResCAM (Draelos and Carin 2020): `Σ_k ∂S/∂A_k · A_k`, at each position.

use super::class_activation::{POSITIVE, entry, make, sum_over_channels};
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = entry(
    "hi-res-cam",
    &["hirescam"],
    [
        "HiResCAM",
        "The activation of a layer times its gradient, summed over channels.",
        "Draelos and Carin 2020, Use HiResCAM instead of Grad-CAM, equation 5",
    ],
    &[POSITIVE],
    |model, values| {
        make(model, values, |activation, gradient, _| {
            Ok(sum_over_channels(activation, gradient, |a, g| g * a))
        })
    },
);
