//! The transforms of Winograd's convolutions, and which of them is the fastest.

use super::super::geometry::Geometry;
use crate::simd::{Simd, Work};

/// The largest square of the source that a tile reads.
pub(super) const LARGEST: usize = 6;

/// The points of the larger transforms besides 0 and ∞: ± each.
const POINTS: [f32; 2] = [0.75, 1.5];

/// Numbers of channels are multiples of it, so that few vectors are not full.
const CHANNELS: usize = 8;

/// How many multiplications take as long as what is left of reading one number of the filters from memory, where it is asked for
/// ahead of time. Vectors of sixteen numbers multiply twice as fast, and memory is no faster for them.
const fn reading(lanes: usize) -> f64 {
    if lanes < 16 { 11.0 } else { 30.0 }
}

/// How many multiplications take as long as transforming one number, forth or back.
const TRANSFORMING: f64 = 4.0;

/// Which transforms are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernel) enum Tile {
    /// F(2×2, 3×3).
    Two,
    /// F(4×4, 3×3).
    Four,
    /// F(2×2, 5×5).
    TwoOfFive,
}

impl Tile {
    /// The fastest way to compute a convolution and its adjoint, of those that fit; none where summing directly is faster.
    ///
    /// Larger tiles multiply less often, but compute more beyond the border of small images and read more numbers of filters:
    /// what is compared is the time of multiplications, of reading filters, and of transforms.
    pub fn best(geometry: &Geometry, batch: usize, lanes: usize) -> Option<Self> {
        let Geometry { large, small, groups, .. } = *geometry;
        let channels = [large, small].map(|field| (field.channels / groups) as f64);
        let [both, sum] = [channels[0] * channels[1], channels[0] + channels[1]];
        let cost = |elements: usize, tiles: usize, transforming: f64| {
            let tiles = tiles as f64;
            elements as f64 * (both * (tiles + reading(lanes)) + transforming * tiles * sum)
        };
        let [_, height, width] = small.spatial;
        let taps = geometry.kernel.iter().product::<usize>();
        let mut best = (cost(taps, batch * height * width, 0.0), None);
        for tile in [Self::Two, Self::Four, Self::TwoOfFive] {
            if tile.fits(geometry) {
                let tiles = batch * height.div_ceil(tile.size()) * width.div_ceil(tile.size());
                let cost = cost(tile.elements(), tiles, TRANSFORMING);
                if cost < best.0 {
                    best = (cost, Some(tile));
                }
            }
        }
        best.1
    }

    /// Whether the convolution and its adjoint can be computed so.
    pub fn fits(self, geometry: &Geometry) -> bool {
        let Geometry { large, small, kernel, stride, dilation, pad, groups } = *geometry;
        let extent = self.kernel();
        kernel == [1, extent, extent]
            && stride == [1; 3]
            && dilation == [1; 3]
            && pad[0] == 0
            && pad[1] < extent
            && pad[2] < extent
            && large.spatial[0] == 1
            && small.spatial[0] == 1
            && [large, small].iter().all(|field| (field.channels / groups).is_multiple_of(CHANNELS))
    }

    /// The filter's extent along one axis.
    pub(super) fn kernel(self) -> usize {
        match self {
            Self::Two | Self::Four => 3,
            Self::TwoOfFive => 5,
        }
    }

    /// Positions of the result along one axis.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Two | Self::TwoOfFive => 2,
            Self::Four => 4,
        }
    }

    /// Positions of the source along one axis.
    pub(super) fn span(self) -> usize {
        self.size() + self.kernel() - 1
    }

    /// The elements of a transformed square.
    pub(super) fn elements(self) -> usize {
        self.span() * self.span()
    }

    /// `G g` of one row of a filter, which is a polynomial: its value at each point, over the product of the point's distances to
    /// all others.
    fn filter(self, g: &[f64]) -> [f64; LARGEST] {
        let last = g.last().copied().unwrap_or(0.0);
        if self == Self::Two {
            let [sum, odd] = [g[0] + g[2], g[1]];
            return [g[0], (sum + odd) / 2.0, (sum - odd) / 2.0, last, 0.0, 0.0];
        }
        let [near, far] = POINTS.map(f64::from);
        let value = |x: f64| g.iter().rev().fold(0.0, |value, coefficient| value * x + coefficient);
        let [near_square, far_square] = [near * near, far * far];
        let near_scale = 2.0 * near_square * (near_square - far_square);
        let far_scale = 2.0 * far_square * (far_square - near_square);
        [
            g[0] / (near_square * far_square),
            value(near) / near_scale,
            value(-near) / near_scale,
            value(far) / far_scale,
            value(-far) / far_scale,
            last,
        ]
    }

    /// `G g Gᵀ`, row by row.
    pub(super) fn filters(self, filter: impl Fn(usize, usize) -> f32) -> [f64; LARGEST * LARGEST] {
        let kernel = self.kernel();
        let mut rows = [[0.0; LARGEST]; 5];
        for (y, row) in rows[..kernel].iter_mut().enumerate() {
            let numbers: [f64; 5] =
                std::array::from_fn(|x| if x < kernel { f64::from(filter(y, x)) } else { 0.0 });
            *row = self.filter(&numbers[..kernel]);
        }
        let mut transformed = [0.0; LARGEST * LARGEST];
        for x in 0..self.span() {
            let column = self.filter(&rows.map(|row| row[x])[..kernel]);
            for y in 0..self.span() {
                transformed[y * self.span() + x] = column[y];
            }
        }
        transformed
    }
}

