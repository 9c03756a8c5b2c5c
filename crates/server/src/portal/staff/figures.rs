//! Figures in a form: reports of other sites, values entered by hand, months to close.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::Months;
use minato_app::catalog::{IndicatorRule, Viewer, parse_month};
use minato_app::{App, Context, Error, ReportImport, read_report_file};

use super::{Reply, private, read_form, serve, titled};
use crate::http::Shared;
use crate::portal::page::{Shell, render_error};
use crate::portal::words::number;

const PATH: &str = "/staff/figures";
/// Largest form, in bytes.
const FORM_BYTES_MAX: usize = 2_000_000;

#[derive(Template)]
#[template(path = "staff_figures.html")]
struct FiguresPage {
    s: Shell,
    filled: Filled,
    /// The sources: id, title, whether it is chosen.
    sources: Vec<(String, String, bool)>,
    done: Option<String>,
    errors: Vec<String>,
    /// The months that may be closed or restated: value, name, total, whether it is closed.
    months: Vec<(String, String, String, bool)>,
    /// Indicators that are entered by hand: id, title.
    indicators: Vec<(String, String)>,
    log: Vec<LogRow>,
    /// Whether the viewer may close months and enter values.
    admin: bool,
    /// Whether the viewer may save at all.
    editable: bool,
}

/// What somebody wrote into the form of reports, so that only the mistakes need be written again.
#[derive(Debug, Default)]
struct Filled {
    text: String,
    source: String,
    reason: String,
    replace: bool,
}

struct LogRow {
    month: String,
    what: String,
    before: String,
    after: String,
    actor: String,
    at: String,
}

pub(super) async fn show_figures(request: HttpRequest, state: Shared) -> HttpResponse {
    let done = url::form_urlencoded::parse(request.query_string().as_bytes()).find(|(name, _)| name == "done");
    let done = done.map(|(_, value)| value.into_owned());
    serve(&request, &state, false, move |app, shell, viewer| {
        let done = done.filter(|done| done == "saved").map(|_| shell.t("保存しました。", "Saved.").to_owned());
        page(app, shell, &viewer, StatusCode::OK, Filled::default(), done, Vec::new())
    })
    .await
}

pub(super) async fn save_figures(request: HttpRequest, state: Shared, payload: web::Payload) -> HttpResponse {
    let form = match read_form(&request, &state.settings, payload, FORM_BYTES_MAX).await {
        Ok(form) => form,
        Err(problem) => return private(render_error(&problem, &request)),
    };
    serve(&request, &state, true, move |app, shell, viewer| {
        let mut context = Context::new(viewer.clone());
        let (month, reason) = (form.text("month").trim().to_owned(), form.text("reason").trim().to_owned());
        let mut filled = Filled::default();
        let result = match form.text("action") {
            "try" | "import" => {
                context.dry_run = form.text("action") == "try";
                filled = Filled {
                    text: form.text("text").to_owned(),
                    source: form.text("source").to_owned(),
                    reason,
                    replace: form.text("replace") == "yes",
                };
                import(app, &context, &filled)
            }
            "close" => app.close_month(&context, &month).map(|_| ()),
            "restate" => app.restate_month(&context, &month, &reason).map(|_| ()),
            "enter" => match plain_number(form.text("value")).parse() {
                Ok(value) => app.enter_value(&context, form.text("indicator"), &month, value, form.text("note")),
                Err(_) => app.enter_value(&context, form.text("indicator"), &month, f64::NAN, ""),
            },
            _ => return Ok(Reply::See(PATH.to_owned())),
        };
        match result {
            Ok(()) if context.dry_run => {
                let done = shell
                    .t("このまま取り込めます。まだ保存していません。", "These can be imported as they are; nothing was saved yet.")
                    .to_owned();
                page(app, shell, &viewer, StatusCode::OK, filled, Some(done), Vec::new())
            }
            Ok(()) => Ok(Reply::See(format!("{PATH}?done=saved"))),
            Err(Error::Invalid(errors)) => {
                let errors = errors.iter().map(|error| shell.lang.sentence(&error.message)).collect();
                page(app, shell, &viewer, StatusCode::UNPROCESSABLE_ENTITY, filled, None, errors)
            }
            Err(Error::Conflict(error)) => {
                let errors = vec![shell.lang.sentence(&error.message)];
                page(app, shell, &viewer, StatusCode::CONFLICT, filled, None, errors)
            }
            Err(error) => Err(error),
        }
    })
    .await
}

