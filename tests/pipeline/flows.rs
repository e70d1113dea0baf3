//! Who spoke with whom, through the real programs: what `airtally flows` says of a capture is what is stored of it, once.

use crate::support::{
    block_on,
    databases::Influxd,
    pipeline::{Rig, history, influx_v1},
    program::{airtally, text},
    wait_until,
};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::BufRead as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Packets of all flows, each way: octets and packets by 5-tuple.
type Flows = BTreeMap<String, [i64; 4]>;

/// An Ethernet frame with an IPv4 packet of `len` octets of payload behind two ports.
fn packet(proto: u8, src: [u8; 4], sport: u16, dst: [u8; 4], dport: u16, len: usize) -> Vec<u8> {
    let header = if proto == 6 { 20 } else { 8 };
    let total = u16::try_from(20 + header + len).unwrap();
    let mut frame = vec![2, 0, 0, 0, 0, dst[3], 2, 0, 0, 0, 0, src[3], 8, 0, 0x45, 0];
    frame.extend(total.to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, proto, 0, 0]);
    frame.extend([src, dst].concat());
    frame.extend([sport, dport].map(u16::to_be_bytes).concat());
    if proto == 6 {
        frame.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
    } else {
        frame.extend([u16::try_from(8 + len).unwrap(), 0].map(u16::to_be_bytes).concat());
    }
    frame.extend(vec![0; len]);
    frame
}

/// A capture of four minutes: many short conversations, one that never rests, and what is no IP at all. Gives its packets.
fn capture(dir: &Path) -> (PathBuf, i64) {
    let mut file = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1].map(u32::to_le_bytes).concat();
    let mut packets = 0;
    let mut write = |time: u32, data: &[u8]| {
        let len = u32::try_from(data.len()).unwrap();
        file.extend([1_700_000_000 + time, packets, len, len].map(u32::to_le_bytes).concat());
        file.extend(data);
        packets += 1;
    };
    let (server, resolver) = ([192, 0, 2, 1], [192, 0, 2, 53]);
    for second in 0..240_u32 {
        for host in 0..5_u8 {
            let (client, port) = ([198, 51, 100, host + 1], 40_000 + u16::try_from(second).unwrap());
            write(second, &packet(17, client, port, resolver, 53, 30));
            write(second, &packet(17, resolver, 53, client, port, 90 + usize::from(host)));
            write(second, &packet(6, client, 50_000, server, 50_001, usize::try_from(second).unwrap()));
            write(second, &packet(6, server, 50_001, client, 50_000, 500));
        }
        // ARP.
        let mut arp = vec![0xff; 6];
        arp.extend([2, 0, 0, 0, 0, 9, 8, 6]);
        arp.extend([0; 28]);
        write(second, &arp);
    }
    let path = dir.join("conversations.pcap");
    fs::write(&path, file).unwrap();
    (path, packets.into())
}

/// What the subcommand says of the capture.
fn told(path: &Path) -> Flows {
    let output = airtally().arg("flows").arg(path).args(["--format", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let mut flows = Flows::new();
    for line in output.stdout.lines() {
        let row: Value = serde_json::from_str(&line.unwrap()).unwrap();
        add(&mut flows, &row);
    }
    flows
}

fn add(flows: &mut Flows, row: &Value) {
    let name = ["proto", "src", "src_port", "dst", "dst_port"].map(|key| row[key].to_string().replace('"', ""));
    let sum = flows.entry(name.join(" ")).or_default();
    for (sum, key) in sum.iter_mut().zip(["packets_out", "bytes_out", "packets_in", "bytes_in"]) {
        *sum += row[key].as_i64().unwrap();
    }
}

fn stored(database: &Connection) -> Flows {
    let sql = "SELECT proto || ' ' || src || ' ' || src_port || ' ' || dst || ' ' || dst_port, sum(packets_out), \
               sum(bytes_out), sum(packets_in), sum(bytes_in) FROM flows GROUP BY 1";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])));
    rows.unwrap().map(Result::unwrap).collect()
}

fn number(database: &Connection, sql: &str) -> i64 {
    database.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).unwrap().unwrap_or(0)
}

/// A subscriber of its own.
fn listen(port: u16, out: &Path) -> Child {
    let child = Command::new("mosquitto_sub")
        .args(["-V", "5", "-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", "airtally/+/+/flow"])
        .stdout(fs::File::create(out).unwrap())
        .stderr(Stdio::null())
        .spawn();
    child.expect("mosquitto_sub")
}

