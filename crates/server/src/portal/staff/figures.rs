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
    /// What is in the form.
    text: String,
    sources: Vec<(String, String)>,
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
        page(app, shell, &viewer, StatusCode::OK, String::new(), done, Vec::new())
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
        let (text, month, reason) = (form.text("text").to_owned(), form.text("month").to_owned(), form.text("reason").trim().to_owned());
        let result = match form.text("action") {
            "try" | "import" => {
                context.dry_run = form.text("action") == "try";
                import(app, &context, &text, form.text("source"), form.text("replace") == "yes", &reason)
            }
            "close" => app.close_month(&context, &month).map(|_| ()),
            "restate" => app.restate_month(&context, &month, &reason).map(|_| ()),
            "enter" => match form.text("value").trim().parse() {
                Ok(value) => app.enter_value(&context, form.text("indicator"), &month, value, form.text("note")),
                Err(_) => app.enter_value(&context, form.text("indicator"), &month, f64::NAN, ""),
            },
            _ => Ok(()),
        };
        match result {
            Ok(()) if context.dry_run => {
                let done = shell
                    .t("このまま取り込めます。まだ保存していません。", "These can be imported as they are; nothing was saved yet.")
                    .to_owned();
                page(app, shell, &viewer, StatusCode::OK, text, Some(done), Vec::new())
            }
            Ok(()) => Ok(Reply::See(format!("{PATH}?done=saved"))),
            Err(Error::Invalid(errors)) => {
                let errors = errors.iter().map(|error| shell.lang.sentence(&error.message)).collect();
                page(app, shell, &viewer, StatusCode::UNPROCESSABLE_ENTITY, text, None, errors)
            }
            Err(Error::Conflict(error)) => {
                let errors = vec![shell.lang.sentence(&error.message)];
                page(app, shell, &viewer, StatusCode::CONFLICT, text, None, errors)
            }
            Err(error) => Err(error),
        }
    })
    .await
}

fn import(app: &App, context: &Context, text: &str, source: &str, replace: bool, reason: &str) -> minato_app::Result<()> {
    let rows = read_report_file(text.as_bytes(), "form.csv")?;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let import = ReportImport { rows, source: some(source), replace, reason: some(reason), way: "form" };
    app.import_reports(context, &import).map(|_| ())
}

fn page(
    app: &App,
    shell: Shell,
    viewer: &Viewer,
    status: StatusCode,
    text: String,
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
    let page = FiguresPage {
        text,
        sources: app.report_sources()?.into_iter().map(|source| (source.id, lang.t(&source.title, &source.title_en).to_owned())).collect(),
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
