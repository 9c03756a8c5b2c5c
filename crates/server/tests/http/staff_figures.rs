//! Figures of other sites in the form for staff, and as workbooks.

use minato_app::Clock;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::json;

use crate::site::{Answer, Site};
use crate::staff::{SignedIn, leads_to, post};

const PATH: &str = "/staff/figures";
const REPORTS: &str = "/api/v1/statistics/reports";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

fn site_in_november() -> Site {
    Site::open_with(|settings| settings.clock = Clock::of(|| "2026-11-25T03:00:00Z".parse().unwrap()))
}

/// What is reported, closed and logged.
async fn kept(site: &Site) -> String {
    let mut kept = String::new();
    for path in [REPORTS, "/api/v1/statistics/reports/log", "/api/v1/statistics/months", "/api/v1/statistics/restatements"] {
        kept += &site.ask("GET", path).token(&site.admin).send().await.text;
    }
    kept
}

async fn save(site: &Site, fields: &[(&str, &str)]) -> Answer {
    post(site, PATH, fields).signed_in(&site.admin).send().await
}

#[actix_web::test]
async fn a_pasted_table_with_mistakes_is_explained_and_stays_in_the_form() {
    let site = site_in_november();
    let before = kept(&site).await;
    let table = "月\t件数\t組織\r\n2026年10月\t1,234\t\r\n2026-13\t5\t\r\n2026-12\t5\t\r\n2026-09\t▲3\t\r\n2026-08\t2.5\t\r\n2026-07\t5\t無い町\r\n2026-10\t7\t\r\n";
    for action in ["try", "import"] {
        let fields = [("action", action), ("text", table), ("source", "dobox"), ("replace", "yes"), ("reason", "訂正のため")];
        let refused = save(&site, &fields).await;
        assert_eq!(refused.status, 422);
        for words in [
            "3 行目: 月「2026-13」が読めません",
            "4 行目: 2026-12 はまだ終わっていません",
            "5 行目: 件数「▲3」が負の数です",
            "6 行目: 件数「2.5」が整数ではありません",
            "7 行目: 組織「無い町」は登録されていません",
            "8 行目: 2 行目と同じ月・報告元・組織です",
        ] {
            assert!(refused.text.contains(words), "{words}: {}", refused.text);
        }
        // What was typed stays, so that only the mistakes need be written again.
        for html in ["1,234", "value=\"dobox\" selected", "value=\"yes\" checked", "value=\"訂正のため\""] {
            assert!(refused.text.contains(html), "{html}: {}", refused.text);
        }
    }
    let english = post(&site, &format!("{PATH}?lang=en"), &[("action", "import"), ("text", table), ("source", "dobox")]);
    let english = english.signed_in(&site.admin).send().await;
    assert!(english.text.contains("Row 3: month 2026-13 cannot be read"), "{}", english.text);
    for text in ["", "1\t2\r\n", "月\t件数\r\n"] {
        assert_eq!(save(&site, &[("action", "import"), ("text", text), ("source", "dobox")]).await.status, 422, "{text}");
    }
    assert_eq!(kept(&site).await, before, "nothing was changed");
}

#[actix_web::test]
async fn a_pasted_table_is_tried_imported_closed_and_restated() {
    let site = site_in_november();
    let table = "月\t件数\r\n2026年10月\t１，２３４回\r\nR8.9\t1,000\r\n";
    let fields = |action: &'static str| [("action", action), ("text", table), ("source", "dobox")];
    let before = kept(&site).await;
    let tried = save(&site, &fields("try")).await;
    assert!(tried.status == 200 && tried.text.contains("まだ保存していません"), "{}", tried.text);
    assert_eq!(kept(&site).await, before);
    leads_to(&save(&site, &fields("import")).await, &format!("{PATH}?done=saved"));
    let page = site.ask("GET", PATH).signed_in(&site.editor).send().await;
    assert!(page.text.contains("1,234") && page.text.contains("chief") && !page.text.contains("name=\"value\""), "{}", page.text);

    leads_to(&save(&site, &[("action", "close"), ("month", "2026-10")]).await, &format!("{PATH}?done=saved"));
    let again = save(&site, &[("action", "close"), ("month", "2026-10")]).await;
    assert!(again.status == 409 && again.text.contains("締め切り済み"), "{}", again.text);
    let late = [("action", "import"), ("text", "月,件数\n2026-10,1300\n"), ("source", "dobox"), ("replace", "yes")];
    let refused = save(&site, &late).await;
    assert!(refused.status == 422 && refused.text.contains("2 行目: 2026-10 は締め切り済みです"), "{}", refused.text);
    let with_reason = [late[0], late[1], late[2], late[3], ("reason", "DoboX の集計誤り")];
    leads_to(&save(&site, &with_reason).await, &format!("{PATH}?done=saved"));
    let restated = site.get("/api/v1/statistics/restatements").await.expect(200);
    assert_eq!((&restated["items"][0]["before"]["total"], &restated["items"][0]["after"]["total"]), (&json!(1_234), &json!(1_300)));
    assert_eq!(save(&site, &[("action", "restate"), ("month", "2026-10"), ("reason", "")]).await.status, 422);

    let enter = |value: &'static str| [("action", "enter"), ("indicator", "analysis_training"), ("month", "2026-10"), ("value", value)];
    for wrong in ["", "約5", "-1", "1,5"] {
        assert_eq!(save(&site, &enter(wrong)).await.status, 422, "{wrong}");
    }
    leads_to(&save(&site, &enter("１，２００")).await, &format!("{PATH}?done=saved"));
    // What is nothing that one can do here is not said to be saved.
    leads_to(&save(&site, &[("action", "nothing")]).await, PATH);
    for (secret, status) in [(&site.editor, 422), (&site.publisher, 422)] {
        let refused = post(&site, PATH, &fields("import")).signed_in(secret).send().await;
        assert_eq!(refused.status, status, "{}", refused.text);
        assert!(refused.text.contains("権限がありません"), "{}", refused.text);
    }
}

