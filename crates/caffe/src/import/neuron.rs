//! Layers that apply one function to each element: ReLU, ELU, Sigmoid, TanH, AbsVal, Power, Exp, Log, BNLL,
//! Clip, Swish and Threshold.

use deepinside_graph::op::Unary;

use super::{error::ImportError, importer::Importer, site::Site};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let function = function(site)?;
    let input = importer.operand(site, 0)?;
    importer.top(site, function, &[input])
}

fn function(site: Site<'_>) -> Result<Unary, ImportError> {
    let parameter = site.parameter();
    Ok(match site.kind() {
        "AbsVal" => Unary::Absolute,
        "BNLL" => Unary::Softplus,
        "Clip" => clip(site)?,
        "ELU" => Unary::Elu { alpha: parameter.elu_param.unwrap_or_default().alpha() },
        "Exp" => exponential(site)?,
        "Log" => logarithm(site)?,
        "Power" => {
            let settings = parameter.power_param.unwrap_or_default();
            Unary::Power { power: settings.power(), scale: settings.scale(), shift: settings.shift() }
        }
        "ReLU" => Unary::Relu { negative_slope: parameter.relu_param.unwrap_or_default().negative_slope() },
        "Sigmoid" => Unary::Sigmoid,
        "Swish" => Unary::Swish { beta: parameter.swish_param.unwrap_or_default().beta() },
        "TanH" => Unary::Tanh,
        "Threshold" => {
            Unary::Threshold { threshold: parameter.threshold_param.unwrap_or_default().threshold() }
        }
        // Only reached if the table of rules sends another type here.
        _ => return Err(ImportError::UnsupportedType { place: Box::new(site.place()), nearest: None }),
    })
}

fn clip(site: Site<'_>) -> Result<Unary, ImportError> {
    let settings = site.parameter().clip_param.unwrap_or_default();
    match (settings.min, settings.max) {
        (Some(minimum), Some(maximum)) if minimum <= maximum => Ok(Unary::Clip { minimum, maximum }),
        (Some(minimum), Some(maximum)) => {
            Err(site.wrong("clip_param", "min not above max", format!("{minimum} and {maximum}")))
        }
        _ => Err(site.wrong("clip_param", "both min and max", "one or none")),
    }
}

/// `base^(shift + scale · x) = base^shift · exp(ln(base) · scale · x)`, in single precision as Caffe computes
/// it.
fn exponential(site: Site<'_>) -> Result<Unary, ImportError> {
    let settings = site.parameter().exp_param.unwrap_or_default();
    let (base, scale, shift) = (settings.base(), settings.scale(), settings.shift());
    let natural = base == -1.0;
    if !(natural || base > 0.0 && base.is_finite()) {
        return Err(site.wrong("base", "a positive number, or -1 for e", base));
    }
    let logarithm = if natural { 1.0 } else { base.ln() };
    let outer_scale = match (shift == 0.0, natural) {
        (true, _) => 1.0,
        (false, true) => shift.exp(),
        (false, false) => base.powf(shift),
    };
    Ok(Unary::Exponential { inner_scale: logarithm * scale, outer_scale })
}

/// `log_base(shift + scale · x) = ln(shift + scale · x) / ln(base)`.
fn logarithm(site: Site<'_>) -> Result<Unary, ImportError> {
    let settings = site.parameter().log_param.unwrap_or_default();
    let base = settings.base();
    let natural = base == -1.0;
    if !(natural || base > 0.0 && base != 1.0 && base.is_finite()) {
        return Err(site.wrong("base", "a positive number other than 1, or -1 for e", base));
    }
    let outer_scale = if natural { 1.0 } else { 1.0 / base.ln() };
    Ok(Unary::Logarithm { scale: settings.scale(), shift: settings.shift(), outer_scale })
}
