//! Indicators: their rules, targets and values; what other sites report; months that are closed.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use minato_catalog::{DatasetScope, Indicator, MonthFigures, ReportKind, ReportSource, Restatement, new_id};
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::{Error, Result};
use crate::record::{from_json, parse_id, to_json, utc};
use crate::schema::{
    dataset_scope, indicator, indicator_target, indicator_value, month_close, report_figure, report_log, report_source, restatement,
};

/// What a source reports for a month, of one organization or of all it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The month, as `2026-11`.
    pub month: String,
    /// The source.
    pub source: String,
    /// The organization; none for the whole site.
    pub organization_id: Option<Uuid>,
    /// Downloads.
    pub total: i64,
    /// For those who look at it later.
    pub note: String,
}

/// A change of what was reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportChange {
    /// What is reported since.
    pub report: Report,
    /// What was before; none when it was new.
    pub before: Option<i64>,
    /// How it came: `csv`, `xlsx`, `api`, `form`, `cli`.
    pub way: String,
    /// By whom.
    pub actor: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// All sources of reports.
pub fn report_sources(conn: &mut AnyConnection) -> Result<Vec<ReportSource>> {
    let rows: Vec<(String, String, String, String)> = report_source::table.order(report_source::id).load(conn)?;
    rows.into_iter()
        .map(|(id, kind, title, title_en)| {
            let kind = ReportKind::parse(&kind).ok_or_else(|| Error::damaged("report source", &kind))?;
            Ok(ReportSource { id, kind, title, title_en })
        })
        .collect()
}

/// Adds or replaces a source. Call inside a write transaction.
pub fn save_report_source(conn: &mut AnyConnection, source: &ReportSource) -> Result<()> {
    let values = (
        report_source::kind.eq(source.kind.as_str()),
        report_source::title.eq(&source.title),
        report_source::title_en.eq(&source.title_en),
    );
    let changed = diesel::update(report_source::table.filter(report_source::id.eq(&source.id))).set(values).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(report_source::table).values((report_source::id.eq(&source.id), values)).execute(conn)?;
    }
    Ok(())
}

/// What is reported from one month to another, both included, by month, source and organization.
pub fn reports(conn: &mut AnyConnection, from: &str, to: &str) -> Result<Vec<Report>> {
    type Row = (String, String, String, i64, String);
    let rows: Vec<Row> = report_figure::table
        .filter(report_figure::month.ge(from))
        .filter(report_figure::month.le(to))
        .order((report_figure::month, report_figure::source, report_figure::organization_id))
        .select((report_figure::month, report_figure::source, report_figure::organization_id, report_figure::total, report_figure::note))
        .load(conn)?;
    rows.into_iter()
        .map(|(month, source, organization, total, note)| {
            let organization_id = if organization.is_empty() { None } else { Some(parse_id(&organization)?) };
            Ok(Report { month, source, organization_id, total, note })
        })
        .collect()
}

/// Sets what is reported and writes down who changed what. Call inside a write transaction.
pub fn set_report(conn: &mut AnyConnection, change: &ReportChange) -> Result<()> {
    let report = &change.report;
    let organization = report.organization_id.map(|id| id.to_string()).unwrap_or_default();
    let values = (
        report_figure::total.eq(report.total),
        report_figure::note.eq(&report.note),
        report_figure::actor.eq(&change.actor),
        report_figure::at.eq(change.at.naive_utc()),
    );
    let row = report_figure::table
        .filter(report_figure::month.eq(&report.month))
        .filter(report_figure::source.eq(&report.source))
        .filter(report_figure::organization_id.eq(&organization));
    if diesel::update(row).set(values).execute(conn)? == 0 {
        let key = (
            report_figure::month.eq(&report.month),
            report_figure::source.eq(&report.source),
            report_figure::organization_id.eq(&organization),
        );
        diesel::insert_into(report_figure::table).values((key, values)).execute(conn)?;
    }
    diesel::insert_into(report_log::table)
        .values((
            report_log::id.eq(new_id().to_string()),
            report_log::month.eq(&report.month),
            report_log::source.eq(&report.source),
            report_log::organization_id.eq(&organization),
            report_log::before.eq(change.before),
            report_log::after.eq(report.total),
            report_log::way.eq(&change.way),
            report_log::actor.eq(&change.actor),
            report_log::at.eq(change.at.naive_utc()),
        ))
        .execute(conn)?;
    Ok(())
}

