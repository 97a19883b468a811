//! Pictures in time: animated PNG and WebP (every colour), and GIF (256 colours a picture, but shown everywhere).

use std::io;
use std::path::Path;

use deepinside_files::{self as files, whole_file};
use deepinside_vision::{Error, Result};
use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::webp::WebPEncoder;
use image::{Delay, ExtendedColorType, Frame, RgbImage};

use crate::Picture;

/// How an animation is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnimationFormat {
    /// Animated PNG.
    Png,
    /// GIF.
    Gif,
    /// Animated WebP, without losses.
    WebP,
}

impl AnimationFormat {
    /// The format that a file's ending asks for: `.gif`, `.webp`, or `.png` and `.apng`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another ending.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("gif") => Ok(Self::Gif),
            Some("webp") => Ok(Self::WebP),
            Some("png" | "apng") => Ok(Self::Png),
            _ => Err(Error::Parameter {
                name: "the file of an animation",
                expected: "an ending of .gif, .png, .apng or .webp",
                found: path.display().to_string(),
            }),
        }
    }
}

/// Writes pictures of one size as an animation that repeats for ever, each shown for that many milliseconds (1 to 10,000; GIF counts in
/// hundredths of a second), the last ten times as long. The file appears whole or not at all.
///
/// # Errors
/// [`deepinside_files::Error::Empty`] without pictures, [`Error::Parameter`] when they differ in size or the duration is out of its range,
/// [`deepinside_files::Error::Write`].
pub fn write(path: &Path, format: AnimationFormat, pictures: &[Picture], milliseconds: u32) -> Result<()> {
    check(pictures, milliseconds)?;
    Ok(whole_file::write(path, |stream| {
        encode(stream, format, pictures, &mut |index| Ok(duration(index, pictures, milliseconds)))
    })?)
}

/// The bytes of such a file. `before` is called before each picture, with how many were encoded so far; an error of it ends the
/// work.
///
/// # Errors
/// As [`write()`], and those of `before`, as [`deepinside_files::Error::Write`] to `memory`.
pub fn to_bytes(
    format: AnimationFormat,
    pictures: &[Picture],
    milliseconds: u32,
    before: &mut dyn FnMut(usize) -> io::Result<()>,
) -> Result<Vec<u8>> {
    check(pictures, milliseconds)?;
    let mut bytes = Vec::new();
    let mut next = |index: usize| {
        before(index)?;
        Ok(duration(index, pictures, milliseconds))
    };
    encode(&mut bytes, format, pictures, &mut next)
        .map_err(|source| files::Error::Write { path: "memory".into(), source })?;
    Ok(bytes)
}

fn check(pictures: &[Picture], milliseconds: u32) -> Result<()> {
    let Some(first) = pictures.first() else {
        return Err(files::Error::Empty { what: "an animation", shape: vec![0] }.into());
    };
    let size = |picture: &Picture| [picture.width(), picture.height()];
    if let Some(other) = pictures.iter().find(|picture| size(picture) != size(first)) {
        return Err(Error::Parameter {
            name: "a picture of an animation",
            expected: "the size of the first one",
            found: format!("{} × {}", other.width(), other.height()),
        });
    }
    if !(1..=10_000).contains(&milliseconds) {
        let (name, expected) = ("the duration of a picture", "1 to 10,000 milliseconds");
        return Err(Error::Parameter { name, expected, found: milliseconds.to_string() });
    }
    Ok(())
}

/// The last picture is shown ten times as long.
fn duration(index: usize, pictures: &[Picture], milliseconds: u32) -> u32 {
    if index + 1 == pictures.len() { 10 * milliseconds } else { milliseconds }
}

/// What is asked before each picture: for how many milliseconds it is shown, or not to go on.
type Next<'a> = dyn FnMut(usize) -> io::Result<u32> + 'a;

/// Writes pictures of one size.
fn encode(
    stream: &mut dyn io::Write,
    format: AnimationFormat,
    pictures: &[Picture],
    next: &mut Next<'_>,
) -> io::Result<()> {
    match format {
        AnimationFormat::Png => png(stream, pictures, next),
        AnimationFormat::Gif => gif(stream, pictures, next),
        AnimationFormat::WebP => webp(stream, pictures, next),
    }
}

