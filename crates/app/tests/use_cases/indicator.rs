//! Reports of other sites, closed months, indicators.

use minato_app::catalog::{Indicator, IndicatorRule, ReportKind, ReportSource, YearValue};
use minato_app::{App, AppSettings, Clock, Context, Error, ReportImport, ReportRow, read_report_file};
use serde_json::json;

use crate::{Postgresql, draft, organization, system};

/// A catalog of its own on 25 November 2026.
struct Opened {
    app: App,
    _directory: tempfile::TempDir,
    _database: Option<Postgresql>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.app.stop();
    }
}

/// On SQLite, and on PostgreSQL when there is one.
fn on_both() -> Vec<Opened> {
    let open = |database: Option<Postgresql>| {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::of(|| "2026-11-25T03:00:00Z".parse().unwrap());
        let database_url = database.as_ref().map(|database| database.url.clone());
        let settings = AppSettings { clock, index: false, database_url, ..AppSettings::new(directory.path()) };
        Opened { app: App::open(settings).unwrap(), _directory: directory, _database: database }
    };
    let mut opened = vec![open(None)];
    opened.extend(Postgresql::create().map(|database| open(Some(database))));
    opened
}

fn row(number: usize, month: &str, organization: &str, total: &str) -> ReportRow {
    ReportRow {
        number,
        month: month.into(),
        source: "dobox".into(),
        organization: organization.into(),
        total: total.into(),
        ..Default::default()
    }
}

fn import(rows: Vec<ReportRow>) -> ReportImport {
    ReportImport { rows, way: "api", ..ReportImport::default() }
}

