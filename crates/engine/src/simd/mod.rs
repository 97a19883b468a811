//! Vectors of numbers, written once for every instruction set.
//!
//! A kernel's inner loop is a [`Work`] that is generic over [`Simd`]; [`Instructions::run`] compiles it for each
//! instruction set and takes the one that was chosen when the plan was made. A further set is one more token: an
//! implementation of [`Simd`], and a line in [`Instructions`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod elementary;
mod portable;
mod transposition;

use self::portable::Portable;
pub(crate) use self::transposition::BlockTransposition;

/// The bits of √½: where [`Simd::fraction_and_exponent`] cuts.
const ROOT_OF_HALF: i32 = 0x3f35_04f3;

/// The numbers of a cache line, and of the widest vector: what is packed is packed in lines, whatever the instruction set.
pub(crate) const LINE: usize = 16;

/// An instruction set, as a token whose existence proves that the processor has it.
///
/// Sums are taken number by number in the order of the kernel, so that two sets which both round a product and a sum once give the same
/// bits, however wide their vectors are.
pub(crate) trait Simd: Copy {
    /// What it is called.
    const NAME: &'static str;

    /// The numbers of a vector; a line is one vector or some.
    const LANES: usize;

    /// The rows of a product that are summed together, two vectors each: as many as leave registers for the factors.
    const ROWS: usize;

    /// Whether the first numbers of a vector are read and written as fast as all.
    const MASKS: bool = false;

    /// [`Self::LANES`] numbers.
    type Vector: Copy;

    /// The same number in all lanes.
    fn splat(self, number: f32) -> Self::Vector;

    /// Reads [`Self::LANES`] numbers.
    ///
    /// # Safety
    /// They are readable from `source` on; no alignment is needed.
    unsafe fn load(self, source: *const f32) -> Self::Vector;

    /// Reads fewer numbers than a vector has; the others are zero.
    ///
    /// # Safety
    /// `count` numbers are readable from `source` on.
    #[inline(always)]
    unsafe fn load_first(self, source: *const f32, count: usize) -> Self::Vector {
        debug_assert!(count < Self::LANES);
        let mut numbers = [0.0; LINE];
        // SAFETY: as promised; a line holds at least a vector.
        unsafe {
            std::ptr::copy_nonoverlapping(source, numbers.as_mut_ptr(), count);
            self.load(numbers.as_ptr())
        }
    }

    /// Reads fewer numbers than a vector has; the others are `rest`.
    ///
    /// # Safety
    /// `count` numbers are readable from `source` on.
    #[inline(always)]
    unsafe fn load_first_or(self, source: *const f32, count: usize, rest: f32) -> Self::Vector {
        debug_assert!(count < Self::LANES);
        let mut numbers = [rest; LINE];
        for lane in 0..count {
            // SAFETY: as promised.
            numbers[lane] = unsafe { *source.add(lane) };
        }
        // SAFETY: a line holds at least a vector.
        unsafe { self.load(numbers.as_ptr()) }
    }

    /// Reads [`Self::LANES`] numbers of half precision, as their bits.
    ///
    /// # Safety
    /// They are readable from `source` on; no alignment beyond theirs is needed.
    unsafe fn load_half(self, source: *const u16) -> Self::Vector;

    /// Writes [`Self::LANES`] numbers.
    ///
    /// # Safety
    /// They are writable from `target` on; no alignment is needed.
    unsafe fn store(self, target: *mut f32, vector: Self::Vector);

    /// Writes the first numbers of a vector, not all.
    ///
    /// # Safety
    /// `count` numbers are writable from `target` on.
    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize, vector: Self::Vector) {
        debug_assert!(count < Self::LANES);
        let mut numbers = [0.0; LINE];
        // SAFETY: as promised; a line holds at least a vector.
        unsafe {
            self.store(numbers.as_mut_ptr(), vector);
            std::ptr::copy_nonoverlapping(numbers.as_ptr(), target, count);
        }
    }

    /// `a + b`.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a − b`.
    fn subtract(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a · b`.
    fn multiply(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a / b`.
    fn divide(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// The nearest whole number; halfway the even one.
    fn nearest(self, a: Self::Vector) -> Self::Vector;

    /// 2ⁿ of whole numbers n between −126 and 127; any number for others.
    fn two_to(self, n: Self::Vector) -> Self::Vector;

    /// Of positive normal numbers `f · 2ⁿ` the `f` between √½ and √2, and the whole number `n`; any numbers for others.
    fn fraction_and_exponent(self, a: Self::Vector) -> (Self::Vector, Self::Vector);

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

/// Reads a vector that is `WHOLE`, or of which only the first `count` numbers exist.
///
/// # Safety
/// They are readable.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, const WHOLE: bool>(
    simd: S,
    source: *const f32,
    count: usize,
) -> S::Vector {
    // SAFETY: as promised.
    unsafe { if WHOLE { simd.load(source) } else { simd.load_first(source, count) } }
}

/// Reads some vectors that lie `apart`. A loop, since the closure of `array::from_fn` would be called and not compiled for the instruction
/// set.
///
/// # Safety
/// They are readable.
#[inline(always)]
pub(crate) unsafe fn load_some<S: Simd, const N: usize>(
    simd: S,
    source: *const f32,
    apart: usize,
) -> [S::Vector; N] {
    let mut vectors = [simd.splat(0.0); N];
    for (index, vector) in vectors.iter_mut().enumerate() {
        // SAFETY: as promised.
        *vector = unsafe { simd.load(source.add(index * apart)) };
    }
    vectors
}

/// Writes a vector that is `WHOLE`, or the first `count` numbers of it.
///
/// # Safety
/// They are writable.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd, const WHOLE: bool>(
    simd: S,
    target: *mut f32,
    count: usize,
    vector: S::Vector,
) {
    // SAFETY: as promised.
    unsafe { if WHOLE { simd.store(target, vector) } else { simd.store_first(target, count, vector) } }
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
    /// Vectors of 256 bits at most: for comparisons, and for tests of that path.
    Narrow,
    /// What every processor of the architecture has: for comparisons, and for tests of that path.
    Portable,
}

