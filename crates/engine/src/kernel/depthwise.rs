//! Convolution in which each channel sees only itself (Howard et al. 2017), and its adjoint.
//!
//! A matrix product has nothing to share here: each number of the source meets each filter tap once. So every result
//! position sums its taps by itself, a vector of neighbouring channels at a time, and several neighbouring positions
//! together, so that a tap's filter is loaded once for all of them. Taps and phases are those of [`super::geometry`].
//!
//! What matters besides is where the numbers come from, since each is read once per tap: where they lie ([`in_place`]), from
//! a copy that stays in the first-level cache ([`copied`]), or from the convolution before, whose result then is in no
//! memory as a whole ([`expanded`]; maxima can be taken of that, too).

mod copied;
mod expanded;
mod in_place;

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::activation::Activation;
use super::gather::Finish;
use super::geometry::{Field, Geometry, Tap, adjoint_taps, correlation_taps};
use super::panels::Shared;
use super::slab::Source;
use crate::aligned::Aligned;
use crate::simd::{Instructions, LINE};

pub(super) use expanded::Expansion;
use expanded::Strips;

/// The least number of pieces of work.
const TASKS: usize = 8;

/// Where the taps read their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Where they lie.
    InPlace,
    /// From a copy of some rows of a few channels.
    Copied,
}

impl Reading {
    /// The faster one, by measurement (`docs/performance.md`): a copy pays where many taps read each number, and where the image is so
    /// small that most positions are near a border. Gradients, which must pass a rectifier's gate, are copied anyway, so
    /// that it pays from fewer taps on; not where the result's positions are spread over phases, whose taps are few.
    fn best(geometry: &Geometry, result_step: [usize; 3], gated: bool) -> Self {
        let taps = geometry.kernel.iter().product::<usize>();
        let width = geometry.large.spatial[2];
        let pays = match taps {
            16.. => width < 48,
            _ => gated && result_step == [1; 3] && width <= 14,
        };
        // What lies between taps is copied with them.
        const NEAR: usize = 1 << 12;
        let reach = (0..3).map(|axis| (geometry.kernel[axis] - 1) * geometry.dilation[axis] + 1);
        let is_near = reach.fold(1, usize::saturating_mul) <= NEAR;
        if pays && is_near { Self::Copied } else { Self::InPlace }
    }
}

/// A packed pass from a source to a result of equal channels.
pub(super) struct Depthwise {
    numbers: Numbers,
    layout: Layout,
    blocks: Vec<Block>,
}

/// Where a pass has its numbers from.
enum Numbers {
    Read(Reading),
    /// From another convolution of the source.
    Computed(Box<Strips>),
}

/// What becomes of the numbers that a position reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reduction {
    /// The sum of their products with a filter.
    Sum,
    /// The largest of them, which is no convolution, but reads as one does.
    Maximum,
}

impl Reduction {
    /// What counts for a number beyond the image's border.
    fn beyond(self) -> f32 {
        match self {
            Self::Sum => 0.0,
            Self::Maximum => f32::NEG_INFINITY,
        }
    }
}

/// What a pass reduces, and where it lies.
struct Layout {
    instructions: Instructions,
    reduction: Reduction,
    source: Field,
    result: Field,
    kernel: [usize; 3],
    source_step: [usize; 3],
    result_step: [usize; 3],
    phases: Vec<Phase>,
    /// The lowest and the highest offset of all taps.
    reach: [[isize; 3]; 2],
    /// Taps × channels, the channels filled up to whole lines; nothing for maxima.
    filters: Vec<f32>,
    /// With what each channel's sum or maximum begins, filled up to whole lines.
    initial: Vec<f32>,
    activation: Activation,
}

/// The positions whose distance to a multiple of the result's step is the same.
struct Phase {
    phase: [usize; 3],
    grid: [usize; 3],
    taps: Vec<Tap>,
}

/// Some grid rows of one image, over their whole width, and some channels.
struct Block {
    image: usize,
    plane: usize,
    rows: Range<usize>,
    channels: Range<usize>,
}

