//! The words of the catalog itself: for corrections, readings and suggestions.
//!
//! Every entry knows who may see it: how many open datasets hold it, and for hidden datasets, of which organization.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use uuid::Uuid;

use crate::analysis::for_each_segment;
use crate::normalize::{fold, fold_kana, fold_kana_char, is_cjk, is_kana, is_kanji, is_katakana, normalize};
use crate::readings::{fold_reading, fold_romaji, kana_of_romaji, reading, reading_until_unknown, romaji, simplify_romaji};
use crate::{Scope, Suggestion, SuggestionKind};

/// Longer entries are never typed whole.
const ENTRY_CHARS_MAX: usize = 24;
const TITLE_CHARS_MAX: usize = 60;
const GRAM_WORDS_MAX: usize = 3;
/// Word n-grams are suggested from this many datasets on.
const SUGGESTED_FROM: u32 = 3;
/// In catalogs of more datasets, what only one of them has is left out.
const LARGE: usize = 20_000;
/// For each so many datasets, a word must be in one more.
const DATASETS_FOR_EACH: usize = 50_000;
/// Files of a dataset that are read for words in such a catalog.
const FILES_OF_LARGE: usize = 5;
/// Keys looked at for one prefix.
const KEYS_SCANNED_MAX: usize = 20_000;

/// Readings from this length on may differ a little in their last syllables.
const NEAR_READING_CHARS: usize = 6;
const NEAR_READING_END: usize = 3;

/// Readings from this length on may be typed with a slip.
const SLIP_READING_CHARS: usize = 4;

/// Begins keys of what only sounds alike.
const ALIKE: char = '\u{1}';

const WORD: u8 = 1;
const TITLE: u8 = 2;
const KEYWORD: u8 = 4;
const ORGANIZATION: u8 = 8;
/// May be offered as a correction.
const TARGET: u8 = 16;

/// What the builder needs of one dataset.
#[derive(Debug, Default)]
pub(crate) struct Source<'a> {
    pub(crate) title: &'a str,
    pub(crate) keywords: &'a [String],
    pub(crate) organization: &'a str,
    pub(crate) organization_slug: &'a str,
    pub(crate) organization_id: Uuid,
    pub(crate) files: &'a str,
    pub(crate) open: bool,
}

/// Collects entries dataset by dataset.
pub(crate) struct Builder {
    entries: HashMap<Box<str>, Draft>,
    organizations: HashMap<Uuid, u32>,
    slugs: HashMap<Box<str>, Box<str>>,
    notes: Notes,
    /// Of a large catalog: what was met once and is no entry yet.
    once: Option<Once>,
    /// Words and titles of fewer datasets are left out.
    frequency_min: u32,
}

#[derive(Default)]
struct Draft {
    /// As open datasets write it; empty when there is none.
    text: Box<str>,
    /// What it is in open datasets.
    kinds: u8,
    open: u32,
    hidden: Vec<Hidden>,
}

impl Draft {
    fn frequency(&self) -> u32 {
        self.open + self.hidden.iter().map(|hidden| hidden.datasets).sum::<u32>()
    }

    /// What it is in any dataset.
    fn all_kinds(&self) -> u8 {
        self.hidden.iter().fold(self.kinds, |kinds, hidden| kinds | hidden.kinds)
    }
}

/// What the datasets of one organization that only its viewers see hold of an entry.
#[derive(Debug)]
struct Hidden {
    organization: u32,
    kinds: u8,
    datasets: u32,
    /// As they write it.
    text: Box<str>,
}

impl Builder {
    /// For a catalog of so many datasets. In a large one, words and titles that only one dataset has are noise, and most of the memory.
    pub(crate) fn new(documents: usize) -> Builder {
        Builder {
            entries: HashMap::new(),
            organizations: HashMap::new(),
            slugs: HashMap::new(),
            notes: Notes::default(),
            once: (documents > LARGE).then(|| Once::new(documents)),
            frequency_min: u32::try_from(documents / DATASETS_FOR_EACH).unwrap_or(u32::MAX),
        }
    }

