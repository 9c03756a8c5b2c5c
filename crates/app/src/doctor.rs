//! Is everything in order: database, index, files.

use minato_catalog::Text;
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

impl App {
    /// Looks at database, index and files; `thorough` reads every file and compares its hash.
    pub fn examine(&self, thorough: bool) -> Result<Vec<Check>> {
        let mut checks = vec![self.examine_database()?];
        if self.0.indexer.is_some() {
            checks.push(self.examine_index()?);
        }
        checks.push(self.examine_files(thorough)?);
        Ok(checks)
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
