//! The name that was probably meant.

/// Longer names than this are not compared: the cost grows with the product of the lengths.
const LONGEST: usize = 64;

/// The candidate most similar to `name`, if any differs in at most a third of its characters (letter case
/// apart).
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST && candidate.len().abs_diff(name.len()) <= 4 * allowed)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far_from_it() {
        let kinds = ["ReLU", "PReLU", "Pooling", "Convolution"];
        assert_eq!(nearest("Relu", kinds), Some("ReLU"));
        assert_eq!(nearest("Convolutoin", kinds), Some("Convolution"));
        assert_eq!(nearest("LSTM", kinds), None);
        assert_eq!(nearest(&"x".repeat(1000), kinds), None);
    }
}
