//! How flows are written: a table of the largest, JSON, CSV, NMSG; and a sentence about what is in no flow.

use super::{
    flows::FormatArg,
    format::{csv, csv_rows},
    inspect_text::{and_more, cut, group, second},
    table::{self, Column, Screen},
};
use crate::{
    flow::{Flow, Proto, Totals},
    nmsg::{IpConn, Writer, WriterSettings},
    units::noun,
    wire,
};
use core::net::IpAddr;
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::{self, Write},
};

/// Rows of a table, where nobody says otherwise.
const TABLE_ROWS: usize = 50;
/// Columns of the table. Addresses of IPv6 may be cut: two of them are wider than a terminal.
const TABLE_COLUMNS: [Column; 10] = [
    Column::new("PROTO"),
    Column::new("SOURCE").cut_to(30),
    Column::new("DESTINATION").cut_to(30),
    Column::new("OUT").number().leaves(6),
    Column::new("BYTES OUT").number().leaves(2),
    Column::new("IN").number().leaves(7),
    Column::new("BYTES IN").number().leaves(3),
    Column::new("FIRST UTC").leaves(8),
    Column::new("SECONDS").number().leaves(5),
    Column::new("LAYER 7").leaves(4),
];
/// Columns of the CSV form, named like the keys of the JSON.
const COLUMNS: [&str; 17] = [
    "proto",
    "src",
    "src_port",
    "dst",
    "dst_port",
    "packets_out",
    "bytes_out",
    "packets_in",
    "bytes_in",
    "first_time",
    "last_time",
    "tcp_flags_out",
    "tcp_flags_in",
    "layer7",
    "layer7_info",
    "part",
    "end",
];

/// Writes flows as they come, or keeps the largest for a table.
pub struct Printer<W: Write> {
    out: W,
    format: FormatArg,
    names: bool,
    top: usize,
    records: u64,
    /// The largest so far, the smallest of them on top: octets, then which record it was.
    largest: BinaryHeap<Reverse<(u64, Reverse<u64>)>>,
    kept: std::collections::HashMap<u64, Flow>,
    /// Payloads on their way into containers.
    containers: Writer,
}

impl<W: Write> Printer<W> {
    /// Writes the header, if there is one.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new(mut out: W, format: FormatArg, top: Option<usize>, names: bool) -> io::Result<Self> {
        if format == FormatArg::Csv {
            csv(&mut out, &COLUMNS, &[])?;
        }
        let top = top.unwrap_or(TABLE_ROWS);
        let (largest, kept) = Default::default();
        let containers = Writer::new(WriterSettings::file());
        Ok(Self { out, format, names, top, records: 0, largest, kept, containers })
    }

    /// Writes or keeps a flow.
    ///
    /// # Errors
    /// What `out` says.
    pub fn flow(&mut self, flow: &Flow) -> io::Result<()> {
        self.records += 1;
        match self.format {
            FormatArg::Table => {
                self.largest.push(Reverse((flow.total().bytes, Reverse(self.records))));
                self.kept.insert(self.records, flow.clone());
                if self.largest.len() > self.top
                    && let Some(Reverse((_, Reverse(record)))) = self.largest.pop()
                {
                    self.kept.remove(&record);
                }
                Ok(())
            }
            FormatArg::Json => {
                serde_json::to_writer(&mut self.out, &flow.row())?;
                self.out.write_all(b"\n")
            }
            FormatArg::Csv => csv_rows(&mut self.out, &[csv_row(flow.row())]),
            FormatArg::Nmsg => {
                let time = flow.first.unwrap_or_default().0;
                let (seconds, nanos) = (time.div_euclid(1_000_000_000), time.rem_euclid(1_000_000_000));
                let payload = ipconn(flow).to_payload(seconds, u32::try_from(nanos).unwrap_or_default());
                self.containers.push(payload).map_err(io::Error::other)?;
                self.write_containers()
            }
        }
    }

    /// Writes the table, and tells how many records there were.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        if self.format == FormatArg::Table {
            let largest = std::mem::take(&mut self.largest).into_sorted_vec();
            let rows: Vec<Vec<String>> = largest
                .into_iter()
                .filter_map(|Reverse((_, Reverse(record)))| self.kept.remove(&record))
                .map(|flow| table_row(flow, self.names))
                .collect();
            let mut columns = TABLE_COLUMNS.to_vec();
            if self.names {
                columns.push(Column::new("NAME").cut().leaves(1));
            }
            table::write(&mut self.out, Screen::stdout(), &columns, &rows)?;
            let more = self.records - rows.len() as u64;
            if more > 0 {
                writeln!(self.out, "and {} more {}: see --top", group(more), noun(more, "flow", "flows"))?;
            }
        }
        self.out.flush()?;
        Ok(self.records)
    }

    /// Makes sure that what was written is seen.
    ///
    /// # Errors
    /// What `out` says.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.format == FormatArg::Nmsg {
            self.containers.flush();
            self.write_containers()?;
        }
        self.out.flush()
    }

    fn write_containers(&mut self) -> io::Result<()> {
        while let Some(container) = self.containers.pop() {
            self.out.write_all(&container)?;
        }
        Ok(())
    }
}

