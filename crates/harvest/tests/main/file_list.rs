use minato_catalog::HarvestKind::FileList;
use minato_catalog::Vocabulary;
use minato_harvest::{Listing, content_hash};

use crate::stub::{Answer, Asked, Outcome, Stub, harvest, harvest_with, html, ok, redirect, source, status};

const BODY: &str = "<h1>オープンデータ</h1><p>このページは <a rel=\"license\" href=\"https://creativecommons.org/licenses/by/4.0/deed.ja\">CC BY 4.0</a> です。</p>\
    <h2>司法・安全・環境</h2><table><tr><th>名称</th><th>形式</th></tr><tr><td>避難所一覧</td><td><a href=\"/files/hinanjo.csv\">CSV 12KB</a> <a href=\"/files/hinanjo.xlsx\">Excel</a></td></tr></table>\
    <h2>人口</h2><ul><li><a href=\"jinko_r5.csv\">人口統計（令和5年3月末現在）[CSV 10KB]</a></li><li><a href=\"jinko_r4.csv\">人口統計（令和4年3月末現在）[CSV 9KB]</a></li></ul>";

fn page_of(body: &str) -> String {
    format!("<!DOCTYPE html><html lang=\"ja\"><head><title>オープンデータ | 例市</title></head><body>{body}</body></html>")
}

fn page(body: &str) -> Answer {
    ok("text/html; charset=utf-8", page_of(body))
}

async fn site(answer: Answer) -> Stub {
    Stub::start(move |asked| if asked.path == "/data/index.html" { answer.clone() } else { status(404) }).await
}

async fn read(answer: Answer) -> Outcome {
    harvest(FileList, &site(answer).await, "/data/index.html").await
}

#[tokio::test]
async fn every_word_finds_its_place() {
    let stub = site(page(BODY)).await;
    let outcome = harvest(FileList, &stub, "/data/index.html").await;
    assert_eq!(outcome.listing, Listing::Complete { total: 2 }, "{:?}", outcome.failures);
    assert_eq!(outcome.ids(), ["避難所一覧", "人口統計"]);
    let [shelters, population] = outcome.records.as_slice() else { panic!("{:?}", outcome.ids()) };
    let draft = &shelters.draft;
    assert_eq!(
        (draft.title.as_str(), draft.themes.as_slice(), draft.licence.as_deref()),
        ("避難所一覧", ["gr_1400".to_owned()].as_slice(), Some("CC-BY-4.0"))
    );
    assert_eq!(draft.landing_page, Some(stub.url("/data/index.html")));
    let [csv, excel] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!(
        (csv.download_url.clone(), csv.format.as_deref(), csv.byte_size),
        (Some(stub.url("/files/hinanjo.csv")), Some("CSV"), Some(12_000))
    );
    assert_eq!(excel.format.as_deref(), Some("XLSX"));
    let draft = &population.draft;
    assert_eq!((draft.title.as_str(), draft.keywords.as_slice()), ("人口統計", ["人口".to_owned()].as_slice()));
    let temporal = draft.temporal.as_ref().unwrap();
    assert_eq!(
        (temporal.start.unwrap().to_string(), temporal.end.unwrap().to_string()),
        ("2022-03-31".to_owned(), "2023-03-31".to_owned())
    );
    let [new, old] = draft.distributions.as_deref().unwrap() else { panic!("{:?}", draft.distributions) };
    assert_eq!(
        (new.title.as_str(), new.download_url.clone(), new.extras["temporal_end"].as_str()),
        ("人口統計（令和5年3月末現在）", Some(stub.url("/data/jinko_r5.csv")), "2023-03-31")
    );
    assert_eq!(old.identifier.as_deref(), Some("2022-03-31/2022-03-31/CSV"));
    assert!(outcome.records.iter().all(|record| record.draft.check(&Vocabulary::built_in()).is_empty()));
    assert!(population.raw.contains("jinko_r5.csv"));
}

#[tokio::test]
async fn an_unchanged_page_has_the_same_hashes() {
    let stub = site(page(BODY)).await;
    let hashes = |outcome: Outcome| outcome.records.iter().map(|record| content_hash(&record.draft)).collect::<Vec<_>>();
    let first = hashes(harvest(FileList, &stub, "/data/index.html").await);
    assert_eq!(first, hashes(harvest(FileList, &stub, "/data/index.html").await));
    assert_ne!(first[0], first[1]);
}

#[tokio::test]
async fn the_edition_of_next_year_belongs_to_the_same_dataset() {
    let before = read(page(BODY)).await;
    let after =
        read(page(&BODY.replace("<ul>", "<ul><li><a href=\"tokei2024.csv\">人口統計（令和６年３月末現在）［CSV：11KB］</a></li>"))).await;
    assert_eq!(before.ids(), after.ids());
    let files = |outcome: &Outcome| {
        outcome.records[1].draft.distributions.iter().flatten().filter_map(|file| file.identifier.clone()).collect::<Vec<_>>()
    };
    assert_eq!(files(&after)[0], "2024-03-31/2024-03-31/CSV");
    assert_eq!(files(&after)[1..], files(&before));
    assert_eq!(content_hash(&before.records[0].draft).len(), 64);
}

#[tokio::test]
async fn pages_are_read_by_their_bytes() {
    for meta in ["", "<meta charset=\"utf-8\">", "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=Shift_JIS\">"] {
        for encoding in [encoding_rs::SHIFT_JIS, encoding_rs::EUC_JP, encoding_rs::ISO_2022_JP, encoding_rs::UTF_8] {
            let html = page_of(BODY).replace("<head>", &format!("<head>{meta}"));
            // The header lies, too.
            let outcome = read(ok("text/html; charset=iso-8859-1", encoding.encode(&html).0.into_owned())).await;
            assert_eq!(outcome.ids(), ["避難所一覧", "人口統計"], "{} {meta}", encoding.name());
        }
    }
}

