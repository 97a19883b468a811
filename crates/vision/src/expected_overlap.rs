//! The box that is expected to overlap an object the most, where it is only known how probably each pixel belongs to the object.
//!
//! The overlap of a box `B` with the object is intersection over union. With `p` the pixels' probabilities the expected
//! intersection is `Σ_B p` and the expected union `|B| + Σ p − Σ_B p`; their quotient is what is maximised (Nowozin 2014, "Optimal
//! decisions from probabilistic models: the intersection-over-union case", where the quotient of expectations stands for the
//! expected quotient). No threshold is needed: a pixel enlarges the best box if what it brings outweighs what the box grows by.

use crate::regions::PixelBox;
use crate::{Error, Result};

/// Boxes are searched with edges on a grid of so many lines each way, all of them …
const COARSE: usize = 38;

/// … and then moved by single cells of a grid of so many: single pixels of all but large photographs.
const FINE: usize = 1024;

/// The box with the largest expected overlap, rows of `width`; none where no pixel has any probability.
///
/// Among all boxes on a coarse grid the best is found by looking at each; its edges are then moved one at a time, by up to a
/// cell of that grid, as long as that helps. On maps of up to 38 × 38 pixels that is the best box of all.
///
/// # Errors
/// [`Error::Parameter`] unless rows are whole and all numbers lie between 0 and 1.
pub fn most_overlapping_box(probabilities: &[f32], width: usize) -> Result<Option<PixelBox>> {
    let height = probabilities.len().checked_div(width).unwrap_or(0);
    if height * width != probabilities.len() {
        return Err(Error::Parameter {
            name: "the probabilities",
            expected: "whole rows",
            found: format!("{} in rows of {width}", probabilities.len()),
        });
    }
    if let Some(outside) = probabilities.iter().find(|number| !(0.0..=1.0).contains(*number)) {
        let (name, expected) = ("a pixel's probability", "between 0 and 1");
        return Err(Error::Parameter { name, expected, found: outside.to_string() });
    }
    if probabilities.is_empty() {
        return Ok(None);
    }
    let sums = Sums::new(probabilities, height, width);
    if sums.total() <= 0.0 {
        return Ok(None);
    }
    let mut best = sums.coarse();
    sums.refine(&mut best);
    let [left, top, right, bottom] = best;
    Ok(Some(PixelBox {
        x0: sums.columns[left],
        y0: sums.rows[top],
        x1: sums.columns[right],
        y1: sums.rows[bottom],
    }))
}

/// Sums of probabilities from the upper left corner to every crossing of a grid.
struct Sums {
    /// The pixel rows and columns on which the grid's lines lie.
    rows: Vec<usize>,
    columns: Vec<usize>,
    /// Per crossing, rows of lines.
    sums: Vec<f64>,
}

impl Sums {
    fn new(probabilities: &[f32], height: usize, width: usize) -> Self {
        let (rows, columns) = (lines(height, FINE), lines(width, FINE));
        let mut sums = vec![0.0; rows.len() * columns.len()];
        let mut down = vec![0.0f64; width];
        let mut next = 1;
        for (y, row) in probabilities.chunks_exact(width).enumerate() {
            for (sum, &number) in down.iter_mut().zip(row) {
                *sum += f64::from(number);
            }
            if rows[next] == y + 1 {
                let target = &mut sums[next * columns.len()..][..columns.len()];
                let mut sum = 0.0;
                for (index, edge) in columns.windows(2).enumerate() {
                    sum += down[edge[0]..edge[1]].iter().sum::<f64>();
                    target[index + 1] = sum;
                }
                next += 1;
            }
        }
        Self { rows, columns, sums }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.sums[row * self.columns.len() + column]
    }

    fn total(&self) -> f64 {
        self.sums[self.sums.len() - 1]
    }

    /// The expected overlap of a box given by its lines: left, top, right, bottom.
    fn overlap(&self, [left, top, right, bottom]: [usize; 4]) -> f64 {
        let shared =
            self.at(bottom, right) - self.at(top, right) - self.at(bottom, left) + self.at(top, left);
        let area = (self.rows[bottom] - self.rows[top]) * (self.columns[right] - self.columns[left]);
        shared / (area as f64 + self.total() - shared)
    }

