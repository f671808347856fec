//! The ladder: who sent what to whom, one column per phone, time going down. Drawn as text here, as SVG in the report.
//!
//! ```text
//!          alice                                     bob
//!     127.0.0.1:5060                           127.0.0.1:5070
//!  0.000 │───────── INVITE sip:bob@127.0.0.1 (UDP) ──────>│
//!        │  audio RTP/SAVP                                │
//!        │  key-mgmt: MIKEY PSK I_MESSAGE, CSB 7757f0cd   │
//!  0.001 │<───────────────── 180 Ringing ─────────────────│
//! ```

mod digest;
mod notes;
mod plain;
mod says;
mod text;
mod told;

pub use digest::{Digest, KeyMgmt};
pub(crate) use notes::note;
pub(crate) use plain::{cut, is_deceptive, wrap};
pub(crate) use told::names;

use crate::place::Place;
use keyphone_media::env::Instant;
use keyphone_ua::transaction::Transport;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

/// What was seen of some calls, in the order it was shown. Text in it is free of control characters.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    columns: Vec<Column>,
    entries: Vec<Entry>,
    left_out: u64,
    sent_before: VecDeque<u64>,
    /// Who first answered under a To-tag.
    tags: BTreeMap<String, usize>,
}

/// A phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// Its addresses, the one that stands under its name first.
    pub at: Vec<SocketAddr>,
    /// What else is its, for its media.
    place: Option<Place>,
}

/// Something on the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When: since the world began.
    pub at: Instant,
    /// What.
    pub kind: Kind,
}

/// What an entry shows. Numbers are those of [`Ladder::columns`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A SIP message.
    Message {
        /// Who sent it.
        from: usize,
        /// To whom.
        to: usize,
        /// Over what.
        transport: Transport,
        /// The same octets went the same way before: a retransmission.
        again: bool,
        /// Did it arrive?
        fate: Fate,
        /// Whose branch it belongs to (the To-tag), if neither end is that phone: a proxy hands it on.
        branch: Option<usize>,
        /// What it says. A retransmission says nothing but its headline.
        digest: Digest,
    },
    /// The first packet of some media.
    Media {
        /// Who sent it.
        from: usize,
        /// To whom.
        to: usize,
        /// What it is.
        what: String,
        /// When its last packet was sent, if that is known.
        until: Option<Instant>,
    },
    /// Something that one phone knows or does.
    Note {
        /// Which phone.
        who: usize,
        /// What.
        text: String,
    },
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It arrived, or nobody can tell.
    #[default]
    Arrived,
    /// It never did.
    Lost,
    /// It arrived twice.
    Twice,
    /// An attacker sent it under another's name, or changed it on its way: this is what arrived.
    Forged,
}

impl Ladder {
    /// What comes after so many entries is counted and not kept.
    pub const MAX_ENTRIES: usize = 5_000;
    /// A stranger beyond so many columns shares the last one.
    pub const MAX_COLUMNS: usize = 12;
    /// So many messages are remembered to tell a retransmission, and so many To-tags to tell a branch.
    const MEMORY: usize = 1_024;

    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the phone at `addr` its name and, if the name is new, the next column. One name may have many addresses.
    pub fn name(&mut self, addr: SocketAddr, name: &str) {
        let name = plain::line(name);
        match self.columns.iter_mut().find(|column| column.name == name) {
            Some(column) if column.at.contains(&addr) => {}
            Some(column) => column.at.push(addr),
            None => self.columns.push(Column { name, at: vec![addr], place: None }),
        }
    }

    /// The same for a phone of which more is known than an address.
    pub(crate) fn place(&mut self, place: &Place, name: &str) {
        self.name(place.sip(), name);
        if let Some(column) = self.columns.iter_mut().find(|column| column.at.contains(&place.sip())) {
            column.place = Some(place.clone());
        }
    }

