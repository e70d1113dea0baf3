//! An InfluxDB with records in it, for what shows them to people.

use crate::databases::Influxd;
use airtally::{
    config,
    sink::{Influx, Sink},
    wire::Record,
};

pub async fn filled(records: &[Record]) -> Influxd {
    let server = Influxd::start().await;
    server.query("", "CREATE DATABASE airtally").await;
    let toml = format!("[[influx]]\nname = 'main'\napi = 'v1'\nurl = '{}'\ndb = 'airtally'", server.url);
    let config = config::parse_ingest("ingest.toml".as_ref(), &toml).unwrap();
    Influx::open(&config.influx[0]).unwrap().store(records).await.unwrap();
    server
}
