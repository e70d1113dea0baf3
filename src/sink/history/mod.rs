//! The embedded history: one SQLite file with three tiers: windows as they came, minutes, hours.
//!
//! * `store` writes windows, `roll` makes minutes and hours of them, `bounds` says what gives way. `coarse` are the tables of
//!   minutes and hours, `detail` what is packed in them.
//! * `read` opens it for reading, and [`query`] has the questions. They are asked of `cells`, which makes one of the tiers; `raw`
//!   reads windows. `range` is what questions and answers are framed in.
//! * `flows` stores who spoke with whom, `alerts` what looked like an attack, `people` how many were near. `counts` and `station` are the sums.

mod alerts;
mod bounds;
mod cells;
mod coarse;
mod counts;
mod detail;
mod flows;
mod people;
pub mod query;
mod range;
mod raw;
mod read;
mod roll;
mod sketches;
mod station;
mod store;

pub use counts::{Counts, Crowd, Kinds};
pub use range::{HistoryError, Order, Page, Paging, Range, Scope, Tier};
pub use read::{History, Totals};
pub use store::Sqlite;
