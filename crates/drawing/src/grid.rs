//! Many small maps as one large one: the filter grid that came with Caffe's examples.

use deepinside_files::{self as files, Array};
use deepinside_vision::{Error, Result};

use crate::normalise::{self, Scaling};

/// The classic `vis_square(data, padsize, padval)`: scales all values together so that the smallest becomes 0 and
/// the largest 1, and lays the maps out in a square.
///
/// `data` is maps × height × width, which gives a grid of rows × columns, or maps × height × width × colours, which
/// gives rows × columns × colours. With *n* = ⌈√maps⌉ the grid has *n* × *n* cells, filled row by row; each cell is a
/// map followed by `padding` rows below and `padding` columns to its right of value `pad_value`, and so are the
/// cells that are left over. The gradient of a fully connected layer goes in as maps × 1 × 1.
///
/// A constant array gives zeros, where the Python original divides by zero.
///
/// # Errors
/// [`deepinside_files::Error::Shape`] for other ranks, [`Error::NotFinite`] when a value is NaN or infinite (normalise such arrays
/// first and use [`tile`]), [`Error::PictureTooLarge`] beyond 2³⁰ values.
pub fn vis_square(data: &Array, padding: usize, pad_value: f32) -> Result<Array> {
    check_rank(data)?;
    let normalised = normalise::normalise(data, Scaling::MinimumMaximum)?;
    if normalised.not_finite > 0 {
        let (count, total) = (normalised.not_finite, data.data().len());
        return Err(Error::NotFinite { what: "a grid of maps", count, total });
    }
    tile(&normalised.values, padding, pad_value)
}

/// The layout of [`vis_square`] without its scaling: the values stay as they are.
///
/// # Errors
/// As [`vis_square`], without [`Error::NotFinite`].
pub fn tile(data: &Array, padding: usize, pad_value: f32) -> Result<Array> {
    let [maps, rows, columns, colours] = check_rank(data)?;
    let side = ceiling_of_square_root(maps);
    let height = side.saturating_mul(rows.saturating_add(padding));
    let width = side.saturating_mul(columns.saturating_add(padding));
    let count = height.saturating_mul(width).saturating_mul(colours);
    if count > OUTPUT_LIMIT {
        return Err(Error::PictureTooLarge { width, height, limit: OUTPUT_LIMIT / colours });
    }
    let mut grid = vec![pad_value; count];
    let line = columns * colours;
    for (index, map) in data.data().chunks_exact(rows * line).enumerate() {
        let (top, left) = (index / side * (rows + padding), index % side * (columns + padding));
        for (row, values) in map.chunks_exact(line).enumerate() {
            let start = ((top + row) * width + left) * colours;
            grid[start..start + line].copy_from_slice(values);
        }
    }
    let shape = if data.shape().len() == 3 { vec![height, width] } else { vec![height, width, colours] };
    Ok(Array::new(shape, grid)?)
}

/// The largest number of values of a grid.
const OUTPUT_LIMIT: usize = 1 << 30;

/// Maps, rows, columns and colours.
fn check_rank(data: &Array) -> Result<[usize; 4]> {
    match *data.shape() {
        [maps, rows, columns] => Ok([maps, rows, columns, 1]),
        [maps, rows, columns, colours] => Ok([maps, rows, columns, colours]),
        _ => Err(files::Error::Shape {
            what: "a grid of maps",
            expected: "maps × height × width, or maps × height × width × colours",
            found: data.shape().to_vec(),
        }
        .into()),
    }
}

fn ceiling_of_square_root(count: usize) -> usize {
    let root = count.isqrt();
    if root * root == count { root } else { root + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Straight from the definition: for every cell of the result, which value belongs there?
    fn reference(data: &Array, padding: usize, pad_value: f32) -> Vec<f32> {
        let [maps, rows, columns] = data.shape()[..3] else { panic!("rank") };
        let colours = data.shape().get(3).copied().unwrap_or(1);
        let (low, high) = data
            .data()
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), &value| (low.min(value), high.max(value)));
        let side = (maps as f64).sqrt().ceil() as usize;
        let mut result = Vec::new();
        for y in 0..side * (rows + padding) {
            for x in 0..side * (columns + padding) {
                for colour in 0..colours {
                    let map = y / (rows + padding) * side + x / (columns + padding);
                    let (row, column) = (y % (rows + padding), x % (columns + padding));
                    result.push(if map < maps && row < rows && column < columns {
                        let at = ((map * rows + row) * columns + column) * colours + colour;
                        (data.data()[at] - low) / (high - low)
                    } else {
                        pad_value
                    });
                }
            }
        }
        result
    }

    #[test]
    fn grids_equal_the_definition() {
        let shapes: [&[usize]; 8] = [
            &[1, 3, 4],
            &[8, 3, 5],
            &[9, 2, 2],
            &[10, 1, 1],
            &[1, 1, 1],
            &[17, 1, 1],
            &[3, 4, 2, 3],
            &[1, 6, 5, 3],
        ];
        for shape in shapes {
            for (padding, pad_value) in [(0, 0.0), (1, 0.0), (1, 1.0), (3, 0.5)] {
                let count: usize = shape.iter().product();
                // A fixed scramble; one element makes a constant array, tested apart.
                let values: Vec<f32> = (0..count).map(|index| (index * 7919 % 1009) as f32 - 300.0).collect();
                let data = Array::new(shape, values).unwrap();
                if count == 1 {
                    continue;
                }
                let grid = vis_square(&data, padding, pad_value).unwrap();
                let expected = reference(&data, padding, pad_value);
                assert_eq!(grid.data().len(), expected.len(), "{shape:?}");
                for (value, expected) in grid.data().iter().zip(&expected) {
                    assert!(
                        (value - expected).abs() < 1e-6,
                        "{shape:?} padding {padding}: {value} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn shapes_of_grids() {
        let grid = |shape: &[usize]| {
            let count: usize = shape.iter().product();
            let data = Array::new(shape, (0..count).map(|value| value as f32).collect()).unwrap();
            vis_square(&data, 1, 0.0).unwrap().shape().to_vec()
        };
        assert_eq!(grid(&[8, 15, 15]), [48, 48]);
        assert_eq!(grid(&[1, 67, 67, 3]), [68, 68, 3]);
        assert_eq!(grid(&[24, 1, 1]), [10, 10]);
    }

    #[test]
    fn constant_arrays_give_zeros_and_nan_an_error() {
        let constant = Array::filled([4, 2, 2], 3.0).unwrap();
        assert_eq!(vis_square(&constant, 1, 1.0).unwrap().data().iter().filter(|&&v| v == 0.0).count(), 16);
        let mut broken = constant;
        broken.data_mut()[5] = f32::NAN;
        let message = vis_square(&broken, 1, 1.0).unwrap_err().to_string();
        assert!(message.contains("1 of 16"), "{message}");
        assert!(vis_square(&Array::filled([4, 4], 0.0).unwrap(), 1, 0.0).is_err());
        assert!(tile(&Array::filled([4, 2, 2], 0.0).unwrap(), usize::MAX, 0.0).is_err());
    }
}
