//! The index on disk: opening, changing, rebuilding beside and swapping.
//!
//! A directory holds generations (`gen-000001/`, …) and a file `CURRENT` that names the one in use. A rebuild fills a new generation
//! and swaps by renaming `CURRENT` into place; whatever ends the process at whatever point leaves one whole generation in use.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tantivy::directory::error::LockError;
use tantivy::index::SegmentId;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::schema::{IndexRecordOption, Value};
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::{
    DocId, DocSet, IndexReader, IndexSettings, IndexWriter, Opstamp, ReloadPolicy, Searcher, TERMINATED, TantivyDocument, TantivyError,
    Term,
};
use uuid::Uuid;

use crate::analysis::{ANALYZER_VERSION, tokenizers};
use crate::collect::{FacetValues, SegmentColumns};
use crate::directory::UnsyncedDirectory;
use crate::postings::PreparedTerms;
use crate::schema::Fields;
use crate::search::MatchAll;
use crate::vocabulary::{Builder, Source, Vocabulary, words_of};
use crate::{Error, Facet, Scope, SearchDocument, Suggestion, SynonymError, Synonyms};

const CURRENT: &str = "CURRENT";
/// The engine's least.
const WRITER_MEMORY_MIN: usize = 15_000_000;
/// Memory of each thread that fills a new index: fewer, larger segments to merge.
const REBUILD_MEMORY: usize = 30_000_000;
/// Stored texts that are packed together, in bytes.
const STORED_BLOCK: usize = 32_768;
/// Up to so many datasets, words are refreshed before a change returns; a larger catalog does it in the background.
const REFRESHED_AT_ONCE: u64 = 100;
/// After a rebuild of at most so many datasets, the segments are merged into one.
const MERGED_WHOLE: u64 = 300_000;

/// How the index uses the machine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Memory for changes before they are written, in bytes; at least 15 million. Default 20 million.
    pub writer_memory_bytes: usize,
    /// Threads that fill a new index in [`Index::rebuild`], with 30 MB for each. Default 1: searches go on meanwhile.
    pub rebuild_threads: usize,
    /// A synonym list in place of the built-in one.
    pub synonyms: Option<String>,
    /// How long words for suggestions and corrections may lag behind changes. Default 500 ms.
    pub vocabulary_delay: Duration,
    /// How long to wait for another process to let go of the directory. Default 3 s.
    pub lock_wait: Duration,
    /// Blocks of stored texts kept unpacked of each segment, 32 KB each. Default 64.
    pub stored_blocks_cached: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            writer_memory_bytes: 20_000_000,
            rebuild_threads: 1,
            synonyms: None,
            vocabulary_delay: Duration::from_millis(500),
            lock_wait: Duration::from_secs(3),
            stored_blocks_cached: 64,
        }
    }
}

/// Why an index must be filled again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RebuildReason {
    /// There was none.
    New,
    /// It was made by another version of the schema or the analysis.
    OtherVersion,
    /// It cannot be read; with what was found.
    Damaged(String),
}

/// An opened index.
#[derive(Debug)]
pub struct Opened {
    /// Ready to be searched and changed.
    pub index: Index,
    /// When set, the index is a fresh empty one at position 0 and waits for [`Index::rebuild`].
    pub rebuild: Option<RebuildReason>,
}

/// The search index. Cheap to clone; all clones are the same index.
#[derive(Clone)]
pub struct Index {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("directory", &self.inner.directory).field("position", &self.position()).finish()
    }
}

pub(crate) struct Inner {
    directory: PathBuf,
    settings: Settings,
    pub(crate) fields: Fields,
    pub(crate) values: FacetValues,
    view: RwLock<Arc<View>>,
    vocabulary: RwLock<Arc<Vocabulary>>,
    synonyms: RwLock<Arc<Synonyms>>,
    generation: Mutex<Generation>,
    /// Changes made while a rebuild is under way; `None` otherwise.
    pending: Mutex<Option<Vec<Change>>>,
    /// Words of datasets that were withdrawn or hidden since the vocabulary that is being built was begun.
    forgotten: Mutex<Vec<Vec<Box<str>>>>,
    changed: Sender<()>,
    /// Held while a vocabulary is built: two at once would take twice the memory and bring nothing. The segments it was last built of.
    refreshing: Mutex<Option<Segments>>,
    /// Counts the changes of vocabulary and synonyms.
    words_version: AtomicU64,
}

