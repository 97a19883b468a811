//! Elements at indices, of constants.

use crate::Constant;
use crate::op::{Places, ScatterReduction};

/// The elements or slices at the places that the indices name.
pub(super) fn gather(places: &Places, array: &Constant, indices: &Constant) -> Vec<f64> {
    let (numbers, indices, slice) = (array.numbers(), indices.numbers(), places.slice());
    let mut result = Vec::with_capacity(places.count() * slice);
    places.for_each(|at| indices[at], |_, place| result.extend_from_slice(&numbers[place..place + slice]));
    result
}

/// The array with updates at the places that the indices name.
pub(super) fn scatter(
    places: &Places,
    reduction: ScatterReduction,
    [array, indices, updates]: [&Constant; 3],
) -> Vec<f64> {
    let (indices, updates, slice) = (indices.numbers(), updates.numbers(), places.slice());
    let mut result = array.numbers().into_owned();
    places.for_each(
        |at| indices[at],
        |number, place| {
            for (target, &update) in result[place..].iter_mut().zip(&updates[number * slice..][..slice]) {
                *target = reduction.combine(*target, update);
            }
        },
    );
    result
}
