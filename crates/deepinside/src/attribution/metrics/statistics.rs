//! Correlations and lengths.

/// The correlation of two lists (Pearson); 0 where one is constant.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let count = a.len() as f64;
    let [mean_a, mean_b] = [a, b].map(|list| list.iter().sum::<f64>() / count);
    let products = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b));
    let squares = |list: &[f64], mean: f64| list.iter().map(|number| (number - mean).powi(2)).sum::<f64>();
    let length = (squares(a, mean_a) * squares(b, mean_b)).sqrt();
    if length == 0.0 { 0.0 } else { products.sum::<f64>() / length }
}

/// The correlation of ranks (Spearman); equal numbers have their mean rank.
pub(in crate::attribution) fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    correlation(&ranks(a), &ranks(b))
}

fn ranks(list: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_by(|&a, &b| list[a].total_cmp(&list[b]));
    let mut ranks = vec![0.0; list.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| list[a] == list[b]) {
        let rank = before as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&index| ranks[index] = rank);
        before += equal.len();
    }
    ranks
}

/// The length of a vector.
pub(super) fn length(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|number| number * number).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.spearmanr` and `pearsonr`.
    #[test]
    fn correlations_are_those_of_scipy() {
        let (a, b) = ([1.0, 2.0, 2.0, 5.0, -1.0], [0.0, 3.0, 1.0, 4.0, 4.0]);
        assert!((correlation(&a, &b) - 0.152_351_014_835_707_73).abs() < 1e-12, "{}", correlation(&a, &b));
        assert!(
            (rank_correlation(&a, &b) - 0.157_894_736_842_105_26).abs() < 1e-12,
            "{}",
            rank_correlation(&a, &b)
        );
        assert_eq!(correlation(&a, &[1.0; 5]), 0.0);
    }
}
