//! Stores alerts: of each its newest state, whatever order they come in and however often.

use super::store::count;
use crate::{
    UnixNanos,
    sink::word,
    wire::{Alerts, Batch},
};
use rusqlite::{Transaction, params};
use std::collections::BTreeMap;

/// Alerts kept, at most; then those that came first give way.
const MOST_ALERTS: i64 = 100_000;

/// The part of a window that these are, without what is in it: a window is whole when all its parts are here.
pub(super) fn shell(alerts: &Alerts) -> Batch {
    Batch {
        schema: alerts.schema.clone(),
        identity: alerts.identity.clone(),
        part: alerts.part,
        parts: alerts.parts,
        flow_parts: None,
        alert_parts: None,
        start: alerts.start,
        end: alerts.end,
        clock: alerts.clock,
        last: alerts.last,
        stamping: alerts.stamping,
        capture: None,
        subtypes: BTreeMap::new(),
        channels: Vec::new(),
        stations: Vec::new(),
        vendors: Vec::new(),
        people: Vec::new(),
        distinct: None,
    }
}

/// Stores what they say that is newer than what is known.
pub(super) fn store(transaction: &Transaction<'_>, alerts: &Alerts, now: UnixNanos) -> rusqlite::Result<()> {
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO alerts (site, sensor, kind, subject, start_ns, class, severity, end_ns, frames, listened_ms, \
         not_watched_ms, evidence, run, told_ns, stored_ns) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
         ON CONFLICT (site, sensor, kind, subject, start_ns) DO UPDATE SET class = excluded.class, \
         severity = excluded.severity, end_ns = excluded.end_ns, frames = excluded.frames, \
         listened_ms = excluded.listened_ms, not_watched_ms = excluded.not_watched_ms, evidence = excluded.evidence, \
         run = excluded.run, told_ns = excluded.told_ns WHERE excluded.told_ns >= told_ns",
    )?;
    let run = alerts.identity.run.to_string();
    for alert in &alerts.alerts {
        upsert.execute(params![
            alerts.identity.site,
            alerts.identity.sensor,
            alert.kind,
            alert.subject,
            alert.start.0,
            word(&alert.class),
            word(&alert.severity),
            alert.end.map(|end| end.0),
            count(alert.frames),
            alert.listened_ms.map(count),
            count(alert.not_watched_ms),
            serde_json::to_string(&alert.evidence).unwrap_or_default(),
            run,
            alerts.end.0,
            now.0,
        ])?;
    }
    let sql = "DELETE FROM alerts WHERE id <= (SELECT max(id) FROM alerts) - ?1";
    transaction.prepare_cached(sql)?.execute([MOST_ALERTS])?;
    Ok(())
}
