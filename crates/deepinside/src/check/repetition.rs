//! The same picture again: among others, with other threads, and simply again.

use deepinside_engine::{PlanOptions, Session, Target, Threads};

use super::finite_difference::{difference, norm, share};
use super::{Check, GRADIENT_TOLERANCE, SCORE_TOLERANCE, Verdict};
use crate::scores::spatial_means;
use crate::{Model, Result, expect_finite};

/// How many pictures at a time are compared with one.
const BATCH: usize = 16;

/// What one picture gave, finite or not.
pub struct Pass {
    pub scores: Vec<f32>,
    pub gradient: Vec<f32>,
}

/// The network prepared for some pictures at a time: their scores, and the gradients of one.
pub fn prepared(model: &Model, batch: usize, threads: &Threads) -> Result<Session> {
    let score = &model.score;
    let options = PlanOptions {
        activations: vec![score.value, score.output],
        gradients: vec![model.input],
        targets: vec![score.value],
        ..PlanOptions::default()
    };
    model.session(batch, &options, threads)
}

impl Pass {
    /// What a prepared network computes for a picture, or for the last of several.
    pub fn of(session: &mut Session, model: &Model, pictures: &[f32], class: usize) -> Result<Self> {
        let score = &model.score;
        let batch = pictures.len() / model.graph.value(model.input).shape.elements().max(1);
        let last = |numbers: Vec<f32>| numbers[numbers.len() / batch * (batch - 1)..].to_vec();
        session.forward(&[(model.input, pictures)])?;
        let scores = spatial_means(&last(session.activation(score.value)?), score.classes);
        session.backward(&[(score.value, &Target::Class(class))])?;
        Ok(Self { scores, gradient: last(session.gradient(model.input)?) })
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
    let mut session = match prepared(model, BATCH, threads) {
        Ok(session) => session,
        Err(error) => {
            return Ok(Check::skipped("batch", format!("not more than one picture at a time: {error}")));
        }
    };
    let darker = |number: usize| (number + 1) as f32 / BATCH as f32;
    let pictures: Vec<f32> =
        (0..BATCH).flat_map(|number| picture.iter().map(move |&level| darker(number) * level)).collect();
    let found = Pass::of(&mut session, model, &pictures, class)?;
    expect_finite(|| "the class scores".to_owned(), &found.scores)?;
    let gradient = found.gradient;
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
    let mut session = prepared(model, 1, &other)?;
    let equal = Pass::of(&mut session, model, picture, class)?.has_the_bits_of(once);
    let word = if equal { "the same bits" } else { "other bits" };
    Ok(Check::new("threads", equal, format!("{} and {} threads give {word}", threads.count(), other.count())))
}

/// Once more, with the same memory: the same bits.
pub fn again(
    session: &mut Session,
    model: &Model,
    picture: &[f32],
    class: usize,
    once: &Pass,
) -> Result<Check> {
    let equal = Pass::of(session, model, picture, class)?.has_the_bits_of(once);
    let word = if equal { "the same bits" } else { "other bits" };
    Ok(Check::new("repetition", equal, format!("a second run gives {word}")))
}
