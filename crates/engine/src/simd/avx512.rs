//! 512-bit vectors, of which parts are read and written by masks.

use std::arch::x86_64::{
    __m512, _CMP_GT_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T0, _mm_prefetch,
    _mm256_loadu_si256, _mm512_add_epi32, _mm512_add_ps, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_cvtps_epi32, _mm512_div_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_blend_ps, _mm512_mask_loadu_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_roundscale_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_slli_epi32, _mm512_srai_epi32, _mm512_storeu_ps,
    _mm512_sub_epi32, _mm512_sub_ps,
};

use super::{ROOT_OF_HALF, Simd, Work};

/// Proof that the processor has AVX-512's foundation.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// The token, where the processor has what it stands for. The answer is remembered by the standard library.
    #[inline]
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }
}

/// The first lanes: fewer than all.
#[inline(always)]
fn mask(count: usize) -> u16 {
    debug_assert!(count < 16);
    (1 << count) - 1
}

/// Compiles work for the instruction set.
///
/// # Safety
/// The processor has AVX-512's foundation.
#[target_feature(enable = "avx512f")]
unsafe fn compiled<W: Work>(token: Avx512, work: W) {
    work.run(token);
}

impl Simd for Avx512 {
    const NAME: &'static str = "avx512";
    const LANES: usize = 16;
    const ROWS: usize = 14;
    const MASKS: bool = true;

    type Vector = __m512;

    #[inline(always)]
    fn splat(self, number: f32) -> __m512 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm512_set1_ps(number) }
    }

    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> __m512 {
        // SAFETY: the caller vouches for the numbers, the token for the instruction.
        unsafe { _mm512_loadu_ps(source) }
    }

    #[inline(always)]
    unsafe fn load_first(self, source: *const f32, count: usize) -> __m512 {
        // SAFETY: the caller vouches for the numbers, the token for the instruction, which reads no others.
        unsafe { _mm512_maskz_loadu_ps(mask(count), source) }
    }

    #[inline(always)]
    unsafe fn load_first_or(self, source: *const f32, count: usize, rest: f32) -> __m512 {
        // SAFETY: the caller vouches for the numbers, the token for the instructions, which read no others.
        unsafe { _mm512_mask_loadu_ps(_mm512_set1_ps(rest), mask(count), source) }
    }

    #[inline(always)]
    unsafe fn load_half(self, source: *const u16) -> __m512 {
        // SAFETY: the caller vouches for the numbers, the token for the instructions.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(source.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32, vector: __m512) {
        // SAFETY: the caller vouches for the place, the token for the instruction.
        unsafe { _mm512_storeu_ps(target, vector) }
    }

    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize, vector: __m512) {
        // SAFETY: the caller vouches for the place, the token for the instruction, which writes nowhere else.
        unsafe { _mm512_mask_storeu_ps(target, mask(count), vector) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn subtract(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn multiply(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn divide(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn nearest(self, a: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn two_to(self, n: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        }
    }

    #[inline(always)]
    fn fraction_and_exponent(self, a: __m512) -> (__m512, __m512) {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe {
            let bits = _mm512_castps_si512(a);
            let exponent = _mm512_srai_epi32::<23>(_mm512_sub_epi32(bits, _mm512_set1_epi32(ROOT_OF_HALF)));
            let fraction = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(exponent));
            (_mm512_castsi512_ps(fraction), _mm512_cvtepi32_ps(exponent))
        }
    }

    #[inline(always)]
    fn multiply_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn at_least(self, number: __m512, minimum: __m512) -> __m512 {
        // The instruction gives its second operand where one is NaN.
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm512_max_ps(minimum, number) }
    }

    #[inline(always)]
    fn at_most(self, number: __m512, maximum: __m512) -> __m512 {
        // The instruction gives its second operand where one is NaN.
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm512_min_ps(maximum, number) }
    }

    #[inline(always)]
    fn where_greater(self, a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), y, x) }
    }

    #[inline(always)]
    fn prefetch(self, place: *const f32) {
        // SAFETY: the instruction does not fault, whatever the address; every x86-64 processor has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) }
    }

    #[inline]
    fn run<W: Work>(self, work: W) {
        // SAFETY: the token proves that the processor has AVX-512's foundation.
        unsafe { compiled(self, work) }
    }
}
