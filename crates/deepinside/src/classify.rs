//! What a network sees in a photograph.

use crate::Model;
use crate::runner::Scores;

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
