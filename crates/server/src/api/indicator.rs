//! Indicators, months, reports of other sites, and how everything is counted.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Months, NaiveDate, Utc};
use minato_app::catalog::{
    DatasetScope, Document, FieldError, Indicator, IndicatorYear, MethodPeriod, MonthFigures, Outlook, ReportSource, Restatement,
    fiscal_year, parse_json,
};
use minato_app::counter::{METHODS, PRINCIPLES, RULES};
use minato_app::store::indicator::{Report, ReportChange};
use minato_app::{App, Context, Error, ImportedRow, ReportImport, ReportRow, read_report_file};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{json as loaded, read};
use super::noun::{organization_key, whole};
use super::request::{IfMatch, Query, Write, conditions, invalid, key, writer};
use super::route::{Endpoint, delete, flag, get, post, put, query, text, whole as whole_number};
use crate::http::{Problem, Shared, hex, read_body, whole_body};

const TAG: &str = "statistics";
/// Largest file of reports, in bytes.
const FILE_BYTES_MAX: usize = 20_000_000;
/// Most months in one answer.
const MONTHS_MAX: i32 = 1_200;

/// How it is counted.
#[derive(Debug, Serialize, ToSchema)]
struct MethodView {
    /// The version in use.
    version: i64,
    /// A value that changes with the rules and the table of agents.
    fingerprint: String,
    /// The versions that counted here.
    used: Vec<MethodPeriod>,
    /// All versions, oldest first.
    versions: Vec<VersionView>,
    /// What a request is not counted for, in the order in which it is asked.
    rules: Vec<RuleView>,
    /// How what counts is counted.
    principles: Vec<RuleView>,
}

/// A version of the counting method.
#[derive(Debug, Serialize, ToSchema)]
struct VersionView {
    /// Its number.
    version: i64,
    /// What changed, in Japanese.
    ja: &'static str,
    /// What changed, in English.
    en: &'static str,
}

/// A rule of counting.
#[derive(Debug, Serialize, ToSchema)]
struct RuleView {
    /// Short name.
    id: &'static str,
    /// Where the rule comes from.
    clause: &'static str,
    /// The rule in Japanese.
    ja: &'static str,
    /// The rule in English.
    en: &'static str,
}

/// A target.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TargetInput {
    /// Where the plan began.
    #[serde(default)]
    baseline: Option<i64>,
    /// What is to be reached.
    target: i64,
}

/// A value entered by hand.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ValueInput {
    /// The value.
    value: f64,
    /// For those who look at it later.
    #[serde(default)]
    note: String,
}

/// Who gets the monthly summary of an organization.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SummaryMailInput {
    /// The address; `null` when nobody does.
    address: Option<String>,
}

/// Why figures are replaced.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RestateInput {
    /// In a sentence, for the log that everybody may read.
    reason: String,
}

/// Reports to import.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "what the description of the interface says; `AnyReports` is read")]
struct ReportsInput {
    /// The rows.
    rows: Vec<RowInput>,
}

/// The same as it comes: each row is judged on its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyReports {
    rows: Vec<Document>,
}

/// One report.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "what the description of the interface says; `AnyReports` is read")]
struct RowInput {
    /// The month: `2026-10`, `2026年10月` or `令和8年10月`.
    #[schema(example = "2026-10")]
    month: String,
    /// The source; that of the query when absent.
    #[serde(default)]
    source: String,
    /// The organization by slug, code, id or name; absent for the whole site.
    #[serde(default)]
    organization: Option<String>,
    /// Downloads.
    #[schema(value_type = i64)]
    total: serde_json::Value,
    /// For those who look at it later.
    #[serde(default)]
    note: String,
}

/// What became of an import.
#[derive(Debug, Serialize, ToSchema)]
struct ImportView {
    /// Whether it was a trial.
    dry_run: bool,
    /// Each row.
    rows: Vec<ImportedRowView>,
}

