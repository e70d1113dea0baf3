//! The InfluxDB sink against InfluxDB 1.6: what is stored is read back equal, twice stored is once stored, and
//! whatever a database says no to is sorted out as documented.
use crate::{
    databases::{Influxd, InfluxdOptions},
    expected::{MEASUREMENTS, Tables, own_tag, tables},
    feed::Following,
    records::{NASTY, contested, nasty, sample, simple, tracked},
};
use airtally::{
    config::{self, InfluxApi, SecretFile},
    sink::{DeadLetters, Influx, Sink, SinkError, influx::line_protocol::from_tag_text, redrive},
    time::UnixNanos,
    wire::Record,
};
use std::{fs, path::Path, process::Command, time::Duration};

fn config(url: &str) -> config::Influx {
    config::Influx {
        name: "main".into(),
        api: InfluxApi::V1,
        url: url.into(),
        org: None,
        bucket: None,
        token_file: None,
        db: Some("wifi".into()),
        user: None,
        password_file: None,
        ca_file: None,
        timeout: Duration::from_secs(10),
        refill: Duration::from_secs(60),
        max_series: None,
    }
}

async fn with_database() -> Influxd {
    let server = Influxd::start().await;
    server.query("", "CREATE DATABASE wifi").await;
    server
}

fn batch(record: airtally::wire::Batch) -> Record {
    Record::Batch(Box::new(record))
}

/// All counting fields, summed by the database itself.
async fn read_back(server: &Influxd) -> Tables {
    let mut found = Tables::new();
    for measurement in MEASUREMENTS {
        for series in server.series("wifi", &format!("SELECT sum(*) FROM {measurement} GROUP BY *")).await {
            let tag = |name: &str| from_tag_text(series.tags.get(name).map_or("", String::as_str));
            let key = (tag("site"), tag("sensor"), tag(own_tag(measurement)));
            let sums = found.entry((measurement, key)).or_default();
            for (field, value) in &series.rows[0] {
                if let (Some(field), Some(value)) = (field.strip_prefix("sum_"), value.as_f64()) {
                    sums.insert(field.to_owned(), value);
                }
            }
        }
    }
    found
}

/// Every sum that was counted is found, and no series beside.
pub fn assert_equal(found: &Tables, wanted: &Tables) {
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (key, sums) in wanted {
        for (field, sum) in sums {
            assert_eq!(found[key].get(field), Some(sum), "{key:?} {field}");
        }
    }
}

#[tokio::test]
async fn random_records_are_read_back_equal_and_twice_is_once() {
    let server = with_database().await;
    let records = sample(crate::records::records(40));
    let mut sink = Influx::open(&config(&server.url)).unwrap();
    sink.store(&records).await.unwrap();
    assert_equal(&read_back(&server).await, &tables(&records));
    // In another order and in other groups.
    for record in records.iter().rev() {
        sink.store(std::slice::from_ref(record)).await.unwrap();
    }
    assert_equal(&read_back(&server).await, &tables(&records));
}

#[tokio::test]
async fn every_name_comes_back() {
    let server = with_database().await;
    let mut sink = Influx::open(&config(&server.url)).unwrap();
    let records = nasty();
    sink.store(&records).await.unwrap();
    assert_equal(&read_back(&server).await, &tables(&records));
    let series = server.series("wifi", "SELECT vendor, ssids FROM wifi_station GROUP BY site").await;
    assert_eq!(series.len(), NASTY.len());
    for one in series {
        let site = from_tag_text(&one.tags["site"]);
        let wanted = site.replace('\n', "\\x0a").replace('\r', "\\x0d").replace('\t', "\\x09");
        assert_eq!(one.rows[0]["vendor"], wanted.as_str());
        assert_eq!(one.rows[0]["ssids"], wanted.as_str());
    }
}

