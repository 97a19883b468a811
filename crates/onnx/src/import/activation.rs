//! Elementwise functions of one operand.

use deepinside_graph::op::{Binary, Eltwise, Extent, ParametricRelu, Reshape, Rounding, Select, Unary};

use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;
use crate::tensor::Kind;

/// `(scale · x + shift)^power`.
pub(super) fn power(power: f32, scale: f32, shift: f32) -> Unary {
    Unary::Power { power, scale, shift }
}

/// Operators that are one function of the graph.
pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let alpha = |default: f32| Ok::<f32, Failure>(node.float("alpha")?.unwrap_or(default));
    let function = match node.operator() {
        "Abs" => Unary::Absolute,
        "Acos" => Unary::Acos,
        "Acosh" => Unary::Acosh,
        "Asin" => Unary::Asin,
        "Asinh" => Unary::Asinh,
        "Atan" => Unary::Atan,
        "Atanh" => Unary::Atanh,
        "Ceil" => Unary::Round(Rounding::Up),
        "Cos" => Unary::Cos,
        "Cosh" => Unary::Cosh,
        "Elu" => Unary::Elu { alpha: alpha(1.0)? },
        "Erf" => Unary::Erf,
        "Exp" => Unary::Exponential { inner_scale: 1.0, outer_scale: 1.0 },
        "Floor" => Unary::Round(Rounding::Down),
        "Gelu" => match node.text("approximate")?.as_deref() {
            None | Some("none") => Unary::Gelu { approximate: false },
            Some("tanh") => Unary::Gelu { approximate: true },
            Some(other) => return inconsistent("attribute 'approximate'", "none or tanh", other),
        },
        "HardSigmoid" => Unary::HardSigmoid { alpha: alpha(0.2)?, beta: node.float("beta")?.unwrap_or(0.5) },
        "HardSwish" => Unary::HardSwish,
        "LeakyRelu" => Unary::Relu { negative_slope: alpha(0.01)? },
        "Log" => Unary::Logarithm { scale: 1.0, shift: 0.0, outer_scale: 1.0 },
        "Mish" => Unary::Mish,
        "Neg" => power(1.0, -1.0, 0.0),
        "Not" => power(1.0, -1.0, 1.0),
        "Reciprocal" => power(-1.0, 1.0, 0.0),
        "Relu" => Unary::Relu { negative_slope: 0.0 },
        "Round" => Unary::Round(Rounding::Nearest),
        "Sigmoid" => Unary::Sigmoid,
        "Sign" => Unary::Sign,
        "Sin" => Unary::Sin,
        "Sinh" => Unary::Sinh,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "Sqrt" => power(0.5, 1.0, 0.0),
        "Swish" => Unary::Swish { beta: alpha(1.0)? },
        "Tan" => Unary::Tan,
        "Tanh" => Unary::Tanh,
        other => return unsupported(format!("{other} is no function of one operand")),
    };
    importer.finish(node, function, &[operand])
}

/// IsNaN and IsInf.
pub(super) fn import_number_test<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let function = match node.operator() {
        "IsNaN" => Unary::IsNan,
        _ => Unary::IsInfinite {
            negative: node.int("detect_negative")?.unwrap_or(1) != 0,
            positive: node.int("detect_positive")?.unwrap_or(1) != 0,
        },
    };
    importer.finish_as(node, function, &[operand], Kind::Boolean)
}

/// `max(0, x) + min(0, α (exp(x/α) − 1))`, which is `α · elu(x/α)`.
pub(super) fn import_celu<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let alpha = node.float("alpha")?.unwrap_or(1.0);
    if alpha <= 0.0 {
        return inconsistent("attribute 'alpha'", "a number above 0", alpha);
    }
    let inner = importer.step(node, "scaled", power(1.0, 1.0 / alpha, 0.0), &[operand])?;
    let elu = importer.step(node, "elu", Unary::Elu { alpha: 1.0 }, &[inner])?;
    importer.finish(node, power(1.0, alpha, 0.0), &[elu])
}

/// `γ · elu(x)` (Klambauer et al. 2017).
pub(super) fn import_selu<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let old = node.version < 6;
    let alpha = node.float("alpha")?.unwrap_or(if old { 1.6732 } else { 1.673_263_2 });
    let gamma = node.float("gamma")?.unwrap_or(if old { 1.0507 } else { 1.050_701 });
    let elu = importer.step(node, "elu", Unary::Elu { alpha }, &[operand])?;
    importer.finish(node, power(1.0, gamma, 0.0), &[elu])
}

