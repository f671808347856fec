//! The envelope of the public-key methods (RFC 3830 section 3.2, RFC 4738 section 3.6): keys under a key that is made
//! for them alone, and that one under the public key of whoever may open it.
//!
//! ```text
//! KEMAC = E(encr_key, ID || {TGK}) || MAC     encr_key and auth_key are derived from env_key
//! PKE   = E(PK, env_key)
//! ```
//! The ID inside is the sender's: so nobody can take an envelope out of one message, sign it, and pass it on as his own.
//! The MAC covers the KEMAC payload alone, its Next payload set to zero (RFC 3830 section 5.2).

use super::bundle::Bundle;
use super::derive::{CsbLabel, Secret, TransportKeys};
use super::ids::identity;
use super::mode::Refused;
use super::policy::MikeyPolicy;
use super::protection::{self, decrypt, encrypt, mac, permitted};
use super::turns::InUse;
use super::wire::{
    CacheType, Chash, EncrAlg, ErrorNo, HashFunc, Id, Kemac, KeyData, MacAlg, Message, Pke, T, key_data,
};
use crate::identity::{CertStore, Own, Trusted};
use crate::{Error, Identity};
use keyphone_media::env::Env;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What goes into a message, and what its sender keeps.
pub struct Sealed {
    /// The keys.
    pub kemac: Kemac,
    /// The envelope key.
    pub pke: Pke,
    /// What the answer is verified with.
    pub keys: TransportKeys,
    /// The envelope key itself.
    pub secret: Secret,
}

/// What came out of a message.
pub struct Opened {
    /// What the answer is made with.
    pub keys: TransportKeys,
    /// The envelope key itself.
    pub secret: Secret,
    /// Who sealed it, as the inside says.
    pub id: Option<Id>,
    /// The keys: at least one, but in an update.
    pub key_data: Vec<KeyData>,
}

/// Octets of an envelope key that we make.
const ENVELOPE_KEY: usize = 16;

/// One fresh key in the form that policy chooses, to be sealed under this ID, for a bundle whose keys have this MKI.
///
/// # Errors
/// AES-KW does not take a TEK of this length.
pub fn fresh(id: &Id, ask: &Bundle<'_>, in_use: Option<&InUse>, env: &mut Env<'_>) -> Result<KeyData, Error> {
    // RFC 3830 section 6.7: Next payload, ID Type and ID len stand before ID Data.
    protection::fresh(ask, ask.policy.encryption, 4 + id.data.len(), in_use, env)
}

/// Seals keys under our ID for the owner of a certificate. `csb` is what the envelope itself is protected with.
///
/// # Errors
/// Policy forbids how, or the certificate's key is none for it.
pub fn seal(
    (id, keys): (&Id, &[KeyData]),
    to: &Trusted,
    (csb, t): (&CsbLabel, T),
    policy: &MikeyPolicy,
    env: &mut Env<'_>,
) -> Result<Sealed, Error> {
    protected((policy.encryption, policy.mac), policy).map_err(|refused| refused.error)?;
    let mut secret = Zeroizing::new(vec![0; ENVELOPE_KEY]);
    env.rng.fill(&mut secret);
    let plain = key_data::write_keys(Some(id), keys)?;
    let keys = TransportKeys::new(&secret, csb);
    let encr_data = encrypt(policy.encryption, &plain, Some(&keys), csb, t)?;
    let mut kemac = Kemac { encr_alg: policy.encryption, encr_data, mac_alg: policy.mac, mac: vec![] };
    kemac.mac = mac(policy.mac, Some(&keys), &[&kemac.covered_alone()?])?;
    let pke = Pke { cache: policy.cache, data: to.key().encrypt(policy.envelope, &secret)? };
    Ok(Sealed { kemac, pke, keys, secret })
}

/// How an envelope may be protected: as policy says, and so that it shows whether it opened. A MAC shows that, and
/// AES-KW by itself, with which no MAC is recommended here (RFC 3830 section 4.2.3): the signature covers all the rest.
///
/// # Errors
/// It may not.
pub fn protected((encr, mac): (EncrAlg, MacAlg), policy: &MikeyPolicy) -> Result<(), Refused> {
    match (encr, mac) {
        (EncrAlg::AesKw128, MacAlg::Null) => Ok(()),
        (_, MacAlg::Null) => {
            let what = "its envelope has no MAC, and so nothing to show that it opened (RFC 3830 section 3.2)";
            Err(Refused::new(ErrorNo::InvalidMac, Error::incompatible(what)))
        }
        _ => permitted((encr, mac), policy),
    }
}

