//! From what was typed to tantivy queries: terms, their alternatives, and tiers.

use std::sync::{Arc, LazyLock};

use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur, PhraseQuery, Query, RegexQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use crate::analysis::{Piece, for_each_segment, is_function_word, pairs, words};
use crate::level::{LEVEL, LevelQuery};
use crate::normalize::{fold_kana, is_cjk, is_kana, is_kanji, is_katakana, normalize};
use crate::postings::{Prepared, PreparedTerms};
use crate::readings::kana_of_romaji;
use crate::schema::{Fields, TextField, TextKind};
use crate::synonyms::Synonyms;
use crate::vocabulary::{Source, Vocabulary};
use crate::{Facet, Scope};

/// A query is read up to here; nobody types more, and a pasted page finds by its beginning.
pub const QUERY_CHARS_MAX: usize = 512;
/// Terms used of a query; the first ones.
pub const QUERY_TERMS_MAX: usize = 16;
/// Characters used of one term.
const TERM_CHARS_MAX: usize = 64;
const WORDS_MAX: usize = 16;
const ALTERNATIVES_MAX: usize = 24;
const OTHER_SPELLINGS_MAX: usize = 6;
const SURFACES_MAX: usize = 6;
const EXPANSIONS_MAX: usize = 8;

const PAIRS_WEIGHT: f32 = 0.7;
const EQUIVALENT_WEIGHT: f32 = 0.6;
const RELATED_WEIGHT: f32 = 0.35;
const ERA_WEIGHT: f32 = 0.9;
const SPELLING_WEIGHT: f32 = 0.95;
const ALTERNATIVES_TIE: f32 = 0.5;
const FIELDS_TIE: f32 = 0.1;
/// What an optional word adds.
const SOFT_WEIGHT: f32 = 0.4;
/// Score of a term that is a format, and what an organization's own data gain by being named.
const FORMAT_SCORE: f32 = 3.0;
const ORGANIZATION_SCORE: f32 = 5.0;

/// Ends of questions; what stands before them is the query.
#[rustfmt::skip]
const REQUESTS: &[&str] = &[
    "を教えてください", "を教えて下さい", "を教えてほしい", "を教えて", "教えてください", "教えて", "を知りたいです", "を知りたい", "が知りたいです", "が知りたい",
    "知りたい", "はありますか", "がありますか", "ありますか", "はありませんか", "があるか", "はある", "はどこですか", "はどこにありますか", "はどこ", "どこですか",
    "どこにありますか", "を探しています", "を探している", "を探す", "を探したい", "探しています", "を調べたい", "を見たい", "が見たい", "が欲しい", "がほしい", "を欲しい",
    "をください", "をお願いします", "はいくらですか", "はいくら", "していますか", "ていますか", "ればいいですか", "ばいいですか", "はどのくらいですか", "はどれくらいですか", "はどのくらい", "はどれくらい", "はどれぐらい", "はいくつですか", "はいくつ", "は何人ですか",
    "は何人", "は何件ですか", "は何件", "はいつですか", "はいつ", "は何", "を確認したい", "を使いたい", "をダウンロードしたい", "をダウンロード", "が必要です", "が必要",
    "を見せて", "を見る", "を知る", "を比較したい", "について", "に関するデータ", "に関する情報", "に関して", "のデータ", "の情報", "は何ですか", "とは何ですか", "とは", "を検索", "を一覧で",
];

/// Words that say little in a catalog of data; optional beside others.
#[rustfmt::skip]
const SOFT: &[&str] = &[
    "一覧", "データ", "情報", "リスト", "数", "一覧表", "名簿", "資料", "ファイル", "オープンデータ", "について", "data", "list", "dataset",
    "推移", "割合", "件数", "人数", "状況", "結果", "概要", "詳細", "種類", "場所", "位置", "所在地", "住所", "どこ", "いつ", "最新", "市民", "区民", "町民", "村民", "県民", "都民", "府民", "道民", "関連", "関係", "現況", "実態", "変化", "内訳",
];

/// One part of a query that must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryTerm {
    /// Normalized.
    pub(crate) text: String,
    /// Kana folded.
    pub(crate) folded: String,
    /// Optional beside others.
    pub(crate) soft: bool,
    /// In quotes: no likes.
    pub(crate) exact: bool,
    /// Neighbours that the synonyms know together (foreign residents): each of them, or all as one.
    pub(crate) parts: Vec<QueryTerm>,
}

impl QueryTerm {
    pub(crate) fn new(text: &str) -> QueryTerm {
        let text: String = text.chars().take(TERM_CHARS_MAX).collect();
        let folded = fold_kana(&text);
        QueryTerm { soft: SOFT.contains(&text.as_str()), folded, text, exact: false, parts: Vec::new() }
    }
}