/// What became of a row.
#[derive(Debug, Serialize, ToSchema)]
struct ImportedRowView {
    /// Where it stands: the number of the row in the file, or of the item.
    number: usize,
    /// `added`, `replaced` or `unchanged`.
    outcome: &'static str,
    /// The month.
    month: String,
    /// The source.
    source: String,
    /// The organization; `null` for the whole site.
    organization_id: Option<Uuid>,
    /// Downloads.
    total: i64,
    /// What was reported before.
    before: Option<i64>,
}

/// What is reported for a month.
#[derive(Debug, Serialize, ToSchema)]
struct ReportView {
    /// The month.
    month: String,
    /// The source.
    source: String,
    /// The organization; `null` for the whole site.
    organization_id: Option<Uuid>,
    /// Downloads.
    total: i64,
    /// For those who look at it later.
    note: String,
}

/// A change of what was reported.
#[derive(Debug, Serialize, ToSchema)]
struct ReportChangeView {
    /// What is reported since.
    report: ReportView,
    /// What was before; `null` when it was new.
    before: Option<i64>,
    /// How it came.
    way: String,
    /// By whom.
    actor: String,
    /// When.
    at: DateTime<Utc>,
}

/// The endpoints of indicators, months and reports.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let year = || query("fiscal_year", whole_number(1900, 9000, None), "Named by the year in which it starts; by default the current one.");
    let months = || {
        let month = |name, what| query(name, json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}), what);
        [month("from", "First month, `2026-04`; by default 12 months ago."), month("to", "Last month; by default the current one.")]
    };
    vec![
        get("/statistics/method", "counting_method", counting_method)
            .says(TAG, "数え方", "The rules of counting with their clauses, the versions of the method, and from when on each counted here.")
            .answers::<MethodView>(&["200"], "The method."),
        get("/statistics/months", "list_month_figures", list_months)
            .says(
                TAG,
                "月ごとの数",
                "The figures of each month: counted here, reported by other sites, counted in older ways, robots left out. Closed months are as they were frozen.",
            )
            .with(months())
            .answers_page::<MonthFigures>("The months, oldest first."),
        post("/statistics/months/{month}/close", "close_month", close_month)
            .says(TAG, "月を締める", "Freezes the figures of a month that is over. For system administrators.")
            .answers::<MonthFigures>(&["200"], "The frozen figures."),
        post("/statistics/months/{month}/restate", "restate_month", restate_month)
            .says(TAG, "締めた月を訂正する", "Replaces the frozen figures of a closed month with those of now, and logs why. For system administrators.")
            .body::<RestateInput>(json!({"reason": "DoboX の集計誤りの訂正"}))
            .answers::<MonthFigures>(&["200"], "The figures now frozen."),
        get("/statistics/restatements", "list_restatements", list_restatements)
            .says(TAG, "訂正の記録", "Which closed months were restated, why and by whom, newest first.")
            .answers_page::<Restatement>("The restatements."),
        get("/statistics/indicators", "list_indicators", list_indicators)
            .says(TAG, "指標の一覧", "All indicators of the plan in a fiscal year: value, target, how far it is reached, version of the rule.")
            .with([year()])
            .answers_page::<IndicatorYear>("The indicators in the order of the report."),
        put("/statistics/indicators/{id}", "save_indicator", save_indicator)
            .says(TAG, "指標を登録・変更する", "Adds an indicator or replaces its definition. For system administrators.")
            .body::<Indicator>(json!({"id": "events", "title": "イベント参加者数", "title_en": "Participants of events", "unit": "人", "unit_en": "people", "rule": "entered", "year_value": "sum"}))
            .answers::<Indicator>(&["200"], "The indicator."),
        put("/statistics/indicators/{id}/targets/{year}", "set_indicator_target", set_target)
            .says(TAG, "指標の目標を定める", "Sets target and baseline of an indicator for a fiscal year. Years without one have that of the last year before. For system administrators.")
            .body::<TargetInput>(json!({"baseline": 27000, "target": 33000}))
            .answers::<TargetInput>(&["200"], "The target."),
        put("/statistics/indicators/{id}/values/{month}", "enter_indicator_value", enter_value)
            .says(TAG, "指標の値を入力する", "Enters the value of a month for an indicator that no rule computes. For system administrators.")
            .body::<ValueInput>(json!({"value": 120, "note": "第2回研修"}))
            .answers::<ValueInput>(&["200"], "The value."),
        get("/statistics/scopes", "list_scopes", list_scopes)
            .says(TAG, "対象範囲の規則", "The rules that say which datasets an indicator is over, for example those held by the prefecture.")
            .answers_page::<DatasetScope>("The scopes."),
        put("/statistics/scopes/{id}", "save_scope", save_scope)
            .says(TAG, "対象範囲を登録・変更する", "Adds or replaces a scope: of its conditions one must hold, and of a condition everything that is named. For system administrators.")
            .body::<DatasetScope>(json!({"id": "prefecture_held", "title": "県保有データ", "title_en": "Held by the prefecture", "any": [{"organization_kinds": ["prefecture"]}, {"sources": ["dobox"]}]}))
            .answers::<DatasetScope>(&["200"], "The scope."),
        get("/statistics/outlook", "download_outlook", outlook)
            .says(
                TAG,
                "見通しと増減の内訳",
                "What the downloads of a fiscal year come to if they go on as they do, what is needed to reach the target, and what changed against the year before: more datasets, more use of each, the method, reports.",
            )
            .with([year()])
            .answers::<Outlook>(&["200"], "The outlook."),
        get("/statistics/report-sources", "list_report_sources", list_sources)
            .says(TAG, "報告元の一覧", "The sites and older ways of counting whose figures are imported.")
            .answers_page::<ReportSource>("The sources."),
        put("/statistics/report-sources/{id}", "save_report_source", save_source)
            .says(TAG, "報告元を登録・変更する", "Adds or replaces a source. `legacy` figures are shown beside and never added. For system administrators.")
            .body::<ReportSource>(json!({"id": "dobox", "kind": "reported", "title": "DoboX", "title_en": "DoboX"}))
            .answers::<ReportSource>(&["200"], "The source."),
        get("/statistics/reports", "list_reports", list_reports)
            .says(TAG, "ほかのサイトの報告", "What other sites report, by month, source and organization.")
            .with(months())
            .answers_page::<ReportView>("The reports."),
        post("/statistics/reports", "import_reports", import_reports)
            .says(
                TAG,
                "ほかのサイトの報告を取り込む",
                "Takes monthly figures in, all rows or none: JSON, CSV (UTF-8, UTF-16 or Shift_JIS; columns 月, 件数, 報告元, 組織, 備考) or XLSX. Every wrong row is named with the reason. Rows of an organization are for its publishers, others for system administrators.",
            )
            .with([
                query("source", text(), "The source of rows that name none."),
                query("replace", flag(), "Replace figures that differ."),
                query("reason", text(), "Why closed months are restated; without it their rows are refused."),
                query("file_name", text(), "Name of the file, for messages."),
            ])
            .body::<ReportsInput>(json!({"rows": [{"month": "2026-10", "source": "dobox", "total": 6120}]}))
            .body_schema::<ReportsInput>("text/csv", |_| json!({"type": "string"}), None)
            .body_schema::<ReportsInput>(
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                |_| json!({"type": "string", "format": "binary"}),
                None,
            )
            .answers::<ImportView>(&["200"], "What became of each row."),
        get("/organizations/{organization}/summary-mail", "get_summary_mail", get_summary_mail)
            .says(TAG, "月次メールの宛先", "Who gets the monthly summary of an organization; nobody unless asked for. For its administrators.")
            .signed_in()
            .answers::<SummaryMailInput>(&["200"], "The address."),
        put("/organizations/{organization}/summary-mail", "set_summary_mail", set_summary_mail)
            .says(TAG, "月次メールを受け取る", "Sends the summary of each month to an address, from the fourth day of the next. For administrators of the organization.")
            .body::<SummaryMailInput>(json!({"address": "opendata@city.example.jp"}))
            .answers::<SummaryMailInput>(&["200"], "The address."),
        delete("/organizations/{organization}/summary-mail", "delete_summary_mail", delete_summary_mail)
            .says(TAG, "月次メールを止める", "Ends the monthly summaries. For administrators of the organization.")
            .answers::<SummaryMailInput>(&["200"], "No address."),
        get("/statistics/reports/log", "list_report_changes", list_changes)
            .says(TAG, "報告の変更の記録", "Who imported what, when and how, newest first. For staff.")
            .with([query("limit", whole_number(1, 1000, Some(100)), "Most entries.")])
            .signed_in()
            .answers_page::<ReportChangeView>("The changes."),
    ]
}

