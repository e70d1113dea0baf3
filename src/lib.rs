//! airtally counts 802.11 frames per MAC address, names vendors, carries each window over MQTT and stores it.
//!
//! The modules, in the order data flows:
//!
//! * [`capture`]: where frames come from: an interface, capture files, standard input.
//! * [`radio`]: the card: how it is found, tuned, healed and given back.
//! * [`dot11`]: bytes to frame facts: capture headers, the 802.11 header, information elements; channels.
//! * [`oui`]: the look-up that names vendors; its `store`: registry files and the SQLite cache.
//! * [`tally`]: frames to a window's counts, in bounded memory; privacy is applied here.
//! * [`wire`]: what travels: the messages, their JSON and their schemas.
//! * [`spool`]: the store-and-forward log between producing a batch and delivering it.
//! * [`mqtt`]: topics, sessions, TLS; the publisher and the subscriber.
//! * [`sink`]: where batches end: InfluxDB, the SQLite history, dead letters.
//! * [`web`]: the HTTP server and its routes.
//!
//! [`run`] is what a sensor and [`inspect`] share: the identity of a run, its batches, its key file. [`inspect`]
//! answers what is in a capture file; [`doctor`] examines the machine that a sensor is to run on. [`sensor`] and
//! [`ingest`] connect these modules into the two daemons; [`config`] says how; [`cli`] is the command line.
//!
//! [`Mac`], [`UnixNanos`], [`units`], [`bounds`], [`boot`], [`own_file`] (whose a file is), [`mod@erase`] (removes one for
//! good), [`pace`] (how often to try and to log), [`stop`] and [`watchdog`] are what all of them share.

#[cfg(feature = "sensor")]
pub mod boot;
pub mod bounds;
#[cfg(feature = "cli")]
pub mod erase;
pub mod mac;
#[cfg(feature = "cli")]
pub mod own_file;
#[cfg(feature = "cli")]
pub mod pace;
#[cfg(feature = "cli")]
pub mod stop;
pub mod time;
pub mod units;
#[cfg(any(feature = "sensor", feature = "ingest"))]
pub mod watchdog;

pub mod dot11;
pub mod oui;
pub mod tally;
pub mod wire;

#[cfg(feature = "config")]
pub mod config;

#[cfg(feature = "capture")]
pub mod capture;
#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg(feature = "sensor")]
pub mod radio;
#[cfg(feature = "config")]
pub mod sink;
#[cfg(feature = "spool")]
pub mod spool;

#[cfg(any(feature = "sensor", feature = "inspect"))]
pub mod run;
#[cfg(feature = "web")]
pub mod web;

#[cfg(feature = "sensor")]
pub mod doctor;
#[cfg(feature = "ingest")]
pub mod ingest;
#[cfg(feature = "inspect")]
pub mod inspect;
#[cfg(feature = "sensor")]
pub mod sensor;

#[cfg(feature = "cli")]
pub mod cli;

pub use mac::Mac;
pub use time::UnixNanos;
