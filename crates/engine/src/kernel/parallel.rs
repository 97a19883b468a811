//! Spreading elementwise work over threads, in pieces whose borders do not depend on how many threads there are.

use rayon::prelude::*;

use super::simd::vectorised;
use crate::simd::{Instructions, Simd, Work};

/// How many elements one piece of work reads or writes, about.
///
/// 128 KiB of single precision: a piece and its operands fit in a core's second-level cache, and it takes some ten
/// microseconds, beside which waking a thread is cheap. Smaller tensors are done where they are.
pub(crate) const GRAIN: usize = 32 * 1024;

/// Calls `work(start, piece)` for consecutive pieces of `length` elements (the last may be shorter) of a target.
///
/// `work` should carry `#[inline(always)]`, see [`vectorised`].
pub(crate) fn for_each_piece<T: Send>(
    target: &mut [T],
    length: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    distribute(target, length.max(1), &|start, piece| {
        vectorised(
            #[inline(always)]
            || work(start, piece),
        )
    });
}

/// The same with work that is compiled for the widest vectors there are, which pays where it has more to do than memory has.
pub(crate) fn for_each_wide_piece<T: Send>(
    target: &mut [T],
    length: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    struct Compiled<F>(F);
    impl<F: FnOnce()> Work for Compiled<F> {
        #[inline(always)]
        fn run<S: Simd>(self, _simd: S) {
            (self.0)();
        }
    }
    distribute(target, length.max(1), &|start, piece| {
        Instructions::Detected.run(Compiled(
            #[inline(always)]
            || work(start, piece),
        ));
    });
}

/// Calls `work(index, piece, piece)` for pieces of two targets that are written together, each with its own length.
pub(crate) fn for_each_pair<T: Send, U: Send>(
    first: (&mut [T], usize),
    second: (&mut [U], usize),
    work: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) {
    distribute_pairs(first, second, &|index, first, second| {
        vectorised(
            #[inline(always)]
            || work(index, first, second),
        );
    });
}

/// One call per piece is nothing beside the piece: behind it the machinery of threads is compiled once, not once for
/// every kernel.
fn distribute<T: Send>(target: &mut [T], length: usize, work: &(dyn Fn(usize, &mut [T]) + Sync)) {
    if target.len() > length {
        target.par_chunks_mut(length).enumerate().for_each(|(index, piece)| work(index * length, piece));
    } else if !target.is_empty() {
        work(0, target);
    }
}

/// What is done with each pair of pieces.
type WorkOnPairs<'a, T, U> = dyn Fn(usize, &mut [T], &mut [U]) + Sync + 'a;

fn distribute_pairs<T: Send, U: Send>(
    (first, length): (&mut [T], usize),
    (second, second_length): (&mut [U], usize),
    work: &WorkOnPairs<'_, T, U>,
) {
    let (length, second_length) = (length.max(1), second_length.max(1));
    if first.len() > length {
        let pieces = first.par_chunks_mut(length).zip(second.par_chunks_mut(second_length));
        pieces.enumerate().for_each(|(index, (first, second))| work(index, first, second));
    } else if !first.is_empty() {
        work(0, first, second);
    }
}

/// Fills a target with `function(x)`.
///
/// The function should own what it captures (`move`): its numbers are then kept in registers, where numbers behind a
/// reference would be read anew for every element, and keep a loop with a branch from being vectorised at all.
pub(crate) fn map(x: &[f32], target: &mut [f32], function: impl Fn(f32) -> f32 + Copy + Sync) {
    for_each_piece(
        target,
        GRAIN,
        #[inline(always)]
        |start, piece| {
            let own = function;
            let x = &x[start..start + piece.len()];
            for (target, &x) in piece.iter_mut().zip(x) {
                *target = own(x);
            }
        },
    );
}

/// Fills a target with `function(x, y)`; see [`map`].
pub(crate) fn map2(
    x: &[f32],
    y: &[f32],
    target: &mut [f32],
    function: impl Fn(f32, f32) -> f32 + Copy + Sync,
) {
    for_each_piece(
        target,
        GRAIN,
        #[inline(always)]
        |start, piece| {
            let own = function;
            let (x, y) = (&x[start..start + piece.len()], &y[start..start + piece.len()]);
            for ((target, &x), &y) in piece.iter_mut().zip(x).zip(y) {
                *target = own(x, y);
            }
        },
    );
}

/// Copies a slice of equal length, on several threads.
pub(crate) fn copy(source: &[f32], target: &mut [f32]) {
    for_each_piece(target, GRAIN, |start, piece| copy_piece(&source[start..start + piece.len()], piece));
}

/// Copies a slice of equal length, 2 KiB at a time.
///
/// Longer copies are made by the C library with a string instruction, which on virtual machines can be four times slower
/// than the vector loop that it takes for short ones (measured: 5.6 against 25 GB/s).
#[inline(always)]
pub(crate) fn copy_piece(source: &[f32], target: &mut [f32]) {
    for (target, source) in target.chunks_mut(512).zip(source.chunks(512)) {
        target.copy_from_slice(source);
    }
}
