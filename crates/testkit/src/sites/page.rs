//! The small pages of a site, for people.

use crate::fixtures::{FixtureDataset, Municipality, escape_xml};

fn document(title: &str, body: &str) -> String {
    let title = escape_xml(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"ja\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )
}

pub(super) fn home(catalog_url: &str, municipality: &Municipality, datasets: &[FixtureDataset]) -> String {
    let mut body = format!(
        "<p>架空のサイトです。</p>\n<p>カタログ: <a href=\"{catalog_url}\">{catalog_url}</a></p>\n<ul>\n",
        catalog_url = escape_xml(catalog_url)
    );
    for dataset in datasets {
        body.push_str(&format!("<li><a href=\"/dataset/{}\">{}</a></li>\n", escape_xml(&dataset.name), escape_xml(&dataset.title)));
    }
    body.push_str("</ul>");
    document(&format!("{}オープンデータ", municipality.name), &body)
}

pub(super) fn dataset(municipality: &Municipality, dataset: &FixtureDataset) -> String {
    let mut body = format!("<p>{}</p>\n<ul>\n", escape_xml(&dataset.description));
    for file in &dataset.files {
        body.push_str(&format!("<li><a href=\"/files/{}\">{}</a></li>\n", escape_xml(&file.name), escape_xml(&file.title)));
    }
    body.push_str("</ul>");
    document(&format!("{} - {}", dataset.title, municipality.name), &body)
}

pub(super) fn maintenance(municipality: &Municipality) -> String {
    document(&format!("{} メンテナンス中", municipality.name), "<p>ただいまメンテナンスのため、ページを表示できません。</p>")
}

pub(super) fn not_found(municipality: &Municipality) -> String {
    document(&format!("{} ページが見つかりません", municipality.name), "<p>お探しのページは、移動または削除されました。</p>")
}
