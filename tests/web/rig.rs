//! An ingest with a web server and a history that is known, and ways to ask it.

use crate::{
    records::{simple, tracked},
    support::{
        free_port,
        program::{Daemon, airtally, small_registry, text},
        temp_dir, wait_for,
    },
};
use airtally::{
    Mac, UnixNanos, config,
    sink::{Sink, Sqlite},
    wire::{Address, Batch, Capture, Channel, GAP_SCHEMA, Gap, GapReason, Record, Role, Station},
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

/// Half a minute: for what takes a moment.
pub const SOON: Duration = Duration::from_secs(30);
pub const SECOND: i64 = 1_000_000_000;
/// Nobody sends this name by chance: where it shows, something private has leaked.
pub const SECRET: &str = "Kestrel-Private-Net";

/// A running ingest.
pub struct Web {
    pub dir: tempfile::TempDir,
    pub daemon: Daemon,
    pub address: SocketAddr,
}

impl Web {
    /// With these lines under `[web]`, the history of [`house`], and no broker.
    pub fn start(lines: &str) -> Self {
        Self::with(&house(), free_port(), lines)
    }

    /// With this history, and the broker at this port.
    pub fn with(records: &[Record], broker: u16, lines: &str) -> Self {
        let dir = temp_dir();
        store(dir.path(), records);
        let address = if lines.contains("listen =") { "" } else { "listen = \"127.0.0.1:0\"\n" };
        configure(dir.path(), broker, &format!("{address}{lines}"));
        let mut daemon = run(dir.path());
        let address = wait_for("the server listens", SOON, || {
            let log = daemon.log();
            assert!(daemon.ended().is_none(), "{log}");
            let line = log.lines().find(|line| line.contains("serving the "))?;
            line.split("address=").nth(1)?.trim().parse::<SocketAddr>().ok()
        });
        // What listens everywhere is asked here.
        Self { dir, daemon, address: SocketAddr::from(([127, 0, 0, 1], address.port())) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The whole answer of `curl` with `arguments`, where `{}` is the server's address.
    pub fn curl(&self, arguments: &[&str]) -> String {
        let arguments = arguments.iter().map(|argument| argument.replace("{}", &self.url("")));
        let output = Command::new("curl").args(["-si", "--max-time", "20"]).args(arguments).output().expect("curl");
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap().replace('\r', "")
    }

    /// The status that `GET path` gets with these headers.
    pub fn status(&self, path: &str, headers: &[&str]) -> u16 {
        status(&self.get(path, headers))
    }

    /// The answer to `GET path` with these headers.
    pub fn get(&self, path: &str, headers: &[&str]) -> String {
        let url = self.url(path);
        let mut arguments = vec!["--path-as-is", &url];
        for header in headers {
            arguments.extend(["-H", header]);
        }
        self.curl(&arguments)
    }

    /// The JSON of `GET path`, which must succeed.
    pub fn json(&self, path: &str) -> serde_json::Value {
        let answer = self.get(path, &[]);
        assert_eq!(status(&answer), 200, "{path}: {answer}");
        serde_json::from_str(body(&answer)).unwrap()
    }

    /// A connection.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    /// What comes back for these octets, until the server closes.
    pub fn raw(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A configuration in `dir`.
pub fn configure(dir: &Path, broker: u16, web: &str) {
    let at = |name: &str| dir.join(name).display().to_string();
    let text = format!(
        "[mqtt]\nhost = \"127.0.0.1\"\nport = {broker}\n[spool]\nstate_dir = \"{}\"\ncommit_within = \"0s\"\n[sqlite]\n\
         path = \"{}\"\nretention = \"99years\"\n[web]\noui_cache = \"{}\"\n{web}",
        at("state"),
        at("history.sqlite"),
        small_registry().display(),
    );
    fs::write(dir.join("ingest.toml"), text).unwrap();
}

/// The daemon with the configuration in `dir`.
pub fn run(dir: &Path) -> Daemon {
    let mut command = airtally();
    command.arg("ingest").arg("--config").arg(dir.join("ingest.toml"));
    Daemon::start("ingest", &mut command, &dir.join("log"))
}

pub fn store(dir: &Path, records: &[Record]) {
    let config = config::Sqlite {
        path: dir.join("history.sqlite"),
        retention: Some(Duration::from_secs(86_400 * 36_000)),
        ..config::Sqlite::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(Sqlite::open(&config).unwrap().store(records)).unwrap();
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {answer}"))
}

pub fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\n\n")?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

pub fn body(answer: &str) -> &str {
    answer.split_once("\n\n").map_or("", |(_, body)| body)
}

/// The paths of what is private.
pub const PRIVATE: [&str; 13] = [
    "/",
    "/history",
    "/stations",
    "/stations/b8:27:eb:00:00:01",
    "/networks",
    "/sensors?format=csv&table=sensors",
    "/api/v1/sensors",
    "/api/v1/stations",
    "/api/v1/networks",
    "/api/v1/windows",
    "/api/v1/gaps",
    "/api/v1/channels?step=1m",
    "/events",
];

/// Today's first whole ten seconds of the minute that was ten minutes ago.
pub fn start() -> UnixNanos {
    UnixNanos(UnixNanos::now().0 - 600 * SECOND).align_down(Duration::from_secs(60))
}

pub fn mac(number: u64) -> Address {
    Address::Mac(Mac::from_u64(0xb827_eb00_0000 | number))
}

/// Window `seq` of `sensor` after `start`: ten seconds, of which nine were listened; an access point that sends 7 frames, and
/// `stations` others that send `seq + 1` frames each.
pub fn window(sensor: &str, start: UnixNanos, seq: u64, stations: u64) -> Batch {
    let mut batch = simple("home", sensor, seq, tracked(1, 7));
    batch.start = UnixNanos(start.0 + i64::try_from(seq).unwrap() * 10 * SECOND);
    batch.end = UnixNanos(batch.start.0 + 10 * SECOND);
    let access_point = Station {
        mac: mac(1),
        role: Role::AccessPoint,
        ssids: vec![SECRET.into()],
        bssid: Some(mac(1)),
        channel: Some(6),
        width_mhz: Some(20),
        security: Some("WPA2".into()),
        ..tracked(1, 7)
    };
    let client = |n: u64| Station { mac: mac(n), role: Role::Client, bssid: Some(mac(1)), ..tracked(n, seq + 1) };
    batch.stations = std::iter::once(access_point).chain((2..2 + stations).map(client)).collect();
    for station in &mut batch.stations {
        (station.first_seen, station.last_seen) = (batch.start, UnixNanos(batch.end.0 - 1));
    }
    let frames = batch.stations.iter().map(|station| station.frames_sent).sum();
    batch.capture = Some(Capture { frames, station_frames: frames, ..Capture::default() });
    batch.channels = vec![Channel { freq_mhz: 2_437, listened_ms: Some(9_000), frames, bytes: frames * 100 }];
    batch
}

/// Attic has 30 windows of 12 stations beside the access point, and lost the 31st; cellar has 6 windows of 2.
pub fn house() -> Vec<Record> {
    let start = start();
    let attic = (0..30).map(|seq| window("attic", start, seq, 12));
    let cellar = (0..6).map(|seq| window("cellar", start, seq, 2));
    let gap = Gap {
        schema: GAP_SCHEMA.into(),
        site: "home".into(),
        sensor: "attic".into(),
        run: uuid::Uuid::from_u128(7),
        reason: GapReason::Crash,
        first_seq: 30,
        last_seq: None,
        start: UnixNanos(start.0 + 300 * SECOND),
        end: UnixNanos(start.0 + 310 * SECOND),
        frames: Some(99),
        detail: None,
        stamping: None,
        ingest: None,
        withdrawn: false,
    };
    attic.chain(cellar).map(|batch| Record::Batch(Box::new(batch))).chain([Record::Gap(gap)]).collect()
}
