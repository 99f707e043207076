//! NumPy's `.npy` files, matrices of floating-point numbers only: nothing in them is executed, and
//! the header is checked against the size of the file before anything is allocated.

mod header;

use std::path::Path;

use half::f16;

use crate::atomic::AtomicFile;
use crate::source::Source;
use crate::tensor::{self, Scalar, Values, ValuesRef};
use crate::words::{Words, prepare_list};
use crate::{Error, Result, Watch};

pub use header::{Float, Header};

/// A matrix read from a file, in C order. float16 comes as float32.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Its rows.
    pub rows: usize,
    /// Its columns.
    pub columns: usize,
    /// Its values, row after row.
    pub values: Values,
}

/// Read the header of `path` only.
///
/// # Errors
/// [`Error::NotNpy`], [`Error::NpyVersion`], [`Error::NpyHeader`], [`Error::NpyType`],
/// [`Error::NpyShape`], [`Error::NpySize`], [`Error::Empty`], [`Error::Io`].
pub fn read_header(path: &Path) -> Result<Header> {
    header::read(&mut Source::open(path)?)
}

/// Read the matrix in `path`, or its first `limit` rows; either byte order, C or Fortran order.
///
/// Peak memory: the result; in Fortran order, the file in addition.
///
/// # Errors
/// As [`read_header`], and [`Error::Memory`], [`Error::Cancelled`].
pub fn read(path: &Path, limit: Option<usize>, watch: &dyn Watch) -> Result<Matrix> {
    let mut source = Source::open(path)?;
    let header = header::read(&mut source)?;
    let rows = limit.map_or(header.rows, |limit| limit.min(header.rows));
    let values = match header.float {
        Float::F16 => Values::F32(matrix(&mut source, &header, rows, f16::to_f32, watch)?),
        Float::F32 => Values::F32(matrix(&mut source, &header, rows, |value: f32| value, watch)?),
        Float::F64 => Values::F64(matrix(&mut source, &header, rows, |value: f64| value, watch)?),
    };
    Ok(Matrix { rows, columns: header.columns, values })
}

fn matrix<S: Scalar, T: Scalar>(
    source: &mut Source,
    header: &Header,
    rows: usize,
    convert: impl Fn(S) -> T,
    watch: &dyn Watch,
) -> Result<Vec<T>> {
    // The file holds so many values: no product of them overflows.
    let stored = if header.fortran_order { header.rows } else { rows } * header.columns;
    watch.start((stored * S::WIDTH) as u64);
    let values = if header.big_endian {
        tensor::read(source, stored, |value: S| convert(value.swapped()), watch)?
    } else {
        tensor::read(source, stored, convert, watch)?
    };
    if header.fortran_order {
        transposed(&values, header.columns, header.rows, rows, source.path())
    } else {
        Ok(values)
    }
}

/// The first `kept` columns of a `rows` x `columns` matrix, as rows.
fn transposed<T: Scalar>(
    values: &[T],
    rows: usize,
    columns: usize,
    kept: usize,
    path: &Path,
) -> Result<Vec<T>> {
    // Columns of one tile fill a cache line on both sides.
    const TILE: usize = 16;
    let mut out = tensor::allocate(kept * rows, path)?;
    out.resize(kept * rows, T::default());
    for first in (0..kept).step_by(TILE) {
        for row in 0..rows {
            for column in first..(first + TILE).min(kept) {
                out[column * rows + row] = values[row * columns + column];
            }
        }
    }
    Ok(out)
}