async fn counting_method(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, None, |app, _, _| {
        let used = app.methods_used()?;
        let rule = |id, clause, ja, en| RuleView { id, clause, ja, en };
        let view = MethodView {
            version: minato_app::counter::METHOD_VERSION,
            fingerprint: minato_app::counter::fingerprint(),
            used,
            versions: METHODS.iter().map(|method| VersionView { version: method.version, ja: method.ja, en: method.en }).collect(),
            rules: RULES.iter().map(|one| rule(one.reason.as_str(), one.clause, one.ja, one.en)).collect(),
            principles: PRINCIPLES.iter().map(|one| rule(one.id, one.clause, one.ja, one.en)).collect(),
        };
        loaded(&view, None)
    })
    .await
}

/// First and last month of a query.
fn months_of(state: &Shared, query: &Query) -> Result<(NaiveDate, NaiveDate), Problem> {
    let to = query.month("to")?.unwrap_or_else(|| state.app.today());
    let from = match query.month("from")? {
        Some(from) => from,
        None => to.checked_sub_months(Months::new(11)).unwrap_or(to),
    };
    let months = (chrono::Datelike::year(&to) - chrono::Datelike::year(&from)) * 12;
    if to < from || months > MONTHS_MAX {
        return Err(invalid("to", "from 以降で、100 年以内の月にしてください", "must not be before from, nor a hundred years after it"));
    }
    Ok((from, to))
}

