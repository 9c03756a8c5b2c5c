//! Is everything in order: database, index, files.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use minato_catalog::Text;
use minato_files::StoredBlob;
use minato_store::dataset::{self, DatasetFilter, Scope};
use minato_store::{distribution, history};

use crate::App;
use crate::error::Result;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// In order.
    Good,
    /// Works, but somebody should look.
    Warning,
    /// Not in order.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was looked at.
    pub name: Text,
    /// How it is.
    pub state: CheckState,
    /// What was found and what to do.
    pub detail: Text,
}

/// Files that no distribution has are left alone for so long: they may belong to an upload whose change is not yet kept.
const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Files on the disk that no distribution has: what a process left that was killed between keeping a file and keeping the change.
struct Leftovers {
    /// Old enough to be removed.
    old: Vec<StoredBlob>,
    /// Perhaps about to be needed.
    recent: usize,
    /// Whether the database knows none of the files: then it is probably the wrong one.
    all_unknown: bool,
}

impl App {
    /// Looks at database, index and files; `thorough` reads every file and compares its hash.
    pub fn examine(&self, thorough: bool) -> Result<Vec<Check>> {
        let mut checks = vec![self.examine_database()?];
        if self.0.indexer.is_some() {
            checks.push(self.examine_index()?);
        }
        checks.push(self.examine_files(thorough)?);
        checks.push(self.examine_leftovers()?);
        Ok(checks)
    }

    /// Removes files that no distribution has and that nobody uploaded for a day; returns how many, and their bytes.
    pub fn remove_leftovers(&self) -> Result<(usize, u64)> {
        let leftovers = self.leftovers()?;
        let (mut count, mut bytes) = (0, 0);
        if leftovers.all_unknown {
            return Ok((count, bytes));
        }
        let before = SystemTime::now() - LEFTOVER_AGE;
        for blob in leftovers.old {
            if self.blobs().remove_unused(&blob.sha256, before)? {
                count += 1;
                bytes += blob.byte_size;
            }
        }
        Ok((count, bytes))
    }

    fn leftovers(&self) -> Result<Leftovers> {
        // The files first: one whose change is kept in between is then known.
        let blobs = self.blobs().list()?;
        let known: HashSet<String> = self.store().read(distribution::all_hashes)?.into_iter().collect();
        let total = blobs.len();
        let unknown: Vec<StoredBlob> = blobs.into_iter().filter(|blob| !known.contains(&blob.sha256)).collect();
        let all_unknown = unknown.len() == total;
        let before = SystemTime::now() - LEFTOVER_AGE;
        let (old, recent): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|blob| blob.uploaded < before);
        Ok(Leftovers { old, recent: recent.len(), all_unknown })
    }

    fn examine_leftovers(&self) -> Result<Check> {
        let name = Text::new("使われていないファイル", "unused files");
        let Leftovers { old, recent, all_unknown } = self.leftovers()?;
        let bytes: u64 = old.iter().map(|blob| blob.byte_size).sum();
        let count = old.len();
        if count == 0 {
            let detail = match recent {
                0 => Text::new("なし", "none"),
                recent => Text::new(
                    format!("{recent} 個（登録中か、1 日以内に登録が中断されたもの）"),
                    format!("{recent}, of uploads that run or broke off within a day"),
                ),
            };
            return Ok(Check { name, state: CheckState::Good, detail });
        }
        let detail = if all_unknown {
            Text::new(
                format!(
                    "{count} 個（{bytes} バイト）のすべてをデータベースが知りません。--data と --database-url の組み合わせを確認してください。削除はしません。"
                ),
                format!("the database knows none of the {count} files ({bytes} bytes); check --data and --database-url. None is removed"),
            )
        } else {
            Text::new(
                format!("{count} 個（{bytes} バイト）がどのデータにも属していません。minato doctor --fix で削除できます。"),
                format!("{count} files ({bytes} bytes) belong to no distribution; `minato doctor --fix` removes them"),
            )
        };
        Ok(Check { name, state: CheckState::Warning, detail })
    }

    fn examine_database(&self) -> Result<Check> {
        let name = Text::new("データベース", "database");
        let pending = self.store().has_pending_migrations()?;
        let filter = DatasetFilter { scope: Scope::Everything, ..Default::default() };
        let (count, last) = self.store().read(|conn| Ok((dataset::count(conn, &filter)?, history::last_seq(conn)?)))?;
        Ok(if pending {
            let detail = Text::new(
                "未適用のマイグレーションがあります。minato migrate を実行してください。",
                "migrations are pending; run `minato migrate`",
            );
            Check { name, state: CheckState::Bad, detail }
        } else {
            let detail =
                Text::new(format!("データセット {count} 件、変更記録 {last} 番まで"), format!("{count} datasets, change log at {last}"));
            Check { name, state: CheckState::Good, detail }
        })
    }

    fn examine_index(&self) -> Result<Check> {
        self.wait_for_index()?;
        let name = Text::new("検索索引", "search index");
        let filter = DatasetFilter { scope: Scope::Everything, ..Default::default() };
        let expected = usize::try_from(self.store().read(|conn| dataset::count(conn, &filter))?).unwrap_or(0);
        let indexed = self.index()?.count();
        Ok(if indexed == expected {
            let detail = Text::new(format!("{indexed} 件、データベースと一致"), format!("{indexed} datasets, equal to the database"));
            Check { name, state: CheckState::Good, detail }
        } else {
            let detail = Text::new(
                format!("索引 {indexed} 件に対しデータベース {expected} 件です。minato reindex を実行してください。"),
                format!("the index has {indexed} datasets, the database {expected}; run `minato reindex`"),
            );
            Check { name, state: CheckState::Bad, detail }
        })
    }

    fn examine_files(&self, thorough: bool) -> Result<Check> {
        let name = Text::new("ファイル", "files");
        let hashes = self.store().read(distribution::all_hashes)?;
        let mut broken = Vec::new();
        for hash in &hashes {
            let good = if thorough { self.blobs().verify(hash).is_ok() } else { self.blobs().contains(hash)? };
            if !good {
                broken.push(hash.clone());
            }
        }
        let total = hashes.len();
        Ok(match broken.first() {
            None => {
                let how = if thorough { ("照合済み", "verified") } else { ("存在を確認", "present") };
                Check {
                    name,
                    state: CheckState::Good,
                    detail: Text::new(format!("{total} 個、{}", how.0), format!("{total} files, {}", how.1)),
                }
            }
            Some(first) => {
                let detail = Text::new(
                    format!(
                        "{total} 個のうち {} 個が失われたか壊れています（例: {first}）。バックアップから戻してください。",
                        broken.len()
                    ),
                    format!("{} of {total} files are missing or damaged (for example {first}); restore them from a backup", broken.len()),
                );
                Check { name, state: CheckState::Bad, detail }
            }
        })
    }
}
