//! The server's TLS configuration from PEM files. Knows nothing of HTTP.

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{path::Path, sync::Arc};

/// Reads the certificate chain in `cert` and the private key in `key`.
///
/// # Errors
/// What is wrong, in a sentence: a file that cannot be read or holds something else, or a key of another certificate.
pub fn server_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let unusable = |path: &Path, what: &str, why: &dyn std::fmt::Display| {
        format!("cannot read {what} from {}: {why}; give a PEM file", path.display())
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(cert, "the certificate", &error))?;
    if chain.is_empty() {
        return Err(unusable(cert, "the certificate", &"it holds none"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, "the private key", &error))?;
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
