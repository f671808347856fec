//! The I_MESSAGE: read, and written.

use super::{Method, Running, permitted};
use crate::mikey::bundle::Bundle;
use crate::mikey::derive::CsbLabel;
use crate::mikey::form;
use crate::mikey::ids::Ids;
use crate::mikey::mode::Refused;
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::tolerance::Tolerance;
use crate::mikey::wire::{Dh, Draft, ErrorNo, Hdr, Id, Message, Payload, Prf, Rand, Sp, T};
use crate::{Error, Expect};

/// An I_MESSAGE in good order and not proven.
pub struct Init<'m> {
    message: &'m Message,
    /// When it was made.
    pub t: T,
    /// What its keys are derived with.
    pub csb: CsbLabel,
    /// Who made it, and for whom.
    pub ids: Ids,
    /// DHi; `None` in an update that brings no key.
    pub dh: Option<&'m Dh>,
    /// The deviations that were let pass.
    pub tolerated: Vec<Tolerance>,
}

impl<'m> Init<'m> {
    /// Checks the header, which payloads there are, and whether policy takes its group. `running` is the RAND of the
    /// bundle that it updates, if it is an update: then it has no RAND of its own, and DHi may be missing (RFC 3830
    /// section 4.5).
    ///
    /// # Errors
    /// Another data type or PRF, a payload that does not belong, one that is missing, an octet that cannot be read.
    pub fn read<M: Method>(
        message: &'m Message,
        running: Option<&[u8]>,
        policy: &MikeyPolicy,
    ) -> Result<Self, Refused> {
        form::check_init(message, M::MODE.init(), fits::<M>, M::SECTION)?;
        let rand = form::rand(message, running)?;
        let dh = if running.is_some() { message.maybe()? } else { Some(message.one::<Dh>()?) };
        dh.map_or(Ok(()), |dh| permitted(dh.group, policy))?;
        let ids = M::ids(message)?;
        let mut tolerated: Vec<_> = message.tolerated().into_iter().collect();
        if M::NEEDS_IDR && ids.r.is_none() {
            if !policy.tolerances.allows(Tolerance::MissingId) {
                let what = "its I_MESSAGE has no IDr, which is mandatory: there are no ID payloads";
                return Err(Refused::new(ErrorNo::InvalidId, Error::misbehaved(what, M::SECTION)));
            }
            tolerated.push(Tolerance::MissingId);
        }
        let csb = CsbLabel { csb_id: message.hdr().csb_id, rand };
        Ok(Self { message, t: *message.one()?, csb, ids, dh, tolerated })
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

/// What may stand in an I_MESSAGE.
fn fits<M: Method>(payload: &Payload) -> bool {
    use Payload::{Dh, Ext, Id, Rand, Sp, T};
    matches!(payload, T(_) | Rand(_) | Id(_) | Sp(_) | Dh(_) | Ext(_)) || M::takes(payload)
}

/// Our I_MESSAGE as far as DHi. Only the first one of a bundle has RAND, certificates and policies (RFC 3830 section
/// 4.5: what was said once may be left out). With IDr it is for the callee alone: another one to whom the call is sent on
/// could not answer it (RFC 5197 section 5.3), so it is there if policy wants nobody else, or the method needs it. An
/// update is for whoever proved to be the peer.
pub(super) fn write<M: Method>(running: &Running<M>, t: T, ask: &Bundle<'_>, first: bool) -> Result<Draft, Error> {
    // V means nothing here: the answer always comes (RFC 3830 section 6.1).
    let (data_type, csb_id) = (M::MODE.init(), running.csb.csb_id);
    let hdr = Hdr { data_type, v: true, prf: Prf::Mikey1, csb_id, map: ask.map.clone() };
    let mut draft = Draft::new(&hdr).push(t);
    if first {
        draft = draft.push(Rand(running.csb.rand.clone()));
    }
    draft = draft.push(Id::uri(ask.me.as_str()));
    if first {
        draft = running.method.credentials()?.into_iter().fold(draft, Draft::push);
    }
    match first {
        true if !M::NEEDS_IDR && ask.expect != Expect::Exactly => {}
        true => draft = draft.push(Id::uri(ask.named.as_str())),
        false => draft = draft.push(Id::uri(running.method.peer().as_str())),
    }
    draft = ask.policies.iter().cloned().fold(draft, Draft::push);
    // Bidding down is seen by it (RFC 4567 section 4.1.4, RFC 4650 section 4.4).
    Ok(ask.extensions().fold(draft, Draft::push))
}
