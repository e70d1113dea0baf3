//! The flows of the packets that a sensor counts, a window at a time: what has ended, what goes on for long, and what became of
//! every packet. Pure: the time comes in with packets and windows.

use crate::{
    UnixNanos,
    capture::Packet,
    config,
    dot11::Reading,
    flow::{Flow, Meter, Proto, Sum, Totals},
    wire::{FlowContents, FlowRow, FlowSum, Metered, PacketSum, PortClass},
};
use std::collections::BTreeMap;

/// First of the ports that IANA assigns to users, and first of those that it assigns to nobody (RFC 6335, section 6).
const USER: u16 = 1_024;
const DYNAMIC: u16 = 49_152;

/// Meters packets, and tells of them window by window.
pub struct FlowWindows {
    meter: Meter,
    gathered: Gathered,
    /// What was told already.
    totals: Totals,
    evicted: u64,
}

impl FlowWindows {
    /// Before the first packet; nothing where flows are not enabled.
    #[must_use]
    pub fn new(config: &config::Flows) -> Option<Self> {
        config.enabled.then(|| Self {
            meter: Meter::new(config.settings()),
            gathered: Gathered { most: config.max_records, ..Gathered::default() },
            totals: Totals::default(),
            evicted: 0,
        })
    }

    /// A packet of the open window, at `time`.
    #[inline]
    pub fn packet(&mut self, time: UnixNanos, packet: &Packet<'_>, reading: Reading) {
        let Self { meter, gathered, .. } = self;
        meter.packet(time, packet.link, packet.data, packet.original_len, reading, &mut |flow| gathered.add(&flow));
    }

    /// The window that ends at `end` is over; `last` where no packet comes any more, and all flows end.
    pub fn window(&mut self, end: UnixNanos, last: bool) -> FlowContents {
        let Self { meter, gathered, .. } = self;
        if last {
            meter.finish(&mut |flow| gathered.add(&flow));
        } else {
            meter.sweep(end, &mut |flow| gathered.add(&flow));
        }
        let (totals, evicted) = (*self.meter.totals(), self.meter.evicted());
        let Gathered { rows, sums, left_out, .. } = self.gathered.take();
        let metered = Metered {
            evicted: evicted - self.evicted,
            going_on: if last { 0 } else { self.meter.flows() as u64 },
            left_out,
            ..since(&totals, &self.totals)
        };
        (self.totals, self.evicted) = (totals, evicted);
        FlowContents { metered, sums: sums.into_values().collect(), rows }
    }
}

/// Records of the open window.
#[derive(Default)]
struct Gathered {
    most: usize,
    rows: Vec<FlowRow>,
    sums: BTreeMap<(&'static str, PortClass), FlowSum>,
    left_out: u64,
}

impl Gathered {
    fn add(&mut self, flow: &Flow) {
        let (proto, ports) = (proto(flow.tuple.proto), ports(flow));
        let sum = self.sums.entry((proto, ports)).or_insert_with(|| FlowSum {
            proto: proto.to_owned(),
            ports,
            records: 0,
            packets_out: 0,
            bytes_out: 0,
            packets_in: 0,
            bytes_in: 0,
        });
        sum.records += 1;
        sum.packets_out += flow.sent.packets;
        sum.bytes_out += flow.sent.bytes;
        sum.packets_in += flow.received.packets;
        sum.bytes_in += flow.received.bytes;
        if self.rows.len() < self.most {
            self.rows.push(flow.row());
        } else {
            self.left_out += 1;
        }
    }

    fn take(&mut self) -> Self {
        std::mem::replace(self, Self { most: self.most, ..Self::default() })
    }
}

/// Protocols that are told apart in sums: few, whatever is sent.
const fn proto(proto: Proto) -> &'static str {
    match proto {
        Proto::TCP => "tcp",
        Proto::UDP => "udp",
        Proto::SCTP => "sctp",
        Proto::ICMP => "icmp",
        Proto::ICMP6 => "icmp6",
        _ => "other",
    }
}

fn ports(flow: &Flow) -> PortClass {
    match flow.tuple.sport.min(flow.tuple.dport) {
        _ if !flow.tuple.proto.has_ports() => PortClass::None,
        ..USER => PortClass::System,
        USER..DYNAMIC => PortClass::User,
        DYNAMIC.. => PortClass::Dynamic,
    }
}

/// What was added since `before`.
fn since(now: &Totals, before: &Totals) -> Metered {
    let sum =
        |now: Sum, before: Sum| PacketSum { packets: now.packets - before.packets, bytes: now.bytes - before.bytes };
    Metered {
        captured: sum(now.captured, before.captured),
        aggregated: now.aggregated - before.aggregated,
        in_flows: sum(now.flows, before.flows),
        not_ip: sum(now.not_ip, before.not_ip),
        protected: sum(now.protected, before.protected),
        bad_fcs: sum(now.bad_fcs, before.bad_fcs),
        malformed: sum(now.malformed, before.malformed),
        cut: sum(now.cut, before.cut),
        fragments: sum(now.fragments, before.fragments),
        ..Metered::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::dot11::{LinkType, Told};
    use proptest::prelude::*;

    /// A UDP packet of 28 octets.
    fn udp(src: u8, sport: u16) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, src, 10, 0, 0, 200];
        packet.extend(sport.to_be_bytes());
        packet.extend([0xff, 0xff, 0, 8, 0, 0]);
        packet
    }

    fn seconds(seconds: u64) -> UnixNanos {
        UnixNanos::new(i64::try_from(seconds).unwrap(), 0)
    }

    proptest! {
        /// Whatever comes, and however few records a window may have: all packets in flows are in the sums of some window.
        #[test]
        fn nothing_is_lost_between_windows(
            packets in prop::collection::vec((1u8..20, 0u16..3, 0u64..200), 1..200),
            most in 1usize..10,
        ) {
            let config = config::Flows { enabled: true, max_flows: 8, max_records: most, ..config::Flows::default() };
            let mut flows = FlowWindows::new(&config).unwrap();
            let mut packets = packets;
            packets.sort_by_key(|(.., time)| *time);
            let (mut windows, mut end) = (Vec::new(), 10);
            for (src, port, time) in &packets {
                while *time >= end {
                    windows.push(flows.window(seconds(end), false));
                    end += 10;
                }
                let data = udp(*src, [53, 5_000, 60_000][usize::from(*port)]);
                let packet = Packet {
                    time: seconds(*time),
                    link: LinkType::RAW,
                    data: &data,
                    original_len: 28,
                    told: Told::default(),
                    mended: false,
                };
                flows.packet(packet.time, &packet, Reading::default());
            }
            windows.push(flows.window(seconds(end), true));
            let all = packets.len() as u64;
            let of = |count: fn(&FlowContents) -> u64| windows.iter().map(count).sum::<u64>();
            prop_assert_eq!(of(|window| window.metered.captured.packets), all);
            prop_assert_eq!(of(|window| window.metered.in_flows.bytes), 28 * all);
            prop_assert_eq!(of(|window| window.sums.iter().map(|sum| sum.packets_out + sum.packets_in).sum()), all);
            let records = of(|window| window.sums.iter().map(|sum| sum.records).sum());
            prop_assert_eq!(of(|window| window.rows.len() as u64 + window.metered.left_out), records);
            prop_assert!(windows.iter().all(|window| window.rows.len() <= most));
        }
    }
}
