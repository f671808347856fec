//! The ladder of a whole simulated world: what its log says was sent and what became of it, and what its phones told.

use super::{Fate, Ladder, note};
use crate::streams::{Flow, Stream};
use crate::world::{Sent, World};
use keyphone_ua::event::{Event, KeyUse};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// What comes first of what happened at one time: what a phone learnt, what it said then, and its media.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Note { node: usize, event: usize },
    Message(usize),
    Forged(usize),
    Media { stream: usize, spell: usize },
}

/// A stream, and whether an attacker sent it.
struct Flowing {
    stream: Stream,
    forged: bool,
}

impl Ladder {
    /// All of a world. `others` are the names of addresses at which no phone is: proxies, attackers. They stand behind
    /// the first phone. Phones of one name are numbered.
    pub fn of_world(world: &World, others: &[(String, Vec<SocketAddr>)]) -> Self {
        let flowing = |forged| move |stream| Flowing { stream, forged };
        let streams = Stream::all(world.log()).into_iter().map(flowing(false));
        let streams: Vec<_> = streams.chain(Stream::all(world.forged()).into_iter().map(flowing(true))).collect();
        let mut ladder = Self::new();
        let names = names(world, others);
        let mut phones = world.nodes().iter().zip(&names);
        phones.by_ref().take(1).for_each(|(node, name)| ladder.place(node.place(), name));
        for (name, at) in others {
            at.iter().for_each(|at| ladder.name(*at, name));
        }
        phones.for_each(|(node, name)| ladder.place(node.place(), name));

        let messages = |of: &[Sent], told: fn(usize) -> Told| {
            let messages = of.iter().enumerate().filter(|(_, sent)| !sent.media);
            messages.map(|(number, sent)| (sent.at, told(number))).collect::<Vec<_>>()
        };
        let (log, forged) = (world.log(), world.forged());
        let mut told = messages(log, Told::Message);
        told.extend(messages(forged, Told::Forged));
        for (number, node) in world.nodes().iter().enumerate() {
            let events = node.events.iter().enumerate().filter(|(_, (_, event))| note(event).is_some());
            told.extend(events.map(|(event, (at, _))| (*at, Told::Note { node: number, event })));
        }
        for (number, stream) in streams.iter().enumerate() {
            let spells = stream.stream.spells.iter().enumerate();
            told.extend(spells.map(|(spell, said)| (said.first, Told::Media { stream: number, spell })));
        }
        told.sort();
        for (at, what) in told {
            match what {
                Told::Message(number) => ladder.see_sent(&log[number], None),
                Told::Forged(number) => ladder.see_sent(&forged[number], Some(Fate::Forged)),
                Told::Note { node, event } => {
                    let node = &world.nodes()[node];
                    ladder.note(at, node.sip(), note(&node.events[event].1).unwrap_or_default());
                }
                Told::Media { stream, spell } => {
                    let Flowing { stream, forged } = &streams[stream];
                    let kind = match (forged, is_keyed(world, stream)) {
                        (true, _) => "forged ",
                        (false, true) => "S",
                        (false, false) => "",
                    };
                    ladder.see_stream(stream, spell, kind);
                }
            }
        }
        ladder
    }

    fn see_sent(&mut self, sent: &Sent, fate: Option<Fate>) {
        let fate = fate.unwrap_or(match sent.arrived.len() {
            0 => Fate::Lost,
            1 => Fate::Arrived,
            _ => Fate::Twice,
        });
        let entry = self.message(sent.at, sent.from, sent.to, sent.transport, &sent.bytes, fate);
        self.keep(entry);
    }

    fn see_stream(&mut self, stream: &Stream, spell: usize, kind: &str) {
        let said = &stream.spells[spell];
        let what = match stream.flow {
            Flow::Rtp(ssrc) => format!("{kind}RTP {ssrc}"),
            Flow::Rtcp(ssrc) => format!("{kind}RTCP {ssrc}"),
            Flow::Other => format!("{} packets", if kind == "forged " { "forged" } else { "other" }),
        };
        self.media_until(said.first, stream.from, stream.to, format!("{what}: {}", said.counts), Some(said.last));
    }
}

/// Has its sender said that it has a key for it?
fn is_keyed(world: &World, stream: &Stream) -> bool {
    let (Flow::Rtp(ssrc) | Flow::Rtcp(ssrc)) = stream.flow else { return false };
    let name = ssrc.to_string();
    let keys = |event: &Event| match event {
        Event::Key { use_for: KeyUse::Send, ssrc, .. } => ssrc.as_ref().is_none_or(|ssrc| *ssrc == name),
        _ => false,
    };
    let sender = world.nodes().iter().find(|node| node.place().has(stream.from));
    sender.is_some_and(|node| node.events.iter().any(|(_, event)| keys(event)))
}

/// What the phones of a world are called, in their order: the second `bob` is `bob 2`.
pub(crate) fn names(world: &World, others: &[(String, Vec<SocketAddr>)]) -> Vec<String> {
    let mut taken: BTreeSet<String> = others.iter().map(|(name, _)| name.clone()).collect();
    let mut names = vec![];
    for node in world.nodes() {
        let numbered = (2..).map(|number| format!("{} {number}", node.name));
        let name = [node.name.clone()].into_iter().chain(numbered).find(|name| !taken.contains(name));
        let name = name.unwrap_or_default();
        taken.insert(name.clone());
        names.push(name);
    }
    names
}