    pub(crate) fn add(&mut self, source: &Source<'_>) {
        let files = if self.once.is_some() { FILES_OF_LARGE } else { usize::MAX };
        self.notes.take(source, files);
        let organizations = self.organizations.len() as u32;
        let organization = *self.organizations.entry(source.organization_id).or_insert(organizations);
        for note in &self.notes.list {
            let folded = &self.notes.folded[note.folded.clone()];
            if note.kinds & (KEYWORD | ORGANIZATION) == 0
                && let Some(once) = &mut self.once
                && !self.entries.contains_key(folded)
                && once.is_first(note.hash)
            {
                continue;
            }
            let text = &self.notes.texts[note.text.clone()];
            if !self.entries.contains_key(folded) {
                self.entries.insert(folded.into(), Draft::default());
            }
            let Some(entry) = self.entries.get_mut(folded) else { continue };
            if source.open {
                // The spelling of the kind that says most; nothing is spelled as only a hidden dataset does.
                if rank(note.kinds) > rank(entry.kinds) {
                    entry.text = text.into();
                }
                entry.kinds |= note.kinds;
                entry.open += 1;
            } else {
                match entry.hidden.iter_mut().find(|hidden| hidden.organization == organization) {
                    Some(hidden) => {
                        if rank(note.kinds) > rank(hidden.kinds) {
                            hidden.text = text.into();
                        }
                        hidden.kinds |= note.kinds;
                        hidden.datasets += 1;
                    }
                    None => entry.hidden.push(Hidden { organization, kinds: note.kinds, datasets: 1, text: text.into() }),
                }
            }
        }
        for name in organization_names(source.organization) {
            self.slugs.entry(name.into_boxed_str()).or_insert_with(|| source.organization_slug.into());
        }
    }

    pub(crate) fn build(self) -> Vocabulary {
        let mut entries = Vec::new();
        let frequency_min = self.frequency_min;
        // What is left out goes before the rest is sorted.
        let mut names: Vec<(Box<str>, Draft)> = self
            .entries
            .into_iter()
            .filter(|(_, draft)| draft.frequency() >= frequency_min || draft.all_kinds() & (KEYWORD | ORGANIZATION) != 0)
            .collect();
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut keys = Keys::default();
        let mut readings = Keys::default();
        for (folded, draft) in names {
            let (frequency, kinds) = (draft.frequency(), draft.all_kinds());
            let suggested = kinds & (KEYWORD | TITLE | ORGANIZATION) != 0 || frequency >= SUGGESTED_FROM;
            if !suggested && kinds & TARGET == 0 {
                continue;
            }
            let number = entries.len() as u32;
            let normalized = normalize(match draft.hidden.first() {
                Some(hidden) if draft.text.is_empty() => &hidden.text,
                _ => &draft.text,
            });
            if suggested {
                let kana = reading_until_unknown(&normalized).0;
                let latin = romaji(&kana);
                keys.push(&folded, number);
                if !kana.is_empty() {
                    keys.push(&format!("{ALIKE}{}", fold_reading(&kana)), number);
                    keys.push(&kana, number);
                }
                if latin.len() >= 2 {
                    keys.push(&format!("{ALIKE}{}", fold_romaji(&latin)), number);
                    keys.push(&latin, number);
                }
            }
            let chars = folded.chars().count();
            if kinds & TARGET != 0
                && chars <= ENTRY_CHARS_MAX
                && let Some(reading) = reading(&normalized)
            {
                let reading = fold_reading(&reading);
                if reading.chars().count() >= 2 {
                    readings.push(&reading, number);
                }
            }
            entries.push(Entry {
                mask: mask(&folded),
                chars: u16::try_from(chars).unwrap_or(u16::MAX),
                text: (!draft.text.is_empty() && *draft.text != *folded).then_some(draft.text),
                folded,
                kinds: draft.kinds,
                all_kinds: kinds,
                open: AtomicU32::new(draft.open),
                hidden: draft.hidden.into_boxed_slice(),
            });
        }
        entries.shrink_to_fit();
        Vocabulary { entries, readings: readings.sorted(), keys: keys.sorted(), organizations: self.organizations, slugs: self.slugs }
    }
}

/// What one dataset brings: folded texts, each once, with what they are.
#[derive(Default)]
struct Notes {
    list: Vec<Note>,
    folded: String,
    texts: String,
}

struct Note {
    hash: u64,
    kinds: u8,
    folded: Range<usize>,
    text: Range<usize>,
}

