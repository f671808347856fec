//! An X.509 certificate (RFC 5280), and who it says that it is for.

use super::Identity;
use crate::Error;
use crate::crypto::PublicKey;
use keyphone_media::env::NtpTime;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, OnceLock};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

/// A certificate. Nothing in it is proven before [`super::CertStore::verify`] says so.
#[derive(Clone)]
pub struct Certificate(Arc<Read>);

struct Read {
    der: Vec<u8>,
    spki: Vec<u8>,
    names: Vec<Identity>,
    /// The distinguished names of subject and issuer, made when somebody asks.
    distinguished: OnceLock<(String, String)>,
    not_before: ASN1Time,
    not_after: ASN1Time,
    signs: bool,
    enciphers: bool,
    key: OnceLock<Option<PublicKey>>,
}

/// What a certificate's key is to be used for (RFC 5280 section 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To verify its owner's signatures.
    Signing,
    /// To encrypt an envelope key to its owner.
    Enciphering,
}

/// Why a certificate is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertError {
    /// It is no certificate, or not one that we can use.
    #[error("a certificate cannot be used: {0}")]
    Unreadable(String),
    /// Its time is over.
    #[error("the certificate of {0} expired at {1}")]
    Expired(String, String),
    /// Its time has not come.
    #[error("the certificate of {0} is valid from {1} on, and no earlier")]
    NotYet(String, String),
    /// A revocation list has it.
    #[error("the certificate of {0} is revoked")]
    Revoked(String),
    /// The revocation list is too old to say anything.
    #[error("the revocation list of {0}'s issuer is out of date: get a new one")]
    ListExpired(String),
    /// No issuer that we trust stands behind it.
    #[error("the certificate of {0} was issued by {1}, which is none that we trust")]
    UnknownIssuer(String, String),
    /// A signature in the chain does not verify, or a rule of the chain is broken.
    #[error("the certificate of {0} does not hold: {1}")]
    Invalid(String, String),
    /// It is somebody else's.
    #[error("{0} is not in the certificate, which is for {1}")]
    NotNamed(Identity, String),
    /// Another one is pinned for that name.
    #[error("another certificate is pinned for {0}")]
    NotPinned(Identity),
    /// It must not be used so.
    #[error("the certificate of {0} is not for {1}")]
    NotFor(String, &'static str),
}

impl CertError {
    /// Where the rule stands.
    pub fn section(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "RFC 5280 section 4.1",
            Self::Expired(..) | Self::NotYet(..) => "RFC 5280 section 4.1.2.5",
            Self::Revoked(_) => "RFC 5280 section 6.1.3",
            Self::ListExpired(_) => "RFC 5280 section 5.1.2.5",
            Self::UnknownIssuer(..) | Self::Invalid(..) => "RFC 5280 section 6.1",
            Self::NotNamed(..) => "RFC 3830 section 4.3.1, RFC 5922 section 7.1",
            Self::NotPinned(_) => "RFC 3830 section 4.3.2",
            Self::NotFor(..) => "RFC 5280 section 4.2.1.3",
        }
    }
}

impl From<CertError> for Error {
    fn from(error: CertError) -> Self {
        Self::misbehaved(error.to_string(), error.section())
    }
}

/// A file holds at most so many certificates.
const MAX_IN_FILE: usize = 1000;

impl Certificate {
    /// Reads one certificate in DER, to the last octet.
    ///
    /// # Errors
    /// It is none.
    pub fn from_der(der: &[u8]) -> Result<Self, CertError> {
        let unreadable = |why: &str| CertError::Unreadable(why.into());
        let (rest, cert) = X509Certificate::from_der(der).map_err(|_| unreadable("it is no X.509 certificate"))?;
        if !rest.is_empty() {
            return Err(unreadable("octets follow it"));
        }
        let uses = cert.key_usage().map_err(|_| unreadable("its key usage is there twice, or malformed"))?;
        // Without the extension a key may be used for anything (RFC 5280 section 4.2.1.3).
        let (signs, enciphers) = uses.map_or((true, true), |uses| {
            (uses.value.digital_signature() || uses.value.non_repudiation(), uses.value.key_encipherment())
        });
        Ok(Self(Arc::new(Read {
            der: der.to_vec(),
            spki: cert.public_key().raw.to_vec(),
            names: names(&cert)?,
            distinguished: OnceLock::new(),
            not_before: cert.validity().not_before,
            not_after: cert.validity().not_after,
            signs,
            enciphers,
            key: OnceLock::new(),
        })))
    }

