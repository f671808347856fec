//! The 2xx responses to our INVITE (RFC 3261 section 13.2.2.4). The first that brings keys wins; one that does not is
//! acknowledged, sent away, and its branch's failure alone: the others may still answer, for 64*T1 from the first 2xx.
//! Where no other has said anything, nobody is waited for. Nobody can make up branches without end: beyond those that were
//! told apart before, [`Gone`](super::decline::Gone) says how many are taken the trouble for.

use super::branch::Branch;
use super::decline::{self, Ack};
use super::handshake::Handshake;
use super::late;
use super::media::Media;
use super::outgoing::{Calling, Cancel, Reason};
use super::proving::Unproven;
use super::refused::Unacceptable;
use super::usage::{Purpose, Usage};
use super::{Call, Cx, Phase};
use crate::dialog::Dialog;
use crate::event::{CallId, Event, Outcome};
use crate::io::Output;
use crate::sip::{Method, Request, Response, SipError};
use crate::transaction::Timers;

/// The dialog that a 2xx confirms: the early one with the same tag, or a new one.
struct Confirmed {
    usage: Usage,
    /// Why its early offer or answer was refused, if it was.
    refused: Option<Unacceptable>,
    /// What it answered early, and nobody has verified.
    unproven: Option<Box<Unproven>>,
}

impl Call {
    /// A 2xx: ACK, whatever becomes of it, and then we talk or say BYE.
    pub(super) fn accepted(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        let Self { id, phase: Phase::Calling(calling), media, numbers, .. } = self else { return };
        let (id, status) = (*id, response.status.code());
        // Each is verified, and has us say BYE to whom it names.
        if let Ok(dialog) = Dialog::answered(response)
            && !calling.branches.contains_key(dialog.remote_tag())
            && !cx.gone.has_room(&dialog)
        {
            return;
        }
        let Confirmed { mut usage, refused, unproven } = match calling.confirmed(id, response, cx) {
            Ok(confirmed) => confirmed,
            Err(error) => {
                let bad = Unacceptable::other(format!("the answer cannot be acknowledged: {error}"));
                let tag = response.headers.tag("To").unwrap_or_default();
                let news = calling.gives_up(tag, &bad);
                if calling.cancel == Cancel::No && calling.has_hope() {
                    let (branch, why) = (tag.to_owned(), bad.why.clone());
                    cx.out.extend(news.then_some(Output::Event(Event::BranchFailed { call: id, branch, why })));
                    return calling.waits_for_others(bad, cx);
                }
                return self.end(Outcome::Failed { status: Some(status), why: bad.why }, cx);
            }
        };
        let branch = usage.dialog.remote_tag().to_owned();
        if let Some(last) = numbers.remove(&branch) {
            usage.dialog.count_from(last);
        }
        media.turn_to(&branch);
        let (told, says_nothing) = (refused.is_some(), late::session(&response.headers, &response.body).is_empty());
        let (answer, agreed) = match (calling.cancel, refused) {
            (Cancel::No, Some(bad)) => (late::rejection(response, cx), Err(bad)),
            // Settled by a reliable response.
            (Cancel::No, None) if !usage.exchange.is_first() && !usage.exchange.awaits_offer() => (vec![], Ok(())),
            // Proven already, and not said again: the first answer is the answer (RFC 3261 section 13.2.1).
            (Cancel::No, None) if says_nothing && usage.exchange.agreed().is_some() => (vec![], Ok(())),
            (Cancel::No, None) => {
                let stands = |kept: &&Unproven| kept.reliable || says_nothing;
                let kept = unproven.as_deref().filter(stands).map(|kept| kept.body.as_slice());
                calling.first.conclude(&mut usage.exchange, (&branch, response, kept), media, cx)
            }
            _ => {
                let clash =
                    matches!(calling.cancel, Cancel::WhenProvisional(Reason::Clash) | Cancel::Sent(Reason::Clash));
                let why = calling.refused.clone().filter(|_| clash);
                let bad = why.unwrap_or_else(|| Unacceptable::other("the call was hung up before it was answered"));
                (late::rejection(response, cx), Err(bad))
            }
        };
        let seq = response.headers.cseq().map(|cseq| cseq.seq).unwrap_or_default();
        let credentials = &calling.invite.headers;
        let fill = |ack: &mut Request| {
            decline::copy_credentials(credentials, &mut ack.headers);
            late::carry(ack, answer);
        };
        let ack = Ack::new(&usage.dialog, seq, fill, cx);
        ack.send(cx);
        let handshake = Handshake::ack_sent(ack, seq, cx.env.now.mono);
        match agreed {
            Err(bad) if calling.cancel == Cancel::No && calling.has_hope() => {
                self.fails(usage, handshake, (bad, told), cx);
            }
            Err(bad) if let Some(other) = calling.for_who_answered(&bad, response, cx) => {
                self.fails(usage, handshake, (bad, told), cx);
                self.offer_instead(other, cx);
            }
            agreed => {
                if agreed.is_ok() {
                    usage.refresh.heard(response, cx.settings, cx.env.now.mono);
                }
                self.decided(usage, handshake, agreed, cx);
            }
        }
    }

