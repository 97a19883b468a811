//! What is known before a network runs.

use std::borrow::Cow;
use std::sync::Arc;

use crate::{Budget, Inconsistency, OverBudget, Reservation, Shape, Weights};

/// A tensor that is known while a network is imported: weights where they lie, numbers computed from others, or one
/// number for all elements, which takes no memory.
///
/// Computed numbers are in double precision, which also holds the whole numbers that shapes are computed from.
#[derive(Debug, Clone)]
pub struct Constant {
    shape: Shape,
    numbers: Numbers,
    /// What its numbers take of a budget, where they were counted.
    held: Option<Arc<Reservation>>,
}

#[derive(Debug, Clone)]
enum Numbers {
    Stored(Weights),
    Computed(Arc<Vec<f64>>),
    Filled(f64),
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
        Ok(Self { shape, numbers: Numbers::Computed(Arc::new(numbers)), held: None })
    }

    /// The same number everywhere.
    pub fn filled(shape: Shape, number: f64) -> Self {
        Self { shape, numbers: Numbers::Filled(number), held: None }
    }

    /// The same constant, its memory counted against a budget for as long as it or a clone of it lives.
    ///
    /// # Errors
    /// When the budget does not hold it.
    pub fn held_by(mut self, budget: &Budget) -> Result<Self, OverBudget> {
        if self.held.is_none() && matches!(self.numbers, Numbers::Computed(_)) {
            self.held = Some(Arc::new(budget.hold(self.computed_bytes())?));
        }
        Ok(self)
    }

    /// The bytes that all numbers take in double precision.
    pub(crate) fn computed_bytes(&self) -> u64 {
        (self.shape.elements() * size_of::<f64>()) as u64
    }

    /// The bytes that [`to_weights`](Self::to_weights) makes anew; none for weights that lie somewhere.
    pub fn bytes_as_weights(&self) -> Option<u64> {
        self.is_computed().then(|| (self.shape.elements() * size_of::<f32>()) as u64)
    }

    /// Whether its numbers lie in memory in double precision.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self.numbers, Numbers::Computed(_))
    }

    /// The number that all elements have, where that is known without looking at many.
    pub fn uniform(&self) -> Option<f64> {
        match &self.numbers {
            Numbers::Filled(number) => Some(*number),
            _ if self.shape.elements() == 1 => self.numbers().first().copied(),
            _ => None,
        }
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// All numbers in C order.
    pub fn numbers(&self) -> Cow<'_, [f64]> {
        match &self.numbers {
            Numbers::Computed(numbers) => Cow::Borrowed(numbers),
            Numbers::Stored(weights) => Cow::Owned(weights.to_f64()),
            Numbers::Filled(number) => Cow::Owned(vec![*number; self.shape.elements()]),
        }
    }

    /// The same numbers under another shape of equal element count.
    ///
    /// # Errors
    /// When the element counts differ.
    pub fn reshaped(&self, shape: Shape) -> Result<Self, Inconsistency> {
        let numbers = match &self.numbers {
            Numbers::Stored(weights) => Numbers::Stored(weights.reshaped(shape.clone())?),
            numbers if self.shape.elements() == shape.elements() => numbers.clone(),
            _ => {
                return Err(Inconsistency::new(
                    format!("numbers of a constant of shape {shape}"),
                    shape.elements(),
                    self.shape.elements(),
                ));
            }
        };
        Ok(Self { shape, numbers, held: self.held.clone() })
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
            Numbers::Filled(number) => Ok(Weights::filled(self.shape.clone(), *number as f32)),
        }
    }
}

impl From<Weights> for Constant {
    fn from(weights: Weights) -> Self {
        Self { shape: weights.shape().clone(), numbers: Numbers::Stored(weights), held: None }
    }
}
