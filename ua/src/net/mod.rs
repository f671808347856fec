//! The shell around the sans-IO core: sockets, clocks and the system's randomness, and nowhere else.
//!
//! One task owns the [`Endpoint`](crate::endpoint::Endpoint) and steps it; small tasks read the sockets and hand over
//! whole messages and datagrams through bounded channels, so a flood waits in the kernel and not in our memory.
#![allow(clippy::disallowed_methods, reason = "this is the one place that may touch the machine")]

mod certificate;
mod clock;
mod connection;
mod connections;
mod dns;
mod fetch;
mod icmp;
mod identity;
mod keying_port;
mod limits;
mod media;
pub mod probe;
pub mod route;
mod runner;
mod sip;
mod tap;
mod tls;
mod wires;

pub use certificate::Certificate;
pub use clock::{Clock, OsRng};
pub use dns::Resolver;
pub use fetch::Fetcher;
pub use identity::Identities;
pub use keying_port::{KeyingPort, Knock};
pub use limits::Limits;
pub use runner::{Look, Runner, Stop};
pub use sip::Sockets;
pub use tap::{Seen, Tap};
pub use tls::{Tls, TlsFiles};
pub use wires::{Came, Wires};