    /// Reads a file: one certificate in DER, or any number in PEM, in their order. What else stands in the PEM, such
    /// as a private key, is passed over.
    ///
    /// # Errors
    /// There is none, or one cannot be read.
    pub fn read(bytes: &[u8]) -> Result<Vec<Self>, CertError> {
        if bytes.starts_with(&[0x30]) {
            return Ok(vec![Self::from_der(bytes)?]);
        }
        let mut found = vec![];
        for pem in Pem::iter_from_buffer(bytes).take(MAX_IN_FILE) {
            let pem = pem.map_err(|_| CertError::Unreadable("the PEM is damaged".into()))?;
            if pem.label == "CERTIFICATE" {
                found.push(Self::from_der(&pem.contents)?);
            }
        }
        if found.is_empty() {
            return Err(CertError::Unreadable("there is no certificate in PEM or DER".into()));
        }
        Ok(found)
    }

    /// The whole certificate.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Whom it is for, best first (RFC 5922 section 7.1): each `sip:` URI in the subjectAltName, users and domains
    /// alike; without any, the DNS names there, as domains; without a subjectAltName, the common name if it is a DNS
    /// name.
    pub fn names(&self) -> &[Identity] {
        &self.0.names
    }

    /// The same as text, or its subject if it is for nobody that SIP knows.
    pub fn shown(&self) -> String {
        match &self.0.names[..] {
            [] => self.subject().to_owned(),
            names => names.iter().take(8).map(Identity::as_str).collect::<Vec<_>>().join(", "),
        }
    }

    /// The distinguished name of its subject.
    pub fn subject(&self) -> &str {
        &self.distinguished().0
    }

    /// The distinguished name of its issuer.
    pub fn issuer(&self) -> &str {
        &self.distinguished().1
    }

    fn distinguished(&self) -> &(String, String) {
        self.0.distinguished.get_or_init(|| {
            let (_, cert) = X509Certificate::from_der(&self.0.der).expect("it was read before");
            (shown(&cert.subject().to_string()), shown(&cert.issuer().to_string()))
        })
    }

    /// When it expires, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.0.not_after.timestamp()
    }

    /// SHA-256 of the DER, by which people compare certificates.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.0.der).into()
    }

    /// SHA-1 of the DER, for CHASH (RFC 3830 section 6.8).
    pub(crate) fn sha1(&self) -> [u8; 20] {
        Sha1::digest(&self.0.der).into()
    }

    /// The public key.
    ///
    /// # Errors
    /// It is of a kind, or a size, that we cannot use.
    pub fn key(&self) -> Result<&PublicKey, CertError> {
        let key = self.0.key.get_or_init(|| PublicKey::from_spki(&self.0.spki)).as_ref();
        key.ok_or_else(|| {
            let what = "its key is none we can use: it takes RSA with 1024 to 8192 bits, or P-256, P-384, P-521";
            CertError::Unreadable(format!("{}: {what}", self.shown()))
        })
    }

    pub(super) fn check_time(&self, now: NtpTime) -> Result<(), CertError> {
        let now = unix(now);
        if now < self.0.not_before.timestamp() {
            return Err(CertError::NotYet(self.shown(), self.0.not_before.to_string()));
        }
        if now > self.0.not_after.timestamp() {
            return Err(CertError::Expired(self.shown(), self.0.not_after.to_string()));
        }
        Ok(())
    }

    pub(super) fn check_use(&self, used: Use) -> Result<(), CertError> {
        match used {
            Use::Signing if !self.0.signs => Err(CertError::NotFor(self.shown(), "signatures")),
            Use::Enciphering if !self.0.enciphers => Err(CertError::NotFor(self.shown(), "key encipherment")),
            Use::Signing | Use::Enciphering => Ok(()),
        }
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {})", self.shown(), hex::encode(&self.fingerprint()[..8]))
    }
}

/// Seconds since 1970. An NTP time in the lower half of its range is one of the era that begins in 2036.
pub(super) fn unix(t: NtpTime) -> i64 {
    let seconds = t.0 >> 32;
    let seconds = if seconds < 1 << 31 { seconds + (1 << 32) } else { seconds };
    seconds as i64 - NtpTime::UNIX_EPOCH as i64
}

