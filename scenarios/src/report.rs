//! What happened, on one page: HTML that stands alone, with its verdict, the ladder, the keys by their fingerprints, what
//! was refused and the recordings in it. It fetches nothing, runs no script, and forbids both to itself.
//!
//! However much happened, the page ends: each part has a limit and says what it left out.

mod audio;
mod axis;
mod calls;
mod events;
mod html;
mod keys;
mod ladder;
mod lanes;
mod peers;
mod refusals;
mod rows;
mod story;
mod timeline;
mod top;
mod uses;

pub use audio::{Player, wav_bytes};
pub use story::{Story, page};
pub use top::Verdict;

use crate::ladder::Ladder;
use crate::world::Sent;
use html::{escape, fill};
use keyphone_media::env::Instant;
use keyphone_ua::event::Event;
use peers::Peers;
use std::net::SocketAddr;
use uses::Uses;

/// What the page is about. All text may be whatever a user or a peer wrote: it is escaped here.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// The headline.
    pub title: String,
    /// What it is about, in a sentence or two; may be empty.
    pub about: String,
    /// What there is to know about the run: a name and a value each.
    pub facts: Vec<(String, String)>,
    /// What was expected, and whether it came so. Without any there is no verdict.
    pub verdicts: Vec<Verdict>,
    /// What was recorded.
    pub players: Vec<Player>,
    /// Who sent what.
    pub ladder: &'a Ladder,
    /// The phones, and what they told.
    pub phones: Vec<Phone<'a>>,
    /// What was sent, if there is a log of it: then packets are counted by key.
    pub log: &'a [Sent],
}

/// A phone, and what it told.
#[derive(Clone, Debug)]
pub struct Phone<'a> {
    /// What it is called; the ladder calls it the same.
    pub name: String,
    /// Its addresses. Its media may come from others of the same host.
    pub at: Vec<SocketAddr>,
    /// What it told, in order.
    pub events: &'a [(Instant, Event)],
}

const TEMPLATE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/style.css");

impl Page<'_> {
    /// The whole page. The same page gives the same octets.
    pub fn html(&self) -> String {
        let uses = Uses::of(self);
        let peers = Peers::of(self);
        fill(TEMPLATE, |name| match name {
            "title" => escape(&self.title),
            "style" => STYLE.into(),
            "top" => self.top(),
            "verdicts" => self.expectations(),
            "players" => self.players(),
            "ladder" => ladder::section(self.ladder),
            "timeline" => timeline::section(self, &uses, &peers),
            "keys" => self.keys(&uses),
            "proofs" => self.proofs(),
            "refusals" => self.refusals(),
            "counts" => self.counts(),
            "events" => self.told(),
            _ => String::new(),
        })
    }
}
