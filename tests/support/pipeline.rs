//! The two daemons around a broker: their configurations in a directory of the test's own.

use super::program::{Daemon, airtally};
use airtally::config::{Ingest, Sensor};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A sensor's configuration that replays `capture` as fast as it can, with everything below `dir`.
pub fn sensor(dir: &Path, name: &str, port: u16, capture: &Path) -> Sensor {
    let mut config = Sensor::default();
    let home = dir.join(name);
    config.site = "test".into();
    config.sensor = name.into();
    config.source.kind = airtally::config::SourceKind::File;
    config.source.file = capture.to_owned();
    config.source.pace = airtally::config::Pace::Fast;
    config.oui.cache = dir.join("oui.sqlite");
    config.spool.runtime_dir = home.join("run");
    config.spool.state_dir = home.join("state");
    config.mqtt.host = "127.0.0.1".into();
    config.mqtt.port = Some(port);
    config.mqtt.max_backoff = std::time::Duration::from_secs(1);
    config
}

/// An ingest's configuration without a sink, with everything below `dir`.
pub fn ingest(dir: &Path, port: u16) -> Ingest {
    let mut config = Ingest::default();
    config.name = "test-ingest".into();
    config.spool.state_dir = dir.join("ingest");
    config.mqtt.host = "127.0.0.1".into();
    config.mqtt.port = Some(port);
    config.mqtt.max_backoff = std::time::Duration::from_secs(1);
    config
}

/// Adds the SQLite history below `dir`; returns its path.
pub fn with_history(config: &mut Ingest, dir: &Path) -> PathBuf {
    let path = dir.join("history.sqlite");
    config.sqlite = Some(airtally::config::Sqlite {
        path: path.clone(),
        retention: std::time::Duration::from_secs(86_400 * 36_500),
        max_bytes: airtally::config::units::Bytes(4 << 30),
    });
    path
}

/// Writes a configuration as TOML; returns its path.
pub fn write<C: serde::Serialize>(dir: &Path, name: &str, config: &C) -> PathBuf {
    let path = dir.join(format!("{name}.toml"));
    fs::write(&path, toml::to_string(config).expect("a configuration as TOML")).expect("a configuration file");
    path
}

/// Starts `airtally sensor`.
pub fn start_sensor(dir: &Path, config: &Sensor) -> Daemon {
    for path in [&config.spool.runtime_dir, &config.spool.state_dir] {
        fs::create_dir_all(path).expect("a spool directory");
    }
    let file = write(dir, &config.sensor, config);
    let log = dir.join(format!("{}.log", config.sensor));
    Daemon::start(&config.sensor, airtally().arg("sensor").arg("--config").arg(file), &log)
}

/// Starts `airtally ingest`.
pub fn start_ingest(dir: &Path, config: &Ingest) -> Daemon {
    fs::create_dir_all(&config.spool.state_dir).expect("a spool directory");
    let file = write(dir, &config.name, config);
    let log = dir.join(format!("{}.log", config.name));
    Daemon::start(&config.name, airtally().arg("ingest").arg("--config").arg(file), &log)
}
