//! The server's TLS configuration from PEM files. Knows nothing of HTTP.

use crate::tls;
use rustls::ServerConfig;
use std::{path::Path, sync::Arc};

/// Reads the certificate chain in `cert` and the private key in `key`.
///
/// # Errors
/// What is wrong, in a sentence: a file that cannot be read or holds something else, or a key of another certificate.
pub fn server_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let chain = tls::certificates(cert, "the server's certificate").map_err(|error| error.to_string())?;
    let secret = tls::private_key(key, "the server's private key").map_err(|error| error.to_string())?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| {
            format!(
                "{} and {} do not work together: {error}; give the certificate's own key",
                cert.display(),
                key.display()
            )
        })?;
    Ok(Arc::new(config))
}
