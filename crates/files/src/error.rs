use std::path::{Path, PathBuf};

use minato_catalog::Text;

/// Why a blob could not be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is longer than allowed.
    #[error("file is larger than {limit} bytes")]
    TooLarge {
        /// Most bytes allowed.
        limit: u64,
    },
    /// A blob's name is not 64 lower-case hexadecimal digits.
    #[error("`{name}` is not a SHA-256 in 64 lower-case hexadecimal digits")]
    InvalidName {
        /// The name, clipped.
        name: String,
    },
    /// There is no such blob.
    #[error("blob {sha256} does not exist")]
    NotFound {
        /// Its name.
        sha256: String,
    },
    /// A blob's bytes are not those it is named by; restore it from a backup or upload the file again.
    #[error("blob {sha256} is damaged: its bytes have the SHA-256 {found}")]
    Damaged {
        /// Its name.
        sha256: String,
        /// What its bytes say.
        found: String,
    },
    /// The disk refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, for example `create`.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    /// What to tell the one who uploads or downloads; says nothing about disks and paths.
    pub fn text(&self) -> Text {
        match self {
            Error::TooLarge { limit } => Text::new(
                format!("ファイルが大きすぎます（上限 {}）。分割するか ZIP で圧縮してください。", megabytes(*limit)),
                format!("the file is larger than the limit of {}; split it or compress it as ZIP", megabytes(*limit)),
            ),
            Error::InvalidName { .. } | Error::NotFound { .. } => {
                Text::new("ファイルが見つかりません。URL を確認してください。", "there is no such file; check the URL")
            }
            Error::Damaged { .. } | Error::Io { .. } => Text::new(
                "ファイルの保管場所に問題があります。しばらくしてからもう一度お試しください。",
                "the file storage has a problem; try again later",
            ),
        }
    }
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
