//! Who used which key for which SSRC, packet by packet: what each phone told of its keys, held against the log.
//!
//! A packet counts for the key that its sender last said it speaks with; the wire does not tell.

use super::Page;
use super::peers::Peers;
use crate::streams::{Fates, Flow, Spell};
use crate::world::Sent;
use keyphone_media::env::Instant;
use keyphone_media::rtp::{Header, Ssrc};
use keyphone_ua::event::{CallId, Event, KeyUse};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A key that a phone said it uses.
pub(super) struct Said<'a> {
    pub(super) at: Instant,
    pub(super) phone: usize,
    pub(super) call: CallId,
    pub(super) key: &'a str,
    pub(super) suite: &'a str,
    pub(super) use_for: KeyUse,
    /// `None`: whoever authenticates.
    pub(super) ssrc: Option<&'a str>,
    /// The branch whose answer brought it, if one was verified just then.
    pub(super) branch: Option<&'a str>,
}

/// RTP that one phone sent to another under one key and SSRC.
pub(super) struct Use<'a> {
    pub(super) from: usize,
    pub(super) to: usize,
    /// `None` if the sender told of none.
    pub(super) key: Option<&'a str>,
    pub(super) ssrc: Ssrc,
    pub(super) counts: Fates,
    pub(super) spells: Vec<Spell>,
    /// How many arrived before the other side had the key.
    pub(super) before_key: u64,
    /// Has the other side, at any time, the key?
    pub(super) key_known: bool,
}

/// All keys and their uses.
pub(super) struct Uses<'a> {
    pub(super) said: Vec<Said<'a>>,
    pub(super) uses: Vec<Use<'a>>,
    /// Packets of one key and SSRC that share an index and are not the same.
    pub(super) clashes: BTreeMap<(&'a str, Ssrc), u64>,
}

/// Further uses are not counted.
const MAX_USES: usize = 2_000;
/// A sequence number that comes again after so many packets has another rollover counter (RFC 3711 section 3.3.1).
const WINDOW: u64 = 1 << 15;

impl<'a> Uses<'a> {
    pub(super) fn of(page: &'a Page<'a>) -> Self {
        let said: Vec<_> = page.phones.iter().enumerate().flat_map(|(n, phone)| Said::all(n, phone.events)).collect();
        let mut count = Count::of(&said);
        let (peers, mut known) = (Peers::of(page), BTreeMap::new());
        for sent in page.log.iter().filter(|sent| sent.media) {
            let (from, to) = (sent.from, sent.to);
            let ends = known.entry((from, to)).or_insert_with(|| peers.phone_at(from).zip(peers.phone_at(to)));
            if let (Some((from, to)), Flow::Rtp(ssrc)) = (*ends, Flow::of(&sent.bytes)) {
                count.take(sent, from, to, ssrc);
            }
        }
        Self { said, uses: count.uses, clashes: count.clashes }
    }

    /// What a phone sent, or was sent, under a key.
    pub(super) fn under(&self, key: &str, use_for: KeyUse, phone: usize) -> impl Iterator<Item = &Use<'a>> {
        let own = move |u: &&Use<'_>| match use_for {
            KeyUse::Send => u.from == phone,
            KeyUse::Hear => u.to == phone,
        };
        self.uses.iter().filter(move |u| u.key == Some(key)).filter(own)
    }
}

impl<'a> Said<'a> {
    /// All that a phone said of its keys.
    fn all(phone: usize, events: &'a [(Instant, Event)]) -> impl Iterator<Item = Self> {
        events.iter().filter_map(move |(at, event)| match event {
            Event::Key { call, key, suite, use_for, ssrc, branch } => {
                let branch = branch.as_deref();
                Some(Self { at: *at, phone, call: *call, key, suite, use_for: *use_for, ssrc: ssrc.as_deref(), branch })
            }
            _ => None,
        })
    }
}

/// What a phone speaks with, and since when.
type Speaks<'a> = Vec<(Instant, &'a str)>;

/// The packets of a key and SSRC.
#[derive(Default)]
struct Seen {
    count: u64,
    /// By sequence number: the last one's hash, and which it was.
    last: BTreeMap<u16, (u64, u64)>,
}

struct Count<'a> {
    uses: Vec<Use<'a>>,
    numbers: BTreeMap<(usize, usize, Option<&'a str>, Ssrc), usize>,
    /// By phone, and SSRC if it named one.
    speaks: BTreeMap<(usize, Option<&'a str>), Speaks<'a>>,
    /// Since when a phone hears a key.
    hears: BTreeMap<(usize, &'a str), Instant>,
    seen: BTreeMap<(&'a str, Ssrc), Seen>,
    clashes: BTreeMap<(&'a str, Ssrc), u64>,
}

impl<'a> Count<'a> {
    fn of(said: &[Said<'a>]) -> Self {
        let (mut speaks, mut hears): (BTreeMap<_, Vec<_>>, BTreeMap<_, _>) = Default::default();
        for said in said {
            match said.use_for {
                KeyUse::Send => speaks.entry((said.phone, said.ssrc)).or_default().push((said.at, said.key)),
                KeyUse::Hear => {
                    hears.entry((said.phone, said.key)).or_insert(said.at);
                }
            }
        }
        let (numbers, seen, clashes) = Default::default();
        Self { uses: vec![], numbers, speaks, hears, seen, clashes }
    }

    fn take(&mut self, sent: &Sent, from: usize, to: usize, ssrc: Ssrc) {
        let key = self.key_of(from, ssrc, sent.at);
        let known = key.and_then(|key| self.hears.get(&(to, key)).copied());
        let number = match self.numbers.get(&(from, to, key, ssrc)) {
            Some(number) => *number,
            None if self.uses.len() >= MAX_USES => return,
            None => {
                let (counts, spells, key_known) = (Fates::default(), vec![], known.is_some());
                self.uses.push(Use { from, to, key, ssrc, counts, spells, before_key: 0, key_known });
                self.numbers.insert((from, to, key, ssrc), self.uses.len() - 1);
                self.uses.len() - 1
            }
        };
        let of = &mut self.uses[number];
        let (lost, twice) = (sent.arrived.is_empty(), sent.arrived.len() > 1);
        of.counts += Fates { sent: 1, lost: u64::from(lost), twice: u64::from(twice) };
        Spell::add(&mut of.spells, sent);
        let early = sent.arrived.first().zip(known).is_some_and(|(arrived, known)| *arrived < known);
        of.before_key += u64::from(early);
        if let (Some(key), Ok(header)) = (key, Header::parse(&sent.bytes)) {
            self.look_for_clash((key, ssrc), header.sequence(), &sent.bytes);
        }
    }

    /// What a phone has last said, by then, that it speaks with under that SSRC.
    fn key_of(&self, phone: usize, ssrc: Ssrc, by: Instant) -> Option<&'a str> {
        let name = ssrc.to_string();
        let last = |ssrc| self.speaks.get(&(phone, ssrc))?.iter().rev().find(|(at, _)| *at <= by).copied();
        [last(Some(name.as_str())), last(None)].into_iter().flatten().max_by_key(|(at, _)| *at).map(|(_, key)| key)
    }

    fn look_for_clash(&mut self, pair: (&'a str, Ssrc), sequence: u16, bytes: &[u8]) {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let hash = hasher.finish();
        let Seen { count, last } = self.seen.entry(pair).or_default();
        *count += 1;
        let before = last.insert(sequence, (hash, *count));
        if before.is_some_and(|(other, number)| other != hash && *count - number < WINDOW) {
            *self.clashes.entry(pair).or_default() += 1;
        }
    }
}
