//! The I_MESSAGE: read, and nothing of it proven.

use crate::Identity;
use crate::mikey::form;
use crate::mikey::ids::{Ids, identity};
use crate::mikey::mode::Refused;
use crate::mikey::wire::{DataType, Message, Payload, Rand, Sp, T};

/// An I_MESSAGE of RSA-R, in good order and not proven.
pub struct Init<'m> {
    message: &'m Message,
    /// When it was made.
    pub t: T,
    /// Who made it, and for whom.
    pub ids: Ids,
}

impl<'m> Init<'m> {
    /// Checks the header and which payloads there are.
    ///
    /// # Errors
    /// Another data type or PRF, a payload that does not belong, one that is missing, an octet that cannot be read.
    pub fn read(message: &'m Message) -> Result<Self, Refused> {
        let fits = |payload: &Payload| {
            use Payload::{Cert, Ext, Id, Rand, Sign, Sp, T};
            matches!(payload, T(_) | Rand(_) | Id(_) | Cert(_) | Sp(_) | Ext(_) | Sign(_))
        };
        form::check_init(message, DataType::RsaRInit, fits, "RFC 4738 section 3.1")?;
        message.before_signature()?; // SIGN is the last payload (RFC 3830 section 6.5)
        // The V bit is ignored: the R_MESSAGE is mandatory (RFC 4738 section 3.4).
        Ok(Self { message, t: *message.one()?, ids: Ids::of_certified(message)? })
    }

    /// Who it says that it is from, if it says so.
    ///
    /// # Errors
    /// It names nobody that can be read.
    pub fn claimed(&self) -> Result<Option<Identity>, Refused> {
        self.ids.i.as_ref().map(identity).transpose()
    }

    /// What it brings to the keys, if anything.
    pub fn rand(&self) -> Option<Vec<u8>> {
        self.message.many::<Rand>().next().map(|rand| rand.0.clone())
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
