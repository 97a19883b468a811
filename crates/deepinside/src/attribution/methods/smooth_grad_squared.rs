//! SmoothGrad² (Hooker and others 2019): the mean square of the gradients of noisy copies.

use super::noise::{self, Summary};
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = Entry {
    name: "smooth-grad-squared",
    aliases: &["smoothgrad-squared"],
    title: "SmoothGrad²",
    summary: "The mean of the squared gradients over copies of the input with noise added.",
    source: "Hooker, Erhan, Kindermans, Kim 2019, A Benchmark for Interpretability Methods in Deep Neural Networks",
    parameters: noise::PARAMETERS,
    layers: false,
    make: |model, values| noise::make(Summary::MeanSquare, model, values),
};
