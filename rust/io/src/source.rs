//! A file opened for reading, its size known.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// An open regular file. It keeps its path for the errors.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Source {
    /// Open `path`. The kind of file is looked at before it is opened: opening a pipe would wait
    /// for its other end.
    pub fn open(path: &Path) -> Result<Self> {
        let found = std::fs::metadata(path).map_err(Error::io(path))?;
        if found.is_dir() {
            return Err(Error::io(path)(std::io::ErrorKind::IsADirectory.into()));
        }
        if !found.is_file() {
            return Err(Error::NotRegular { path: path.to_path_buf() });
        }
        let file = File::open(path).map_err(Error::io(path))?;
        let size = file.metadata().map_err(Error::io(path))?.len();
        if size == 0 {
            return Err(Error::Empty { path: path.to_path_buf() });
        }
        Ok(Self { path: path.to_path_buf(), file, size })
    }

    /// Its path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fill `bytes` with what comes next.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact(bytes).map_err(Error::io(&self.path))
    }
}