/// How the work is cut into blocks. The cut depends on the extents alone, so that results do not depend on threads.
#[derive(Clone, Copy)]
struct Cut {
    /// The rows of a block, at most.
    rows: usize,
    /// The channels of a block, at most.
    channels: usize,
}

impl Depthwise {
    /// Whether each channel sees only itself.
    pub fn fits(geometry: &Geometry) -> bool {
        let Geometry { large, small, groups, .. } = *geometry;
        groups > 1 && large.channels == groups && small.channels == groups
    }

    /// The convolution itself. `filters` is `C × 1 × taps`; without a `reading`, the faster one.
    pub fn correlation(
        instructions: Instructions,
        reading: Option<Reading>,
        geometry: &Geometry,
        batch: usize,
        filters: &[f32],
        finish: Finish,
    ) -> Self {
        let reading = reading.unwrap_or_else(|| Reading::best(geometry, [1; 3], false));
        let layout = Layout::of_correlation(instructions, geometry, filters, finish);
        Self::new(Numbers::Read(reading), layout, batch)
    }

    /// The convolution of what another one makes of the source.
    pub fn correlation_of(
        expansion: Expansion,
        instructions: Instructions,
        geometry: &Geometry,
        batch: usize,
        filters: &[f32],
        finish: Finish,
    ) -> Self {
        let layout = Layout::of_correlation(instructions, geometry, filters, finish);
        let strips = Strips::new(expansion, &layout, batch);
        Self::new(Numbers::Computed(Box::new(strips)), layout, batch)
    }

    /// The maxima over windows of what a convolution makes of the source. No window lies wholly beyond the border.
    pub fn maxima_of(
        expansion: Expansion,
        instructions: Instructions,
        geometry: &Geometry,
        batch: usize,
    ) -> Self {
        let finish =
            Finish { bias: Some(vec![f32::NEG_INFINITY; geometry.small.channels]), ..Finish::default() };
        let mut layout = Layout::of_correlation(instructions, geometry, &[], finish);
        layout.reduction = Reduction::Maximum;
        let strips = Strips::new(expansion, &layout, batch);
        Self::new(Numbers::Computed(Box::new(strips)), layout, batch)
    }

    /// The adjoint: from the small field to the large one.
    pub fn adjoint(
        instructions: Instructions,
        reading: Option<Reading>,
        geometry: &Geometry,
        batch: usize,
        filters: &[f32],
    ) -> Self {
        let reading = reading.unwrap_or_else(|| Reading::best(geometry, geometry.stride, true));
        let phases = adjoint_taps(geometry);
        let fields = [geometry.small, geometry.large];
        let steps = [[1; 3], geometry.stride];
        let finish = Finish::default();
        let layout = Layout::new(instructions, geometry, fields, steps, phases, filters, finish);
        Self::new(Numbers::Read(reading), layout, batch)
    }

    fn new(numbers: Numbers, layout: Layout, batch: usize) -> Self {
        let [planes, rows, _] = layout.grid([0; 3]);
        let cut = match &numbers {
            Numbers::Read(Reading::InPlace) => in_place::cut(&layout, batch),
            Numbers::Read(Reading::Copied) => copied::cut(&layout, batch),
            Numbers::Computed(strips) => strips.cut,
        };
        let count = rows.div_ceil(cut.rows.max(1)).max(1);
        let channels = layout.result.channels;
        let mut blocks = Vec::new();
        for image in 0..batch {
            for plane in 0..planes {
                for index in 0..count {
                    for first in (0..channels).step_by(cut.channels) {
                        let rows = index * rows / count..(index + 1) * rows / count;
                        let channels = first..(first + cut.channels).min(channels);
                        blocks.push(Block { image, plane, rows, channels });
                    }
                }
            }
        }
        Self { numbers, layout, blocks }
    }

