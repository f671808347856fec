//! Which keys are used where, by what the phones told of them.

use super::{Found, list};
use crate::observer::Evidence;
use crate::run::Facts;
use crate::script::{Keyed, Keys, Name};
use keyphone_ua::event::{CallId, Event, KeyUse};
use std::collections::{BTreeMap, BTreeSet};

/// One phone's use of one key.
struct Use<'r> {
    phone: usize,
    call: CallId,
    key: &'r str,
    use_for: KeyUse,
    ssrc: Option<&'r str>,
}

fn uses<'r>(facts: &Facts<'r>) -> Vec<Use<'r>> {
    let of_phone = |(phone, node): (usize, &'r crate::world::Node)| {
        node.events.iter().filter_map(move |(_, event)| match event {
            Event::Key { call, key, use_for, ssrc, .. } => {
                Some(Use { phone, call: *call, key, use_for: *use_for, ssrc: ssrc.as_deref() })
            }
            _ => None,
        })
    };
    facts.world.nodes().iter().enumerate().flat_map(of_phone).collect()
}

pub(super) fn check(expected: &Keys, facts: &Facts<'_>) -> Found {
    match expected {
        Keys::NoneSharedByBranches => Ok(shared_by_branches(facts)),
        Keys::NoneInTwoCalls => Ok(in_two_calls(facts)),
        Keys::NoPadTwice => {
            let mut senders: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
            let sends = uses(facts).into_iter().filter(|used| used.use_for == KeyUse::Send);
            for Use { phone, call, key, ssrc, .. } in sends {
                senders.entry((key, ssrc)).or_default().insert((phone, call));
            }
            let twice = senders.iter().filter(|(_, who)| who.len() > 1).map(|((key, ssrc), who)| {
                let who = who.iter().map(|(phone, _)| &facts.cast.phones[*phone].name);
                format!("{} send under {key} and {}", list(who), ssrc.unwrap_or("no SSRC"))
            });
            let twice: Vec<_> = twice.collect();
            Ok((twice.is_empty(), measured(&twice, format!("{} pairs, each with one sender", senders.len()))))
        }
        Keys::KeyedBy(who, by) => keyed_by(facts, who, *by),
        Keys::Changes(who, times) => {
            let number = facts.number(who)?;
            let mut keys: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
            let ours = uses(facts).into_iter().filter(|used| used.phone == number && used.use_for == KeyUse::Send);
            for used in ours {
                keys.entry(used.call).or_default().insert(used.key);
            }
            let most = keys.values().map(BTreeSet::len).max().unwrap_or_default();
            let changes = most.saturating_sub(1) as u64;
            Ok((most > 0 && changes == *times, format!("{who} sent under {most} keys in one call")))
        }
    }
}

/// No phone says that it has a key in two calls, and no key is in the packets of two: those an observer opens itself.
fn in_two_calls(facts: &Facts<'_>) -> (bool, String) {
    let mut calls: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for Use { phone, call, key, .. } in uses(facts) {
        calls.entry((phone, key)).or_default().insert(call);
    }
    let told = calls.iter().filter(|(_, calls)| calls.len() > 1).map(|((phone, key), calls)| {
        let calls: Vec<_> = calls.iter().map(ToString::to_string).collect();
        format!("{} uses {key} in its calls {}", facts.cast.phones[*phone].name, calls.join(" and "))
    });
    let seen = Evidence::so_far(facts.world).uses();
    let shown = seen.iter().filter(|used| used.calls.len() > 1).map(|used| {
        let calls: Vec<_> = used.calls.iter().map(String::as_str).collect();
        format!("{} packets are under {}, of the calls {}", used.packets, used.key, calls.join(" and "))
    });
    let twice: Vec<_> = told.chain(shown).collect();
    let most = seen.iter().flat_map(|used| &used.calls).collect::<BTreeSet<_>>().len();
    // With one call there is nothing to tell apart, and nothing is shown.
    (twice.is_empty() && most > 1, measured(&twice, format!("{} keys in {most} calls, each in one", seen.len())))
}

