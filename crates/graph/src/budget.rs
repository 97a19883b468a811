//! How much may be computed while a file is read.
//!
//! A file of a few kilobytes can ask for any amount of constants: `ConstantOfShape`, `Range` and
//! `Expand` make large tensors of small ones, and products of them take minutes. What real files need
//! grows with their weights: a dequantised weight takes a subtraction and a product, a standardised
//! one about eight steps. So each import has a budget in proportion to its file, plus a constant for
//! files without weights and for tables that are larger than what they are computed from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use crate::{Interrupt, Interrupted};

/// Elements read and written that every file may take: about half a second.
const ELEMENTS: u64 = 1 << 27;
/// Further ones for each byte of the file. Standardised weights of half precision take about 16.
const ELEMENTS_PER_BYTE: u64 = 32;
/// Products summed up that every file may take: about half a second.
const PRODUCTS: u64 = 1 << 30;
/// Further ones for each byte of the file. A matrix written as a product of rank 64 takes 16 to 32.
const PRODUCTS_PER_BYTE: u64 = 128;
/// Bytes of computed constants that every file may hold at once.
const BYTES: u64 = 1 << 28;
/// Further ones for each byte of the file: two tensors in double precision made of 4-bit weights.
const BYTES_PER_BYTE: u64 = 32;

/// What one import may still compute and hold. Clones share one budget.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Left>);

#[derive(Debug)]
struct Left {
    file: AtomicU64,
    elements: AtomicU64,
    products: AtomicU64,
    bytes: AtomicU64,
    interrupt: Interrupt,
}

/// Why a constant is not computed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OverBudget {
    /// The file asks for more than its size justifies.
    #[error(
        "the constants that the file computes take more than {limit} {unit}, the limit for a file of \
         {file} bytes; store them in the file instead of computing them, as onnxsim does"
    )]
    Limit {
        /// The budget of a file of that size.
        limit: u64,
        /// What it counts.
        unit: &'static str,
        /// The size of the file in bytes.
        file: u64,
    },
    /// The machine has no more memory.
    #[error("there is no memory for {bytes} bytes of a constant")]
    Memory {
        /// How much was asked for.
        bytes: u64,
    },
    /// The import was asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Budget {
    /// The budget of a file of so many bytes, fewer than 2⁵⁰.
    pub fn for_file(bytes: u64, interrupt: Interrupt) -> Self {
        let budget = Self(Arc::new(Left {
            file: AtomicU64::new(0),
            elements: AtomicU64::new(ELEMENTS),
            products: AtomicU64::new(PRODUCTS),
            bytes: AtomicU64::new(BYTES),
            interrupt,
        }));
        budget.grow_to(bytes);
        budget
    }

    /// The budget of a file that turns out to have more bytes, as where its weights lie in further files.
    pub fn grow_to(&self, bytes: u64) {
        let left = &self.0;
        let more = bytes.saturating_sub(left.file.fetch_max(bytes, Ordering::Relaxed));
        let add = |left: &AtomicU64, per_byte: u64| left.fetch_add(more * per_byte, Ordering::Relaxed);
        add(&left.elements, ELEMENTS_PER_BYTE);
        add(&left.products, PRODUCTS_PER_BYTE);
        add(&left.bytes, BYTES_PER_BYTE);
    }

    /// Counts work that begins now: elements read and written, and products summed up.
    ///
    /// # Errors
    /// When that is more than is left, or the import was asked to stop.
    pub fn spend(&self, elements: u64, products: u64) -> Result<(), OverBudget> {
        let left = &self.0;
        left.interrupt.check()?;
        take(&left.elements, elements).ok_or_else(|| self.limit(ELEMENTS, ELEMENTS_PER_BYTE, "elements"))?;
        take(&left.products, products)
            .ok_or_else(|| self.limit(PRODUCTS, PRODUCTS_PER_BYTE, "multiplications"))
    }

    /// Counts memory until the reservation is dropped. Its allocation is tried first, so that a
    /// machine with too little memory gives an error instead of ending the process.
    ///
    /// # Errors
    /// When that is more than is left, or more than the machine has.
    pub fn hold(&self, bytes: u64) -> Result<Reservation, OverBudget> {
        take(&self.0.bytes, bytes).ok_or_else(|| self.limit(BYTES, BYTES_PER_BYTE, "bytes at once"))?;
        let reservation = Reservation { budget: self.clone(), bytes };
        // Small allocations come from memory that the process has already.
        const LARGE: u64 = 1 << 20;
        if bytes >= LARGE {
            let count = usize::try_from(bytes).map_err(|_| OverBudget::Memory { bytes })?;
            Vec::<u8>::new().try_reserve_exact(count).map_err(|_| OverBudget::Memory { bytes })?;
        }
        Ok(reservation)
    }

    fn limit(&self, base: u64, per_byte: u64, unit: &'static str) -> OverBudget {
        let file = self.0.file.load(Ordering::Relaxed);
        OverBudget::Limit { limit: base + per_byte * file, unit, file }
    }
}

/// Memory counted against a [`Budget`] until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.bytes.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// Takes so much of what is left; `None` where there is less.
fn take(left: &AtomicU64, amount: u64) -> Option<()> {
    let less = |left: u64| left.checked_sub(amount);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back_and_what_is_spent_does_not() {
        let budget = Budget::for_file(0, Interrupt::default());
        let half = budget.hold(BYTES / 2).unwrap();
        let message = budget.hold(BYTES / 2 + 1).unwrap_err().to_string();
        assert!(message.contains("268435456 bytes at once"), "{message}");
        drop(half);
        assert!(budget.hold(BYTES / 2 + 1).is_ok());
        budget.spend(ELEMENTS, 0).unwrap();
        assert!(budget.spend(1, 0).unwrap_err().to_string().contains("elements"));
        budget.spend(0, PRODUCTS).unwrap();
        assert!(budget.spend(0, 1).unwrap_err().to_string().contains("multiplications"));
    }

    #[test]
    fn a_larger_file_may_take_more() {
        let budget = Budget::for_file(1000, Interrupt::default());
        budget.spend(ELEMENTS + 1000 * ELEMENTS_PER_BYTE, PRODUCTS + 1000 * PRODUCTS_PER_BYTE).unwrap();
        assert!(budget.hold(BYTES + 1000 * BYTES_PER_BYTE).is_ok());
    }

    #[test]
    fn an_interrupt_stops_what_would_begin() {
        let interrupt = Interrupt::default();
        let budget = Budget::for_file(0, interrupt.clone());
        budget.spend(1, 1).unwrap();
        interrupt.ask();
        assert_eq!(budget.spend(1, 1), Err(OverBudget::Interrupted(Interrupted)));
    }
}
