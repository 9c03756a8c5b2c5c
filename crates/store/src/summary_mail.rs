//! Monthly summaries by mail: who wants them, and which were sent.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::Result;
use crate::record::parse_id;
use crate::schema::{mail_sent, mail_subscription};

/// The address that gets the summaries of an organization.
pub fn address(conn: &mut AnyConnection, organization_id: Uuid) -> Result<Option<String>> {
    let row = mail_subscription::table.filter(mail_subscription::organization_id.eq(organization_id.to_string()));
    Ok(row.select(mail_subscription::address).first(conn).optional()?)
}

/// All subscriptions: organization and address.
pub fn all(conn: &mut AnyConnection) -> Result<Vec<(Uuid, String)>> {
    let rows: Vec<(String, String)> = mail_subscription::table
        .order(mail_subscription::organization_id)
        .select((mail_subscription::organization_id, mail_subscription::address))
        .load(conn)?;
    rows.into_iter().map(|(id, address)| Ok((parse_id(&id)?, address))).collect()
}

/// Sets or takes away an address. Call inside a write transaction.
pub fn set(conn: &mut AnyConnection, organization_id: Uuid, address: Option<&str>, actor: &str, at: DateTime<Utc>) -> Result<()> {
    let id = organization_id.to_string();
    diesel::delete(mail_subscription::table.filter(mail_subscription::organization_id.eq(&id))).execute(conn)?;
    if let Some(address) = address {
        diesel::insert_into(mail_subscription::table)
            .values((
                mail_subscription::organization_id.eq(&id),
                mail_subscription::address.eq(address),
                mail_subscription::actor.eq(actor),
                mail_subscription::at.eq(at.naive_utc()),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Takes it upon oneself to send the summary of a month, unless somebody did; one begun an hour ago and not ended is begun anew. Call inside a
/// write transaction.
pub fn claim(conn: &mut AnyConnection, organization_id: Uuid, month: &str, at: DateTime<Utc>) -> Result<bool> {
    let id = organization_id.to_string();
    let row = || mail_sent::table.filter(mail_sent::organization_id.eq(id.clone())).filter(mail_sent::month.eq(month.to_owned()));
    let stale = (at - Duration::hours(1)).naive_utc();
    diesel::delete(row().filter(mail_sent::state.eq("sending")).filter(mail_sent::at.lt(stale))).execute(conn)?;
    let known: i64 = row().count().get_result(conn)?;
    if known > 0 {
        return Ok(false);
    }
    diesel::insert_into(mail_sent::table)
        .values((
            mail_sent::organization_id.eq(&id),
            mail_sent::month.eq(month),
            mail_sent::state.eq("sending"),
            mail_sent::at.eq(at.naive_utc()),
        ))
        .execute(conn)?;
    Ok(true)
}

/// Says that a claimed summary was sent; one that failed stays claimed for an hour. Call inside a write transaction.
pub fn sent(conn: &mut AnyConnection, organization_id: Uuid, month: &str) -> Result<()> {
    let row = mail_sent::table.filter(mail_sent::organization_id.eq(organization_id.to_string())).filter(mail_sent::month.eq(month));
    diesel::update(row).set(mail_sent::state.eq("sent")).execute(conn)?;
    Ok(())
}
