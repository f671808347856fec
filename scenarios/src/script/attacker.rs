//! `[[attacker]]`: somebody on the way, and what it does: `from 2 s replays media from alice to bob`.

use super::name::Name;
use super::sentence::{Count, Form, Time, read};
use super::step::begins;
use super::what::What;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Somebody who sees all that travels, and can change, keep and send whatever it likes. It has nobody's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attacker {
    /// What the script calls it.
    pub name: Name,
    /// What it does.
    pub does: Vec<Attack>,
}

/// Something that an attacker does from some time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attack {
    /// From when on: since the world began.
    pub from: Duration,
    /// What.
    pub deed: Deed,
}

/// What an attacker can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// `replays media from A to B`: each packet once more, a little later, half of them from its own address.
    Replays(What, Name, Name),
    /// `tampers with media from A to B`: one bit of each packet, or of the keying in SIP.
    Tampers(What, Name, Name),
    /// `strips keying from A`: takes key-mgmt out of all that A says, and makes its offers clear (RFC 3264).
    Strips(Name),
    /// `swaps the answers of A and B`: each carries the other's SDP.
    Swaps(Name, Name),
    /// `injects media to A as B`: RTP under B's SSRC, from B's address, which no key made.
    Injects(Name, Name),
    /// `reflects media of A`: its own packets come back to it.
    Reflects(Name),
    /// `drops two PRACK from A`: the first so many of them.
    Drops(u64, What, Name),
    /// `holds 200 from A for 500 ms`: each comes so much later.
    Holds(What, Name, Duration),
    /// `sends garbage to A`: datagrams that are neither SIP nor RTP, to all its ports.
    Garbage(Name),
}

const FORMS: &[Form<Deed>] = &[
    Form { pattern: "replays WHAT from A to B", make: |p| Deed::Replays(p.what(), p.name(), p.name()) },
    Form { pattern: "tampers with WHAT from A to B", make: |p| Deed::Tampers(p.what(), p.name(), p.name()) },
    Form { pattern: "strips keying from A", make: |p| Deed::Strips(p.name()) },
    Form { pattern: "swaps the answers of A and B", make: |p| Deed::Swaps(p.name(), p.name()) },
    Form { pattern: "injects media to A as B", make: |p| Deed::Injects(p.name(), p.name()) },
    Form { pattern: "reflects media of A", make: |p| Deed::Reflects(p.name()) },
    Form { pattern: "drops COUNT WHAT from A", make: |p| Deed::Drops(p.count(), p.what(), p.name()) },
    Form { pattern: "holds WHAT from A for TIME", make: |p| Deed::Holds(p.what(), p.name(), p.time()) },
    Form { pattern: "sends garbage to A", make: |p| Deed::Garbage(p.name()) },
];

impl FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, rest) = begins(text, "from").unwrap_or((Duration::ZERO, text));
        Ok(Self { from, deed: read(rest, FORMS)? })
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.from.is_zero() {
            write!(f, "from {} ", Time(self.from))?;
        }
        self.deed.fmt(f)
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replays(what, a, b) => write!(f, "replays {what} from {a} to {b}"),
            Self::Tampers(what, a, b) => write!(f, "tampers with {what} from {a} to {b}"),
            Self::Strips(a) => write!(f, "strips keying from {a}"),
            Self::Swaps(a, b) => write!(f, "swaps the answers of {a} and {b}"),
            Self::Injects(a, b) => write!(f, "injects media to {a} as {b}"),
            Self::Reflects(a) => write!(f, "reflects media of {a}"),
            Self::Drops(n, what, a) => write!(f, "drops {} {what} from {a}", Count(*n)),
            Self::Holds(what, a, by) => write!(f, "holds {what} from {a} for {}", Time(*by)),
            Self::Garbage(a) => write!(f, "sends garbage to {a}"),
        }
    }
}

impl Deed {
    /// All who are named.
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::Replays(_, a, b) | Self::Tampers(_, a, b) | Self::Swaps(a, b) | Self::Injects(a, b) => vec![a, b],
            Self::Strips(a) | Self::Reflects(a) | Self::Drops(_, _, a) | Self::Holds(_, a, _) | Self::Garbage(a) => {
                vec![a]
            }
        }
    }

    /// The ways to say it, for the template and the schema.
    pub fn forms() -> impl Iterator<Item = String> {
        FORMS.iter().map(|form| form.pattern.to_owned())
    }
}
