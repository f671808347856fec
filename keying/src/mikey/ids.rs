//! Who a message says that it is from, and for.

use super::mode::Refused;
use super::wire::{ErrorNo, Id, IdType, Message, Payload};
use crate::{Error, Identity};

/// The identities that were transported: a single one is the sender's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// IDi.
    pub i: Option<Id>,
    /// IDr.
    pub r: Option<Id>,
}

impl Ids {
    /// Those of an I_MESSAGE.
    ///
    /// # Errors
    /// There are more than two.
    pub fn of_init(message: &Message) -> Result<Self, Refused> {
        let mut ids = message.many::<Id>();
        let found = Self { i: ids.next().cloned(), r: ids.next().cloned() };
        if ids.next().is_some() {
            return Err(Error::misbehaved("its message names more than two identities", "RFC 3830 section 3.1").into());
        }
        Ok(found)
    }

    /// Those of a message that says by CERT who it is from: a single ID behind the certificate is then the recipient's
    /// (`[IDi|CERTi], [IDr]` in RFC 3830 sections 3.2 and 3.3).
    ///
    /// # Errors
    /// There are more than two.
    pub fn of_certified(message: &Message) -> Result<Self, Refused> {
        let ids = Self::of_init(message)?;
        let mut first = message.parts().iter().map(|part| &part.payload);
        let certified = first.find(|p| matches!(p, Payload::Cert(_) | Payload::Id(_)));
        match (certified, &ids.r) {
            (Some(Payload::Cert(_)), None) => Ok(Self { i: None, r: ids.i }),
            _ => Ok(ids),
        }
    }

    /// Who the Initiator says to be; `named` if it does not say.
    ///
    /// # Errors
    /// As in [`identity`].
    pub fn initiator(&self, named: &Identity) -> Result<Identity, Refused> {
        self.i.as_ref().map_or_else(|| Ok(named.clone()), identity)
    }

    /// Is the message for us, as far as it says?
    ///
    /// # Errors
    /// It is for somebody else: taken from another call, or sent to the wrong place (RFC 3830 section 9.5).
    pub fn check_recipient(&self, me: &Identity) -> Result<(), Refused> {
        match self.r.as_ref().map(identity).transpose()? {
            Some(id) if id != *me => {
                let what = format!("its message is for {id} and we are {me}");
                Err(Refused::new(ErrorNo::InvalidId, Error::misbehaved(what, "RFC 3830 section 9.5")))
            }
            _ => Ok(()),
        }
    }
}

/// An identity has at most so many octets. The field could hold 65535, which nobody could read in the sentence that
/// names it, nor send in a SIP header.
const MAX_LEN: usize = 1024;

/// Who an ID payload names (RFC 3830 section 6.7).
///
/// # Errors
/// It is neither a NAI nor a URI, longer than 1024 octets, or no text that can be shown.
pub fn identity(id: &Id) -> Result<Identity, Refused> {
    let bad = |what: String| Refused::new(ErrorNo::InvalidId, Error::misbehaved(what, "RFC 3830 section 6.7"));
    match (id.id_type, id.text()) {
        (IdType::Unknown(n), _) => Err(bad(format!("its ID type {n} is neither NAI nor URI"))),
        _ if id.data.len() > MAX_LEN => Err(bad(format!("its ID has {} octets, more than any address", id.data.len()))),
        (_, Some(text)) if !text.is_empty() && !text.contains(char::is_control) => Ok(Identity::new(text)),
        _ => Err(bad("its ID is empty or no readable text".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_that_no_sentence_can_hold_is_none() {
        let of = |len: usize| identity(&Id::uri(&format!("sip:{}@example.org", "x".repeat(len - 16))));
        assert!(of(MAX_LEN).is_ok());
        let refused = of(MAX_LEN + 1).unwrap_err();
        assert_eq!((refused.number, refused.to_string().len() < 100), (ErrorNo::InvalidId, true), "{refused}");
    }
}
