//! What can be shown of a run: the ladder, and the page.

use super::Run;
use crate::ladder::Ladder;
use crate::report::{Story, page};
use crate::script::Name;
use std::net::SocketAddr;

impl Run {
    /// Who sent what to whom, and what the phones made of it.
    pub fn ladder(&self) -> Ladder {
        Ladder::of_world(&self.world, &self.others())
    }

    /// All of it on one page of HTML that needs nothing else. `replay` is the command that runs it again.
    pub fn page(&self, replay: &str) -> String {
        let seed = self.seed.map(|seed| ("Seed".to_owned(), seed.to_string()));
        let unseen =
            self.unseen.iter().map(|unseen| ("Not seen".to_owned(), format!("{}: {}", unseen.sentence, unseen.why)));
        let story = Story {
            title: self.script.title.clone(),
            about: self.script.about.clone(),
            facts: seed.into_iter().chain([("Run it again".to_owned(), replay.to_owned())]).chain(unseen).collect(),
            verdicts: self.verdicts.clone(),
            others: self.others(),
        };
        page(&story, &self.world)
    }

    /// Who is where no phone is.
    fn others(&self) -> Vec<(String, Vec<SocketAddr>)> {
        let named = |(name, at): (&Name, SocketAddr)| (name.to_string(), vec![at]);
        let proxies = self.cast.proxies.iter().map(|proxy| (&proxy.name, proxy.sip));
        proxies.chain(self.cast.attackers.iter().map(|(name, at)| (name, *at))).map(named).collect()
    }
}
