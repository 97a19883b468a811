//! Layers that compute nothing outside of training: Split, Dropout and Silence.

use deepinside_graph::op::Identity;

use super::{
    error::ImportError,
    importer::{Importer, Output},
    site::Site,
    storage::Use,
};
use crate::proto::Phase;

/// One value for each output, so that each has a gradient of its own. In Caffe they all are the memory of the
/// input.
pub(super) fn import_split(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let input = importer.operand(site, 0)?;
    for top in 0..site.tops().len() {
        importer.node(site, Identity, &[input], &[Output::View { top, with_gradient: false }])?;
    }
    Ok(())
}

pub(super) fn import_dropout(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    if site.parameter().phase == Some(Phase::Train as i32) {
        importer.warn(site, "it asks to run as in training; nothing is dropped out here");
    }
    let input = importer.operand(site, 0)?;
    importer.top(site, Identity, &[input])
}

/// Only says that its inputs are no outputs of the network.
pub(super) fn import_silence(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    for (position, name) in site.bottoms().iter().enumerate() {
        if !importer.dropped.contains_key(name) {
            importer.reference(site, position, Use::Silence)?;
        }
    }
    Ok(())
}
