//! Whether a network's gradients can be trusted: finite differences, operator by operator and as a whole, and repetition.
//!
//! What is checked is this program's way through a user's own network. That the network itself computes what its author meant,
//! only its author's framework can tell; [`crate::trace`] writes every number for such a comparison.

mod finite_difference;
mod operators;
mod repetition;

use std::sync::Arc;

use serde::Serialize;

use self::finite_difference::{STEPS, along, difference, norm, product, share};
pub use self::operators::CheckedOperator;
use crate::attribution::Runner;
use crate::classify::predictions;
use crate::random::Random;
use crate::{BackwardRule, Error, Model, Result};

/// How far one operator's gradient may be from finite differences, relatively. What single precision, and rectifiers that switch
/// within the step, leave of a true gradient is below a third of it in the networks tried.
pub const OPERATOR_TOLERANCE: f64 = 0.01;

/// How far the whole network's score may be from what its gradient says: many rectifiers switch within the smallest step that single
/// precision resolves. It is the chain of the operators that is checked closely.
pub const NETWORK_TOLERANCE: f64 = 0.1;

/// How far scores of one picture may be from those of the same picture among others, relative to the largest score.
pub const SCORE_TOLERANCE: f64 = 1e-5;

/// How far the gradient may be then, by Euclidean norm: where two numbers nearly tie, rounding decides which way gradients flow.
pub const GRADIENT_TOLERANCE: f64 = 0.02;

/// What one check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed,
    /// It could not be checked; the detail says why.
    Skipped,
}

/// One check and its result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What was checked, in a word: `finite`, `operators`, `chain`, `network`, `batch`, `threads` or `repetition`.
    pub name: &'static str,
    /// What was found.
    pub verdict: Verdict,
    /// The largest error, relative; none where it is a matter of yes or no.
    pub error: Option<f64>,
    /// What the error may be at most.
    pub tolerance: Option<f64>,
    /// A sentence.
    pub detail: String,
}

impl Check {
    fn new(name: &'static str, passed: bool, detail: impl Into<String>) -> Self {
        let verdict = if passed { Verdict::Passed } else { Verdict::Failed };
        Self { name, verdict, error: None, tolerance: None, detail: detail.into() }
    }

    /// Passes where the error is within its tolerance, which one that is not a number never is.
    fn measured(name: &'static str, error: f64, tolerance: f64, detail: impl Into<String>) -> Self {
        Self { error: Some(error), tolerance: Some(tolerance), ..Self::new(name, error <= tolerance, detail) }
    }

    fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, ..Self::new(name, false, why) }
    }
}

/// All that was found about a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The class whose score was differentiated: the best one. None where scores are not finite, so that none is the best.
    pub class: Option<usize>,
    /// Its unnormalised score.
    pub score: Option<f32>,
    /// The checks, in the order of their names in [`Check::name`].
    pub checks: Vec<Check>,
    /// Every operator between the picture and the score, in the order of computation.
    pub operators: Vec<CheckedOperator>,
}

impl Report {
    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.verdict != Verdict::Failed)
    }
}

