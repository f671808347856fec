//! The modes of MIKEY, one file each, and which of them is meant.

pub mod dh;
pub mod dhhmac;
pub mod dhsign;
pub mod null;
pub mod psk;
pub mod rsa;
pub mod rsar;

use super::mode::{Mode, ModeName, Refused};
use super::policy::MikeyPolicy;
use super::wire::{ErrorNo, Message};
use crate::Error;

/// The modes of one endpoint.
#[derive(Debug)]
pub struct Modes(Vec<Box<dyn Mode>>);

impl Modes {
    /// Every mode that this build has.
    pub fn all() -> Self {
        Self(vec![
            Box::new(null::NullMode),
            Box::new(psk::PskMode),
            Box::new(rsa::RsaMode),
            Box::new(dhhmac::DhHmacMode::new()),
            Box::new(dhsign::DhSignMode::new()),
            Box::new(rsar::RsaRMode::default()),
        ])
    }

    fn find(&mut self, name: ModeName) -> Option<&mut (dyn Mode + 'static)> {
        self.0.iter_mut().find(|mode| mode.name() == name).map(|mode| &mut **mode)
    }

    /// The mode that policy wants to be offered.
    ///
    /// # Errors
    /// This build does not have it.
    pub fn offering(&mut self, policy: &MikeyPolicy) -> Result<&mut (dyn Mode + 'static), Error> {
        self.find(policy.offer).ok_or(Error::Misuse("this build cannot offer the mode of MIKEY that policy asks for"))
    }

    /// The mode that an I_MESSAGE belongs to, if policy accepts it: there is no bidding down to what it does not.
    ///
    /// # Errors
    /// It is no I_MESSAGE, or of a mode that policy does not accept.
    pub fn answering(&mut self, init: &Message, policy: &MikeyPolicy) -> Result<&mut (dyn Mode + 'static), Refused> {
        let refused = |what: String| Refused::new(ErrorNo::InvalidDt, Error::incompatible(what));
        let data_type = init.hdr().data_type;
        let begins = || refused(format!("its message is {data_type}, which begins no exchange (RFC 3830 section 6.1)"));
        let name = ModeName::of(init).ok_or_else(begins)?;
        if !policy.accept.contains(&name) {
            let accepted: Vec<_> = policy.accept.iter().map(ModeName::to_string).collect();
            let what = format!(
                "its message is {data_type}, that is {name}, and policy accepts {} (RFC 3830 section 6.1)",
                if accepted.is_empty() { "no mode".to_owned() } else { accepted.join(", ") },
            );
            return Err(refused(what));
        }
        let missing = || refused(format!("its message is {data_type}, that is {name}, which this build does not have"));
        self.find(name).ok_or_else(missing)
    }
}
