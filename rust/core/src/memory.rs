//! Allocations whose size comes from the caller: refused with an error, never an abort.

use crate::{Error, Result};

/// Room for `len` values.
///
/// # Errors
/// [`Error::Memory`] when the system has no such room.
pub fn reserved<T>(len: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| Error::Memory {
        what: "the result or its working lists",
        needed: len as u128 * size_of::<T>() as u128,
        hint: "ask for fewer rows at once, or a smaller k",
    })?;
    Ok(values)
}

/// `len` copies of `value`.
///
/// # Errors
/// As [`reserved`].
pub fn filled<T: Clone>(value: T, len: usize) -> Result<Vec<T>> {
    let mut values = reserved(len)?;
    values.resize(len, value);
    Ok(values)
}

/// Values at the start of a cache line, so that no register straddles two.
#[derive(Debug, Default)]
pub struct Aligned<T> {
    values: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` zeros.
    ///
    /// # Errors
    /// As [`reserved`].
    pub fn new(len: usize) -> Result<Self> {
        Self::within(reserved(len + Self::SLACK)?, len)
    }

    /// The same in large pages, where the system has them: for what is read many times.
    ///
    /// # Errors
    /// As [`reserved`].
    pub fn in_large_pages(len: usize) -> Result<Self> {
        let mut values = reserved(len + Self::SLACK)?;
        isomorph_kernels::ask_for_large_pages(values.spare_capacity_mut());
        Self::within(values, len)
    }

    const SLACK: usize = 64 / size_of::<T>();

    fn within(mut values: Vec<T>, len: usize) -> Result<Self> {
        values.resize(len + Self::SLACK, T::default());
        let start = values.as_ptr().align_offset(64).min(Self::SLACK);
        Ok(Self { values, start, len })
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The values, to read.
    pub fn get(&self) -> &[T] {
        &self.values[self.start..][..self.len]
    }

    /// The values.
    pub fn values(&mut self) -> &mut [T] {
        &mut self.values[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert_eq!(filled(7u8, 3), Ok(vec![7; 3]));
        let error = reserved::<f64>(usize::MAX / 16).unwrap_err();
        assert!(matches!(error, Error::Memory { .. }), "{error}");
        assert!(reserved::<f64>(usize::MAX).is_err());
    }
}
