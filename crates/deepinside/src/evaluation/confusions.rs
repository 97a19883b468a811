//! Which classes are taken for which.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ClassResult;

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
    found.sort_by_key(|confusion| std::cmp::Reverse(confusion.results.len()));
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
