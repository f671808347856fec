//! Our offer, and the session with each of those who answer it.

use super::agreement::Agreement;
use super::bundle::Material;
use super::fetched::Fetched;
use super::ids;
use super::keys;
use super::keys::Keys;
use super::mode::{self, Initiated, Initiation, Updating};
use super::sdp;
use super::streams::Layout;
use super::tolerance::Tolerance;
use super::wire::{CsMap, DataType, ErrorNo, Id, Message};
use crate::choice::Blame;
use crate::{Ask, Dir, Error, Hint, Hop, Identity, Input, Lines, Offered, Output, Policy, Refusal, Session, Stream};
use keyphone_media::env::{Env, Now};
use keyphone_media::srtp::KeyId;
use std::sync::Arc;

/// What an offer remembers, the same for all its branches.
pub(super) struct Sent {
    pub(super) initiated: Box<dyn Initiated>,
    pub(super) csb_id: u32,
    pub(super) lines: Lines,
    pub(super) named: Identity,
    pub(super) policy: Policy,
    /// What is to be keyed.
    pub(super) streams: Vec<Stream>,
    /// What we want to hear, and under which key, if that is known before any answer.
    pub(super) hear: Vec<(KeyId, Stream)>,
    /// What the keys are made of, if that is known before any answer.
    pub(super) material: Material,
    /// How its crypto sessions lie over the m-lines, and how many there are.
    pub(super) layout: Layout,
    pub(super) sessions: usize,
    pub(super) protocols: Vec<String>,
}

/// An offer that waits for its answers.
pub(super) struct Waiting(pub(super) Arc<Sent>);

impl Offered for Waiting {
    fn hint(&self, answer: &Lines) -> Hint {
        let Ok(message) = sdp::answer(answer, self.0.policy.mikey.tolerances) else { return Hint::default() };
        let who = message.many::<Id>().next().and_then(|id| ids::identity(id).ok());
        let heard = self.0.named(&message).into_iter().filter(|stream| stream.dir == Dir::Hear);
        Hint { ssrcs: heard.filter_map(|stream| stream.ssrc).collect(), who }
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(Caller { sent: self.0.clone(), fetched: Fetched::default(), state: State::Waiting })
    }

    fn refused(&self, lines: &Lines) -> Option<Error> {
        self.0.error(lines).map(|message| mode::hint(&message))
    }

    fn blames(&self, lines: &Lines) -> Blame {
        let blame = |no: &ErrorNo| match no {
            ErrorNo::InvalidTs => Some(Blame::Clock),
            ErrorNo::AuthFailure | ErrorNo::InvalidCert => Some(Blame::Credential),
            ErrorNo::InvalidId => Some(Blame::Recipient),
            _ => None,
        };
        self.0.error(lines).and_then(|message| message.many::<ErrorNo>().find_map(blame)).unwrap_or_default()
    }
}

impl Sent {
    /// The peer's error message for this offer (RFC 3830 section 5.1.2).
    fn error(&self, lines: &Lines) -> Option<Message> {
        let message = sdp::answer(lines, self.policy.mikey.tolerances).ok()?;
        let ours = message.hdr().data_type == DataType::Error && message.hdr().csb_id == self.csb_id;
        ours.then_some(message)
    }

    /// Of an I_MESSAGE on its way. Keys that are known already come out.
    ///
    /// # Errors
    /// A policy of our own that we cannot follow.
    pub(super) fn new(
        Initiation { message, known, initiated }: Initiation,
        ask: &Ask<'_>,
        (layout, protocols): (Layout, &[String]),
        out: &mut Vec<Output>,
    ) -> Result<Self, Error> {
        let (mut hear, mut material) = (vec![], Material::default());
        if let Some(agreed) = known {
            let keys = keys::master_keys(&agreed, layout, ask.streams, ask.policy);
            let (keys, _) = keys.map_err(|refused| refused.error)?;
            hear = heard(&keys);
            material = Material::of(&agreed);
            agreed.proof.release((ask.named, ask.policy.expect), keys, out)?;
        }
        Ok(Self {
            initiated,
            csb_id: message.hdr().csb_id,
            lines: Lines(vec![sdp::line(layout.level(), &message)]),
            named: ask.named.clone(),
            policy: ask.policy.clone(),
            streams: ask.streams.to_vec(),
            hear,
            material,
            layout,
            sessions: message.hdr().map.count(),
            protocols: protocols.to_vec(),
        })
    }

    /// The streams, and those that we hear as an answer names them.
    fn named(&self, answer: &Message) -> Vec<Stream> {
        let CsMap::Srtp(map) = &answer.hdr().map else { return vec![] };
        let named = |stream: &Stream| match stream.dir {
            Dir::Send => *stream,
            // The one SSRC in it is ours.
            Dir::Hear if self.layout.is_single() => Stream { ssrc: None, roc: 0, ..*stream },
            Dir::Hear => self.layout.heard(stream, map),
        };
        self.streams.iter().map(named).collect()
    }

