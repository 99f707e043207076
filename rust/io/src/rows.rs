//! Rows of a stored table, read by number: large reads where the rows are near each other.

use std::path::{Path, PathBuf};

use isomorph_kernels::{Table, gather_rows};
use rayon::prelude::*;

use crate::source::Source;
use crate::watch::step;
use crate::{Error, Result, Watch};

/// Bytes of one task's rows.
const BLOCK: usize = 1 << 20;

/// Bytes that are read at once to take rows out of them: they stay in the CPU's cache.
const SPAN: usize = 1 << 18;

/// Rows nearer than that to each other are read at once: reading what lies between costs less than
/// another call of the system.
const GAP: u64 = 1 << 12;

/// A whole table of at most so many bytes is read at once, if enough of its rows are wanted.
const WHOLE: usize = 1 << 22;

/// Where tables lie in a file: one after the other, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where the first begins.
    pub offset: u64,
    /// How many there are.
    pub tables: usize,
    /// Rows of one.
    pub rows: usize,
    /// Bytes of a row.
    pub width: usize,
}

/// A file whose rows are read.
#[derive(Debug)]
pub struct StoredRows {
    source: Source,
    place: Place,
}

/// A part of the rows that are wanted: of which tables, and which entries of the index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    tables: (usize, usize),
    entries: (usize, usize),
}

impl StoredRows {
    /// Open `path`, whose size must be enough for what should lie in it.
    ///
    /// # Errors
    /// [`Error::Safetensors`] when it ends before the tables do; [`Error::Io`] and others of
    /// opening.
    pub fn open(path: &Path, place: Place) -> Result<Self> {
        let source = Source::open(path)?;
        let table = (place.rows as u64).checked_mul(place.width as u64);
        let bytes = table.and_then(|table| table.checked_mul(place.tables as u64));
        let end = bytes.and_then(|bytes| place.offset.checked_add(bytes));
        if end.is_none_or(|end| end > source.size()) {
            return Err(Error::Safetensors {
                path: path.to_path_buf(),
                offset: place.offset,
                reason: format!(
                    "expected {} tables of {} rows of {} bytes here, the file has {} bytes",
                    place.tables,
                    place.rows,
                    place.width,
                    source.size()
                ),
            });
        }
        Ok(Self { source, place })
    }

    /// Read the rows `index` of each table into `out`: (tables, entries, bytes of a row). A number
    /// that is no row gives `padding`.
    ///
    /// O(bytes of `out`) where rows are dense or wide; a few hundred kilobytes a thread.
    ///
    /// # Errors
    /// [`Error::Row`], [`Error::Io`], [`Error::Cancelled`]; `out` must have the size.
    pub fn read(
        &self,
        index: &[i64],
        padding: Option<&[u8]>,
        out: &mut [u8],
        watch: &dyn Watch,
    ) -> Result<()> {
        let tasks = self.tasks(index);
        let mut rest = out;
        let mut pieces = Vec::with_capacity(tasks.len());
        for task in tasks {
            let size = self.bytes_of(task);
            let Some((piece, after)) = rest.split_at_mut_checked(size) else {
                return Err(self.row_error(index.len(), "room for it"));
            };
            pieces.push((task, piece));
            rest = after;
        }
        pieces.into_par_iter().try_for_each(|(task, piece)| {
            self.fill(task, index, padding, piece)?;
            step(watch, self.source.path(), piece.len() as u64)
        })
    }

    /// Parts of what is wanted, in the order of the result.
    pub(crate) fn tasks(&self, index: &[i64]) -> Vec<Task> {
        let Place { tables, rows, width, .. } = self.place;
        if width == 0 || index.is_empty() {
            return Vec::new();
        }
        let whole = rows.saturating_mul(width);
        if self.reads_whole(index) {
            // As many tables as are read at once.
            let together = (WHOLE / whole.max(1)).clamp(1, BLOCK.div_ceil(index.len() * width));
            return (0..tables)
                .step_by(together)
                .map(|first| Task {
                    tables: (first, (first + together).min(tables)),
                    entries: (0, index.len()),
                })
                .collect();
        }
        let together = (BLOCK / width).max(1);
        (0..tables)
            .flat_map(|table| {
                (0..index.len()).step_by(together).map(move |first| Task {
                    tables: (table, table + 1),
                    entries: (first, (first + together).min(index.len())),
                })
            })
            .collect()
    }

