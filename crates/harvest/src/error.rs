//! What can go wrong between here and a source.

use std::net::IpAddr;

use minato_catalog::Text;

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up (are root certificates installed?)")]
    Setup(#[source] reqwest::Error),
    /// An exception to the address rule is not one.
    #[error("`{text}` is not an address exception; write `127.0.0.1:18901`, `127.0.0.1` or `10.0.0.0/8`")]
    InvalidAllowAddress {
        /// What was given.
        text: String,
    },
    /// Not an http or https address.
    #[error("`{url}` is not an http or https URL")]
    InvalidUrl {
        /// What was given.
        url: String,
    },
    /// The address is not on the public internet and not excepted.
    #[error("`{host}` leads to {address}, which is not a public address; add it to the allowed addresses if that is intended")]
    RefusedAddress {
        /// The host of the URL.
        host: String,
        /// The address behind it.
        address: IpAddr,
    },
    /// The server answered, but not with the file.
    #[error("`{url}` answered with HTTP status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer.
        status: u16,
    },
    /// One redirect followed another.
    #[error("`{url}` redirects more than {limit} times")]
    TooManyRedirects {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// A redirect without a usable address.
    #[error("`{url}` redirects to nowhere")]
    BadRedirect {
        /// The page that redirects.
        url: String,
    },
    /// A redirect out of the encrypted connection.
    #[error("`{url}` redirects from https to `{target}`, which is not encrypted")]
    Downgrade {
        /// The page that redirects.
        url: String,
        /// Where to.
        target: String,
    },
    /// The body is larger than the limit, as sent or after decompression.
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The server was silent for too long.
    #[error("`{url}` did not answer in time")]
    Timeout {
        /// What was asked for.
        url: String,
    },
    /// The server could not be reached, or broke off.
    #[error("`{url}` could not be read")]
    Connection {
        /// What was asked for.
        url: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// What came could not be kept on this machine.
    #[error("what was fetched could not be written to disk (is there space for temporary files?)")]
    Storing {
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The HTTP status, when the server answered with one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The same for people, in both languages, with what to do.
    pub fn text(&self) -> Text {
        let en = self.to_string();
        match self {
            Error::Setup(_) => Text::new("HTTP クライアントを準備できません。ルート証明書が導入されているか確認してください。", en),
            Error::InvalidAllowAddress { text } => Text::new(
                format!(
                    "「{text}」は接続を許可するアドレスとして読めません。127.0.0.1:18901、127.0.0.1、10.0.0.0/8 のように書いてください。"
                ),
                en,
            ),
            Error::InvalidUrl { url } => Text::new(
                format!("「{url}」は http または https の URL ではありません。取り込み元の URL を確認してください。"),
                format!("{en}; check the source's URL"),
            ),
            Error::RefusedAddress { host, address } => Text::new(
                format!(
                    "「{host}」の接続先 {address} は公開されたアドレスではないため接続しません。意図したものであれば、設定の許可アドレスに加えてください。"
                ),
                en,
            ),
            Error::Status { url, status } => {
                let (ja, hint) = match status {
                    401 | 403 => (
                        "閲覧が許可されていません。公開設定またはアクセス制限を確認してください。",
                        "access is denied; check that it is public",
                    ),
                    404 | 410 => ("見つかりません。URL を確認してください。", "it was not found; check the URL"),
                    429 => {
                        ("要求が多すぎると断られました。時間をおいて再度実行してください。", "it asks for fewer requests; try again later")
                    }
                    500.. => {
                        ("サーバー側でエラーが起きています。時間をおいて再度実行してください。", "the server has a fault; try again later")
                    }
                    _ => ("想定しない応答です。URL を確認してください。", "this was not expected; check the URL"),
                };
                Text::new(format!("{url} が HTTP {status} を返しました。{ja}"), format!("{en}: {hint}"))
            }
            Error::TooManyRedirects { url, limit } => Text::new(
                format!("{url} の転送が {limit} 回を超えました。転送先が循環していないか確認してください。"),
                format!("{en}; check for a redirect loop"),
            ),
            Error::BadRedirect { url } => Text::new(format!("{url} の転送先が正しい URL ではありません。"), en),
            Error::Downgrade { url, target } => Text::new(
                format!(
                    "{url} の転送先 {target} は暗号化されていない（http）ため、たどりません。転送先でよければ、その URL を取り込み元に指定してください。"
                ),
                format!("{en}; if that is intended, give that address as the source's URL"),
            ),
            Error::Storing { .. } => Text::new(
                "取得した内容をディスクに書き込めません。一時ファイルの置き場所の空き容量を確認してください。",
                format!("{en}; make room for temporary files"),
            ),
            Error::TooLarge { url, limit } => Text::new(
                format!("{url} の大きさが上限（{} MB、展開後を含む）を超えています。ファイルを分けてください。", limit / 1_000_000),
                format!("{en} (after decompression); split it"),
            ),
            Error::Timeout { url } => {
                Text::new(format!("{url} が時間内に応答しません。時間をおいて再度実行してください。"), format!("{en}; try again later"))
            }
            Error::Connection { url, .. } => Text::new(
                format!("{url} に接続できないか、途中で切断されました。URL とサーバーの状態を確認してください。"),
                format!("{en}: the connection failed or broke off; check the URL and the server"),
            ),
        }
    }
}
