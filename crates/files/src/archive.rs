//! Several blobs as one ZIP that is never written anywhere: what stands between the files is kept, the files are read where they lie.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;

use chrono::{Datelike, NaiveDateTime, Timelike};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::io;
use crate::{BlobStore, Error, FILE_NAME_LENGTH_MAX, sanitize_file_name};

/// A file to be put into an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// Its name in the archive; see [`distinct_names`].
    pub name: String,
    /// When it was last changed, on the clock of those who will look at it: ZIP knows no time zones.
    pub modified: NaiveDateTime,
    /// What is in it.
    pub content: EntryContent,
}

/// What is in a file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryContent {
    /// A blob, by its SHA-256.
    Blob(String),
    /// A short text, which is kept in memory.
    Text(String),
}

/// A ZIP of blobs: its headers and directory in memory, and where which blob stands between them.
///
/// Files are stored as they are, not compressed: so the same files give the same bytes, the length is known before the first one is sent, and
/// any part can be had alone, for a download that is resumed.
#[derive(Debug)]
pub struct Archive {
    pieces: Vec<Piece>,
    byte_size: u64,
}

/// A run of bytes of an archive.
#[derive(Debug)]
struct Piece {
    start: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Kept(Vec<u8>),
    Blob { sha256: String, byte_size: u64 },
}

impl Bytes {
    fn byte_size(&self) -> u64 {
        match self {
            Bytes::Kept(bytes) => bytes.len() as u64,
            Bytes::Blob { byte_size, .. } => *byte_size,
        }
    }
}

impl Archive {
    /// Lays out an archive. Every blob is read once, for the checksum that stands before it; none is held in memory.
    ///
    /// Names must be distinct; the order stays.
    pub fn lay_out(blobs: &BlobStore, entries: &[ArchiveEntry]) -> Result<Archive, Error> {
        let passing = Rc::new(RefCell::new(None));
        let outline = Outline { pieces: Vec::new(), position: 0, byte_size: 0, passing: passing.clone() };
        let mut writer = ZipWriter::new(outline);
        for entry in entries {
            let large = match &entry.content {
                EntryContent::Blob(sha256) => blobs.open_blob(sha256)?.1 >= u64::from(u32::MAX),
                EntryContent::Text(_) => false,
            };
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .last_modified_time(time_of(entry.modified))
                .unix_permissions(0o644)
                .large_file(large);
            let failed = |error: zip::result::ZipError| io("archive", Path::new(&entry.name))(error.into());
            writer.start_file(&entry.name, options).map_err(failed)?;
            match &entry.content {
                EntryContent::Text(text) => writer.write_all(text.as_bytes()).map_err(io("archive", Path::new(&entry.name)))?,
                EntryContent::Blob(sha256) => {
                    let (mut file, _) = blobs.open_blob(sha256)?;
                    passing.replace(Some(sha256.clone()));
                    let copied = copy(&mut file, &mut writer);
                    passing.replace(None);
                    copied.map_err(io("read", &blobs.path(sha256)?))?;
                }
            }
        }
        let outline = writer.finish().map_err(|error| io("archive", Path::new("directory"))(error.into()))?;
        Ok(Archive { pieces: outline.pieces, byte_size: outline.byte_size })
    }

    /// Length of the whole archive.
    pub fn byte_size(&self) -> u64 {
        self.byte_size
    }

    /// Bytes of memory that it takes.
    pub fn memory(&self) -> usize {
        let of = |piece: &Piece| match &piece.bytes {
            Bytes::Kept(bytes) => bytes.capacity(),
            Bytes::Blob { sha256, .. } => sha256.capacity(),
        };
        self.pieces.iter().map(|piece| size_of::<Piece>() + of(piece)).sum()
    }

