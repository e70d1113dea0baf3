//! airtally counts 802.11 frames per MAC address, names vendors, carries each window over MQTT and stores it.
//!
//! The rooms, in the order data flows:
//!
//! * [`capture`]: where frames come from: an interface, capture files, standard input.
//! * [`radio`]: the card: channels, plan, and the kernel's side of it.
//! * [`dot11`]: bytes to frame facts: capture headers, the 802.11 header, information elements.
//! * [`oui`]: registry files, the SQLite cache, the longest-prefix lookup that names vendors.
//! * [`tally`]: frames to a window's counts, in bounded memory; privacy is applied here.
//! * [`batch`]: what leaves a sensor: the wire types, their JSON and its schema.
//! * [`spool`]: the store-and-forward log between producing a batch and delivering it.
//! * [`mqtt`]: topics, sessions, TLS; the publisher and the subscriber.
//! * [`sink`]: where batches end: InfluxDB, the SQLite history, dead letters.
//! * [`web`]: the HTTP server and its routes.
//!
//! [`inspect`] uses the first of them to answer what is in a capture file.
//!
//! [`doctor`] examines the machine that a sensor is to run on.
//!
//! [`sensor`] and [`ingest`] connect these rooms into the two daemons; [`config`] says how; [`cli`] is the
//! command line; [`keyfile`] keeps the key of pseudonyms; [`mod@erase`] removes a file for good; [`watchdog`] tells systemd how
//! a daemon is. [`Mac`] and [`UnixNanos`] are the words every room shares.

pub mod batch;
pub mod capture;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod dot11;
pub mod erase;
pub mod inspect;
pub mod keyfile;
pub mod mac;
pub mod mqtt;
pub mod oui;
pub mod radio;
pub mod sink;
pub mod spool;
pub mod stop;
pub mod tally;
pub mod time;
pub mod watchdog;
pub mod web;

pub mod ingest;
pub mod sensor;

pub use mac::Mac;
pub use time::UnixNanos;
