//! Images sampled at computed places.
//!
//! A place becomes a coordinate along each axis, a coordinate up to four taps (an element, its weight, and the
//! weight's derivative by the coordinate), and a sample is the sum over all combinations of the axes' taps. All
//! arrays lie plainly. The taps of a place are found once for several channels.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{GridSample, Interpolation, Outside};

use super::axes::steps;
use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs, expect_plain};

/// The most spatial axes.
const AXES: usize = 3;

/// The most elements that a sample is made of: four along each axis.
const TAPS: usize = 64;

/// The coefficient a of the cubic kernel.
const CUBIC: f32 = -0.75;

/// Makes the kernel.
pub(crate) fn lower(op: &GridSample, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_plain(lowering)?;
    let image = lowering.operands[0].shape.extents();
    let places = lowering.results[0].shape.extents()[2..].iter().product();
    Ok(Box::new(GridSampleKernel {
        op: op.clone(),
        channels: image[1],
        spatial: image[2..].to_vec(),
        steps: steps(&image[2..]),
        places,
    }))
}

struct GridSampleKernel {
    op: GridSample,
    channels: usize,
    spatial: Vec<usize>,
    /// From one element of a channel to the next along each axis.
    steps: Vec<usize>,
    /// The number of samples of a picture.
    places: usize,
}

/// One element along one axis.
#[derive(Clone, Copy, Default)]
struct Tap {
    element: usize,
    weight: f32,
    /// The derivative of the weight by the number in the grid.
    slope: f32,
}

/// One element of a sample.
#[derive(Clone, Copy)]
struct Sampled {
    element: usize,
    weight: f32,
    /// The derivatives of the weight by the numbers in the grid, in the order of the image's axes.
    slopes: [f32; AXES],
}

impl GridSampleKernel {
    fn channel(&self) -> usize {
        self.spatial.iter().product()
    }

    /// The elements that a sample is made of, written to `sampled`; returns how many there are.
    fn sample(&self, place: &[f32], sampled: &mut [Sampled; TAPS]) -> usize {
        sampled[0] = Sampled { element: 0, weight: 1.0, slopes: [0.0; AXES] };
        let mut count = 1;
        for (axis, &extent) in self.spatial.iter().enumerate() {
            // The innermost axis stands first in the grid.
            let mut taps = [Tap::default(); 4];
            let along = self.taps(place[self.spatial.len() - 1 - axis], extent, &mut taps);
            // The first combination is written last, over what it is made of.
            for known in (0..count).rev() {
                let before = sampled[known];
                for (index, tap) in taps[..along].iter().enumerate().rev() {
                    let mut slopes = before.slopes.map(|slope| slope * tap.weight);
                    slopes[axis] = before.weight * tap.slope;
                    sampled[known * along + index] = Sampled {
                        element: before.element + tap.element * self.steps[axis],
                        weight: before.weight * tap.weight,
                        slopes,
                    };
                }
            }
            count *= along;
        }
        count
    }

    /// The taps of one axis for a number of the grid; returns how many there are.
    fn taps(&self, number: f32, extent: usize, taps: &mut [Tap; 4]) -> usize {
        let length = extent as f32;
        let scale = if self.op.align_corners { (length - 1.0) / 2.0 } else { length / 2.0 };
        let mut coordinate = (number + 1.0) * scale - if self.op.align_corners { 0.0 } else { 0.5 };
        let mut slope = scale;
        if self.op.interpolation != Interpolation::Cubic {
            // Of cubics each tap is brought inside by itself.
            let (inside, factor) = self.inside(coordinate, length);
            coordinate = inside;
            slope *= factor;
        }
        let base = coordinate.floor();
        let t = coordinate - base;
        let (first, weights, slopes): (f32, [f32; 4], [f32; 4]) = match self.op.interpolation {
            Interpolation::Nearest => (coordinate.round_ties_even(), [1.0, 0.0, 0.0, 0.0], [0.0; 4]),
            Interpolation::Linear => (base, [1.0 - t, t, 0.0, 0.0], [-1.0, 1.0, 0.0, 0.0]),
            Interpolation::Cubic => (base - 1.0, cubic(t), cubic_slopes(t)),
        };
        let wanted = match self.op.interpolation {
            Interpolation::Nearest => 1,
            Interpolation::Linear => 2,
            Interpolation::Cubic => 4,
        };
        let mut count = 0;
        for index in 0..wanted {
            let mut element = first + index as f32;
            if self.op.interpolation == Interpolation::Cubic {
                element = self.inside(element, length).0;
            }
            if element >= 0.0 && element < length {
                let element = element as usize;
                taps[count] = Tap { element, weight: weights[index], slope: slopes[index] * slope };
                count += 1;
            }
        }
        count
    }

