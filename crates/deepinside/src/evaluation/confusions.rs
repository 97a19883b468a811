//! Which classes are taken for which.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::{ClassResult, details};
use crate::{Error, Model, Result};

/// A class that is taken for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// What the pictures show.
    pub class_index: usize,
    /// What the network names instead.
    pub named: usize,
    /// How many pictures of the class there are.
    pub of: usize,
    /// Which of the results are taken for the other, in their order.
    #[serde(skip)]
    pub results: Vec<usize>,
}

impl Confusion {
    /// Its results, those first for which the network finds the most other classes more probable.
    pub fn worst(&self, results: &[ClassResult]) -> Vec<usize> {
        let mut worst = self.results.clone();
        worst.sort_by_key(|&index| (Reverse(results[index].rank), index));
        worst
    }
}

/// What a network said of the pictures of an evaluation, and what it took for what.
#[derive(Debug, Clone)]
pub struct Mistakes {
    /// Of all pictures.
    pub results: Vec<ClassResult>,
    /// The most common first.
    pub confusions: Vec<Confusion>,
}

impl Mistakes {
    /// Reads what `evaluate classification --details` wrote of this network.
    ///
    /// # Errors
    /// When the file cannot be read, holds something else, or names a class that the network does not have.
    pub fn read(path: &Path, model: &Model) -> Result<Self> {
        let (settings, results) = details::read::<ClassResult>(path)?;
        let failed = |why: String| Error::Option(format!("{}: {why}", path.display()));
        let measure = settings.settings.get("measure").and_then(|measure| measure.as_str());
        if measure != Some("classification") {
            return Err(failed("it is no file of `evaluate classification --details`".to_owned()));
        }
        let classes = model.score.classes;
        let most = results.iter().map(|result| result.named.max(result.key.class_index)).max();
        if let Some(most) = most.filter(|&most| most >= classes) {
            return Err(failed(format!("it names class {most}, and '{}' has {classes}", model.name)));
        }
        let confusions = confusions(&results);
        Ok(Self { results, confusions })
    }
}

/// All confusions, the most common first; of equally common ones that with the smaller classes.
pub fn confusions(results: &[ClassResult]) -> Vec<Confusion> {
    let mut of: BTreeMap<usize, usize> = BTreeMap::new();
    let mut pairs: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (index, result) in results.iter().enumerate() {
        *of.entry(result.key.class_index).or_default() += 1;
        if result.rank > 0 {
            pairs.entry((result.key.class_index, result.named)).or_default().push(index);
        }
    }
    let confusion = |((class_index, named), results)| Confusion {
        class_index,
        named,
        of: of.get(&class_index).copied().unwrap_or_default(),
        results,
    };
    let mut found: Vec<Confusion> = pairs.into_iter().map(confusion).collect();
    // The sort is stable, and pairs come in the order of their classes.
    found.sort_by_key(|confusion| Reverse(confusion.results.len()));
    found
}

#[cfg(test)]
mod tests {
    use super::super::Key;
    use super::*;

    #[test]
    fn confusions_are_counted_by_pairs_of_classes() {
        // The true class, what is named, and how many classes are more probable than the true one.
        let named = [(1, 1, 0), (1, 2, 3), (2, 1, 1), (1, 2, 9), (3, 0, 2), (2, 2, 0)];
        let results: Vec<ClassResult> = named
            .iter()
            .map(|&(class_index, named, rank)| ClassResult {
                key: Key { file: "x".into(), class_index, digest: String::new() },
                rank,
                named,
                seconds: 0.0,
            })
            .collect();
        let found = confusions(&results);
        let plain: Vec<_> =
            found.iter().map(|own| (own.class_index, own.named, own.of, own.results.clone())).collect();
        assert_eq!(plain, [(1, 2, 3, vec![1, 3]), (2, 1, 2, vec![2]), (3, 0, 1, vec![4])]);
        assert_eq!(confusions(&[]), []);
    }
}
