//! Somebody who sees all that travels, and changes, keeps and sends what it likes; one kind per file. It has nobody's
//! keys.

mod garbage;
mod hold;
mod inject;
mod reflect;
mod replay;
mod strip;
mod swap;
mod tamper;
mod text;

use crate::place::Place;
use crate::script::{Deed, Name, What};
use crate::world::{Middle, Sent};
use keyphone_media::env::Instant;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// One attack, as the world runs it.
pub trait Attacker {
    /// Something is sent: what becomes of it? What the attacker sends on its own account goes to `out`.
    fn sees(&mut self, sent: &Sent, out: &mut Vec<Forged>) -> Middle;

    /// When it wants to do something though nothing is sent.
    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// That time has come.
    fn timeout(&mut self, now: Instant, out: &mut Vec<Forged>) {
        let _ = (now, out);
    }
}

/// A datagram that an attacker sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forged {
    /// How long it takes.
    pub after: Duration,
    /// Who it says that it is.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Is it to look like media, rather than SIP?
    pub media: bool,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// Where everybody is, as an attacker knows it.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The phones.
    pub phones: BTreeMap<Name, Place>,
    /// The attacker itself.
    pub own: SocketAddr,
}

impl Scene {
    /// Somebody who does this from then on. `None` if a phone is not there.
    pub fn attacker(&self, from: Instant, deed: &Deed) -> Option<Box<dyn Attacker>> {
        let at = |name: &Name| self.phones.get(name).cloned();
        let way = |what: &What, a: &Name, b: Option<&Name>| {
            let to = b.map_or(Some(None), |b| at(b).map(Some))?;
            let phones = self.phones.values().cloned().collect();
            Some(Way { since: from, what: what.clone(), from: at(a)?, to, phones })
        };
        Some(match deed {
            Deed::Replays(what, a, b) => Box::new(replay::Replay::new(way(what, a, Some(b))?, self.own)),
            Deed::Tampers(what, a, b) => Box::new(tamper::Tamper::new(way(what, a, Some(b))?)),
            Deed::Strips(a) => Box::new(strip::Strip::new(way(&What::Signalling, a, None)?)),
            Deed::Swaps(a, b) => {
                let ways = [way(&What::Signalling, a, None)?, way(&What::Signalling, b, None)?];
                Box::new(swap::Swap::new(ways))
            }
            Deed::Injects(a, b) => Box::new(inject::Inject::new(from, at(a)?, at(b)?)),
            Deed::Reflects(a) => Box::new(reflect::Reflect::new(way(&What::Media, a, None)?)),
            Deed::Drops(count, what, a) => Box::new(hold::Drop::new(*count, way(what, a, None)?)),
            Deed::Holds(what, a, by) => Box::new(hold::Hold::new(*by, way(what, a, None)?)),
            Deed::Garbage(a) => Box::new(garbage::Garbage::new(from, at(a)?, self.own)),
        })
    }
}

/// Some of what travels some way.
#[derive(Clone, Debug)]
struct Way {
    since: Instant,
    what: What,
    from: Place,
    to: Option<Place>,
    phones: Vec<Place>,
}

impl Way {
    /// SIP may go to its phone through a proxy: where it leaves the one phone it counts, unless it is for another one.
    fn has(&self, sent: &Sent) -> bool {
        let to_a_phone = || self.phones.iter().any(|phone| phone.has(sent.to));
        let there = self.to.as_ref().is_none_or(|to| to.has(sent.to) || (!sent.media && !to_a_phone()));
        sent.at >= self.since && self.from.has(sent.from) && there && is(&self.what, sent)
    }
}

/// Is it of that kind?
pub(crate) fn is(what: &What, sent: &Sent) -> bool {
    match what {
        What::Anything => true,
        What::Media => sent.media,
        What::Signalling => !sent.media,
        What::Request(method) => !sent.media && sent.bytes.starts_with(format!("{method} ").as_bytes()),
        What::Response(status) => !sent.media && sent.bytes.starts_with(format!("SIP/2.0 {status} ").as_bytes()),
    }
}
