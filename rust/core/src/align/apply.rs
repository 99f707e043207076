//! Applying an affine map to rows.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef as Dense, Par};
use rayon::prelude::*;

use crate::linalg::{Scalar, Stack};
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows of one task. Fixed, so that no byte depends on the number of threads.
const ROWS: usize = 1024;

/// x -> scale (x - `source_mean`) matrix + `target_mean`, one map for each matrix of a stack.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a, T> {
    /// count x d x e.
    pub matrix: Stack<'a, T>,
    /// count x d.
    pub source_mean: Option<&'a [f64]>,
    /// count x e.
    pub target_mean: Option<&'a [f64]>,
    /// count.
    pub scale: &'a [f64],
}

/// Apply `map` to the rows of `x`, into `out` (count x n x e).
///
/// The difference from the mean and its scaling are computed in float64 and rounded once to T; the
/// product and the target mean are added in T: |error| <= (d + 2) eps sum |scale (x - m)| |w|.
/// A row has the same bytes whatever rows are beside it. O(n d e); memory: 1,024 rows per thread.
///
/// # Errors
/// [`Error::Shape`] when anything does not fit, [`Error::Cancelled`].
pub fn apply_affine<T: Scalar + Default>(
    x: Stack<'_, T>,
    map: Affine<'_, T>,
    out: &mut [T],
    control: &Control,
) -> Result<()> {
    let (count, n, d, e) = (x.count, x.rows, x.cols, map.matrix.cols);
    let fits = |values: Option<&[f64]>, each| values.is_none_or(|v| v.len() == count * each);
    if map.matrix.count != count
        || map.matrix.rows != d
        || !fits(map.source_mean, d)
        || !fits(map.target_mean, e)
        || map.scale.len() != count
        || out.len() != count * n * e
    {
        return Err(Error::Shape {
            argument: "x",
            expected: format!("{} x n x {}", map.matrix.count, map.matrix.rows),
            got: format!("{count} x {n} x {d}"),
        });
    }
    if out.is_empty() {
        return Ok(());
    }
    control.start((count * n.div_ceil(ROWS)) as u64);
    (out.par_chunks_exact_mut(n * e).enumerate()).try_for_each(|(index, out)| {
        let one = One {
            matrix: Dense::from_row_major_slice(map.matrix.get(index), d, e),
            source_mean: map.source_mean.map(|m| &m[index * d..(index + 1) * d]),
            target_mean: map.target_mean.map(|t| &t[index * e..(index + 1) * e]),
            scale: map.scale[index],
        };
        let rows = x.get(index);
        (out.par_chunks_mut(ROWS * e).enumerate()).try_for_each_init(
            Vec::new,
            |buffer, (b, out)| {
                control.check()?;
                let count = out.len() / e;
                one.block(&rows[b * ROWS * d..(b * ROWS + count) * d], out, buffer);
                control.advance(1);
                Ok(())
            },
        )
    })
}

/// One map.
struct One<'a, T> {
    matrix: Dense<'a, T>,
    source_mean: Option<&'a [f64]>,
    target_mean: Option<&'a [f64]>,
    scale: f64,
}

impl<T: Scalar + Default> One<'_, T> {
    fn block(&self, rows: &[T], out: &mut [T], buffer: &mut Vec<T>) {
        let (d, e) = self.matrix.shape();
        let count = out.len() / e;
        if count == 1 {
            // The product of a single row sums in an order of its own: no byte of a row may depend
            // on how many others there are.
            let mut both = vec![T::default(); 2 * e];
            self.block(&[rows, rows].concat(), &mut both, buffer);
            out.copy_from_slice(&both[..e]);
            return;
        }
        let mut accumulate = Accum::Replace;
        if let Some(mean) = self.target_mean {
            for row in out.chunks_exact_mut(e) {
                row.iter_mut().zip(mean).for_each(|(y, t)| *y = T::round(*t));
            }
            accumulate = Accum::Add;
        }
        let rows = if self.source_mean.is_none() && self.scale == 1.0 {
            rows
        } else {
            buffer.clear();
            for row in rows.chunks_exact(d.max(1)) {
                match self.source_mean {
                    Some(mean) => buffer.extend(
                        (row.iter().zip(mean)).map(|(x, m)| T::round(self.scale * (x.widen() - m))),
                    ),
                    None => buffer.extend(row.iter().map(|x| T::round(self.scale * x.widen()))),
                }
            }
            buffer
        };
        matmul(
            MatMut::from_row_major_slice_mut(out, count, e),
            accumulate,
            Dense::from_row_major_slice(rows, count, d),
            self.matrix,
            T::round(1.0),
            Par::Seq,
        );
    }
}
