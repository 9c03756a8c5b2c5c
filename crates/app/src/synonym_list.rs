//! Synonyms that staff keep: read by every search, changed without building the index again.

use chrono::{DateTime, Utc};
use minato_catalog::{
    Action, FieldError, Noun, RecordState, Revision, RevisionSummary, SynonymList, SynonymListDraft, SynonymsInUse, Text, Viewer,
};
use minato_search::Synonyms;
use minato_store::{AnyConnection, history, synonym_list};

use crate::App;
use crate::context::{Change, Context, Done, Status};
use crate::error::{Error, Result};
use crate::noun::admin_only;

/// Most unusable lines told of at once.
const LINES_TOLD_MAX: usize = 100;
/// Longest piece of a line shown in a message, in characters.
const LINE_SHOWN_MAX: usize = 80;

impl App {
    /// The synonyms that searches use. For everybody.
    pub fn synonyms(&self) -> Result<SynonymsInUse> {
        let stored = self.store().read(|conn| synonym_list::find_by_key(conn, SynonymList::DEFAULT))?;
        Ok(in_use(stored.as_ref()))
    }

    /// Puts a list of one's own in place of the one in use. For system administrators; a list with an unusable line is refused whole.
    pub fn replace_synonyms(&self, context: &Context, draft: SynonymListDraft) -> Result<Done<SynonymsInUse>> {
        admin_only(&context.viewer)?;
        let draft = draft.normalized();
        let mut errors = draft.check();
        errors.extend(check_lines(&draft.text));
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        self.change_synonyms(context, |before, now| {
            (in_use(before).text != draft.text).then(|| changed(before, draft, RecordState::Active, now))
        })
    }

    /// Goes back to the list that comes with the catalog. For system administrators.
    pub fn reset_synonyms(&self, context: &Context) -> Result<Done<SynonymsInUse>> {
        admin_only(&context.viewer)?;
        self.change_synonyms(context, |before, now| {
            let own = before.filter(|list| list.state == RecordState::Active)?;
            Some(changed(before, own.draft.clone(), RecordState::Archived, now))
        })
    }

    /// The revisions of the list, newest first. For those who may change it.
    pub fn synonyms_history(&self, viewer: &Viewer) -> Result<Vec<RevisionSummary>> {
        may_read_history(viewer)?;
        Ok(self.store().read(|conn| history::revisions(conn, Noun::SynonymList, SynonymList::DEFAULT))?)
    }

    /// One revision of the list. For those who may change it.
    pub fn synonyms_revision(&self, viewer: &Viewer, number: i64) -> Result<Revision> {
        may_read_history(viewer)?;
        let found = self.store().read(|conn| history::find_revision(conn, Noun::SynonymList, SynonymList::DEFAULT, number))?;
        found.ok_or_else(|| Error::not_found("revision", number.to_string()))
    }

    /// Saves what `f` makes of the stored list; `None` is a change that changes nothing.
    fn change_synonyms(
        &self,
        context: &Context,
        f: impl FnOnce(Option<&SynonymList>, DateTime<Utc>) -> Option<SynonymList>,
    ) -> Result<Done<SynonymsInUse>> {
        self.change(context, |conn| {
            let before = synonym_list::find_by_key(conn, SynonymList::DEFAULT)?;
            // There is always a list to change: before the first save the built-in one, as revision 0.
            context.check_revision(before.as_ref().map_or(0, |list| list.revision))?;
            let Some(after) = f(before.as_ref(), self.now()) else { return Ok(Change::unchanged(in_use(before.as_ref()))) };
            let action = match (before.as_ref().map(|list| list.state), after.state) {
                (None, _) => Action::Create,
                (Some(_), RecordState::Archived) => Action::Archive,
                (Some(RecordState::Archived), RecordState::Active) => Action::Restore,
                (Some(RecordState::Active), RecordState::Active) => Action::Update,
            };
            let saved = synonym_list::save(conn, &after, before.map(|list| list.revision), action, &context.viewer.name)?;
            Ok(Change { value: in_use(Some(&after)), status: Status::Updated, seq: Some(saved.seq) })
        })
    }
}

/// The text that searches are to use now.
pub(crate) fn text_in_use(conn: &mut AnyConnection) -> minato_store::Result<String> {
    Ok(in_use(synonym_list::find_by_key(conn, SynonymList::DEFAULT)?.as_ref()).text)
}

