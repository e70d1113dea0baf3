//! Packets of any link type, one after the other: each is counted once, and the table keeps its bound.
#![no_main]

use airtally::{
    UnixNanos,
    dot11::{LinkType, Reading},
    flow::{Meter, Settings},
};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

const LINKS: [u16; 18] = [1, 127, 105, 192, 119, 163, 113, 276, 101, 12, 14, 228, 229, 0, 9, 50, 104, 108];
const MOST: usize = 4;

fuzz_target!(|input: &[u8]| {
    let [choice, behind @ ..] = input else { return };
    let mut rest = behind;
    let link = LinkType(LINKS[usize::from(*choice) % LINKS.len()]);
    let (idle, active) = (Some(Duration::from_secs(3)), Some(Duration::from_secs(9)));
    let mut meter = Meter::new(Settings { max_flows: MOST, idle, active, names: true });
    let (mut packets, mut second) = (0, 0);
    let mut told = |flow: airtally::flow::Flow| packets += flow.total().packets;
    // A length and a step in time before each packet.
    while let [len, step, behind @ ..] = rest {
        let (packet, after) = behind.split_at(behind.len().min(usize::from(*len)));
        second += i64::from(*step) - 64;
        let original_len = packet.len() as u32 + u32::from(*step % 2);
        meter.packet(UnixNanos::new(second, 0), link, packet, original_len, Reading::default(), &mut told);
        assert!(meter.flows() <= MOST);
        rest = after;
    }
    meter.finish(&mut told);
    assert!(meter.totals().add_up());
    assert_eq!(packets, meter.totals().flows.packets);
});
