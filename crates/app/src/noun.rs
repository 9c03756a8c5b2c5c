//! What can be done with the simple nouns: organizations, themes, licences, keywords, users.

use chrono::{DateTime, Utc};
use minato_catalog::{
    Action, FieldError, Keyword, KeywordDraft, Licence, LicenceDraft, Noun, Organization, OrganizationDraft, Page, RecordState, Revision,
    RevisionSummary, Role, Text, Theme, ThemeDraft, User, UserDraft, Viewer, from_value, merge_patch, new_id,
};
use minato_store::dataset::{self, DatasetFilter, Scope};
use minato_store::{AnyConnection, ListFilter, Saved, history, keyword, licence, organization, theme, user};
use serde::{Serialize, de::DeserializeOwned};

use crate::App;
use crate::context::{Change, Context, Done, Status};
use crate::error::{Error, Result};

/// A noun with an id, a draft and a state.
pub trait SimpleNoun: Serialize + DeserializeOwned + Clone + Send + 'static {
    /// The editable part.
    type Draft: Serialize + DeserializeOwned + Clone + PartialEq;
    /// Its name.
    const NOUN: Noun;

    /// Its id as text.
    fn id(&self) -> String;
    /// The editable part.
    fn draft(&self) -> &Self::Draft;
    /// Whether it is in use.
    fn state(&self) -> RecordState;
    /// Number of the latest revision.
    fn revision(&self) -> i64;

    #[doc(hidden)]
    fn new(id: Option<String>, draft: Self::Draft, now: DateTime<Utc>) -> Result<Self>;
    #[doc(hidden)]
    fn changed(&self, draft: Self::Draft, state: RecordState, now: DateTime<Utc>) -> Self;
    #[doc(hidden)]
    fn check(draft: &Self::Draft) -> Vec<FieldError>;
    #[doc(hidden)]
    fn check_write(viewer: &Viewer, before: Option<&Self>, after: &Self::Draft) -> Result<()>;
    #[doc(hidden)]
    fn check_change(_conn: &mut AnyConnection, _before: &Self, _after: &Self::Draft, _state: RecordState) -> Result<()> {
        Ok(())
    }
    #[doc(hidden)]
    fn check_new(_conn: &mut AnyConnection, _draft: &Self::Draft) -> Result<()> {
        Ok(())
    }
    #[doc(hidden)]
    fn check_read(_viewer: &Viewer) -> Result<()> {
        Ok(())
    }
    #[doc(hidden)]
    fn shown_to(self, _viewer: &Viewer) -> Self {
        self
    }
    #[doc(hidden)]
    fn find(conn: &mut AnyConnection, id: &str) -> minato_store::Result<Option<Self>>;
    #[doc(hidden)]
    fn find_by_key(conn: &mut AnyConnection, key: &str) -> minato_store::Result<Option<Self>>;
    #[doc(hidden)]
    fn page(conn: &mut AnyConnection, filter: &ListFilter) -> minato_store::Result<Page<Self>>;
    #[doc(hidden)]
    fn save(conn: &mut AnyConnection, record: &Self, previous: Option<i64>, action: Action, actor: &str) -> minato_store::Result<Saved>;
}

macro_rules! simple_noun {
    ($type:ident, $draft:ident, $noun:ident, $store:ident, id = $id:expr, write = $write:expr, { $($extra:item)* }) => {
        impl SimpleNoun for $type {
            type Draft = $draft;
            const NOUN: Noun = Noun::$noun;

            fn id(&self) -> String {
                self.id.to_string()
            }
            fn draft(&self) -> &$draft {
                &self.draft
            }
            fn state(&self) -> RecordState {
                self.state
            }
            fn revision(&self) -> i64 {
                self.revision
            }
            fn new(id: Option<String>, draft: $draft, now: DateTime<Utc>) -> Result<Self> {
                let new_id: fn(Option<String>) -> Result<_> = $id;
                Ok($type { id: new_id(id)?, draft, state: RecordState::Active, revision: 1, created: now, updated: now })
            }
            fn changed(&self, draft: $draft, state: RecordState, now: DateTime<Utc>) -> Self {
                $type { id: self.id.clone(), draft, state, revision: self.revision + 1, created: self.created, updated: now }
            }
            fn check(draft: &$draft) -> Vec<FieldError> {
                draft.check()
            }
            fn check_write(viewer: &Viewer, before: Option<&Self>, after: &$draft) -> Result<()> {
                let check: fn(&Viewer, Option<&Self>, &$draft) -> Result<()> = $write;
                check(viewer, before, after)
            }
            fn find(conn: &mut AnyConnection, id: &str) -> minato_store::Result<Option<Self>> {
                $store::find(conn, id)
            }
            fn find_by_key(conn: &mut AnyConnection, key: &str) -> minato_store::Result<Option<Self>> {
                $store::find_by_key(conn, key)
            }
            fn page(conn: &mut AnyConnection, filter: &ListFilter) -> minato_store::Result<Page<Self>> {
                $store::list(conn, filter)
            }
            fn save(conn: &mut AnyConnection, record: &Self, previous: Option<i64>, action: Action, actor: &str) -> minato_store::Result<Saved> {
                $store::save(conn, record, previous, action, actor)
            }
            $($extra)*
        }
    };
}

