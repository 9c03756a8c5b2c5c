//! Content-addressed files on the local disk.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::Error;
use crate::error::io;

/// How many of the first bytes an [`Upload`] remembers.
pub const HEAD_BYTES: usize = 8 * 1024;

/// A directory of blobs. Cheap to clone; any number of threads and processes may use one directory.
#[derive(Debug, Clone)]
pub struct BlobStore {
    dir: PathBuf,
}

/// Bytes that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of the bytes, lower-case hexadecimal; also its name.
    pub sha256: String,
    /// Number of bytes.
    pub byte_size: u64,
}

/// A blob as it lies on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// SHA-256 of the bytes by its name.
    pub sha256: String,
    /// Number of bytes.
    pub byte_size: u64,
    /// When these bytes were last uploaded.
    pub uploaded: SystemTime,
}

impl BlobStore {
    /// The store in `dir`, which is made when absent.
    pub fn open(dir: impl Into<PathBuf>) -> Result<BlobStore, Error> {
        let store = BlobStore { dir: dir.into() };
        let incoming = store.incoming();
        fs::create_dir_all(&incoming).map_err(io("create", &incoming))?;
        Ok(store)
    }

    /// Begins to write a file of at most `limit` bytes.
    pub fn begin(&self, limit: u64) -> Result<Upload, Error> {
        let incoming = self.incoming();
        let file = tempfile::Builder::new().prefix("upload-").tempfile_in(&incoming).map_err(io("create a file in", &incoming))?;
        Ok(Upload { store: self.clone(), file, hash: Sha256::new(), head: Vec::new(), byte_size: 0, limit })
    }

    /// An empty file for what is derived from blobs and may be lost: nobody can find it, and it is gone when it is closed.
    pub fn scratch(&self) -> Result<File, Error> {
        let incoming = self.incoming();
        tempfile::tempfile_in(&incoming).map_err(io("create a file in", &incoming))
    }

    /// A blob for reading, and its size in bytes.
    pub fn open_blob(&self, sha256: &str) -> Result<(File, u64), Error> {
        let path = self.path(sha256)?;
        let file = File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::NotFound { sha256: sha256.to_owned() },
            _ => io("open", &path)(error),
        })?;
        let byte_size = file.metadata().map_err(io("inspect", &path))?.len();
        Ok((file, byte_size))
    }

    /// Where a blob of that name is or would be. Refuses names that are not SHA-256, so that no name leads out of the store.
    pub fn path(&self, sha256: &str) -> Result<PathBuf, Error> {
        let valid = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !valid {
            return Err(Error::InvalidName { name: sha256.chars().take(80).collect() });
        }
        Ok(self.dir.join(&sha256[0..2]).join(&sha256[2..4]).join(sha256))
    }

    /// Whether there is such a blob.
    pub fn contains(&self, sha256: &str) -> Result<bool, Error> {
        let path = self.path(sha256)?;
        path.try_exists().map_err(io("inspect", &path))
    }

    /// Removes a blob; returns whether there was one.
    ///
    /// The caller makes sure that no file version needs it and that nobody is uploading the same bytes.
    pub fn remove(&self, sha256: &str) -> Result<bool, Error> {
        let path = self.path(sha256)?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io("remove", &path)(error)),
        }
    }

    /// All blobs, in no order. One that appears or goes meanwhile may be among them or not.
    pub fn list(&self) -> Result<Vec<StoredBlob>, Error> {
        let mut blobs = Vec::new();
        for outer in entries(&self.dir)? {
            let named = outer.file_name().is_some_and(|name| name.len() == 2);
            for inner in if named { entries(&outer)? } else { Vec::new() } {
                for path in entries(&inner)? {
                    let Some(sha256) = path.file_name().and_then(|name| name.to_str()) else { continue };
                    let Ok(metadata) = fs::metadata(&path) else { continue };
                    if self.path(sha256).is_ok_and(|expected| expected == path) {
                        let uploaded = metadata.modified().map_err(io("inspect", &path))?;
                        blobs.push(StoredBlob { sha256: sha256.to_owned(), byte_size: metadata.len(), uploaded });
                    }
                }
            }
        }
        Ok(blobs)
    }

    /// Removes a blob that no file version needs, unless its bytes were uploaded since `before`; returns whether it did.
    ///
    /// Safe beside uploads of the same bytes: the blob first gets out of their way and is looked at again. An upload that finishes dates
    /// the blob anew before it looks whether it is still there, so either this sees the new date or the upload brings its own bytes.
    pub fn remove_unused(&self, sha256: &str, before: SystemTime) -> Result<bool, Error> {
        let path = self.path(sha256)?;
        let aside = self.incoming().join(format!("unused-{sha256}"));
        let age = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
        match age(&path) {
            Ok(uploaded) if uploaded < before => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io("inspect", &path)(error)),
        }
        match fs::rename(&path, &aside) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io("move", &path)(error)),
        }
        if age(&aside).map_err(io("inspect", &aside))? >= before {
            fs::rename(&aside, &path).map_err(io("move", &aside))?;
            return Ok(false);
        }
        fs::remove_file(&aside).map_err(io("remove", &aside))?;
        Ok(true)
    }

    /// Reads a whole blob and compares it with its name; returns its size in bytes.
    pub fn verify(&self, sha256: &str) -> Result<u64, Error> {
        let (mut file, _) = self.open_blob(sha256)?;
        let path = self.path(sha256)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut byte_size = 0;
        loop {
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(io("read", &path)(error)),
            };
            hash.update(&buffer[..count]);
            byte_size += count as u64;
        }
        let found = hex(hash);
        if found == sha256 { Ok(byte_size) } else { Err(Error::Damaged { sha256: sha256.to_owned(), found }) }
    }

    /// Removes what uploads left behind when the process was killed; returns how many files.
    ///
    /// For the start of the one process that writes here: it would also remove uploads that run.
    pub fn clear_incoming(&self) -> Result<usize, Error> {
        let incoming = self.incoming();
        let mut removed = 0;
        for entry in fs::read_dir(&incoming).map_err(io("list", &incoming))? {
            let path = entry.map_err(io("list", &incoming))?.path();
            match fs::remove_file(&path) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(io("remove", &path)(error)),
            }
        }
        Ok(removed)
    }

    fn incoming(&self) -> PathBuf {
        self.dir.join("incoming")
    }
}