fn names(cert: &X509Certificate<'_>) -> Result<Vec<Identity>, CertError> {
    let unreadable = |_| CertError::Unreadable("its subjectAltName is there twice, or malformed".into());
    let Some(alternatives) = cert.subject_alternative_name().map_err(unreadable)? else {
        let common = cert.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        return Ok(common.filter(|name| is_dns_name(name)).map(domain).collect());
    };
    let (mut uris, mut domains) = (vec![], vec![]);
    for name in &alternatives.value.general_names {
        match name {
            GeneralName::URI(uri) if is_sip(uri) => uris.push(Identity::new(uri)),
            GeneralName::DNSName(name) if is_dns_name(name) => domains.push(domain(name)),
            _ => {}
        }
    }
    Ok(if uris.is_empty() { domains } else { uris })
}

fn domain(name: &str) -> Identity {
    Identity::new(&format!("sip:{name}"))
}

/// Scheme tokens are case-insensitive (RFC 5922 section 7.1); what cannot be shown is no name.
fn is_sip(uri: &str) -> bool {
    let scheme = uri.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip:"));
    scheme && uri.len() > 4 && !uri.contains(|c: char| c.is_control() || c.is_whitespace())
}

fn is_dns_name(name: &str) -> bool {
    name.contains('.')
        && name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

/// What somebody else wrote, fit for one line of ours.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, string::Ia5String};
    use std::time::Duration;

    fn with(names: &[SanType], common: Option<&str>) -> Certificate {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        Certificate::from_der(&der).unwrap()
    }

    fn uri(uri: &str) -> SanType {
        SanType::URI(Ia5String::try_from(uri).unwrap())
    }

    fn dns(name: &str) -> SanType {
        SanType::DnsName(Ia5String::try_from(name).unwrap())
    }

    fn names(certificate: &Certificate) -> Vec<&str> {
        certificate.names().iter().map(Identity::as_str).collect()
    }

    #[test]
    fn sip_uris_go_before_dns_names_and_these_before_the_common_name() {
        let all =
            [dns("example.net"), uri("https://example.org"), uri("SIP:bob@Example.org;x=y"), uri("sip:example.org")];
        assert_eq!(names(&with(&all, Some("example.com"))), ["sip:bob@example.org", "sip:example.org"]);
        assert_eq!(names(&with(&all[..2], Some("example.com"))), ["sip:example.net"]);
        assert_eq!(names(&with(&[], Some("example.com"))), ["sip:example.com"]);
        assert!(names(&with(&all[1..2], Some("example.com"))).is_empty(), "there is a subjectAltName");
        let nobody = with(&[uri("sip:a b@example.org"), dns("*.example.org")], Some("Bob"));
        assert_eq!((names(&nobody).len(), nobody.shown().as_str()), (0, "CN=Bob"));
    }

    #[test]
    fn a_certificate_is_good_from_its_first_second_to_its_last() {
        let certificate = Certificate::read(include_bytes!("../../tests/data/certs/alice.pem")).unwrap().remove(0);
        let at = |unix: i64| NtpTime::from_unix(Duration::from_secs(unix as u64));
        let (first, last) = (certificate.0.not_before.timestamp(), certificate.not_after());
        assert!(certificate.check_time(at(first)).is_ok() && certificate.check_time(at(last)).is_ok());
        let late = certificate.check_time(at(last + 1)).unwrap_err();
        assert!(late.to_string().starts_with("the certificate of sip:alice@example.org expired at "), "{late}");
        assert!(matches!(certificate.check_time(at(first - 1)), Err(CertError::NotYet(..))));
        assert_eq!(unix(at(2_085_978_496)), 2_085_978_496, "the first second of the era of 2036");
    }

    #[test]
    fn what_is_no_certificate_is_said() {
        let pem = include_bytes!("../../tests/data/certs/alice.pem");
        let der = Certificate::read(pem).unwrap()[0].der().to_vec();
        assert_eq!(Certificate::read(&der).unwrap(), Certificate::read(pem).unwrap());
        for len in 0..der.len() {
            assert!(Certificate::from_der(&der[..len]).is_err());
        }
        assert!(Certificate::from_der(&[&der[..], &[0]].concat()).unwrap_err().to_string().contains("follow"));
        assert!(Certificate::read(b"hello").is_err());
        assert!(Certificate::read(include_bytes!("../../tests/data/certs/alice.key")).is_err(), "a key is none");
    }
}
