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
use crate::event::Why;
use crate::sdp::{self, AnswerAsk, AnswerError, Negotiated, Profile, Reply, Sdp, SdpSession};
use crate::settings::{Settings, System};
use crate::sip::{Request, StatusCode};
use keyphone_keying::{self as keying, Input, Keying, Lines, Session};
use keyphone_media::env::Instant;
use keyphone_media::rtp::Ssrc;

/// Offer and answer of one dialog.
pub(super) struct Exchange {
    pub(super) parties: Parties,
    pub(super) sdp: SdpSession,
    /// What our last SDP said of keying: said again, it means that nothing changed.
    pub(super) ours: Lines,
    /// What the peer's last SDP said.
    pub(super) theirs: Lines,
    /// The agreement with the peer; `None` when the call is in the clear, or before there is one.
    pub(super) session: Option<Box<dyn Session>>,
    /// Whom the answer names: of all branches that share our key, the one to hear.
    pub(super) voice: Option<Ssrc>,
    pub(super) state: State,
    /// We have put the peer on hold.
    pub(super) holding: bool,
}

/// How far offer and answer are.
pub(super) enum State {
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
        if self.session.is_some() { System::of(&self.ours, &self.theirs) } else { System::Clear }
    }

    /// Is the media keyed, or will it be when our first offer is answered?
    pub(super) fn is_keyed(&self) -> bool {
        self.session.is_some() || matches!(&self.state, State::First(Some(first)) if first.offered.is_some())
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
        (branch, why): (&str, Why),
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<(), Unacceptable> {
        let answer = Sdp::parse(body).map_err(Unacceptable::other)?;
        let mut sdp = first.sdp.clone();
        sdp.answered(&answer).map_err(unacceptable)?;
        if let Some(offered) = &first.offered {
            let lines = sdp::key_mgmt::read(&answer).map_err(Unacceptable::keying)?;
            if lines != self.theirs {
                media.count_verified(branch, why, cx);
            }
            let (mut session, mut said) = (self.session.take().unwrap_or_else(|| offered.session()), vec![]);
            cx.mikey.tell(&lines, &mut *session, cx.env);
            let result = session.handle(Input::Answer(&lines), cx.env, &mut said);
            let obeyed = media.obey(said, cx);
            // A session that has taken nothing is none: another answer may come.
            if result.is_ok() && obeyed.is_ok() || !self.theirs.0.is_empty() {
                self.session = Some(session);
            }
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
        (branch, body): (&str, &[u8]),
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> Result<(), Unacceptable> {
        let State::First(Some(first)) = std::mem::replace(&mut self.state, State::Idle) else { return Ok(()) };
        let answered = self.first_answer(&first, body, (branch, Why::Final), media, cx);
        media.replay(branch, cx);
        media.close_pen(cx);
        answered
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

    pub(super) fn ask<'a>(
        &self,
        profiles: &'a [Profile],
        codecs: &'a [sdp::CodecLine],
        media: &Media,
    ) -> AnswerAsk<'a> {
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
pub(super) fn direction(holding: bool) -> sdp::Direction {
    if holding { sdp::Direction::SendOnly } else { sdp::Direction::SendRecv }
}

/// Which profiles we take: clear RTP only where it is configured and policy allows it.
pub(crate) fn profiles(settings: &Settings) -> Vec<Profile> {
    let allowed = |system: &System| match system {
        System::Mikey(_) => Some(Profile::Savp),
        System::Clear => settings.policy.media.clear().map(|_| Profile::Avp),
    };
    settings.keying.iter().filter_map(allowed).collect()
}

pub(super) fn refuse(rejection: sdp::Rejection) -> Refused {
    match rejection.is_clear_only() {
        true => Refused::keying(rejection, None),
        false => {
            let code = rejection.warning();
            Refused::new(StatusCode::NOT_ACCEPTABLE_HERE, rejection).warning(code)
        }
    }
}

pub(super) fn unacceptable(error: AnswerError) -> Unacceptable {
    match error {
        AnswerError::Downgrade { .. } => Unacceptable::keying(error),
        _ => Unacceptable::other(error),
    }
}