/// Those whom one INVITE reached are branches of one call: they have its Call-ID.
fn shared_by_branches(facts: &Facts<'_>) -> (bool, String) {
    let mut branches: BTreeMap<_, BTreeMap<usize, BTreeSet<&str>>> = BTreeMap::new();
    for Use { phone, call, key, .. } in uses(facts) {
        let incoming = facts.world.node(phone).events.iter().any(|(_, event)| {
            matches!(event, Event::Started { call: id, direction: keyphone_ua::event::Direction::Incoming, .. } if *id == call)
        });
        if let (Some(call_id), true) = (facts.call_id(phone, call), incoming) {
            branches.entry(call_id).or_default().entry(phone).or_default().insert(key);
        }
    }
    let mut shared = vec![];
    let most = branches.values().map(BTreeMap::len).max().unwrap_or_default();
    for phones in branches.values() {
        for (a, keys) in phones {
            for (b, others) in phones.range(a + 1..) {
                let name = |n: &usize| &facts.cast.phones[*n].name;
                shared.extend(keys.intersection(others).map(|key| format!("{} and {} have {key}", name(a), name(b))));
            }
        }
    }
    // With one branch nothing could be shared, and nothing is shown.
    (shared.is_empty() && most > 1, measured(&shared, format!("{most} keyed branches")))
}

fn keyed_by(facts: &Facts<'_>, who: &Name, by: Keyed) -> Found {
    let answered = facts.events(who)?.filter_map(|(_, event)| match event {
        Event::Answered { keying, .. } => Some(keying.as_str()),
        _ => None,
    });
    Ok(match answered.last() {
        Some(keying) => (keying == by.to_string(), format!("keyed by {keying}")),
        None => (false, format!("no call of {who} was answered")),
    })
}

fn measured(wrong: &[String], right: String) -> String {
    match wrong {
        [] => right,
        [first] => first.clone(),
        [first, ..] => format!("{first}, and {} more", wrong.len() - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Pki;
    use crate::run::{Cast, Stage, steps};
    use crate::script::Script;
    use crate::world::World;

    /// Two calls, of which the second is made with the dice of the first if `same`: what is found, and what is found without
    /// asking the phones.
    fn two_calls(same: bool) -> (String, (bool, String)) {
        let script = |first: u64, length: u64| {
            let text = format!(
                "title = \"t\"\nabout = \"a\"\nlength = \"{length} s\"\nexpect = [\"no key is used in two calls\"]\n\
                 steps = [\"at {first} s alice calls bob\", \"at {} s alice hangs up\"]\n\
                 [[phone]]\nname = \"alice\"\n[[phone]]\nname = \"bob\"\n",
                first + 2
            );
            Script::parse(&text, "t.toml").unwrap()
        };
        let (first, second) = (script(0, 40), script(40, 80));
        let Stage { mut world, cast } = Stage::new(&first, 1, &Pki::new()).unwrap();
        fn facts(script: &Script, cast: &Cast, world: &World) -> (bool, String) {
            check(&Keys::NoneInTwoCalls, &Facts { script, cast, world }).unwrap()
        }
        world.set_dice(0, 5);
        steps::play(&first, &cast, &mut world).unwrap();
        assert_eq!(facts(&first, &cast, &world), (false, "2 keys in 1 calls, each in one".into()));
        world.set_dice(0, if same { 5 } else { 6 });
        // Her SSRC is another one, so that her ledger has nothing against it.
        world.set_few_ssrcs(0, 4660, 1);
        steps::play(&second, &cast, &mut world).unwrap();
        let told = facts(&second, &cast, &world).1;
        world.forget_events();
        (told, facts(&second, &cast, &world))
    }

    #[test]
    fn a_key_in_two_calls_is_seen_on_the_wire_whatever_the_phones_say() {
        let right = "4 keys in 2 calls, each in one";
        assert_eq!(two_calls(false), (right.into(), (true, right.into())));
        let (told, (passed, measured)) = two_calls(true);
        assert!(told.starts_with("alice uses ") && told.contains(" in its calls 1 and 2"), "{told}");
        assert!(!passed && measured.contains(" packets are under "), "{measured}");
    }
}
