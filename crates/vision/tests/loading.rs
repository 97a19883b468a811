//! Photographs of every kind from files: depths, colours, orientation, damage and limits.
//!
//! The expected values come from Pillow (orientation, CMYK, the decoded photograph) and from arithmetic.

use std::path::PathBuf;

use deepinside_vision::photograph::{self, Colour, GreyWeights, LoadOptions, Photograph};

const GREY: Colour = Colour::Grey(GreyWeights::Bt709);

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn load_bytes(bytes: &[u8]) -> deepinside_vision::Result<Photograph> {
    photograph::from_bytes(bytes, "the picture", Colour::Rgb, LoadOptions::default())
}

fn refusal(bytes: &[u8]) -> String {
    load_bytes(bytes).expect_err("this picture must be refused").to_string()
}

/// The value of the first channel at a row and column, in 255ths.
fn level(photograph: &Photograph, y: usize, x: usize) -> f32 {
    photograph.data()[(y * photograph.width() + x) * photograph.channels()] * 255.0
}

/// Photographs and maxima of networks differ by single levels: only equality makes results comparable.
#[test]
fn jpeg_files_decode_to_the_bytes_of_libjpeg() {
    let folder = fixture("jpeg");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    assert_eq!(
        files.len(),
        9,
        "chroma of every kind, progressive, restarts, grey, three and four plain channels"
    );
    let pairs = files.into_iter().map(|path| (path.with_extension("png"), path));
    for (decoded, path) in pairs.chain([(fixture("chelsea_decoded.png"), fixture("chelsea.jpg"))]) {
        let ours = photograph::load(&path, Colour::Rgb).unwrap();
        let libjpeg = photograph::load(decoded, Colour::Rgb).unwrap();
        assert_eq!((ours.height(), ours.width()), (libjpeg.height(), libjpeg.width()), "{}", path.display());
        assert!(ours.data() == libjpeg.data(), "{}", path.display());
    }
}

#[test]
fn colour_becomes_grey_by_the_stated_weights() {
    let colour = photograph::load(fixture("chelsea_decoded.png"), Colour::Rgb).unwrap();
    let grey = photograph::load(fixture("chelsea_decoded.png"), GREY).unwrap();
    assert_eq!(grey.channels(), 1);
    for (value, pixel) in grey.data().iter().zip(colour.data().chunks_exact(3)) {
        let expected = 0.2125 * pixel[0] + 0.7154 * pixel[1] + 0.0721 * pixel[2];
        assert!((value - expected).abs() < 1e-6);
    }
}

#[test]
fn sixteen_bits_keep_their_depth() {
    let stored = [0u16, 256, 65535, 1000, 32768, 12345];
    let expected = stored.map(|value| value as f32 / 65535.0);
    let grey = photograph::load(fixture("grey16.png"), GREY).unwrap();
    assert_eq!((grey.height(), grey.width(), grey.data()), (2, 3, &expected[..]));
    let mut colour = b"P6\n2 1\n65535\n".to_vec();
    colour.extend(stored.iter().flat_map(|value| value.to_be_bytes()));
    assert_eq!(load_bytes(&colour).unwrap().data(), expected);
}

#[test]
fn the_exif_orientation_is_applied_unless_turned_off() {
    // The stored quadrants are 30, 90 above 150, 210; each orientation shows them in this order (from Pillow's
    // `exif_transpose`), on 16 × 32 or 32 × 16 pixels.
    let table: [(u8, [usize; 2], [f32; 4]); 8] = [
        (1, [16, 32], [30.0, 90.0, 150.0, 210.0]),
        (2, [16, 32], [90.0, 30.0, 210.0, 150.0]),
        (3, [16, 32], [210.0, 150.0, 90.0, 30.0]),
        (4, [16, 32], [150.0, 210.0, 30.0, 90.0]),
        (5, [32, 16], [30.0, 150.0, 90.0, 210.0]),
        (6, [32, 16], [150.0, 30.0, 210.0, 90.0]),
        (7, [32, 16], [210.0, 90.0, 150.0, 30.0]),
        (8, [32, 16], [90.0, 210.0, 30.0, 150.0]),
    ];
    let mut bytes = bytes_of("orientation_6.jpg");
    let entry = [0x01, 0x12, 0x00, 0x03, 0x00, 0x00, 0x00, 0x01, 0x00];
    let at = bytes.windows(entry.len()).position(|window| window == entry).unwrap() + entry.len();
    for (orientation, [height, width], quadrants) in table {
        bytes[at] = orientation;
        let photograph = load_bytes(&bytes).unwrap();
        assert_eq!([photograph.height(), photograph.width()], [height, width], "orientation {orientation}");
        let corners = [(2, 2), (2, width - 3), (height - 3, 2), (height - 3, width - 3)];
        for ((y, x), expected) in corners.into_iter().zip(quadrants) {
            assert!(
                (level(&photograph, y, x) - expected).abs() <= 2.0,
                "orientation {orientation} at {y},{x}"
            );
        }
    }
    let as_stored = LoadOptions { apply_orientation: false, ..LoadOptions::default() };
    let photograph = photograph::load_with(fixture("orientation_6.jpg"), GREY, as_stored).unwrap();
    assert_eq!([photograph.height(), photograph.width()], [16, 32]);
}

