//! NumPy's basic indices: whole numbers, slices and one ellipsis.

use std::fmt;

use crate::{Error, Result};

/// Which elements of an array are meant, axis by axis; axes that are left out are taken whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    /// One for each axis, the first ones before the ellipsis if there is one.
    slices: Vec<Slice>,
    /// How many of them stand before an ellipsis, which stands for all axes that are left.
    ellipsis: Option<usize>,
}

/// What is taken of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// One position, counted from the end where it is negative.
    At(i64),
    /// `start:stop:step`.
    Range {
        /// The first position; the first or the last of the axis where it is left out.
        start: Option<i64>,
        /// The position before which it ends.
        stop: Option<i64>,
        /// How far it is to the next one; never zero.
        step: i64,
    },
}

impl Index {
    /// Reads what stands between the brackets, as in `15, 20:40, :` or `..., -1`.
    ///
    /// # Errors
    /// When it is no such index.
    pub fn parse(text: &str) -> Result<Self> {
        let mut index = Self::default();
        for (position, part) in text.split(',').map(str::trim).enumerate() {
            match part {
                "..." if index.ellipsis.is_none() => index.ellipsis = Some(position),
                part => index.slices.push(Slice::parse(part, text)?),
            }
        }
        Ok(index)
    }

    /// One element of an array of these extents, by its place in C order.
    pub(crate) fn of_place(mut place: usize, extents: &[usize]) -> Self {
        let mut slices = Vec::with_capacity(extents.len());
        for &extent in extents.iter().rev() {
            slices.push(Slice::At((place % extent.max(1)) as i64));
            place /= extent.max(1);
        }
        slices.reverse();
        Self { slices, ellipsis: None }
    }

    /// All of one position of the first axis.
    pub(crate) fn of_channel(channel: usize) -> Self {
        Self { slices: vec![Slice::At(channel as i64)], ellipsis: None }
    }

    /// The positions of the elements in an array of these extents, in C order.
    ///
    /// # Errors
    /// When there are more axes in the index than in the array, a position lies outside, or no element is meant.
    pub fn elements(&self, extents: &[usize]) -> Result<Vec<usize>> {
        if self.slices.len() > extents.len() {
            return Err(Error::Option(format!(
                "[{self}] has {} axes, and the value has {}: {extents:?} without the batch axis",
                self.slices.len(),
                extents.len()
            )));
        }
        let whole = Slice::Range { start: None, stop: None, step: 1 };
        let before = self.ellipsis.unwrap_or(self.slices.len());
        let left_out = extents.len() - self.slices.len();
        let slices = self.slices[..before]
            .iter()
            .copied()
            .chain(std::iter::repeat_n(whole, left_out))
            .chain(self.slices[before..].iter().copied());
        let mut found = vec![0];
        for (slice, &extent) in slices.zip(extents) {
            let positions = slice.positions(extent).ok_or_else(|| {
                Error::Option(format!("[{self}] lies outside of the value, whose extents are {extents:?}"))
            })?;
            found = found
                .iter()
                .flat_map(|&first| positions.iter().map(move |&position| first * extent + position))
                .collect();
        }
        if found.is_empty() {
            return Err(Error::Option(format!(
                "[{self}] takes no element of a value of extents {extents:?}"
            )));
        }
        Ok(found)
    }

    /// Whether it says nothing: the whole array.
    pub fn is_whole(&self) -> bool {
        self.slices.is_empty()
    }
}

impl Slice {
    fn parse(text: &str, whole: &str) -> Result<Self> {
        let failed = || {
            Error::Option(format!(
                "'{text}' in [{whole}] is no index: expected a whole number, start:stop:step, or ... once"
            ))
        };
        let number = |text: &str| -> Result<Option<i64>> {
            match text.trim() {
                "" => Ok(None),
                text => text.parse().map(Some).map_err(|_| failed()),
            }
        };
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [position] => Ok(Self::At(number(position)?.ok_or_else(failed)?)),
            [start, stop] => Ok(Self::Range { start: number(start)?, stop: number(stop)?, step: 1 }),
            [start, stop, step] => match number(step)?.unwrap_or(1) {
                0 => Err(failed()),
                step => Ok(Self::Range { start: number(start)?, stop: number(stop)?, step }),
            },
            _ => Err(failed()),
        }
    }

    /// The positions on an axis; `None` where one that is named lies outside.
    fn positions(self, extent: usize) -> Option<Vec<usize>> {
        let length = i64::try_from(extent).ok()?;
        // As Python counts: from the end where negative, and cut to the axis.
        let resolve = |position: i64, low: i64, high: i64| {
            let position = if position < 0 { position.saturating_add(length) } else { position };
            position.clamp(low, high)
        };
        match self {
            Self::At(position) => {
                let position = if position < 0 { position.checked_add(length)? } else { position };
                (0..length).contains(&position).then(|| vec![position as usize])
            }
            Self::Range { start, stop, step } if step > 0 => {
                let start = start.map_or(0, |start| resolve(start, 0, length));
                let stop = stop.map_or(length, |stop| resolve(stop, 0, length));
                let step = usize::try_from(step).ok()?;
                Some((start..stop).step_by(step).map(|position| position as usize).collect())
            }
            Self::Range { start, stop, step } => {
                let start = start.map_or(length - 1, |start| resolve(start, -1, length - 1));
                let stop = stop.map_or(-1, |stop| resolve(stop, -1, length - 1));
                let step = usize::try_from(step.unsigned_abs()).ok()?;
                Some((stop + 1..=start).rev().step_by(step).map(|position| position as usize).collect())
            }
        }
    }
}

impl fmt::Display for Index {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.slices.iter().map(Slice::to_string).collect();
        if let Some(position) = self.ellipsis {
            parts.insert(position, "...".to_owned());
        }
        formatter.write_str(&parts.join(","))
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        match *self {
            Self::At(position) => write!(formatter, "{position}"),
            Self::Range { start, stop, step: 1 } => write!(formatter, "{}:{}", number(start), number(stop)),
            Self::Range { start, stop, step } => {
                write!(formatter, "{}:{}:{step}", number(start), number(stop))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(index: &str, extents: &[usize]) -> Result<Vec<usize>> {
        Index::parse(index)?.elements(extents)
    }

    /// What NumPy answers for `numpy.arange(24).reshape(2, 3, 4)[INDEX].ravel()`.
    #[test]
    fn means_what_numpy_means() {
        let cases: [(&str, &[usize]); 9] = [
            ("1,2,3", &[23]),
            ("-1,-1,-1", &[23]),
            ("0,1", &[4, 5, 6, 7]),
            ("1,:,2", &[14, 18, 22]),
            ("...,3", &[3, 7, 11, 15, 19, 23]),
            ("0,...,0", &[0, 4, 8]),
            ("0,0,::2", &[0, 2]),
            ("0,0,::-1", &[3, 2, 1, 0]),
            ("1,1:99,-2:", &[18, 19, 22, 23]),
        ];
        for (index, expected) in cases {
            assert_eq!(elements(index, &[2, 3, 4]).unwrap(), expected, "{index}");
            assert_eq!(Index::parse(index).unwrap().to_string(), index);
        }
    }

    #[test]
    fn what_is_outside_or_nothing_is_an_error() {
        for index in ["2", "0,0,0,0", "0,-4", "0,0,4:", "a", "0:1:0", "", "...,...", "99999999999999999999"] {
            assert!(elements(index, &[2, 3, 4]).is_err(), "{index}");
        }
    }
}
