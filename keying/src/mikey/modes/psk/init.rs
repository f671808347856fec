//! The I_MESSAGE: read, then verified, then decrypted, in that order.

use crate::mikey::derive::{CsbLabel, TransportKeys};
use crate::mikey::form;
use crate::mikey::ids::Ids;
use crate::mikey::mode::Refused;
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::protection::{self, mac};
use crate::mikey::wire::{DataType, EncrAlg, ErrorNo, Kemac, KeyData, MacAlg, Message, Payload, Sp, T};
use crate::{Error, Identity, Proof};
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
        let fits = |payload: &Payload| {
            use Payload::{Ext, Id, Kemac, Rand, Sp, T};
            matches!(payload, T(_) | Rand(_) | Id(_) | Sp(_) | Ext(_) | Kemac(_))
        };
        form::check_init(message, DataType::PskInit, fits, "RFC 3830 section 3.1")?;
        let (ids, rand) = (Ids::of_init(message)?, form::rand(message, rand)?);
        let csb = CsbLabel { csb_id: message.hdr().csb_id, rand };
        let init = Self { message, kemac: message.one()?, t: *message.one()?, csb, ids };
        message.before_mac()?; // KEMAC is the last payload (RFC 3830 section 6.2)
        Ok(init)
    }

    /// How the key data is protected.
    pub fn protection(&self) -> (EncrAlg, MacAlg) {
        (self.kemac.encr_alg, self.kemac.mac_alg)
    }

    /// The message itself.
    pub fn message(&self) -> &'m Message {
        self.message
    }

    /// The security policies.
    pub fn policies(&self) -> Vec<Sp> {
        self.message.many::<Sp>().cloned().collect()
    }

    /// Verifies the MAC: whoever made the message holds the key, and that is `who`. Without keys it is the NULL mode's,
    /// which has asked whether the hop is TLS.
    ///
    /// # Errors
    /// It does not verify, or there is none and policy wants one.
    pub fn verify(&self, keys: Option<&TransportKeys>, who: Identity, policy: &MikeyPolicy) -> Result<Proof, Refused> {
        let proof = match self.kemac.mac_alg {
            MacAlg::Null if keys.is_none() => Some(Proof::hop(who)),
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
        protection::decrypt(self.kemac, keys, &self.csb, self.t)
    }

    /// The keys in decrypted key data.
    ///
    /// # Errors
    /// Not readable; none at all, which only an update may have (RFC 3830 section 6.2); an empty one.
    pub fn keys(&self, plain: &[u8]) -> Result<Vec<KeyData>, Refused> {
        protection::keys(plain)
    }
}
