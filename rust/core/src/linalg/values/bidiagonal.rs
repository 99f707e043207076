//! Singular values of an upper bidiagonal matrix, and their proof.

/// Shifts that are counted at a time: divisions follow each other, but those of other shifts need
/// not wait.
const LANES: usize = 16;

/// More than enough sweeps for each value; two or three are usual.
const SWEEPS: usize = 40;

/// An upper bidiagonal matrix.
pub(super) struct Bidiagonal {
    /// The main diagonal, k values.
    pub diagonal: Vec<f64>,
    /// The one above it, k - 1 values (k at least 1).
    pub above: Vec<f64>,
}

impl Bidiagonal {
    /// The sums of squares and of fourth powers of the singular values: `|B|^2` and `|B'B|^2`.
    pub fn sums(&self) -> (f64, f64) {
        let (mut squares, mut fourth, mut last) = (0.0, 0.0, 0.0);
        for (j, d) in self.diagonal.iter().enumerate() {
            let e = self.above.get(j).copied().unwrap_or(0.0);
            let entry = d * d + last;
            squares += entry;
            fourth += entry * entry + 2.0 * (d * e) * (d * e);
            last = e * e;
        }
        (squares, fourth)
    }

    /// The singular values, descending, by the implicit QR iteration: shifted (Golub and Van Loan,
    /// section 8.6.2), without a shift where that would cost accuracy (Demmel and Kahan, 1990).
    /// `false` if it does not converge. Couplings are dropped below eps / 16 of the norm and below
    /// 2 eps of their neighbours, which rounding would restore.
    pub fn values(&self, s: &mut [f64]) -> bool {
        s.copy_from_slice(&self.diagonal);
        let mut e = self.above.clone();
        let norm = s.iter().chain(&e).map(|x| x * x).sum::<f64>().sqrt();
        let negligible = norm * f64::EPSILON / 16.0;
        let mut high = s.len() - 1;
        let mut left = SWEEPS * s.len();
        // Where the block that was swept last began and ended.
        let mut block = (usize::MAX, usize::MAX);
        while high > 0 {
            let coupled = |i: usize| {
                e[i].abs() > negligible.max(2.0 * f64::EPSILON * (s[i].abs() + s[i + 1].abs()))
            };
            if !coupled(high - 1) {
                high -= 1;
                continue;
            }
            if left == 0 || !e[high - 1].is_finite() {
                return false;
            }
            left -= 1;
            let low = (0..high).rev().find(|&i| !coupled(i)).map_or(0, |i| i + 1);
            // The iteration finds the small values at the end: they should be there.
            let new = high < block.0 || low > block.1;
            if new && s[low].abs() < s[high].abs() {
                s[low..=high].reverse();
                e[low..high].reverse();
            }
            block = (low, high);
            sweep(&mut s[low..=high], &mut e[low..high], norm);
        }
        s.iter_mut().for_each(|x| *x = x.abs());
        s.sort_by(|x, y| y.total_cmp(x));
        s[0].is_finite()
    }

    /// Whether each of `s`, descending, is within `tolerance` of the singular value of its rank.
    ///
    /// The eigenvalues of the tridiagonal matrix with zeros on the diagonal and d1, e1, d2, e2, ...
    /// beside it are the singular values and their negatives; those below a shift are counted by
    /// the signs of its pivots (Golub and Kahan, 1965). Rounding changes the count as if entries
    /// had changed in their last digits.
    pub fn proves(&self, s: &[f64], tolerance: f64) -> bool {
        let k = s.len();
        let (mut shifts, mut counts) = (Vec::with_capacity(2 * k), vec![0; 2 * k]);
        shifts.extend(s.iter().map(|x| x + tolerance));
        shifts.extend(s.iter().map(|x| x - tolerance));
        for (x, count) in shifts.chunks(LANES).zip(counts.chunks_mut(LANES)) {
            let mut lanes = [1.0; LANES];
            lanes[..x.len()].copy_from_slice(x);
            count.copy_from_slice(&self.below(&lanes)[..x.len()]);
        }
        // Half of the 2 k eigenvalues are negative (or zero), all of them below a positive shift.
        (0..k).all(|i| counts[i] >= 2 * k - i)
            && (0..k).all(|i| shifts[k + i] <= 0.0 || counts[k + i] < 2 * k - i)
    }

