//! Flows: who spoke with whom, as far as sensors told it. They are kept as long as windows are, and no longer.

use super::MOST_STATIONS;
use crate::{
    UnixNanos,
    sink::history::{
        History,
        range::{HistoryError, Key, Order, Page, Paging, Place, Range, Scope, Tier, page},
        raw::{OF_RANGE, count, parameters},
    },
};
use rusqlite::types::Value;
use serde::Serialize;

/// All records of one 5-tuple that one sensor told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct FlowRow {
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// The protocol's name in lower case, or its number.
    pub proto: String,
    /// Who sent the first packet.
    pub src: String,
    /// Its port; 0 where the protocol has none.
    pub src_port: u16,
    /// To whom.
    pub dst: String,
    /// Its port; 0 where the protocol has none.
    pub dst_port: u16,
    /// Records.
    pub records: u64,
    /// Packets from `src` to `dst`.
    pub packets_out: u64,
    /// Octets of these.
    pub bytes_out: u64,
    /// Packets from `dst` to `src`.
    pub packets_in: u64,
    /// Octets of these.
    pub bytes_in: u64,
    /// The time of the earliest packet.
    pub first_time: Option<UnixNanos>,
    /// The time of the latest packet.
    pub last_time: Option<UnixNanos>,
    /// The protocol above the transport, where a packet showed it.
    pub layer7: Option<String>,
    /// A name that was asked for, where names are told.
    pub layer7_info: Option<String>,
}

/// Which flows are wanted: what is absent is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowFilter {
    /// The protocol's name or number.
    pub proto: Option<String>,
    /// An IP address at either end, as it is printed.
    pub host: Option<String>,
}

impl History {
    /// The flows told of in the windows of the range, those of most octets first. Where there are more than are counted, those
    /// of the fewest octets are left out.
    ///
    /// # Errors
    /// When the file cannot be read, or the cursor is not of this list.
    pub fn flows(
        &self,
        range: Range,
        scope: &Scope,
        filter: &FlowFilter,
        paging: &Paging,
    ) -> Result<Page<FlowRow>, HistoryError> {
        let text = |wanted: &Option<String>| wanted.clone().map_or(Value::Null, Value::Text);
        // CAST(total()): whatever a hostile message claims, nothing overflows.
        let sql = format!(
            "SELECT w.site, w.sensor, f.proto, f.src, f.src_port, f.dst, f.dst_port, count(*), \
             CAST(total(f.packets_out) AS INTEGER), CAST(total(f.bytes_out) AS INTEGER), \
             CAST(total(f.packets_in) AS INTEGER), CAST(total(f.bytes_in) AS INTEGER), min(f.first_ns), max(f.last_ns), \
             max(f.layer7), max(f.layer7_info) \
             FROM windows w JOIN flows f ON f.window = w.id WHERE {OF_RANGE} AND (?5 IS NULL OR f.proto = ?5) \
             AND (?6 IS NULL OR ?6 IN (f.src, f.dst)) GROUP BY 1, 2, 3, 4, 5, 6, 7 \
             ORDER BY total(f.bytes_out) + total(f.bytes_in) DESC LIMIT ?7"
        );
        let most = i64::try_from(MOST_STATIONS).unwrap_or(i64::MAX);
        let asked = parameters(range, scope).into_iter().chain([
            text(&filter.proto),
            text(&filter.host),
            Value::Integer(most.saturating_add(1)),
        ]);
        let moment = self.moment()?;
        let mut statement = moment.prepare_cached(&sql)?;
        let mut found = statement.query(rusqlite::params_from_iter(asked))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(UnixNanos));
            let flow = FlowRow {
                site: row.get(0)?,
                sensor: row.get(1)?,
                proto: row.get(2)?,
                src: row.get(3)?,
                src_port: row.get(4)?,
                dst: row.get(5)?,
                dst_port: row.get(6)?,
                records: count(row, 7)?,
                packets_out: count(row, 8)?,
                bytes_out: count(row, 9)?,
                packets_in: count(row, 10)?,
                bytes_in: count(row, 11)?,
                first_time: time(12)?,
                last_time: time(13)?,
                layer7: row.get(14)?,
                layer7_info: row.get(15)?,
            };
            let bytes = i64::try_from(flow.bytes_out.saturating_add(flow.bytes_in)).unwrap_or(i64::MAX);
            let FlowRow { site, sensor, proto, src, src_port, dst, dst_port, .. } = &flow;
            let name = format!("{site}/{sensor} {proto} {src} {src_port} {dst} {dst_port}");
            rows.push((Place(Key::Number(bytes), name), flow));
        }
        let truncated = rows.len() > MOST_STATIONS;
        rows.truncate(MOST_STATIONS);
        let (items, next) = page(rows, Order::Descending, paging)?;
        Ok(Page { tier: Tier::Windows, items, next, truncated })
    }
}
