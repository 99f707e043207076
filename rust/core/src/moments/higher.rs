//! The norm-weighted sums, which move with the mean.

use super::Sums;
use super::panel::Panel;

/// Add the last rows of `panel`, which are about the mean and multiplied by the roots of their
/// weights.
pub(super) fn add(sums: &mut Sums<'_>, panel: &Panel, weights: &[f64]) {
    let squares = panel.squares(weights.len());
    // With r = sqrt(w): w |x|^2 z = (|r x|^2 / r) (r z).
    let over = |w: f64| if w > 0.0 { 1.0 / w.sqrt() } else { 0.0 };
    let scaled: Vec<[f64; 2]> =
        squares.iter().zip(weights).map(|(pair, w)| pair.map(|square| square * over(*w))).collect();
    let (third, fourth) = sums.norms.split_at_mut(2 * (sums.mean.len() / 2));
    for [a, b] in &scaled {
        fourth[0] += a * a;
        fourth[1] += a * b;
        fourth[2] += b * b;
    }
    for (side, third) in third.chunks_exact_mut(sums.mean.len() / 2).enumerate() {
        let factors: Vec<f64> = scaled.iter().map(|pair| pair[side]).collect();
        panel.add_weighted(&factors, third);
    }
}

/// Turn sums about the mean into sums about the mean less `offset`: every row gains `offset`.
///
/// `weight` is that of the rows, and `second` their second moments about the mean: with a = |x|^2,
/// u = x . p, p the part of the offset that belongs to x, and sums of x that are zero,
/// sum |x + p|^2 (z + o) = sum a z + o sum a + 2 S (p, 0) + W |p|^2 o, and likewise the others.
pub(super) fn shift(sums: &mut Sums<'_>, weight: f64, offset: &[f64]) {
    let (width, split) = (sums.width(), sums.split);
    let traces = traces(sums.second, width, split);
    let (p, q) = offset.split_at(split);
    let lengths = [square(p), square(q)];
    let images = images(sums.second, width, split, offset);
    let (third, fourth) = sums.norms.split_at_mut(2 * width);
    let part = |side: usize| if side == 0 { 0..split } else { split..width };
    for (slot, (a, b)) in [(0, 0), (0, 1), (1, 1)].into_iter().enumerate() {
        // sum |x + p|^2 |y + q|^2, the terms in the order of the module's notes.
        let [of_a, of_b] = [&third[a * width..][..width], &third[b * width..][..width]];
        let along = |t: &[f64], side| dot(&t[part(side)], &offset[part(side)]);
        fourth[slot] += 2.0 * (along(of_a, b) + along(of_b, a))
            + lengths[b] * traces[a]
            + lengths[a] * traces[b]
            + 4.0 * dot(&images[a][part(b)], &offset[part(b)])
            + weight * lengths[a] * lengths[b];
    }
    for (side, third) in third.chunks_exact_mut(width).enumerate() {
        let straight = traces[side] + weight * lengths[side];
        for ((t, o), image) in third.iter_mut().zip(offset).zip(&images[side]) {
            *t += o * straight + 2.0 * image;
        }
    }
}

fn square(values: &[f64]) -> f64 {
    dot(values, values)
}

/// In eight lanes, which vectorise, added in a fixed order.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    for (x, y) in x.iter().zip(y) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f64>() + rest
}

/// sum w |x - mx|^2 and sum w |y - my|^2.
fn traces(second: &[f64], width: usize, split: usize) -> [f64; 2] {
    let diagonal = |range: std::ops::Range<usize>| range.map(|i| second[i * width + i]).sum();
    [diagonal(0..split), diagonal(split..width)]
}

/// S (p, 0) and S (0, q) for the offset (p, q), from the upper triangle of S.
fn images(second: &[f64], width: usize, split: usize, offset: &[f64]) -> [Vec<f64>; 2] {
    let mut images = [vec![0.0; width], vec![0.0; width]];
    for i in 0..width {
        let row = &second[i * width..(i + 1) * width];
        let own = usize::from(i >= split);
        images[own][i] += row[i] * offset[i];
        // Right of the diagonal: once as it stands, once for its mirror image below.
        for (side, columns) in [(0, i + 1..split), (1, split.max(i + 1)..width)] {
            if !columns.is_empty() {
                images[side][i] += dot(&row[columns.clone()], &offset[columns]);
            }
        }
        for (image, s) in images[own][i + 1..].iter_mut().zip(&row[i + 1..]) {
            *image += s * offset[i];
        }
    }
    images
}
