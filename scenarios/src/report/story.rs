//! The page of a simulated world.

use super::audio::Player;
use super::{Page, Phone, Verdict, wav_bytes};
use crate::ladder::{Ladder, names};
use crate::world::World;
use std::net::SocketAddr;

/// What a world does not know of itself.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// The headline.
    pub title: String,
    /// What it is about, in a sentence or two; may be empty.
    pub about: String,
    /// What there is to know about the run, as a name and a value each: the seed, and the command that replays it.
    pub facts: Vec<(String, String)>,
    /// What was expected, and whether it came so.
    pub verdicts: Vec<Verdict>,
    /// Who is at the addresses at which no phone is: proxies, attackers.
    pub others: Vec<(String, Vec<SocketAddr>)>,
}

/// The page that tells that story, with all that the world has in its log, and the recordings of its phones.
pub fn page(story: &Story, world: &World) -> String {
    let ladder = Ladder::of_world(world, &story.others);
    let names = names(world, &story.others);
    let named = || world.nodes().iter().zip(&names);
    let players = named().flat_map(|(node, name)| {
        let many = node.recordings.len() > 1;
        node.recordings.iter().map(move |(call, recording)| Player {
            title: format!("What {name} heard"),
            wav: wav_bytes(recording.rate, &recording.samples),
            note: if many { format!("in call {call}") } else { String::new() },
        })
    });
    Page {
        title: story.title.clone(),
        about: story.about.clone(),
        facts: story.facts.clone(),
        verdicts: story.verdicts.clone(),
        players: players.collect(),
        ladder: &ladder,
        phones: named()
            .map(|(node, name)| Phone { name: name.clone(), at: vec![node.sip()], events: &node.events })
            .collect(),
        log: world.log(),
    }
    .html()
}
