//! The operators: one file each, with attributes, operands and shape inference.
//!
//! Operands are documented in order; those in brackets may be left out. What a value computes forward and backward is
//! the engine's; its files have the same names.

mod batch_normalization;
mod binary;
mod col2im;
mod concat;
mod convolution;
mod cumulative_sum;
mod deconvolution;
mod eltwise;
mod gather_elements;
mod gather_nd;
mod grid_sample;
mod identity;
mod im2col;
mod inner_product;
mod local_response_normalization;
mod log_softmax;
mod matrix_product;
mod mean_variance_normalization;
mod pad;
mod parametric_relu;
mod places;
mod pool;
mod reduce;
mod resample;
mod reshape;
mod scatter_elements;
mod scatter_nd;
mod select;
mod slice;
mod softmax;
mod split;
mod take;
mod tile;
mod top_k;
mod transpose;
mod unary;
mod window;

use std::fmt;

pub use batch_normalization::BatchNormalization;
pub use binary::Binary;
pub use col2im::Col2Im;
pub use concat::Concat;
pub use convolution::Convolution;
pub use cumulative_sum::CumulativeSum;
pub use deconvolution::Deconvolution;
pub use eltwise::{Eltwise, broadcast};
pub use gather_elements::GatherElements;
pub use gather_nd::GatherNd;
pub use grid_sample::{GridSample, Interpolation, Outside};
pub use identity::Identity;
pub use im2col::Im2Col;
pub use inner_product::InnerProduct;
pub use local_response_normalization::LocalResponseNormalization;
pub use log_softmax::LogSoftmax;
pub use matrix_product::MatrixProduct;
pub use mean_variance_normalization::{EpsilonPlacement, MeanVarianceNormalization};
pub use pad::Pad;
pub use parametric_relu::ParametricRelu;
pub use places::Places;
pub use pool::{AverageDivisor, Pool, PoolKind};
pub use reduce::{Reduce, Reduction};
pub use resample::Resample;
pub use reshape::{Extent, Reshape};
pub use scatter_elements::{ScatterElements, ScatterReduction};
pub use scatter_nd::ScatterNd;
pub use select::Select;
pub use slice::{AxisRange, Slice};
pub use softmax::Softmax;
pub use split::Split;
pub use take::Take;
pub use tile::Tile;
pub use top_k::{TieRule, TopK};
pub use transpose::Transpose;
pub use unary::{Function, Reads, Real, Rounding, Unary, Visitor};
pub use window::Window;

use crate::{Inconsistency, Shape};

/// What every operator answers about itself.
pub trait Operator: fmt::Display {
    /// The operator's name, as "Convolution".
    fn name(&self) -> &'static str;

    /// The shapes of the results, from the shapes of the operands in their documented order.
    ///
    /// # Errors
    /// When operands are missing or do not fit the attributes: what, expected, found.
    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency>;
}

/// Declares the enumeration of operators with its conversions: one arm for each.
macro_rules! operators {
    ($($(#[$documentation:meta])* $operator:ident),* $(,)?) => {
        /// An operator with its attributes.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Op {
            $($(#[$documentation])* $operator($operator),)*
        }

        impl Op {
            /// The operator behind the enumeration.
            pub fn operator(&self) -> &dyn Operator {
                match self {
                    $(Self::$operator(operator) => operator,)*
                }
            }
        }

        $(impl From<$operator> for Op {
            fn from(operator: $operator) -> Self {
                Self::$operator(operator)
            }
        })*
    };
}

operators! {
    /// Batch normalisation with stored statistics.
    BatchNormalization,
    /// An elementwise function of two operands.
    Binary,
    /// Columns of matrices added up where their windows stand.
    Col2Im,
    /// Joins along an axis.
    Concat,
    /// Convolution (cross-correlation) over any number of spatial axes.
    Convolution,
    /// Running sums along an axis.
    CumulativeSum,
    /// Transposed convolution.
    Deconvolution,
    /// Sum, product or maximum of several operands, with broadcasting.
    Eltwise,
    /// Elements at computed positions along an axis.
    GatherElements,
    /// Slices at computed positions.
    GatherNd,
    /// An image sampled at computed places.
    GridSample,
    /// Passes its operand through.
    Identity,
    /// Windows as columns of matrices.
    Im2Col,
    /// Matrix product with a weight matrix: a fully connected layer.
    InnerProduct,
    /// Local response normalisation.
    LocalResponseNormalization,
    /// The logarithm of softmax.
    LogSoftmax,
    /// Matrix product of two computed operands.
    MatrixProduct,
    /// Normalisation by the operand's own mean and variance.
    MeanVarianceNormalization,
    /// A border of one number.
    Pad,
    /// Rectifier with a learnt slope.
    ParametricRelu,
    /// Maximum or average over windows.
    Pool,
    /// Sums, products and extremes over axes.
    Reduce,
    /// Interpolation along an axis.
    Resample,
    /// The same elements in another shape.
    Reshape,
    /// Elements written to computed positions along an axis.
    ScatterElements,
    /// Slices written to computed positions.
    ScatterNd,
    /// One of two operands by a condition.
    Select,
    /// A range of some axes.
    Slice,
    /// Exponentials normalised to sum to one.
    Softmax,
    /// Cuts along an axis.
    Split,
    /// Elements at given positions of an axis.
    Take,
    /// Repeats along an axis.
    Tile,
    /// The largest elements along an axis with their positions.
    TopK,
    /// Another order of the axes.
    Transpose,
    /// An elementwise function of one operand.
    Unary,
}

/// Checks how many operands there are.
pub(crate) fn expect_inputs(
    inputs: &[&Shape],
    allowed: std::ops::RangeInclusive<usize>,
) -> Result<(), Inconsistency> {
    if allowed.contains(&inputs.len()) {
        return Ok(());
    }
    let expected = if allowed.start() == allowed.end() {
        allowed.start().to_string()
    } else if *allowed.end() == usize::MAX {
        format!("at least {}", allowed.start())
    } else {
        format!("{} to {}", allowed.start(), allowed.end())
    };
    Err(Inconsistency::new("number of inputs", expected, inputs.len()))
}

/// Checks that an axis exists.
pub(crate) fn expect_axis(shape: &Shape, axis: usize) -> Result<usize, Inconsistency> {
    shape.extent(axis).ok_or_else(|| {
        Inconsistency::new("axis", format!("below {} for an input of {shape}", shape.rank()), axis)
    })
}

/// Checks that an operand has exactly this shape.
pub(crate) fn expect_shape(what: &str, found: &Shape, expected: &[usize]) -> Result<(), Inconsistency> {
    if found.extents() == expected {
        return Ok(());
    }
    Err(Inconsistency::new(what, crate::shape::Times(expected), found))
}
