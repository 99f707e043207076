//! A file of tensors, written one after the other from those of other files: copied, gathered by
//! rows, or made by the caller. Never a whole tensor in memory.
//!
//! What the header says is the caller's; here bytes are moved.

use std::path::Path;

use rayon::prelude::*;

use crate::atomic::{AtomicFile, Finished};
use crate::rows::{Place, StoredRows, Task};
use crate::source::Source;
use crate::watch::step;
use crate::{Error, Result, Watch};

/// Bytes that are copied before anybody is asked whether to go on.
const COPIED: u64 = 1 << 26;

/// A file being written beside its destination; dropped, it leaves nothing.
#[derive(Debug)]
pub struct TensorFile {
    file: AtomicFile,
}

impl TensorFile {
    /// Begin `path` with its header.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, header: &[u8]) -> Result<Self> {
        let mut file = AtomicFile::create(path)?;
        file.write(header)?;
        Ok(Self { file })
    }

    /// Append `bytes`.
    ///
    /// # Errors
    /// [`Error::Io`], a full disk among others.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write(bytes)
    }

    /// Append `count` bytes of `source` from `offset` on.
    ///
    /// # Errors
    /// [`Error::Safetensors`] when it ends before, [`Error::Io`], [`Error::Cancelled`].
    pub fn copy(
        &mut self,
        source: &Path,
        offset: u64,
        count: u64,
        watch: &dyn Watch,
    ) -> Result<()> {
        let mut original = Source::open(source)?;
        watch.start(count);
        let mut done = 0;
        while done < count {
            let piece = COPIED.min(count - done);
            let copied = self.file.append(&mut original.stream(offset + done, piece)?)?;
            if copied < piece {
                return Err(Error::Safetensors {
                    path: source.to_path_buf(),
                    offset: offset + done + copied,
                    reason: "the file ends within a tensor".to_string(),
                });
            }
            done += piece;
            step(watch, source, piece)?;
        }
        Ok(())
    }

    /// Append the rows `index` of each of the tables at `place` in `source`; a number that is no
    /// row gives `padding`.
    ///
    /// Reads some blocks ahead while it writes: about 3 MB a thread, or two rows if they are larger.
    ///
    /// # Errors
    /// As [`StoredRows::read`], and of writing.
    pub fn gather(
        &mut self,
        source: &Path,
        place: Place,
        index: &[i64],
        padding: &[u8],
        watch: &dyn Watch,
    ) -> Result<()> {
        let rows = StoredRows::open(source, place)?;
        let tasks = rows.tasks(index);
        watch.start(tasks.iter().map(|&task| rows.bytes_of(task) as u64).sum());
        let read = |tasks: &[Task], buffers: &mut Vec<Vec<u8>>| -> Result<()> {
            buffers.resize_with(tasks.len(), Vec::new);
            buffers.par_iter_mut().zip(tasks).try_for_each(|(buffer, &task)| {
                buffer.resize(rows.bytes_of(task), 0);
                rows.fill(task, index, Some(padding), buffer)
            })
        };
        let mut groups = tasks.chunks(rayon::current_num_threads());
        let (mut ready, mut next) = (Vec::new(), Vec::new());
        read(groups.next().unwrap_or_default(), &mut ready)?;
        while !ready.is_empty() {
            let (written, found) = rayon::join(
                || {
                    ready.iter().try_for_each(|block: &Vec<u8>| {
                        self.file.write(block)?;
                        step(watch, source, block.len() as u64)
                    })
                },
                || read(groups.next().unwrap_or_default(), &mut next),
            );
            written.and(found)?;
            std::mem::swap(&mut ready, &mut next);
        }
        Ok(())
    }

    /// Bring the file to the disk, not yet to its place.
    ///
    /// # Errors
    /// [`Error::Io`]; the destination stays as it is.
    pub fn finish(self) -> Result<Finished> {
        self.file.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quiet;

    fn source() -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        let data: Vec<u8> = (0..5_000_000).map(|i| (i * 7 % 251) as u8).collect();
        std::fs::write(&path, &data).unwrap();
        (folder, path, data)
    }

    #[test]
    fn parts_follow_each_other_in_one_file() {
        let (folder, path, data) = source();
        let target = folder.path().join("target");
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut file = TensorFile::create(&target, b"header").unwrap();
            file.copy(&path, 10, 4_000_000, &Quiet).unwrap();
            let place = Place { offset: 3, tables: 1, rows: 4000, width: 1200 };
            let index: Vec<i64> = (0..4000).filter(|i| i % 2 == 0).chain([-1, 5, 3999]).collect();
            pool.install(|| file.gather(&path, place, &index, &[8; 1200], &Quiet)).unwrap();
            file.write(b"end").unwrap();
            file.finish().unwrap().commit().unwrap();
            let mut expected = [b"header", &data[10..4_000_010]].concat();
            for &number in &index {
                if number < 0 {
                    expected.extend([8; 1200]);
                } else {
                    expected.extend(&data[3 + number as usize * 1200..][..1200]);
                }
            }
            expected.extend(b"end");
            assert!(std::fs::read(&target).unwrap() == expected);
        }
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing() {
        let (folder, path, _) = source();
        let target = folder.path().join("target");
        let mut file = TensorFile::create(&target, b"header").unwrap();
        let error = file.copy(&path, 1, 5_000_000, &Quiet).unwrap_err();
        assert!(matches!(error, Error::Safetensors { offset: 5_000_000, .. }), "{error}");
        drop(file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    struct Impatient;

    impl Watch for Impatient {
        fn advance(&self, _bytes: u64) -> bool {
            false
        }
    }

    #[test]
    fn it_stops_when_asked() {
        let (folder, path, _) = source();
        let mut file = TensorFile::create(&folder.path().join("target"), b"").unwrap();
        let place = Place { offset: 0, tables: 1, rows: 4000, width: 1200 };
        let error = file.gather(&path, place, &[0], &[0; 1200], &Impatient).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
        let error = file.copy(&path, 0, 9, &Impatient).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    }
}
