//! Resizing of images: one axis at a time.

use deepinside_graph::op::{Identity, Resample, Take};

use super::axes::axis;
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::Importer;
use super::node::Node;

/// How elements between the given ones are made.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// The nearest one, where "nearest" is rounded in this way.
    Nearest(Nearest),
    Linear,
    Cubic {
        /// The coefficient a of the cubic kernel.
        a: f32,
    },
}

/// How a coordinate is rounded to a position.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Nearest {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
}

/// How positions of the result become coordinates of the operand.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    HalfPixelForNearest,
    Crop,
}

/// The largest extent that an axis is resized to, each position of which holds its taps; no image comes near it.
const LARGEST: usize = 1 << 16;

/// The exporters whose frameworks lay the last place on the last, however the length was rounded.
const BY_WHOLE_LENGTHS: [&str; 2] = ["pytorch", "tf2onnx"];

/// Everything about one resize but the axis.
struct Settings {
    mode: Mode,
    coordinates: Coordinates,
    exclude_outside: bool,
    antialias: bool,
}

/// One axis.
struct Along {
    extent: usize,
    target: usize,
    scale: f32,
    /// The part that is looked at with [`Coordinates::Crop`], as fractions of the axis.
    crop: (f32, f32),
}

pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let shape = importer.shape(&importer.operand(node, 0)?);
    let rank = shape.rank();
    let settings = settings(node)?;
    let axes: Vec<usize> = match node.ints("axes")? {
        Some(numbers) => numbers.iter().map(|&number| axis(number, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    // In operator set 10 there are only the input and the scales.
    let [region, scales, sizes] = if node.version < 11 { [9, 1, 9] } else { [1, 2, 3] };
    let numbers = |index: usize, what: &str| -> Result<Option<Vec<f64>>, Failure> {
        let constant = importer.known(node, index, what)?;
        Ok(constant.map(|constant| constant.numbers().to_vec()).filter(|numbers| !numbers.is_empty()))
    };
    let region = numbers(region, "the region")?;
    let (scales, sizes) = (numbers(scales, "the scales")?, numbers(sizes, "the sizes")?);
    let policy = node.text("keep_aspect_ratio_policy")?.unwrap_or_else(|| "stretch".to_owned());
    let count = axes.len();
    let mut along = Vec::new();
    match (scales, sizes) {
        (Some(scales), None) if scales.len() == count => {
            for (&axis, &scale) in axes.iter().zip(&scales) {
                let (extent, scale) = (shape.extents()[axis], scale as f32);
                along.push(Along { extent, target: target(extent, scale)?, scale, crop: (0.0, 1.0) });
            }
        }
        (None, Some(sizes)) if sizes.len() == count => {
            let ratios =
                axes.iter().zip(&sizes).map(|(&axis, &size)| size as f32 / shape.extents()[axis] as f32);
            let common = match policy.as_str() {
                "stretch" => None,
                "not_larger" => ratios.reduce(f32::min),
                "not_smaller" => ratios.reduce(f32::max),
                other => {
                    return inconsistent(
                        "attribute 'keep_aspect_ratio_policy'",
                        "stretch, not_larger or not_smaller",
                        other,
                    );
                }
            };
            for (&axis, &size) in axes.iter().zip(&sizes) {
                let extent = shape.extents()[axis];
                let (target, scale) = match common {
                    Some(scale) => (target_of(extent as f32 * scale, f32::round)?, scale),
                    None => (target_of(size as f32, f32::floor)?, size as f32 / extent as f32),
                };
                along.push(Along { extent, target, scale, crop: (0.0, 1.0) });
            }
        }
        _ => {
            return inconsistent(
                "scales and sizes",
                format!("{count} numbers in one of them"),
                "none or both, or another number",
            );
        }
    }
    if settings.coordinates == Coordinates::Crop {
        let Some(region) = region.filter(|region| region.len() == 2 * count) else {
            return inconsistent("region", format!("{} numbers", 2 * count), "another number");
        };
        for (index, along) in along.iter_mut().enumerate() {
            along.crop = (region[index] as f32, region[count + index] as f32);
        }
        if node.float("extrapolation_value")?.unwrap_or(0.0) != 0.0 {
            return unsupported("an extrapolation value other than 0");
        }
    }
    let _ = node.float("extrapolation_value")?;
    resize(node, importer, &axes, &along, &settings)
}

fn settings(node: &Node<'_>) -> Result<Settings, Failure> {
    let default = if node.version < 11 { "asymmetric" } else { "half_pixel" };
    let coordinates = match node.text("coordinate_transformation_mode")?.as_deref().unwrap_or(default) {
        "half_pixel" => Coordinates::HalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        "tf_half_pixel_for_nn" => Coordinates::HalfPixelForNearest,
        "tf_crop_and_resize" => Coordinates::Crop,
        other => {
            return inconsistent("attribute 'coordinate_transformation_mode'", "one that ONNX knows", other);
        }
    };
    let default = if node.version < 11 { "floor" } else { "round_prefer_floor" };
    let nearest = match node.text("nearest_mode")?.as_deref().unwrap_or(default) {
        "round_prefer_floor" => Nearest::PreferFloor,
        "round_prefer_ceil" => Nearest::PreferCeil,
        "floor" => Nearest::Floor,
        "ceil" => Nearest::Ceil,
        other => return inconsistent("attribute 'nearest_mode'", "one that ONNX knows", other),
    };
    let a = node.float("cubic_coeff_a")?.unwrap_or(-0.75);
    let mode = match node.text("mode")?.as_deref() {
        None | Some("nearest") => Mode::Nearest(nearest),
        Some("linear") => Mode::Linear,
        Some("cubic") => Mode::Cubic { a },
        Some(other) => return inconsistent("attribute 'mode'", "nearest, linear or cubic", other),
    };
    Ok(Settings {
        mode,
        coordinates,
        exclude_outside: node.flag("exclude_outside")?,
        antialias: node.flag("antialias")?,
    })
}

/// The predecessor of Resize: scales in an attribute (7) or an input (9), coordinates not centred.
pub(super) fn import_upsample<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let shape = importer.shape(&importer.operand(node, 0)?);
    let scales: Vec<f32> = match node.floats("scales")? {
        Some(scales) => scales.to_vec(),
        None if node.version < 7 => {
            let scale = |name| Ok::<f32, Failure>(node.float(name)?.unwrap_or(1.0));
            vec![1.0, 1.0, scale("height_scale")?, scale("width_scale")?]
        }
        None => {
            let constant = importer.known(node, 1, "the scales")?;
            constant.map_or_else(Vec::new, |constant| constant.numbers().iter().map(|&n| n as f32).collect())
        }
    };
    if scales.len() != shape.rank() {
        return inconsistent("scales", format!("{} numbers", shape.rank()), scales.len());
    }
    let mode = match node.text("mode")?.as_deref() {
        None | Some("nearest") => Mode::Nearest(Nearest::Floor),
        Some("linear" | "bilinear") => Mode::Linear,
        Some(other) => return inconsistent("attribute 'mode'", "nearest or linear", other),
    };
    let settings =
        Settings { mode, coordinates: Coordinates::Asymmetric, exclude_outside: false, antialias: false };
    let along = shape.extents().iter().zip(&scales).map(|(&extent, &scale)| {
        Ok(Along { extent, target: target(extent, scale)?, scale, crop: (0.0, 1.0) })
    });
    let along = along.collect::<Result<Vec<_>, Failure>>()?;
    let axes: Vec<usize> = (0..shape.rank()).collect();
    resize(node, importer, &axes, &along, &settings)
}

fn target(extent: usize, scale: f32) -> Result<usize, Failure> {
    target_of(extent as f32 * scale, f32::floor)
}

fn target_of(extent: f32, round: fn(f32) -> f32) -> Result<usize, Failure> {
    // More could not be counted in single precision.
    match round(extent) {
        extent if (1.0..=16_777_216.0).contains(&extent) => Ok(extent as usize),
        other => inconsistent("resized extent", "1 to 16777216", other),
    }
}

fn resize<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    axes: &[usize],
    along: &[Along],
    settings: &Settings,
) -> Result<(), Failure> {
    let mut operand = importer.operand(node, 0)?;
    for (&axis, along) in axes.iter().zip(along) {
        if along.extent == 0 {
            return inconsistent(format!("extent of axis {axis}"), "at least 1", 0);
        }
        if along.target == along.extent && along.scale == 1.0 && settings.coordinates != Coordinates::Crop {
            continue;
        }
        if along.target > LARGEST {
            return inconsistent("resized extent", format!("at most {LARGEST}"), along.target);
        }
        let is_rounded = (along.extent as f32 * along.scale - along.target as f32).abs() > 1e-3;
        if settings.coordinates == Coordinates::AlignCorners
            && is_rounded
            && along.target > 1
            && !BY_WHOLE_LENGTHS.iter().any(|exporter| importer.is_written_by(exporter))
        {
            return unsupported(format!(
                "corners on corners where {} positions by a scale of {} are rounded to {}, which ONNX's own evaluator and ONNX Runtime \
                 read differently; state the sizes in place of the scales",
                along.extent, along.scale, along.target
            ));
        }
        let step = format!("axis{axis}");
        let taps: Vec<Vec<(usize, f32)>> =
            (0..along.target).map(|position| taps(position, along, settings)).collect();
        let positions: Option<Vec<usize>> = taps
            .iter()
            .map(|taps| match taps[..] {
                [(position, 1.0)] => Some(position),
                _ => None,
            })
            .collect();
        operand = match positions {
            Some(positions) => importer.step(node, &step, Take { axis, positions }, &[operand])?,
            None => importer.step(node, &step, Resample { axis, taps }, &[operand])?,
        };
    }
    importer.finish(node, Identity, &[operand])
}

