//! An answered call: its dialog, its handshake, what is to change in it, and when it ends.

use super::change::Wishes;
use super::handshake::{Handshake, Unacknowledged};
use super::referred::Follows;
use super::refresh::Due;
use super::reliable::Numbered;
use super::transfer::Asked;
use super::usage::Usage;
use super::{Call, Cx, Phase};
use crate::event::{Event, Outcome, Side};
use crate::refer::connected::Connected;
use crate::settings::HangUp;
use keyphone_media::env::Instant;

/// An answered call.
pub(super) struct Talking {
    pub(super) usage: Usage,
    pub(super) handshake: Handshake,
    pub(super) wishes: Wishes,
    /// What we have asked the peer for.
    pub(super) asked: Option<Box<Asked>>,
    /// What the peer has asked us for.
    pub(super) follows: Option<Box<Follows>>,
    pub(super) connected: Connected,
    /// A reliable response whose PRACK may still come.
    pub(super) numbered: Option<Box<Numbered>>,
    hang_up_at: Option<Instant>,
}

impl Talking {
    pub(super) fn new(usage: Usage, handshake: Handshake, hang_up: HangUp, now: Instant) -> Self {
        let hang_up_at = match hang_up {
            HangUp::After(d) => Some(now + d),
            HangUp::Never | HangUp::WhenPlayed => None,
        };
        Self {
            usage,
            handshake,
            wishes: Wishes::default(),
            asked: None,
            follows: None,
            connected: Connected::Silent,
            numbered: None,
            hang_up_at,
        }
    }

    pub(super) fn hang_up_at(&mut self, at: Instant) {
        self.hang_up_at = Some(self.hang_up_at.map_or(at, |already| already.min(at)));
    }

    /// When we say BYE. Whoever was called does not before the ACK has come (RFC 3261 section 15).
    fn hang_up_due(&self) -> Option<Instant> {
        self.hang_up_at.filter(|_| !self.handshake.awaits_ack())
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let all = [
            self.handshake.next_timeout(),
            self.hang_up_due(),
            self.usage.exchange.next_timeout(),
            self.wishes.next_timeout(),
            self.asked.as_ref().and_then(|asked| asked.subscriber.next_timeout()),
            self.follows.as_ref().and_then(|follows| follows.next_timeout()),
            self.usage.refresh.next_timeout(),
        ];
        all.into_iter().flatten().min()
    }

    /// Repeats what must be repeated; gives the outcome if it is time to say BYE.
    fn timeout(&mut self, cx: &mut Cx<'_, '_>) -> Option<Outcome> {
        if let Err(Unacknowledged) = self.handshake.timeout(cx) {
            let why = "the caller never acknowledged our answer".into();
            return Some(Outcome::Failed { status: None, why });
        }
        let now = cx.env.now.mono;
        match self.usage.refresh.due(now) {
            Some(Due::Refresh) => self.wishes.refresh(),
            Some(Due::Expired(interval)) => {
                let why = format!("nobody refreshed the session in {} s", interval.as_secs());
                return Some(Outcome::Failed { status: None, why });
            }
            None => {}
        }
        self.hang_up_due().filter(|at| *at <= now).map(|_| Outcome::Completed { by: Side::Us })
    }
}

impl Call {
    /// The dialog is confirmed: we talk from now on, or as soon as the ACK brings the answer.
    pub(super) fn talk(&mut self, usage: Usage, handshake: Handshake, cx: &mut Cx<'_, '_>) {
        if !usage.exchange.owns_first() {
            self.tell_answered(&usage, cx);
        }
        let talking = Talking::new(usage, handshake, self.plan.hang_up, cx.env.now.mono);
        self.phase = Phase::Talking(Box::new(talking));
        self.cure(cx);
    }

    pub(super) fn tell_answered(&self, usage: &Usage, cx: &mut Cx<'_, '_>) {
        let exchange = &usage.exchange;
        let codec = exchange.agreed().map(|agreed| agreed.codec.name.clone()).unwrap_or_default();
        let (branch, keying) = (usage.dialog.remote_tag().to_owned(), exchange.system().to_string());
        cx.event(Event::Answered { call: self.id, branch, codec, keying });
        if exchange.is_held() {
            cx.event(Event::Held { call: self.id, by: Side::Peer });
        }
    }

    pub(super) fn talking_timeout(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return };
        match talking.timeout(cx) {
            Some(outcome) => self.leave(None, outcome, cx),
            None => {
                self.follows_timeout(cx);
                self.transfer_timeout(cx);
                self.change(cx);
            }
        }
    }
}
