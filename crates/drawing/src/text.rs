//! Text in pictures, set in an embedded subset of DejaVu Sans (see `assets/README.md`).
//!
//! The subset has printable ASCII, Latin-1 and a few signs; any other character is shown as the font's empty box.
//! Control characters, line breaks included, are set as spaces: all text here is one line.

use std::borrow::Cow;
use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

use crate::Picture;
use crate::picture::Rgb;

/// The colour of all text, spines and ticks: nearly black.
pub(crate) const INK: Rgb = [38, 38, 38];

/// `None` only if the bytes built into this program were not a font, which a test rules out.
static FONT: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("../assets/DejaVuSans-subset.ttf")).ok());

/// The scale at which one em is `size` pixels: the font library counts from ascent to descent instead.
fn scale_of(font: &FontRef<'_>, size: f32) -> PxScale {
    PxScale::from(size * font.height_unscaled() / font.units_per_em().unwrap_or(1.0))
}

fn printable(character: char) -> char {
    if character.is_control() { ' ' } else { character }
}

/// The width of a line in pixels, `size` pixels to the em.
pub(crate) fn width(text: &str, size: f32) -> f32 {
    let Some(font) = FONT.as_ref() else { return 0.0 };
    let scaled = font.as_scaled(scale_of(font, size));
    text.chars().map(|character| scaled.h_advance(scaled.glyph_id(printable(character)))).sum()
}

/// Draws a line whose first character begins at `x` on the baseline `y`, both in pixels from the top left.
pub(crate) fn draw(picture: &mut Picture, text: &str, x: f32, y: f32, size: f32) {
    let Some(font) = FONT.as_ref() else { return };
    let scaled = font.as_scaled(scale_of(font, size));
    // Whole-pixel baselines keep the horizontal strokes of small text crisp.
    let (mut x, y) = (x, y.round());
    for character in text.chars().map(printable) {
        let glyph_id = scaled.glyph_id(character);
        let glyph = glyph_id.with_scale_and_position(scaled.scale(), point(x, y));
        x += scaled.h_advance(glyph_id);
        if let Some(outline) = font.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            outline.draw(|column, row, coverage| {
                let (column, row) = (corner.x as i64 + i64::from(column), corner.y as i64 + i64::from(row));
                picture.blend(column, row, INK, coverage.clamp(0.0, 1.0));
            });
        }
    }
}

/// Draws a line centred on `x`, shrunk and if need be shortened so that it is at most `available` pixels wide.
pub(crate) fn draw_centred(picture: &mut Picture, text: &str, x: f32, y: f32, size: f32, available: f32) {
    let (text, size) = fit(text, size, available);
    draw(picture, &text, x - width(&text, size) / 2.0, y, size);
}

/// The text and size at which a line takes at most `available` pixels: down to four fifths of the size it is set
/// smaller, beyond that it ends in an ellipsis.
pub(crate) fn fit(text: &str, size: f32, available: f32) -> (Cow<'_, str>, f32) {
    let full = width(text, size);
    if full <= available {
        return (Cow::Borrowed(text), size);
    }
    let smaller = size * (available / full).max(0.8);
    if width(text, smaller) <= available + 0.5 {
        return (Cow::Borrowed(text), smaller);
    }
    let mut kept = String::new();
    let mut used = width("…", smaller);
    for character in text.chars() {
        used += width(character.encode_utf8(&mut [0; 4]), smaller);
        if used > available {
            break;
        }
        kept.push(character);
    }
    (Cow::Owned(format!("{}…", kept.trim_end())), smaller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_font_has_every_promised_character() {
        let font = FONT.as_ref().expect("the embedded font is readable");
        let promised = (' '..='~').chain('\u{a0}'..='ÿ').chain("–—‘’“”…−∂∇".chars());
        let missing: Vec<char> = promised.filter(|&character| font.glyph_id(character).0 == 0).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_ne!(font.glyph_id('a'), font.glyph_id('b'));
    }

    #[test]
    fn widths_are_those_of_dejavu_sans() {
        // The advances of H, i and a space in the font file: 1540, 569 and 651 of 2048 units to the em.
        for (text, units) in [("H", 1540.0), ("i", 569.0), (" ", 651.0), ("Hi\n", 1540.0 + 569.0 + 651.0)] {
            let expected = units / 2048.0 * 20.0;
            assert!((width(text, 20.0) - expected).abs() < 0.01, "{text:?}");
        }
    }

    #[test]
    fn long_text_is_shrunk_and_then_shortened_to_the_width() {
        let long = "the quick brown fox jumps over the lazy dog";
        let full = width(long, 20.0);
        let (text, size) = fit(long, 20.0, full * 0.9);
        assert!(text == long && size < 20.0 && width(&text, size) <= full * 0.9 + 0.5);
        let (text, size) = fit(long, 20.0, full * 0.3);
        assert!(text.ends_with('…') && size == 16.0 && width(&text, size) <= full * 0.3);
    }

    #[test]
    fn ink_lands_where_the_text_is_and_nothing_fails_beyond_the_edge() {
        let mut picture = Picture::filled(60, 30, [255; 3]).unwrap();
        draw(&mut picture, "HH", 10.0, 22.0, 20.0);
        let dark = |x: usize, y: usize| picture.pixel(x, y).unwrap()[0] < 128;
        assert!((10..26).any(|x| dark(x, 15)), "the first letter");
        assert!(!(0..10).any(|x| (0..30).any(|y| dark(x, y))), "nothing to the left");
        assert!(!(0..60).any(|x| (23..30).any(|y| dark(x, y))), "nothing below the baseline");
        draw(&mut picture, "far too long and too high", -20.0, 3.0, 40.0);
    }
}
