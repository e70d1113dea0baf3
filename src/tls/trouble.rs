//! What can be wrong with TLS before anybody is spoken to, and of whom a sentence speaks.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

/// Why TLS cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of use.
    #[error("cannot use {} as {role}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        role: &'static str,
        /// What is wrong and what would do.
        message: String,
    },
    /// The system has no certificate authorities.
    #[error(
        "this system has no certificate authorities to trust ({0}): install ca-certificates, or name the server's own"
    )]
    NoRoots(String),
    /// A certificate and its key do not fit, or a name is no name.
    #[error("cannot set up TLS: {0}")]
    Setup(String),
}

impl TlsError {
    pub(super) fn file(path: &Path, role: &'static str, message: String) -> Self {
        Self::File { path: path.to_owned(), role, message }
    }
}

/// What whoever reads a sentence can set: each as it is written where it is set.
#[derive(Debug)]
pub struct Settings {
    /// What names the authorities to trust, like `mqtt.tls.ca_file`.
    pub authority: &'static str,
    /// What says the server's name, like `mqtt.host`.
    pub name: &'static str,
    /// What names the client certificate and its key; nothing where none can be shown.
    pub identity: Option<&'static str>,
    /// What to do for a connection without TLS.
    pub plain: &'static str,
}

/// Of whom a sentence speaks.
#[derive(Clone, Debug)]
pub struct Peer<'a> {
    /// Like "the broker at localhost:8883".
    pub who: &'a str,
    /// What can be set.
    pub settings: &'static Settings,
    /// A client certificate is set up.
    pub has_identity: bool,
}

/// The error of TLS that is beneath `error`, if one is: clients wrap it in errors of input and output.
#[must_use]
pub fn found<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(error);
        }
        // An io::Error's source is not what it holds, but what is beneath that.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(error) = inner.and_then(|inner| found(inner)) {
            return Some(error);
        }
        next = error.source();
    }
    None
}
