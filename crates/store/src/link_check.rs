//! How links were found.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use minato_catalog::LinkCheck;
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::Result;
use crate::record::{from_json, parse_id, to_json, utc};
use crate::schema::{dataset, link_check};

/// Distribution, at, until, dataset, url, ok, body.
type Row = (String, NaiveDateTime, NaiveDateTime, String, String, bool, String);

fn check((distribution_id, at, until, dataset_id, url, ok, body): Row) -> Result<LinkCheck> {
    Ok(LinkCheck {
        distribution_id: parse_id(&distribution_id)?,
        dataset_id: parse_id(&dataset_id)?,
        url,
        at: utc(at),
        until: utc(until),
        ok,
        finding: from_json("link check", &body)?,
    })
}

/// Most findings kept of one link.
const KEPT: i64 = 20;

/// The findings of a distribution, newest first.
pub fn history(conn: &mut AnyConnection, distribution_id: Uuid) -> Result<Vec<LinkCheck>> {
    let rows: Vec<Row> =
        link_check::table.filter(link_check::distribution_id.eq(distribution_id.to_string())).order(link_check::at.desc()).load(conn)?;
    rows.into_iter().map(check).collect()
}

/// The latest finding of a distribution.
pub fn latest(conn: &mut AnyConnection, distribution_id: Uuid) -> Result<Option<LinkCheck>> {
    let row: Option<Row> = link_check::table
        .filter(link_check::distribution_id.eq(distribution_id.to_string()))
        .order(link_check::at.desc())
        .first(conn)
        .optional()?;
    row.map(check).transpose()
}

/// Notes a finding: one that says the same as the latest only moves the moment until which it held.
pub fn save(conn: &mut AnyConnection, new: &LinkCheck) -> Result<()> {
    let id = new.distribution_id.to_string();
    if let Some(before) = latest(conn, new.distribution_id)?
        && before.url == new.url
        && before.ok == new.ok
        && before.finding == new.finding
    {
        let row = link_check::table.filter(link_check::distribution_id.eq(&id)).filter(link_check::at.eq(before.at.naive_utc()));
        diesel::update(row).set(link_check::until.eq(new.until.naive_utc())).execute(conn)?;
        return Ok(());
    }
    diesel::insert_into(link_check::table)
        .values((
            link_check::distribution_id.eq(&id),
            link_check::at.eq(new.at.naive_utc()),
            link_check::until.eq(new.until.naive_utc()),
            link_check::dataset_id.eq(new.dataset_id.to_string()),
            link_check::url.eq(&new.url),
            link_check::ok.eq(new.ok),
            link_check::body.eq(to_json(&new.finding)?),
        ))
        .execute(conn)?;
    let oldest_kept: Option<NaiveDateTime> = link_check::table
        .filter(link_check::distribution_id.eq(&id))
        .order(link_check::at.desc())
        .offset(KEPT)
        .limit(1)
        .select(link_check::at)
        .first(conn)
        .optional()?;
    if let Some(at) = oldest_kept {
        let old = link_check::table.filter(link_check::distribution_id.eq(&id)).filter(link_check::at.le(at));
        diesel::delete(old).execute(conn)?;
    }
    Ok(())
}

/// The latest finding of each distribution of a dataset that has any.
pub fn latest_of_dataset(conn: &mut AnyConnection, dataset_id: Uuid) -> Result<Vec<LinkCheck>> {
    let rows: Vec<Row> = link_check::table
        .filter(link_check::dataset_id.eq(dataset_id.to_string()))
        .order((link_check::distribution_id, link_check::at.desc()))
        .load(conn)?;
    let mut found: Vec<LinkCheck> = Vec::new();
    for row in rows {
        let check = check(row)?;
        if found.last().is_none_or(|last| last.distribution_id != check.distribution_id) {
            found.push(check);
        }
    }
    Ok(found)
}

/// The latest findings of an organization's published datasets that say something is wrong, each with the moment since which something was.
pub fn troubled(conn: &mut AnyConnection, organization_id: Uuid) -> Result<Vec<(LinkCheck, DateTime<Utc>)>> {
    let ids: Vec<String> = link_check::table
        .inner_join(dataset::table.on(dataset::id.eq(link_check::dataset_id)))
        .filter(dataset::organization_id.eq(organization_id.to_string()))
        .filter(dataset::state.eq("published"))
        .filter(link_check::ok.eq(false))
        .select(link_check::distribution_id)
        .distinct()
        .load(conn)?;
    let mut found: Vec<(LinkCheck, DateTime<Utc>)> = Vec::new();
    for chunk in ids.chunks(500) {
        let rows: Vec<Row> = link_check::table
            .filter(link_check::distribution_id.eq_any(chunk))
            .order((link_check::distribution_id, link_check::at.desc()))
            .load(conn)?;
        let mut rows = rows.into_iter().map(check).collect::<Result<Vec<_>>>()?.into_iter().peekable();
        while let Some(latest) = rows.next() {
            let (mut since, mut broken) = (latest.at, !latest.ok);
            // What is older counts as long as nothing better lies between.
            while let Some(older) = rows.next_if(|older| older.distribution_id == latest.distribution_id) {
                broken = broken && !older.ok && older.url == latest.url;
                since = if broken { older.at } else { since };
            }
            if !latest.ok {
                found.push((latest, since));
            }
        }
    }
    Ok(found)
}
