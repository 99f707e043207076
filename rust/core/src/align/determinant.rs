//! The sign of a determinant.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::{Mat, Par};

/// The sign of the determinant of a square, well-conditioned matrix, from the signs of the pivots:
/// their product itself could underflow. O(d^3).
pub(super) fn sign(matrix: &Mat<f64>) -> f64 {
    let d = matrix.nrows();
    let mut lu = matrix.clone();
    let (mut forward, mut backward) = (vec![0usize; d], vec![0usize; d]);
    let mut memory =
        MemBuffer::new(lu_in_place_scratch::<usize, f64>(d, d, Par::Seq, faer::prelude::default()));
    lu_in_place(
        lu.as_mut(),
        &mut forward,
        &mut backward,
        Par::Seq,
        MemStack::new(&mut memory),
        faer::prelude::default(),
    );
    let negative_pivots = (0..d).filter(|&i| lu[(i, i)] < 0.0).count();
    if (negative_pivots + transpositions(&forward)).is_multiple_of(2) { 1.0 } else { -1.0 }
}

/// How many transpositions make the permutation: its length less its number of cycles.
fn transpositions(permutation: &[usize]) -> usize {
    let mut seen = vec![false; permutation.len()];
    let mut count = 0;
    for start in 0..permutation.len() {
        let mut i = start;
        while !seen[i] {
            seen[i] = true;
            i = permutation[i];
            count += usize::from(i != start);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_permutations_reflections_and_rotations() {
        let permuted =
            |p: &[usize]| Mat::from_fn(p.len(), p.len(), |i, j| f64::from(u8::from(p[i] == j)));
        assert_eq!(sign(&permuted(&[0, 1, 2])), 1.0);
        assert_eq!(sign(&permuted(&[1, 0, 2])), -1.0);
        assert_eq!(sign(&permuted(&[1, 2, 0])), 1.0);
        assert_eq!(sign(&permuted(&[1, 2, 3, 0])), -1.0);
        let mut m = Mat::<f64>::identity(700, 700);
        m[(3, 3)] = -1.0;
        assert_eq!(sign(&m), -1.0);
        let (s, c) = 2.5f64.sin_cos();
        let turn = Mat::from_fn(2, 2, |i, j| [[c, s], [-s, c]][i][j]);
        assert_eq!(sign(&turn), 1.0);
    }
}
