//! Which function imports which operator.

use super::failure::Failure;
use super::importer::Importer;
use super::node::Node;
use super::{
    activation, arithmetic, attention, axes, bitwise, constant, control, convolution, einsum,
    fully_connected, fused_attention, indexed, join, legacy, masks, normalisation, packed_weights, padding,
    pooling, quantisation, recurrent, reduction, resize, rotary, sampling, selection, shape, softmax,
};

/// Imports one node.
pub(super) type Import = for<'a> fn(&Node<'a>, &mut Importer<'a>) -> Result<(), Failure>;

/// All operators of ONNX's own domain that are read, in alphabetical order.
const OPERATORS: &[(&str, Import)] = &[
    ("Abs", activation::import),
    ("Acos", activation::import),
    ("Acosh", activation::import),
    ("Add", arithmetic::import_sum),
    ("Affine", legacy::import_scaled),
    ("AffineGrid", sampling::import_affine_grid),
    ("And", arithmetic::import_and),
    ("ArgMax", selection::import_arg),
    ("ArgMin", selection::import_arg),
    ("Asin", activation::import),
    ("Asinh", activation::import),
    ("Atan", activation::import),
    ("Atanh", activation::import),
    ("Attention", attention::import),
    ("AveragePool", pooling::import_average),
    ("BatchNormalization", normalisation::import_batch),
    ("BitShift", bitwise::import_shift),
    ("BitwiseAnd", bitwise::import),
    ("BitwiseNot", bitwise::import_not),
    ("BitwiseOr", bitwise::import),
    ("BitwiseXor", bitwise::import),
    ("Cast", constant::import_cast),
    ("CastLike", constant::import_cast_like),
    ("Ceil", activation::import),
    ("Celu", activation::import_celu),
    ("CenterCropPad", sampling::import_center_crop_pad),
    ("Clip", activation::import_clip),
    ("Col2Im", sampling::import_columns_to_image),
    ("Compress", indexed::import_compress),
    ("Concat", join::import_concat),
    ("Constant", constant::import_constant),
    ("ConstantOfShape", constant::import_constant_of_shape),
    ("Conv", convolution::import),
    ("ConvTranspose", convolution::import_transposed),
    ("Cos", activation::import),
    ("Cosh", activation::import),
    ("Crop", legacy::import_crop),
    ("CumSum", sampling::import_cumulative_sum),
    ("DepthToSpace", axes::import_depth_to_space),
    ("DequantizeLinear", quantisation::import_dequantise),
    ("Div", arithmetic::import_division),
    ("Dropout", control::import_dropout),
    ("DynamicQuantizeLinear", quantisation::import_dynamic),
    ("Einsum", einsum::import),
    ("Elu", activation::import),
    ("Equal", arithmetic::import_comparison),
    ("Erf", activation::import),
    ("Exp", activation::import),
    ("Expand", shape::import_expand),
    ("EyeLike", masks::import_eye_like),
    ("Flatten", shape::import_flatten),
    ("Floor", activation::import),
    ("GRU", recurrent::import),
    ("Gather", selection::import_gather),
    ("GatherElements", indexed::import_gather_elements),
    ("GatherND", indexed::import_gather_nd),
    ("Gelu", activation::import),
    ("Gemm", fully_connected::import_gemm),
    ("GlobalAveragePool", pooling::import_global_average),
    ("GlobalLpPool", pooling::import_global_lp),
    ("GlobalMaxPool", pooling::import_global_maximum),
    ("Greater", arithmetic::import_comparison),
    ("GreaterOrEqual", arithmetic::import_comparison),
    ("GridSample", sampling::import_grid_sample),
    ("GroupNormalization", normalisation::import_group),
    ("HardSigmoid", activation::import),
    ("HardSwish", activation::import),
    ("Hardmax", masks::import_hardmax),
    ("Identity", control::import_identity),
    ("If", control::import_if),
    ("ImageScaler", legacy::import_image_scaler),
    ("InstanceNormalization", normalisation::import_instance),
    ("IsInf", activation::import_number_test),
    ("IsNaN", activation::import_number_test),
    ("LRN", normalisation::import_local_response),
    ("LSTM", recurrent::import),
    ("LayerNormalization", normalisation::import_layer),
    ("LeakyRelu", activation::import),
    ("Less", arithmetic::import_comparison),
    ("LessOrEqual", arithmetic::import_comparison),
    ("Log", activation::import),
    ("LogSoftmax", softmax::import),
    ("LpNormalization", normalisation::import_lp),
    ("LpPool", pooling::import_lp),
    ("MatMul", fully_connected::import_matrix_product),
    ("Max", arithmetic::import_extreme),
    ("MaxPool", pooling::import_maximum),
    ("MaxUnpool", pooling::import_unpool),
    ("Mean", arithmetic::import_sum),
    ("MeanVarianceNormalization", normalisation::import_mean_variance),
    ("Min", arithmetic::import_extreme),
    ("Mish", activation::import),
    ("Mod", arithmetic::import_remainder),
    ("Mul", arithmetic::import_product),
    ("Neg", activation::import),
    ("NonZero", indexed::import_non_zero),
    ("Not", activation::import),
    ("OneHot", masks::import_one_hot),
    ("Or", arithmetic::import_or),
    ("PRelu", activation::import_parametric_relu),
    ("Pad", padding::import),
    ("Pow", arithmetic::import_power),
    ("QuantizeLinear", quantisation::import_quantise),
    ("RMSNormalization", normalisation::import_root_mean_square),
    ("RNN", recurrent::import),
    ("Range", constant::import_range),
    ("Reciprocal", activation::import),
    ("ReduceL1", reduction::import),
    ("ReduceL2", reduction::import),
    ("ReduceLogSum", reduction::import),
    ("ReduceLogSumExp", reduction::import),
    ("ReduceMax", reduction::import),
    ("ReduceMean", reduction::import),
    ("ReduceMin", reduction::import),
    ("ReduceProd", reduction::import),
    ("ReduceSum", reduction::import),
    ("ReduceSumSquare", reduction::import),
    ("Relu", activation::import),
    ("Reshape", shape::import_reshape),
    ("Resize", resize::import),
    ("ReverseSequence", indexed::import_reverse_sequence),
    ("RotaryEmbedding", rotary::import),
    ("Round", activation::import),
    ("ScaledTanh", legacy::import_scaled),
    ("Scatter", indexed::import_scatter_elements),
    ("ScatterElements", indexed::import_scatter_elements),
    ("ScatterND", indexed::import_scatter_nd),
    ("Selu", activation::import_selu),
    ("Shape", constant::import_shape),
    ("Shrink", activation::import_shrink),
    ("Sigmoid", activation::import),
    ("Sign", activation::import),
    ("Sin", activation::import),
    ("Sinh", activation::import),
    ("Size", constant::import_size),
    ("Slice", selection::import_slice),
    ("Softmax", softmax::import),
    ("Softplus", activation::import),
    ("Softsign", activation::import),
    ("SpaceToDepth", axes::import_space_to_depth),
    ("Split", join::import_split),
    ("Sqrt", activation::import),
    ("Squeeze", shape::import_squeeze),
    ("Sub", arithmetic::import_sum),
    ("Sum", arithmetic::import_sum),
    ("Swish", activation::import),
    ("Tan", activation::import),
    ("Tanh", activation::import),
    ("ThresholdedRelu", activation::import_thresholded_relu),
    ("Tile", shape::import_tile),
    ("TopK", selection::import_top_k),
    ("Transpose", axes::import_transpose),
    ("Trilu", masks::import_triangle),
    ("Unsqueeze", shape::import_unsqueeze),
    ("Upsample", resize::import_upsample),
    ("Where", arithmetic::import_where),
    ("Xor", arithmetic::import_exclusive_or),
];

