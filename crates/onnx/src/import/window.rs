//! The sliding window of convolutions and pooling, with ONNX's ways to say its padding.

use deepinside_graph::op::Window;

use super::failure::{Failure, inconsistent, unsupported};
use super::node::Node;

/// How a node's padding is given.
pub(super) enum AutoPad {
    /// By the attribute `pads`.
    Explicit,
    /// So that the output extent is the input's over the stride, rounded up; the odd one behind.
    SameUpper,
    /// The same with the odd one before.
    SameLower,
    /// None.
    Valid,
}

pub(super) fn auto_pad(node: &Node<'_>) -> Result<AutoPad, Failure> {
    match node.text("auto_pad")?.as_deref() {
        None | Some("" | "NOTSET") => Ok(AutoPad::Explicit),
        Some("SAME_UPPER") => Ok(AutoPad::SameUpper),
        Some("SAME_LOWER") => Ok(AutoPad::SameLower),
        Some("VALID") => Ok(AutoPad::Valid),
        Some(other) => inconsistent("attribute 'auto_pad'", "NOTSET, SAME_UPPER, SAME_LOWER or VALID", other),
    }
}

/// The window of a node over an input of these spatial extents; padding explicit.
pub(super) fn window(node: &Node<'_>, kernel: Vec<usize>, spatial: &[usize]) -> Result<Window, Failure> {
    let axes = kernel.len();
    if spatial.len() != axes || axes == 0 {
        return inconsistent("kernel", format!("{} spatial axes as the input", spatial.len()), axes);
    }
    let mut window = Window {
        stride: node.extents("strides", axes, 1)?,
        dilation: node.extents("dilations", axes, 1)?,
        pad_begin: vec![0; axes],
        pad_end: vec![0; axes],
        kernel,
    };
    let positive = [&window.kernel, &window.stride, &window.dilation];
    if positive.iter().any(|list| list.iter().any(|&number| number == 0 || number > 1 << 24)) {
        return inconsistent("window", "kernel, strides and dilations of at least 1", &window);
    }
    let pads = node.ints("pads")?;
    match auto_pad(node)? {
        AutoPad::Valid => {}
        AutoPad::Explicit => {
            let Some(pads) = pads else { return Ok(window) };
            if pads.iter().any(|&pad| pad < 0) {
                return unsupported(format!("negative padding ({pads:?})"));
            }
            let pads = node.extents("pads", 2 * axes, 0)?;
            window.pad_begin.copy_from_slice(&pads[..axes]);
            window.pad_end.copy_from_slice(&pads[axes..]);
        }
        side @ (AutoPad::SameUpper | AutoPad::SameLower) => {
            for axis in 0..axes {
                let outputs = spatial[axis].div_ceil(window.stride[axis]);
                let covered = outputs.saturating_sub(1) * window.stride[axis] + window.reach(axis);
                let total = covered.saturating_sub(spatial[axis]);
                let (small, large) = (total / 2, total - total / 2);
                let (begin, end) =
                    if matches!(side, AutoPad::SameUpper) { (small, large) } else { (large, small) };
                (window.pad_begin[axis], window.pad_end[axis]) = (begin, end);
            }
        }
    }
    Ok(window)
}
