//! The INVITE client transaction (RFC 3261 section 17.1.1, figure 5 as RFC 6026 section 8.4 corrects it).
//!
//! ```text
//!                                    |INVITE from TU
//!                  Timer A fires     |INVITE sent      Timer B fires
//!                  Reset A,          V                 or Transport Err.
//!                  INVITE sent +-----------+           inform TU
//!                    +---------|           |--------------------------+
//!                    |         |  Calling  |                          |
//!                    +-------->|           |-----------+              |
//!   300-699                    +-----------+ 2xx       |              |
//!   ACK sent                      |  |       2xx to TU |              |
//!   resp. to TU                   |  |1xx              |              |
//!   +-----------------------------+  |1xx to TU        |              |
//!   |                                |                 |              |
//!   |                1xx             V                 |              |
//!   |                1xx to TU +-----------+           |              |
//!   |                +---------|           |           |              |
//!   |                |         |Proceeding |           |              |
//!   |                +-------->|           |           |              |
//!   |                          +-----------+ 2xx       |              |
//!   |         300-699             |    |     2xx to TU |              |
//!   |         ACK sent,  +--------+    +---------------+              |
//!   |         resp. to TU|                             |              |
//!   |                    V                             V              |
//!   |              +-----------+                   +----------+       |
//!   +------------->|           |Transport Err.     |          |       |
//!                  | Completed |Inform TU          | Accepted |       |
//!               +--|           |-------+           |          |-+     |
//!       300-699 |  +-----------+       |           +----------+ |     |
//!       ACK sent|    ^  |              |               |  ^     |     |
//!               +----+  |              |               |  +-----+     |
//!                       |Timer D fires |  Timer M fires|    2xx       |
//!                       |-             |             - |    2xx to TU |
//!                       +--------+     |   +-----------+              |
//!                                V     V   V                          |
//!                               +------------+                        |
//!                               | Terminated |<-----------------------+
//!                               +------------+
//! ```
//! Proceeding has no timer of its own; once the TU has sent a CANCEL (RFC 3261 section 9.1), or its call is over, it
//! lasts 64*T1 at most.

use super::sent::Sent;
use super::timers::{Resend, Timers};
use super::{ClientKey, Fate, Step};
use crate::locate::Candidate;
use crate::sip::{Request, Response, StatusCode, make};
use keyphone_media::env::Instant;

/// One INVITE that we sent.
#[derive(Debug)]
pub(crate) struct ClientInvite {
    sent: Sent,
    state: State,
    /// Its call is over.
    left: bool,
}

#[derive(Debug)]
enum State {
    Calling {
        /// Timer A.
        resend: Option<Resend>,
        /// Timer B.
        give_up: Instant,
        /// A CANCEL, to be sent as soon as a provisional response has come (RFC 3261 section 9.1).
        cancel: Option<Box<Request>>,
    },
    Proceeding {
        /// Set by a CANCEL.
        give_up: Option<Instant>,
    },
    Completed {
        ack: Vec<u8>,
        /// Timer D.
        end: Instant,
    },
    Accepted {
        /// Timer M.
        end: Instant,
    },
}

impl ClientInvite {
    /// Sends it, and waits.
    pub(crate) fn start(key: ClientKey, request: Request, to: Candidate, step: &mut Step<'_>) -> Self {
        let (sent, resend) = Sent::start(key, request, to, step);
        let state = State::Calling { resend, give_up: step.now + step.timers.give_up(), cancel: None };
        Self { sent, state, left: false }
    }

    /// What is on its way, and where to.
    pub(super) fn sent(&self) -> &Sent {
        &self.sent
    }

