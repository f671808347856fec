//! An answered call: its dialog, its ACK, and when it ends.

use super::Cx;
use super::decline::{self, Ack};
use crate::dialog::Dialog;
use crate::event::{Outcome, Side};
use crate::settings::HangUp;
use crate::sip::{Method, Reason, Request, Response, StatusCode};
use crate::transaction::{ClientKey, ServerKey, Timers};
use keyphone_keying::{self as keying, Input, Session};
use keyphone_media::env::Instant;
use std::time::Duration;

/// An answered call.
pub(super) struct Talking {
    dialog: Dialog,
    /// The agreement with the peer; `None` when the call is in the clear.
    session: Option<Box<dyn Session>>,
    handshake: Handshake,
    hang_up_at: Option<Instant>,
}

/// How far the three-way handshake of the INVITE is.
enum Handshake {
    /// We sent the ACK, and repeat it for every repeated 2xx (RFC 3261 section 13.2.2.4).
    AckSent(Ack),
    /// We repeat the 2xx until the ACK comes (RFC 3261 section 13.3.1.4).
    AwaitsAck { key: ServerKey, ok: Response, again: Instant, interval: Duration, until: Instant },
    /// The ACK has come.
    Done,
}

impl Talking {
    /// We called, and have sent the ACK.
    pub(super) fn called(
        dialog: Dialog,
        session: Option<Box<dyn Session>>,
        ack: Ack,
        hang_up: HangUp,
        now: Instant,
    ) -> Self {
        let handshake = Handshake::AckSent(ack);
        Self { dialog, session, handshake, hang_up_at: at(hang_up, now) }
    }

    /// We were called, and have sent the 200.
    pub(super) fn was_called(
        dialog: Dialog,
        session: Option<Box<dyn Session>>,
        (key, ok): (ServerKey, Response),
        hang_up: HangUp,
        now: Instant,
    ) -> Self {
        let Timers { t1, .. } = Timers::default();
        let handshake = Handshake::AwaitsAck { key, ok, again: now + t1, interval: t1, until: now + 64 * t1 };
        Self { dialog, session, handshake, hang_up_at: at(hang_up, now) }
    }

    /// Is this the 2xx again? Then the ACK goes out again.
    pub(super) fn repeats_ack(&self, response: &Response, cx: &mut Cx<'_, '_>) -> bool {
        let Handshake::AckSent(ack) = &self.handshake else { return false };
        let same = response.status.is_success()
            && response.headers.cseq().is_ok_and(|c| c.method == Method::Invite)
            && response.headers.to().is_ok_and(|to| to.tag().unwrap_or_default() == self.dialog.remote_tag());
        if same {
            ack.send(cx.transactions, cx.env, cx.said);
        }
        same
    }

    /// Is the request in order? Otherwise the status to answer it with.
    pub(super) fn takes(&mut self, request: &Request) -> Result<(), StatusCode> {
        if !self.dialog.is_from_peer(request) {
            return Err(StatusCode::CALL_DOES_NOT_EXIST);
        }
        // RFC 3261 section 12.2.2.
        self.dialog.takes(request).map_err(|_| StatusCode::SERVER_INTERNAL_ERROR)
    }

    /// The call is left: should the 2xx come again, the ACK will, too.
    pub(super) fn remember_ack(&mut self, cx: &mut Cx<'_, '_>) {
        if let Handshake::AckSent(ack) = std::mem::replace(&mut self.handshake, Handshake::Done) {
            cx.gone.insert(&self.dialog, ack, cx.env.now.mono);
        }
    }

    pub(super) fn awaits_ack(&self) -> bool {
        matches!(self.handshake, Handshake::AwaitsAck { .. })
    }

    pub(super) fn acked(&mut self, request: &Request) {
        if self.dialog.is_from_peer(request) && self.awaits_ack() {
            self.handshake = Handshake::Done;
        }
    }

    /// Tells the keying system what came in the media path, or that its time has come.
    pub(super) fn keying(&mut self, input: Input<'_>, cx: &mut Cx<'_, '_>) -> Option<Vec<keying::Output>> {
        let mut said = vec![];
        let result = self.session.as_mut()?.handle(input, cx.env, &mut said);
        result.map_err(|error| tracing::debug!(%error, "the keying system did not take it")).ok().map(|()| said)
    }

    pub(super) fn keying_is_due(&self, now: Instant) -> bool {
        self.session.as_ref().and_then(|s| s.next_timeout()).is_some_and(|at| at <= now)
    }

    pub(super) fn hang_up_at(&mut self, at: Instant) {
        self.hang_up_at = Some(self.hang_up_at.map_or(at, |already| already.min(at)));
    }

    /// When we say BYE; not before the ACK has come (RFC 3261 section 15).
    fn hang_up_due(&self) -> Option<Instant> {
        self.hang_up_at.filter(|_| !self.awaits_ack())
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let again = match &self.handshake {
            Handshake::AwaitsAck { again, until, .. } => Some(*again.min(until)),
            Handshake::AckSent(_) | Handshake::Done => None,
        };
        let keying = self.session.as_ref().and_then(|s| s.next_timeout());
        again.into_iter().chain(self.hang_up_due()).chain(keying).min()
    }

    /// Repeats what must be repeated; gives the outcome if it is time to say BYE.
    pub(super) fn timeout(&mut self, cx: &mut Cx<'_, '_>) -> Option<Outcome> {
        let now = cx.env.now.mono;
        if let Handshake::AwaitsAck { key, ok, again, interval, until } = &mut self.handshake {
            if *until <= now {
                let why = "the caller never acknowledged our answer".into();
                return Some(Outcome::Failed { status: None, why });
            }
            if *again <= now {
                *interval = (*interval * 2).min(Timers::default().t2);
                *again = now + *interval;
                cx.respond(*key, ok);
            }
        }
        self.hang_up_due().filter(|at| *at <= now).map(|_| Outcome::Completed { by: Side::Us })
    }

    pub(super) fn bye(mut self, reason: Option<Reason>, cx: &mut Cx<'_, '_>) -> Option<ClientKey> {
        decline::bye(&mut self.dialog, reason, cx)
    }
}

fn at(hang_up: HangUp, now: Instant) -> Option<Instant> {
    match hang_up {
        HangUp::After(d) => Some(now + d),
        HangUp::Never | HangUp::WhenPlayed => None,
    }
}
