//! Maxima over windows, and where they stand.

use super::super::activation::Activation;
use super::{NOWHERE, PoolKernel, Taps};
use crate::simd::{Simd, Work, load_some, store};

/// The windows of a piece of the result.
pub(super) struct Maxima<'a> {
    pub kernel: &'a PoolKernel,
    /// All pictures.
    pub x: &'a [f32],
    /// The first window, counted over all pictures.
    pub first: usize,
    /// The maxima of all channels of each window.
    pub values: &'a mut [f32],
    /// Their places; empty where they will not be asked for.
    pub positions: &'a mut [u32],
}

impl Work for Maxima<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { kernel, x, first, values, positions } = self;
        let (channels, windows) = (kernel.channels, kernel.windows());
        let image = kernel.places() * channels;
        let window_of =
            |window: usize| (&x[window / windows * image..][..image], kernel.taps(window % windows));
        if positions.is_empty() {
            for (window, values) in (first..).zip(values.chunks_exact_mut(channels)) {
                let (x, taps) = window_of(window);
                one_window::<S, false>(simd, x, taps, values, &mut []);
            }
        } else {
            let outputs = values.chunks_exact_mut(channels).zip(positions.chunks_exact_mut(channels));
            for (window, (values, positions)) in (first..).zip(outputs) {
                let (x, taps) = window_of(window);
                one_window::<S, true>(simd, x, taps, values, positions);
                kernel.shut(values, positions);
            }
        }
    }
}

impl PoolKernel {
    /// Takes away the positions of maxima that the rectifier before them stops.
    #[inline(always)]
    fn shut(&self, values: &[f32], positions: &mut [u32]) {
        let Activation { minimum, maximum } = self.gate;
        if self.gate == Activation::NONE {
            return;
        }
        for (position, &value) in positions.iter_mut().zip(values) {
            *position = if value > minimum && value < maximum { *position } else { NOWHERE };
        }
    }
}

/// All channels of a window; positions are empty where they are not `PLACED`.
#[inline(always)]
fn one_window<S: Simd, const PLACED: bool>(
    simd: S,
    x: &[f32],
    taps: Taps,
    values: &mut [f32],
    positions: &mut [u32],
) {
    let channels = values.len();
    let mut from = 0;
    while from + 4 * S::LANES <= channels {
        vectors::<S, 4, true, PLACED>(simd, x, taps, from, values, positions);
        from += 4 * S::LANES;
    }
    while from + S::LANES <= channels {
        vectors::<S, 1, true, PLACED>(simd, x, taps, from, values, positions);
        from += S::LANES;
    }
    if from < channels {
        vectors::<S, 1, false, PLACED>(simd, x, taps, from, values, positions);
    }
}

/// `N` vectors of channels from `from` on: whole ones, or the last one's first.
#[inline(always)]
fn vectors<S: Simd, const N: usize, const WHOLE: bool, const PLACED: bool>(
    simd: S,
    x: &[f32],
    taps: Taps,
    from: usize,
    values: &mut [f32],
    positions: &mut [u32],
) {
    let channels = values.len();
    let count = if WHOLE { N * S::LANES } else { channels - from };
    let element = |place: usize| &x[place * channels + from..][..count];
    let mut largest = [simd.splat(f32::MIN); N];
    let mut places = [simd.splat(f32::from_bits(NOWHERE)); N];
    if taps.counts.iter().all(|&count| count > 0) {
        // The first element counts whatever it is, so that a window of −∞ has a position.
        largest = numbers::<S, N, WHOLE>(simd, element(taps.first));
        places = [simd.splat(f32::from_bits(taps.first as u32)); N];
    }
    for z in 0..taps.counts[0] {
        for y in 0..taps.counts[1] {
            let row = taps.first + z * taps.strides[0] + y * taps.strides[1];
            for tap in 0..taps.counts[2] {
                let place = row + tap * taps.strides[2];
                let numbers = numbers::<S, N, WHOLE>(simd, element(place));
                let own = simd.splat(f32::from_bits(place as u32));
                for vector in 0..N {
                    let number = numbers[vector];
                    if PLACED {
                        places[vector] = simd.where_greater(number, largest[vector], own, places[vector]);
                    }
                    largest[vector] = simd.at_least(largest[vector], number);
                }
            }
        }
    }
    let values = &mut values[from..][..count];
    for (vector, largest) in largest.into_iter().enumerate() {
        // SAFETY: the slice holds N vectors, or as much of one as is written.
        unsafe { store::<S, WHOLE>(simd, values.as_mut_ptr().add(vector * S::LANES), count, largest) };
    }
    if PLACED {
        let positions = &mut positions[from..][..count];
        for (vector, places) in places.into_iter().enumerate() {
            let target = positions.as_mut_ptr().cast::<f32>().wrapping_add(vector * S::LANES);
            // SAFETY: as above; places are the bits of whole numbers, which any store leaves alone.
            unsafe { store::<S, WHOLE>(simd, target, count, places) };
        }
    }
}

/// An element's vectors: `N` whole ones, or as much of one as there is.
#[inline(always)]
fn numbers<S: Simd, const N: usize, const WHOLE: bool>(simd: S, element: &[f32]) -> [S::Vector; N] {
    assert!(!WHOLE || element.len() == N * S::LANES);
    // SAFETY: the element holds N vectors, or fewer numbers than one has.
    unsafe {
        if WHOLE {
            load_some(simd, element.as_ptr(), S::LANES)
        } else {
            [simd.load_first(element.as_ptr(), element.len()); N]
        }
    }
}