simple_noun!(
    Organization,
    OrganizationDraft,
    Organization,
    organization,
    id = given_or_new_id,
    write = |viewer, before, _| match before {
        Some(before) if viewer.has_role(before.id, Role::Administrator) => Ok(()),
        _ => admin_only(viewer),
    },
    {
        fn check_new(conn: &mut AnyConnection, draft: &OrganizationDraft) -> Result<()> {
            check_code(conn, None, draft)
        }

        fn check_change(conn: &mut AnyConnection, before: &Self, after: &OrganizationDraft, state: RecordState) -> Result<()> {
            if state == RecordState::Active {
                return check_code(conn, Some(before.id), after);
            }
            let filter = DatasetFilter { scope: Scope::Everything, organization_id: Some(before.id), ..Default::default() };
            match dataset::count(conn, &filter)? {
                0 => Ok(()),
                count => Err(in_use("組織", "organization", count)),
            }
        }
    }
);

simple_noun!(Theme, ThemeDraft, Theme, theme, id = given_word, write = |viewer, _, _| admin_only(viewer), {});

simple_noun!(Licence, LicenceDraft, Licence, licence, id = given_word, write = |viewer, _, _| admin_only(viewer), {});

simple_noun!(Keyword, KeywordDraft, Keyword, keyword, id = given_or_new_id, write = |viewer, _, _| editor_anywhere(viewer), {
    fn check_change(conn: &mut AnyConnection, before: &Self, after: &KeywordDraft, _state: RecordState) -> Result<()> {
        if before.draft.name == after.name {
            return Ok(());
        }
        let filter = DatasetFilter { scope: Scope::Everything, keyword: Some(before.draft.name.clone()), ..Default::default() };
        match dataset::count(conn, &filter)? {
            0 => Ok(()),
            count => Err(in_use("キーワード", "keyword", count)),
        }
    }
});

simple_noun!(
    User,
    UserDraft,
    User,
    user,
    id = given_or_new_id,
    write = |viewer, before, after| match before {
        // People may edit themselves, but not make themselves administrators.
        Some(before) if viewer.user_id == Some(before.id) && !viewer.read_only && before.draft.admin == after.admin => Ok(()),
        _ => admin_only(viewer),
    },
    {
        fn check_read(viewer: &Viewer) -> Result<()> {
            if viewer.is_public() { Err(Error::Unauthenticated) } else { Ok(()) }
        }
        fn shown_to(mut self, viewer: &Viewer) -> Self {
            if !viewer.admin && viewer.user_id != Some(self.id) {
                self.draft.email = None;
            }
            self
        }
    }
);

/// A local government code stands for one organization: it is a key in addresses.
fn check_code(conn: &mut AnyConnection, id: Option<uuid::Uuid>, draft: &OrganizationDraft) -> Result<()> {
    let Some(code) = &draft.code else { return Ok(()) };
    let same = |other: &Organization| other.draft.code.as_ref() == Some(code) || other.draft.slug == *code;
    match organization::all(conn)?.into_iter().find(|other| Some(other.id) != id && same(other)) {
        None => Ok(()),
        Some(other) => Err(Error::Conflict(FieldError::new(
            "/code",
            "taken",
            format!("コード {code} は「{}」が使っています。", other.draft.name),
            format!("the code {code} belongs to `{}` already", other.draft.slug),
        ))),
    }
}

fn given_or_new_id(id: Option<String>) -> Result<uuid::Uuid> {
    match id {
        None => Ok(new_id()),
        Some(text) => text.parse().map_err(|_| {
            Error::invalid(FieldError::new(
                "/id",
                "invalid_id",
                "/id は UUID にしてください。省略すると自動で付きます。",
                "/id must be a UUID; leave it out to get one",
            ))
        }),
    }
}

