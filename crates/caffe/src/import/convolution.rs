//! Convolution and Deconvolution, over any number of spatial axes.
//!
//! The graph's operators take a batch axis, a channel axis and at least one spatial axis. Where Caffe's
//! channel axis is not axis 1, the axes before it are merged into a batch and parted again; where there is no
//! spatial axis one of extent 1 is added. Caffe applies a layer with several inputs to each of them, with the
//! same weights.

use deepinside_graph::{
    Op, Shape, ValueId,
    op::{Convolution, Deconvolution, Extent, Reshape, Window},
};

use super::{
    error::ImportError,
    importer::{Importer, Output},
    site::Site,
    window::{of_convolution, widen_for_truncation},
};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    if site.bottoms().len() != site.tops().len() {
        return Err(site.wrong("number of outputs", site.bottoms().len(), site.tops().len()));
    }
    let inputs = importer.operands(site)?;
    let shape = importer.shape(inputs[0]);
    for input in &inputs[1..] {
        let other = importer.shape(*input);
        if other != shape {
            return Err(site.wrong("inputs of equal shape", shape, other));
        }
    }
    let layer = ConvolutionLayer::new(importer, site, &shape)?;
    for (top, input) in inputs.into_iter().enumerate() {
        layer.apply(importer, site, top, input)?;
    }
    Ok(())
}

/// A layer's operator with its constants, and how its inputs must be reshaped for it.
struct ConvolutionLayer {
    op: Op,
    constants: Vec<ValueId>,
    channel_axis: usize,
    /// The shape of the inputs.
    shape: Shape,
}

impl ConvolutionLayer {
    fn new(importer: &mut Importer<'_>, site: Site<'_>, shape: &Shape) -> Result<Self, ImportError> {
        let settings = site.parameter().convolution_param.clone().unwrap_or_default();
        let channel_axis = site.axis("axis", settings.axis(), shape.rank())?;
        let channels = shape.extents()[channel_axis];
        let spatial = &shape.extents()[channel_axis + 1..];
        let outputs = settings.num_output() as usize;
        let groups = match site.kind() {
            // MobileNet's: each channel by itself, whether that is said or not.
            "ConvolutionDepthwise" | "DepthwiseConvolution" if settings.group() == 1 => channels,
            _ => settings.group() as usize,
        };
        if outputs == 0 {
            return Err(site.wrong("num_output", "at least 1", 0));
        }
        if groups == 0 || !channels.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            let expected = format!("a divisor of {channels} input and {outputs} output channels");
            return Err(site.wrong("group", expected, groups));
        }
        let window = of_convolution(&settings, spatial.len()).map_err(|cause| site.inconsistent(cause))?;
        let transposed = site.kind() == "Deconvolution";
        let mut expected =
            if transposed { vec![channels, outputs / groups] } else { vec![outputs, channels / groups] };
        expected.extend(&window.kernel);
        let window = if spatial.is_empty() { Window::new([1]) } else { window };
        let stored = [&expected[..2], &window.kernel].concat();
        let mut constants = vec![importer.constant(site, 0, "weights", &expected, &stored)?];
        if settings.bias_term() {
            constants.push(importer.constant(site, 1, "bias", &[outputs], &[outputs])?);
        }
        let op = if transposed {
            let extra = vec![0; window.axes()];
            Op::Deconvolution(Deconvolution { window, groups, extra })
        } else {
            let mut window = window;
            widen_for_truncation(&mut window, spatial);
            Op::Convolution(Convolution { window, groups })
        };
        Ok(Self { op, constants, channel_axis, shape: shape.clone() })
    }

    fn apply(
        &self,
        importer: &mut Importer<'_>,
        site: Site<'_>,
        top: usize,
        input: ValueId,
    ) -> Result<(), ImportError> {
        let spatial = self.shape.rank() - self.channel_axis - 1;
        let plain = self.channel_axis == 1 && spatial > 0;
        let inputs = |input: ValueId| [&[input], &self.constants[..]].concat();
        if plain {
            return importer.node(site, self.op.clone(), &inputs(input), &[Output::Top(top)]).map(drop);
        }
        let mut merged = vec![Extent::Merge(0, self.channel_axis)];
        merged.extend((self.channel_axis..self.shape.rank()).map(Extent::Copy));
        if spatial == 0 {
            merged.push(Extent::Fixed(1));
        }
        let batch = importer.step(site, "batch", Reshape { extents: merged }, &[input])?;
        let result = importer.step(site, "result", self.op.clone(), &inputs(batch))?;
        let leading = &self.shape.extents()[..self.channel_axis];
        // The first extent is left to be inferred, so that it may be the batch size.
        let mut parted: Vec<Extent> = leading.iter().map(|extent| Extent::Fixed(*extent)).collect();
        if let Some(first) = parted.first_mut() {
            *first = Extent::Infer;
        }
        parted.extend((1..2 + spatial).map(Extent::Copy));
        importer.node(site, Reshape { extents: parted }, &[result], &[Output::Top(top)]).map(drop)
    }
}
