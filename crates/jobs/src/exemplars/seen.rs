//! What of a photograph an activation depends on, and how much.

use deepinside::attribution::Runner;
use deepinside::drawing::normalise::Scaling;
use deepinside::drawing::{ColourMap, Picture};
use deepinside::files::Array;
use deepinside::graph::ValueId;
use deepinside::saliency_figure::DrawnMap;
use deepinside::vision::resize::resize_image;
use deepinside::vision::{Interpolation, Photograph};
use deepinside::{BackwardRule, Error, Result, Target};

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
    /// How much the activation depends on each of these pixels: the largest magnitude of its gradient among the channels, rows ×
    /// columns.
    pub map: Array,
    /// The map over the crop.
    pub drawn: Picture,
}

/// What an activation, of one channel at one row and column, depends on. `input` is what the network reads, `C × H × W`.
///
/// # Errors
/// When the layer has no such unit or place, or numbers are not finite.
pub fn seen(
    runner: &mut Runner,
    value: ValueId,
    unit: usize,
    place: [usize; 2],
    input: &Array,
) -> Result<Seen> {
    let model = runner.model().clone();
    let no_place = || {
        let [row, column] = place;
        let name = &model.graph.value(value).name;
        Error::Option(format!("'{name}' has no unit {unit} at row {row} and column {column}"))
    };
    let element = match model.grid(value) {
        Ok(grid) => {
            let [channels, rows, columns] = grid.extents();
            let is_there = unit < channels && place[0] < rows && place[1] < columns;
            is_there.then(|| grid.element(unit, place[0], place[1])).flatten().ok_or_else(no_place)?
        }
        Err(_) => unit,
    };
    let target = Target::element(&model, value, element)?;
    let gradient = runner.gradient(BackwardRule::Gradient, &target, input.data())?;
    let &[channels, height, width] = gradient.shape() else {
        return Err(Error::Option("exemplars are drawn of networks that read pictures".to_owned()));
    };
    let area = height * width;
    let magnitude = |pixel: usize| {
        let of = |channel: usize| gradient.data()[channel * area + pixel].abs();
        (0..channels).map(of).fold(0.0, f32::max)
    };
    let map: Vec<f32> = (0..area).map(magnitude).collect();
    let bounds = bounds(&map, width).unwrap_or([0, 0, width, height]);
    let picture = model.transformer.deprocess(input)?;
    let map = Array::new([height, width], map)?;
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