/// A month as a date or a text, a number or a text, and an organization.
type WorkbookRow<'a> = (Result<(u16, u8, u8), &'a str>, Result<f64, &'a str>, &'a str);

/// A workbook: a title, a blank row, headings, and rows.
fn workbook(rows: &[WorkbookRow<'_>]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let month = Format::new().set_num_format("yyyy\"年\"m\"月\"");
    sheet.write(0, 0, "DoboX 利用状況").unwrap();
    for (column, text) in ["月", "件数", "組織", "報告元"].into_iter().enumerate() {
        sheet.write(2, u16::try_from(column).unwrap(), text).unwrap();
    }
    for (at, (when, total, organization)) in (3..).zip(rows) {
        match when {
            Ok((year, month_number, day)) => {
                let date = ExcelDateTime::from_ymd(*year, *month_number, *day).unwrap();
                sheet.write_with_format(at, 0, &date, &month).unwrap();
            }
            Err(text) => {
                sheet.write(at, 0, *text).unwrap();
            }
        }
        match total {
            Ok(number) => sheet.write(at, 1, *number).unwrap(),
            Err(text) => sheet.write(at, 1, *text).unwrap(),
        };
        sheet.write(at, 2, *organization).unwrap();
        sheet.write(at, 3, "dobox").unwrap();
    }
    workbook.save_to_buffer().unwrap()
}

#[actix_web::test]
async fn workbooks_are_imported_whole_or_explained_row_by_row() {
    let site = site_in_november();
    let before = kept(&site).await;
    let bad = workbook(&[
        (Ok((2026, 10, 1)), Ok(6_120.0), ""),
        (Ok((2026, 9, 15)), Ok(5.0), ""),
        (Ok((2026, 12, 1)), Ok(5.0), ""),
        (Err("2026-13"), Ok(5.0), ""),
        (Ok((2026, 8, 1)), Ok(-5.0), ""),
        (Ok((2026, 8, 1)), Ok(5.5), ""),
        (Err("令和8年7月"), Ok(5.0), "無い町"),
        (Err("R8.10"), Ok(5.0), ""),
    ]);
    let problem = site.ask("POST", REPORTS).token(&site.admin).body(XLSX, bad).send().await.expect(422);
    let found: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|one| (&one["field"], &one["code"])).collect();
    let expected = [
        ("/rows/5/month", "invalid_month"),
        ("/rows/6/month", "not_over"),
        ("/rows/7/month", "invalid_month"),
        ("/rows/8/total", "negative"),
        ("/rows/9/total", "invalid_number"),
        ("/rows/10/organization", "unknown_organization"),
        ("/rows/11/month", "duplicate"),
    ]
    .map(|(field, code)| (json!(field), json!(code)));
    assert_eq!(found, expected.iter().map(|(field, code)| (field, code)).collect::<Vec<_>>());
    assert_eq!(kept(&site).await, before, "nothing was changed");

    let good =
        workbook(&[(Ok((2026, 10, 1)), Ok(6_120.0), ""), (Err("2026年9月"), Err("１，０００"), ""), (Ok((2026, 8, 1)), Ok(0.0), "府中町")]);
    let done = site.ask("POST", REPORTS).token(&site.admin).body(XLSX, good).send().await.expect(200);
    let rows: Vec<_> = done["rows"].as_array().unwrap().iter().map(|row| (&row["number"], &row["month"], &row["total"])).collect();
    assert_eq!(
        rows,
        [
            (&json!(4), &json!("2026-10"), &json!(6_120)),
            (&json!(5), &json!("2026-09"), &json!(1_000)),
            (&json!(6), &json!("2026-08"), &json!(0))
        ]
    );
    let log = site.ask("GET", "/api/v1/statistics/reports/log").token(&site.admin).send().await.expect(200);
    assert!(log["items"].as_array().unwrap().iter().all(|one| one["way"] == "xlsx"), "{log}");
}
