//! Some rows of a few channels, [`CHUNK`] or fewer, are first copied side by side, with zeros around the image and through a
//! rectifier's gate. The copy stays in the first-level cache while all of its results are computed, and no position is a special
//! case at the border.

use super::super::activation::{Activation, Gate};
use super::super::panels::Shared;
use super::super::slab::Source;
use super::{Block, Buffers, Cut, Layout, Phase, Reduction, TASKS};
use crate::simd::{LINE, Simd, Work};

/// The channels that are copied together: those of one cache line.
pub(super) const CHUNK: usize = LINE;

/// The numbers that a copy should have at most: 64 KiB. The rows that a position reads then stay in the first-level cache, and the
/// whole copy in the second.
const CACHED: usize = 16 * 1024;

/// How many positions ahead numbers are asked for.
const AHEAD: usize = 8;

/// The most neighbouring positions whose sums are kept in registers, with the filter and a number: ten of sixteen.
const POSITIONS: usize = 8;

/// The source's extents that `count` grid positions along an axis read.
pub(super) fn span(layout: &Layout, axis: usize, count: usize) -> usize {
    let [lowest, highest] = layout.reach;
    (count.max(1) - 1) * layout.source_step[axis] + (highest[axis] - lowest[axis]) as usize + 1
}

/// Rows as many as a chunk of channels leaves in the cache, and whole chunks of channels.
pub(super) fn cut(layout: &Layout, batch: usize) -> Cut {
    let [planes, height, width] = layout.grid([0; 3]);
    let row = span(layout, 0, 1) * span(layout, 2, width) * CHUNK;
    let rows_read = (CACHED / row.max(1)).max(1);
    let overlap = span(layout, 1, 1);
    // At least as many rows as are read twice by neighbouring blocks.
    let least = overlap.div_ceil(layout.source_step[1]);
    let rows = rows_read.saturating_sub(overlap) / layout.source_step[1] + 1;
    let rows = rows.clamp(least, height.max(least));
    let chunks = layout.result.channels.div_ceil(CHUNK);
    let blocks = batch * planes * height.div_ceil(rows.max(1)).max(1);
    // Neighbouring channels share memory pages: as many together as leave enough pieces of work.
    let together = (chunks * blocks / TASKS).clamp(1, chunks.clamp(1, 8));
    let channels = chunks.div_ceil(chunks.div_ceil(together).max(1)) * CHUNK;
    Cut { rows, channels: channels.max(CHUNK) }
}

/// Computes a block.
pub(super) fn run(
    layout: &Layout,
    block: &Block,
    source: Source<'_>,
    result: Shared<'_>,
    buffers: &mut Buffers,
) {
    layout.instructions.run(Chunks { layout, block, source, result, buffers });
}

/// The channels of a block, chunk by chunk.
struct Chunks<'a> {
    layout: &'a Layout,
    block: &'a Block,
    source: Source<'a>,
    result: Shared<'a>,
    buffers: &'a mut Buffers,
}

impl Work for Chunks<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { layout, block, source, result, buffers: Buffers { slab, places, .. } } = self;
        let width = layout.phases.iter().map(|phase| phase.grid[2]).max().unwrap_or(0);
        let extents = [span(layout, 0, 1), span(layout, 1, block.rows.len()), span(layout, 2, width)];
        let size = extents.iter().product::<usize>() * CHUNK;
        slab.resize(size * block.channels.len().div_ceil(CHUNK));
        place_taps(layout, extents, CHUNK, places);
        copy(simd, layout, block, source, extents, slab);
        for (first, slab) in block.channels.clone().step_by(CHUNK).zip(slab.chunks_exact(size.max(1))) {
            let count = CHUNK.min(block.channels.end - first);
            Chunk { layout, block, slab, extents, width: CHUNK, places, result, first, count }.run(simd);
        }
    }
}

/// The source's position, which may lie before the image, from which on a block reads.
pub(super) fn origin(layout: &Layout, block: &Block) -> [isize; 3] {
    let grid = [block.plane, block.rows.start, 0];
    std::array::from_fn(|axis| (grid[axis] * layout.source_step[axis]) as isize + layout.reach[0][axis])
}

