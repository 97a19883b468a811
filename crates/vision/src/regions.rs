//! Connected regions of a mask, and their boxes.

/// A rectangle of whole pixels, half-open: `x0 ≤ x < x1`, `y0 ≤ y < y1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelBox {
    /// The first column.
    pub x0: usize,
    /// The first row.
    pub y0: usize,
    /// Behind the last column.
    pub x1: usize,
    /// Behind the last row.
    pub y1: usize,
}

impl PixelBox {
    /// The smallest box around the marked pixels of a mask, rows of `width`; none where no pixel is.
    pub fn around(mask: &[bool], width: usize) -> Option<Self> {
        let mut found: Option<Self> = None;
        for index in (0..mask.len()).filter(|&index| mask[index]) {
            let (x, y) = (index % width, index / width);
            let pixel = Self { x0: x, y0: y, x1: x + 1, y1: y + 1 };
            found = Some(found.map_or(pixel, |found| found.joined(pixel)));
        }
        found
    }

    /// Whether it holds the pixel in this column and row.
    pub fn contains(self, column: usize, row: usize) -> bool {
        (self.x0..self.x1).contains(&column) && (self.y0..self.y1).contains(&row)
    }

    /// The smallest box around both.
    pub fn joined(self, other: Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// As numbers: left, top, right, bottom.
    pub fn edges(self) -> [f64; 4] {
        [self.x0, self.y0, self.x1, self.y1].map(|edge| edge as f64)
    }
}

/// Intersection over union of two boxes given by left, top, right, bottom: 0 to 1; 0 where both are empty.
pub fn intersection_over_union(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |[x0, y0, x1, y1]: [f64; 4]| (x1 - x0).max(0.0) * (y1 - y0).max(0.0);
    let shared = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let union = area(a) + area(b) - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

/// The regions of a mask whose pixels touch by a side or a corner, largest first; of equal ones the one that comes first.
pub fn connected_regions(mask: &[bool], width: usize) -> Vec<Vec<usize>> {
    let height = mask.len().checked_div(width).unwrap_or(0);
    let mut seen = vec![false; mask.len()];
    let mut regions = Vec::new();
    for start in 0..mask.len() {
        if !mask[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut region = vec![start];
        let mut next = 0;
        while let Some(&pixel) = region.get(next) {
            next += 1;
            let (row, column) = (pixel / width, pixel % width);
            for row in row.saturating_sub(1)..(row + 2).min(height) {
                for column in column.saturating_sub(1)..(column + 2).min(width) {
                    let neighbour = row * width + column;
                    if mask[neighbour] && !seen[neighbour] {
                        seen[neighbour] = true;
                        region.push(neighbour);
                    }
                }
            }
        }
        regions.push(region);
    }
    regions.sort_by_key(|region| std::cmp::Reverse(region.len()));
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_connect_and_the_largest_comes_first() {
        let mask: Vec<bool> = "x.....x...x.......xx..".chars().map(|c| c == 'x').collect();
        // x....
        // .x...     read with rows of five: the diagonal is one region, the pair below another.
        let regions = connected_regions(&mask[..20], 5);
        assert_eq!(regions.len(), 2);
        assert_eq!(regions[0], [0, 6, 10]);
        assert_eq!(regions[1], [18, 19]);
        assert_eq!(PixelBox::around(&mask[..20], 5), Some(PixelBox { x0: 0, y0: 0, x1: 5, y1: 4 }));
        assert_eq!(PixelBox::around(&[false; 6], 3), None);
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        assert_eq!(intersection_over_union([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]), 2.0 / 6.0);
        assert_eq!(intersection_over_union([0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 3.0, 3.0]), 0.0);
        assert_eq!(intersection_over_union([0.0; 4], [0.0; 4]), 0.0);
    }
}
