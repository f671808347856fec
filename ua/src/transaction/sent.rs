//! A request of ours on its way: what both client machines hold.

use super::timers::Resend;
use super::{ClientKey, Destination, Fate, Key, Output, Step};
use crate::locate::Candidate;
use crate::sip::{Request, Response};

/// One request that we sent, and may send again.
#[derive(Debug)]
pub(super) struct Sent {
    key: ClientKey,
    request: Request,
    bytes: Vec<u8>,
    to: Candidate,
}

impl Sent {
    /// Sends it, and gives timer A or E, which reliable transports do without.
    pub(super) fn start(
        key: ClientKey,
        request: Request,
        to: Candidate,
        step: &mut Step<'_>,
    ) -> (Self, Option<Resend>) {
        let sent = Self { key, bytes: request.to_bytes(), request, to };
        sent.again(step);
        let unreliable = sent.hop().is_unreliable();
        (sent, unreliable.then(|| Resend::after(step.timers.t1, step.now)))
    }

    /// The request.
    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    /// How long it is, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len()
    }

    /// Where it goes, and who must be there.
    pub(super) fn to(&self) -> &Candidate {
        &self.to
    }

    /// Where it goes.
    pub(super) fn hop(&self) -> Destination {
        self.to.dest
    }

    /// Sends something where it went.
    pub(super) fn send(&self, bytes: Vec<u8>, step: &mut Step<'_>) {
        self.to.send(bytes, step);
    }

    /// Sends it again.
    pub(super) fn again(&self, step: &mut Step<'_>) {
        self.send(self.bytes.clone(), step);
    }

    /// Tells the TU of a response.
    pub(super) fn answered(&self, response: Response, step: &mut Step<'_>) {
        step.out.push(Output::Response { key: self.key, response });
    }

    /// Tells the TU that none came.
    pub(super) fn timed_out(&self, step: &mut Step<'_>) -> Fate {
        let Destination { addr, transport } = self.hop();
        let why = format!("nobody answers at {addr} over {transport}");
        step.out.push(Output::TimedOut { key: Key::Client(self.key), why });
        Fate::Ends
    }

    /// Tells the TU that it could not be delivered.
    pub(super) fn undeliverable(&self, why: &str, step: &mut Step<'_>) -> Fate {
        step.out.push(Output::TransportFailed { key: Key::Client(self.key), why: why.into() });
        Fate::Ends
    }
}