/// The segments of a commit, with what is deleted in them.
type Segments = BTreeMap<SegmentId, Option<Opstamp>>;

struct Change {
    upserts: Vec<SearchDocument>,
    deletes: Vec<Uuid>,
    position: i64,
}

/// What searches see: one commit.
pub(crate) struct View {
    pub(crate) searcher: Searcher,
    pub(crate) segments: Arc<[Arc<SegmentColumns>]>,
    pub(crate) position: i64,
    pub(crate) match_all: Mutex<HashMap<String, Arc<MatchAll>>>,
    pub(crate) prepared: PreparedTerms,
}

/// A directory in use, with its writer.
struct Generation {
    number: u64,
    path: PathBuf,
    reader: IndexReader,
    writer: IndexWriter,
    position: i64,
    columns: HashMap<SegmentId, Arc<SegmentColumns>>,
}

impl Index {
    /// Opens the index in a directory, or makes an empty one when there is none that can be used.
    pub fn open(directory: &Path, settings: Settings) -> Result<Opened, Error> {
        fs::create_dir_all(directory)?;
        let fields = Fields::new();
        let current = read_current(directory)?;
        let opened = match current {
            None => Err(RebuildReason::New),
            Some(number) => match Generation::open(directory, number, &fields, &settings) {
                Ok(generation) => Ok(generation),
                Err(OpenProblem::Rebuild(reason)) => Err(reason),
                Err(OpenProblem::Fatal(error)) => return Err(error),
            },
        };
        let (mut generation, rebuild) = match opened {
            Ok(generation) => (generation, None),
            Err(reason) => {
                let number = next_number(directory)?;
                let generation = Generation::create(directory, number, &fields, &settings, Writing::usual(&settings))?;
                write_current(directory, number)?;
                (generation, Some(reason))
            }
        };
        remove_other_generations(directory, generation.number);
        let values = FacetValues::default();
        let view = generation.view(&values, None)?;
        let (changed, changes) = channel();
        let synonyms = match &settings.synonyms {
            Some(text) => Synonyms::parse(text).0,
            None => Synonyms::built_in(),
        };
        let delay = settings.vocabulary_delay;
        let inner = Arc::new(Inner {
            directory: directory.to_owned(),
            settings,
            fields,
            values,
            view: RwLock::new(Arc::new(view)),
            vocabulary: RwLock::default(),
            synonyms: RwLock::new(Arc::new(synonyms)),
            generation: Mutex::new(generation),
            pending: Mutex::new(None),
            forgotten: Mutex::default(),
            changed,
            refreshing: Mutex::new(None),
            words_version: AtomicU64::new(0),
        });
        let watched = Arc::downgrade(&inner);
        std::thread::Builder::new().name("search-vocabulary".to_owned()).spawn(move || keep_vocabulary(&watched, &changes, delay))?;
        inner.vocabulary_changed()?;
        Ok(Opened { index: Index { inner }, rebuild })
    }

    /// The change-log position of what searches see.
    pub fn position(&self) -> i64 {
        self.inner.view().position
    }

    /// Number of datasets in the index, hidden ones included.
    pub fn count(&self) -> usize {
        usize::try_from(self.inner.view().searcher.num_docs()).unwrap_or(usize::MAX)
    }

    /// The ids of all datasets in the index, to be compared with the database.
    pub fn ids(&self) -> Vec<Uuid> {
        let view = self.inner.view();
        let mut ids = Vec::with_capacity(self.count());
        for (reader, columns) in view.searcher.segment_readers().iter().zip(view.segments.iter()) {
            ids.extend(reader.doc_ids_alive().map(|doc| Uuid::from_u128(columns.id(doc))));
        }
        ids
    }