#[test]
fn what_the_subcommand_says_is_stored_once() {
    let influx = block_on(Influxd::start());
    block_on(influx.query("", "CREATE DATABASE airtally"));
    let rig = Rig::start(|dir, config| {
        config.sqlite = Some(history(dir));
        config.influx.push(influx_v1(&influx.url, "airtally"));
    });
    let (path, packets) = capture(rig.path());
    let heard = rig.path().join("heard.json");
    let mut subscriber = listen(rig.broker.port, &heard);
    let mut config = rig.sensor("desk", &path);
    config.flows.enabled = true;
    config.flows.update_every = Duration::from_secs(60);
    // Small messages, so that a window has several of both kinds.
    config.mqtt.max_message = airtally::units::Bytes(16 << 10);
    let replay = || {
        let mut sensor = crate::support::pipeline::start_sensor(rig.path(), &config);
        sensor.succeed(Duration::from_secs(60));
    };
    replay();
    let database = || Connection::open(rig.path().join("history.sqlite")).unwrap();
    let expected = told(&path);
    wait_until("all flows are stored", Duration::from_secs(60), || {
        database().prepare("SELECT 1 FROM flows").is_ok() && stored(&database()) == expected
    });
    let check = || {
        let database = database();
        assert_eq!(stored(&database), expected);
        assert_eq!(number(&database, "SELECT sum(captured_packets) FROM flow_windows"), packets);
        assert_eq!(number(&database, "SELECT sum(not_ip_packets) FROM flow_windows"), 240);
        let in_sums = number(&database, "SELECT sum(packets_out + packets_in) FROM flow_sums");
        assert_eq!(in_sums, packets - 240);
        assert_eq!(number(&database, "SELECT sum(in_flow_packets) FROM flow_windows"), in_sums);
        assert!(number(&database, "SELECT max(parts) FROM windows") > 2, "windows have several parts");
        assert_eq!(number(&database, "SELECT count(*) FROM gaps"), 0);
    };
    check();
    // The windows are whole, and so says the program.
    let history = rig.path().join("history.sqlite");
    let shown =
        airtally().args(["history", "--flows", "--format", "json", "--top", "100000", "--db"]).arg(&history).output();
    let shown: Value = serde_json::from_slice(&shown.unwrap().stdout).unwrap();
    let mut flows = Flows::new();
    shown["flows"].as_array().unwrap().iter().for_each(|row| add(&mut flows, row));
    assert_eq!(flows, expected);
    assert_eq!(shown["totals"]["incomplete"], 0);
    let table = airtally().args(["history", "--flows", "--db"]).arg(&history).output().unwrap();
    assert!(table.status.success(), "{}", text(&table));

    // In InfluxDB there are sums, and no tag has an address.
    let sums = |field: &str| {
        let query = format!("SELECT sum({field}) FROM net_flow GROUP BY proto, ports");
        let series = block_on(influx.series("airtally", &query));
        series
            .iter()
            .map(|series| {
                let of = |tag: &str| series.tags[tag].clone();
                ((of("proto"), of("ports")), series.rows[0]["sum"].as_i64().unwrap())
            })
            .collect::<BTreeMap<_, _>>()
    };
    let of = |database: &Connection, field: &str| {
        let mut statement =
            database.prepare(&format!("SELECT proto, ports, sum({field}) FROM flow_sums GROUP BY 1, 2")).unwrap();
        let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)));
        rows.unwrap().map(Result::unwrap).collect::<BTreeMap<(String, String), i64>>()
    };
    wait_until("InfluxDB has them", Duration::from_secs(60), || sums("records") == of(&database(), "records"));
    for field in ["packets_out", "bytes_out", "packets_in", "bytes_in"] {
        assert_eq!(sums(field), of(&database(), field), "{field}");
    }
    assert_eq!(sums("records").len(), 2, "UDP to a system port, TCP between dynamic ones");

    // What travels is what is documented.
    subscriber.kill().unwrap();
    subscriber.wait().unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/flow.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (mut heard_flows, mut messages) = (Flows::new(), 0);
    for line in fs::read_to_string(&heard).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = validator.iter_errors(&message).map(|error| error.to_string()).collect();
        assert!(errors.is_empty() && line.len() <= 16 << 10, "{errors:?}\n{line}");
        message["flows"].as_array().unwrap().iter().for_each(|row| add(&mut heard_flows, row));
        messages += 1;
    }
    assert_eq!(heard_flows, expected);
    assert!(messages > 25, "{messages}");

    // The same capture again is the same run: nothing is doubled, wherever it is kept.
    let points = sums("records");
    fs::remove_dir_all(&config.spool.runtime_dir).unwrap();
    fs::remove_dir_all(&config.spool.state_dir).unwrap();
    replay();
    check();
    assert_eq!(sums("records"), points);
}

/// Who reads windows alone is not kept waiting by flows that nobody reads.
#[test]
fn flows_that_nobody_reads_hold_no_window_up() {
    let mut rig = Rig::start(|_, _| {});
    let (path, _) = capture(rig.path());
    rig.ingest.stop();
    let heard = rig.path().join("windows.json");
    let mut subscriber = Command::new("mosquitto_sub")
        .args(["-V", "5", "-h", "127.0.0.1", "-p", &rig.broker.port.to_string(), "-q", "1"])
        // A name of its own: ingest's queue is still there, and would count as somebody.
        .args(["-t", "other/+/+/batch"])
        .stdout(fs::File::create(&heard).unwrap())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let mut config = rig.sensor("desk", &path);
    config.mqtt.base_topic = "other".into();
    config.flows.enabled = true;
    let mut sensor = crate::support::pipeline::start_sensor(rig.path(), &config);
    wait_until("all windows came", Duration::from_secs(30), || {
        let text = fs::read_to_string(&heard).unwrap();
        text.lines().filter(|line| line.contains(r#""schema":"airtally.batch/1""#)).count() == 24
    });
    sensor.await_log("nobody subscribes to other/test/desk/flow", Duration::from_secs(30));
    sensor.stop();
    subscriber.kill().unwrap();
    subscriber.wait().unwrap();
}
