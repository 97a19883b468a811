//! Vectors of numbers, written once for every instruction set.
//!
//! A kernel's inner loop is a [`Work`] that is generic over [`Simd`]; [`Instructions::run`] compiles it for each
//! instruction set and takes the one that was chosen when the plan was made. A further set is one more token: an
//! implementation of [`Simd`], and a line in [`Instructions`].

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

use self::portable::Portable;

/// The numbers in a vector. Packed weights depend on it.
pub(crate) const LANES: usize = 8;

/// An instruction set, as a token whose existence proves that the processor has it.
pub(crate) trait Simd: Copy {
    /// [`LANES`] numbers.
    type Vector: Copy;

    /// The same number in all lanes.
    fn splat(self, number: f32) -> Self::Vector;

    /// Reads [`LANES`] numbers.
    ///
    /// # Safety
    /// They are readable from `source` on; no alignment is needed.
    unsafe fn load(self, source: *const f32) -> Self::Vector;

    /// Reads [`LANES`] numbers of half precision, as their bits.
    ///
    /// # Safety
    /// They are readable from `source` on; no alignment beyond theirs is needed.
    unsafe fn load_half(self, source: *const u16) -> Self::Vector;

    /// Writes [`LANES`] numbers.
    ///
    /// # Safety
    /// They are writable from `target` on; no alignment is needed.
    unsafe fn store(self, target: *mut f32, vector: Self::Vector);

    /// `a + b`.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a − b`.
    fn subtract(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a · b + c`, rounded once where the instruction set can.
    fn multiply_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// The number, or the minimum where it is below; NaN comes through.
    fn at_least(self, number: Self::Vector, minimum: Self::Vector) -> Self::Vector;

    /// The number, or the maximum where it is above; NaN comes through.
    fn at_most(self, number: Self::Vector, maximum: Self::Vector) -> Self::Vector;

    /// Per lane `x` where `a > b`, else `y`; whatever bits `x` and `y` hold come through.
    fn where_greater(
        self,
        a: Self::Vector,
        b: Self::Vector,
        x: Self::Vector,
        y: Self::Vector,
    ) -> Self::Vector;

    /// Asks for a cache line that will be read soon; any address may be given.
    fn prefetch(self, place: *const f32);

    /// Runs work compiled for this instruction set.
    fn run<W: Work>(self, work: W);
}

/// A computation that is generic over the instruction set. `run`, and whatever it calls, carries `#[inline(always)]`.
pub(crate) trait Work {
    /// Does it.
    fn run<S: Simd>(self, simd: S);
}

/// The instruction sets that there are kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Instructions {
    /// The widest that this processor has.
    #[default]
    Detected,
    /// What every processor of the architecture has: for comparisons, and for tests of that path.
    Portable,
}

impl Instructions {
    /// What it is called: results have the same bits on every processor where it is the same.
    pub fn name(self) -> &'static str {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Detected && avx2::Avx2::detect().is_some() {
            return "avx2-fma";
        }
        "portable"
    }

    /// Runs work.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Detected
            && let Some(token) = avx2::Avx2::detect()
        {
            return token.run(work);
        }
        Portable.run(work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Everything<'a> {
        x: &'a [f32; LANES],
        y: &'a [f32; LANES],
        found: &'a mut Vec<[f32; LANES]>,
    }

    impl Work for Everything<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            // SAFETY: both arrays hold LANES numbers.
            let (x, y) = unsafe { (simd.load(self.x.as_ptr()), simd.load(self.y.as_ptr())) };
            let three = simd.splat(3.0);
            let vectors = [
                simd.add(x, y),
                simd.subtract(x, y),
                simd.multiply_add(x, y, three),
                simd.at_least(x, y),
                simd.at_most(x, y),
                simd.where_greater(x, y, y, three),
            ];
            for vector in vectors {
                let mut numbers = [0.0; LANES];
                // SAFETY: the array holds LANES numbers.
                unsafe { simd.store(numbers.as_mut_ptr(), vector) };
                self.found.push(numbers);
            }
        }
    }

    struct Halves<'a>(&'a [u16; LANES], &'a mut Vec<[f32; LANES]>);

    impl Work for Halves<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let mut numbers = [0.0; LANES];
            // SAFETY: both arrays hold LANES numbers.
            unsafe { simd.store(numbers.as_mut_ptr(), simd.load_half(self.0.as_ptr())) };
            self.1.push(numbers);
        }
    }

    /// One, minus two, a third, the largest, the smallest normal and subnormal numbers, zero, infinity (IEEE 754, binary16).
    #[test]
    fn every_instruction_set_reads_half_precision() {
        let bits = [0x3c00, 0xc000, 0x3555, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00];
        let expected =
            [1.0, -2.0, 0.333_251_95, 65504.0, 2.0f32.powi(-14), 2.0f32.powi(-24), -0.0, f32::INFINITY];
        for instructions in [Instructions::Detected, Instructions::Portable] {
            let mut found = Vec::new();
            instructions.run(Halves(&bits, &mut found));
            assert_eq!(found, [expected]);
        }
    }

    #[test]
    fn every_instruction_set_computes_the_definitions() {
        let x = [1.0, -2.0, 0.5, f32::NAN, 8.0, -0.25, 3.0, -7.0];
        let y = [2.0, -3.0, 0.5, 1.0, -8.0, 0.75, 0.0, 4.0];
        for instructions in [Instructions::Detected, Instructions::Portable] {
            let mut found = Vec::new();
            instructions.run(Everything { x: &x, y: &y, found: &mut found });
            let expected: [fn(f32, f32) -> f32; 6] = [
                |x, y| x + y,
                |x, y| x - y,
                |x, y| x * y + 3.0,
                |x, y| if x < y { y } else { x },
                |x, y| if x > y { y } else { x },
                |x, y| if x > y { y } else { 3.0 },
            ];
            for (found, expected) in found.iter().zip(expected) {
                for lane in 0..LANES {
                    let expected = expected(x[lane], y[lane]);
                    assert!(found[lane] == expected || (found[lane].is_nan() && expected.is_nan()));
                }
            }
        }
    }
}
