//! An update of a bundle that runs (RFC 3830 section 4.5, RFC 4650 section 3.1).
//!
//! ```text
//! Initiator                                   Responder
//!
//!    I_MESSAGE =
//!    HDR, T, [IDi], [IDr],
//!         {SP}, [DHi], SEAL          --->
//!                                                R_MESSAGE =
//!                                   <---         HDR, T, [IDr], IDi,
//!                                                     [DHr, DHi], SEAL
//! ```
//! Ours bring two new halves, and so a new TGK that nobody learns who gets hold of the old one. A peer's may bring none:
//! then the keys stay. Either side may begin.

use super::{Init, Method, Pending, init, ours, resp};
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::CsbLabel;
use crate::mikey::dh::Half;
use crate::mikey::form;
use crate::mikey::mode::{Initiation, Refused, Updating};
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{DhGroup, ErrorNo, KeyData, KeyKind, Message, Secret, Sp};
use crate::{Error, Identity};
use keyphone_media::env::Env;
use std::fmt;

/// What is kept of a bundle so that it can be updated. No secret of any exchange is: only what seals its messages.
#[derive(Clone)]
pub struct Running<M> {
    pub(super) method: M,
    pub(super) csb: CsbLabel,
    pub(super) group: DhGroup,
    pub(super) turns: Turns,
    /// The security policies in force.
    pub(super) policies: Vec<Sp>,
    pub(super) mki: InUse,
}

impl<M: Method> fmt::Debug for Running<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Running({}, {:08x})", M::MODE, self.csb.csb_id)
    }
}

impl<M: Method> Updating for Running<M> {
    fn peer(&self) -> &Identity {
        self.method.peer()
    }

    fn csb_id(&self) -> u32 {
        self.csb.csb_id
    }

    fn initiate(&mut self, ask: &Bundle<'_>, env: &mut Env<'_>) -> Result<Initiation, Error> {
        let t = self.turns.next(env.now.ntp);
        let half = Half::new(self.group, env)?;
        let dhi = ours(&half, self.mki.next());
        let message = self.method.seal(init::write(self, t, ask, false)?.push(dhi.clone()))?;
        let pending = Pending::new(self.clone(), &message, t, Some((half, dhi)), ask).updating();
        Ok(Initiation { message, known: None, initiated: Box::new(pending) })
    }

    fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused> {
        let init = Init::read::<M>(message, Some(&self.csb.rand), ask.policy)?;
        form::check_update((&init.csb, &self.csb), &init.ids, (self.method.peer(), ask.me), M::UPDATE)?;
        let fresh = self.turns.check(init.t, ask.policy, env.now.ntp);
        fresh.map_err(|error| Refused::new(ErrorNo::InvalidTs, error))?;
        let (method, proof) = self.method.verify(message, Some(self.method.peer()), env.now.ntp)?;
        // Only now is anything remembered (RFC 3830 section 9.5).
        self.turns.hear(init.t);
        let theirs = init.policies();
        let policies = if theirs.is_empty() { self.policies.clone() } else { theirs };
        if let Some(dhi) = init.dh {
            // Of the key that will be: its MKI must be a new one.
            let key = KeyData { kind: KeyKind::Tgk, key: Secret::new(vec![]), salt: None, kv: dhi.kv.clone() };
            self.mki.check(&[key])?;
        }
        let group = init.dh.map_or(self.group, |dh| dh.group);
        let running = Self { method, policies, group, ..self.clone() };
        let (answer, agreed) = resp::answer(running, &init, proof, ask, false, env)?;
        Ok((Some(answer), agreed))
    }
}
