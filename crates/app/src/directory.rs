//! The small lists everything refers to, kept in memory: organizations, themes, licences.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use minato_catalog::{Licence, Organization, RecordState, Theme, Vocabulary};
use minato_store::{AnyConnection, licence, organization, theme};
use uuid::Uuid;

use crate::error::Result;

/// The organizations, themes and licences of the catalog at one moment.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    organizations: BTreeMap<Uuid, Arc<Organization>>,
    by_key: HashMap<String, Uuid>,
    /// Active and archived themes by id.
    pub themes: BTreeMap<String, Theme>,
    /// Active and archived licences by id.
    pub licences: BTreeMap<String, Licence>,
    /// The active themes and licences, for checking drafts.
    pub vocabulary: Arc<Vocabulary>,
}

impl Directory {
    pub(crate) fn load(conn: &mut AnyConnection) -> Result<Directory> {
        let mut directory = Directory::default();
        for record in organization::all(conn)? {
            directory.by_key.insert(record.draft.slug.clone(), record.id);
            if let Some(code) = &record.draft.code {
                directory.by_key.entry(code.clone()).or_insert(record.id);
            }
            directory.organizations.insert(record.id, Arc::new(record));
        }
        directory.themes = theme::all(conn)?.into_iter().map(|theme| (theme.id.clone(), theme)).collect();
        directory.licences = licence::all(conn)?.into_iter().map(|licence| (licence.id.clone(), licence)).collect();
        let active = |state: RecordState| state == RecordState::Active;
        directory.vocabulary = Arc::new(Vocabulary::new(
            directory.licences.values().filter(|licence| active(licence.state)).map(|licence| (licence.id.clone(), licence.draft.clone())),
            directory.themes.values().filter(|theme| active(theme.state)).map(|theme| (theme.id.clone(), theme.draft.clone())),
        ));
        Ok(directory)
    }

    /// The organization with this id, archived or not.
    pub fn organization(&self, id: Uuid) -> Option<&Arc<Organization>> {
        self.organizations.get(&id)
    }

    /// The organization with this id, slug or local government code, archived or not.
    pub fn find_organization(&self, key: &str) -> Option<&Arc<Organization>> {
        let id = key.parse::<Uuid>().ok().or_else(|| self.by_key.get(key).copied())?;
        self.organizations.get(&id)
    }

    /// Active organizations, prefectures first, then by local government code, then by slug.
    pub fn organizations(&self) -> Vec<&Arc<Organization>> {
        let mut list: Vec<_> = self.organizations.values().filter(|record| record.state == RecordState::Active).collect();
        list.sort_by(|a, b| {
            let rank = |record: &Organization| (record.draft.code.is_none(), record.draft.code.clone(), record.draft.slug.clone());
            rank(a).cmp(&rank(b))
        });
        list
    }
}
