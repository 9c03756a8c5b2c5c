//! Drafts that came from other portals, made acceptable in small things.

use crate::address::without_credentials;
use crate::vocabulary::{
    EXTRA_KEY_LENGTH_MAX, EXTRA_VALUE_LENGTH_MAX, EXTRAS_MAX, LICENCE_TEXT_LENGTH_MAX, LIST_MAX, TITLE_LENGTH_MAX, URL_LENGTH_MAX,
    check_email, check_url,
};
use crate::{DatasetDraft, FieldError, Text};

impl DatasetDraft {
    /// Makes a draft that came from another portal acceptable in small things: control characters go, and so do user names and passwords
    /// in addresses, and mail addresses, contact addresses and media types that are none; secondary texts and lists that are too long are
    /// cut. Title and description are not: what is wrong with them is for their publisher to mend. Returns what was dropped, for the
    /// publisher.
    pub fn tidy(&mut self) -> Vec<Text> {
        let mut tidy = Tidy { dropped: Vec::new() };
        clean(&mut self.title);
        clean(&mut self.description);
        self.description_en.iter_mut().for_each(clean);
        self.keywords.iter_mut().for_each(clean);
        tidy.clip("title_en", &mut self.title_en, TITLE_LENGTH_MAX);
        tidy.clip("licence_text", &mut self.licence_text, LICENCE_TEXT_LENGTH_MAX);
        tidy.clip("creator", &mut self.creator, TITLE_LENGTH_MAX);
        tidy.clip("version", &mut self.version, TITLE_LENGTH_MAX);
        tidy.clip_list("themes", &mut self.themes, TITLE_LENGTH_MAX);
        tidy.clip_list("language", &mut self.language, TITLE_LENGTH_MAX);
        tidy.clip_list("conforms_to", &mut self.conforms_to, URL_LENGTH_MAX);
        tidy.clip_extras(&mut self.extras);
        tidy.open_address("landing_page", &mut self.landing_page);
        if let Some(contact) = &mut self.contact_point {
            tidy.clip("contact_point/name", &mut contact.name, TITLE_LENGTH_MAX);
            tidy.clip("contact_point/telephone", &mut contact.telephone, TITLE_LENGTH_MAX);
            tidy.drop_broken("contact_point/email", &mut contact.email, check_email);
            tidy.open_address("contact_point/url", &mut contact.url);
            tidy.drop_broken("contact_point/url", &mut contact.url, check_url);
        }
        if let Some(spatial) = &mut self.spatial {
            tidy.clip("spatial/label", &mut spatial.label, TITLE_LENGTH_MAX);
        }
        for distribution in self.distributions.iter_mut().flatten() {
            clean(&mut distribution.title);
            clean(&mut distribution.description);
            tidy.clip("title_en", &mut distribution.title_en, TITLE_LENGTH_MAX);
            tidy.clip("format", &mut distribution.format, TITLE_LENGTH_MAX);
            tidy.clip("identifier", &mut distribution.identifier, TITLE_LENGTH_MAX);
            tidy.clip_list("language", &mut distribution.language, TITLE_LENGTH_MAX);
            tidy.clip_list("conforms_to", &mut distribution.conforms_to, URL_LENGTH_MAX);
            tidy.clip_extras(&mut distribution.extras);
            tidy.open_address("access_url", &mut distribution.access_url);
            tidy.open_address("download_url", &mut distribution.download_url);
            tidy.drop_broken("media_type", &mut distribution.media_type, crate::distribution::check_media_type);
        }
        tidy.dropped
    }
}

/// A draft being tidied, and what was dropped of it.
struct Tidy {
    dropped: Vec<Text>,
}

impl Tidy {
    /// Says each thing once, however many distributions it happens in.
    fn note(&mut self, ja: String, en: String) {
        let note = Text::new(ja, en);
        if !self.dropped.contains(&note) {
            self.dropped.push(note);
        }
    }

    fn clip(&mut self, field: &str, value: &mut Option<String>, limit: usize) {
        if let Some(text) = value {
            self.clip_text(field, text, limit);
        }
    }

    fn clip_text(&mut self, field: &str, text: &mut String, limit: usize) {
        clean(text);
        if let Some((end, _)) = text.char_indices().nth(limit) {
            text.truncate(end);
            self.note(
                format!("{field} が長すぎるため、先頭の {limit} 文字だけを取り込みました。"),
                format!("{field} is longer than {limit} characters; only its beginning was taken over"),
            );
        }
    }

    fn clip_list(&mut self, field: &str, items: &mut Vec<String>, limit: usize) {
        if items.len() > LIST_MAX {
            items.truncate(LIST_MAX);
            self.too_many(field, LIST_MAX);
        }
        items.iter_mut().for_each(|item| self.clip_text(field, item, limit));
    }