    /// How many eigenvalues of the tridiagonal matrix are below each shift.
    fn below(&self, shifts: &[f64; LANES]) -> [usize; LANES] {
        let mut pivots = shifts.map(|x| -x);
        let mut counts = [0.0; LANES];
        let mut entries = vec![0.0; 2 * self.diagonal.len()];
        for (pair, (d, e)) in entries
            .chunks_exact_mut(2)
            .zip(self.diagonal.iter().zip(self.above.iter().chain(&[0.0])))
        {
            (pair[0], pair[1]) = (d * d, e * e);
        }
        // The last one, above nothing, is no entry.
        entries.pop();
        for entry in std::iter::once(&0.0).chain(&entries) {
            for ((pivot, shift), count) in pivots.iter_mut().zip(shifts).zip(&mut counts) {
                let next = -shift - entry / *pivot;
                // A pivot of zero counts as negative, and must not be divided by.
                let next = if next.abs() < f64::MIN_POSITIVE { -f64::MIN_POSITIVE } else { next };
                *count += if next < 0.0 { 1.0 } else { 0.0 };
                *pivot = next;
            }
        }
        counts.map(|count| count as usize)
    }
}

/// One sweep over an unreduced block, from the top.
fn sweep(d: &mut [f64], e: &mut [f64], norm: f64) {
    let last = d.len() - 1;
    let shift = shift(d, e);
    // Half the digits of the smallest would be lost in a shift as small as that.
    let shifted = d[0] != 0.0
        && (shift / d[0]).powi(2) >= f64::EPSILON
        && d.iter().all(|x| x.abs() > norm * f64::EPSILON / 16.0);
    if !shifted {
        let (mut c, mut old_c, mut old_s) = (1.0, 1.0, 0.0);
        for i in 0..last {
            let (next_c, s, r) = rotation(d[i] * c, e[i]);
            if i > 0 {
                e[i - 1] = old_s * r;
            }
            c = next_c;
            (old_c, old_s, d[i]) = rotation(old_c * r, d[i + 1] * s);
        }
        let h = d[last] * c;
        (d[last], e[last - 1]) = (h * old_c, h * old_s);
        return;
    }
    let mut f = (d[0].abs() - shift) * (1f64.copysign(d[0]) + shift / d[0]);
    let mut g = e[0];
    for i in 0..last {
        let (c, s, r) = rotation(f, g);
        if i > 0 {
            e[i - 1] = r;
        }
        f = c * d[i] + s * e[i];
        e[i] = c * e[i] - s * d[i];
        g = s * d[i + 1];
        d[i + 1] *= c;
        let (c, s, r) = rotation(f, g);
        d[i] = r;
        f = c * e[i] + s * d[i + 1];
        d[i + 1] = c * d[i + 1] - s * e[i];
        if i + 1 < last {
            g = s * e[i + 1];
            e[i + 1] *= c;
        }
    }
    e[last - 1] = f;
}

/// The smaller singular value of the last two rows and columns, without its coupling upwards.
fn shift(d: &[f64], e: &[f64]) -> f64 {
    let last = d.len() - 1;
    let (f, g, h) = (d[last - 1].abs(), e[last - 1].abs(), d[last].abs());
    let sum = (f + h).hypot(g);
    let difference = (f - h).hypot(g);
    let larger = 0.5 * (sum + difference);
    if larger == 0.0 { 0.0 } else { f * (h / larger) }
}

/// (c, s, r) with `c f + s g = r` and `c g - s f = 0`.
fn rotation(f: f64, g: f64) -> (f64, f64, f64) {
    if g == 0.0 {
        return (1.0, 0.0, f);
    }
    let square = f * f + g * g;
    let r = if square > 1e-280 { square.sqrt() } else { f.hypot(g) };
    (f / r, g / r, r)
}