    /// Whether all its blobs are still there.
    pub fn is_whole(&self, blobs: &BlobStore) -> Result<bool, Error> {
        for piece in &self.pieces {
            if let Bytes::Blob { sha256, .. } = &piece.bytes
                && !blobs.contains(sha256)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The bytes from a position on, `length` of them or as many as there are.
    pub fn read(&self, blobs: &BlobStore, position: u64, length: usize) -> Result<Vec<u8>, Error> {
        let end = position.saturating_add(length as u64).min(self.byte_size);
        let mut read = Vec::with_capacity(usize::try_from(end.saturating_sub(position)).unwrap_or(length));
        let first = self.pieces.partition_point(|piece| piece.start + piece.bytes.byte_size() <= position);
        for piece in &self.pieces[first..] {
            if piece.start >= end {
                break;
            }
            let from = position.saturating_sub(piece.start);
            let to = (end - piece.start).min(piece.bytes.byte_size());
            match &piece.bytes {
                Bytes::Kept(bytes) => read.extend_from_slice(&bytes[from as usize..to as usize]),
                Bytes::Blob { sha256, .. } => {
                    let (mut file, _) = blobs.open_blob(sha256)?;
                    let path = blobs.path(sha256)?;
                    let begin = read.len();
                    read.resize(begin + (to - from) as usize, 0);
                    file.seek(SeekFrom::Start(from)).and_then(|_| file.read_exact(&mut read[begin..])).map_err(io("read", &path))?;
                }
            }
        }
        Ok(read)
    }
}

/// In larger steps than the standard library's 8 KB.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// To the two seconds that ZIP has, from 1980 on.
fn time_of(moment: NaiveDateTime) -> DateTime {
    let part = |number: u32| u8::try_from(number).unwrap_or(0);
    let year = u16::try_from(moment.year()).unwrap_or(0);
    let (month, day) = (part(moment.month()), part(moment.day()));
    let (hour, minute, second) = (part(moment.hour()), part(moment.minute()), part(moment.second()));
    DateTime::from_date_and_time(year, month, day, hour, minute, second).unwrap_or(DateTime::DEFAULT)
}

/// Takes what the writer of ZIPs writes, and forgets the bytes of blobs.
struct Outline {
    pieces: Vec<Piece>,
    position: u64,
    byte_size: u64,
    /// The blob whose bytes are passing.
    passing: Rc<RefCell<Option<String>>>,
}

impl Outline {
    fn append(&mut self, bytes: &[u8]) {
        let passing = self.passing.borrow();
        match (&*passing, self.pieces.last_mut().map(|piece| &mut piece.bytes)) {
            // Two blobs never touch: there is a header between them.
            (Some(_), Some(Bytes::Blob { byte_size, .. })) => *byte_size += bytes.len() as u64,
            (None, Some(Bytes::Kept(kept))) => kept.extend_from_slice(bytes),
            (Some(sha256), _) => {
                let bytes = Bytes::Blob { sha256: sha256.clone(), byte_size: bytes.len() as u64 };
                self.pieces.push(Piece { start: self.byte_size, bytes });
            }
            (None, _) => self.pieces.push(Piece { start: self.byte_size, bytes: Bytes::Kept(bytes.to_vec()) }),
        }
        self.byte_size += bytes.len() as u64;
    }

    /// Writes over what is kept, as a header gets its checksum once its file is known.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let index = self.pieces.partition_point(|piece| piece.start + piece.bytes.byte_size() <= self.position);
        let place = self.pieces.get_mut(index).and_then(|piece| match &mut piece.bytes {
            Bytes::Kept(kept) => {
                let start = usize::try_from(self.position - piece.start).ok()?;
                kept.get_mut(start..start + bytes.len())
            }
            Bytes::Blob { .. } => None,
        });
        place.ok_or_else(|| io::Error::other("a file of an archive cannot be written over"))?.copy_from_slice(bytes);
        Ok(())
    }
}

impl Write for Outline {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let over = usize::try_from(self.byte_size.saturating_sub(self.position)).unwrap_or(usize::MAX).min(bytes.len());
        if over > 0 {
            self.replace(&bytes[..over])?;
        }
        if over < bytes.len() {
            self.append(&bytes[over..]);
        }
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Outline {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(step) => self.byte_size.checked_add_signed(step),
            SeekFrom::Current(step) => self.position.checked_add_signed(step),
        };
        match position.filter(|position| *position <= self.byte_size) {
            Some(position) => self.position = position,
            None => return Err(io::Error::other("there is nothing behind the end of an archive")),
        }
        Ok(self.position)
    }
}

