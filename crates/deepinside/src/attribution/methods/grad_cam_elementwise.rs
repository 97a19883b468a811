//! Element-wise Grad-CAM: the positive part of each channel's activation times its gradient (as in pytorch-grad-cam).

use super::class_activation::{POSITIVE, entry, make, sum_over_channels};
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = entry(
    "grad-cam-elementwise",
    &["grad-cam-element-wise"],
    [
        "element-wise Grad-CAM",
        "At each position the sum over channels of what is positive of activation times gradient.",
        "as GradCAMElementWise of pytorch-grad-cam",
    ],
    &[POSITIVE],
    |model, values| {
        make(model, values, |activation, gradient, _| {
            Ok(sum_over_channels(activation, gradient, |a, g| (a * g).max(0.0)))
        })
    },
);
