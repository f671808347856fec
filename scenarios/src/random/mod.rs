//! Worlds that nobody thought of: from a seed a [`Script`] of phones, forks, links, modes and attackers. It is a script
//! like any other, so that a world in which something goes wrong can be kept, read, made smaller and run again.

mod chance;
mod deeds;
mod judge;
mod people;
mod places;

pub use judge::{Judgement, judge};

use crate::script::{Expectation, Safety, Script};
use chance::Chance;

/// The world of a seed.
pub fn script(seed: u64) -> Script {
    let dice = &mut Chance::new(seed);
    let mut script = Script::new(&format!("random world {seed}"));
    script.about = "Made up by dice: whatever happens here, no key stream is used twice, nothing unproven is played, \
                    nothing leaves in the clear without permission, and every call ends."
        .into();
    people::invite(&mut script, dice);
    places::build(&mut script, dice);
    deeds::happen(&mut script, dice);
    let aside = &mut Chance::aside(seed);
    people::secure(&mut script, aside);
    people::clash(&mut script, aside);
    script.expect = vec![Expectation::Safety(Safety::NothingWrong)];
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Act, Way};
    use keyphone_config::KeyingSystem;
    use std::collections::BTreeSet;

    #[test]
    fn every_world_can_be_written_down_and_read_again() {
        for seed in 0..500 {
            let script = script(seed);
            let text = script.to_string();
            match Script::parse(&text, "a world") {
                Ok(read) => assert!(read == script, "{seed}:\n{text}\n{read}"),
                Err(error) => panic!("{seed}: {error}\n{text}"),
            }
        }
    }

    #[test]
    fn one_seed_is_one_world_and_another_is_another() {
        assert_eq!(script(7), script(7));
        assert_ne!(script(7).to_string(), script(8).to_string());
    }

    #[test]
    fn in_a_few_hundred_worlds_everything_happens() {
        let scripts: Vec<_> = (0..400).map(script).collect();
        let phones = || scripts.iter().flat_map(|script| &script.phones);
        let modes: BTreeSet<_> =
            phones().flat_map(|phone| &phone.keying.systems).map(KeyingSystem::to_string).collect();
        assert_eq!(modes.len(), 6, "{modes:?}");
        let kinds = |of: &dyn Fn(&Script) -> Vec<String>| scripts.iter().flat_map(of).collect::<BTreeSet<_>>();
        let first_word = |text: String| text.split([' ', '(']).next().map(str::to_owned).unwrap_or_default();
        let acts = kinds(&|script| script.steps.iter().map(|step| first_word(step.act.to_string())).collect());
        assert_eq!(acts.len(), 11, "{acts:?}");
        let deeds = kinds(&|s| {
            s.attackers.iter().flat_map(|a| &a.does).map(|does| first_word(does.deed.to_string())).collect()
        });
        assert_eq!(deeds.len(), 9, "{deeds:?}");
        let ways = kinds(&|script| {
            let rules = script.proxies.iter().flat_map(|proxy| &proxy.rules);
            rules.map(|rule| first_word(format!("{:?}", rule.way))).collect()
        });
        assert_eq!(ways.len(), 4, "{ways:?}");
        let count = |is: &dyn Fn(&Script) -> bool| scripts.iter().filter(|script| is(script)).count();
        assert!(count(&|script| script.phones.iter().filter(|phone| phone.ssrc.is_some()).count() == 2) > 80);
        assert!(count(&|script| script.phones.iter().any(|phone| phone.keying.allow_clear)) > 80);
        assert!(count(&|script| script.links.len() > 1) > 80);
        let forks = |way: &Way| matches!(way, Way::Forks(to) | Way::Tries(to, _) if to.len() > 1);
        assert!(count(&|script| script.proxies.iter().flat_map(|p| &p.rules).any(|rule| forks(&rule.way))) > 80);
        let tls = |script: &Script| script.phones.iter().filter(|phone| phone.tls).count();
        assert!(count(&|script| tls(script) > 1) > 40 && count(&|script| tls(script) == 0) > 250);
        assert!(count(&|script| tls(script) > 0 && tls(script) < script.phones.len()) > 10, "some have it, some not");
        let policies: BTreeSet<_> = phones().map(|phone| format!("{:?}", phone.keying.on_clash)).collect();
        assert_eq!(policies.len(), 3, "{policies:?}");
        let rekeys = |script: &Script| script.steps.iter().any(|step| matches!(step.act, Act::Rekeys(_)));
        assert!(count(&rekeys) > 100);
    }
}
