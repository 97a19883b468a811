//! Giving memory back to the system.

/// Gives freed memory back to the system, which the allocator would keep for what may come next: for a program that goes on
/// running after its largest sessions are dropped. Takes a moment. Does nothing where the C library is not GNU's.
pub fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: this is the function's declaration in `malloc.h`; it may be called at any time from any thread.
        unsafe extern "C" {
            /// Of the GNU C library: lets go of all free pages but `pad` bytes at the end of each heap.
            safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        malloc_trim(0);
    }
}
