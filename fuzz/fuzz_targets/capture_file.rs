//! A capture file, whole or hostile: it is read, and each packet has facts, or it is refused with one sentence.
#![no_main]

use airtally::{
    capture::{Polled, Source},
    dot11,
};
use libfuzzer_sys::fuzz_target;
use std::io::Cursor;

/// What the first octet of the input puts in front of the rest, so that the fuzzer need not find magic numbers.
const HEADS: [&[u8]; 4] = [
    b"",
    b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x7f\0\0\0",
    b"\xa1\xb2\x3c\x4d\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\x04\0\0\0\0\x69",
    b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0\
      \x01\0\0\0\x14\0\0\0\x7f\0\0\0\0\0\x04\0\x14\0\0\0",
];

fuzz_target!(|input: &[u8]| {
    let [choice, rest @ ..] = input else { return };
    let file = [HEADS[usize::from(*choice) % HEADS.len()], rest].concat();
    let octets = file.len();
    let mut source = match Source::from_reader(Box::new(Cursor::new(file)), "input") {
        Ok(source) => source,
        Err(error) => return assert!(!error.to_string().contains('\n')),
    };
    let (mut handed, mut polls) = (0, 0);
    loop {
        polls += 1;
        assert!(polls < 1_000_000, "a file that does not end");
        match source.poll(&mut |packet| {
            handed += 1;
            let _ = dot11::parse(packet.link, packet.data, packet.original_len);
        }) {
            Ok(Polled::End) => break,
            Ok(_) => {}
            Err(error) => return assert!(!error.to_string().contains('\n')),
        }
    }
    // Compressed files may hold more packets than they have octets; these inputs are too short to begin like one
    // behind a head.
    assert!(usize::from(*choice) % HEADS.len() == 0 || handed * 16 <= octets);
});
