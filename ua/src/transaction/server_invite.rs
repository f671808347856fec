//! The INVITE server transaction (RFC 3261 section 17.2.1, figure 7 as RFC 6026 section 8.6 corrects it).
//!
//! ```text
//!                                      |INVITE
//!                                      |pass INV to TU
//!                   INVITE             V send 100 if TU won't in 200 ms
//!                   send response+------------+
//!                       +--------|            |--------+ 101-199 from TU
//!                       |        |            |        | send response
//!                       +------->|            |<-------+
//!                                | Proceeding |
//!                                |            |--------+ Transport Err.
//!                                |            |        | Inform TU
//!                                |            |<-------+
//!                                +------------+
//!                   300-699 from TU |    |2xx from TU
//!                   send response   |    |send response
//!                    +--------------+    +------------+
//!                    |                                |
//!   INVITE           V          Timer G fires         |
//!   send response +-----------+ send response         |
//!        +--------|           |--------+              |
//!        |        |           |        |              |
//!        +------->| Completed |<-------+      INVITE  |  Transport Err.
//!                 |           |               -       |  Inform TU
//!        +--------|           |----+          +-----+ |  +---+
//!        |        +-----------+    | ACK      |     | v  |   v
//!        |          ^   |          | -        |  +------------+
//!        |          |   |          |          |  |            |---+ ACK
//!        +----------+   |          |          +->|  Accepted  |   | to TU
//!        Transport Err. |          |             |            |<--+
//!        Inform TU      |          V             +------------+
//!                       |      +-----------+        |  ^     |
//!                       |      | Confirmed |        |  +-----+
//!                       |      +-----------+        |  2xx from TU
//!         Timer H fires |          |                |  send response
//!         -             |          | Timer I fires  |
//!                       |          | -              | Timer L fires
//!                       |          V                | -
//!                       |        +------------+     |
//!                       +------->| Terminated |<----+
//!                                +------------+
//! ```
//! The figure's dash at timer H leaves out what the text keeps: the TU is told (RFC 3261 section 17.2.1).

use super::timers::{Resend, Timers};
use super::{Destination, Fate, Key, Output, ServerKey, Step};
use crate::locate::Candidate;
use crate::sip::{Request, StatusCode};
use keyphone_media::env::Instant;

/// One INVITE that we received.
#[derive(Debug)]
pub(crate) struct ServerInvite {
    key: ServerKey,
    hop: Candidate,
    state: State,
}

#[derive(Debug)]
enum State {
    Proceeding {
        /// The most recent provisional response, at first our own 100 Trying.
        last: Vec<u8>,
        /// When to send that 100, if nothing else went out before.
        trying: Option<Instant>,
    },
    Completed {
        response: Vec<u8>,
        /// Timer G.
        resend: Option<Resend>,
        /// Timer H.
        give_up: Instant,
    },
    Confirmed {
        /// Timer I.
        end: Instant,
    },
    Accepted {
        /// Timer L.
        end: Instant,
    },
}

impl ServerInvite {
    /// Waits for the TU, with `trying` at hand.
    pub(crate) fn start(key: ServerKey, trying: Vec<u8>, hop: Destination, step: &Step<'_>) -> Self {
        let state = State::Proceeding { last: trying, trying: Some(step.now + Timers::TRYING) };
        Self { key, hop: hop.into(), state }
    }

    /// Where its responses go.
    pub(crate) fn hop(&self) -> Destination {
        self.hop.dest
    }

    /// Its responses go elsewhere, and the last one at once (RFC 3263 section 5).
    pub(crate) fn move_to(&mut self, hop: Candidate, step: &mut Step<'_>) {
        self.hop = hop;
        match &self.state {
            State::Proceeding { last: response, trying: None } | State::Completed { response, .. } => {
                self.hop.send(response.clone(), step);
            }
            State::Proceeding { .. } | State::Confirmed { .. } | State::Accepted { .. } => {}
        }
    }

