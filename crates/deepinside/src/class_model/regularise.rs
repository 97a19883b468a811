//! What keeps a picture from being noise that a network happens to like.

/// A stack of planes of one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub channels: usize,
    pub rows: usize,
    pub columns: usize,
}

/// Keeps the root in the gradient of the total variation finite where a picture is flat, in squared grey levels.
const FLAT: f64 = 1e-4;

/// Subtracts the gradient of `weight · Σ (dx² + dy²)^(exponent / 2)` (Mahendran and Vedaldi 2014, equation 4), dx and dy being
/// differences to the next column and row, zero at the border.
pub(super) fn subtract_total_variation(
    gradient: &mut [f64],
    picture: &[f64],
    planes: Planes,
    weight: f64,
    exponent: f64,
) {
    let Planes { rows, columns, .. } = planes;
    for (gradient, picture) in
        gradient.chunks_exact_mut(rows * columns).zip(picture.chunks_exact(rows * columns))
    {
        for row in 0..rows {
            for column in 0..columns {
                let at = row * columns + column;
                let right = (column + 1 < columns).then_some(at + 1);
                let below = (row + 1 < rows).then_some(at + columns);
                let difference =
                    |other: Option<usize>| other.map_or(0.0, |other| picture[other] - picture[at]);
                let (across, down) = (difference(right), difference(below));
                let square = across * across + down * down + FLAT;
                let slope = weight * exponent * square.powf(exponent / 2.0 - 1.0);
                gradient[at] += slope * (across + down);
                if let Some(right) = right {
                    gradient[right] -= slope * across;
                }
                if let Some(below) = below {
                    gradient[below] -= slope * down;
                }
            }
        }
    }
}

/// Sets the share of pixels to zero at which the sum of `part` over their channels is smallest in magnitude.
pub(super) fn clip_smallest(picture: &mut [f64], planes: Planes, share: f64, part: impl Fn(usize) -> f64) {
    let area = planes.rows * planes.columns;
    let sum = |pixel: usize| (0..planes.channels).map(|channel| part(channel * area + pixel)).sum::<f64>();
    let sizes: Vec<f64> = (0..area).map(|pixel| sum(pixel).abs()).collect();
    let mut order: Vec<usize> = (0..area).collect();
    // Of equal pixels the first goes: the same picture every time.
    order.sort_by(|&a, &b| sizes[a].total_cmp(&sizes[b]).then(a.cmp(&b)));
    let count = (share * area as f64) as usize;
    for &pixel in &order[..count.min(area)] {
        for channel in 0..planes.channels {
            picture[channel * area + pixel] = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn total_variation(picture: &[f64], planes: Planes, exponent: f64) -> f64 {
        let mut sum = 0.0;
        for channel in 0..planes.channels {
            let at = |row: usize, column: usize| {
                let [row, column] = [row.min(planes.rows - 1), column.min(planes.columns - 1)];
                picture[(channel * planes.rows + row) * planes.columns + column]
            };
            for row in 0..planes.rows {
                for column in 0..planes.columns {
                    let (across, down) =
                        (at(row, column + 1) - at(row, column), at(row + 1, column) - at(row, column));
                    sum += (across * across + down * down + FLAT).powf(exponent / 2.0);
                }
            }
        }
        sum
    }

    #[test]
    fn the_gradient_of_total_variation_is_that_of_central_differences() {
        let planes = Planes { channels: 2, rows: 4, columns: 5 };
        let mut random = Random::new(1);
        let picture: Vec<f64> = (0..40).map(|_| random.normal()).collect();
        for exponent in [1.0, 1.5, 2.0] {
            let mut gradient = vec![0.0; 40];
            subtract_total_variation(&mut gradient, &picture, planes, 0.7, exponent);
            for index in 0..40 {
                let moved = |by: f64| {
                    let mut moved = picture.clone();
                    moved[index] += by;
                    -0.7 * total_variation(&moved, planes, exponent)
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((slope - gradient[index]).abs() < 1e-5, "{slope} {}", gradient[index]);
            }
        }
    }

    #[test]
    fn the_smallest_pixels_become_zero() {
        let mut picture = [1.0, 4.0, 2.0, 3.0, -5.0, 0.0, 0.1, 0.0];
        let original = picture;
        let planes = Planes { channels: 2, rows: 2, columns: 2 };
        clip_smallest(&mut picture, planes, 0.5, |index| original[index].abs());
        assert_eq!(picture, [1.0, 4.0, 0.0, 0.0, -5.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn contributions_of_channels_cancel() {
        let mut picture = [1.0; 6];
        let contributions = [5.0, 1.0, -3.0, -5.0, 1.0, -1.0];
        let planes = Planes { channels: 2, rows: 1, columns: 3 };
        clip_smallest(&mut picture, planes, 0.34, |index| contributions[index]);
        assert_eq!(picture, [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    }
}
