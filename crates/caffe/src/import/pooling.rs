//! Pooling.

use deepinside_graph::{
    Shape,
    op::{AverageDivisor, Pool, PoolKind, Window},
};

use super::{
    error::ImportError,
    importer::{Importer, Output},
    site::Site,
    window::{PoolAxis, check_range},
};
use crate::proto::{
    PoolingParameter,
    pooling_parameter::{PoolMethod, RoundMode},
};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().pooling_param.unwrap_or_default();
    let kind = kind(site, settings.pool())?;
    let input = importer.operand(site, 0)?;
    let shape = importer.shape(input);
    let extents = spatial(site, &shape)?;
    let axes = if settings.global_pooling() {
        global(site, &settings, extents)?
    } else {
        local(site, &settings, extents)?
    };
    let rounds_up = match (settings.round_mode, settings.ceil_mode) {
        (Some(_), Some(ceil_mode)) if ceil_mode != (settings.round_mode() == RoundMode::Ceil) => {
            let found = format!("ceil_mode: {ceil_mode} and round_mode: {:?}", settings.round_mode());
            return Err(site.wrong("rounding of the size", "one way", found));
        }
        (None, Some(ceil_mode)) => ceil_mode,
        _ => settings.round_mode() == RoundMode::Ceil,
    };
    let mut pool = pool(site, kind, axes, rounds_up)?;
    let outputs = [Output::Top(0), Output::Top(1)];
    pool.with_positions = site.tops().len() == 2;
    importer.node(site, pool, &[input], &outputs[..site.tops().len()]).map(drop)
}

/// The operator for a method of pooling.
fn kind(site: Site<'_>, method: PoolMethod) -> Result<PoolKind, ImportError> {
    match method {
        PoolMethod::Max => Ok(PoolKind::Maximum),
        PoolMethod::Ave => Ok(PoolKind::Average(AverageDivisor::PaddedInput)),
        PoolMethod::Stochastic => Err(stochastic(site)),
    }
}

/// The error for stochastic pooling.
pub(super) fn stochastic(site: Site<'_>) -> ImportError {
    site.unsupported("stochastic pooling (pool: STOCHASTIC) is not supported; MAX and AVE are")
}

/// Height and width of an input that must have four axes.
pub(super) fn spatial(site: Site<'_>, shape: &Shape) -> Result<[usize; 2], ImportError> {
    match *shape.extents() {
        [_, _, height, width] if height > 0 && width > 0 => Ok([height, width]),
        _ => Err(site.wrong("input", "four axes (batch, channels, height, width), none empty", shape)),
    }
}

/// One window over the whole input.
fn global(
    site: Site<'_>,
    settings: &PoolingParameter,
    extents: [usize; 2],
) -> Result<[PoolAxis; 2], ImportError> {
    if settings.kernel_size.or(settings.kernel_h).or(settings.kernel_w).is_some() {
        return Err(site.wrong("global_pooling", "no kernel size beside it", "one"));
    }
    let pads = [settings.pad(), settings.pad_h(), settings.pad_w()];
    let strides = [Some(settings.stride()), settings.stride_h, settings.stride_w];
    if pads != [0; 3] || strides.iter().flatten().any(|stride| *stride != 1) {
        return Err(site.wrong("global_pooling", "no padding and stride 1 beside it", "others"));
    }
    Ok(extents.map(|extent| PoolAxis { extent, kernel: extent, stride: 1, pad: 0 }))
}

/// Windows as the settings describe them.
fn local(
    site: Site<'_>,
    settings: &PoolingParameter,
    [height, width]: [usize; 2],
) -> Result<[PoolAxis; 2], ImportError> {
    let kernel = match (settings.kernel_size, settings.kernel_h, settings.kernel_w) {
        (Some(side), None, _) | (Some(side), _, None) => [side; 2],
        (None, Some(height), Some(width)) => [height, width],
        (None, None, None) => return Err(site.wrong("kernel_size", "a number, or global_pooling", "none")),
        _ => {
            return Err(site.wrong(
                "kernel size",
                "either kernel_size or both kernel_h and kernel_w",
                "a mixture",
            ));
        }
    };
    let pair = |name: &str, one: Option<u32>, pair: [Option<u32>; 2], default: u32| match (one, pair) {
        (one, [None, None]) => Ok([one.unwrap_or(default); 2]),
        (None, [Some(height), Some(width)]) => Ok([height, width]),
        _ => Err(site.wrong(name, format!("either {name} or both {name}_h and {name}_w"), "a mixture")),
    };
    let stride = pair("stride", settings.stride, [settings.stride_h, settings.stride_w], 1)?;
    let pad = pair("pad", settings.pad, [settings.pad_h, settings.pad_w], 0)?;
    let [kernel, stride, pad] = [kernel, stride, pad].map(|pair| pair.map(|number| number as usize));
    for (name, numbers, least) in [("kernel_size", kernel, 1), ("stride", stride, 1), ("pad", pad, 0)] {
        check_range(name, &numbers, least).map_err(|cause| site.inconsistent(cause))?;
    }
    let axis =
        |axis: usize, extent| PoolAxis { extent, kernel: kernel[axis], stride: stride[axis], pad: pad[axis] };
    Ok([axis(0, height), axis(1, width)])
}

/// The operator for these windows, with the output extents that Caffe computes.
pub(super) fn pool(
    site: Site<'_>,
    kind: PoolKind,
    axes: [PoolAxis; 2],
    round_up: bool,
) -> Result<Pool, ImportError> {
    // The graph's operator refuses padding as large as the window, as Caffe does.
    let clip = axes.iter().any(|axis| axis.pad > 0);
    let mut output = Vec::with_capacity(axes.len());
    for axis in axes {
        let positions = axis.positions(round_up, clip);
        output.push(positions.ok_or_else(|| {
            site.wrong(
                "pooling window",
                format!("at most the input's {} with padding {} on both sides", axis.extent, axis.pad),
                format!("{} with stride {}", axis.kernel, axis.stride),
            )
        })?);
    }
    let list = |field: fn(&PoolAxis) -> usize| axes.iter().map(field).collect::<Vec<usize>>();
    let window = Window {
        stride: list(|axis| axis.stride),
        pad_begin: list(|axis| axis.pad),
        pad_end: list(|axis| axis.pad),
        ..Window::new(list(|axis| axis.kernel))
    };
    Ok(Pool { kind, window, output, with_positions: false })
}
