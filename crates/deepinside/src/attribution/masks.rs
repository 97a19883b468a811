//! Masks over an input: enlarged maps, segments, and coalitions of segments.

use deepinside_files::Array;
use deepinside_graph::locality::Region;
use deepinside_vision::superpixels::superpixels;

use super::parameter::{Default, Kind, Parameter, Values};
use crate::{Error, Model, Result};

/// How a map gets more positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enlargement {
    /// Bilinear; pixels are areas, and borders are repeated.
    HalfPixel,
    /// Bilinear; the centres of corner pixels stay corners.
    AlignCorners,
    /// The position that a pixel's upper left corner lies in.
    Nearest,
}

/// A map of `grid` rows and columns with `size` rows and columns.
pub(super) fn enlarge(map: &[f64], grid: [usize; 2], size: [usize; 2], enlargement: Enlargement) -> Vec<f64> {
    let axes = [0, 1].map(|axis| {
        (0..size[axis]).map(|at| sources(at, grid[axis], size[axis], enlargement)).collect::<Vec<_>>()
    });
    let mut enlarged = Vec::with_capacity(size[0] * size[1]);
    for &(top, bottom, down) in &axes[0] {
        for &(left, right, across) in &axes[1] {
            let row = |row: usize| {
                let row = &map[row * grid[1]..][..grid[1]];
                row[left] + across * (row[right] - row[left])
            };
            let (above, below) = (row(top), row(bottom));
            enlarged.push(above + down * (below - above));
        }
    }
    enlarged
}

/// The two positions that a pixel lies between, and the share of the second.
fn sources(at: usize, from: usize, to: usize, enlargement: Enlargement) -> (usize, usize, f64) {
    let place = match enlargement {
        Enlargement::Nearest => {
            let nearest = (at * from / to).min(from - 1);
            return (nearest, nearest, 0.0);
        }
        Enlargement::HalfPixel => (at as f64 + 0.5) * from as f64 / to as f64 - 0.5,
        Enlargement::AlignCorners if to == 1 => 0.0,
        Enlargement::AlignCorners => at as f64 * (from - 1) as f64 / (to - 1) as f64,
    };
    let place = place.clamp(0.0, (from - 1) as f64);
    let first = place as usize;
    (first, (first + 1).min(from - 1), place - first as f64)
}

