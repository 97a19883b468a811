//! Numbers that begin at a cache line, in large pages where there are many.
//!
//! A vector of numbers from the system's allocator usually begins sixteen bytes into a line, so that every other vector load or
//! store would touch two lines. And it lies in pages of 4 KiB: a network's numbers fill a hundred thousand of them, of which the
//! processor knows the places of two thousand. So large arrays are mapped from the system by themselves, and it is asked for pages
//! of 2 MiB, which Linux gives on request ("transparent huge pages"). Arrays that live as long as each other share a map, and so
//! do packed weights, most of which are smaller than a large page.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use half::f16;
use memmap2::MmapMut;

/// The numbers of a cache line.
const LINE: usize = 16;

/// The bytes of a large page. Arrays that together are smaller come from the allocator.
const LARGE_PAGE: usize = 2 << 20;

/// The bytes of a map that packed weights share.
const POOL: usize = 8 << 20;

/// What is left of the newest map that packed weights share.
static REST: Mutex<Option<Part>> = Mutex::new(None);

/// A cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// What may lie in a line: numbers of which every pattern of bits is one.
pub(crate) trait Number: Copy + Send + Sync {}

impl Number for f32 {}
impl Number for f16 {}

/// Numbers of which the first begins a cache line.
#[derive(Debug)]
pub(crate) struct Aligned<T: Number = f32> {
    lines: Lines,
    length: usize,
    numbers: PhantomData<T>,
}

impl<T: Number> Default for Aligned<T> {
    fn default() -> Self {
        Self::of(Lines::Own(Vec::new()), 0)
    }
}

#[derive(Debug)]
enum Lines {
    Own(Vec<Line>),
    Part(Part),
}

/// Some lines of a map, which no other thread touches.
#[derive(Debug)]
struct Part {
    first: NonNull<Line>,
    count: usize,
    /// Unmapped with its last part.
    map: Arc<MmapMut>,
}

// SAFETY: a part is the only one that touches its lines, as a vector is.
unsafe impl Send for Part {}
// SAFETY: as above; shared parts are only read.
unsafe impl Sync for Part {}

impl<T: Number> Aligned<T> {
    /// How many numbers a line holds.
    const IN_LINE: usize = size_of::<Line>() / size_of::<T>();

    fn of(lines: Lines, length: usize) -> Self {
        Self { lines, length, numbers: PhantomData }
    }

    /// That many zeros.
    pub fn zeros(length: usize) -> Self {
        let lines = length.div_ceil(Self::IN_LINE);
        let lines = match Part::map(lines, LARGE_PAGE) {
            Some(part) => Lines::Part(part),
            None => Lines::Own(vec![Line([0.0; LINE]); lines]),
        };
        Self::of(lines, length)
    }

    /// Several arrays of zeros, which live as long as each other; `None` where there is no memory for them.
    pub fn several(lengths: &[usize]) -> Option<Vec<Self>> {
        let lines = |length: usize| length.div_ceil(Self::IN_LINE);
        let all: usize = lengths.iter().copied().map(lines).sum();
        let mut rest = Part::map(all, LARGE_PAGE);
        if rest.is_none() {
            // Too little for a map, or too much for the system, which is tried here.
            Vec::<Line>::new().try_reserve_exact(all).ok()?;
        }
        let array = |&length: &usize| match &mut rest {
            Some(rest) => Self::of(Lines::Part(rest.cut(lines(length))), length),
            None => Self::zeros(length),
        };
        Some(lengths.iter().map(array).collect())
    }

    /// That many zeros, to become a layer's weights: something that lives about as long as what is asked for next.
    pub fn pooled(length: usize) -> Self {
        let lines = length.div_ceil(Self::IN_LINE);
        if lines * size_of::<Line>() >= POOL {
            return Self::zeros(length);
        }
        // What is guarded is replaced or cut at once.
        let mut rest = REST.lock().unwrap_or_else(PoisonError::into_inner);
        if rest.as_ref().is_none_or(|rest| rest.count < lines) {
            *rest = Part::map(POOL / size_of::<Line>(), POOL);
        }
        match &mut *rest {
            Some(rest) => Self::of(Lines::Part(rest.cut(lines)), length),
            None => Self::zeros(length),
        }
    }

    /// Changes the length; numbers that are new are whatever was there before, at first zeros.
    pub fn resize(&mut self, length: usize) {
        let capacity = Self::IN_LINE
            * match &self.lines {
                Lines::Own(lines) => lines.len(),
                Lines::Part(part) => part.count,
            };
        if length > capacity {
            let mut larger = Self::zeros(length);
            self.length = capacity;
            larger[..capacity].copy_from_slice(self);
            *self = larger;
        }
        self.length = length;
    }
}

