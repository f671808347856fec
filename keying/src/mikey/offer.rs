//! Our offer, and the session with each of those who answer it.

use super::agreement::Agreement;
use super::keys::Keys;
use super::mode::Initiated;
use super::modes::psk::Running;
use super::streams::Layout;
use super::tolerance::{Tolerance, Tolerances};
use super::wire::{CsMap, DataType, Id, Message};
use super::{modes, sdp};
use crate::{Ask, Dir, Error, Expect, Hint, Identity, Input, Lines, Offered, Output, Refusal, Session, Stream};
use keyphone_media::env::Env;
use keyphone_media::srtp::KeyId;
use std::sync::Arc;

/// What an offer remembers, the same for all its branches.
pub(super) struct Sent {
    pub(super) initiated: Box<dyn Initiated>,
    pub(super) csb_id: u32,
    pub(super) lines: Lines,
    pub(super) named: Identity,
    pub(super) expect: Expect,
    pub(super) tolerances: Tolerances,
    /// What we want to hear, and under which key.
    pub(super) hear: Vec<(KeyId, Stream)>,
    /// How its crypto sessions lie over the m-lines, and how many there are.
    pub(super) layout: Layout,
    pub(super) sessions: usize,
    pub(super) protocols: Vec<String>,
}

/// An offer that waits for its answers.
pub(super) struct Waiting(pub(super) Arc<Sent>);

impl Offered for Waiting {
    fn hint(&self, answer: &Lines) -> Hint {
        let Ok(message) = sdp::answer(answer, self.0.tolerances) else { return Hint::default() };
        let who = message.many::<Id>().next().and_then(|id| modes::psk::identity(id).ok());
        let heard = self.0.heard(&message).unwrap_or_default();
        Hint { ssrcs: heard.iter().filter_map(|(_, stream)| stream.ssrc).collect(), who }
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(Caller { sent: self.0.clone(), state: State::Waiting })
    }

    fn refused(&self, lines: &Lines) -> Option<Error> {
        let message = sdp::answer(lines, self.0.tolerances).ok()?;
        let ours = message.hdr().data_type == DataType::Error && message.hdr().csb_id == self.0.csb_id;
        ours.then(|| modes::psk::hint(&message))
    }
}

impl Sent {
    /// What we hear, as an answer names it.
    fn heard(&self, answer: &Message) -> Result<Vec<(KeyId, Stream)>, Error> {
        let CsMap::Srtp(map) = &answer.hdr().map else { return Ok(vec![]) };
        Ok(self.hear.iter().map(|(key, stream)| (*key, self.layout.heard(stream, map))).collect())
    }

    /// Verifies an answer. The peer is named first; its streams come next.
    pub(super) fn answered(&self, lines: &Lines, out: &mut Vec<Output>) -> Result<Option<Running>, Error> {
        let message = sdp::answer(lines, self.tolerances)?;
        let agreed = self.initiated.complete(&message)?;
        let heard = self.heard(&message)?;
        let silent = heard.iter().find(|(_, stream)| stream.ssrc.is_none());
        if let Some((_, stream)) = silent {
            if !self.tolerances.allows(Tolerance::NoResponderSsrc) {
                let what = format!("it left its SSRC for m-line {} at zero", stream.line);
                return Err(Error::misbehaved(what, "RFC 3830 section 6.1.1"));
            }
            out.push(Output::Tolerated(Tolerance::NoResponderSsrc.text()));
        }
        out.extend(agreed.tolerated.into_iter().map(Output::Tolerated));
        agreed.proof.release((&self.named, self.expect), vec![], out)?;
        let named = heard.into_iter().filter(|(_, stream)| stream.ssrc.is_some());
        out.extend(named.map(|(key, stream)| Output::Expect(key, stream)));
        Ok(agreed.running)
    }
}

struct Caller {
    sent: Arc<Sent>,
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
                let running = self.sent.answered(lines, out)?;
                let theirs = Lines(sdp::ours(lines).cloned().collect());
                self.state = State::Agreed(Box::new(Agreement::new(running, &self.sent, theirs)));
                Ok(())
            }
            (State::Over, Input::Answer(_)) => Err(Error::Misuse("this offer was refused before")),
            (_, Input::Rejected) => {
                self.state = State::Over;
                Ok(())
            }
            (_, Input::Packet { .. }) => Err(super::not_in_the_path()),
            (_, Input::Timeout) => Ok(()),
        }
    }

    fn covers(&self, lines: &Lines) -> bool {
        if let State::Agreed(agreement) = &self.state { agreement.covers(lines) } else { true }
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
pub(super) fn hear(keys: &Keys) -> Vec<(KeyId, Stream)> {
    let heard = |stream: &&Stream| stream.dir == Dir::Hear;
    keys.iter().flat_map(|(key, streams)| streams.iter().filter(heard).map(|s| (key.id(), *s))).collect()
}
