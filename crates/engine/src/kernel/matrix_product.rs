//! Products of two computed matrices, in batches: `Y = A · B`, backward `dA = G · Bᵀ` and `dB = Aᵀ · G`.

use deepinside_graph::op::MatrixProduct;
use deepinside_graph::{Inconsistency, Shape};

use super::axes::steps;
use super::parallel::for_each_piece;
use super::{Backward, Forward, Kernel, Lowering, Needs, expect_plain};
use crate::gemm::{Accumulate, Matrix, multiply};

/// A product of one pair of matrices of at least so many multiplications is cut into blocks of rows.
const WORK: usize = 1 << 18;

/// Makes the kernel; all values lie plainly.
pub(crate) fn lower(_: &MatrixProduct, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
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

/// The rows of a matrix from `first` on.
fn some_rows(matrix: Matrix<'_>, first: usize, rows: usize) -> Matrix<'_> {
    Matrix { data: &matrix.data[(first * matrix.row_stride).min(matrix.data.len())..], rows, ..matrix }
}

/// Writes an array of matrices, each the sum of the products that `factors` gives for it, some rows at a time.
fn write_products<'a>(
    target: &mut [f32],
    [rows, columns]: [usize; 2],
    inner: usize,
    factors: impl Fn(usize) -> Vec<(Matrix<'a>, Matrix<'a>)> + Sync,
) {
    if rows * columns == 0 {
        return;
    }
    // The largest divisor of the rows that makes the blocks small: a block then never goes over into the next matrix.
    let wanted = (WORK / (inner * columns).max(1)).clamp(1, rows);
    let block = (wanted..=rows).find(|block| rows.is_multiple_of(*block)).unwrap_or(rows);
    for_each_piece(target, block * columns, |start, piece| {
        let (index, first) = (start / (rows * columns), start / columns % rows);
        let block = piece.len() / columns;
        let mut accumulate = Accumulate::Overwrite;
        for (left, right) in factors(index) {
            multiply(some_rows(left, first, block), right, piece, columns, accumulate);
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
        let (rows, inner, columns) = (self.rows, self.inner, self.columns);
        let (left, right) = (context.operands[0], context.operands[1]);
        write_products(context.results[0], [rows, columns], inner, |index| {
            let (a, b) = self.pairs[index];
            vec![(matrix(left, a, rows, inner), matrix(right, b, inner, columns))]
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let (rows, inner, columns) = (self.rows, self.inner, self.columns);
        let (left, right, g) = (context.operands[0], context.operands[1], context.result_gradients[0]);
        let gradient = |index| matrix(g, index, rows, columns);
        let [left_target, right_target] = context.operand_gradients else { return };
        if let Some(target) = left_target.as_deref_mut() {
            write_products(target, [rows, inner], columns, |own| {
                let readers = self.left_readers[own].iter();
                let factors = readers.map(|&index| {
                    (gradient(index), matrix(right, self.pairs[index].1, inner, columns).transposed())
                });
                factors.collect()
            });
        }
        if let Some(target) = right_target.as_deref_mut() {
            write_products(target, [inner, columns], rows, |own| {
                let readers = self.right_readers[own].iter();
                let factors = readers.map(|&index| {
                    (matrix(left, self.pairs[index].0, rows, inner).transposed(), gradient(index))
                });
                factors.collect()
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
        let table: [(&[usize], &[usize]); 9] = [
            (&[3, 4], &[4, 5]),
            (&[1, 4], &[4, 1]),
            (&[2, 3, 4], &[2, 4, 5]),
            (&[2, 3, 4], &[4, 5]),
            (&[3, 4], &[2, 4, 5]),
            (&[2, 1, 3, 4], &[1, 3, 4, 2]),
            (&[2, 3, 0], &[2, 0, 2]),
            (&[1, 2, 3, 4], &[2, 1, 4, 2]),
            (&[96, 70], &[70, 90]),
        ];
        let cases = table.iter().map(|&(left, right)| {
            let operands = vec![Array::noise(left, 70), Array::noise(right, 71)];
            let shape = deepinside_graph::op::Operator::infer(
                &MatrixProduct,
                &[&operands[0].shape, &operands[1].shape],
            );
            let extents = shape.unwrap()[0].extents().to_vec();
            let case = Case::new(
                format!("{left:?} {right:?}"),
                &MatrixProduct,
                |lowering| lower(&MatrixProduct, lowering),
                operands,
                move |x| {
                    let number = |position: Vec<usize>| {
                        let (batch, place) = position.split_at(position.len() - 2);
                        let read = |own: &[usize], x: &[f64], row: usize, column: usize| {
                            let own_batch = &own[..own.len() - 2];
                            let mut at: Vec<usize> = own_batch
                                .iter()
                                .zip(&batch[batch.len() - own_batch.len()..])
                                .map(|(&extent, &at)| if extent == 1 { 0 } else { at })
                                .collect();
                            at.extend([row, column]);
                            x[index_of(own, &at)]
                        };
                        (0..left[left.len() - 1])
                            .map(|k| read(left, &x[0], place[0], k) * read(right, &x[1], k, place[1]))
                            .sum()
                    };
                    vec![positions(&extents).into_iter().map(number).collect()]
                },
            );
            let case = case.layouts(&[Layout::Plain]).tolerance(5e-6);
            if left[0] == 96 { case.without_differences() } else { case }
        });
        check(cases.collect());
    }
}
