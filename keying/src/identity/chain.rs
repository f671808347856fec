//! Chains of certificates up to an issuer that we trust, by rustls-webpki (RFC 5280 section 6).

use super::cert::{CertError, Certificate, unix};
use keyphone_media::env::NtpTime;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::sign::Verifier;
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
pub(super) fn check(
    chain: &[Certificate],
    anchors: &[Certificate],
    crls: &[Crl],
    now: NtpTime,
) -> Result<(), CertError> {
    let [leaf, others @ ..] = chain else { return Err(CertError::Unreadable("there is none".into())) };
    let ders: Vec<_> = others.iter().map(|cert| CertificateDer::from(cert.der())).collect();
    let roots: Vec<_> = anchors.iter().map(|cert| CertificateDer::from(cert.der())).collect();
    let anchors: Vec<TrustAnchor<'_>> =
        roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).collect();
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
        .verify_for_usage(&algorithms, &anchors, &ders, time, AnyOf, revocation, None)
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
        let verify = || {
            let group = EcGroup::from_curve_name(Nid::SECP521R1)?;
            let point = EcPoint::from_bytes(&group, public_key, &mut *BigNumContext::new()?)?;
            let key = PKey::from_ec_key(EcKey::from_public_key(&group, &point)?)?;
            Verifier::new(MessageDigest::sha512(), &key)?.verify_oneshot(signature, message)
        };
        if verify().unwrap_or(false) { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA512
    }
}
