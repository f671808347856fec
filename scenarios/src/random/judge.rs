//! Runs a world and has the observer judge it.

use crate::observer::{Evidence, Finding, Looked};
use crate::pki::Pki;
use crate::proxy::Proxy;
use crate::run::run;
use crate::script::Script;
use keyphone_ua::event::Event;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What became of a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What is wrong; nothing should be.
    pub findings: Vec<Finding>,
    /// What the observer looked at.
    pub looked: Looked,
    /// What attackers sent or changed.
    pub forged: usize,
    /// How often each kind of event was told, by its name; `call.answered` with the keying behind it.
    pub told: BTreeMap<String, usize>,
}

/// Plays a script with the dice of a seed, and judges it.
///
/// # Errors
/// One sentence, if the script speaks of somebody who is not there.
pub fn judge(script: &Script, seed: u64, pki: &Pki) -> Result<Judgement, String> {
    caught(|| {
        let world = run(script, seed, pki)?.world;
        let (mut findings, looked) = Evidence::of(&world).judge_all();
        findings.extend(world.proxies().flat_map(left_in));
        let mut told = BTreeMap::new();
        for (_, event) in world.nodes().iter().flat_map(|node| &node.events) {
            *told.entry(name(event)).or_default() += 1;
        }
        Ok(Judgement { findings, looked, forged: world.forged().len(), told })
    })
}

/// A proxy forgets its calls as well.
fn left_in(proxy: &Proxy) -> Vec<Finding> {
    let tables = [("transactions", proxy.transactions()), ("response contexts", proxy.contexts())];
    let full = tables.into_iter().filter(|(_, entries)| *entries > 0);
    full.map(|(table, entries)| Finding::Left { phone: format!("the proxy at {}", proxy.sip()), table, entries })
        .collect()
}

fn name(event: &Event) -> String {
    let name = serde_json::to_value(event).ok().and_then(|event| Some(event.get("event")?.as_str()?.to_owned()));
    let name = name.unwrap_or_default();
    match event {
        Event::Answered { keying, .. } => format!("{name} {keying}"),
        _ => name,
    }
}

/// Whoever panics does not take the other worlds along.
fn caught(judge: impl FnOnce() -> Result<Judgement, String>) -> Result<Judgement, String> {
    // Nothing is used any more of a world in which somebody has panicked.
    catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let what = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
        Ok(Judgement { findings: vec![Finding::Panicked { what: what.into() }], ..Judgement::default() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_finding() {
        let says = |text: &str| Ok(vec![Finding::Panicked { what: text.into() }]);
        let findings = |judged: Result<Judgement, String>| judged.map(|judged| judged.findings);
        assert_eq!(findings(caught(|| panic!("at the disco"))), says("at the disco"));
        assert_eq!(findings(caught(|| panic!("{} times", 3))), says("3 times"));
    }
}
