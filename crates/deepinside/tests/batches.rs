//! Networks whose files fix a batch, or leave it open, run with any number of pictures.

use std::fs;
use std::path::{Path, PathBuf};

use deepinside::files::npy;
use deepinside::{Model, Threads};
use deepinside_engine::PlanOptions;

/// What each of these computes for a picture depends on the number of pictures, or on their places in the batch: initial states, say, that
/// differ from picture to picture, or reshapes with the number of pictures behind that of steps.
const FIXED: [(&str, &str); 8] = [
    ("attention_by_onnx_runtime", "'a@bias': constant: expected the same numbers for every picture"),
    ("computed_filters", "Reshape"),
    ("indexing_dynamo", "Reshape"),
    ("maxima_put_back", "first extent"),
    ("recurrent_gated_reader_dynamo", "Reshape"),
    ("recurrent_peepholes", "constant: expected the same numbers for every picture"),
    ("recurrent_reset_before", "constant: expected the same numbers for every picture"),
    ("recurrent_text_reader_dynamo", "Reshape"),
];

/// Two pictures at a time give the scores that ONNX Runtime has for them, and twice the pictures give them twice, whatever batch
/// the file was exported with.
#[test]
fn batches_of_any_size_give_the_scores_of_their_pictures() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/fixtures/onnx");
    let mut folders: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut faults = Vec::new();
    let mut tried = 0;
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let fixed = FIXED.iter().find(|(fixed, _)| *fixed == name);
        tried += 1;
        match (largest_difference(&folder), fixed) {
            (Ok(difference), None) if difference < 2e-6 => {}
            (Err(error), Some((_, reason))) if error.to_string().contains(reason) => {}
            (found, _) => faults.push(format!("{name}: {found:?}")),
        }
    }
    assert!(tried >= 17);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The largest difference to the scores of the folder, over the largest of them, with its pictures as one batch and twice.
fn largest_difference(folder: &Path) -> deepinside::Result<f32> {
    let [pictures, scores] = ["images.npy", "scores.npy"].map(|file| npy::read(folder.join(file)).unwrap());
    let model = Model::open(folder.join("model.onnx"))?;
    let (input, output) = (model.graph.inputs()[0], model.graph.outputs()[0]);
    let shape = pictures.shape();
    let is_channels_last = shape[1] != model.graph.value(input).shape.extents()[1];
    let numbers = match is_channels_last {
        true => channels_first(pictures.data(), shape[1] * shape[2], shape[3]),
        false => pictures.data().to_vec(),
    };
    let largest = scores.data().iter().fold(0.0_f32, |most, score| most.max(score.abs()));
    let mut difference = 0.0_f32;
    for times in [1, 2] {
        let options = PlanOptions { activations: vec![output], ..PlanOptions::default() };
        let mut session = model.session(times * shape[0], &options, &Threads::new(1)?)?;
        session.forward(&[(input, &numbers.repeat(times))])?;
        let found = session.activation(output)?;
        assert_eq!(found.len(), times * scores.data().len());
        let pairs = found.iter().zip(scores.data().iter().cycle());
        difference = pairs.map(|(one, other)| (one - other).abs() / largest).fold(difference, f32::max);
    }
    Ok(difference)
}

/// Pictures as `C × positions` that came as `positions × C`.
fn channels_first(numbers: &[f32], positions: usize, channels: usize) -> Vec<f32> {
    let pictures = numbers.chunks_exact(positions * channels);
    let channel = |picture: &[f32], channel: usize| {
        picture.iter().skip(channel).step_by(channels).copied().collect::<Vec<_>>()
    };
    pictures.flat_map(|picture| (0..channels).flat_map(move |at| channel(picture, at))).collect()
}
