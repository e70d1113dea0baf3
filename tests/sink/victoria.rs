//! The InfluxDB sink against VictoriaMetrics, which answers 204 whatever it drops: everything is read back.
use crate::{
    databases::Victoria,
    expected::{MEASUREMENTS, Tables, own_tag, tables},
    records::{contested, nasty, sample},
};
use airtally::{
    config::{self, InfluxApi},
    sink::{Influx, Sink, influx::line_protocol::from_tag_text},
    wire::Record,
};
use std::time::Duration;

fn sink(server: &Victoria) -> Influx {
    Influx::open(&config::Influx {
        name: "victoria".into(),
        api: InfluxApi::V2,
        url: server.url.clone(),
        org: Some("home".into()),
        bucket: Some("wifi".into()),
        token_file: None,
        db: None,
        user: None,
        password_file: None,
        ca_file: None,
        timeout: Duration::from_secs(10),
        refill: Duration::from_secs(60),
        max_series: None,
    })
    .unwrap()
}

/// All series, each summed over its samples.
async fn read_back(server: &Victoria) -> Tables {
    let mut found = Tables::new();
    for (labels, samples) in server.export().await {
        let name = &labels["__name__"];
        let measurement = MEASUREMENTS.into_iter().find(|one| name.starts_with(one)).unwrap();
        let field = name[measurement.len() + 1..].to_owned();
        let label = |name: &str| from_tag_text(labels.get(name).map_or("", String::as_str));
        let key = (label("site"), label("sensor"), label(own_tag(measurement)));
        found.entry((measurement, key)).or_default().insert(field, samples.iter().map(|(_, value)| value).sum());
    }
    found
}

async fn assert_stored(server: &Victoria, records: &[Record]) {
    let (found, wanted) = (read_back(server).await, tables(records));
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (key, sums) in wanted {
        for (field, sum) in sums {
            assert_eq!(found[&key].get(&field), Some(&sum), "{key:?} {field}");
        }
    }
    assert_eq!(server.skipped_lines(), [""; 0]);
}

#[tokio::test]
async fn random_records_of_2008_are_read_back_equal_and_twice_is_once() {
    let server = Victoria::start().await;
    let records = sample(crate::records::records(40));
    let mut sink = sink(&server);
    assert!(records.len() > 30, "{}", records.len());
    sink.store(&records).await.unwrap();
    assert_stored(&server, &records).await;
    for record in records.iter().rev() {
        sink.store(std::slice::from_ref(record)).await.unwrap();
    }
    assert_stored(&server, &records).await;
}

#[tokio::test]
async fn every_name_comes_back() {
    let server = Victoria::start().await;
    let records = nasty();
    sink(&server).store(&records).await.unwrap();
    assert_stored(&server, &records).await;
}

/// It keeps milliseconds: those keep apart what one run counted and lost.
#[tokio::test]
async fn gaps_of_one_start_are_all_kept() {
    let server = Victoria::start().await;
    let records = contested(&[7], 20, 38);
    let mut sink = sink(&server);
    for _ in 0..2 {
        sink.store(&records).await.unwrap();
        assert_stored(&server, &records).await;
    }
}
