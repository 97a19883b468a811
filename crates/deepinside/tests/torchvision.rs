//! What an ONNX network reads of a photograph, against torchvision's Resize, CenterCrop, ToTensor and Normalize.

use std::path::PathBuf;

use deepinside::files::npy;
use deepinside::vision::{Colour, Crop, Interpolation, Photograph, photograph};
use deepinside::{InputSettings, Model, Settings, Size};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// The upper left corner of a picture of 8 bits.
fn corner(picture: &Photograph, height: usize, width: usize) -> Photograph {
    let rows = picture.data().chunks_exact(picture.width() * 3).take(height);
    let levels = rows.flat_map(|row| &row[..width * 3]).map(|value| (value * 255.0).round() as u8);
    Photograph::from_samples(height, width, 3, levels.collect()).unwrap()
}

/// Odd sizes, whose longer side and whose margins round in different ways, one of them smaller than what it is resized to.
#[test]
fn inputs_of_onnx_networks_are_torchvision_s() {
    let cat = photograph::load(fixture("vision/tests/fixtures/chelsea_decoded.png"), Colour::Rgb).unwrap();
    for (mode, interpolation) in [("bilinear", None), ("bicubic", Some(Interpolation::PillowBicubic))] {
        let input = InputSettings { resize: Some(Size::Side(37)), interpolation, ..InputSettings::default() };
        let settings = Settings { input, ..Settings::default() };
        let model =
            Model::open_with(fixture("cli/tests/fixtures/onnx/residual/model.onnx"), settings).unwrap();
        for (height, width) in [(120, 160), (51, 77), (77, 50), (45, 46), (33, 97), (38, 37)] {
            let found = model.inputs(&corner(&cat, height, width), &[Crop::Centre]).unwrap();
            let name = format!("vision/tests/fixtures/pillow/input_{height}x{width}_{mode}.npy");
            let expected = npy::read(fixture(&name)).unwrap();
            assert_eq!(found.shape()[1..], *expected.shape());
            let pairs = found.data().iter().zip(expected.data());
            let most = pairs.map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max);
            // A level is 0.017: only the order of float operations differs.
            assert!(most < 2e-6, "{height}×{width}, {mode}: {most}");
        }
    }
}