    /// Whether tables are read as a whole.
    fn reads_whole(&self, index: &[i64]) -> bool {
        let Place { rows, width, .. } = self.place;
        let dense = index.len() >= rows / 8;
        dense && rows.saturating_mul(width) <= WHOLE && index.len().saturating_mul(width) <= WHOLE
    }

    /// Bytes of the rows of a task.
    pub(crate) fn bytes_of(&self, task: Task) -> usize {
        let entries = task.entries.1 - task.entries.0;
        (task.tables.1 - task.tables.0) * entries * self.place.width
    }

    /// Read the rows of a task.
    pub(crate) fn fill(
        &self,
        task: Task,
        index: &[i64],
        padding: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<()> {
        let Place { offset, rows, width, .. } = self.place;
        let index = &index[task.entries.0..task.entries.1];
        let refused =
            |place: usize| self.row_error(task.entries.0 + place, &index[place].to_string());
        let table = rows * width;
        let first = offset + (task.tables.0 * table) as u64;
        if task.tables.1 - task.tables.0 == 1 && !self.reads_whole(index) {
            return self.scattered(first, index, padding, out, refused);
        }
        let mut data = vec![0; (task.tables.1 - task.tables.0) * table];
        self.source.fill_at(&mut data, first)?;
        for (number, out) in out.chunks_exact_mut(index.len() * width).enumerate() {
            let data = &data[number * table..][..table];
            gather_rows(Table { data, rows, stride: width, width }, index, padding, out)
                .map_err(refused)?;
        }
        Ok(())
    }

    /// Read rows of one table: those that follow each other closely together.
    fn scattered(
        &self,
        first: u64,
        index: &[i64],
        padding: Option<&[u8]>,
        out: &mut [u8],
        refused: impl Fn(usize) -> Error,
    ) -> Result<()> {
        let Place { rows, width, .. } = self.place;
        let number = |place: usize| -> Result<Option<u64>> {
            match u64::try_from(index[place]) {
                Ok(number) if number < rows as u64 => Ok(Some(number)),
                _ if padding.is_some_and(|row| row.len() == width) => Ok(None),
                _ => Err(refused(place)),
            }
        };
        let mut scratch = Vec::new();
        let mut start = 0;
        while start < index.len() {
            let Some(begin) = number(start)? else {
                out[start * width..][..width].copy_from_slice(padding.unwrap_or_default());
                start += 1;
                continue;
            };
            // Rows in order and near each other, as far as the buffer goes.
            let (mut stop, mut last, mut adjacent) = (start + 1, begin, true);
            while stop < index.len() {
                let Some(next) = number(stop)? else { break };
                let gap = next.wrapping_sub(last + 1);
                let near = next > last && gap.saturating_mul(width as u64) <= GAP;
                let fits = (next - begin.min(next) + 1).saturating_mul(width as u64) <= SPAN as u64;
                if !near || !(fits || (adjacent && gap == 0)) {
                    break;
                }
                adjacent &= gap == 0;
                (stop, last) = (stop + 1, next);
            }
            let target = &mut out[start * width..stop * width];
            let place = first + begin * width as u64;
            if adjacent {
                self.source.fill_at(target, place)?;
            } else {
                // Cannot truncate: at most SPAN bytes.
                scratch.resize((last - begin + 1) as usize * width, 0);
                self.source.fill_at(&mut scratch, place)?;
                for (row, &number) in target.chunks_exact_mut(width).zip(&index[start..stop]) {
                    let at = (number as u64 - begin) as usize * width;
                    row.copy_from_slice(&scratch[at..at + width]);
                }
            }
            start = stop;
        }
        Ok(())
    }

    /// The path, for errors.
    pub(crate) fn path(&self) -> PathBuf {
        self.source.path().to_path_buf()
    }

    fn row_error(&self, entry: usize, got: &str) -> Error {
        Error::Row { path: self.path(), rows: self.place.rows, entry, got: got.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quiet;

    /// A file of 5 bytes and then tables of rows whose bytes say where they are.
    fn stored(
        tables: usize,
        rows: usize,
        width: usize,
    ) -> (tempfile::NamedTempFile, Vec<u8>, Place) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let data: Vec<u8> = (0..tables * rows * width).map(|i| (i * 31 % 253) as u8).collect();
        std::fs::write(file.path(), [&[9; 5][..], &data].concat()).unwrap();
        (file, data, Place { offset: 5, tables, rows, width })
    }

    fn check(tables: usize, rows: usize, width: usize, index: &[i64]) {
        let (file, data, place) = stored(tables, rows, width);
        let opened = StoredRows::open(file.path(), place).unwrap();
        let mut out = vec![0; tables * index.len() * width];
        let padding = vec![77; width];
        opened.read(index, Some(&padding), &mut out, &Quiet).unwrap();
        for (at, row) in out.chunks_exact(width).enumerate() {
            let (table, number) = (at / index.len(), index[at % index.len()]);
            let expected = if number < 0 {
                &padding[..]
            } else {
                &data[(table * rows + number as usize) * width..][..width]
            };
            assert_eq!(row, expected, "{tables} {rows} {width} {number}");
        }
    }

    #[test]
    fn rows_of_all_shapes_are_those_of_the_file() {
        for (tables, rows, width) in
            [(1, 7, 3), (3, 2000, 2), (2, 300, 1536), (1, 3, 2_000_000), (40, 5, 8), (1, 9000, 700)]
        {
            let last = rows as i64 - 1;
            let step = (rows / 3).max(1);
            let ascending: Vec<i64> = (0..=last).filter(|i| i % 3 != 1).collect();
            let mut padded = ascending.clone();
            padded.extend([-1, -1, last]);
            check(tables, rows, width, &ascending);
            check(tables, rows, width, &padded);
            check(tables, rows, width, &ascending.iter().rev().copied().collect::<Vec<_>>());
            check(tables, rows, width, &(0..=last).step_by(step).collect::<Vec<_>>());
            check(tables, rows, width, &[last, 0, 0, -1, last]);
            check(tables, rows, width, &(0..=last).collect::<Vec<_>>());
            check(tables, rows, width, &[]);
        }
    }

    #[test]
    fn a_number_that_is_no_row_is_named() {
        for (rows, width) in [(4, 4), (9, 3_000_000)] {
            let (file, _, place) = stored(1, rows, width);
            let opened = StoredRows::open(file.path(), place).unwrap();
            let mut out = vec![0; 3 * width];
            for absent in [-1, rows as i64, i64::MAX, i64::MIN] {
                let error = opened.read(&[0, 1, absent], None, &mut out, &Quiet).unwrap_err();
                assert!(matches!(error, Error::Row { entry: 2, .. }), "{error}");
            }
        }
    }

    #[test]
    fn a_file_that_ends_early_is_an_error_before_and_while_it_is_read() {
        let (file, _, place) = stored(1, 100, 50);
        for wrong in [
            Place { rows: 101, ..place },
            Place { offset: 6, ..place },
            Place { offset: u64::MAX, ..place },
            Place { rows: usize::MAX, ..place },
            Place { tables: usize::MAX, ..place },
        ] {
            let error = StoredRows::open(file.path(), wrong).unwrap_err();
            assert!(matches!(error, Error::Safetensors { .. }), "{error}");
        }
        let opened = StoredRows::open(file.path(), place).unwrap();
        std::fs::OpenOptions::new().write(true).open(file.path()).unwrap().set_len(200).unwrap();
        let error = opened.read(&[0, 99], None, &mut [0; 100], &Quiet).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}
