//! The I_MESSAGE: read, then verified, then decrypted, in that order.

use crate::mikey::derive::{CsbLabel, HASH_LEN, TransportKeys, hmac_sha1};
use crate::mikey::mode::Refused;
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::replay::Fingerprint;
use crate::mikey::transport;
use crate::mikey::wire::{
    DataType, EncrAlg, ErrorNo, Id, Kemac, KeyData, MacAlg, Message, Payload, Prf, Rand, Sp, T, key_data,
};
use crate::{Error, Identity, Proof};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

/// An I_MESSAGE of the PSK method, in good order and not proven.
pub struct Init<'m> {
    message: &'m Message,
    kemac: &'m Kemac,
    /// When it was made.
    pub t: T,
    /// What its keys are derived with.
    pub csb: CsbLabel,
    /// Who made it, and for whom.
    pub ids: Ids,
}

/// The identities that were transported: a single one is the sender's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// IDi.
    pub i: Option<Id>,
    /// IDr.
    pub r: Option<Id>,
}

impl<'m> Init<'m> {
    /// Checks the header and which payloads there are.
    ///
    /// # Errors
    /// Another data type or PRF, a payload that does not belong, one that is missing, an octet that cannot be read.
    pub fn read(message: &'m Message) -> Result<Self, Refused> {
        Self::read_with(message, None)
    }

    /// The same, of an update of a bundle that has this RAND already (RFC 3830 section 4.5).
    ///
    /// # Errors
    /// It has a RAND of its own: then it is no update, but the first message of a bundle.
    pub fn read_update(message: &'m Message, rand: &[u8]) -> Result<Self, Refused> {
        Self::read_with(message, Some(rand))
    }

    fn read_with(message: &'m Message, rand: Option<&[u8]>) -> Result<Self, Refused> {
        message.complete()?;
        let hdr = message.hdr();
        if hdr.data_type != DataType::PskInit {
            let error = Error::incompatible(format!("its message is {}, not Pre-shared", hdr.data_type));
            return Err(Refused::new(ErrorNo::InvalidDt, error));
        }
        if hdr.prf != Prf::Mikey1 {
            let what = format!("its PRF is {}, and we know MIKEY-1 (RFC 3830 table 6.1.c)", hdr.prf);
            return Err(Refused::new(ErrorNo::InvalidPrf, Error::incompatible(what)));
        }
        for part in message.parts() {
            use Payload::{Ext, Id, Kemac, Rand, Sp, T};
            if !matches!(part.payload, T(_) | Rand(_) | Id(_) | Sp(_) | Ext(_) | Kemac(_)) {
                return Err(misplaced(&part.payload, "an I_MESSAGE of the pre-shared key method").into());
            }
        }
        let mut ids = message.many::<Id>();
        let found = Ids { i: ids.next().cloned(), r: ids.next().cloned() };
        if ids.next().is_some() {
            return Err(Error::misbehaved("its message names more than two identities", "RFC 3830 section 3.1").into());
        }
        let rand = match (rand, message.maybe::<Rand>()?) {
            (None, _) => message.one::<Rand>()?.0.clone(),
            (Some(rand), None) => rand.to_vec(),
            (Some(_), Some(_)) => {
                let what = "its message has a RAND, which an update must not have: it is old, or begins another bundle";
                return Err(Error::misbehaved(what, "RFC 3830 section 4.5").into());
            }
        };
        let csb = CsbLabel { csb_id: hdr.csb_id, rand };
        let init = Self { message, kemac: message.one()?, t: *message.one()?, csb, ids: found };
        message.before_mac()?; // KEMAC is the last payload (RFC 3830 section 6.2)
        Ok(init)
    }

    /// How the key data is protected.
    pub fn protection(&self) -> (EncrAlg, MacAlg) {
        (self.kemac.encr_alg, self.kemac.mac_alg)
    }

