//! A configuration file: it is a configuration, or what is wrong with it is said.
#![no_main]

use airtally::config;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for error in [
        config::parse_sensor(Path::new("sensor.toml"), text).err(),
        config::parse_ingest(Path::new("ingest.toml"), text).err(),
    ]
    .into_iter()
    .flatten()
    {
        assert!(!error.to_string().is_empty());
    }
});