fn given_word(id: Option<String>) -> Result<String> {
    match id {
        // A path segment of dots is taken out of a URL by whoever sends it (RFC 3986 §5.2.4).
        Some(id)
            if !matches!(id.as_str(), "." | "..")
                && (1..=100).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) =>
        {
            Ok(id)
        }
        Some(_) => Err(Error::invalid(FieldError::new(
            "/id",
            "invalid_id",
            "/id は半角英数字と - _ . で 100 文字以内にしてください。「.」と「..」は URL で使えないため除きます。",
            "/id must be 1 to 100 of A-Z a-z 0-9 - _ . but not `.` or `..`, which no URL can name",
        ))),
        None => Err(Error::invalid(FieldError::required("/id"))),
    }
}

pub(crate) fn signed_in(viewer: &Viewer) -> Result<()> {
    if viewer.is_public() {
        return Err(Error::Unauthenticated);
    }
    if viewer.read_only {
        return Err(Error::Forbidden(Text::new(
            "この API トークンは読み取り専用です。書き込みできるトークンを使ってください。",
            "this API token may only read; use one that may write",
        )));
    }
    Ok(())
}

pub(crate) fn admin_only(viewer: &Viewer) -> Result<()> {
    signed_in(viewer)?;
    if viewer.admin {
        return Ok(());
    }
    Err(Error::Forbidden(Text::new("この操作はシステム管理者だけができます。", "only system administrators may do this")))
}

/// Refuses everybody who does not work for the catalog. For reading: a token that may only read will do.
pub(crate) fn staff_only(viewer: &Viewer) -> Result<()> {
    if viewer.is_public() {
        return Err(Error::Unauthenticated);
    }
    if viewer.is_staff() {
        return Ok(());
    }
    Err(Error::Forbidden(Text::new(
        "これは、いずれかの組織に所属する職員とシステム管理者だけが使えます。組織の管理者に所属の登録を依頼してください。",
        "this is for members of an organization and system administrators; ask an administrator to make you a member",
    )))
}

fn editor_anywhere(viewer: &Viewer) -> Result<()> {
    signed_in(viewer)?;
    if viewer.admin || viewer.roles.values().any(|role| *role >= Role::Editor) {
        return Ok(());
    }
    Err(Error::Forbidden(Text::new(
        "この操作にはいずれかの組織の編集者権限が必要です。",
        "this needs the role editor in some organization",
    )))
}

fn in_use(ja: &str, en: &str, count: i64) -> Error {
    Error::Conflict(FieldError::new(
        "",
        "in_use",
        format!("この{ja}は {count} 件のデータセットで使われています。先にそれらを変更または取り下げてください。"),
        format!("the {en} is used by {count} datasets; change or archive those first"),
    ))
}

impl App {
    /// The record with this id or key, as the viewer may see it.
    pub fn get<T: SimpleNoun>(&self, viewer: &Viewer, key: &str) -> Result<T> {
        T::check_read(viewer)?;
        let key = &self.id_of_code::<T>(key);
        let found = self.store().read(|conn| find::<T>(conn, key))?;
        match found {
            Some(record) if record.state() == RecordState::Active || viewer.admin => Ok(record.shown_to(viewer)),
            _ => Err(Error::not_found(T::NOUN.as_str(), key)),
        }
    }

    /// Organizations go by their local government code as well.
    fn id_of_code<T: SimpleNoun>(&self, key: &str) -> String {
        let code = T::NOUN == Noun::Organization && minato_catalog::is_local_government_code(key);
        match self.directory().find_organization(key).filter(|_| code) {
            Some(organization) => organization.id.to_string(),
            None => key.to_owned(),
        }
    }

    /// A page of records; archived ones for administrators who ask.
    pub fn list<T: SimpleNoun>(&self, viewer: &Viewer, mut filter: ListFilter) -> Result<Page<T>> {
        T::check_read(viewer)?;
        filter.archived &= viewer.admin;
        filter.limit = filter.limit.clamp(0, 1000);
        let page = self.store().read(|conn| T::page(conn, &filter))?;
        Ok(page.map(|record| record.shown_to(viewer)))
    }

    /// A new record. `id` is required where ids are words (themes, licences) and made here where they are UUIDs.
    pub fn create<T: SimpleNoun>(&self, context: &Context, id: Option<String>, draft: T::Draft) -> Result<Done<T>> {
        T::check_write(&context.viewer, None, &draft)?;
        check::<T>(&draft)?;
        let done = self.change(context, |conn| {
            T::check_new(conn, &draft)?;
            let record = T::new(id, draft, self.now())?;
            let saved = T::save(conn, &record, None, Action::Create, &context.viewer.name)?;
            Ok(Change { value: record, status: Status::Created, seq: Some(saved.seq) })
        })?;
        self.finish::<T>(done, context)
    }

    /// Replaces the editable part.
    pub fn replace<T: SimpleNoun>(&self, context: &Context, key: &str, draft: T::Draft) -> Result<Done<T>> {
        self.edit::<T>(context, key, |before| Ok((draft, before.state())))
    }

