//! VarGrad (Adebayo and others 2018): the variance of the gradients of noisy copies.

use super::noise::{self, Summary};
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = Entry {
    name: "var-grad",
    aliases: &["vargrad"],
    title: "VarGrad",
    summary: "The variance of the gradients over copies of the input with noise added.",
    source: "Adebayo, Gilmer, Goodfellow, Kim 2018, Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values",
    parameters: noise::PARAMETERS,
    layers: false,
    make: |model, values| noise::make(Summary::Variance, model, values),
};
