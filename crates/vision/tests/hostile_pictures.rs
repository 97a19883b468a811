//! Small files that ask for much: refused with a sentence, or decoded within memory and time in proportion to their pixels.

use deepinside_vision::{Colour, Error, LoadOptions, Photograph, photograph};
use libjpeg_turbo_rs::{PixelFormat, Subsampling, compress_progressive};

fn load(bytes: &[u8]) -> deepinside_vision::Result<Photograph> {
    photograph::from_bytes(bytes, "a test", Colour::Rgb, LoadOptions::default())
}

/// The checksum of PNG's chunks (its specification, annex D).
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, bit: u32| (crc >> 1) ^ if (crc ^ bit) & 1 == 1 { 0xedb8_8320 } else { 0 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc, |crc, bit| step(crc, u32::from(byte >> bit)));
    !bytes.iter().fold(u32::MAX, byte)
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
}

/// A PNG file of 8-bit grey with these chunks before its image data.
fn png(extents: [u32; 2], interlaced: bool, before: &[u8], data: &[u8]) -> Vec<u8> {
    png_of_depth(8, extents, interlaced, before, data)
}

fn png_of_depth(
    bits: u8,
    [width, height]: [u32; 2],
    interlaced: bool,
    before: &[u8],
    data: &[u8],
) -> Vec<u8> {
    let header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = [&header[..], &[bits, 0, 0, 0, u8::from(interlaced)]].concat();
    let chunks = [chunk(b"IHDR", &header), before.to_vec(), chunk(b"IDAT", data), chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

/// A zlib stream of stored bytes (RFC 1950 and 1951).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u16;
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    let head = [&[0x78, 0x01, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
    [&head[..], bytes, &(b << 16 | a).to_be_bytes()].concat()
}

/// A zlib stream that inflates to about that many megabytes of zeros, 158 times its length: a zero, and matches of 258
/// bytes at distance 1 in the fixed code. Its checksum is wrong, which decoders see at its end alone.
fn bomb(megabytes: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false];
    // A literal zero is 00110000; the length 258 is 11000101 and the distance 1 is 00000.
    bits.extend([false, false, true, true, false, false, false, false]);
    let once = [true, true, false, false, false, true, false, true, false, false, false, false, false];
    for _ in 0..megabytes * (1 << 20) / 258 {
        bits.extend(once);
    }
    bits.extend([false; 7]);
    let byte = |bits: &[bool]| bits.iter().rev().fold(0u8, |byte, &bit| byte << 1 | u8::from(bit));
    let mut stream = vec![0x78, 0x01];
    stream.extend(bits.chunks(8).map(byte));
    stream.extend([0; 4]);
    stream
}

/// The most memory that this process has taken so far, in megabytes.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

/// A colour profile or a text of a picture of 4 × 4 pixels took hundreds of megabytes.
#[cfg(target_os = "linux")]
#[test]
fn profiles_and_texts_of_png_files_are_not_inflated() {
    let rows = stored(&[0, 10, 20, 30, 40].repeat(4));
    let zlib = bomb(400);
    let profile = chunk(b"iCCP", &[b"p\0\0", &zlib[..]].concat());
    let text = chunk(b"zTXt", &[b"Raw profile type iptc\0\0", &zlib[..]].concat());
    let international = chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\x01\0\0\0", &zlib[..]].concat());
    for before in [profile, text, international] {
        let file = png([4, 4], false, &before, &rows);
        let start = peak();
        let photograph = load(&file).unwrap();
        assert!(peak() - start < 60, "{} MB", peak() - start);
        assert_eq!(photograph.data()[..6], [10, 10, 10, 20, 20, 20].map(|level| level as f32 / 255.0));
    }
}

/// Image data beyond the last row were inflated to their end.
#[test]
fn image_data_that_no_row_needs_is_refused() {
    let error = load(&png([4, 4], false, &[], &bomb(200))).unwrap_err();
    assert!(error.to_string().contains("far more image data than its picture takes"), "{error}");
}

/// All passes of an interlaced file, for widths and heights of which some passes have no pixels.
#[test]
fn interlaced_pictures_have_their_pixels_where_they_belong() {
    // The specification's table 8.2: first column and row of a pass, and their steps.
    let passes =
        [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
    for [width, height] in [[5, 3], [1, 1], [9, 10], [1, 8], [8, 1]] {
        let level = |x: usize, y: usize| (x * 7 + y * 31 + 5) as u8;
        let mut rows = Vec::new();
        for [x0, y0, dx, dy] in passes {
            for y in (y0..height).step_by(dy).filter(|_| x0 < width) {
                rows.push(0);
                rows.extend((x0..width).step_by(dx).map(|x| level(x, y)));
            }
        }
        let file = png([width as u32, height as u32], true, &[], &stored(&rows));
        let photograph = load(&file).unwrap();
        for (at, pixel) in photograph.data().chunks_exact(3).enumerate() {
            assert_eq!(pixel[0] * 255.0, f32::from(level(at % width, at / width)), "{width}×{height} {at}");
        }
    }
}

/// Damage behind the last row is found: the file is read to the end of its image data.
#[test]
fn damaged_image_data_is_refused() {
    let whole = png([4, 4], false, &[], &stored(&[0, 10, 20, 30, 40].repeat(4)));
    let image_data = whole.windows(4).position(|kind| kind == b"IDAT").unwrap();
    let mut broken = whole.clone();
    broken[image_data + 4 + 9] ^= 0xff;
    load(&whole).unwrap();
    assert!(matches!(load(&broken), Err(Error::Decode { .. })), "{:?}", load(&broken));
}

/// Each scan of a JPEG file costs a pass over all pixels, however short it is.
#[test]
fn scans_times_pixels_are_bounded() {
    let (width, height) = (3000, 2000);
    let blank = vec![128u8; width * height];
    let file =
        compress_progressive(&blank, width, height, PixelFormat::Grayscale, 75, Subsampling::S444).unwrap();
    load(&file).unwrap();
    let scan = file.windows(2).rposition(|marker| marker == [0xff, 0xda]).unwrap();
    let (scans, end) = file.split_at(file.len() - 2);
    let many = [scans, &scans[scan..].repeat(60), end].concat();
    match load(&many) {
        Err(Error::TooManyScans { pixels: 6_000_000, scans, most: 24, .. }) => assert!(scans > 60),
        other => panic!("{other:?}"),
    }
}

/// Decoding ends when it is asked to.
#[test]
fn decoding_can_be_stopped() {
    let rows = stored(&[0, 10, 20, 30, 40].repeat(4));
    let bitmap = {
        let picture = image::GrayImage::from_pixel(40, 30, image::Luma([7]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Bmp).unwrap();
        bytes.into_inner()
    };
    let jpeg = include_bytes!("fixtures/orientation_6.jpg").to_vec();
    for file in [png([4, 4], false, &[], &rows), bitmap, jpeg] {
        load(&file).unwrap();
        let stopped =
            photograph::from_bytes_until(&file, "a test", Colour::Rgb, LoadOptions::default(), &|| true);
        assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    }
}

/// Samples of 16 bits take four times the memory of bytes, and their pictures may have a quarter of the pixels.
#[test]
fn deep_pictures_have_fewer_pixels() {
    let options = LoadOptions { maximum_pixels: 64, ..LoadOptions::default() };
    let load = |bits: u8, side: u32| {
        let row = vec![0; 1 + side as usize * usize::from(bits / 8)];
        let file = png_of_depth(bits, [side, side], false, &[], &stored(&row.repeat(side as usize)));
        photograph::from_bytes(&file, "a test", Colour::Rgb, options)
    };
    load(8, 8).unwrap();
    load(16, 4).unwrap();
    assert!(matches!(load(16, 5), Err(Error::TooManyPixels { limit: 16, .. })));
    assert!(matches!(load(8, 9), Err(Error::TooManyPixels { limit: 64, .. })));
}

/// A file of a third of a megabyte took half a gigabyte: an even colour is packed into almost nothing.
#[test]
fn a_short_file_holds_no_large_picture() {
    let even = |side: usize| {
        let pixels = vec![90u8; side * side];
        compress_progressive(&pixels, side, side, PixelFormat::Grayscale, 75, Subsampling::S444).unwrap()
    };
    let file = even(7000);
    match load(&file).map(drop) {
        Err(Error::DensePicture { width: 7000, height: 7000, bytes, .. }) => assert_eq!(bytes, file.len()),
        other => panic!("{other:?}"),
    }
    // As many pixels as a file of any length may have, and a longer file: of an even colour, with something behind it.
    load(&even(5000)).unwrap();
    load(&[file, vec![0; 4_200_000]].concat()).unwrap();
    // Every other format is asked in the same place: a PNG file of 36 million zeros.
    let error = load(&png([6000, 6000], false, &[], &bomb(35))).unwrap_err();
    assert!(matches!(error, Error::DensePicture { .. }), "{error}");
}

/// All coefficients of a picture in several scans are held at once, so it may have half as many pixels.
#[test]
fn pictures_in_scans_may_have_half_as_many_pixels() {
    let pixels = vec![90u8; 64 * 64];
    let file = compress_progressive(&pixels, 64, 64, PixelFormat::Grayscale, 75, Subsampling::S444).unwrap();
    let most = |maximum_pixels| {
        let options = LoadOptions { maximum_pixels, ..LoadOptions::default() };
        photograph::from_bytes(&file, "a test", Colour::Rgb, options)
    };
    most(2 * 64 * 64).unwrap();
    assert!(matches!(most(2 * 64 * 64 - 1), Err(Error::TooManyPixels { .. })));
}

/// Inks of different resolutions ended in a panic within the decoder, or gave other pixels.
#[test]
fn inks_of_different_resolutions_are_refused() {
    let mut file = include_bytes!("fixtures/cmyk_adobe.jpg").to_vec();
    load(&file).unwrap();
    let frame = file.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    for factors in [0x21, 0x12, 0x22, 0x13, 0x41] {
        file[frame + 11] = factors;
        let told = load(&file).unwrap_err().to_string();
        assert!(told.contains("four inks of different resolutions"), "{told}");
    }
}

/// A TIFF file of a megabyte with 196 million pixels, and PNG, JPEG and GIF files like it, took up to 1.4 GB.
#[test]
fn very_large_pictures_come_in_files_of_their_length() {
    let tiff = |side: u32, length: usize| {
        let entries = [
            (256u16, 4u16, side),
            (257, 4, side),
            (258, 3, 8),
            (259, 3, 1),
            (262, 3, 1),
            (273, 4, 122),
            (277, 3, 1),
            (278, 4, side),
            (279, 4, side * side),
        ];
        let mut file = b"II*\0\x08\0\0\0\x09\0".to_vec();
        for (tag, kind, value) in entries {
            file.extend([&tag.to_le_bytes()[..], &kind.to_le_bytes(), &1u32.to_le_bytes()].concat());
            file.extend(value.to_le_bytes());
        }
        file.extend([0; 4]);
        file.resize(length, 0);
        file
    };
    // As many bytes as a picture that is not large has to have, and one too few for a large one.
    for (side, length) in [(14_000u32, 5_000_000), (10_000, 4_374_999)] {
        match load(&tiff(side, length)).map(drop) {
            Err(Error::DensePicture { expected, .. }) => {
                assert_eq!(expected, (u64::from(side).pow(2) - 65_000_000) / 8);
            }
            other => panic!("{side}: {other:?}"),
        }
    }
    // With enough bytes it is told apart from one that ends too early.
    let error = load(&tiff(10_000, 4_375_000)).unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
    // Samples of 16 bits count four times, scans of a JPEG file twice.
    let error = load(&png_of_depth(16, [4400, 4400], false, &[], &bomb(1))).unwrap_err();
    assert!(matches!(error, Error::DensePicture { .. }), "{error}");
}