/// The terms of a query. Nothing in it is an error: other signs than letters separate, a quote without its end is one of them.
pub(crate) fn read_query(query: &str) -> Vec<QueryTerm> {
    let clipped: String = query.chars().take(QUERY_CHARS_MAX).collect();
    let normalized = normalize(&clipped);
    let mut text = normalized.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '"');
    while let Some(shorter) =
        REQUESTS.iter().find_map(|request| text.strip_suffix(request)).map(str::trim_end).filter(|rest| !rest.is_empty())
    {
        text = shorter;
    }
    let mut terms: Vec<QueryTerm> = Vec::new();
    let quotes = text.matches('"').count() / 2 * 2;
    for (index, piece) in text.split('"').enumerate() {
        let quoted = index % 2 == 1 && index < quotes;
        if quoted {
            let phrase: Vec<&str> =
                piece.split(|c: char| is_separator(c) && c != ' ').map(str::trim).filter(|part| !part.is_empty()).collect();
            let phrase = phrase.join(" ");
            if phrase.contains(char::is_alphanumeric) {
                terms.push(QueryTerm { exact: true, soft: false, ..QueryTerm::new(&phrase) });
            }
            continue;
        }
        for part in piece.split(is_separator) {
            let part = part.trim_matches(|c: char| !c.is_alphanumeric());
            if part.contains(char::is_alphanumeric) && !is_function_word(part) {
                terms.push(QueryTerm::new(part));
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    terms.retain(|term| seen.insert(term.folded.clone()));
    terms.truncate(QUERY_TERMS_MAX);
    if terms.iter().all(|term| term.soft) {
        terms.iter_mut().for_each(|term| term.soft = false);
    }
    terms
}

fn is_separator(c: char) -> bool {
    !(c.is_alphanumeric()
        || matches!(c, 'ー' | '々' | '〇' | '・' | '.' | '-' | '\'' | '%' | '+' | '#' | '@')
        || crate::normalize::is_cjk(c))
}

/// Another way of saying a term.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alternative {
    /// Normalized.
    pub(crate) text: String,
    pub(crate) weight: f32,
    /// Not the same, only near to it.
    pub(crate) related: bool,
}

/// The alternatives of a term while they are collected.
struct Likes {
    list: Vec<Alternative>,
    seen: std::collections::HashSet<String>,
}

impl Likes {
    fn new(term: &QueryTerm) -> Likes {
        let list = vec![Alternative { text: term.text.clone(), weight: 1.0, related: false }];
        Likes { list, seen: std::collections::HashSet::from([term.folded.clone()]) }
    }

    fn add(&mut self, text: &str, weight: f32) {
        self.push(text, weight, false);
    }

    fn push(&mut self, text: &str, weight: f32, related: bool) {
        if self.seen.insert(fold_kana(text)) {
            self.list.push(Alternative { text: text.to_owned(), weight, related });
        }
    }

    fn add_synonyms(&mut self, synonyms: &Synonyms, folded: &str, weight: f32) {
        for (text, equivalent) in synonyms.of(folded) {
            let strength = if equivalent { EQUIVALENT_WEIGHT } else { RELATED_WEIGHT };
            self.push(text, strength * weight, !equivalent);
        }
    }
}

/// What is needed to make queries.
pub(crate) struct Planner<'a> {
    pub(crate) fields: &'a Fields,
    pub(crate) searcher: &'a Searcher,
    pub(crate) synonyms: &'a Synonyms,
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) scope: &'a Scope,
    /// Terms of this commit that were used before, and what else their alternatives depend on.
    pub(crate) prepared: &'a PreparedTerms,
    pub(crate) words_version: u64,
}

/// The terms of a query, ready to be used.
pub(crate) type Terms = Vec<(QueryTerm, Arc<Prepared>)>;

/// How far a term reaches.
#[derive(Debug, Clone, Copy)]
enum Reach {
    /// The term and what stands for it.
    Strict,
    /// What is related to it, too.
    Wide,
    /// The same; what is more than related is told by a level, scores stay under the cap.
    Leveled(f32),
}

/// The query of a prepared term.
fn query_of(prepared: &Prepared, reach: Reach) -> Box<dyn Query> {
    let strict = match reach {
        Reach::Strict => return prepared.strict(),
        Reach::Wide => prepared.strict(),
        Reach::Leveled(cap) => Box::new(LevelQuery { inner: prepared.strict(), levels: 1.0, cap }),
    };
    dismax([Some(strict), prepared.related()].into_iter().flatten().collect(), ALTERNATIVES_TIE)
}

/// Neighbours that are looked up together in the synonyms.
const PARTS_MAX: usize = 3;

/// The title comes first.
const ALL_TEXTS: [TextKind; 6] =
    [TextKind::Title, TextKind::Keyword, TextKind::Organization, TextKind::Description, TextKind::Distribution, TextKind::Other];

