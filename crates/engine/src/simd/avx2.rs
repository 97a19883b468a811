//! 256-bit vectors with fused multiplication and addition, and conversion from half precision.

use std::arch::x86_64::{
    __m256, _CMP_GT_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T0, _mm_loadu_si128,
    _mm_prefetch, _mm256_add_epi32, _mm256_add_ps, _mm256_blendv_ps, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_cvtps_epi32,
    _mm256_div_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps,
    _mm256_round_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32, _mm256_srai_epi32,
    _mm256_storeu_ps, _mm256_sub_epi32, _mm256_sub_ps,
};

use super::{ROOT_OF_HALF, Simd, Work};

/// Proof that the processor has AVX2, FMA and conversion from half precision.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The token, where the processor has what it stands for. The answer is remembered by the standard library.
    #[inline]
    pub fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        has.then_some(Self(()))
    }
}

/// Compiles work for the instruction set.
///
/// # Safety
/// The processor has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn compiled<W: Work>(token: Avx2, work: W) {
    work.run(token);
}

impl Simd for Avx2 {
    const NAME: &'static str = "avx2-fma";
    const LANES: usize = 8;
    const ROWS: usize = 6;

    type Vector = __m256;

    #[inline(always)]
    fn splat(self, number: f32) -> __m256 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm256_set1_ps(number) }
    }

    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> __m256 {
        // SAFETY: the caller vouches for the numbers, the token for the instruction.
        unsafe { _mm256_loadu_ps(source) }
    }

    #[inline(always)]
    unsafe fn load_half(self, source: *const u16) -> __m256 {
        // SAFETY: the caller vouches for the numbers, the token for the instruction.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(source.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32, vector: __m256) {
        // SAFETY: the caller vouches for the place, the token for the instruction.
        unsafe { _mm256_storeu_ps(target, vector) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn subtract(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn multiply(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn divide(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn nearest(self, a: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn two_to(self, n: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }

    #[inline(always)]
    fn fraction_and_exponent(self, a: __m256) -> (__m256, __m256) {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe {
            let bits = _mm256_castps_si256(a);
            let exponent = _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, _mm256_set1_epi32(ROOT_OF_HALF)));
            let fraction = _mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(exponent));
            (_mm256_castsi256_ps(fraction), _mm256_cvtepi32_ps(exponent))
        }
    }

    #[inline(always)]
    fn multiply_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn at_least(self, number: __m256, minimum: __m256) -> __m256 {
        // The instruction gives its second operand where one is NaN.
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm256_max_ps(minimum, number) }
    }

    #[inline(always)]
    fn at_most(self, number: __m256, maximum: __m256) -> __m256 {
        // The instruction gives its second operand where one is NaN.
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm256_min_ps(maximum, number) }
    }

    #[inline(always)]
    fn where_greater(self, a: __m256, b: __m256, x: __m256, y: __m256) -> __m256 {
        // SAFETY: the token proves that the processor has the instructions.
        unsafe { _mm256_blendv_ps(y, x, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) }
    }

    #[inline(always)]
    fn prefetch(self, place: *const f32) {
        // SAFETY: the instruction does not fault, whatever the address; every x86-64 processor has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) }
    }

    #[inline]
    fn run<W: Work>(self, work: W) {
        // SAFETY: the token proves that the processor has AVX2, FMA and F16C.
        unsafe { compiled(self, work) }
    }
}
