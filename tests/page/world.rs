//! A broker, an ingest with a page, and what is published by hand: windows, losses, states.

use crate::support::{broker::Broker, free_port, history, pipeline, program::Daemon, temp_dir, wait_until};
use airtally::{
    Mac, UnixNanos,
    config::Ingest,
    wire::{
        Address, BATCH_SCHEMA, Batch, Capture, Channel, GAP_SCHEMA, Gap, GapReason, INFO_SCHEMA, Identity, Info, Role,
        STATUS_SCHEMA, Signal, State, Station, Status, StatusMessage, TimeSource, Vendor, encode,
    },
};
use std::{
    io::Write as _,
    net::TcpStream,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};
use uuid::Uuid;

/// All of it.
pub struct World {
    pub dir: tempfile::TempDir,
    pub broker: Broker,
    pub config: Ingest,
    pub ingest: Daemon,
    pub base: String,
}

impl World {
    /// Starts it, with what `adjust` changes.
    pub fn start(adjust: impl FnOnce(&mut Ingest)) -> Self {
        let dir = temp_dir();
        let broker = Broker::start(pipeline::PERSISTENT);
        let mut config = pipeline::ingest(dir.path(), broker.port);
        config.sqlite = Some(pipeline::history(dir.path()));
        config.web.enabled = true;
        config.web.listen = ([127, 0, 0, 1], free_port()).into();
        config.web.oui_cache = dir.path().join("oui.sqlite");
        adjust(&mut config);
        let ingest = pipeline::start_ingest(dir.path(), &config);
        let base = format!("http://{}", config.web.listen);
        let world = Self { dir, broker, config, ingest, base };
        world.await_page();
        world
    }

    /// Waits until the page is served.
    pub fn await_page(&self) {
        wait_until("the page is served", Duration::from_secs(30), || {
            TcpStream::connect(self.config.web.listen).is_ok()
        });
    }

    /// The history's file.
    pub fn history(&self) -> PathBuf {
        self.config.sqlite.as_ref().expect("a history").path.clone()
    }

    /// What sqlite3, another program, says to a query of the history: fields parted by `|`.
    pub fn sqlite3(&self, sql: &str) -> Vec<Vec<String>> {
        let output = Command::new("sqlite3").arg("-readonly").arg(self.history()).arg(sql).output().expect("sqlite3");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
    }

    /// Publishes messages to a topic of a sensor, in their order.
    pub fn publish(&self, sensor: &str, leaf: &str, messages: &[Vec<u8>]) {
        let retained = matches!(leaf, "status" | "info");
        let mut command = Command::new("mosquitto_pub");
        command.args(["-V", "5", "-q", "1", "-l", "-p", &self.broker.port.to_string()]);
        command.args(["-t", &format!("airtally/home/{sensor}/{leaf}")]).args(retained.then_some("-r"));
        let mut child = command.stdin(Stdio::piped()).spawn().expect("mosquitto_pub");
        let mut input = child.stdin.take().expect("its input");
        for message in messages {
            input.write_all(message).expect("a line");
            input.write_all(b"\n").expect("a line");
        }
        drop(input);
        assert!(child.wait().expect("mosquitto_pub").success());
    }

    /// Publishes windows, and waits until they are in the history.
    pub fn store(&self, sensor: &str, windows: &[Batch]) {
        self.publish(sensor, "batch", &windows.iter().map(encode).collect::<Vec<_>>());
        let last = windows.iter().map(|window| window.end.0).max().expect("a window");
        let sql = format!("SELECT count(*) FROM windows WHERE end_ns = {last}");
        wait_until("windows are stored", Duration::from_secs(30), || {
            history::open(&self.history()).is_some_and(|database| history::number(&database, &sql) > 0)
        });
    }

    /// Publishes how a sensor is, and what it is.
    pub fn state(&self, sensor: &str, (state, reason): (State, Option<&str>), run: Uuid, last_seq: u64, privacy: &str) {
        let status =
            Status { state, reason: reason.map(str::to_owned), last_seq: Some(last_seq), ..Status::online(Some(run)) };
        let (site, name) = ("home".to_owned(), sensor.to_owned());
        let message = StatusMessage {
            schema: STATUS_SCHEMA.into(),
            site: site.clone(),
            sensor: name,
            time: UnixNanos::now(),
            status,
        };
        self.publish(sensor, "status", &[encode(&message)]);
        let config = serde_json::json!({
            "privacy": {"mac": privacy, "ssids": false}, "window": {"length": "10s"}, "source": {"kind": "radio"}
        });
        let info = Info { schema: INFO_SCHEMA.into(), ..Info::new(&site, sensor, config) };
        self.publish(sensor, "info", &[encode(&info)]);
    }
}