fn png(stream: &mut dyn io::Write, pictures: &[Picture], next: &mut Next<'_>) -> io::Result<()> {
    let Some(first) = pictures.first() else { return Ok(()) };
    let mut encoder = png::Encoder::new(stream, first.width() as u32, first.height() as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_animated(pictures.len() as u32, 0)?;
    let mut writer = encoder.write_header()?;
    for (index, picture) in pictures.iter().enumerate() {
        // Sixteen bits hold 65 seconds; longer ones are cut.
        writer.set_frame_delay(u16::try_from(next(index)?).unwrap_or(u16::MAX), 1000)?;
        writer.write_image_data(picture.rgb())?;
    }
    Ok(writer.finish()?)
}

fn gif(stream: &mut dyn io::Write, pictures: &[Picture], next: &mut Next<'_>) -> io::Result<()> {
    let mut encoder = GifEncoder::new_with_speed(stream, 10);
    encoder.set_repeat(Repeat::Infinite).map_err(io::Error::other)?;
    for (index, picture) in pictures.iter().enumerate() {
        let shown = next(index)?;
        let (width, height) = (picture.width() as u32, picture.height() as u32);
        let image = RgbImage::from_raw(width, height, picture.rgb().to_vec());
        let image = image.ok_or_else(|| io::Error::other("a picture has too few bytes"))?;
        let delay = Delay::from_numer_denom_ms(shown, 1);
        let rgba = image::DynamicImage::ImageRgb8(image).into_rgba8();
        encoder.encode_frame(Frame::from_parts(rgba, 0, 0, delay)).map_err(io::Error::other)?;
    }
    Ok(())
}

/// WebP's container of several pictures, each of which the encoder for single ones makes.
fn webp(stream: &mut dyn io::Write, pictures: &[Picture], next: &mut Next<'_>) -> io::Result<()> {
    const IS_ANIMATED: u8 = 1 << 1;
    const REPLACES_WHAT_WAS_THERE: u8 = 1 << 1;
    /// "RIFF", the length and "WEBP": what stands before the chunks of a single picture.
    const HEADER: usize = 12;
    let Some(first) = pictures.first() else { return Ok(()) };
    let three_bytes = |number: u32| number.to_le_bytes()[..3].to_vec();
    let chunk = |name: &[u8; 4], content: &[u8]| -> Vec<u8> {
        let mut chunk = name.to_vec();
        chunk.extend((content.len() as u32).to_le_bytes());
        chunk.extend(content);
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    };
    let size = [first.width() as u32 - 1, first.height() as u32 - 1].map(three_bytes).concat();
    let mut body = b"WEBP".to_vec();
    body.extend(chunk(b"VP8X", &[&[IS_ANIMATED, 0, 0, 0], &size[..]].concat()));
    // A background of nothing, repeated for ever.
    body.extend(chunk(b"ANIM", &[0; 6]));
    for (index, picture) in pictures.iter().enumerate() {
        let shown = three_bytes(next(index)?);
        let mut single = Vec::new();
        let (width, height) = (picture.width() as u32, picture.height() as u32);
        WebPEncoder::new_lossless(&mut single)
            .encode(picture.rgb(), width, height, ExtendedColorType::Rgb8)
            .map_err(io::Error::other)?;
        let place = [0; 6];
        let frame =
            [&place[..], &size, &shown, &[REPLACES_WHAT_WAS_THERE], single.get(HEADER..).unwrap_or_default()];
        body.extend(chunk(b"ANMF", &frame.concat()));
    }
    stream.write_all(&chunk(b"RIFF", &body))
}

#[cfg(test)]
mod tests {
    use image::AnimationDecoder as _;

    use super::*;

    #[test]
    fn every_format_is_read_back_by_the_decoders() {
        let folder = tempfile::tempdir().unwrap();
        let pictures =
            [[255, 0, 0], [0, 255, 0], [0, 0, 255]].map(|colour| Picture::filled(5, 4, colour).unwrap());
        for (name, format) in [
            ("a.png", AnimationFormat::Png),
            ("a.GIF", AnimationFormat::Gif),
            ("a.webp", AnimationFormat::WebP),
        ] {
            let path = folder.path().join(name);
            assert_eq!(AnimationFormat::of(&path).unwrap(), format);
            write(&path, format, &pictures, 40).unwrap();
            let mut told = Vec::new();
            let same = to_bytes(format, &pictures, 40, &mut |index| {
                told.push(index);
                Ok(())
            });
            assert_eq!((same.unwrap(), told), (std::fs::read(&path).unwrap(), vec![0, 1, 2]));
            let stopped = to_bytes(format, &pictures, 40, &mut |index| match index {
                2 => Err(io::Error::other("enough")),
                _ => Ok(()),
            });
            assert!(stopped.unwrap_err().to_string().contains("enough"));
            let bytes = std::io::Cursor::new(std::fs::read(&path).unwrap());
            let frames: Vec<Frame> = match format {
                AnimationFormat::Png => {
                    let decoder = image::codecs::png::PngDecoder::new(bytes).unwrap();
                    decoder.apng().unwrap().into_frames().collect_frames().unwrap()
                }
                AnimationFormat::Gif => {
                    let decoder = image::codecs::gif::GifDecoder::new(bytes).unwrap();
                    decoder.into_frames().collect_frames().unwrap()
                }
                AnimationFormat::WebP => {
                    let decoder = image::codecs::webp::WebPDecoder::new(bytes).unwrap();
                    decoder.into_frames().collect_frames().unwrap()
                }
            };
            let shown: Vec<[u8; 4]> = frames.iter().map(|frame| frame.buffer().get_pixel(2, 2).0).collect();
            assert_eq!(shown, [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]], "{name}");
            let delays: Vec<u32> = frames.iter().map(|frame| frame.delay().numer_denom_ms().0).collect();
            assert_eq!(delays, [40, 40, 400], "{name}");
        }
    }

    #[test]
    fn what_cannot_be_an_animation_is_refused() {
        let path = Path::new("never-written.gif");
        let red = Picture::filled(2, 2, [255, 0, 0]).unwrap();
        let wide = Picture::filled(3, 2, [255, 0, 0]).unwrap();
        for (pictures, milliseconds) in [(vec![], 40), (vec![red.clone(), wide], 40), (vec![red], 0)] {
            assert!(write(path, AnimationFormat::Gif, &pictures, milliseconds).is_err());
        }
        assert!(AnimationFormat::of(Path::new("a.mp4")).unwrap_err().to_string().contains(".gif"));
        assert!(!path.exists());
    }
}
