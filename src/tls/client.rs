//! The configuration of a client: whom it trusts, who it is, what name it expects. The server is always verified.

use super::{TlsError, certificates, private_key, words::SelfSigned};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{path::Path, sync::Arc};
use webpki::EndEntityCert;

/// Whose word on a server is taken.
#[derive(Clone, Copy, Debug)]
pub enum Authorities<'a> {
    /// The system's.
    System,
    /// Those in this PEM file alone.
    Only(&'a Path),
    /// The system's, where it has any, and those in this PEM file.
    SystemAnd(&'a Path),
}

/// Builds a client's configuration, with ring as its cryptography. `identity` is a client certificate's file and its
/// key's; `expect` is the name that the server's certificate must be for, where it is another than the one connected to.
///
/// # Errors
/// When a file cannot be read or does not hold what it should.
pub fn client(
    authorities: Authorities<'_>,
    identity: Option<(&Path, &Path)>,
    expect: Option<&str>,
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let fail = |error: &dyn std::fmt::Display| TlsError::Setup(error.to_string());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(authorities)?), Arc::clone(&provider))
        .build()
        .map_err(|error| fail(&error))?;
    let expect = match expect {
        None => None,
        Some(name) => Some(
            ServerName::try_from(name.to_owned())
                .map_err(|error| TlsError::Setup(format!("'{name}' is no server's name: {error}")))?,
        ),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fail(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { inner, expect }));
    let Some((cert, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(cert, "the client certificate")?;
    let secret = private_key(key, "the client certificate's private key")?;
    builder.with_client_auth_cert(chain, secret).map_err(|error| {
        TlsError::Setup(format!(
            "{} and {} do not work together ({error}): give the key that the certificate was made for",
            cert.display(),
            key.display()
        ))
    })
}

fn roots(authorities: Authorities<'_>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Authorities::Only(path) | Authorities::SystemAnd(path) = authorities {
        let role = "the certificate authorities to trust";
        for certificate in certificates(path, role)? {
            roots.add(certificate).map_err(|error| TlsError::file(path, role, format!("{error}")))?;
        }
    }
    if !matches!(authorities, Authorities::Only(_)) {
        let found = rustls_native_certs::load_native_certs();
        // A store as distributions ship it holds a few certificates that no verifier takes: the rest still counts.
        let _ = roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
            return Err(TlsError::NoRoots(why));
        }
    }
    Ok(roots)
}

/// Verifies as rustls does, and is more exact about why not: a certificate that nobody issued but its own holder is
/// called that. Where a name is expected, it stands for the one connected to, which clients take from the address.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    expect: Option<ServerName<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        connected_to: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.expect.as_ref().unwrap_or(connected_to);
        self.inner.verify_server_cert(end_entity, intermediates, name, ocsp_response, now).map_err(|error| {
            let is_authority = match &error {
                Error::InvalidCertificate(CertificateError::UnknownIssuer) => false,
                Error::InvalidCertificate(CertificateError::Other(other)) if is_authority(other) => true,
                _ => return error,
            };
            match EndEntityCert::try_from(end_entity) {
                Ok(cert) if cert.issuer() == cert.subject() => {
                    CertificateError::Other(OtherError(Arc::new(SelfSigned { is_authority }))).into()
                }
                _ => error,
            }
        })
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

fn is_authority(other: &OtherError) -> bool {
    matches!(other.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}
