//! Convolution and its adjoint as one computation: every output element gathers what it needs.
//!
//! A convolution's forward pass gathers from the input; its backward pass, seen from the input's side, gathers from the
//! output's gradient. Along one axis, with stride `s`, dilation `d` and padding `p`:
//!
//! * forward: output `j` reads input `s·j + (d·k − p)` for each tap `k`;
//! * adjoint: input `s·j + φ` (its *phase* φ is the remainder by the stride) reads output `j + (φ + p − d·k)/s` for each
//!   tap `k` for which the division is exact.
//!
//! So both are: result position `step_out·j + φ` reads source position `step_in·j + offset` for a list of taps. Nothing
//! is ever scattered, so threads never write to the same place and every element is summed in one fixed order.
//!
//! All arrays are channels-last, so that taps which follow each other along the last axis lie side by side: a window is a
//! few pieces of memory, which [`Product`] multiplies with packed filters where they lie. Only where a window leaves the
//! image, where a gate is applied, or where channels are in groups, a block's part of the image is copied first
//! ([`copy_box`]). Where the result has few channels (the gradient of an image has three), all phases, and several
//! neighbouring positions, are computed by one product whose columns are phases × channels, so that the product stays wide.

mod bounds;

use std::cell::RefCell;

use rayon::prelude::*;

use super::activation::Activation;
use super::geometry::{Field, Geometry, Tap, correlation_taps, positions, repeated_adjoint_taps};
use super::panels::{Addend, PANEL, Panels, Places, Product, Shared, block_of};
use super::slab::{Box3, Source, copy_box};
use crate::aligned::Aligned;
use crate::simd::Instructions;

/// What should stay in the second-level cache at a time, in numbers: a quarter of a megabyte of filters, or of source.
const CACHED: usize = 64 * 1024;

/// The positions of a block, where its filters stay in the cache, and where they are read anew for every block.
const POSITIONS: [usize; 2] = [96, 192];

/// The least number of pieces of work: enough to keep several threads evenly busy.
const TASKS: usize = 8;

/// Results with fewer channels than this compute all phases at once.
pub(super) const NARROW: usize = 16;

/// A packed gathering pass.
pub(crate) struct Gather {
    instructions: Instructions,
    source: Field,
    result: Field,
    groups: usize,
    /// Steps per grid position in the source and in the result.
    source_step: [usize; 3],
    result_step: [usize; 3],
    passes: Vec<Pass>,
    activation: Option<Activation>,
    /// How many terms are summed at a time.
    block: usize,
    /// The lowest and the highest offset of all taps.
    reach: [[isize; 3]; 2],
    blocks: Vec<Block>,
    units: Vec<Unit>,
}

/// The taps that some phases share, with their filters.
struct Pass {
    phases: Vec<[usize; 3]>,
    /// The grid positions along each axis; phases for which the last lies outside the result are not written there.
    grid: [usize; 3],
    /// Where the pieces of a window begin, and how many positions each holds.
    pieces: Vec<[isize; 3]>,
    piece: usize,
    /// Per group: taps × source channels of the group rows, phases × result channels of the group columns.
    filters: Vec<Panels>,
    /// Per group, for all columns.
    biases: Option<Vec<Vec<f32>>>,
}

/// Some rows of the grid of one image, over its whole width.
#[derive(Debug, Clone)]
struct Block {
    image: usize,
    plane: usize,
    rows: std::ops::Range<usize>,
}

/// Some columns of one group.
#[derive(Debug, Clone)]
struct Unit {
    group: usize,
    panels: std::ops::Range<usize>,
}

/// How a pass reads its source.
#[derive(Clone, Copy)]
struct How {
    /// Where it lies, and not from a copy.
    in_place: bool,
    /// Leaving out terms of zero.
    skips_zeros: bool,
}

