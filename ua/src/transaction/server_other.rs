//! The non-INVITE server transaction (RFC 3261 section 17.2.2, figure 8, with RFC 6026 section 8.8: a transport error
//! is told, and changes nothing).
//!
//! ```text
//!                                  |Request received
//!                                  |pass to TU
//!                                  V
//!                            +-----------+
//!                            | Trying    |-------------+
//!                            +-----------+             |200-699 from TU
//!                                  |                   |send response
//!                                  |1xx from TU        |
//!                                  |send response      |
//!               Request            V      1xx from TU  |
//!               send response+-----------+send response|
//!                   +--------|           |--------+    |
//!                   |        | Proceeding|        |    |
//!                   +------->|           |<-------+    |
//!                            +-----------+             |
//!                                  |200-699 from TU    |
//!                                  |send response      |
//!                  Request         V                   |
//!                  send response+-----------+          |
//!                      +--------|           |          |
//!                      |        | Completed |<---------+
//!                      +------->|           |
//!                               +-----------+
//!                                  |Timer J fires
//!                                  |-
//!                                  V
//!                            +-----------+
//!                            | Terminated|
//!                            +-----------+
//! ```

use super::{Destination, Fate, Key, Output, ServerKey, Step};
use crate::locate::Candidate;
use crate::sip::StatusCode;
use keyphone_media::env::Instant;

/// One request that we received, neither INVITE nor ACK.
#[derive(Debug)]
pub(crate) struct ServerOther {
    key: ServerKey,
    hop: Candidate,
    state: State,
}

#[derive(Debug)]
enum State {
    Trying,
    Proceeding {
        last: Vec<u8>,
    },
    Completed {
        response: Vec<u8>,
        /// Timer J.
        end: Instant,
    },
}

impl ServerOther {
    /// Waits for the TU.
    pub(crate) fn start(key: ServerKey, hop: Destination) -> Self {
        Self { key, hop: hop.into(), state: State::Trying }
    }

    /// Where its responses go.
    pub(crate) fn hop(&self) -> Destination {
        self.hop.dest
    }

    /// Its responses go elsewhere, and the last one at once (RFC 3263 section 5).
    pub(crate) fn move_to(&mut self, hop: Candidate, step: &mut Step<'_>) {
        self.hop = hop;
        self.retransmitted(step);
    }

    /// The request once more.
    pub(crate) fn retransmitted(&self, step: &mut Step<'_>) {
        match &self.state {
            State::Trying => {}
            State::Proceeding { last: response } | State::Completed { response, .. } => {
                self.hop.send(response.clone(), step);
            }
        }
    }

    /// What the TU says. A second final response says nothing.
    pub(crate) fn respond(&mut self, status: StatusCode, response: Vec<u8>, step: &mut Step<'_>) -> Fate {
        match self.state {
            State::Trying | State::Proceeding { .. } if status.is_final() => {
                self.hop.send(response.clone(), step);
                self.state = State::Completed { response, end: step.now + step.timers.give_up() };
                self.hop.dest.stays_if_unreliable()
            }
            State::Trying | State::Proceeding { .. } => {
                self.hop.send(response.clone(), step);
                self.state = State::Proceeding { last: response };
                Fate::Stays
            }
            State::Completed { .. } => Fate::Stays,
        }
    }

    /// Its timer has fired.
    pub(crate) fn timeout(&mut self, step: &Step<'_>) -> Fate {
        match self.state {
            State::Completed { end, .. } if end <= step.now => Fate::Ends,
            _ => Fate::Stays,
        }
    }

    /// The transport could not deliver: the TU is told, and the state stays (RFC 6026 section 8.8).
    pub(crate) fn transport_failed(&self, why: &str, step: &mut Step<'_>) {
        if !matches!(self.state, State::Trying) {
            step.out.push(Output::TransportFailed { key: Key::Server(self.key), why: why.into() });
        }
    }

    /// The bytes that it keeps to send again.
    pub(super) fn weight(&self) -> usize {
        match &self.state {
            State::Trying => 0,
            State::Proceeding { last: response } | State::Completed { response, .. } => response.len(),
        }
    }

    /// When its timer fires.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Completed { end, .. } => Some(end),
            State::Trying | State::Proceeding { .. } => None,
        }
    }
}