/// The operand's coordinate of a position of the result.
fn coordinate(position: usize, along: &Along, coordinates: Coordinates) -> f32 {
    let (x, extent, scale) = (position as f32, along.extent as f32, along.scale);
    // By corners on corners the last place of the result lies on the last of the operand, as ONNX Runtime and exporters have it. ONNX's own
    // evaluator divides by the length before it is rounded to a whole number: where that matters only exporters' files come here.
    let target = along.target as f32;
    match coordinates {
        Coordinates::HalfPixel => (x + 0.5) / scale - 0.5,
        Coordinates::HalfPixelSymmetric => {
            // The result's extent may be rounded: its middle stays the operand's middle.
            let adjustment = target / (scale * extent);
            let offset = extent / 2.0 * (1.0 - adjustment);
            offset + (x + 0.5) / scale - 0.5
        }
        Coordinates::PytorchHalfPixel if along.target > 1 => (x + 0.5) / scale - 0.5,
        Coordinates::PytorchHalfPixel => 0.0,
        Coordinates::AlignCorners if target > 1.0 => x * (extent - 1.0) / (target - 1.0),
        Coordinates::AlignCorners => 0.0,
        Coordinates::Asymmetric => x / scale,
        Coordinates::HalfPixelForNearest => (x + 0.5) / scale,
        Coordinates::Crop => {
            let (start, end) = along.crop;
            if target > 1.0 {
                start * (extent - 1.0) + x * (end - start) * (extent - 1.0) / (target - 1.0)
            } else {
                0.5 * (start + end) * (extent - 1.0)
            }
        }
    }
}