/// A window of `sensor`, all of which was listened to but for a second, with `stations`.
pub fn window(sensor: &str, run: Uuid, seq: u64, start: UnixNanos, seconds: u64, stations: Vec<Station>) -> Batch {
    let station_frames: u64 = stations.iter().map(|station| station.frames_sent).sum();
    let frames = station_frames + 3 + 2;
    let millis = seconds * 1_000;
    let heard =
        |freq_mhz, frames| Channel { freq_mhz, listened_ms: Some((millis - 1_000) / 2), frames, bytes: frames * 90 };
    Batch {
        schema: BATCH_SCHEMA.into(),
        identity: Identity { site: "home".into(), sensor: sensor.into(), run, seq },
        part: 0,
        parts: 1,
        flow_parts: None,
        alert_parts: None,
        people: Vec::new(),
        start,
        end: start.saturating_add(Duration::from_secs(seconds)),
        clock: TimeSource::System,
        last: false,
        stamping: Some(airtally::wire::STAMPING),
        capture: Some(Capture {
            frames,
            bytes: frames * 90,
            station_frames,
            bad_fcs: 3,
            without_ta: 2,
            kernel_drops: Some(0),
            interface_drops: Some(0),
            switching_ms: Some(1_000),
            off_ms: Some(0),
            ..Capture::default()
        }),
        subtypes: [].into(),
        channels: vec![heard(2_412, frames - 1), heard(5_180, 1)],
        stations,
        vendors: Vec::new(),
        distinct: None,
    }
}

/// The same window of a radio that was off for two thirds of it, and heard nothing in the rest.
pub fn deaf(mut window: Batch) -> Batch {
    let millis = u64::try_from(window.end.saturating_since(window.start).as_millis()).expect("a short window");
    window.stations.clear();
    window.channels = vec![Channel { freq_mhz: 2_412, listened_ms: Some(millis / 3), frames: 0, bytes: 0 }];
    let off_ms = Some(millis - millis / 3);
    let (drops, switching_ms) = (Some(0), Some(0));
    window.capture =
        Some(Capture { kernel_drops: drops, interface_drops: drops, switching_ms, off_ms, ..Capture::default() });
    window
}

/// The same window in privacy mode `vendor`.
pub fn vendors_only(mut window: Batch, name: &str) -> Batch {
    let sum = |field: fn(&Station) -> u64| window.stations.iter().map(field).sum();
    window.vendors = vec![Vendor {
        vendor: Some(name.to_owned()),
        randomised: false,
        stations: window.stations.len() as u64,
        frames_sent: sum(|station| station.frames_sent),
        bytes_sent: sum(|station| station.bytes_sent),
        management: sum(|station| station.management),
        control: 0,
        data: sum(|station| station.data),
        retries: 0,
    }];
    window.stations.clear();
    window
}

/// A station that sent `frames`, half of them management; the first three numbers are access points.
pub fn station(number: u64, frames: u64, start: UnixNanos, vendor: &str, ssid: &str) -> Station {
    let is_access_point = number < 3;
    Station {
        mac: Address::Mac(Mac::from_u64(0x3c22_fb00_0000 | number)),
        vendor: Some(vendor.to_owned()),
        randomised: false,
        tracked: true,
        role: if is_access_point { Role::AccessPoint } else { Role::Client },
        frames_sent: frames,
        bytes_sent: frames * 100,
        frames_received: frames / 2,
        management: frames / 2,
        control: 0,
        data: frames - frames / 2,
        retries: 0,
        signal_dbm: Some(Signal { min: -80, mean: -62.5, max: -50, frames }),
        freqs_mhz: vec![2_412],
        bssid: Some(Address::Mac(Mac::from_u64(0x3c22_fb00_0000))),
        ssids: if is_access_point { vec![ssid.to_owned()] } else { Vec::new() },
        ssids_left_out: None,
        security: is_access_point.then(|| "WPA2".to_owned()),
        channel: is_access_point.then_some(1),
        width_mhz: is_access_point.then_some(20),
        first_seen: start,
        last_seen: start.saturating_add(Duration::from_secs(5)),
    }
}

/// A declared loss of the windows `first` to `last`, from `start` to `end`.
pub fn gap(sensor: &str, run: Uuid, (first, last): (u64, u64), start: UnixNanos, end: UnixNanos, frames: u64) -> Gap {
    serde_json::from_value(serde_json::json!({
        "schema": GAP_SCHEMA, "site": "home", "sensor": sensor, "run": run, "reason": GapReason::Unavailable,
        "first_seq": first, "last_seq": last, "start": start, "end": end, "frames": frames,
    }))
    .expect("a gap")
}
