//! What can go wrong, for whoever asked.

use minato_catalog::{FieldError, Text};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or the viewer may not see it.
    #[error("{noun} `{key}` does not exist")]
    NotFound {
        /// What was looked for, for example `dataset`.
        noun: &'static str,
        /// By which key.
        key: String,
    },
    /// There was such a thing; it has been withdrawn.
    #[error("dataset `{slug}` has been withdrawn")]
    Gone {
        /// Its id.
        id: uuid::Uuid,
        /// Its slug.
        slug: String,
        /// Its title.
        title: String,
        /// Name of the organization that published it.
        publisher: String,
        /// When it was withdrawn.
        at: chrono::DateTime<chrono::Utc>,
    },
    /// Nobody is signed in, or the token is unknown, revoked or expired.
    #[error("not signed in")]
    Unauthenticated,
    /// The viewer may not do this.
    #[error("not allowed: {}", .0.en)]
    Forbidden(Text),
    /// The input has mistakes.
    #[error("invalid input: {} error(s)", .0.len())]
    Invalid(Vec<FieldError>),
    /// It collides with what is there.
    #[error("conflict: {}", .0.message.en)]
    Conflict(FieldError),
    /// The change says not which revision it is based on.
    #[error("precondition required")]
    PreconditionRequired,
    /// The change is based on another revision than the current one.
    #[error("the current revision is {current}")]
    PreconditionFailed {
        /// The current revision; 0 when there is nothing yet.
        current: i64,
    },
    /// The file is larger than allowed.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// Most bytes allowed.
        limit: u64,
    },
    /// It works, but not now.
    #[error("unavailable: {}", .0.en)]
    Unavailable(Text),
    /// A fault of ours; the message is for the log.
    #[error("internal error: {0}")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A fault of ours.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::Internal(error.into())
    }

    /// There is no such thing.
    pub fn not_found(noun: &'static str, key: impl Into<String>) -> Self {
        let key: String = key.into();
        Error::NotFound { noun, key: key.chars().take(200).collect() }
    }

    /// One mistake in the input.
    pub fn invalid(error: FieldError) -> Self {
        Error::Invalid(vec![error])
    }

    /// Machine-readable kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::NotFound { .. } => "not_found",
            Error::Gone { .. } => "gone",
            Error::Unauthenticated => "unauthenticated",
            Error::Forbidden(_) => "forbidden",
            Error::Invalid(_) => "invalid",
            Error::Conflict(_) => "conflict",
            Error::PreconditionRequired => "precondition_required",
            Error::PreconditionFailed { .. } => "precondition_failed",
            Error::TooLarge { .. } => "too_large",
            Error::Unavailable(_) => "unavailable",
            Error::Internal(_) => "internal",
        }
    }

    /// What happened and what to do, for the one who asked.
    pub fn text(&self) -> Text {
        match self {
            Error::NotFound { noun, key } => Text::new(
                format!("{}「{key}」は見つかりません。ID または名前を確認してください。", noun_ja(noun)),
                format!("{noun} `{key}` does not exist; check the id or name"),
            ),
            Error::Gone { title, .. } => Text::new(format!("「{title}」は公開を終了しました。"), format!("`{title}` has been withdrawn")),
            Error::Unauthenticated => Text::new(
                "この操作には有効な API トークンが必要です。Authorization: Bearer <トークン> を付けてください（minato token create で作成できます）。",
                "this needs a valid API token; send `Authorization: Bearer <token>` (made by `minato token create`)",
            ),
            Error::Forbidden(text) | Error::Unavailable(text) => text.clone(),
            Error::Invalid(errors) => match errors.as_slice() {
                [only] => only.message.clone(),
                errors => Text::new(
                    format!("入力に {} 件の誤りがあります。errors の各項目を直してください。", errors.len()),
                    format!("the input has {} errors; correct each item of `errors`", errors.len()),
                ),
            },
            Error::Conflict(error) => error.message.clone(),
            Error::PreconditionRequired => Text::new(
                "If-Match ヘッダーが必要です。GET で得た ETag を If-Match に指定してください（上書きしてよい場合は If-Match: *）。",
                "an If-Match header is required; send the ETag of a GET (or `If-Match: *` to overwrite whatever is there)",
            ),
            Error::PreconditionFailed { current: 0 } => Text::new(
                "If-Match が付いていますが、変更する対象がまだありません。新しく登録する場合は If-Match を外してください。",
                "there is nothing yet that If-Match could match; leave the header out to make something new",
            ),
            Error::PreconditionFailed { current } => Text::new(
                format!("ほかの人が先に更新しました（現在の版は \"{current}\"）。読み直してから、もう一度変更してください。"),
                format!("somebody changed it first (the current revision is \"{current}\"); read it again and repeat your change"),
            ),
            Error::TooLarge { limit } => Text::new(
                format!("大きすぎます。上限は {limit} バイトです。分割するか圧縮してください。"),
                format!("larger than the limit of {limit} bytes; split or compress it"),
            ),
            Error::Internal(_) => Text::new(
                "サーバー内部の問題で処理できませんでした。しばらくしてからもう一度お試しください。続く場合は管理者にご連絡ください。",
                "an internal problem prevented this; try again later and tell the administrator if it goes on",
            ),
        }
    }
}

