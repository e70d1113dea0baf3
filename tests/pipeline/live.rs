//! A live source: Ethernet frames over a veth pair, sent by tcpreplay while sensor, ingest and broker are killed.
//! Everything arrives but what the killed sensor's open window held, and that is declared.
//!
//! Needs root, as capturing does.

use crate::support::{
    history::{number, open, stations},
    pipeline::{Rig, start_sensor},
    wait_until,
};
use airtally::{Mac, UnixNanos};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, SystemTime},
};

const SENSOR: &str = "live";
/// Frames sent under one source address.
const VOLLEY: u64 = 100;

/// Two network interfaces, back to back.
struct Veth {
    near: String,
    far: String,
}

impl Veth {
    fn new() -> Self {
        let (near, far) = (format!("at{}a", std::process::id()), format!("at{}b", std::process::id()));
        ip(&["link", "add", &near, "type", "veth", "peer", "name", &far]);
        let this = Self { near, far };
        for name in [&this.near, &this.far] {
            ip(&["link", "set", name, "addrgenmode", "none", "up"]);
        }
        this
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "del", &self.near]).status();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("the program ip (package iproute2)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments:?}: {said}(this test needs root)");
}

fn source(number: u64) -> Mac {
    Mac::from_u64(0x0016_3e00_0000 + number)
}

/// Volleys sent so far: when each began and ended.
struct Gun<'a> {
    veth: &'a Veth,
    dir: PathBuf,
    sent: BTreeMap<u64, (UnixNanos, UnixNanos)>,
}

impl Gun<'_> {
    fn fire(&mut self, volleys: u64) {
        for _ in 0..volleys {
            let number = self.last() + 1;
            let times = send(&self.dir, self.veth, number);
            self.sent.insert(number, times);
        }
    }

    fn last(&self) -> u64 {
        self.sent.keys().last().copied().unwrap_or(0)
    }
}

/// Sends a volley; returns when it began and ended.
fn send(dir: &Path, veth: &Veth, number: u64) -> (UnixNanos, UnixNanos) {
    let path = dir.join("volley.pcap");
    let mut pcap = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1] {
        pcap.extend_from_slice(&word.to_le_bytes());
    }
    for _ in 0..VOLLEY {
        for word in [0u32, 0, 60, 60] {
            pcap.extend_from_slice(&word.to_le_bytes());
        }
        let mut frame = [0; 60];
        frame[..6].fill(0xff);
        frame[6..12].copy_from_slice(&source(number).0);
        frame[12..14].copy_from_slice(&[0x88, 0xb5]); // local experimental
        pcap.extend_from_slice(&frame);
    }
    fs::write(&path, pcap).unwrap();
    let start = now();
    let mut command = Command::new("tcpreplay");
    command.args(["--quiet", "--pps", "1000", "--intf1", &veth.far]).arg(&path);
    let output = command.output().expect("tcpreplay (package tcpreplay)");
    assert!(output.status.success(), "tcpreplay: {}", String::from_utf8_lossy(&output.stderr));
    (start, now())
}

fn now() -> UnixNanos {
    UnixNanos(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos().try_into().unwrap())
}

#[test]
fn live_frames_survive_kills_but_for_the_open_window() {
    let (mut rig, history) = Rig::with_history();
    let veth = Veth::new();
    let mut config = rig.sensor(SENSOR, Path::new(""));
    config.source.kind = airtally::config::SourceKind::Interface;
    config.source.interface.clone_from(&veth.near);
    config.window.length = Duration::from_secs(1);
    let mut sensor = start_sensor(rig.path(), &config);
    let stored = || open(&history).map_or_else(BTreeMap::new, |database| stations(&database, SENSOR));

    // The sensor listens as soon as something arrives.
    let mut gun = Gun { veth: &veth, dir: rig.path().to_owned(), sent: BTreeMap::new() };
    wait_until("the first live frames are stored", Duration::from_secs(60), || {
        gun.fire(1);
        !stored().is_empty()
    });
    let first = gun.last() + 1;
    gun.fire(12);
    let killed = now();
    sensor.kill9();
    gun.fire(5);
    let restarted = now();
    sensor = start_sensor(rig.path(), &config);
    gun.fire(12);
    rig.ingest.kill9();
    gun.fire(6);
    rig.restart_ingest();
    gun.fire(6);
    rig.broker.kill9();
    gun.fire(3);
    rig.broker.restart();
    gun.fire(6);
    let last = gun.last();
    wait_until("the last live frames are stored", Duration::from_secs(60), || {
        stored().get(&source(last)) == Some(&VOLLEY)
    });

    let database = open(&history).unwrap();
    let gaps = "SELECT count(*) FROM gaps WHERE reason = 'crash'";
    wait_until("the loss is declared", Duration::from_secs(20), || number(&database, gaps) == 1);
    let (from, to): (i64, i64) =
        database.query_row("SELECT start_ns, end_ns FROM gaps", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let window = config.window.length.as_nanos() as i64;
    assert!(from >= killed.0 - window - 500_000_000, "more than the open window is declared lost");
    assert!(from <= killed.0 && to >= restarted.0, "the gap covers the time without a sensor");
    assert!(to <= restarted.0 + 5_000_000_000, "the gap ends where the sensor began again");

    let stored = stored();
    let mut lost = 0;
    for (&number, &(start, end)) in gun.sent.range(first..) {
        let arrived = stored.get(&source(number)).copied().unwrap_or(0);
        assert!(arrived <= VOLLEY, "volley {number} arrived {arrived} times");
        lost += VOLLEY - arrived;
        if end.0 < from || start.0 > to {
            assert_eq!(arrived, VOLLEY, "volley {number}, sent outside the declared gap");
        }
    }
    assert!(lost >= 4 * VOLLEY, "what was sent without a sensor is lost: else this test shows nothing");

    // The end is clean: the open window is kept, and a new start delivers it and declares nothing.
    gun.fire(1);
    sleep(Duration::from_millis(300));
    assert!(sensor.stop().success());
    let _sensor = start_sensor(rig.path(), &config);
    wait_until("the window open at SIGTERM is stored", Duration::from_secs(30), || {
        open(&history).map_or(0, |database| stations(&database, SENSOR).get(&source(last + 1)).copied().unwrap_or(0))
            == VOLLEY
    });
    assert_eq!(number(&database, gaps), 1, "a clean stop loses nothing");
}