#[tokio::test]
async fn a_type_conflict_costs_its_line_and_no_other() {
    let server = with_database().await;
    // Someone else wrote text where the frames of one channel of one day go.
    let line = "wifi_channel,site=x,sensor=x,freq_mhz=1 frames=\"many\" 1700000000000000000";
    let url = format!("{}/write?db=wifi", server.url);
    assert_eq!(crate::databases::http().post(url).body(line).send().await.unwrap().status().as_u16(), 204);

    let mut records: Vec<Record> = (0..30).map(|n| batch(simple("home", "pi", n, tracked(1 + n, 10)))).collect();
    let Record::Batch(bad) = &mut records[17] else { panic!() };
    bad.channels = vec![airtally::wire::Channel { freq_mhz: 2412, listened_ms: None, frames: 5, bytes: 5 }];

    let mut sink = Influx::open(&config(&server.url)).unwrap();
    let error = sink.store(&records).await.unwrap_err();
    let SinkError::Refused { rejected, .. } = error else { panic!("{error:?}") };
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].index, 17);
    assert!(rejected[0].reason.contains("field type conflict"), "{}", rejected[0].reason);
    assert!(rejected[0].reason.contains("'wifi_channel,site=home,sensor=pi,freq_mhz=2412 "), "{}", rejected[0].reason);
    let sums = server.series("wifi", "SELECT sum(frames_sent) FROM wifi_station").await;
    assert_eq!(sums[0].rows[0]["sum"], 300);

    // The letter is redriven once the conflict is gone.
    let following = Following::start(Influx::open(&config(&server.url)).unwrap(), &records);
    let backlog = following.finish().await;
    let directory = tempfile::tempdir().unwrap();
    let mut letters =
        DeadLetters::open(&directory.path().join("dead.sqlite"), &config::DeadLetters::default()).unwrap();
    for (_, reason, body) in &backlog.0.lock().unwrap().dead {
        letters.refused("main", reason, body, UnixNanos(1)).unwrap();
    }
    assert_eq!(letters.count().unwrap(), 1);
    let mut sinks = [sink];
    let outcome = redrive(&mut letters, &mut sinks, None).await.unwrap();
    assert_eq!((outcome.stored, outcome.kept), (0, 1));
    server.query("wifi", "DROP MEASUREMENT wifi_channel").await;
    let outcome = redrive(&mut letters, &mut sinks, Some("main")).await.unwrap();
    assert_eq!((outcome.stored, outcome.kept, letters.count().unwrap()), (1, 0, 0));
    let sums = server.series("wifi", "SELECT sum(frames) FROM wifi_channel").await;
    assert_eq!(sums[0].rows[0]["sum"], 5);
}

#[tokio::test]
async fn points_outside_of_the_retention_are_refused_and_the_others_kept() {
    let server = Influxd::start().await;
    server.query("", "CREATE DATABASE wifi WITH DURATION 52w").await;
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap();
    let records: Vec<Record> = (0..40)
        .map(|n| {
            let mut one = simple("home", "pi", n, tracked(1 + n, 10));
            if n % 2 == 0 {
                one.start = UnixNanos(now - i64::try_from(n).unwrap() * 10_000_000_000);
            }
            batch(one)
        })
        .collect();
    let error = Influx::open(&config(&server.url)).unwrap().store(&records).await.unwrap_err();
    let SinkError::Refused { rejected, .. } = error else { panic!("{error:?}") };
    assert_eq!(
        rejected.iter().map(|one| one.index).collect::<Vec<_>>(),
        (0..40).filter(|n| n % 2 == 1).collect::<Vec<_>>()
    );
    assert!(rejected[0].reason.contains("retention policy"), "{}", rejected[0].reason);
    let sums = server.series("wifi", "SELECT sum(frames_sent) FROM wifi_station").await;
    assert_eq!(sums[0].rows[0]["sum"], 200);
}

#[tokio::test]
async fn more_stations_than_the_database_allows_are_refused_and_the_known_ones_go_on() {
    let server =
        Influxd::start_with(InfluxdOptions { max_values_per_tag: Some(20), ..InfluxdOptions::default() }).await;
    server.query("", "CREATE DATABASE wifi").await;
    let mut sink = Influx::open(&config(&server.url)).unwrap();
    for n in 0..20 {
        sink.store(&[batch(simple("home", "pi", n, tracked(1 + n, 10)))]).await.unwrap();
    }
    let known = batch(simple("home", "pi", 100, tracked(1, 10)));
    let new = batch(simple("home", "pi", 101, tracked(0x999, 10)));
    let error = sink.store(&[known, new]).await.unwrap_err();
    let SinkError::Refused { rejected, .. } = error else { panic!("{error:?}") };
    assert_eq!(rejected.iter().map(|one| one.index).collect::<Vec<_>>(), [1]);
    assert!(rejected[0].reason.contains("max-values-per-tag"), "{}", rejected[0].reason);
    // The rest of the refused record is there: its window counts, though its station has no series.
    let sums = server.series("wifi", "SELECT sum(station_frames) FROM wifi_sensor").await;
    assert_eq!(sums[0].rows[0]["sum"], 220);
    let sums = server.series("wifi", "SELECT sum(frames_sent) FROM wifi_station").await;
    assert_eq!(sums[0].rows[0]["sum"], 210);
}

