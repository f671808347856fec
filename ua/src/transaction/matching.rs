//! Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3), and where its responses go.

use super::{Destination, Transport};
use crate::sip::hop::{self, ResponseHop};
use crate::sip::{Method, Request, Response, SipError, Via};
use std::sync::Arc;

/// The name of a transaction on the wire. Shared, for the table holds it twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(Arc<Name>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    side: Side,
    branch: String,
    /// Host and port of the top Via.
    sent_by: (String, u16),
    /// As written; an ACK goes by INVITE.
    method: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Client,
    Server,
}

impl Id {
    fn new(side: Side, branch: String, via: &Via, method: &Method) -> Self {
        let sent_by = (via.host.to_string().to_ascii_lowercase(), via.port.unwrap_or(via.transport.default_port()));
        Self(Arc::new(Name { side, branch, sent_by, method: method.to_string() }))
    }

    /// The INVITE that a CANCEL of this name is about: a CANCEL has its branch (RFC 3261 section 9.1).
    pub(super) fn for_invite(&self) -> Self {
        Self(Arc::new(Name { method: Method::Invite.to_string(), ..Name::clone(&self.0) }))
    }

    /// What it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.0.branch.len() + self.0.sent_by.0.len() + self.0.method.len()
    }

    /// It names an INVITE.
    pub(super) fn is_invite(&self) -> bool {
        self.0.method == Method::Invite.as_str()
    }
}

/// The name of a request that we send.
pub(super) fn client_id(request: &Request) -> Result<Id, SipError> {
    let via = request.headers.via()?;
    let branch = via.branch().ok_or(SipError::Header { name: "Via", reason: "it has no branch" })?.to_owned();
    Ok(Id::new(Side::Client, branch, &via, &request.method))
}

/// The name of the request that a response answers: branch and CSeq method. The sent-by must be ours, too (RFC 3261
/// section 18.1.2).
pub(super) fn response_id(response: &Response) -> Option<Id> {
    let via = response.headers.via().ok()?;
    let branch = via.branch()?.to_owned();
    Some(Id::new(Side::Client, branch, &via, &response.headers.cseq().ok()?.method))
}

/// The name of a request that we receive.
pub(super) fn server_id(request: &Request, via: &Via) -> Option<Id> {
    let branch = match via.branch() {
        // The cookie alone names nothing (RFC 4475 section 3.2.1).
        Some(branch) if branch.len() > Via::MAGIC_COOKIE.len() && branch.starts_with(Via::MAGIC_COOKIE) => {
            branch.to_owned()
        }
        _ => old_branch(request, via)?,
    };
    let method = if request.method == Method::Ack { &Method::Invite } else { &request.method };
    Some(Id::new(Side::Server, branch, via, method))
}

/// What a client of RFC 2543 means by a transaction: Request-URI, From tag, Call-ID, CSeq number and top Via. The To
/// tag, which an ACK has and its INVITE has not, is left out: CSeq tells a re-INVITE from the INVITE before it.
fn old_branch(request: &Request, via: &Via) -> Option<String> {
    let headers = &request.headers;
    let from = headers.from().ok()?;
    let (call_id, seq) = (headers.call_id().ok()?, headers.cseq().ok()?.seq);
    Some(format!("{}\n{}\n{call_id}\n{seq}\n{via}", request.uri, from.tag().unwrap_or_default()))
}

/// Stamps the top Via, which is `via`, with where the request came from (RFC 3261 section 18.2.1, RFC 3581 section 4), and says where
/// its responses go. That is always the host that it came from, whatever `maddr` says (against RFC 3261 section
/// 18.2.2): nobody may point us at somebody else.
pub(super) fn stamp(request: &mut Request, via: Via, from: Destination) -> (Via, Destination) {
    let via = hop::stamp(request, via, from.addr);
    let hop = match hop::response_hop(&via) {
        ResponseHop::Datagram(addr) if from.transport == Transport::Udp && addr.ip() == from.addr.ip() => {
            Destination { addr, ..from }
        }
        _ => from,
    };
    (via, hop)
}
