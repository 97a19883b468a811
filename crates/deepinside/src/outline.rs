//! The outline of an object inside the box that a map chose: a graph cut by the photograph's colours, with the map as evidence.
//!
//! A threshold of the map draws the map's contour lines and not the object's: it leaves holes where the map is dark, such as
//! between the spokes of a wheel, and takes along what lies around a bright place. Here every pixel of the box costs what its
//! colour and the map say of it, and a border costs less where colours change.

use deepinside_files::Array;
use deepinside_vision::Photograph;
use deepinside_vision::graph_cut::{self, CutOptions, Marker};
use deepinside_vision::regions::{PixelBox, connected_regions};

use crate::{Error, Result};

/// How an outline is drawn; `docs/methods/localise.md` says how the defaults were chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlineOptions {
    /// How strongly the map speaks, in nats: this times the logarithm of its value over the one where it is undecided.
    pub weight: f64,
    /// From this multiple of the undecided value on, colours are learnt as the object's.
    pub certain: f64,
    /// Below this multiple, and outside the box, they are learnt as the background's.
    pub doubtful: f64,
    /// Colours, borders and refinements.
    pub cut: CutOptions,
    /// Regions are kept whose part of the map is at least this share of the largest such part.
    pub keep: f64,
    /// Photographs with a longer side are reduced by a whole number before they are cut: a cut's time grows with the
    /// pixels, and outlines do not get better.
    pub longest_side: usize,
}

impl Default for OutlineOptions {
    fn default() -> Self {
        Self {
            weight: 8.0,
            certain: 2.0,
            doubtful: 0.25,
            cut: CutOptions { refinements: 1, ..CutOptions::default() },
            keep: 0.2,
            longest_side: 640,
        }
    }
}

/// The least share that a cut holds of the map's sum above the undecided value.
const LEAST_HELD: f64 = 0.75;

/// What may not be the object is background at any price: a marker that is not clamped can be outvoted by colours.
const FORBIDDEN: f32 = -1e4;

/// The object's pixels, row-major: within the box and what was seen, without holes and specks. `undecided` is the value of the map,
/// height × width of the photograph, at which it speaks for neither side; where it is 0, all of the box is the object.
///
/// # Errors
/// When map and photograph differ in size, and those of the cut.
pub fn outline(
    photograph: &Photograph,
    map: &Array,
    seen: &[bool],
    undecided: f64,
    bounds: PixelBox,
    options: &OutlineOptions,
) -> Result<Vec<bool>> {
    let (height, width) = (photograph.height(), photograph.width());
    if map.shape() != [height, width] || seen.len() != height * width {
        return Err(Error::Option(format!(
            "a map of shape {:?} does not belong to a photograph of {width}×{height} pixels",
            map.shape()
        )));
    }
    let may_be = |index: usize| bounds.contains(index % width, index / width) && seen[index];
    let may_be: Vec<bool> = (0..height * width).map(may_be).collect();
    if undecided.is_nan() || undecided <= 0.0 {
        return Ok(may_be);
    }
    let reduction = Reduction::new(height, width, options.longest_side);
    let numbers = reduction.mean(map.data(), 1);
    let allowed: Vec<f32> = may_be.iter().map(|&may_be| f32::from(u8::from(may_be))).collect();
    let allowed: Vec<bool> = reduction.mean(&allowed, 1).iter().map(|&share| share > 0.5).collect();
    let colours = reduction.mean(photograph.data(), photograph.channels());
    let [rows, columns] = reduction.extents;
    let small = Photograph::new(rows, columns, photograph.channels(), colours)?;
    let ratio = |number: f32| f64::from(number) / undecided;
    let pixels = || numbers.iter().zip(&allowed);
    let markers: Vec<Marker> = pixels()
        .map(|(&number, &allowed)| match ratio(number) {
            _ if !allowed => Marker::Background,
            ratio if ratio >= options.certain => Marker::Foreground,
            ratio if ratio < options.doubtful => Marker::Background,
            _ => Marker::Unknown,
        })
        .collect();
    let prior: Vec<f32> = pixels()
        .map(|(&number, &allowed)| {
            let evidence = options.weight * ratio(number).max(1e-3).ln();
            if allowed { evidence as f32 } else { FORBIDDEN }
        })
        .collect();
    let cut = graph_cut::cut(&small, &markers, Some(&prior), &options.cut)?;
    let object: Vec<bool> =
        cut.iter().zip(&allowed).map(|(&is_object, &allowed)| is_object && allowed).collect();
    // Colours learnt from few pixels may call the brightest part of the map background: then the map alone is believed.
    let above: Vec<bool> = pixels().map(|(&number, &allowed)| allowed && ratio(number) > 1.0).collect();
    let held = |mask: &[bool]| -> f64 {
        mask.iter().zip(&numbers).filter(|(chosen, _)| **chosen).map(|(_, &number)| f64::from(number)).sum()
    };
    let object = if held(&object) < LEAST_HELD * held(&above) { above } else { object };
    let regions = connected_regions(&without_holes(&object, columns), columns);
    let strength = |region: &Vec<usize>| region.iter().map(|&index| f64::from(numbers[index])).sum::<f64>();
    let strongest = regions.iter().map(strength).fold(0.0, f64::max);
    let mut mask = vec![false; object.len()];
    for region in regions.into_iter().filter(|region| strength(region) >= options.keep * strongest) {
        region.into_iter().for_each(|index| mask[index] = true);
    }
    let enlarged = reduction.enlarged(&mask);
    Ok(enlarged.into_iter().zip(may_be).map(|(is_object, may_be)| is_object && may_be).collect())
}