impl Instructions {
    /// All choices, of which some may be the same on a processor.
    pub const ALL: [Self; 3] = [Self::Detected, Self::Narrow, Self::Portable];

    /// What it is called: results have the same bits on every processor where it is the same.
    pub fn name(self) -> &'static str {
        struct Name<'a>(&'a mut &'static str);
        impl Work for Name<'_> {
            #[inline(always)]
            fn run<S: Simd>(self, _simd: S) {
                *self.0 = S::NAME;
            }
        }
        let mut name = "";
        self.run(Name(&mut name));
        name
    }

    /// The numbers of a vector.
    pub(crate) fn lanes(self) -> usize {
        struct Lanes<'a>(&'a mut usize);
        impl Work for Lanes<'_> {
            #[inline(always)]
            fn run<S: Simd>(self, _simd: S) {
                *self.0 = S::LANES;
            }
        }
        let mut lanes = 0;
        self.run(Lanes(&mut lanes));
        lanes
    }

    /// Runs work.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) {
        #[cfg(target_arch = "x86_64")]
        {
            if self == Self::Detected
                && let Some(token) = avx512::Avx512::detect()
            {
                return token.run(work);
            }
            if self != Self::Portable
                && let Some(token) = avx2::Avx2::detect()
            {
                return token.run(work);
            }
        }
        Portable.run(work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls with every place where a vector of a line begins.
    fn parts<S: Simd>() -> impl Iterator<Item = usize> {
        (0..LINE).step_by(S::LANES)
    }

    struct Everything<'a> {
        x: &'a [f32; LINE],
        y: &'a [f32; LINE],
        found: &'a mut [[f32; LINE]; 9],
    }

    impl Work for Everything<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for from in parts::<S>() {
                // SAFETY: both lines hold a vector there.
                let (x, y) =
                    unsafe { (simd.load(self.x[from..].as_ptr()), simd.load(self.y[from..].as_ptr())) };
                let three = simd.splat(3.0);
                let vectors = [
                    simd.add(x, y),
                    simd.subtract(x, y),
                    simd.multiply_add(x, y, three),
                    simd.at_least(x, y),
                    simd.at_most(x, y),
                    simd.where_greater(x, y, y, three),
                    simd.multiply(x, y),
                    simd.divide(x, y),
                    simd.nearest(x),
                ];
                for (vector, found) in vectors.into_iter().zip(&mut *self.found) {
                    // SAFETY: the line holds a vector there.
                    unsafe { simd.store(found[from..].as_mut_ptr(), vector) };
                }
            }
        }
    }

    struct Halves<'a>(&'a [u16; LINE], &'a mut [f32; LINE]);

    impl Work for Halves<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for from in parts::<S>() {
                // SAFETY: both lines hold a vector there.
                unsafe {
                    let numbers = simd.load_half(self.0[from..].as_ptr());
                    simd.store(self.1[from..].as_mut_ptr(), numbers);
                }
            }
        }
    }

    /// Copies the first numbers of one array to another, and then what was read beyond them.
    struct First<'a>(&'a [f32], &'a mut [f32], &'a mut f32);

    impl Work for First<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let count = self.0.len() % S::LANES;
            let mut line = [f32::NAN; LINE];
            // SAFETY: the arrays hold `count` numbers, and the line a vector.
            unsafe {
                let numbers = simd.load_first(self.0.as_ptr(), count);
                simd.store_first(self.1.as_mut_ptr(), count, numbers);
                simd.store(line.as_mut_ptr(), numbers);
            }
            *self.2 = line[count..S::LANES].iter().map(|number| number.abs()).sum();
            // SAFETY: as above.
            unsafe { simd.store(line.as_mut_ptr(), simd.load_first_or(self.0.as_ptr(), count, -5.0)) };
            assert_eq!(line[..count], self.0[..count]);
            assert!(line[count..S::LANES].iter().all(|&number| number == -5.0));
        }
    }

    /// One, minus two, a third, the largest, the smallest normal and subnormal numbers, zero, infinity (IEEE 754, binary16).
    #[test]
    fn every_instruction_set_reads_half_precision() {
        let bits = [0x3c00, 0xc000, 0x3555, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00];
        let expected =
            [1.0, -2.0, 0.333_251_95, 65504.0, 2.0f32.powi(-14), 2.0f32.powi(-24), -0.0, f32::INFINITY];
        for instructions in Instructions::ALL {
            let mut found = [0.0; LINE];
            instructions.run(Halves(&std::array::from_fn(|lane| bits[lane % 8]), &mut found));
            assert_eq!(found, std::array::from_fn(|lane| expected[lane % 8]));
        }
    }

    #[test]
    fn every_instruction_set_computes_the_definitions() {
        let x = [1.0, -2.0, 0.5, f32::NAN, 8.0, -0.25, 3.0, -7.0];
        let y = [2.0, -3.0, 0.5, 1.0, -8.0, 0.75, 0.0, 4.0];
        let [x, y]: [[f32; LINE]; 2] = [x, y].map(|line| std::array::from_fn(|lane| line[lane % 8]));
        for instructions in Instructions::ALL {
            let mut found = [[0.0; LINE]; 9];
            instructions.run(Everything { x: &x, y: &y, found: &mut found });
            let expected: [fn(f32, f32) -> f32; 9] = [
                |x, y| x + y,
                |x, y| x - y,
                |x, y| x * y + 3.0,
                |x, y| if x < y { y } else { x },
                |x, y| if x > y { y } else { x },
                |x, y| if x > y { y } else { 3.0 },
                |x, y| x * y,
                |x, y| x / y,
                |x, _| x.round_ties_even(),
            ];
            for (found, expected) in found.iter().zip(expected) {
                for lane in 0..LINE {
                    let expected = expected(x[lane], y[lane]);
                    assert!(found[lane] == expected || (found[lane].is_nan() && expected.is_nan()));
                }
            }
        }
    }

    /// Puts 2ⁿ, fractions and exponents of a line where they are found.
    struct Powers<'a>(&'a [f32; LINE], &'a [f32; LINE], &'a mut [[f32; LINE]; 3]);

    impl Work for Powers<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for from in parts::<S>() {
                // SAFETY: the lines hold a vector there.
                unsafe {
                    let power = simd.two_to(simd.load(self.0[from..].as_ptr()));
                    let (fraction, exponent) = simd.fraction_and_exponent(simd.load(self.1[from..].as_ptr()));
                    for (found, vector) in self.2.iter_mut().zip([power, fraction, exponent]) {
                        simd.store(found[from..].as_mut_ptr(), vector);
                    }
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_takes_numbers_apart() {
        let exponents: [f32; LINE] =
            [-126.0, -1.0, 0.0, 1.0, 2.0, 10.0, 126.0, 127.0, -100.0, 5.0, 6.0, 7.0, 8.0, 9.0, -9.0, 64.0];
        let fractions: [f32; LINE] =
            [0.75, 1.0, 1.25, 1.4, 0.71, 0.9, 1.1, 1.0, 1.0, 0.8, 1.3, 0.99, 1.01, 1.2, 0.72, 1.41];
        let numbers: [f32; LINE] = std::array::from_fn(|lane| fractions[lane] * exponents[lane].exp2());
        // The smallest exponent with a fraction below 1 is no normal number.
        let normal = |lane: usize| numbers[lane] >= f32::MIN_POSITIVE;
        for instructions in Instructions::ALL {
            let mut found = [[0.0; LINE]; 3];
            instructions.run(Powers(&exponents, &numbers, &mut found));
            assert_eq!(found[0], exponents.map(f32::exp2));
            for lane in (0..LINE).filter(|&lane| normal(lane)) {
                assert_eq!((found[1][lane], found[2][lane]), (fractions[lane], exponents[lane]));
            }
        }
    }

    #[test]
    fn no_number_beyond_the_first_ones_is_read_or_written() {
        let numbers: Vec<f32> = (1..8).map(|number| number as f32).collect();
        for instructions in Instructions::ALL {
            for count in 0..8 {
                let (mut found, mut beyond) = ([9.0; 8], f32::NAN);
                instructions.run(First(&numbers[..count], &mut found, &mut beyond));
                assert_eq!((&found[..count], beyond), (&numbers[..count], 0.0));
                assert_eq!(found[count..], [9.0; 8][count..]);
            }
        }
    }
}
