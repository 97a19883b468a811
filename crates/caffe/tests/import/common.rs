//! What the tests of whole networks share.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use deepinside_caffe::{
    ImportError, ImportOptions, Imported, LayerWeights, Network, ReadOptions, WeightBlob, WeightFile, import,
    read_network, read_weights,
};
use deepinside_graph::{DataType, ValueId};

/// A folder of the fixtures.
pub fn fixture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(case)
}

/// A description that must be readable.
pub fn network(text: &str) -> Network {
    read_network(text.as_bytes(), &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Imports the model and, if there are any, the weights in a folder.
pub fn import_folder(folder: &Path) -> Imported {
    let text = std::fs::read(folder.join("model.prototxt")).unwrap();
    let network = read_network(&text, &ReadOptions::default()).unwrap();
    let weights = folder.join("weights.caffemodel");
    let weights = weights.exists().then(|| read_weights(&weights).unwrap());
    import(&network, weights.as_ref(), &ImportOptions::default())
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// A weight file whose layers have arrays of these shapes, all zero.
pub fn weights(layers: &[(&str, &[&[usize]])]) -> WeightFile {
    let layers = layers.iter().map(|(name, shapes)| LayerWeights {
        name: (*name).to_owned(),
        kind: String::new(),
        blobs: shapes.iter().map(|shape| blob(shape, &vec![0.0; shape.iter().product()])).collect(),
    });
    WeightFile { name: String::new(), layers: layers.collect(), file: None }
}

/// An array of weights.
pub fn blob(shape: &[usize], numbers: &[f32]) -> WeightBlob {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    WeightBlob { shape: shape.to_vec(), legacy: false, data_type: DataType::F32, bytes: Bytes::from(bytes) }
}

/// Imports a description with weights.
pub fn import_text(text: &str, weights: Option<&WeightFile>) -> Result<Imported, ImportError> {
    import(&network(text), weights, &ImportOptions::default())
}

/// Imports a description that needs no weights and must be right.
pub fn imported(text: &str) -> Imported {
    import_text(text, None).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The name of a value.
pub fn name(imported: &Imported, value: ValueId) -> &str {
    &imported.graph.value(value).name
}

/// The names of all values but constants, in order.
pub fn value_names(imported: &Imported) -> Vec<&str> {
    let values = imported.graph.values().iter();
    values.filter(|value| value.weights().is_none()).map(|value| value.name.as_str()).collect()
}

/// An input of a shape, then the given layers.
pub fn with_input(shape: &[usize], layers: &str) -> String {
    let dims: String = shape.iter().map(|extent| format!("dim: {extent} ")).collect();
    format!(
        "layer {{ name: 'data' type: 'Input' top: 'data' input_param {{ shape {{ {dims} }} }} }}\n{layers}"
    )
}
