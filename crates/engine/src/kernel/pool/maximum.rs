//! Maxima over windows, and where they stand.

use super::{NOWHERE, PoolKernel, Taps};
use crate::simd::{LANES, Simd, Work};

/// The windows of a piece of the result.
pub(super) struct Maxima<'a> {
    pub kernel: &'a PoolKernel,
    /// All pictures.
    pub x: &'a [f32],
    /// The first window, counted over all pictures.
    pub first: usize,
    /// The maxima of all channels of each window.
    pub values: &'a mut [f32],
    /// Their places; empty where nobody will ask.
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
            }
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
    while from + 4 * LANES <= channels {
        vectors::<S, 4, PLACED>(simd, x, taps, from, values, positions);
        from += 4 * LANES;
    }
    while from + LANES <= channels {
        vectors::<S, 1, PLACED>(simd, x, taps, from, values, positions);
        from += LANES;
    }
    for channel in from..channels {
        let (mut largest, mut place) = (f32::MIN, NOWHERE);
        for tap in taps.places() {
            let number = x[tap * channels + channel];
            if number > largest || place == NOWHERE {
                (largest, place) = (number, tap as u32);
            }
        }
        values[channel] = largest;
        if PLACED {
            positions[channel] = place;
        }
    }
}

/// `N` vectors of channels from `from` on.
#[inline(always)]
fn vectors<S: Simd, const N: usize, const PLACED: bool>(
    simd: S,
    x: &[f32],
    taps: Taps,
    from: usize,
    values: &mut [f32],
    positions: &mut [u32],
) {
    let channels = values.len();
    let element = |place: usize| {
        let element = &x[place * channels + from..][..N * LANES];
        // SAFETY: the element holds N vectors.
        std::array::from_fn::<_, N, _>(|vector| unsafe { simd.load(element.as_ptr().add(vector * LANES)) })
    };
    let mut largest = [simd.splat(f32::MIN); N];
    let mut places = [simd.splat(f32::from_bits(NOWHERE)); N];
    if taps.counts.iter().all(|&count| count > 0) {
        // The first element counts whatever it is, so that a window of −∞ has a position.
        largest = element(taps.first);
        places = [simd.splat(f32::from_bits(taps.first as u32)); N];
    }
    for z in 0..taps.counts[0] {
        for y in 0..taps.counts[1] {
            let row = taps.first + z * taps.strides[0] + y * taps.strides[1];
            for tap in 0..taps.counts[2] {
                let place = row + tap * taps.strides[2];
                let (numbers, own) = (element(place), simd.splat(f32::from_bits(place as u32)));
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
    let values = &mut values[from..][..N * LANES];
    for (vector, largest) in largest.into_iter().enumerate() {
        // SAFETY: the slice holds N vectors.
        unsafe { simd.store(values.as_mut_ptr().add(vector * LANES), largest) };
    }
    if PLACED {
        let positions = &mut positions[from..][..N * LANES];
        for (vector, places) in places.into_iter().enumerate() {
            // SAFETY: the slice holds N vectors; places are the bits of whole numbers, which any store leaves alone.
            unsafe { simd.store(positions.as_mut_ptr().cast::<f32>().add(vector * LANES), places) };
        }
    }
}
