//! The first rows of a dataset's first table, for its page.

use std::sync::{Arc, LazyLock};

use minato_app::App;
use minato_app::catalog::{Dataset, Distribution, Text};
use minato_app::tabular::{Limits, Preview, preview};

/// Formats that may hold a table.
const FORMATS: [&str; 7] = ["CSV", "TSV", "XLSX", "XLS", "GEOJSON", "JSON", "TXT"];
/// What a page shows and what that may cost.
const LIMITS: Limits =
    Limits { rows: 10, columns: 24, cell_chars: 120, bytes: 500_000, document_bytes: 8_000_000, unpacked_bytes: 60_000_000 };

/// By SHA-256 of the file and its name: the bytes never change, so neither does what is seen in them.
static KEPT: LazyLock<moka::sync::Cache<String, Arc<Result<Preview, Text>>>> = LazyLock::new(|| moka::sync::Cache::new(2_000));

/// The first distribution that is kept here as a table, with its first rows or why they cannot be shown.
pub(super) fn of_dataset<'a>(app: &App, dataset: &'a Dataset) -> Option<(&'a Distribution, Arc<Result<Preview, Text>>)> {
    let tables = dataset.content.distributions.iter().filter(|distribution| {
        distribution.file.is_some()
            && distribution.format.as_deref().is_some_and(|format| FORMATS.contains(&format.to_ascii_uppercase().as_str()))
    });
    let distribution = tables.into_iter().next()?;
    let file = distribution.file.as_ref()?;
    let key = format!("{} {}", file.sha256, file.file_name);
    let found = KEPT.get_with(key, || {
        let Ok((reader, _)) = app.blobs().open_blob(&file.sha256) else {
            tracing::error!(file.sha256 = %file.sha256, "blob of a file version cannot be opened");
            let message = Text::new("ファイルを開けませんでした。", "the file cannot be opened");
            return Arc::new(Err(message));
        };
        Arc::new(preview(reader, &file.file_name, Some(&file.media_type), LIMITS).map_err(|error| error.text()))
    });
    Some((distribution, found))
}
