//! A payload from the broker: it is a record that survives being written and read again, or it is refused.
#![no_main]

use airtally::wire::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(record) = Record::decode(input) {
        let written = record.encode();
        let again = Record::decode(&written).expect("what was written is read");
        assert_eq!(again.encode(), written);
    }
});
