//! The one place that decides which numbers are results: those that are finite.
//!
//! Weights of NaN, or sums beyond the range of single precision, end in scores that are NaN or infinite. Such numbers are no
//! opinion of a network: sorted they name a class all the same, drawn they are a picture. So every score, activation and gradient
//! that leaves the library passes [`expect_finite`]; only [`crate::trace`] shows numbers as they are, and says where they are none.

use crate::{Error, Result};

/// Expects numbers to be finite; `what` they are, in the plural, is asked for where they are not.
///
/// # Errors
/// [`Error::NotFinite`], which says how many are not.
pub fn expect_finite(what: impl FnOnce() -> String, numbers: &[f32]) -> Result<()> {
    // All are looked at, without a branch, which is several at once.
    let any = |numbers: &[f32]| numbers.iter().fold(false, |any, number| any | !number.is_finite());
    if !numbers.chunks(4096).any(any) {
        return Ok(());
    }
    let nan = numbers.iter().filter(|number| number.is_nan()).count();
    let infinite = numbers.iter().filter(|number| number.is_infinite()).count();
    Err(Error::NotFinite { what: what(), nan, infinite, of: numbers.len(), origin: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_looked_at() {
        for (at, number) in
            [(0, f32::NAN), (4095, f32::INFINITY), (4096, f32::NEG_INFINITY), (9999, -f32::NAN)]
        {
            let mut numbers = vec![f32::MAX; 10_000];
            numbers[1] = f32::MIN_POSITIVE / 2.0;
            expect_finite(|| unreachable!(), &numbers).unwrap();
            numbers[at] = number;
            let message = expect_finite(|| "numbers".to_owned(), &numbers).unwrap_err().to_string();
            let kind = if number.is_nan() { "1 NaN, 0 infinite" } else { "0 NaN, 1 infinite" };
            assert_eq!(message, format!("numbers: 1 of 10000 are not finite ({kind})"));
        }
        expect_finite(|| unreachable!(), &[]).unwrap();
    }
}
