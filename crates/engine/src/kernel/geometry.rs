//! Which numbers a convolution and its adjoint read for each of their results: extents, and taps.

use super::convolution::Part;

/// Extents of a channels-last array with three spatial axes (leading ones are 1 where there are fewer), which may be some
/// channels of a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub spatial: [usize; 3],
    pub channels: usize,
    /// The number of the first of these channels in the whole array.
    pub first: usize,
    /// The channels of the whole array: the numbers from position to position.
    pub distance: usize,
}

impl Field {
    /// A whole array.
    pub fn new(spatial: [usize; 3], channels: usize) -> Self {
        Self { spatial, channels, first: 0, distance: channels }
    }

    /// The same as some channels of a larger array, if it is a part of one.
    pub fn placed(self, part: Option<Part>) -> Self {
        part.map_or(self, |Part { first, of }| Self { first, distance: of, ..self })
    }

    /// Whether these are all channels of the array.
    pub fn is_whole(&self) -> bool {
        self.channels == self.distance
    }
}

/// A convolution from a large field (its input) to a small one (its output).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub large: Field,
    pub small: Field,
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub dilation: [usize; 3],
    pub pad: [usize; 3],
    pub groups: usize,
}

impl Geometry {
    /// Whether every position is for itself.
    pub(super) fn is_pointwise(&self) -> bool {
        let Self { large, small, kernel, stride, pad, .. } = *self;
        kernel == [1; 3] && stride == [1; 3] && pad == [0; 3] && large.spatial == small.spatial
    }

    /// Whether every window has an element of the large field under some tap.
    pub(super) fn reads_somewhere(&self) -> bool {
        (0..3).all(|axis| {
            let inside = |index: usize| {
                (0..self.kernel[axis]).any(|tap| {
                    let place = index * self.stride[axis] + tap * self.dilation[axis];
                    (self.pad[axis]..self.pad[axis] + self.large.spatial[axis]).contains(&place)
                })
            };
            (0..self.small.spatial[axis]).all(inside)
        })
    }

    /// The taps along each axis without those that see nothing but the border wherever the window stands: their products are zeros. Such
    /// are most taps of a window whose taps lie farther apart than the image is wide, and what lies between them would be copied for
    /// nothing.
    fn seeing(&self, axis: usize) -> std::ops::Range<usize> {
        let Self { large, small, kernel, stride, dilation, pad, .. } = *self;
        let (begin, end) = (pad[axis], pad[axis] + large.spatial[axis]);
        let last = small.spatial[axis].saturating_sub(1) * stride[axis];
        let sees = |tap: &usize| {
            // The first window whose element is not before the image.
            let offset = tap * dilation[axis];
            let first = begin.saturating_sub(offset).next_multiple_of(stride[axis]);
            first <= last && first + offset < end
        };
        // Without the taps before it, the padding is not less than none.
        let most = (pad[axis] / dilation[axis]).min(kernel[axis] - 1);
        let first = (0..kernel[axis]).find(sees).unwrap_or(most).min(most);
        let behind = (first..kernel[axis]).rev().find(sees).unwrap_or(first);
        first..behind + 1
    }

    /// The same convolution without taps that see nothing, and the filters without them.
    pub(super) fn trimmed(self, filters: Vec<f32>) -> (Self, Vec<f32>) {
        let taps: [std::ops::Range<usize>; 3] = std::array::from_fn(|axis| self.seeing(axis));
        let kernel = std::array::from_fn(|axis| taps[axis].len());
        if kernel == self.kernel {
            return (self, filters);
        }
        let (pad, dilation) = (
            std::array::from_fn(|axis| self.pad[axis] - taps[axis].start * self.dilation[axis]),
            std::array::from_fn(|axis| if kernel[axis] == 1 { 1 } else { self.dilation[axis] }),
        );
        let whole: Vec<[usize; 3]> = positions(self.kernel).collect();
        let is_kept = |tap: &[usize; 3]| (0..3).all(|axis| taps[axis].contains(&tap[axis]));
        let filter = |filter: &[f32]| -> Vec<f32> {
            whole.iter().zip(filter).filter(|(tap, _)| is_kept(tap)).map(|(_, &weight)| weight).collect()
        };
        let filters = filters.chunks_exact(whole.len().max(1)).flat_map(filter).collect();
        (Self { kernel, pad, dilation, ..self }, filters)
    }

    /// The same convolution of a whole batch as one long image, where every position is for itself.
    pub(super) fn flattened(self, batch: usize) -> (Self, usize) {
        if !self.is_pointwise() {
            return (self, batch);
        }
        let spatial = [1, batch * self.large.spatial.iter().product::<usize>(), 1];
        let long = |field: Field| Field { spatial, ..field };
        (Self { large: long(self.large), small: long(self.small), ..self }, 1)
    }
}

/// One tap of a phase: where it reads, and which filter element it is.
#[derive(Clone, Copy)]
pub(super) struct Tap {
    pub offset: [isize; 3],
    pub filter: [usize; 3],
}

/// The taps of a convolution, which has a single phase.
pub(super) fn correlation_taps(geometry: &Geometry) -> Vec<Tap> {
    let Geometry { kernel, dilation, pad, .. } = *geometry;
    positions(kernel)
        .map(|filter| Tap {
            filter,
            offset: std::array::from_fn(|axis| (filter[axis] * dilation[axis]) as isize - pad[axis] as isize),
        })
        .collect()
}

/// The phases of a convolution's adjoint with the taps of each, which may be none.
pub(super) fn adjoint_taps(geometry: &Geometry) -> Vec<([usize; 3], Vec<Tap>)> {
    repeated_adjoint_taps(geometry, [1; 3])
}

/// The same where a grid position stands for `repeats` times as many positions of the result along each axis.
pub(super) fn repeated_adjoint_taps(geometry: &Geometry, repeats: [usize; 3]) -> Vec<([usize; 3], Vec<Tap>)> {
    let Geometry { large, kernel, stride, dilation, pad, .. } = *geometry;
    positions(std::array::from_fn(|axis| stride[axis] * repeats[axis]))
        .filter(|phase| (0..3).all(|axis| phase[axis] < large.spatial[axis]))
        .map(|phase| {
            let taps = positions(kernel).filter_map(|filter| {
                let mut offset = [0; 3];
                for axis in 0..3 {
                    let distance =
                        (phase[axis] + pad[axis]) as isize - (filter[axis] * dilation[axis]) as isize;
                    if distance % stride[axis] as isize != 0 {
                        return None;
                    }
                    offset[axis] = distance / stride[axis] as isize;
                }
                Some(Tap { offset, filter })
            });
            (phase, taps.collect())
        })
        .collect()
}

/// All positions of a box in row-major order.
pub(super) fn positions(extents: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    let [depth, height, width] = extents;
    (0..depth).flat_map(move |z| (0..height).flat_map(move |y| (0..width).map(move |x| [z, y, x])))
}