fn in_use(stored: Option<&SynonymList>) -> SynonymsInUse {
    let own = stored.filter(|list| list.state == RecordState::Active);
    let text = own.map_or(Synonyms::BUILT_IN, |list| &list.draft.text);
    SynonymsInUse {
        text: text.to_owned(),
        concepts: Synonyms::parse(text).0.len(),
        built_in: own.is_none(),
        revision: stored.map_or(0, |list| list.revision),
        updated: stored.map(|list| list.updated),
    }
}

fn changed(before: Option<&SynonymList>, draft: SynonymListDraft, state: RecordState, now: DateTime<Utc>) -> SynonymList {
    SynonymList {
        id: SynonymList::DEFAULT.to_owned(),
        draft,
        state,
        revision: before.map_or(0, |list| list.revision) + 1,
        created: before.map_or(now, |list| list.created),
        updated: now,
    }
}

/// History is for those who may write, also with a token that may not.
fn may_read_history(viewer: &Viewer) -> Result<()> {
    admin_only(&Viewer { read_only: false, ..viewer.clone() })
}

/// The lines that the search cannot use, each with its number, itself, what is wrong and what to do.
fn check_lines(text: &str) -> Vec<FieldError> {
    let unusable = Synonyms::parse(text).1;
    let lines: Vec<&str> = text.lines().collect();
    let mut errors: Vec<FieldError> = unusable
        .iter()
        .take(LINES_TOLD_MAX)
        .map(|error| {
            let shown: String = lines.get(error.line.saturating_sub(1)).unwrap_or(&"").trim().chars().take(LINE_SHOWN_MAX).collect();
            let advice = advice(error.problem);
            let ja = format!("{} 行目「{shown}」: {}", error.line, advice.ja);
            let en = format!("line {} `{shown}`: {}", error.line, advice.en);
            FieldError::new("/text", "invalid_line", ja, en)
        })
        .collect();
    let more = unusable.len() - errors.len();
    if more > 0 {
        errors.push(FieldError::new(
            "/text",
            "invalid_line",
            format!("ほかに {more} 行が使えません。上の行を直してから、もう一度確かめてください。"),
            format!("{more} more lines cannot be used; correct those above and try again"),
        ));
    }
    errors
}

/// What is wrong with a line, and the way out. The search says it in English.
fn advice(problem: &str) -> Text {
    let (ja, way_out) = match problem {
        "more than one `|`" => ("「|」が 2 つ以上あります。「同じ意味,同じ意味|関連,関連」のように 1 つだけにしてください。", "keep one"),
        "no word before `|`" => {
            ("「|」の前に言葉がありません。同じ意味の言葉を「|」の前に入れてください。", "put the words that mean the same before it")
        }
        "a single word has nothing to stand for" => (
            "言葉が 1 つだけです。同じ意味の言葉を「,」で区切って加えるか、行を消してください。",
            "add another after a comma, or remove the line",
        ),
        "more than 60 words" => ("言葉が多すぎます。60 語までにするか、行を分けてください。", "split the line"),
        other => {
            let en = format!("{other}; correct the line or remove it");
            return Text::new(format!("この行は使えません（{other}）。直すか、消してください。"), en);
        }
    };
    Text::new(ja, format!("{problem}; {way_out}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let errors = check_lines(text);
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, (ja, en)) in errors.iter().zip(expected) {
            assert!(error.message.ja.starts_with(ja) && error.message.en.starts_with(en), "{error:?}");
        }
    }

    #[test]
    fn an_unusable_line_is_told_with_number_line_and_way_out() {
        check("# c\na,b\n\nc,d|e\n", &[]);
        check("a,b\n ひとつ \n", &[("2 行目「ひとつ」: 言葉が 1 つだけ", "line 2 `ひとつ`: a single word has nothing to stand for; add")]);
        check(
            "a|b|c\n|b",
            &[
                ("1 行目「a|b|c」: 「|」が 2 つ", "line 1 `a|b|c`: more than one `|`; keep"),
                ("2 行目「|b」: 「|」の前に", "line 2 `|b`: no word"),
            ],
        );
        let long = vec!["語"; 61].join(",");
        check(&long, &[("1 行目「語,語", "line 1 `語,語")]);
        assert!(check_lines(&long)[0].message.ja.contains("60 語まで"), "every problem the search knows has its words here");
    }

    #[test]
    fn many_unusable_lines_are_told_in_part() {
        let errors = check_lines(&"a\n".repeat(250));
        assert_eq!(errors.len(), LINES_TOLD_MAX + 1);
        assert!(errors[LINES_TOLD_MAX].message.ja.contains("150 行"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[\\PC|,#\n]{0,60}") {
            let _ = check_lines(&text);
        }
    }
}