/// How a gathering pass is made besides its taps.
#[derive(Clone, Default)]
pub(crate) struct Finish {
    /// One number per result channel.
    pub bias: Option<Vec<f32>>,
    pub activation: Option<Activation>,
    /// Whether sums are one chain however long they are, since how many groups are taken together, and with them the zeros between terms,
    /// depends on the vectors' length.
    pub in_one_chain: bool,
}

impl Gather {
    /// The convolution itself: from the large field to the small one. `filters` is `O × C/groups × taps`.
    pub fn correlation(
        instructions: Instructions,
        geometry: &Geometry,
        batch: usize,
        filters: &[f32],
        finish: Finish,
    ) -> Self {
        let (geometry, batch) = geometry.flattened(batch);
        let Geometry { large, small, kernel, stride, groups, .. } = geometry;
        let (source_channels, result_channels) = (large.channels / groups, small.channels / groups);
        let volume = kernel.iter().product::<usize>();
        let element = |group: usize, source: usize, result: usize, tap: usize| {
            filters[((group * result_channels + result) * source_channels + source) * volume + tap]
        };
        let phases = vec![([0; 3], correlation_taps(&geometry))];
        let pass = Pass::new(&geometry, phases, (large, small), small.spatial, &finish.bias, element);
        Self::new(instructions, &geometry, batch, (large, small), [stride, [1; 3]], vec![pass], finish)
    }

    /// The adjoint: from the small field to the large one. `filters` as for the convolution.
    pub fn adjoint(
        instructions: Instructions,
        geometry: &Geometry,
        batch: usize,
        filters: &[f32],
        finish: Finish,
    ) -> Self {
        let (geometry, batch) = geometry.flattened(batch);
        let Geometry { large, small, kernel, stride, groups, .. } = geometry;
        let (source_channels, result_channels) = (small.channels / groups, large.channels / groups);
        let volume = kernel.iter().product::<usize>();
        let element = |group: usize, source: usize, result: usize, tap: usize| {
            filters[((group * source_channels + source) * result_channels + result) * volume + tap]
        };
        // The phases of a row are put down as one piece, between which nothing of other channels may lie.
        let narrow = result_channels < NARROW && groups == 1 && large.is_whole();
        let repeats = if narrow { best_repeats(&geometry) } else { [1; 3] };
        let phases = repeated_adjoint_taps(&geometry, repeats);
        let step: [usize; 3] = std::array::from_fn(|axis| stride[axis] * repeats[axis]);
        let grid = |phase: [usize; 3]| -> [usize; 3] {
            std::array::from_fn(|axis| (large.spatial[axis] - phase[axis]).div_ceil(step[axis]))
        };
        let fields = (small, large);
        let make = |phases: Vec<([usize; 3], Vec<Tap>)>| {
            let grid = grid(phases[0].0);
            Pass::new(&geometry, phases, fields, grid, &finish.bias, element)
        };
        let passes = if narrow {
            vec![make(phases)]
        } else {
            phases.into_iter().map(|phase| make(vec![phase])).collect()
        };
        Self::new(instructions, &geometry, batch, fields, [repeats, step], passes, finish)
    }

    fn new(
        instructions: Instructions,
        geometry: &Geometry,
        batch: usize,
        (source, result): (Field, Field),
        [source_step, result_step]: [[usize; 3]; 2],
        passes: Vec<Pass>,
        finish: Finish,
    ) -> Self {
        let offsets = || passes.iter().flat_map(Pass::offsets);
        let lowest = |axis| offsets().map(|offset| offset[axis]).min().unwrap_or(0);
        let highest = |axis| offsets().map(|offset| offset[axis]).max().unwrap_or(0);
        let reach = [std::array::from_fn(lowest), std::array::from_fn(highest)];
        let channels = source.channels / geometry.groups;
        let terms = passes.iter().map(|pass| pass.pieces.len() * pass.piece * channels).max().unwrap_or(0);
        let mut gather = Self {
            instructions,
            source,
            result,
            groups: geometry.groups,
            source_step,
            result_step,
            reach,
            activation: finish.activation,
            block: if finish.in_one_chain { usize::MAX } else { block_of(terms) },
            blocks: Vec::new(),
            units: Vec::new(),
            passes,
        };
        gather.cut(batch);
        gather
    }

