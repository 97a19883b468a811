//! The pictures of a site.

use std::ops::ControlFlow;

use deepinside::attribution::Runner;
use deepinside::class_model::{Recipe, Wish, ascend, picture};
use deepinside::drawing::Picture;
use deepinside::files::Array;
use deepinside::margin::MarginDrawer;
use deepinside::vision::resize::resize_image;
use deepinside::vision::{Interpolation, Photograph};
use deepinside::{Interrupt, Model, Result, Threads};

use crate::exemplars::TILE;

/// The quality of JPEG files.
const QUALITY: u8 = 82;

/// The longest side of a photograph on a class's page, in pixels.
pub const THUMBNAIL: usize = 256;

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

/// What speaks for one class and against another in a photograph, as a JPEG file of a thumbnail's size.
pub fn margin(
    drawer: &MarginDrawer,
    runner: &mut Runner,
    photograph: &Photograph,
    classes: [usize; 2],
) -> Result<Vec<u8>> {
    let [_, margin] = drawer.draw(runner, photograph, classes, THUMBNAIL)?;
    Ok(margin.to_jpeg(QUALITY)?)
}

/// A photograph whose longer side is at most so many pixels.
fn within(photograph: &Photograph, side: usize) -> Result<Photograph> {
    let (height, width) = (photograph.height(), photograph.width());
    let scale = (side as f64 / height.max(width) as f64).min(1.0);
    let [height, width] = [height, width].map(|side| ((side as f64 * scale).round() as usize).max(1));
    Ok(resize_image(photograph, height, width, Interpolation::AntiAliased)?)
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
