//! A vendor registry file: it is read whole, or what is wrong with it is said; no name can steer a terminal, and every
//! prefix that was read is found again.
#![no_main]

use airtally::oui::{Registry, store::{merge::merge, source::Source}};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    match Source::parse("fuzz", input.to_vec()) {
        Err(problem) => assert!(!problem.is_empty()),
        Ok(source) => {
            for row in &source.parsed.entries {
                for name in [&row.short, &row.organisation, &row.address].into_iter().flatten() {
                    assert!(!name.chars().any(char::is_control));
                }
            }
            let registry = Registry::new(&merge(&[source.clone()]));
            for row in &source.parsed.entries {
                let found = registry.lookup(airtally::Mac::from_u64(row.prefix.last()));
                assert!(found.is_some_and(|entry| entry.prefix.bits() >= row.prefix.bits()));
            }
        }
    }
});