    /// Replaces and removes datasets and moves on to `position`, in one commit that searches see when this returns.
    pub fn apply(&self, upserts: Vec<SearchDocument>, deletes: Vec<Uuid>, position: i64) -> Result<(), Error> {
        {
            let mut generation = self.inner.generation.lock();
            let closed = upserts.iter().filter(|document| !document.open).map(|document| &document.id);
            let forgotten = self.inner.open_words(deletes.iter().chain(closed))?;
            generation.write(&self.inner.fields, &upserts, &deletes, position)?;
            self.inner.show(&mut generation)?;
            self.inner.forget(forgotten);
            if let Some(pending) = &mut *self.inner.pending.lock() {
                pending.push(Change { upserts, deletes, position });
            }
        }
        self.inner.vocabulary_changed()
    }

    /// Fills a new index beside this one and swaps it in. Searches and changes go on meanwhile; those changes are in the new one too.
    ///
    /// `position` is the change-log position that the documents are at least as new as. An error of the documents leaves
    /// everything as it was.
    pub fn rebuild<E>(&self, batches: impl IntoIterator<Item = Result<Vec<SearchDocument>, E>>, position: i64) -> Result<(), Error>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let inner = &*self.inner;
        {
            let mut pending = inner.pending.lock();
            if pending.is_some() {
                return Err(Error::Rebuilding);
            }
            *pending = Some(Vec::new());
        }
        // However the documents end, even by a panic of their reader, changes are not kept for a rebuild that is over.
        let over = RebuildOver(inner);
        inner.rebuild(batches, position)?;
        drop(over);
        inner.vocabulary_changed()
    }

    /// What one may mean by the beginning of a word, in kanji, kana or romaji; best first.
    pub fn suggest(&self, prefix: &str, scope: &Scope, limit: usize) -> Vec<Suggestion> {
        let clipped: String = prefix.chars().take(64).collect();
        self.inner.vocabulary().suggest(&clipped, scope, limit)
    }

    /// Replaces the synonyms from now on; lines that cannot be used are left out and returned.
    pub fn set_synonyms(&self, text: &str) -> Vec<SynonymError> {
        let (synonyms, errors) = Synonyms::parse(text);
        *self.inner.synonyms.write() = Arc::new(synonyms);
        self.inner.words_version.fetch_add(1, Ordering::AcqRel);
        errors
    }

    /// Brings the words for suggestions and corrections up to date now, instead of a moment later in the background.
    pub fn refresh_vocabulary(&self) -> Result<(), Error> {
        self.inner.refresh_vocabulary()
    }
}

struct RebuildOver<'a>(&'a Inner);

impl Drop for RebuildOver<'_> {
    fn drop(&mut self) {
        *self.0.pending.lock() = None;
    }
}

