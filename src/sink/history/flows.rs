//! Stores what a part of a window has of flows, beside the window's row.

use super::store::count;
use crate::{
    sink::word,
    wire::{Batch, Flows},
};
use rusqlite::{Transaction, params};
use std::collections::BTreeMap;

/// The window's part without what is in it: it has its place among the parts of its window.
pub(super) fn shell(flows: &Flows) -> Batch {
    Batch {
        schema: flows.schema.clone(),
        identity: flows.identity.clone(),
        part: flows.part,
        parts: flows.parts,
        flow_parts: None,
        alert_parts: None,
        start: flows.start,
        end: flows.end,
        clock: flows.clock,
        last: flows.last,
        stamping: flows.stamping,
        capture: None,
        subtypes: BTreeMap::new(),
        channels: Vec::new(),
        stations: Vec::new(),
        vendors: Vec::new(),
        people: Vec::new(),
        distinct: None,
    }
}

/// Stores the flows of the part that is row `window`.
pub(super) fn store(transaction: &Transaction<'_>, flows: &Flows, window: i64) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO flows VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
    )?;
    for (n, row) in (0_i64..).zip(&flows.flows) {
        insert.execute(params![
            window,
            n,
            row.proto,
            row.src.to_string(),
            row.src_port,
            row.dst.to_string(),
            row.dst_port,
            count(row.packets_out),
            count(row.bytes_out),
            count(row.packets_in),
            count(row.bytes_in),
            row.first_time.map(|time| time.0),
            row.last_time.map(|time| time.0),
            row.tcp_flags_out,
            row.tcp_flags_in,
            row.layer7,
            row.layer7_info,
            row.part,
            row.end,
        ])?;
    }
    let mut insert =
        transaction.prepare_cached("INSERT OR REPLACE INTO flow_sums VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for sum in &flows.sums {
        insert.execute(params![
            window,
            sum.proto,
            word(&sum.ports),
            count(sum.records),
            count(sum.packets_out),
            count(sum.bytes_out),
            count(sum.packets_in),
            count(sum.bytes_in),
        ])?;
    }
    if let Some(metered) = &flows.metered {
        let sql = "INSERT INTO flow_windows VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
        transaction.prepare_cached(sql)?.execute(params![
            window,
            count(metered.captured.packets),
            count(metered.captured.bytes),
            count(metered.aggregated),
            count(metered.in_flows.packets),
            count(metered.in_flows.bytes),
            count(metered.not_ip.packets),
            count(metered.protected.packets),
            count(metered.bad_fcs.packets),
            count(metered.malformed.packets),
            count(metered.cut.packets),
            count(metered.fragments.packets),
            count(metered.evicted),
            count(metered.going_on),
            count(metered.left_out),
        ])?;
    }
    Ok(())
}
