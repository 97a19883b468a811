//! The whole chain from a photograph to network input, against arrays computed by Caffe's own Python interface: extra tests
//! that read the oracles beside the checkout (`DEEPINSIDE_SHARED`, as `.ci/run` sets it).
//!
//! `noaa` is Caffe with the plain bilinear interpolation of 2015, `aa` with the anti-aliasing of newer scikit-image
//! versions. Large arrays are stored with every 2nd, 4th or 8th row and column: the step follows from the shapes.

use std::path::{Path, PathBuf};

use deepinside_files::{Array, npy};
use deepinside_vision::crops::{self, Crop};
use deepinside_vision::{Colour, Interpolation, Mean, Photograph, Transformer, photograph};

/// Largest accepted difference, in parts of the golden's largest magnitude.
const TOLERANCE: f64 = 1e-6;

const MODES: [(&str, Interpolation); 2] =
    [("noaa", Interpolation::Bilinear), ("aa", Interpolation::AntiAliased)];

/// The folder of the oracles, or `None` with a note that the test is skipped.
#[allow(clippy::print_stdout, reason = "a skipped test must say so")]
fn shared() -> Option<PathBuf> {
    let folder =
        std::env::var_os("DEEPINSIDE_SHARED").map(|shared| PathBuf::from(shared).join("goldens/preproc"));
    if folder.is_none() {
        println!("skipped: DEEPINSIDE_SHARED does not name the folder with the oracles");
    }
    folder
}

fn golden(folder: &Path, name: &str) -> Array {
    npy::read(folder.join(format!("{name}.npy"))).unwrap()
}

fn cat(folder: &Path) -> Photograph {
    photograph::load(folder.join("cat_decoded.png"), Colour::Rgb).unwrap()
}

/// Compares with a golden, which may hold only every n-th row and column of its last two axes.
fn check(folder: &Path, name: &str, found: &Array) {
    let expected = golden(folder, name);
    let (planes, [height, width]) = found.shape().split_at(found.shape().len() - 2) else { unreachable!() };
    let shape = expected.shape();
    let rank = shape.len();
    assert_eq!(&shape[..rank - 2], planes, "{name}: planes");
    let step = (1..=8)
        .find(|&step| height.div_ceil(step) == shape[rank - 2] && width.div_ceil(step) == shape[rank - 1])
        .unwrap_or_else(|| panic!("{name}: {:?} against {shape:?}", found.shape()));
    let picked = found
        .data()
        .chunks_exact(height * width)
        .flat_map(|plane| {
            plane.chunks_exact(*width).step_by(step).flat_map(move |row| row.iter().step_by(step))
        })
        .copied()
        .collect::<Vec<f32>>();
    check_values(name, &picked, expected.data());
}

fn check_values(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0f64, |largest, &value| largest.max(f64::from(value).abs()));
    let error =
        found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).fold(0.0, f64::max);
    assert!(error <= TOLERANCE * largest, "{name}: error {:.2e} of the maximum", error / largest);
}

/// The settings of the original project: blue first, 0–255, ImageNet's mean pixel.
fn transformer(folder: &Path, size: usize, interpolation: Interpolation) -> Transformer {
    let mean = Mean::Pixel(golden(folder, "mean_pixel").into_data());
    Transformer { mean, interpolation, ..Transformer::new(size, size) }
}

#[test]
fn the_transformer_and_its_inverse() {
    let Some(folder) = shared() else { return };
    for (mode, interpolation) in MODES {
        let transformer = Transformer { input_scale: vec![0.017], ..transformer(&folder, 67, interpolation) };
        check(&folder, &format!("transformer67_{mode}"), &transformer.preprocess(&cat(&folder)).unwrap());
        let whole = crops::classifier_inputs(&cat(&folder), [80, 80], &transformer, &[Crop::Whole]).unwrap();
        check(&folder, &format!("transformer67_{mode}"), &whole.reshaped([3, 67, 67]).unwrap());
    }
    let transformer =
        Transformer { input_scale: vec![0.017], ..transformer(&folder, 67, Interpolation::Bilinear) };
    let back = transformer.deprocess(&golden(&folder, "transformer67_noaa")).unwrap();
    check_values("deprocess67", back.data(), golden(&folder, "deprocess67").data());
}

#[test]
fn classifier_inputs_of_small_crops() {
    let Some(folder) = shared() else { return };
    for (mode, interpolation) in MODES {
        let transformer = transformer(&folder, 67, interpolation);
        let kept = [0, 1, 2, 3, 4, 9].map(|index| Crop::TEN[index]);
        let inputs = crops::classifier_inputs(&cat(&folder), [80, 80], &transformer, &kept).unwrap();
        check(&folder, &format!("small67_80x80_{mode}_oversample"), &inputs);
        let centre =
            crops::classifier_inputs(&cat(&folder), [77, 90], &transformer, &[Crop::Centre]).unwrap();
        check(&folder, &format!("small67_77x90_{mode}_crop4"), &centre.reshaped([3, 67, 67]).unwrap());
    }
}

#[test]
fn classifier_inputs_at_full_size() {
    let Some(folder) = shared() else { return };
    for (mode, interpolation) in MODES {
        let transformer = transformer(&folder, 227, interpolation);
        let ten = crops::classifier_inputs(&cat(&folder), [256, 256], &transformer, &Crop::TEN).unwrap();
        check(&folder, &format!("full227_{mode}_oversample_sub8"), &ten);
        let centre =
            crops::classifier_inputs(&cat(&folder), [256, 256], &transformer, &[Crop::Centre]).unwrap();
        check(&folder, &format!("center227_{mode}_sub4"), &centre);
        let last = crops::classifier_inputs(&cat(&folder), [256, 256], &transformer, &[Crop::MirroredCentre])
            .unwrap();
        check(
            &folder,
            if mode == "aa" { "full227_aa_crop9_sub4" } else { "full227_noaa_crop9" },
            &last.reshaped([3, 227, 227]).unwrap(),
        );
    }
}

#[test]
fn a_photograph_decodes_to_the_values_of_libjpeg() {
    let Some(folder) = shared() else { return };
    let ours = photograph::load(folder.join("cat.jpg"), Colour::Rgb).unwrap();
    assert!(ours.data() == cat(&folder).into_data());
}
