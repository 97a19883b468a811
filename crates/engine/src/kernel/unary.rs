//! Elementwise functions.
//!
//! On the way back rectifiers obey the [`BackwardRule`]; every other function passes the plain gradient under each rule,
//! since the papers that define the rules say nothing about smooth functions.
//!
//! | rule | `Relu` passes where | `Clip` passes where |
//! |---|---|---|
//! | gradient | x > 0 | minimum ≤ x ≤ maximum |
//! | DeconvNet | g > 0 | g > 0 |
//! | guided | x > 0 and g > 0 | minimum ≤ x ≤ maximum and g > 0 |
//! | smooth | everywhere, in part (`smooth.rs`) | everywhere, in part |
//!
//! Where a leaky rectifier does not pass the gradient, it multiplies it with its negative slope, whichever gate was
//! closed; so with slope 0 each rule is the one of its paper. At exactly 0 a rectifier counts as closed.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{Rounding, Unary};

use super::axes::expect_same_order;
use super::parallel::{fill, map, map2};
use super::{Backward, Forward, Kernel, Lowering, Needs, smooth};
use crate::BackwardRule;

/// Makes the kernel of an elementwise function.
pub(crate) fn lower(op: &Unary, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_same_order(&lowering.operands[0], &lowering.results[0])?;
    let reads =
        read_by(op).ok_or_else(|| Inconsistency::new("elementwise function", "a supported one", op))?;
    let is_rectifier = matches!(op, Unary::Relu { .. } | Unary::Clip { .. });
    let reads = if is_rectifier && lowering.rule == BackwardRule::Smooth { Reads::Operand } else { reads };
    let pictures = lowering.results[0].shape.extent(0).unwrap_or(1);
    Ok(Box::new(UnaryKernel { function: *op, reads, pictures }))
}

/// What the derivative of a function is computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reads {
    Nothing,
    Operand,
    Result,
}

/// The cheaper of what the derivative can be had from; the result where that is enough, since the next operator often
/// needs it too. `None` for functions that this engine does not know.
fn read_by(function: &Unary) -> Option<Reads> {
    Some(match *function {
        // With a slope of 0 or more the result is positive exactly where the operand is.
        Unary::Relu { negative_slope } if negative_slope >= 0.0 => Reads::Result,
        // As for the rectifier, and the derivative α eˣ of the negative half is the result plus α.
        Unary::Elu { alpha } if alpha >= 0.0 => Reads::Result,
        Unary::Sigmoid | Unary::Tanh | Unary::Exponential { .. } => Reads::Result,
        Unary::Power { power, scale, .. } if power == 1.0 || power * scale == 0.0 => Reads::Nothing,
        Unary::Threshold { .. } | Unary::Sign | Unary::Round(_) => Reads::Nothing,
        Unary::Relu { .. }
        | Unary::Elu { .. }
        | Unary::Clip { .. }
        | Unary::Absolute
        | Unary::Power { .. }
        | Unary::Logarithm { .. }
        | Unary::Softplus
        | Unary::Swish { .. }
        | Unary::Gelu { .. }
        | Unary::HardSigmoid { .. }
        | Unary::HardSwish
        | Unary::Mish
        | Unary::Softsign
        | Unary::Erf => Reads::Operand,
        _ => return None,
    })
}

struct UnaryKernel {
    function: Unary,
    reads: Reads,
    /// The extent of the first axis.
    pictures: usize,
}