    /// What the replay cache knows it by: its MAC, which covers all of it; without one, a hash.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::try_from(&self.kemac.mac[..]).unwrap_or_else(|_| Sha1::digest(self.message.bytes()).into())
    }

    /// The message itself.
    pub fn message(&self) -> &'m Message {
        self.message
    }

    /// The security policies.
    pub fn policies(&self) -> Vec<Sp> {
        self.message.many::<Sp>().cloned().collect()
    }

    /// Verifies the MAC: whoever made the message holds the key, and that is `who`.
    ///
    /// # Errors
    /// It does not verify, or there is none and policy wants one.
    pub fn verify(&self, keys: Option<&TransportKeys>, who: Identity, policy: &MikeyPolicy) -> Result<Proof, Refused> {
        let proof = match self.kemac.mac_alg {
            MacAlg::Null => Proof::nothing(who, policy),
            alg => Proof::verify_mac(who, &mac(alg, keys, &[self.message.before_mac()?])?, &self.kemac.mac),
        };
        proof.ok_or_else(|| {
            let what = "its MAC does not verify: the key is another one, or the message was changed on the way";
            Refused::new(ErrorNo::AuthFailure, Error::misbehaved(what, "RFC 3830 section 5.3"))
        })
    }

    /// Decrypts the key data of a message that was verified.
    ///
    /// # Errors
    /// AES-KW's own check fails.
    pub fn decrypt(&self, keys: Option<&TransportKeys>, _: &Proof) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let data = &self.kemac.encr_data;
        let (alg, keys) = match (self.kemac.encr_alg, keys) {
            (EncrAlg::Null, _) => return Ok(data.clone()),
            (alg, Some(keys)) => (alg, keys),
            (_, None) => return Err(Error::Misuse("decryption needs a pre-shared key").into()),
        };
        match alg {
            EncrAlg::AesCm128 => Ok(transport::aes_cm(keys, self.csb.csb_id, self.t.octets(), data)),
            EncrAlg::AesKw128 => transport::aes_kw_unwrap(keys, data).ok_or_else(|| {
                let what = "its wrapped keys do not unwrap (RFC 3394 section 2.2.2)";
                Error::misbehaved(what, "RFC 3830 section 4.2.3").into()
            }),
            EncrAlg::Null | EncrAlg::Unknown(_) => Err(Error::Misuse("this encryption was refused before").into()),
        }
    }

    /// The keys in decrypted key data.
    ///
    /// # Errors
    /// Not readable; none at all, which only an update may have (RFC 3830 section 6.2); an empty one.
    pub fn keys(&self, plain: &[u8]) -> Result<Vec<KeyData>, Refused> {
        let keys = key_data::read_keys(plain)?;
        if keys.is_empty() || keys.iter().any(|key| key.key.is_empty()) {
            return Err(Error::misbehaved("its message brings no key, or an empty one", "RFC 3830 section 3.1").into());
        }
        Ok(keys)
    }
}

/// A payload that a message of this kind has no use for.
pub(super) fn misplaced(payload: &Payload, message: &str) -> Error {
    Error::misbehaved(format!("{} has no place in {message}", payload.name()), "RFC 3830 section 3.1")
}

/// A MAC over the pieces, empty for NULL.
pub(super) fn mac(alg: MacAlg, keys: Option<&TransportKeys>, pieces: &[&[u8]]) -> Result<Vec<u8>, Error> {
    match (alg, keys) {
        (MacAlg::Null, _) => Ok(vec![]),
        (MacAlg::HmacSha1_160, Some(keys)) => {
            let mac: [u8; HASH_LEN] = hmac_sha1(&keys.auth, pieces);
            Ok(mac.to_vec())
        }
        (MacAlg::HmacSha1_160, None) => Err(Error::Misuse("a MAC needs a pre-shared key")),
        (MacAlg::Unknown(_), _) => Err(Error::Misuse("this MAC is none we know")),
    }
}

/// Encrypts our own key data.
pub(super) fn encrypt(
    alg: EncrAlg,
    plain: &[u8],
    keys: Option<&TransportKeys>,
    csb: &CsbLabel,
    t: T,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    match (alg, keys) {
        (EncrAlg::Null, _) => Ok(Zeroizing::new(plain.to_vec())),
        (EncrAlg::AesCm128, Some(keys)) => Ok(transport::aes_cm(keys, csb.csb_id, t.octets(), plain)),
        (EncrAlg::AesKw128, Some(keys)) => transport::aes_kw_wrap(keys, plain)
            .map(Zeroizing::new)
            .ok_or(Error::Misuse("AES-KW needs key data in multiples of 8 octets")),
        (EncrAlg::AesCm128 | EncrAlg::AesKw128, None) => Err(Error::Misuse("encryption needs a pre-shared key")),
        (EncrAlg::Unknown(_), _) => Err(Error::Misuse("this encryption is none we know")),
    }
}
