//! What a rectifier does on the way back.

/// How gradients pass rectifiers; everything else passes them as the chain rule says.
///
/// Each rule is the same backward pass with one line changed (Simonyan, Vedaldi, Zisserman 2013, §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BackwardRule {
    /// The true gradient: passes where the rectifier's *argument* is positive.
    #[default]
    Gradient,
    /// DeconvNet (Zeiler and Fergus 2013): passes where the *incoming gradient* is positive.
    DeconvNet,
    /// Guided backpropagation (Springenberg et al. 2014): passes where both are.
    Guided,
    /// Smooth gates: passes the share ½ + ½ u (27 + u²) / (27 + 9 u²), u being the argument over the standard deviation of all
    /// arguments of the rectifier in this picture, within ±3: a logistic function of 2 u, to 0.012. Units that are nearly active
    /// take part and those that are barely active count half, so that what comes back leans less on this network's own
    /// thresholds, and pictures made by ascending along it mean more to other networks (the idea is that of Wang, Tong and He
    /// 2023, "Rethinking the Backward Propagation for Adversarial Transferability"). It is the derivative of no score.
    Smooth,
}

/// What the gate of a rectifier asks for where another kernel applies it, which knows the rectifier's result and not its argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asks {
    /// Whether the result lies between the bounds.
    pub result: bool,
    /// Whether the incoming gradient is positive.
    pub gradient: bool,
}

impl BackwardRule {
    /// What a fused gate asks for; none for a rule that needs more than results, under which rectifiers are not fused.
    pub(crate) const fn asks(self) -> Option<Asks> {
        match self {
            Self::Gradient => Some(Asks { result: true, gradient: false }),
            Self::DeconvNet => Some(Asks { result: false, gradient: true }),
            Self::Guided => Some(Asks { result: true, gradient: true }),
            Self::Smooth => None,
        }
    }

    /// All rules.
    pub const ALL: [Self; 4] = [Self::Gradient, Self::DeconvNet, Self::Guided, Self::Smooth];

    /// What it is called in files and on the command line: `gradient`, `deconvnet`, `guided`, `smooth`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gradient => "gradient",
            Self::DeconvNet => "deconvnet",
            Self::Guided => "guided",
            Self::Smooth => "smooth",
        }
    }

    /// What it is called in sentences and above pictures.
    pub fn title(self) -> &'static str {
        match self {
            Self::Gradient => "gradient",
            Self::DeconvNet => "DeconvNet",
            Self::Guided => "guided backpropagation",
            Self::Smooth => "smooth gates",
        }
    }
}
