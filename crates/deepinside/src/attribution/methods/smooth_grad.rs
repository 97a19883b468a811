//! SmoothGrad (Smilkov and others 2017): the mean gradient of noisy copies.

use super::noise::{self, Summary};
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = Entry {
    name: "smooth-grad",
    aliases: &["smoothgrad"],
    title: "SmoothGrad",
    summary: "The mean gradient over copies of the input with noise added.",
    source: "Smilkov, Thorat, Kim, Viégas, Wattenberg 2017, SmoothGrad",
    parameters: noise::OF_A_MEAN,
    layers: false,
    make: |model, values| noise::make(Summary::Mean, model, values),
};