    /// Shows a SIP message. Show each once, where it was sent.
    pub fn see(&mut self, at: Instant, from: SocketAddr, to: SocketAddr, transport: Transport, bytes: &[u8]) {
        let entry = self.message(at, from, to, transport, bytes, Fate::Arrived);
        self.keep(entry);
    }

    /// Shows that media began to flow: one arrow for its first packet.
    pub fn media(&mut self, at: Instant, from: SocketAddr, to: SocketAddr, what: String) {
        self.media_until(at, from, to, what, None);
    }

    fn media_until(&mut self, at: Instant, from: SocketAddr, to: SocketAddr, what: String, until: Option<Instant>) {
        let kind = Kind::Media { from: self.column(from), to: self.column(to), what: plain::line(&what), until };
        self.keep(Entry { at, kind });
    }

    /// Writes something under a phone.
    pub fn note(&mut self, at: Instant, who: SocketAddr, text: String) {
        let kind = Kind::Note { who: self.column(who), text: plain::line(&text) };
        self.keep(Entry { at, kind });
    }

    /// One line about a SIP message, for `--trace`: `0.123 alice -> bob  INVITE sip:bob@host  [RTP/SAVP, MIKEY ..]`.
    /// The ladder keeps it like any other.
    pub fn line(&mut self, at: Instant, from: SocketAddr, to: SocketAddr, tp: Transport, bytes: &[u8]) -> String {
        let entry = self.message(at, from, to, tp, bytes, Fate::Arrived);
        let line = self.one_line(&entry);
        self.keep(entry);
        line
    }

    /// One line about an entry of this ladder.
    pub fn one_line(&self, entry: &Entry) -> String {
        text::line(self, entry)
    }

    /// The phones, from left to right.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Who first answered under that To-tag.
    pub(crate) fn owner(&self, tag: &str) -> Option<&Column> {
        self.columns.get(*self.tags.get(&plain::line(tag))?)
    }

    /// Whose address that is, if it is somebody's here.
    pub(crate) fn whose(&self, addr: SocketAddr) -> Option<&Column> {
        self.find(addr).and_then(|column| self.columns.get(column))
    }

    /// What was shown, in its order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The headline of a message: with the transport of a request, whose branch it is about, and what became of it. For
    /// all else what it says.
    pub(crate) fn title(&self, kind: &Kind) -> String {
        match kind {
            Kind::Message { transport, again, fate, branch, digest, .. } => {
                let mut title = digest.what.clone();
                if digest.is_request {
                    title += &format!(" ({transport})");
                }
                if let Some(column) = branch.and_then(|owner| self.columns.get(owner)) {
                    title += &format!(" ({} {})", if digest.is_request { "for" } else { "of" }, column.name);
                }
                if *again {
                    title += " (again)";
                }
                title += match fate {
                    Fate::Arrived => "",
                    Fate::Lost => " (lost)",
                    Fate::Twice => " (arrives twice)",
                    Fate::Forged => " (forged)",
                };
                title
            }
            Kind::Media { what, .. } => what.clone(),
            Kind::Note { text, .. } => text.clone(),
        }
    }

    /// How many entries were not kept, because there were too many.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The ladder for a terminal of `width` characters. Many phones may need more.
    pub fn to_text(&self, width: usize) -> String {
        text::draw(self, width)
    }

    fn message(
        &mut self,
        at: Instant,
        from: SocketAddr,
        to: SocketAddr,
        transport: Transport,
        bytes: &[u8],
        fate: Fate,
    ) -> Entry {
        let again = self.was_sent_before(from, to, bytes);
        let (from, to) = (self.column(from), self.column(to));
        let digest = Digest::of(bytes);
        let branch = self.branch(&digest, from).filter(|owner| ![from, to].contains(owner));
        let digest = if again { digest.repeated() } else { digest };
        Entry { at, kind: Kind::Message { from, to, transport, again, fate, branch, digest } }
    }

    /// Who first answered under the To-tag of that message.
    fn branch(&mut self, digest: &Digest, from: usize) -> Option<usize> {
        let tag = digest.tag.as_ref()?;
        if let Some(owner) = self.tags.get(tag) {
            return Some(*owner);
        }
        if !digest.is_request && self.tags.len() < Self::MEMORY {
            self.tags.insert(tag.clone(), from);
        }
        None
    }