async fn list_months(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let (from, to) = months_of(&state, &query)?;
    read(&state, &request, None, move |app, _, _| loaded(&whole(app.month_figures(from, to)?), None)).await
}

/// A change with what its context asks for, answered with what it made.
async fn save<T: Serialize + Send + 'static>(
    state: &Shared,
    context: Context,
    f: impl FnOnce(&App, &Context) -> minato_app::Result<T> + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let dry_run = context.dry_run;
    let value = state.run(move |app| f(app, &context)).await?;
    let mut response = HttpResponse::Ok();
    if dry_run {
        response.insert_header(("dry-run", "true"));
    }
    Ok(response.json(&value))
}

async fn close_month(state: Shared, act: super::request::Act) -> Result<HttpResponse, Problem> {
    let (month, context) = (act.key("month")?, act.context(IfMatch::Optional)?);
    save(&state, context, move |app, context| app.close_month(context, &month)).await
}

async fn restate_month(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (month, context) = (write.key("month")?, write.context(IfMatch::Optional)?);
    let RestateInput { reason } = write.draft(&[])?;
    save(&state, context, move |app, context| app.restate_month(context, &month, &reason)).await
}

async fn list_restatements(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, None, |app, _, _| loaded(&whole(app.restatements(1_000)?), None)).await
}

fn year_of(state: &Shared, query: &Query) -> Result<i32, Problem> {
    let year = query.number("fiscal_year", 1900..=9000)?.and_then(|year| i32::try_from(year).ok());
    Ok(year.unwrap_or_else(|| fiscal_year(state.app.today())))
}

async fn list_indicators(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let year = year_of(&state, &query)?;
    read(&state, &request, None, move |app, _, _| loaded(&whole(app.indicator_years(year)?), None)).await
}

