//! PEM files of certificates and private keys. The one file that reads them.

use super::TlsError;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error, PemObject},
};
use std::{io, path::Path};

/// The certificates in the PEM file at `path`, which are `role` (like "the client certificate"); at least one.
///
/// # Errors
/// When it cannot be read, is no PEM, or holds no certificate.
pub fn certificates(path: &Path, role: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::file(path, role, held(path, "certificate"))),
        Ok(found) => Ok(found),
        Err(error) => Err(TlsError::file(path, role, sentence(path, "certificate", &error))),
    }
}

/// The private key in the PEM file at `path`, which is `role`.
///
/// # Errors
/// When it cannot be read, or holds no key that can be used without a password.
pub fn private_key(path: &Path, role: &'static str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| TlsError::file(path, role, sentence(path, "private key", &error)))
}

fn sentence(path: &Path, wanted: &str, error: &Error) -> String {
    match error {
        Error::Io(error) => match error.kind() {
            io::ErrorKind::NotFound => "there is no such file: check the path".to_owned(),
            io::ErrorKind::PermissionDenied => {
                "this user may not read it: give its group or its owner the right, and each folder above it too"
                    .to_owned()
            }
            _ => format!("it cannot be read ({error})"),
        },
        Error::NoItemsFound => held(path, wanted),
        error => format!("it is no sound PEM ({error}): take the file anew from where it was made"),
    }
}

/// What is in a file that does not hold what it should.
fn held(path: &Path, wanted: &str) -> String {
    let mark = format!("-----BEGIN {}-----", wanted.to_uppercase());
    let octets = std::fs::read(path).unwrap_or_default();
    let labels: Vec<_> = String::from_utf8_lossy(&octets)
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----").map(str::to_owned))
        .collect();
    let has = |part: &str| labels.iter().any(|label| label.contains(part));
    let why = if octets.is_empty() {
        "it is empty"
    } else if has("ENCRYPTED") && wanted == "private key" {
        return "its private key is encrypted with a password, which nobody would be there to type: \
                'openssl pkey -in FILE -out NEW' writes it without one; give that file mode 0600"
            .to_owned();
    } else if has("CERTIFICATE REQUEST") {
        "it holds a request for a certificate, not what the authority made of it"
    } else if has("PRIVATE KEY") {
        "it holds a private key"
    } else if has("CERTIFICATE") {
        "it holds a certificate"
    } else if octets.starts_with(&[0x30]) {
        return format!(
            "it is DER, not PEM: 'openssl x509 -inform der -in FILE -out NEW.pem' makes it one with {mark}"
        );
    } else {
        "it is no PEM file"
    };
    format!("{why}, and no {wanted} ({mark})")
}
