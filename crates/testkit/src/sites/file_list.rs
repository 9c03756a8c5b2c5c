//! A page that links to files, in CP932, as many small municipalities have: no ids, dates of the era in the words around the links.

use std::fmt::Write as _;

use minato_catalog::built_in_themes;

use super::serve::{Answer, Catalog};
use crate::fixtures::{DateStyle, FixtureDataset, FixtureFile, escape_xml};

pub(super) fn answer(catalog: &Catalog<'_>) -> Answer {
    let name = &catalog.municipality.name;
    let mut body = format!(
        "<!DOCTYPE html>\n<html lang=\"ja\">\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=Shift_JIS\">\n\
         <title>オープンデータ - {name}</title>\n</head>\n<body>\n<div id=\"header\"><a href=\"/\">{name}ホームページ</a></div>\n\
         <h1>{name}オープンデータ</h1>\n<p>架空のサイトです。{name}が保有するデータを、二次利用できる形で公開しています。</p>\n\
         <ul class=\"menu\"><li><a href=\"#riyo\">利用規約</a></li><li><a href=\"/sitemap.html\">サイトマップ</a></li></ul>\n"
    );
    for (id, theme) in built_in_themes() {
        let datasets: Vec<&FixtureDataset> = catalog.datasets.iter().filter(|dataset| dataset.theme == id && !dataset.private).collect();
        if datasets.is_empty() {
            continue;
        }
        let _ = writeln!(body, "<h2>{}</h2>\n<ul>", escape_xml(&theme.title));
        datasets.iter().for_each(|dataset| body.push_str(&entry(catalog, dataset)));
        body.push_str("</ul>\n");
    }
    let _ = write!(
        body,
        "<h2 id=\"riyo\">利用規約</h2>\n<p>データは、<a rel=\"license\" href=\"https://creativecommons.org/licenses/by/4.0/deed.ja\">クリエイティブ・コモンズ 表示 4.0 国際</a>の下で利用できます。</p>\n\
         <div id=\"footer\">Copyright {name}</div>\n</body>\n</html>\n"
    );
    // What the encoding lacks becomes a numeric reference, as editors of pages write it.
    let body = encoding_rs::SHIFT_JIS.encode(&body).0.into_owned();
    Answer { status: 200, media_type: "text/html", body, attachment: None }
}

/// One file is a link of its own; several are links by their formats behind the title.
fn entry(catalog: &Catalog<'_>, dataset: &FixtureDataset) -> String {
    let title = escape_xml(&dataset.title);
    let day = DateStyle::Era.write(dataset.modified.date());
    let link = |file: &FixtureFile, words: &str| format!("<a href=\"{}\">{words}</a>", escape_xml(&catalog.file_url(&file.name)));
    let size = |file: &FixtureFile| format!("{}KB", file.bytes.len().div_ceil(1024));
    match dataset.files.as_slice() {
        [] => format!("<li>{title}（準備中）</li>\n"),
        [file] => format!("<li>{}［{}：{}］</li>\n", link(file, &format!("{title}（{day}現在）")), file.format, size(file)),
        files => {
            let links: Vec<String> = files.iter().map(|file| format!("{}（{}）", link(file, &file.format), size(file))).collect();
            format!("<li>{title}（{day}現在）　{}</li>\n", links.join("　"))
        }
    }
}
