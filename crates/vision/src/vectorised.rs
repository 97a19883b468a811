//! Compiling a loop for the instruction set of the machine it runs on.

/// Runs a piece of work compiled for the widest vectors that this processor has.
///
/// Everything inside must be inlined for that to take effect: closures and helpers carry `#[inline(always)]`. The work is called by
/// reference, for the standard library's shim that calls a closure by value would be compiled for the oldest processors.
pub(crate) fn vectorised<R>(work: impl FnMut() -> R) -> R {
    struct Work<F>(F);

    impl<R, F: FnMut() -> R> pulp::NullaryFnOnce for Work<F> {
        type Output = R;

        #[inline(always)]
        fn call(mut self) -> R {
            (self.0)()
        }
    }

    pulp::Arch::new().dispatch(Work(work))
}