    /// Verifies an answer. The peer is named first; keys that are known only now, or else its streams, come next.
    pub(super) fn answered(
        &self,
        lines: &Lines,
        fetched: &Fetched,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<(Option<Box<dyn Updating>>, Material), Error> {
        let tolerances = self.policy.mikey.tolerances;
        let mut message = sdp::answer(lines, tolerances)?;
        fetched.resolve(&mut message, now.mono).map_err(|refused| refused.error)?;
        let mut agreed = self.initiated.complete(&message, now.ntp)?;
        let streams = self.named(&message);
        let mut tolerated = vec![];
        let unnamed = |stream: &&Stream| stream.dir == Dir::Hear && stream.ssrc.is_none();
        if let Some(stream) = streams.iter().find(unnamed).filter(|_| !self.layout.is_single()) {
            if !tolerances.allows(Tolerance::NoResponderSsrc) {
                let what = format!("it left its SSRC for m-line {} at zero", stream.line);
                return Err(Error::misbehaved(what, "RFC 3830 section 6.1.1"));
            }
            tolerated.push(Tolerance::NoResponderSsrc.text());
        }
        let (mut keys, mut material) = (vec![], self.material.clone());
        if !agreed.keys.is_empty() {
            let (late, why) =
                keys::master_keys(&agreed, self.layout, &streams, &self.policy).map_err(|refused| refused.error)?;
            keys = late;
            material = Material::of(&agreed);
            tolerated.extend(why.map(Tolerance::text));
        }
        let running = agreed.running.take();
        out.extend(tolerated.into_iter().chain(agreed.tolerated).map(Output::Tolerated));
        agreed.proof.release((&self.named, self.policy.expect), keys, out)?;
        for (key, stream) in &self.hear {
            let named = streams.iter().find(|named| named.dir == Dir::Hear && named.line == stream.line);
            out.extend(named.filter(|named| named.ssrc.is_some()).map(|named| Output::Expect(*key, *named)));
        }
        Ok((running, material))
    }
}

struct Caller {
    sent: Arc<Sent>,
    /// What the answer's URLs led to.
    fetched: Fetched,
    state: State,
}

enum State {
    /// For the answer.
    Waiting,
    /// The peer has answered and proven itself.
    Agreed(Box<Agreement>),
    /// The offer was refused.
    Over,
}

impl Session for Caller {
    fn handle(&mut self, input: Input<'_>, env: &mut Env<'_>, out: &mut Vec<Output>) -> Result<(), Error> {
        match (&mut self.state, input) {
            (State::Agreed(agreement), input) => agreement.handle(input, env, out),
            (State::Waiting, Input::Answer(lines)) => {
                let agreed = self.sent.answered(lines, &self.fetched, env.now, out)?;
                let theirs = Lines(sdp::ours(lines).cloned().collect());
                self.state = State::Agreed(Box::new(Agreement::new(agreed, &self.sent, theirs)));
                Ok(())
            }
            (State::Over, Input::Answer(_)) => Err(Error::Misuse("this offer was refused before")),
            (_, Input::Rejected) => {
                self.state = State::Over;
                Ok(())
            }
            (_, Input::Packet { .. }) => Err(super::not_in_the_path()),
            (_, Input::Fetched { url, certificate }) => {
                self.fetched.told(url, certificate, env.now.mono);
                Ok(())
            }
            (_, Input::Timeout) => Ok(()),
        }
    }

    fn covers(&self, lines: &Lines) -> bool {
        if let State::Agreed(agreement) = &self.state { agreement.covers(lines) } else { true }
    }

    fn may_repeat(&self, hop: Hop) -> bool {
        if let State::Agreed(agreement) = &self.state { agreement.may_repeat(hop) } else { true }
    }

    fn offer(&mut self, ask: &Ask<'_>, env: &mut Env<'_>, out: &mut Vec<Output>) -> Result<Lines, Error> {
        match &mut self.state {
            State::Agreed(agreement) => agreement.offer(ask, env, out),
            State::Waiting | State::Over => Err(Error::Misuse("there is no agreement yet that could be changed")),
        }
    }

    fn answer(
        &mut self,
        ask: &Ask<'_>,
        lines: &Lines,
        env: &mut Env<'_>,
        out: &mut Vec<Output>,
    ) -> Result<Lines, Refusal> {
        match &mut self.state {
            State::Agreed(agreement) => agreement.answer(ask, lines, env, out),
            State::Waiting | State::Over => Err(super::no_rekeying()),
        }
    }
}

/// The streams of our offer that we hear, with the keys they come under.
fn heard(keys: &Keys) -> Vec<(KeyId, Stream)> {
    let hear = |stream: &&Stream| stream.dir == Dir::Hear;
    keys.iter().flat_map(|(key, streams)| streams.iter().filter(hear).map(|s| (key.id(), *s))).collect()
}
