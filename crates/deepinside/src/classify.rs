//! What a network sees in a photograph.

use crate::{Model, Scores, Target};

/// One class that a network names.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Prediction {
    /// The class.
    pub index: usize,
    /// Its WordNet synset, where the names state one.
    pub synset: Option<String>,
    /// Its name.
    pub name: String,
    /// The unnormalised score.
    pub score: f32,
    /// The network's own probability; where it ends in scores, their softmax.
    pub probability: f32,
}

/// What a model says of a photograph: the scores of the model's own crop.
///
/// The classes that are explained come from here, so that a photograph has one answer in every command and on the page.
/// What looks at other parts of it explains *these* classes, and says where those parts would have chosen another
/// ([`Classification::other_choice`]). Only the recipe `original` chooses by ten crops, as the class project did.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    scores: Scores,
}

impl Classification {
    /// From the scores of the model's own crop, where they are there.
    pub fn from_scores(scores: Scores) -> Self {
        Self { scores }
    }

    /// The most probable classes, the best first.
    pub fn top(&self, model: &Model, count: usize) -> Vec<Prediction> {
        predictions(model, &self.scores, count)
    }

    /// The score of the most probable class: what is explained where nothing is named.
    pub fn target(&self, model: &Model) -> Target {
        Target::class(self.top(model, 1).first().map_or(0, |best| best.index))
    }

    /// How many classes are more probable than this one.
    pub fn rank(&self, model: &Model, class: usize) -> usize {
        let order = self.top(model, usize::MAX);
        order.iter().take_while(|prediction| prediction.index != class).count()
    }

    /// What other parts of the photograph say, given their scores, where their most probable class is another one.
    pub fn other_choice(&self, model: &Model, seen: &Scores) -> Option<Prediction> {
        let own = self.top(model, 1).pop()?;
        predictions(model, seen, 1).pop().filter(|seen| seen.index != own.index)
    }
}

/// The most probable classes, the best first; of equal ones the smaller index.
pub fn predictions(model: &Model, scores: &Scores, count: usize) -> Vec<Prediction> {
    let mut order: Vec<usize> = (0..scores.scores.len()).collect();
    order.sort_by(|&a, &b| {
        let by_probability = scores.probabilities[b].total_cmp(&scores.probabilities[a]);
        by_probability.then(scores.scores[b].total_cmp(&scores.scores[a])).then(a.cmp(&b))
    });
    order.truncate(count);
    order.into_iter().map(|index| prediction(model, scores, index)).collect()
}

/// One class with its score.
pub fn prediction(model: &Model, scores: &Scores, index: usize) -> Prediction {
    Prediction {
        index,
        synset: model.labels.get(index).and_then(|label| label.synset.clone()),
        name: model.class_name(index),
        score: scores.scores[index],
        probability: scores.probabilities[index],
    }
}

/// The mean of several crops' scores, as Caffe's classifier averages its ten crops.
pub fn mean_scores(crops: &[Scores]) -> Option<Scores> {
    let first = crops.first()?;
    let mean = |numbers: &dyn Fn(&Scores) -> &[f32]| -> Vec<f32> {
        (0..first.scores.len())
            .map(|class| {
                let sum: f64 = crops.iter().map(|crop| f64::from(numbers(crop)[class])).sum();
                (sum / crops.len() as f64) as f32
            })
            .collect()
    };
    Some(Scores { scores: mean(&|crop| &crop.scores), probabilities: mean(&|crop| &crop.probabilities) })
}

/// A sentence, where scores are so flat or so far apart that a photograph was probably prepared otherwise than in training, or the
/// network was not trained.
///
/// The limits lie far from what trained networks say of photographs: among a hundred classes or more the most probable one has several
/// times the mean probability, and unnormalised scores lie some tens apart.
pub fn suspicion(scores: &Scores) -> Option<String> {
    const CLASSES: usize = 100;
    const FLAT: f32 = 2.0;
    const FAR: f32 = 200.0;
    let classes = scores.scores.len();
    if classes < CLASSES {
        return None;
    }
    let most = scores.probabilities.iter().copied().fold(0.0, f32::max);
    let (low, high) = scores
        .scores
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &score| (low.min(score), high.max(score)));
    let what = if most * (classes as f32) < FLAT {
        format!("no class is more probable than {most:.4}, nearly as if all {classes} were alike")
    } else if high - low > FAR {
        format!("the scores lie {:.0} apart, from {low:.0} to {high:.0}", high - low)
    } else {
        return None;
    };
    Some(format!(
        "{what}; the picture may be prepared otherwise than in training (see `deepinside info`: raw scale, mean, scale, channel order), \
         or the network is not trained"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspected(scores: Vec<f32>) -> Option<String> {
        let sum: f32 = scores.iter().map(|score| score.exp()).sum();
        let probabilities = scores.iter().map(|score| score.exp() / sum).collect();
        suspicion(&Scores { scores, probabilities })
    }

    #[test]
    fn flat_and_saturated_scores_are_suspected() {
        let mut scores = vec![0.0; 1000];
        assert!(suspected(scores.clone()).unwrap().contains("as if all 1000 were alike"));
        scores[3] = 8.0;
        assert_eq!(suspected(scores.clone()), None);
        scores[3] = 60.0;
        scores[4] = -180.0;
        assert!(suspected(scores).unwrap().contains("240 apart, from -180 to 60"));
        assert_eq!(suspected(vec![0.0; 6]), None);
    }
}
