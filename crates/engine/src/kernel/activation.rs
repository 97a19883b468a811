//! Rectifiers that are computed where another kernel writes its result, and undone where it reads its gradient.

use deepinside_graph::op::Unary;

use crate::BackwardRule;
use crate::rule::Asks;

/// A function that a kernel applies to its own result, and whose derivative that result tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Activation {
    /// Results below become this number; gradients pass where the result is above.
    pub minimum: f32,
    /// Results above become this number; gradients pass where the result is below.
    pub maximum: f32,
}

impl Activation {
    /// Leaves every number as it is.
    pub const NONE: Self = Self { minimum: f32::NEG_INFINITY, maximum: f32::INFINITY };

    /// Applies the function; NaN comes through.
    #[inline(always)]
    pub fn apply(self, numbers: &mut [f32]) {
        for number in numbers {
            let raised = if *number < self.minimum { self.minimum } else { *number };
            *number = if raised > self.maximum { self.maximum } else { raised };
        }
    }

    /// The rectifier or clip that a function is. Both sides of a bound look the same here, so a clip is closed on its bounds, and so it is
    /// where its own kernel sees the operand.
    pub fn of(function: &Unary) -> Option<Self> {
        match *function {
            Unary::Relu { negative_slope: 0.0 } => Some(Self { minimum: 0.0, maximum: f32::INFINITY }),
            Unary::Clip { minimum, maximum } if minimum < maximum => Some(Self { minimum, maximum }),
            _ => None,
        }
    }
}

/// What a backward pass does with the gradient of a result before it goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate<'a> {
    pub activation: Activation,
    /// What it asks for.
    pub asks: Asks,
    /// The results of the forward pass.
    pub results: &'a [f32],
}

impl<'a> Gate<'a> {
    /// The gate of a fused rectifier, if there is one. Under rules that no gate knows rectifiers are not fused.
    pub fn of(activation: Option<Activation>, rule: BackwardRule, results: &'a [f32]) -> Option<Self> {
        debug_assert!(
            activation.is_none() || rule.asks().is_some(),
            "{rule:?} has no gate that can be fused"
        );
        activation.zip(rule.asks()).map(|(activation, asks)| Self { activation, asks, results })
    }

    /// Writes what passes of the gradients `from..` to `target`.
    #[inline(always)]
    pub fn pass(&self, gradients: &[f32], from: usize, target: &mut [f32]) {
        let Activation { minimum, maximum } = self.activation;
        let gradients = &gradients[from..from + target.len()];
        if !self.asks.result {
            for (target, &gradient) in target.iter_mut().zip(gradients) {
                *target = if gradient > 0.0 || !self.asks.gradient { gradient } else { 0.0 };
            }
            return;
        }
        let results = &self.results[from..from + target.len()];
        let numbers = target.iter_mut().zip(gradients).zip(results);
        if self.asks.gradient {
            for ((target, &gradient), &result) in numbers {
                let open = (result > minimum) & (result < maximum) & (gradient > 0.0);
                *target = if open { gradient } else { 0.0 };
            }
        } else {
            for ((target, &gradient), &result) in numbers {
                let open = (result > minimum) & (result < maximum);
                *target = if open { gradient } else { 0.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_those_of_the_rules() {
        let clip = Activation::of(&Unary::Clip { minimum: 0.0, maximum: 6.0 }).unwrap();
        let results = [0.0, 1.0, 1.0, 6.0, 6.0, 0.0];
        let gradients = [5.0, 5.0, -5.0, 5.0, -5.0, -5.0];
        let expected = [
            (BackwardRule::Gradient, [0.0, 5.0, -5.0, 0.0, 0.0, 0.0]),
            (BackwardRule::DeconvNet, [5.0, 5.0, 0.0, 5.0, 0.0, 0.0]),
            (BackwardRule::Guided, [0.0, 5.0, 0.0, 0.0, 0.0, 0.0]),
        ];
        for (rule, expected) in expected {
            let mut found = [f32::NAN; 6];
            Gate::of(Some(clip), rule, &results).unwrap().pass(&gradients, 0, &mut found);
            assert_eq!(found, expected);
        }
        assert_eq!(Activation::of(&Unary::Relu { negative_slope: 0.1 }), None);
        assert_eq!(Activation::of(&Unary::Sigmoid), None);
    }
}