/// Checks the network of a runner on one picture, given as `C × H × W` numbers (a made-up one where there is none); `seed` draws the directions of
/// the finite differences.
///
/// Takes about as long as fifty passes forward and backward, and keeps all activations at once.
///
/// # Errors
/// When the picture has another size or a layer cannot be computed. What is wrong with results is no error but a failed check.
pub fn check(runner: &mut Runner, picture: Option<&[f32]>, seed: u64) -> Result<Report> {
    let (model, threads) = (&*Arc::clone(runner.model()), &runner.threads().clone());
    let picture = picture.map_or_else(|| model.structured_picture(), <[f32]>::to_vec);
    let picture = &picture[..];
    let best = match runner.scores(picture) {
        Ok(scores) => {
            let best = predictions(model, &scores, 1).into_iter().next();
            Ok(best.ok_or_else(|| Error::Model("the network has no class".to_owned()))?)
        }
        Err(error @ Error::NotFinite { .. }) => Err(error),
        Err(error) => return Err(error),
    };
    let class = best.as_ref().map_or(0, |best| best.index);
    let mut session = repetition::prepared(model, 1, threads)?;
    let once = repetition::Pass::of(&mut session, model, picture, class)?;
    let activations = operators::Activations::of(model, picture, threads)?;
    let mut checks = vec![finite(model, &activations, best.as_ref().err(), &once.gradient)];
    let mut operators = Vec::new();
    if checks[0].verdict == Verdict::Passed {
        let (found, chained) = operators::check(
            model,
            &activations,
            class,
            BackwardRule::Gradient,
            &mut Random::new(seed),
            threads,
        )?;
        operators = found;
        checks.push(operators::summary(&operators));
        checks.push(chain(&once.gradient, &chained, operators.len()));
        checks.push(network(runner, picture, class, &once.gradient)?);
        checks.push(repetition::batch(model, picture, class, &once, threads)?);
    } else {
        let why = "what is not finite cannot be compared";
        checks.extend(["operators", "chain", "network", "batch"].map(|name| Check::skipped(name, why)));
    }
    checks.push(repetition::threads(model, picture, class, &once, threads)?);
    checks.push(repetition::again(&mut session, model, picture, class, &once)?);
    let best = best.ok();
    Ok(Report {
        class: best.as_ref().map(|best| best.index),
        score: best.map(|best| best.score),
        checks,
        operators,
    })
}

/// Whether weights, activations and the gradient are numbers at all.
fn finite(
    model: &Model,
    activations: &operators::Activations,
    scores: Option<&Error>,
    gradient: &[f32],
) -> Check {
    let weights = crate::model::suspicious_weights(&model.graph);
    if let Some(sentence) = weights.first() {
        return Check::new("finite", false, sentence.clone());
    }
    if let Some(value) = activations.first_not_finite(model) {
        let name = &model.graph.value(value).name;
        return Check::new(
            "finite",
            false,
            format!("'{name}' is NaN or infinite for this picture, and is the first that is"),
        );
    }
    if let Some(error) = scores {
        return Check::new("finite", false, error.to_string());
    }
    if gradient.iter().any(|number| !number.is_finite()) {
        return Check::new(
            "finite",
            false,
            "the gradient at the picture is NaN or infinite, though all activations are finite",
        );
    }
    if gradient.iter().all(|&number| number == 0.0) {
        // No error of this program, but every map would be black.
        return Check::new(
            "finite",
            true,
            "everything is finite; the gradient at the picture is zero everywhere",
        );
    }
    Check::new("finite", true, "weights, activations and the gradient are finite")
}

/// The whole network's gradient against the chain of its operators', each of which was computed by itself.
fn chain(gradient: &[f32], chained: &[f32], operators: usize) -> Check {
    if operators == 0 {
        return Check::skipped("chain", "the score is the picture itself");
    }
    let error = share(norm(&difference(gradient, chained)), norm(gradient));
    let detail = format!(
        "the gradient at the picture and what the operators give one after another agree {}",
        distance(error)
    );
    Check::measured("chain", error, GRADIENT_TOLERANCE, detail)
}

/// How far something is from something else, in words.
fn distance(error: f64) -> String {
    if error == 0.0 { "bit by bit".to_owned() } else { format!("to {error:.0e}") }
}

/// The whole network's gradient against finite differences of its score along that gradient.
fn network(runner: &mut Runner, picture: &[f32], class: usize, gradient: &[f32]) -> Result<Check> {
    let length = norm(gradient);
    if length == 0.0 || !length.is_finite() {
        return Ok(Check::skipped(
            "network",
            "the gradient is zero or no number, so there is no direction to go in",
        ));
    }
    let mut score = |picture: &[f32]| -> Result<f64> { Ok(f64::from(runner.scores(picture)?.scores[class])) };
    let mut least = f64::INFINITY;
    for step in STEPS {
        let (plus, minus, moved) = along(picture, gradient, step);
        let measured = score(&plus)? - score(&minus)?;
        least = least.min((measured / product(gradient, &moved) - 1.0).abs());
    }
    let detail =
        format!("finite differences of the score along its gradient agree to {:.1} %", 100.0 * least);
    Ok(Check::measured("network", least, NETWORK_TOLERANCE, detail))
}