fn noun_ja(noun: &str) -> &str {
    match noun {
        "dataset" => "データセット",
        "distribution" => "ファイル",
        "organization" => "組織",
        "theme" => "分野",
        "licence" => "ライセンス",
        "keyword" => "キーワード",
        "user" => "利用者",
        "membership" => "所属",
        "api_token" => "API トークン",
        "harvest_source" => "収集元",
        "harvest_run" => "収集の実行",
        "harvest_preview" => "収集のプレビュー",
        "harvest_decision" => "収集の判断",
        "link_check" => "リンクの確認",
        "correction" => "カタログでの修正",
        "synonym_list" => "同義語の一覧",
        "revision" => "版",
        "version" => "ファイルの版",
        other => other,
    }
}

impl From<minato_store::Error> for Error {
    fn from(error: minato_store::Error) -> Self {
        match error {
            minato_store::Error::Taken { noun, field, value } => {
                let field = match (noun, field) {
                    ("dataset" | "distribution", field) => field,
                    ("organization" | "harvest_source", _) => "slug",
                    ("keyword" | "user", _) => "name",
                    _ => "id",
                };
                Error::Conflict(FieldError::new(
                    format!("/{field}"),
                    "taken",
                    format!("{}の {field}「{value}」は既に使われています。別の値にしてください。", noun_ja(noun)),
                    format!("{noun} with {field} `{value}` exists already; choose another"),
                ))
            }
            minato_store::Error::Stale { .. } => Error::Conflict(FieldError::new(
                "",
                "stale",
                "ほかの処理が同時に更新しました。読み直してから、もう一度変更してください。",
                "it was changed at the same moment; read it again and repeat your change",
            )),
            minato_store::Error::Pool(_) => Error::Unavailable(Text::new(
                "混み合っています。しばらくしてからもう一度お試しください。",
                "the server is busy; try again in a moment",
            )),
            other => Error::internal(other),
        }
    }
}

impl From<minato_files::Error> for Error {
    fn from(error: minato_files::Error) -> Self {
        match error {
            minato_files::Error::TooLarge { limit } => Error::TooLarge { limit },
            minato_files::Error::NotFound { sha256 } => Error::not_found("file", sha256),
            minato_files::Error::InvalidName { name } => Error::not_found("file", name),
            other => Error::internal(other),
        }
    }
}

impl From<minato_search::Error> for Error {
    fn from(error: minato_search::Error) -> Self {
        let (field, code) = match &error {
            minato_search::Error::Cursor(_) => ("/cursor", "invalid_cursor"),
            _ => ("/q", "invalid_query"),
        };
        match error.text() {
            Some(text) if matches!(error, minato_search::Error::Rebuilding) => Error::Unavailable(text),
            Some(message) => Error::invalid(FieldError { field: field.to_owned(), code: code.to_owned(), message }),
            None => Error::internal(error),
        }
    }
}