/// What a position of the result is made of.
fn taps(position: usize, along: &Along, settings: &Settings) -> Vec<(usize, f32)> {
    let x = coordinate(position, along, settings.coordinates);
    let last = along.extent as f32 - 1.0;
    if settings.coordinates == Coordinates::Crop && !(0.0..=last).contains(&x) {
        return Vec::new();
    }
    if let Mode::Nearest(nearest) = settings.mode {
        let rounded = match nearest {
            Nearest::PreferFloor => (x - 0.5).ceil(),
            Nearest::PreferCeil => (x + 0.5).floor(),
            Nearest::Floor => x.floor(),
            Nearest::Ceil => x.ceil(),
        };
        return vec![(rounded.clamp(0.0, last) as usize, 1.0)];
    }
    let support: f32 = if matches!(settings.mode, Mode::Linear) { 1.0 } else { 2.0 };
    // Against aliasing the kernel is as wide as the step between the result's positions.
    let scale = if settings.antialias { along.scale.min(1.0) } else { 1.0 };
    let (floor, fraction) = (x.floor(), x - x.floor());
    let start = (-support / scale).floor() as i64 + 1;
    let weights: Vec<(f32, f32)> = (start..=1 - start)
        .map(|offset| (floor + offset as f32, kernel((offset as f32 - fraction) * scale, settings.mode)))
        .collect();
    let outside = |at: f32| settings.exclude_outside && !(0.0..=last).contains(&at);
    let sum: f32 = weights.iter().filter(|(at, _)| !outside(*at)).map(|(_, weight)| weight).sum();
    let normalised = settings.exclude_outside || scale < 1.0;
    let mut taps: Vec<(usize, f32)> = Vec::new();
    for (at, weight) in weights {
        if weight == 0.0 || outside(at) {
            continue;
        }
        let at = at.clamp(0.0, last) as usize;
        let weight = if normalised { weight / sum } else { weight };
        // Beyond the edge the edge is repeated.
        match taps.last_mut() {
            Some((last, own)) if *last == at => *own += weight,
            _ => taps.push((at, weight)),
        }
    }
    taps
}

/// The weight of an element at a distance.
fn kernel(distance: f32, mode: Mode) -> f32 {
    let d = distance.abs();
    match mode {
        Mode::Nearest(_) => 0.0,
        Mode::Linear => (1.0 - d).max(0.0),
        // Keys 1981.
        Mode::Cubic { a } if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
        Mode::Cubic { a } if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
        Mode::Cubic { .. } => 0.0,
    }
}
