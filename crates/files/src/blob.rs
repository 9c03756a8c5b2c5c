//! Content-addressed files on the local disk.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

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
        let kept = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == blob.byte_size);
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
        let modified = fs::metadata(store.path(ABC).unwrap()).unwrap().modified().unwrap();
        assert_eq!(put(&store, &[b"ab", b"c"]), before);
        assert_eq!(fs::metadata(store.path(ABC).unwrap()).unwrap().modified().unwrap(), modified);
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