/// A number as people type it, with full-width digits and commas at the thousands, for a parser that knows neither.
fn plain_number(text: &str) -> String {
    let plain = |c: char| match c {
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10).unwrap_or(c),
        '．' => '.',
        '，' => ',',
        c => c,
    };
    let text: String = text.trim().chars().map(plain).collect();
    let whole = text.split('.').next().unwrap_or_default();
    let grouped = whole.split(',').skip(1).all(|group| group.len() == 3);
    if grouped { text.replace(',', "") } else { text }
}

fn import(app: &App, context: &Context, filled: &Filled) -> minato_app::Result<()> {
    let rows = read_report_file(filled.text.as_bytes(), "form.csv")?;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let import = ReportImport { rows, source: some(&filled.source), replace: filled.replace, reason: some(&filled.reason), way: "form" };
    app.import_reports(context, &import).map(|_| ())
}

fn page(
    app: &App,
    shell: Shell,
    viewer: &Viewer,
    status: StatusCode,
    filled: Filled,
    done: Option<String>,
    errors: Vec<String>,
) -> minato_app::Result<Reply> {
    let shell = titled(shell, "数の取り込みと確定", "Figures", PATH);
    let lang = shell.lang;
    let directory = app.directory();
    let today = app.today();
    let last = today.checked_sub_months(Months::new(1)).unwrap_or(today);
    let first = last.checked_sub_months(Months::new(11)).unwrap_or(last);
    let months = app.month_figures(first, last)?.into_iter().rev().map(|month| {
        let name = parse_month(&month.month).map_or(month.month.clone(), |month| lang.month(month));
        (month.month, name, number(month.total), month.closed.is_some())
    });
    let log = app.report_changes(viewer, 30)?.into_iter().map(|change| {
        let organization = change.report.organization_id.and_then(|id| directory.organization(id));
        let organization = organization.map_or_else(String::new, |organization| organization.draft.name.clone());
        let before = change.before.map(number).unwrap_or_default();
        let what = format!("{} {organization}", change.report.source);
        LogRow {
            month: change.report.month,
            what,
            before,
            after: number(change.report.total),
            actor: change.actor,
            at: lang.minute(change.at),
        }
    });
    let entered = app.indicators()?.into_iter().filter(|indicator| indicator.rule == IndicatorRule::Entered);
    let source = |source: minato_app::catalog::ReportSource| {
        let chosen = source.id == filled.source;
        (source.id, lang.t(&source.title, &source.title_en).to_owned(), chosen)
    };
    let page = FiguresPage {
        sources: app.report_sources()?.into_iter().map(source).collect(),
        filled,
        done,
        errors,
        months: months.collect(),
        indicators: entered.map(|one| (one.id, lang.t(&one.title, &one.title_en).to_owned())).collect(),
        log: log.collect(),
        admin: viewer.admin && !viewer.read_only,
        editable: !viewer.read_only,
        s: shell,
    };
    Reply::page_as(status, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_type_them() {
        for (text, expected) in
            [("1,200", Some(1_200.0)), ("１，２００．５", Some(1_200.5)), (" 5 ", Some(5.0)), ("1,5", None), ("約5", None), ("", None)]
        {
            assert_eq!(plain_number(text).parse::<f64>().ok(), expected, "{text}");
        }
    }
}
