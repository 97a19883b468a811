//! Plain arrays, which the compiler turns into what every processor of the architecture has.

use super::{ROOT_OF_HALF, Simd, Work};

/// A choice that suits vectors of 128 and of 256 bits.
const LANES: usize = 8;

/// Nothing needs to be proven.
#[derive(Clone, Copy)]
pub(super) struct Portable;

/// Applies a function lane by lane.
#[inline(always)]
fn lanes(function: impl Fn(usize) -> f32) -> [f32; LANES] {
    std::array::from_fn(function)
}

impl Simd for Portable {
    const NAME: &'static str = "portable";
    const LANES: usize = LANES;
    const ROWS: usize = 6;

    type Vector = [f32; LANES];

    #[inline(always)]
    fn splat(self, number: f32) -> [f32; LANES] {
        [number; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> [f32; LANES] {
        // SAFETY: the caller vouches for the numbers; an array of f32 is aligned as they are.
        unsafe { *source.cast::<[f32; LANES]>() }
    }

    #[inline(always)]
    unsafe fn load_half(self, source: *const u16) -> [f32; LANES] {
        // SAFETY: the caller vouches for the numbers; an array of u16 is aligned as they are.
        let bits = unsafe { *source.cast::<[u16; LANES]>() };
        lanes(|lane| half::f16::from_bits(bits[lane]).to_f32())
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32, vector: [f32; LANES]) {
        // SAFETY: the caller vouches for the place; an array of f32 is aligned as they are.
        unsafe { *target.cast::<[f32; LANES]>() = vector }
    }

    #[inline(always)]
    fn add(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        lanes(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn subtract(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        lanes(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    fn multiply(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        lanes(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    fn divide(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        lanes(|lane| a[lane] / b[lane])
    }

    #[inline(always)]
    fn nearest(self, a: [f32; LANES]) -> [f32; LANES] {
        lanes(|lane| a[lane].round_ties_even())
    }

    #[inline(always)]
    fn two_to(self, n: [f32; LANES]) -> [f32; LANES] {
        lanes(|lane| f32::from_bits((n[lane] as i32).wrapping_add(127).cast_unsigned() << 23))
    }

    #[inline(always)]
    fn fraction_and_exponent(self, a: [f32; LANES]) -> ([f32; LANES], [f32; LANES]) {
        let bits = a.map(|number| number.to_bits().cast_signed());
        let exponents = bits.map(|bits| bits.wrapping_sub(ROOT_OF_HALF) >> 23);
        let fraction =
            |lane: usize| f32::from_bits(bits[lane].wrapping_sub(exponents[lane] << 23).cast_unsigned());
        (lanes(fraction), lanes(|lane| exponents[lane] as f32))
    }

    #[inline(always)]
    fn multiply_add(self, a: [f32; LANES], b: [f32; LANES], c: [f32; LANES]) -> [f32; LANES] {
        // Where the processor cannot round once, doing so in software would be a hundred times slower.
        lanes(|lane| a[lane] * b[lane] + c[lane])
    }

    #[inline(always)]
    fn at_least(self, number: [f32; LANES], minimum: [f32; LANES]) -> [f32; LANES] {
        lanes(|lane| if number[lane] < minimum[lane] { minimum[lane] } else { number[lane] })
    }

    #[inline(always)]
    fn at_most(self, number: [f32; LANES], maximum: [f32; LANES]) -> [f32; LANES] {
        lanes(|lane| if number[lane] > maximum[lane] { maximum[lane] } else { number[lane] })
    }

    #[inline(always)]
    fn where_greater(
        self,
        a: [f32; LANES],
        b: [f32; LANES],
        x: [f32; LANES],
        y: [f32; LANES],
    ) -> [f32; LANES] {
        lanes(|lane| if a[lane] > b[lane] { x[lane] } else { y[lane] })
    }

    #[inline(always)]
    fn prefetch(self, _place: *const f32) {}

    #[inline(always)]
    fn run<W: Work>(self, work: W) {
        work.run(self);
    }
}