impl Planner<'_> {
    /// The terms with their alternatives. A word related to one term does not stand for it when it is a term itself.
    pub(crate) fn prepare_all(&self, terms: Vec<QueryTerm>) -> tantivy::Result<Terms> {
        let folded: Vec<String> = terms.iter().map(|term| term.folded.clone()).collect();
        terms
            .into_iter()
            .map(|term| Ok((self.prepare(&term, &folded)?, term)))
            .map(|pair| pair.map(|(prepared, term)| (term, prepared)))
            .collect()
    }

    /// A term that function words hold together (焼津市の避難場所) as its parts, which must all match, and itself, which only adds.
    /// What the catalog or the synonyms know as one stays one.
    pub(crate) fn split_at_glue(&self, terms: Vec<QueryTerm>) -> Vec<QueryTerm> {
        let mut split: Vec<QueryTerm> = Vec::new();
        for term in terms {
            let parts = if term.exact || self.synonyms.of(&term.folded).next().is_some() { Vec::new() } else { parts_at_glue(&term.text) };
            if parts.len() < 2 {
                split.push(term);
                continue;
            }
            split.extend(parts.into_iter().map(QueryTerm::new));
            split.push(QueryTerm { soft: true, ..term });
        }
        let mut seen = std::collections::HashSet::new();
        split.retain(|term| seen.insert(term.folded.clone()));
        if split.iter().all(|term| term.soft) {
            split.iter_mut().for_each(|term| term.soft = false);
        }
        split.truncate(QUERY_TERMS_MAX);
        split
    }

    /// Neighbouring terms that the synonyms know together, as one: 高齢者 割合, foreign residents.
    pub(crate) fn join_known(&self, terms: Vec<QueryTerm>) -> Vec<QueryTerm> {
        let mut joined = Vec::new();
        let mut rest = terms.as_slice();
        while let Some(first) = rest.first() {
            let known = (2..=rest.len().min(PARTS_MAX)).rev().find_map(|count| {
                let parts = &rest[..count];
                if parts.iter().any(|part| part.exact || !part.parts.is_empty()) {
                    return None;
                }
                let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
                let latin = texts.iter().all(|text| text.is_ascii());
                let whole = texts.join(if latin { " " } else { "" });
                let others = if latin { other_numbers(&whole) } else { other_spellings(&whole) };
                let known = std::iter::once(whole).chain(others).find(|text| self.synonyms.of(&fold_kana(text)).next().is_some())?;
                Some((count, QueryTerm { parts: parts.to_vec(), ..QueryTerm::new(&known) }))
            });
            let (count, term) = known.unwrap_or_else(|| (1, first.clone()));
            joined.push(term);
            rest = &rest[count..];
        }
        joined
    }

    fn prepare(&self, term: &QueryTerm, beside: &[String]) -> tantivy::Result<Arc<Prepared>> {
        let mut alternatives = None;
        let mut excluded: Vec<&str> = Vec::new();
        if beside.len() > 1 {
            let all = self.alternatives(term);
            excluded = beside
                .iter()
                .map(String::as_str)
                .filter(|other| *other != term.folded && all.iter().any(|own| fold_kana(&own.text) == *other))
                .collect();
            alternatives = Some(all);
        }
        let key =
            format!("{} {:?} {} {} {} {}", self.words_version, self.scope, term.exact, term.parts.len(), term.text, excluded.join(" "));
        if let Some(prepared) = self.prepared.get(&key) {
            return Ok(prepared);
        }
        let mut alternatives = alternatives.unwrap_or_else(|| self.alternatives(term));
        alternatives.retain(|alternative| !excluded.contains(&fold_kana(&alternative.text).as_str()));
        let parts = self.prepare_all(term.parts.clone())?;
        let prepared = Arc::new(Prepared::new(
            alternatives,
            parts,
            self.searcher,
            self.prepared.before(&key).as_deref(),
            |alternatives, parts| self.strict(term, alternatives, parts),
            |alternatives| self.related(alternatives),
        )?);
        self.prepared.insert(key, prepared.clone());
        Ok(prepared)
    }

    /// The term itself first, then its likes.
    pub(crate) fn alternatives(&self, term: &QueryTerm) -> Vec<Alternative> {
        let mut found = Likes::new(term);
        if term.exact {
            return found.list;
        }
        for text in other_spellings(&term.text) {
            found.add(&text, SPELLING_WEIGHT);
        }
        found.add_synonyms(self.synonyms, &term.folded, 1.0);
        for text in other_spellings(&term.text) {
            found.add_synonyms(self.synonyms, &fold_kana(&text), 1.0);
        }
        if term.folded.is_ascii() && term.folded.len() >= 4 {
            for other in other_numbers(&term.folded) {
                found.add(&other, ERA_WEIGHT);
                found.add_synonyms(self.synonyms, &other, 1.0);
            }
        }
        for text in other_eras(&term.text) {
            found.add(&text, ERA_WEIGHT);
        }
        let kana = if term.folded.chars().count() >= 2 && term.folded.chars().all(is_kana) {
            Some(term.folded.clone())
        } else if term.folded.is_ascii() && term.folded.len() >= 5 {
            kana_of_romaji(&term.folded).filter(|kana| kana.chars().count() >= 3)
        } else {
            None
        };
        if let Some(kana) = kana {
            // What is typed in kana is meant by its reading; katakana words mostly stand for themselves.
            let weight = if term.text.chars().all(is_katakana) { EQUIVALENT_WEIGHT } else { 1.0 };
            for surface in self.vocabulary.surfaces(&kana, self.scope, SURFACES_MAX) {
                found.add(surface, weight);
                found.add_synonyms(self.synonyms, surface, weight);
            }
            // Words of the synonyms that no dataset has may lead to one that some have; a lone kanji is no word of the catalog's own.
            for surface in self.synonyms.read_as(&kana) {
                found.add(surface, weight);
                found.add_synonyms(self.synonyms, &fold_kana(surface), weight);
            }
            found.add_synonyms(self.synonyms, &kana, 1.0);
        }
        found.list.truncate(ALTERNATIVES_MAX);
        found.list
    }

    /// A term and what stands for it, over all texts.
    fn strict(&self, term: &QueryTerm, alternatives: &[Alternative], parts: &Terms) -> Box<dyn Query> {
        let equals: Vec<Alternative> = alternatives.iter().filter(|alternative| !alternative.related).cloned().collect();
        let mut disjuncts = self.text_disjuncts(&equals, &ALL_TEXTS);
        if !parts.is_empty() {
            // 高齢者 割合: that 割合 is optional must not make all about 高齢者 as good.
            let weight = if parts.iter().any(|(part, _)| part.soft) { EQUIVALENT_WEIGHT * 0.5 } else { 1.0 };
            disjuncts.push(Box::new(BoostQuery::new(self.all_terms(parts, Reach::Strict), weight)));
        }
        if !term.exact {
            if let Some(format) = format_of(&term.folded) {
                disjuncts.push(self.constant(self.fields.facet(Facet::Format), format, FORMAT_SCORE));
            }
            if let Some(slug) = self.vocabulary.organization(&term.folded) {
                disjuncts.push(self.constant(self.fields.facet(Facet::Organization), slug, 1.0));
                let own = self.constant(self.fields.facet(Facet::Organization), slug, ORGANIZATION_SCORE);
                return Box::new(BooleanQuery::new(vec![(Occur::Must, dismax(disjuncts, ALTERNATIVES_TIE)), (Occur::Should, own)]));
            }
        }
        dismax(disjuncts, ALTERNATIVES_TIE)
    }

    /// What is only related to a term.
    fn related(&self, alternatives: &[Alternative]) -> Option<Box<dyn Query>> {
        let related: Vec<Alternative> = alternatives.iter().filter(|alternative| alternative.related).cloned().collect();
        (!related.is_empty()).then(|| dismax(self.text_disjuncts(&related, &ALL_TEXTS), ALTERNATIVES_TIE))
    }

    /// A term on some texts only, as in `title:避難所`.
    pub(crate) fn term_on(&self, term: &QueryTerm, kinds: &[TextKind]) -> Box<dyn Query> {
        dismax(self.text_disjuncts(&self.alternatives(term), kinds), ALTERNATIVES_TIE)
    }

    fn text_disjuncts(&self, alternatives: &[Alternative], kinds: &[TextKind]) -> Vec<Box<dyn Query>> {
        let mut disjuncts: Vec<Box<dyn Query>> = Vec::new();
        for alternative in alternatives {
            let word_pieces = words(&alternative.text);
            let weight = alternative.weight;
            // As pairs, what only stands for the term is looked for in titles: elsewhere it costs much and finds little more.
            let in_pairs = if weight < SPELLING_WEIGHT && kinds.len() > 1 { &kinds[..1] } else { kinds };
            self.push_phrases(&mut disjuncts, &word_pieces, kinds, |field| field.words, weight);
            match Shape::of(&alternative.text) {
                Shape::Latin => {}
                Shape::Single | Shape::TwoKanji => self.push_longer_words(&mut disjuncts, &word_pieces, in_pairs, weight * PAIRS_WEIGHT),
                // バス is in バスケット: as pairs it counts little.
                Shape::ShortKana => {
                    self.push_phrases(
                        &mut disjuncts,
                        &pairs(&alternative.text),
                        in_pairs,
                        |field| field.pairs,
                        weight * PAIRS_WEIGHT * 0.2,
                    );
                }
                Shape::Long => {
                    self.push_phrases(&mut disjuncts, &pairs(&alternative.text), in_pairs, |field| field.pairs, weight * PAIRS_WEIGHT);
                }
            }
        }
        disjuncts
    }

    /// The pieces as a phrase in each field, the fields as a disjunction-max; nothing when no document has them all.
    fn push_phrases(
        &self,
        disjuncts: &mut Vec<Box<dyn Query>>,
        pieces: &[Piece],
        kinds: &[TextKind],
        field_of: impl Fn(&TextField) -> Field,
        weight: f32,
    ) {
        let Some(first) = pieces.first() else { return };
        let weight = weight / (pieces.len() as f32).sqrt();
        let mut queries: Vec<Box<dyn Query>> = Vec::new();
        for kind in kinds {
            let text = self.fields.text(*kind);
            let field = field_of(&text);
            let terms: Vec<(usize, Term)> =
                pieces.iter().map(|piece| (piece.position - first.position, Term::from_field_text(field, &piece.text))).collect();
            if !terms.iter().all(|(_, term)| self.exists(term)) {
                continue;
            }
            let query: Box<dyn Query> = match terms.as_slice() {
                [(_, term)] => Box::new(TermQuery::new(term.clone(), IndexRecordOption::WithFreqs)),
                _ => Box::new(PhraseQuery::new_with_offset(terms)),
            };
            queries.push(Box::new(BoostQuery::new(query, text.boost * weight)));
        }
        if !queries.is_empty() {
            disjuncts.push(dismax(queries, FIELDS_TIE));
        }
    }

    /// Words that begin with a short term: 避難 finds 避難所, and 京都 not 東京都.
    fn push_longer_words(&self, disjuncts: &mut Vec<Box<dyn Query>>, pieces: &[Piece], kinds: &[TextKind], weight: f32) {
        let [piece] = pieces else { return };
        let mut queries: Vec<Box<dyn Query>> = Vec::new();
        for kind in kinds {
            let text = self.fields.text(*kind);
            for word in self.words_beginning(text.words, &piece.text) {
                let term = Term::from_field_text(text.words, &word);
                let query = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
                queries.push(Box::new(BoostQuery::new(query, text.boost * weight)));
            }
        }
        if !queries.is_empty() {
            disjuncts.push(dismax(queries, FIELDS_TIE));
        }
    }

    /// The most frequent longer words of a field that begin so.
    fn words_beginning(&self, field: Field, prefix: &str) -> Vec<String> {
        let mut end = prefix.to_owned();
        end.push(char::MAX);
        let mut found: Vec<(u32, String)> = Vec::new();
        for reader in self.searcher.segment_readers() {
            let Ok(index) = reader.inverted_index(field) else { continue };
            let Ok(mut stream) = index.terms().range().gt(prefix.as_bytes()).lt(end.as_bytes()).into_stream() else { continue };
            let mut seen = 0;
            while stream.advance() && seen < 200 {
                seen += 1;
                let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
                let frequency = stream.value().doc_freq;
                match found.iter_mut().find(|(_, known)| known == word) {
                    Some((count, _)) => *count += frequency,
                    None => found.push((frequency, word.to_owned())),
                }
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.into_iter().take(EXPANSIONS_MAX).map(|(_, word)| word).collect()
    }

    fn exists(&self, term: &Term) -> bool {
        self.searcher.segment_readers().iter().any(|reader| {
            reader.inverted_index(term.field()).and_then(|index| Ok(index.get_term_info(term)?)).is_ok_and(|info| info.is_some())
        })
    }

    fn constant(&self, field: Field, value: &str, score: f32) -> Box<dyn Query> {
        Box::new(ConstScoreQuery::new(raw(field, value), score))
    }

    /// Tier 1: every term, in any of its forms; soft terms only add. Scores carry a level for each term that is not only related.
    pub(crate) fn every_term(&self, terms: &Terms) -> Box<dyn Query> {
        self.all_terms(terms, Reach::Leveled((LEVEL - 1.0) / (terms.len() as f32 + 1.0)))
    }

    /// Every term or what stands for it.
    pub(crate) fn every_term_strictly(&self, terms: &Terms) -> Box<dyn Query> {
        self.all_terms(terms, Reach::Strict)
    }

    fn all_terms(&self, terms: &Terms, reach: Reach) -> Box<dyn Query> {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = terms
            .iter()
            .map(|(term, prepared)| match term.soft {
                true => (Occur::Should, Box::new(BoostQuery::new(query_of(prepared, Reach::Strict), SOFT_WEIGHT)) as Box<dyn Query>),
                false => (Occur::Must, query_of(prepared, reach)),
            })
            .collect();
        match clauses.len() {
            0 => Box::new(EmptyQuery),
            1 => clauses.remove(0).1,
            _ => Box::new(BooleanQuery::new(clauses)),
        }
    }

    /// Datasets with words of a title or with keywords in common; a word that is rare says more. `None` when there is no word.
    pub(crate) fn likeness(&self, source: &Source<'_>) -> Option<Box<dyn Query>> {
        let title = normalize(source.title);
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for word in self.split_concepts(&title) {
            let term = QueryTerm::new(&word);
            if term.soft
                || term.text.chars().count() < 2
                || self.vocabulary.organization(&term.folded).is_some()
                || term.text.chars().all(char::is_numeric)
            {
                continue;
            }
            let alternative = Alternative { text: term.text, weight: 1.0, related: false };
            let query = dismax(self.text_disjuncts(&[alternative], &[TextKind::Title, TextKind::Keyword]), FIELDS_TIE);
            clauses.push((Occur::Should, query));
        }
        for keyword in source.keywords.iter().take(WORDS_MAX) {
            clauses.push((
                Occur::Should,
                Box::new(TermQuery::new(Term::from_field_text(self.fields.facet(Facet::Keyword), keyword), IndexRecordOption::Basic)),
            ));
        }
        clauses.truncate(2 * WORDS_MAX);
        (!clauses.is_empty()).then(|| Box::new(BooleanQuery::new(clauses)) as Box<dyn Query>)
    }

    /// What a relaxed query counts: the words of each term, lone kanji joined to their neighbour, split where words only glue.
    pub(crate) fn units(&self, terms: &[(QueryTerm, Arc<Prepared>)]) -> Vec<QueryTerm> {
        let mut units: Vec<QueryTerm> = Vec::new();
        for term in
            terms.iter().map(|(term, _)| term).flat_map(|term| if term.parts.is_empty() { std::slice::from_ref(term) } else { &term.parts })
        {
            if term.soft {
                continue;
            }
            if term.exact || term.text.chars().all(is_kana) || self.vocabulary.organization(&term.folded).is_some() {
                units.push(term.clone());
                continue;
            }
            units.extend(self.split_concepts(&term.text).iter().map(|word| QueryTerm::new(word)));
        }
        // One concept alone that finds little is taken apart, too.
        if let [unit] = units.as_slice()
            && !unit.exact
        {
            let words = split_words(&unit.text);
            if words.len() > 1 {
                units = words.iter().map(|word| QueryTerm::new(word)).collect();
            }
        }
        let mut seen = std::collections::HashSet::new();
        units.retain(|unit| seen.insert(unit.folded.clone()));
        if units.iter().any(|unit| !unit.soft) {
            units.retain(|unit| !unit.soft);
        }
        units.truncate(WORDS_MAX);
        units
    }

    /// The words of a term, but those together that make an organization or a concept of the synonyms: 焼津市 避難場所.
    fn split_concepts(&self, text: &str) -> Vec<String> {
        let words = split_words_at(text);
        let mut found = Vec::new();
        let mut first = 0;
        while first < words.len() {
            let known = (first + 1..words.len()).rev().filter(|last| last - first < 6).find(|last| {
                let joined = words[first..=*last].windows(2).all(|pair| pair[0].1 == pair[1].0);
                let folded = fold_kana(&text[words[first].0..words[*last].1]);
                joined && (self.synonyms.of(&folded).next().is_some() || self.vocabulary.organization(&folded).is_some())
            });
            let last = known.unwrap_or(first);
            found.push(text[words[first].0..words[last].1].to_owned());
            first = last + 1;
        }
        found
    }

    /// Tiers 2 and 3: at least `least` of the units anywhere; the more the higher, tier 1 above all: on level `units + 1`.
    pub(crate) fn some_units(&self, all_terms: Box<dyn Query>, units: &[(QueryTerm, Arc<Prepared>)], least: usize) -> Box<dyn Query> {
        let height = units.len() as f32 + 1.0;
        let cap = (LEVEL - 1.0) / (height + 1.0);
        let clauses: Vec<(Occur, Box<dyn Query>)> = units
            .iter()
            .map(|(_, prepared)| {
                let inner = query_of(prepared, Reach::Wide);
                (Occur::Should, Box::new(LevelQuery { inner, levels: 1.0, cap }) as Box<dyn Query>)
            })
            .collect();
        let some = BooleanQuery::with_minimum_required_clauses(clauses, least.max(1));
        // What has every term keeps its order: were the units added, a description that has them all would go before a title with a synonym.
        let first = LevelQuery { inner: all_terms, levels: height, cap: LEVEL - 1.0 };
        dismax(vec![Box::new(some), Box::new(first)], 0.0)
    }

    /// The last resort: terms as parts of words, such as the 川 of 河川. A word that is one in itself stays one: 京都 never finds 東京都.
    pub(crate) fn within_words(&self, terms: &[(QueryTerm, Arc<Prepared>)]) -> Option<Box<dyn Query>> {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for (term, prepared) in terms.iter().filter(|(term, _)| !term.soft) {
            let mut disjuncts = vec![query_of(prepared, Reach::Wide)];
            match Shape::of(&term.text) {
                Shape::Single => {
                    let pattern = format!("{0}.?|.{0}", term.folded);
                    for kind in ALL_TEXTS {
                        let text = self.fields.text(kind);
                        if let Ok(query) = RegexQuery::from_pattern(&pattern, text.pairs) {
                            disjuncts.push(Box::new(BoostQuery::new(Box::new(query), text.boost * PAIRS_WEIGHT)));
                        }
                    }
                }
                Shape::TwoKanji if split_words(&term.text).len() < 2 && words(&term.text).len() == 1 => {}
                Shape::Latin => {}
                Shape::TwoKanji | Shape::ShortKana | Shape::Long => {
                    self.push_phrases(&mut disjuncts, &pairs(&term.text), &ALL_TEXTS, |field| field.pairs, PAIRS_WEIGHT);
                }
            }
            clauses.push((Occur::Must, dismax(disjuncts, ALTERNATIVES_TIE)));
        }
        (!clauses.is_empty()).then(|| Box::new(BooleanQuery::new(clauses)) as Box<dyn Query>)
    }
}

/// How a term is written decides how its pairs may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// No kana or kanji.
    Latin,
    /// One kanji.
    Single,
    TwoKanji,
    /// Kana only, at most three.
    ShortKana,
    Long,
}

