//! The pictures of a site.

use std::ops::ControlFlow;

use deepinside::attribution::Runner;
use deepinside::class_model::{Recipe, Wish, ascend, picture};
use deepinside::drawing::normalise::Scaling;
use deepinside::drawing::{ColourMap, Picture};
use deepinside::files::Array;
use deepinside::saliency_figure::DrawnMap;
use deepinside::vision::resize::resize_image;
use deepinside::vision::{Interpolation, Photograph};
use deepinside::{BackwardRule, Interrupt, Model, Result, Target, Threads};

use super::outline::Layer;

/// The quality of JPEG files.
const QUALITY: u8 = 82;

/// The longest side of a photograph on a class's page, in pixels.
pub const THUMBNAIL: usize = 256;

/// The side of an exemplar, in pixels.
pub const TILE: usize = 112;

/// What lies between exemplars and around those that are not square.
const GROUND: u8 = 0xf2;

/// A class model as a JPEG file.
pub fn jpeg(model: &Model, image: &Array, recipe: &Recipe) -> Result<Vec<u8>> {
    Ok(picture(model, image, recipe.display)?.to_jpeg(QUALITY)?)
}

/// Makes the picture of a unit or a class; none where it was stopped.
pub fn class_model(
    model: &Model,
    wish: Wish,
    recipe: &Recipe,
    threads: &Threads,
    stop: &Interrupt,
) -> Result<Option<Vec<u8>>> {
    let made = ascend(model, &[wish], recipe, None, threads, |_, _| match stop.is_asked() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    })?;
    match made.first().filter(|_| !stop.is_asked()) {
        Some(made) => Ok(Some(jpeg(model, &made.image, recipe)?)),
        None => Ok(None),
    }
}

/// A photograph, small, as a JPEG file.
pub fn thumbnail(photograph: &Photograph) -> Result<Vec<u8>> {
    let picture = Picture::from_photograph(&within(photograph, THUMBNAIL)?)?;
    Ok(picture.to_jpeg(QUALITY)?)
}

/// A photograph whose longer side is at most so many pixels.
fn within(photograph: &Photograph, side: usize) -> Result<Photograph> {
    let (height, width) = (photograph.height(), photograph.width());
    let scale = (side as f64 / height.max(width) as f64).min(1.0);
    let [height, width] = [height, width].map(|side| ((side as f64 * scale).round() as usize).max(1));
    Ok(resize_image(photograph, height, width, Interpolation::AntiAliased)?)
}

/// What of an input a unit's activation at one place depends on, and how much: the part of it outside which the gradient is zero,
/// and the largest magnitude of the gradient among the channels there, as pictures.
///
/// This is the receptive field as far as the rectifiers let it through for this input.
pub fn exemplar(
    runner: &mut Runner,
    layer: &Layer,
    unit: usize,
    place: [usize; 2],
    input: &Array,
) -> Result<[Picture; 2]> {
    let model = runner.model().clone();
    let element = match layer.positions {
        Some(_) => model.grid(layer.value)?.element(unit, place[0], place[1]),
        None => Some(unit),
    };
    let target = Target::element(&model, layer.value, element.unwrap_or(unit))?;
    let gradient = runner.gradient(BackwardRule::Gradient, &target, input.data())?;
    let &[channels, height, width] = gradient.shape() else {
        return Err(deepinside::Error::Option(
            "exemplars are drawn of networks that read pictures".to_owned(),
        ));
    };
    let area = height * width;
    let magnitude = |pixel: usize| {
        let of = |channel: usize| gradient.data()[channel * area + pixel].abs();
        (0..channels).map(of).fold(0.0, f32::max)
    };
    let map: Vec<f32> = (0..area).map(magnitude).collect();
    let bounds = bounds(&map, width).unwrap_or([0, 0, width, height]);
    let seen = model.transformer.deprocess(input)?;
    let map = Array::new([height, width], map)?;
    let drawn = DrawnMap::of_all_seen(&map, Scaling::Quantile(0.99), ColourMap::Inferno)?.over(&seen)?;
    let seen = Picture::from_photograph(&seen)?;
    Ok([tile(&part(&seen, bounds)?)?, tile(&part(&drawn, bounds)?)?])
}

/// The left, top, right and bottom of what is not zero.
fn bounds(map: &[f32], width: usize) -> Option<[usize; 4]> {
    let places = || map.iter().enumerate().filter(|(_, number)| **number > 0.0).map(|(place, _)| place);
    let columns = || places().map(|place| place % width);
    Some([
        columns().min()?,
        places().next()? / width,
        columns().max()? + 1,
        places().next_back()? / width + 1,
    ])
}

fn part(picture: &Picture, [left, top, right, bottom]: [usize; 4]) -> Result<Photograph> {
    let row = |row: usize| picture.rgb()[3 * (row * picture.width() + left)..][..3 * (right - left)].iter();
    let samples = (top..bottom).flat_map(row).copied().collect();
    Ok(Photograph::from_samples(bottom - top, right - left, 3, samples)?)
}

/// A picture in the middle of a square one; small ones are enlarged.
fn tile(photograph: &Photograph) -> Result<Picture> {
    let (height, width) = (photograph.height(), photograph.width());
    let scale = TILE as f64 / height.max(width) as f64;
    let [rows, columns] = [height, width].map(|side| ((side as f64 * scale).round() as usize).clamp(1, TILE));
    let sized =
        Picture::from_photograph(&resize_image(photograph, rows, columns, Interpolation::AntiAliased)?)?;
    let mut rgb = vec![GROUND; 3 * TILE * TILE];
    let (top, left) = ((TILE - rows) / 2, (TILE - columns) / 2);
    for row in 0..rows {
        let target = 3 * ((top + row) * TILE + left);
        rgb[target..target + 3 * columns]
            .copy_from_slice(&sized.rgb()[3 * row * columns..3 * (row + 1) * columns]);
    }
    Ok(Picture::new(TILE, TILE, rgb)?)
}

/// Exemplars side by side, each with its map below it, as a JPEG file.
pub fn sheet(exemplars: &[[Picture; 2]]) -> Result<Vec<u8>> {
    let width = TILE * exemplars.len();
    let mut rgb = Vec::with_capacity(3 * width * 2 * TILE);
    for which in [0, 1] {
        for row in 0..TILE {
            for exemplar in exemplars {
                rgb.extend_from_slice(&exemplar[which].rgb()[3 * row * TILE..3 * (row + 1) * TILE]);
            }
        }
    }
    Ok(Picture::new(width, 2 * TILE, rgb)?.to_jpeg(QUALITY)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_all_that_is_not_zero() {
        let mut map = vec![0.0; 6 * 5];
        assert_eq!(bounds(&map, 6), None);
        map[6 + 4] = 1.0;
        map[3 * 6 + 2] = 0.5;
        assert_eq!(bounds(&map, 6), Some([2, 1, 5, 4]));
        map.fill(1.0);
        assert_eq!(bounds(&map, 6), Some([0, 0, 6, 5]));
    }

    #[test]
    fn tiles_are_square_and_keep_proportions() {
        let wide = Photograph::from_samples(2, 8, 3, vec![0; 48]).unwrap();
        let tile = tile(&wide).unwrap();
        assert_eq!([tile.width(), tile.height()], [TILE; 2]);
        assert_eq!(tile.pixel(0, 0), Some([GROUND; 3]));
        assert_eq!(tile.pixel(TILE / 2, TILE / 2), Some([0; 3]));
        let dark = tile.rgb().chunks_exact(3).filter(|pixel| pixel[0] == 0).count();
        assert_eq!(dark, TILE * TILE / 4);
    }
}
