//! Taking a whole catalog out and in: one JSON line for each record, and the files beside.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use minato_catalog::{Action, Dataset, FileVersion, Keyword, Licence, Organization, Theme};
use minato_store::dataset::{self as datasets, DatasetFilter, Order, Scope};
use minato_store::{AnyConnection, distribution, keyword, licence, organization, theme};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::App;
use crate::error::{Error, Result};
use crate::noun::SimpleNoun;

const CATALOG_FILE: &str = "catalog.jsonl";
const FILES_DIRECTORY: &str = "files";

/// One line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Organization(Organization),
    Theme(Theme),
    Licence(Licence),
    Keyword(Keyword),
    Dataset(Box<DatasetLine>),
}

#[derive(Debug, Serialize, Deserialize)]
struct DatasetLine {
    dataset: Dataset,
    /// Versions of the files, oldest first.
    versions: Vec<(Uuid, Vec<FileVersion>)>,
}

/// How many records were written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransferCounts {
    /// Organizations, themes, licences and keywords.
    pub words: usize,
    /// Datasets.
    pub datasets: usize,
    /// Files.
    pub files: usize,
}

/// How an import came out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportReport {
    /// Records that are new or changed here now.
    pub taken: TransferCounts,
    /// Records that were here already.
    pub unchanged: usize,
    /// Lines that could not be taken: line number and why.
    pub failures: Vec<(usize, String)>,
}

impl App {
    /// Writes the catalog and its files to an empty or new directory. Users, tokens and history are not part of it.
    pub fn export(&self, directory: &Path, mut progress: impl FnMut(TransferCounts)) -> Result<TransferCounts> {
        let occupied = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
        if occupied {
            return Err(Error::Conflict(minato_catalog::FieldError::new(
                "",
                "not_empty",
                format!("{} は空ではありません。新しいディレクトリを指定してください。", directory.display()),
                format!("{} is not empty; name a new directory", directory.display()),
            )));
        }
        std::fs::create_dir_all(directory.join(FILES_DIRECTORY)).map_err(Error::internal)?;
        let file = std::fs::File::create(directory.join(CATALOG_FILE)).map_err(Error::internal)?;
        let mut out = BufWriter::new(file);
        let mut counts = TransferCounts::default();
        let words = self.store().read(|conn| {
            let mut lines: Vec<Line> = organization::all(conn)?.into_iter().map(Line::Organization).collect();
            lines.extend(theme::all(conn)?.into_iter().map(Line::Theme));
            lines.extend(licence::all(conn)?.into_iter().map(Line::Licence));
            lines.extend(keyword::all(conn)?.into_iter().map(Line::Keyword));
            Ok(lines)
        })?;
        for line in words {
            write_line(&mut out, &line)?;
            counts.words += 1;
        }
        let mut hashes = BTreeSet::new();
        for state in [None, Some(minato_catalog::DatasetState::Archived), Some(minato_catalog::DatasetState::Duplicate)] {
            let mut filter = DatasetFilter { scope: Scope::Everything, state, order: Order::Slug, limit: 200, ..Default::default() };
            loop {
                let page = self.store().read(|conn| datasets::list(conn, &filter))?;
                for dataset in page.items {
                    let versions = self.store().read(|conn| versions_of(conn, &dataset))?;
                    hashes.extend(versions.iter().flat_map(|(_, list)| list.iter().map(|version| version.sha256.clone())));
                    write_line(&mut out, &Line::Dataset(Box::new(DatasetLine { dataset, versions })))?;
                    counts.datasets += 1;
                    progress(counts);
                }
                match page.next_cursor {
                    Some(cursor) => filter.after = Some(cursor),
                    None => break,
                }
            }
        }
        for hash in hashes {
            let (mut file, _) = self.blobs().open_blob(&hash)?;
            let mut copy = std::fs::File::create(directory.join(FILES_DIRECTORY).join(&hash)).map_err(Error::internal)?;
            std::io::copy(&mut file, &mut copy).map_err(Error::internal)?;
            counts.files += 1;
            progress(counts);
        }
        out.flush().map_err(Error::internal)?;
        Ok(counts)
    }

