//! Keys and certificates. OpenSSL makes them, because the keys of P-521 and RSA are its own too.

use super::Curve;
use crate::fault::{Fault, usage};
use keyphone_keying::Identity;
use keyphone_media::env::NtpTime;
use keyphone_ua::net::Clock;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// Bits of an RSA key.
const RSA_BITS: u32 = 2048;

/// A certificate or a key.
type Pem = Zeroizing<Vec<u8>>;

/// Whom a certificate is for.
#[derive(Debug)]
pub(super) struct Subject {
    uri: String,
    host: String,
    file: String,
}

impl Subject {
    pub(super) fn of(identity: &Identity) -> Result<Self, Fault> {
        let uri = identity.as_str().to_owned();
        let rest = uri.strip_prefix("sip:").ok_or_else(|| usage(format!("{uri} is no sip: URI")))?;
        let (user, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
        let name = user.unwrap_or(host);
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+') { c } else { '_' };
        let file: String = name.chars().map(safe).take(64).collect();
        if file == "ca" || file.is_empty() {
            return Err(usage(format!("{uri} would be in {file}.pem, where the CA is: choose another user")));
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { uri, host, file })
    }

    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// The name of its files, without what follows the dot.
    pub(super) fn file(&self) -> &str {
        &self.file
    }
}

/// A certification authority.
pub(super) struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    /// One of those that [`Authority::make`] made.
    pub(super) fn read(certificate: &[u8], key: &[u8]) -> Result<Self, ErrorStack> {
        let certificate = X509::from_pem(certificate)?;
        let key = PKey::private_key_from_pem(key)?;
        if !certificate.public_key()?.public_eq(&key) {
            return Err(ErrorStack::get());
        }
        Ok(Self { certificate, key })
    }

    /// Is its time over? What it issues then is worth nothing.
    pub(super) fn has_expired(&self) -> bool {
        Asn1Time::from_unix(now()).is_ok_and(|now| self.certificate.not_after() < now)
    }

    /// A new one. Chains are checked by what knows no P-521, so that the CA of such keys is on P-384.
    pub(super) fn make(ec: Option<Curve>, days: u32) -> Result<Self, ErrorStack> {
        let key = new_key(ec.map(|curve| if curve == Curve::P521 { Curve::P384 } else { curve }))?;
        let name = name("keyphone test CA")?;
        let mut builder = begin(&name, &name, &key, days)?;
        builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(identifier)?;
        builder.sign(&key, digest(&key))?;
        Ok(Self { certificate: builder.build(), key })
    }

    pub(super) fn certificate(&self) -> Result<Pem, ErrorStack> {
        self.certificate.to_pem().map(Zeroizing::new)
    }

    pub(super) fn key(&self) -> Result<Pem, ErrorStack> {
        self.key.private_key_to_pem_pkcs8().map(Zeroizing::new)
    }

    /// A certificate and its key, both in PEM. The URI is for MIKEY (RFC 3830 section 4.3), the host for TLS: a URI with
    /// a user names no domain (RFC 5922 section 7.1).
    pub(super) fn issue(&self, subject: &Subject, ec: Option<Curve>, days: u32) -> Result<(Pem, Pem), ErrorStack> {
        let key = new_key(ec)?;
        let common: String = subject.uri.chars().take(64).collect();
        let mut builder = begin(&name(&common)?, self.certificate.subject_name(), &key, days)?;
        builder.append_extension(BasicConstraints::new().critical().build()?)?;
        let mut usage = KeyUsage::new();
        usage.critical().digital_signature();
        if ec.is_none() {
            usage.key_encipherment(); // envelopes are encrypted to it
        }
        builder.append_extension(usage.build()?)?;
        builder.append_extension(ExtendedKeyUsage::new().server_auth().client_auth().build()?)?;
        let mut names = SubjectAlternativeName::new();
        names.uri(&subject.uri);
        match subject.host.parse::<IpAddr>() {
            Ok(ip) => names.ip(&ip.to_string()),
            Err(_) => names.dns(&subject.host),
        };
        let context = builder.x509v3_context(Some(&self.certificate), None);
        let names = names.build(&context)?;
        let issuer = AuthorityKeyIdentifier::new().keyid(false).build(&context)?;
        builder.append_extension(names)?;
        builder.append_extension(issuer)?;
        builder.sign(&self.key, digest(&self.key))?;
        let certificate = builder.build().to_pem()?;
        Ok((Zeroizing::new(certificate), Zeroizing::new(key.private_key_to_pem_pkcs8()?)))
    }
}

fn new_key(ec: Option<Curve>) -> Result<PKey<Private>, ErrorStack> {
    let curve = match ec {
        None => return PKey::from_rsa(Rsa::generate(RSA_BITS)?),
        Some(Curve::P256) => Nid::X9_62_PRIME256V1,
        Some(Curve::P384) => Nid::SECP384R1,
        Some(Curve::P521) => Nid::SECP521R1,
    };
    let group = EcGroup::from_curve_name(curve)?;
    PKey::from_ec_key(EcKey::generate(group.as_ref())?)
}

/// ECDSA on P-384 goes with SHA-384, everything else with SHA-256: what webpki verifies.
fn digest(key: &PKey<Private>) -> MessageDigest {
    if key.bits() == 384 { MessageDigest::sha384() } else { MessageDigest::sha256() }
}

fn name(common: &str) -> Result<X509Name, ErrorStack> {
    let mut builder = X509NameBuilder::new()?;
    builder.append_entry_by_nid(Nid::COMMONNAME, common)?;
    Ok(builder.build())
}

/// Seconds since 1970.
fn now() -> i64 {
    // T of an NTP clock is in seconds since 1900, above 32 bits of a fraction.
    (Clock::default().now().ntp.0 >> 32) as i64 - NtpTime::UNIX_EPOCH as i64
}

/// Version 3, a random serial number, and valid from yesterday: clocks differ.
fn begin(
    subject: &X509Name,
    issuer: &openssl::x509::X509NameRef,
    key: &PKey<Private>,
    days: u32,
) -> Result<X509Builder, ErrorStack> {
    const DAY: i64 = 86_400;
    let now = now();
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::ONE, false)?;
    let serial = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_pubkey(key)?;
    let (from, to) = (Asn1Time::from_unix(now - DAY)?, Asn1Time::from_unix(now + i64::from(days) * DAY)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&to)?;
    Ok(builder)
}
