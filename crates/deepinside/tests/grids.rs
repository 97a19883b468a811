//! Layers as channels × rows × columns of the picture, against pytorch-grad-cam with the reshapes that it is customarily given;
//! `benches/peers/make_grid_fixtures.py` makes the networks.

use std::path::PathBuf;
use std::sync::Arc;

use deepinside::attribution::{Pass, Runner};
use deepinside::class_activation::{ActivationMap, Layers, Weighting, class_activation_map};
use deepinside::files::npy;
use deepinside::{Model, Settings, Target, Threads};

const CLASS: usize = 3;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/grids").join(name)
}

fn open(name: &str) -> Model {
    Model::open_with(fixture(&format!("{name}.onnx")), Settings::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Grad-CAM's map of the layers, from the picture that the peer saw.
fn grad_cam(name: &str, model: &Model, layers: Layers) -> deepinside::Result<deepinside::files::Array> {
    let values = ActivationMap { weighting: Weighting::GradCam, layers }.values(model)?;
    let mut runner = Runner::new(Arc::new(model.clone()), Threads::new(1)?);
    let picture = npy::read(fixture(&format!("{name}-picture.npy")))?;
    runner.one(&Pass::at_layers(&values), &Target::class(CLASS), picture.data(), |passed| {
        let (activation, gradient) = (passed.activation_maps(values[0])?, passed.gradient_maps(values[0])?);
        class_activation_map(&activation, &gradient, Weighting::GradCam)
    })
}

#[test]
fn class_activation_maps_of_tokens_windows_and_channels_last_are_the_peers() {
    let mut failures = Vec::new();
    let list = std::fs::read_to_string(fixture("layers.tsv")).unwrap();
    for line in list.lines() {
        let &[name, module, value] = &line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let model = open(name);
        let layers = if value == "-" { Layers::Last } else { Layers::Named(vec![value.to_owned()]) };
        let expected = npy::read(fixture(&format!("{name}-{module}.npy"))).unwrap();
        match grad_cam(name, &model, layers) {
            Err(error) => failures.push(format!("{name}, {module}: {error}")),
            Ok(found) if found.shape() != expected.shape() => {
                failures.push(format!("{name}, {module}: {:?} is not {:?}", found.shape(), expected.shape()));
            }
            Ok(found) => {
                let largest = expected.data().iter().fold(0f32, |most, number| most.max(*number));
                let pairs = found.data().iter().zip(expected.data());
                let most = pairs.map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max);
                if !(largest > 0.0 && most < 1e-4 * largest) {
                    failures.push(format!("{name}, {module}: differs by {most} of {largest}"));
                }
            }
        }
    }
    assert!(list.lines().count() >= 8 && failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn attention_and_pooled_values_are_refused_with_a_sentence() {
    let model = open("vit");
    let pooled = model.graph.value(model.score.value).name.clone();
    let error = grad_cam("vit", &model, Layers::Named(vec![pooled])).unwrap_err().to_string();
    assert!(error.contains("cannot be laid out as channels × rows × columns"), "{error}");
    // Behind the last attention the patches of a network that reads its class token say nothing.
    let last = model.graph.nodes().iter().rev().find_map(|node| {
        let value = node.outputs[0];
        let grid = model.grid(value).ok()?;
        (grid.left_out() > 0).then_some(value)
    });
    let name = model.graph.value(last.unwrap()).name.clone();
    let error = grad_cam("vit", &model, Layers::Named(vec![name])).unwrap_err().to_string();
    assert!(error.contains("does not depend on what it says at places"), "{error}");
}

#[test]
fn a_folded_layer_names_the_networks_own_elements() {
    for name in ["vit", "swin", "convnext"] {
        let model = open(name);
        for value in model.graph.nodes().iter().map(|node| node.outputs[0]) {
            let Ok(grid) = model.grid(value) else { continue };
            let count = model.graph.value(value).shape.elements();
            let numbers: Vec<f32> = (0..count).map(|index| index as f32).collect();
            let folded = grid.fold(&numbers).unwrap();
            let [channels, rows, columns] = grid.extents();
            assert_eq!(folded.data().len() + grid.left_out(), count, "{name}");
            let last = grid.element(channels - 1, rows - 1, columns / 2).unwrap();
            let place = ((channels - 1) * rows + rows - 1) * columns + columns / 2;
            assert_eq!(folded.data()[place], last as f32);
        }
    }
}
