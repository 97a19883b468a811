//! Operators that stand for several of ONNX's own: quantised layers (QOperator), and what ONNX Runtime's optimiser fuses
//! (`com.microsoft`). They are written out before anything is imported, as functions are; attention and packed weights, which
//! need shapes, are not (`import::fused_attention`, `import::packed_weights`).

mod channels_last;

use prost::bytes::Bytes;

use crate::proto;

/// Writes nodes in place of one.
struct Writer<'a> {
    node: &'a proto::Node,
    nodes: Vec<proto::Node>,
}

/// ONNX's numbers for types of attributes.
const FLOAT: i32 = 1;
const INT: i32 = 2;
const TEXT: i32 = 3;
const INTS: i32 = 7;

/// The domain of what ONNX Runtime adds to ONNX.
const MICROSOFT: &str = "com.microsoft";

/// The type of a tensor of single precision.
const SINGLE: i64 = 1;

fn int(name: &str, number: i64) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), i: number, r#type: INT, ..Default::default() }
}

fn float(name: &str, number: f32) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), f: number, r#type: FLOAT, ..Default::default() }
}

fn text(name: &str, text: &'static str) -> proto::Attribute {
    proto::Attribute {
        name: name.to_owned(),
        s: Bytes::from_static(text.as_bytes()),
        r#type: TEXT,
        ..Default::default()
    }
}

fn ints(name: &str, numbers: &[i64]) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), ints: numbers.to_vec(), r#type: INTS, ..Default::default() }
}

impl Writer<'_> {
    /// The name of an input; empty where it is left out.
    fn input(&self, index: usize) -> &str {
        self.node.input.get(index).map_or("", String::as_str)
    }

    fn output(&self, index: usize) -> &str {
        self.node.output.get(index).map_or("", String::as_str)
    }

    fn attribute(&self, name: &str) -> Option<&proto::Attribute> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    fn number(&self, name: &str) -> Option<f32> {
        self.attribute(name).map(|attribute| attribute.f)
    }

    /// The attributes but for some.
    fn attributes_without(&self, names: &[&str]) -> Vec<proto::Attribute> {
        let keeps = |attribute: &&proto::Attribute| !names.contains(&attribute.name.as_str());
        self.node.attribute.iter().filter(keeps).cloned().collect()
    }

    /// A node whose result has this name.
    fn write(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: Vec<proto::Attribute>) {
        let last = inputs.iter().rposition(|input| !input.is_empty()).map_or(0, |last| last + 1);
        self.nodes.push(proto::Node {
            name: self.node.name.clone(),
            op_type: operator.to_owned(),
            input: inputs[..last].iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: attributes,
            ..Default::default()
        });
    }

    /// Makes the last node one of ONNX Runtime's own operators.
    fn of_microsoft(&mut self) {
        if let Some(node) = self.nodes.last_mut() {
            MICROSOFT.clone_into(&mut node.domain);
        }
    }

    /// A node in between; returns the name of its result.
    fn step(
        &mut self,
        step: &str,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) -> String {
        let stem = self.node.output.iter().find(|output| !output.is_empty()).map_or("", String::as_str);
        let name = format!("{stem}@{step}");
        self.write(operator, inputs, &name, attributes);
        name
    }

    /// A single number.
    fn constant(&mut self, step: &str, number: f32) -> String {
        self.step(step, "Constant", &[], vec![float("value_float", number)])
    }

    /// The numbers that a quantised operand, its scale and its zero point stand for.
    fn dequantised(&mut self, step: &str, [operand, scale, zero]: [usize; 3], axis: i64) -> String {
        let inputs = [operand, scale, zero].map(|index| self.input(index).to_owned());
        let inputs = [inputs[0].as_str(), &inputs[1], &inputs[2]];
        self.step(step, "DequantizeLinear", &inputs, vec![int("axis", axis)])
    }

    /// Whole numbers less their zero point.
    fn centred(&mut self, step: &str, [operand, zero]: [usize; 2], axis: i64) -> String {
        let one = self.constant(&format!("{step}_one"), 1.0);
        let [operand, zero] = [operand, zero].map(|index| self.input(index).to_owned());
        self.step(step, "DequantizeLinear", &[&operand, &one, &zero], vec![int("axis", axis)])
    }

    /// The result, quantised by the scale and zero point among the inputs; as it is where they are left out.
    fn quantise(&mut self, result: &str, [scale, zero]: [usize; 2]) {
        let output = self.output(0).to_owned();
        let [scale, zero] = [scale, zero].map(|index| self.input(index).to_owned());
        match scale.is_empty() {
            true => self.write("Identity", &[result], &output, Vec::new()),
            false => self.write("QuantizeLinear", &[result, &scale, &zero], &output, Vec::new()),
        }
    }

    /// Whole numbers of a bias that count products of two scales.
    fn bias(&mut self, bias: usize, scales: [usize; 2]) -> String {
        let [bias, one, other] = [bias, scales[0], scales[1]].map(|index| self.input(index).to_owned());
        if bias.is_empty() {
            return String::new();
        }
        let scale = self.step("bias_scale", "Mul", &[&one, &other], Vec::new());
        let whole = self.step("bias_float", "Cast", &[&bias], vec![int("to", SINGLE)]);
        self.step("bias", "Mul", &[&whole, &scale], Vec::new())
    }

    /// What a fused activation makes of a result, as this node's own.
    fn activate(&mut self, result: &str) -> Option<()> {
        let output = self.output(0).to_owned();
        let name =
            self.attribute("activation").map(|attribute| String::from_utf8_lossy(&attribute.s).into_owned());
        let parameters =
            self.attribute("activation_params").map(|attribute| attribute.floats.clone()).unwrap_or_default();
        // FusedGemm calls them so.
        let own = |name: &str, index: usize| {
            self.number(&format!("activation_{name}")).or(parameters.get(index).copied())
        };
        let list = |names: &[&str]| -> Vec<proto::Attribute> {
            let known =
                names.iter().enumerate().filter_map(|(index, name)| Some(float(name, own(name, index)?)));
            known.collect()
        };
        match name.as_deref().unwrap_or("") {
            "" => self.write("Identity", &[result], &output, Vec::new()),
            operator @ ("Relu" | "Tanh" | "Sigmoid" | "Softplus" | "Softsign" | "HardSwish") => {
                self.write(operator, &[result], &output, Vec::new());
            }
            operator @ ("LeakyRelu" | "Elu" | "ThresholdedRelu") => {
                let attributes = list(&["alpha"]);
                self.write(operator, &[result], &output, attributes);
            }
            "HardSigmoid" => {
                let attributes = list(&["alpha", "beta"]);
                self.write("HardSigmoid", &[result], &output, attributes);
            }
            "Clip" => {
                let bounds =
                    [own("min", 0).unwrap_or(f32::NEG_INFINITY), own("max", 1).unwrap_or(f32::INFINITY)];
                let [low, high] = [self.constant("minimum", bounds[0]), self.constant("maximum", bounds[1])];
                self.write("Clip", &[result, &low, &high], &output, Vec::new());
            }
            _ => return None,
        }
        Some(())
    }
}

