//! Layers of Caffe's forks that have one meaning: SSD's, PSPNet's and SegNet's, ShuffleNet's, SENet's, DeepLab's, MobileNet's.

use deepinside_graph::{
    ValueId,
    op::{
        BatchNormalization, Binary, Eltwise, Extent, Reduce, Reduction, Resample, Reshape, Take, Transpose,
        Unary,
    },
};

use super::{error::ImportError, importer::Importer, site::Site};

/// Types that a fork added and that are not read: which, and whose they are.
const FOREIGN: &[(&str, &str)] = &[
    ("BilinearInterpolation", "spatial transformer networks"),
    ("BoxAnnotatorOHEM", "R-FCN"),
    ("Convolution3D", "C3D"),
    ("Correlation", "FlowNet"),
    ("Correlation1D", "DispNet"),
    ("DeformableConvolution", "deformable convolutional networks"),
    ("DeformablePSROIPooling", "deformable convolutional networks"),
    ("FlowWarp", "FlowNet"),
    ("MarginInnerProduct", "SphereFace"),
    ("PSROIAlign", "Light-Head R-CNN"),
    ("PSROIPooling", "R-FCN"),
    ("Pooling3D", "C3D"),
    ("Proposal", "Faster R-CNN"),
    ("ROIAlign", "Mask R-CNN"),
    ("ROIPooling", "Fast R-CNN"),
    ("Region", "YOLO"),
    ("Reorg", "YOLO"),
    ("ReorgYolo", "YOLO"),
    ("Resample", "FlowNet"),
    ("SpatialTransformer", "spatial transformer networks"),
];

/// Whose a layer type is that is known and not read.
pub(super) fn fork(kind: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|(known, _)| *known == kind).map(|(_, fork)| *fork)
}

/// The shape of an input with four axes.
fn four(importer: &Importer<'_>, site: Site<'_>, value: ValueId) -> Result<[usize; 4], ImportError> {
    let shape = importer.shape(value);
    <[usize; 4]>::try_from(shape.extents()).map_err(|_| site.wrong("input", "four axes", &shape))
}

/// `min(max(x, 0), 6)`.
pub(super) fn import_relu6(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let input = importer.operand(site, 0)?;
    importer.top(site, Unary::Clip { minimum: 0.0, maximum: 6.0 }, &[input])
}

/// SENet's `a · x + y`, with one number `a` for each channel.
pub(super) fn import_axpy(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let [mut factor, x, y] =
        [importer.operand(site, 0)?, importer.operand(site, 1)?, importer.operand(site, 2)?];
    let [batch, channels, ..] = four(importer, site, x)?;
    let shape = importer.shape(factor);
    if shape.elements() != batch * channels {
        return Err(site.wrong("first input", format!("{batch}×{channels} numbers"), &shape));
    }
    if shape.rank() != 4 {
        let extents = vec![Extent::Copy(0), Extent::Infer, Extent::Fixed(1), Extent::Fixed(1)];
        factor = importer.step(site, "factor", Reshape { extents }, &[factor])?;
    }
    let product = importer.step(site, "product", Eltwise::Product, &[factor, x])?;
    importer.top(site, Eltwise::Sum { coefficients: vec![1.0; 2] }, &[product, y])
}

/// ShuffleNet's: channels that lie group by group are dealt out.
pub(super) fn import_shuffle(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let groups = site.parameter().shuffle_channel_param.unwrap_or_default().group() as usize;
    let input = importer.operand(site, 0)?;
    let [_, channels, ..] = four(importer, site, input)?;
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(site.wrong("group", format!("a divisor of {channels} channels"), groups));
    }
    let size = channels / groups;
    let positions = (0..channels).map(|to| to % groups * size + to / groups).collect();
    importer.top(site, Take { axis: 1, positions }, &[input])
}

/// SSD's Permute. Axes that are not named follow in their order.
pub(super) fn import_permute(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let order = site.parameter().permute_param.clone().unwrap_or_default().order;
    let input = importer.operand(site, 0)?;
    let rank = importer.shape(input).rank();
    let mut permutation: Vec<usize> = order.iter().map(|&axis| axis as usize).collect();
    permutation.extend((0..rank).filter(|axis| !order.contains(&(*axis as u32))));
    importer.top(site, Transpose { permutation }, &[input])
}

/// SSD's Normalize: divided by the length of each position's channels, or of the whole picture, and scaled.
pub(super) fn import_normalize(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().norm_param.clone().unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let [_, channels, ..] = four(importer, site, input)?;
    let axes = if settings.across_spatial() { vec![1, 2, 3] } else { vec![1] };
    let squares = Reduce { reduction: Reduction::SquareSum, axes, keep_axes: true, coefficient: 1.0 };
    let squares = importer.step(site, "squares", squares, &[input])?;
    let root = Unary::Power { power: 0.5, scale: 1.0, shift: settings.eps() };
    let length = importer.step(site, "length", root, &[squares])?;
    let direction = importer.step(site, "direction", Binary::Divide, &[input, length])?;
    let count = if settings.channel_shared() { 1 } else { channels };
    let scale = importer.constant(site, 0, "scale", &[count], &[count, 1, 1])?;
    importer.top(site, Eltwise::Product, &[direction, scale])
}