/// The names as harmless file names, of which no two are the same, in whatever case: `a.csv`, `A (2).csv`. `taken` are names they must not have.
pub fn distinct_names<'a>(names: impl IntoIterator<Item = &'a str>, taken: &[&str]) -> Vec<String> {
    let mut seen: HashSet<String> = taken.iter().map(|name| name.to_lowercase()).collect();
    let distinct = names.into_iter().map(|name| {
        let name = sanitize_file_name(name);
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
            _ => (name.as_str(), String::new()),
        };
        let mut number = 1;
        let mut candidate = name.clone();
        while !seen.insert(candidate.to_lowercase()) {
            number += 1;
            let end = format!(" ({number}){extension}");
            let kept = FILE_NAME_LENGTH_MAX.saturating_sub(end.chars().count());
            candidate = stem.chars().take(kept).chain(end.chars()).collect();
        }
        candidate
    });
    distinct.collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;
    use zip::ZipArchive;

    use super::*;

    fn store() -> (tempfile::TempDir, BlobStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(dir.path()).unwrap();
        (dir, store)
    }

    fn blob(store: &BlobStore, name: &str, bytes: &[u8]) -> ArchiveEntry {
        let mut upload = store.begin(u64::MAX).unwrap();
        upload.write(bytes).unwrap();
        entry(name, EntryContent::Blob(upload.finish().unwrap().sha256))
    }

    fn entry(name: &str, content: EntryContent) -> ArchiveEntry {
        ArchiveEntry { name: name.to_owned(), modified: "2026-11-25T12:34:56".parse().unwrap(), content }
    }

    fn whole(archive: &Archive, store: &BlobStore) -> Vec<u8> {
        archive.read(store, 0, usize::try_from(archive.byte_size()).unwrap()).unwrap()
    }

    #[test]
    fn another_reader_finds_the_files() {
        let (_dir, store) = store();
        let long = vec![7; 700_000];
        let entries = [
            entry("README.txt", EntryContent::Text("読んでください".to_owned())),
            blob(&store, "避難所.csv", b"a,b\n1,2\n"),
            blob(&store, "empty.txt", b""),
            blob(&store, "long.bin", &long),
            blob(&store, "避難所 (2).csv", b"a,b\n1,2\n"),
        ];
        let archive = Archive::lay_out(&store, &entries).unwrap();
        let bytes = whole(&archive, &store);
        assert_eq!(bytes.len() as u64, archive.byte_size());
        let mut read = ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let expected: [(&str, &[u8]); 5] = [
            ("README.txt", "読んでください".as_bytes()),
            ("避難所.csv", b"a,b\n1,2\n"),
            ("empty.txt", b""),
            ("long.bin", &long),
            ("避難所 (2).csv", b"a,b\n1,2\n"),
        ];
        assert_eq!(read.len(), expected.len());
        for (index, (name, content)) in expected.into_iter().enumerate() {
            let mut file = read.by_index(index).unwrap();
            let mut found = Vec::new();
            // Reading to the end compares the checksum.
            file.read_to_end(&mut found).unwrap();
            assert_eq!((file.name().unwrap().as_ref(), found.as_slice()), (name, content));
            assert_eq!(file.last_modified().map(|at| at.to_string()).as_deref(), Some("2026-11-25 12:34:56"));
        }
        // Bit 11 of the flags in the local header of the second file: its name is UTF-8 (APPNOTE 4.4.4). Bit 3: sizes stand behind the file.
        let at = bytes.windows(4).enumerate().filter(|(_, window)| *window == b"PK\x03\x04").nth(1).unwrap().0;
        let flags = u16::from_le_bytes([bytes[at + 6], bytes[at + 7]]);
        assert_eq!((flags & 0x0800, flags & 0x0008), (0x0800, 0));
    }

    #[test]
    fn the_same_files_are_the_same_bytes() {
        let (_dir, store) = store();
        let entries = [blob(&store, "a.csv", b"a\n"), blob(&store, "b.csv", b"b\n")];
        let [first, second] = [(); 2].map(|()| whole(&Archive::lay_out(&store, &entries).unwrap(), &store));
        assert_eq!(first, second);
    }

    #[test]
    fn a_blob_that_is_gone_is_told() {
        let (_dir, store) = store();
        let entries = [blob(&store, "a.csv", b"abc")];
        let archive = Archive::lay_out(&store, &entries).unwrap();
        assert!(archive.is_whole(&store).unwrap());
        let EntryContent::Blob(sha256) = &entries[0].content else { panic!() };
        store.remove(sha256).unwrap();
        assert!(!archive.is_whole(&store).unwrap());
        assert!(matches!(Archive::lay_out(&store, &entries), Err(Error::NotFound { .. })));
        assert!(archive.read(&store, 0, 1_000).is_err());
        assert!(archive.read(&store, 0, 4).is_ok());
    }

    #[test]
    fn names_are_made_distinct_whatever_their_case() {
        let names = ["a.csv", "A.CSV", "a.csv", "../a.csv", "README.txt", "file", "file", "a (2).csv", "", ".csv"];
        let expected =
            ["a.csv", "A (2).CSV", "a (3).csv", "a (4).csv", "README (2).txt", "file", "file (2)", "a (2) (2).csv", "file (3)", "csv"];
        assert_eq!(distinct_names(names, &["README.txt"]), expected);
        let long = format!("{}.csv", "長".repeat(300));
        let both = distinct_names([long.as_str(), long.as_str()], &[]);
        assert!(both.iter().all(|name| name.chars().count() <= FILE_NAME_LENGTH_MAX && name.ends_with(".csv")));
        assert_ne!(both[0], both[1]);
    }

    proptest! {
        // Each case writes files that are flushed to the disk.
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_part_is_that_of_the_whole(contents in proptest::collection::vec(any::<Vec<u8>>(), 0..5), from in 0..2_000_u64, length in 0..500_usize) {
            let (_dir, store) = store();
            let entries: Vec<_> = contents.iter().enumerate().map(|(index, bytes)| blob(&store, &format!("{index}.bin"), bytes)).collect();
            let archive = Archive::lay_out(&store, &entries).unwrap();
            let whole = whole(&archive, &store);
            let start = usize::try_from(from).unwrap().min(whole.len());
            let end = start.saturating_add(length).min(whole.len());
            prop_assert_eq!(archive.read(&store, from, length).unwrap(), &whole[start..end]);
        }

    }

    proptest! {
        #[test]
        fn any_names_become_distinct_ones(names in proptest::collection::vec("[aA./\\\\ ()2]{0,6}", 0..12)) {
            let distinct = distinct_names(names.iter().map(String::as_str), &["a"]);
            let lower: HashSet<String> = distinct.iter().map(|name| name.to_lowercase()).collect();
            prop_assert_eq!(lower.len(), names.len());
            let stray = distinct.iter().any(|name| name.contains(['/', '\\']) || name.starts_with('.') || name.eq_ignore_ascii_case("a"));
            prop_assert!(!stray);
        }
    }
}
