//! What a sensor and `airtally inspect` share: which run it is, its batches, the key of its pseudonyms, its meter of people.
//!
//! * [`identity`]: the run's UUID, which for a file is a function of its content and of what shapes its batches.
//! * [`batches`]: closed windows to the records that travel.
//! * [`alerts`]: an alert as privacy lets it leave.
//! * [`watch`]: what a window has of alerts.
//! * [`key_file`]: the file that keeps the key of pseudonyms for one rotation.
//! * [`people`]: the meter of people, as the configuration asks for it.

pub mod alerts;
pub mod batches;
pub mod identity;
pub mod key_file;
pub mod people;
pub mod site_secret;
pub mod watch;