impl Kernel for UnaryKernel {
    fn needs(&self) -> Needs {
        Needs { operands: self.reads == Reads::Operand, results: self.reads == Reads::Result }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let x = context.operands[0];
        let y = &mut *context.results[0];
        match self.function {
            // Written so that NaN comes through.
            Unary::Relu { negative_slope: 0.0 } => map(
                x,
                y,
                #[inline(always)]
                move |x| if x < 0.0 { 0.0 } else { x },
            ),
            Unary::Relu { negative_slope } => map(
                x,
                y,
                #[inline(always)]
                move |x| if x > 0.0 { x } else { negative_slope * x },
            ),
            Unary::Clip { minimum, maximum } => map(
                x,
                y,
                #[inline(always)]
                move |x| {
                    let below = if x > maximum { maximum } else { x };
                    if below < minimum { minimum } else { below }
                },
            ),
            Unary::Elu { alpha } => map(x, y, move |x| if x > 0.0 { x } else { alpha * x.exp_m1() }),
            Unary::Sigmoid => map(x, y, sigmoid),
            Unary::Tanh => map(x, y, f32::tanh),
            Unary::Absolute => map(
                x,
                y,
                #[inline(always)]
                move |x| x.abs(),
            ),
            Unary::Power { power, scale, shift } => forward_power(x, y, power, scale, shift),
            Unary::Exponential { inner_scale, outer_scale } => {
                map(x, y, move |x| outer_scale * (inner_scale * x).exp())
            }
            Unary::Logarithm { scale, shift, outer_scale } => {
                map(x, y, move |x| outer_scale * (scale * x + shift).ln())
            }
            Unary::Softplus => map(x, y, softplus),
            Unary::Swish { beta } => map(x, y, move |x| x * sigmoid(beta * x)),
            Unary::Threshold { threshold } => map(
                x,
                y,
                #[inline(always)]
                move |x| if x > threshold { 1.0 } else { 0.0 },
            ),
            Unary::Gelu { approximate: false } => {
                map(x, y, move |x| 0.5 * x * libm::erfcf(-x * FRAC_1_SQRT_2))
            }
            Unary::Gelu { approximate: true } => map(x, y, move |x| x * sigmoid(2.0 * gelu_argument(x))),
            Unary::HardSigmoid { alpha, beta } => map(
                x,
                y,
                #[inline(always)]
                move |x| unit_clip(alpha * x + beta),
            ),
            Unary::HardSwish => map(
                x,
                y,
                #[inline(always)]
                move |x| x * unit_clip(x * SIXTH + 0.5),
            ),
            Unary::Mish => map(x, y, move |x| x * softplus(x).tanh()),
            Unary::Softsign => map(
                x,
                y,
                #[inline(always)]
                move |x| x / (1.0 + x.abs()),
            ),
            Unary::Erf => map(x, y, libm::erff),
            Unary::Sign => map(x, y, sign),
            Unary::Round(Rounding::Down) => map(x, y, f32::floor),
            Unary::Round(Rounding::Up) => map(x, y, f32::ceil),
            Unary::Round(Rounding::Nearest) => map(x, y, f32::round_ties_even),
            Unary::Round(Rounding::TowardsZero) => map(x, y, f32::trunc),
            // `lower` made no kernel for any other.
            _ => {}
        }
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (g, rule) = (context.result_gradients[0], context.rule);
        let v = match self.reads {
            Reads::Nothing => &[],
            Reads::Operand => context.operands[0],
            Reads::Result => context.results[0],
        };
        match self.function {
            Unary::Relu { negative_slope } if rule == BackwardRule::Smooth => {
                smooth::backward_rectifier(self.pictures, negative_slope, v, g, target);
            }
            Unary::Clip { minimum, maximum } if rule == BackwardRule::Smooth => {
                smooth::backward_clip(self.pictures, [minimum, maximum], v, g, target);
            }
            Unary::Relu { negative_slope } => backward_rectifier(rule, negative_slope, v, g, target),
            Unary::Clip { minimum, maximum } => backward_clip(rule, minimum..=maximum, v, g, target),
            Unary::Elu { alpha } if alpha >= 0.0 => {
                map2(
                    v,
                    g,
                    target,
                    #[inline(always)]
                    move |y, g| if y > 0.0 { g } else { g * (alpha + y) },
                );
            }
            Unary::Elu { alpha } => {
                map2(v, g, target, move |x, g| if x > 0.0 { g } else { g * alpha * x.exp() })
            }
            Unary::Sigmoid => map2(
                v,
                g,
                target,
                #[inline(always)]
                move |y, g| g * y * (1.0 - y),
            ),
            Unary::Tanh => map2(
                v,
                g,
                target,
                #[inline(always)]
                move |y, g| g * (1.0 - y * y),
            ),
            Unary::Absolute => map2(
                v,
                g,
                target,
                #[inline(always)]
                move |x, g| g * sign(x),
            ),
            Unary::Power { power, scale, shift } => backward_power(v, g, target, power, scale, shift),
            Unary::Exponential { inner_scale, .. } => {
                map2(
                    v,
                    g,
                    target,
                    #[inline(always)]
                    move |y, g| g * (inner_scale * y),
                );
            }
            Unary::Logarithm { scale, shift, outer_scale } => {
                map2(
                    v,
                    g,
                    target,
                    #[inline(always)]
                    move |x, g| g * (outer_scale * scale) / (scale * x + shift),
                );
            }
            Unary::Softplus => map2(v, g, target, move |x, g| g * sigmoid(x)),
            Unary::Swish { beta } => map2(v, g, target, move |x, g| {
                let gate = sigmoid(beta * x);
                g * (gate + beta * x * gate * (1.0 - gate))
            }),
            Unary::Gelu { approximate: false } => map2(v, g, target, move |x, g| {
                let density = (-0.5 * x * x).exp() * (0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI);
                g * (0.5 * libm::erfcf(-x * FRAC_1_SQRT_2) + x * density)
            }),
            Unary::Gelu { approximate: true } => map2(v, g, target, move |x, g| {
                let gate = sigmoid(2.0 * gelu_argument(x));
                // Written so that a gate of 0 stops the square of a huge argument.
                let slope = FRAC_1_SQRT_2 * FRAC_2_SQRT_PI * (1.0 + 3.0 * GELU_CUBIC * x * x);
                let curve = 2.0 * gate * (1.0 - gate);
                g * (gate + if curve > 0.0 { x * curve * slope } else { 0.0 })
            }),
            Unary::HardSigmoid { alpha, beta } => map2(
                v,
                g,
                target,
                #[inline(always)]
                move |x, g| {
                    let y = alpha * x + beta;
                    if y > 0.0 && y < 1.0 { alpha * g } else { 0.0 }
                },
            ),
            Unary::HardSwish => map2(
                v,
                g,
                target,
                #[inline(always)]
                move |x, g| {
                    let slope = if x > 3.0 { 1.0 } else { x * (2.0 * SIXTH) + 0.5 };
                    if x < -3.0 { 0.0 } else { g * slope }
                },
            ),
            Unary::Mish => map2(v, g, target, move |x, g| {
                let t = softplus(x).tanh();
                let curve = (1.0 - t * t) * sigmoid(x);
                g * (t + if curve > 0.0 { x * curve } else { 0.0 })
            }),
            Unary::Softsign => map2(
                v,
                g,
                target,
                #[inline(always)]
                move |x, g| {
                    let y = 1.0 + x.abs();
                    g / (y * y)
                },
            ),
            Unary::Erf => map2(v, g, target, move |x, g| g * FRAC_2_SQRT_PI * (-x * x).exp()),
            // The gradient of steps is zero; `lower` made no kernel for any other.
            _ => fill(target, 0.0),
        }
    }
}

