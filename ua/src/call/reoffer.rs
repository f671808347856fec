//! Offers inside a dialog that has a session: hold, new keys, or all as it is (RFC 3264 section 8). What is refused
//! leaves the session as it was.

use super::exchange::{Exchange, Held, State, direction, refuse, unacceptable};
use super::media::Media;
use super::parties::{self, streams};
use super::refused::{Refused, Unacceptable};
use super::{Cx, precondition};
use crate::sdp::{self, AnswerError, OfferAsk, Profile, Reply, Sdp};
use crate::sip::StatusCode;
use crate::transaction::ServerKey;
use keyphone_keying::{Hop, Input, Keying, Lines};

impl Exchange {
    /// An offer inside the dialog, with new keys or the ones that there are, that has the peer on hold or not. It goes
    /// over this hop, which need not be the one of the INVITE.
    pub(super) fn offer(
        &mut self,
        (holding, rekey): (bool, bool),
        hop: Hop,
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Vec<u8>, String> {
        self.parties.hop = hop;
        if !rekey && self.session.as_ref().is_some_and(|session| !session.may_repeat(hop)) {
            return Err("what was said of keys is not said again where it is not protected: call a sips: URI".into());
        }
        let rekey = if rekey { Some(self.new_keys(media, cx)?) } else { None };
        let profile = if self.session.is_some() { Profile::Savp } else { Profile::Avp };
        let codecs = media.codecs_in_use();
        // What is to stay as it is, is said in the same words (RFC 4028 section 7.4).
        let same = (rekey.is_none() && holding == self.holding).then(|| self.sdp.repeat()).flatten();
        let changed = OfferAsk {
            address: media.ports().rtp.ip(),
            port: media.ports().rtp.port(),
            profile,
            codecs: &codecs,
            direction: direction(holding),
            lines: rekey.as_ref().unwrap_or(&self.ours),
        };
        let offer = same.unwrap_or_else(|| self.sdp.offer(&changed));
        self.state = State::WeOffered { rekey, holding };
        Ok(offer.bytes())
    }

    fn new_keys(&mut self, media: &mut Media, cx: &mut Cx<'_, '_>) -> Result<Lines, String> {
        let Some(session) = &mut self.session else { return Err("a call in the clear has no keys".into()) };
        let (ssrc, roc) = media.next_speaker(cx).ok_or("there is no key yet that could be changed")?;
        let streams = streams(self.sdp.line(), ssrc, roc);
        let ask = self.parties.ask(&streams, cx.settings);
        let mut said = vec![];
        let lines = session.offer(&ask, cx.env, &mut said).map_err(|error| error.to_string())?;
        match media.obey(said, cx) {
            Ok(_) => Ok(lines),
            Err(pad) => {
                self.forget_keys(media, cx);
                Err(pad.to_string())
            }
        }
    }

    /// The answer to our offer inside the dialog. The media follows it at once.
    pub(super) fn answered(
        &mut self,
        body: &[u8],
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Held, Unacceptable> {
        let State::WeOffered { rekey, holding } = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(None);
        };
        let answer = Sdp::parse(body).map_err(Unacceptable::other)?;
        let before = self.is_held();
        match self.sdp.answered(&answer) {
            // The stream is switched off (RFC 3264 section 8.2), and the call goes on.
            Err(AnswerError::Refused) => {
                if rekey.is_some() {
                    self.forget_keys(media, cx);
                }
                self.holding = holding;
                media.pause();
                return Ok(None);
            }
            read => read.map_err(unacceptable)?,
        };
        if let Some(session) = &mut self.session {
            let lines = sdp::key_mgmt::read(&answer).map_err(Unacceptable::keying)?;
            if let Some(ours) = rekey {
                let mut said = vec![];
                cx.mikey.tell(&lines, &mut **session, cx.env);
                let result = session.handle(Input::Answer(&lines), cx.env, &mut said);
                let obeyed = media.obey(said, cx);
                result.map_err(Unacceptable::keying)?;
                self.voice = obeyed.map_err(Unacceptable::keying)?.or(self.voice);
                (self.ours, self.theirs) = (ours, lines);
            } else if lines != self.theirs {
                // Nothing was to change, so that its answer is byte for byte the last one.
                return Err(Unacceptable::keying("it answers other keys than were asked for"));
            }
        }
        self.hear_status(self.sdp.line(), &answer, true, cx).map_err(|refused| Unacceptable::other(refused.why))?;
        self.holding = holding;
        self.start(media, cx);
        let after = self.is_held();
        Ok((before != after).then_some(after))
    }

    /// Our offer was refused: all stays as it was (RFC 3261 section 14.1).
    pub(super) fn rejected(&mut self, media: &mut Media, cx: &mut Cx<'_, '_>) {
        if let State::WeOffered { rekey, .. } = std::mem::replace(&mut self.state, State::Idle) {
            self.sdp.rejected();
            if rekey.is_some() {
                self.forget_keys(media, cx);
            }
        }
    }

    fn forget_keys(&mut self, media: &mut Media, cx: &mut Cx<'_, '_>) {
        if let Some(session) = &mut self.session {
            let mut said = vec![];
            let told = session.handle(Input::Rejected, cx.env, &mut said);
            if told.is_err() || media.obey(said, cx).is_err() {
                tracing::debug!("the keying system did not take the refusal");
            }
        }
        media.forget_coming(cx);
    }

    /// Answers an offer inside the dialog. The media follows it at once; on an error all stays as it was.
    pub(super) fn answer(
        &mut self,
        (body, key): (&[u8], ServerKey),
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<(Vec<u8>, Held), Refused> {
        let offer = Sdp::parse(body).map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error))?;
        self.parties.came(key, cx);
        // What is secure stays secure and what is clear stays clear; a running call keeps its codec
        // if it can.
        let profile = if self.session.is_some() { Profile::Savp } else { Profile::Avp };
        let [in_use, others] = [media.codecs_in_use(), media.codecs_of_its_rate()];
        let planned = self.sdp.plan(&offer, &self.ask(&[profile], &in_use, media));
        let planned = planned.or_else(|_| self.sdp.plan(&offer, &self.ask(&[profile], &others, media)));
        let reply = planned.map_err(refuse)?;
        let before = self.is_held();
        match &reply {
            Reply::Audio(answer) => {
                let line = answer.negotiated.line;
                if precondition::are_supported(&cx.settings.rules) && precondition::read(&offer, line)?.is_beyond_us() {
                    return Err(precondition::unmet(&offer, "it has a precondition that this phone does not know", cx));
                }
                let same_keys = !self.rekeyed(&offer, line, media, cx)?;
                // Keys that both have used already are as secure as they can be (RFC 5027 section 3).
                let secure = same_keys && self.may_ring();
                self.hear_status(line, &offer, secure, cx)?;
            }
            Reply::Off(_) => {
                media.pause();
                return Ok((self.sdp.reply(&offer, &reply, &Lines::default()).bytes(), None));
            }
        }
        let body = self.sdp.reply(&offer, &reply, &self.ours).bytes();
        self.start(media, cx);
        let after = self.is_held();
        Ok((body, (before != after).then_some(after)))
    }