/// The operators that ONNX Runtime adds to ONNX (`com.microsoft`), but for those that are written out before (`composite`).
const MICROSOFT: &[(&str, Import)] = &[
    ("Attention", fused_attention::import_attention),
    ("FusedMatMul", fully_connected::import_fused_matrix_product),
    ("GatherND", indexed::import_gather_nd),
    ("GridSample", sampling::import_grid_sample),
    ("MatMulBnb4", packed_weights::import_table),
    ("MatMulNBits", packed_weights::import_blocks),
    ("MultiHeadAttention", fused_attention::import_multi_head),
    ("Pad", padding::import),
    ("RotaryEmbedding", rotary::import_microsoft),
    ("TransposeMatMul", fully_connected::import_fused_matrix_product),
    ("Trilu", masks::import_triangle),
];

/// The names of the operators of ONNX's own domain that are read, in alphabetical order.
pub fn supported_operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().map(|(name, _)| *name)
}

/// The function that imports an operator, if it is supported.
pub(super) fn find(domain: &str, operator: &str) -> Option<Import> {
    let known = match domain {
        "" | "ai.onnx" => OPERATORS,
        "com.microsoft" => MICROSOFT,
        _ => return None,
    };
    known.iter().find(|(name, _)| *name == operator).map(|(_, import)| *import)
}

/// Why an operator of ONNX is not read, where that is settled: what a network for pictures has in its place.
pub(super) fn refusal(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "Loop" | "Scan" => {
            "loops are not read, since how often they run is known only while they do; export the network with its loops unrolled"
        }
        "SequenceAt" | "SequenceConstruct" | "SequenceEmpty" | "SequenceErase" | "SequenceInsert"
        | "SequenceLength" | "SequenceMap" | "SplitToSequence" | "ConcatFromSequence" => {
            "sequences of tensors are not read; export the part of the network before them"
        }
        "Optional" | "OptionalGetElement" | "OptionalHasElement" => {
            "optional values are not read; export the network for inputs that are there"
        }
        "StringConcat" | "StringNormalizer" | "StringSplit" | "RegexFullMatch" | "TfIdfVectorizer" => {
            "text is not read; a network whose input is a picture is expected"
        }
        "ImageDecoder" => "pictures are decoded by this program; export the network for decoded pictures",
        "Bernoulli" | "Multinomial" | "RandomNormal" | "RandomNormalLike" | "RandomUniform"
        | "RandomUniformLike" => {
            "random numbers are not drawn, since no result could be repeated; export the network for inference"
        }
        _ => return None,
    })
}

/// The supported operator with the most similar name, if one is similar.
pub(super) fn nearest(operator: &str) -> Option<String> {
    let close = |name: &&str| strsim::damerau_levenshtein(name, operator) <= operator.len() / 4;
    // Names of any length may stand in a file; the comparison's cost grows with the product of both.
    let nearest = supported_operators().filter(|name| name.len().abs_diff(operator.len()) < 4);
    nearest.filter(close).min_by_key(|name| strsim::damerau_levenshtein(name, operator)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_stand_once_and_in_order() {
        for table in [OPERATORS, MICROSOFT] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
        }
    }

    #[test]
    fn a_misspelt_operator_is_guessed() {
        assert_eq!(nearest("ConvTranspse").as_deref(), Some("ConvTranspose"));
        assert_eq!(nearest("Scan"), None);
    }
}