/// `1 / (1 + e⁻ˣ)`: an exponential that overflows gives 0, which is right.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + eˣ)` without overflow.
#[inline(always)]
fn softplus(x: f32) -> f32 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

/// −1, 0 or 1.
#[inline(always)]
fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// `min(max(x, 0), 1)`.
#[inline(always)]
fn unit_clip(x: f32) -> f32 {
    x.clamp(0.0, 1.0)
}

const SIXTH: f32 = 1.0 / 6.0;

/// The factor of the cube in the approximation of GELU.
const GELU_CUBIC: f32 = 0.044_715;

/// `√(2/π) (x + 0.044715 x³)`.
#[inline(always)]
fn gelu_argument(x: f32) -> f32 {
    FRAC_1_SQRT_2 * FRAC_2_SQRT_PI * (x + GELU_CUBIC * x * x * x)
}

/// The backward pass of a rectifier; `v` has the sign of its argument.
fn backward_rectifier(rule: BackwardRule, slope: f32, v: &[f32], g: &[f32], target: &mut [f32]) {
    match rule {
        // Smooth gates are made elsewhere, from arguments.
        BackwardRule::Gradient | BackwardRule::Smooth => map2(
            v,
            g,
            target,
            #[inline(always)]
            move |v, g| if v > 0.0 { g } else { slope * g },
        ),
        BackwardRule::DeconvNet => map(
            g,
            target,
            #[inline(always)]
            move |g| if g > 0.0 { g } else { slope * g },
        ),
        BackwardRule::Guided => map2(
            v,
            g,
            target,
            #[inline(always)]
            move |v, g| {
                if v > 0.0 && g > 0.0 { g } else { slope * g }
            },
        ),
    }
}