#[tokio::test]
async fn a_pattern_says_which_links_are_files() {
    let stub =
        site(page("<nav><a href=\"/get?id=1\">避難所一覧</a></nav><a href=\"/other.csv\">その他</a><a href=\"/get?id=2\">人口 [CSV]</a>"))
            .await;
    let mut source = source(FileList, &stub.url("/data/index.html"));
    source.link_pattern = Some(r"/get\?id=\d+$".to_owned());
    let outcome = harvest_with(&source, stub.settings()).await;
    assert_eq!(outcome.ids(), ["避難所一覧", "人口"]);
    assert_eq!(outcome.records[1].draft.distributions.as_ref().unwrap()[0].format.as_deref(), Some("CSV"));
    source.link_pattern = Some("(".to_owned());
    assert!(harvest_with(&source, stub.settings()).await.failed().contains("not a regular expression"));
    source.link_pattern = Some(r"\.parquet$".to_owned());
    assert!(harvest_with(&source, stub.settings()).await.failed().contains("links to no files"));
}

#[tokio::test]
async fn cells_cannot_span_more_than_there_is_room_for() {
    let rows: String = (0..500)
        .map(|n| format!("<tr><td rowspan=65534 colspan=1000>区分</td><td>x</td><td><a href=\"/f/{n}.csv\">CSV</a></td></tr>"))
        .collect();
    let started = std::time::Instant::now();
    let outcome = read(page(&format!("<table>{rows}</table>"))).await;
    assert!(matches!(outcome.listing, Listing::Complete { .. }), "{:?}", outcome.listing);
    assert_eq!(outcome.records.iter().map(|record| record.draft.distributions.as_ref().unwrap().len()).sum::<usize>(), 500);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_heading_that_is_never_closed_is_its_own_words_and_no_more() {
    let items: String = (0..3_000).map(|n| format!("<li><a href=\"/f/{n}.csv\">表 {n}</a></li>")).collect();
    let long = "長".repeat(300_000);
    let started = std::time::Instant::now();
    for (heading, name) in [("<h2>一覧".to_owned(), "一覧"), (format!("<h2>{long}</h2>"), "長長長")] {
        let outcome = read(page(&format!("<h1>オープンデータ</h1>{heading}<ul>{items}</ul>"))).await;
        let files: Vec<_> = outcome.records.iter().flat_map(|record| record.draft.distributions.iter().flatten()).collect();
        assert_eq!(files.len(), 3_000);
        let raw: usize = outcome.records.iter().map(|record| record.raw.len()).sum();
        assert!(raw < 20_000_000, "{raw} bytes for {name}");
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_page_without_files_withdraws_nothing() {
    for (answer, words) in [
        (html(), "links to no files"),
        (page("<p>メンテナンス中です</p>"), "links to no files"),
        (status(500), "500"),
        (status(404), "404"),
        (ok("text/csv", "a,b\n1,2\n"), "no web page"),
        (ok("application/pdf", "%PDF-1.7"), "no web page"),
        (ok("text/html", format!("<html>{}", "<div>".repeat(5_000))), "never closed"),
    ] {
        let shown = format!("{answer:?}").chars().take(200).collect::<String>();
        assert!(read(answer).await.failed().contains(words), "{shown}");
    }
}

#[tokio::test]
async fn a_list_in_doubt_is_not_the_whole() {
    let whole = page_of(BODY);
    let cut = &whole[..whole.find("<li><a href=\"jinko_r4").unwrap()];
    assert!(read(ok("text/html", cut)).await.incomplete_with(2).contains("cut off"));
    for next in ["<a rel=\"next\" href=\"?page=2\">2</a>", "<a href=\"?page=2\">次へ &gt;</a>", "<a href=\"?page=2\">次のページ</a>"]
    {
        assert!(read(page(&format!("{BODY}{next}"))).await.incomplete_with(2).contains("next page"), "{next}");
    }
    assert_eq!(read(page(&format!("{BODY}<a href=\"#\">次へ</a>"))).await.listing, Listing::Complete { total: 2 });
    // A redirect to another site may be anything.
    let other = site(page(BODY)).await;
    let target = other.url("/data/index.html").replace("127.0.0.1", "localhost");
    let stub = Stub::start(move |asked| if asked.path == "/old" { redirect(&target) } else { status(404) }).await;
    let mut settings = stub.settings();
    settings.allow_addresses.extend([
        format!("127.0.0.1:{}", other.port).parse::<minato_harvest::AllowAddress>().unwrap(),
        format!("[::1]:{}", other.port).parse().unwrap(),
    ]);
    let outcome = harvest_with(&source(FileList, &stub.url("/old")), settings).await;
    assert!(outcome.incomplete_with(2).contains("another site"));
}

#[tokio::test]
async fn robots_txt_is_obeyed() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/robots.txt" => ok("text/plain", "User-agent: *\nDisallow: /data/"),
        _ => page(BODY),
    })
    .await;
    assert!(harvest(FileList, &stub, "/data/index.html").await.failed().contains("robots.txt"));
    assert_eq!(stub.asked().iter().map(Asked::target).collect::<Vec<_>>(), ["/robots.txt"]);
    let stub = Stub::start(|asked| if asked.path == "/robots.txt" { status(500) } else { page(BODY) }).await;
    assert!(harvest(FileList, &stub, "/data/index.html").await.failed().contains("robots.txt cannot be read"));
}
