//! Chains of certificates up to an issuer that we trust, by rustls-webpki (RFC 5280 section 6).

use super::cert::{CertError, Certificate, unix};
use crate::crypto::Curve;
use keyphone_media::env::NtpTime;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
    alg_id,
};
use std::time::Duration;
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, Error, ExpirationPolicy, ExtendedKeyUsageValidator,
    KeyPurposeIdIter, KeyUsage, OwnedCertRevocationList, RequiredEkuNotFoundContext, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

/// A certificate revocation list (RFC 5280 section 5).
#[derive(Debug)]
pub struct Crl(CertRevocationList<'static>);

impl Crl {
    /// Reads a file: one list in DER, or any number in PEM.
    ///
    /// # Errors
    /// There is none, or one cannot be read.
    pub fn read(bytes: &[u8]) -> Result<Vec<Self>, CertError> {
        let unreadable = |what: String| CertError::Unreadable(what);
        let list = |der: &[u8]| {
            let list: Result<OwnedCertRevocationList, _> =
                BorrowedCertRevocationList::from_der(der).and_then(|list| list.to_owned());
            let list = list.map_err(|e| unreadable(format!("the revocation list cannot be read: {e}")))?;
            Ok(Self(list.into()))
        };
        if bytes.starts_with(&[0x30]) {
            return Ok(vec![list(bytes)?]);
        }
        let pems = x509_parser::pem::Pem::iter_from_buffer(bytes);
        let pems: Result<Vec<_>, _> = pems.collect();
        let pems = pems.map_err(|_| unreadable("the PEM is damaged".into()))?;
        let lists = pems.iter().filter(|pem| pem.label == "X509 CRL").map(|pem| list(&pem.contents));
        let lists: Vec<_> = lists.collect::<Result<_, _>>()?;
        if lists.is_empty() {
            return Err(unreadable("there is no revocation list in PEM or DER".into()));
        }
        Ok(lists)
    }
}

/// The issuers that we trust, each read once.
#[derive(Debug, Default)]
pub(super) struct Anchors(Vec<TrustAnchor<'static>>);

impl Anchors {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more. A certificate that webpki makes no issuer of, such as one with two extensions of a kind, is passed over.
    pub(super) fn trust(&mut self, root: &Certificate) {
        let der = CertificateDer::from(root.der());
        self.0.extend(webpki::anchor_from_trusted_cert(&der).map(|anchor| anchor.to_owned()));
    }
}

/// Is that certificate in a list of its issuer's? Nobody checks the list's signature here: this is for certificates
/// that stand for themselves, and the list is a file of our own.
pub(super) fn check_listed(cert: &Certificate, crls: &[Crl]) -> Result<(), CertError> {
    let der = CertificateDer::from(cert.der());
    let parsed = EndEntityCert::try_from(&der).map_err(|e| told(cert, &e))?;
    for Crl(list) in crls.iter().filter(|Crl(list)| list.issuer() == parsed.issuer()) {
        if list.find_serial(parsed.serial()).map_err(|e| told(cert, &e))?.is_some() {
            return Err(CertError::Revoked(cert.shown()));
        }
    }
    Ok(())
}

/// Does the first certificate hold, with the help of the others, under one of these anchors? Time and chain alone are
/// checked here, not the name.
pub(super) fn check(chain: &[Certificate], anchors: &Anchors, crls: &[Crl], now: NtpTime) -> Result<(), CertError> {
    let [leaf, others @ ..] = chain else { return Err(CertError::Unreadable("there is none".into())) };
    let ders: Vec<_> = others.iter().map(|cert| CertificateDer::from(cert.der())).collect();
    let der = CertificateDer::from(leaf.der());
    let parsed = EndEntityCert::try_from(&der).map_err(|e| told(leaf, &e))?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(unix(now).try_into().unwrap_or(0)));
    let lists: Vec<_> = crls.iter().map(|Crl(list)| list).collect();
    // No list at all means that nobody is revoked. An issuer without a list among them is not the list's business; a
    // list that is out of date says nothing, and then nobody of that issuer is accepted.
    let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
        options
            .with_depth(RevocationCheckDepth::Chain)
            .with_status_policy(UnknownStatusPolicy::Allow)
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .build()
    });
    let algorithms: Vec<_> = webpki::ALL_VERIFICATION_ALGS.iter().copied().chain([P521 as _]).collect();
    parsed
        .verify_for_usage(&algorithms, &anchors.0, &ders, time, AnyOf, revocation, None)
        .map(drop)
        .map_err(|e| told(leaf, &e))
}