    /// This branch is the call, or there is none.
    fn decided(
        &mut self,
        mut usage: Usage,
        handshake: Handshake,
        agreed: Result<(), Unacceptable>,
        cx: &mut Cx<'_, '_>,
    ) {
        let Phase::Calling(mut calling) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        // The other branches may have heard requests of ours; a BYE to one of them goes on from there.
        let said = |(tag, branch): (String, Branch)| Some((tag, branch.usage?.dialog.local_seq()));
        self.numbers.extend(std::mem::take(&mut calling.branches).into_iter().filter_map(said));
        let branch = usage.dialog.remote_tag().to_owned();
        usage.tell(&mut self.media, cx);
        self.media.win(&branch, usage.exchange.voice, cx);
        match agreed {
            Ok(()) => {
                usage.exchange.settle();
                self.media.speak();
                usage.exchange.start(&mut self.media, cx);
                self.media.replay(&branch, cx);
                self.media.close_pen(cx);
                self.talk(usage, handshake, cx);
            }
            Err(bad) => {
                let why = bad.why.clone();
                let (status, outcome) = bad.outcome(self.id, cx);
                self.depart(usage, handshake, Some(decline::reason(status, &why)), outcome, cx);
            }
        }
    }

    /// This branch cannot be the call, and another one may: ACK was sent, BYE follows. It may have been told of before.
    fn fails(
        &mut self,
        mut usage: Usage,
        mut handshake: Handshake,
        (bad, told): (Unacceptable, bool),
        cx: &mut Cx<'_, '_>,
    ) {
        let Self { id, phase: Phase::Calling(calling), media, .. } = self else { return };
        let branch = usage.dialog.remote_tag().to_owned();
        handshake.leave(&usage.dialog, cx);
        let reason = decline::reason(bad.status(), &bad.why).to_string();
        // Nobody waits for what becomes of it.
        usage.request(Method::Bye, Purpose::Bye, |bye| bye.headers.push("Reason", reason), cx);
        media.part_with(&branch, cx);
        media.turn_back(cx);
        if !told {
            cx.event(Event::BranchFailed { call: *id, branch, why: bad.why.clone() });
        }
        calling.waits_for_others(bad, cx);
    }

    /// A branch was sent away that had answered finally, and no other can answer any more: the call ends for its reason.
    pub(super) fn nobody_left(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        // Whoever rings still may be told (RFC 3261 section 15).
        let ringing = calling.branches.values_mut().filter(|branch| branch.refused.is_none());
        for usage in ringing.filter_map(|branch| branch.usage.as_mut()) {
            usage.request(Method::Bye, Purpose::Bye, |_| (), cx);
        }
        let Some(bad) = calling.refused.clone() else { return };
        let (_, outcome) = bad.outcome(self.id, cx);
        self.end(outcome, cx);
    }
}

impl Calling {
    /// May any of the branches that we know still be the call?
    pub(super) fn has_hope(&self) -> bool {
        self.branches.values().any(|branch| branch.refused.is_none())
    }

    /// A 2xx was none that we can take: from now on others have 64*T1 (RFC 3261 section 13.2.2.4).
    fn waits_for_others(&mut self, bad: Unacceptable, cx: &mut Cx<'_, '_>) {
        let Timers { t1, .. } = Timers::default();
        self.last_call.get_or_insert(cx.env.now.mono + 64 * t1);
        self.refused = Some(bad);
    }

    /// That branch cannot be the call. False if that is known.
    fn gives_up(&mut self, tag: &str, bad: &Unacceptable) -> bool {
        if !self.has_room_for(tag) {
            return false;
        }
        self.branch(tag).refused.replace(bad.clone()).is_none()
    }

    fn confirmed(&mut self, call: CallId, response: &Response, cx: &mut Cx<'_, '_>) -> Result<Confirmed, SipError> {
        let dialog = Dialog::answered(response)?;
        let Branch { usage, refused, unproven, .. } = self.branches.remove(dialog.remote_tag()).unwrap_or_default();
        if let Some(mut usage) = usage {
            usage.dialog.confirmed(response)?;
            usage.learn(&response.headers);
            return Ok(Confirmed { usage: *usage, refused, unproven });
        }
        let usage = Usage::new(call, dialog, self.first.exchange(cx), &response.headers);
        Ok(Confirmed { usage, refused, unproven })
    }

    /// Tells the media what that branch has agreed on, if it has.
    pub(super) fn tell(&self, tag: &str, media: &mut Media, cx: &mut Cx<'_, '_>) {
        if let Some(usage) = self.branches.get(tag).and_then(|branch| branch.usage.as_ref()) {
            usage.tell(media, cx);
        }
    }
}
