//! The two daemons around a broker, all in a directory of the test's own, and what must come out at the end.

use super::{
    broker::Broker,
    corpus::Corpus,
    program::{Daemon, airtally, tail},
    synth::{self, tally::Tally},
    synthesise, temp_dir,
};
use airtally::{
    Mac,
    config::{Influx, InfluxApi, Ingest, Pace, Sensor, SourceKind, Sqlite},
    units::Bytes,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// IEEE 802.11 bare, and with prism, radiotap and PPI headers.
pub const WIRELESS: [u16; 4] = [105, 119, 127, 192];

/// A broker that keeps everything for a client that is away, and its disk up to date.
pub const PERSISTENT: &str = "persistence true\nautosave_interval 1\nmax_queued_messages 0\n";

/// A capture and what an independent count of it says.
#[derive(Clone)]
pub struct Expected {
    /// The sensor that replays it.
    pub sensor: String,
    /// The capture.
    pub path: PathBuf,
    /// Packets in it.
    pub frames: u64,
    /// Good frames by individual transmitter.
    pub stations: BTreeMap<Mac, u64>,
    /// Frames with a group address as transmitter.
    pub group_ta: u64,
}

impl Expected {
    /// What the generator meant.
    pub fn synthetic(sensor: &str, path: PathBuf, tally: &Tally) -> Self {
        let stations = tally.stations.iter().map(|(mac, station)| (Mac(*mac), station.frames_sent)).collect();
        Self { sensor: sensor.into(), path, frames: tally.frames, stations, group_ta: tally.group_ta }
    }

    /// Good frames of all individual transmitters.
    pub fn station_frames(&self) -> u64 {
        self.stations.values().sum()
    }

    /// Those of randomised addresses.
    pub fn randomised(&self) -> u64 {
        self.stations.iter().filter(|(mac, _)| mac.is_randomised()).map(|(_, frames)| frames).sum()
    }
}

/// Every wireless capture of the corpus, and captures of our own: a sensor each.
pub fn expectations(dir: &Path) -> Vec<Expected> {
    let mut all = Vec::new();
    if let Some(corpus) = Corpus::find() {
        for (index, entry) in corpus.of_link_types(&WIRELESS).into_iter().enumerate() {
            let truth = corpus.truth(entry);
            all.push(Expected {
                sensor: format!("c{index:03}"),
                path: corpus.path(entry),
                frames: entry.frames,
                stations: truth.stations(),
                group_ta: truth.group_transmitters(),
            });
        }
        assert!(all.len() > 90, "the corpus has {} wireless captures", all.len());
    } else {
        eprintln!("there is no corpus: synthetic captures alone");
    }
    for seed in 1..=3 {
        let options = synth::Options { seed, frames: 8_000, plant: true, ..synth::Options::default() };
        let (path, tally) = synthesise(dir, &options);
        all.push(Expected::synthetic(&format!("synth-{seed}"), path, &tally));
    }
    all
}

/// A sensor's configuration that replays `capture` as fast as it can, with everything below `dir`.
pub fn sensor(dir: &Path, name: &str, port: u16, capture: &Path) -> Sensor {
    let mut config = Sensor::default();
    let home = dir.join(name);
    config.site = "test".into();
    config.sensor = name.into();
    config.source.kind = SourceKind::File;
    config.source.file = capture.to_owned();
    config.source.pace = Pace::Fast;
    config.oui.cache = dir.join("oui.sqlite");
    config.clock.marker = synchronised(dir);
    config.spool.runtime_dir = home.join("run");
    config.spool.state_dir = home.join("state");
    config.mqtt.host = "127.0.0.1".into();
    config.mqtt.port = Some(port);
    config.mqtt.max_backoff = Duration::from_secs(1);
    config
}

/// The file that says that the clock is right: of this machine's it is assumed.
pub fn synchronised(dir: &Path) -> PathBuf {
    let marker = dir.join("synchronized");
    fs::write(&marker, "").expect("a file in the test's own directory");
    marker
}

/// An ingest's configuration without a sink, with everything below `dir`.
pub fn ingest(dir: &Path, port: u16) -> Ingest {
    let mut config = Ingest::default();
    config.name = "test-ingest".into();
    config.spool.state_dir = dir.join("ingest");
    // As in use, and soon enough for whoever waits for it.
    config.spool.commit_within = Duration::from_millis(300);
    config.mqtt.host = "127.0.0.1".into();
    config.mqtt.port = Some(port);
    config.mqtt.max_backoff = Duration::from_secs(1);
    // Tests run beside each other, and there is one port 8780.
    config.web.enabled = false;
    config
}

/// The SQLite history below `dir`, unbounded for a test's purposes.
pub fn history(dir: &Path) -> Sqlite {
    Sqlite {
        path: dir.join("history.sqlite"),
        retention: Some(Duration::from_secs(86_400 * 36_500)),
        max_bytes: Bytes(4 << 30),
        commit_within: Duration::from_millis(300),
        ..Sqlite::default()
    }
}

/// An InfluxDB 1.x database.
pub fn influx_v1(url: &str, db: &str) -> Influx {
    Influx {
        name: "influx".into(),
        api: InfluxApi::V1,
        url: url.into(),
        org: None,
        bucket: None,
        token_file: None,
        db: Some(db.into()),
        user: None,
        password_file: None,
        ca_file: None,
        timeout: Duration::from_secs(20),
        refill: Duration::from_secs(60),
        max_series: None,
    }
}

/// A bucket of the v2 API.
pub fn influx_v2(url: &str) -> Influx {
    let (org, bucket) = (Some("home".into()), Some("airtally".into()));
    Influx { api: InfluxApi::V2, org, bucket, db: None, ..influx_v1(url, "") }
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

/// Broker and ingest, running, and sensors as they are asked for.
pub struct Rig {
    /// Where everything is.
    pub dir: tempfile::TempDir,
    /// The broker.
    pub broker: Broker,
    /// Ingest's configuration.
    pub config: Ingest,
    /// Ingest.
    pub ingest: Daemon,
}

impl Rig {
    /// Starts a broker, and an ingest with the sinks that `sinks` adds.
    pub fn start(sinks: impl FnOnce(&Path, &mut Ingest)) -> Self {
        let dir = temp_dir();
        let broker = Broker::start(PERSISTENT);
        let mut config = ingest(dir.path(), broker.port);
        sinks(dir.path(), &mut config);
        let ingest = start_ingest(dir.path(), &config);
        Self { dir, broker, config, ingest }
    }

    /// With a SQLite history, whose path comes along.
    pub fn with_history() -> (Self, PathBuf) {
        let rig = Self::start(|dir, config| config.sqlite = Some(history(dir)));
        let path = history(rig.path()).path;
        (rig, path)
    }

    /// Starts ingest again, after it was killed or stopped.
    pub fn restart_ingest(&mut self) {
        self.ingest = start_ingest(self.dir.path(), &self.config);
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A sensor's configuration in this rig.
    pub fn sensor(&self, name: &str, capture: &Path) -> Sensor {
        sensor(self.path(), name, self.broker.port, capture)
    }

    /// Replays captures, four at a time, each by a sensor of its own that must end well.
    pub fn replay(&self, captures: &[Expected], adjust: impl Fn(&mut Sensor) + Sync) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some(capture) = captures.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut config = self.sensor(&capture.sensor, &capture.path);
                        adjust(&mut config);
                        start_sensor(self.path(), &config).succeed(Duration::from_secs(120));
                    }
                });
            }
        });
    }

    /// Replays one frame by a sensor named `name`: when it is stored, so is everything that was published before,
    /// because broker and ingest keep the order.
    pub fn replay_mark(&self, name: &str) {
        let (path, tally) = synthesise(self.path(), &synth::Options { frames: 1, ..synth::Options::default() });
        self.replay(&[Expected::synthetic(name, path, &tally)], |_| ());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of mosquitto ---\n{}", tail(&self.broker.log(), 4000));
        }
    }
}
