//! The TLS client configuration: whom to trust, who we are, what name to expect. The server is always verified.
//! The one file of this module that reads certificates; knows nothing of MQTT.

use super::MqttError;
use crate::config::Tls;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{path::Path, sync::Arc};

/// Reads the files that `tls` names and builds the configuration, with ring as its cryptography.
///
/// # Errors
/// When a file cannot be read or does not hold what it should.
pub(super) fn client_config(tls: &Tls) -> Result<ClientConfig, MqttError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(match &tls.ca_file {
        Some(path) => private_roots(path)?,
        None => system_roots()?,
    });
    let fail = |error: &dyn std::fmt::Display| MqttError::Tls(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| fail(&error))?;
    let builder = match &tls.server_name {
        None => builder.with_root_certificates(roots),
        Some(name) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(ExpectName::new(name, roots, provider)?))
        }
    };
    match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => {
            let chain = certificates(cert, "the client certificate")?;
            let role = "the client certificate's private key";
            let key = PrivateKeyDer::from_pem_file(key.path()).map_err(|e| MqttError::pem(key.path(), role, &e))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                MqttError::Tls(format!(
                    "{} and its key do not work together: {error}; give the key that the certificate was made for",
                    cert.display()
                ))
            })
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(path: &Path, role: &'static str) -> Result<Vec<CertificateDer<'static>>, MqttError> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let found = read().map_err(|error: rustls::pki_types::pem::Error| MqttError::pem(path, role, &error))?;
    if found.is_empty() {
        return Err(MqttError::pem(path, role, &"it holds no PEM certificate (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(found)
}

fn private_roots(path: &Path) -> Result<RootCertStore, MqttError> {
    let role = "the certificate authorities to trust";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, role)? {
        roots.add(certificate).map_err(|error| MqttError::pem(path, role, &error))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, MqttError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // A store as distributions ship it holds a few certificates that no verifier takes: the rest still counts.
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(MqttError::NoRoots(why));
    }
    Ok(roots)
}

/// Verifies as rustls does, but against `mqtt.tls.server_name` in place of the host connected to: rumqttc takes the
/// name from the address and has no other way to say it.
#[derive(Debug)]
struct ExpectName {
    name: ServerName<'static>,
    inner: Arc<WebPkiServerVerifier>,
}

impl ExpectName {
    fn new(name: &str, roots: Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> Result<Self, MqttError> {
        let fail = |error: &dyn std::fmt::Display| MqttError::Tls(format!("mqtt.tls.server_name '{name}': {error}"));
        let inner =
            WebPkiServerVerifier::builder_with_provider(roots, provider).build().map_err(|error| fail(&error))?;
        let name = ServerName::try_from(name.to_owned()).map_err(|error| fail(&error))?;
        Ok(Self { name, inner })
    }
}

impl ServerCertVerifier for ExpectName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _connected_to: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
