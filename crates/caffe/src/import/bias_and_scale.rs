//! Scale and Bias: a product and a sum with an array that is broadcast from some axis on.
//!
//! The array is learnt, or it is a second input. Caffe aligns it at `axis`; the graph aligns at the last
//! axis, so the array gets ones behind its own axes.

use deepinside_graph::{
    Shape, ValueId,
    op::{Eltwise, Extent, Reshape},
};

use super::{error::ImportError, importer::Importer, site::Site};

pub(super) fn import_scale(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().scale_param.clone().unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let broadcast = Broadcast::new(importer, site, input, settings.axis(), settings.num_axes())?;
    let factor = broadcast.array(importer, site, "scale")?;
    if !settings.bias_term() {
        return importer.top(site, Eltwise::Product, &[input, factor]);
    }
    let position = site.bottoms().len() % 2;
    let bias = importer.constant(site, position, "bias", &broadcast.extents, &broadcast.aligned())?;
    let product = importer.step(site, "product", Eltwise::Product, &[input, factor])?;
    importer.top(site, sum(), &[product, bias])
}

pub(super) fn import_bias(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().bias_param.clone().unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let broadcast = Broadcast::new(importer, site, input, settings.axis(), settings.num_axes())?;
    let bias = broadcast.array(importer, site, "bias")?;
    importer.top(site, sum(), &[input, bias])
}

fn sum() -> Eltwise {
    Eltwise::Sum { coefficients: vec![1.0; 2] }
}

/// How the array lies on the input.
struct Broadcast {
    /// The array, if it is an input.
    second: Option<ValueId>,
    /// The extents of the array.
    extents: Vec<usize>,
    /// How many axes the input has behind those of the array.
    behind: usize,
}

impl Broadcast {
    fn new(
        importer: &mut Importer<'_>,
        site: Site<'_>,
        input: ValueId,
        axis: i32,
        axes: i32,
    ) -> Result<Self, ImportError> {
        let shape = importer.shape(input);
        let rank = shape.rank();
        if site.bottoms().len() == 1 {
            let first = site.axis("axis", axis, rank)?;
            let end = match axes {
                -1 => Some(rank),
                _ => usize::try_from(axes).ok().and_then(|axes| first.checked_add(axes)),
            };
            let end = end.filter(|end| *end <= rank).ok_or_else(|| {
                site.wrong("num_axes", format!("-1 to {} from axis {first} on", rank - first), axes)
            })?;
            let extents = shape.extents()[first..end].to_vec();
            return Ok(Self { second: None, extents, behind: rank - end });
        }
        let second = importer.operand(site, 1)?;
        let array = importer.shape(second);
        let first = if array.rank() == 0 { 0 } else { site.axis("axis", axis, rank)? };
        let end = first + array.rank();
        if shape.extents().get(first..end) != Some(array.extents()) {
            let covered = Shape::new(&shape.extents()[first..end.min(rank)]);
            let expected = covered.map_err(|cause| site.inconsistent(cause))?;
            return Err(site.wrong(
                "second input",
                format!("the extents of the first from axis {first} on, {expected}"),
                array,
            ));
        }
        Ok(Self { second: Some(second), extents: array.extents().to_vec(), behind: rank - end })
    }

    /// The extents of the array with ones behind them.
    fn aligned(&self) -> Vec<usize> {
        let mut extents = self.extents.clone();
        extents.resize(extents.len() + self.behind, 1);
        extents
    }

    /// The array, learnt or given, aligned with the last axis of the input.
    fn array(
        &self,
        importer: &mut Importer<'_>,
        site: Site<'_>,
        what: &'static str,
    ) -> Result<ValueId, ImportError> {
        let Some(second) = self.second else {
            return importer.constant(site, 0, what, &self.extents, &self.aligned());
        };
        if self.behind == 0 {
            return Ok(second);
        }
        let mut extents: Vec<Extent> = (0..self.extents.len()).map(Extent::Copy).collect();
        extents.resize(extents.len() + self.behind, Extent::Fixed(1));
        importer.step(site, what, Reshape { extents }, &[second])
    }
}
