//! What a run says under a heading.

use super::{Column, Lab, Says, World};
use crate::observer::recorder::{LongTerm, Recorder, Recovered};
use crate::run::{Run, Secrets};
use crate::script::Name;
use keyphone_keying::{Identity, Psk, System};
use keyphone_media::env::Instant;
use keyphone_ua::event::Event;
use keyphone_ua::sip::Message;
use std::collections::BTreeSet;

/// What was found, and what was measured.
type Found = Result<(Says, String), String>;

/// The caller's number in every world, and the callee's where there is one.
const ALICE: usize = 0;
const BOB: usize = 1;

pub(super) fn judge(column: Column, world: World, system: System, lab: &mut Lab<'_>) -> Found {
    match column {
        Column::KeyGeneration => return key_generation(world, system, lab),
        Column::Pfs | Column::ForwardSecrecy => return forward_secrecy(world, system, lab),
        _ => {}
    }
    let run = lab.run(world, system)?;
    match column {
        Column::EarlyMedia => early_media(run),
        Column::Clipping => clipping(run),
        Column::SecureForking | Column::DistinctKeys => branches(run),
        Column::Association => association(run),
        Column::ManualKeys | Column::NeedsPki => needed(run),
        _ => as_expected(run),
    }
}

fn is(yes: bool) -> Says {
    if yes { Says::Yes } else { Says::No }
}

/// All that the script expects came true; if not, why. A call that did not come about shows something of the keying only
/// where somebody refused it for that; where the two talk, what they lack shows it.
fn as_expected(run: &Run) -> Found {
    let Some(failed) = run.verdicts.iter().find(|verdict| !verdict.passed) else {
        let last = run.verdicts.last().map(|verdict| verdict.measured.clone());
        return Ok((Says::Yes, last.unwrap_or_default()));
    };
    let refused = (0..run.cast.phones.len()).find_map(|phone| refused(run, phone));
    match refused {
        Some(why) => Ok((Says::No, why)),
        None if run.verdicts.first().is_some_and(|first| first.passed) => Ok((Says::No, failed.measured.clone())),
        None => Err(format!("{}: {}, and nobody refused the keying", run.script.title, failed.measured)),
    }
}

/// What a phone had against the keying.
fn refused(run: &Run, phone: usize) -> Option<String> {
    told(run, phone).find_map(|event| match event {
        Event::Refused { why, .. } => Some(why.clone()),
        // Whom it is sent to it may have nothing to offer.
        Event::CallTrouble { what, .. } if what.starts_with("no keying system can be offered") => Some(what.clone()),
        _ => None,
    })
}

/// What is missing in that world is needed if the call fails for keying, and not if the two talk.
fn needed(run: &Run) -> Found {
    as_expected(run).map(|(talked, shown)| (is(talked == Says::No), shown))
}

/// What is measured of a call says something only if they talk in the end.
fn talked(run: &Run) -> Result<(), String> {
    match run.passed() {
        true => Ok(()),
        false => Err(format!("{}: the two do not talk", run.script.title)),
    }
}

fn told(run: &Run, phone: usize) -> impl Iterator<Item = &Event> {
    run.world.node(phone).events.iter().map(|(_, event)| event)
}

/// When the first answer with a body came to the caller, in whatever response.
fn answer_came(run: &Run) -> Option<Instant> {
    let here = run.cast.phones[ALICE].sip;
    let answers = run.world.log().iter().filter(|sent| !sent.media && sent.to == here);
    let has_body = |bytes: &[u8]| matches!(Message::parse(bytes), Ok(Message::Response(r)) if !r.body.is_empty());
    answers.filter(|sent| has_body(&sent.bytes)).flat_map(|sent| &sent.arrived).min().copied()
}

