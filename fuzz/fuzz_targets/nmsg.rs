//! NMSG as a stream and as datagrams: whatever is handed out can be shown, and written again to be read as the same.
#![no_main]

use airtally::nmsg::{Limits, Payload, Reader, Writer, WriterSettings, five_tuple, text};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

fuzz_target!(|input: &[u8]| {
    let [choice, rest @ ..] = input else { return };
    let limits = Limits { body: 1 << 16, fragments: 1 << 14, ..Limits::default() };
    let mut reader = Reader::new(limits);
    let mut payloads = Vec::new();
    if choice & 1 == 0 {
        for piece in rest.chunks(1 + usize::from(*choice)) {
            reader.push(piece);
            payloads.extend(std::iter::from_fn(|| reader.next_payload()));
        }
        reader.end();
        payloads.extend(std::iter::from_fn(|| reader.next_payload()));
    } else {
        // Datagrams between marks that nothing else makes likely.
        for (at, datagram) in rest.split(|&octet| octet == 0xee).enumerate() {
            reader.datagram(datagram, at as u64 & 1, Duration::from_secs(at as u64));
            payloads.extend(std::iter::from_fn(|| reader.next_payload()));
        }
    }
    assert_eq!(reader.counts().payloads, payloads.len() as u64);
    for payload in &payloads {
        let mut out = Vec::new();
        let shown = text::presentation(payload, &mut out);
        out.clear();
        assert_eq!(text::json(payload, &mut out), shown);
        assert!(out.is_empty() || is_one_object(&out));
        let _ = five_tuple(payload);
    }
    let most = 512 + usize::from(*choice) * 8;
    let settings = WriterSettings { most, zlib: choice & 2 != 0, ..WriterSettings::socket(u64::from(*choice)) };
    let again = round_trip(&payloads, settings);
    assert_eq!(again, payloads);
});

fn is_one_object(line: &[u8]) -> bool {
    std::str::from_utf8(line)
        .is_ok_and(|line| line.starts_with('{') && line.ends_with("}\n") && line.matches(char::from(10)).count() == 1)
}

fn round_trip(payloads: &[Payload], settings: WriterSettings) -> Vec<Payload> {
    let mut writer = Writer::new(settings);
    for payload in payloads {
        writer.push(payload.clone()).expect("what was read can be written");
    }
    writer.flush();
    let mut reader = Reader::default();
    let mut again = Vec::new();
    while let Some(datagram) = writer.pop() {
        assert!(datagram.len() <= settings.most);
        reader.datagram(&datagram, 0, Duration::ZERO);
        again.extend(std::iter::from_fn(|| reader.next_payload()));
    }
    assert!(reader.counts().is_clean());
    again
}
