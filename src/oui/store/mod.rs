//! Where the vendor registry comes from and is kept: registry files, the SQLite cache, the network.
//!
//! * [`source`]: tells what a registry file is and parses it (`ethers`: Wireshark's `manuf` and `wka`;
//!   `ieee`, `ieee_text`: the IEEE's CSV and text files; `list`: arp-scan's and nmap's; `parsed`: what they say).
//! * [`merge`]: several parsed files to one sorted, deduplicated registry with its hash.
//! * [`cache`]: the SQLite file it is kept in; [`Watch`] notices when another process replaces it.
//! * [`age`]: how old a registry is, and from when on that is said.
//! * [`snapshot`]: the registry that travels with the program, for a start without a cache.
//! * [`fetch`]: registry files over HTTPS; [`origin`]: an address without its secrets.

pub mod age;
pub mod cache;
mod error;
mod ethers;
#[cfg(feature = "oui-update")]
pub mod fetch;
mod ieee;
mod ieee_text;
mod list;
pub mod merge;
pub mod origin;
mod parsed;
pub mod snapshot;
pub mod source;
mod watch;

pub use cache::Detail;
pub use error::OuiError;
pub use parsed::{Parsed, RegistryRow};
pub use watch::Watch;