/// The parameter of methods that switch segments off.
pub(super) const SEGMENTS: Parameter = Parameter {
    name: "segments",
    help: "which segment each pixel belongs to: whole numbers, height × width; superpixels where it is not given",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

/// The parameter of methods that switch superpixels off.
pub(super) const SUPERPIXELS: Parameter = Parameter {
    name: "superpixels",
    help: "about how many superpixels (SLIC; Achanta and others 2012) stand for segments that are not given; 0 for a grid of 8 × 8 squares",
    unit: "superpixels",
    kind: Kind::Whole { least: 0, most: 100_000 },
    default: Default::Number(64.0),
};

/// Squares on each side of the grid that stands for segments where none are given.
const SQUARES: usize = 8;

/// Parts of an input that are switched on and off together.
#[derive(Debug, Clone)]
pub(super) struct Segments {
    /// Per pixel, counted from 0 without gaps.
    of: Vec<usize>,
    count: usize,
    /// How many pixels a row has.
    width: usize,
}

impl Segments {
    /// The segments of an input of `C × H × W`: given ones, or superpixels of the picture that it was made of.
    ///
    /// # Errors
    /// When they are no whole numbers, or not as many as there are pixels.
    pub fn of(values: &Values, model: &Model, input: &Array) -> Result<Self> {
        let &[_, height, width] = input.shape() else {
            return Err(Error::Option(format!("an input has three axes, found shape {:?}", input.shape())));
        };
        let Some(given) = values.array(SEGMENTS.name) else {
            let count = values.whole(SUPERPIXELS.name).unwrap_or(0);
            if count > 0 {
                let found = superpixels(&model.transformer.deprocess(input)?, count);
                return Ok(Self::numbered(found.into_iter().map(|part| part as i64).collect(), width));
            }
            let square = |pixel: usize| {
                (pixel / width) * SQUARES / height * SQUARES + (pixel % width) * SQUARES / width
            };
            return Ok(Self::numbered(
                (0..height * width).map(|pixel| square(pixel) as i64).collect(),
                width,
            ));
        };
        if given.data().len() != height * width || !given.shape().ends_with(&[height, width]) {
            return Err(Error::Option(format!(
                "'segments' has one number a pixel, {height} × {width}, found shape {:?}",
                given.shape()
            )));
        }
        if let Some(number) = given.data().iter().find(|number| number.fract() != 0.0 || !number.is_finite())
        {
            return Err(Error::Option(format!("'segments' holds whole numbers, found {number}")));
        }
        Ok(Self::numbered(given.data().iter().map(|&number| number as i64).collect(), width))
    }

    /// Numbers the labels in rising order.
    fn numbered(labels: Vec<i64>, width: usize) -> Self {
        let mut known = labels.clone();
        known.sort_unstable();
        known.dedup();
        let of = labels.iter().map(|label| known.binary_search(label).unwrap_or(0)).collect();
        Self { of, count: known.len(), width }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Rows and columns of the smallest box around each.
    pub fn boxes(&self) -> Vec<Region> {
        let mut boxes: Vec<Option<Region>> = vec![None; self.count];
        for (pixel, &segment) in self.of.iter().enumerate() {
            let place = [pixel / self.width, pixel % self.width];
            let region = boxes[segment].get_or_insert_with(|| place.map(|at| at..at + 1));
            for (span, at) in region.iter_mut().zip(place) {
                *span = span.start.min(at)..span.end.max(at + 1);
            }
        }
        boxes.into_iter().flatten().collect()
    }

    /// One number a pixel from one a segment.
    pub fn spread(&self, numbers: &[f64]) -> Vec<f32> {
        self.of.iter().map(|&segment| numbers[segment] as f32).collect()
    }

    /// The input with segments that are off taken from the baseline.
    pub fn apply(&self, input: &Array, baseline: &Array, is_on: impl Fn(usize) -> bool) -> Vec<f32> {
        let pixels = self.of.len();
        let numbers = input.data().iter().zip(baseline.data()).enumerate();
        numbers.map(|(at, (&own, &other))| if is_on(self.of[at % pixels]) { own } else { other }).collect()
    }
}

/// Rows of a `.npy` with one number for each segment, 0 for off: the coalitions whose effects are measured.
///
/// # Errors
/// When rows have another length.
pub(super) fn coalitions(given: &Array, segments: usize) -> Result<Vec<Vec<bool>>> {
    if given.shape().len() != 2 || given.shape()[1] != segments {
        return Err(Error::Option(format!(
            "'masks' has a row of {segments} numbers, one a segment, for each sample, found shape {:?}",
            given.shape()
        )));
    }
    Ok(given.data().chunks_exact(segments).map(|row| row.iter().map(|&on| on > 0.5).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.nn.functional.interpolate` of [[1, 2], [3, 5]] to 3 × 4.
    #[test]
    fn maps_are_enlarged_as_pytorch_enlarges_them() {
        let enlarged = |enlargement| enlarge(&[1.0, 2.0, 3.0, 5.0], [2, 2], [3, 4], enlargement);
        let half = [1.0, 1.25, 1.75, 2.0, 2.0, 2.375, 3.125, 3.5, 3.0, 3.5, 4.5, 5.0];
        assert_eq!(enlarged(Enlargement::HalfPixel), half);
        let corners = enlarged(Enlargement::AlignCorners);
        let expected = [1.0, 4.0 / 3.0, 5.0 / 3.0, 2.0, 2.0, 2.5, 3.0, 3.5, 3.0, 11.0 / 3.0, 13.0 / 3.0, 5.0];
        assert!(
            corners.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12),
            "{corners:?}"
        );
        assert_eq!(
            enlarged(Enlargement::Nearest),
            [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 5.0, 5.0]
        );
    }

    #[test]
    fn segments_are_numbered_without_gaps() {
        let segments = Segments::numbered(vec![7, -1, 7, 3], 2);
        assert_eq!((segments.of.as_slice(), segments.count()), (&[2, 0, 2, 1][..], 3));
        assert_eq!(segments.spread(&[1.0, 2.0, 3.0]), [3.0, 1.0, 3.0, 2.0]);
    }
}
