//! Which method's maps tell most about a network, over many pictures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Details, Key, Keyed, Rate, TrueObject, key, photograph_of};
use crate::attribution::Runner;
use crate::attribution::report::{ReportSettings, controls, faithfulness, on_input};
use crate::{Error, Result, Target};

/// What came out for one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaithfulnessResult {
    /// The picture and its true class.
    #[serde(flatten)]
    pub key: Key,
    /// Per method, and per map that knows nothing of the network: deletion and insertion.
    pub by_method: BTreeMap<String, [f64; 2]>,
    /// How long it took.
    pub seconds: f64,
}

impl Keyed for FaithfulnessResult {
    fn key(&self) -> Key {
        self.key.clone()
    }
}

/// Measures the maps of the true class of every picture; `each` hears of every one. What `details` hold already is not computed again,
/// and what is new is added to them.
///
/// # Errors
/// When a picture cannot be read, its class does not exist, or a method does not fit the network.
pub fn faithfulness_all(
    runner: &mut Runner,
    settings: &ReportSettings,
    objects: &[TrueObject],
    mut details: Option<&mut Details<FaithfulnessResult>>,
    mut each: impl FnMut(),
) -> Result<Vec<FaithfulnessResult>> {
    let model = Arc::clone(runner.model());
    let mut methods = Vec::new();
    for (entry, choices) in &settings.methods {
        methods.push((entry.name, entry.make(&model, choices)?));
    }
    let mut results = Vec::new();
    for object in objects {
        let key = key(object, details.is_some())?;
        if let Some(known) = details.as_mut().and_then(|details| details.take(&key)) {
            results.push(known);
            each();
            continue;
        }
        let photograph = photograph_of(object, &model)?;
        let start = Instant::now();
        let input = model.input_of(&photograph, model.crop)?;
        let target = Target::class(object.class_index);
        let measured = match settings.of_score {
            true => target.clone(),
            false => target.of_probabilities().unwrap_or_else(|| target.clone()),
        };
        let mut maps = Vec::new();
        for (name, method) in &methods {
            maps.push((*name, on_input(&method.attribute(runner, &input, &target)?, &input)?));
        }
        maps.extend(controls(&input)?);
        let mut by_method = BTreeMap::new();
        for (name, map) in maps {
            let found = faithfulness(runner, &input, &measured, &map, settings.steps)?;
            by_method.insert(name.to_owned(), [found.deletion, found.insertion]);
        }
        let result = FaithfulnessResult { key, by_method, seconds: start.elapsed().as_secs_f64() };
        if let Some(details) = details.as_mut() {
            details.add(&result)?;
        }
        results.push(result);
        each();
    }
    Ok(results)
}

/// What one method's maps tell, over all pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaithfulnessSummary {
    /// The method, or the map that knows nothing of the network.
    pub method: String,
    /// The mean of the target while pixels are deleted.
    pub deletion: Rate,
    /// The mean while they are inserted.
    pub insertion: Rate,
    /// Insertion minus deletion.
    pub difference: Rate,
    /// How much less that is than the best method's, over the same pictures.
    pub behind_best: Rate,
}

/// Sums up, the best method first.
///
/// # Errors
/// When a result lacks a method that another has.
pub fn summarise(results: &[FaithfulnessResult]) -> Result<Vec<FaithfulnessSummary>> {
    let Some(first) = results.first() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for name in first.by_method.keys() {
        let of = |result: &FaithfulnessResult| result.by_method.get(name).copied();
        let pairs: Option<Vec<[f64; 2]>> = results.iter().map(of).collect();
        let pairs = pairs.ok_or_else(|| Error::Option(format!("a picture has no result of '{name}'")))?;
        let differences: Vec<f64> = pairs.iter().map(|[deletion, insertion]| insertion - deletion).collect();
        found.push((name.clone(), pairs, differences));
    }
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
    found.sort_by(|a, b| mean(&b.2).total_cmp(&mean(&a.2)));
    let best = found[0].2.clone();
    let summary = |(method, pairs, differences): (String, Vec<[f64; 2]>, Vec<f64>)| {
        let column = |which: usize| Rate::mean(&pairs.iter().map(|pair| pair[which]).collect::<Vec<f64>>());
        let behind: Vec<f64> = best.iter().zip(&differences).map(|(best, own)| best - own).collect();
        FaithfulnessSummary {
            deletion: column(0),
            insertion: column(1),
            difference: Rate::mean(&differences),
            behind_best: Rate::mean(&behind),
            method,
        }
    };
    Ok(found.into_iter().map(summary).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_comes_first_and_others_are_compared_picture_by_picture() {
        let result = |picture: f64| FaithfulnessResult {
            key: Key { file: "a.jpg".into(), class_index: 0, digest: String::new() },
            by_method: [
                ("worse".to_owned(), [0.3, 0.4 + picture]),
                ("better".to_owned(), [0.2, 0.4 + picture]),
            ]
            .into(),
            seconds: 0.0,
        };
        let results: Vec<FaithfulnessResult> = (0..20).map(|picture| result(f64::from(picture))).collect();
        let [better, worse] = &summarise(&results).unwrap()[..] else { panic!("two methods") };
        assert_eq!((better.method.as_str(), worse.method.as_str()), ("better", "worse"));
        // Pictures differ much more than the methods do on each of them.
        assert!((worse.behind_best.rate - 0.1).abs() < 1e-12);
        assert!((worse.behind_best.interval95[1] - 0.1).abs() < 1e-12);
        assert!(worse.difference.interval95[1] - worse.difference.interval95[0] > 1.0);
        assert!(summarise(&[]).unwrap().is_empty());
    }
}