/// `x + bias` below −λ, `x − bias` above λ, 0 between.
pub(super) fn import_shrink<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let (bias, lambda) = (node.float("bias")?.unwrap_or(0.0), node.float("lambd")?.unwrap_or(0.5));
    let own = std::slice::from_ref(&operand);
    let (kind, mut result) = (operand.kind, importer.constant(node, "zero", &[], || vec![0.0])?);
    for (side, comparison, sign) in [("below", Binary::Less, -1.0), ("above", Binary::Greater, 1.0)] {
        let limit =
            importer.constant(node, &format!("limit_{side}"), &[], || vec![f64::from(sign * lambda)])?;
        let is = importer.step(node, side, comparison, &[operand.clone(), limit])?;
        let moved = importer.step(node, &format!("moved_{side}"), power(1.0, 1.0, -sign * bias), own)?;
        let chosen = [is, moved, result];
        if sign > 0.0 {
            return importer.finish_as(node, Select, &chosen, kind);
        }
        result = importer.step(node, "lower_half", Select, &chosen)?;
    }
    Ok(())
}

/// `x` above the threshold α, 0 elsewhere.
pub(super) fn import_thresholded_relu<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let threshold = node.float("alpha")?.unwrap_or(1.0);
    let gate = importer.step(node, "gate", Unary::Threshold { threshold }, std::slice::from_ref(&operand))?;
    importer.finish(node, Eltwise::Product, &[operand, gate])
}

/// The bounds are attributes before operator set 11, and inputs since.
pub(super) fn import_clip<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let (minimum, maximum) = if node.version < 11 {
        (node.float("min")?, node.float("max")?)
    } else {
        let bound = |index, what| -> Result<Option<f32>, Failure> {
            let Some(constant) = importer.known(node, index, what)? else { return Ok(None) };
            match constant.numbers()[..] {
                [number] => Ok(Some(number as f32)),
                _ => inconsistent(what, "one number", constant.shape()),
            }
        };
        (bound(1, "the lower bound")?, bound(2, "the upper bound")?)
    };
    // A lower bound above the upper one gives way.
    let minimum = minimum.map(|minimum| minimum.min(maximum.unwrap_or(f32::INFINITY)));
    let function = match (minimum, maximum) {
        // What it is, so that the rules for rectifiers hold.
        (Some(0.0), None) => Unary::Relu { negative_slope: 0.0 },
        _ => Unary::Clip {
            minimum: minimum.unwrap_or(f32::NEG_INFINITY),
            maximum: maximum.unwrap_or(f32::INFINITY),
        },
    };
    importer.finish(node, function, &[operand])
}

/// A slope per channel is the graph's own operator; others are `max(x, 0) + slope · min(x, 0)`, with broadcasting.
pub(super) fn import_parametric_relu<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
) -> Result<(), Failure> {
    let (operand, mut slope) = (importer.operand(node, 0)?, importer.operand(node, 1)?);
    let rank = importer.shape(&operand).rank();
    if node.version < 7 && importer.shape(&slope).rank() == 1 && rank > 2 {
        // One for each channel.
        let extents = std::iter::once(Extent::Copy(0)).chain(vec![Extent::Fixed(1); rank - 2]).collect();
        slope = importer.step(node, "slopes", Reshape { extents }, &[slope])?;
    }
    let (shape, slopes) = (importer.shape(&operand), importer.shape(&slope));
    let per_channel = slopes.rank() + 1 == shape.rank()
        && shape.rank() > 1
        && slopes.extents()[1..].iter().all(|&extent| extent == 1)
        && [1, shape.extents()[1]].contains(&slopes.extents()[0]);
    if slope.constant().is_some() && (per_channel || slopes.elements() == 1 && shape.rank() > 1) {
        return importer.finish(node, ParametricRelu, &[operand, slope]);
    }
    let positive = importer.step(
        node,
        "positive",
        Unary::Relu { negative_slope: 0.0 },
        std::slice::from_ref(&operand),
    )?;
    let clip = Unary::Clip { minimum: f32::NEG_INFINITY, maximum: 0.0 };
    let negative = importer.step(node, "negative", clip, &[operand])?;
    let scaled = importer.step(node, "scaled", Eltwise::Product, &[negative, slope])?;
    importer.finish(node, Eltwise::Sum { coefficients: vec![1.0, 1.0] }, &[positive, scaled])
}

/// 1 where a tensor is not 0.
pub(super) fn truth<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    operand: Operand,
) -> Result<Operand, Failure> {
    if operand.kind == Kind::Boolean {
        return Ok(operand);
    }
    let zero = importer.constant(node, "zero", &[], || vec![0.0])?;
    let is_zero = importer.step(node, "is_zero", deepinside_graph::op::Binary::Equal, &[operand, zero])?;
    Ok(importer.step(node, "truth", power(1.0, -1.0, 1.0), &[is_zero])?.with_kind(Kind::Boolean))
}