    /// Takes in what [`App::export`] wrote. Records keep their ids; those that are here already under the same id are replaced when they differ.
    /// A line that cannot be taken is reported and the rest goes on.
    pub fn import(&self, directory: &Path, actor: &str, mut progress: impl FnMut(TransferCounts)) -> Result<ImportReport> {
        let path = directory.join(CATALOG_FILE);
        let file = std::fs::File::open(&path).map_err(|error| {
            Error::Invalid(vec![minato_catalog::FieldError::new(
                "",
                "not_found",
                format!("{} を開けません（{error}）。minato export で作ったディレクトリを指定してください。", path.display()),
                format!("cannot open {}: {error}; name a directory made by `minato export`", path.display()),
            )])
        })?;
        let mut report = ImportReport::default();
        for (index, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(Error::internal)?;
            if line.trim().is_empty() {
                continue;
            }
            let result = serde_json::from_str::<Line>(&line)
                .map_err(|error| error.to_string())
                .and_then(|line| self.import_line(directory, line, actor, &mut report).map_err(|error| error.text().ja));
            if let Err(cause) = result {
                report.failures.push((index + 1, cause));
            }
            progress(report.taken);
        }
        self.reload_directory()?;
        self.wait_for_index()?;
        Ok(report)
    }

    fn import_line(&self, directory: &Path, line: Line, actor: &str, report: &mut ImportReport) -> Result<()> {
        let changed = match line {
            Line::Organization(record) => self.import_record(record, actor)?,
            Line::Theme(record) => self.import_record(record, actor)?,
            Line::Licence(record) => self.import_record(record, actor)?,
            Line::Keyword(record) => self.import_record(record, actor)?,
            Line::Dataset(line) => {
                for version in line.versions.iter().flat_map(|(_, list)| list) {
                    if self.import_file(&directory.join(FILES_DIRECTORY), &version.sha256)? {
                        report.taken.files += 1;
                    }
                }
                let changed = self.import_dataset(*line, actor)?;
                report.taken.datasets += usize::from(changed);
                report.unchanged += usize::from(!changed);
                return Ok(());
            }
        };
        report.taken.words += usize::from(changed);
        report.unchanged += usize::from(!changed);
        Ok(())
    }

    fn import_record<T: SimpleNoun>(&self, record: T, actor: &str) -> Result<bool> {
        self.store().write(|conn| {
            match T::find(conn, &record.id())? {
                Some(before) if *before.draft() == *record.draft() && before.state() == record.state() => return Ok(false),
                Some(before) => {
                    let after = before.changed(record.draft().clone(), record.state(), self.now());
                    T::save(conn, &after, Some(before.revision()), Action::Update, actor)?;
                }
                None => {
                    let new = T::new(Some(record.id()), record.draft().clone(), self.now())?;
                    T::save(conn, &new, None, Action::Create, actor)?;
                }
            }
            Ok(true)
        })
    }

    fn import_dataset(&self, line: DatasetLine, actor: &str) -> Result<bool> {
        self.store().write(|conn| {
            let now = self.now();
            let before = datasets::find(conn, line.dataset.id)?;
            let after = match &before {
                Some(before) if before.content == line.dataset.content => return Ok(false),
                Some(before) => Dataset { revision: before.revision + 1, created: before.created, updated: now, ..line.dataset },
                None => Dataset { revision: 1, updated: now, ..line.dataset },
            };
            let action = if before.is_some() { Action::Update } else { Action::Create };
            datasets::save(conn, &after, before.as_ref(), action, actor)?;
            for (id, versions) in &line.versions {
                let here = distribution::versions(conn, *id)?;
                for version in versions.iter().filter(|version| !here.iter().any(|other| other.version == version.version)) {
                    distribution::add_version(conn, *id, version)?;
                }
            }
            Ok(true)
        })
    }

    fn import_file(&self, directory: &Path, sha256: &str) -> Result<bool> {
        if self.blobs().contains(sha256)? {
            return Ok(false);
        }
        let mut file = std::fs::File::open(directory.join(sha256)).map_err(|_| Error::not_found("file", sha256))?;
        let mut upload = self.blobs().begin(u64::MAX)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = file.read(&mut buffer).map_err(Error::internal)?;
            if count == 0 {
                break;
            }
            upload.write(&buffer[..count])?;
        }
        let blob = upload.finish()?;
        if blob.sha256 != sha256 {
            self.blobs().remove(&blob.sha256)?;
            return Err(Error::Invalid(vec![minato_catalog::FieldError::new(
                "",
                "damaged",
                format!("ファイル {sha256} の中身が壊れています。書き出しをやり直してください。"),
                format!("file {sha256} is damaged; export again"),
            )]));
        }
        Ok(true)
    }
}

fn versions_of(conn: &mut AnyConnection, dataset: &Dataset) -> minato_store::Result<Vec<(Uuid, Vec<FileVersion>)>> {
    let mut all = Vec::new();
    for found in dataset.content.distributions.iter().filter(|distribution| distribution.file.is_some()) {
        let mut versions = distribution::versions(conn, found.id)?;
        versions.reverse();
        all.push((found.id, versions));
    }
    Ok(all)
}

fn write_line(out: &mut impl Write, line: &Line) -> Result<()> {
    serde_json::to_writer(&mut *out, line).map_err(Error::internal)?;
    out.write_all(b"\n").map_err(Error::internal)
}