impl Notes {
    /// Reads a dataset; of its files the first `files`.
    fn take(&mut self, source: &Source<'_>, files: usize) {
        self.list.clear();
        self.folded.clear();
        self.texts.clear();
        let title = normalize(source.title);
        if title.chars().count() <= TITLE_CHARS_MAX {
            self.note(&title, TITLE, source.title.trim());
        }
        self.note(&normalize(source.organization), ORGANIZATION | TARGET, source.organization.trim());
        for keyword in source.keywords {
            let normalized = normalize(keyword);
            if keyword.chars().count() <= TITLE_CHARS_MAX {
                self.note(&normalized, KEYWORD | TARGET, keyword.trim());
            }
            self.note_words(&normalized);
        }
        self.note_words(&title);
        for name in source.files.lines().take(files) {
            self.note_words(&normalize(name));
        }
        // The kind that says most comes first and gives the text.
        let Notes { list, folded, .. } = self;
        list.sort_unstable_by(|a, b| a.hash.cmp(&b.hash).then(rank(b.kinds).cmp(&rank(a.kinds))));
        list.dedup_by(|later, first| {
            let same = later.hash == first.hash && folded[later.folded.clone()] == folded[first.folded.clone()];
            if same {
                first.kinds |= later.kinds;
            }
            same
        });
    }

    fn note(&mut self, normalized: &str, kinds: u8, text: &str) {
        let start = self.folded.len();
        self.folded.extend(normalized.chars().map(fold_kana_char));
        let folded = &self.folded[start..];
        if folded.is_empty() {
            return;
        }
        let hash = self.hash(folded);
        let text_start = self.texts.len();
        self.texts.push_str(text);
        self.list.push(Note { hash, kinds, folded: start..self.folded.len(), text: text_start..self.texts.len() });
    }

    /// FNV-1a: short texts, and no need to withstand anybody.
    fn hash(&self, text: &str) -> u64 {
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Notes the runs of one script and the 1–3-grams of words.
    fn note_words(&mut self, normalized: &str) {
        for_each_run(normalized, |run| {
            let chars = run.chars().count();
            if (2..=ENTRY_CHARS_MAX).contains(&chars) && !run.chars().all(|c| c.is_numeric()) {
                self.note(run, TARGET, run);
            }
        });
        // Words and the gaps between them: a gram never spans punctuation or a function word's edge.
        let mut recent: Vec<(usize, usize, bool)> = Vec::new();
        for_each_segment(normalized, |start, segment| {
            if !segment.contains(char::is_alphanumeric) {
                recent.clear();
                return;
            }
            let glue = crate::analysis::is_function_word(segment);
            recent.push((start, start + segment.len(), glue));
            if recent.len() > GRAM_WORDS_MAX {
                recent.remove(0);
            }
            if glue {
                return;
            }
            for (first, &(from, _, starts_with_glue)) in recent.iter().enumerate() {
                let gram = &normalized[from..start + segment.len()];
                let chars = gram.chars().count();
                let only_numbers = gram.chars().all(|c| c.is_numeric() || c == '.' || c == '年' || c == '月' || c == '日' || c == '度');
                if starts_with_glue || only_numbers || !(2..=ENTRY_CHARS_MAX).contains(&chars) {
                    continue;
                }
                let target = if recent.len() - first <= 2 { TARGET } else { 0 };
                self.note(gram, WORD | target, gram);
            }
        });
    }
}

/// Remembers hashes that were met, in little memory; now and then it takes a new one for an old one. A Bloom filter of two bits for each.
struct Once {
    bits: Vec<u64>,
}

impl Once {
    fn new(documents: usize) -> Once {
        // A dataset brings some dozens of words that no other has: 256 bits and more for them.
        Once { bits: vec![0; (documents * 4).next_power_of_two()] }
    }

