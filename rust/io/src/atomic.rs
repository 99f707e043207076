//! Files that appear whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::{Error, Result};

/// A file being written beside its destination. [`AtomicFile::commit`] puts it in place in one
/// step; dropped before that, it leaves nothing behind and the old file untouched.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    writer: BufWriter<NamedTempFile<File>>,
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
            return Err(Error::io(path)(std::io::ErrorKind::IsADirectory.into()));
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        permit(&mut options, &target);
        let temporary = Builder::new()
            .prefix(".isomorph-")
            .suffix(".tmp")
            .make_in(folder_of(&target), |name| options.open(name))
            .map_err(Error::io(path))?;
        Ok(Self { path: target, writer: BufWriter::with_capacity(1 << 18, temporary) })
    }

    /// Append `bytes`.
    ///
    /// # Errors
    /// [`Error::Io`], a full disk among others.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).map_err(Error::io(&self.path))
    }

    /// Bring the file to the disk and put it in place.
    ///
    /// # Errors
    /// [`Error::Io`]; the destination is then as it was.
    pub fn commit(self) -> Result<()> {
        let Self { path, writer } = self;
        let temporary =
            writer.into_inner().map_err(|error| Error::io(&path)(error.into_error()))?;
        temporary.as_file().sync_all().map_err(Error::io(&path))?;
        temporary.persist(&path).map_err(|error| Error::io(&path)(error.error))?;
        sync_folder(&path);
        Ok(())
    }
}

/// Temporary files are private by default. Ours becomes the user's file: it gets the mode of the
/// file it replaces, or the usual one, of which the kernel takes away what the umask forbids.
#[cfg(unix)]
fn permit(options: &mut OpenOptions, target: &Path) {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mode = std::fs::metadata(target).map_or(0o666, |found| found.permissions().mode() & 0o777);
    options.mode(mode);
}

#[cfg(not(unix))]
fn permit(_options: &mut OpenOptions, _target: &Path) {}

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