/// The taps of all phases, in their order: a place in a copy of these extents, `width` numbers a position, for the block's first position,
/// and one in the filters.
pub(super) fn place_taps(layout: &Layout, extents: [usize; 3], width: usize, places: &mut Vec<[usize; 2]>) {
    places.clear();
    for phase in &layout.phases {
        places.extend(phase.taps.iter().map(|tap| {
            let [z, y, x]: [usize; 3] =
                std::array::from_fn(|axis| (tap.offset[axis] - layout.reach[0][axis]) as usize);
            [((z * extents[1] + y) * extents[2] + x) * width, layout.filter(tap)]
        }));
    }
}

/// Copies what a block reads, chunk by chunk: [`CHUNK`] numbers per position, with zeros beyond the image. Channels that do not
/// exist stay as they are in the copy. All chunks of a position are read together, for memory answers neighbours sooner.
#[inline(always)]
fn copy<S: Simd>(
    simd: S,
    layout: &Layout,
    block: &Block,
    source: Source<'_>,
    extents: [usize; 3],
    slab: &mut [f32],
) {
    let [depth, height, width] = layout.source.spatial.map(|extent| extent as isize);
    let [z0, y0, x0] = origin(layout, block);
    // The part of each row that lies inside the image.
    let low = (-x0).clamp(0, extents[2] as isize) as usize;
    let high = (width - x0).clamp(low as isize, extents[2] as isize) as usize;
    let distance = layout.source.distance;
    let row_size = extents[2] * CHUNK;
    let size = extents[0] * extents[1] * row_size;
    let whole = block.channels.len() / CHUNK;
    let rest = block.channels.len() - whole * CHUNK;
    for index in 0..extents[0] * extents[1] {
        let z = z0 + (index / extents[1]) as isize;
        let y = y0 + (index % extents[1]) as isize;
        let inside = z >= 0 && z < depth && y >= 0 && y < height && low < high;
        for slab in slab.chunks_exact_mut(size) {
            let row = &mut slab[index * row_size..][..row_size];
            if inside {
                row[..low * CHUNK].fill(0.0);
                row[high * CHUNK..].fill(0.0);
            } else {
                row.fill(0.0);
            }
        }
        if !inside {
            continue;
        }
        let position = ((block.image as isize * depth + z) * height + y) * width + x0 + low as isize;
        let first = position as usize * distance + layout.source.first + block.channels.start;
        let at = index * row_size + low * CHUNK;
        if whole > 0 {
            // The last position's channels end inside, so all others' do.
            let reach = (high - low - 1) * distance + whole * CHUNK;
            let numbers = &source.numbers[first..first + reach];
            // DeconvNet's rule asks nothing of the results.
            let results = match source.gate {
                Some(gate) if gate.asks.result => &gate.results[first..first + reach],
                _ => numbers,
            };
            assert!((whole - 1) * size + at + (high - low) * CHUNK <= slab.len(), "a copy leaves its slab");
            for step in 0..high - low {
                for lane in (0..whole * CHUNK).step_by(S::LANES) {
                    let from = step * distance + lane;
                    let to = lane / CHUNK * size + at + step * CHUNK + lane % CHUNK;
                    // SAFETY: the numbers, the results and the slab hold a vector there, as checked above.
                    unsafe {
                        simd.prefetch(numbers.as_ptr().wrapping_add(from + AHEAD * distance));
                        let mut number = simd.load(numbers.as_ptr().add(from));
                        if let Some(gate) = source.gate {
                            simd.prefetch(results.as_ptr().wrapping_add(from + AHEAD * distance));
                            number = passed(simd, gate, simd.load(results.as_ptr().add(from)), number);
                        }
                        simd.store(slab.as_mut_ptr().add(to), number);
                    }
                }
            }
        }
        if rest > 0 {
            for step in 0..high - low {
                let from = first + step * distance + whole * CHUNK;
                let target = &mut slab[whole * size + at + step * CHUNK..][..rest];
                match source.gate {
                    Some(gate) => gate.pass(source.numbers, from, target),
                    None => target.copy_from_slice(&source.numbers[from..from + rest]),
                }
            }
        }
    }
}

