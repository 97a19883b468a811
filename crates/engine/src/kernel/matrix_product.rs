//! Products of two computed matrices, in batches: `Y = A · B`, backward `dA = G · Bᵀ` and `dB = Aᵀ · G`.

use deepinside_graph::op::MatrixProduct;
use deepinside_graph::{Inconsistency, Shape};
use rayon::prelude::*;

use super::axes::steps;
use super::panels::Shared;
use super::{Backward, Forward, Kernel, Lowering, Needs, expect_plain};
use crate::gemm::{Accumulate, Matrix, multiply};
use crate::simd::Instructions;

/// The least number of multiplications of a piece of work, beside which handing it to a thread is cheap.
const WORK: usize = 1 << 16;

/// The rows of a block, about: so many pay for packing the right matrix.
const BLOCK: usize = 128;

/// Matrices are cut into blocks where there are fewer of them than this.
const TASKS: usize = 8;

/// Makes the kernel; all values lie plainly. The matrices of operands that are `turned` lie with rows and columns exchanged.
pub(crate) fn lower(
    _: &MatrixProduct,
    lowering: &Lowering<'_>,
    turned: [bool; 2],
) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_plain(lowering)?;
    let (left, right, result) =
        (lowering.operands[0].shape, lowering.operands[1].shape, lowering.results[0].shape);
    let [rows, inner] = last_two(left);
    let [_, columns] = last_two(right);
    let batch = &result.extents()[..result.rank() - 2];
    let pairs = batches(left, batch).into_iter().zip(batches(right, batch)).collect::<Vec<_>>();
    let readers = |count: usize, own: fn(&(usize, usize)) -> usize| {
        let mut readers = vec![Vec::new(); count];
        for (index, pair) in pairs.iter().enumerate() {
            readers[own(pair)].push(index);
        }
        readers
    };
    let count = |shape: &Shape| shape.product(0..shape.rank() - 2);
    Ok(Box::new(MatrixProductKernel {
        instructions: lowering.instructions,
        turned,
        rows,
        inner,
        columns,
        left_readers: readers(count(left), |pair| pair.0),
        right_readers: readers(count(right), |pair| pair.1),
        pairs,
    }))
}

fn last_two(shape: &Shape) -> [usize; 2] {
    let extents = shape.extents();
    [extents[extents.len() - 2], extents[extents.len() - 1]]
}

/// Which matrix of an operand each matrix of the result is made of.
fn batches(operand: &Shape, batch: &[usize]) -> Vec<usize> {
    let own = &operand.extents()[..operand.rank() - 2];
    let own_steps = steps(own);
    (0..batch.iter().product())
        .map(|mut index: usize| {
            let mut at = 0;
            for axis in (0..batch.len()).rev() {
                let position = index % batch[axis];
                index /= batch[axis];
                if let Some(own_axis) = (axis + own.len()).checked_sub(batch.len())
                    && own[own_axis] != 1
                {
                    at += position * own_steps[own_axis];
                }
            }
            at
        })
        .collect()
}

struct MatrixProductKernel {
    instructions: Instructions,
    turned: [bool; 2],
    rows: usize,
    inner: usize,
    columns: usize,
    /// For each matrix of the result the left and the right one.
    pairs: Vec<(usize, usize)>,
    /// For each matrix of an operand the matrices of the result that it goes into.
    left_readers: Vec<Vec<usize>>,
    right_readers: Vec<Vec<usize>>,
}

/// Matrix number `index` of an array of matrices.
fn matrix(data: &[f32], index: usize, rows: usize, columns: usize) -> Matrix<'_> {
    Matrix::new(&data[index * rows * columns..(index + 1) * rows * columns], rows, columns)
}

impl MatrixProductKernel {
    /// Matrix number `index` of the left operand.
    fn left<'a>(&self, data: &'a [f32], index: usize) -> Matrix<'a> {
        stored(data, index, [self.rows, self.inner], self.turned[0])
    }

    /// Matrix number `index` of the right operand.
    fn right<'a>(&self, data: &'a [f32], index: usize) -> Matrix<'a> {
        stored(data, index, [self.inner, self.columns], self.turned[1])
    }
}

/// Matrix number `index` of an operand, which may lie with rows and columns exchanged.
fn stored(data: &[f32], index: usize, [rows, columns]: [usize; 2], turned: bool) -> Matrix<'_> {
    if turned { matrix(data, index, columns, rows).transposed() } else { matrix(data, index, rows, columns) }
}

/// The product of two matrices, or what is the same with rows and columns exchanged.
fn factors<'a>(left: Matrix<'a>, right: Matrix<'a>, turned: bool) -> (Matrix<'a>, Matrix<'a>) {
    if turned { (right.transposed(), left.transposed()) } else { (left, right) }
}