    fn is_first(&mut self, hash: u64) -> bool {
        // The high bits of FNV are the better ones.
        let mixed = (hash ^ hash >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut first = false;
        for at in [mixed >> 20, mixed.rotate_left(32).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 20] {
            let word = (at as usize >> 6) & (self.bits.len() - 1);
            let bit = 1 << (at & 63);
            first |= self.bits[word] & bit == 0;
            self.bits[word] |= bit;
        }
        first
    }
}

/// Katakana, kanji and Latin runs.
fn for_each_run(text: &str, mut call: impl FnMut(&str)) {
    let script = |c: char| {
        if is_katakana(c) {
            1
        } else if is_kanji(c) {
            2
        } else if c.is_alphabetic() && !is_cjk(c) {
            3
        } else {
            0
        }
    };
    let mut start = 0;
    let mut current = 0;
    for (at, c) in text.char_indices() {
        let next = script(c);
        if next != current {
            if current != 0 {
                call(&text[start..at]);
            }
            start = at;
            current = next;
        }
    }
    if current != 0 {
        call(&text[start..]);
    }
}

/// The folded names by which an organization is called: 焼津市 and 焼津; 広島県呉市, 呉市 and 呉.
fn organization_names(name: &str) -> Vec<String> {
    let folded = fold(name);
    let mut names = vec![folded.clone()];
    if let Some((_, city)) = folded.split_once('県').filter(|(_, city)| city.ends_with(['市', '区', '町', '村'])) {
        names.push(city.to_owned());
    }
    for full in names.clone() {
        let stem = full.trim_end_matches(['市', '区', '町', '村', '県', '都', '府']);
        if stem.len() < full.len() && stem.chars().count() >= 2 {
            names.push(stem.to_owned());
        }
    }
    names
}

/// The words of a dataset, for [`Vocabulary::forget`].
pub(crate) fn words_of(source: &Source<'_>) -> Vec<Box<str>> {
    let mut notes = Notes::default();
    notes.take(source, usize::MAX);
    notes.list.iter().map(|note| notes.folded[note.folded.clone()].into()).collect()
}

struct Entry {
    folded: Box<str>,
    /// As published, when that differs.
    text: Option<Box<str>>,
    mask: u64,
    chars: u16,
    /// What it is in open datasets.
    kinds: u8,
    /// What it is in any.
    all_kinds: u8,
    open: AtomicU32,
    hidden: Box<[Hidden]>,
}

impl Entry {
    /// As an open dataset writes it.
    fn text(&self) -> &str {
        self.text.as_deref().unwrap_or(&self.folded)
    }

    /// As a dataset in sight writes it, of the kind that says most.
    fn text_in(&self, sight: &Sight) -> &str {
        let open = (self.open.load(Ordering::Relaxed) > 0).then(|| (rank(self.kinds), self.text()));
        let hidden = self.hidden.iter().filter(|hidden| sight.sees(hidden)).map(|hidden| (rank(hidden.kinds), &*hidden.text));
        // The first of equals, so that open datasets give the word.
        open.into_iter()
            .chain(hidden)
            .reduce(|best, other| if other.0 > best.0 { other } else { best })
            .map_or(&*self.folded, |(_, text)| text)
    }
}

/// A sorted table of texts and the entries they lead to, without an allocation each.
#[derive(Default)]
struct Keys {
    arena: String,
    /// (start, end in `arena`, entry) in order of the text.
    rows: Vec<(u32, u32, u32)>,
}

impl Keys {
    fn push(&mut self, key: &str, number: u32) {
        let start = self.arena.len() as u32;
        self.arena.push_str(key);
        self.rows.push((start, self.arena.len() as u32, number));
    }

    /// Ready to be searched, once all are there.
    fn sorted(mut self) -> Keys {
        let arena = &self.arena;
        let text = |row: &(u32, u32, u32)| (&arena[row.0 as usize..row.1 as usize], row.2);
        self.rows.sort_unstable_by(|a, b| text(a).cmp(&text(b)));
        self.rows.dedup_by(|a, b| text(a) == text(b));
        self.rows.shrink_to_fit();
        self.arena.shrink_to_fit();
        self
    }

    fn key(&self, row: &(u32, u32, u32)) -> &str {
        &self.arena[row.0 as usize..row.1 as usize]
    }

    /// Keys from `first` on, in order, with their entries.
    fn from<'a>(&'a self, first: &str) -> impl Iterator<Item = (&'a str, usize)> + use<'a> {
        let from = self.rows.partition_point(|row| self.key(row) < first);
        self.rows[from..].iter().map(|row| (self.key(row), row.2 as usize))
    }
}

/// The words of the catalog as of one commit.
#[derive(Default)]
pub(crate) struct Vocabulary {
    /// In order of `folded`.
    entries: Vec<Entry>,
    /// Folded reading → entry.
    readings: Keys,
    /// What may be typed → entry to suggest.
    keys: Keys,
    organizations: HashMap<Uuid, u32>,
    /// Folded organization name → slug.
    slugs: HashMap<Box<str>, Box<str>>,
}

/// What a scope may see of hidden datasets.
enum Sight {
    Open,
    All,
    And(HashSet<u32>),
}

impl Sight {
    fn sees(&self, hidden: &Hidden) -> bool {
        match self {
            Sight::Open => false,
            Sight::All => true,
            Sight::And(owners) => owners.contains(&hidden.organization),
        }
    }
}

impl Vocabulary {
    fn sight(&self, scope: &Scope) -> Sight {
        match scope {
            Scope::Public => Sight::Open,
            Scope::Everything => Sight::All,
            Scope::PublicAnd(ids) => Sight::And(ids.iter().filter_map(|id| self.organizations.get(id).copied()).collect()),
        }
    }