    /// The grid of the pass that has the most positions.
    fn grid(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.passes.iter().map(|pass| pass.grid[axis]).max().unwrap_or(0))
    }

    /// The source's extents that `count` grid positions along an axis read.
    fn span(&self, axis: usize, count: usize) -> usize {
        (count.max(1) - 1) * self.source_step[axis] + (self.reach[1][axis] - self.reach[0][axis]) as usize + 1
    }

    /// Cuts the work into blocks of positions and units of columns. The cut depends on the extents alone.
    fn cut(&mut self, batch: usize) {
        let grid = self.grid();
        let inputs = self.source.channels / self.groups;
        let inner = self.passes.iter().map(|pass| pass.filters[0].inner).max().unwrap_or(0).max(1);
        let panels = self.panels();
        let cached = inner * panels * PANEL <= CACHED;
        // Each unit copies its block anew: not less than four panels, unless work would be too scarce.
        let mut per_unit = if cached { panels } else { (CACHED / (inner * PANEL)).clamp(4, panels.max(4)) };
        let row = self.span(0, 1) * self.span(2, grid[2]) * inputs;
        let tall = CACHED / (row * self.source_step[1]).max(1);
        let mut rows = (POSITIONS[usize::from(!cached)] / grid[2].max(1)).clamp(1, tall.max(1));
        let tasks = |rows: usize, per_unit: usize| {
            let blocks = batch * grid[0] * grid[1].div_ceil(rows);
            blocks * self.groups * panels.div_ceil(per_unit.max(1))
        };
        while tasks(rows, per_unit) < TASKS && (rows * grid[2] > 48 || per_unit > 2) {
            let by_rows = rows * grid[2] > 48 && (rows * grid[2] >= 16 * per_unit || per_unit <= 2);
            if by_rows {
                rows = rows.min(grid[1]).div_ceil(2);
            } else {
                per_unit = per_unit.div_ceil(2);
            }
            if rows <= 1 && per_unit <= 2 {
                break;
            }
        }
        // Several phases are put in place together.
        let narrow = self.passes.iter().any(|pass| pass.phases.len() > 1);
        let (rows, per_unit) = (rows.max(1), if narrow { panels.max(1) } else { per_unit.max(1) });
        // Blocks of equal height.
        let count = grid[1].div_ceil(rows);
        for image in 0..batch {
            for plane in 0..grid[0] {
                for index in 0..count {
                    let rows = index * grid[1] / count..(index + 1) * grid[1] / count;
                    self.blocks.push(Block { image, plane, rows });
                }
            }
        }
        for group in 0..self.groups {
            for first in (0..panels).step_by(per_unit) {
                self.units.push(Unit { group, panels: first..(first + per_unit).min(panels) });
            }
        }
    }

    /// The panels of each group's filters, which all passes have alike.
    fn panels(&self) -> usize {
        self.passes.iter().map(|pass| pass.filters[0].count()).max().unwrap_or(0)
    }

    /// Whether every window lies inside the source, so that it can be read in place.
    fn reads_in_place(&self) -> bool {
        let grid = self.grid();
        // A piece of several positions takes all channels of each.
        let joined = self.passes.iter().any(|pass| pass.piece > 1);
        self.groups == 1
            && (self.source.is_whole() || !joined)
            && (0..3).all(|axis| {
                let last = (grid[axis].max(1) - 1) * self.source_step[axis];
                self.reach[0][axis] >= 0
                    && last as isize + self.reach[1][axis] < self.source.spatial[axis] as isize
            })
    }

    /// Whether an addend can be added: each element is computed by a product of its own.
    pub fn adds(&self) -> bool {
        self.passes.iter().all(|pass| pass.phases.len() == 1)
    }

    /// Computes the result for the whole batch. An addend is added before the rectifier.
    pub fn run(&self, source: Source<'_>, addend: Addend<'_>, result: &mut [f32]) {
        assert!(matches!(addend, Addend::Nothing) || self.adds(), "a convolution that cannot add");
        let in_place = source.gate.is_none() && self.reads_in_place();
        let shared = Shared::new(result);
        let blocks = self.blocks.len();
        let is_mostly_zero = self.is_mostly_zero(source.numbers);
        // To find the few numbers that are not zero takes longer than what is done with them, so it is done once for all panels.
        let whole: Vec<Unit> =
            (0..self.groups).map(|group| Unit { group, panels: 0..self.panels() }).collect();
        let units = if is_mostly_zero { &whole } else { &self.units };
        (0..units.len() * blocks).into_par_iter().with_max_len(1).for_each(|task| {
            BUFFERS.with_borrow_mut(|buffers| {
                // All channels of a block after each other: the thread that computes them finds them in its caches in the next layer.
                let (unit, block) = (&units[task % units.len()], &self.blocks[task / units.len()]);
                let how = How { in_place, skips_zeros: is_mostly_zero };
                self.run_task(source, (shared, addend), unit, block, how, buffers);
            });
        });
    }

    /// Whether some positions of the source, which stand for all, are zero but for one channel of eight: the gradient of a class score is
    /// zero in all channels but one.
    fn is_mostly_zero(&self, numbers: &[f32]) -> bool {
        const SEEN: usize = 16;
        let Field { first, distance, channels, .. } = self.source;
        let positions = numbers.len() / distance.max(1);
        let step = positions.div_ceil(SEEN).max(1);
        (0..positions).step_by(step).all(|position| {
            let numbers = &numbers[position * distance + first..][..channels];
            numbers.iter().filter(|&&number| number != 0.0).nth(channels / 8).is_none()
        })
    }

    /// Computes some columns of one block.
    fn run_task(
        &self,
        source: Source<'_>,
        result: (Shared<'_>, Addend<'_>),
        unit: &Unit,
        block: &Block,
        how: How,
        buffers: &mut Buffers,
    ) {
        let Buffers { slab, indices } = buffers;
        let inputs = self.source.channels / self.groups;
        let low = self.reach[0];
        let first = [block.plane, block.rows.start, 0];
        let origin: [isize; 3] =
            std::array::from_fn(|axis| (first[axis] * self.source_step[axis]) as isize + low[axis]);
        let view = if how.in_place {
            let [depth, ..] = self.source.spatial;
            let [z, y, x] = origin.map(|place| place as usize);
            let Field { spatial: extents, first, distance: channels, .. } = self.source;
            let numbers = &source.numbers[first..];
            View { numbers, extents, channels, first: [block.image * depth + z, y, x] }
        } else {
            let extents = [self.span(0, 1), self.span(1, block.rows.len()), self.span(2, self.grid()[2])];
            let own = unit.group * inputs..(unit.group + 1) * inputs;
            let region = Box3 { image: block.image, origin, extents };
            copy_box(self.instructions, source, self.source, region, own, slab);
            View { numbers: slab, extents, channels: inputs, first: [0; 3] }
        };
        for pass in &self.passes {
            self.run_pass(view, result, (unit, how.skips_zeros), block, pass, indices);
        }
    }

    /// Computes some columns of one block for the phases of a pass.
    fn run_pass(
        &self,
        view: View<'_>,
        (result, addend): (Shared<'_>, Addend<'_>),
        (unit, skips_zeros): (&Unit, bool),
        block: &Block,
        pass: &Pass,
        indices: &mut Indices,
    ) {
        if block.plane >= pass.grid[0] {
            return;
        }
        let outputs = self.result.channels / self.groups;
        let rows = block.rows.start..block.rows.end.min(pass.grid[1]);
        let low = self.reach[0];
        let Indices { rows: places, targets, pieces, product } = indices;
        let step = self.source_step;
        pieces.clear();
        pieces.extend(pass.pieces.iter().map(|offset| {
            let [z, y, x] = std::array::from_fn(|axis| (offset[axis] - low[axis]) as usize);
            view.flat([z, y, x])
        }));
        places.clear();
        for row in rows.clone() {
            for column in 0..pass.grid[2] {
                let [z, y, x] = view.first;
                places.push(view.flat([z, y + (row - block.rows.start) * step[1], x + column * step[2]]));
            }
        }
        // Where a phase of a grid position goes, unless that lies behind the result.
        let target = |row: usize, column: usize, phase: [usize; 3]| {
            let grid = [block.plane, row, column];
            let [z, y, x]: [usize; 3] =
                std::array::from_fn(|axis| grid[axis] * self.result_step[axis] + phase[axis]);
            let [depth, height, width] = self.result.spatial;
            (z < depth && y < height && x < width).then(|| {
                let flat = ((block.image * depth + z) * height + y) * width + x;
                flat * self.result.distance + self.result.first + unit.group * outputs
            })
        };
        let columns = unit.panels.start * PANEL..(unit.panels.end * PANEL).min(pass.filters[0].columns);
        let width = columns.len();
        let direct = pass.phases.len() == 1;
        targets.clear();
        if direct {
            for row in rows {
                for column in 0..pass.grid[2] {
                    targets.push(target(row, column, pass.phases[0]).unwrap_or(0) + columns.start);
                }
            }
        } else {
            targets.extend((0..places.len()).map(|position| position * width));
            product.resize(places.len() * width);
        }
        let multiplied = Product {
            source: view.numbers,
            rows: Places::new(places),
            pieces,
            length: pass.piece * (self.source.channels / self.groups),
            block: self.block,
            panels: &pass.filters[unit.group],
            range: unit.panels.clone(),
            targets: Places::new(targets),
            bias: pass.biases.as_ref().map(|biases| &biases[unit.group][..]),
            addend,
            activation: self.activation,
            next: None,
            skips_zeros,
        };
        // SAFETY: every position of the result belongs to one phase of one block, and every channel to one unit, so no
        // two tasks write the same element.
        unsafe { multiplied.run(self.instructions, if direct { result } else { Shared::new(product) }) };
        if direct {
            return;
        }
        // The phases of one row of the result lie side by side, as in the product.
        let across = pass.phases.iter().take_while(|phase| phase[..2] == [0, 0]).count();
        let channels = self.result.channels;
        for (position, products) in product.chunks_exact(width).enumerate() {
            let (row, column) = (block.rows.start + position / pass.grid[2], position % pass.grid[2]);
            let left = column * self.result_step[2];
            let count = across.min(self.result.spatial[2] - left) * channels;
            for (index, phase) in pass.phases.iter().enumerate().step_by(across) {
                if let Some(target) = target(row, column, *phase) {
                    // SAFETY: as above.
                    let target = unsafe { result.slice(target, count) };
                    target.copy_from_slice(&products[index * channels..][..count]);
                }
            }
        }
    }
}

