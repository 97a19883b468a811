//! One picture at a time through one session.

use std::borrow::Cow;
use std::collections::BTreeMap;

use deepinside_engine::{Session, Target as Top};
use deepinside_graph::ValueId;

use crate::target::Evaluated;
use crate::{Model, Result, Target};

/// What one picture at a time takes.
pub struct Worker {
    pub session: Session,
    /// What went forward last.
    last: Option<Vec<f32>>,
    /// How many pictures went forward.
    pub forward_passes: usize,
}

impl Worker {
    /// One through which nothing went yet.
    pub fn new(session: Session) -> Self {
        Self { session, last: None, forward_passes: 0 }
    }

    /// Whether these numbers are what went forward last.
    pub fn is_last(&self, numbers: &[f32]) -> bool {
        self.last.as_deref().is_some_and(|last| is_same(last, numbers))
    }

    /// Takes numbers forward.
    pub fn forward(
        &mut self,
        enters: ValueId,
        numbers: Cow<'_, [f32]>,
        beside: Option<(ValueId, &[f32])>,
    ) -> Result<()> {
        // What fails halfway must not pass for what went forward.
        let last = self.last.take();
        let inputs: Vec<(ValueId, &[f32])> = beside.into_iter().chain([(enters, &*numbers)]).collect();
        self.session.forward(&inputs)?;
        self.forward_passes += 1;
        self.last = Some(match (numbers, last) {
            (Cow::Borrowed(numbers), Some(mut last)) => {
                last.clear();
                last.extend_from_slice(numbers);
                last
            }
            (numbers, _) => numbers.into_owned(),
        });
        Ok(())
    }

    /// Evaluates the target, and takes its gradient back where that is asked for.
    pub fn pass(
        &mut self,
        model: &Model,
        target: &Target,
        classes: Option<&[usize]>,
        is_backward: bool,
    ) -> Result<f64> {
        let session = &self.session;
        let read = &mut |value| {
            let numbers = session.activation(value)?;
            Ok(classes.map_or_else(|| numbers.clone(), |classes| among_all(model, classes, &numbers)))
        };
        let Evaluated { number, gradients } = target.evaluate(model, read)?;
        if is_backward {
            self.backward(gradients)?;
        }
        Ok(number)
    }

    fn backward(&mut self, gradients: Vec<(ValueId, Vec<f32>)>) -> Result<()> {
        let tops: BTreeMap<usize, (ValueId, Top)> = gradients
            .into_iter()
            .map(|(value, gradient)| (value.index(), (value, Top::Dense(gradient))))
            .collect();
        let tops: Vec<(ValueId, &Top)> = tops.values().map(|(value, top)| (*value, top)).collect();
        Ok(self.session.backward(&tops)?)
    }
}

/// Whether numbers are equal, looked at some at a time.
fn is_same(last: &[f32], numbers: &[f32]) -> bool {
    let differ = |one: &[f32], other: &[f32]| {
        one.iter().zip(other).fold(0, |found, (a, b)| found | (a.to_bits() ^ b.to_bits())) != 0
    };
    last.len() == numbers.len() && !last.chunks(1024).zip(numbers.chunks(1024)).any(|(a, b)| differ(a, b))
}

/// The scores of all classes, of which only some were computed; the others are zero.
fn among_all(model: &Model, classes: &[usize], computed: &[f32]) -> Vec<f32> {
    let positions = computed.len() / classes.len().max(1);
    let mut scores = vec![0.0; model.score.classes * positions];
    for (&class, computed) in classes.iter().zip(computed.chunks_exact(positions.max(1))) {
        scores[class * positions..(class + 1) * positions].copy_from_slice(computed);
    }
    scores
}
