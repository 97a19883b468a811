//! Rows of one array that lie elsewhere in others: what several nodes that only move numbers do together.

use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Needs};

/// Makes the kernel: per result, the operand's rows in the order in which it has them; rows have `row` numbers. `None` where a row of the
/// operand's `count` is wanted twice, so that gradients would have to be added up.
pub(crate) fn make(row: usize, count: usize, sources: Vec<Vec<u32>>) -> Option<Box<dyn Kernel>> {
    let mut places = vec![Place::NONE; count];
    for (result, source) in sources.iter().enumerate() {
        for (index, &from) in source.iter().enumerate() {
            let place = &mut places[from as usize];
            if *place != Place::NONE {
                return None;
            }
            *place = Place { result: u32::try_from(result).ok()?, row: u32::try_from(index).ok()? };
        }
    }
    Some(Box::new(MoveRowsKernel { row, sources, places }))
}

struct MoveRowsKernel {
    /// The numbers of a row.
    row: usize,
    /// Per result, for each of its rows the one of the operand.
    sources: Vec<Vec<u32>>,
    /// For each row of the operand, where it lies.
    places: Vec<Place>,
}

/// A row of a result.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    result: u32,
    row: u32,
}

impl Place {
    /// Of a row that no result has.
    const NONE: Self = Self { result: u32::MAX, row: 0 };
}

impl Kernel for MoveRowsKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn accumulates(&self, _operand: usize) -> bool {
        true
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (row, operand) = (self.row, context.operands[0]);
        for (result, source) in context.results.iter_mut().zip(&self.sources) {
            for_each_piece(result, (GRAIN / row).max(1) * row, |start, piece| {
                for (target, &from) in piece.chunks_mut(row).zip(&source[start / row..]) {
                    target.copy_from_slice(&operand[from as usize * row..][..row]);
                }
            });
        }
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let (row, gradients, adds) = (self.row, context.result_gradients, context.accumulates[0]);
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        for_each_piece(
            target,
            (GRAIN / row).max(1) * row,
            #[inline(always)]
            |start, piece| {
                for (target, place) in piece.chunks_mut(row).zip(&self.places[start / row..]) {
                    let gradient = gradients.get(place.result as usize);
                    let gradient = gradient.map(|gradient| &gradient[place.row as usize * row..][..row]);
                    match gradient {
                        Some(gradient) if adds => {
                            target.iter_mut().zip(gradient).for_each(|(sum, number)| *sum += number);
                        }
                        Some(gradient) => target.copy_from_slice(gradient),
                        None if adds => {}
                        None => target.fill(0.0),
                    }
                }
            },
        );
    }
}