/// The backward pass of a clip. As in Caffe the bounds themselves still pass the gradient.
fn backward_clip(
    rule: BackwardRule,
    inside: std::ops::RangeInclusive<f32>,
    x: &[f32],
    g: &[f32],
    target: &mut [f32],
) {
    let (minimum, maximum) = inside.into_inner();
    match rule {
        BackwardRule::Gradient | BackwardRule::Smooth => map2(
            x,
            g,
            target,
            #[inline(always)]
            move |x, g| {
                if x >= minimum && x <= maximum { g } else { 0.0 }
            },
        ),
        BackwardRule::DeconvNet => map(
            g,
            target,
            #[inline(always)]
            move |g| if g > 0.0 { g } else { 0.0 },
        ),
        BackwardRule::Guided => map2(
            x,
            g,
            target,
            #[inline(always)]
            move |x, g| {
                if x >= minimum && x <= maximum && g > 0.0 { g } else { 0.0 }
            },
        ),
    }
}

/// `(shift + scale·x)^power`, with the common powers spelt out: a general power costs twenty times a product.
fn forward_power(x: &[f32], y: &mut [f32], power: f32, scale: f32, shift: f32) {
    if power == 0.0 {
        fill(y, 1.0);
    } else if scale == 0.0 {
        fill(y, shift.powf(power));
    } else if power == 1.0 {
        map(
            x,
            y,
            #[inline(always)]
            move |x| scale * x + shift,
        );
    } else if power == 2.0 {
        map(
            x,
            y,
            #[inline(always)]
            move |x| {
                let base = scale * x + shift;
                base * base
            },
        );
    } else if power == 0.5 {
        map(
            x,
            y,
            #[inline(always)]
            move |x| (scale * x + shift).sqrt(),
        );
    } else if power == -1.0 {
        map(
            x,
            y,
            #[inline(always)]
            move |x| 1.0 / (scale * x + shift),
        );
    } else {
        map(x, y, move |x| (scale * x + shift).powf(power));
    }
}

/// `scale · power · (shift + scale·x)^(power − 1)` times the gradient.
fn backward_power(x: &[f32], g: &[f32], target: &mut [f32], power: f32, scale: f32, shift: f32) {
    let factor = scale * power;
    if factor == 0.0 {
        fill(target, 0.0);
    } else if power == 1.0 {
        map(
            g,
            target,
            #[inline(always)]
            move |g| factor * g,
        );
    } else if power == 2.0 {
        map2(
            x,
            g,
            target,
            #[inline(always)]
            move |x, g| g * factor * (scale * x + shift),
        );
    } else if power == 0.5 {
        map2(
            x,
            g,
            target,
            #[inline(always)]
            move |x, g| g * factor / (scale * x + shift).sqrt(),
        );
    } else if power == -1.0 {
        map2(
            x,
            g,
            target,
            #[inline(always)]
            move |x, g| {
                let base = scale * x + shift;
                g * factor / (base * base)
            },
        );
    } else {
        map2(x, g, target, move |x, g| g * factor * (scale * x + shift).powf(power - 1.0));
    }
}

#[cfg(test)]
mod tests;
