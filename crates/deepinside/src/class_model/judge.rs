//! Whether a class model shows the class, or a quirk of the network that made it: another network is asked.
//!
//! A network's own probability reaches one for pictures in which a person sees nothing. So the picture, rounded to bytes as a person
//! would be shown it, is given to a second network, and what counts is the rank of the class there.

use std::sync::Arc;

use rand_mt::Mt;

use super::{ClassModel, Recipe, picture};
use crate::attribution::Runner;
use crate::classify::predictions;
use crate::evaluation::Rate;
use crate::vision::{Crop, Photograph};
use crate::{Error, Model, Result};

/// Another network's opinion of class models.
pub struct Judge {
    runner: Runner,
}

/// What came out for one class.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// The class.
    pub class: usize,
    /// How many classes the judge finds more probable.
    pub rank: usize,
    /// How many the network itself does that made the picture.
    pub own_rank: usize,
}

/// Figures over all classes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Summary {
    /// How often the judge names the class first.
    pub top1: Rate,
    /// How often it is among the judge's best five.
    pub top5: Rate,
    /// The median rank, the best being 1.
    pub median_rank: f64,
    /// How often the network itself names the class first.
    pub own_top1: Rate,
}

impl Judge {
    /// A judge by the model of a runner, whose classes must be those of the judged network.
    ///
    /// # Errors
    /// When their classes differ in number or name.
    pub fn new(runner: Runner, judged: &Model) -> Result<Self> {
        let model = runner.model();
        let (own, other) = (model.score.classes, judged.score.classes);
        let differs = (0..own.min(other)).find(|&class| {
            let synset = |model: &Model| model.labels.get(class).and_then(|label| label.synset.clone());
            matches!((synset(model), synset(judged)), (Some(own), Some(other)) if own != other)
        });
        if own != other || differs.is_some() {
            let what = match differs {
                Some(class) => format!("their class {class} is not the same"),
                None => format!("one has {other} classes, the other {own}"),
            };
            return Err(Error::Option(format!(
                "'{}' cannot judge pictures of '{}': {what}",
                model.name, judged.name
            )));
        }
        Ok(Self { runner })
    }

    /// Looks at the picture of a class.
    ///
    /// # Errors
    /// When the picture holds numbers that are not finite.
    pub fn judge(
        &mut self,
        judged: &Model,
        made: &ClassModel,
        class: usize,
        recipe: &Recipe,
    ) -> Result<Verdict> {
        let shown = picture(judged, &made.image, recipe.display)?;
        let photograph = Photograph::from_samples(shown.height(), shown.width(), 3, shown.rgb().to_vec())?;
        let model = Arc::clone(self.runner.model());
        let photograph = model.transformer.in_its_colours(&photograph)?;
        let input = model.input_of(&photograph, Crop::Whole)?;
        let rank = |model: &Model, scores| {
            let order = predictions(model, scores, model.score.classes);
            order.iter().take_while(|prediction| prediction.index != class).count()
        };
        let scores = self.runner.scores(input.data())?;
        Ok(Verdict { class, rank: rank(&model, &scores), own_rank: rank(judged, &made.result) })
    }
}

/// Figures over verdicts, with 95 % bootstrap intervals over classes.
pub fn summary(verdicts: &[Verdict]) -> Summary {
    let share = |is: &dyn Fn(&Verdict) -> bool| Rate::of(verdicts.iter().map(is));
    let mut ranks: Vec<usize> = verdicts.iter().map(|verdict| verdict.rank + 1).collect();
    ranks.sort_unstable();
    let middle = |index: usize| ranks.get(index).copied().unwrap_or(0) as f64;
    Summary {
        top1: share(&|verdict| verdict.rank == 0),
        top5: share(&|verdict| verdict.rank < 5),
        median_rank: (middle(ranks.len() / 2) + middle(ranks.len().saturating_sub(1) / 2)) / 2.0,
        own_top1: share(&|verdict| verdict.own_rank == 0),
    }
}

/// Different classes at random: those of NumPy's `RandomState(seed).choice(classes, count, replace=False)`.
pub fn random_classes(classes: usize, count: usize, seed: u32) -> Vec<usize> {
    let mut generator = Mt::new(seed);
    let mut order: Vec<usize> = (0..classes).collect();
    for index in (1..classes).rev() {
        // Draws below the next power of two until one fits.
        let mask = (index as u32 + 1).next_power_of_two().wrapping_sub(1);
        let other = loop {
            let drawn = generator.next_u32() & mask;
            if drawn <= index as u32 {
                break drawn as usize;
            }
        };
        order.swap(index, other);
    }
    order.truncate(count);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_numpy_s() {
        // numpy.random.RandomState(0).choice(1000, 20, replace=False)[:6], and RandomState(3).choice(10, 10, replace=False)
        assert_eq!(random_classes(1000, 6, 0), [993, 859, 298, 553, 672, 971]);
        assert_eq!(random_classes(10, 10, 3), [5, 4, 1, 2, 9, 6, 7, 0, 3, 8]);
    }

    #[test]
    fn figures_count_from_the_best() {
        let verdict = |rank| Verdict { class: 0, rank, own_rank: 0 };
        let figures = summary(&[verdict(0), verdict(3), verdict(9), verdict(5)]);
        assert_eq!((figures.top1.rate, figures.top5.rate, figures.own_top1.rate), (0.25, 0.5, 1.0));
        assert_eq!(figures.median_rank, 5.0);
    }
}