    /// Computes the result for the whole batch, overwriting it.
    pub fn run(&self, source: Source<'_>, result: &mut [f32]) {
        let result = Shared::new(result);
        self.blocks.par_iter().with_max_len(1).for_each(|block| {
            BUFFERS.with_borrow_mut(|buffers| match &self.numbers {
                Numbers::Read(Reading::InPlace) => {
                    in_place::run(&self.layout, block, source, result, buffers)
                }
                Numbers::Read(Reading::Copied) => copied::run(&self.layout, block, source, result, buffers),
                Numbers::Computed(strips) => {
                    strips.run(&self.layout, block, source.numbers, result, buffers);
                }
            });
        });
    }
}

impl Layout {
    /// Windows of the large field, one for each position of the small one.
    fn of_correlation(
        instructions: Instructions,
        geometry: &Geometry,
        filters: &[f32],
        finish: Finish,
    ) -> Self {
        let phases = vec![([0; 3], correlation_taps(geometry))];
        let (fields, steps) = ([geometry.large, geometry.small], [geometry.stride, [1; 3]]);
        Self::new(instructions, geometry, fields, steps, phases, filters, finish)
    }

    fn new(
        instructions: Instructions,
        geometry: &Geometry,
        [source, result]: [Field; 2],
        [source_step, result_step]: [[usize; 3]; 2],
        phases: Vec<([usize; 3], Vec<Tap>)>,
        filters: &[f32],
        finish: Finish,
    ) -> Self {
        let volume = geometry.kernel.iter().product::<usize>();
        let padded = result.channels.next_multiple_of(LINE);
        let mut packed = vec![0.0; filters.len() / result.channels.max(1) * padded];
        for (channel, filter) in filters.chunks_exact(volume.max(1)).enumerate() {
            for (tap, &number) in filter.iter().enumerate() {
                packed[tap * padded + channel] = number;
            }
        }
        let mut initial = finish.bias.unwrap_or_else(|| vec![0.0; result.channels]);
        initial.resize(padded, 0.0);
        let offsets = || phases.iter().flat_map(|(_, taps)| taps.iter().map(|tap| tap.offset));
        let lowest = |axis| offsets().map(|offset: [isize; 3]| offset[axis]).min().unwrap_or(0);
        let highest = |axis| offsets().map(|offset: [isize; 3]| offset[axis]).max().unwrap_or(0);
        let reach = [std::array::from_fn(lowest), std::array::from_fn(highest)];
        let activation = finish.activation.unwrap_or(Activation::NONE);
        let kernel = geometry.kernel;
        let mut layout = Self {
            instructions,
            reduction: Reduction::Sum,
            source,
            result,
            kernel,
            source_step,
            result_step,
            phases: Vec::new(),
            reach,
            filters: packed,
            initial,
            activation,
        };
        let with_grid = |(phase, taps)| Phase { phase, grid: layout.grid(phase), taps };
        layout.phases = phases.into_iter().map(with_grid).collect();
        layout
    }

    /// The positions of a phase along each axis.
    fn grid(&self, phase: [usize; 3]) -> [usize; 3] {
        std::array::from_fn(|axis| (self.result.spatial[axis] - phase[axis]).div_ceil(self.result_step[axis]))
    }

    /// Where a tap's filter begins.
    fn filter(&self, tap: &Tap) -> usize {
        let [_, rows, columns] = self.kernel;
        ((tap.filter[0] * rows + tap.filter[1]) * columns + tap.filter[2]) * self.initial.len()
    }

    /// Where the result's first channel lies for a grid position of a phase.
    fn target(&self, phase: &Phase, image: usize, grid: [usize; 3]) -> usize {
        let [depth, height, width] = self.result.spatial;
        let [z, y, x]: [usize; 3] =
            std::array::from_fn(|axis| grid[axis] * self.result_step[axis] + phase.phase[axis]);
        (((image * depth + z) * height + y) * width + x) * self.result.distance + self.result.first
    }
}

/// What a thread needs; kept between runs.
#[derive(Default)]
struct Buffers {
    /// A copy of what a block reads.
    slab: Aligned,
    /// Taps: a place in the copy for the block's first position, and one in the filters.
    places: Vec<[usize; 2]>,
    /// A copy of what an expansion reads.
    source: Aligned,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}
