//! Windows as columns of matrices, and columns added up where their windows stand: each is the other's
//! backward pass. Images and matrices lie plainly.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{Col2Im, Im2Col, Window};

use super::axes::steps;
use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs, expect_plain};

/// Makes the kernel that cuts out windows.
pub(crate) fn lower(op: &Im2Col, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_plain(lowering)?;
    Ok(Box::new(Im2ColKernel(Windows::new(&op.window, lowering.operands[0].shape.extents()))))
}

/// Makes the kernel that adds up windows.
pub(crate) fn lower_col2im(op: &Col2Im, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_plain(lowering)?;
    Ok(Box::new(Col2ImKernel(Windows::new(&op.window, lowering.results[0].shape.extents()))))
}

/// How windows stand on images.
struct Windows {
    /// The elements of a plane.
    image: usize,
    /// The number of windows on a plane.
    places: usize,
    /// For each tap, along each axis, the windows that have an element under it.
    taps: Vec<Vec<Along>>,
    /// From one element of a plane to the next, along each axis.
    element_steps: Vec<usize>,
    /// From one window's element to the next one's, along each axis.
    image_steps: Vec<usize>,
    /// The columns from one window to the next, along each axis.
    place_steps: Vec<usize>,
}

/// The windows along one axis that have an element under one tap.
struct Along {
    /// The first of them.
    window: usize,
    /// Where its element is.
    element: usize,
    /// How many there are.
    count: usize,
}

impl Windows {
    fn new(window: &Window, image: &[usize]) -> Self {
        let spatial = &image[2..];
        let axes = 0..spatial.len();
        let padded = |axis: usize| spatial[axis] + window.pad_begin[axis] + window.pad_end[axis];
        let windows: Vec<usize> =
            axes.clone().map(|axis| (padded(axis) - window.reach(axis)) / window.stride[axis] + 1).collect();
        let along = |axis: usize, tap: usize| {
            let (offset, stride) = (tap * window.dilation[axis], window.stride[axis]);
            let (begin, end) = (window.pad_begin[axis], window.pad_begin[axis] + spatial[axis]);
            let first = begin.saturating_sub(offset).div_ceil(stride);
            let last = end.saturating_sub(offset).div_ceil(stride).min(windows[axis]);
            let element = (first * stride + offset).saturating_sub(begin);
            Along { window: first, element, count: last.saturating_sub(first) }
        };
        let own = steps(&window.kernel);
        let taps = (0..window.taps())
            .map(|tap| axes.clone().map(|axis| along(axis, tap / own[axis] % window.kernel[axis])).collect())
            .collect();
        let strides = steps(spatial).into_iter().zip(&window.stride).map(|(step, stride)| step * stride);
        Self {
            image: spatial.iter().product(),
            places: windows.iter().product(),
            taps,
            element_steps: steps(spatial),
            image_steps: strides.collect(),
            place_steps: steps(&windows),
        }
    }

    /// Calls `work(column, element, count)` for each row of windows that have elements under a tap: its first
    /// column, the first element, and how many there are.
    fn for_each_row(&self, tap: usize, mut work: impl FnMut(usize, usize, usize)) {
        let axes = &self.taps[tap];
        if axes.iter().any(|along| along.count == 0) {
            return;
        }
        let start = axes.iter().zip(&self.element_steps).map(|(along, step)| along.element * step).sum();
        let first = axes.iter().zip(&self.place_steps).map(|(along, step)| along.window * step).sum();
        let (mut element, mut column): (usize, usize) = (start, first);
        let last = axes.len() - 1;
        let mut position = vec![0; last];
        loop {
            work(column, element, axes[last].count);
            let mut axis = last;
            loop {
                let Some(outer) = axis.checked_sub(1) else { return };
                axis = outer;
                position[axis] += 1;
                element += self.image_steps[axis];
                column += self.place_steps[axis];
                if position[axis] < axes[axis].count {
                    break;
                }
                element -= self.image_steps[axis] * axes[axis].count;
                column -= self.place_steps[axis] * axes[axis].count;
                position[axis] = 0;
            }
        }
    }

    /// Writes the matrices of images.
    fn cut_out(&self, images: &[f32], matrices: &mut [f32]) {
        let (places, taps) = (self.places, self.taps.len());
        let step = self.image_steps.last().copied().unwrap_or(1);
        for_each_piece(matrices, places * (GRAIN / places.max(1)).max(1), |start, piece| {
            for (index, row) in piece.chunks_mut(places).enumerate() {
                let row_index = start / places + index;
                let image = &images[row_index / taps * self.image..][..self.image];
                row.fill(0.0);
                self.for_each_row(row_index % taps, |column, element, count| {
                    let elements = image[element..].iter().step_by(step);
                    for (target, &x) in row[column..column + count].iter_mut().zip(elements) {
                        *target = x;
                    }
                });
            }
        });
    }

