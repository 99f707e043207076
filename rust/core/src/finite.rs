//! The check that every value is finite.

use isomorph_kernels::Element;
use rayon::prelude::*;

use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows of one task: large enough to pay for the task, small enough for Ctrl-C.
const BLOCK: usize = 4096;

/// The first row that has a NaN or an infinity. O(rows x cols), one read of the matrix.
///
/// # Errors
/// [`Error::Cancelled`] when asked to stop.
pub fn first_nonfinite_row<T: Element>(
    matrix: MatRef<'_, T>,
    control: &Control,
) -> Result<Option<usize>> {
    (0..matrix.rows().div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            if control.is_cancelled() {
                return Some(Err(Error::Cancelled));
            }
            let (start, end) = (block * BLOCK, ((block + 1) * BLOCK).min(matrix.rows()));
            // `&` instead of `&&` keeps the scan free of branches, so that it vectorises.
            let sound = matrix.slice(start, end).data().iter().fold(true, |ok, x| ok & x.finite());
            if sound {
                return None;
            }
            (start..end).find(|&i| !matrix.row(i).iter().all(|x| x.finite())).map(Ok)
        })
        .find_first(Option::is_some)
        .flatten()
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_row_is_found_at_every_lane() {
        for lane in 0..70 {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut data = vec![1.0f32; 70 * 5];
                data[70 * 2 + lane] = bad;
                data[70 * 4] = f32::NAN;
                let matrix = MatRef::new(&data, 5, 70).unwrap();
                assert_eq!(first_nonfinite_row(matrix, &Control::default()), Ok(Some(2)));
            }
        }
    }

    #[test]
    fn finite_and_empty_matrices_pass() {
        let data = vec![f64::MAX; 9001 * 2];
        let matrix = MatRef::new(&data, 9001, 2).unwrap();
        assert_eq!(first_nonfinite_row(matrix, &Control::default()), Ok(None));
        let empty = MatRef::new(&data[..0], 0, 2).unwrap();
        assert_eq!(first_nonfinite_row(empty, &Control::default()), Ok(None));
    }
}
