//! Offer and answer inside one dialog (RFC 3264, RFC 6337), keying and all.
//!
//! ```text
//!            we offer                  they offer
//!   Idle ---------------> WeOffered   Idle ---------> TheyOffered
//!    ^                      |          ^                  |
//!    +--- answer, refusal --+          +---- our answer --+
//! ```
//! While either waits nobody offers anew: whoever does gets 491 from the one and 500 from the other (RFC 3261 section
//! 14.2, RFC 3311 section 5.2). What is refused leaves the session as it was. The first offer may be theirs although
//! the INVITE is ours: then the exchange begins as Awaited.

use super::Cx;
use super::first::FirstOffer;
use super::media::Media;
use super::parties::{self, Parties, streams};
use super::precondition;
use super::refused::{Refused, Unacceptable};
use crate::sdp::{self, AnswerAsk, AnswerError, Negotiated, OfferAsk, Profile, Reply, Sdp, SdpSession};
use crate::settings::{Settings, System};
use crate::sip::{Request, StatusCode};
use crate::transaction::ServerKey;
use keyphone_keying::{self as keying, Input, Keying, Lines, Session};
use keyphone_media::env::Instant;
use keyphone_media::rtp::Ssrc;

/// Offer and answer of one dialog.
pub(super) struct Exchange {
    parties: Parties,
    pub(super) sdp: SdpSession,
    /// What our last SDP said of keying: said again, it means that nothing changed.
    ours: Lines,
    /// What the peer's last SDP said.
    theirs: Lines,
    /// The agreement with the peer; `None` when the call is in the clear, or before there is one.
    pub(super) session: Option<Box<dyn Session>>,
    /// Whom the answer names: of all branches that share our key, the one to hear.
    voice: Option<Ssrc>,
    state: State,
    /// We have put the peer on hold.
    holding: bool,
}

enum State {
    Idle,
    /// Our INVITE had no offer, and the peer's has not come yet.
    Awaited,
    /// The offer of our INVITE awaits its answer. The call keeps it for all branches, unless there is only this one.
    First(Option<Box<FirstOffer>>),
    /// An offer of ours inside the dialog.
    WeOffered {
        /// With new keys.
        rekey: Option<Lines>,
        /// Has the peer on hold.
        holding: bool,
    },
    /// Their offer is not answered yet; the answer is ready.
    TheyOffered,
}

/// Somebody offers while another offer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// Ours does: 491 (RFC 3261 section 14.2).
    Glare,
    /// Theirs does: 500 with Retry-After (RFC 3261 section 14.2, RFC 3311 section 5.2).
    Pending,
}

/// The peer has put us on hold (true), or no longer does (false).
pub(super) type Held = Option<bool>;

impl Exchange {
    /// A dialog whose first offer is ours, and which others may answer, too.
    pub(super) fn offered(first: &FirstOffer) -> Self {
        Self {
            ours: first.lines.clone(),
            state: State::First(None),
            ..Self::new(first.parties.clone(), first.sdp.clone())
        }
    }

    /// The same, and nobody else will answer it: a response to an INVITE without an offer brings it.
    pub(super) fn offering(first: FirstOffer) -> Self {
        let exchange = Self::offered(&first);
        Self { state: State::First(Some(Box::new(first))), ..exchange }
    }

    /// A dialog whose first offer is theirs, and has not come yet.
    pub(super) fn awaiting(parties: Parties, cx: &mut Cx<'_, '_>) -> Self {
        Self { state: State::Awaited, ..Self::new(parties, SdpSession::new(cx.origin())) }
    }

    fn new(parties: Parties, sdp: SdpSession) -> Self {
        let (ours, theirs) = (Lines::default(), Lines::default());
        Self { parties, sdp, ours, theirs, session: None, voice: None, state: State::Idle, holding: false }
    }