/// The rows of a matrix from `first` on.
fn some_rows(matrix: Matrix<'_>, first: usize, rows: usize) -> Matrix<'_> {
    Matrix { data: &matrix.data[(first * matrix.row_stride).min(matrix.data.len())..], rows, ..matrix }
}

/// Writes an array of matrices, each the sum of the products that `factors` gives for it, some rows at a time.
fn write_products<'a>(
    instructions: Instructions,
    target: &mut [f32],
    [rows, columns]: [usize; 2],
    inner: usize,
    factors: impl Fn(usize) -> Vec<(Matrix<'a>, Matrix<'a>)> + Sync,
) {
    if rows * columns == 0 {
        return;
    }
    // Few matrices are cut into blocks of rows; each block packs the right matrix for itself.
    let matrices = target.len() / (rows * columns);
    let blocks = rows.div_ceil(BLOCK).min(TASKS.div_ceil(matrices.max(1)));
    let work = rows.div_ceil(blocks) * inner * columns;
    let shared = Shared::new(target);
    let tasks = (0..matrices * blocks).into_par_iter().with_min_len((WORK / work.max(1)).max(1));
    tasks.for_each(|task| {
        let (index, block) = (task / blocks, task % blocks);
        let own = block * rows / blocks..(block + 1) * rows / blocks;
        // SAFETY: these rows of this matrix are this task's own.
        let piece = unsafe { shared.slice((index * rows + own.start) * columns, own.len() * columns) };
        let mut accumulate = Accumulate::Overwrite;
        for (left, right) in factors(index) {
            let left = some_rows(left, own.start, own.len());
            multiply(instructions, left, right, piece, columns, accumulate);
            accumulate = Accumulate::Add;
        }
        if accumulate == Accumulate::Overwrite {
            piece.fill(0.0);
        }
    });
}

impl Kernel for MatrixProductKernel {
    fn needs(&self) -> Needs {
        Needs { operands: true, results: false }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (left, right) = (context.operands[0], context.operands[1]);
        let extents = [self.rows, self.columns];
        write_products(self.instructions, context.results[0], extents, self.inner, |index| {
            let (a, b) = self.pairs[index];
            vec![(self.left(left, a), self.right(right, b))]
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let (rows, inner, columns) = (self.rows, self.inner, self.columns);
        let (left, right, g) = (context.operands[0], context.operands[1], context.result_gradients[0]);
        let gradient = |index| matrix(g, index, rows, columns);
        let [left_turned, right_turned] = self.turned;
        let extents = |rows, columns, turned| if turned { [columns, rows] } else { [rows, columns] };
        let [left_target, right_target] = context.operand_gradients else { return };
        if let Some(target) = left_target.as_deref_mut() {
            let own = extents(rows, inner, left_turned);
            write_products(self.instructions, target, own, columns, |own| {
                let product = |&index: &usize| {
                    let right = self.right(right, self.pairs[index].1).transposed();
                    factors(gradient(index), right, left_turned)
                };
                self.left_readers[own].iter().map(product).collect()
            });
        }
        if let Some(target) = right_target.as_deref_mut() {
            let own = extents(inner, columns, right_turned);
            write_products(self.instructions, target, own, rows, |own| {
                let product = |&index: &usize| {
                    let left = self.left(left, self.pairs[index].0).transposed();
                    factors(left, gradient(index), right_turned)
                };
                self.right_readers[own].iter().map(product).collect()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;
    use crate::Layout;

    #[test]
    fn products_are_those_of_the_definition() {
        let table: [(&[usize], &[usize]); 10] = [
            (&[3, 4], &[4, 5]),
            (&[1, 3, 140, 9], &[1, 3, 9, 17]),
            (&[1, 4], &[4, 1]),
            (&[2, 3, 4], &[2, 4, 5]),
            (&[2, 3, 4], &[4, 5]),
            (&[3, 4], &[2, 4, 5]),
            (&[2, 1, 3, 4], &[1, 3, 4, 2]),
            (&[2, 3, 0], &[2, 0, 2]),
            (&[1, 2, 3, 4], &[2, 1, 4, 2]),
            (&[96, 70], &[70, 90]),
        ];
        let ways = [[false, false], [false, true], [true, false], [true, true]];
        let settings = table.iter().flat_map(|&operands| ways.map(|turned| (operands, turned)));
        let cases = settings.map(|((left, right), turned)| {
            let operands = vec![Array::noise(left, 70), Array::noise(right, 71)];
            let shape = deepinside_graph::op::Operator::infer(
                &MatrixProduct,
                &[&operands[0].shape, &operands[1].shape],
            );
            let extents = shape.unwrap()[0].extents().to_vec();
            let case = Case::new(
                format!("{left:?} {right:?}, turned {turned:?}"),
                &MatrixProduct,
                move |lowering| lower(&MatrixProduct, lowering, turned),
                operands,
                move |x| {
                    let number = |position: Vec<usize>| {
                        let (batch, place) = position.split_at(position.len() - 2);
                        let read = |own: &[usize], turned: bool, x: &[f64], row: usize, column: usize| {
                            let own_batch = &own[..own.len() - 2];
                            let mut at: Vec<usize> = own_batch
                                .iter()
                                .zip(&batch[batch.len() - own_batch.len()..])
                                .map(|(&extent, &at)| if extent == 1 { 0 } else { at })
                                .collect();
                            let mut stored = own.to_vec();
                            if turned {
                                stored.swap(own.len() - 2, own.len() - 1);
                            }
                            at.extend(if turned { [column, row] } else { [row, column] });
                            x[index_of(&stored, &at)]
                        };
                        (0..left[left.len() - 1])
                            .map(|k| {
                                let number = read(left, turned[0], &x[0], place[0], k);
                                number * read(right, turned[1], &x[1], k, place[1])
                            })
                            .sum()
                    };
                    vec![positions(&extents).into_iter().map(number).collect()]
                },
            );
            let case = case.layouts(&[Layout::Plain]).tolerance(5e-6);
            if left[0] == 96 || left.contains(&140) { case.without_differences() } else { case }
        });
        check(cases.collect());
    }
}
