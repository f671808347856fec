//! Which answers are verified, and when. Verifying one is work: a signature, a certificate's chain, a power modulo a large
//! prime; thirty phones that answer one INVITE are thirty times that, before the first word is heard (RFC 5197 section
//! 5.2). So an answer in a provisional response is only read, and kept. It is verified
//!
//! - when a packet waits that it tells the sender of, a few of them in each 20 ms ([`Waiting::CHECKS`](super::Waiting));
//! - when the branch answers finally, or wants to change the session;
//! - at once if nobody rings before the call is keyed (RFC 5027 section 3), for then all must be keyed: thirty are thirty;
//! - at once if our offer had the keys, for then it costs next to nothing.
//!
//! Who sends it is not known before, so that anybody on the way can have us verify. Of one branch that is done for
//! [`MOST_BAD`] answers that do not hold, and then only for its final one.

use super::branch::Branch;
use super::first::FirstOffer;
use super::floor::Floor;
use super::late::First;
use super::media::Media;
use super::outgoing::Calling;
use super::pen::Sender;
use super::precondition;
use super::refused::Unacceptable;
use super::usage::Purpose;
use super::{Call, Cx, Phase, decline};
use crate::event::{CallId, Event, Why};
use crate::sdp::{self, Sdp};
use crate::sip::{Method, Request};
use keyphone_keying::Hint;
use keyphone_media::env::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// An answer that nobody has had a reason to verify.
pub(super) struct Unproven {
    pub(super) body: Vec<u8>,
    /// It came in a reliable response, and is the answer, whatever comes later (RFC 3262 section 5).
    pub(super) reliable: bool,
    /// Who it says it is.
    hint: Hint,
    /// Where it says it is.
    rtp: SocketAddr,
    /// When it came.
    came: Instant,
}

/// Answers that are longer are not looked at before they are final or come reliably.
const MAX_KEPT: usize = 16 << 10;

/// After so many answers of a branch that did not hold, what else it says is not looked at before it is final or comes
/// reliably.
const MOST_BAD: u8 = 3;

/// A packet of which no answer tells anything is not worth a signature while its own answer may still be on its way: as
/// long as SIP waits before it repeats anything (T1, RFC 3261 section 17.1.1.1).
const TRIAL_AFTER: Duration = Duration::from_millis(500);

/// When an answer is to be verified.
enum Read {
    Now(Why),
    Later(Unproven),
}

/// Whose answer to verify next.
enum Next {
    Now(String, Why),
    At(Instant),
    Never,
}

impl Unproven {
    /// Reads an answer, and believes nothing of it. If it must be verified at once, why.
    fn read(offer: &FirstOffer, body: &[u8], reliable: bool, cx: &Cx<'_, '_>) -> Result<Read, Unacceptable> {
        let Some(offered) = offer.offered.as_ref().filter(|_| offer.keyed_late) else {
            return Ok(Read::Now(Why::Known));
        };
        if body.len() > MAX_KEPT {
            return match reliable {
                true => Ok(Read::Now(Why::Final)),
                false => Err(Unacceptable::other(format!("it has {} octets, and is not kept", body.len()))),
            };
        }
        let answer = Sdp::parse(body).map_err(Unacceptable::other)?;
        let agreed = offer.sdp.clone().answered(&answer).map_err(Unacceptable::other)?;
        let asks = || precondition::read(&answer, agreed.line).is_ok_and(|theirs| !theirs.is_empty());
        if !offer.sdp.status().is_empty() || precondition::are_supported(&cx.settings.rules) && asks() {
            return Ok(Read::Now(Why::Precondition));
        }
        let lines = sdp::key_mgmt::read(&answer).map_err(Unacceptable::keying)?;
        let (hint, rtp, came) = (offered.hint(&lines), agreed.remote_rtp, cx.env.now.mono);
        Ok(Read::Later(Self { body: body.to_vec(), reliable, hint, rtp, came }))
    }

    fn names(&self, sender: &Sender) -> bool {
        self.hint.ssrcs.contains(&sender.ssrc)
    }
}

impl Branch {
    /// An answer in a provisional response.
    pub(super) fn answered_early(
        &mut self,
        call: CallId,
        offer: &FirstOffer,
        (body, reliable): (&[u8], bool),
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) {
        if self.bad >= MOST_BAD && !reliable {
            return;
        }
        match Unproven::read(offer, body, reliable, cx) {
            // What it says once more is proven already.
            Ok(Read::Later(_)) if self.usage.as_ref().is_some_and(|usage| usage.exchange.agreed().is_some()) => {
                if reliable {
                    self.prove(call, offer, (body, reliable, Why::Final), media, cx);
                }
            }
            // A reliable response was the answer; what another one says is none (RFC 3262 section 5).
            Ok(Read::Later(_)) if self.unproven.as_ref().is_some_and(|kept| kept.reliable) => {}
            Ok(Read::Later(unproven)) => self.unproven = Some(Box::new(unproven)),
            Ok(Read::Now(why)) => self.prove(call, offer, (body, reliable, why), media, cx),
            Err(bad) => tracing::warn!(%call, why = %bad.why, "an early answer cannot be used"),
        }
    }

    /// Verifies the answer that is kept.
    fn prove_kept(&mut self, call: CallId, offer: &FirstOffer, why: Why, media: &mut Media, cx: &mut Cx<'_, '_>) {
        if let Some(unproven) = self.unproven.take() {
            self.prove(call, offer, (&unproven.body, unproven.reliable, why), media, cx);
        }
    }