fn mistakes(error: Error) -> Vec<(String, String)> {
    match error {
        Error::Invalid(errors) => errors.into_iter().map(|error| (error.field, error.code)).collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_bad_import_says_why_row_by_row_and_changes_nothing() {
    for opened in on_both() {
        let app = &opened.app;
        organization(app, "kure");
        let file = "月,件数,報告元,組織\n2026-10,100,dobox,\n2026-13,5,dobox,\n2026-09,-3,dobox,\n2026年10月,7,dobox,\n2026-08,7,dobox,存在しない市\n2026-11,7,dobox,\n2026-12,7,nothing,\n2026-07,many,dobox,\n";
        let expected = [
            ("/rows/3/month", "invalid_month"),
            ("/rows/4/total", "negative"),
            ("/rows/5/month", "duplicate"),
            ("/rows/6/organization", "unknown_organization"),
            ("/rows/7/month", "not_over"),
            ("/rows/8/month", "not_over"),
            ("/rows/8/source", "unknown_source"),
            ("/rows/9/total", "invalid_number"),
        ]
        .map(|(field, code)| (field.to_owned(), code.to_owned()));
        let utf16: Vec<u8> = [0xFE, 0xFF].into_iter().chain(file.encode_utf16().flat_map(u16::to_be_bytes)).collect();
        let marked = format!("\u{feff}{file}").into_bytes();
        // The same in Shift_JIS.
        let mut cp932 = Vec::new();
        for part in file.split_inclusive(|c: char| !c.is_ascii()) {
            let (ascii, other) = part.split_at(part.find(|c: char| !c.is_ascii()).unwrap_or(part.len()));
            cp932.extend_from_slice(ascii.as_bytes());
            let code: &[u8] = match other {
                "月" => b"\x8c\x8e",
                "件" => b"\x8c\x8f",
                "数" => b"\x90\x94",
                "報" => b"\x95\xf1",
                "告" => b"\x8d\x90",
                "元" => b"\x8c\xb3",
                "組" => b"\x91\x67",
                "織" => b"\x90\x44",
                "年" => b"\x94\x4e",
                "存" => b"\x91\xb6",
                "在" => b"\x8d\xdd",
                "し" => b"\x82\xb5",
                "な" => b"\x82\xc8",
                "い" => b"\x82\xa2",
                "市" => b"\x8e\x73",
                _ => b"",
            };
            cp932.extend_from_slice(code);
        }
        for bytes in [file.as_bytes().to_vec(), marked, utf16, cp932] {
            let rows = read_report_file(&bytes, "reports.csv").unwrap();
            assert_eq!(mistakes(app.import_reports(&system(), &import(rows)).unwrap_err()), expected);
        }
        assert!(app.reports("2020-01-01".parse().unwrap(), "2026-12-01".parse().unwrap()).unwrap().is_empty());
        assert!(app.report_changes(&system().viewer, 10).unwrap().is_empty());
    }
}

#[test]
fn reports_are_added_replaced_on_request_and_logged() {
    for opened in on_both() {
        let app = &opened.app;
        let kure = organization(app, "kure");
        let good = vec![row(2, "R8.9", "", "1,000"), row(3, "2026-10", "kure市", "20")];
        let dry = Context { dry_run: true, ..system() };
        let found = app.import_reports(&dry, &import(good.clone())).unwrap();
        assert_eq!(found.iter().map(|row| row.outcome()).collect::<Vec<_>>(), ["added", "added"]);
        assert!(app.report_changes(&system().viewer, 10).unwrap().is_empty());
        app.import_reports(&system(), &import(good.clone())).unwrap();
        let again = app.import_reports(&system(), &import(good)).unwrap();
        assert!(again.iter().all(|row| row.outcome() == "unchanged"));
        let other = import(vec![row(2, "2026-10", "kure", "21")]);
        assert_eq!(mistakes(app.import_reports(&system(), &other).unwrap_err()), [("/rows/2/total".to_owned(), "differs".to_owned())]);
        app.import_reports(&system(), &ReportImport { replace: true, ..other }).unwrap();
        let log = app.report_changes(&system().viewer, 10).unwrap();
        assert_eq!((log.len(), log[0].before, log[0].report.total, log[0].report.organization_id), (3, Some(20), 21, Some(kure.id)));
        assert_eq!(log[0].actor, "test");
        let figures = app.month_figures("2026-10-01".parse().unwrap(), "2026-10-31".parse().unwrap()).unwrap();
        assert_eq!((figures[0].measured, figures[0].total), (0, 21));
        assert_eq!(app.download_indicator(Some(2026)).unwrap().mean_per_month, Some(510.5));
    }
}

#[test]
fn a_closed_month_stays_as_it_was_until_it_is_restated() {
    for opened in on_both() {
        let app = &opened.app;
        app.import_reports(&system(), &import(vec![row(1, "2026-09", "", "500")])).unwrap();
        for (month, refused) in [("2026-09", false), ("2026-09", true), ("2026-11", true), ("2026-99", true), ("x", true)] {
            assert_eq!(app.close_month(&system(), month).is_err(), refused, "{month}");
        }
        let late = ReportImport { replace: true, ..import(vec![row(1, "2026-09", "", "600")]) };
        assert_eq!(mistakes(app.import_reports(&system(), &late).unwrap_err()), [("/rows/1/month".to_owned(), "closed".to_owned())]);
        let total = |app: &App| app.month_figures("2026-09-01".parse().unwrap(), "2026-09-30".parse().unwrap()).unwrap()[0].total;
        assert_eq!(total(app), 500);
        app.import_reports(&system(), &ReportImport { reason: Some("DoboX の集計誤り".to_owned()), ..late }).unwrap();
        assert_eq!(total(app), 600);
        let log = app.restatements(10).unwrap();
        assert_eq!((log.len(), log[0].before.total, log[0].after.total, log[0].reason.as_str()), (1, 500, 600, "DoboX の集計誤り"));
        assert!(app.restate_month(&system(), "2026-08", "理由").is_err(), "it is not closed");
        assert!(app.restate_month(&system(), "2026-09", " ").is_err(), "a reason is needed");
    }
}

#[test]
fn an_older_way_of_counting_is_shown_beside_and_never_added() {
    for opened in on_both() {
        let app = &opened.app;
        let source = ReportSource { id: "old".into(), kind: ReportKind::Legacy, title: "旧".into(), title_en: "old".into() };
        app.save_report_source(&system(), source).unwrap();
        let rows = vec![ReportRow { source: "old".into(), ..row(1, "2026-10", "", "27000") }, row(2, "2026-10", "", "5")];
        app.import_reports(&system(), &import(rows)).unwrap();
        let figures = app.month_figures("2026-10-01".parse().unwrap(), "2026-10-31".parse().unwrap()).unwrap();
        assert_eq!((figures[0].total, figures[0].legacy[0].total, figures[0].reported[0].total), (5, 27_000, 5));
    }
}

#[test]
fn indicators_follow_their_rules_scopes_and_targets() {
    for opened in on_both() {
        let app = &opened.app;
        let place = |slug: &str, kind: &str| {
            let value = json!({"slug": slug, "name": slug, "kind": kind});
            app.create(&system(), None, minato_app::catalog::from_value::<minato_app::catalog::OrganizationDraft>(value).unwrap())
                .map(|done: minato_app::Done<minato_app::catalog::Organization>| done.value)
                .unwrap();
        };
        place("hiroshima-ken", "prefecture");
        place("kure", "municipality");
        place("other-body", "other");
        for (organization, slug, keywords) in [
            ("hiroshima-ken", "ken", json!([])),
            ("kure", "shi", json!([])),
            ("other-body", "dam", json!(["DoboX"])),
            ("other-body", "none", json!([])),
        ] {
            let body =
                json!({"organization": organization, "slug": slug, "title": slug, "keywords": keywords, "accrual_periodicity": "annual"});
            app.create_dataset(&system(), draft(body)).unwrap();
        }
        app.keep_house().unwrap();
        let year = |id: &str, year| {
            let indicator = app.indicators().unwrap().into_iter().find(|indicator| indicator.id == id).unwrap();
            app.indicator_year(indicator, year).unwrap()
        };
        for (id, expected) in [
            ("datasets_published", 4.0),
            ("prefecture_data_published", 2.0),
            ("municipalities_on_portal", 1.0),
            ("freshness", 100.0),
            ("standard_dataset_coverage", 0.0),
        ] {
            assert_eq!(year(id, 2026).value, Some(expected), "{id}");
        }
        assert_eq!(
            (year("datasets_published", 2026).target, year("datasets_published", 2026).achievement.as_str()),
            (Some(1_300), "継続中")
        );
        app.enter_value(&system(), "data_use_training", "2022-06", 1_000.0, "").unwrap();
        app.enter_value(&system(), "data_use_training", "2022-12", 424.0, "").unwrap();
        let training = year("data_use_training", 2022);
        assert_eq!((training.value, training.percent, training.achievement.as_str()), (Some(1_424.0), Some(142.4), "達成"));
        assert!(app.enter_value(&system(), "datasets_published", "2026-06", 1.0, "").is_err(), "it is computed");
        assert!(app.enter_value(&system(), "data_use_training", "2027-06", 1.0, "").is_err(), "it is not there yet");
        assert!(app.enter_value(&system(), "data_use_training", "2026-06", f64::NAN, "").is_err());
        let own = Indicator {
            id: "events".into(),
            title: "イベント".into(),
            title_en: "Events".into(),
            unit: "回".into(),
            unit_en: "events".into(),
            rule: IndicatorRule::Entered,
            year_value: YearValue::Sum,
            scope: Some("nowhere".into()),
            target_by: String::new(),
            target_text: String::new(),
            note: String::new(),
        };
        assert!(app.save_indicator(&system(), own.clone()).is_err(), "the scope is unknown");
        app.save_indicator(&system(), Indicator { scope: None, ..own }).unwrap();
        app.set_indicator_target(&system(), "events", 2026, None, 3).unwrap();
        assert_eq!(year("events", 2026).achievement, "継続中");
        assert_eq!(app.indicator_years(2026).unwrap().len(), 10);
        assert!(app.outlook(2026).unwrap().change.is_none());
    }
}

#[test]
fn the_whole_of_a_site_and_its_parts_are_never_counted_together() {
    for opened in on_both() {
        let app = &opened.app;
        organization(app, "kure");
        let both = import(vec![row(2, "2026-10", "", "100"), row(3, "2026-10", "kure", "40"), row(4, "2026-09", "kure", "40")]);
        let twice = |number: usize| (format!("/rows/{number}/organization"), "counted_twice".to_owned());
        assert_eq!(mistakes(app.import_reports(&system(), &both).unwrap_err()), [twice(2), twice(3)]);
        app.import_reports(&system(), &import(vec![row(2, "2026-10", "", "100")])).unwrap();
        let part = import(vec![row(2, "2026-10", "kure", "40")]);
        assert_eq!(mistakes(app.import_reports(&system(), &part).unwrap_err()), [twice(2)]);
        // Another source, another month, and nothing at all are no part of it.
        let other = vec![
            ReportRow { source: "former-portal".into(), ..row(2, "2026-10", "kure", "40") },
            row(3, "2026-09", "kure", "40"),
            row(4, "2026-10", "kure", "0"),
        ];
        app.import_reports(&system(), &import(other)).unwrap();
        // Whoever goes over to figures by organization takes the whole back.
        let change = import(vec![row(2, "2026-10", "", "0"), row(3, "2026-10", "kure", "40")]);
        app.import_reports(&system(), &ReportImport { replace: true, ..change }).unwrap();
        let figures = app.month_figures("2026-10-01".parse().unwrap(), "2026-10-31".parse().unwrap()).unwrap();
        assert_eq!(figures[0].total, 40);
    }
}

#[test]
fn mistakes_are_told_in_the_order_of_the_rows() {
    for opened in on_both() {
        let app = &opened.app;
        app.import_reports(&system(), &import(vec![row(2, "2026-10", "", "100"), row(3, "2026-08", "", "5")])).unwrap();
        app.close_month(&system(), "2026-08").unwrap();
        let rows = vec![row(2, "2026-10", "", "7"), row(3, "2026-13", "", "7"), row(4, "2026-08", "", "7"), row(5, "2026-09", "", "x")];
        let expected = [
            ("/rows/2/total", "differs"),
            ("/rows/3/month", "invalid_month"),
            ("/rows/4/total", "differs"),
            ("/rows/4/month", "closed"),
            ("/rows/5/total", "invalid_number"),
        ];
        let expected = expected.map(|(field, code)| (field.to_owned(), code.to_owned()));
        assert_eq!(mistakes(app.import_reports(&system(), &import(rows)).unwrap_err()), expected);
    }
}

#[test]
fn what_a_spreadsheet_cut_and_what_a_quote_would_swallow_is_refused() {
    for opened in on_both() {
        let app = &opened.app;
        let cut = import(vec![row(2, "2026.1", "", "7"), row(3, "2026.2", "", "7"), row(4, "2026.10", "", "7"), row(5, "R8.1", "", "7")]);
        let error = app.import_reports(&system(), &cut).unwrap_err();
        assert_eq!(mistakes(error), [("/rows/2/month".to_owned(), "ambiguous_month".to_owned())]);
        let swallowed = "月,件数,報告元,備考\n2026-10,5,dobox,\"メモ\n2026-09,6,dobox,\n";
        assert!(read_report_file(swallowed.as_bytes(), "reports.csv").unwrap_err().text().en.contains("line 2"));
        for (name, bytes) in [("a.xls", &b"\xD0\xCF\x11\xE0"[..]), ("a.pdf", b"%PDF-1.7")] {
            assert!(read_report_file(bytes, name).unwrap_err().text().ja.contains("CSV か Excel"), "{name}");
        }
        assert!(app.close_month(&system(), "1999-12").is_err(), "no site counted then");
    }
}

#[test]
fn a_trial_refuses_what_the_import_would() {
    for opened in on_both() {
        let app = &opened.app;
        app.import_reports(&system(), &import(vec![row(2, "2026-09", "", "500")])).unwrap();
        app.close_month(&system(), "2026-09").unwrap();
        let dry = Context { dry_run: true, ..system() };
        for (reason, code) in [("", "closed"), (" ", "closed"), (&*"長".repeat(501), "required")] {
            let late = ReportImport { replace: true, reason: Some(reason.to_owned()), ..import(vec![row(2, "2026-09", "", "600")]) };
            for context in [&dry, &system()] {
                assert_eq!(mistakes(app.import_reports(context, &late).unwrap_err())[0].1, code, "{reason:?}");
            }
        }
        assert!(app.restatements(10).unwrap().is_empty());
    }
}

#[test]
fn a_file_with_too_many_rows_is_refused_and_never_cut() {
    for opened in on_both() {
        let app = &opened.app;
        for above in [0, 1, 4, 9] {
            let file = format!("{}月,件数,報告元\n{}", "題名,,\n".repeat(above), "2026-10,1,dobox\n".repeat(10_001));
            let rows = read_report_file(file.as_bytes(), "reports.csv").unwrap();
            assert_eq!(rows[0].number, above + 2);
            let error = app.import_reports(&system(), &import(rows)).unwrap_err();
            assert_eq!(mistakes(error), [("/rows".to_owned(), "too_many".to_owned())], "{above} rows above the headings");
        }
    }
}