/// The nodes that a composite operator stands for; `None` for every other, and where an attribute has no meaning here.
pub(crate) fn written_out(node: &proto::Node) -> Option<Vec<proto::Node>> {
    let mut writer = Writer { node, nodes: Vec::new() };
    match node.domain.as_str() {
        "" | "ai.onnx" => onnx(&mut writer)?,
        MICROSOFT => match channels_last::write(&mut writer) {
            Some(()) => {}
            None => microsoft(&mut writer)?,
        },
        _ => return None,
    }
    Some(writer.nodes)
}

/// ONNX's own quantised operators, and what ONNX Runtime writes into its domain.
fn onnx(writer: &mut Writer<'_>) -> Option<()> {
    let output = writer.output(0).to_owned();
    match writer.node.op_type.as_str() {
        "QLinearConv" => {
            let picture = writer.dequantised("x", [0, 1, 2], 1);
            let filters = writer.dequantised("w", [3, 4, 5], 0);
            let bias = writer.bias(8, [1, 4]);
            let attributes = writer.node.attribute.clone();
            let result = writer.step("y", "Conv", &[&picture, &filters, &bias], attributes);
            writer.quantise(&result, [6, 7]);
        }
        "QLinearMatMul" => {
            // A scale for each row of the left and each column of the right matrix.
            let left = writer.dequantised("a", [0, 1, 2], -2);
            let right = writer.dequantised("b", [3, 4, 5], -1);
            let result = writer.step("y", "MatMul", &[&left, &right], Vec::new());
            writer.quantise(&result, [6, 7]);
        }
        "ConvInteger" => {
            let picture = writer.centred("x", [0, 2], 1);
            let filters = writer.centred("w", [1, 3], 0);
            let attributes = writer.node.attribute.clone();
            writer.write("Conv", &[&picture, &filters], &output, attributes);
        }
        "MatMulInteger" => {
            let left = writer.centred("a", [0, 2], -2);
            let right = writer.centred("b", [1, 3], -1);
            writer.write("MatMul", &[&left, &right], &output, Vec::new());
        }
        "SimplifiedLayerNormalization" => {
            let [input, scale] = [writer.input(0).to_owned(), writer.input(1).to_owned()];
            let attributes = writer.attributes_without(&["stash_type"]);
            writer.write("RMSNormalization", &[&input, &scale], &output, attributes);
        }
        _ => return None,
    }
    Some(())
}