    /// A coordinate brought into an image that is continued, and the derivative of that.
    fn inside(&self, coordinate: f32, length: f32) -> (f32, f32) {
        let (mirrored, sign) = match self.op.outside {
            Outside::Zeros => return (coordinate, 1.0),
            Outside::Border => (coordinate, 1.0),
            Outside::Reflection => {
                // Between the outermost centres, or the outer edges.
                let (low, high) =
                    if self.op.align_corners { (0.0, length - 1.0) } else { (-0.5, length - 0.5) };
                reflected(coordinate, low, high)
            }
        };
        let last = length - 1.0;
        let sign = if mirrored > 0.0 && mirrored < last { sign } else { 0.0 };
        // What is no number lands on the first element.
        (mirrored.min(last).max(0.0), sign)
    }
}

/// A coordinate mirrored at two ends until it lies between them, and the derivative of that.
fn reflected(coordinate: f32, low: f32, high: f32) -> (f32, f32) {
    let range = high - low;
    if range <= 0.0 {
        return (low, 0.0);
    }
    let distance = (coordinate - low).abs();
    let sign = if coordinate < low { -1.0 } else { 1.0 };
    let rest = distance % range;
    if ((distance / range).floor() % 2.0) == 0.0 { (low + rest, sign) } else { (high - rest, -sign) }
}

