//! A dialog (RFC 3261 section 12): what two phones remember of each other between requests.

use crate::sip::via::Via;
use crate::sip::{Method, NameAddr, Request, Response, SipError, Transport, Uri};
use std::net::SocketAddr;

/// One dialog, early or confirmed. A forked INVITE makes one for each To-tag (RFC 3261 section 12.1.2).
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    call_id: String,
    local: NameAddr,
    remote: NameAddr,
    /// The CSeq number of our last request; an ACK repeats its INVITE's.
    local_seq: u32,
    remote_seq: Option<u32>,
    /// Topmost first.
    routes: Vec<NameAddr>,
    target: Uri,
}

/// Why a request does not fit its dialog.
#[derive(Debug)]
pub(crate) struct OutOfOrder;

impl Dialog {
    /// As the caller sees it, from a response that has a To-tag and a Contact (RFC 3261 section 12.1.2).
    pub(crate) fn answered(response: &Response) -> Result<Self, SipError> {
        let headers = &response.headers;
        let mut routes: Vec<_> = headers.record_route()?;
        routes.reverse();
        Ok(Self {
            call_id: headers.call_id()?.to_owned(),
            local: headers.from()?,
            remote: headers.to()?,
            local_seq: headers.cseq()?.seq,
            remote_seq: None,
            routes,
            target: headers.contact_uri()?,
        })
    }

    /// As the callee sees it, from the request and the tag that we give it (RFC 3261 section 12.1.1).
    pub(crate) fn invited(request: &Request, tag: &str) -> Result<Self, SipError> {
        let headers = &request.headers;
        Ok(Self {
            call_id: headers.call_id()?.to_owned(),
            local: headers.to()?.with_tag(tag),
            remote: headers.from()?,
            local_seq: 0,
            remote_seq: Some(headers.cseq()?.seq),
            routes: headers.record_route()?,
            target: headers.contact_uri()?,
        })
    }

    pub(crate) fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our tag.
    pub(crate) fn local_tag(&self) -> &str {
        self.local.tag().unwrap_or_default()
    }

    /// The peer's tag: empty if it comes from before RFC 3261.
    pub(crate) fn remote_tag(&self) -> &str {
        self.remote.tag().unwrap_or_default()
    }

    /// Is this request the peer's, and in order (RFC 3261 section 12.2.2)?
    pub(crate) fn takes(&mut self, request: &Request) -> Result<(), OutOfOrder> {
        let seq = request.headers.cseq().map_err(|_| OutOfOrder)?.seq;
        if self.remote_seq.is_some_and(|last| seq <= last) {
            return Err(OutOfOrder);
        }
        self.remote_seq = Some(seq);
        Ok(())
    }

    /// Is the request from this dialog's peer, and not from another branch?
    pub(crate) fn is_from_peer(&self, request: &Request) -> bool {
        request.headers.from().is_ok_and(|from| from.tag().unwrap_or_default() == self.remote_tag())
    }

    /// The next request of ours inside the dialog (RFC 3261 section 12.2.1.1), without a Via.
    pub(crate) fn request(&mut self, method: Method) -> Request {
        self.local_seq += 1;
        self.write(method, self.local_seq)
    }

    /// The ACK for a 2xx: its CSeq number is the INVITE's (RFC 3261 section 13.2.2.4).
    pub(crate) fn ack(&self) -> Request {
        self.write(Method::Ack, self.local_seq)
    }

    /// Where requests go: the first route, or the peer's Contact. `None` if that is a name that must be resolved.
    pub(crate) fn next_hop(&self) -> Option<(SocketAddr, Transport)> {
        let uri = self.routes.first().map_or(&self.target, |route| &route.uri);
        Some((uri.socket_addr()?, uri.transport().unwrap_or(Transport::Udp)))
    }

    fn write(&self, method: Method, seq: u32) -> Request {
        let strict = self.routes.first().filter(|first| first.uri.param("lr").is_none());
        let mut routes: Vec<String> = self.routes.iter().map(ToString::to_string).collect();
        let uri = match strict {
            None => self.target.clone(),
            Some(first) => {
                // A strict router finds itself in the Request-URI and the target at the end of the Route.
                routes.remove(0);
                routes.push(format!("<{}>", self.target));
                first.uri.clone()
            }
        };
        let mut request = Request::new(method.clone(), uri);
        for route in routes {
            request.headers.push("Route", route);
        }
        request.headers.push("Max-Forwards", "70");
        request.headers.push("From", self.local.to_string());
        request.headers.push("To", self.remote.to_string());
        request.headers.push("Call-ID", self.call_id.clone());
        request.headers.push("CSeq", format!("{seq} {method}"));
        request
    }
}

/// Puts our Via on top (RFC 3261 section 8.1.1.7), and asks for rport (RFC 3581 section 3).
pub(crate) fn with_via(mut request: Request, ours: SocketAddr, transport: Transport, branch: &str) -> Request {
    request.headers.push_front("Via", Via::ours(ours, transport, branch).to_string());
    request
}
