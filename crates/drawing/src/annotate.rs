//! Outlines, boxes and markers over a photograph.

use deepinside_vision::graph_cut::Marker;
use deepinside_vision::regions::PixelBox;
use deepinside_vision::{Error, Photograph, Result};

use crate::Picture;
use crate::picture::Rgb;

/// The colours of the paper's figure 3.
const FOREGROUND: Rgb = [30, 60, 255];
const BACKGROUND: Rgb = [0, 255, 255];
const UNKNOWN: Rgb = [255, 30, 30];

/// How much of a marker's colour covers the photograph.
const SHARE: f32 = 0.55;

/// The photograph with what lies outside of a mask dimmed, the mask outlined, and boxes drawn, each in its colour.
///
/// # Errors
/// [`Error::Parameter`] unless the mask has one entry per pixel.
pub fn outlined(photograph: &Photograph, mask: &[bool], boxes: &[(PixelBox, Rgb)]) -> Result<Picture> {
    let base = Picture::from_photograph(photograph)?;
    let (width, height) = (base.width(), base.height());
    expect_one_per_pixel("the mask", mask.len(), width * height)?;
    let mut rgb = base.rgb().to_vec();
    for (index, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = (index % width, index / width);
        let right_or_below =
            [(x + 1 < width).then_some(index + 1), (y + 1 < height).then_some(index + width)];
        if right_or_below.into_iter().flatten().any(|neighbour| mask[neighbour] != mask[index]) {
            pixel.copy_from_slice(&[255, 255, 255]);
        } else if !mask[index] {
            pixel.iter_mut().for_each(|level| *level = (f32::from(*level) * (1.0 - SHARE)) as u8);
        }
    }
    for &(bounds, colour) in boxes {
        draw(&mut rgb, width, height, bounds, colour);
    }
    Picture::new(width, height, rgb)
}

/// The photograph with boxes drawn, each in its colour.
///
/// # Errors
/// [`Error::Channels`] for a photograph that is neither grey nor coloured.
pub fn boxed(photograph: &Photograph, boxes: &[(PixelBox, Rgb)]) -> Result<Picture> {
    let base = Picture::from_photograph(photograph)?;
    let (width, height) = (base.width(), base.height());
    let mut rgb = base.rgb().to_vec();
    for &(bounds, colour) in boxes {
        draw(&mut rgb, width, height, bounds, colour);
    }
    Picture::new(width, height, rgb)
}

/// What was known before a cut, as in the paper's figure 3: foreground blue, background cyan, the rest red.
///
/// # Errors
/// [`Error::Parameter`] unless there is one marker per pixel.
pub fn markers(photograph: &Photograph, markers: &[Marker]) -> Result<Picture> {
    let base = Picture::from_photograph(photograph)?;
    expect_one_per_pixel("the markers", markers.len(), base.width() * base.height())?;
    let mut rgb = base.rgb().to_vec();
    for (pixel, marker) in rgb.chunks_exact_mut(3).zip(markers) {
        let colour = match marker {
            Marker::Foreground => FOREGROUND,
            Marker::Background => BACKGROUND,
            Marker::Unknown => UNKNOWN,
        };
        for (level, colour) in pixel.iter_mut().zip(colour) {
            *level = (f32::from(*level) * (1.0 - SHARE) + f32::from(colour) * SHARE).round() as u8;
        }
    }
    Picture::new(base.width(), base.height(), rgb)
}

/// A mask in white on black, rows of `width`.
///
/// # Errors
/// [`Error::Parameter`] unless rows are whole.
pub fn mask(mask: &[bool], width: usize) -> Result<Picture> {
    let height = mask.len().checked_div(width).unwrap_or(0);
    expect_one_per_pixel("the mask", mask.len(), width * height)?;
    Picture::new(width, height, mask.iter().flat_map(|&inside| [if inside { 255 } else { 0 }; 3]).collect())
}

fn expect_one_per_pixel(name: &'static str, found: usize, pixels: usize) -> Result<()> {
    if found == pixels {
        return Ok(());
    }
    Err(Error::Parameter {
        name,
        expected: "one entry for each pixel",
        found: format!("{found} for {pixels}"),
    })
}

/// The lines of a box, as thick as the picture is large.
fn draw(rgb: &mut [u8], width: usize, height: usize, bounds: PixelBox, colour: Rgb) {
    let thickness = (width.max(height) / 200).max(1);
    let PixelBox { x0, y0, x1, y1 } = bounds;
    for y in y0..y1.min(height) {
        for x in x0..x1.min(width) {
            let inner = [x - x0, y - y0, x1 - 1 - x, y1 - 1 - y];
            if inner.into_iter().any(|distance| distance < thickness) {
                rgb[3 * (y * width + x)..][..3].copy_from_slice(&colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_outlines_and_markers_stand_where_they_belong() {
        let photograph = Photograph::new(4, 6, 3, vec![1.0; 72]).unwrap();
        let inside: Vec<bool> = (0..24).map(|index| index % 6 < 3).collect();
        let bounds = PixelBox { x0: 0, y0: 0, x1: 3, y1: 4 };
        assert_eq!(boxed(&photograph, &[(bounds, [9, 8, 7])]).unwrap().pixel(5, 0), Some([255, 255, 255]));
        let picture = outlined(&photograph, &inside, &[(bounds, [9, 8, 7])]).unwrap();
        assert_eq!(picture.pixel(0, 0), Some([9, 8, 7]));
        assert_eq!(picture.pixel(1, 1), Some([255, 255, 255]), "inside nothing is dimmed");
        assert_eq!(picture.pixel(5, 0), Some([114, 114, 114]));
        let kinds = [Marker::Foreground, Marker::Background, Marker::Unknown].repeat(8);
        let picture = markers(&photograph, &kinds).unwrap();
        let [blue, cyan, red] = [0, 1, 2].map(|x| picture.pixel(x, 0).unwrap());
        assert!(blue[2] > blue[0] && cyan[1] > cyan[0] && red[0] > red[1]);
        assert_eq!(mask(&[true, false], 2).unwrap().rgb(), [255, 255, 255, 0, 0, 0]);
        assert!(outlined(&photograph, &[true], &[]).is_err());
    }
}
