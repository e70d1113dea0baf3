//! Many sensors at once: from a list to a bundle each, the broker's users and rights, and a small certificate authority.
//!
//! `list` reads who there is, `passwords` and `rights` are mosquitto's files, `authority` issues certificates, `folder`
//! is where all of it is written. Knows no command line, and speaks with no broker.

pub mod authority;
pub mod folder;
pub mod list;
pub mod passwords;
pub mod rights;
