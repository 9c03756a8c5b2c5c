use minato_catalog::Text;

/// Why there is no table to show. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A web page stands in the file's place.
    #[error("`{file_name}` is an HTML page, not a table")]
    Html {
        /// The file.
        file_name: String,
    },
    /// A format that holds no table or is not read here.
    #[error("`{file_name}` is {found}, which is not read as a table")]
    Unsupported {
        /// The file.
        file_name: String,
        /// What it is, for example `PDF`.
        found: String,
    },
    /// Nothing in it.
    #[error("`{file_name}` has no rows")]
    Empty {
        /// The file.
        file_name: String,
    },
    /// JSON without a list of objects.
    #[error("`{file_name}` is JSON, but neither a GeoJSON FeatureCollection nor a list of objects")]
    NoTable {
        /// The file.
        file_name: String,
    },
    /// It cannot be read as what it says it is.
    #[error("`{file_name}` cannot be read as {format}: {detail}")]
    Broken {
        /// The file.
        file_name: String,
        /// For example `XLSX`.
        format: &'static str,
        /// What the reader said, with the position where there is one.
        detail: String,
    },
    /// Encrypted with a password.
    #[error("`{file_name}` is protected by a password")]
    Protected {
        /// The file.
        file_name: String,
    },
    /// Larger than is read or written here, packed or unpacked.
    #[error("`{file_name}` is too large to be read as a table here (more than {limit} bytes)")]
    TooLarge {
        /// The file.
        file_name: String,
        /// Most bytes.
        limit: u64,
    },
    /// A quote that is opened and never closed, and swallows all that follows.
    #[error("line {line} of `{file_name}` has a quote that is never closed")]
    UnclosedQuote {
        /// The file.
        file_name: String,
        /// The line in which it is opened, 1 for the first.
        line: usize,
    },
    /// The reader failed.
    #[error("cannot read the file")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// What to tell the publisher or visitor, with the way out.
    pub fn text(&self) -> Text {
        match self {
            Error::Html { file_name } => Text::new(
                format!(
                    "「{file_name}」の中身は表ではなく HTML（Web ページ）です。エラーページやログイン画面を保存した可能性があります。元のファイルをダウンロードし直して登録してください。"
                ),
                format!(
                    "the content of `{file_name}` is HTML (a web page), not a table; an error or login page was probably saved in its place: download the original file again and upload that"
                ),
            ),
            Error::Unsupported { file_name, found } => Text::new(
                format!("「{file_name}」（{found}）は表として読めません。CSV または XLSX があれば、それも登録してください。"),
                format!("`{file_name}` ({found}) cannot be read as a table; add a CSV or XLSX file if there is one"),
            ),
            Error::Empty { file_name } => Text::new(
                format!("「{file_name}」には行がありません。中身のあるファイルを登録してください。"),
                format!("`{file_name}` has no rows; upload a file with content"),
            ),
            Error::NoTable { file_name } => Text::new(
                format!("「{file_name}」の JSON には表になる部分（GeoJSON の FeatureCollection かオブジェクトの配列）がありません。"),
                format!("the JSON in `{file_name}` has no part that is a table (a GeoJSON FeatureCollection or a list of objects)"),
            ),
            Error::Broken { file_name, format, detail } => Text::new(
                format!(
                    "「{file_name}」を {format} として読めません（{detail}）。ファイルを開き直し、{format} 形式で保存し直して登録してください。"
                ),
                format!("`{file_name}` cannot be read as {format}: {detail}; open it, save it as {format} again and upload that"),
            ),
            Error::Protected { file_name } => Text::new(
                format!("「{file_name}」はパスワードで保護されています。保護を解除して保存し直し、登録してください。"),
                format!("`{file_name}` is protected by a password; save it without one and upload that"),
            ),
            Error::TooLarge { file_name, limit } => {
                let megabytes = limit / 1_000_000;
                Text::new(
                    format!(
                        "「{file_name}」は大きすぎて、ここでは表として読めません（上限 {megabytes} MB）。ダウンロードしてご覧ください。"
                    ),
                    format!("`{file_name}` is too large to be read as a table here (limit {megabytes} MB); download it instead"),
                )
            }
            Error::UnclosedQuote { file_name, line } => Text::new(
                format!(
                    "「{file_name}」の {line} 行目の引用符（\"）が閉じていません。引用符を組にしてください（文字としての引用符は \"\" と書きます）。"
                ),
                format!(
                    "line {line} of `{file_name}` has a quote (\") that is never closed; quotes come in pairs, and one that is text is written twice"
                ),
            ),
            Error::Io(_) => Text::new(
                "ファイルを読み込めませんでした。しばらくしてからもう一度お試しください。",
                "the file could not be read; try again later",
            ),
        }
    }
}
