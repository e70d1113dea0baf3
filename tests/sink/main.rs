//! The databases: what is stored is read back, from InfluxDB, VictoriaMetrics and the embedded history; the pages and
//! dashboards that show it.
#![allow(clippy::expect_used, clippy::field_reassign_with_default, clippy::panic, clippy::unwrap_used)]

#[path = "../mqtt/certs.rs"]
mod certs;
#[path = "../support/dashboard.rs"]
mod dashboard;
#[path = "../support/databases.rs"]
mod databases;
mod documented;
#[path = "../support/expected.rs"]
mod expected;
#[path = "../support/feed.rs"]
mod feed;
mod filled;
mod follow;
mod grafana;
mod influx_v1;
mod influx_v2;
mod points;
mod queries;
#[path = "../support/records.rs"]
mod records;
mod sqlite;
mod upgrade;
mod victoria;
mod webhook;