impl Shape {
    fn of(text: &str) -> Shape {
        let chars = text.chars().count();
        if !text.chars().any(is_cjk) {
            Shape::Latin
        } else if chars == 1 && text.chars().all(is_kanji) {
            Shape::Single
        } else if chars == 2 && text.chars().any(is_kanji) {
            Shape::TwoKanji
        } else if chars <= 3 && text.chars().all(is_kana) {
            Shape::ShortKana
        } else {
            Shape::Long
        }
    }
}

/// The words of a term. A lone kanji says nothing by itself and stays with the word before it (港 of 港区 is not searched alone).
pub(crate) fn split_words(text: &str) -> Vec<String> {
    split_words_at(text).into_iter().map(|(start, end)| text[start..end].to_owned()).collect()
}

/// The parts of a term between its function words; none when a part is too short to stand alone.
fn parts_at_glue(text: &str) -> Vec<&str> {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    let mut open = false;
    for_each_segment(text, |start, segment| {
        if !segment.contains(char::is_alphanumeric) || is_function_word(segment) {
            open = false;
            return;
        }
        match parts.last_mut() {
            Some((_, end)) if open => *end = start + segment.len(),
            _ => parts.push((start, start + segment.len())),
        }
        open = true;
    });
    let parts: Vec<&str> = parts.into_iter().map(|(start, end)| &text[start..end]).collect();
    let stands_alone = |part: &&str| {
        let folded = fold_kana(part);
        SOFT.contains(part)
            || part.chars().any(|c| !is_kana(c)) && folded.chars().count() >= 2
            || part.chars().all(is_katakana) && folded.chars().count() >= 3
    };
    if parts.iter().all(stands_alone) { parts } else { Vec::new() }
}

