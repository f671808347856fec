//! A judge outside the phones. It sees the wire and the key logs, recomputes (key, SSRC, index) of every packet by
//! authenticating it itself, and listens to what was recorded; it asks no ledger and believes no phone's own counters.
//!
//! ```text
//! key logs --keys--> master keys --cipher--+
//! wire -----------------------------trace--+--> what every packet is --pads-----> one key stream used twice
//!                                          |                         --pads-----> media that no key protects
//! recordings ------------------------------+--> played ---------------------------> audio that nobody has proven
//! events, tables at the end ---------------------> rest ---------------------------> calls that did not end
//! wire, and the ports in SIP ---------------------> calls --------------------------> which calls a key stream is of
//! ```

mod calls;
mod cipher;
mod finding;
mod keys;
mod pads;
mod played;
pub mod recorder;
mod rest;
mod trace;

pub use calls::Used;
pub use cipher::Kind;
pub use finding::{Finding, Packet};
pub use trace::{Protected, Seen, What};

use crate::place::Place;
use crate::world::{Node, Sent, World};
use keyphone_media::env::Instant;
use keyphone_ua::endpoint::{Fill, Recording};
use keyphone_ua::event::{CallId, Event};
use keys::Keys;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use trace::Tracer;

/// What an observer knows of one phone.
pub struct Phone<'w> {
    /// What findings call it.
    pub name: &'w str,
    /// Where it is: whatever comes from there, it sent.
    pub place: Place,
    /// Its policy allows clear RTP.
    pub may_be_clear: bool,
    /// Its policy allows media that is authenticated and not encrypted.
    pub may_be_read: bool,
    /// The lines of its key log.
    pub key_log: Vec<&'w str>,
    /// What it recorded.
    pub recordings: &'w [(CallId, Recording)],
    /// What it told.
    pub events: &'w [(Instant, Event)],
    /// How full its tables are now that all is over; empty if it is not over yet.
    pub tables: Vec<Fill>,
    /// What it waits for.
    pub waits: Option<Instant>,
}

/// What an observer knows of a world.
pub struct Evidence<'w> {
    /// All that the phones sent.
    pub wire: &'w [Sent],
    /// What others sent to media ports: who may hear clear RTP may have heard it.
    pub others: &'w [Sent],
    /// The phones.
    pub phones: Vec<Phone<'w>>,
}

/// How much an observer has looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Master keys.
    pub keys: usize,
    /// Media packets that one of them authenticates.
    pub protected: usize,
    /// RTP and RTCP that none of them does.
    pub clear: usize,
    /// Media packets from where no phone is: nobody is to blame for them here.
    pub of_others: usize,
    /// Recordings in which each sound was looked for.
    pub recordings: usize,
    /// Whole frames of a packet that were found in them.
    pub frames: usize,
    /// Recordings of which nothing can be said: their codec does not give back what was said exactly.
    pub inexact: usize,
}

impl<'w> Evidence<'w> {
    /// Of a world in which all is over: everybody has hung up and all timers have run out.
    pub fn of(world: &'w World) -> Self {
        let now = world.now();
        let phone = |node: &'w Node| Phone {
            tables: node.endpoint.tables(now),
            waits: node.endpoint.next_timeout(),
            ..Phone::of(node)
        };
        Self { wire: world.log(), others: world.forged(), phones: world.nodes().iter().map(phone).collect() }
    }

    /// Of a world in which things still happen.
    pub fn so_far(world: &'w World) -> Self {
        Self { wire: world.log(), others: world.forged(), phones: world.nodes().iter().map(Phone::of).collect() }
    }

    /// What every media packet of a phone is.
    pub fn packets(&self) -> Vec<Seen<'w>> {
        self.trace(&mut self.keys())
    }

    /// All that is wrong.
    pub fn judge(&self) -> Vec<Finding> {
        self.judge_all().0
    }

    /// The same, and how much was looked at.
    pub fn judge_all(&self) -> (Vec<Finding>, Looked) {
        let mut keys = self.keys();
        let seen = self.trace(&mut keys);
        let protected = seen.iter().filter(|seen| matches!(seen.what, What::Protected(_))).count();
        let clear = seen.iter().filter(|seen| matches!(seen.what, What::Clear { .. })).count();
        let of_others = self.wire.iter().filter(|sent| sent.media).count() - seen.len();
        let looked = Looked { keys: keys.all.len(), protected, clear, of_others, ..Looked::default() };
        let mut findings = pads::twice(self, &keys, &seen);
        findings.extend(pads::unprotected(self, &keys, &seen));
        let (unproven, looked) = played::unproven(self, &keys, &seen, looked);
        findings.extend(unproven);
        findings.extend(rest::left(self));
        let phone = |number: &usize| self.phones[*number].name.to_owned();
        findings.extend(keys.unread.iter().map(|(of, lines)| Finding::Unread { phone: phone(of), lines: *lines }));
        (findings, looked)
    }

    fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        for (number, phone) in self.phones.iter().enumerate() {
            phone.key_log.iter().for_each(|line| _ = keys.take(number, line));
        }
        keys
    }

    fn trace(&self, keys: &mut Keys) -> Vec<Seen<'w>> {
        let mut tracer = Tracer::default();
        let media = self.wire.iter().enumerate().filter(|(_, sent)| sent.media);
        let of_phones = media.filter_map(|(number, sent)| Some((number, self.phone_at(sent.from)?, sent)));
        let look = |(number, phone, sent): (usize, usize, &'w Sent)| {
            let what = tracer.look(&sent.bytes, keys);
            Seen { number, phone, sent, what }
        };
        of_phones.map(look).collect()
    }

    fn phone_at(&self, addr: SocketAddr) -> Option<usize> {
        self.phones.iter().position(|phone| phone.place.has(addr))
    }

    fn packet(&self, seen: &Seen<'_>) -> Packet {
        let Sent { at, from, to, .. } = *seen.sent;
        Packet { number: seen.number, at, phone: self.phones[seen.phone].name.into(), from, to }
    }
}

impl<'w> Phone<'w> {
    /// From when to when it had a call, by its own word: a port may be one call's after another.
    fn life_of(&self, call: CallId) -> RangeInclusive<Instant> {
        let told = |is: fn(&Event) -> Option<CallId>| {
            self.events.iter().find(|(_, event)| is(event) == Some(call)).map(|(at, _)| *at)
        };
        let began = told(|event| if let Event::Started { call, .. } = event { Some(*call) } else { None });
        let ended = told(|event| if let Event::Ended { call, .. } = event { Some(*call) } else { None });
        began.unwrap_or(Instant::ZERO)..=ended.unwrap_or(Instant::from_micros(u64::MAX))
    }

    fn is_outside(&self) -> bool {
        matches!(self.place, Place::Outside(..))
    }

    /// Did a call of its end meanwhile?
    fn ended_between(&self, from: Instant, to: Instant) -> bool {
        self.events.iter().any(|(at, event)| (from..=to).contains(at) && matches!(event, Event::Ended { .. }))
    }

    fn of(node: &'w Node) -> Self {
        Self {
            name: &node.name,
            place: node.place().clone(),
            may_be_clear: node.policy.media.allow_clear,
            may_be_read: node.policy.allow_null_cipher,
            key_log: node.key_log.iter().map(|line| line.as_str()).collect(),
            recordings: &node.recordings,
            events: &node.events,
            tables: vec![],
            waits: None,
        }
    }
}
