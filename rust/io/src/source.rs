//! A file opened for reading, its size known.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Result};

/// What a gzip file begins with.
const GZIP: [u8; 2] = [0x1F, 0x8B];

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
            return Err(Error::io(path)(io::ErrorKind::IsADirectory.into()));
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

    /// Leave out the next `count` bytes.
    pub fn skip(&mut self, count: u64) -> Result<()> {
        // A file of the operating system is never longer than an i64 can say.
        self.file.seek_relative(count as i64).map_err(Error::io(&self.path))
    }

    /// Fill `bytes` with what lies at `offset`; several threads may do so at once.
    pub fn fill_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        at(&self.file, bytes, offset).map_err(Error::io(&self.path))
    }

    /// Give what comes next, from `offset` on, as a stream of `count` bytes.
    pub fn stream(&mut self, offset: u64, count: u64) -> Result<io::Take<&File>> {
        self.file.seek(io::SeekFrom::Start(offset)).map_err(Error::io(&self.path))?;
        Ok((&self.file).take(count))
    }

    /// Fill `bytes` with what comes next.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact(bytes).map_err(Error::io(&self.path))
    }
}

#[cfg(unix)]
fn at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes = &mut bytes[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The text of a file from its start, decompressed if its first bytes say that it is gzip.
pub(crate) struct Text {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    position: Arc<AtomicU64>,
    size: u64,
    gzip: bool,
}

impl Text {
    /// Open `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let Source { path, file, size } = Source::open(path)?;
        let position = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, position: Arc::clone(&position) };
        let mut start = Vec::with_capacity(GZIP.len());
        let mut head = counted.take(GZIP.len() as u64);
        head.read_to_end(&mut start).map_err(Error::io(&path))?;
        let gzip = start == GZIP;
        let whole = io::Cursor::new(start).chain(head.into_inner());
        let reader: Box<dyn Read + Send> = if gzip {
            let buffered = BufReader::with_capacity(1 << 17, whole);
            Box::new(MultiGzDecoder::new(buffered))
        } else {
            Box::new(whole)
        };
        Ok(Self { path, reader, position, size, gzip })
    }

    /// Its path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's size on disk.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is compressed, so that its size says little about the text.
    pub fn is_gzip(&self) -> bool {
        self.gzip
    }

    /// How many bytes of the file have been read.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Read into `bytes`; fewer than they are only at the end of the text.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.reader.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fault(error)),
            }
        }
        Ok(filled)
    }

    /// The decoder's complaints have no number of the operating system.
    fn fault(&self, error: io::Error) -> Error {
        if self.gzip && error.raw_os_error().is_none() {
            Error::Gzip {
                path: self.path.clone(),
                offset: self.position(),
                reason: error.to_string(),
            }
        } else {
            Error::io(&self.path)(error)
        }
    }
}

/// A file that counts what is read from it.
struct Counted {
    file: File,
    position: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(bytes)?;
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