    /// The best box whose edges lie on few lines.
    fn coarse(&self) -> [usize; 4] {
        let (rows, columns) = (lines(self.rows.len() - 1, COARSE), lines(self.columns.len() - 1, COARSE));
        let total = self.total();
        let (mut best, mut found) = (f64::NEG_INFINITY, [0, 0, self.columns.len() - 1, self.rows.len() - 1]);
        let mut strip = vec![0.0; columns.len()];
        for (index, &top) in rows.iter().enumerate() {
            for &bottom in &rows[index + 1..] {
                for (sum, &column) in strip.iter_mut().zip(&columns) {
                    *sum = self.at(bottom, column) - self.at(top, column);
                }
                let height = (self.rows[bottom] - self.rows[top]) as f64;
                for (start, &left) in columns.iter().enumerate() {
                    for (end, &right) in columns.iter().enumerate().skip(start + 1) {
                        let shared = strip[end] - strip[start];
                        let area = height * (self.columns[right] - self.columns[left]) as f64;
                        let overlap = shared / (area + total - shared);
                        if overlap > best {
                            (best, found) = (overlap, [left, top, right, bottom]);
                        }
                    }
                }
            }
        }
        found
    }

    /// Moves edges one at a time while that helps.
    fn refine(&self, found: &mut [usize; 4]) {
        let reach = [self.columns.len(), self.rows.len()].map(|lines| lines.div_ceil(COARSE));
        let mut best = self.overlap(*found);
        loop {
            let before = best;
            for edge in 0..4 {
                let axis = edge % 2;
                let lines = if axis == 0 { self.columns.len() } else { self.rows.len() };
                // Left and top end before the opposite edge, right and bottom begin behind it.
                let (low, high) = if edge < 2 { (0, found[edge + 2]) } else { (found[edge - 2] + 1, lines) };
                let from = found[edge].saturating_sub(reach[axis]).max(low);
                for line in from..(found[edge] + reach[axis] + 1).min(high) {
                    let mut moved = *found;
                    moved[edge] = line;
                    let overlap = self.overlap(moved);
                    if overlap > best {
                        (best, *found) = (overlap, moved);
                    }
                }
            }
            if best <= before {
                return;
            }
        }
    }
}

/// At most `most + 1` of the lines 0 to `extent`, evenly apart, both ends among them.
fn lines(extent: usize, most: usize) -> Vec<usize> {
    let cells = extent.min(most).max(1);
    (0..=cells).map(|line| (line * extent + cells / 2) / cells).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A blurred blob and some noise.
    fn blob(height: usize, width: usize) -> Vec<f32> {
        let noise = |index: usize| (index * 7919 % 101) as f32 / 400.0;
        let pixel = |index: usize| {
            let (row, column) = ((index / width) as f32, (index % width) as f32);
            let (down, across) = (row - 0.4 * height as f32, column - 0.6 * width as f32);
            let far = (down / (0.2 * height as f32)).powi(2) + (across / (0.25 * width as f32)).powi(2);
            ((-far).exp() + noise(index)).min(1.0)
        };
        (0..height * width).map(pixel).collect()
    }

    /// Every box of a small map, by the definition.
    #[test]
    fn no_box_has_a_larger_expected_overlap() {
        for (height, width) in [(1, 1), (9, 12), (14, 11)] {
            let map = blob(height, width);
            let total: f64 = map.iter().map(|&p| f64::from(p)).sum();
            let overlap = |bounds: PixelBox| {
                let mut shared = 0.0;
                for y in bounds.y0..bounds.y1 {
                    for x in bounds.x0..bounds.x1 {
                        shared += f64::from(map[y * width + x]);
                    }
                }
                shared / (((bounds.x1 - bounds.x0) * (bounds.y1 - bounds.y0)) as f64 + total - shared)
            };
            let mut best = 0.0f64;
            for y0 in 0..height {
                for y1 in y0 + 1..=height {
                    for x0 in 0..width {
                        for x1 in x0 + 1..=width {
                            best = best.max(overlap(PixelBox { x0, y0, x1, y1 }));
                        }
                    }
                }
            }
            let found = most_overlapping_box(&map, width).unwrap().unwrap();
            assert!((overlap(found) - best).abs() < 1e-9, "{found:?}: {} of {best}", overlap(found));
        }
    }

    #[test]
    fn a_certain_rectangle_is_found_to_the_pixel() {
        let (height, width) = (213, 1301);
        let inside =
            |index: usize| (37..160).contains(&(index / width)) && (401..977).contains(&(index % width));
        let map: Vec<f32> = (0..height * width).map(|index| f32::from(u8::from(inside(index)))).collect();
        let found = most_overlapping_box(&map, width).unwrap().unwrap();
        assert_eq!((found.y0, found.y1), (37, 160));
        // A photograph as wide as that has cells of more than a pixel.
        assert!(found.x0.abs_diff(401) <= 1 && found.x1.abs_diff(977) <= 1, "{found:?}");
        assert_eq!(most_overlapping_box(&[0.0; 6], 3).unwrap(), None);
        assert!(most_overlapping_box(&[2.0; 6], 3).is_err() && most_overlapping_box(&[0.5; 7], 3).is_err());
    }
}