async fn save_indicator(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (id, context) = (write.key("id")?, write.context(IfMatch::Optional)?);
    let indicator: Indicator = write.draft(&[])?;
    same_id(&id, &indicator.id)?;
    save(&state, context, move |app, context| app.save_indicator(context, indicator)).await
}

fn same_id(path: &str, body: &str) -> Result<(), Problem> {
    if path == body {
        return Ok(());
    }
    Err(Error::invalid(FieldError::new("/id", "invalid_id", "/id を URL と同じにしてください。", "/id must be the one of the path")).into())
}

async fn set_target(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (id, year, context) = (write.key("id")?, write.key("year")?, write.context(IfMatch::Optional)?);
    let year: i32 = year.parse().map_err(|_| Error::not_found("fiscal_year", year))?;
    let input: TargetInput = write.draft(&[])?;
    save(&state, context, move |app, context| {
        app.set_indicator_target(context, &id, year, input.baseline, input.target)?;
        Ok(input)
    })
    .await
}

async fn enter_value(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (id, month, context) = (write.key("id")?, write.key("month")?, write.context(IfMatch::Optional)?);
    let input: ValueInput = write.draft(&[])?;
    save(&state, context, move |app, context| {
        app.enter_value(context, &id, &month, input.value, &input.note)?;
        Ok(input)
    })
    .await
}

async fn list_scopes(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, None, |app, _, _| loaded(&whole(app.scopes()?), None)).await
}

async fn save_scope(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (id, context) = (write.key("id")?, write.context(IfMatch::Optional)?);
    let scope: DatasetScope = write.draft(&[])?;
    same_id(&id, &scope.id)?;
    save(&state, context, move |app, context| app.save_scope(context, scope)).await
}

async fn outlook(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let year = year_of(&state, &query)?;
    read(&state, &request, None, move |app, _, _| loaded(&app.outlook(year)?, None)).await
}

async fn list_sources(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    read(&state, &request, None, |app, _, _| loaded(&whole(app.report_sources()?), None)).await
}

async fn save_source(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (id, context) = (write.key("id")?, write.context(IfMatch::Optional)?);
    let source: ReportSource = write.draft(&[])?;
    same_id(&id, &source.id)?;
    save(&state, context, move |app, context| app.save_report_source(context, source)).await
}

async fn list_reports(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let (from, to) = months_of(&state, &query)?;
    read(&state, &request, None, move |app, _, _| {
        let reports: Vec<ReportView> = app.reports(from, to)?.into_iter().map(report_view).collect();
        loaded(&whole(reports), None)
    })
    .await
}

async fn list_changes(state: Shared, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    let limit = query.number("limit", 1..=1000)?.unwrap_or(100);
    read(&state, &request, None, move |app, viewer, _| {
        let changes: Vec<ReportChangeView> = app.report_changes(viewer, limit)?.into_iter().map(change_view).collect();
        loaded(&whole(changes), None)
    })
    .await
}

async fn get_summary_mail(state: Shared, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let organization = key(&request, "organization")?;
    read(&state, &request, None, move |app, viewer, _| {
        let address = app.summary_address(viewer, &organization_key(app, organization))?;
        loaded(&SummaryMailInput { address }, None)
    })
    .await
}

async fn set_summary_mail(state: Shared, write: Write) -> Result<HttpResponse, Problem> {
    let (organization, context) = (write.key("organization")?, write.context(IfMatch::Optional)?);
    let input: SummaryMailInput = write.draft(&[])?;
    save(&state, context, move |app, context| {
        app.set_summary_address(context, &organization_key(app, organization), input.address.as_deref())?;
        Ok(input)
    })
    .await
}

async fn delete_summary_mail(state: Shared, act: super::request::Act) -> Result<HttpResponse, Problem> {
    let (organization, context) = (act.key("organization")?, act.context(IfMatch::Optional)?);
    save(&state, context, move |app, context| {
        app.set_summary_address(context, &organization_key(app, organization), None)?;
        Ok(SummaryMailInput { address: None })
    })
    .await
}

