//! Who used which (key, SSRC), and what was proven of whom.

use super::Page;
use super::calls::words;
use super::html::{Table, escape, section};
use super::peers::Peers;
use super::uses::{Said, Uses};
use crate::ladder::seconds;
use crate::streams::Fates;
use keyphone_ua::event::{Event, KeyUse};
use std::collections::BTreeMap;

const KEYS: &[&str] = &["Key", "SSRC", "Sent by", "Heard by", "Cipher", "Check"];
const PROOFS: &[&str] = &["Time", "Phone", "SIP names", "Proven", "How"];
const VERIFIED: &[&str] = &["Time", "Phone", "Branch", "Count", "Why now"];
/// In octets.
const MAX_KEYS: usize = 90_000;
const MAX_PROOFS: usize = 50_000;

/// A key with an SSRC, and by whom it was used. Phones are numbers.
#[derive(Default)]
struct Pair {
    suite: String,
    sent: BTreeMap<usize, Option<Fates>>,
    heard: BTreeMap<usize, Option<Fates>>,
}

/// More phones that have a key and did nothing with it are counted.
const MAX_IDLE: usize = 4;

/// What stands for the SSRC where a phone hears whoever authenticates.
const ANY: &str = "any";

impl Page<'_> {
    pub(super) fn keys(&self, uses: &Uses<'_>) -> String {
        let mut table = Table::new(KEYS, "words", MAX_KEYS);
        let pairs = pairs(uses);
        let mut judged = vec![];
        for ((key, ssrc), pair) in &pairs {
            judged.push((key, ssrc, pair, self.trouble(key, ssrc, pair, uses)));
        }
        // What is wrong comes first, what nobody used last.
        judged.sort_by_key(|(_, _, pair, trouble)| (trouble.is_none(), !self.is_used(pair)));
        for (key, ssrc, pair, trouble) in judged {
            let ssrc = if ssrc == ANY { ANY.into() } else { format!("<code>{}</code>", escape(ssrc)) };
            let check = match &trouble {
                Some(what) => format!("<b class=\"bad\">✗ two-time pad</b> {}", escape(what)),
                None if self.is_used(pair) => "✓ one sender".into(),
                None => "not used".into(),
            };
            let cells = [
                format!("<code class=\"key\">{}</code>", escape(key)),
                ssrc,
                self.who(&pair.sent),
                self.who(&pair.heard),
                escape(&pair.suite),
                check,
            ];
            table.row(if trouble.is_some() { "bad" } else { "" }, &cells);
        }
        if table.is_empty() {
            return String::new();
        }
        let hint = "By fingerprint: the keys themselves are nowhere on this page. Under one key each sender needs an \
                    SSRC of its own (RFC 3711 section 9.1).";
        section("keys", "Who used which key", hint, &table.html("Who used which key"))
    }

    fn who(&self, used: &BTreeMap<usize, Option<Fates>>) -> String {
        let one = |(phone, fates): (&usize, &Option<Fates>)| {
            let name = escape(&self.phones[*phone].name);
            match fates {
                Some(fates) => format!("{name} <span class=\"soft\">{fates}</span>"),
                None => name,
            }
        };
        // Who has a key and did nothing with it is one of many in a fork.
        let (active, idle): (Vec<_>, Vec<_>) = used.iter().partition(|(_, fates)| fates.is_some());
        let named = if idle.len() > MAX_IDLE { 0 } else { idle.len() };
        let others =
            (named < idle.len()).then(|| format!("<span class=\"soft\">{} phones, nothing</span>", idle.len()));
        let lines: Vec<_> = active.into_iter().chain(idle.into_iter().take(named)).map(one).chain(others).collect();
        if lines.is_empty() { "nobody".into() } else { lines.join("<br>") }
    }

    /// Did anybody send under it? Without a log who could is taken for who did.
    fn is_used(&self, pair: &Pair) -> bool {
        let sent = |fates: &Option<Fates>| fates.map_or(self.log.is_empty(), |fates| fates.sent > 0);
        pair.sent.values().any(sent)
    }

    /// Why the pair is a two-time pad, if it is one.
    fn trouble(&self, key: &str, ssrc: &str, pair: &Pair, uses: &Uses<'_>) -> Option<String> {
        let on_wire = uses.clashes.iter().find(|((k, s), _)| *k == key && s.to_string() == ssrc);
        if let Some((_, clashes)) = on_wire {
            return Some(format!("{clashes} packets share an index with another"));
        }
        let told = self.phones.iter().flat_map(|phone| phone.events).find_map(|(_, event)| match event {
            Event::TwoTimePad { ssrc: of, what, .. } if of == ssrc && self.is_used(pair) => Some(what.clone()),
            _ => None,
        });
        let spoke = pair.sent.values().filter(|fates| fates.map_or(self.log.is_empty(), |f| f.sent > 0)).count();
        told.or((spoke > 1).then(|| format!("{spoke} phones sent under it")))
    }

    pub(super) fn proofs(&self) -> String {
        let mut table = Table::new(PROOFS, "words", MAX_PROOFS);
        for phone in &self.phones {
            for (at, event) in phone.events {
                if let Event::Peer { named, proven, how, .. } = event {
                    let cells = [seconds(*at), phone.name.clone(), named.clone(), proven.clone(), how.clone()];
                    table.row("", &cells.map(|cell| escape(&cell)));
                }
            }
        }
        let mut parts = if table.is_empty() { String::new() } else { table.html("Who was proven to be whom") };
        parts += &self.verified();
        match parts.is_empty() {
            true => String::new(),
            false => section("proofs", "Who was proven to be whom", "", &parts),
        }
    }

    /// Which answers were verified, and why just then: each is work.
    fn verified(&self) -> String {
        let mut table = Table::new(VERIFIED, "words", MAX_PROOFS);
        let peers = Peers::of(self);
        for phone in &self.phones {
            for (at, event) in phone.events {
                let Event::Verified { branch, count, why, .. } = event else { continue };
                let name = peers.owner(branch).map_or_else(|| branch.clone(), |peer| self.phones[peer].name.clone());
                let cells = [seconds(*at), phone.name.clone(), name, count.to_string(), words(*why).into()];
                table.row("", &cells.map(|cell| escape(&cell)));
            }
        }
        match table.is_empty() {
            true => String::new(),
            false => format!("<h3>Answers that were verified</h3>\n{}", table.html("Answers that were verified")),
        }
    }
}