    fn clip_extras(&mut self, extras: &mut std::collections::BTreeMap<String, String>) {
        let usable = |key: &str| !key.chars().any(char::is_control) && key.chars().count() <= EXTRA_KEY_LENGTH_MAX;
        let count = extras.len();
        // Whose a dataset is decides what it is the same as.
        let is_needed = |key: &str| key == "publisher_name";
        let mut left = EXTRAS_MAX - extras.keys().filter(|key| is_needed(key)).count();
        extras.retain(|key, _| {
            if is_needed(key) {
                return true;
            }
            let keep = left > 0 && usable(key);
            left -= usize::from(keep);
            keep
        });
        if extras.len() < count {
            self.too_many("extras", EXTRAS_MAX);
        }
        for value in extras.values_mut() {
            self.clip_text("extras", value, EXTRA_VALUE_LENGTH_MAX);
            if let std::borrow::Cow::Owned(open) = without_credentials(value) {
                *value = open;
            }
        }
    }

    fn too_many(&mut self, field: &str, limit: usize) {
        self.note(
            format!("{field} の項目が多すぎるか使えない名前のため、一部（{limit} 件まで）だけを取り込みました。"),
            format!("{field} has more than {limit} items, or some that are not usable; only a part was taken over"),
        );
    }

    fn open_address(&mut self, field: &str, address: &mut Option<String>) {
        let Some(text) = address else { return };
        if let std::borrow::Cow::Owned(open) = without_credentials(text) {
            *text = open;
            self.note(
                format!("{field} の URL に含まれていたユーザー名・パスワードは取り込みませんでした。"),
                format!("the user name or password in {field} was left out"),
            );
        }
    }

    fn drop_broken(&mut self, field: &str, value: &mut Option<String>, check: fn(&mut Vec<FieldError>, &str, Option<&str>)) {
        let mut errors = Vec::new();
        check(&mut errors, field, value.as_deref().filter(|text| !text.is_empty()));
        if !errors.is_empty() {
            let text: String = value.take().unwrap_or_default().chars().take(100).collect();
            self.note(
                format!("{field} の値「{text}」は使えないため取り込みませんでした。"),
                format!("{field} `{text}` is not usable and was left out"),
            );
        }
    }
}

/// Tabs and line breaks are text; other control characters are not.
fn clean(text: &mut String) {
    text.retain(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vocabulary;
    use serde_json::json;

    fn draft(value: serde_json::Value) -> DatasetDraft {
        crate::from_value(value).unwrap()
    }

    #[test]
    fn small_faults_of_other_portals_are_tidied_away() {
        let mut wrong = draft(json!({"title": "a\u{1}b", "contact_point": {"name": "課", "email": "代表", "url": "電話のみ"},
            "distributions": [{"title": "f", "media_type": "エクセル"}]}));
        assert_eq!(wrong.check(&Vocabulary::built_in()).len(), 4);
        assert_eq!(wrong.tidy().len(), 3);
        assert_eq!(wrong.check(&Vocabulary::built_in()), vec![]);
        assert_eq!((wrong.title.as_str(), wrong.contact_point.unwrap().name.as_deref()), ("ab", Some("課")));
    }

    #[test]
    fn what_is_too_long_is_cut_and_told() {
        let many: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        let long = "あ".repeat(30_000);
        let mut wrong =
            draft(json!({"title": "題", "title_en": long, "language": many, "creator": "a\u{7}b", "extras": {"x": long, "a\u{1}": ""},
            "landing_page": "https://u:p@example.jp/", "distributions": [{"title_en": long, "download_url": "ftp://u@example.jp/a"}]}));
        assert!(!wrong.check(&Vocabulary::built_in()).is_empty());
        let told = wrong.tidy();
        assert_eq!(wrong.check(&Vocabulary::built_in()), vec![]);
        assert_eq!(told.len(), 6, "{told:?}");
        assert_eq!(wrong.landing_page.as_deref(), Some("https://example.jp/"));
        assert_eq!(wrong.extras["x"].chars().count(), EXTRA_VALUE_LENGTH_MAX);
        assert!(draft(json!({"title": "題", "title_en": "x"})).tidy().is_empty());
    }

    #[test]
    fn whose_a_dataset_is_survives_too_many_extras() {
        let mut draft = draft(json!({"title": "題", "extras": {"publisher_name": "呉市"}}));
        draft.extras.extend((0..EXTRAS_MAX + 50).map(|n| (format!("a{n}"), String::new())));
        assert_eq!(draft.tidy().len(), 1);
        assert_eq!((draft.extras.len(), draft.extras["publisher_name"].as_str()), (EXTRAS_MAX, "呉市"));
        assert_eq!(draft.check(&Vocabulary::built_in()), vec![]);
    }
}
