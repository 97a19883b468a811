//! Matrix products whose weights are packed in a few bits each (`com.microsoft`), as smaller variants of published networks
//! are: their weights are unpacked while the file is read.

use deepinside_graph::op::InnerProduct;

use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;
use crate::tensor::Kind;

/// The numbers that four bits stand for in "normal float 4" (Dettmers et al. 2023).
const NORMAL_FLOAT: [f64; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// The magnitudes that three bits stand for in bitsandbytes' floating-point numbers of four; the fourth is the sign.
const FLOAT: [f64; 8] = [0.0, 1.0 / 192.0, 2.0 / 3.0, 1.0, 1.0 / 3.0, 0.5, 1.0 / 6.0, 0.25];

/// Rows and columns of the weights, `N` and `K`, and how many numbers share a scale.
struct Extents {
    outputs: usize,
    inputs: usize,
    block: usize,
}

fn extents(node: &Node<'_>) -> Result<Extents, Failure> {
    let read = |name: &'static str| -> Result<usize, Failure> {
        match node.int(name)?.and_then(|number| usize::try_from(number).ok()) {
            Some(number) if (1..=1 << 24).contains(&number) => Ok(number),
            _ => {
                inconsistent(format!("attribute '{name}'"), "1 to 16777216", format!("{:?}", node.int(name)?))
            }
        }
    };
    Ok(Extents { outputs: read("N")?, inputs: read("K")?, block: read("block_size")? })
}

/// A tensor of at least so many numbers that must be known.
fn numbers(
    node: &Node<'_>,
    importer: &Importer<'_>,
    index: usize,
    what: &str,
    count: usize,
) -> Result<Option<Vec<f64>>, Failure> {
    let Some(constant) = importer.known(node, index, what)? else { return Ok(None) };
    let numbers = constant.numbers().into_owned();
    if numbers.len() < count {
        return inconsistent(what, format!("at least {count} numbers"), numbers.len());
    }
    Ok(Some(numbers))
}

/// A number of some bits among those that are packed in bytes, the lowest bits first; none crosses a byte.
fn unpack(bytes: &[f64], bits: usize, index: usize) -> u8 {
    let each = 8 / bits;
    let byte = bytes[index / each] as u8;
    let mask = ((1u16 << bits) - 1) as u8;
    (byte >> (index % each * bits)) & mask
}

/// `A · Wᵀ + bias` where each block of a row of `W` has a scale and a zero point.
pub(super) fn import_blocks<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let Extents { outputs, inputs, block } = extents(node)?;
    let bits = match node.int("bits")?.unwrap_or(4) {
        bits @ (2 | 4 | 8) => bits as usize,
        bits => return unsupported(format!("weights of {bits} bits")),
    };
    // How exactly another program may compute.
    let _ = node.int("accuracy_level")?;
    if importer.optional(node, 4)?.is_some_and(|order| importer.shape(&order).elements() > 0) {
        return unsupported("weights in an order of their own (g_idx)");
    }
    let blocks = inputs.div_ceil(block);
    let bytes_of_block = (block * bits).div_ceil(8);
    let packed = numbers(node, importer, 1, "the packed weights", outputs * blocks * bytes_of_block)?;
    let scales = numbers(node, importer, 2, "the scales", outputs * blocks)?;
    let (Some(packed), Some(scales)) = (packed, scales) else {
        return inconsistent("inputs", "packed weights and scales", "none");
    };
    // Zero points are packed as the weights are, each row in bytes of its own, or numbers like the scales.
    let bytes_of_row = (blocks * bits).div_ceil(8);
    let zeros = match importer.optional(node, 3)? {
        None => None,
        Some(zeros) if zeros.kind == Kind::Integer => {
            numbers(node, importer, 3, "the zero points", outputs * bytes_of_row)?.map(|zeros| (zeros, true))
        }
        Some(_) => {
            numbers(node, importer, 3, "the zero points", outputs * blocks)?.map(|zeros| (zeros, false))
        }
    };
    let middle = f64::from(1u16 << (bits - 1));
    let weight = |row: usize, column: usize| {
        let of_block = row * blocks + column / block;
        let zero = match &zeros {
            None => middle,
            Some((packed, true)) => {
                f64::from(unpack(&packed[row * bytes_of_row..][..bytes_of_row], bits, column / block))
            }
            Some((zeros, false)) => zeros[of_block],
        };
        let bytes = &packed[of_block * bytes_of_block..][..bytes_of_block];
        (f64::from(unpack(bytes, bits, column % block)) - zero) * scales[of_block]
    };
    let weights = || (0..outputs * inputs).map(|index| weight(index / inputs, index % inputs)).collect();
    let bias = importer.optional(node, 5)?;
    product(node, importer, [outputs, inputs], weights, bias)
}

/// `A · Wᵀ` where four bits are the place of a number in a table, times the largest magnitude of a block.
pub(super) fn import_table<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let Extents { outputs, inputs, block } = extents(node)?;
    let value = |code: u8| match code {
        8.. => -FLOAT[usize::from(code - 8)],
        _ => FLOAT[usize::from(code)],
    };
    let table = match node.int("quant_type")?.unwrap_or(1) {
        0 => std::array::from_fn(|code| value(code as u8)),
        1 => NORMAL_FLOAT,
        other => return inconsistent("attribute 'quant_type'", "0 or 1", other),
    };
    let _ = node.int("training_mode")?;
    if node.int("transB")?.unwrap_or(1) != 1 {
        return unsupported("packed weights that are not transposed (transB = 0)");
    }
    let count = outputs * inputs;
    let packed = numbers(node, importer, 1, "the packed weights", count.div_ceil(2))?;
    let largest = numbers(node, importer, 2, "the largest magnitudes", count.div_ceil(block))?;
    let (Some(packed), Some(largest)) = (packed, largest) else {
        return inconsistent("inputs", "packed weights and largest magnitudes", "none");
    };
    // The first of two is in the higher bits.
    let number = |index: usize| table[usize::from(unpack(&packed, 4, index ^ 1))] * largest[index / block];
    let weights = || (0..count).map(number).collect();
    product(node, importer, [outputs, inputs], weights, None)
}

fn product<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    extents: [usize; 2],
    weights: impl FnOnce() -> Vec<f64>,
    bias: Option<Operand>,
) -> Result<(), Failure> {
    let input = importer.operand(node, 0)?;
    let rank = importer.shape(&input).rank();
    if rank == 0 {
        return inconsistent("input", "at least one axis", "a scalar");
    }
    let weights = importer.constant(node, "weights", &extents, weights)?;
    let operands: Vec<Operand> = [Some(input), Some(weights), bias].into_iter().flatten().collect();
    importer.finish(node, InnerProduct { axis: rank - 1, transposed: false }, &operands)
}