/// What webpki found, in our words.
fn told(cert: &Certificate, error: &Error) -> CertError {
    let who = cert.shown();
    match error {
        Error::CertExpired { .. } => CertError::Invalid(who, "one of its issuers' certificates has expired".into()),
        Error::CertNotValidYet { .. } => CertError::Invalid(who, "one of its issuers is not valid yet".into()),
        Error::CertRevoked => CertError::Revoked(who),
        Error::CrlExpired { .. } => CertError::ListExpired(who),
        Error::UnknownIssuer => CertError::UnknownIssuer(who, cert.issuer().to_owned()),
        Error::InvalidSignatureForPublicKey => {
            CertError::Invalid(who, "its signature, or one of its issuers', does not verify".into())
        }
        Error::RequiredEkuNotFoundContext(_) => CertError::NotFor(who, "SIP"),
        other => CertError::Invalid(who, other.to_string()),
    }
}

/// Extended key usages that fit a SIP user: none at all, any, SIP's own (RFC 5924), and the ones that certificates for
/// TLS and S/MIME have, for users have no others.
struct AnyOf;

impl ExtendedKeyUsageValidator for AnyOf {
    fn validate(&self, iter: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        const KP: [usize; 8] = [1, 3, 6, 1, 5, 5, 7, 3];
        /// serverAuth, clientAuth, emailProtection, sipDomain.
        const FITTING: [usize; 4] = [1, 2, 4, 20];
        /// id-kp-sipDomain, the octets of its OID (RFC 5924 section 4.1).
        const SIP_DOMAIN: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 20];
        const ANY: [usize; 5] = [2, 5, 29, 37, 0];
        let mut present = vec![];
        for id in iter {
            let oid: Vec<_> = id?.to_decoded_oid();
            if oid == ANY || (oid.starts_with(&KP) && oid.len() == 9 && FITTING.contains(&oid[8])) {
                return Ok(());
            }
            present.push(oid);
        }
        if present.is_empty() {
            return Ok(());
        }
        let required = KeyUsage::required_if_present(SIP_DOMAIN);
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

/// ECDSA on P-521 with SHA-512, which ring lacks.
#[derive(Debug)]
struct EcdsaP521;

const P521: &EcdsaP521 = &EcdsaP521;

impl SignatureVerificationAlgorithm for EcdsaP521 {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let verified = Curve::P521.verify_der(public_key, message, signature);
        if verified.unwrap_or(false) { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA512
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::asn1::Asn1Time;
    use openssl::bn::BigNum;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::x509::extension::BasicConstraints;
    use openssl::x509::{X509, X509Name};
    use proptest::prelude::*;

    fn key() -> PKey<Private> {
        PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(Nid::SECP521R1).unwrap()).unwrap()).unwrap()
    }

    fn certificate(of: &PKey<Private>, name: &str, by: (&PKey<Private>, &str), authority: bool) -> Certificate {
        let named = |name: &str| {
            let mut builder = X509Name::builder().unwrap();
            builder.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
            builder.build()
        };
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&named(name)).unwrap();
        builder.set_issuer_name(&named(by.1)).unwrap();
        builder.set_not_before(&Asn1Time::from_str("20200101000000Z").unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_str("20400101000000Z").unwrap()).unwrap();
        builder.set_pubkey(of).unwrap();
        if authority {
            builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        }
        builder.sign(by.0, MessageDigest::sha512()).unwrap();
        Certificate::from_der(&builder.build().to_der().unwrap()).unwrap()
    }

    #[test]
    fn an_authority_on_p_521_can_be_trusted() {
        let (ca, user, other) = (key(), key(), key());
        let now = NtpTime(0xed00_0000_0000_0000);
        let mut anchors = Anchors::default();
        anchors.trust(&certificate(&ca, "ca", (&ca, "ca"), true));
        let check = |leaf| check(&[leaf], &anchors, &[], now);
        assert_eq!(check(certificate(&user, "user", (&ca, "ca"), false)), Ok(()));
        let forged = check(certificate(&user, "user", (&other, "ca"), false));
        assert!(forged.unwrap_err().to_string().contains("does not verify"));
    }

    proptest! {
        #[test]
        fn no_octets_panic(
            at in any::<prop::sample::Index>(), to in any::<u8>(), len in any::<prop::sample::Index>(),
            noise in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let der = Certificate::read(include_bytes!("../../tests/data/certs/alice.pem")).unwrap()[0].der().to_vec();
            let mut changed = der[..=len.index(der.len())].to_vec();
            let at = at.index(changed.len());
            changed[at] = to;
            for octets in [&changed, &noise] {
                if let Ok(certificate) = Certificate::from_der(octets) {
                    let _ = (certificate.key().is_ok(), check_listed(&certificate, &[]).is_ok());
                }
                let _ = (Certificate::read(octets).is_ok(), Crl::read(octets).is_ok());
                let _ = crate::crypto::PublicKey::from_spki(octets);
            }
        }
    }
}