    /// The INVITE once more.
    pub(crate) fn retransmitted(&mut self, step: &mut Step<'_>) {
        match &mut self.state {
            State::Proceeding { last, trying } => {
                *trying = None;
                self.hop.send(last.clone(), step);
            }
            State::Completed { response, .. } => self.hop.send(response.clone(), step),
            State::Confirmed { .. } | State::Accepted { .. } => {}
        }
    }

    /// An ACK that matches.
    pub(crate) fn acknowledged(&mut self, ack: Request, step: &mut Step<'_>) -> Fate {
        match self.state {
            State::Completed { .. } => {
                self.state = State::Confirmed { end: step.now + step.timers.t4 };
                self.hop.dest.stays_if_unreliable()
            }
            State::Accepted { .. } => {
                step.out.push(Output::Ack(ack));
                Fate::Stays
            }
            State::Proceeding { .. } | State::Confirmed { .. } => Fate::Stays,
        }
    }

    /// What the TU says. A second final response, other than a 2xx again, says nothing.
    pub(crate) fn respond(&mut self, status: StatusCode, response: Vec<u8>, step: &mut Step<'_>) {
        match &mut self.state {
            State::Proceeding { .. } if status.is_success() => {
                self.hop.send(response, step);
                self.state = State::Accepted { end: step.now + step.timers.give_up() };
            }
            State::Proceeding { .. } if status.is_final() => {
                self.hop.send(response.clone(), step);
                let resend = self.hop.dest.is_unreliable().then(|| Resend::after(step.timers.t1, step.now));
                self.state = State::Completed { response, resend, give_up: step.now + step.timers.give_up() };
            }
            State::Proceeding { last, trying } => {
                self.hop.send(response.clone(), step);
                (*last, *trying) = (response, None);
            }
            State::Accepted { .. } if status.is_success() => self.hop.send(response, step),
            State::Completed { .. } | State::Confirmed { .. } | State::Accepted { .. } => {}
        }
    }

    /// Its earliest timer has fired.
    pub(crate) fn timeout(&mut self, step: &mut Step<'_>) -> Fate {
        let (now, t2) = (step.now, step.timers.t2);
        match &mut self.state {
            State::Proceeding { last, trying: trying @ Some(_) } if *trying <= Some(now) => {
                *trying = None;
                self.hop.send(last.clone(), step);
                Fate::Stays
            }
            State::Completed { give_up, .. } if *give_up <= now => {
                step.out.push(Output::TimedOut {
                    key: Key::Server(self.key),
                    why: "nobody acknowledged our response".into(),
                });
                Fate::Ends
            }
            State::Completed { resend: Some(resend), response, .. } if resend.at <= now => {
                *resend = resend.doubled(t2, now);
                self.hop.send(response.clone(), step);
                Fate::Stays
            }
            State::Confirmed { end } | State::Accepted { end } if *end <= now => Fate::Ends,
            _ => Fate::Stays,
        }
    }

    /// The transport could not deliver: the TU is told, and the state stays (RFC 6026 section 7.1).
    pub(crate) fn transport_failed(&self, why: &str, step: &mut Step<'_>) {
        if !matches!(self.state, State::Confirmed { .. }) {
            step.out.push(Output::TransportFailed { key: Key::Server(self.key), why: why.into() });
        }
    }

    /// The bytes that it keeps to send again.
    pub(super) fn weight(&self) -> usize {
        match &self.state {
            State::Proceeding { last: response, .. } | State::Completed { response, .. } => response.len(),
            State::Confirmed { .. } | State::Accepted { .. } => 0,
        }
    }

    /// When its earliest timer fires.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding { trying, .. } => *trying,
            State::Completed { resend, give_up, .. } => Some(resend.map_or(*give_up, |r| r.at.min(*give_up))),
            State::Confirmed { end } | State::Accepted { end } => Some(*end),
        }
    }
}
