//! Numbers of any type that NumPy and the file formats share, to and from little-endian bytes.

use std::path::Path;

use half::{bf16, f16};

use crate::atomic::AtomicFile;
use crate::source::Source;
use crate::watch::step;
use crate::{Error, Result, Watch};

/// Bytes converted at a time: small enough to stay in the CPU's cache and to notice a
/// cancellation at once.
const BLOCK: usize = 1 << 18;

/// A number with a fixed width in a file.
pub trait Scalar: Copy + Default + Send + Sync + 'static {
    /// Its width in bytes.
    const WIDTH: usize;

    /// From its little-endian bytes, `WIDTH` of them.
    fn from_le(bytes: &[u8]) -> Self;

    /// Append its little-endian bytes.
    fn put_le(self, out: &mut Vec<u8>);

    /// With its bytes in the opposite order.
    #[must_use]
    fn swapped(self) -> Self;
}

macro_rules! scalar {
    ($($type:ty),*) => {$(
        impl Scalar for $type {
            const WIDTH: usize = size_of::<$type>();

            #[inline]
            fn from_le(bytes: &[u8]) -> Self {
                let mut fixed = [0; size_of::<$type>()];
                fixed.copy_from_slice(bytes);
                <$type>::from_le_bytes(fixed)
            }

            #[inline]
            fn put_le(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn swapped(self) -> Self {
                let mut bytes = self.to_le_bytes();
                bytes.reverse();
                <$type>::from_le_bytes(bytes)
            }
        }
    )*};
}

scalar!(f16, bf16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64);

impl Scalar for bool {
    const WIDTH: usize = 1;

    fn from_le(bytes: &[u8]) -> Self {
        bytes != [0]
    }

    fn put_le(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }

    fn swapped(self) -> Self {
        self
    }
}

macro_rules! values {
    ($($variant:ident($type:ty)),* $(,)?) => {
        /// The values of a tensor that was read, in C order.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Values {
            $(#[allow(missing_docs)] $variant(Vec<$type>)),*
        }

        /// The values of a tensor to be written, in C order.
        #[derive(Debug, Clone, Copy)]
        pub enum ValuesRef<'a> {
            #[allow(missing_docs)]
            F16(&'a [f16]),
            $(#[allow(missing_docs)] $variant(&'a [$type])),*
        }

        impl Values {
            /// How many there are.
            #[must_use]
            pub fn len(&self) -> usize {
                match self {
                    $(Self::$variant(values) => values.len()),*
                }
            }

            /// Whether there are none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }

        impl ValuesRef<'_> {
            /// How many there are.
            #[must_use]
            pub fn len(&self) -> usize {
                match self {
                    Self::F16(values) => values.len(),
                    $(Self::$variant(values) => values.len()),*
                }
            }

            /// Whether there are none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Bytes that one value takes in a file.
            #[must_use]
            pub fn width(&self) -> usize {
                match self {
                    Self::F16(_) => f16::WIDTH,
                    $(Self::$variant(_) => <$type>::WIDTH),*
                }
            }

            /// Append the values to `file`.
            pub(crate) fn write(&self, file: &mut AtomicFile, path: &Path, watch: &dyn Watch) -> Result<()> {
                match self {
                    Self::F16(values) => write(values, file, path, watch),
                    $(Self::$variant(values) => write(values, file, path, watch)),*
                }
            }
        }
    };
}

values!(
    F32(f32),
    F64(f64),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    Bool(bool),
);

fn write<T: Scalar>(
    values: &[T],
    file: &mut AtomicFile,
    path: &Path,
    watch: &dyn Watch,
) -> Result<()> {
    let mut bytes = Vec::with_capacity(BLOCK);
    for block in values.chunks(BLOCK / T::WIDTH) {
        bytes.clear();
        for &value in block {
            value.put_le(&mut bytes);
        }
        file.write(&bytes)?;
        step(watch, path, bytes.len() as u64)?;
    }
    Ok(())
}

/// Read the next `count` values, stored as `S`, as `T`.
///
/// The caller has checked that the source holds them, so a header cannot make this allocate more
/// than a small multiple of the file's size.
pub(crate) fn read<S: Scalar, T: Scalar>(
    source: &mut Source,
    count: usize,
    convert: impl Fn(S) -> T,
    watch: &dyn Watch,
) -> Result<Vec<T>> {
    let mut values = allocate(count, source.path())?;
    let mut bytes = vec![0; BLOCK.min(count * S::WIDTH)];
    let mut left = count * S::WIDTH;
    while left > 0 {
        let block = &mut bytes[..left.min(BLOCK)];
        source.fill(block)?;
        values.extend(block.chunks_exact(S::WIDTH).map(|value| convert(S::from_le(value))));
        left -= block.len();
        step(watch, source.path(), block.len() as u64)?;
    }
    Ok(values)
}

/// An empty vector with room for `count` values.
pub(crate) fn allocate<T>(count: usize, path: &Path) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| Error::Memory {
        path: path.to_path_buf(),
        bytes: (count as u64).saturating_mul(size_of::<T>() as u64),
    })?;
    Ok(values)
}