    fn was_sent_before(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        (from, to, bytes).hash(&mut hasher);
        let hash = hasher.finish();
        if self.sent_before.contains(&hash) {
            return true;
        }
        if self.sent_before.len() == Self::MEMORY {
            self.sent_before.pop_front();
        }
        self.sent_before.push_back(hash);
        false
    }

    fn keep(&mut self, entry: Entry) {
        match self.entries.len() < Self::MAX_ENTRIES {
            true => self.entries.push(entry),
            false => self.left_out += 1,
        }
    }

    /// The phone at that address; else the only phone on that host, for its media ports; else a stranger.
    fn column(&mut self, addr: SocketAddr) -> usize {
        if let Some(known) = self.find(addr) {
            return known;
        }
        if self.columns.len() < Self::MAX_COLUMNS || self.columns.is_empty() {
            self.columns.push(Column { name: addr.to_string(), at: vec![addr], place: None });
        }
        self.columns.len() - 1
    }

    fn find(&self, addr: SocketAddr) -> Option<usize> {
        if let Some(exact) = self.columns.iter().position(|c| c.at.contains(&addr)) {
            return Some(exact);
        }
        if let Some(his) = self.columns.iter().position(|c| c.place.as_ref().is_some_and(|place| place.has(addr))) {
            return Some(his);
        }
        let on_host = |(_, c): &(usize, &Column)| c.at.iter().any(|a| a.ip() == addr.ip());
        let mut on_host = self.columns.iter().enumerate().filter(on_host);
        match (on_host.next(), on_host.next()) {
            (Some((only, _)), None) => Some(only),
            _ => None,
        }
    }
}

impl Column {
    /// What stands under the name: nothing for a stranger, who is named by it.
    pub(crate) fn address(&self) -> String {
        self.at.first().map(ToString::to_string).filter(|at| *at != self.name).unwrap_or_default()
    }
}

/// As wide as most terminals are.
impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(100))
    }
}

/// Seconds with three digits.
pub(crate) fn seconds(at: Instant) -> String {
    let ms = at.as_micros() / 1_000;
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_phone_is_known_by_each_of_its_addresses_and_a_lone_one_by_its_host() {
        let mut ladder = Ladder::new();
        ladder.name(addr("10.0.0.1:5060"), "alice");
        ladder.name(addr("10.0.0.2:5060"), "bob");
        ladder.name(addr("10.0.0.2:5070"), "carol");
        ladder.name(addr("10.0.0.2:4000"), "carol");
        let mut at = |text: &str| ladder.column(addr(text));
        assert_eq!((at("10.0.0.1:40000"), at("10.0.0.2:5060"), at("10.0.0.2:4000")), (0, 1, 2));
        assert_eq!(at("10.0.0.2:4002"), 3, "two phones share that host");
        assert_eq!(ladder.columns()[3].name, "10.0.0.2:4002");
    }

    #[test]
    fn strangers_do_not_widen_the_ladder_for_ever() {
        let mut ladder = Ladder::new();
        for port in 1..100 {
            ladder.note(Instant::ZERO, addr(&format!("192.0.2.{port}:{port}")), "hello".into());
        }
        assert_eq!(ladder.columns().len(), Ladder::MAX_COLUMNS);
        assert_eq!(ladder.entries().len(), 99);
    }

    #[test]
    fn a_long_life_is_counted_and_not_kept() {
        let mut ladder = Ladder::new();
        for _ in 0..Ladder::MAX_ENTRIES + 3 {
            ladder.note(Instant::ZERO, addr("10.0.0.1:5060"), "hello".into());
        }
        assert_eq!((ladder.entries().len(), ladder.left_out()), (Ladder::MAX_ENTRIES, 3));
        assert!(ladder.to_text(80).ends_with("3 more are not shown\n"));
    }
}
