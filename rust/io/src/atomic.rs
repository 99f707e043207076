//! Files that appear whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempPath};

use crate::{Error, Result};

/// A file being written beside its destination. [`AtomicFile::commit`] puts it in place in one
/// step; dropped before that, it leaves nothing behind and the old file untouched. On Linux not
/// even a process that is killed leaves anything: the file has no name until it is complete.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    writer: BufWriter<File>,
    /// Removes the file when dropped.
    name: Option<TempPath>,
}

impl AtomicFile {
    /// Begin to write `path`.
    ///
    /// # Errors
    /// [`Error::Io`] when its folder cannot be written to.
    pub fn create(path: &Path) -> Result<Self> {
        // A rename onto a symbolic link would replace the link, not the file it stands for.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if target.is_dir() {
            return Err(Error::io(path)(io::ErrorKind::IsADirectory.into()));
        }
        let mode = mode_of(&target);
        let (file, name) = match linux::unnamed(folder_of(&target), mode) {
            Some(file) => (file, None),
            None => {
                let (file, name) = named(&target, |name| create_new(name, mode))
                    .map_err(Error::io(path))?
                    .into_parts();
                (file, Some(name))
            }
        };
        Ok(Self { path: target, writer: BufWriter::with_capacity(1 << 18, file), name })
    }

    /// Append `bytes`.
    ///
    /// # Errors
    /// [`Error::Io`], a full disk among others.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).map_err(Error::io(&self.path))
    }

    /// Append what `stream` gives, by the system's own means where it has some. Returns how many
    /// bytes there were.
    ///
    /// # Errors
    /// [`Error::Io`], of either file.
    pub fn append(&mut self, stream: &mut io::Take<&File>) -> Result<u64> {
        io::copy(stream, &mut self.writer).map_err(Error::io(&self.path))
    }

    /// Bring the file to the disk.
    ///
    /// # Errors
    /// [`Error::Io`]; the destination stays as it is.
    pub fn finish(self) -> Result<Finished> {
        let Self { path, writer, name } = self;
        let file = writer.into_inner().map_err(|error| Error::io(&path)(error.into_error()))?;
        file.sync_all().map_err(Error::io(&path))?;
        Ok(Finished { path, file, name })
    }

    /// Bring the file to the disk and put it in place.
    ///
    /// # Errors
    /// [`Error::Io`]; the destination is then as it was.
    pub fn commit(self) -> Result<()> {
        self.finish()?.commit()
    }
}

/// A complete file on the disk that is not in its place yet.
#[derive(Debug)]
pub struct Finished {
    path: PathBuf,
    file: File,
    name: Option<TempPath>,
}

impl Finished {
    /// Put it in place.
    ///
    /// # Errors
    /// [`Error::Io`]; the destination is then as it was.
    pub fn commit(self) -> Result<()> {
        let Self { path, file, name } = self;
        let name = match name {
            Some(name) => name,
            None => {
                let linked = named(&path, |name| linux::link(&file, name));
                linked.map_err(Error::io(&path))?.into_temp_path()
            }
        };
        // Windows does not rename open files.
        drop(file);
        name.persist(&path).map_err(|error| Error::io(&path)(error.error))?;
        sync_folder(&path);
        Ok(())
    }
}

/// Make something with a free name beside `target`.
fn named<T>(
    target: &Path,
    make: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<NamedTempFile<T>> {
    Builder::new().prefix(".isomorph-").suffix(".tmp").make_in(folder_of(target), make)
}

fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

/// The mode of the file that is replaced, or the usual one, of which the system takes away what
/// the umask forbids.
fn mode_of(target: &Path) -> u32 {
    const USUAL: u32 = 0o666;
    #[cfg(unix)]
    if let Ok(found) = std::fs::metadata(target) {
        return std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o777;
    }
    let _ = target;
    USUAL
}

/// Make the rename itself durable. Best effort: the file is whole either way, and not every
/// system can sync a folder.
fn sync_folder(path: &Path) {
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};

    /// Where an open file can be found by its number.
    const OPEN_FILES: &str = "/proc/self/fd";

    /// A file without a name in `folder`, if the file system has such files and there is a way to
    /// name it later.
    pub fn unnamed(folder: &Path, mode: u32) -> Option<File> {
        if !Path::new(OPEN_FILES).exists() {
            return None;
        }
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(CWD, folder, flags, Mode::from_raw_mode(mode)).ok().map(File::from)
    }

    /// Give `file` a name.
    pub fn link(file: &File, name: &Path) -> io::Result<()> {
        let open = format!("{OPEN_FILES}/{}", file.as_raw_fd());
        Ok(linkat(CWD, open.as_str(), CWD, name, AtFlags::SYMLINK_FOLLOW)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub fn unnamed(_folder: &Path, _mode: u32) -> Option<File> {
        None
    }

    pub fn link(_file: &File, _name: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn nothing_is_seen_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write(b"new").unwrap();
        assert!(!path.exists());
        if cfg!(target_os = "linux") {
            assert_eq!(entries(folder.path()), 0);
        }
        drop(file);
        assert_eq!(entries(folder.path()), 0);
        let mut file = AtomicFile::create(&path).unwrap();
        file.write(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(entries(folder.path()), 1);
    }

    #[test]
    fn a_named_temporary_file_does_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let begin = || {
            let (file, name) = named(&path, |name| create_new(name, 0o644)).unwrap().into_parts();
            let writer = BufWriter::new(file);
            AtomicFile { path: path.clone(), writer, name: Some(name) }
        };
        let mut file = begin();
        file.write(b"new").unwrap();
        drop(file);
        assert_eq!(entries(folder.path()), 0);
        let mut file = begin();
        file.write(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(entries(folder.path()), 1);
    }
}
