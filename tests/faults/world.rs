//! One run: a broker, sensors, ingest and its stores; faults as the seed has them; then all heals, and is judged.

use crate::{
    daemon::Kept,
    proxy::{Mode, Proxy},
    scenario::{Dice, Fault, Scenario},
    stores::{self, Verdict, Windows},
    support::{
        block_on,
        broker::Broker,
        databases::{Influxd, Victoria},
        pipeline::{self, history, influx_v1, influx_v2, write},
        program::{self, small_registry},
        synth, synthesise, temp_dir,
    },
};
use airtally::config::{Ingest, Pace, Sensor};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long after the last fault a run may take until all is stored or declared.
const PATIENCE: Duration = Duration::from_secs(150);

/// A fault that lasts, until it is healed.
#[derive(Clone, Copy)]
struct Active {
    fault: Fault,
    sensor: usize,
    victoria: bool,
}

/// What became of a run.
pub struct Outcome {
    pub faults: usize,
    pub verdicts: Vec<(&'static str, Verdict)>,
    /// What was done and when, and what is wrong, if anything is.
    pub story: String,
    pub holds: bool,
}

pub struct World {
    scenario: Scenario,
    dice: Dice,
    dir: tempfile::TempDir,
    broker: Broker,
    mqtt: Proxy,
    databases: Databases,
    ingest: Kept,
    ingest_state: PathBuf,
    sensors: Vec<(Kept, Sensor)>,
    truth: Windows,
    began: Instant,
    story: String,
}

struct Databases {
    influx: Influxd,
    victoria: Victoria,
    /// In front of the one and the other.
    ways: [Proxy; 2],
}

impl Databases {
    fn start() -> Self {
        let (influx, victoria) = block_on(async { (Influxd::start().await, Victoria::start().await) });
        block_on(influx.query("", "CREATE DATABASE air"));
        let port = |url: &str| url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let ways = [Proxy::start(port(&influx.url)), Proxy::start(port(&victoria.url))];
        Self { influx, victoria, ways }
    }

    fn sinks(&self) -> Vec<airtally::config::Influx> {
        let url = |way: &Proxy| format!("http://127.0.0.1:{}", way.port);
        let mut sinks = vec![influx_v1(&url(&self.ways[0]), "air"), influx_v2(&url(&self.ways[1]))];
        sinks.iter_mut().for_each(|sink| sink.timeout = Duration::from_secs(3));
        sinks[1].name = "victoria".into();
        sinks
    }

    fn kill(&mut self, victoria: bool) {
        if victoria { self.victoria.kill9() } else { self.influx.stop() }
    }

    fn restart(&mut self, victoria: bool) {
        if victoria && !stores::answers(&self.victoria.url, "health") {
            block_on(self.victoria.restart());
        } else if !victoria && !stores::answers(&self.influx.url, "ping") {
            assert!(block_on(self.influx.start_again()), "InfluxDB does not start again");
        }
    }
}

/// The windows of a capture, as `inspect` counts them, without broker or spool.
fn windows(config: &Path, capture: &Path) -> BTreeMap<u64, u64> {
    let first: [&std::ffi::OsStr; 4] = ["inspect".as_ref(), "--window".as_ref(), "1s".as_ref(), "--config".as_ref()];
    let rest = [config.as_os_str(), "--oui".as_ref(), small_registry().as_os_str(), capture.as_os_str()];
    let output = program::run(first.into_iter().chain(rest));
    assert!(output.status.success(), "{}", program::text(&output));
    let mut windows = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("JSON").lines() {
        let batch: Value = serde_json::from_str(line).expect("a batch");
        let seq = batch["seq"].as_u64().expect("its number");
        *windows.entry(seq).or_default() += batch["capture"]["frames"].as_u64().unwrap_or(0);
    }
    windows
}

impl World {
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let (dir, mut dice) = (temp_dir(), Dice(seed));
        let broker = Broker::start(&format!("persistence true\nautosave_interval 1\n{}", scenario.broker));
        let mqtt = Proxy::start(broker.port);
        let databases = Databases::start();
        let mut config: Ingest = pipeline::ingest(dir.path(), mqtt.port);
        config.declare_after = Duration::from_secs(5);
        config.sqlite = Some(history(dir.path()));
        config.influx = databases.sinks();
        let mut truth = Windows::new();
        let mut sensors = Vec::new();
        for number in 0..scenario.sensors {
            let (frames, seconds, seed) = (scenario.frames, scenario.seconds, dice.number());
            let options = synth::Options { frames, stations: 100, seconds, seed, ..synth::Options::default() };
            let (capture, tally) = synthesise(dir.path(), &options);
            let name = format!("s{number}");
            let mut sensor = pipeline::sensor(dir.path(), &name, mqtt.port, &capture);
            (sensor.source.pace, sensor.window.length) = (Pace::Recorded, Duration::from_secs(1));
            sensor.spool.age_out = Duration::from_secs(2);
            fs::create_dir_all(&sensor.spool.runtime_dir).expect("a directory");
            fs::create_dir_all(&sensor.spool.state_dir).expect("a directory");
            let file = write(dir.path(), &name, &sensor);
            let windows = windows(&file, &capture);
            assert_eq!(windows.values().sum::<u64>(), tally.frames, "the truth is not the generator's");
            truth.insert(name.clone(), windows);
            sensors.push((Kept::new(dir.path(), &name, "sensor", file), sensor));
        }
        let ingest_state = config.spool.state_dir.clone();
        fs::create_dir_all(&ingest_state).expect("a directory");
        let file = write(dir.path(), "test-ingest", &config);
        let ingest = Kept::new(dir.path(), "test-ingest", "ingest", file);
        let (scenario, began, story) = (scenario.clone(), Instant::now(), String::new());
        Self { scenario, dice, dir, broker, mqtt, databases, ingest, ingest_state, sensors, truth, began, story }
    }