/// What passes of a vector of gradients, for a vector of results.
#[inline(always)]
fn passed<S: Simd>(simd: S, gate: Gate<'_>, results: S::Vector, gradients: S::Vector) -> S::Vector {
    let Activation { minimum, maximum } = gate.activation;
    let zero = simd.splat(0.0);
    let mut number = gradients;
    if gate.asks.result {
        number = simd.where_greater(results, simd.splat(minimum), number, zero);
        number = simd.where_greater(simd.splat(maximum), results, number, zero);
    }
    if gate.asks.gradient {
        number = simd.where_greater(number, zero, number, zero);
    }
    number
}

/// Some channels of a block, copied.
pub(super) struct Chunk<'a> {
    pub layout: &'a Layout,
    pub block: &'a Block,
    /// The copy, its extents, and the numbers of a position: one line or two.
    pub slab: &'a [f32],
    pub extents: [usize; 3],
    pub width: usize,
    /// The taps of all phases ([`place_taps`]).
    pub places: &'a [[usize; 2]],
    pub result: Shared<'a>,
    /// The first channel, and how many there are.
    pub first: usize,
    pub count: usize,
}

impl Work for Chunk<'_> {
    /// The rows of the block, of all phases.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if self.width == LINE { self.lines::<S, LINE>(simd) } else { self.lines::<S, { 2 * LINE }>(simd) }
    }
}

/// The taps of a phase, and the furthest places at which they begin in the copy and in the filters.
struct Taps<'a> {
    places: &'a [[usize; 2]],
    furthest: [usize; 2],
}

