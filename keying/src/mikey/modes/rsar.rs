//! MIKEY-RSA-R, the public-key method in reverse (RFC 4738): the Initiator asks, and the Responder makes the key.
//!
//! ```text
//! Initiator                                   Responder
//!
//!    I_MESSAGE =
//!    HDR, T, [RAND], [IDi|CERTi], [IDr],
//!         {SP}, SIGNi                --->
//!                                                R_MESSAGE =
//!                                                HDR, [GenExt(CSB_ID)], T, [RAND], [IDr|CERTr],
//!                                   <---              [SP], KEMAC, PKE, SIGNr
//! ```
//!
//! Nobody needs a certificate of the other before: the Responder seals the key to the certificate in the I_MESSAGE, and
//! proves itself with its own in the R_MESSAGE. So each answer to a forked call brings another key, and none is known
//! before the answer. SIGNr covers IDi, IDr and T behind the R_MESSAGE (section 3.6).
//!
//! We send RAND (section 3.4 recommends it), IDi and our chain; IDr only where policy wants exactly that peer, for the
//! call may be answered by somebody else, which is what this mode is for (section 4). If the key that we sign with
//! cannot open envelopes, a second certificate, X.509v3 Encr, goes with it.
//!
//! The envelope key may be cached "for re-keying" (section 3.6), so it serves this bundle alone, whatever policy says.
//!
//! In the group form (section 3.2) the Initiator sends no SP, and the Responder has the CSB ID, the RAND, the policy and
//! the TGK of the group to give: see [`Group`]. The group's CSB ID goes into the TEKs; what protects the envelope is
//! still derived with the CSB ID of the header (section 3.6 leaves that open). A group is not updated through one of its
//! members' bundles.
//!
//! What a Responder checks, cheapest first (RFC 3830 section 9.5): form and recipient; timestamp and replay; time, name
//! and use of the certificate, then its chain; the signature. From there on the message is remembered. Only then does it
//! look at a second certificate, which is for encryption alone, and encrypt, which is cheap, and sign, which is not: without IDr "the Responder will accept the message" of anybody with a
//! certificate that we trust (RFC 4738 section 5), and so pays one signature for each.

mod init;
mod resp;

pub use init::Init;
pub use resp::{Pending, signed_behind};

use super::psk;
use crate::Error;
use crate::Expect;
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::CsbLabel;
use crate::mikey::envelope;
use crate::mikey::mode::{Initiation, Mode, ModeName, Refused};
use crate::mikey::signing;
use crate::mikey::station::Station;
use crate::mikey::turns::{InUse, Turns};
use crate::mikey::wire::{
    CacheType, Cert, CertType, CsMap, DataType, Draft, Ext, Hdr, Id, KeyData, Message, Prf, Rand, Sp,
};
use keyphone_media::env::Env;
use zeroize::Zeroizing;

/// The public-key method in reverse.
#[derive(Debug, Default)]
pub struct RsaRMode {
    group: Option<Group>,
}

/// What a group key server gives to all who ask (RFC 4738 section 3.2).
#[derive(Clone, Debug)]
pub struct Group {
    /// The CSB ID and the RAND that the group's keys are derived with.
    pub csb: CsbLabel,
    /// The crypto sessions: all of them.
    pub map: CsMap,
    /// The security policies: at least one.
    pub policies: Vec<Sp>,
    /// The TGKs: at least one.
    pub keys: Vec<KeyData>,
}

impl RsaRMode {
    /// Answers whoever asks for the keys of a group.
    pub fn of_group(group: Group) -> Self {
        Self { group: Some(group) }
    }
}

/// Is this a request for a group's keys: of somebody who brings neither policies nor streams of his own?
fn asks_for_group(ask: &Bundle<'_>) -> bool {
    ask.policies.is_empty() && ask.map == CsMap::Srtp(vec![])
}

impl Mode for RsaRMode {
    fn name(&self) -> ModeName {
        ModeName::RsaR
    }