/// Interp: bilinear, with the centres of the corners on those of the corners (DeepLab's, PSPNet's).
pub(super) fn import_interp(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().interp_param.unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let [_, _, height, width] = four(importer, site, input)?;
    let mut value = input;
    let borders = [settings.pad_beg(), settings.pad_end()];
    if borders.iter().any(|border| *border > 0) {
        return Err(site.wrong("pad_beg and pad_end", "0, or below to crop", format!("{borders:?}")));
    }
    let [before, behind] = borders.map(|border| border.unsigned_abs() as usize);
    let sides = [(2, height, settings.height()), (3, width, settings.width())];
    let [zoom, shrink] = [settings.zoom_factor(), settings.shrink_factor()];
    if zoom < 1 || shrink < 1 {
        return Err(site.wrong(
            "zoom_factor and shrink_factor",
            "at least 1",
            format!("{zoom} and {shrink}"),
        ));
    }
    let mut last = None;
    for (axis, extent, asked) in sides {
        let inside = extent.checked_sub(before + behind).filter(|inside| *inside > 0);
        let inside = inside.ok_or_else(|| {
            site.wrong("pad_beg and pad_end", format!("less than {extent}"), before + behind)
        })?;
        let count = match usize::try_from(asked) {
            Ok(asked) if asked > 0 => asked,
            _ => {
                let shrunk = (inside - 1) / shrink as usize + 1;
                shrunk + (shrunk - 1) * (zoom as usize - 1)
            }
        };
        // Nothing is allocated by a number of the file before the shape that it makes is known to be sane.
        let wanted =
            importer.shape(value).with_extent(axis, count).map_err(|cause| site.inconsistent(cause))?;
        if wanted.elements() > 1 << 28 {
            return Err(site.wrong("size", "at most 2^28 numbers", &wanted));
        }
        let step = if count > 1 { (inside - 1) as f64 / (count - 1) as f64 } else { 0.0 };
        let taps = (0..count).map(|index| {
            let place = step * index as f64;
            let low = (place.floor() as usize).min(inside - 1);
            let share = (place - low as f64) as f32;
            let high = (low + 1).min(inside - 1);
            vec![(before + low, 1.0 - share), (before + high, share)]
        });
        let resample = Resample { axis, taps: taps.collect() };
        match last {
            None => value = importer.step(site, "rows", resample, &[value])?,
            Some(()) => return importer.top(site, resample, &[value]),
        }
        last = Some(());
    }
    Ok(())
}

/// Upsample with one input: every pixel several times (YOLO's). With the positions of maxima as second input it is SegNet's.
pub(super) fn import_upsample(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    if site.bottoms().len() > 1 {
        return Err(site.unsupported("SegNet's layer that puts maxima back to their positions is not read"));
    }
    let settings = site.parameter().upsample_param.unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let [_, _, height, width] = four(importer, site, input)?;
    let scale = settings.scale() as usize;
    if !(1..=64).contains(&scale) {
        return Err(site.wrong("scale", "1 to 64", scale));
    }
    let repeated = |axis: usize, extent: usize| Take {
        axis,
        positions: (0..extent * scale).map(|to| to / scale).collect(),
    };
    let rows = importer.step(site, "rows", repeated(2, height), &[input])?;
    importer.top(site, repeated(3, width), &[rows])
}

/// BN: `scale · x + shift` where there are two arrays (SegNet's, for inference), normalised by two more first (PSPNet's).
pub(super) fn import_bn(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().bn_param.clone().unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let shape = importer.shape(input);
    let channels = shape.extent(1).unwrap_or(1);
    if shape.rank() < 2 {
        return Err(site.wrong("input", "at least two axes", &shape));
    }
    let mut value = input;
    if importer.parameters.arrays(site) == 4 {
        let mut operands = [input; 3];
        for (position, what) in [(2, "mean"), (3, "variance")] {
            operands[position - 1] = channel_constant(importer, site, position, what, channels, &[])?;
        }
        value =
            importer.step(site, "normalised", BatchNormalization { epsilon: settings.eps() }, &operands)?;
    }
    affine(importer, site, value, [0, 1], channels)
}

/// `scale · x + shift` by two of the layer's arrays.
pub(super) fn affine(
    importer: &mut Importer<'_>,
    site: Site<'_>,
    value: ValueId,
    [scale, shift]: [usize; 2],
    channels: usize,
) -> Result<(), ImportError> {
    let behind = vec![1; importer.shape(value).rank() - 2];
    let scale = channel_constant(importer, site, scale, "scale", channels, &behind)?;
    let shift = channel_constant(importer, site, shift, "shift", channels, &behind)?;
    let product = importer.step(site, "product", Eltwise::Product, &[value, scale])?;
    importer.top(site, Eltwise::Sum { coefficients: vec![1.0; 2] }, &[product, shift])
}

/// One number for each channel, in whatever shape of ones around it the fork writes it.
fn channel_constant(
    importer: &mut Importer<'_>,
    site: Site<'_>,
    position: usize,
    what: &'static str,
    channels: usize,
    behind: &[usize],
) -> Result<ValueId, ImportError> {
    let shapes: [&[usize]; 3] = [&[channels], &[1, channels, 1, 1], &[1, channels]];
    let stored = [&[channels], behind].concat();
    let found = shapes.into_iter().find(|shape| importer.parameters.fits(site, position, shape));
    importer.constant(site, position, what, found.unwrap_or(&[channels]), &stored)
}