impl Chunk<'_> {
    /// The rows of the block, `WIDTH` numbers a position.
    #[inline(always)]
    fn lines<S: Simd, const WIDTH: usize>(&self, simd: S) {
        assert_eq!(self.width, WIDTH, "the numbers of a position");
        // Neighbouring positions read one or two apart as a rule: then no place has to be computed.
        match (self.layout.reduction, self.layout.source_step[2]) {
            (Reduction::Sum, 1) => self.rows::<S, WIDTH, false, 1>(simd),
            (Reduction::Sum, 2) => self.rows::<S, WIDTH, false, 2>(simd),
            (Reduction::Sum, _) => self.rows::<S, WIDTH, false, 0>(simd),
            (Reduction::Maximum, 2) => self.rows::<S, WIDTH, true, 2>(simd),
            (Reduction::Maximum, _) => self.rows::<S, WIDTH, true, 0>(simd),
        }
    }

    /// The rows of the block: maxima or sums. `STEP` is the distance of neighbouring positions in the source, or 0 where that is not
    /// known.
    #[inline(always)]
    fn rows<S: Simd, const WIDTH: usize, const MAXIMA: bool, const STEP: usize>(&self, simd: S) {
        let mut places = self.places;
        for phase in &self.layout.phases {
            let (own, others) = places.split_at(phase.taps.len());
            places = others;
            let furthest = [0, 1].map(|side| own.iter().map(|tap| tap[side]).max().unwrap_or(0));
            let taps = Taps { places: own, furthest };
            if self.block.plane < phase.grid[0] {
                for row in self.block.rows.start..self.block.rows.end.min(phase.grid[1]) {
                    self.row::<S, WIDTH, MAXIMA, STEP>(simd, phase, &taps, row);
                }
            }
        }
    }

    /// One grid row of a phase.
    #[inline(always)]
    fn row<S: Simd, const WIDTH: usize, const MAXIMA: bool, const STEP: usize>(
        &self,
        simd: S,
        phase: &Phase,
        taps: &Taps<'_>,
        row: usize,
    ) {
        let width = phase.grid[2];
        // Groups of almost equal size: no position is left over for itself.
        let groups = width.div_ceil(POSITIONS);
        for group in 0..groups {
            let (first, end) = (group * width / groups, (group + 1) * width / groups);
            match end - first {
                8 => self.positions::<S, WIDTH, MAXIMA, STEP, 8>(simd, phase, taps, row, first),
                7 => self.positions::<S, WIDTH, MAXIMA, STEP, 7>(simd, phase, taps, row, first),
                6 => self.positions::<S, WIDTH, MAXIMA, STEP, 6>(simd, phase, taps, row, first),
                5 => self.positions::<S, WIDTH, MAXIMA, STEP, 5>(simd, phase, taps, row, first),
                4 => self.positions::<S, WIDTH, MAXIMA, STEP, 4>(simd, phase, taps, row, first),
                3 => self.positions::<S, WIDTH, MAXIMA, STEP, 3>(simd, phase, taps, row, first),
                2 => self.positions::<S, WIDTH, MAXIMA, STEP, 2>(simd, phase, taps, row, first),
                _ => self.positions::<S, WIDTH, MAXIMA, STEP, 1>(simd, phase, taps, row, first),
            }
        }
    }

    /// Some neighbouring positions of a row, from `column` on.
    #[inline(always)]
    fn positions<S: Simd, const WIDTH: usize, const MAXIMA: bool, const STEP: usize, const COUNT: usize>(
        &self,
        simd: S,
        phase: &Phase,
        taps: &Taps<'_>,
        row: usize,
        column: usize,
    ) {
        let Self { layout, block, .. } = self;
        let step = if STEP == 0 { layout.source_step[2] } else { STEP } * WIDTH;
        let line = (row - block.rows.start) * layout.source_step[1] * self.extents[2];
        let start = (line + column * layout.source_step[2]) * WIDTH;
        let [furthest, last] = taps.furthest;
        assert!(start + furthest + (COUNT - 1) * step + WIDTH <= self.slab.len(), "a tap leaves its copy");
        assert!(
            MAXIMA || last + self.first + self.count.next_multiple_of(S::LANES) <= layout.filters.len(),
            "a tap leaves the filters"
        );
        let target = layout.target(phase, block.image, [block.plane, row, column]) + self.first;
        let distance = layout.result_step[2] * layout.result.distance;
        let (minimum, maximum) =
            (simd.splat(layout.activation.minimum), simd.splat(layout.activation.maximum));
        let bias = &layout.initial[self.first..][..self.count.next_multiple_of(S::LANES)];
        self.result.place(target + (COUNT - 1) * distance, self.count);
        let target = self.result.place(target, self.count);
        for lane in (0..self.count).step_by(S::LANES) {
            let channel = self.first + lane;
            // SAFETY: the slice holds a vector there.
            let mut sums = [unsafe { simd.load(bias.as_ptr().add(lane)) }; COUNT];
            for &[place, filter] in taps.places {
                // SAFETY: checked above for the tap and the position that lie furthest.
                unsafe {
                    let first = self.slab.as_ptr().add(start + place + lane);
                    if MAXIMA {
                        for (position, largest) in sums.iter_mut().enumerate() {
                            *largest = simd.at_least(*largest, simd.load(first.add(position * step)));
                        }
                        continue;
                    }
                    let filter = simd.load(layout.filters.as_ptr().add(filter + channel));
                    for (position, sum) in sums.iter_mut().enumerate() {
                        *sum = simd.multiply_add(filter, simd.load(first.add(position * step)), *sum);
                    }
                }
            }
            let count = S::LANES.min(self.count - lane);
            for (position, sum) in sums.into_iter().enumerate() {
                let sum = simd.at_most(simd.at_least(sum, minimum), maximum);
                // SAFETY: every position belongs to one phase of one block and every channel to one block: these numbers are
                // this thread's own, and `count` of them lie inside the result, as those of the last position do.
                unsafe {
                    let target = target.add(position * distance + lane);
                    if count == S::LANES {
                        simd.store(target, sum);
                    } else {
                        simd.store_first(target, count, sum);
                    }
                }
            }
        }
    }
}