#[test]
fn adobe_cmyk_is_converted_and_unmarked_cmyk_refused() {
    let bytes = bytes_of("cmyk_adobe.jpg");
    let photograph = load_bytes(&bytes).unwrap();
    // The middle of each quadrant as Pillow converts it.
    let expected = [[0, 255, 255], [191, 0, 191], [245, 235, 55], [127, 127, 127]];
    for ((y, x), colour) in [(3, 3), (3, 12), (12, 3), (12, 12)].into_iter().zip(expected) {
        let at = (y * 16 + x) * 3;
        for (value, expected) in photograph.data()[at..at + 3].iter().zip(colour) {
            assert!((value * 255.0 - expected as f32).abs() <= 3.0, "at {y},{x}: {value} against {expected}");
        }
    }
    let at = bytes.windows(5).position(|window| window == b"Adobe").unwrap();
    let mut unmarked = bytes;
    unmarked[at..at + 5].copy_from_slice(b"Other");
    assert!(refusal(&unmarked).contains("CMYK"), "{}", refusal(&unmarked));
}

#[test]
fn damaged_files_are_refused_with_the_cause() {
    let jpeg = bytes_of("chelsea.jpg");
    assert!(refusal(&jpeg[..jpeg.len() / 2]).contains("truncated"));
    let mut deep = jpeg;
    let frame = deep.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    deep[frame + 4] = 12;
    assert!(refusal(&deep).contains("12 bits per sample"), "{}", refusal(&deep));
    let png = bytes_of("chelsea_decoded.png");
    assert!(refusal(&png[..png.len() / 2]).contains("cannot decode"));
    assert!(refusal(b"").contains("an empty file"));
    assert!(refusal(b"not a picture at all").contains("formats are JPEG"));
    assert!(refusal(b"\x89PNG\r\n\x1a\n").contains("cannot decode"));
    let missing = photograph::load("no/such/picture.jpg", Colour::Rgb).unwrap_err().to_string();
    assert!(missing.contains("no/such/picture.jpg"), "{missing}");
    let folder = photograph::load(env!("CARGO_MANIFEST_DIR"), Colour::Rgb).unwrap_err().to_string();
    assert!(folder.contains("folder"), "{folder}");
}

/// No prefix and no single changed byte of a small file of each kind makes the loader panic.
#[test]
fn no_damage_makes_the_loader_panic() {
    let jpegs = ["orientation_6.jpg", "cmyk_adobe.jpg", "jpeg/420_progressive.jpg", "jpeg/422_restart.jpg"];
    for name in ["gray.png", "rgba.png", "grey16.png"].into_iter().chain(jpegs) {
        let bytes = bytes_of(name);
        for length in 0..bytes.len() {
            let _ = load_bytes(&bytes[..length]);
        }
        for at in 0..bytes.len() {
            for change in [0x01, 0x80, 0xFF] {
                let mut damaged = bytes.clone();
                damaged[at] ^= change;
                let limit = LoadOptions { maximum_pixels: 1 << 16, ..LoadOptions::default() };
                let _ = photograph::from_bytes(&damaged, name, Colour::Rgb, limit);
            }
        }
    }
}

#[test]
fn a_huge_header_is_refused_before_its_pixels_are_allocated() {
    let message = refusal(&bytes_of("huge_header.png"));
    assert!(message.contains("60000×60000") && message.contains("200000000"), "{message}");
    let options = LoadOptions { maximum_pixels: 100, ..LoadOptions::default() };
    assert!(photograph::load_with(fixture("chelsea.jpg"), Colour::Rgb, options).is_err());
}

#[test]
fn photographs_are_checked_when_they_are_made() {
    assert!(Photograph::new(2, 2, 3, vec![0.0; 12]).is_ok());
    assert!(Photograph::new(2, 2, 3, vec![0.0; 11]).is_err());
    assert!(Photograph::new(0, 2, 3, vec![]).is_err());
    assert!(Photograph::new(1, 1, 1, vec![f32::NAN]).unwrap_err().to_string().contains("1 of 1"));
}

