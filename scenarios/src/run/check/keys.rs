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
    use crate::run::{Stage, steps};
    use crate::script::Script;

    /// What is found of two calls of four phones, whose callers throw these dice, if these events were told, too.
    fn two_calls(dice: [u64; 2], told: &[Event]) -> (bool, String) {
        let phones: String =
            ["alice", "bob", "carol", "dave"].iter().map(|name| format!("[[phone]]\nname = \"{name}\"\n")).collect();
        let text = format!(
            "title = \"t\"\nabout = \"a\"\nlength = \"40 s\"\nexpect = [\"no key is used in two calls\"]\n\
             steps = [\"at 0 s alice calls bob\", \"at 0 s carol calls dave\", \"at 2 s alice hangs up\", \
             \"at 2 s carol hangs up\"]\n{phones}"
        );
        let script = Script::parse(&text, "t.toml").unwrap();
        let Stage { mut world, cast } = Stage::new(&script, 1, &Pki::new()).unwrap();
        [0, 2].into_iter().zip(dice).for_each(|(phone, seed)| world.set_dice(phone, seed));
        steps::play(&script, &cast, &mut world).unwrap();
        told.iter().for_each(|event| world.pretend(0, event.clone()));
        check(&Keys::NoneInTwoCalls, &Facts { script: &script, cast: &cast, world: &world }).unwrap()
    }

    #[test]
    fn a_key_that_two_phones_make_by_the_same_dice_is_seen_on_the_wire_though_neither_has_it_twice() {
        assert_eq!(two_calls([5, 6], &[]), (true, "4 keys in 2 calls, each in one".into()));
        let (passed, measured) = two_calls([5, 5], &[]);
        assert!(!passed && measured.contains(" packets are under "), "{measured}");
        assert!(measured.contains("@10.0.0.1 and ") && measured.contains("@10.0.0.3"), "{measured}");
    }

    #[test]
    fn a_key_that_a_phone_says_to_have_in_two_calls_is_seen() {
        let key = |call| Event::Key {
            call: CallId(call),
            key: "k".into(),
            suite: String::new(),
            use_for: KeyUse::Send,
            ssrc: None,
            branch: None,
        };
        let twice = two_calls([5, 6], &[key(1), key(2)]);
        assert_eq!(twice, (false, "alice uses k in its calls 1 and 2".into()));
    }
}
