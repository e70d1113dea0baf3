//! The embedded history: one SQLite file. `store` writes it; `read` opens it for reading, and `query` has the questions, which
//! are asked of `cells`. `range` is what questions and answers are framed in; `counts` and `station` are the sums.

mod cells;
mod counts;
pub mod query;
mod range;
mod read;
mod station;
mod store;

pub use counts::{Counts, Crowd, Kinds};
pub use range::{HistoryError, Order, Page, Paging, Range, Scope, Tier};
pub use read::{History, StationTotal, Totals};
pub use store::Sqlite;