/// A file being written. Dropping it takes it back.
#[derive(Debug)]
pub struct Upload {
    store: BlobStore,
    file: NamedTempFile,
    hash: Sha256,
    head: Vec<u8>,
    byte_size: u64,
    limit: u64,
}

impl Upload {
    /// Appends bytes. After [`Error::TooLarge`] nothing more was written; drop the upload.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let byte_size = self.byte_size.saturating_add(bytes.len() as u64);
        if byte_size > self.limit {
            return Err(Error::TooLarge { limit: self.limit });
        }
        self.file.as_file_mut().write_all(bytes).map_err(io("write", self.file.path()))?;
        self.hash.update(bytes);
        self.byte_size = byte_size;
        let wanted = HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..wanted]);
        Ok(())
    }

    /// The first bytes so far, at most [`HEAD_BYTES`].
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Number of bytes so far.
    pub fn byte_size(&self) -> u64 {
        self.byte_size
    }

    /// SHA-256 of the bytes so far, lower-case hexadecimal: the name the blob would get.
    pub fn sha256(&self) -> String {
        hex(self.hash.clone())
    }

    /// Forces the bytes so far to the disk, so that [`Upload::finish`] has little left to wait for.
    pub fn flush(&self) -> Result<(), Error> {
        self.file.as_file().sync_all().map_err(io("flush", self.file.path()))
    }

    /// Makes the bytes a blob that survives a power cut. When there is one with the same bytes, that one is kept.
    pub fn finish(self) -> Result<Blob, Error> {
        let blob = Blob { sha256: hex(self.hash), byte_size: self.byte_size };
        let path = self.store.path(&blob.sha256)?;
        let inner = path.parent().unwrap_or(&self.store.dir);
        let outer = inner.parent().unwrap_or(&self.store.dir);
        fs::create_dir_all(inner).map_err(io("create", inner))?;
        // A blob of another length was damaged by something else; these bytes mend it.
        let kept = date_anew(&path, blob.byte_size) && path.exists();
        if !kept {
            self.file.as_file().sync_all().map_err(io("flush", self.file.path()))?;
            self.file.persist(&path).map_err(|error| io("create", &path)(error.error))?;
        }
        // Also when kept: the upload that made it may not have come this far yet.
        for dir in [inner, outer, &self.store.dir] {
            flush_directory(dir)?;
        }
        Ok(blob)
    }
}

