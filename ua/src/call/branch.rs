//! One branch of a forked INVITE: what a To-tag has said so far (RFC 3261 section 13.2.2).

use super::usage::Usage;
use crate::sip::{Response, StatusCode};

/// A branch that has not answered finally. Each To-tag is its own, from its first 1xx on.
#[derive(Default)]
pub(super) struct Branch {
    /// Its early dialog, if it has one.
    pub(super) usage: Option<Box<Usage>>,
    rung: bool,
}

impl Branch {
    /// Takes a provisional response; true if the branch rings for the first time.
    pub(super) fn provisional(&mut self, response: &Response) -> bool {
        let rings = response.status == StatusCode::RINGING && !self.rung;
        self.rung |= rings;
        rings
    }
}
