//! Dense factorisations of stacks of matrices: one problem a core, and inside a large one nothing
//! that is cut by the number of threads, so that no byte of a result depends on it.
//!
//! Singular vectors are computed in the type of the input, of small matrices several at a time (see
//! [`small`]), of larger ones by way of their Gram matrix (see [`gram`]); what these cannot do, in
//! float64 (see [`careful`]), as are singular values alone of larger matrices, and eigenvectors. Every factorisation is *certified* before it is handed out: an error of a
//! factorisation routine is found here, not by the user.

mod careful;
mod eigh;
pub mod factor;
mod gram;
mod jacobi;
mod load;
pub(crate) mod orthonormal;
mod polar;
pub(crate) mod products;
mod scaling;
mod small;
mod svd;
mod symmetric;
mod values;

pub use eigh::{Eigh, eigh};
pub use polar::{Polar, polar};
pub use products::multiply;
pub use scaling::PowerOfTwo;
pub use svd::{Svd, svd};
pub use values::svdvals;

use faer::traits::RealField;
use isomorph_kernels::{Jacobi, Reduction};

use crate::{Error, Result};

/// float32 or float64, as the factorisations and the maps need it.
pub trait Scalar: RealField + Jacobi + Reduction + Copy + Send + Sync + 'static {
    /// The distance from 1 to the next larger number.
    const EPSILON: f64;
    /// The same number in float64.
    fn widen(self) -> f64;
    /// Rounded to nearest.
    fn round(value: f64) -> Self;
}

impl Scalar for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;
    fn widen(self) -> f64 {
        f64::from(self)
    }
    fn round(value: f64) -> Self {
        value as Self
    }
}

impl Scalar for f64 {
    const EPSILON: f64 = Self::EPSILON;
    fn widen(self) -> f64 {
        self
    }
    fn round(value: f64) -> Self {
        value
    }
}

/// A stack of `count` matrices of `rows` x `cols`, each row-major, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'a, T> {
    /// All values.
    pub data: &'a [T],
    /// How many matrices.
    pub count: usize,
    /// Rows of each.
    pub rows: usize,
    /// Columns of each.
    pub cols: usize,
}

impl<'a, T> Stack<'a, T> {
    /// A view of `data`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the slice has another length.
    pub fn new(data: &'a [T], count: usize, rows: usize, cols: usize) -> Result<Self> {
        let expected = count.checked_mul(rows).and_then(|n| n.checked_mul(cols));
        if expected == Some(data.len()) {
            Ok(Self { data, count, rows, cols })
        } else {
            Err(Error::Shape {
                argument: "stack",
                expected: format!("{count} x {rows} x {cols} values"),
                got: format!("{} values", data.len()),
            })
        }
    }

    /// The values of one matrix.
    #[must_use]
    pub fn get(&self, index: usize) -> &'a [T] {
        let size = self.rows * self.cols;
        &self.data[index * size..(index + 1) * size]
    }
}

/// `len` zeros, or an error where `vec!` would abort the process.
///
/// Zeroed pages come from the system, untouched: whoever writes to them first, on its own thread,
/// waits for them.
pub(crate) fn zeros<T: Copy + Default>(len: usize, what: &'static str) -> Result<Vec<T>> {
    // Only to ask whether there is as much.
    let mut room: Vec<T> = Vec::new();
    room.try_reserve_exact(len).map_err(|_| Error::Memory {
        what,
        needed: len as u128 * size_of::<T>() as u128,
        hint: "pass fewer or smaller matrices at a time",
    })?;
    drop(room);
    Ok(vec![T::default(); len])
}

/// A matrix of zeros, or nothing where there is no memory for it.
pub(crate) fn zero_matrix<T: Scalar>(rows: usize, cols: usize) -> Option<faer::Mat<T>> {
    let mut matrix = faer::Mat::new();
    matrix.try_reserve(rows, cols).ok()?;
    matrix.resize_with(rows, cols, |_, _| T::zero());
    Some(matrix)
}

#[cfg(test)]
pub(crate) mod tests;
