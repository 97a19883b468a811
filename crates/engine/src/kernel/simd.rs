//! Compiling a loop for the instruction set of the machine it runs on.
//!
//! The crate itself is compiled for the oldest machine of its architecture. A loop inside [`vectorised`] is compiled once
//! more for 256-bit vectors, and the version that the processor has is taken. Multiplications and additions are never
//! fused by the compiler, so both versions give the same bits where no kernel asks for a fused one.

/// Runs a piece of work compiled for the widest vectors that this processor has.
///
/// Everything inside must be inlined for that to take effect: closures and helpers carry `#[inline(always)]`. What the
/// processor has is found out once; later calls read one flag.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