    /// What keying answers to an offer inside the dialog: true if there are new keys. Lines that are byte for byte the
    /// last ones change nothing.
    fn rekeyed(&mut self, offer: &Sdp, line: u8, media: &mut Media, cx: &mut Cx<'_, '_>) -> Result<bool, Refused> {
        let Some(session) = &mut self.session else { return Ok(false) };
        let lines = sdp::key_mgmt::read(offer).map_err(|error| Refused::keying(error, None))?;
        if lines == self.theirs {
            return Ok(false);
        }
        let Some((ssrc, roc)) = media.next_speaker(cx) else {
            return Err(Refused::keying("there is no key yet that could be changed", None));
        };
        let streams = streams(line, ssrc, roc);
        let ask = self.parties.ask(&streams, cx.settings);
        let mut said = vec![];
        cx.mikey.tell(&lines, &mut **session, cx.env);
        // An update of our bundle is the session's; another bundle is another agreement.
        let mut another = None;
        let answered = match session.covers(&lines) {
            true => session.answer(&ask, &lines, cx.env, &mut said),
            false => cx.mikey.answer(&ask, &lines, cx.env, &mut said).map(|(ours, session)| {
                another = Some(session);
                ours
            }),
        };
        let obeyed = media.obey_answer(said, cx);
        if answered.is_err() || obeyed.is_err() {
            media.forget_coming(cx);
        }
        // "One or more Warning headers (at least a 306)" (RFC 4567 section 4.1.2).
        let ours = answered.map_err(|refusal| parties::refused(refusal, offer, cx).warning(306))?;
        self.voice = obeyed.map_err(|error| Refused::keying(error, None))?.or(self.voice);
        (self.ours, self.theirs) = (ours, lines);
        self.session = another.or_else(|| self.session.take());
        Ok(true)
    }
}
