//! MaxBoxAcc: how well a map localises when its threshold is chosen for all pictures together (Choe and others 2020, "Evaluating
//! weakly supervised object localization methods right", §4).
//!
//! A map is scaled to [0, 1]; at every threshold the pixels that reach it fall into regions. *MaxBoxAcc* takes the box of the largest
//! region and counts overlaps of at least one half, *MaxBoxAccV2* the best box of all regions and the mean over overlaps of 0.3, 0.5
//! and 0.7; either is the accuracy at the best threshold. The authors' program follows contours and measures the area inside; here
//! regions touch by sides and corners, a region's size is its pixels, and contours of holes are not tried.

use deepinside_vision::regions::{PixelBox, intersection_over_union};

/// The number of thresholds: 0, 0.01, … 0.99.
pub const THRESHOLDS: usize = 100;

/// The overlaps that count for MaxBoxAccV2.
pub const OVERLAPS: [f64; 3] = [0.3, 0.5, 0.7];

/// Per threshold, from the lowest: the overlap of the largest region's box, and the largest overlap of any region's.
pub fn overlaps_by_threshold(map: &[f32], width: usize, truth: &[[f64; 4]]) -> Vec<[f32; 2]> {
    let overlap = |bounds: PixelBox| {
        truth.iter().map(|truth| intersection_over_union(bounds.edges(), *truth)).fold(0.0, f64::max) as f32
    };
    let (low, high) = map
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &number| (low.min(number), high.max(number)));
    let range = f64::from(high) - f64::from(low);
    // A constant map is all at the lowest threshold.
    let level = |number: f32| {
        let share = if range > 0.0 { (f64::from(number) - f64::from(low)) / range } else { 0.0 };
        ((share * THRESHOLDS as f64) as usize).min(THRESHOLDS - 1)
    };
    let mut by_level: Vec<Vec<u32>> = vec![Vec::new(); THRESHOLDS];
    for (index, &number) in map.iter().enumerate() {
        by_level[level(number)].push(index as u32);
    }
    let mut forest = Forest::new(map.len(), width);
    let mut result = vec![[0.0; 2]; THRESHOLDS];
    for (pixels, result) in by_level.iter().zip(&mut result).rev() {
        pixels.iter().for_each(|&pixel| forest.add(pixel as usize));
        let roots = forest.roots();
        let largest = roots.iter().min_by_key(|&&root| (std::cmp::Reverse(forest.sizes[root]), root));
        let best = roots.iter().map(|&root| overlap(forest.bounds[root])).fold(0.0, f32::max);
        *result = [largest.map_or(0.0, |&root| overlap(forest.bounds[root])), best];
    }
    result
}

/// The largest share over all thresholds of pictures whose overlap reaches `wanted`, and that threshold. `which` is 0 for the
/// largest region and 1 for the best.
pub fn best_accuracy(curves: &[&[[f32; 2]]], which: usize, wanted: f64) -> (f64, f64) {
    let accuracy = |threshold: usize| {
        let reached = |curve: &&&[[f32; 2]]| {
            // In the precision in which overlaps are kept: 0.7 reaches 0.7.
            curve.get(threshold).is_some_and(|overlaps| overlaps[which] >= wanted as f32)
        };
        curves.iter().filter(reached).count() as f64 / curves.len().max(1) as f64
    };
    let all = (0..THRESHOLDS).map(|threshold| (accuracy(threshold), threshold as f64 / THRESHOLDS as f64));
    all.fold((0.0, 0.0), |best, next| if next.0 > best.0 { next } else { best })
}

/// Regions that grow together while pixels are added.
struct Forest {
    width: usize,
    /// The pixel above each, itself at the top; the number of pixels for those not added yet.
    parents: Vec<usize>,
    sizes: Vec<usize>,
    bounds: Vec<PixelBox>,
    /// Those that were at the top when last looked at, and what was added since.
    tops: Vec<usize>,
}

impl Forest {
    fn new(pixels: usize, width: usize) -> Self {
        let bounds = PixelBox { x0: 0, y0: 0, x1: 0, y1: 0 };
        Self {
            width,
            parents: vec![pixels; pixels],
            sizes: vec![0; pixels],
            bounds: vec![bounds; pixels],
            tops: Vec::new(),
        }
    }