    /// Datasets in sight that hold an entry.
    fn frequency(entry: &Entry, sight: &Sight) -> u32 {
        entry.open.load(Ordering::Relaxed)
            + entry.hidden.iter().filter(|hidden| sight.sees(hidden)).map(|hidden| hidden.datasets).sum::<u32>()
    }

    /// What an entry is in the datasets in sight.
    fn kinds(entry: &Entry, sight: &Sight) -> u8 {
        let open = if entry.open.load(Ordering::Relaxed) > 0 { entry.kinds } else { 0 };
        entry.hidden.iter().filter(|hidden| sight.sees(hidden)).fold(open, |kinds, hidden| kinds | hidden.kinds)
    }

    fn find(&self, folded: &str) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| (*entry.folded).cmp(folded)).ok().map(|index| &self.entries[index])
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes the words of a dataset that is public no more out of what the public sees, at once; the next build counts anew.
    pub(crate) fn forget(&self, words: &[Box<str>]) {
        for entry in words.iter().filter_map(|word| self.find(word)) {
            let _ = entry.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| Some(open.saturating_sub(1)));
        }
    }

    /// Whether a folded word is known to the viewer.
    pub(crate) fn knows(&self, folded: &str, scope: &Scope) -> bool {
        self.find(folded).is_some_and(|entry| Self::frequency(entry, &self.sight(scope)) > 0)
    }

    /// The slug of the organization that is called so.
    pub(crate) fn organization(&self, folded: &str) -> Option<&str> {
        self.slugs.get(folded).map(|slug| &**slug)
    }

    /// Surfaces with the reading of a term in kana, most frequent first. Those that only sound alike when none is read just so, and
    /// never for two or three syllables: ごみ is no 込み.
    pub(crate) fn surfaces(&self, kana: &str, scope: &Scope, limit: usize) -> Vec<&str> {
        let sight = self.sight(scope);
        let folded_reading = fold_reading(kana);
        let folded = fold_kana(kana);
        let mut found: Vec<(bool, u32, &str)> = self
            .with_reading(&folded_reading)
            .filter(|entry| *entry.folded != *folded)
            .map(|entry| {
                let exact = reading(entry.text_in(&sight)).is_some_and(|reading| reading == folded);
                (exact, Self::frequency(entry, &sight), &*entry.folded)
            })
            .filter(|(_, frequency, _)| *frequency > 0)
            .collect();
        if found.is_empty() && folded_reading.chars().count() >= NEAR_READING_CHARS {
            // A long word that the table reads a little otherwise: サンギョウハイキブツ, サンギョウハイキモノ.
            found.extend(self.nearly_read(&folded_reading).map(|entry| (false, Self::frequency(entry, &sight), &*entry.folded)));
            found.retain(|(_, frequency, _)| *frequency > 0);
        }
        let exact_only = folded.chars().count() <= 3 || found.iter().any(|(exact, ..)| *exact);
        found.retain(|(exact, ..)| *exact || !exact_only);
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found.into_iter().take(limit).map(|(_, _, surface)| surface).collect()
    }