/// The numbers that windows read, and where the block's first window begins.
#[derive(Clone, Copy)]
struct View<'a> {
    numbers: &'a [f32],
    extents: [usize; 3],
    channels: usize,
    first: [usize; 3],
}

impl View<'_> {
    /// The place of a position's first channel.
    fn flat(&self, [z, y, x]: [usize; 3]) -> usize {
        ((z * self.extents[1] + y) * self.extents[2] + x) * self.channels
    }
}

/// How many positions of a narrow result are computed together along each axis, so that as few multiplications as
/// possible are lost to columns without a filter: the columns of a product come in whole panels.
fn best_repeats(geometry: &Geometry) -> [usize; 3] {
    let channels = geometry.large.channels / geometry.groups;
    let cost = |repeats: &[usize; 3]| {
        let phases = repeated_adjoint_taps(geometry, *repeats);
        let mut offsets: Vec<[isize; 3]> =
            phases.iter().flat_map(|(_, taps)| taps.iter().map(|tap| tap.offset)).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let products = offsets.len() * (phases.len() * channels).next_multiple_of(PANEL);
        products as f64 / phases.len().max(1) as f64
    };
    let spatial = geometry.small.spatial;
    let repeats = positions([1, 4, 4]).map(|[_, y, x]| [1, y + 1, x + 1]);
    let allowed =
        repeats.filter(|repeats| (1..3).all(|axis| repeats[axis] == 1 || repeats[axis] < spatial[axis]));
    allowed.min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or([1; 3])
}