/// The operators that ONNX Runtime's optimiser and quantiser write.
fn microsoft(writer: &mut Writer<'_>) -> Option<()> {
    let inputs: Vec<String> = (0..10).map(|index| writer.input(index).to_owned()).collect();
    let input = |index: usize| inputs[index].as_str();
    let output = writer.output(0).to_owned();
    let attributes = writer.node.attribute.clone();
    match writer.node.op_type.as_str() {
        operator @ ("QuantizeLinear" | "DequantizeLinear") => {
            let operator = operator.to_owned();
            writer.write(&operator, &[input(0), input(1), input(2)], &output, attributes);
        }
        "FusedConv" => {
            let attributes = writer.attributes_without(&["activation", "activation_params"]);
            let mut result = writer.step("convolution", "Conv", &[input(0), input(1), input(2)], attributes);
            if !input(3).is_empty() {
                result = writer.step("sum", "Add", &[&result, input(3)], Vec::new());
            }
            writer.activate(&result)?;
        }
        "FusedGemm" => {
            let own = ["activation", "activation_alpha", "activation_beta", "activation_gamma"];
            let attributes = writer.attributes_without(&own);
            let result = writer.step("product", "Gemm", &[input(0), input(1), input(2)], attributes);
            writer.activate(&result)?;
        }
        "Gelu" => writer.write("Gelu", &[input(0)], &output, Vec::new()),
        "BiasGelu" => {
            let sum = writer.step("sum", "Add", &[input(0), input(1)], Vec::new());
            writer.write("Gelu", &[&sum], &output, Vec::new());
        }
        "FastGelu" => {
            let mut sum = input(0).to_owned();
            if !input(1).is_empty() {
                sum = writer.step("sum", "Add", &[input(0), input(1)], Vec::new());
            }
            writer.write("Gelu", &[&sum], &output, vec![text("approximate", "tanh")]);
        }
        "QuickGelu" => {
            let factor = writer.number("alpha").unwrap_or(1.702);
            let factor = writer.constant("alpha", factor);
            let scaled = writer.step("scaled", "Mul", &[input(0), &factor], Vec::new());
            let gate = writer.step("gate", "Sigmoid", &[&scaled], Vec::new());
            writer.write("Mul", &[input(0), &gate], &output, Vec::new());
        }
        "BiasAdd" => {
            let sum = writer.step("sum", "Add", &[input(0), input(1)], Vec::new());
            writer.write("Add", &[&sum, input(2)], &output, Vec::new());
        }
        "SkipLayerNormalization" => {
            let sum = skip(writer, &[input(0), input(1), input(4)]);
            let epsilon = writer.number("epsilon").unwrap_or(1e-12);
            let attributes = vec![float("epsilon", epsilon), int("axis", -1)];
            writer.write("LayerNormalization", &[&sum, input(2), input(3)], &output, attributes);
            further(writer);
        }
        "SkipSimplifiedLayerNormalization" => {
            let sum = skip(writer, &[input(0), input(1), input(3)]);
            let epsilon = writer.number("epsilon").unwrap_or(1e-12);
            let attributes = vec![float("epsilon", epsilon), int("axis", -1)];
            writer.write("RMSNormalization", &[&sum, input(2)], &output, attributes);
            further(writer);
        }
        operator @ ("QLinearAdd" | "QLinearMul") => {
            let operator = operator.trim_start_matches("QLinear").to_owned();
            let one = writer.dequantised("a", [0, 1, 2], 1);
            let other = writer.dequantised("b", [3, 4, 5], 1);
            let result = writer.step("y", &operator, &[&one, &other], Vec::new());
            writer.quantise(&result, [6, 7]);
        }
        operator @ ("QLinearSigmoid" | "QLinearLeakyRelu" | "QLinearSoftmax") => {
            let operator = operator.trim_start_matches("QLinear").to_owned();
            let one = writer.dequantised("x", [0, 1, 2], 1);
            let attributes = writer.attributes_without(&["opset"]);
            let result = writer.step("y", &operator, &[&one], attributes);
            writer.quantise(&result, [3, 4]);
        }
        "QLinearWhere" => {
            let one = writer.dequantised("x", [1, 2, 3], 1);
            let other = writer.dequantised("y", [4, 5, 6], 1);
            let result = writer.step("z", "Where", &[input(0), &one, &other], Vec::new());
            writer.quantise(&result, [7, 8]);
        }
        "QAttention" => {
            let picture = writer.dequantised("x", [0, 3, 6], 1);
            let weights = writer.dequantised("w", [1, 4, 7], 1);
            let operands = [&picture, &weights, input(2), input(5), input(8)];
            writer.write("Attention", &operands, &output, attributes);
            writer.of_microsoft();
        }
        "BiasSplitGelu" => {
            let sum = writer.step("sum", "Add", &[input(0), input(1)], Vec::new());
            let halves = ["first", "second"].map(|step| format!("{output}@{step}"));
            // The number of parts is an attribute since operator set 18, and ignored before.
            writer.write("Split", &[&sum], &halves[0], vec![int("axis", -1), int("num_outputs", 2)]);
            if let Some(node) = writer.nodes.last_mut() {
                node.output = halves.to_vec();
            }
            let gate = writer.step("gate", "Gelu", &[&halves[1]], Vec::new());
            writer.write("Mul", &[&halves[0], &gate], &output, Vec::new());
        }
        "FusedMatMulActivation" => {
            let own =
                ["activation", "activation_alpha", "activation_beta", "activation_gamma", "activation_axis"];
            let attributes = writer.attributes_without(&own);
            let result = writer.step("product", "FusedMatMul", &[input(0), input(1)], attributes);
            writer.of_microsoft();
            writer.activate(&result)?;
        }
        "QLinearConcat" => {
            let parts = (2..writer.node.input.len()).step_by(3);
            let parts: Vec<String> = parts
                .map(|first| writer.dequantised(&format!("x{first}"), [first, first + 1, first + 2], 1))
                .collect();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let result = writer.step("y", "Concat", &parts, attributes);
            writer.quantise(&result, [0, 1]);
        }
        "QGemm" => {
            let factor = writer.number("alpha").unwrap_or(1.0);
            let left = writer.dequantised("a", [0, 1, 2], 0);
            let transposed = writer.attribute("transB").is_some_and(|attribute| attribute.i != 0);
            let right = writer.dequantised("b", [3, 4, 5], if transposed { 0 } else { 1 });
            let mut bias = writer.bias(6, [1, 4]);
            if !bias.is_empty() && factor != 1.0 {
                let factor = writer.constant("alpha", factor);
                bias = writer.step("scaled_bias", "Mul", &[&bias, &factor], Vec::new());
            }
            let result = writer.step("y", "Gemm", &[&left, &right, &bias], attributes);
            writer.quantise(&result, [7, 8]);
        }
        "MatMulIntegerToFloat" => {
            let left = writer.dequantised("a", [0, 2, 4], -2);
            let right = writer.dequantised("b", [1, 3, 5], -1);
            with_bias(writer, &left, &right, input(6), &output);
        }
        "DynamicQuantizeMatMul" => {
            // Its three results are in the graph's hands only.
            let names = ["quantised", "scale", "zero"].map(|step| format!("{output}@{step}"));
            writer.write("DynamicQuantizeLinear", &[input(0)], &names[0], Vec::new());
            if let Some(node) = writer.nodes.last_mut() {
                node.output = names.to_vec();
            }
            let left = writer.step("a", "DequantizeLinear", &[&names[0], &names[1], &names[2]], Vec::new());
            let right = writer.dequantised("b", [1, 2, 3], -1);
            with_bias(writer, &left, &right, input(4), &output);
        }
        _ => return None,
    }
    Some(())
}

