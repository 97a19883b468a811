//! What is known before a network runs.

use std::borrow::Cow;
use std::sync::Arc;

use crate::{Inconsistency, Shape, Weights};

/// A tensor that is known while a network is imported: weights where they lie, or numbers computed from others.
///
/// Computed numbers are in double precision, which also holds the whole numbers that shapes are computed from.
#[derive(Debug, Clone)]
pub struct Constant {
    shape: Shape,
    numbers: Numbers,
}

#[derive(Debug, Clone)]
enum Numbers {
    Stored(Weights),
    Computed(Arc<Vec<f64>>),
}

impl Constant {
    /// Numbers in C order.
    ///
    /// # Errors
    /// When there are not as many as the shape needs.
    pub fn new(shape: Shape, numbers: Vec<f64>) -> Result<Self, Inconsistency> {
        if numbers.len() != shape.elements() {
            return Err(Inconsistency::new(
                format!("numbers of a constant of shape {shape}"),
                shape.elements(),
                numbers.len(),
            ));
        }
        Ok(Self { shape, numbers: Numbers::Computed(Arc::new(numbers)) })
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// All numbers in C order.
    pub fn numbers(&self) -> Cow<'_, [f64]> {
        match &self.numbers {
            Numbers::Computed(numbers) => Cow::Borrowed(numbers),
            Numbers::Stored(weights) => Cow::Owned(weights.to_vec().into_iter().map(f64::from).collect()),
        }
    }

    /// The same numbers under another shape of equal element count.
    ///
    /// # Errors
    /// When the element counts differ.
    pub fn reshaped(&self, shape: Shape) -> Result<Self, Inconsistency> {
        let numbers = match &self.numbers {
            Numbers::Stored(weights) => Numbers::Stored(weights.reshaped(shape.clone())?),
            Numbers::Computed(numbers) if numbers.len() == shape.elements() => self.numbers.clone(),
            Numbers::Computed(numbers) => {
                return Err(Inconsistency::new(
                    format!("numbers of a constant of shape {shape}"),
                    shape.elements(),
                    numbers.len(),
                ));
            }
        };
        Ok(Self { shape, numbers })
    }

    /// The weights, for the engine: where they lie in the file, or computed numbers rounded to single precision.
    ///
    /// # Errors
    /// Never for a constant that could be made; the conversion checks the lengths again.
    pub fn to_weights(&self) -> Result<Weights, Inconsistency> {
        match &self.numbers {
            Numbers::Stored(weights) => Ok(weights.clone()),
            Numbers::Computed(numbers) => {
                let numbers: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
                Weights::from_f32(self.shape.clone(), &numbers)
            }
        }
    }
}

impl From<Weights> for Constant {
    fn from(weights: Weights) -> Self {
        Self { shape: weights.shape().clone(), numbers: Numbers::Stored(weights) }
    }
}