/// Squares of pixels that become one; those at the right and lower border may be smaller.
struct Reduction {
    size: [usize; 2],
    by: usize,
    extents: [usize; 2],
}

impl Reduction {
    fn new(height: usize, width: usize, longest_side: usize) -> Self {
        let by = height.max(width).div_ceil(longest_side.max(1)).max(1);
        Self { size: [height, width], by, extents: [height.div_ceil(by), width.div_ceil(by)] }
    }

    /// The means over the squares of numbers with so many channels, channels last.
    fn mean(&self, numbers: &[f32], channels: usize) -> Vec<f32> {
        if self.by == 1 {
            return numbers.to_vec();
        }
        let ([_, width], [_, columns]) = (self.size, self.extents);
        let mut sums = vec![0.0; self.extents.iter().product::<usize>() * channels];
        let mut counts = vec![0.0f32; sums.len()];
        for (index, &number) in numbers.iter().enumerate() {
            let (pixel, channel) = (index / channels, index % channels);
            let target = (pixel / width / self.by * columns + pixel % width / self.by) * channels + channel;
            sums[target] += number;
            counts[target] += 1.0;
        }
        sums.iter().zip(counts).map(|(sum, count)| sum / count).collect()
    }

    /// A mask in full size: what is more than half marked, interpolated between the squares' middles.
    fn enlarged(&self, mask: &[bool]) -> Vec<bool> {
        if self.by == 1 {
            return mask.to_vec();
        }
        let ([height, width], [rows, columns]) = (self.size, self.extents);
        let places = |length: usize, count: usize| -> Vec<(usize, usize, f32)> {
            let place = |at: usize| {
                let place = ((at as f32 + 0.5) / self.by as f32 - 0.5).clamp(0.0, (count - 1) as f32);
                let low = place as usize;
                (low, (low + 1).min(count - 1), place - low as f32)
            };
            (0..length).map(place).collect()
        };
        let (down, across) = (places(height, rows), places(width, columns));
        let mut full = Vec::with_capacity(height * width);
        for &(above, below, lower) in &down {
            let number = |row: usize, column: usize| f32::from(u8::from(mask[row * columns + column]));
            for &(left, right, further) in &across {
                let of_row = |row| number(row, left) * (1.0 - further) + number(row, right) * further;
                full.push(of_row(above) * (1.0 - lower) + of_row(below) * lower > 0.5);
            }
        }
        full
    }
}