/// The latest changes of what was reported, newest first.
pub fn report_changes(conn: &mut AnyConnection, limit: i64) -> Result<Vec<ReportChange>> {
    type Row = (String, String, String, Option<i64>, i64, String, String, NaiveDateTime);
    let rows: Vec<Row> = report_log::table
        .order(report_log::id.desc())
        .limit(limit)
        .select((
            report_log::month,
            report_log::source,
            report_log::organization_id,
            report_log::before,
            report_log::after,
            report_log::way,
            report_log::actor,
            report_log::at,
        ))
        .load(conn)?;
    rows.into_iter()
        .map(|(month, source, organization, before, total, way, actor, at)| {
            let organization_id = if organization.is_empty() { None } else { Some(parse_id(&organization)?) };
            let report = Report { month, source, organization_id, total, note: String::new() };
            Ok(ReportChange { report, before, way, actor, at: utc(at) })
        })
        .collect()
}

/// All indicators in the order of the report.
pub fn indicators(conn: &mut AnyConnection) -> Result<Vec<Indicator>> {
    let bodies: Vec<String> = indicator::table.order((indicator::position, indicator::id)).select(indicator::body).load(conn)?;
    bodies.iter().map(|body| from_json("indicator", body)).collect()
}

/// Adds an indicator at the end or replaces it where it stands. Call inside a write transaction.
pub fn save_indicator(conn: &mut AnyConnection, value: &Indicator) -> Result<()> {
    let body = to_json(value)?;
    let changed = diesel::update(indicator::table.filter(indicator::id.eq(&value.id))).set(indicator::body.eq(&body)).execute(conn)?;
    if changed == 0 {
        let position: i64 = indicator::table.count().get_result(conn)?;
        diesel::insert_into(indicator::table)
            .values((indicator::id.eq(&value.id), indicator::position.eq(position), indicator::body.eq(&body)))
            .execute(conn)?;
    }
    Ok(())
}

/// All scopes.
pub fn scopes(conn: &mut AnyConnection) -> Result<Vec<DatasetScope>> {
    let bodies: Vec<String> = dataset_scope::table.order(dataset_scope::id).select(dataset_scope::body).load(conn)?;
    bodies.iter().map(|body| from_json("scope", body)).collect()
}

/// Adds or replaces a scope. Call inside a write transaction.
pub fn save_scope(conn: &mut AnyConnection, value: &DatasetScope) -> Result<()> {
    let body = to_json(value)?;
    let changed =
        diesel::update(dataset_scope::table.filter(dataset_scope::id.eq(&value.id))).set(dataset_scope::body.eq(&body)).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(dataset_scope::table).values((dataset_scope::id.eq(&value.id), dataset_scope::body.eq(&body))).execute(conn)?;
    }
    Ok(())
}

/// Values of an indicator from one month to another, by month.
pub fn values(conn: &mut AnyConnection, indicator: &str, from: &str, to: &str) -> Result<BTreeMap<String, f64>> {
    let rows: Vec<(String, f64)> = indicator_value::table
        .filter(indicator_value::indicator.eq(indicator))
        .filter(indicator_value::month.ge(from))
        .filter(indicator_value::month.le(to))
        .select((indicator_value::month, indicator_value::value))
        .load(conn)?;
    Ok(rows.into_iter().collect())
}

/// Sets the value of an indicator in a month. Call inside a write transaction.
pub fn set_value(
    conn: &mut AnyConnection,
    indicator: &str,
    month: &str,
    value: f64,
    note: &str,
    actor: &str,
    at: DateTime<Utc>,
) -> Result<()> {
    let values = (
        indicator_value::value.eq(value),
        indicator_value::note.eq(note),
        indicator_value::actor.eq(actor),
        indicator_value::at.eq(at.naive_utc()),
    );
    let row = indicator_value::table.filter(indicator_value::indicator.eq(indicator)).filter(indicator_value::month.eq(month));
    if diesel::update(row).set(values).execute(conn)? == 0 {
        diesel::insert_into(indicator_value::table)
            .values((indicator_value::indicator.eq(indicator), indicator_value::month.eq(month), values))
            .execute(conn)?;
    }
    Ok(())
}