#[test]
fn stored_bytes_and_values_are_the_same_photograph() {
    use deepinside_vision::{Interpolation, resize};
    let stored = photograph::load(fixture("chelsea_decoded.png"), Colour::Rgb).unwrap();
    let values: Vec<f32> = stored.data().to_vec();
    // Every value is a byte's 255th, rounded once.
    assert!(values.iter().all(|&value| (f64::from((value * 255.0).round()) / 255.0) as f32 == value));
    let copied = Photograph::new(120, 160, 3, values).unwrap();
    assert_eq!(copied, stored);
    for interpolation in [Interpolation::Bilinear, Interpolation::AntiAliased] {
        let resize = |photograph| resize::resize_image(photograph, 77, 90, interpolation).unwrap();
        assert_eq!(resize(&copied), resize(&stored));
    }
    assert_eq!(stored.clone().into_data(), copied.into_data());
}

/// A TIFF of one channel of floats, as Pillow's mode F writes it, in the file format's own words.
fn float_tiff(width: u32, levels: &[f32]) -> Vec<u8> {
    let height = levels.len() as u32 / width;
    let mut file = b"II*\0".to_vec();
    file.extend((8 + 4 * levels.len() as u32).to_le_bytes());
    levels.iter().for_each(|level| file.extend(level.to_le_bytes()));
    let entries: [(u16, u32); 10] = [
        (256, width),
        (257, height),
        (258, 32),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
        (279, 4 * levels.len() as u32),
        (339, 3),
    ];
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        file.extend(tag.to_le_bytes());
        // Type LONG, one of them.
        file.extend([4, 0, 1, 0, 0, 0]);
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

#[test]
fn grey_tiff_files_of_floats_are_read_and_other_ranges_are_named() {
    let levels = [0.0, 0.25, 0.5, 1.0, 0.125, 0.75];
    let load = |levels: &[f32], colour| {
        photograph::from_bytes(&float_tiff(3, levels), "f.tif", colour, LoadOptions::default())
    };
    let grey = load(&levels, Colour::Grey(GreyWeights::Bt601)).unwrap();
    assert_eq!((grey.height(), grey.width()), (2, 3));
    assert!(grey.data().iter().zip(levels).all(|(found, level)| (found - level).abs() < 1e-6));
    let colour = load(&levels, Colour::Rgb).unwrap();
    assert_eq!(colour.data()[3..6], [0.25; 3]);
    let message = load(&[0.0, 231.5, 3.0], Colour::Rgb).unwrap_err().to_string();
    assert!(message.contains("f.tif holds floats up to 231.5"), "{message}");
}

#[test]
fn pictures_of_telephones_are_named_with_the_remedy() {
    for (brand, format) in [(b"avif", "AVIF"), (b"heic", "HEIC"), (b"mif1", "HEIC")] {
        let bytes = [b"\0\0\0\x1cftyp", &brand[..], b"\0\0\0\0mif1miafMiHB"].concat();
        let error = photograph::from_bytes(&bytes, "a.pic", Colour::Rgb, LoadOptions::default()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(&format!("a.pic is a picture in {format}")), "{message}");
        assert!(message.contains("magick a.pic picture.png"), "{message}");
    }
}

/// All were "not a picture that can be read", or a TIFF without a width.
#[test]
fn other_formats_and_what_is_no_picture_are_named() {
    let dicom = [&[0; 128][..], b"DICM\x02\0"].concat();
    let cases: [(&[u8], &str); 14] = [
        (b"\xff\x0a\x7a\x3c", "picture in JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "picture in JPEG 2000"),
        (b"8BPS\0\x01\0\0", "picture in Photoshop's format"),
        (b"v/1\x01\x02\0\0\0", "picture in OpenEXR"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01", "raw format (CR3)"),
        (b"II*\0\x10\0\0\0CR\x02\0", "raw format (CR2)"),
        (&dicom, "picture in DICOM"),
        (b"%PDF-1.7\n", "picture in PDF"),
        (b"<?xml version=\"1.0\"?>\n<svg xmlns=\"x\"/>", "picture in SVG"),
        (b"\0\0\0\x18ftypisom\0\0\x02\0", "a film; take pictures out"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"", "an empty file"),
    ];
    for (bytes, expected) in cases {
        let error = photograph::from_bytes(bytes, "a.pic", Colour::Rgb, LoadOptions::default()).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("a.pic is ") && message.contains(expected), "{expected}: {message}");
    }
}
