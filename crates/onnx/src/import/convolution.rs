//! Convolution and its transpose.

use deepinside_graph::Shape;
use deepinside_graph::op::{Convolution, Deconvolution, Window};

use super::computed_filters;
use super::failure::{Failure, inconsistent};
use super::importer::{Importer, Operand};
use super::node::Node;
use super::window::{AutoPad, auto_pad, window};

/// Input, weights and bias, the input's spatial extents, and the kernel's.
struct Parts {
    operands: Vec<Operand>,
    spatial: Vec<usize>,
    kernel: Vec<usize>,
    groups: usize,
}

fn parts(node: &Node<'_>, importer: &Importer<'_>) -> Result<Parts, Failure> {
    let operands = importer.operands(node)?;
    if !(2..=3).contains(&operands.len()) {
        return inconsistent("number of inputs", "2 or 3", operands.len());
    }
    let (input, weights): (Shape, Shape) = (importer.shape(&operands[0]), importer.shape(&operands[1]));
    if input.rank() < 3 || weights.rank() != input.rank() {
        return inconsistent(
            "input and weights",
            "a batch, a channel and the same spatial axes",
            format!("{input} and {weights}"),
        );
    }
    let kernel = weights.extents()[2..].to_vec();
    let named = node.extents("kernel_shape", kernel.len(), 0)?;
    if node.ints("kernel_shape")?.is_some() && named != kernel {
        return inconsistent(
            "attribute 'kernel_shape'",
            format!("{kernel:?} as the weights"),
            format!("{named:?}"),
        );
    }
    let groups = usize::try_from(node.int("group")?.unwrap_or(1)).unwrap_or(0);
    Ok(Parts { spatial: input.extents()[2..].to_vec(), kernel, groups, operands })
}

pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let Parts { operands, spatial, kernel, groups } = parts(node, importer)?;
    let window = window(node, kernel, &spatial)?;
    computed_filters::finish(node, importer, Convolution { window, groups }, operands)
}

/// The output extents are `stride · (in − 1) + output_padding + reach − pads`; where `output_shape` names them, or the
/// padding is to be chosen, the padding follows.
pub(super) fn import_transposed<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let Parts { operands, spatial, kernel, groups } = parts(node, importer)?;
    let axes = kernel.len();
    let mut extra = node.extents("output_padding", axes, 0)?;
    let side = auto_pad(node)?;
    let same = matches!(side, AutoPad::SameUpper | AutoPad::SameLower);
    let wanted: Option<Vec<usize>> = match node.ints("output_shape")? {
        // Some exporters write batch and channels too.
        Some(list) => {
            let tail = &list[list.len().saturating_sub(axes)..];
            let extents: Option<Vec<usize>> =
                tail.iter().map(|&extent| usize::try_from(extent).ok().filter(|&e| e < 1 << 24)).collect();
            match extents {
                Some(extents) if extents.len() == axes => Some(extents),
                _ => {
                    return inconsistent(
                        "attribute 'output_shape'",
                        format!("{axes} extents"),
                        format!("{list:?}"),
                    );
                }
            }
        }
        None => None,
    };
    let mut window = if wanted.is_some() || same {
        Window {
            stride: node.extents("strides", axes, 1)?,
            dilation: node.extents("dilations", axes, 1)?,
            ..Window::new(kernel)
        }
    } else {
        window(node, kernel, &spatial)?
    };
    let _ = node.ints("pads")?;
    let numbers = [&window.kernel, &window.stride, &window.dilation, &extra];
    if numbers.iter().any(|list| list.iter().any(|&number| number > 1 << 24)) || window.kernel.contains(&0) {
        return inconsistent("window", "small numbers", &window);
    }
    if wanted.is_some() || same {
        for axis in 0..axes {
            let stride = window.stride[axis];
            let full = stride * spatial[axis].saturating_sub(1) + extra[axis] + window.reach(axis);
            let target = wanted.as_ref().map_or(spatial[axis] * stride, |wanted| wanted[axis]);
            let total = full.saturating_sub(target);
            // More than the windows cover is added behind.
            extra[axis] += target.saturating_sub(full);
            let (small, large) = (total / 2, total - total / 2);
            (window.pad_begin[axis], window.pad_end[axis]) =
                if matches!(side, AutoPad::SameUpper) { (small, large) } else { (large, small) };
        }
    }
    computed_filters::finish(node, importer, Deconvolution { window, groups, extra }, operands)
}