#[tokio::test]
async fn a_missing_database_is_waited_for() {
    let server = Influxd::start().await;
    let records = sample(crate::records::records(3));
    let mut following = Following::start(Influx::open(&config(&server.url)).unwrap(), &records);
    let reason = following.degraded().await;
    assert!(reason.contains("CREATE DATABASE \"wifi\""), "{reason}");
    server.query("", "CREATE DATABASE wifi").await;
    let backlog = following.finish().await;
    assert!(backlog.0.lock().unwrap().dead.is_empty());
    assert_equal(&read_back(&server).await, &tables(&records));
}

#[tokio::test]
async fn a_wrong_password_is_waited_for_and_a_new_one_picked_up() {
    let server = Influxd::start_with(InfluxdOptions { auth: true, ..InfluxdOptions::default() }).await;
    server.query("", "CREATE DATABASE wifi").await;
    server.query("", "CREATE USER writer WITH PASSWORD 'right'").await;
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    let mut config = config(&server.url);
    config.user = Some("writer".into());
    config.password_file = Some(SecretFile(password.clone()));

    let records = [batch(simple("home", "pi", 0, tracked(1, 10)))];
    let mut sink = Influx::open(&config).unwrap();
    assert!(temporary(sink.store(&records).await).contains("cannot read the secret"));
    fs::write(&password, "wrong-one\n").unwrap();
    let mut following = Following::start(sink, &records);
    let reason = following.degraded().await;
    assert!(reason.contains("401") && reason.contains("password_file") && !reason.contains("wrong-one"), "{reason}");

    fs::write(&password, "right\n").unwrap();
    let forbidden = |health: &airtally::sink::Health| format!("{health:?}").contains("403");
    tokio::time::timeout(Duration::from_secs(20), following.health.wait_for(forbidden)).await.unwrap().unwrap();
    server.query("", "GRANT WRITE ON wifi TO writer").await;
    following.finish().await;
    let sums = server.series("wifi", "SELECT sum(frames_sent) FROM wifi_station").await;
    assert_eq!(sums[0].rows[0]["sum"], 10);
}

#[tokio::test]
async fn a_server_that_is_down_is_waited_for() {
    let mut server = with_database().await;
    let records = sample(crate::records::records(6));
    server.stop();
    let mut following = Following::start(Influx::open(&config(&server.url)).unwrap(), &records);
    let reason = following.degraded().await;
    assert!(reason.contains("refused") && reason.contains(&server.url) && reason.contains("does it run"), "{reason}");
    assert!(server.start_again().await);
    following.finish().await;
    assert_equal(&read_back(&server).await, &tables(&records));
}

#[tokio::test]
async fn tls_is_verified_against_the_authority_named() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, server_pem) = certificates(directory.path(), "one");
    let (stranger, _) = certificates(directory.path(), "two");
    let server =
        Influxd::start_with(InfluxdOptions { certificate: Some(&server_pem), ..InfluxdOptions::default() }).await;
    server.query("", "CREATE DATABASE wifi").await;
    let records = [batch(simple("home", "pi", 0, tracked(1, 10)))];
    let mut config = config(&server.url);
    for untrusted in [None, Some(stranger)] {
        config.ca_file = untrusted;
        let reason = temporary(Influx::open(&config).unwrap().store(&records).await);
        let words = ["the certificate of the server is not trusted", "no authority that is trusted here", "ca_file"];
        assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
    }
    config.ca_file = Some(authority);
    Influx::open(&config).unwrap().store(&records).await.unwrap();
    let sums = server.series("wifi", "SELECT sum(frames_sent) FROM wifi_station").await;
    assert_eq!(sums[0].rows[0]["sum"], 10);
    // Spoken to without TLS it answers 400, and that refuses no data.
    config.url = server.url.replace("https", "http");
    let reason = temporary(Influx::open(&config).unwrap().store(&records).await);
    assert!(reason.contains("http or https"), "{reason}");
}