/// Start and end of each of those words.
fn split_words_at(text: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut open = false;
    let mut lone_before = false;
    for_each_segment(text, |start, segment| {
        if !segment.contains(char::is_alphanumeric) || is_function_word(segment) {
            open = false;
            return;
        }
        let lone = segment.chars().count() == 1;
        match found.last_mut() {
            Some((_, end)) if open && (lone || lone_before) => *end = start + segment.len(),
            _ => found.push((start, start + segment.len())),
        }
        open = true;
        lone_before = lone && found.last().is_some_and(|(from, to)| to - from == segment.len());
    });
    found
}

pub(crate) fn raw(field: Field, value: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
}

pub(crate) fn dismax(mut disjuncts: Vec<Box<dyn Query>>, tie: f32) -> Box<dyn Query> {
    match disjuncts.len() {
        0 => Box::new(EmptyQuery),
        1 => disjuncts.remove(0),
        _ => Box::new(DisjunctionMaxQuery::with_tie_breaker(disjuncts, tie)),
    }
}

/// Spellings of one word that are found inside of others: 都立高校, 都立高等学校.
#[rustfmt::skip]
const SPELLINGS: &[&[&str]] = &[
    &["子ども", "子供", "こども"], &["障害", "障がい", "障碍"], &["高等学校", "高校"], &["引っ越し", "引越し", "引越"], &["取り扱い", "取扱い", "取扱"],
    &["申し込み", "申込み", "申込"], &["届け出", "届出"], &["手続き", "手続"], &["受け付け", "受付"], &["問い合わせ", "問合せ"], &["橋梁", "橋りょう"],
    &["浸水想定", "浸水予想"], &["まちづくり", "街づくり", "町づくり"], &["一人親", "ひとり親"], &["一人暮らし", "ひとり暮らし", "独り暮らし"], &["空き家", "空家"],
    &["空き地", "空地"], &["乗り場", "のりば"], &["置き場", "置場"], &["自転車置き場", "自転車置場"], &["保育園", "保育所"], &["病児保育", "病後児保育"], 
    &["公衆便所", "公衆トイレ"], &["入り込み", "入込み", "入込"], &["貸し出し", "貸出し", "貸出"], &["見守り", "見まもり"], &["がん", "癌"], &["う蝕", "むし歯", "虫歯"],
    &["支払い", "支払"], &["売り上げ", "売上げ", "売上"], &["割り当て", "割当"], &["組み合わせ", "組合せ"], &["繋がり", "つながり"], &["箇所", "個所", "か所", "カ所", "ヶ所"],
    &["センター", "センタ"], &["令和元年", "令和1年", "平成31年"], &["身障者", "身体障害者"], &["知的障害", "知的障がい"], &["スマホ", "スマートフォン"], &["コンビニ", "コンビニエンスストア"],
    &["ユーチューブ", "youtube"], &["エレベーター", "エレベータ"], 
];

