//! What goes into an exchange and what comes out of it, whatever the mode.

use super::derive::{CsbLabel, FromTgk, Prf, Secret};
use super::mode::Updating;
use super::policy::MikeyPolicy;
use super::wire::{CsMap, Ext, KeyData, KeyKind, Sp};
use crate::{Expect, Hop, Identity, Proof};
use keyphone_media::srtp::Suite;
use zeroize::Zeroizing;

/// What one side brings to an exchange.
#[derive(Clone, Debug)]
pub struct Bundle<'a> {
    /// Who we are: our ID.
    pub me: &'a Identity,
    /// Whom SIP names: the peer, as long as no ID payload says otherwise.
    pub named: &'a Identity,
    /// The CS ID map of our message. In an answer: the offer's, with what is ours filled in.
    pub map: CsMap,
    /// The security policies of our offer; none in an answer.
    pub policies: Vec<Sp>,
    /// The key management protocols that the SDP offers, in its order: `["mikey"]` (RFC 4567 section 4.1.4).
    pub protocols: &'a [String],
    /// Is the way between us and the next SIP entity protected?
    pub hop: Hop,
    /// The suite of the keys that we make.
    pub suite: Suite,
    /// Who may be at the other end.
    pub expect: Expect,
    /// What the configuration allows.
    pub policy: &'a MikeyPolicy,
}

impl Bundle<'_> {
    /// The general extensions of our I_MESSAGE: the protocols that the SDP offers (RFC 4567 section 4.1.4) come first.
    pub fn extensions(&self) -> impl Iterator<Item = Ext> {
        let sdp_ids = Ext::SdpIds(self.protocols.join(";").into_bytes());
        std::iter::once(sdp_ids).chain(self.policy.extensions.iter().cloned())
    }
}

/// What an exchange has agreed on.
#[derive(Debug)]
pub struct Agreed {
    /// What all its keys are derived with.
    pub csb: CsbLabel,
    /// The CS ID map, as far as it is filled in.
    pub map: CsMap,
    /// The security policies that hold.
    pub policies: Vec<Sp>,
    /// TGKs and TEKs. None in an update that changes none; and none if they came out when the offer was made.
    pub keys: Vec<KeyData>,
    /// What is proven of the peer: the way to release these keys.
    pub proof: Proof,
    /// Deviations that policy let pass.
    pub tolerated: Vec<&'static str>,
    /// What the bundle is updated with, once both sides have it.
    pub running: Option<Box<dyn Updating>>,
}

/// What the keys of a bundle are made of: kept for crypto sessions that an update adds without new keys
/// (RFC 3830 section 4.5).
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// TGKs and TEKs.
    pub keys: Vec<KeyData>,
    /// The security policies that hold.
    pub policies: Vec<Sp>,
    /// The CS ID map.
    pub map: Option<CsMap>,
}

impl Material {
    /// Of what was agreed on.
    pub fn of(agreed: &Agreed) -> Self {
        Self { keys: agreed.keys.clone(), policies: agreed.policies.clone(), map: Some(agreed.map.clone()) }
    }
}

impl Agreed {
    /// What a message of our own brings before any answer: its keys, with the weak proof that we made them.
    pub(crate) fn by_us(ask: &Bundle<'_>, csb: CsbLabel, policies: Vec<Sp>, keys: Vec<KeyData>) -> Self {
        let (map, proof) = (ask.map.clone(), Proof::own_message());
        Self { csb, map, policies, keys, proof, tolerated: vec![], running: None }
    }
}

/// The keys of one crypto session.
pub struct SessionKeys {
    /// The TEK.
    pub tek: Secret,
    /// The salt; `None` where a bare TEK was sent.
    pub salt: Option<Secret>,
}

impl SessionKeys {
    /// For one crypto session, out of what was sent. A salt that was sent goes before one that could be derived
    /// (RFC 3830 section 4.1.3). Only TEKs that are derived have the lengths asked for, in octets.
    pub fn new(key: &KeyData, cs_id: u8, csb: &CsbLabel, (tek_len, salt_len): (usize, usize)) -> Self {
        let bytes = key.key.bytes();
        let sent = key.salt.as_ref().map(|s| Zeroizing::new(s.bytes().to_vec()));
        match key.kind {
            KeyKind::Tgk => {
                let tgk = Prf::new(bytes);
                Self {
                    tek: FromTgk::Tek.of(&tgk, cs_id, csb, tek_len),
                    salt: sent.or_else(|| Some(FromTgk::Salt.of(&tgk, cs_id, csb, salt_len))),
                }
            }
            KeyKind::Tek => Self { tek: Zeroizing::new(bytes.to_vec()), salt: sent },
        }
    }
}
