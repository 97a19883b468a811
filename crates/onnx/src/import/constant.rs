//! Tensors that are known: constants, shapes, ranges, and casts between kinds of numbers.

use deepinside_graph::op::{Identity, Rounding, Tile, Unary};
use deepinside_graph::{Constant, Shape};

use super::activation::truth;
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::Importer;
use super::node::Node;
use crate::external::ExternalData;
use crate::tensor::{self, Kind};

pub(super) fn import_constant<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (constant, kind) = if let Some(tensor) = node.tensor("value")? {
        importer.note_data_type(node, tensor.data_type);
        tensor::read(tensor, None, &ExternalData::default())?
    } else if let Some(number) = node.float("value_float")? {
        (Constant::new(Shape::scalar(), vec![f64::from(number)])?, Kind::Float)
    } else if let Some(numbers) = node.floats("value_floats")? {
        let numbers: Vec<f64> = numbers.iter().map(|&number| f64::from(number)).collect();
        (Constant::new(Shape::new([numbers.len()])?, numbers)?, Kind::Float)
    } else if let Some(number) = node.int("value_int")? {
        (Constant::new(Shape::scalar(), vec![number as f64])?, Kind::Integer)
    } else if let Some(numbers) = node.ints("value_ints")? {
        let numbers: Vec<f64> = numbers.iter().map(|&number| number as f64).collect();
        (Constant::new(Shape::new([numbers.len()])?, numbers)?, Kind::Integer)
    } else {
        return unsupported("constants are read where they are dense tensors of numbers");
    };
    importer.finish_known(node, 0, constant, kind)
}

pub(super) fn import_constant_of_shape<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
) -> Result<(), Failure> {
    let extents = importer.whole_numbers(node, 0, "the shape")?.unwrap_or_default();
    let shape = tensor::shape(&extents)?;
    let (value, kind) = match node.tensor("value")? {
        None => (Constant::new(Shape::scalar(), vec![0.0])?, Kind::Float),
        Some(tensor) => tensor::read(tensor, None, &ExternalData::default())?,
    };
    match value.uniform() {
        Some(number) if value.shape().elements() == 1 => {
            importer.finish_known(node, 0, Constant::filled(shape, number), kind)
        }
        _ => inconsistent("attribute 'value'", "one number", value.shape()),
    }
}

pub(super) fn import_range<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let number = |index: usize, what: &str| -> Result<(f64, Kind), Failure> {
        let operand = importer.operand(node, index)?;
        match operand.scalar() {
            Some(number) => Ok((number, operand.kind)),
            None => unsupported(format!("{what} must be one constant number")),
        }
    };
    let (start, kind) = number(0, "the start")?;
    let ((limit, _), (step, _)) = (number(1, "the limit")?, number(2, "the step")?);
    let count = ((limit - start) / step).ceil().max(0.0);
    if count.is_nan() || count > f64::from(1 << 24) {
        return inconsistent("range", "at most 16 Mi numbers", format!("{start} to {limit} by {step}"));
    }
    importer.ask_for(count as u64)?;
    let numbers: Vec<f64> = (0..count as usize).map(|index| start + index as f64 * step).collect();
    importer.finish_known(node, 0, Constant::new(Shape::new([numbers.len()])?, numbers)?, kind)
}

pub(super) fn import_shape<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let shape = importer.shape(&importer.operand(node, 0)?);
    let rank = shape.rank() as i64;
    let bound = |number: i64| (if number < 0 { number.saturating_add(rank) } else { number }).clamp(0, rank);
    let start = bound(node.int("start")?.unwrap_or(0)) as usize;
    let end = (bound(node.int("end")?.unwrap_or(rank)) as usize).max(start);
    let numbers: Vec<f64> = shape.extents()[start..end].iter().map(|&extent| extent as f64).collect();
    importer.finish_known(node, 0, Constant::new(Shape::new([numbers.len()])?, numbers)?, Kind::Integer)
}

pub(super) fn import_size<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let elements = importer.shape(&importer.operand(node, 0)?).elements();
    importer.finish_known(node, 0, Constant::new(Shape::scalar(), vec![elements as f64])?, Kind::Integer)
}

/// Numbers are single precision here whatever the file's type: only casts to whole numbers and to truth values change
/// them.
pub(super) fn import_cast<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let named = if node.version < 6 { node.text("to")? } else { None };
    let to = match named {
        Some(name) => Some(super::legacy::data_type(&name)),
        None => node.int("to")?,
    };
    let Some(to) = to else { return inconsistent("attribute 'to'", "a type", "none") };
    // What is not a number after overflow in a narrow type is ours anyway.
    let _ = (node.int("saturate")?, node.text("round_mode")?);
    let to = i32::try_from(to).unwrap_or(0);
    refuse_narrow(Some(to))?;
    importer.note_data_type(node, to);
    cast(node, importer, tensor::kind_of(to)?)
}

pub(super) fn import_cast_like<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let _ = (node.int("saturate")?, node.text("round_mode")?);
    let kind = importer.operand(node, 1)?.kind;
    refuse_narrow(node.input(1).and_then(|name| importer.data_type(name)))?;
    cast(node, importer, kind)
}

/// Numbers of four bits wrap around, which numbers in single precision do not.
fn refuse_narrow(data_type: Option<i32>) -> Result<(), Failure> {
    if matches!(data_type, Some(21 | 22)) { unsupported("casts to numbers of 4 bits") } else { Ok(()) }
}

fn cast<'a>(node: &Node<'a>, importer: &mut Importer<'a>, to: Kind) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    match (operand.kind, to) {
        (Kind::Float, Kind::Integer) => {
            importer.finish_as(node, Unary::Round(Rounding::TowardsZero), &[operand], to)
        }
        (Kind::Float | Kind::Integer, Kind::Boolean) => {
            let truth = truth(node, importer, operand)?;
            importer.finish_as(node, Identity, &[truth], to)
        }
        _ => importer.finish_as(node, Identity, &[operand], to),
    }
}

/// Repeats along axes, as often as `repeats` says for each.
pub(super) fn repeat<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    mut operand: super::importer::Operand,
    repeats: &[usize],
) -> Result<(), Failure> {
    for (axis, &repeats) in repeats.iter().enumerate() {
        if repeats != 1 {
            operand = importer.step(node, &format!("axis{axis}"), Tile { axis, repeats }, &[operand])?;
        }
    }
    importer.finish(node, Identity, &[operand])
}