    fn top(&mut self, mut pixel: usize) -> usize {
        while self.parents[pixel] != pixel {
            self.parents[pixel] = self.parents[self.parents[pixel]];
            pixel = self.parents[pixel];
        }
        pixel
    }

    fn add(&mut self, pixel: usize) {
        let (x, y) = (pixel % self.width, pixel / self.width);
        self.parents[pixel] = pixel;
        self.sizes[pixel] = 1;
        self.bounds[pixel] = PixelBox { x0: x, y0: y, x1: x + 1, y1: y + 1 };
        self.tops.push(pixel);
        let height = self.parents.len() / self.width;
        for row in y.saturating_sub(1)..(y + 2).min(height) {
            for column in x.saturating_sub(1)..(x + 2).min(self.width) {
                let neighbour = row * self.width + column;
                if self.parents[neighbour] < self.parents.len() {
                    self.join(pixel, neighbour);
                }
            }
        }
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.top(a), self.top(b));
        if a == b {
            return;
        }
        let (above, below) = if self.sizes[a] >= self.sizes[b] { (a, b) } else { (b, a) };
        self.parents[below] = above;
        self.sizes[above] += self.sizes[below];
        self.bounds[above] = self.bounds[above].joined(self.bounds[below]);
    }

    fn roots(&mut self) -> Vec<usize> {
        let parents = &self.parents;
        self.tops.retain(|&pixel| parents[pixel] == pixel);
        self.tops.clone()
    }
}

#[cfg(test)]
mod tests {
    use deepinside_vision::regions::connected_regions;

    use super::*;

    /// Region by region at each threshold, from the definition.
    #[test]
    fn overlaps_are_those_of_the_definition() {
        let (height, width) = (17, 23);
        let mut state = 5u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        let map: Vec<f32> = (0..height * width).map(|_| random()).collect();
        let truth = [[3.0, 2.0, 15.0, 12.0], [0.0, 0.0, 4.0, 4.5]];
        let found = overlaps_by_threshold(&map, width, &truth);
        let (low, high) = map.iter().fold((1.0f32, 0.0f32), |(low, high), &n| (low.min(n), high.max(n)));
        for (threshold, found) in found.iter().enumerate() {
            let reaches = |&n: &f32| {
                ((f64::from(n) - f64::from(low)) / (f64::from(high) - f64::from(low)) * 100.0).floor()
                    >= threshold as f64
            };
            let mask: Vec<bool> = map.iter().map(reaches).collect();
            let overlaps: Vec<(usize, f32)> = connected_regions(&mask, width)
                .iter()
                .map(|region| {
                    let mut own = vec![false; mask.len()];
                    region.iter().for_each(|&pixel| own[pixel] = true);
                    let bounds = PixelBox::around(&own, width).unwrap().edges();
                    let overlap =
                        truth.iter().map(|truth| intersection_over_union(bounds, *truth)).fold(0.0, f64::max);
                    (region.len(), overlap as f32)
                })
                .collect();
            let best = overlaps.iter().map(|(_, overlap)| *overlap).fold(0.0, f32::max);
            assert_eq!(found[1], best, "at {threshold}");
            let largest = overlaps.iter().map(|(size, _)| *size).max().unwrap();
            assert!(
                overlaps.iter().any(|&(size, overlap)| size == largest && overlap == found[0]),
                "at {threshold}"
            );
        }
    }

    #[test]
    fn the_best_threshold_is_one_for_all_pictures() {
        // Two pictures, each right at two thresholds, together at one.
        let curve = |right: [usize; 2]| -> Vec<[f32; 2]> {
            (0..THRESHOLDS)
                .map(|threshold| if right.contains(&threshold) { [0.6, 0.8] } else { [0.1, 0.2] })
                .collect()
        };
        let (first, second) = (curve([10, 20]), curve([20, 30]));
        assert_eq!(best_accuracy(&[&first, &second], 0, 0.5), (1.0, 0.2));
        assert_eq!(best_accuracy(&[&first, &second], 0, 0.7).0, 0.0);
        assert_eq!(best_accuracy(&[&first, &second], 1, 0.7), (1.0, 0.2));
    }
}
