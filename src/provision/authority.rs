//! A small certificate authority: its own certificate, the broker's, and those of clients. ECDSA on P-256 throughout
//! (RFC 5280, FIPS 186-4). The one file that knows rcgen.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// Certificates are valid from the first day of this year: a Pi has no clock of its own, and may not know the date yet
/// when it connects first.
const FIRST_YEAR: i32 = 2020;
/// Years until the authority's certificate ends, and until those do that it issues: at the end of a year.
const YEARS_CA: i16 = 20;
const YEARS_ISSUED: i16 = 10;

/// A certificate and its private key, both in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// An authority that can issue.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    year: i16,
}

/// Why no certificate can be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The authority's private key is none that this program made.
    #[error("the authority's private key cannot be used: {0}")]
    Key(rcgen::Error),
    /// The certificate cannot be made.
    #[error("no certificate can be made for {0}: {1}")]
    Issue(String, rcgen::Error),
}

impl Authority {
    /// A new authority, in the year `year`, and its certificate.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(year: i16) -> Result<(Self, Issued), AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Key)?;
        let fail = |error| AuthorityError::Issue("the authority".into(), error);
        let params = own(&key, year);
        let certificate = params.self_signed(&key).map_err(fail)?.pem();
        let pem = key.serialize_pem();
        Ok((Self { issuer: Issuer::new(params, key), year }, Issued { certificate, key: pem }))
    }

    /// The authority that has this private key (PEM). Its name follows from the key, so its certificate need not be read.
    ///
    /// # Errors
    /// When it is no such key.
    pub fn open(key: &str, year: i16) -> Result<Self, AuthorityError> {
        let key = KeyPair::from_pem(key).map_err(AuthorityError::Key)?;
        Ok(Self { issuer: Issuer::new(own(&key, year), key), year })
    }

    /// A certificate for a broker that is asked for by these names and addresses.
    ///
    /// # Errors
    /// When one of them is no name of a server.
    pub fn server(&self, names: &[String]) -> Result<Issued, AuthorityError> {
        let first = names.first().cloned().unwrap_or_default();
        let params = CertificateParams::new(names).map_err(|error| AuthorityError::Issue(names.join(", "), error))?;
        self.issue(params, &first, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client: its common name is the user that the broker takes it for.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self, user: &str) -> Result<Issued, AuthorityError> {
        self.issue(CertificateParams::default(), user, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Issued, AuthorityError> {
        let fail = |error| AuthorityError::Issue(name.to_owned(), error);
        let key = KeyPair::generate().map_err(fail)?;
        params.distinguished_name = named(name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        until(&mut params, self.year, YEARS_ISSUED);
        let certificate = params.signed_by(&key, &self.issuer).map_err(fail)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }
}

/// What the authority with this key says of itself.
fn own(key: &KeyPair, year: i16) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mark: String = params.key_identifier(key).iter().take(4).map(|octet| format!("{octet:02x}")).collect();
    params.distinguished_name = named(&format!("airtally CA {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    until(&mut params, year, YEARS_CA);
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn until(params: &mut CertificateParams, year: i16, years: i16) {
    params.not_before = date_time_ymd(FIRST_YEAR, 1, 1);
    params.not_after = date_time_ymd(i32::from(year.saturating_add(years)) + 1, 1, 1);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_authority_opened_again_is_the_same_and_others_keys_are_refused() {
        let (authority, own) = Authority::new(2026).unwrap();
        let again = Authority::open(&own.key, 2030).unwrap();
        let names = ["broker.lan".to_owned(), "192.0.2.7".to_owned()];
        for authority in [&authority, &again] {
            assert!(authority.server(&names).unwrap().certificate.starts_with("-----BEGIN CERTIFICATE-----"));
            assert!(authority.client("home/attic").unwrap().key.starts_with("-----BEGIN PRIVATE KEY-----"));
        }
        assert!(Authority::open(&own.certificate, 2026).is_err());
        assert!(authority.server(&["no name\u{e9}".to_owned()]).is_err());
    }
}