/// The frozen figures of closed months from one month to another, by month.
pub fn closed_months(conn: &mut AnyConnection, from: &str, to: &str) -> Result<BTreeMap<String, MonthFigures>> {
    let rows: Vec<(String, String)> = month_close::table
        .filter(month_close::month.ge(from))
        .filter(month_close::month.le(to))
        .select((month_close::month, month_close::figures))
        .load(conn)?;
    rows.into_iter().map(|(month, figures)| Ok((month, from_json("figures of a closed month", &figures)?))).collect()
}

/// Freezes the figures of a month, or replaces frozen ones. Call inside a write transaction.
pub fn close_month(conn: &mut AnyConnection, figures: &MonthFigures, actor: &str, at: DateTime<Utc>) -> Result<()> {
    let values = (
        month_close::figures.eq(to_json(figures)?),
        month_close::method_version.eq(figures.method_version),
        month_close::actor.eq(actor),
        month_close::at.eq(at.naive_utc()),
    );
    if diesel::update(month_close::table.filter(month_close::month.eq(&figures.month))).set(values.clone()).execute(conn)? == 0 {
        diesel::insert_into(month_close::table).values((month_close::month.eq(&figures.month), values)).execute(conn)?;
    }
    Ok(())
}

/// Writes down that frozen figures were replaced. Call inside a write transaction.
pub fn note_restatement(conn: &mut AnyConnection, value: &Restatement) -> Result<()> {
    diesel::insert_into(restatement::table)
        .values((
            restatement::id.eq(new_id().to_string()),
            restatement::month.eq(&value.month),
            restatement::reason.eq(&value.reason),
            restatement::before.eq(to_json(&value.before)?),
            restatement::after.eq(to_json(&value.after)?),
            restatement::actor.eq(&value.actor),
            restatement::at.eq(value.at.naive_utc()),
        ))
        .execute(conn)?;
    Ok(())
}

/// All restatements, newest first.
pub fn restatements(conn: &mut AnyConnection, limit: i64) -> Result<Vec<Restatement>> {
    type Row = (String, String, String, String, String, NaiveDateTime);
    let rows: Vec<Row> = restatement::table
        .order(restatement::id.desc())
        .limit(limit)
        .select((restatement::month, restatement::reason, restatement::before, restatement::after, restatement::actor, restatement::at))
        .load(conn)?;
    rows.into_iter()
        .map(|(month, reason, before, after, actor, at)| {
            let (before, after) = (from_json("restatement", &before)?, from_json("restatement", &after)?);
            Ok(Restatement { month, reason, before, after, actor, at: utc(at) })
        })
        .collect()
}

/// Sets the target of an indicator for a fiscal year.
pub fn set_target(conn: &mut AnyConnection, indicator: &str, fiscal_year: i32, baseline: Option<i64>, target: i64) -> Result<()> {
    let values = (indicator_target::baseline.eq(baseline), indicator_target::target.eq(target));
    let year = i64::from(fiscal_year);
    let row = indicator_target::table.filter(indicator_target::indicator.eq(indicator)).filter(indicator_target::fiscal_year.eq(year));
    let changed = diesel::update(row).set(values).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(indicator_target::table)
            .values((indicator_target::indicator.eq(indicator), indicator_target::fiscal_year.eq(year), values))
            .execute(conn)?;
    }
    Ok(())
}

/// Baseline and target of an indicator in a fiscal year; without its own, those of the last year before that has one.
pub fn target(conn: &mut AnyConnection, indicator: &str, fiscal_year: i32) -> Result<Option<(Option<i64>, i64)>> {
    Ok(indicator_target::table
        .filter(indicator_target::indicator.eq(indicator))
        .filter(indicator_target::fiscal_year.le(i64::from(fiscal_year)))
        .order(indicator_target::fiscal_year.desc())
        .select((indicator_target::baseline, indicator_target::target))
        .first(conn)
        .optional()?)
}
