//! One-sided Jacobi: slow for large matrices, and right for every one of them.
//!
//! Hestenes' method as in Golub and Van Loan, section 8.6.3: plane rotations from the right make
//! the columns of A orthogonal; their norms are the singular values.

use faer::Mat;

/// More than any matrix needs: convergence is quadratic after some five sweeps.
const SWEEPS: usize = 60;

/// Factorise `a` (rows >= cols): its columns become `u * diag(s)`, `v` the rotations. Not sorted.
/// Columns of negligible norm become zero in `u`; the caller completes them.
///
/// `false` when it did not converge, which only non-finite values can cause.
pub(super) fn factorise(a: &mut Mat<f64>, s: &mut [f64], v: &mut Mat<f64>) -> bool {
    let d = a.ncols();
    let tolerance = f64::EPSILON * (a.nrows() as f64).sqrt();
    // A column this short is rounding of the longer ones: its direction means nothing, and
    // rotations would chase it forever. It counts as zero.
    let floor = f64::EPSILON * a.norm_l2();
    v.as_mut().fill(0.0);
    for j in 0..d {
        v[(j, j)] = 1.0;
    }
    let mut converged = false;
    for _ in 0..SWEEPS {
        converged = true;
        for p in 0..d {
            for q in p + 1..d {
                let (mut alpha, mut beta, mut gamma) = (0.0, 0.0, 0.0);
                for (x, y) in columns(a, p, q) {
                    alpha += *x * *x;
                    beta += *y * *y;
                    gamma += *x * *y;
                }
                // The product of the roots, not the root of the product: that could underflow.
                let (x, y) = (alpha.sqrt(), beta.sqrt());
                let negligible = x.min(y) <= floor;
                let orthogonal = negligible || gamma.abs() <= tolerance * x * y;
                // Ordering the norms as well speeds convergence up (de Rijk).
                if orthogonal && alpha >= beta {
                    continue;
                }
                if !orthogonal {
                    converged = false;
                }
                let (c, s) = if orthogonal { (0.0, 1.0) } else { rotation(alpha, beta, gamma) };
                rotate(a, p, q, c, s);
                rotate(v, p, q, c, s);
            }
        }
        if converged {
            break;
        }
    }
    for j in 0..d {
        let norm = a.col(j).norm_l2();
        s[j] = if norm > floor { norm } else { 0.0 };
        for i in 0..a.nrows() {
            a[(i, j)] = if norm > floor { a[(i, j)] / norm } else { 0.0 };
        }
    }
    converged
}

/// The eigenvalues of a symmetric `a`, which is used up, and its eigenvectors in the columns of `v`;
/// not sorted. Jacobi's method, cyclic by rows, as in Golub and Van Loan, section 8.5.
///
/// `false` when it did not converge, which only non-finite values can cause.
pub(super) fn symmetric(a: &mut Mat<f64>, values: &mut [f64], v: &mut Mat<f64>) -> bool {
    let d = a.ncols();
    // All of them together leave a residual of eps |A|.
    let negligible = f64::EPSILON * a.norm_l2() / d as f64;
    v.as_mut().fill(0.0);
    v.as_mut().diagonal_mut().fill(1.0);
    let mut converged = false;
    for _ in 0..SWEEPS {
        converged = true;
        for p in 0..d {
            for q in p + 1..d {
                let between = a[(p, q)];
                if between.abs() <= negligible {
                    continue;
                }
                converged = false;
                let zeta = (a[(q, q)] - a[(p, p)]) / (2.0 * between);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = c * t;
                rotate(a, p, q, c, s);
                for j in 0..d {
                    let (x, y) = (a[(p, j)], a[(q, j)]);
                    (a[(p, j)], a[(q, j)]) = (c * x - s * y, s * x + c * y);
                }
                rotate(v, p, q, c, s);
            }
        }
        if converged {
            break;
        }
    }
    for (j, value) in values.iter_mut().enumerate() {
        *value = a[(j, j)];
    }
    converged
}

/// The rotation that makes two columns with these squared norms and product orthogonal, the longer
/// one first.
fn rotation(alpha: f64, beta: f64, gamma: f64) -> (f64, f64) {
    let zeta = (beta - alpha) / (2.0 * gamma);
    let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let (c, s) = (c, c * t);
    if alpha >= beta { (c, s) } else { (s, -c) }
}

fn columns(m: &mut Mat<f64>, p: usize, q: usize) -> impl Iterator<Item = (&mut f64, &mut f64)> {
    let (left, right) = m.as_mut().split_at_col_mut(q);
    let x = left.col_mut(p).iter_mut();
    x.zip(right.col_mut(0).iter_mut())
}

fn rotate(m: &mut Mat<f64>, p: usize, q: usize, c: f64, s: f64) {
    for (x, y) in columns(m, p, q) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}