    /// Entries whose reading differs in up to two syllables near the end, where compounds are read one way or the other.
    fn nearly_read<'a>(&'a self, reading: &str) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let (reading, chars) = (reading.to_owned(), reading.chars().count());
        let stem: String = reading.chars().take(chars - NEAR_READING_END).collect();
        let begins = stem.clone();
        self.readings
            .from(&stem)
            .take_while(move |(key, _)| key.starts_with(&begins))
            .filter(move |(key, _)| key.chars().count().abs_diff(chars) <= 1 && distance(key, &reading, 2) <= 2)
            .filter_map(|(_, number)| self.entries.get(number))
    }

    fn with_reading<'a, 'b>(&'a self, reading: &'b str) -> impl Iterator<Item = &'a Entry> + use<'a, 'b> {
        self.readings.from(reading).take_while(move |(key, _)| *key == reading).filter_map(|(_, number)| self.entries.get(number))
    }

    /// What a term that finds nothing was probably meant to be, the likeliest first; with `by_sound`, only what is read the same
    /// (待機自動, 待機児童).
    pub(crate) fn correct<'v>(&'v self, term: &str, scope: &Scope, by_sound: bool, limit: usize) -> Vec<String> {
        let normalized = normalize(term);
        let folded = fold_kana(&normalized);
        let length = folded.chars().count();
        if !(2..=ENTRY_CHARS_MAX).contains(&length) {
            return Vec::new();
        }
        let sight = self.sight(scope);
        let mut offers: Vec<(u32, u32, &str)> = Vec::new();
        let mut offer = |class: u32, entry: &'v Entry| {
            let frequency = Self::frequency(entry, &sight);
            if frequency > 0 && *entry.folded != *folded && Self::kinds(entry, &sight) & TARGET != 0 {
                offers.push((class, frequency, entry.text_in(&sight)));
            }
        };
        // The same reading (保険所, 保健所) is the surest; of those, one written nearly so.
        if let Some(reading) = reading(&normalized).filter(|reading| reading.chars().count() >= 2) {
            let reading = fold_reading(&reading);
            for entry in self.with_reading(&reading) {
                offer(if distance(&entry.folded, &folded, 1) <= 1 { 6 } else { 4 }, entry);
            }
        }
        if folded.chars().all(|c| c.is_ascii_alphanumeric()) && length >= 4 {
            let latin = format!("{ALIKE}{}", fold_romaji(&simplify_romaji(&folded)));
            for entry in self.with_key(&latin) {
                offer(5, entry);
            }
        }
        if let Some(spoken) = spoken(&folded) {
            let reading = fold_reading(&spoken);
            for entry in self.with_reading(&reading) {
                offer(5, entry);
            }
            if !by_sound && reading.chars().count() >= SLIP_READING_CHARS {
                // Katakana words mostly stand for themselves; what is near to them as it is written comes first.
                let class = if normalized.chars().all(is_katakana) { 1 } else { 2 };
                for entry in self.one_slip_from(&reading) {
                    offer(class, entry);
                }
            }
        }
        let distance_max = if length >= 6 { 2 } else { 1 };
        let wanted = mask(&folded);
        let has_kanji = folded.chars().any(is_kanji);
        for entry in self.entries.iter().filter(|_| !by_sound) {
            let near = usize::from(entry.chars).abs_diff(length) <= distance_max
                && entry.all_kinds & TARGET != 0
                && (entry.mask ^ wanted).count_ones() as usize <= 2 * distance_max;
            if !near {
                continue;
            }
            let apart = distance(&entry.folded, &folded, distance_max);
            if apart > distance_max {
                continue;
            }
            // Of two characters, one other is another word, unless both are kana or letters next to each other.
            if length <= 2 || (length == 3 && has_kanji && !shares_two(&entry.folded, &folded)) {
                continue;
            }
            // An input method takes one kanji for another; it adds and drops none.
            let same_length = usize::from(entry.chars) == length && has_kanji;
            offer(if apart > 1 { 1 } else { 2 + u32::from(same_length) }, entry);
        }
        offers.sort_unstable_by(|a, b| b.cmp(a));
        let mut seen = HashSet::new();
        offers.retain(|(_, _, text)| seen.insert(*text));
        offers.into_iter().take(limit).map(|(_, _, text)| text.to_owned()).collect()
    }

    /// Entries whose reading has one kana more, less or other, or two of them swapped.
    fn one_slip_from<'a, 'b>(&'a self, reading: &'b str) -> impl Iterator<Item = &'a Entry> + use<'a, 'b> {
        let wanted = mask(reading);
        self.readings
            .from("")
            .filter(move |(key, _)| {
                key.len().abs_diff(reading.len()) <= 'ン'.len_utf8()
                    && (mask(key) ^ wanted).count_ones() <= 2
                    && distance(key, reading, 1) == 1
            })
            .filter_map(|(_, number)| self.entries.get(number))
    }

    fn with_key<'a, 'b>(&'a self, key: &'b str) -> impl Iterator<Item = &'a Entry> + use<'a, 'b> {
        self.keys.from(key).take_while(move |(found, _)| *found == key).filter_map(|(_, number)| self.entries.get(number))
    }

    /// Adds (weight, entry) of the visible keys that begin with `form`.
    fn scan(&self, form: &str, sight: &Sight, found: &mut Vec<(u64, usize)>) {
        for (key, number) in self.keys.from(form).take(KEYS_SCANNED_MAX) {
            if !key.starts_with(form) {
                break;
            }
            let Some(entry) = self.entries.get(number) else { continue };
            let weight = weight(entry, Self::kinds(entry, sight), Self::frequency(entry, sight));
            if weight > 0 {
                found.push((weight, number));
            }
        }
    }

    /// Entries that begin with what was typed, in any script.
    pub(crate) fn suggest(&self, prefix: &str, scope: &Scope, limit: usize) -> Vec<Suggestion> {
        let normalized = normalize(prefix.trim());
        let folded = fold_kana(&normalized);
        if folded.is_empty() || limit == 0 {
            return Vec::new();
        }
        let sight = self.sight(scope);
        // As typed first; then what sounds alike.
        let mut exact = vec![folded.clone()];
        let mut alike = Vec::new();
        if folded.is_ascii() {
            let latin = simplify_romaji(&folded);
            alike.push(format!("{ALIKE}{}", fold_romaji(&latin)));
            exact.push(latin);
        } else {
            // An input method in the middle of a syllable: ひなんj.
            let kana = folded.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            if !kana.is_empty() && kana.chars().all(is_kana) {
                alike.push(format!("{ALIKE}{}", fold_reading(kana)));
                exact.push(kana.to_owned());
            }
        }
        let mut best: Vec<(u64, usize)> = Vec::new();
        let mut taken = HashSet::new();
        for forms in [exact, alike] {
            let mut found: Vec<(u64, usize)> = Vec::new();
            for form in forms.iter().filter(|form| !form.trim_start_matches(ALIKE).is_empty()) {
                self.scan(form, &sight, &mut found);
            }
            found.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            best.extend(found.into_iter().filter(|(_, number)| taken.insert(*number)));
            if best.len() >= limit {
                break;
            }
        }
        best.truncate(limit.min(100));
        best.into_iter()
            .filter_map(|(weight, number)| {
                let entry = self.entries.get(number)?;
                Some(Suggestion { text: entry.text_in(&sight).to_owned(), kind: kind(Self::kinds(entry, &sight)), weight })
            })
            .collect()
    }
}