/// The sum of what is given.
fn skip(writer: &mut Writer<'_>, operands: &[&str]) -> String {
    let operands: Vec<&str> = operands.iter().copied().filter(|operand| !operand.is_empty()).collect();
    writer.step("sum", "Sum", &operands, Vec::new())
}

/// The further results of a normalisation of a sum: mean, deviation, and the sum itself.
fn further(writer: &mut Writer<'_>) {
    let [mean, deviation, sum] = [1, 2, 3].map(|index| writer.output(index).to_owned());
    let sum_step =
        format!("{}@sum", writer.node.output.iter().find(|name| !name.is_empty()).map_or("", String::as_str));
    if let Some(node) = writer.nodes.last_mut()
        && (!mean.is_empty() || !deviation.is_empty())
    {
        node.output.extend([mean, deviation]);
    }
    if !sum.is_empty() {
        writer.write("Identity", &[&sum_step], &sum, Vec::new());
    }
}

fn with_bias(writer: &mut Writer<'_>, left: &str, right: &str, bias: &str, output: &str) {
    if bias.is_empty() {
        return writer.write("MatMul", &[left, right], output, Vec::new());
    }
    let product = writer.step("product", "MatMul", &[left, right], Vec::new());
    writer.write("Add", &[&product, bias], output, Vec::new());
}
