//! airtally counts 802.11 frames per MAC address, names vendors, carries each window over MQTT and stores it.
//!
//! # The core as a library
//!
//! Without any feature the crate is its core: bytes of a frame to counts to the message that travels. It does no I/O and
//! reads no clock; the time comes in with the frames.
//!
//! ```
//! use airtally::{
//!     UnixNanos,
//!     dot11::{self, LinkType},
//!     oui::Registry,
//!     tally::{Counter, CounterSettings, NoKeys, Tracker, settings::{Privacy, Tracking, Window}},
//!     wire::{TimeSource, Identity, Record, split},
//! };
//! use std::sync::Arc;
//!
//! // A probe request of 02:00:00:00:00:01, as it is on the air (link type 105: no capture header, no check sequence).
//! let mut frame = vec![0x40, 0, 0, 0];
//! frame.extend([0xff; 6]); // RA: broadcast
//! frame.extend([2, 0, 0, 0, 0, 1]); // TA
//! frame.extend([0xff; 6]); // BSSID: any
//! frame.extend([0x10, 0]); // sequence number 1
//! frame.extend([0, 4, b'c', b'a', b'f', b'e']); // SSID element
//!
//! let settings = CounterSettings {
//!     window: Window::default(), // ten seconds
//!     tracking: Tracking::default(),
//!     privacy: Privacy::default(),
//!     live: false,
//! };
//! let registry = Arc::new(Registry::empty()); // no vendor names
//! let mut counter = Counter::new(settings, registry, Tracker::default(), Box::new(NoKeys));
//! let facts = dot11::parse(LinkType::IEEE802_11, &frame, frame.len() as u32);
//! counter.packet(UnixNanos::new(1_700_000_000, 0), &facts, frame.len() as u32)?;
//! let window = counter.finish(None).ok_or("no frame was counted")?;
//!
//! let identity = Identity { site: "lab".into(), sensor: "desk".into(), run: uuid::Uuid::nil(), seq: 0 };
//! let parts = split(&identity, window.start, window.end, TimeSource::Capture, true, window.contents, 256 << 10);
//! let station = &parts[0].stations[0];
//! assert_eq!((station.mac.to_string().as_str(), station.frames_sent), ("02:00:00:00:00:01", 1));
//! let json = String::from_utf8(Record::Batch(Box::new(parts[0].clone())).encode())?;
//! assert!(json.starts_with(r#"{"schema":"airtally.batch/1","site":"lab","sensor":"desk""#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The modules
//!
//! In the order data flows:
//!
//! * [`capture`]: where frames come from: an interface, capture files, standard input.
//! * [`radio`]: the card: how it is found, tuned, healed and given back.
//! * [`dot11`]: bytes to frame facts: capture headers, the 802.11 header, information elements; channels.
//! * [`oui`]: the look-up that names vendors; its `store`: registry files and the SQLite cache.
//! * [`tally`]: frames to a window's counts, in bounded memory; privacy is applied here.
//! * [`flow`]: packets to flows: who spoke with whom, in bounded memory.
//! * [`alert`]: what in the air looks like an attack, in bounded memory.
//! * [`people`]: probe requests to an estimate of how many people are near, in bounded memory.
//! * [`sketch`]: about how many distinct stations there were, in a form that can be merged.
//! * [`wire`]: what travels: the messages, their JSON and their schemas.
//! * [`nmsg`]: NMSG containers to octets and back (feature `nmsg`); [`nmsg_io`]: the files, pipes and sockets they go through.
//! * [`spool`]: the store-and-forward log between producing a batch and delivering it.
//! * [`mqtt`]: topics, sessions, TLS; the publisher and the subscriber.
//! * [`roster`]: the sensors that ingest heard of, and what each said last.
//! * [`sink`]: where batches end: InfluxDB, the SQLite history, dead letters.
//! * [`web`]: the HTTP server and its routes.
//! * [`home_assistant`]: what a Home Assistant at the same broker is told.
//! * [`metrics`]: the text that Prometheus reads.
//!
//! [`provision`] makes many sensors at once, a [`bundle`] each.
//! [`run`] is what a sensor and [`inspect`] share: the identity of a run, its batches, its key file. [`inspect`]
//! answers what is in a capture file; [`doctor`] examines the machine that a sensor is to run on. [`sensor`] and
//! [`ingest`] connect these modules into the two daemons; [`config`] says how; [`cli`] is the command line.
//!
//! [`Mac`], [`UnixNanos`], [`units`], [`bounds`], [`boot`], [`own_file`] (whose a file is), [`mod@erase`] (removes one for
//! good), [`pace`] (how often to try and to log), [`printable`](mod@printable) (what of a stranger's text is shown),
//! [`stop`], [`tls`] (certificates, and their errors in words) and [`watchdog`] are what all of them share.

#[cfg(feature = "sensor")]
pub mod boot;
pub mod bounds;
#[cfg(feature = "sensor")]
pub mod bundle;
#[cfg(feature = "cli")]
pub mod erase;
pub mod mac;
#[cfg(any(feature = "sensor", feature = "ingest"))]
pub mod metrics;
#[cfg(feature = "cli")]
pub mod own_file;
#[cfg(feature = "cli")]
pub mod pace;
#[cfg(feature = "cli")]
pub mod printable;
#[cfg(feature = "ingest")]
pub mod roster;
#[cfg(feature = "cli")]
pub mod stop;
pub mod time;
#[cfg(feature = "tls")]
pub mod tls;
pub mod units;
#[cfg(any(feature = "sensor", feature = "ingest"))]
pub mod watchdog;

pub mod alert;
pub mod dot11;
pub mod flow;
#[cfg(feature = "nmsg")]
pub mod nmsg;
pub mod oui;
pub mod people;
pub mod sketch;
pub mod tally;
pub mod wire;

#[cfg(feature = "config")]
pub mod config;

#[cfg(feature = "capture")]
pub mod capture;
#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg(all(feature = "nmsg", feature = "capture"))]
pub mod nmsg_io;
#[cfg(feature = "provision")]
pub mod provision;
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
pub mod home_assistant;
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
