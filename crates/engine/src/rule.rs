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
}
