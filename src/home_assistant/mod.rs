//! What Home Assistant is told: of each sensor a small summary, and which devices and entities there are. Pure: records,
//! statuses and infos go in with the time, messages come out. Knows no connection and no file.
//!
//! [`Summaries`] keeps what is known of each sensor; `window` puts a window together from its parts; `discovery` writes the
//! messages that Home Assistant's MQTT integration reads (device discovery, 2024.11 and later); `names` makes identifiers.
//! An address of a stranger is in none of them, and that of one's own device neither: it has the name that its owner gave.

mod discovery;
mod names;
mod summaries;
mod window;

pub use summaries::{Publication, Summaries};
