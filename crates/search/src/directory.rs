//! Where the engine keeps its files: as its own directory does, without waiting for the disk and without mapping stored texts.
//!
//! The engine syncs each file of a commit, two dozen times, so that a commit outlives a power cut. This index need not: the database is
//! the truth, what a killed process wrote is safe with the operating system, and after a power cut the checksums, compared at every
//! open, tell a damaged index, which is then built again. A writer waits for the index, so this wait is worth avoiding.
//!
//! Mapped pages count as memory of this process for as long as the system likes. What queries jump about in is worth that; stored texts
//! are not: a search shows twenty of them, but the words for suggestions are read from all, and a quarter of the index would stay.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, FileSlice, Lock, MmapDirectory, OwnedBytes, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};

/// The engine's name for files of stored texts.
const STORED_TEXTS: &str = "store";
/// Longer reads are those of a merge, which takes a file whole.
const READ_MAX: usize = 4 << 20;

/// A directory whose writes are handed to the operating system and not awaited, and whose stored texts are read and not mapped.
#[derive(Debug, Clone)]
pub(crate) struct UnsyncedDirectory {
    inner: MmapDirectory,
    path: PathBuf,
}

impl UnsyncedDirectory {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenDirectoryError> {
        Ok(UnsyncedDirectory { inner: MmapDirectory::open(path)?, path: path.to_owned() })
    }
}

/// A file of stored texts. It may be removed while it is open.
#[derive(Debug)]
struct StoredTexts {
    file: FileSlice,
    path: PathBuf,
    directory: MmapDirectory,
}

impl HasLen for StoredTexts {
    fn len(&self) -> usize {
        self.file.len()
    }
}

impl FileHandle for StoredTexts {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        if range.is_empty() {
            return Ok(OwnedBytes::empty());
        }
        if range.len() > READ_MAX
            && let Ok(mapped) = self.directory.open_read(&self.path)
        {
            // Mapped for as long as the bytes are held.
            return mapped.read_bytes_slice(range);
        }
        self.file.read_bytes_slice(range)
    }
}

struct UnsyncedFile(File);

impl Write for UnsyncedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl TerminatingWrite for UnsyncedFile {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.0.flush()
    }
}

impl Directory for UnsyncedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        if path.extension().is_none_or(|extension| extension != STORED_TEXTS) {
            return self.inner.get_file_handle(path);
        }
        let file = FileSlice::open(&self.path.join(path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(path.to_owned()),
            _ => OpenReadError::wrap_io_error(error, path.to_owned()),
        })?;
        Ok(Arc::new(StoredTexts { file, path: path.to_owned(), directory: self.inner.clone() }))
    }

    fn open_read(&self, path: &Path) -> Result<FileSlice, OpenReadError> {
        Ok(FileSlice::new(self.get_file_handle(path)?))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = OpenOptions::new().write(true).create_new(true).open(self.path.join(path)).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
            _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
        })?;
        Ok(BufWriter::new(Box::new(UnsyncedFile(file))))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.inner.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Only the one writer writes, so one name is enough; a rest of a killed process is overwritten.
        let beside = self.path.join(format!(".{name}.new"));
        fs::write(&beside, data)?;
        fs::rename(beside, self.path.join(path))
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.inner.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(callback)
    }
}
