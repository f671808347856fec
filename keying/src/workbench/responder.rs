//! A Responder for messages that come without SIP: over UDP or TCP port 2269. It answers what a mode can answer with the
//! credentials that it has, and does nothing with the keys.

use crate::mikey::bundle::Bundle;
use crate::mikey::ids::identity;
use crate::mikey::mode::Refused;
use crate::mikey::modes::Modes;
use crate::mikey::station::Station;
use crate::mikey::wire::{CsMap, DataType, Draft, Hdr, Id, Message, SrtpId, T};
use crate::mikey::{MikeyPolicy, ModeName, Tolerances};
use crate::workbench::exchange::is_init;
use crate::{Assurance, Credentials, Error, Expect, Hop, Identity, Output};
use keyphone_media::env::{Env, NtpTime};
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::Suite;

/// See the file's head.
#[derive(Debug)]
pub struct Responder {
    station: Station,
    modes: Modes,
    policy: MikeyPolicy,
    me: Option<Identity>,
}

/// What came of a message.
#[derive(Debug)]
pub enum Outcome {
    /// It was proven, and this goes back, if it asked for an answer.
    Answered {
        /// The R_MESSAGE.
        answer: Option<Message>,
        /// Who the peer proved to be.
        peer: Option<Assurance>,
        /// Deviations that were let pass.
        tolerated: Vec<&'static str>,
    },
    /// It was not, and this goes back.
    Refused {
        /// Why.
        error: Error,
        /// The error message (RFC 3830 section 5.1.2), where there is one to send.
        answer: Option<Message>,
    },
    /// It is no I_MESSAGE, and so nothing to answer.
    NotAsked,
}

impl Responder {
    /// `me` is whom messages may be for; without it, whoever each of them names. `now` is when this Responder starts.
    pub fn new(credentials: Credentials, me: Option<Identity>, tolerances: Tolerances, now: NtpTime) -> Self {
        let accept = ModeName::ALL.iter().copied().collect();
        let policy = MikeyPolicy { accept, tolerances, ..MikeyPolicy::default() };
        Self { station: Station::new(credentials, now), modes: Modes::all(), policy, me }
    }

    /// Takes one message. `from` is what its transport says of its sender.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn take(&mut self, octets: &[u8], from: &Identity, env: &mut Env<'_>) -> Result<Outcome, Error> {
        let message = Message::read(octets, self.policy.tolerances)?;
        message.complete()?;
        if !is_init(message.hdr().data_type) {
            return Ok(Outcome::NotAsked);
        }
        Ok(self.respond(&message, from, env).unwrap_or_else(|refused| {
            let hdr = Hdr { data_type: DataType::Error, v: false, ..message.hdr().clone() };
            let t = message.many::<T>().next().copied();
            let answer = t.and_then(|t| Draft::new(&hdr).push(t).push(refused.number).finish().ok());
            Outcome::Refused { error: refused.error, answer }
        }))
    }

    fn respond(&mut self, message: &Message, from: &Identity, env: &mut Env<'_>) -> Result<Outcome, Refused> {
        let named = message.many::<Id>().nth(1).map(identity).transpose()?;
        let me = self.me.clone().or(named).unwrap_or_else(|| self.default_identity());
        // What is left to the Responder to choose.
        let fill = |id: &SrtpId, env: &mut Env<'_>| SrtpId {
            ssrc: id.ssrc.or_else(|| Some(Ssrc(u32::from_be_bytes(env.bytes()).max(1)))),
            ..*id
        };
        let map = match &message.hdr().map {
            CsMap::Srtp(ids) => CsMap::Srtp(ids.iter().map(|id| fill(id, env)).collect()),
            other => other.clone(),
        };
        let bundle = Bundle {
            me: &me,
            named: from,
            map,
            policies: vec![],
            protocols: &[],
            hop: Hop::Clear,
            suite: Suite::AesCm128HmacSha1_80,
            expect: Expect::Certified,
            policy: &self.policy,
        };
        let mode = self.modes.answering(message, &self.policy)?;
        let (answer, agreed) = mode.respond(message, &bundle, &mut self.station, env)?;
        let mut out = vec![];
        agreed.proof.release((from, Expect::Certified), vec![], &mut out)?;
        let peer = out.into_iter().find_map(|output| match output {
            Output::Peer(assurance) => Some(assurance),
            _ => None,
        });
        Ok(Outcome::Answered { answer, peer, tolerated: agreed.tolerated })
    }

    /// Whom our certificate is for.
    fn default_identity(&self) -> Identity {
        let own = self.station.credentials().certs.signer().ok();
        let name = own.and_then(|own| own.certificate().names().first().cloned());
        name.unwrap_or_else(|| Identity::new("sip:anonymous.invalid"))
    }
}
