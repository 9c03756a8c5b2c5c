//! The inventory file (オープンデータ一覧) in its layouts and encodings.

use super::plan::{InventoryStyle, Layout, Quirk};
use super::serve::{Answer, Catalog};
use crate::fixtures::{FixtureDataset, FixtureFile, INVENTORY_15, INVENTORY_45, MunicipalityKind, encode_csv, encode_xlsx};
use minato_catalog::built_in_themes;

/// Columns of the published variant with 42 columns that are not there.
const NOT_IN_42: &[&str] = &["データセット_作成者", "ファイル_ID", "ファイル_著作権表記"];

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

pub(super) fn answer(catalog: &Catalog<'_>, style: &InventoryStyle) -> Answer {
    let mut rows = match style.layout {
        Layout::Fifteen => one_row_each(catalog),
        Layout::FortyFive | Layout::FortyTwo => one_row_per_file(catalog, style),
    };
    if style.workbook {
        // What a section sends around: a title and a date above the columns.
        let today = catalog.datasets.iter().map(|dataset| dataset.modified.date()).max().unwrap_or(crate::fixtures::NEWEST_DAY);
        rows.insert(0, vec![format!("{}　オープンデータ一覧", catalog.municipality.name)]);
        rows.insert(1, vec![format!("{}現在", crate::fixtures::DateStyle::Era.write(today))]);
        return Answer { status: 200, media_type: XLSX, body: encode_xlsx(&rows), attachment: None };
    }
    Answer { status: 200, media_type: "text/csv", body: encode_csv(&rows, style.encoding), attachment: None }
}

fn one_row_each(catalog: &Catalog<'_>) -> Vec<Vec<String>> {
    let mut rows = vec![INVENTORY_15.iter().map(|&column| column.to_owned()).collect()];
    for dataset in catalog.datasets {
        rows.push(INVENTORY_15.iter().map(|&column| cell_of_15(catalog, dataset, column)).collect());
    }
    if catalog.quirk == Quirk::InvalidUrl
        && let Some(dataset) = catalog.datasets.first()
    {
        let row = INVENTORY_15.iter().map(|&column| match column {
            "NO" => format!("{}9999", catalog.municipality.code),
            "データ名称" => "統計資料（URL誤り）".to_owned(),
            "URL" => "ttp:／／www.example.jp/統計 資料.csv".to_owned(),
            _ => cell_of_15(catalog, dataset, column),
        });
        rows.insert(rows.len() / 2, row.collect());
    }
    rows
}

fn cell_of_15(catalog: &Catalog<'_>, dataset: &FixtureDataset, column: &str) -> String {
    let municipality = catalog.municipality;
    let formats: Vec<&str> = dataset.files.iter().map(|file| file.format.as_str()).collect();
    match column {
        "都道府県コード又は市区町村コード" => municipality.code.clone(),
        "NO" => dataset.identifier.clone(),
        "都道府県名" => "広島県".to_owned(),
        "市区町村名" if municipality.kind != MunicipalityKind::Prefecture => municipality.name.clone(),
        "データ名称" => dataset.title.clone(),
        "データ概要" => dataset.description.clone(),
        "データ形式" => formats.join(";"),
        "分類" => theme_title(&dataset.theme),
        "更新頻度" => dataset.frequency_text.clone(),
        // Publishers point now to the file, now to a page about it.
        "URL" => match dataset.files.first() {
            Some(file) if dataset.identifier.bytes().map(u32::from).sum::<u32>().is_multiple_of(2) => catalog.file_url(&file.name),
            _ => catalog.page_url(&dataset.name),
        },
        "API対応有無" => "無".to_owned(),
        "ライセンス" => dataset.licence_text.clone(),
        "登録日" => dataset.date_style.write(dataset.issued),
        "最終更新日" => dataset.date_style.write(dataset.modified.date()),
        _ => String::new(),
    }
}

fn one_row_per_file(catalog: &Catalog<'_>, style: &InventoryStyle) -> Vec<Vec<String>> {
    let short = style.layout == Layout::FortyTwo;
    let columns: Vec<&str> = INVENTORY_45.iter().copied().filter(|column| !short || !NOT_IN_42.contains(column)).collect();
    let header = columns.iter().map(|&column| if short && column == "ファイル_形式" { "ファイル形式" } else { column });
    let mut rows = vec![header.map(str::to_owned).collect()];
    for dataset in catalog.datasets {
        for (position, file) in dataset.files.iter().enumerate() {
            let row = columns.iter().map(|&column| match column {
                "データセット_ID" if style.id_once && position > 0 => String::new(),
                _ => cell_of_45(catalog, dataset, file, column),
            });
            rows.push(row.collect());
        }
    }
    rows
}

fn cell_of_45(catalog: &Catalog<'_>, dataset: &FixtureDataset, file: &FixtureFile, column: &str) -> String {
    let municipality = catalog.municipality;
    match column {
        "データセット_ID" => dataset.identifier.clone(),
        "全国地方公共団体コード" => municipality.code.clone(),
        "地方公共団体名" => municipality.full_name(),
        "データセット_タイトル" => dataset.title.clone(),
        "データセット_概要" => dataset.description.clone(),
        "データセット_キーワード" => dataset.keywords.join(";"),
        "データセット_分類" => theme_title(&dataset.theme),
        "データセット_公開日" | "ファイル_公開日" => dataset.date_style.write(dataset.issued),
        "データセット_最終更新日" | "ファイル_最終更新日" => dataset.date_style.write(dataset.modified.date()),
        "データセット_バージョン" => "1.0".to_owned(),
        "データセット_言語" | "ファイル_言語" => "ja".to_owned(),
        "データセット_URL" => catalog.page_url(&dataset.name),
        "データセット_更新頻度" => dataset.frequency_text.clone(),
        "データセット_準拠する標準" | "ファイル_準拠する標準" => dataset.conforms_to.clone().unwrap_or_default(),
        "データセット_対象地域" => dataset.spatial.clone(),
        "データセット_対象期間" => dataset.temporal.map(|(start, end)| format!("{start}/{end}")).unwrap_or_default(),
        "データセット_作成者" => municipality.name.clone(),
        "データセット_連絡先名称" => dataset.contact_name.clone(),
        "データセット_連絡先メールアドレス" => dataset.contact_email.clone(),
        "データセット_連絡先電話番号" => dataset.contact_telephone.clone(),
        "ファイル_ID" => file.id.clone(),
        "ファイル_タイトル" => file.title.clone(),
        "ファイル_アクセスURL" => catalog.page_url(&dataset.name),
        "ファイル_ダウンロードURL" => catalog.file_url(&file.name),
        "ファイル_説明" => file.description.clone(),
        "ファイル_形式" => file.format.clone(),
        "ファイル_ライセンス" => dataset.licence_text.clone(),
        "ファイル_ステータス" => "配信中".to_owned(),
        "ファイル_サイズ" => file.bytes.len().to_string(),
        "ファイル_API対応有無" => "無".to_owned(),
        "ファイル_著作権表記" => municipality.name.clone(),
        _ => String::new(),
    }
}

fn theme_title(id: &str) -> String {
    built_in_themes().into_iter().find(|(theme, _)| theme == id).map(|(_, theme)| theme.title).unwrap_or_default()
}
