//! What of a photograph an activation depends on, and how much.

use deepinside::attribution::{Attribution, Method, Runner};
use deepinside::drawing::normalise::Scaling;
use deepinside::drawing::{ColourMap, Picture};
use deepinside::files::Array;
use deepinside::graph::op::Unary;
use deepinside::graph::{Op, ValueId};
use deepinside::saliency_figure::DrawnMap;
use deepinside::vision::resize::resize_image;
use deepinside::vision::{Interpolation, Photograph};
use deepinside::{BackwardRule, Error, Model, Result, Target};

/// The side of a tile, in pixels.
pub const TILE: usize = 112;

/// What lies around parts that are not square.
const GROUND: u8 = 0xf2;

/// What of a network's input one activation depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Left, top, right and bottom in the network's input: outside, the gradient is zero. This is the receptive field as far as the
    /// rectifiers let it through for this photograph.
    pub bounds: [usize; 4],
    /// What the network reads there.
    pub crop: Picture,
    /// How much each of these pixels contributes to the activation by the method that was asked for; by default the largest magnitude
    /// of the activation's gradient among the channels. Rows × columns.
    pub map: Array,
    /// The map over the crop.
    pub drawn: Picture,
}

/// What the activation of a layer's unit at one place, row and column, depends on, and the map of it that a method of the picture makes;
/// its gradient without one. `input` is what the network reads, `C × H × W`. An activation that lies at the bound of its clip, as that of a
/// ReLU6 often does, depends on nothing: there the number before the clip is explained.
///
/// # Errors
/// When the network has no such layer, unit or place, the method looks at a layer, or numbers are not finite.
pub fn seen(
    runner: &mut Runner,
    layer: &str,
    unit: usize,
    place: [usize; 2],
    input: &Array,
    method: Option<&dyn Method>,
) -> Result<Seen> {
    let model = runner.model().clone();
    let value = model.graph.find(layer);
    let value = value.ok_or_else(|| Error::Option(format!("the network has no value '{layer}'")))?;
    let no_place = || {
        let [row, column] = place;
        Error::Option(format!("'{layer}' has no unit {unit} at row {row} and column {column}"))
    };
    let element = match model.grid(value) {
        Ok(grid) => {
            let [channels, rows, columns] = grid.extents();
            let is_there = unit < channels && place[0] < rows && place[1] < columns;
            is_there.then(|| grid.element(unit, place[0], place[1])).flatten().ok_or_else(no_place)?
        }
        Err(_) => unit,
    };
    let mut target = Target::element(&model, value, element)?;
    let mut gradient = runner.gradient(BackwardRule::Gradient, &target, input.data())?;
    if let Some(argument) =
        clipped(&model, value).filter(|_| gradient.data().iter().all(|&number| number == 0.0))
    {
        target = Target::element(&model, argument, element)?;
        gradient = runner.gradient(BackwardRule::Gradient, &target, input.data())?;
    }
    let &[_, height, width] = gradient.shape() else {
        return Err(Error::Option("exemplars are drawn of networks that read pictures".to_owned()));
    };
    let gradient = Attribution::of_input(gradient).map()?;
    let bounds = bounds(gradient.data(), width).unwrap_or([0, 0, width, height]);
    let picture = model.transformer.deprocess(input)?;
    let map = match method {
        None => gradient,
        Some(method) => {
            let found = method.attribute(runner, input, &target)?;
            if found.layer.is_some() {
                let what = "units are explained by methods of the picture, and this one looks at a layer";
                return Err(Error::Option(what.to_owned()));
            }
            found.map()?
        }
    };
    let drawn = DrawnMap::of_all_seen(&map, Scaling::Quantile(0.99), ColourMap::Inferno)?.over(&picture)?;
    let [left, top, right, bottom] = bounds;
    let rows = (top..bottom).flat_map(|row| &map.data()[row * width + left..row * width + right]);
    Ok(Seen {
        bounds,
        crop: Picture::from_photograph(&part(&Picture::from_photograph(&picture)?, bounds)?)?,
        map: Array::new([bottom - top, right - left], rows.copied().collect())?,
        drawn: Picture::from_photograph(&part(&drawn, bounds)?)?,
    })
}

/// What a value is clipped from.
fn clipped(model: &Model, value: ValueId) -> Option<ValueId> {
    let node = model.graph.producers()[value.index()].map(|node| model.graph.node(node))?;
    matches!(node.op, Op::Unary(Unary::Clip { .. })).then(|| node.inputs[0])
}

impl Seen {
    /// Crop and drawing as squares of [`TILE`] pixels.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn tiles(&self) -> Result<[Picture; 2]> {
        Ok([tile(&self.crop)?, tile(&self.drawn)?])
    }
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
fn tile(picture: &Picture) -> Result<Picture> {
    let photograph = &Photograph::from_samples(picture.height(), picture.width(), 3, picture.rgb().to_vec())?;
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
        let wide = Picture::new(8, 2, vec![0; 48]).unwrap();
        let tile = tile(&wide).unwrap();
        assert_eq!([tile.width(), tile.height()], [TILE; 2]);
        assert_eq!(tile.pixel(0, 0), Some([GROUND; 3]));
        assert_eq!(tile.pixel(TILE / 2, TILE / 2), Some([0; 3]));
        let dark = tile.rgb().chunks_exact(3).filter(|pixel| pixel[0] == 0).count();
        assert_eq!(dark, TILE * TILE / 4);
    }
}
