//! Resizing and grey values against Pillow itself, to the level; `benches/peers/make_pillow_fixtures.py` made the files.

use std::path::PathBuf;

use deepinside_files::npy;
use deepinside_vision::photograph::{self, Colour, GreyWeights, Photograph};
use deepinside_vision::{Crop, Interpolation, Mean, Transformer, crops, resize};

const MODES: [(&str, Interpolation); 2] =
    [("bilinear", Interpolation::PillowBilinear), ("bicubic", Interpolation::PillowBicubic)];

const LUMA: Colour = Colour::Grey(GreyWeights::Bt601);

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A picture in the channels that Pillow stored.
fn stored(name: &str) -> Photograph {
    let colour = if name.starts_with("grey") { LUMA } else { Colour::Rgb };
    photograph::load(fixture(&format!("pillow/{name}.png")), colour).unwrap()
}

/// How many levels two photographs differ at most.
fn most_levels(found: &Photograph, expected: &Photograph) -> f32 {
    let extents = |photograph: &Photograph| [photograph.height(), photograph.width(), photograph.channels()];
    assert_eq!(extents(found), extents(expected));
    let pairs = found.data().iter().zip(expected.data());
    pairs.map(|(found, expected)| (found - expected).abs() * 255.0).fold(0.0, f32::max)
}

#[test]
fn pictures_of_eight_bits_are_resized_to_pillow_s_levels() {
    for picture in ["colour", "grey"] {
        let source = stored(picture);
        for (mode, interpolation) in MODES {
            for (height, width) in [(20, 31), (70, 99), (90, 23), (53, 30), (29, 41), (5, 7), (1, 1)] {
                let found = resize::resize_image(&source, height, width, interpolation).unwrap();
                let name = format!("{picture}_{height}x{width}_{mode}");
                assert_eq!(most_levels(&found, &stored(&name)), 0.0, "{name}");
            }
            let same = resize::resize_image(&source, source.height(), source.width(), interpolation);
            assert_eq!(same.unwrap(), source);
        }
    }
}

/// Whatever the number of channels, each of them is what it is alone.
#[test]
fn channels_of_any_number_are_resized_alike() {
    let grey = stored("grey");
    let bytes: Vec<u8> = grey.data().iter().map(|value| (value * 255.0).round() as u8).collect();
    let five: Vec<u8> = bytes.iter().flat_map(|&byte| [byte, 255 - byte, byte, 0, 255]).collect();
    let five = Photograph::from_samples(grey.height(), grey.width(), 5, five).unwrap();
    for (_, interpolation) in MODES {
        let alone = resize::resize_image(&grey, 20, 31, interpolation).unwrap();
        let found = resize::resize_image(&five, 20, 31, interpolation).unwrap();
        for (pixel, value) in found.data().chunks_exact(5).zip(alone.data()) {
            assert_eq!([pixel[0], pixel[2], pixel[3], pixel[4]], [*value, *value, 0.0, 1.0]);
        }
    }
}

#[test]
fn deeper_pictures_are_resized_as_pillow_resizes_floats() {
    let grey = stored("grey");
    let values = Photograph::new(grey.height(), grey.width(), 1, grey.data().to_vec()).unwrap();
    for (mode, interpolation) in MODES {
        let found = resize::resize_image(&values, 20, 60, interpolation).unwrap();
        let expected = npy::read(fixture(&format!("pillow/values_20x60_{mode}.npy"))).unwrap();
        for (found, expected) in found.data().iter().zip(expected.data()) {
            assert!((found - expected).abs() < 1e-6, "{mode}: {found} instead of {expected}");
        }
    }
}

/// The fault that Caffe's border has: a bright picture that is enlarged gets a dark frame.
#[test]
fn an_enlarged_picture_has_no_dark_frame() {
    let mut levels = vec![200u8; 9 * 9 * 3];
    levels[4 * 9 * 3 + 4 * 3] = 0;
    let photograph = Photograph::from_samples(9, 9, 3, levels).unwrap();
    let corner =
        |interpolation| resize::resize_image(&photograph, 36, 36, interpolation).unwrap().data()[0] * 255.0;
    assert!(corner(Interpolation::AntiAliased) < 100.0);
    for (_, interpolation) in MODES {
        assert_eq!(corner(interpolation), 200.0);
    }
}

/// Very long rows are not interleaved with others; they take another way to the same levels.
#[test]
fn very_long_rows_are_resized_to_the_same_levels() {
    let (length, period) = ((1 << 16) + 60, 12);
    let long = |columns: usize| {
        let row: Vec<u8> =
            (0..columns).flat_map(|x| [x % period * 20, 7, x % 2 * 255].map(|v| v as u8)).collect();
        Photograph::from_samples(1, columns, 3, row).unwrap()
    };
    for (_, interpolation) in MODES {
        // A third of the width: the pattern repeats every four output samples, so short and long rows have the same middle.
        let columns = |columns: usize| {
            resize::resize_image(&long(columns), 1, columns / 3, interpolation).unwrap().data().to_vec()
        };
        let (short, long) = (columns(300), columns(length / 12 * 12));
        let middle = |row: &[f32]| row[12 * 3..60 * 3].to_vec();
        assert_eq!(middle(&short), middle(&long));
    }
}

#[test]
fn colour_becomes_grey_to_pillow_s_levels() {
    let expected = photograph::load(fixture("pillow/chelsea_grey.png"), LUMA).unwrap();
    let loaded = photograph::load(fixture("chelsea_decoded.png"), LUMA).unwrap();
    assert_eq!(most_levels(&loaded, &expected), 0.0);
    let colour = photograph::load(fixture("chelsea_decoded.png"), Colour::Rgb).unwrap();
    assert_eq!(colour.to_grey(GreyWeights::Bt601).unwrap(), expected);
}

#[test]
fn a_grey_input_is_what_torchvision_makes() {
    let cat = photograph::load(fixture("chelsea_decoded.png"), Colour::Rgb).unwrap();
    let corner = cat.data().chunks_exact(160 * 3).take(50).flat_map(|row| &row[..77 * 3]);
    let bytes = corner.map(|value| (value * 255.0).round() as u8).collect();
    let photograph = Photograph::from_samples(50, 77, 3, bytes).unwrap();
    for (mode, interpolation) in MODES {
        let transformer = Transformer {
            channel_order: deepinside_vision::ChannelOrder::Grey,
            raw_scale: 1.0,
            mean: Mean::None,
            interpolation,
            ..Transformer::new(32, 32)
        };
        let grey = transformer.in_its_colours(&photograph).unwrap();
        let longer = interpolation.convention().longer_side(37, 50, 77);
        let found = crops::classifier_inputs(&grey, [37, longer], &transformer, &[Crop::Centre]).unwrap();
        let expected = npy::read(fixture(&format!("pillow/input_grey_{mode}.npy"))).unwrap();
        assert_eq!(found.data(), expected.data(), "{mode}");
    }
}
