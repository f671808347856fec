//! Our offer, and the session with each of those who answer it.

use super::keys::Keys;
use super::mode::Initiated;
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
        Ok(self.hear.iter().map(|(key, stream)| (*key, Layout::OURS.heard(stream, map))).collect())
    }
}

struct Caller {
    sent: Arc<Sent>,
    state: State,
}

enum State {
    /// For the answer.
    Waiting,
    /// The peer has answered so, and proven itself.
    Answered(Lines),
    /// The offer was refused.
    Over,
}

impl Caller {
    fn answered(&mut self, lines: &Lines, out: &mut Vec<Output>) -> Result<(), Error> {
        let message = sdp::answer(lines, self.sent.tolerances)?;
        let agreed = self.sent.initiated.complete(&message)?;
        let heard = self.sent.heard(&message)?;
        let silent = heard.iter().find(|(_, stream)| stream.ssrc.is_none());
        if let Some((_, stream)) = silent {
            if !self.sent.tolerances.allows(Tolerance::NoResponderSsrc) {
                let what = format!("it left its SSRC for m-line {} at zero", stream.line);
                return Err(Error::misbehaved(what, "RFC 3830 section 6.1.1"));
            }
            out.push(Output::Tolerated(Tolerance::NoResponderSsrc.text()));
        }
        out.extend(agreed.tolerated.into_iter().map(Output::Tolerated));
        agreed.proof.release((&self.sent.named, self.sent.expect), vec![], out)?;
        let named = heard.into_iter().filter(|(_, stream)| stream.ssrc.is_some());
        out.extend(named.map(|(key, stream)| Output::Expect(key, stream)));
        self.state = State::Answered(Lines(sdp::ours(lines).cloned().collect()));
        Ok(())
    }
}

impl Session for Caller {
    fn handle(&mut self, input: Input<'_>, _: &mut Env<'_>, out: &mut Vec<Output>) -> Result<(), Error> {
        match (&self.state, input) {
            (State::Waiting, Input::Answer(lines)) => self.answered(lines, out),
            // A 200 repeats what a 183 said.
            (State::Answered(known), Input::Answer(lines)) if sdp::ours(lines).eq(&known.0) => Ok(()),
            (State::Answered(_), Input::Answer(_)) => {
                Err(Error::misbehaved("it answers one offer twice, and not the same", "RFC 3261 section 13.2.1"))
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

    /// The peer repeats its last line: nothing changed, and neither do we (RFC 4028; RFC 5027 section 3).
    fn answer(&mut self, _: &Ask<'_>, lines: &Lines, _: &mut Env<'_>, _: &mut Vec<Output>) -> Result<Lines, Refusal> {
        match &self.state {
            State::Answered(known) if sdp::ours(lines).eq(&known.0) => Ok(self.sent.lines.clone()),
            _ => Err(super::no_rekeying()),
        }
    }
}

/// The streams of our offer that we hear, with the keys they come under.
pub(super) fn hear(keys: &Keys) -> Vec<(KeyId, Stream)> {
    let heard = |stream: &&Stream| stream.dir == Dir::Hear;
    keys.iter().flat_map(|(key, streams)| streams.iter().filter(heard).map(|s| (key.id(), *s))).collect()
}
