//! Every method on every kind of network: what it finds is finite, complete where it says so and zero only where it says so, or it is refused
//! with a sentence.

use std::path::PathBuf;
use std::sync::Arc;

use deepinside::attribution::{Attribution, Choices, Given, METHODS, Runner};
use deepinside::files::Array;
use deepinside::{Model, Settings, Target, Threads};

/// Residual sums, concatenations and grouped filters; rectifiers used twice in place, depthwise filters, grey pictures that are not square,
/// one score; gates, overlapping maxima, several results; several pictures at a time; tokens with and without a class token, windows,
/// channels last; filters that are computed; channels that are shuffled; squeezed and expanded ones.
const NETWORKS: &[&str] = &[
    "attribution/residual.onnx",
    "attribution/grey.onnx",
    "attribution/gated.onnx",
    "attribution/batch_of_two.onnx",
    "grids/vit.onnx",
    "grids/registers.onnx",
    "grids/swin.onnx",
    "grids/convnext.onnx",
    "../../../cli/tests/fixtures/onnx/channels_last/model.onnx",
    "../../../cli/tests/fixtures/onnx/computed_filters/model.onnx",
    "../../../cli/tests/fixtures/onnx/shuffle/model.onnx",
    "../../../cli/tests/fixtures/onnx/inverted/model.onnx",
    "../../../cli/tests/fixtures/onnx/residual/model.onnx",
];

/// Fewer samples than the defaults: what is tested does not depend on their number.
const FEW: &[(&str, &str)] =
    &[("samples", "12"), ("steps", "4"), ("window", "5"), ("stride", "4"), ("baseline", "uniform")];

fn choices(entry: &deepinside::attribution::Entry) -> Choices {
    let mut choices = Choices::default();
    for (name, value) in FEW {
        if entry.parameters.iter().any(|parameter| parameter.name == *name) {
            choices.given.insert((*name).to_owned(), Given::Text((*value).to_owned()));
        }
    }
    choices
}

/// A picture without any pattern, the same in every run.
fn input(model: &Model) -> Array {
    let shape = &model.graph.value(model.input).shape.extents()[1..];
    let count = shape.iter().product::<usize>();
    let number = |at: usize| ((at as f32 * 12.9898).sin() * 43_758.547).fract() * 2.0;
    Array::new(shape, (0..count).map(number).collect()).unwrap()
}

/// What is wrong with an attribution.
fn fault(found: &Attribution, is_complete: bool) -> Option<String> {
    let numbers = found.values.data();
    if !numbers.iter().all(|number| number.is_finite()) {
        return Some("it holds numbers that are not finite".to_owned());
    }
    if numbers.iter().all(|&number| number == 0.0) && found.notes.is_empty() {
        return Some("it is zero everywhere without a note".to_owned());
    }
    let complete = found.completeness.filter(|_| is_complete && found.notes.is_empty())?;
    let bound = 2e-3 * complete.difference.abs().max(1e-3);
    (complete.residual().abs() > bound)
        .then(|| format!("it is off by {} of {}", complete.residual(), complete.difference))
}

#[test]
fn every_method_is_right_or_refused_on_every_network() {
    let mut failures = Vec::new();
    let (mut made, mut refused) = (0, 0);
    for name in NETWORKS {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let model = match Model::open_with(&path, Settings::default()) {
            Ok(model) => Arc::new(model),
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let mut runner = Runner::new(Arc::clone(&model), Threads::new(2).unwrap());
        let input = input(&model);
        let target = Target::class(0);
        for entry in METHODS {
            let found = entry
                .make(&model, &choices(entry))
                .and_then(|method| method.attribute(&mut runner, &input, &target));
            match found {
                Ok(found) => {
                    made += 1;
                    // Those that add up by construction, whatever the number of samples.
                    let is_complete = ["deep-lift", "kernel-shap", "shapley-sampling"].contains(&entry.name);
                    failures.extend(
                        fault(&found, is_complete).map(|fault| format!("{} of {name}: {fault}", entry.name)),
                    );
                }
                Err(error) => {
                    refused += 1;
                    let text = error.to_string();
                    if text.split(' ').count() < 5 {
                        failures
                            .push(format!("{} of {name} is refused without a sentence: {text}", entry.name));
                    }
                    // Gradients and hidden pixels say something about every network.
                    if ["gradient", "integrated-gradients", "deep-lift", "occlusion", "rise"]
                        .contains(&entry.name)
                    {
                        failures.push(format!("{} of {name} is refused: {text}", entry.name));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(made > 8 * refused, "{made} made, {refused} refused");
}
