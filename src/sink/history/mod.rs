//! The embedded history: one SQLite file. `store` writes it, `read` answers from it.

mod read;
mod store;

pub use read::{ChannelTotal, GapRow, History, HistoryError, StationTotal, Totals, VendorTotal};
pub use store::Sqlite;
