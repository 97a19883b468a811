//! What the tests of whole files share.

use std::path::{Path, PathBuf};

use deepinside_caffe::{
    Network, ReadOptions,
    proto::{LayerParameter, NetParameter},
    read_network,
};
use prost::Message;

/// A file of the fixtures.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// The bytes of a file that must be there.
pub fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a description that must be right.
pub fn network(path: impl AsRef<Path>) -> Network {
    let path = path.as_ref();
    read_network(&bytes(path), &ReadOptions::default())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names and types of the layers.
pub fn names_and_types(network: &Network) -> Vec<(String, String)> {
    let of = |layer: &LayerParameter| (layer.name().to_owned(), layer.r#type().to_owned());
    network.layers.iter().map(|layer| of(&layer.parameter)).collect()
}

/// Compares a description to the layers which Caffe itself wrote into a `.caffemodel` after it had read, upgraded,
/// filtered and split the same description. Answers how many layers were compared.
pub fn assert_equal_to_what_caffe_saved(network: &Network, caffemodel: &Path) -> usize {
    let saved = NetParameter::decode(&bytes(caffemodel)[..])
        .unwrap_or_else(|error| panic!("{}: {error}", caffemodel.display()));
    if saved.layer.is_empty() {
        return 0;
    }
    let name = caffemodel.display();
    let saved_layers: Vec<_> = saved.layer.iter().cloned().map(without_what_training_adds).collect();
    let ours: Vec<_> =
        network.layers.iter().map(|layer| without_what_training_adds(layer.parameter.clone())).collect();
    for (ours, saved) in ours.iter().zip(&saved_layers) {
        assert_eq!(ours, saved, "{name}");
    }
    assert_eq!(ours.len(), saved_layers.len(), "{name}");
    ours.len()
}

/// Removes what Caffe adds while it sets a layer up: the arrays, the phase, the rates of BatchNorm's statistics.
fn without_what_training_adds(mut layer: LayerParameter) -> LayerParameter {
    layer.blobs.clear();
    layer.phase = None;
    if layer.r#type() == "BatchNorm" {
        layer.param.clear();
    }
    layer
}