/// The weights of four neighbours at the share `t` of the way from the second to the third (Keys 1981).
fn cubic(t: f32) -> [f32; 4] {
    let near = |x: f32| ((CUBIC + 2.0) * x - (CUBIC + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((CUBIC * x - 5.0 * CUBIC) * x + 8.0 * CUBIC) * x - 4.0 * CUBIC;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

/// Their derivatives.
fn cubic_slopes(t: f32) -> [f32; 4] {
    let near = |x: f32| (3.0 * (CUBIC + 2.0) * x - 2.0 * (CUBIC + 3.0)) * x;
    let far = |x: f32| (3.0 * CUBIC * x - 10.0 * CUBIC) * x + 8.0 * CUBIC;
    [far(t + 1.0), near(t), -near(1.0 - t), -far(2.0 - t)]
}

const NOTHING: Sampled = Sampled { element: 0, weight: 0.0, slopes: [0.0; AXES] };

impl GridSampleKernel {
    /// How many channels are worked on together: a divisor of all, so that a piece is of one picture.
    fn together(&self, channel: usize) -> usize {
        let wanted = (GRAIN / channel.max(1)).clamp(1, self.channels.max(1));
        (1..=wanted).rev().find(|count| self.channels.is_multiple_of(*count)).unwrap_or(1)
    }

    /// The places of a picture, each with the numbers of the grid.
    fn places_of<'a>(&self, grid: &'a [f32], picture: usize) -> impl Iterator<Item = &'a [f32]> {
        let axes = self.spatial.len();
        grid[picture * self.places * axes..][..self.places * axes].chunks(axes)
    }
}

impl Kernel for GridSampleKernel {
    fn needs(&self) -> Needs {
        Needs { operands: true, results: false }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (x, grid, channel, places) =
            (context.operands[0], context.operands[1], self.channel(), self.places);
        let together = self.together(places);
        for_each_piece(context.results[0], places * together, |start, piece| {
            let first = start / places.max(1);
            let mut sampled = [NOTHING; TAPS];
            for (at, place) in self.places_of(grid, first / self.channels).enumerate() {
                let count = self.sample(place, &mut sampled);
                for (index, target) in piece.chunks_mut(places).enumerate() {
                    let x = &x[(first + index) * channel..][..channel];
                    target[at] = sampled[..count].iter().map(|tap| tap.weight * x[tap.element]).sum();
                }
            }
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let (x, grid) = (context.operands[0], context.operands[1]);
        let (g, channel, places, axes) =
            (context.result_gradients[0], self.channel(), self.places, self.spatial.len());
        let [image_gradient, grid_gradient] = context.operand_gradients else { return };
        if let Some(target) = image_gradient.as_deref_mut() {
            for_each_piece(target, channel * self.together(channel.max(places)), |start, piece| {
                piece.fill(0.0);
                let first = start / channel;
                let mut sampled = [NOTHING; TAPS];
                for (at, place) in self.places_of(grid, first / self.channels).enumerate() {
                    let count = self.sample(place, &mut sampled);
                    for (index, target) in piece.chunks_mut(channel).enumerate() {
                        let g = g[(first + index) * places + at];
                        sampled[..count].iter().for_each(|tap| target[tap.element] += tap.weight * g);
                    }
                }
            });
        }
        if let Some(target) = grid_gradient.as_deref_mut() {
            let rows = (GRAIN / (self.channels * TAPS)).clamp(1, places.max(1));
            for_each_piece(target, axes * rows, |start, piece| {
                let mut sampled = [NOTHING; TAPS];
                for (index, target) in piece.chunks_mut(axes).enumerate() {
                    let row = start / axes + index;
                    let (picture, at) = (row / places, row % places);
                    let count = self.sample(&grid[row * axes..][..axes], &mut sampled);
                    let mut sums = [0.0; AXES];
                    for number in picture * self.channels..(picture + 1) * self.channels {
                        let (g, x) = (g[number * places + at], &x[number * channel..][..channel]);
                        for tap in &sampled[..count] {
                            for (sum, slope) in sums.iter_mut().zip(tap.slopes) {
                                *sum += g * slope * x[tap.element];
                            }
                        }
                    }
                    // The innermost axis stands first in the grid.
                    target.iter_mut().zip(sums[..axes].iter().rev()).for_each(|(target, sum)| *target = *sum);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;
    use crate::Layout;

    /// A sample by the definition: every element of the image has a weight, the product of its axes' weights.
    fn reference(op: &GridSample, image: &[usize], out: &[usize], x: &[f64], grid: &[f64]) -> Vec<f64> {
        let (channels, spatial, axes) = (image[1], &image[2..], image.len() - 2);
        let element = |position: &[usize], at: &[i64]| -> f64 {
            let mut place = position[..2].to_vec();
            for (axis, (&at, &extent)) in at.iter().zip(spatial).enumerate() {
                let _ = axis;
                let last = extent as i64 - 1;
                let at = match op.outside {
                    Outside::Zeros if !(0..=last).contains(&at) => return 0.0,
                    Outside::Zeros => at,
                    Outside::Border => at.clamp(0, last),
                    Outside::Reflection => {
                        // Mirrored at centres, or at edges.
                        let period = if op.align_corners { 2 * last } else { 2 * extent as i64 };
                        let at = if period == 0 { 0 } else { at.rem_euclid(period) };
                        if at <= last {
                            at
                        } else if op.align_corners {
                            period - at
                        } else {
                            period - 1 - at
                        }
                    }
                };
                place.push(at as usize);
            }
            x[index_of(image, &place)]
        };
        let shape = [&[image[0], channels], out].concat();
        positions(&shape)
            .into_iter()
            .map(|position| {
                let own: usize =
                    index_of(&[&[image[0]], out].concat(), &[&position[..1], &position[2..]].concat());
                let taps: Vec<Vec<(i64, f64)>> = (0..axes)
                    .map(|axis| {
                        let (number, length) = (grid[own * axes + axes - 1 - axis], spatial[axis] as f64);
                        let at = if op.align_corners {
                            (number + 1.0) / 2.0 * (length - 1.0)
                        } else {
                            ((number + 1.0) * length - 1.0) / 2.0
                        };
                        let (base, t) = (at.floor() as i64, at - at.floor());
                        match op.interpolation {
                            Interpolation::Nearest => vec![(at.round_ties_even() as i64, 1.0)],
                            Interpolation::Linear => vec![(base, 1.0 - t), (base + 1, t)],
                            Interpolation::Cubic => {
                                let a = -0.75;
                                let kernel = |x: f64| match x.abs() {
                                    x if x <= 1.0 => (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0,
                                    x => a * x.powi(3) - 5.0 * a * x.powi(2) + 8.0 * a * x - 4.0 * a,
                                };
                                (-1..3).map(|step| (base + step, kernel(t - step as f64))).collect()
                            }
                        }
                    })
                    .collect();
                let counts: Vec<usize> = taps.iter().map(Vec::len).collect();
                let combinations = positions(&counts).into_iter().map(|choice| {
                    let chosen: Vec<(i64, f64)> =
                        choice.iter().zip(&taps).map(|(&index, taps)| taps[index]).collect();
                    let at: Vec<i64> = chosen.iter().map(|tap| tap.0).collect();
                    chosen.iter().map(|tap| tap.1).product::<f64>() * element(&position, &at)
                });
                combinations.sum()
            })
            .collect()
    }

    #[test]
    fn samples_and_gradients_are_those_of_the_definition() {
        let table: [(&[usize], &[usize], &[Interpolation]); 3] = [
            (&[2, 2, 4, 5], &[3, 4], &[Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic]),
            (&[1, 2, 3, 4, 3], &[2, 2, 3], &[Interpolation::Nearest, Interpolation::Linear]),
            (&[2, 3, 6], &[5], &[Interpolation::Linear, Interpolation::Cubic]),
        ];
        let mut settings = Vec::new();
        for (image, out, interpolations) in table {
            for &interpolation in interpolations {
                for outside in [Outside::Zeros, Outside::Border, Outside::Reflection] {
                    for align_corners in [false, true] {
                        settings.push((image, out, GridSample { interpolation, outside, align_corners }));
                    }
                }
            }
        }
        let cases = settings.iter().map(|(image, out, op)| {
            let axes = image.len() - 2;
            let places = [&image[..1], out, &[axes]].concat();
            // Some places are outside of the image, by less than its size.
            let grid = Array::apart(&places, 39).map(|x| 1.6 * x + 0.013);
            let case = Case::new(
                format!("{image:?} {op} {}", op.align_corners),
                op,
                |lowering| lower(op, lowering),
                vec![Array::noise(image, 38), grid],
                move |x| vec![reference(op, image, out, &x[0], &x[1])],
            );
            // Coordinates are rounded to single precision before they are cut in parts.
            case.layouts(&[Layout::Plain]).tolerance(1e-5)
        });
        check(cases.collect());
    }

    #[test]
    fn places_that_are_no_numbers_or_far_away_are_no_panic() {
        for interpolation in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic] {
            for outside in [Outside::Zeros, Outside::Border, Outside::Reflection] {
                let op = GridSample { interpolation, outside, align_corners: false };
                let grid = [f32::NAN, 0.0, f32::INFINITY, -1e30, 1e9, 1e20];
                let operands = vec![Array::noise(&[1, 1, 2, 3], 40), Array::new(&[1, 1, 3, 2], grid)];
                let case = Case::new("", &op, |lowering| lower(&op, lowering), operands, |_| vec![]);
                case.run(Layout::Plain, crate::BackwardRule::Gradient, &[vec![1.0; 3]]);
            }
        }
    }
}