/// Was anything heard before the answer was there?
fn early_media(run: &Run) -> Found {
    talked(run)?;
    let answered = answer_came(run).ok_or("nobody answered, so that nothing can be early")?;
    let events = &run.world.node(ALICE).events;
    let heard = events.iter().find(|(_, event)| matches!(event, Event::Heard { .. })).map(|(at, _)| *at);
    Ok(match heard {
        Some(at) if at < answered => (Says::Yes, format!("heard {} ms before the answer", ms(at, answered))),
        Some(at) => (Says::No, format!("heard {} ms after the answer", ms(answered, at))),
        None => return Err(format!("{}: nothing was heard", run.script.title)),
    })
}

/// Was any of what came before the answer lost? Of what waited for its key, and found no place in the playout any more.
fn clipping(run: &Run) -> Found {
    talked(run)?;
    let lost = told(run, ALICE).map(|event| match event {
        Event::Clipped { ms, .. } => *ms,
        _ => 0,
    });
    let lost: u64 = lost.sum();
    let refused: u64 = told(run, ALICE)
        .map(|event| match event {
            Event::Stats { counts, .. } => counts.refused + counts.unkeyed,
            _ => 0,
        })
        .sum();
    Ok((is(lost + refused > 0), format!("{lost} ms lost, {refused} packets without a key")))
}

/// All branches were keyed, and none has a key of another.
fn branches(run: &Run) -> Found {
    let unkeyed = run.cast.phones.iter().enumerate().skip(1).find(|(n, _)| keys(run, *n).is_empty());
    match unkeyed {
        Some((number, role)) => {
            let nothing = || format!("{} has no key, and did not refuse any", role.name);
            let why = refused(run, number).ok_or_else(nothing)?;
            Ok((Says::No, format!("{} could not be keyed: {why}", role.name)))
        }
        None => as_expected(run),
    }
}

/// The keys that a phone had.
fn keys(run: &Run, phone: usize) -> BTreeSet<String> {
    let key = |event: &Event| match event {
        Event::Key { key, .. } => Some(key.clone()),
        _ => None,
    };
    told(run, phone).filter_map(key).collect()
}

/// Of all who speak, the caller hears the one whose answer it took: the winner's SSRC is heard last.
fn association(run: &Run) -> Found {
    let facts = run.facts();
    let speaks = |phone: &usize| facts.rtp(*phone, ALICE).any(|(sent, _)| !sent.arrived.is_empty());
    let speakers = (1..run.cast.phones.len()).filter(speaks).count();
    let winner = told(run, ALICE).find_map(|event| match event {
        Event::Answered { branch, .. } => Some(branch.clone()),
        _ => None,
    });
    let winner = winner.ok_or_else(|| format!("{}: no call came about", run.script.title))?;
    let name: Option<&Name> = run.cast.phones.iter().skip(1).find_map(|role| {
        let from_it = run.world.log().iter().filter(|sent| !sent.media && sent.from == role.sip);
        let tag = |bytes: &[u8]| match Message::parse(bytes) {
            Ok(Message::Response(response)) => response.headers.tag("To").map(str::to_owned),
            _ => None,
        };
        from_it.filter_map(|sent| tag(&sent.bytes)).any(|tag| tag == winner).then_some(&role.name)
    });
    let name = name.ok_or("a branch won that is no phone's")?;
    let number = run.cast.phone(name)?;
    let its = facts.ssrcs(number, ALICE);
    let heard = told(run, ALICE).filter_map(|event| match event {
        Event::Heard { ssrc, .. } => Some(ssrc),
        _ => None,
    });
    let last = heard.last();
    let right = last.is_some_and(|ssrc| its.contains(ssrc));
    Ok((
        is(right),
        match (right, speakers) {
            (false, _) => format!("{name} is not heard"),
            // Whom else could it be taken for?
            (true, 1) => format!("{name} answered, and nobody else could speak"),
            (true, _) => format!("{name} answered, and of {speakers} who spoke {name} is heard"),
        },
    ))
}