/// Dates a blob of this size anew, against its removal as unused; `false` when there is none.
fn date_anew(path: &Path, byte_size: u64) -> bool {
    let dated = File::options().write(true).open(path).and_then(|file| {
        file.set_modified(SystemTime::now())?;
        file.metadata()
    });
    dated.is_ok_and(|metadata| metadata.len() == byte_size)
}

/// What is in a directory; nothing when it is none.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(io("list", dir))).collect(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(io("list", dir)(error)),
    }
}

/// Makes a rename durable. Only Unix can, and needs to.
fn flush_directory(dir: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("flush", dir))?;
    }
    Ok(())
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of "abc", from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn store() -> (tempfile::TempDir, BlobStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(dir.path().join("files")).unwrap();
        (dir, store)
    }

    fn put(store: &BlobStore, parts: &[&[u8]]) -> Blob {
        let mut upload = store.begin(1_000_000).unwrap();
        for part in parts {
            upload.write(part).unwrap();
        }
        upload.finish().unwrap()
    }

    fn incoming(store: &BlobStore) -> usize {
        fs::read_dir(store.incoming()).unwrap().count()
    }

    #[test]
    fn a_blob_is_named_by_its_bytes() {
        let (_dir, store) = store();
        let blob = put(&store, &[b"a", b"", b"bc"]);
        assert_eq!(blob, Blob { sha256: ABC.to_owned(), byte_size: 3 });
        let (mut file, byte_size) = store.open_blob(ABC).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), byte_size), ("abc", 3));
        assert!(store.path(ABC).unwrap().ends_with(format!("ba/78/{ABC}")));
        assert_eq!(store.verify(ABC).unwrap(), 3);
        assert_eq!(incoming(&store), 0);
    }

    #[test]
    fn the_same_bytes_are_kept_once() {
        let (_dir, store) = store();
        let before = put(&store, &[b"abc"]);
        let created = fs::metadata(store.path(ABC).unwrap()).unwrap().created().ok();
        assert_eq!(put(&store, &[b"ab", b"c"]), before);
        assert_eq!(fs::metadata(store.path(ABC).unwrap()).unwrap().created().ok(), created);
        assert_eq!(store.list().unwrap().len(), 1);
        assert_eq!(incoming(&store), 0);
    }

    #[test]
    fn many_uploads_of_the_same_bytes_at_once_agree() {
        let (_dir, store) = store();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(put(&store, &[b"abc"]).sha256, ABC));
            }
        });
        assert_eq!(store.verify(ABC).unwrap(), 3);
    }

    #[test]
    fn an_empty_file_is_a_blob() {
        let (_dir, store) = store();
        let blob = put(&store, &[]);
        assert_eq!(store.open_blob(&blob.sha256).unwrap().1, 0);
    }

    #[test]
    fn dropping_an_upload_takes_it_back() {
        let (_dir, store) = store();
        let mut upload = store.begin(10).unwrap();
        upload.write(b"abc").unwrap();
        upload.flush().unwrap();
        assert_eq!((upload.sha256().as_str(), upload.byte_size()), (ABC, 3));
        assert_eq!(incoming(&store), 1);
        drop(upload);
        assert_eq!(incoming(&store), 0);
        assert!(!store.contains(ABC).unwrap());
    }

    #[test]
    fn scratch_files_leave_nothing() {
        let (_dir, store) = store();
        let mut file = store.scratch().unwrap();
        file.write_all(b"derived").unwrap();
        drop(file);
        assert_eq!(incoming(&store), 0);
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let (_dir, store) = store();
        let mut upload = store.begin(5).unwrap();
        upload.write(b"12345").unwrap();
        let error = upload.write(b"6").unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 5 }));
        assert!(error.text().ja.contains("5 B"));
        assert_eq!(upload.byte_size(), 5);
    }

    #[test]
    fn the_head_is_the_first_bytes_over_chunks() {
        let (_dir, store) = store();
        let mut upload = store.begin(100_000).unwrap();
        upload.write(&[1; 5_000]).unwrap();
        upload.write(&[2; 5_000]).unwrap();
        upload.write(&[3; 5_000]).unwrap();
        assert_eq!(upload.head(), [[1; 5_000].as_slice(), &[2; HEAD_BYTES - 5_000]].concat());
    }

    #[test]
    fn no_name_leads_out_of_the_store() {
        let (_dir, store) = store();
        for name in
            ["", "..", "../../etc/passwd", "abc", &ABC.to_uppercase(), &ABC[1..], &format!("{ABC}0"), &format!("../{}", &ABC[3..]), "あ"]
        {
            assert!(matches!(store.open_blob(name), Err(Error::InvalidName { .. })), "{name}");
            assert!(store.contains(name).is_err() && store.remove(name).is_err() && store.verify(name).is_err(), "{name}");
        }
    }

    #[test]
    fn an_absent_blob_is_not_found() {
        let (_dir, store) = store();
        assert!(matches!(store.open_blob(ABC), Err(Error::NotFound { .. })));
        assert!(!store.contains(ABC).unwrap());
        assert!(!store.remove(ABC).unwrap());
    }

    #[test]
    fn a_removed_blob_is_gone() {
        let (_dir, store) = store();
        put(&store, &[b"abc"]);
        assert!(store.contains(ABC).unwrap());
        assert!(store.remove(ABC).unwrap());
        assert!(!store.contains(ABC).unwrap());
    }

    fn date(store: &BlobStore, to: SystemTime) {
        File::options().write(true).open(store.path(ABC).unwrap()).unwrap().set_modified(to).unwrap();
    }

    #[test]
    fn what_nobody_needs_is_removed_unless_it_was_uploaded_since() {
        let (_dir, store) = store();
        let day = std::time::Duration::from_secs(86_400);
        let (now, yesterday) = (SystemTime::now(), SystemTime::now() - day);
        put(&store, &[b"abc"]);
        fs::write(store.dir.join("note.txt"), b"not a blob").unwrap();
        assert!(!store.remove_unused(ABC, yesterday).unwrap());
        date(&store, yesterday - day);
        let listed = store.list().unwrap();
        assert_eq!((listed.len(), listed[0].sha256.as_str(), listed[0].byte_size), (1, ABC, 3));
        assert!(listed[0].uploaded < yesterday);
        // The same bytes again: somebody may be about to need them.
        put(&store, &[b"abc"]);
        assert!(store.list().unwrap()[0].uploaded > yesterday && !store.remove_unused(ABC, yesterday).unwrap());
        date(&store, yesterday - day);
        assert!(store.remove_unused(ABC, yesterday).unwrap());
        assert!(!store.remove_unused(ABC, now).unwrap() && store.list().unwrap().is_empty());
        assert_eq!(incoming(&store), 0);
    }

    #[test]
    fn an_upload_wins_over_a_removal_at_the_same_time() {
        let (_dir, store) = store();
        for _ in 0..200 {
            put(&store, &[b"abc"]);
            let before = SystemTime::now() - std::time::Duration::from_secs(60);
            date(&store, before - std::time::Duration::from_secs(60));
            std::thread::scope(|scope| {
                scope.spawn(|| store.remove_unused(ABC, before).unwrap());
                scope.spawn(|| put(&store, &[b"abc"]));
            });
            assert!(store.contains(ABC).unwrap());
        }
    }

    #[test]
    fn damage_is_noticed_and_mended_by_the_same_file() {
        let (_dir, store) = store();
        put(&store, &[b"abc"]);
        fs::write(store.path(ABC).unwrap(), b"ab").unwrap();
        assert!(matches!(store.verify(ABC), Err(Error::Damaged { .. })));
        put(&store, &[b"abc"]);
        assert_eq!(store.verify(ABC).unwrap(), 3);
    }

    #[test]
    fn leftovers_of_a_killed_process_are_cleared() {
        let (_dir, store) = store();
        put(&store, &[b"abc"]);
        fs::write(store.incoming().join("upload-dead"), b"half").unwrap();
        assert_eq!(store.clear_incoming().unwrap(), 1);
        assert_eq!(store.clear_incoming().unwrap(), 0);
        assert!(store.contains(ABC).unwrap());
    }

    #[test]
    fn a_store_can_be_opened_again() {
        let (_dir, store) = store();
        put(&store, &[b"abc"]);
        let again = BlobStore::open(store.dir.clone()).unwrap();
        assert!(again.contains(ABC).unwrap());
    }
}