    /// Adds the matrices up to images.
    fn add_up(&self, matrices: &[f32], images: &mut [f32]) {
        let (places, taps, size) = (self.places, self.taps.len(), self.image);
        let step = self.image_steps.last().copied().unwrap_or(1);
        for_each_piece(images, size * (GRAIN / (size * taps).max(1)).max(1), |start, piece| {
            for (index, image) in piece.chunks_mut(size).enumerate() {
                let matrix = &matrices[(start / size + index) * taps * places..][..taps * places];
                image.fill(0.0);
                for (tap, row) in matrix.chunks(places).enumerate() {
                    self.for_each_row(tap, |column, element, count| {
                        let elements = image[element..].iter_mut().step_by(step);
                        for (target, x) in elements.zip(&row[column..column + count]) {
                            *target += x;
                        }
                    });
                }
            }
        });
    }
}

struct Im2ColKernel(Windows);

impl Kernel for Im2ColKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        self.0.cut_out(context.operands[0], context.results[0]);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(target) = context.operand_gradients[0].as_deref_mut() {
            self.0.add_up(context.result_gradients[0], target);
        }
    }
}

struct Col2ImKernel(Windows);

impl Kernel for Col2ImKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        self.0.add_up(context.operands[0], context.results[0]);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(target) = context.operand_gradients[0].as_deref_mut() {
            self.0.cut_out(context.result_gradients[0], target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;
    use crate::Layout;

    fn window(kernel: &[usize], stride: &[usize], dilation: &[usize], before: &[usize]) -> Window {
        Window {
            stride: stride.to_vec(),
            dilation: dilation.to_vec(),
            pad_begin: before.to_vec(),
            // Not the same border on both sides.
            pad_end: before.iter().map(|&pad| pad / 2).collect(),
            ..Window::new(kernel)
        }
    }

    /// Every element of every window: the element of the image, and that of the matrices.
    fn pairs(window: &Window, image: &[usize], matrices: &[usize]) -> Vec<[usize; 2]> {
        let spatial = &image[2..];
        let windows: Vec<usize> = (0..spatial.len())
            .map(|axis| {
                let padded = spatial[axis] + window.pad_begin[axis] + window.pad_end[axis];
                (padded - window.reach(axis)) / window.stride[axis] + 1
            })
            .collect();
        let mut pairs = Vec::new();
        for outer in positions(&image[..2]) {
            for (tap, offset) in positions(&window.kernel).into_iter().enumerate() {
                for (column, place) in positions(&windows).into_iter().enumerate() {
                    let at: Option<Vec<usize>> = (0..spatial.len())
                        .map(|axis| {
                            let padded =
                                place[axis] * window.stride[axis] + offset[axis] * window.dilation[axis];
                            padded.checked_sub(window.pad_begin[axis]).filter(|&at| at < spatial[axis])
                        })
                        .collect();
                    if let Some(at) = at {
                        let from = index_of(image, &[&outer[..], &at].concat());
                        let row = outer[1] * window.taps() + tap;
                        pairs.push([from, index_of(matrices, &[outer[0], row, column])]);
                    }
                }
            }
        }
        pairs
    }

    #[test]
    fn windows_are_cut_out_and_added_up() {
        let table: [(&[usize], Window); 5] = [
            (&[2, 3, 5], window(&[3], &[1], &[1], &[1])),
            (&[1, 2, 5, 6], window(&[3, 2], &[2, 1], &[1, 2], &[1, 0])),
            (&[2, 1, 4, 5], window(&[1, 1], &[1, 1], &[1, 1], &[0, 0])),
            // Windows that stand on the border alone.
            (&[1, 2, 2, 2], window(&[2, 2], &[1, 1], &[1, 1], &[4, 3])),
            (&[1, 2, 3, 4, 3], window(&[2, 3, 2], &[1, 2, 2], &[2, 1, 1], &[1, 1, 0])),
        ];
        let cut: Vec<Im2Col> = table.iter().map(|(_, window)| Im2Col { window: window.clone() }).collect();
        let added: Vec<Col2Im> = table
            .iter()
            .map(|(image, window)| Col2Im { window: window.clone(), spatial: image[2..].to_vec() })
            .collect();
        let mut cases = Vec::new();
        for ((&(image, ref window), cut), added) in table.iter().zip(&cut).zip(&added) {
            let x = Array::noise(image, 41);
            let matrices =
                deepinside_graph::op::Operator::infer(cut, &[&x.shape]).unwrap()[0].extents().to_vec();
            let y = Array::noise(&matrices, 42);
            let pairs = pairs(window, image, &matrices);
            let (count, again, elements) = (y.numbers.len(), pairs.clone(), x.numbers.len());
            cases.push(Case::new(
                format!("cut {image:?} {window}"),
                cut,
                |lowering| lower(cut, lowering),
                vec![x],
                move |x| {
                    let mut result = vec![0.0; count];
                    pairs.iter().for_each(|&[from, to]| result[to] = x[0][from]);
                    vec![result]
                },
            ));
            cases.push(Case::new(
                format!("added {image:?} {window}"),
                added,
                |lowering| lower_col2im(added, lowering),
                vec![y],
                move |y| {
                    let mut result = vec![0.0; elements];
                    again.iter().for_each(|&[to, from]| result[to] += y[0][from]);
                    vec![result]
                },
            ));
        }
        check(cases.into_iter().map(|case| case.layouts(&[Layout::Plain])).collect());
    }
}
