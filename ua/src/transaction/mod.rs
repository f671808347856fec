//! Transactions (RFC 3261 section 17, as RFC 6026 corrects it): requests and responses that arrive in spite of loss.
//!
//! Four machines, one file each: `client_invite`, `client_other`, `server_invite`, `server_other`. The [`Table`]
//! owns them all, gives them time and messages, and tells the transaction user (TU: a call, a registration)
//! what came of it. Two things are the TU's own: the ACK of a 2xx, and sending a 2xx again until its ACK comes
//! (RFC 3261 sections 13.2.2.4 and 13.3.1.4).

mod client_invite;
mod client_other;
mod clients;
mod machine;
mod matching;
mod sent;
mod server_invite;
mod server_other;
mod table;
mod timers;
mod transport;
mod undelivered;
mod waiting;

pub use table::Table;
pub use timers::Timers;
pub use transport::{Local, MAX_UDP_REQUEST, Transport, choose_transport};

use crate::locate::{Candidate, Question};
use crate::sip::{Request, Response};
use keyphone_media::env::Instant;
use std::net::SocketAddr;
use std::sync::Arc;

/// A request that we sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(u64);

/// A request that we received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(u64);

/// Either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A request that we sent.
    Client(ClientKey),
    /// A request that we received.
    Server(ServerKey),
}

/// Where messages go, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// Address and port.
    pub addr: SocketAddr,
    /// UDP, TCP or TLS.
    pub transport: Transport,
}

/// What the table wants done, and what it tells the TU.
#[derive(Debug)]
pub enum Output {
    /// Bytes for the transport.
    Send {
        /// Address and port.
        to: SocketAddr,
        /// UDP, TCP or TLS.
        transport: Transport,
        /// Over TLS: who must be there, unless it is the way back on a connection (RFC 5922 section 7.1).
        name: Option<Arc<str>>,
        /// One whole message.
        bytes: Vec<u8>,
    },
    /// A question for a resolver: its answer goes to [`Table::found`].
    Lookup(Question),
    /// A new request, neither ACK nor CANCEL: answer it with [`Table::respond`].
    Request {
        /// Its transaction.
        key: ServerKey,
        /// The request.
        request: Request,
    },
    /// The ACK of a 2xx; it has no transaction and gets no response.
    Ack(Request),
    /// Somebody withdraws an INVITE: answer `key` with 200 and, if it has no final response yet, `invite` with 487
    /// (RFC 3261 section 9.2).
    Cancel {
        /// The INVITE's transaction.
        invite: ServerKey,
        /// The CANCEL's own transaction.
        key: ServerKey,
        /// The CANCEL.
        request: Request,
    },
    /// A response to our request: each 1xx, the final one, and each 2xx to an INVITE, also again and from other
    /// branches of a fork (RFC 6026 section 7.2).
    Response {
        /// Our request.
        key: ClientKey,
        /// The response.
        response: Response,
    },
    /// No response came (timers B, F), a cancelled INVITE got no final one, or no ACK came for ours (timer H). The
    /// transaction is over.
    TimedOut {
        /// Whose.
        key: Key,
        /// One sentence.
        why: String,
    },
    /// The transport could not deliver, or nobody was found who answers. A request of ours is over; a response of ours may
    /// still be sent again.
    TransportFailed {
        /// Whose.
        key: Key,
        /// One sentence.
        why: String,
    },
    /// A 2xx to an INVITE whose transaction is over.
    Stray(Response),
}

fn send(to: &Candidate, bytes: Vec<u8>, out: &mut Vec<Output>) {
    let Candidate { dest: Destination { addr, transport }, name } = to;
    out.push(Output::Send { to: *addr, transport: *transport, name: name.clone(), bytes });
}

impl Candidate {
    fn send(&self, bytes: Vec<u8>, step: &mut Step<'_>) {
        send(self, bytes, step.out);
    }
}

impl Destination {
    /// The transport may lose what it is given.
    fn is_unreliable(self) -> bool {
        self.transport == Transport::Udp
    }

    /// What becomes of a machine whose last timer is zero on reliable transports.
    fn stays_if_unreliable(self) -> Fate {
        if self.is_unreliable() { Fate::Stays } else { Fate::Ends }
    }
}

/// What a machine needs to take one step.
struct Step<'a> {
    now: Instant,
    timers: &'a Timers,
    out: &'a mut Vec<Output>,
}

/// What becomes of a machine after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Ends,
}
