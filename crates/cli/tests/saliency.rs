//! `deepinside saliency`: several classes, margins, networks that see grey, and maps that show nothing.

mod support;

use std::path::{Path, PathBuf};

use deepinside::drawing::Picture;
use deepinside::files::npy;
use support::{deepinside, json, stderr};

/// A field of a protocol buffer.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut length = content.len();
    let mut bytes = vec![number << 3 | 2];
    while length >= 128 {
        bytes.push(length as u8 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
    [bytes, content.to_vec()].concat()
}

fn number(field_number: u8, value: u8) -> Vec<u8> {
    vec![field_number << 3, value]
}

/// An ONNX network that sees grey pictures of 8 × 8: a convolution of 3 × 3 with two filters, a rectifier and the mean. The first
/// class's filter is all ones; the second's is too, but its bias keeps the rectifier shut for every picture.
fn grey_network(folder: &Path) -> PathBuf {
    let tensor = |name: &str, extents: &[u8], numbers: &[f32]| {
        let raw: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let extents: Vec<u8> = extents.iter().flat_map(|&extent| number(1, extent)).collect();
        field(5, &[extents, number(2, 1), field(8, name.as_bytes()), field(9, &raw)].concat())
    };
    let node = |operator: &str, inputs: &[&str], output: &str| {
        let inputs: Vec<u8> = inputs.iter().flat_map(|input| field(1, input.as_bytes())).collect();
        field(1, &[inputs, field(2, output.as_bytes()), field(4, operator.as_bytes())].concat())
    };
    let value = |role: u8, name: &str, extents: &[u8]| {
        let extents: Vec<u8> = extents.iter().flat_map(|&extent| field(1, &number(1, extent))).collect();
        let kind = field(1, &[number(1, 1), field(2, &extents)].concat());
        field(role, &[field(1, name.as_bytes()), field(2, &kind)].concat())
    };
    let graph = [
        node("Conv", &["x", "w", "b"], "c"),
        node("Relu", &["c"], "r"),
        node("GlobalAveragePool", &["r"], "p"),
        node("Flatten", &["p"], "y"),
        field(2, b"grey"),
        tensor("w", &[2, 1, 3, 3], &[1.0; 18]),
        tensor("b", &[2], &[0.0, -100.0]),
        value(11, "x", &[1, 1, 8, 8]),
        value(12, "y", &[1, 2]),
    ]
    .concat();
    let model = [number(1, 8), field(7, &graph), field(8, &number(2, 13))].concat();
    let path = folder.join("grey.onnx");
    std::fs::write(&path, model).unwrap();
    path
}

fn photograph(folder: &Path) -> String {
    let level = |index: usize| 40 + (index * 7 % 160) as u8;
    let path = folder.join("photograph.png");
    Picture::new(8, 8, (0..64).flat_map(|index| [level(index); 3]).collect())
        .unwrap()
        .write_png(&path)
        .unwrap();
    path.to_string_lossy().into_owned()
}

const FLAGS: [&str; 9] = ["--mean", "0", "--raw-scale", "1", "--scale", "1", "--crop", "whole", "--json"];

/// The score is the mean of the sums of all 3 × 3 windows: each pixel counts as often as windows cover it.
#[test]
fn networks_that_see_grey_have_maps() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let network = grey_network(folder.path()).to_string_lossy().into_owned();
    let arguments = ["saliency", &photograph(folder.path()), "-m", &network, "--class", "0"];
    let files = ["-o", &path("map.png"), "--raw", &path("map.npy")];
    let result = &json(&deepinside(arguments.into_iter().chain(files).chain(FLAGS)))[0];
    assert_eq!(result["constant_map"], false);
    let covered = |place: usize| place.min(5) - place.saturating_sub(2) + 1;
    let map = npy::read(path("map.npy")).unwrap();
    assert_eq!(map.shape(), [8, 8]);
    for (index, &found) in map.data().iter().enumerate() {
        let expected = (covered(index / 8) * covered(index % 8)) as f32 / 36.0;
        assert!((found - expected).abs() < 1e-6, "{index}: {found} instead of {expected}");
    }
}

#[test]
fn a_map_without_any_gradient_is_said_and_no_noise_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let network = grey_network(folder.path()).to_string_lossy().into_owned();
    for command in ["saliency", "localise"] {
        let arguments = [command, &photograph(folder.path()), "-m", &network, "--class", "1", "--mean", "0"];
        let more = [
            "--score",
            "y",
            "--raw-scale",
            "1",
            "--scale",
            "1",
            "--json",
            "-o",
            &path("map.png"),
            "--raw",
            &path("map.npy"),
        ];
        let output = deepinside(arguments.into_iter().chain(more).chain(["--resize", "8x8"]));
        let result = &json(&output)[0];
        let constant =
            if command == "saliency" { &result["constant_map"] } else { &result["boxes"][0]["constant_map"] };
        assert_eq!(*constant, true, "{command}: {result}");
        assert!(stderr(&output).contains("no pixel changes"), "{command}: {}", stderr(&output));
        assert!(npy::read(path("map.npy")).unwrap().data().iter().all(|&number| number == 0.0), "{command}");
        if command == "localise" {
            assert_eq!(result["boxes"][0]["box"], serde_json::json!([0.0, 0.0, 8.0, 8.0]));
        }
    }
}

#[cfg(feature = "builtin-model")]
mod built_in {
    use super::*;

    fn cat() -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cat.png");
        path.to_string_lossy().into_owned()
    }

    #[test]
    fn several_classes_at_once_have_the_maps_that_each_has_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        for crops in [&[][..], &["--ten-crops"]] {
            let run = |arguments: &[&str], to: &str| {
                let all = [
                    &["saliency", &cat(), "--json", "--raw", to, "-o", &path("pictures/")],
                    crops,
                    arguments,
                ];
                json(&deepinside(all.concat()))
            };
            let results = run(&["--top", "3"], &path("together/"));
            let classes: Vec<String> =
                results.iter().map(|result| result["class"]["index"].to_string()).collect();
            let top: Vec<String> = results[0]["top"].as_array().unwrap()[..3]
                .iter()
                .map(|class| class["index"].to_string())
                .collect();
            assert_eq!(classes, top);
            for class in &classes {
                run(&["--class", class], &path("alone.npy"));
                let together = npy::read(path(&format!("together/cat-{class}-saliency.npy"))).unwrap();
                assert_eq!(together, npy::read(path("alone.npy")).unwrap(), "{class}");
            }
            let pair = run(&["--class", &classes[2], "--class", &classes[0]], &path("pair/"));
            assert_eq!(pair[0]["class"]["index"].to_string(), classes[2]);
        }
    }

    /// The gradient is linear in the scores.
    #[test]
    fn the_gradient_of_a_margin_is_the_difference_of_gradients() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let gradient = |arguments: &[&str]| {
            let all =
                [&["saliency", &cat(), "-o", &path("map.png"), "--raw-gradient", &path("g.npy")], arguments];
            assert!(deepinside(all.concat()).status.success());
            npy::read(path("g.npy")).unwrap().data().to_vec()
        };
        let (first, second) = (gradient(&["--class", "281"]), gradient(&["--class", "285"]));
        let margin = gradient(&["--class", "281", "--minus", "285"]);
        let largest = margin.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
        assert!(largest > 0.0);
        for (margin, (first, second)) in margin.iter().zip(first.iter().zip(&second)) {
            assert!((margin - (first - second)).abs() < 1e-4 * largest, "{margin}");
        }
    }
}
