//! The I_MESSAGE: read, and nothing of it proven.

use crate::mikey::derive::CsbLabel;
use crate::mikey::ids::{Ids, identity};
use crate::mikey::mode::Refused;
use crate::mikey::wire::{
    CacheType, DataType, EncrAlg, ErrorNo, Kemac, MacAlg, Message, Payload, Pke, Prf, Rand, Sp, T,
};
use crate::{Error, Identity};

/// An I_MESSAGE of the public-key method, in good order and not proven.
pub struct Init<'m> {
    message: &'m Message,
    kemac: &'m Kemac,
    pke: &'m Pke,
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
        message.complete()?;
        let hdr = message.hdr();
        if hdr.data_type != DataType::PkInit {
            let error = Error::incompatible(format!("its message is {}, not Public key", hdr.data_type));
            return Err(Refused::new(ErrorNo::InvalidDt, error));
        }
        if hdr.prf != Prf::Mikey1 {
            let what = format!("its PRF is {}, and we know MIKEY-1 (RFC 3830 table 6.1.c)", hdr.prf);
            return Err(Refused::new(ErrorNo::InvalidPrf, Error::incompatible(what)));
        }
        for part in message.parts() {
            use Payload::{Cert, Chash, Ext, Id, Kemac, Pke, Rand, Sign, Sp, T};
            if !matches!(
                part.payload,
                T(_) | Rand(_) | Id(_) | Cert(_) | Sp(_) | Ext(_) | Kemac(_) | Chash(_) | Pke(_) | Sign(_)
            ) {
                let what = format!("{} has no place in an I_MESSAGE of the public-key method", part.payload.name());
                return Err(Error::misbehaved(what, "RFC 3830 section 3.2").into());
            }
        }
        message.before_signature()?; // SIGN is the last payload (RFC 3830 section 6.5)
        let csb = CsbLabel { csb_id: hdr.csb_id, rand: message.one::<Rand>()?.0.clone() };
        let (kemac, pke) = (message.one()?, message.one()?);
        Ok(Self { message, kemac, pke, t: *message.one()?, csb, ids: Ids::of_certified(message)? })
    }

    /// Who it says that it is from, if it says so in clear.
    ///
    /// # Errors
    /// It names nobody that can be read.
    pub fn claimed(&self) -> Result<Option<Identity>, Refused> {
        self.ids.i.as_ref().map(identity).transpose()
    }

    /// How the key data is protected.
    pub fn protection(&self) -> (EncrAlg, MacAlg) {
        (self.kemac.encr_alg, self.kemac.mac_alg)
    }

    /// What may be done with the envelope key.
    pub fn cache(&self) -> CacheType {
        self.pke.cache
    }

    /// The message itself.
    pub fn message(&self) -> &'m Message {
        self.message
    }

    /// The security policies.
    pub fn policies(&self) -> Vec<Sp> {
        self.message.many::<Sp>().cloned().collect()
    }
}
