//! Pictures on disk, their limits, and the grid of maps against arrays computed by Caffe's own Python interface.

use std::path::PathBuf;

use deepinside_drawing::picture::PIXEL_LIMIT;
use deepinside_drawing::{Picture, class_model, grid};
use deepinside_files::{self as files, Array, npy};
use deepinside_vision::{ChannelOrder, Colour, Error, LoadOptions, Photograph, photograph};

/// Largest accepted difference, in parts of the golden's largest magnitude.
const TOLERANCE: f32 = 1e-6;

fn golden(name: &str) -> Array {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    npy::read(fixtures.join(format!("{name}.npy"))).unwrap()
}

#[test]
fn the_grid_of_the_class_model_image() {
    // The class model after 20 iterations, channels put last, as one map of three colours.
    let ascent = golden("ascent_lr100_it20");
    let plane = 67 * 67;
    let channels_last =
        (0..plane).flat_map(|at| [0, 1, 2].map(|channel| ascent.data()[channel * plane + at])).collect();
    let map = Array::new([1, 67, 67, 3], channels_last).unwrap();
    let grid = grid::vis_square(&map, 1, 0.0).unwrap();
    assert_eq!(grid.shape(), golden("ascent_vis").shape());
    let expected = golden("ascent_vis");
    let largest = expected.data().iter().fold(0f32, |largest, value| largest.max(value.abs()));
    for (found, expected) in grid.data().iter().zip(expected.data()) {
        assert!((found - expected).abs() <= TOLERANCE * largest, "{found} {expected}");
    }

    // The picture of it shows the same values; the grid's padding is its last row and column.
    let picture = class_model::stretched(&ascent, ChannelOrder::Rgb).unwrap();
    for (y, row) in grid.data().chunks_exact(68 * 3).take(67).enumerate() {
        for (x, colour) in row.chunks_exact(3).take(67).enumerate() {
            let bytes: Vec<u8> = colour.iter().map(|value| (value * 255.0).round() as u8).collect();
            assert_eq!(picture.pixel(x, y).unwrap()[..], bytes);
        }
    }
}

#[test]
fn a_picture_comes_back_from_its_png_file() {
    let rgb: Vec<u8> = (0..5 * 7 * 3).map(|index| (index * 37 % 256) as u8).collect();
    let picture = Picture::new(7, 5, rgb).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture.png");
    picture.write_png(&path).unwrap();
    let loaded = photograph::load(&path, Colour::Rgb).unwrap();
    assert_eq!(Picture::from_photograph(&loaded).unwrap(), picture);
    let memory =
        photograph::from_bytes(&picture.to_png().unwrap(), "memory", Colour::Rgb, LoadOptions::default());
    assert_eq!(memory.unwrap(), loaded);
    assert!(picture.write_png(folder.path().join("missing/picture.png")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn pictures_have_limits() {
    assert!(matches!(Picture::new(2, 2, vec![0; 11]), Err(Error::Files(files::Error::ElementCount { .. }))));
    assert!(matches!(Picture::filled(0, 2, [0; 3]), Err(Error::Files(files::Error::Empty { .. }))));
    assert!(matches!(Picture::filled(PIXEL_LIMIT, 2, [0; 3]), Err(Error::PictureTooLarge { .. })));
    assert!(matches!(Picture::filled(usize::MAX, usize::MAX, [0; 3]), Err(Error::PictureTooLarge { .. })));
    let picture = Picture::filled(3, 2, [1, 2, 3]).unwrap();
    assert!(picture.magnified(0).is_err() && picture.magnified(usize::MAX).is_err());
    assert_eq!(picture.pixel(3, 0), None);
    let clipped = Photograph::new(1, 3, 1, vec![-0.5, 0.5, 7.0]).unwrap();
    assert_eq!(Picture::from_photograph(&clipped).unwrap().rgb(), [0, 0, 0, 128, 128, 128, 255, 255, 255]);
    assert!(matches!(
        Picture::from_photograph(&Photograph::new(2, 2, 5, vec![0.5; 20]).unwrap()),
        Err(Error::Channels { .. })
    ));
}
