//! InfluxDB 1.x, 2 and 3, and VictoriaMetrics.
//!
//! [`points`] turns a record into points, a pure function of the record; [`line_protocol`] writes them. `client` sends
//! them, `answer` judges what the server says, and `server` tells whether it is the one from before.

#[cfg(feature = "sink-influx")]
mod answer;
#[cfg(feature = "sink-influx")]
mod client;
pub mod line_protocol;
pub mod points;
#[cfg(feature = "sink-influx")]
mod server;

#[cfg(feature = "sink-influx")]
pub use client::Influx;
