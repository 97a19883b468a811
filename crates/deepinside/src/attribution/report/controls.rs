//! Maps that know nothing of the network.

use deepinside_files::Array;

use crate::Result;
use crate::attribution::baseline::channels;
use crate::random::Random;

/// A random map, how near a pixel is to the centre, and how strong edges are there (Sobel's operator, of the mean over channels; borders
/// repeat), each with one number a pixel.
pub(crate) fn controls(input: &Array) -> Result<[(&'static str, Array); 3]> {
    let [height, width] = [input.shape()[1], input.shape()[2]];
    let mut random = Random::new(0);
    let noise = (0..height * width).map(|_| random.uniform() as f32).collect();
    let near = |pixel: usize| {
        let [y, x] = [pixel / width, pixel % width].map(|place| place as f64 + 0.5);
        // Not below zero, so that it can be drawn: none is further away than a corner.
        (0.5f64.hypot(0.5) - (y / height as f64 - 0.5).hypot(x / width as f64 - 0.5)) as f32
    };
    let centre = (0..height * width).map(near).collect();
    let mut grey = vec![0.0f64; height * width];
    let count = input.shape()[0] as f64;
    for channel in channels(input) {
        grey.iter_mut().zip(channel).for_each(|(sum, &number)| *sum += f64::from(number) / count);
    }
    let at = |row: i64, column: i64| {
        let row = row.clamp(0, height as i64 - 1) as usize;
        grey[row * width + column.clamp(0, width as i64 - 1) as usize]
    };
    let edge = |pixel: usize| {
        let (row, column) = ((pixel / width) as i64, (pixel % width) as i64);
        let across = |row: i64| at(row, column + 1) - at(row, column - 1);
        let down = |column: i64| at(row + 1, column) - at(row - 1, column);
        let across = across(row - 1) + 2.0 * across(row) + across(row + 1);
        let down = down(column - 1) + 2.0 * down(column) + down(column + 1);
        across.hypot(down) as f32
    };
    let edges = (0..height * width).map(edge).collect();
    let map = |numbers: Vec<f32>| Array::new([height, width], numbers);
    Ok([("random", map(noise)?), ("centre", map(centre)?), ("edges", map(edges)?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.ndimage.sobel(mode="nearest")` along both axes, their length.
    #[test]
    fn edges_are_those_of_scipy() {
        let plane = vec![0.0, 1.0, 2.0, 0.0, 5.0, 1.0, 3.0, 2.0, 2.0];
        let [_, (_, centre), (name, edges)] = controls(&Array::new([1, 3, 3], plane).unwrap()).unwrap();
        assert_eq!(name, "edges");
        // In the middle: across (1·2 + 2·1 + 1·(−1)), down (1·3 + 2·1 + 1·0).
        assert!((edges.data()[4] - 3f32.hypot(5.0)).abs() < 1e-6, "{:?}", edges.data());
        assert!(centre.data().iter().all(|&number| number > 0.0 && number <= centre.data()[4]));
    }
}
