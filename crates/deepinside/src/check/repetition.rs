//! The same picture again: among others, with other threads, and simply again.

use deepinside_engine::{PlanOptions, Target, Threads};

use super::finite_difference::{difference, norm, share};
use super::{Check, GRADIENT_TOLERANCE, SCORE_TOLERANCE, Verdict};
use crate::runner::{ScoreRunner, Scores};
use crate::{BackwardRule, Model, Result};

/// How many pictures at a time are compared with one.
const BATCH: usize = 16;

/// What one picture gave.
pub struct Pass {
    pub scores: Vec<f32>,
    pub gradient: Vec<f32>,
}

impl Pass {
    /// What a runner computes, finite or not.
    pub fn of(runner: &mut ScoreRunner, picture: &[f32], class: usize) -> Result<Self> {
        let (scores, gradient) = runner.numbers(picture, class)?;
        Ok(Self { scores, gradient })
    }

    fn has_the_bits_of(&self, other: &Self) -> bool {
        let bits = |pass: &Self| -> Vec<u32> {
            pass.scores.iter().chain(&pass.gradient).map(|number| number.to_bits()).collect()
        };
        bits(self) == bits(other)
    }
}

/// The picture as the last of sixteen, whose others are darker copies: its numbers must be those that it has alone, but for rounding.
pub fn batch(model: &Model, picture: &[f32], class: usize, once: &Pass, threads: &Threads) -> Result<Check> {
    let score = &model.score;
    let options = PlanOptions {
        activations: vec![score.value, score.output],
        gradients: vec![model.input],
        targets: vec![score.value],
        ..PlanOptions::default()
    };
    let mut session = match model.session(BATCH, &options, threads) {
        Ok(session) => session,
        Err(error) => {
            return Ok(Check::skipped("batch", format!("not more than one picture at a time: {error}")));
        }
    };
    let darker = |number: usize| (number + 1) as f32 / BATCH as f32;
    let pictures: Vec<f32> =
        (0..BATCH).flat_map(|number| picture.iter().map(move |&level| darker(number) * level)).collect();
    session.forward(&[(model.input, &pictures)])?;
    session.backward(&[(score.value, &Target::Class(class))])?;
    let last = |numbers: Vec<f32>| numbers[numbers.len() / BATCH * (BATCH - 1)..].to_vec();
    let found = Scores::read(
        score,
        &last(session.activation(score.value)?),
        &last(session.activation(score.output)?),
    )?;
    let gradient = last(session.gradient(model.input)?);
    let largest = |numbers: &[f32]| {
        numbers.iter().fold(0.0, |largest: f64, number| largest.max(f64::from(number.abs())))
    };
    let of_scores = share(largest(&difference(&found.scores, &once.scores)), largest(&once.scores));
    let of_gradient = share(norm(&difference(&gradient, &once.gradient)), norm(&once.gradient));
    let mut detail = format!(
        "among {BATCH} pictures the scores are {of_scores:.0e} from those of the picture alone (at most {SCORE_TOLERANCE:.0e}), its \
         gradient {of_gradient:.0e}"
    );
    let scores_agree = of_scores <= SCORE_TOLERANCE;
    if !scores_agree {
        detail.push_str("; does the network normalise by the statistics of its batch?");
    }
    let check = Check::measured("batch", of_gradient, GRADIENT_TOLERANCE, detail);
    Ok(if scores_agree { check } else { Check { verdict: Verdict::Failed, ..check } })
}

/// One thread and several: the same bits.
pub fn threads(
    model: &Model,
    picture: &[f32],
    class: usize,
    once: &Pass,
    threads: &Threads,
) -> Result<Check> {
    let other = Threads::new(if threads.count() == 1 { 2 } else { 1 })?;
    let mut runner = ScoreRunner::new(model, Some(BackwardRule::Gradient), &other)?;
    let equal = Pass::of(&mut runner, picture, class)?.has_the_bits_of(once);
    let word = if equal { "the same bits" } else { "other bits" };
    Ok(Check::new("threads", equal, format!("{} and {} threads give {word}", threads.count(), other.count())))
}

/// Once more, with the same memory: the same bits.
pub fn again(runner: &mut ScoreRunner, picture: &[f32], class: usize, once: &Pass) -> Result<Check> {
    let equal = Pass::of(runner, picture, class)?.has_the_bits_of(once);
    let word = if equal { "the same bits" } else { "other bits" };
    Ok(Check::new("repetition", equal, format!("a second run gives {word}")))
}
