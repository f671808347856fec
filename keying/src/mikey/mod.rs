//! MIKEY (RFC 3830) in SDP (RFC 4567).
//!
//! ```text
//!              sdp: Lines <-> Message                                      streams: m-line <-> CS ID
//! Mikey  --->  offer, answer     --->  modes: Mode (I_MESSAGE, R_MESSAGE) --->  Agreed  --->  keys: MasterKey
//!              agreement: update --->         Updating                                   suite: SP <-> Suite
//!                                             |
//!                     station (credentials, T, CSB IDs, replay), ids, protection, envelope, signing, dh, derive
//! ```
//!
//! Six modes fit one trait, [`mode::Mode`], and share one body of tests (`tests/every_mode`):
//!
//! | mode | proves | keys are known | update by |
//! |------|--------|----------------|-----------|
//! | [`mikey-null`](modes::null) | nothing: over TLS only | with the offer | itself, over TLS only |
//! | [`mikey-psk`](modes::psk) | the pre-shared key | with the offer | itself |
//! | [`mikey-rsa`](modes::rsa) | certificates | with the offer | PSK under the envelope key |
//! | [`mikey-dhsign`](modes::dhsign) | certificates | with the answer | itself |
//! | [`mikey-dhhmac`](modes::dhhmac) | the pre-shared key | with the answer | itself |
//! | [`mikey-rsar`](modes::rsar) | certificates | with the answer | PSK under the envelope key |
//!
//! What goes wrong has an [`Error`] of one sentence for us and an error number for the peer ([`mode::Refused`],
//! RFC 3830 section 5.1.2). What the peer's error message says is unauthenticated and so no more than a hint.

mod agreement;
mod answer;
pub mod bundle;
pub mod derive;
pub mod dh;
pub mod envelope;
mod envelopes;
mod fetched;
mod form;
pub mod ids;
mod keys;
pub mod mode;
pub mod modes;
mod offer;
pub mod policy;
pub mod protection;
pub mod replay;
mod sdp;
pub mod signing;
pub mod station;
mod streams;
mod suite;
pub mod tolerance;
pub mod transport;
pub mod turns;
pub mod wire;

pub use mode::ModeName;
pub use policy::MikeyPolicy;
pub use tolerance::{Tolerance, Tolerances};

use crate::choice::Facts;
use crate::{Ask, Credentials, Error, Filed, Hop, Identity, Keying, Lines, Offered, Output, Refusal, Session};
use bundle::Bundle;
use fetched::Fetched;
use keyphone_media::env::{Env, NtpTime};
use modes::Modes;
use station::Station;
use std::sync::Arc;
use wire::registry::DhGroup;
use wire::{CsMap, Id};

/// MIKEY as a keying system.
///
/// [`Ask::me`] must be whom the peer's message may name as its recipient: the address of record that it dialled. The
/// lines of an offer must have every `key-mgmt` attribute of the SDP, also those of other protocols: what was removed
/// on the way is found by counting them (RFC 4567 section 4.1.4).
#[derive(Debug)]
pub struct Mikey {
    modes: Modes,
    station: Station,
    fetched: Fetched,
    protocols: Vec<String>,
}

impl Mikey {
    /// `now` is when this endpoint starts: older messages are refused, for what came before is not remembered
    /// (see [`replay`]).
    pub fn new(credentials: impl Into<Arc<Credentials>>, now: NtpTime) -> Self {
        let station = Station::new(credentials, now);
        Self { modes: Modes::all(), station, fetched: Fetched::default(), protocols: vec!["mikey".into()] }
    }

    /// Our offers stand in an SDP with these key management protocols, in this order. `["mikey"]` by default.
    #[must_use]
    pub fn among(mut self, protocols: Vec<String>) -> Self {
        self.protocols = protocols;
        self
    }

    /// What is known of a call from `me` to `callee` before it is offered.
    pub fn facts(&self, (me, callee): (&Identity, &Identity), way: (Hop, DhGroup), now: NtpTime) -> Facts {
        let facts = Facts::of(self.station.credentials(), (me, callee), way, now);
        Facts { cached_envelope: self.station.envelope(callee, now).is_some(), ..facts }
    }

    /// Is a key or a certificate filed under this very name?
    pub fn knows(&self, peer: &Identity, now: NtpTime) -> bool {
        let Credentials { psks, certs } = &**self.station.credentials();
        matches!(psks.find(peer), Some(Filed::Own(_)))
            || certs.pinned(peer) > 0
            || self.station.envelope(peer, now).is_some()
    }
}

impl Keying for Mikey {
    fn offer(
        &mut self,
        ask: &Ask<'_>,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(Lines, Box<dyn Offered>), Error> {
        let policy = suite::ours(ask.policy).next().ok_or(Error::Misuse("policy allows no crypto suite at all"))?;
        let layout = streams::Layout::OURS;
        let sessions = streams::Layout::offer(ask.streams)?;
        let bundle = Bundle {
            me: ask.me,
            named: ask.named,
            suite: keys::suite(std::slice::from_ref(&policy), &sessions, ask.policy),
            map: CsMap::Srtp(sessions),
            policies: vec![policy],
            protocols: &self.protocols,
            hop: ask.hop,
            expect: ask.policy.expect,
            policy: &ask.policy.mikey,
        };
        let initiation = self.modes.offering(bundle.policy)?.initiate(&bundle, &mut self.station, env)?;
        let sent = offer::Sent::new(initiation, ask, (layout, &self.protocols), out)?;
        let lines = sent.lines.clone();
        Ok((lines, Box::new(offer::Waiting(Arc::new(sent)))))
    }

    fn answer(
        &mut self,
        ask: &Ask<'_>,
        offer: &Lines,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(Lines, Box<dyn Session>), Refusal> {
        self.answer_offer(ask, offer, env, out)
    }
}

/// The mode of the first message of an offer; nothing in it is proven.
pub fn offered(lines: &Lines) -> Option<ModeName> {
    sdp::messages(lines).next().and_then(|message| ModeName::of(&message))
}

/// Whom the first message of an offer names; nothing in it is proven.
pub fn names(lines: &Lines) -> Vec<Identity> {
    let message = sdp::messages(lines).next();
    let ids = message.iter().flat_map(|message| message.many::<Id>());
    ids.filter_map(|id| ids::identity(id).ok()).collect()
}

/// MIKEY travels in the signalling, so a packet in the media path is none of its own.
fn not_in_the_path() -> Error {
    Error::misbehaved("it speaks a keying protocol in the media path, where MIKEY has none", "RFC 4567 section 4")
}

/// There is no one bundle that could be updated.
fn no_rekeying() -> Refusal {
    Error::incompatible("this call has no bundle of crypto sessions that could be updated (RFC 3830 section 4.5)")
        .into()
}
