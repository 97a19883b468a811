//! The whole chain from photograph to network input, against arrays computed by Caffe's own Python interface.
//!
//! `noaa` is Caffe with the plain bilinear interpolation of 2015, `aa` with the anti-aliasing of newer scikit-image
//! versions. What starts from a photograph is in `shared.rs`.

use std::path::PathBuf;

use deepinside_files::{Array, npy};
use deepinside_vision::crops::{self, Crop};
use deepinside_vision::{
    Colour, GreyWeights, Interpolation, Mean, Photograph, Transformer, photograph, resize,
};

/// Largest accepted difference, in parts of the golden's largest magnitude.
const TOLERANCE: f64 = 1e-6;

const MODES: [(&str, Interpolation); 2] =
    [("noaa", Interpolation::Bilinear), ("aa", Interpolation::AntiAliased)];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn golden(name: &str) -> Array {
    npy::read(fixture(&format!("{name}.npy"))).unwrap()
}

fn as_photograph(array: &Array) -> Photograph {
    let [height, width, channels] = array.shape() else { panic!("{:?}", array.shape()) };
    Photograph::new(*height, *width, *channels, array.data().to_vec()).unwrap()
}

fn check_values(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0f64, |largest, &value| largest.max(f64::from(value).abs()));
    let error =
        found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).fold(0.0, f64::max);
    assert!(error <= TOLERANCE * largest, "{name}: error {:.2e} of the maximum", error / largest);
}

#[test]
fn loading_grey_and_transparent_files() {
    for (name, file, colour) in [
        ("load_gray_color", "gray.png", Colour::Rgb),
        ("load_gray_nocolor", "gray.png", Colour::Grey(GreyWeights::Bt709)),
        ("load_rgba", "rgba.png", Colour::Rgb),
    ] {
        let loaded = photograph::load(fixture(file), colour).unwrap();
        assert_eq!(golden(name).shape(), [loaded.height(), loaded.width(), loaded.channels()], "{name}");
        check_values(name, loaded.data(), golden(name).data());
    }
}

#[test]
fn resizing_tiny_images() {
    let input = as_photograph(&golden("tiny_in"));
    for (mode, interpolation) in MODES {
        for (height, width) in [(10, 12), (20, 25), (13, 9), (5, 40)] {
            let resized = resize::resize_image(&input, height, width, interpolation).unwrap();
            let name = format!("tiny_{height}x{width}_{mode}");
            check_values(&name, resized.data(), golden(&name).data());
        }
    }
}

#[test]
fn resizing_five_channels_and_a_constant() {
    for (_, interpolation) in MODES {
        let five = as_photograph(&golden("tiny5_in"));
        let resized = resize::resize_image(&five, 12, 5, interpolation).unwrap();
        check_values("tiny5_12x5", resized.data(), golden("tiny5_12x5").data());
        let constant = golden("const_resize");
        let source = Photograph::new(3, 5, 3, vec![constant.data()[0]; 45]).unwrap();
        let resized = resize::resize_image(&source, 7, 4, interpolation).unwrap();
        check_values("const_resize", resized.data(), constant.data());
    }
}

#[test]
fn mean_images_are_resized_as_set_mean_does() {
    for name in ["mean", "mean_f32", "mean_fortran"] {
        let resized = resize::resize_blob(&golden(name), 67, 67, Interpolation::Bilinear).unwrap();
        check_values(name, resized.data(), golden("mean_resized67").data());
    }
    // And within a transformer: a black photograph gives minus the mean.
    let mean = Mean::Image(golden("mean"));
    let black = Photograph::new(4, 4, 3, vec![0.0; 48]).unwrap();
    let input = Transformer { mean, ..Transformer::new(67, 67) }.preprocess(&black).unwrap();
    let negated: Vec<f32> = input.data().iter().map(|value| -value).collect();
    check_values("mean_resized67", &negated, golden("mean_resized67").data());
}

#[test]
fn oversampling_gives_the_same_crops_in_the_same_order() {
    let levels: Vec<f32> = (0..80 * 80 * 3).map(|index| (index * 7 % 251) as f32 / 250.0).collect();
    let photograph = Photograph::new(80, 80, 3, levels).unwrap();
    let ten = crops::oversample(&photograph, [67, 67]).unwrap();
    let transformer = Transformer::new(67, 67);
    let expected = crops::classifier_inputs(&photograph, [80, 80], &transformer, &Crop::TEN).unwrap();
    for (crop, expected) in ten.iter().zip(expected.data().chunks_exact(3 * 67 * 67)) {
        assert_eq!(transformer.preprocess(crop).unwrap().data(), expected);
    }
}
