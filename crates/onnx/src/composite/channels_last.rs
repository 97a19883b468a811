//! Operators whose pictures have their channels last, as ONNX Runtime writes them for graphics processors and for bytes:
//! written out, they stand between two transpositions.

use super::{Writer, float, int, ints};

const TO_FIRST: [i64; 4] = [0, 3, 1, 2];
const TO_LAST: [i64; 4] = [0, 2, 3, 1];

/// An operand with its channels first.
fn first(writer: &mut Writer<'_>, step: &str, operand: &str) -> String {
    writer.step(step, "Transpose", &[operand], vec![ints("perm", &TO_FIRST)])
}

/// A result with its channels last, as the node's own.
fn finish(writer: &mut Writer<'_>, result: &str) {
    let output = writer.output(0).to_owned();
    writer.write("Transpose", &[result], &output, vec![ints("perm", &TO_LAST)]);
}

/// The nodes that the operator stands for; `None` where it is another.
pub(super) fn write(writer: &mut Writer<'_>) -> Option<()> {
    let last = |default: i64| writer.attribute("channels_last").map_or(default, |attribute| attribute.i) != 0;
    match writer.node.op_type.as_str() {
        // Filters are outputs × height × width × channels.
        "NhwcConv" => {
            let [picture, filters, bias] = [0, 1, 2].map(|index| writer.input(index).to_owned());
            let picture = first(writer, "x", &picture);
            let filters = first(writer, "w", &filters);
            let attributes = writer.node.attribute.clone();
            let result = writer.step("y", "Conv", &[&picture, &filters, &bias], attributes);
            finish(writer, &result);
        }
        "NhwcMaxPool" => {
            let picture = writer.input(0).to_owned();
            let picture = first(writer, "x", &picture);
            let attributes = writer.node.attribute.clone();
            let result = writer.step("y", "MaxPool", &[&picture], attributes);
            finish(writer, &result);
        }
        // The same as ONNX's own, but for the place of the channels.
        "QLinearConv" => {
            let is_last = last(0);
            let mut picture = writer.dequantised("x", [0, 1, 2], if is_last { 3 } else { 1 });
            if is_last {
                picture = first(writer, "x_first", &picture);
            }
            let filters = writer.dequantised("w", [3, 4, 5], 0);
            let bias = writer.bias(8, [1, 4]);
            let attributes = writer.attributes_without(&["channels_last"]);
            let mut result = writer.step("y", "Conv", &[&picture, &filters, &bias], attributes);
            if is_last {
                result = writer.step("y_last", "Transpose", &[&result], vec![ints("perm", &TO_LAST)]);
            }
            writer.quantise(&result, [6, 7]);
        }
        operator @ ("QLinearGlobalAveragePool" | "QLinearAveragePool") => {
            let operator = operator.trim_start_matches("QLinear").to_owned();
            let is_last = last(0);
            let mut picture = writer.dequantised("x", [0, 1, 2], 1);
            if is_last {
                picture = first(writer, "x_first", &picture);
            }
            let attributes = writer.attributes_without(&["channels_last"]);
            let mut result = writer.step("y", &operator, &[&picture], attributes);
            if is_last {
                result = writer.step("y_last", "Transpose", &[&result], vec![ints("perm", &TO_LAST)]);
            }
            writer.quantise(&result, [3, 4]);
        }
        "GroupNorm" | "SkipGroupNorm" => group(writer, last(1))?,
        _ => return None,
    }
    Some(())
}

/// Group normalisation with a scale and a shift for each channel, of a sum where there is more to add, and with the Swish behind it.
fn group(writer: &mut Writer<'_>, is_last: bool) -> Option<()> {
    let [picture, scale, shift, skip, bias] = [0, 1, 2, 3, 4].map(|index| writer.input(index).to_owned());
    let mut sum = picture;
    if writer.node.op_type == "SkipGroupNorm" {
        // One number for each picture and channel meets all of its places.
        let operands: Vec<&str> =
            [sum.as_str(), &skip, &bias].into_iter().filter(|name| !name.is_empty()).collect();
        sum = writer.step("sum", "Sum", &operands, Vec::new());
        let own = writer.output(1).to_owned();
        if !own.is_empty() {
            writer.write("Identity", &[&sum], &own, Vec::new());
        }
    }
    if is_last {
        sum = first(writer, "x", &sum);
    }
    let groups = writer.attribute("groups")?.i;
    let epsilon = writer.number("epsilon").unwrap_or(1e-5);
    let attributes = vec![int("num_groups", groups), float("epsilon", epsilon)];
    let mut result = writer.step("normalised", "GroupNormalization", &[&sum, &scale, &shift], attributes);
    if writer.attribute("activation").is_some_and(|attribute| attribute.i == 1) {
        let gate = writer.step("gate", "Sigmoid", &[&result], Vec::new());
        result = writer.step("activated", "Mul", &[&result, &gate], Vec::new());
    }
    match is_last {
        true => finish(writer, &result),
        false => {
            let output = writer.output(0).to_owned();
            writer.write("Identity", &[&result], &output, Vec::new());
        }
    }
    Some(())
}