impl Pass {
    /// Packs the filters of some phases. `element(group, source channel, result channel, tap)` is a filter element.
    fn new(
        geometry: &Geometry,
        phases: Vec<([usize; 3], Vec<Tap>)>,
        (source, result): (Field, Field),
        grid: [usize; 3],
        bias: &Option<Vec<f32>>,
        element: impl Fn(usize, usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let groups = geometry.groups;
        let (inputs, outputs) = (source.channels / groups, result.channels / groups);
        let mut offsets: Vec<[isize; 3]> =
            phases.iter().flat_map(|(_, taps)| taps.iter().map(|tap| tap.offset)).collect();
        offsets.sort_unstable();
        offsets.dedup();
        // Per phase and offset the filter element, where the phase reads there.
        let [_, height, width] = geometry.kernel;
        let mut taps = vec![None; phases.len() * offsets.len()];
        for (index, (_, own)) in phases.iter().enumerate() {
            for tap in own {
                if let Ok(row) = offsets.binary_search(&tap.offset) {
                    let flat = (tap.filter[0] * height + tap.filter[1]) * width + tap.filter[2];
                    taps[index * offsets.len() + row] = Some(flat);
                }
            }
        }
        let (inner, columns) = (offsets.len() * inputs, phases.len() * outputs);
        let pack = |group: usize| {
            Panels::pack(inner, columns, |row, column| {
                let tap = taps[column / outputs * offsets.len() + row / inputs];
                tap.map_or(0.0, |tap| element(group, row % inputs, column % outputs, tap))
            })
        };
        let (pieces, piece) = pieces(&offsets);
        Self {
            grid,
            pieces,
            piece,
            filters: (0..groups).map(pack).collect(),
            biases: bias
                .as_ref()
                .map(|bias| bias.chunks_exact(outputs).map(|own| own.repeat(phases.len())).collect()),
            phases: phases.into_iter().map(|(phase, _)| phase).collect(),
        }
    }

    /// The offset of every tap.
    fn offsets(&self) -> impl Iterator<Item = [isize; 3]> {
        let behind = move |[z, y, x]: [isize; 3]| (0..self.piece as isize).map(move |step| [z, y, x + step]);
        self.pieces.iter().copied().flat_map(behind)
    }
}

/// Joins offsets that follow each other along the last axis to pieces of one length, where that can be done.
fn pieces(offsets: &[[isize; 3]]) -> (Vec<[isize; 3]>, usize) {
    let mut runs: Vec<([isize; 3], usize)> = Vec::new();
    for &offset in offsets {
        match runs.last_mut() {
            Some((start, count)) if offset[..2] == start[..2] && offset[2] == start[2] + *count as isize => {
                *count += 1;
            }
            _ => runs.push((offset, 1)),
        }
    }
    match runs.first() {
        Some(&(_, count)) if runs.iter().all(|run| run.1 == count) => {
            (runs.into_iter().map(|(start, _)| start).collect(), count)
        }
        _ => (offsets.to_vec(), 1),
    }
}

/// What a thread needs; kept between runs.
#[derive(Default)]
struct Buffers {
    slab: Aligned,
    indices: Indices,
}

#[derive(Default)]
struct Indices {
    rows: Vec<usize>,
    targets: Vec<usize>,
    pieces: Vec<usize>,
    product: Aligned,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}
