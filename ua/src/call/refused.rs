//! Why an offer is refused, and why an answer is not accepted.

use super::{Cx, decline};
use crate::event::{CallId, Event, Outcome};
use crate::sip::{Request, Response, StatusCode, make};

/// A refusal: its status, what the Warning says, and perhaps an SDP (RFC 4567 section 4.1.2).
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) why: String,
    /// The code of the Warning.
    code: u16,
    keying: bool,
    body: Option<Vec<u8>>,
    header: Option<(&'static str, String)>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, why: impl ToString) -> Self {
        Self { status, why: why.to_string(), code: 399, keying: false, body: None, header: None }
    }

    /// The same with the header that the status needs.
    pub(super) fn with(self, name: &'static str, value: String) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// The same with an SDP that says more.
    pub(super) fn with_body(self, body: Vec<u8>) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(super) fn keying(why: impl ToString, body: Option<Vec<u8>>) -> Self {
        let why = why.to_string();
        Self { status: StatusCode::NOT_ACCEPTABLE_HERE, why, code: 399, keying: true, body, header: None }
    }

    /// The same with a Warning of this code.
    pub(super) fn warning(self, code: u16) -> Self {
        Self { code, ..self }
    }

    /// Is it about keys?
    pub(super) fn is_keying(&self) -> bool {
        self.keying
    }

    /// The response that says so.
    pub(super) fn response(&self, request: &Request, tag: &str, cx: &mut Cx<'_, '_>) -> Response {
        let mut response = make::response(request, self.status, Some(tag));
        response.headers.push("Warning", decline::warning(cx.settings, self.code, &self.why));
        if let Some((name, value)) = &self.header {
            response.headers.push(name, value);
        }
        if let Some(body) = &self.body {
            response.headers.push("Content-Type", "application/sdp");
            response.body.clone_from(body);
        }
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            response.headers.push("Accept", "application/sdp");
        }
        response
    }

    /// The same for an offer that a response brought: what our answer to it says, if keying has something to say, and
    /// why the call ends.
    pub(super) fn of_a_response(self) -> (Option<Vec<u8>>, Unacceptable) {
        (self.body, Unacceptable { why: self.why, keying: self.keying })
    }

    /// How a call ends that is refused so.
    pub(super) fn outcome(self, call: CallId, cx: &mut Cx<'_, '_>) -> Outcome {
        let Self { status, why, keying, .. } = self;
        match keying {
            true => {
                cx.event(Event::Refused { call, why: why.clone(), hint: None });
                Outcome::KeyingRefused { why }
            }
            false => Outcome::Failed { status: Some(status.code()), why },
        }
    }
}

/// Why an answer is not accepted.
#[derive(Clone)]
pub(super) struct Unacceptable {
    pub(super) why: String,
    pub(super) keying: bool,
}

impl Unacceptable {
    pub(super) fn keying(why: impl ToString) -> Self {
        Self { why: why.to_string(), keying: true }
    }

    pub(super) fn other(why: impl ToString) -> Self {
        Self { why: why.to_string(), keying: false }
    }

    /// The status that the BYE names as the reason.
    pub(super) fn status(&self) -> StatusCode {
        if self.keying { StatusCode::NOT_ACCEPTABLE_HERE } else { StatusCode::REQUEST_TERMINATED }
    }

    /// How the call ends, and the status that its BYE names as the reason.
    pub(super) fn outcome(self, call: CallId, cx: &mut Cx<'_, '_>) -> (StatusCode, Outcome) {
        let status = self.status();
        let Self { why, keying } = self;
        if keying {
            cx.event(Event::Refused { call, why: why.clone(), hint: None });
            return (status, Outcome::KeyingRefused { why });
        }
        (status, Outcome::Failed { status: None, why })
    }
}