/// Whether the system has so many bytes of memory. Asked with a map and not with the allocator, which would keep large
/// arrays for itself from then on.
pub(crate) fn is_available(bytes: usize) -> bool {
    bytes < LARGE_PAGE || Part::map(bytes.div_ceil(size_of::<Line>()), LARGE_PAGE).is_some()
}

impl Part {
    /// So many lines of zeros in a map of their own, where they have as many bytes as is asked for, and the system has memory for them.
    fn map(lines: usize, least: usize) -> Option<Self> {
        let bytes = lines.checked_mul(size_of::<Line>()).filter(|&bytes| bytes >= least)?;
        // What is as long as whole large pages begins at one.
        let mut map = MmapMut::map_anon(bytes.checked_next_multiple_of(LARGE_PAGE)?).ok()?;
        // A wish: where it cannot be fulfilled the pages are small.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        // Pages begin at a line.
        let first = NonNull::new(map.as_mut_ptr().cast())?;
        Some(Self { first, count: lines, map: Arc::new(map) })
    }

    /// Takes the first of the lines away.
    fn cut(&mut self, lines: usize) -> Self {
        assert!(lines <= self.count, "more lines than are left");
        let cut = Self { first: self.first, count: lines, map: Arc::clone(&self.map) };
        // SAFETY: the map holds all lines of the part.
        self.first = unsafe { self.first.add(lines) };
        self.count -= lines;
        cut
    }
}

impl<T: Number> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let start = match &self.lines {
            Lines::Own(lines) => lines.as_ptr(),
            Lines::Part(part) => part.first.as_ptr(),
        };
        // SAFETY: the lines hold at least `length` numbers side by side, and all their bits are set: they were zeros at first.
        unsafe { std::slice::from_raw_parts(start.cast(), self.length) }
    }
}

impl<T: Number> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let start = match &mut self.lines {
            Lines::Own(lines) => lines.as_mut_ptr(),
            Lines::Part(part) => part.first.as_ptr(),
        };
        // SAFETY: as above, and the lines are borrowed exclusively: a part's are no other thread's.
        unsafe { std::slice::from_raw_parts_mut(start.cast(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn begins_at_a_line_and_holds_what_is_asked_for() {
        assert!(Aligned::<f32>::default().is_empty());
        for length in [1, 15, 16, 17, 100_000, 1_000_000] {
            let mut numbers = Aligned::<f32>::zeros(length);
            assert_eq!(numbers.as_ptr() as usize % 64, 0);
            assert_eq!((numbers.len(), numbers.iter().sum::<f32>()), (length, 0.0));
            numbers.fill(2.0);
            numbers.resize(length + 40);
            assert_eq!((numbers.len(), numbers.as_ptr() as usize % 64), (length + 40, 0));
            assert_eq!(numbers[length - 1], 2.0);
            numbers.resize(3 * length);
            assert_eq!((numbers[length - 1], numbers[3 * length - 1]), (2.0, 0.0));
            numbers.resize(0);
            assert!(numbers.is_empty());
        }
    }

    /// Of both kinds, more than one map holds, on several threads.
    #[test]
    fn pooled_arrays_are_zeros_of_their_own() {
        let make = |index: usize| {
            let mut single = Aligned::<f32>::pooled(100_000 + index);
            let mut half = Aligned::<f16>::pooled(3 + index);
            assert!(
                single.iter().all(|&number| number == 0.0) && half.iter().all(|&number| number == f16::ZERO)
            );
            single.fill(index as f32);
            half.fill(f16::from_f32(index as f32));
            (single, half)
        };
        let arrays: Vec<_> = (0..200).into_par_iter().map(make).collect();
        for (index, (single, half)) in arrays.iter().enumerate() {
            assert!(single.len() == 100_000 + index && single.iter().all(|&number| number == index as f32));
            assert!(half.len() == 3 + index && half.iter().all(|&number| number.to_f32() == index as f32));
        }
        assert!(Aligned::<f32>::pooled(POOL).iter().all(|&number| number == 0.0));
    }

    #[test]
    fn several_arrays_do_not_overlap_and_outlive_each_other() {
        for scale in [1, 10_000] {
            let lengths = [17, 0, 100, 1].map(|length| length * scale);
            let mut arrays = Aligned::<f32>::several(&lengths).unwrap();
            for (index, array) in arrays.iter_mut().enumerate() {
                assert!(
                    array.iter().all(|&number| number == 0.0) && (array.as_ptr() as usize).is_multiple_of(64)
                );
                array.fill(1.0 + index as f32);
            }
            let second = arrays.swap_remove(2);
            drop(arrays.swap_remove(0));
            assert!(second.len() == lengths[2] && second.iter().all(|&number| number == 3.0));
            assert!(arrays.iter().flat_map(|array| array.iter()).all(|&number| number == 4.0));
        }
    }
}
