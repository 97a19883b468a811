//! Which layers take part: the include and exclude rules, tested against the state of the network.

use crate::{
    Layer,
    error::CaffeError,
    proto::{NetStateRule, Phase},
};

/// What the rules of layers are tested against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetState {
    /// Whether the network is trained or used. Everything in deepinside uses: [`Phase::Test`].
    pub phase: Phase,
    /// A number that rules may bound from both sides.
    pub level: i32,
    /// Free words that rules may ask for or forbid.
    pub stages: Vec<String>,
}

impl Default for NetState {
    /// Phase TEST, level 0, no stages.
    fn default() -> Self {
        Self { phase: Phase::Test, level: 0, stages: Vec::new() }
    }
}

impl NetState {
    /// Whether the state meets every condition of a rule.
    fn meets(&self, rule: &NetStateRule) -> bool {
        let has = |stage: &String| self.stages.contains(stage);
        rule.phase.is_none_or(|phase| phase == self.phase as i32)
            && rule.min_level.is_none_or(|level| self.level >= level)
            && rule.max_level.is_none_or(|level| self.level <= level)
            && rule.stage.iter().all(has)
            && !rule.not_stage.iter().any(has)
    }
}

/// The layers that take part in a state: with include rules those that meet one, with exclude rules those that meet none.
///
/// # Errors
/// When a layer has rules of both kinds, which Caffe refuses too.
pub(crate) fn filter(layers: Vec<Layer>, state: &NetState) -> Result<Vec<Layer>, CaffeError> {
    let mut kept = Vec::with_capacity(layers.len());
    for layer in layers {
        let (include, exclude) = (&layer.parameter.include, &layer.parameter.exclude);
        if !include.is_empty() && !exclude.is_empty() {
            return Err(layer.error("it has both include and exclude rules; keep rules of one kind"));
        }
        let met = |rules: &[NetStateRule]| rules.iter().any(|rule| state.meets(rule));
        if if include.is_empty() { !met(exclude) } else { met(include) } {
            kept.push(layer);
        }
    }
    Ok(kept)
}
