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
//! A band of rows of the result is computed at a time: the taps' source rows are copied side by side into a matrix that
//! stays in the second-level cache, which is multiplied with the packed filters. All arrays are channels-last. Where
//! the result has few channels (the gradient of an image has three), all phases are computed by one product whose
//! columns are phases × channels, so that the product stays wide.

use std::cell::RefCell;

use rayon::prelude::*;

use crate::gemm::{Accumulate, Matrix, multiply};

/// The largest number of numbers in the matrix of gathered rows: half a megabyte, a usual second-level cache.
const GATHERED: usize = 128 * 1024;

/// The numbers of rows of that matrix. Too few, and reading the filters dominates; too many, and small images do not
/// split into enough bands for several threads.
const ROWS: std::ops::RangeInclusive<usize> = 96..=192;

/// Results with fewer channels than this compute all phases at once.
const NARROW: usize = 16;

/// Extents of a channels-last array with three spatial axes (leading ones are 1 where there are fewer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub spatial: [usize; 3],
    pub channels: usize,
}

impl Field {
    fn elements(&self) -> usize {
        self.spatial.iter().product::<usize>() * self.channels
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

/// A packed gathering pass.
pub(crate) struct Gather {
    source: Field,
    result: Field,
    groups: usize,
    /// Steps per grid position in the source and in the result.
    source_step: [usize; 3],
    result_step: [usize; 3],
    passes: Vec<Pass>,
    bias: Option<Vec<f32>>,
    batch: usize,
}

/// The taps that some phases share, with their filters.
struct Pass {
    phases: Vec<[usize; 3]>,
    /// The grid positions along each axis; phases for which the last lies outside the result are not written there.
    grid: [usize; 3],
    runs: Vec<Run>,
    /// The number of taps in all runs.
    taps: usize,
    /// Per group: taps × source channels of the group rows, phases × result channels of the group columns.
    filters: Vec<f32>,
}

/// Taps that follow each other along the last axis, so that their source elements lie side by side.
struct Run {
    offset: [isize; 3],
    taps: usize,
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
    let Geometry { large, kernel, stride, dilation, pad, .. } = *geometry;
    positions(stride)
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

impl Gather {
    /// The convolution itself: from the large field to the small one. `filters` is `O × C/groups × taps`.
    pub fn correlation(geometry: &Geometry, batch: usize, filters: &[f32], bias: Option<Vec<f32>>) -> Self {
        let Geometry { large, small, kernel, stride, groups, .. } = *geometry;
        let taps = correlation_taps(geometry);
        let (source_channels, result_channels) = (large.channels / groups, small.channels / groups);
        let volume = kernel.iter().product::<usize>();
        let element = |group: usize, source: usize, result: usize, tap: usize| {
            filters[((group * result_channels + result) * source_channels + source) * volume + tap]
        };
        let pass = Pass::new(geometry, vec![([0; 3], taps)], (large, small), small.spatial, element);
        Self {
            source: large,
            result: small,
            groups,
            source_step: stride,
            result_step: [1; 3],
            passes: vec![pass],
            bias,
            batch,
        }
    }

    /// The adjoint: from the small field to the large one. `filters` as for the convolution.
    pub fn adjoint(geometry: &Geometry, batch: usize, filters: &[f32], bias: Option<Vec<f32>>) -> Self {
        let Geometry { large, small, kernel, stride, groups, .. } = *geometry;
        let mut phases = adjoint_taps(geometry);
        let (source_channels, result_channels) = (small.channels / groups, large.channels / groups);
        let volume = kernel.iter().product::<usize>();
        let element = |group: usize, source: usize, result: usize, tap: usize| {
            filters[((group * source_channels + source) * result_channels + result) * volume + tap]
        };
        let grid = |phase: [usize; 3]| -> [usize; 3] {
            std::array::from_fn(|axis| (large.spatial[axis] - phase[axis]).div_ceil(stride[axis]))
        };
        let fields = (small, large);
        let passes = if result_channels < NARROW && phases.len() > 1 {
            let grid = grid([0; 3]);
            vec![Pass::new(geometry, std::mem::take(&mut phases), fields, grid, element)]
        } else {
            let own = |phase: ([usize; 3], Vec<Tap>)| {
                let grid = grid(phase.0);
                Pass::new(geometry, vec![phase], fields, grid, element)
            };
            phases.into_iter().map(own).collect()
        };
        Self {
            source: small,
            result: large,
            groups,
            source_step: [1; 3],
            result_step: stride,
            passes,
            bias,
            batch,
        }
    }

    /// Computes the result for the whole batch, overwriting it.
    pub fn run(&self, source: &[f32], result: &mut [f32]) {
        let bands = self.bands();
        let mut chunks = Vec::with_capacity(self.batch * bands.len());
        let mut rest = result;
        for image in 0..self.batch {
            for band in &bands {
                let (chunk, behind) = std::mem::take(&mut rest).split_at_mut(band.elements);
                rest = behind;
                chunks.push((image, *band, chunk));
            }
        }
        let size = self.source.elements();
        chunks.into_par_iter().for_each(|(image, band, chunk)| {
            self.run_band(&source[image * size..][..size], band, chunk);
        });
    }

    /// The axis along which the result is cut: the first that has more than one position.
    fn outer_axis(&self) -> usize {
        (0..2).find(|&axis| self.result.spatial[axis] > 1).unwrap_or(2)
    }

    /// Cuts the result of one image into bands of whole steps of about [`ROWS`] positions. The cut depends on the
    /// extents alone.
    fn bands(&self) -> Vec<Band> {
        let axis = self.outer_axis();
        let step = self.result_step[axis];
        let steps = self.result.spatial[axis].div_ceil(step);
        let inner: usize =
            (axis + 1..3).map(|inner| self.result.spatial[inner].div_ceil(self.result_step[inner])).product();
        let per_band = (self.rows() / inner.max(1)).max(1);
        // Two bands at least, to be shared out; more would read the filters of small images too often.
        let count = steps.div_ceil(per_band).max(2).min(steps);
        let slab = self.result.elements() / self.result.spatial[axis].max(1);
        (0..count)
            .map(|index| {
                let (start, end) = (index * steps / count, (index + 1) * steps / count);
                let rows = (end * step).min(self.result.spatial[axis]) - start * step;
                Band { start, end, elements: rows * slab }
            })
            .collect()
    }

    /// How many grid positions are gathered at a time.
    fn rows(&self) -> usize {
        let inner =
            self.passes.iter().map(|pass| pass.taps).max().unwrap_or(1) * self.source.channels / self.groups;
        (GATHERED / inner.max(1)).clamp(*ROWS.start(), *ROWS.end())
    }

    /// Computes one band of one image.
    fn run_band(&self, source: &[f32], band: Band, chunk: &mut [f32]) {
        let axis = self.outer_axis();
        let channels = self.result.channels;
        // The position in the whole result of the first position of the chunk.
        let mut origin = [0; 3];
        origin[axis] = band.start * self.result_step[axis];
        let mut extents = self.result.spatial;
        extents[axis] = chunk.len() / channels.max(1) / extents[axis + 1..].iter().product::<usize>().max(1);
        let rows = self.rows();

        BUFFERS.with_borrow_mut(|buffers| {
            for pass in &self.passes {
                let mut start = [0; 3];
                start[axis] = band.start.min(pass.grid[axis]);
                let mut grid = pass.grid;
                grid[axis] = band.end.min(pass.grid[axis]) - start[axis];
                let positions: usize = grid.iter().product();
                let mut first = 0;
                while first < positions {
                    let count = rows.min(positions - first);
                    let tile = Tile { first, count, start, grid };
                    self.run_tile(
                        source,
                        pass,
                        tile,
                        Target { origin, extents, chunk: &mut *chunk },
                        buffers,
                    );
                    first += count;
                }
            }
        });
        if let Some(bias) = &self.bias {
            for element in chunk.chunks_exact_mut(channels) {
                for (number, bias) in element.iter_mut().zip(bias) {
                    *number += bias;
                }
            }
        }
    }

    /// Gathers and multiplies some positions of one pass.
    fn run_tile(&self, source: &[f32], pass: &Pass, tile: Tile, target: Target<'_>, buffers: &mut Buffers) {
        let (inputs, outputs) = (self.source.channels / self.groups, self.result.channels / self.groups);
        let (inner, columns) = (pass.taps * inputs, pass.phases.len() * outputs);
        // Results that lie side by side are multiplied straight into place.
        let contiguous = self.result_step == [1; 3] && pass.phases.len() == 1;
        for group in 0..self.groups {
            let filters = &pass.filters[group * inner * columns..][..inner * columns];
            let right = Matrix::new(filters, inner, columns);
            let direct = pass.taps == 1 && self.is_pointwise(pass);
            let left = if direct {
                let first = self.flat_source(tile.position(0));
                let data = &source[first * self.source.channels + group * inputs..];
                Matrix::strided(data, tile.count, inputs, self.source.channels)
            } else {
                self.gather(source, pass, &tile, group, &mut buffers.gathered);
                Matrix::new(&buffers.gathered, tile.count, inner)
            };
            if contiguous {
                let first =
                    target.flat(tile.position(0)).unwrap_or(0) * self.result.channels + group * outputs;
                multiply(
                    left,
                    right,
                    &mut target.chunk[first..],
                    self.result.channels,
                    Accumulate::Overwrite,
                );
                continue;
            }
            buffers.product.resize(tile.count * columns, 0.0);
            multiply(left, right, &mut buffers.product, columns, Accumulate::Overwrite);
            for row in 0..tile.count {
                let position = tile.position(row);
                for (index, phase) in pass.phases.iter().enumerate() {
                    let own =
                        std::array::from_fn(|axis| position[axis] * self.result_step[axis] + phase[axis]);
                    let Some(flat) = target.flat(own) else { continue };
                    let numbers = &buffers.product[row * columns + index * outputs..][..outputs];
                    target.chunk[flat * self.result.channels + group * outputs..][..outputs]
                        .copy_from_slice(numbers);
                }
            }
        }
    }

    /// Whether a pass of one tap reads the source position by position, so that nothing need be copied.
    fn is_pointwise(&self, pass: &Pass) -> bool {
        self.source_step == [1; 3] && pass.runs[0].offset == [0; 3] && pass.grid == self.source.spatial
    }

    /// The number of positions before this one in the source.
    fn flat_source(&self, position: [usize; 3]) -> usize {
        let [_, height, width] = self.source.spatial;
        (position[0] * height + position[1]) * width + position[2]
    }

    /// Copies what the taps of some positions read into the rows of a matrix; what lies outside the source is zero.
    fn gather(&self, source: &[f32], pass: &Pass, tile: &Tile, group: usize, gathered: &mut Vec<f32>) {
        let channels = self.source.channels;
        let inputs = channels / self.groups;
        let inner = pass.taps * inputs;
        gathered.resize(tile.count * inner, 0.0);
        let extents = self.source.spatial.map(|extent| extent as isize);
        for (row, numbers) in gathered.chunks_exact_mut(inner.max(1)).enumerate() {
            let position = tile.position(row);
            let base: [isize; 3] =
                std::array::from_fn(|axis| (position[axis] * self.source_step[axis]) as isize);
            let mut rest = &mut *numbers;
            for run in &pass.runs {
                let (part, behind) = std::mem::take(&mut rest).split_at_mut(run.taps * inputs);
                rest = behind;
                let [z, y, x] = std::array::from_fn(|axis| base[axis] + run.offset[axis]);
                if z < 0 || z >= extents[0] || y < 0 || y >= extents[1] {
                    part.fill(0.0);
                    continue;
                }
                // The taps of the run that lie inside: from `low` up to `high`.
                let low = (-x).clamp(0, run.taps as isize) as usize;
                let high = (extents[2] - x).clamp(low as isize, run.taps as isize) as usize;
                part[..low * inputs].fill(0.0);
                part[high * inputs..].fill(0.0);
                if low < high {
                    let flat = ((z * extents[1] + y) * extents[2] + x + low as isize) as usize;
                    let from = flat * channels + group * inputs;
                    part[low * inputs..high * inputs]
                        .copy_from_slice(&source[from..from + (high - low) * inputs]);
                }
            }
        }
    }
}

/// Whole steps `start..end` along the outer axis.
#[derive(Debug, Clone, Copy)]
struct Band {
    start: usize,
    end: usize,
    /// The number of elements of the result.
    elements: usize,
}

/// Some positions of a band's grid, counted in row-major order.
struct Tile {
    first: usize,
    count: usize,
    start: [usize; 3],
    grid: [usize; 3],
}

impl Tile {
    /// The grid position of a row of the matrix of gathered rows.
    fn position(&self, row: usize) -> [usize; 3] {
        let index = self.first + row;
        let [_, height, width] = self.grid;
        [
            self.start[0] + index / (height * width),
            self.start[1] + index / width % height,
            self.start[2] + index % width,
        ]
    }
}

/// The part of the result that a band writes.
struct Target<'a> {
    origin: [usize; 3],
    extents: [usize; 3],
    chunk: &'a mut [f32],
}

impl Target<'_> {
    /// The number of positions before this one in the chunk, or `None` where it lies outside.
    fn flat(&self, position: [usize; 3]) -> Option<usize> {
        let mut flat = 0;
        for axis in 0..3 {
            let own =
                position[axis].checked_sub(self.origin[axis]).filter(|&own| own < self.extents[axis])?;
            flat = flat * self.extents[axis] + own;
        }
        Some(flat)
    }
}

impl Pass {
    /// Packs the filters of some phases. `element(group, source channel, result channel, tap)` is a filter element.
    fn new(
        geometry: &Geometry,
        phases: Vec<([usize; 3], Vec<Tap>)>,
        (source, result): (Field, Field),
        grid: [usize; 3],
        element: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let groups = geometry.groups;
        let (inputs, outputs) = (source.channels / groups, result.channels / groups);
        let mut offsets: Vec<[isize; 3]> =
            phases.iter().flat_map(|(_, taps)| taps.iter().map(|tap| tap.offset)).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let (inner, columns) = (offsets.len() * inputs, phases.len() * outputs);
        let mut filters = vec![0.0; groups * inner * columns];
        for (index, (_, taps)) in phases.iter().enumerate() {
            for tap in taps {
                let Ok(row) = offsets.binary_search(&tap.offset) else { continue };
                let [_, height, width] = geometry.kernel;
                let flat = (tap.filter[0] * height + tap.filter[1]) * width + tap.filter[2];
                for group in 0..groups {
                    for input in 0..inputs {
                        let at = (group * inner + row * inputs + input) * columns + index * outputs;
                        for (output, number) in filters[at..at + outputs].iter_mut().enumerate() {
                            *number = element(group, input, output, flat);
                        }
                    }
                }
            }
        }
        let mut runs: Vec<Run> = Vec::new();
        for &offset in &offsets {
            match runs.last_mut() {
                // Side by side in memory only where all channels belong to one group.
                Some(run) if groups == 1 && continues(run, offset) => run.taps += 1,
                _ => runs.push(Run { offset, taps: 1 }),
            }
        }
        Self {
            phases: phases.into_iter().map(|(phase, _)| phase).collect(),
            grid,
            runs,
            taps: offsets.len(),
            filters,
        }
    }
}

/// Whether a tap reads the position right behind those of a run.
fn continues(run: &Run, offset: [isize; 3]) -> bool {
    offset[..2] == run.offset[..2] && offset[2] == run.offset[2] + run.taps as isize
}

/// All positions of a box in row-major order.
pub(super) fn positions(extents: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    let [depth, height, width] = extents;
    (0..depth).flat_map(move |z| (0..height).flat_map(move |y| (0..width).map(move |x| [z, y, x])))
}

/// What a thread needs besides its chunk; kept between runs.
#[derive(Default)]
struct Buffers {
    gathered: Vec<f32>,
    product: Vec<f32>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}
