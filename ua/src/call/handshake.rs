//! The three-way handshake of an INVITE, the first of a call or a later one, and of each side.

use super::Cx;
use super::decline::Ack;
use super::usage::Usage;
use crate::dialog::Dialog;
use crate::sip::{Method, Request, Response};
use crate::transaction::{ClientKey, ServerKey, Timers};
use keyphone_media::env::Instant;
use std::time::Duration;

/// How far the three-way handshake is.
pub(super) enum Handshake {
    /// We sent the ACK, and repeat it for every repeated 2xx (RFC 3261 section 13.2.2.4).
    AckSent { ack: Box<Ack>, seq: u32, until: Instant },
    /// We repeat the 2xx until the ACK comes (RFC 3261 section 13.3.1.4).
    AwaitsAck(Box<Repeated>),
    /// The ACK has come, or is awaited no more.
    Done,
}

/// A 2xx of ours that is not acknowledged yet.
pub(super) struct Repeated {
    key: ServerKey,
    ok: Response,
    seq: u32,
    again: Instant,
    interval: Duration,
    until: Instant,
}

/// A 2xx of ours was never acknowledged.
pub(super) struct Unacknowledged;

impl Handshake {
    /// We have sent the ACK for the 2xx to the INVITE of that number.
    pub(super) fn ack_sent(ack: Ack, seq: u32, now: Instant) -> Self {
        // RFC 6026 section 7.2, timer M: so long the 2xx may come again.
        Self::AckSent { ack: Box::new(ack), seq, until: now + Timers::default().give_up() }
    }

    /// We have sent a 2xx to the INVITE of that number.
    pub(super) fn ok_sent(key: ServerKey, ok: Response, seq: u32, now: Instant) -> Self {
        let Timers { t1, .. } = Timers::default();
        Self::AwaitsAck(Box::new(Repeated { key, ok, seq, again: now + t1, interval: t1, until: now + 64 * t1 }))
    }

    pub(super) fn awaits_ack(&self) -> bool {
        matches!(self, Self::AwaitsAck(_))
    }

    /// Is this a 2xx of this dialog that we have taken before? Then its ACK goes out again.
    pub(super) fn repeats_ack(&self, usage: &Usage, key: ClientKey, response: &Response, cx: &mut Cx<'_, '_>) -> bool {
        let Ok(cseq) = response.headers.cseq() else { return false };
        let ours = response.status.is_success()
            && cseq.method == Method::Invite
            && !usage.has(key)
            && response.headers.tag("To").unwrap_or_default() == usage.dialog.remote_tag();
        if let Self::AckSent { ack, seq, .. } = self
            && ours
            && *seq == cseq.seq
        {
            ack.send(cx);
        }
        ours
    }

    /// Takes an ACK from the dialog's peer; true if it is the one that we wait for.
    pub(super) fn acked(&mut self, ack: &Request) -> bool {
        let number = ack.headers.cseq().map(|cseq| cseq.seq);
        let awaited = matches!(self, Self::AwaitsAck(repeated) if number == Ok(repeated.seq));
        if awaited {
            *self = Self::Done;
        }
        awaited
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::AwaitsAck(repeated) => Some(repeated.again.min(repeated.until)),
            Self::AckSent { until, .. } => Some(*until),
            Self::Done => None,
        }
    }

    /// Repeats what must be repeated, and drops what is needed no more.
    pub(super) fn timeout(&mut self, cx: &mut Cx<'_, '_>) -> Result<(), Unacknowledged> {
        let now = cx.env.now.mono;
        match self {
            Self::AwaitsAck(repeated) if repeated.until <= now => {
                *self = Self::Done;
                return Err(Unacknowledged);
            }
            Self::AwaitsAck(repeated) if repeated.again <= now => {
                repeated.interval = (repeated.interval * 2).min(Timers::default().t2);
                repeated.again = now + repeated.interval;
                cx.respond(repeated.key, &repeated.ok);
            }
            Self::AckSent { until, .. } if *until <= now => *self = Self::Done,
            _ => {}
        }
        Ok(())
    }

    /// The dialog is left: should the 2xx come again, the ACK will, too.
    pub(super) fn leave(&mut self, dialog: &Dialog, cx: &mut Cx<'_, '_>) {
        if let Self::AckSent { ack, .. } = std::mem::replace(self, Self::Done) {
            cx.gone.insert(dialog, *ack, cx.env.now.mono);
        }
    }
}