    fn initiate(&mut self, ask: &Bundle<'_>, station: &mut Station, env: &mut Env<'_>) -> Result<Initiation, Error> {
        let certs = &station.credentials().clone().certs;
        let own = certs.signer()?;
        let opener = certs.openers().next().ok_or(Error::Misuse(
            "the answer to an RSA-R offer is sealed to an RSA certificate of ours, and we have none",
        ))?;
        let csb_id = station.csb_id(env);
        let rand = (!asks_for_group(ask)).then(|| Rand(env.bytes::<16>().to_vec()));
        let t = station.timestamp(env.now.ntp);
        // The V bit MUST be set (RFC 4738 section 3.4).
        let hdr = Hdr { data_type: DataType::RsaRInit, v: true, prf: Prf::Mikey1, csb_id, map: ask.map.clone() };
        let draft = Draft::new(&hdr).push(t);
        let draft = rand.into_iter().fold(draft, Draft::push).push(Id::uri(ask.me.as_str()));
        let mut draft = signing::certs(own).fold(draft, Draft::push);
        if opener.certificate() != own.certificate() {
            let data = opener.certificate().der().to_vec();
            draft = draft.push(Cert { cert_type: CertType::X509Encr, data });
        }
        if ask.expect == Expect::Exactly {
            draft = draft.push(Id::uri(ask.named.as_str()));
        }
        let draft = ask.policies.iter().cloned().fold(draft, Draft::push);
        let draft = ask.extensions().fold(draft, Draft::push);
        let message = signing::sign(draft, own, ask.policy, &[])?;
        let pending = {
            let init = Init::read(&message).map_err(|refused| refused.error)?;
            let seed = Zeroizing::new(env.bytes::<16>().to_vec());
            Pending::new(&init, station.credentials().clone(), ask.named, ask.policy, seed)
        };
        Ok(Initiation { message, known: None, initiated: Box::new(pending) })
    }

    fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        station: &mut Station,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused> {
        let (credentials, now) = (station.credentials().clone(), env.now.ntp);
        let certs = &credentials.certs;
        let init = Init::read(message)?;
        if self.group.is_some() && message.many::<Sp>().next().is_some() {
            let what = "its request for a group's key brings an SP, and the policy is the group's";
            return Err(Error::misbehaved(what, "RFC 4738 section 3.2").into());
        }
        init.ids.check_recipient(ask.me)?;
        let claimed = init.claimed()?;
        let unseen = station.check_new(claimed.as_ref(), message, ask.policy, now)?;

        let peer = signing::signer(message, claimed.as_ref(), ask.named, certs, now)?;
        let proof = signing::verify(message, &peer, &[])?;
        station.remember(unseen, ask.policy, now);

        let to = signing::recipient(message, &peer, certs, now)?;
        let own = certs.signer()?;
        let id = init.ids.r.clone().unwrap_or_else(|| Id::uri(ask.me.as_str()));
        let given = match &self.group {
            Some(group) => group.clone(),
            None => Group {
                csb: CsbLabel {
                    csb_id: message.hdr().csb_id,
                    rand: init.rand().unwrap_or_else(|| env.bytes::<16>().to_vec()),
                },
                map: ask.map.clone(),
                policies: chosen(&init, &ask.map),
                keys: vec![envelope::fresh(&id, ask, None, env)?],
            },
        };
        // The envelope is protected under the CSB ID of the header, with the RAND that both sides use.
        let csb = CsbLabel { csb_id: message.hdr().csb_id, rand: given.csb.rand.clone() };
        let mut sealed = envelope::seal((&id, &given.keys), &to, (&csb, init.t), ask.policy, env)?;
        if sealed.pke.cache == CacheType::Cache {
            sealed.pke.cache = CacheType::CacheForCsb;
        }
        let new_rand = (self.group.is_some() || init.rand().is_none()).then(|| Rand(csb.rand.clone()));
        let (data_type, csb_id, map) = (DataType::RsaRResp, csb.csb_id, given.map.clone());
        let mut draft = Draft::new(&Hdr { data_type, v: false, prf: Prf::Mikey1, csb_id, map });
        if self.group.is_some() {
            draft = draft.push(Ext::CsbId(given.csb.csb_id));
        }
        let draft = new_rand.into_iter().fold(draft.push(init.t), Draft::push).push(id.clone());
        let draft = signing::certs(own).fold(draft, Draft::push);
        let draft = given.policies.iter().cloned().fold(draft, Draft::push).push(sealed.kemac).push(sealed.pke);
        let answer = {
            let behind = signed_behind(init.ids.i.as_ref(), Some(&id), init.t);
            signing::sign(draft, own, ask.policy, &[&behind])?
        };
        let running = psk::Running {
            keys: Some(sealed.keys),
            csb: csb.clone(),
            peer: (peer.who().clone(), true),
            how: peer.how(),
            turns: Turns::joined(init.t),
            policies: given.policies.clone(),
            mki: InUse::of(&given.keys),
        };
        let updates = self.group.is_none() && envelope::updates(ask.policy.cache);
        let agreed = Agreed {
            csb: given.csb,
            map: given.map,
            policies: given.policies,
            keys: given.keys,
            proof,
            tolerated: message.tolerated().iter().map(|t| t.text()).collect(),
            running: updates.then(|| Box::new(running) as _),
        };
        Ok((Some(answer), agreed))
    }
}

/// Of the offered policies those that the crypto sessions refer to: "the Responder MUST return one of the proposed"
/// (RFC 4738 section 3.5).
fn chosen(init: &Init<'_>, map: &CsMap) -> Vec<Sp> {
    let CsMap::Srtp(ids) = map else { return vec![] };
    init.policies().into_iter().filter(|sp| ids.iter().any(|id| id.policy_no == sp.policy_no)).collect()
}
