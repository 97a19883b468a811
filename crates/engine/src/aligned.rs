//! Numbers that begin at a cache line.
//!
//! A vector of numbers from the system's allocator usually begins sixteen bytes into a line, so that every other vector load or
//! store would touch two lines.

use std::ops::{Deref, DerefMut};

/// The numbers of a cache line.
const LINE: usize = 16;

/// A cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Numbers of which the first begins a cache line.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
    length: usize,
}

impl Aligned {
    /// That many zeros.
    pub fn zeros(length: usize) -> Self {
        let mut numbers = Self::default();
        numbers.resize(length);
        numbers
    }

    /// Changes the length; numbers that are new are whatever was there before, at first zeros.
    pub fn resize(&mut self, length: usize) {
        let lines = length.div_ceil(LINE);
        if lines > self.lines.len() {
            self.lines.resize(lines, Line([0.0; LINE]));
        }
        self.length = length;
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the lines hold at least `length` numbers side by side: a line is as large as its numbers.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and the lines are borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_line_and_holds_what_is_asked_for() {
        assert!(Aligned::default().is_empty());
        for length in [1, 15, 16, 17, 100_000] {
            let mut numbers = Aligned::zeros(length);
            assert_eq!(numbers.as_ptr() as usize % 64, 0);
            assert_eq!((numbers.len(), numbers.iter().sum::<f32>()), (length, 0.0));
            numbers.fill(2.0);
            numbers.resize(length + 40);
            assert_eq!((numbers.len(), numbers.as_ptr() as usize % 64), (length + 40, 0));
            assert_eq!(numbers[length - 1], 2.0);
            numbers.resize(0);
            assert!(numbers.is_empty());
        }
    }
}
