//! What a file of certificates says to people: whom each is for, and from when until when.

use super::identity::Identities;
use super::tls;
use std::path::Path;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

/// One certificate. Nobody has checked its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it is for (RFC 5922 section 7.1).
    pub identities: Identities,
    /// It is not valid before this time since 1970.
    pub begins: Duration,
    /// It is not valid after this time since 1970.
    pub ends: Duration,
}

impl Certificate {
    /// All in a PEM file, in its order.
    ///
    /// # Errors
    /// One sentence that names the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Vec<Self>, String> {
        tls::certificates(path)?
            .iter()
            .map(|der| Self::of(der).map_err(|e| format!("{}: {e}", path.display())))
            .collect()
    }

    fn of(der: &[u8]) -> Result<Self, String> {
        let identities = Identities::of(der)?;
        let (_, certificate) = X509Certificate::from_der(der).map_err(|e| format!("it cannot be read: {e}"))?;
        let validity = certificate.validity();
        let since_1970 = |secs: i64| Duration::from_secs(u64::try_from(secs).unwrap_or(0));
        let (begins, ends) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Ok(Self { identities, begins: since_1970(begins), ends: since_1970(ends) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_whom_it_is_for_and_how_long() {
        let mut params = rcgen::CertificateParams::new(vec!["example.org".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let pem = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cert.pem");
        std::fs::write(&file, &pem).unwrap();
        let read = Certificate::read(&file).unwrap();
        let [certificate] = &read[..] else { panic!("{read:?}") };
        assert!(certificate.identities.is_for("example.org") && !certificate.identities.is_for("example.com"));
        // 2026-01-01 and 2027-01-01.
        assert_eq!((certificate.begins.as_secs(), certificate.ends.as_secs()), (1_767_225_600, 1_798_761_600));
        std::fs::write(&file, pem.replace('M', "!")).unwrap();
        assert!(Certificate::read(&file).unwrap_err().contains("cert.pem"));
    }
}