/// The same sentences as with a broker: of certificates, and of a server that speaks no TLS.
#[tokio::test]
async fn what_is_wrong_with_tls_is_named() {
    let certs = crate::certs::Certs::new("localhost");
    certs.self_signed("own", "localhost", "CA:FALSE");
    certs.dated("expired", "20200101000000Z", "20200201000000Z", "subjectAltName=DNS:localhost\n");
    let records = [batch(simple("home", "pi", 0, tracked(1, 10)))];
    for (name, words) in [("own", "it is self-signed"), ("expired", "it has expired: it was valid until 2020-02-01")] {
        let pem = certs.path(&format!("{name}-both.pem"));
        let both = [format!("{name}.key"), format!("{name}.pem")].map(|part| fs::read(certs.path(&part)).unwrap());
        fs::write(&pem, both.concat()).unwrap();
        let options = InfluxdOptions { certificate: Some(&pem), ..InfluxdOptions::default() };
        let server = Influxd::start_with(options).await;
        let mut config = config(&server.url.replace("127.0.0.1", "localhost"));
        config.ca_file = Some(certs.path("ca.pem"));
        let reason = temporary(Influx::open(&config).unwrap().store(&records).await);
        assert!(reason.contains(words) && reason.contains("cannot write to 'main' at https://localhost"), "{reason}");
    }
    let plain = Influxd::start().await;
    let mut config = config(&plain.url.replace("http://", "https://"));
    config.ca_file = Some(certs.path("ca.pem"));
    let reason = temporary(Influx::open(&config).unwrap().store(&records).await);
    assert!(reason.contains("the server does not speak TLS") && reason.contains("http://"), "{reason}");
    config.ca_file = Some(certs.path("ca.key"));
    let error = Influx::open(&config).unwrap_err().to_string();
    assert!(error.contains("it holds a private key, and no certificate"), "{error}");
}

fn temporary(result: Result<(), SinkError>) -> String {
    match result {
        Err(SinkError::Temporary { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// A private authority, and a PEM of key and certificate for 127.0.0.1 signed by it.
fn certificates(directory: &Path, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let script = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority-{name} \
           -keyout {name}-ca.key -out {name}-ca.pem && \
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
           -keyout {name}.key -out {name}.csr && \
         printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=serverAuth' > {name}.ext && \
         openssl x509 -req -in {name}.csr -CA {name}-ca.pem -CAkey {name}-ca.key -CAcreateserial -days 2 \
           -extfile {name}.ext -out {name}.pem && cat {name}.key >> {name}.pem"
    );
    let output = Command::new("sh").args(["-c", &script]).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    (directory.join(format!("{name}-ca.pem")), directory.join(format!("{name}.pem")))
}

/// Two sensors of one name keep their points apart, and gaps of one run that begin at one time theirs.
#[tokio::test]
async fn runs_of_one_name_do_not_overwrite_each_other() {
    let server = with_database().await;
    let mut sink = Influx::open(&config(&server.url)).unwrap();
    let records = contested(&[7_000_001, u128::MAX / 3], 20, 38);
    for _ in 0..2 {
        sink.store(&records).await.unwrap();
        let sum = |query: &'static str| async {
            let series = server.series("wifi", query).await;
            series[0].rows[0]["value"].as_u64().unwrap()
        };
        let frames: u64 = (10..30).sum();
        assert_eq!(sum("SELECT sum(frames) AS value FROM wifi_sensor").await, 2 * frames);
        assert_eq!(sum("SELECT sum(frames_sent) AS value FROM wifi_station").await, 2 * frames);
        assert_eq!(sum("SELECT count(frames) AS value FROM wifi_gap").await, 2 * 38);
    }
    // No series more for it.
    assert_eq!(server.series("wifi", "SELECT count(frames) FROM wifi_gap GROUP BY *").await.len(), 1);
}
