//! The non-INVITE client transaction (RFC 3261 section 17.1.2, figure 6).
//!
//! ```text
//!                                   |Request from TU
//!                                   |send request
//!               Timer E             V
//!               send request  +-----------+
//!                   +---------|           |-------------------+
//!                   |         |  Trying   |  Timer F          |
//!                   +-------->|           |  or Transport Err.|
//!                             +-----------+  inform TU        |
//!                200-699         |  |                         |
//!                resp. to TU     |  |1xx                      |
//!                +---------------+  |resp. to TU              |
//!                |                  |                         |
//!                |   Timer E        V       Timer F           |
//!                |   send req +-----------+ or Transport Err. |
//!                |  +---------|           | inform TU         |
//!                |  |         |Proceeding |------------------>|
//!                |  +-------->|           |-----+             |
//!                |            +-----------+     |1xx          |
//!                |              |      ^        |resp to TU   |
//!                | 200-699      |      +--------+             |
//!                | resp. to TU  |                             |
//!                |              V                             |
//!                |            +-----------+                   |
//!                |            | Completed |                   |
//!                |            +-----------+                   |
//!                |              ^   |                         |
//!                |              |   | Timer K                 |
//!                +--------------+   | -                       |
//!                                   V                         |
//!                             +-----------+                   |
//!                             | Terminated|<------------------+
//!                             +-----------+
//! ```

use super::sent::Sent;
use super::timers::Resend;
use super::{ClientKey, Fate, Step};
use crate::locate::Candidate;
use crate::sip::{Request, Response};
use keyphone_media::env::Instant;

/// One request that we sent, neither INVITE nor ACK.
#[derive(Debug)]
pub(crate) struct ClientOther {
    sent: Sent,
    state: State,
}

#[derive(Debug)]
enum State {
    Trying {
        /// Timer E.
        resend: Option<Resend>,
        /// Timer F.
        give_up: Instant,
    },
    Proceeding {
        /// Timer E.
        resend: Option<Resend>,
        /// Timer F.
        give_up: Instant,
    },
    Completed {
        /// Timer K.
        end: Instant,
    },
}

impl ClientOther {
    /// Sends it, and waits.
    pub(crate) fn start(key: ClientKey, request: Request, to: Candidate, step: &mut Step<'_>) -> Self {
        let (sent, resend) = Sent::start(key, request, to, step);
        let state = State::Trying { resend, give_up: step.now + step.timers.give_up() };
        Self { sent, state }
    }

    /// What is on its way, and where to.
    pub(super) fn sent(&self) -> &Sent {
        &self.sent
    }

    /// No response has come yet.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Trying { .. })
    }

    /// It has no final response.
    pub(crate) fn may_move(&self) -> bool {
        !matches!(self.state, State::Completed { .. })
    }

    /// It gives up now, and never heard anything (RFC 3263 section 4.3).
    pub(crate) fn is_hopeless(&self, now: Instant) -> bool {
        matches!(self.state, State::Trying { give_up, .. } if give_up <= now)
    }

    /// A response that matches.
    pub(crate) fn receive(&mut self, response: Response, step: &mut Step<'_>) -> Fate {
        let is_final = response.status.is_final();
        match self.state {
            State::Trying { .. } | State::Proceeding { .. } if is_final => {
                self.sent.answered(response, step);
                self.state = State::Completed { end: step.now + step.timers.t4 };
                self.sent.hop().stays_if_unreliable()
            }
            State::Trying { resend, give_up } | State::Proceeding { resend, give_up } => {
                self.sent.answered(response, step);
                self.state = State::Proceeding { resend, give_up };
                Fate::Stays
            }
            State::Completed { .. } => Fate::Stays,
        }
    }

    /// Its earliest timer has fired.
    pub(crate) fn timeout(&mut self, step: &mut Step<'_>) -> Fate {
        let (now, t2) = (step.now, step.timers.t2);
        match &mut self.state {
            State::Trying { give_up, .. } | State::Proceeding { give_up, .. } if *give_up <= now => {
                self.sent.timed_out(step)
            }
            State::Trying { resend: Some(resend), .. } if resend.at <= now => {
                *resend = resend.doubled(t2, now);
                self.sent.again(step);
                Fate::Stays
            }
            State::Proceeding { resend: Some(resend), .. } if resend.at <= now => {
                *resend = Resend::after(t2, now);
                self.sent.again(step);
                Fate::Stays
            }
            State::Completed { end } if *end <= now => Fate::Ends,
            _ => Fate::Stays,
        }
    }

    /// The transport could not deliver.
    pub(crate) fn transport_failed(&mut self, why: &str, step: &mut Step<'_>) -> Fate {
        match self.state {
            State::Trying { .. } | State::Proceeding { .. } => self.sent.undeliverable(why, step),
            State::Completed { .. } => Fate::Stays,
        }
    }

    /// When its earliest timer fires.
    pub(crate) fn deadline(&self) -> Instant {
        match self.state {
            State::Trying { resend, give_up } | State::Proceeding { resend, give_up } => {
                resend.map_or(give_up, |resend| resend.at.min(give_up))
            }
            State::Completed { end } => end,
        }
    }
}