    /// A dialog whose INVITE is theirs and brought the first offer.
    pub(super) fn answering(
        request: &Request,
        parties: Parties,
        offer: &Sdp,
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Self, Refused> {
        let mut exchange = Self::awaiting(parties, cx);
        exchange.answer_first(Some(request), offer, media, cx)?;
        Ok(exchange)
    }

    /// Makes our answer to the peer's first offer, and takes its keys. Nothing is heard or said yet. If the offer came in
    /// an INVITE, its preconditions are heard.
    pub(super) fn answer_first(
        &mut self,
        invite: Option<&Request>,
        offer: &Sdp,
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<(), Refused> {
        let profiles = profiles(cx.settings);
        let reply = self.sdp.plan(offer, &self.ask(&profiles, media.codecs(), media)).map_err(refuse)?;
        if let Reply::Audio(answer) = &reply {
            if let Some(invite) = invite {
                let status = precondition::of_their_offer(invite, offer, answer.negotiated.line, answer.profile, cx)?;
                self.sdp.set_status(status);
            }
            match answer.profile {
                Profile::Avp => {
                    let allowed = cx.settings.policy.media.clear();
                    media.go_clear(allowed.ok_or_else(|| Refused::keying(sdp::Unfit::Clear, None))?, cx);
                }
                Profile::Savp => self.key_first(offer, answer.negotiated.line, media, cx)?,
            }
        }
        self.sdp.reply(offer, &reply, &self.ours);
        self.state = State::TheyOffered;
        Ok(())
    }

    /// Asks the keying system for an answer, and takes its keys.
    fn key_first(&mut self, offer: &Sdp, line: u8, media: &mut Media, cx: &mut Cx<'_, '_>) -> Result<(), Refused> {
        self.theirs = sdp::key_mgmt::read(offer).map_err(|error| Refused::keying(error, None))?;
        let streams = streams(line, cx.ledger.mint(cx.env), 0);
        let ask = self.parties.ask(&streams, cx.settings);
        let mut said = vec![];
        let answered = cx.mikey.answer(&ask, &self.theirs, cx.env, &mut said);
        let obeyed = media.obey(said, cx);
        if answered.is_err() || obeyed.is_err() {
            media.drop_keys(cx);
        }
        let (lines, session) = answered.map_err(|refusal| parties::refused(refusal, offer, cx))?;
        obeyed.map_err(|error| Refused::keying(error, None))?;
        (self.ours, self.session) = (lines, Some(session));
        Ok(())
    }

    /// Our offer that waits for its answer, or our half of what holds, as it goes into a body.
    pub(super) fn body(&self) -> Vec<u8> {
        match &self.state {
            State::First(Some(first)) => first.body.clone(),
            _ => self.sdp.ours().map(Sdp::bytes).unwrap_or_default(),
        }
    }

    /// What was agreed on, if anything was.
    pub(super) fn agreed(&self) -> Option<&Negotiated> {
        self.sdp.agreed()
    }

    /// How the media is keyed.
    pub(super) fn system(&self) -> System {
        if self.session.is_some() { System::MikeyPsk } else { System::Clear }
    }

    /// Have we put the peer on hold?
    pub(super) fn is_holding(&self) -> bool {
        self.holding
    }

    /// Has the peer put us on hold?
    pub(super) fn is_held(&self) -> bool {
        self.agreed().is_some_and(Negotiated::is_held_by_peer)
    }

    /// Our answer has left for good, or the first answer has come for good.
    pub(super) fn settle(&mut self) {
        if matches!(self.state, State::TheyOffered | State::First(_)) {
            self.state = State::Idle;
        }
    }

    /// May an offer be made or taken now?
    pub(super) fn is_free(&self) -> Result<(), Conflict> {
        match self.state {
            State::Idle => Ok(()),
            State::First(_) | State::WeOffered { .. } => Err(Conflict::Glare),
            State::TheyOffered | State::Awaited => Err(Conflict::Pending),
        }
    }

    /// Is the first offer the peer's to make, and has not come?
    pub(super) fn awaits_offer(&self) -> bool {
        matches!(self.state, State::Awaited)
    }

    /// The answer to the first offer. Keys first: the peer is proven before media is. A 200 may repeat what a 183 said.
    pub(super) fn first_answer(
        &mut self,
        first: &FirstOffer,
        body: &[u8],
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<(), Unacceptable> {
        let answer = Sdp::parse(body).map_err(Unacceptable::other)?;
        let mut sdp = first.sdp.clone();
        sdp.answered(&answer).map_err(unacceptable)?;
        if let Some(offered) = &first.offered {
            let lines = sdp::key_mgmt::read(&answer).map_err(Unacceptable::keying)?;
            let (session, mut said) = (self.session.get_or_insert_with(|| offered.session()), vec![]);
            let result = session.handle(Input::Answer(&lines), cx.env, &mut said);
            let obeyed = media.obey(said, cx);
            result.map_err(Unacceptable::keying)?;
            self.voice = obeyed.map_err(Unacceptable::keying)?.or(self.voice);
            self.theirs = lines;
        }
        self.sdp = sdp;
        self.hear_status(self.sdp.line(), &answer, true, cx).map_err(|refused| Unacceptable::other(refused.why))
    }

    /// The answer to the first offer, where only this dialog knows that offer.
    pub(super) fn own_first_answer(
        &mut self,
        body: &[u8],
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<(), Unacceptable> {
        let State::First(Some(first)) = std::mem::replace(&mut self.state, State::Idle) else { return Ok(()) };
        self.first_answer(&first, body, media, cx)
    }

    /// Does the first offer wait for its answer, and is it ours?
    pub(super) fn is_first(&self) -> bool {
        matches!(self.state, State::First(_))
    }

    /// Does the first offer wait for its answer, and is it this dialog's alone?
    pub(super) fn owns_first(&self) -> bool {
        matches!(self.state, State::First(Some(_)))
    }

    /// What was agreed on is heard and, once there is an answer, spoken.
    pub(super) fn start(&self, media: &mut Media, cx: &mut Cx<'_, '_>) {
        let Some(agreed) = self.agreed() else { return };
        self.voice.into_iter().for_each(|ssrc| media.prefer(ssrc));
        media.start(agreed, cx);
    }

    /// An offer inside the dialog, with new keys or the ones that there are, that has the peer on hold or not.
    pub(super) fn offer(
        &mut self,
        holding: bool,
        rekey: bool,
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Vec<u8>, String> {
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
        let (ssrc, roc) = media.speaker().ok_or("there is no key yet that could be changed")?;
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
                media.pause();
                return Ok(None);
            }
            read => read.map_err(unacceptable)?,
        };
        if let Some(session) = &mut self.session {
            let lines = sdp::key_mgmt::read(&answer).map_err(Unacceptable::keying)?;
            if let Some(ours) = rekey {
                let mut said = vec![];
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
        // What is secure stays secure and what is clear stays clear; a running call keeps its codec.
        let profile = if self.session.is_some() { Profile::Savp } else { Profile::Avp };
        let codecs = media.codecs_in_use();
        let reply = self.sdp.plan(&offer, &self.ask(&[profile], &codecs, media)).map_err(refuse)?;
        let before = self.is_held();
        match &reply {
            Reply::Audio(answer) => {
                let line = answer.negotiated.line;
                if precondition::are_supported(&cx.settings.rules) && precondition::read(&offer, line)?.is_beyond_us() {
                    return Err(precondition::unmet(&offer, "it has a precondition that this phone does not know", cx));
                }
                self.rekeyed(&offer, line, media, cx)?;
                self.hear_status(line, &offer, false, cx)?;
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

    /// What keying answers to an offer inside the dialog: lines that are byte for byte the last ones change nothing.
    fn rekeyed(&mut self, offer: &Sdp, line: u8, media: &mut Media, cx: &mut Cx<'_, '_>) -> Result<(), Refused> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let lines = sdp::key_mgmt::read(offer).map_err(|error| Refused::keying(error, None))?;
        if lines == self.theirs {
            return Ok(());
        }
        let Some((ssrc, roc)) = media.speaker() else {
            return Err(Refused::keying("there is no key yet that could be changed", None));
        };
        let streams = streams(line, ssrc, roc);
        let ask = self.parties.ask(&streams, cx.settings);
        let mut said = vec![];
        // An update of our bundle is the session's; another bundle is another agreement.
        let mut another = None;
        let answered = match session.covers(&lines) {
            true => session.answer(&ask, &lines, cx.env, &mut said),
            false => cx.mikey.answer(&ask, &lines, cx.env, &mut said).map(|(ours, session)| {
                another = Some(session);
                ours
            }),
        };
        let obeyed = media.obey(said, cx);
        if answered.is_err() || obeyed.is_err() {
            media.forget_coming(cx);
        }
        // "One or more Warning headers (at least a 306)" (RFC 4567 section 4.1.2).
        let ours = answered.map_err(|refusal| parties::refused(refusal, offer, cx).warning(306))?;
        self.voice = obeyed.map_err(|error| Refused::keying(error, None))?.or(self.voice);
        (self.ours, self.theirs) = (ours, lines);
        self.session = another.or_else(|| self.session.take());
        Ok(())
    }

    fn ask<'a>(&self, profiles: &'a [Profile], codecs: &'a [sdp::CodecLine], media: &Media) -> AnswerAsk<'a> {
        let (address, port) = (media.ports().rtp.ip(), media.ports().rtp.port());
        AnswerAsk { address, port, profiles, codecs, direction: direction(self.holding) }
    }

    /// Tells the keying system what came in the media path, or that its time has come.
    pub(super) fn keying(&mut self, input: Input<'_>, cx: &mut Cx<'_, '_>) -> Option<Vec<keying::Output>> {
        let mut said = vec![];
        let result = self.session.as_mut()?.handle(input, cx.env, &mut said);
        result.map_err(|error| tracing::debug!(%error, "the keying system did not take it")).ok().map(|()| said)
    }

    /// When the keying system wants to be told that its time has come.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.session.as_ref().and_then(|s| s.next_timeout())
    }
}

/// What we want: a peer on hold hears us, and we do not hear it (RFC 6337 section 5.3).
fn direction(holding: bool) -> sdp::Direction {
    if holding { sdp::Direction::SendOnly } else { sdp::Direction::SendRecv }
}

/// Which profiles we take: clear RTP only where it is configured and policy allows it.
pub(crate) fn profiles(settings: &Settings) -> Vec<Profile> {
    let allowed = |system: &System| match system {
        System::MikeyPsk => Some(Profile::Savp),
        System::Clear => settings.policy.media.clear().map(|_| Profile::Avp),
    };
    settings.keying.iter().filter_map(allowed).collect()
}

fn refuse(rejection: sdp::Rejection) -> Refused {
    match rejection.is_clear_only() {
        true => Refused::keying(rejection, None),
        false => Refused::new(StatusCode::NOT_ACCEPTABLE_HERE, rejection),
    }
}

fn unacceptable(error: AnswerError) -> Unacceptable {
    match error {
        AnswerError::Downgrade { .. } => Unacceptable::keying(error),
        _ => Unacceptable::other(error),
    }
}