/// The term with a part of it in another spelling.
fn other_spellings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for group in SPELLINGS {
        // The longest first, or 引越 would be replaced in 引越し.
        let Some(present) = group.iter().filter(|spelling| text.contains(*spelling)).max_by_key(|spelling| spelling.len()) else {
            continue;
        };
        found.extend(group.iter().filter(|spelling| *spelling != present).map(|spelling| text.replace(present, spelling)));
    }
    found.truncate(OTHER_SPELLINGS_MAX);
    found
}

/// An English word in the other number: library, libraries; bus, buses; of expenses both expense and expens.
fn other_numbers(word: &str) -> Vec<String> {
    let hisses = |stem: &str| stem.ends_with(['s', 'x', 'z']) || stem.ends_with("ch") || stem.ends_with("sh");
    let consonant_before =
        |ending: char| word.strip_suffix(ending).is_some_and(|stem| !stem.is_empty() && !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    if let Some(stem) = word.strip_suffix("ies") {
        vec![format!("{stem}y")]
    } else if let Some(stem) = word.strip_suffix("es").filter(|stem| hisses(stem)) {
        vec![stem.to_owned(), format!("{stem}e")]
    } else if let Some(stem) = word.strip_suffix('s').filter(|stem| !stem.ends_with(['s', 'u'])) {
        vec![stem.to_owned()]
    } else if consonant_before('y') {
        vec![format!("{}ies", word.trim_end_matches('y'))]
    } else if hisses(word) {
        vec![format!("{word}es")]
    } else {
        vec![format!("{word}s")]
    }
}

/// The format that a folded term names.
fn format_of(folded: &str) -> Option<&'static str> {
    static KNOWN: LazyLock<Vec<(String, &'static str)>> = LazyLock::new(|| {
        [
            ("csv", "CSV"),
            ("tsv", "TSV"),
            ("json", "JSON"),
            ("geojson", "GEOJSON"),
            ("xlsx", "XLSX"),
            ("xls", "XLS"),
            ("excel", "XLSX"),
            ("エクセル", "XLSX"),
            ("pdf", "PDF"),
            ("xml", "XML"),
            ("rdf", "RDF"),
            ("kml", "KML"),
            ("kmz", "KMZ"),
            ("shp", "SHP"),
            ("shape", "SHP"),
            ("シェープ", "SHP"),
            ("シェープファイル", "SHP"),
            ("zip", "ZIP"),
            ("gtfs", "GTFS"),
            ("gtfs-jp", "GTFS"),
            ("html", "HTML"),
            ("txt", "TXT"),
            ("word", "DOCX"),
            ("docx", "DOCX"),
            ("gpkg", "GPKG"),
            ("citygml", "CITYGML"),
            ("las", "LAS"),
            ("parquet", "PARQUET"),
        ]
        .map(|(word, format)| (fold_kana(word), format))
        .into()
    });
    KNOWN.iter().find(|(word, _)| word == folded).map(|(_, format)| *format)
}