/// Whose dice change the key?
fn key_generation(world: World, system: System, lab: &mut Lab<'_>) -> Found {
    // A call without keys has others, too.
    let keyed = |run: &Run| match (keys(run, ALICE), told(run, BOB).any(|e| matches!(e, Event::Heard { .. }))) {
        (keys, true) if !keys.is_empty() => Ok(keys),
        _ => Err(format!("{}: the two have no key with which they talk", world.name(system))),
    };
    let base = keyed(lab.run(world, system)?)?;
    let [by_alice, by_bob] = [ALICE, BOB].map(|phone| keyed(&lab.run_with_other_dice(world, system, phone)?));
    Ok(match (by_alice? != base, by_bob? != base) {
        (true, true) => (Says::Both, "other dice on either side give another key".into()),
        (true, false) => (Says::Initiator, "other dice of the callee give the same key".into()),
        (false, true) => (Says::Responder, "other dice of the caller give the same key".into()),
        (false, false) => return Err("nobody's dice change the key".into()),
    })
}

/// What does a thief read of a recorded call who gets all that outlives it?
fn forward_secrecy(world: World, system: System, lab: &mut Lab<'_>) -> Found {
    let (seed, pki) = (lab.seed, lab.pki);
    let run = lab.run(world, system)?;
    talked(run)?;
    let mut stolen = LongTerm::default();
    for (phone, role) in run.script.phones.iter().zip(&run.cast.phones) {
        let psks =
            phone.keying.psks.iter().filter_map(|psk| Psk::new(Secrets::OfSeed(seed).octets(&psk.secret).to_vec()));
        stolen.psks.extend(psks);
        if let Some(certificate) = &phone.keying.certificate {
            let issued = pki.issue(&phone.name, certificate.kind, &certificate.from, &Identity::new(&role.uri))?;
            stolen.keys.push(issued.key);
            stolen.certificates.push(issued.certificate);
        }
    }
    let recovered = Recorder::of(run.world.log()).recover(&stolen);
    match &recovered {
        Recovered::Yes { packets, of } if packets == of => Ok((Says::No, recovered.to_string())),
        // What is missing no theft brings, for it was nowhere kept.
        Recovered::No { why } if why.contains("it needs ") => Ok((Says::Yes, recovered.to_string())),
        // Whoever cannot read what was recorded for another reason has shown nothing.
        _ => Err(format!("{}: {recovered}", world.name(system))),
    }
}

fn ms(from: Instant, to: Instant) -> u128 {
    to.since(from).as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Pki;
    use crate::run::run;
    use crate::script::{Link, Script};
    use keyphone_keying::mikey::ModeName;

    fn world(world: World, mode: ModeName, change: impl Fn(&mut Script)) -> Run {
        let mut script = world.script(System::Mikey(mode)).unwrap();
        change(&mut script);
        run(&script, 1, &Pki::new()).unwrap()
    }

    fn deaf(script: &mut Script) {
        let mut link = Link::new();
        link.weather.loss_permille = 1000;
        script.links = vec![link];
    }

    #[test]
    fn a_call_that_fails_for_want_of_a_network_says_nothing_of_its_keying() {
        let retargeted = |change: fn(&mut Script)| world(World::Retarget, ModeName::Psk, change);
        assert_eq!(as_expected(&retargeted(|_| ())).unwrap().0, Says::No);
        assert!(as_expected(&retargeted(deaf)).is_err() && needed(&retargeted(deaf)).is_err());
        for mode in [ModeName::Psk, ModeName::DhSign] {
            let late = world(World::SlowAnswer, mode, deaf);
            assert!(early_media(&late).is_err() && clipping(&late).is_err());
        }
        let forked = world(World::Fork, ModeName::Psk, deaf);
        assert!(branches(&forked).is_err() && association(&forked).is_err());
    }

    #[test]
    fn where_one_alone_could_speak_the_card_says_so() {
        let shown = |change: fn(&mut Script)| association(&world(World::Fork, ModeName::Psk, change)).unwrap().1;
        assert_eq!(shown(|_| ()), "desk answered, and of 3 who spoke desk is heard");
        let alone = shown(|script| script.phones.iter_mut().skip(2).for_each(|phone| phone.home = None));
        assert_eq!(alone, "desk answered, and nobody else could speak");
    }
}