fn pairs(uses: &Uses<'_>) -> BTreeMap<(String, String), Pair> {
    let mut pairs: BTreeMap<(String, String), Pair> = BTreeMap::new();
    let named = |said: &Said<'_>| said.ssrc.map(|ssrc| (said.key.to_owned(), ssrc.to_owned()));
    for said in &uses.said {
        let Some(pair) = named(said) else { continue };
        let pair = pairs.entry(pair).or_default();
        pair.suite = said.suite.into();
        let users = if said.use_for == KeyUse::Send { &mut pair.sent } else { &mut pair.heard };
        users.entry(said.phone).or_default();
    }
    for used in &uses.uses {
        let Some(key) = used.key else { continue };
        let pair = pairs.entry((key.into(), used.ssrc.to_string())).or_default();
        *pair.sent.entry(used.from).or_default().get_or_insert_default() += used.counts;
        if used.key_known {
            let Fates { sent, lost, .. } = used.counts;
            let arrived = Fates { sent: sent - lost, lost: 0, twice: 0 };
            *pair.heard.entry(used.to).or_default().get_or_insert_default() += arrived;
        }
    }
    // Who hears whoever authenticates hears all that are named elsewhere.
    for said in uses.said.iter().filter(|said| said.ssrc.is_none()) {
        let mut others = pairs.iter_mut().filter(|((key, _), _)| key == said.key).peekable();
        if others.peek().is_none() {
            let pair = pairs.entry((said.key.into(), ANY.into())).or_default();
            pair.suite = said.suite.into();
            pair.heard.entry(said.phone).or_default();
            continue;
        }
        for (_, pair) in others {
            pair.heard.entry(said.phone).or_default();
        }
    }
    pairs
}
