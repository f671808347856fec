//! What the two Diffie-Hellman methods have in common: [`dhsign`](super::dhsign) and [`dhhmac`](super::dhhmac).
//!
//! ```text
//! Initiator                                   Responder
//!
//!    I_MESSAGE =
//!    HDR, T, RAND, [IDi], [IDr],
//!         {SP}, DHi, SEAL            --->
//!                                                R_MESSAGE =
//!                                   <---         HDR, T, [IDr], IDi,
//!                                                     DHr, DHi, SEAL
//! ```
//! The seal is a signature or a MAC; a [`Method`] makes and verifies it. The TGK is what the two halves make
//! (see [`dh`](crate::mikey::dh)), so no key is known before the answer, and each answer to one offer makes
//! another: a forked call has as many TGKs as answers. The R_MESSAGE is always sent, whatever V says.
//!
//! The Responder checks what costs nothing first, for anybody may send it anything (RFC 3830 section 9.5), in this order:
//!
//! 1. The message is whole, of its method, and of a group that policy takes.
//! 2. It is for us.
//! 3. T is near our clock, and the replay cache does not know the message.
//! 4. The seal: a MAC takes microseconds; a chain of certificates and a signature, some hundred.
//! 5. It is remembered, and answered: two exponentiations, and a signature of our own.
//!
//! So the costly step is for somebody who is known, and can be held to account for it.

mod init;
mod resp;
mod update;

pub use init::Init;
pub use resp::Pending;
pub use update::Running;

use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::CsbLabel;
use crate::mikey::dh::Half;
use crate::mikey::ids::{Ids, identity};
use crate::mikey::mode::{Initiation, Mode, ModeName, Refused};
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::station::Station;
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{Dh, DhGroup, Draft, ErrorNo, KeyData, KeyKind, Kv, Message, Payload, Secret};
use crate::{Credentials, Error, Identity, Proof};
use keyphone_media::env::{Env, NtpTime};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// What tells one method from the other: who stands in its messages, and who vouches for them how. A value is what we
/// hold to exchange messages with one peer.
pub trait Method: Clone + fmt::Debug + Send + Sync + 'static {
    /// Its name and data types.
    const MODE: ModeName;
    /// Where its messages are described.
    const SECTION: &'static str;
    /// Where its updates are.
    const UPDATE: &'static str;
    /// Its I_MESSAGE must say for whom it is.
    const NEEDS_IDR: bool;

    /// What we hold to talk with this peer, who is not proven yet.
    ///
    /// # Errors
    /// We have no key for it.
    fn with(
        peer: &Identity,
        csb: &CsbLabel,
        credentials: &Arc<Credentials>,
        policy: &MikeyPolicy,
    ) -> Result<Self, Error>;

    /// The peer: whom we called, then who it proved to be.
    fn peer(&self) -> &Identity;

    /// May that stand in its messages, beside what stands in those of both methods?
    fn takes(payload: &Payload) -> bool;

    /// The identities of an I_MESSAGE: which is whose if there is one.
    ///
    /// # Errors
    /// There are more than two.
    fn ids(init: &Message) -> Result<Ids, Refused>;

    /// What stands beside our ID in the first messages.
    ///
    /// # Errors
    /// We have no certificate.
    fn credentials(&self) -> Result<Vec<Payload>, Error>;

    /// Ends a message of ours.
    ///
    /// # Errors
    /// We cannot seal it so.
    fn seal(&self, draft: Draft) -> Result<Message, Error>;

    /// Verifies a message of the peer's. `claimed` is who its ID says it is from, if it has one. What we hold from now on,
    /// and what is proven.
    ///
    /// # Errors
    /// It does not verify, or is not the peer's.
    fn verify(&self, message: &Message, claimed: Option<&Identity>, now: NtpTime) -> Result<(Self, Proof), Refused>;
}

/// One of the two as a [`Mode`].
pub struct DhMode<M>(PhantomData<M>);

impl<M: Method> DhMode<M> {
    /// It remembers nothing itself: the [`Station`] does.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<M: Method> Default for DhMode<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Method> fmt::Debug for DhMode<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DhMode({})", M::MODE)
    }
}

impl<M: Method> Mode for DhMode<M> {
    fn name(&self) -> ModeName {
        M::MODE
    }

    fn initiate(&mut self, ask: &Bundle<'_>, station: &mut Station, env: &mut Env<'_>) -> Result<Initiation, Error> {
        let csb = CsbLabel { csb_id: station.csb_id(env), rand: env.bytes::<16>().to_vec() };
        let method = M::with(ask.named, &csb, station.credentials(), ask.policy)?;
        let t = station.timestamp(env.now.ntp);
        let half = Half::new(ask.policy.group, env)?;
        let first = Running {
            method,
            csb,
            group: half.group(),
            turns: Turns::began(t),
            policies: ask.policies.clone(),
            mki: InUse::default(),
        };
        let dh = ours(&half, ask.policy.validity.first());
        let draft = init::write::<M>(&first, t, ask, true)?.push(dh.clone());
        let message = first.method.seal(draft)?;
        let pending = Pending::new(first, &message, t, Some((half, dh)), ask);
        Ok(Initiation { message, known: None, initiated: Box::new(pending) })
    }

    fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        station: &mut Station,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused> {
        let init = Init::read::<M>(message, None, ask.policy)?;
        let claimed = init.ids.i.as_ref().map(identity).transpose()?;
        init.ids.check_recipient(ask.me)?;
        let unseen = station.check_new(claimed.as_ref(), message, ask.policy, env.now.ntp)?;
        let peer = claimed.as_ref().unwrap_or(ask.named);
        let method = M::with(peer, &init.csb, station.credentials(), ask.policy);
        let method = method.map_err(|error| Refused::new(ErrorNo::AuthFailure, error))?;
        let (method, proof) = method.verify(message, claimed.as_ref(), env.now.ntp)?;
        station.remember(unseen, ask.policy, env.now.ntp);
        let running = Running {
            method,
            csb: init.csb.clone(),
            group: init.dh.map_or(ask.policy.group, |dh| dh.group),
            turns: Turns::joined(init.t),
            policies: init.policies(),
            mki: InUse::default(),
        };
        let (answer, agreed) = resp::answer(running, &init, proof, ask, true, env)?;
        Ok((Some(answer), agreed))
    }
}

/// Our half as it is sent.
fn ours(half: &Half, kv: Kv) -> Dh {
    Dh { group: half.group(), value: half.public().to_vec(), kv }
}

/// What was agreed on, as a key. It is valid as the Initiator said.
fn tgk(agreed: crate::mikey::derive::Secret, kv: Kv) -> KeyData {
    KeyData { kind: KeyKind::Tgk, key: Secret::new(agreed.to_vec()), salt: None, kv }
}

/// Does policy take a peer's choice of this group? Every group is taken but the two that are weaker than what RFC 3830
/// section 4.2.7 makes mandatory: those are only if we offer with such a one ourselves.
///
/// # Errors
/// It is too weak.
pub fn permitted(group: DhGroup, policy: &MikeyPolicy) -> Result<(), Refused> {
    let rank = |group| match group {
        DhGroup::Oakley1 => 1,
        DhGroup::Oakley2 => 2,
        _ => 3,
    };
    if rank(group) >= rank(policy.group) {
        return Ok(());
    }
    let what = format!(
        "it wants to agree in the group {group}, which is weaker than {}, the one of our policy (RFC 3830 section 4.2.7)",
        policy.group
    );
    Err(Refused::new(ErrorNo::InvalidDh, Error::incompatible(what)))
}