/// What is done with all squares of some tiles.
pub(super) trait Squares {
    /// Does it. `SPAN` and `SIZE` are the tile's span and size, known to the compiler.
    fn squares<S: Simd, const SPAN: usize, const SIZE: usize>(&self, simd: S, tile: Tile);
}

/// The squares of this kind of tile.
pub(super) struct OfTile<T>(pub Tile, pub T);

impl<T: Squares> Work for OfTile<T> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self(tile, squares) = self;
        match tile {
            Tile::Two => squares.squares::<S, 4, 2>(simd, Tile::Two),
            Tile::Four => squares.squares::<S, 6, 4>(simd, Tile::Four),
            Tile::TwoOfFive => squares.squares::<S, 6, 2>(simd, Tile::TwoOfFive),
        }
    }
}

/// `Bᵀ d` of one row of the source.
#[inline(always)]
pub(super) fn source_transform<S: Simd>(
    simd: S,
    tile: Tile,
    d: [S::Vector; LARGEST],
) -> [S::Vector; LARGEST] {
    let (add, subtract) = (|a, b| simd.add(a, b), |a, b| simd.subtract(a, b));
    match tile {
        Tile::Two => {
            [subtract(d[0], d[2]), add(d[1], d[2]), subtract(d[2], d[1]), subtract(d[1], d[3]), d[4], d[5]]
        }
        Tile::Four | Tile::TwoOfFive => {
            let [near, far] = POINTS;
            let [near_square, far_square] = [near * near, far * far];
            let times = |factor: f32, a, b| simd.multiply_add(simd.splat(factor), a, b);
            let outer = |d: [S::Vector; 3]| {
                times(near_square * far_square, d[0], times(-near_square - far_square, d[1], d[2]))
            };
            let [near_even, near_odd] = [times(-far_square, d[2], d[4]), times(-far_square, d[1], d[3])];
            let [far_even, far_odd] = [times(-near_square, d[2], d[4]), times(-near_square, d[1], d[3])];
            [
                outer([d[0], d[2], d[4]]),
                times(near, near_odd, near_even),
                times(-near, near_odd, near_even),
                times(far, far_odd, far_even),
                times(-far, far_odd, far_even),
                outer([d[1], d[3], d[5]]),
            ]
        }
    }
}

/// `Aᵀ m` of one row of products.
#[inline(always)]
pub(super) fn result_transform<S: Simd>(simd: S, tile: Tile, m: [S::Vector; LARGEST]) -> [S::Vector; 4] {
    let (add, subtract) = (|a, b| simd.add(a, b), |a, b| simd.subtract(a, b));
    let (sum, difference) = (add(m[1], m[2]), subtract(m[1], m[2]));
    if tile == Tile::Two {
        return [add(m[0], sum), subtract(difference, m[3]), m[0], m[0]];
    }
    let times = |factor: f32, a, b| simd.multiply_add(simd.splat(factor), a, b);
    let [near, far] = POINTS;
    let (far_sum, far_difference) = (add(m[3], m[4]), subtract(m[3], m[4]));
    // At each point's zeroth to third power.
    let first = add(m[0], add(sum, far_sum));
    let odd = |near: f32, far: f32, start| times(far, far_difference, times(near, difference, start));
    if tile == Tile::TwoOfFive {
        return [first, odd(near, far, m[5]), m[0], m[0]];
    }
    let zero = simd.splat(0.0);
    [
        first,
        odd(near, far, zero),
        times(far * far, far_sum, times(near * near, sum, zero)),
        odd(near * near * near, far * far * far, m[5]),
    ]
}