    /// Verifies an answer, under keys of this branch's own if there are any. One that does not hold is this branch's
    /// affair alone; a reliable one cannot be followed by another, so that the branch is sent away.
    fn prove(
        &mut self,
        call: CallId,
        offer: &FirstOffer,
        (body, reliable, why): (&[u8], bool, Why),
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) {
        let Some(usage) = &mut self.usage else { return };
        let branch = usage.dialog.remote_tag().to_owned();
        media.turn_to(&branch);
        match usage.exchange.first_answer(offer, body, (&branch, why), media, cx) {
            // In a reliable response it is the answer; in another one only what the 2xx will say, too (RFC 3261
            // section 13.2.1).
            Ok(()) => {
                if reliable {
                    usage.exchange.settle();
                }
                usage.tell(media, cx);
                media.replay(&branch, cx);
            }
            Err(bad) => {
                self.bad = self.bad.saturating_add(1);
                if usage.exchange.agreed().is_none() {
                    media.part_with(&branch, cx);
                }
                // Another one may say what the branch has answered; nobody knows yet whose this is.
                match reliable {
                    true => self.send_away(call, bad, cx),
                    false => {
                        cx.event(Event::CallTrouble { call, what: format!("an early answer is not used: {}", bad.why) })
                    }
                }
            }
        }
        media.turn_back(cx);
    }

    /// Without a session this branch cannot become a call (RFC 3261 section 15).
    pub(super) fn send_away(&mut self, call: CallId, bad: Unacceptable, cx: &mut Cx<'_, '_>) {
        let reason = decline::reason(bad.status(), &bad.why).to_string();
        if let Some(usage) = &mut self.usage {
            let (branch, why) = (usage.dialog.remote_tag().to_owned(), bad.why.clone());
            cx.event(Event::BranchFailed { call, branch, why });
            let fill = |bye: &mut Request| bye.headers.push("Reason", reason);
            usage.request(Method::Bye, Purpose::Bye, fill, cx);
        }
        self.refused = Some(bad);
    }
}

impl Calling {
    /// The branch whose answer is worth being verified now, because packets wait that may be its.
    fn wanted(&self, media: &Media, now: Instant) -> Next {
        let (Some(pen), Floor::Early(early)) = (&media.pen, &media.floor) else { return Next::Never };
        if !self.branches.values().any(|branch| branch.unproven.is_some()) {
            return Next::Never;
        }
        if let Err(again) = early.wants(now) {
            return again.map_or(Next::Never, Next::At);
        }
        let unproven = self.branches.iter().filter_map(|(tag, branch)| Some((tag, branch.unproven.as_deref()?)));
        let mut unproven: Vec<_> = unproven.collect();
        unproven.sort_by_key(|(tag, unproven)| (unproven.came, *tag));
        let mut next = Next::Never;
        for (sender, since) in pen.senders().into_iter().filter(|(sender, _)| !sender.rtcp) {
            let named = unproven.iter().filter(|(_, unproven)| unproven.names(&sender));
            let there = |(_, unproven): &&(&String, &Unproven)| unproven.rtp == sender.from;
            let host = |(_, unproven): &&(&String, &Unproven)| unproven.rtp.ip() == sender.from.ip();
            let found = named
                .clone()
                .find(there)
                .or_else(|| named.clone().next())
                .or_else(|| unproven.iter().find(there))
                .or_else(|| unproven.iter().find(host).filter(|_| unproven.iter().filter(host).count() == 1));
            if let Some((tag, _)) = found {
                return Next::Now((*tag).clone(), Why::Media);
            }
            let trial = since + TRIAL_AFTER;
            match next {
                _ if trial <= now => return Next::Now(unproven[0].0.clone(), Why::Trial),
                Next::At(at) if at <= trial => {}
                _ => next = Next::At(trial),
            }
        }
        next
    }

    /// Verifies what this branch has answered, if that was not done.
    fn prove(&mut self, call: CallId, tag: &str, why: Why, media: &mut Media, cx: &mut Cx<'_, '_>) {
        if let (First::Ours(offer), Some(branch)) = (&self.first, self.branches.get_mut(tag)) {
            branch.prove_kept(call, offer, why, media, cx);
            let refused = branch.refused.clone();
            self.refused = self.refused.take().or(refused);
        }
    }

    /// The same for the branch that a request is from: who changes a session has one.
    pub(super) fn prove_for(&mut self, call: CallId, request: &Request, media: &mut Media, cx: &mut Cx<'_, '_>) {
        let tag = request.headers.tag("From").unwrap_or_default().to_owned();
        self.prove(call, &tag, Why::Change, media, cx);
    }
}

impl Call {
    /// Looks for the branches of packets that wait, as far as there is leave to.
    pub(super) fn seek(&mut self, cx: &mut Cx<'_, '_>) {
        let Self { id, phase: Phase::Calling(calling), media, .. } = self else { return };
        let now = cx.env.now.mono;
        calling.seek_at = loop {
            match calling.wanted(media, now) {
                Next::Never => break None,
                Next::At(at) => break Some(at),
                Next::Now(tag, why) => match cx.waiting.check(now) {
                    Ok(()) => calling.prove(*id, &tag, why, media, cx),
                    Err(at) => break Some(at),
                },
            }
        };
        if calling.last_call.is_some() && !calling.has_hope() {
            self.nobody_left(cx);
        }
    }

    /// A session was changed before the call is answered, perhaps that of this branch: media goes on as it went for the
    /// branch that is heard.
    pub(super) fn early_change(&mut self, branch: &str, cx: &mut Cx<'_, '_>) {
        let Self { phase: Phase::Calling(calling), media, .. } = self else { return };
        calling.tell(branch, media, cx);
        media.turn_back(cx);
    }
}