/// A mask without the holes in it: background that the edge of the picture cannot be reached from, side by side.
fn without_holes(mask: &[bool], width: usize) -> Vec<bool> {
    let height = mask.len().checked_div(width).unwrap_or(0);
    let is_at_edge = |index: usize| {
        let (row, column) = (index / width, index % width);
        row == 0 || column == 0 || row + 1 == height || column + 1 == width
    };
    let mut open: Vec<usize> = (0..mask.len()).filter(|&index| is_at_edge(index) && !mask[index]).collect();
    let mut reached = vec![false; mask.len()];
    open.iter().for_each(|&index| reached[index] = true);
    while let Some(index) = open.pop() {
        let (row, column) = (index / width, index % width);
        let beside = [
            (column > 0).then(|| index - 1),
            (column + 1 < width).then(|| index + 1),
            (row > 0).then(|| index - width),
            (row + 1 < height).then(|| index + width),
        ];
        for next in beside.into_iter().flatten() {
            if !mask[next] && !reached[next] {
                reached[next] = true;
                open.push(next);
            }
        }
    }
    reached.into_iter().map(|outside| !outside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(index: usize, width: usize) -> f32 {
        ((index / width) as f32 + 0.5 - 20.0).hypot((index % width) as f32 + 0.5 - 22.0)
    }

    /// A red disc on green, and a map that is bright on its left half and dark in its middle: the map's contour was a crescent.
    fn disc(height: usize, width: usize) -> (Photograph, Array) {
        let mut data = Vec::new();
        for index in 0..height * width {
            let noise = (index * 7919 % 13) as f32 / 100.0;
            let is_near = distance(index, width) < 12.0;
            data.extend(if is_near { [0.8, 0.1 + noise, 0.1] } else { [0.1, 0.6 + noise, 0.2] });
        }
        let level = |index: usize| match distance(index, width) {
            far if far > 13.0 => 0.05,
            beside if beside >= 12.0 => 0.9,
            near if near < 4.0 => 0.2,
            _ if index % width < 22 => 3.0,
            _ => 0.9,
        };
        let map = Array::new([height, width], (0..height * width).map(level).collect()).unwrap();
        (Photograph::new(height, width, 3, data).unwrap(), map)
    }

    const BOX: PixelBox = PixelBox { x0: 8, y0: 6, x1: 36, y1: 34 };

    #[test]
    fn an_outline_follows_the_photograph_and_has_no_holes() {
        let (photograph, map) = disc(40, 50);
        let all = [true; 2000];
        let draw = |seen: &[bool], undecided, bounds| {
            outline(&photograph, &map, seen, undecided, bounds, &OutlineOptions::default()).unwrap()
        };
        let mask = draw(&all, 1.0, BOX);
        for (index, &is_object) in mask.iter().enumerate() {
            assert_eq!(is_object, distance(index, 50) < 12.0, "{}, {}", index / 50, index % 50);
        }
        // Nothing outside the box, nor where the network did not look, whatever its colour.
        let is_left =
            |mask: &[bool]| mask.iter().enumerate().all(|(index, &is_object)| !is_object || index % 50 < 22);
        assert!(is_left(&draw(&all, 1.0, PixelBox { x1: 22, ..BOX })));
        let seen: Vec<bool> = (0..2000).map(|index| index % 50 < 22).collect();
        assert!(is_left(&draw(&seen, 1.0, BOX)));
        assert_eq!(draw(&all, 0.0, BOX).iter().filter(|is_object| **is_object).count(), 28 * 28);
        assert!(outline(&photograph, &map, &all[1..], 1.0, BOX, &OutlineOptions::default()).is_err());
    }

    #[test]
    fn large_photographs_are_cut_reduced_and_outlined_in_full_size() {
        let (photograph, map) = disc(41, 51);
        let options = OutlineOptions { longest_side: 20, ..OutlineOptions::default() };
        let mask = outline(&photograph, &map, &[true; 41 * 51], 1.0, BOX, &options).unwrap();
        let differing =
            mask.iter().enumerate().filter(|(index, is_object)| **is_object != (distance(*index, 51) < 12.0));
        // Of 452 pixels those along the border, which squares of three by three do not follow.
        assert!(differing.count() < 60);
    }
}