    /// Everything, from the first start to the verdict.
    pub fn run(mut self) -> Outcome {
        self.ingest.start();
        self.ingest.await_log("storing", Duration::from_secs(60));
        self.sensors.iter_mut().for_each(|(sensor, _)| sensor.start());
        let mut left = self.scenario.faults;
        while left > 0 {
            // One, or two that overlap.
            let together = (1 + usize::from(self.dice.below(3) == 0)).min(left);
            let mut active = Vec::new();
            for _ in 0..together {
                let pause = self.dice.millis(100, 1_200);
                self.pass(pause);
                active.push(self.strike());
            }
            let lasting = self.dice.millis(100, 2_500);
            self.pass(lasting);
            active.into_iter().for_each(|one| self.heal(one));
            left -= together;
        }
        self.judge()
    }

    /// Time passes, and what ended starts again.
    fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.ingest.tend();
            self.sensors.iter_mut().for_each(|(sensor, _)| sensor.tend());
            sleep(Duration::from_millis(50));
        }
    }

    fn strike(&mut self) -> Active {
        use Fault::*;
        let fault = self.dice.of(&self.scenario.kinds);
        let active = Active { fault, sensor: self.dice.below(self.sensors.len()), victoria: self.dice.below(2) == 0 };
        let number = self.dice.number();
        let time = self.began.elapsed().as_secs_f64();
        let database = if active.victoria { "VictoriaMetrics" } else { "InfluxDB" };
        let _ = writeln!(
            self.story,
            "{time:6.1} s  {fault:?} (if a sensor: s{}; if a database: {database})",
            active.sensor
        );
        let way = &self.databases.ways[usize::from(active.victoria)];
        let (sensor, config) = &mut self.sensors[active.sensor];
        match fault {
            KillIngest => self.ingest.kill(),
            KillSensor => sensor.kill(),
            StopIngest => self.ingest.stop(),
            StopSensor => sensor.stop(),
            FreezeIngest => self.ingest.signal("STOP"),
            FreezeSensor => sensor.signal("STOP"),
            KillBroker => self.broker.kill9(),
            ForgetBroker => {
                self.broker.kill9();
                let _ = fs::remove_file(self.broker.dir.path().join("mosquitto.db"));
            }
            CutBroker => self.mqtt.cut(),
            CloseBroker => self.mqtt.set(Mode::Close),
            StallBroker => self.mqtt.set(Mode::Stall),
            KillDatabase => self.databases.kill(active.victoria),
            CloseDatabase => way.set(Mode::Close),
            StallDatabase => way.set(Mode::Stall),
            FailDatabase => way.set(Mode::Answer([500, 503, 429][(number % 3) as usize])),
            FullIngest => self.ingest.limit(Some(4_096 << (number % 8))),
            FullSensor => sensor.limit(Some(4_096 << (number % 8))),
            DamageIngest => {
                self.ingest.kill();
                damage(&self.ingest_state, number);
            }
            DamageSensor => {
                sensor.kill();
                damage(
                    if number.is_multiple_of(2) { &config.spool.state_dir } else { &config.spool.runtime_dir },
                    number,
                );
            }
            LoseIngest => {
                self.ingest.kill();
                empty(&self.ingest_state);
            }
            LoseSensor => {
                sensor.kill();
                empty(&config.spool.state_dir);
            }
            RemoveHistory => remove(&history(self.dir.path()).path),
            DamageHistory => {
                self.ingest.kill();
                flip(&history(self.dir.path()).path, number);
            }
        }
        active
    }

    fn heal(&mut self, active: Active) {
        use Fault::*;
        let sensor = &mut self.sensors[active.sensor].0;
        match active.fault {
            KillIngest | StopIngest | DamageIngest | LoseIngest | DamageHistory => self.ingest.resume(),
            KillSensor | StopSensor | DamageSensor | LoseSensor => sensor.resume(),
            FreezeIngest => self.ingest.signal("CONT"),
            FreezeSensor => sensor.signal("CONT"),
            KillBroker | ForgetBroker => self.broker.restart(),
            CloseBroker | StallBroker => self.mqtt.set(Mode::Pass),
            KillDatabase => self.databases.restart(active.victoria),
            CloseDatabase | StallDatabase | FailDatabase => {
                self.databases.ways[usize::from(active.victoria)].set(Mode::Pass);
            }
            FullIngest => self.ingest.limit(None),
            FullSensor => sensor.limit(None),
            CutBroker | RemoveHistory => {}
        }
    }

    fn stores(&self) -> [(&'static str, stores::Store); 3] {
        [
            ("SQLite", stores::history(&history(self.dir.path()).path).unwrap_or_default()),
            ("InfluxDB", stores::influx(&self.databases.influx)),
            ("VictoriaMetrics", stores::victoria(&self.databases.victoria)),
        ]
    }

    fn verdicts(&self) -> Vec<(&'static str, Verdict)> {
        self.stores().into_iter().map(|(name, store)| (name, store.judge(&self.truth))).collect()
    }

    /// Waits until all sensors have said what they had to say, and all of it is stored or declared; and stays so.
    fn judge(mut self) -> Outcome {
        let end = Instant::now() + PATIENCE;
        let (mut verdicts, mut good) = (Vec::new(), 0);
        while good < 3 && Instant::now() < end {
            self.pass(Duration::from_millis(700));
            if self.sensors.iter().all(|(sensor, _)| sensor.done) {
                verdicts = self.verdicts();
                good = if verdicts.iter().all(|(_, verdict)| verdict.holds()) { good + 1 } else { 0 };
            }
        }
        let holds = good >= 3;
        if !holds {
            self.explain();
        }
        Outcome { faults: self.scenario.faults, verdicts, story: self.story, holds }
    }

    fn explain(&mut self) {
        for (name, store) in self.stores() {
            for line in store.wrong(&self.truth).into_iter().take(40) {
                let _ = writeln!(self.story, "{name}: {line}");
            }
        }
        for kept in self.sensors.iter().map(|(sensor, _)| sensor).chain([&self.ingest]) {
            self.story.push_str(&kept.tell());
        }
    }
}

/// Changes octets of one of the files in a folder.
fn damage(folder: &Path, number: u64) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_spool = |path: &PathBuf| path.is_file() && !path.to_string_lossy().contains("damaged");
    let mut files: Vec<PathBuf> = entries.filter(is_spool).collect();
    files.sort();
    if !files.is_empty() {
        flip(&files[(number >> 8) as usize % files.len()], number);
    }
}

fn flip(file: &Path, number: u64) {
    let mut dice = Dice(number);
    let Ok(mut octets) = fs::read(file) else { return };
    for _ in 0..=dice.below(8) {
        let at = dice.below(octets.len());
        if let Some(octet) = octets.get_mut(at) {
            *octet ^= 1 << dice.below(8);
        }
    }
    let _ = fs::write(file, octets);
}

fn empty(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).expect("a directory");
}

/// A database of SQLite with what is beside it.
fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut path = path.as_os_str().to_owned();
        path.push(end);
        let _ = fs::remove_file(path);
    }
}