    /// Changes parts by a JSON merge patch (RFC 7396).
    pub fn patch<T: SimpleNoun>(&self, context: &Context, key: &str, patch: &serde_json::Value) -> Result<Done<T>> {
        if !patch.is_object() {
            return Err(Error::invalid(not_an_object()));
        }
        self.edit::<T>(context, key, |before| {
            let mut value = serde_json::to_value(before.draft()).map_err(Error::internal)?;
            merge_patch(&mut value, patch);
            Ok((from_value(value).map_err(Error::invalid)?, before.state()))
        })
    }

    /// Puts a record away.
    pub fn archive<T: SimpleNoun>(&self, context: &Context, key: &str) -> Result<Done<T>> {
        self.edit::<T>(context, key, |before| Ok((before.draft().clone(), RecordState::Archived)))
    }

    /// Brings a record back.
    pub fn restore<T: SimpleNoun>(&self, context: &Context, key: &str) -> Result<Done<T>> {
        self.edit::<T>(context, key, |before| Ok((before.draft().clone(), RecordState::Active)))
    }

    /// The revisions of a record, newest first. For those who may change it.
    pub fn history<T: SimpleNoun>(&self, viewer: &Viewer, key: &str) -> Result<Vec<RevisionSummary>> {
        let record = self.get::<T>(viewer, key)?;
        T::check_write(viewer, Some(&record), record.draft())?;
        Ok(self.store().read(|conn| history::revisions(conn, T::NOUN, &record.id()))?)
    }

    /// One revision of a record. For those who may change it.
    pub fn revision<T: SimpleNoun>(&self, viewer: &Viewer, key: &str, number: i64) -> Result<Revision> {
        let record = self.get::<T>(viewer, key)?;
        T::check_write(viewer, Some(&record), record.draft())?;
        let found = self.store().read(|conn| history::find_revision(conn, T::NOUN, &record.id(), number))?;
        found.ok_or_else(|| Error::not_found("revision", number.to_string()))
    }

    fn edit<T: SimpleNoun>(&self, context: &Context, key: &str, f: impl FnOnce(&T) -> Result<(T::Draft, RecordState)>) -> Result<Done<T>> {
        let viewer = &context.viewer;
        signed_in(viewer)?;
        T::check_read(viewer)?;
        let key = &self.id_of_code::<T>(key);
        let done = self.change(context, |conn| {
            let before = find::<T>(conn, key)?.ok_or_else(|| Error::not_found(T::NOUN.as_str(), key))?;
            if before.state() == RecordState::Archived && !viewer.admin {
                return Err(Error::not_found(T::NOUN.as_str(), key));
            }
            context.check_revision(before.revision())?;
            let (draft, state) = f(&before)?;
            T::check_write(viewer, Some(&before), &draft)?;
            if *before.draft() == draft && before.state() == state {
                return Ok(Change::unchanged(before));
            }
            check::<T>(&draft)?;
            T::check_change(conn, &before, &draft, state)?;
            let action = match (before.state(), state) {
                (RecordState::Active, RecordState::Archived) => Action::Archive,
                (RecordState::Archived, RecordState::Active) => Action::Restore,
                _ => Action::Update,
            };
            let after = before.changed(draft, state, self.now());
            let saved = T::save(conn, &after, Some(before.revision()), action, &viewer.name)?;
            Ok(Change { value: after, status: Status::Updated, seq: Some(saved.seq) })
        })?;
        self.finish::<T>(done, context)
    }

    fn finish<T: SimpleNoun>(&self, done: Done<T>, context: &Context) -> Result<Done<T>> {
        if !context.dry_run && matches!(T::NOUN, Noun::Organization | Noun::Theme | Noun::Licence) {
            self.reload_directory()?;
        }
        Ok(Done { value: done.value.shown_to(&context.viewer), ..done })
    }
}

fn find<T: SimpleNoun>(conn: &mut AnyConnection, key: &str) -> minato_store::Result<Option<T>> {
    match T::find(conn, key)? {
        Some(record) => Ok(Some(record)),
        None => T::find_by_key(conn, key),
    }
}

fn check<T: SimpleNoun>(draft: &T::Draft) -> Result<()> {
    match T::check(draft) {
        errors if errors.is_empty() => Ok(()),
        errors => Err(Error::Invalid(errors)),
    }
}

pub(crate) fn not_an_object() -> FieldError {
    FieldError::new(
        "",
        "invalid_type",
        "本文は JSON オブジェクト { … } にしてください（JSON Merge Patch）。",
        "the body must be a JSON object (JSON Merge Patch)",
    )
}