/// 2024年度 ⇄ 令和6年度, both ways; h30, s63 and r6 too.
fn other_eras(text: &str) -> Vec<String> {
    let digits_at = text.find(|c: char| c.is_ascii_digit());
    let (head, rest) = match digits_at {
        Some(at) => text.split_at(at),
        None if text.contains("元年") => (text.split("元年").next().unwrap_or_default(), "1年"),
        None => return Vec::new(),
    };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, tail) = rest.split_at(digits);
    let tail = if text.contains("元年") {
        text.split("元年").nth(1).map_or(tail.to_owned(), |tail| format!("年{tail}"))
    } else {
        tail.to_owned()
    };
    if !matches!(tail.as_str(), "" | "年" | "年度") {
        return Vec::new();
    }
    let Ok(number) = number.parse::<i32>() else { return Vec::new() };
    const ERAS: [(&str, &str, i32, i32); 3] = [("令和", "r", 2018, 9999), ("平成", "h", 1988, 2019), ("昭和", "s", 1925, 1989)];
    let mut found = Vec::new();
    if head.is_empty() && (1926..2100).contains(&number) {
        for (name, letter, base, last) in ERAS {
            let year = number - base;
            if year >= 1 && number <= last {
                found.push(format!("{name}{year}{tail}"));
                if year == 1 && !tail.is_empty() {
                    found.push(format!("{name}元{tail}"));
                }
                found.push(format!("{letter}{year}"));
            }
        }
    } else if let Some((name, letter, base, _)) =
        ERAS.iter().find(|(name, letter, ..)| head == *name || head == *letter).filter(|_| (1..=64).contains(&number))
    {
        found.push(format!("{}{tail}", base + number));
        found.push(format!("{name}{number}{tail}"));
        if number == 1 {
            found.push(format!("{name}元{}", if tail.is_empty() { "年" } else { &tail }));
        }
        found.push(format!("{letter}{number}"));
    }
    found.retain(|other| other != text);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: &str) {
        let terms: Vec<String> = read_query(query)
            .iter()
            .map(|term| format!("{}{}{}", term.text, if term.soft { "?" } else { "" }, if term.exact { "!" } else { "" }))
            .collect();
        assert_eq!(terms.join(" "), expected, "{query}");
    }

    #[test]
    fn requests_signs_and_soft_words() {
        check("焼津市の避難場所を知りたい", "焼津市の避難場所");
        check("ＡＥＤはありますか？", "aed");
        check("保育園について教えてください。", "保育園");
        check("人口、世帯,年齢別", "人口 世帯 年齢別");
        check("避難所 一覧", "避難所 一覧?");
        check("一覧", "一覧");
        check("データ 一覧", "データ 一覧");
        check("PM2.5", "pm2.5");
        check("教えて", "教えて");
        check("「ごみ」（収集）", "ごみ 収集");
        check("避難所 避難所", "避難所");
    }

    #[test]
    fn quotes_brackets_and_control_characters_are_no_errors() {
        check("\"避難所 一覧\" 呉市", "避難所 一覧! 呉市");
        check("\"避難所 一覧", "避難所 一覧?");
        check("(避難所", "避難所");
        check("避難所\u{0}\u{7}一覧\u{1b}", "避難所 一覧?");
        check("()[]{}\"':*?~^!+-&|\\/", "");
        check("", "");
    }

    #[test]
    fn long_queries_are_cut() {
        assert!(read_query(&"避難所 ".repeat(4_000)).len() <= QUERY_TERMS_MAX);
        let many: String = (0..1_000).map(|number| format!("語{number} ")).collect();
        assert_eq!(read_query(&many).len(), QUERY_TERMS_MAX);
        assert_eq!(read_query(&"字".repeat(10_000))[0].text.chars().count(), TERM_CHARS_MAX);
    }

    #[test]
    fn words_keep_lone_kanji_with_their_neighbour() {
        for (text, expected) in [
            ("焼津市の避難場所", "焼津市 避難 場所"),
            ("保険所", "保険所"),
            ("港区", "港区"),
            ("津波避難ビル", "津波 避難 ビル"),
            ("呉市人口", "呉市 人口"),
        ] {
            assert_eq!(split_words(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn english_words_in_the_other_number() {
        for (one, many) in [
            ("library", "libraries"),
            ("bus", "buses"),
            ("toilet", "toilets"),
            ("box", "boxes"),
            ("day", "days"),
            ("nurse", "nurses"),
            ("bus stop", "bus stops"),
        ] {
            assert_eq!(other_numbers(one), [many]);
            assert!(other_numbers(many).iter().any(|other| other == one), "{many}");
        }
    }

    #[test]
    fn spellings_inside_of_compounds() {
        for (text, expected) in [
            ("都立高校", "都立高等学校"),
            ("子供110番", "子ども110番 こども110番"),
            ("引越し手続き", "引っ越し手続き 引越手続き 引越し手続"),
            ("避難所", ""),
        ] {
            assert_eq!(other_spellings(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn years_in_both_calendars() {
        for (text, expected) in [
            ("2024年度", "令和6年度 r6"),
            ("令和6年度", "2024年度 r6"),
            ("2019", "令和1 r1 平成31 h31"),
            ("平成元年", "1989年 平成1年 h1"),
            ("h30", "2018 平成30"),
            ("2024年版", ""),
            ("避難所", ""),
            ("99999999999", ""),
        ] {
            assert_eq!(other_eras(text).join(" "), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_query_panics(text in "\\PC{0,80}") {
            for term in read_query(&text) {
                let _ = other_eras(&term.text);
                let _ = split_words(&term.text);
            }
        }
    }
}
