//! What a run says under a heading.

use super::{Column, Lab, Says, World};
use crate::observer::recorder::{LongTerm, Recorder, Recovered};
use crate::run::{Run, Secrets, Verdict};
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
        Column::SecureForking | Column::DistinctKeys => Ok(branches(run)),
        Column::Association => association(run),
        Column::ManualKeys | Column::NeedsPki => Ok(needed(run)),
        _ => Ok(as_expected(run)),
    }
}

fn is(yes: bool) -> Says {
    if yes { Says::Yes } else { Says::No }
}

/// All that the script expects came true; if not, what did not.
fn as_expected(run: &Run) -> (Says, String) {
    let failed = run.verdicts.iter().find(|verdict| !verdict.passed);
    let measured = |verdict: &Verdict| verdict.measured.clone();
    let shown = failed.or(run.verdicts.last()).map(measured).unwrap_or_default();
    (is(run.passed()), shown)
}

/// What is missing in that world is needed if the call fails for keying, and not if the two talk.
fn needed(run: &Run) -> (Says, String) {
    let (talked, measured) = as_expected(run);
    let why = told(run, ALICE).find_map(|event| match event {
        Event::Refused { why, .. } => Some(why.clone()),
        _ => None,
    });
    match (talked, why) {
        (Says::Yes, _) => (Says::No, measured),
        (_, Some(why)) => (Says::Yes, why),
        (_, None) => (Says::Yes, measured),
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
    let answered = answer_came(run).ok_or("nobody answered, so that nothing can be early")?;
    let events = &run.world.node(ALICE).events;
    let heard = events.iter().find(|(_, event)| matches!(event, Event::Heard { .. })).map(|(at, _)| *at);
    Ok(match heard {
        Some(at) if at < answered => (Says::Yes, format!("heard {} ms before the answer", ms(at, answered))),
        Some(at) => (Says::No, format!("heard {} ms after the answer", ms(answered, at))),
        None => (Says::No, "never heard".into()),
    })
}

/// Was any of what came before the answer lost? Of what waited for its key, and found no place in the playout any more.
fn clipping(run: &Run) -> Found {
    answer_came(run).ok_or("nobody answered, so that nothing can be clipped")?;
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
fn branches(run: &Run) -> (Says, String) {
    let unkeyed: Vec<_> =
        run.cast.phones.iter().enumerate().skip(1).filter(|(n, _)| keys(run, *n).is_empty()).collect();
    match unkeyed.first() {
        Some((_, role)) => (Says::No, format!("{} could not be keyed", role.name)),
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
    let winner = told(run, ALICE).find_map(|event| match event {
        Event::Answered { branch, .. } => Some(branch.clone()),
        _ => None,
    });
    let Some(winner) = winner else { return Ok((Says::No, "no call came about".into())) };
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
    let facts = run.facts();
    let its = facts.ssrcs(number, ALICE);
    let heard = told(run, ALICE).filter_map(|event| match event {
        Event::Heard { ssrc, .. } => Some(ssrc),
        _ => None,
    });
    let last = heard.last();
    let right = last.is_some_and(|ssrc| its.contains(ssrc));
    let shown = if right { format!("{name} answered, and {name} is heard") } else { format!("{name} is not heard") };
    Ok((is(right), shown))
}

/// Whose dice change the key?
fn key_generation(world: World, system: System, lab: &mut Lab<'_>) -> Found {
    let base = keys(lab.run(world, system)?, ALICE);
    if base.is_empty() {
        return Err(format!("{} has no key", world.name(system)));
    }
    let [by_alice, by_bob] = [ALICE, BOB].map(|phone| lab.run_with_other_dice(world, system, phone));
    let (by_alice, by_bob) = (keys(&by_alice?, ALICE) != base, keys(&by_bob?, ALICE) != base);
    Ok(match (by_alice, by_bob) {
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
    Ok((is(matches!(recovered, Recovered::No { .. })), recovered.to_string()))
}

fn ms(from: Instant, to: Instant) -> u128 {
    to.since(from).as_millis()
}