/// An end of a flow, like `10.0.0.1:53`, `[2001:db8::1]:53`, or the address alone.
fn end(proto: Proto, address: IpAddr, port: u16) -> String {
    match address {
        _ if !proto.has_ports() => address.to_string(),
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    }
}

/// The 5-tuple of a flow as NMSG has it.
fn ipconn(flow: &Flow) -> IpConn {
    let tuple = flow.tuple;
    IpConn {
        proto: Some(u32::from(tuple.proto.0)),
        srcip: Some(tuple.src),
        srcport: Some(u32::from(tuple.sport)),
        dstip: Some(tuple.dst),
        dstport: Some(u32::from(tuple.dport)),
    }
}

fn table_row(flow: Flow, names: bool) -> Vec<String> {
    let tuple = flow.tuple;
    let lasted = flow.first.zip(flow.last).map(|(first, last)| last.saturating_since(first).as_secs_f64());
    let mut row = vec![
        tuple.proto.to_string(),
        end(tuple.proto, tuple.src, tuple.sport),
        end(tuple.proto, tuple.dst, tuple.dport),
        group(flow.sent.packets),
        group(flow.sent.bytes),
        group(flow.received.packets),
        group(flow.received.bytes),
        flow.first.map(second).unwrap_or_default(),
        lasted.map(|seconds| format!("{seconds:.1}")).unwrap_or_default(),
        flow.layer7.map(|layer7| layer7.name().to_owned()).unwrap_or_default(),
    ];
    if names {
        row.push(flow.name.as_deref().map(cut).unwrap_or_default());
    }
    row
}

fn csv_row(row: wire::FlowRow) -> Vec<String> {
    let time = |time: Option<crate::UnixNanos>| time.map(|time| time.to_string()).unwrap_or_default();
    vec![
        row.proto,
        row.src.to_string(),
        row.src_port.to_string(),
        row.dst.to_string(),
        row.dst_port.to_string(),
        row.packets_out.to_string(),
        row.bytes_out.to_string(),
        row.packets_in.to_string(),
        row.bytes_in.to_string(),
        time(row.first_time),
        time(row.last_time),
        row.tcp_flags_out,
        row.tcp_flags_in,
        row.layer7.unwrap_or_default(),
        row.layer7_info.unwrap_or_default(),
        row.part.to_string(),
        row.end,
    ]
}

/// What became of all packets, for a sentence.
pub struct Totalled<'a> {
    /// Each packet in its class.
    pub totals: &'a Totals,
    /// Flows that gave way.
    pub evicted: u64,
    /// Records that were made.
    pub records: u64,
}

impl Totalled<'_> {
    /// What is in no flow, and whether flows were parted for want of room; nothing where all is well.
    pub fn sentence(&self) -> Option<String> {
        let Totals { captured, aggregated, flows, .. } = *self.totals;
        let others = self.totals.classes().into_iter().skip(1).filter(|(_, sum)| sum.packets > 0);
        let others = others.map(|(class, sum)| format!("{} {}", group(sum.packets), words(class)));
        let others = and_more(others, usize::MAX);
        if others.is_empty() && self.evicted == 0 {
            return None;
        }
        let packets = captured.packets + aggregated;
        let mut said = format!(
            "{} of {} {} are in {} {}",
            group(flows.packets),
            group(packets),
            noun(packets, "packet", "packets"),
            group(self.records),
            noun(self.records, "record of a flow", "records of flows")
        );
        if !others.is_empty() {
            said += &format!("; in none: {others}");
        }
        if self.evicted > 0 {
            said += &format!("; {} gave way to others before they ended: see --max-flows", group(self.evicted));
        }
        Some(said)
    }
}

fn words(class: &str) -> &str {
    match class {
        "not_ip" => "not IP",
        "protected" => "protected",
        "bad_fcs" => "with a wrong check sequence",
        "malformed" => "malformed",
        "cut" => "cut before the ports",
        "fragments" => "later fragments without their first",
        other => other,
    }
}