    /// No response has come yet.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// Its TU may still want it: it has no final response, and no CANCEL was sent.
    pub(crate) fn may_move(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding { give_up: None })
    }

    /// It gives up now, and never heard anything (RFC 3263 section 4.3).
    pub(crate) fn is_hopeless(&self, now: Instant) -> bool {
        matches!(self.state, State::Calling { give_up, .. } if give_up <= now)
    }

    /// A response that matches.
    pub(crate) fn receive(&mut self, response: Response, step: &mut Step<'_>) -> Fate {
        let status = response.status;
        match &mut self.state {
            State::Calling { .. } | State::Proceeding { .. } if status.is_success() => {
                self.state = State::Accepted { end: step.now + step.timers.give_up() };
                self.sent.answered(response, step);
                Fate::Stays
            }
            State::Calling { .. } | State::Proceeding { .. } if status.is_final() => {
                let ack = make::ack(self.sent.request(), &response).map(|ack| ack.to_bytes());
                if let Ok(ack) = &ack {
                    self.sent.send(ack.clone(), step);
                }
                self.sent.answered(response, step);
                // Without an ACK, which only a broken INVITE of ours could cause, there is nothing to repeat.
                let Ok(ack) = ack else { return Fate::Ends };
                self.state = State::Completed { ack, end: step.now + Timers::D };
                self.sent.hop().stays_if_unreliable()
            }
            State::Calling { .. } => {
                self.state = State::Proceeding { give_up: self.left.then(|| step.now + step.timers.give_up()) };
                self.sent.answered(response, step);
                Fate::Stays
            }
            State::Proceeding { .. } => {
                self.sent.answered(response, step);
                Fate::Stays
            }
            State::Completed { ack, .. } => {
                if status.is_final() && !status.is_success() {
                    self.sent.send(ack.clone(), step);
                }
                Fate::Stays
            }
            State::Accepted { .. } => {
                if status.is_success() {
                    self.sent.answered(response, step);
                }
                Fate::Stays
            }
        }
    }

    /// The TU withdraws it. Whether its CANCEL may be sent now: before a provisional response it is kept, and with a
    /// final one it is in vain (RFC 3261 section 9.1).
    pub(crate) fn cancelled(&mut self, request: &Request, step: &Step<'_>) -> bool {
        if let State::Calling { cancel, .. } = &mut self.state {
            *cancel = Some(Box::new(request.clone()));
        }
        self.limit(step);
        matches!(self.state, State::Proceeding { .. })
    }

    /// The CANCEL that was kept, if this is the response that it waits for.
    pub(crate) fn release(&mut self, status: StatusCode) -> Option<Box<Request>> {
        match &mut self.state {
            State::Calling { cancel, .. } if status.is_provisional() => cancel.take(),
            _ => None,
        }
    }

    /// It does not ring for ever.
    fn limit(&mut self, step: &Step<'_>) {
        if let State::Proceeding { give_up: give_up @ None } = &mut self.state {
            *give_up = Some(step.now + step.timers.give_up());
        }
    }

    /// The TU wants no answer any more, and can send no CANCEL: a re-INVITE in a call that is over. What rings then for
    /// ever would stay for ever.
    pub(crate) fn left(&mut self, step: &Step<'_>) {
        self.left = true;
        self.limit(step);
    }

    /// Its earliest timer has fired.
    pub(crate) fn timeout(&mut self, step: &mut Step<'_>) -> Fate {
        match &mut self.state {
            State::Calling { give_up, .. } | State::Proceeding { give_up: Some(give_up) } if *give_up <= step.now => {
                self.sent.timed_out(step)
            }
            State::Calling { resend: Some(resend), .. } if resend.at <= step.now => {
                *resend = resend.doubled(step.timers.give_up(), step.now);
                self.sent.again(step);
                Fate::Stays
            }
            State::Completed { end, .. } | State::Accepted { end } if *end <= step.now => Fate::Ends,
            _ => Fate::Stays,
        }
    }

    /// The transport could not deliver. What is already answered does not care.
    pub(crate) fn transport_failed(&mut self, why: &str, step: &mut Step<'_>) -> Fate {
        match self.state {
            State::Calling { .. } | State::Completed { .. } => self.sent.undeliverable(why, step),
            State::Proceeding { .. } | State::Accepted { .. } => Fate::Stays,
        }
    }

    /// When its earliest timer fires.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { resend, give_up, .. } => Some(resend.map_or(*give_up, |resend| resend.at.min(*give_up))),
            State::Proceeding { give_up } => *give_up,
            State::Completed { end, .. } | State::Accepted { end } => Some(*end),
        }
    }
}
