//! Finding whom a SIP URI means on the network (RFC 3263), sans-IO.
//!
//! A [`Hop`] is a place that is known, or a URI. A [`Search`] turns a URI into addresses, one after the other, as they
//! are needed: NAPTR says which transport the domain likes best, SRV which of its servers, A and AAAA where they are.
//! What it does not know is a [`Question`] for whoever has a resolver: `ua/src/net` asks the system's, a simulated
//! world a table. The [`Cache`] keeps the answers as long as they say.

mod cache;
mod search;
mod srv;

pub use cache::Cache;
pub use search::{Candidate, Next, Search};

use crate::sip::Uri;
use crate::transaction::{Destination, Transport};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// There.
    Known(Destination),
    /// To whom this URI means, which must be found out.
    Uri(Box<Uri>),
}

impl Hop {
    /// What it probably goes over, before anybody looked.
    pub fn likely_transport(&self) -> Transport {
        match self {
            Self::Known(dest) => dest.transport,
            Self::Uri(uri) => {
                let uri = uri.sip();
                let named =
                    |name: &str| uri.and_then(|u| u.param("transport")).is_some_and(|p| p.eq_ignore_ascii_case(name));
                match uri.is_some_and(|uri| uri.is_secure()) || named("tls") {
                    true => Transport::Tls,
                    false if named("tcp") => Transport::Tcp,
                    false => Transport::Udp,
                }
            }
        }
    }
}

impl From<Destination> for Hop {
    fn from(dest: Destination) -> Self {
        Self::Known(dest)
    }
}

impl From<Uri> for Hop {
    fn from(uri: Uri) -> Self {
        Self::Uri(Box::new(uri))
    }
}

impl From<&Uri> for Hop {
    fn from(uri: &Uri) -> Self {
        uri.clone().into()
    }
}

/// What we can do, and like to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// We can make TLS connections.
    pub tls: bool,
    /// What a URI goes over that leaves it to us.
    pub prefer: Transport,
    /// We send from IPv4 addresses.
    pub v4: bool,
    /// We send from IPv6 addresses.
    pub v6: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        Self { tls: false, prefer: Transport::Udp, v4: true, v6: true }
    }
}

impl Abilities {
    /// Of somebody who sends from there.
    pub fn at(ip: IpAddr) -> Self {
        Self { v4: ip.is_ipv4(), v6: ip.is_ipv6(), ..Self::default() }
    }

    fn reaches(self, ip: IpAddr) -> bool {
        if ip.is_ipv4() { self.v4 } else { self.v6 }
    }

    fn has(self, transport: Transport) -> bool {
        transport != Transport::Tls || self.tls
    }
}

/// What a resolver is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// In lower case, without a dot at its end.
    pub name: String,
    /// Which records.
    pub kind: Kind,
}

impl Question {
    /// About a name in any writing.
    pub fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(), kind }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Naptr => "NAPTR",
            Kind::Srv => "SRV",
            Kind::Host => "A, AAAA",
        };
        write!(f, "{} {kind}", self.name)
    }
}

/// Which records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Which transports a domain has (RFC 3403, RFC 3263 section 4.1).
    Naptr,
    /// Which servers a service has (RFC 2782).
    Srv,
    /// Which addresses a host has, of both families; `/etc/hosts` counts.
    Host,
}

/// What a resolver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These, and how long they are true. An empty list says that the name has no such records.
    Records(Vec<Record>, Duration),
    /// There is no such name.
    NoName,
    /// It could not be found out: one sentence.
    Failed(String),
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A way to go on.
    Naptr(Naptr),
    /// A server.
    Srv(Srv),
    /// An address.
    Host(IpAddr),
}

/// A NAPTR record (RFC 3403 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lowest first.
    pub order: u16,
    /// Among equals of `order`, lowest first.
    pub preference: u16,
    /// `s`: an SRV record follows.
    pub flags: String,
    /// `SIP+D2U`, for instance.
    pub service: String,
    /// Empty in all that SIP uses (RFC 3263 section 4.1).
    pub regexp: String,
    /// The SRV record's name.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lowest first.
    pub priority: u16,
    /// How often it is first among equals of `priority`.
    pub weight: u16,
    /// The port there.
    pub port: u16,
    /// The host; `.` says that there is no such service.
    pub target: String,
}