/// Write a matrix of `rows` x `columns` (float16, float32 or float64) to `path` and, if they are
/// given, the words of its rows to a list beside it. Each file appears whole or not at all; neither
/// is put in place before both are on the disk.
///
/// # Errors
/// [`Error::Unwritable`] for another type, if the number of values is another, or for a word that a
/// list cannot hold; [`Error::Io`]; [`Error::Cancelled`].
pub fn write(
    path: &Path,
    values: ValuesRef<'_>,
    (rows, columns): (usize, usize),
    list: Option<(&Path, &Words)>,
    watch: &dyn Watch,
) -> Result<()> {
    let unwritable = |reason| Error::Unwritable { path: path.to_path_buf(), reason };
    let float = match values {
        ValuesRef::F16(_) => Float::F16,
        ValuesRef::F32(_) => Float::F32,
        ValuesRef::F64(_) => Float::F64,
        _ => return Err(unwritable("expected float16, float32 or float64".to_string())),
    };
    if rows.checked_mul(columns) != Some(values.len()) {
        let got = values.len();
        return Err(unwritable(format!("expected {rows} x {columns} values, got {got}")));
    }
    watch.start((values.len() * values.width()) as u64);
    let list = list.map(|(path, words)| prepare_list(path, words)).transpose()?;
    let mut file = AtomicFile::create(path)?;
    file.write(&header::bytes(float, rows, columns))?;
    values.write(&mut file, path, watch)?;
    let file = file.finish()?;
    if let Some(list) = list {
        list.commit()?;
    }
    file.commit()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::Quiet;

    fn file(folder: &tempfile::TempDir, header: &str, data: &[u8]) -> PathBuf {
        let path = folder.path().join("x.npy");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn of(header: &str, data: &[u8]) -> Result<Matrix> {
        let folder = tempfile::tempdir().unwrap();
        read(&file(&folder, header, data), None, &Quiet)
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let values = [1.5, -0.0, 3.25, f32::MIN_POSITIVE, f32::MAX, 6.0];
        write(&path, ValuesRef::F32(&values), (3, 2), None, &Quiet).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len() % 8, 0);
        let matrix = read(&path, None, &Quiet).unwrap();
        assert_eq!((matrix.rows, matrix.columns), (3, 2));
        assert_eq!(matrix.values, Values::F32(values.to_vec()));
        let matrix = read(&path, Some(1), &Quiet).unwrap();
        assert_eq!((matrix.rows, matrix.values), (1, Values::F32(values[..2].to_vec())));
    }

    #[test]
    fn either_byte_order_and_either_axis_order() {
        let little: Vec<_> = (1..=6).flat_map(|i| f64::from(i).to_le_bytes()).collect();
        let big: Vec<_> = (1..=6).flat_map(|i| f64::from(i).to_be_bytes()).collect();
        for (descr, data) in [("<f8", &little), (">f8", &big)] {
            let header = |fortran| {
                format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': (2, 3), }}\n")
            };
            let c = of(&header("False"), data).unwrap();
            assert_eq!(c.values, Values::F64(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
            let f = of(&header("True"), data).unwrap();
            assert_eq!((f.rows, f.columns), (2, 3));
            assert_eq!(f.values, Values::F64(vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0]));
        }
    }

    #[test]
    fn a_limit_holds_in_fortran_order_too() {
        let folder = tempfile::tempdir().unwrap();
        let data: Vec<_> = (1..=6).flat_map(|i| f32::from(i as i8).to_le_bytes()).collect();
        let header = "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2)}";
        let matrix = read(&file(&folder, header, &data), Some(2), &Quiet).unwrap();
        assert_eq!((matrix.rows, matrix.values), (2, Values::F32(vec![1.0, 4.0, 2.0, 5.0])));
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        write(&path, ValuesRef::F64(&[1.0, 2.0]), (1, 2), None, &Quiet).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let error = read(&path, None, &Quiet).unwrap_err();
            assert!(!matches!(error, Error::Io { .. }), "{cut}: {error}");
        }
    }

    #[test]
    fn each_fault_has_its_own_error() {
        let header = |descr: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n")
        };
        let data = [0; 16];
        let error = |text: String| of(&text, &data).unwrap_err();
        for shape in
            ["(5, 1)", "(3, 1)", "(1000000000000, 1000000000000)", "(18446744073709551615, 2)"]
        {
            let error = error(header("'<f4'", shape));
            assert!(matches!(error, Error::NpySize { .. }), "{shape}: {error}");
        }
        for shape in ["(4,)", "()", "(2, 2, 1)"] {
            let error = error(header("'<f4'", shape));
            assert!(matches!(error, Error::NpyShape { .. }), "{shape}: {error}");
        }
        for descr in ["'|O'", "'<i4'", "'<f16'", "'|V4'", "[('a', '<f4')]", "'<c8'", "'=f4'"] {
            let error = error(header(descr, "(2, 2)"));
            assert!(matches!(error, Error::NpyType { .. }), "{descr}: {error}");
        }
        for text in [
            "",
            "{",
            "{}",
            "{'descr': '<f4'}",
            "not a dictionary",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -2), }",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), } x",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': 1}",
            "{'descr': '<f4, 'fortran_order': False, 'shape': (2, 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999999)}",
            "{'descr': [('a', '<f4'), 'fortran_order': False, 'shape': (2, 2)",
        ] {
            let error = error(text.to_string());
            assert!(matches!(error, Error::NpyHeader { .. }), "{text}: {error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        std::fs::write(&path, b"\x93NUMPY\x04\x00\x00\x00").unwrap();
        let error = read(&path, None, &Quiet).unwrap_err();
        assert!(matches!(error, Error::NpyVersion { major: 4, .. }), "{error}");
        std::fs::write(&path, b"PK\x03\x04 and so on").unwrap();
        let error = read(&path, None, &Quiet).unwrap_err();
        assert!(matches!(error, Error::NotNpy { .. }), "{error}");
    }

    #[test]
    fn later_versions_have_a_longer_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let header = "{\"descr\": \"<f2\", \"shape\": (1, 2), \"fortran_order\": False}\n";
        for version in [2, 3] {
            let mut bytes = vec![0x93, b'N', b'U', b'M', b'P', b'Y', version, 0];
            bytes.extend((header.len() as u32).to_le_bytes());
            bytes.extend(header.as_bytes());
            bytes.extend([0x00, 0x3C, 0x00, 0xC0]);
            std::fs::write(&path, bytes).unwrap();
            let matrix = read(&path, None, &Quiet).unwrap();
            assert_eq!(matrix.values, Values::F32(vec![1.0, -2.0]));
        }
    }
}