async fn import_reports(state: Shared, request: HttpRequest, query: Query, payload: web::Payload) -> Result<HttpResponse, Problem> {
    let viewer = writer(&request).await?;
    whole_body(request.headers())?;
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let wanted = "application/json, text/csv, application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let way = match essence.as_str() {
        "" | "application/json" => "api",
        "text/csv" | "text/plain" | "text/tab-separated-values" => "csv",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" | "application/octet-stream" => "xlsx",
        _ => return Err(Problem::unsupported_media_type(&essence, wanted)),
    };
    let bytes = read_body(payload.into_inner(), FILE_BYTES_MAX).await?;
    let context = conditions(&request, viewer, &query, &hex(&Sha256::digest(&bytes)), IfMatch::Optional)?;
    let import = ReportImport {
        source: query.string("source"),
        replace: query.flag("replace")?,
        reason: query.string("reason"),
        way,
        ..ReportImport::default()
    };
    let name = query.string("file_name").unwrap_or_else(|| format!("reports.{}", if way == "xlsx" { "xlsx" } else { "csv" }));
    save(&state, context, move |app, context| {
        let rows = if way == "api" { json_rows(&bytes)? } else { read_report_file(&bytes, &name)? };
        let rows = app.import_reports(context, &ReportImport { rows, ..import })?;
        Ok(ImportView { dry_run: context.dry_run, rows: rows.into_iter().map(imported_view).collect() })
    })
    .await
}

fn json_rows(bytes: &[u8]) -> minato_app::Result<Vec<ReportRow>> {
    let input: AnyReports = parse_json(bytes).map_err(Error::invalid)?;
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for (number, Document(item)) in (1..).zip(input.rows) {
        let serde_json::Value::Object(fields) = item else {
            errors.push(row_error(number, "", "invalid_type", "JSON オブジェクト { … } にしてください", "must be a JSON object"));
            continue;
        };
        let mut row = ReportRow { number, ..ReportRow::default() };
        for (name, value) in fields {
            let place = match name.as_str() {
                "month" => &mut row.month,
                "source" => &mut row.source,
                "organization" => &mut row.organization,
                "total" => &mut row.total,
                "note" => &mut row.note,
                _ => {
                    let known = "month, source, organization, total, note";
                    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
                    let (ja, en) =
                        (format!("項目「{name}」はありません。使えるもの: {known}"), format!("there is no field `{name}`; known: {known}"));
                    errors.push(row_error(number, &name, "unknown_field", &ja, &en));
                    continue;
                }
            };
            // What is no text is judged as the text it looks like, so that the row is explained like any other.
            *place = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Null => String::new(),
                other => other.to_string(),
            };
        }
        rows.push(row);
    }
    if errors.is_empty() { Ok(rows) } else { Err(Error::Invalid(errors)) }
}

fn row_error(number: usize, name: &str, code: &str, ja: &str, en: &str) -> FieldError {
    let field = if name.is_empty() { format!("/rows/{number}") } else { format!("/rows/{number}/{name}") };
    FieldError::new(field, code, format!("{number} 行目: {ja}。"), format!("row {number}: {en}"))
}

fn imported_view(row: ImportedRow) -> ImportedRowView {
    ImportedRowView {
        number: row.number,
        outcome: row.outcome(),
        month: row.month,
        source: row.source,
        organization_id: row.organization_id,
        total: row.total,
        before: row.before,
    }
}

fn report_view(report: Report) -> ReportView {
    ReportView {
        month: report.month,
        source: report.source,
        organization_id: report.organization_id,
        total: report.total,
        note: report.note,
    }
}

fn change_view(change: ReportChange) -> ReportChangeView {
    ReportChangeView { report: report_view(change.report), before: change.before, way: change.way, actor: change.actor, at: change.at }
}