impl Inner {
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.read().clone()
    }

    pub(crate) fn vocabulary(&self) -> Arc<Vocabulary> {
        self.vocabulary.read().clone()
    }

    /// To be read before the words it counts, so that nothing newer is kept under an older number.
    pub(crate) fn words_version(&self) -> u64 {
        self.words_version.load(Ordering::Acquire)
    }

    pub(crate) fn synonyms(&self) -> Arc<Synonyms> {
        self.synonyms.read().clone()
    }

    /// Lets searches see the last commit.
    fn show(&self, generation: &mut Generation) -> Result<(), Error> {
        let view = generation.view(&self.values, Some(&self.view()))?;
        *self.view.write() = Arc::new(view);
        Ok(())
    }

    fn rebuild<E>(&self, batches: impl IntoIterator<Item = Result<Vec<SearchDocument>, E>>, position: i64) -> Result<(), Error>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let number = next_number(&self.directory)?;
        let path = generation_path(&self.directory, number);
        let writing = Writing { threads: self.settings.rebuild_threads.clamp(1, 8), memory_bytes: REBUILD_MEMORY };
        let filled = Generation::create(&self.directory, number, &self.fields, &self.settings, writing).and_then(|mut next| {
            let mut seen = HashSet::new();
            for batch in batches {
                let batch = batch.map_err(|error| Error::Source(error.into()))?;
                next.fill(&self.fields, &batch, &mut seen)?;
            }
            next.commit(position)?;
            next.merge_whole()?;
            next.settle(&self.settings)
        });
        let mut next = match filled {
            Ok(next) => next,
            Err(error) => {
                let _ = fs::remove_dir_all(&path);
                return Err(error);
            }
        };
        // Changes are shut out only for the swap itself.
        let mut generation = self.generation.lock();
        let changes = self.pending.lock().take().unwrap_or_default();
        for change in changes {
            next.write(&self.fields, &change.upserts, &change.deletes, change.position.max(next.position))?;
        }
        write_current(&self.directory, number)?;
        self.show(&mut next)?;
        let old = std::mem::replace(&mut *generation, next);
        drop(generation);
        let old_path = old.path.clone();
        drop(old);
        // Searches that still use the old files keep them open; a rest is removed at the next open.
        let _ = fs::remove_dir_all(old_path);
        Ok(())
    }

    /// Takes words out of what the public sees before a new vocabulary is built.
    fn forget(&self, words: Vec<Vec<Box<str>>>) {
        if words.is_empty() {
            return;
        }
        let mut forgotten = self.forgotten.lock();
        let vocabulary = self.vocabulary();
        words.iter().for_each(|words| vocabulary.forget(words));
        forgotten.extend(words);
        drop(forgotten);
        self.words_version.fetch_add(1, Ordering::AcqRel);
    }

    /// Small catalogs refresh at once, others tell the background thread.
    fn vocabulary_changed(&self) -> Result<(), Error> {
        if self.view().searcher.num_docs() <= REFRESHED_AT_ONCE {
            return self.refresh_vocabulary();
        }
        // The thread lives as long as this; if it could not go on, words only age.
        let _ = self.changed.send(());
        Ok(())
    }

    fn refresh_vocabulary(&self) -> Result<(), Error> {
        let mut refreshed = self.refreshing.lock();
        let (view, counted) = {
            let mut forgotten = self.forgotten.lock();
            // What was forgotten in words that did not have it any more is counted again.
            let counted = forgotten.is_empty();
            forgotten.clear();
            (self.view(), counted)
        };
        let segments = view.searcher.generation().segments().clone();
        if counted && refreshed.as_ref() == Some(&segments) {
            return Ok(());
        }
        let mut builder = Builder::new(usize::try_from(view.searcher.num_docs()).unwrap_or(usize::MAX));
        for (reader, columns) in view.searcher.segment_readers().iter().zip(view.segments.iter()) {
            // In order, each block once: not through the blocks that searches keep.
            let texts = reader.get_store_reader(1)?;
            for doc in reader.doc_ids_alive() {
                self.with_stored(columns, doc, &texts.get(doc)?, |source| builder.add(source));
            }
        }
        let vocabulary = builder.build();
        tracing::debug!(search.vocabulary = vocabulary.len(), "vocabulary refreshed");
        {
            // Held until the new one is seen, so that nothing is forgotten in the old one only.
            let forgotten = self.forgotten.lock();
            forgotten.iter().for_each(|words| vocabulary.forget(words));
            *self.vocabulary.write() = Arc::new(vocabulary);
        }
        *refreshed = Some(segments);
        self.words_version.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Calls back with what the vocabulary needs of a dataset.
    fn with_source(&self, view: &View, address: tantivy::DocAddress, call: impl FnOnce(&Source<'_>)) -> Result<(), Error> {
        let stored: TantivyDocument = view.searcher.doc(address)?;
        self.with_stored(&view.segments[address.segment_ord as usize], address.doc_id, &stored, call);
        Ok(())
    }

    fn with_stored(&self, columns: &SegmentColumns, doc: DocId, stored: &TantivyDocument, call: impl FnOnce(&Source<'_>)) {
        let text = |field| stored.get_first(field).and_then(|value| value.as_str()).unwrap_or_default();
        let slugs = columns.names(Facet::Organization, doc, &self.values.of(Facet::Organization).read());
        call(&Source {
            title: text(self.fields.stored_title),
            keywords: &columns.names(Facet::Keyword, doc, &self.values.of(Facet::Keyword).read()),
            organization: text(self.fields.stored_organization),
            organization_slug: slugs.first().map_or("", |slug| slug),
            organization_id: columns.organization_id(doc),
            files: text(self.fields.stored_files),
            open: columns.is_open(doc),
        });
    }

    /// The words of those of the datasets that the public sees.
    fn open_words<'a>(&self, ids: impl Iterator<Item = &'a Uuid>) -> Result<Vec<Vec<Box<str>>>, Error> {
        let view = self.view();
        let mut found = Vec::new();
        for id in ids {
            self.with_dataset(&view, *id, |source| {
                if source.open {
                    found.push(words_of(source));
                }
            })?;
        }
        Ok(found)
    }

    /// Calls back with a dataset by its id, when there is one.
    pub(crate) fn with_dataset(&self, view: &View, id: Uuid, call: impl FnOnce(&Source<'_>)) -> Result<(), Error> {
        let term = Term::from_field_text(self.fields.id, &id.to_string());
        for (ordinal, reader) in view.searcher.segment_readers().iter().enumerate() {
            let Some(mut postings) = reader.inverted_index(self.fields.id)?.read_postings(&term, IndexRecordOption::Basic)? else {
                continue;
            };
            while postings.doc() != TERMINATED {
                let doc = postings.doc();
                if reader.alive_bitset().is_none_or(|alive| alive.is_alive(doc)) {
                    return self.with_source(view, tantivy::DocAddress::new(ordinal as u32, doc), call);
                }
                postings.advance();
            }
        }
        Ok(())
    }
}

/// Refreshes the vocabulary after changes, at most a tenth of the time.
fn keep_vocabulary(watched: &Weak<Inner>, changes: &Receiver<()>, delay: Duration) {
    while changes.recv().is_ok() {
        std::thread::sleep(delay);
        while changes.try_recv().is_ok() {}
        let started = Instant::now();
        {
            let Some(inner) = watched.upgrade() else { return };
            // Merges that ended since the last change are seen from here on.
            let shown = inner.generation.try_lock().map(|mut generation| inner.show(&mut generation));
            if let Err(error) = shown.unwrap_or(Ok(())).and_then(|()| inner.refresh_vocabulary()) {
                tracing::warn!(error = &error as &dyn std::error::Error, "vocabulary not refreshed");
            }
        }
        std::thread::sleep(started.elapsed() * 9);
    }
}

enum OpenProblem {
    Rebuild(RebuildReason),
    Fatal(Error),
}

impl From<Error> for OpenProblem {
    fn from(error: Error) -> Self {
        OpenProblem::Fatal(error)
    }
}

impl Generation {
    fn open(directory: &Path, number: u64, fields: &Fields, settings: &Settings) -> Result<Generation, OpenProblem> {
        let damaged = |error: &dyn std::fmt::Display| OpenProblem::Rebuild(RebuildReason::Damaged(error.to_string()));
        let path = generation_path(directory, number);
        let mut index =
            UnsyncedDirectory::open(&path).map_err(TantivyError::from).and_then(tantivy::Index::open).map_err(|error| damaged(&error))?;
        let metas = index.load_metas().map_err(|error| damaged(&error))?;
        let (version, position) = metas.payload.as_deref().and_then(parse_payload).unwrap_or((0, 0));
        if index.schema() != fields.schema || version != ANALYZER_VERSION {
            return Err(OpenProblem::Rebuild(RebuildReason::OtherVersion));
        }
        let broken = index.validate_checksum().map_err(|error| damaged(&error))?;
        if let Some(file) = broken.iter().next() {
            return Err(damaged(&format!("{} does not match its checksum", file.display())));
        }
        index.set_tokenizers(tokenizers());
        match Generation::start(index, number, path, position, settings, Writing::usual(settings)) {
            Ok(generation) => Ok(generation),
            Err(error @ Error::Locked(_)) => Err(OpenProblem::Fatal(error)),
            Err(error) => Err(damaged(&error)),
        }
    }

    fn create(directory: &Path, number: u64, fields: &Fields, settings: &Settings, writing: Writing) -> Result<Generation, Error> {
        let path = generation_path(directory, number);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        let index_settings = IndexSettings {
            docstore_compress_dedicated_thread: false,
            docstore_compression: Compressor::Zstd(ZstdCompressor { compression_level: Some(9) }),
            docstore_blocksize: STORED_BLOCK,
            ..IndexSettings::default()
        };
        let index = tantivy::Index::builder()
            .schema(fields.schema.clone())
            .tokenizers(tokenizers())
            .settings(index_settings)
            .open_or_create(UnsyncedDirectory::open(&path).map_err(TantivyError::from)?)?;
        let mut generation = Generation::start(index, number, path, 0, settings, writing)?;
        generation.commit(0)?;
        Ok(generation)
    }

    fn start(
        index: tantivy::Index,
        number: u64,
        path: PathBuf,
        position: i64,
        settings: &Settings,
        writing: Writing,
    ) -> Result<Generation, Error> {
        let writer = lock_writer(&index, &path, settings, writing)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(settings.stored_blocks_cached)
            .try_into()?;
        Ok(Generation { number, path, reader, writer, position, columns: HashMap::new() })
    }

    /// Adds documents to a new index; there is nothing to replace but what the same filling brought before.
    fn fill(&mut self, fields: &Fields, documents: &[SearchDocument], seen: &mut HashSet<Uuid>) -> Result<(), Error> {
        for document in documents {
            if !seen.insert(document.id) {
                self.writer.delete_term(Term::from_field_text(fields.id, &document.id.to_string()));
            }
            self.writer.add_document(fields.document(document))?;
        }
        Ok(())
    }

    /// Goes on with the one thread and the memory that changes need, once a new index is filled.
    fn settle(self, settings: &Settings) -> Result<Generation, Error> {
        let Generation { number, path, reader, writer, position, columns } = self;
        let index = writer.index().clone();
        writer.wait_merging_threads()?;
        let writer = lock_writer(&index, &path, settings, Writing::usual(settings))?;
        // Otherwise what was merged stays on the disk until the next change.
        writer.garbage_collect_files().wait()?;
        Ok(Generation { number, path, reader, writer, position, columns })
    }

    fn add(&mut self, fields: &Fields, documents: &[SearchDocument]) -> Result<(), Error> {
        for document in documents {
            self.writer.delete_term(Term::from_field_text(fields.id, &document.id.to_string()));
            self.writer.add_document(fields.document(document))?;
        }
        Ok(())
    }

    fn write(&mut self, fields: &Fields, upserts: &[SearchDocument], deletes: &[Uuid], position: i64) -> Result<(), Error> {
        for id in deletes {
            self.writer.delete_term(Term::from_field_text(fields.id, &id.to_string()));
        }
        if let Err(error) = self.add(fields, upserts).and_then(|()| self.commit(position)) {
            // Half a change must not slip into the next commit.
            if let Err(rollback) = self.writer.rollback() {
                tracing::error!(error = &rollback as &dyn std::error::Error, "search index not rolled back");
            }
            return Err(error);
        }
        Ok(())
    }

    fn commit(&mut self, position: i64) -> Result<(), Error> {
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(&payload(position));
        commit.commit()?;
        self.position = position;
        Ok(())
    }

    fn merge_whole(&mut self) -> Result<(), Error> {
        let index = self.writer.index();
        let segments = index.searchable_segment_metas()?;
        let documents: u64 = segments.iter().map(|segment| u64::from(segment.num_docs())).sum();
        if segments.len() > 1 && documents <= MERGED_WHOLE {
            let ids: Vec<SegmentId> = segments.iter().map(|segment| segment.id()).collect();
            // A merge that the policy has begun already holds its segments; then it is that one that is waited for at the next commit.
            if let Err(error) = self.writer.merge(&ids).wait() {
                tracing::debug!(error = &error as &dyn std::error::Error, "segments left to the merge policy");
            }
        }
        Ok(())
    }

    /// What searches see from now on, after what they saw before.
    fn view(&mut self, values: &FacetValues, before: Option<&View>) -> Result<View, Error> {
        self.reader.reload()?;
        let searcher = self.reader.searcher();
        let mut columns = HashMap::new();
        let mut segments = Vec::new();
        for reader in searcher.segment_readers() {
            let id = reader.segment_id();
            let opened = match self.columns.remove(&id) {
                Some(opened) => opened,
                None => Arc::new(SegmentColumns::open(reader, values)?),
            };
            columns.insert(id, opened.clone());
            segments.push(opened);
        }
        self.columns = columns;
        let prepared = PreparedTerms::after(before.map(|before| &before.prepared), searcher.num_docs());
        Ok(View { searcher, segments: segments.into(), position: self.position, match_all: Mutex::default(), prepared })
    }
}

/// How an index is written.
#[derive(Debug, Clone, Copy)]
struct Writing {
    threads: usize,
    /// Of each thread.
    memory_bytes: usize,
}

impl Writing {
    fn usual(settings: &Settings) -> Writing {
        Writing { threads: 1, memory_bytes: settings.writer_memory_bytes.max(WRITER_MEMORY_MIN) }
    }
}

fn lock_writer(index: &tantivy::Index, path: &Path, settings: &Settings, writing: Writing) -> Result<IndexWriter, Error> {
    let options = || {
        IndexWriterOptions::builder()
            .num_worker_threads(writing.threads)
            .num_merge_threads(1)
            .memory_budget_per_thread(writing.memory_bytes)
            .build()
    };
    let until = Instant::now() + settings.lock_wait;
    loop {
        match index.writer_with_options(options()) {
            Ok(writer) => {
                let mut merges = LogMergePolicy::default();
                merges.set_min_num_segments(4);
                // Otherwise every few small changes would rewrite a segment of thousands.
                merges.set_min_layer_size(64);
                merges.set_del_docs_ratio_before_merge(0.3);
                writer.set_merge_policy(Box::new(merges));
                return Ok(writer);
            }
            Err(TantivyError::LockFailure(LockError::LockBusy, _)) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(TantivyError::LockFailure(LockError::LockBusy, _)) => return Err(Error::Locked(path.display().to_string())),
            Err(error) => return Err(error.into()),
        }
    }
}

fn payload(position: i64) -> String {
    format!("minato-search analyzer={ANALYZER_VERSION} position={position}")
}

fn parse_payload(payload: &str) -> Option<(u32, i64)> {
    let mut parts = payload.strip_prefix("minato-search analyzer=")?.split(" position=");
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn generation_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("gen-{number:06}"))
}

fn generation_number(name: &str) -> Option<u64> {
    name.strip_prefix("gen-")?.parse().ok()
}

/// The generation in use; `None` when there is no index, or no telling.
fn read_current(directory: &Path) -> Result<Option<u64>, Error> {
    match fs::read_to_string(directory.join(CURRENT)) {
        Ok(text) => Ok(generation_number(text.trim())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Names the generation in use; after a crash it is the old one or the new one.
fn write_current(directory: &Path, number: u64) -> Result<(), Error> {
    let temporary = directory.join("CURRENT.new");
    let mut file = fs::File::create(&temporary)?;
    writeln!(file, "gen-{number:06}")?;
    file.sync_all()?;
    fs::rename(&temporary, directory.join(CURRENT))?;
    fs::File::open(directory)?.sync_all()?;
    Ok(())
}

fn generations(directory: &Path) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        numbers.extend(entry?.file_name().to_str().and_then(generation_number));
    }
    Ok(numbers)
}

fn next_number(directory: &Path) -> Result<u64, Error> {
    Ok(generations(directory)?.into_iter().max().unwrap_or(0) + 1)
}

/// What a crash or an old version left behind.
fn remove_other_generations(directory: &Path, current: u64) {
    for number in generations(directory).unwrap_or_default() {
        if number != current
            && let Err(error) = fs::remove_dir_all(generation_path(directory, number))
        {
            tracing::warn!(error = &error as &dyn std::error::Error, search.generation = number, "old search index not removed");
        }
    }
}
