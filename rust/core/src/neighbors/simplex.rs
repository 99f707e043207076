//! The point of the simplex nearest to some scores.

/// Sparsemax of some scores, ascending by index.
pub(super) fn weights(mut scores: Vec<(f64, u32)>) -> Vec<(u32, f64)> {
    scores.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let largest = scores.first().map_or(0.0, |first| first.0);
    let (mut sum, mut bar) = (0.0, 0.0);
    for (rank, (score, _)) in scores.iter().enumerate() {
        // Around the largest: what is subtracted of equal scores is exactly zero.
        let (count, score) = (rank as f64 + 1.0, score - largest);
        if 1.0 + count * score <= sum + score {
            break;
        }
        sum += score;
        bar = (sum - 1.0) / count;
    }
    let weights = scores.iter().map(|&(score, j)| (j, (score - largest) - bar));
    let mut row: Vec<(u32, f64)> = weights.filter(|(_, weight)| *weight > 0.0).collect();
    row.sort_unstable_by_key(|(j, _)| *j);
    row
}

/// τ of some scores, of which those above it remain; `-inf` of none. Each round leaves out what
/// cannot be above it (Michelot 1986).
pub(super) fn threshold(scores: &mut Vec<f64>) -> f64 {
    let largest = scores.iter().fold(f64::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let mut bar = largest - 1.0;
    loop {
        let (mut sum, mut count) = (0.0, 0);
        for at in 0..scores.len() {
            let score = scores[at];
            // Without a branch: which are left is hard to foresee.
            scores[count] = score;
            let above = score > bar;
            count += usize::from(above);
            sum += if above { score - largest } else { 0.0 };
        }
        scores.truncate(count);
        let next = largest + (sum - 1.0) / count.max(1) as f64;
        if next.is_nan() || next <= bar {
            return bar;
        }
        bar = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By bisection of `Σ max(z - τ, 0) = 1`.
    fn oracle(scores: &[f64]) -> f64 {
        let mass = |bar: f64| scores.iter().map(|z| (z - bar).max(0.0)).sum::<f64>();
        let (mut low, mut high) = (-3.0, 2.0);
        for _ in 0..200 {
            let middle = f64::midpoint(low, high);
            if mass(middle) > 1.0 { low = middle } else { high = middle }
        }
        low
    }

    #[test]
    fn the_threshold_is_that_of_bisection_and_what_is_above_remains() {
        for count in [1, 2, 3, 10, 100, 1000] {
            let scores: Vec<f64> =
                (0..count).map(|i| f64::from(i * i % 1009 * 7919 % 1009) / 1009.0 - 0.3).collect();
            let expected = oracle(&scores);
            let mut left = scores.clone();
            assert!((threshold(&mut left) - expected).abs() < 1e-12);
            let above: Vec<f64> = scores.iter().copied().filter(|z| *z > expected).collect();
            assert_eq!(left, above);
            let found = weights(scores.iter().copied().zip(0..).collect());
            assert!((found.iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-12);
            for (j, weight) in found {
                assert!((scores[j as usize] - expected - weight).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn equal_scores_have_equal_weights_and_nothing_has_none() {
        let found = weights(vec![(0.1 + 0.2, 3), (0.1 + 0.2, 1), (0.3, 2)]);
        assert_eq!(found[0].1.to_bits(), found[2].1.to_bits());
        assert_eq!(found.iter().map(|entry| entry.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(weights(Vec::new()).is_empty());
        assert_eq!(threshold(&mut Vec::new()), f64::NEG_INFINITY);
    }
}