/// What a folded term says when it is typed as it is spoken, in katakana: kana, romaji, or what an input method left between the two
/// (トショカn).
fn spoken(folded: &str) -> Option<String> {
    let mut kana = String::new();
    let mut rest = folded;
    while let Some(first) = rest.chars().next() {
        let of_one_kind = |c: char| if is_kana(first) { is_kana(c) } else { c.is_ascii_alphabetic() };
        let end = rest.find(|c| !of_one_kind(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        match is_kana(first) {
            true => kana.push_str(run),
            false => kana.push_str(&kana_of_romaji(run)?),
        }
        rest = after;
    }
    Some(kana)
}

/// How much a kind says: words are least, and normalized; titles, keywords and organizations stand as published.
fn rank(kinds: u8) -> u8 {
    kinds & (ORGANIZATION | KEYWORD | TITLE | WORD)
}

fn kind(kinds: u8) -> SuggestionKind {
    if kinds & ORGANIZATION != 0 {
        SuggestionKind::Organization
    } else if kinds & KEYWORD != 0 {
        SuggestionKind::Keyword
    } else if kinds & TITLE != 0 {
        SuggestionKind::Title
    } else {
        SuggestionKind::Word
    }
}

/// Organizations before keywords before titles before words, then by number of datasets; 0 is not to be suggested.
fn weight(entry: &Entry, kinds: u8, frequency: u32) -> u64 {
    let class = kind(kinds);
    if frequency == 0 || (class == SuggestionKind::Word && frequency < SUGGESTED_FROM) {
        return 0;
    }
    (class as u64 + 1) * 1_000_000_000 + u64::from(frequency) * 1_000 + 1_000 - u64::from(entry.chars.min(999))
}

/// A set of the characters, small: two texts within distance d differ in at most 2d bits.
fn mask(text: &str) -> u64 {
    text.chars().fold(0, |mask, c| mask | 1 << ((c as u32).wrapping_mul(0x9e37_79b1) >> 26))
}

fn shares_two(a: &str, b: &str) -> bool {
    a.chars().filter(|c| b.contains(*c)).count() >= 2
}

/// Insertions, deletions, substitutions and swaps of neighbours between two texts; above `limit` just more than it.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substituted = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(previous[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        if row.iter().all(|cell| *cell > limit) {
            return limit + 1;
        }
        before = previous;
        previous = row;
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(titles: &[(&str, bool)]) -> Vocabulary {
        let mut builder = Builder::new(titles.len());
        for (title, open) in titles {
            builder.add(&Source {
                title,
                keywords: &["防災".to_owned()],
                organization: "焼津市",
                organization_slug: "yaizu",
                organization_id: Uuid::from_u128(7),
                files: "",
                open: *open,
            });
        }
        builder.build()
    }

    fn texts(suggestions: &[Suggestion]) -> Vec<&str> {
        suggestions.iter().map(|suggestion| suggestion.text.as_str()).collect()
    }

    #[test]
    fn wrong_conversions_are_corrected() {
        let vocabulary = vocabulary(&[("保健所一覧", true), ("指定避難所", true), ("ハザードマップ", true)]);
        for (typed, meant) in
            [("保険所", "保健所"), ("ハサードマップ", "ハザードマップ"), ("ハザドーマップ", "ハザードマップ"), ("hinanjo", "避難所")]
        {
            assert_eq!(vocabulary.correct(typed, &Scope::Public, false, 1).first().map(|text| fold(text)), Some(fold(meant)), "{typed}");
        }
        assert_eq!(vocabulary.correct("ハザードナップ", &Scope::Public, true, 1), Vec::<String>::new());
        assert_eq!(vocabulary.correct("図書館", &Scope::Public, false, 1), Vec::<String>::new());
    }

    #[test]
    fn slips_in_what_is_typed_as_it_is_spoken_are_corrected() {
        let vocabulary = vocabulary(&[("指定避難所", true), ("図書館", true), ("コミュニティバス", true)]);
        let correct = |typed: &str| vocabulary.correct(typed, &Scope::Public, false, 1);
        for (typed, meant) in [
            ("ひなじょ", "避難所"),
            ("ひなんんじょ", "避難所"),
            ("ひんなじょ", "避難所"),
            ("ひなんじゅ", "避難所"),
            ("hinajo", "避難所"),
            ("としょかn", "図書館"),
            ("とsyoかん", "図書館"),
            ("コミニティバス", "コミュニティバス"),
        ] {
            assert_eq!(correct(typed).first().map(|text| fold(text)), Some(fold(meant)), "{typed}");
        }
        for typed in ["ひな", "ひなん", "さくらまつり", "hinq", "としょかx"] {
            assert_eq!(correct(typed), Vec::<String>::new(), "{typed}");
        }
        assert_eq!(vocabulary.correct("ひなじょ", &Scope::Public, true, 1), Vec::<String>::new());
    }

    #[test]
    fn kana_find_the_written_word() {
        let vocabulary = vocabulary(&[("指定避難所", true)]);
        assert_eq!(vocabulary.surfaces("ひなんじょ", &Scope::Public, 5), ["避難所"]);
    }

    #[test]
    fn suggestions_in_every_script() {
        let vocabulary = vocabulary(&[("避難所一覧", true), ("避難所の状況", true), ("避難所", true)]);
        for prefix in ["避", "ひなん", "ヒナンジ", "hinan", "hinanj", "HINANZYO", "ひなんj"] {
            let suggestions = vocabulary.suggest(prefix, &Scope::Public, 10);
            assert!(texts(&suggestions).contains(&"避難所"), "{prefix}: {suggestions:?}");
        }
        assert_eq!(vocabulary.suggest("やい", &Scope::Public, 1)[0].kind, SuggestionKind::Organization);
        assert!(vocabulary.suggest("", &Scope::Public, 10).is_empty());
    }

    #[test]
    fn hidden_words_stay_hidden() {
        let vocabulary = vocabulary(&[("避難所一覧", true), ("秘密計画書", false)]);
        let member = Scope::PublicAnd(vec![Uuid::from_u128(7)]);
        let stranger = Scope::PublicAnd(vec![Uuid::from_u128(8)]);
        for (scope, seen) in [(Scope::Public, false), (stranger, false), (member, true), (Scope::Everything, true)] {
            assert_eq!(!vocabulary.suggest("秘密", &scope, 10).is_empty(), seen, "{scope:?}");
            assert_eq!(vocabulary.correct("秘蜜計画書", &scope, false, 1).is_empty(), !seen, "{scope:?}");
            assert_eq!(vocabulary.knows(&fold("秘密計画書"), &scope), seen, "{scope:?}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("ab", "ba", 1), ("abc", "abd", 1), ("避難所", "避所", 1), ("abc", "xyz", 2), ("a", "abcd", 2)]
        {
            assert_eq!(distance(a, b, 1).min(2), expected, "{a} {b}");
        }
    }
}