/// Which certificate of ours a message was sealed for: the one whose hash it carries, or else the first whose key an
/// envelope of this length can be for.
///
/// # Errors
/// It is for another certificate, or for none that we have; its hash is not SHA-1.
pub fn opener<'s>(message: &Message, store: &'s CertStore) -> Result<&'s Own, Refused> {
    let data = &message.one::<Pke>()?.data;
    let mut fitting = store.openers().filter(|own| own.key().envelope_len() == Some(data.len()));
    let found = match message.maybe::<Chash>()? {
        Some(Chash { hash_func: HashFunc::Sha1, hash }) => fitting.find(|own| own.certificate().sha1()[..] == hash[..]),
        Some(Chash { hash_func, .. }) => {
            let what = format!("it hashes our certificate by {hash_func}, which we do not (RFC 3830 section 4.2.1)");
            return Err(Refused::new(ErrorNo::InvalidHa, Error::incompatible(what)));
        }
        None => fitting.next(),
    };
    found.ok_or_else(|| {
        let what = "its envelope is sealed for a certificate that we do not have";
        Refused::new(ErrorNo::InvalidCert, Error::misbehaved(what, "RFC 3830 sections 3.2 and 6.8"))
    })
}

/// Opens the envelope of a message whose signature was verified: call it with nothing else. It must be from `sender`
/// by its inside, too: "the encrypted IDi MUST always be verified to be equal with the expected IDi". `instead` is random
/// and fresh: see [`PrivateKey::open`](crate::crypto::PrivateKey::open).
///
/// # Errors
/// The MAC does not verify, whether for a wrong envelope key or none at all; what is inside cannot be read, or is
/// somebody else's.
pub fn open(
    message: &Message,
    own: &Own,
    (csb, t): (&CsbLabel, T),
    sender: &Identity,
    policy: &MikeyPolicy,
    instead: Secret,
) -> Result<Opened, Refused> {
    let opened = open_update(message, own, (csb, t), sender, policy, instead)?;
    if opened.key_data.is_empty() {
        return Err(Error::misbehaved("its envelope brings no key", "RFC 3830 section 3.2").into());
    }
    Ok(opened)
}

/// The same of an update, which may bring no keys: then those before stay, and it may have no KEMAC at all (RFC 3830
/// section 4.5).
///
/// # Errors
/// As in [`open`].
pub fn open_update(
    message: &Message,
    own: &Own,
    (csb, t): (&CsbLabel, T),
    sender: &Identity,
    policy: &MikeyPolicy,
    instead: Secret,
) -> Result<Opened, Refused> {
    let secret = own.key().open(policy.envelope, &message.one::<Pke>()?.data, instead);
    let keys = TransportKeys::new(&secret, csb);
    let Some(kemac) = message.maybe::<Kemac>()? else {
        return Ok(Opened { keys, secret, id: None, key_data: vec![] });
    };
    protected((kemac.encr_alg, kemac.mac_alg), policy)?;
    // One answer to all that does not open: whether it was the envelope or what is in it must not show.
    let closed = || {
        let shown =
            if kemac.mac_alg == MacAlg::Null { "its wrapped keys do not unwrap" } else { "its MAC does not verify" };
        let what = format!("{shown}: the envelope is not for us, or the message was changed on the way");
        Refused::new(ErrorNo::AuthFailure, Error::misbehaved(what, "RFC 3830 section 5.3"))
    };
    let plain = if kemac.mac_alg == MacAlg::Null {
        decrypt(kemac, Some(&keys), csb, t).map_err(|_| closed())?
    } else {
        let computed = mac(kemac.mac_alg, Some(&keys), &[&kemac.covered_alone()?])?;
        if computed.is_empty() || !bool::from(computed.ct_eq(&kemac.mac)) {
            return Err(closed());
        }
        decrypt(kemac, Some(&keys), csb, t)?
    };
    let (id, key_data) = key_data::read_id_and_keys(&plain)?;
    let inside = identity(&id)?;
    if inside != *sender {
        let what = format!("its envelope is from {inside}, and the message is from {sender}");
        return Err(Refused::new(ErrorNo::InvalidId, Error::misbehaved(what, "RFC 3830 section 3.2")));
    }
    if key_data.iter().any(|key| key.key.is_empty()) {
        return Err(Error::misbehaved("its envelope brings an empty key", "RFC 3830 section 3.2").into());
    }
    Ok(Opened { keys, secret, id: Some(id), key_data })
}

/// May the key of an envelope be used again, to update this bundle (RFC 3830 table 6.3)?
pub fn updates(cache: CacheType) -> bool {
    matches!(cache, CacheType::Cache | CacheType::CacheForCsb)
}
