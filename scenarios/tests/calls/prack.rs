//! Early media, and provisional responses that are sure to arrive (RFC 3262).

use crate::common::*;
use keyphone_media::audio::Source;
use keyphone_media::audio::compare::compare;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event, Outcome};
use keyphone_ua::settings::{HangUp, Incoming, Play, Reliable, Settings};
use keyphone_ua::sip::{Method, Response};

const EARLY_HZ: f32 = 880.0;

fn alice(reliable: Reliable) -> Settings {
    let mut alice = phone("alice", Pair::ALICE, no_change);
    alice.rules.reliable = reliable;
    alice
}

/// Bob, who answers after `after` and lets the caller hear a tone before that.
fn bob(reliable: Reliable, after: u64, early: bool) -> Settings {
    let mut bob = phone("bob", Pair::BOB, no_change);
    bob.rules.reliable = reliable;
    let early = early.then_some(Play::Tone(EARLY_HZ));
    bob.incoming = Incoming::Answer { after: ms(after), early, plan: plan(BOB_HZ, HangUp::Never) };
    bob
}

fn progress(world: &World, node: usize) -> Vec<(u16, bool, bool)> {
    let progress = |event: &Event| match event {
        Event::Progress { status, reliable, early_media, .. } => Some((*status, *reliable, *early_media)),
        _ => None,
    };
    events(world, node).filter_map(progress).collect()
}

fn has_body(response: &Response) -> bool {
    !response.body.is_empty()
}

/// How like the tone the recording is, from `from` ms on.
fn like(world: &World, node: usize, hz: f32, from: usize, len: usize) -> f64 {
    let heard = recording(world, node);
    let per_ms = heard.rate as usize / 1000;
    let mut said = vec![0; len * per_ms];
    Source::tone(f64::from(hz), heard.rate).read(&mut said);
    compare(&said, &heard.samples[from * per_ms..], 40 * per_ms).correlation
}

#[test]
fn early_media_is_heard_before_the_answer_and_the_answer_goes_on_with_what_bob_says() {
    for (ours, theirs, sure) in [
        (Reliable::Supported, Reliable::Supported, true),
        (Reliable::Never, Reliable::Supported, false),
        (Reliable::Supported, Reliable::Never, false),
        (Reliable::Required, Reliable::Supported, true),
        (Reliable::Supported, Reliable::Required, true),
    ] {
        let mut pair = Pair::on(1, Link::PERFECT, alice(ours), bob(theirs, 2000, true));
        pair.dial(HangUp::After(ms(2000)));
        pair.run(1900);
        assert_eq!(progress(&pair.world, pair.alice), [(183, sure, true)], "{ours:?} {theirs:?}");
        assert_eq!(progress(&pair.world, pair.bob), [(183, sure, true)]);
        assert_eq!(media_from(&pair.world, Pair::ALICE).filter(|s| s.to.port() % 2 == 0).count(), 0, "alice listens");
        pair.run(100_000);
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
        assert_eq!(requests(&pair.world, Pair::ALICE, Method::Prack).len(), usize::from(sure));
        let ok = responses(&pair.world, Pair::BOB, 200).into_iter();
        let ok = ok.filter(|ok| ok.headers.cseq().unwrap().method == Method::Invite).collect::<Vec<_>>();
        // What a reliable response has said is not said again.
        assert_eq!(has_body(&ok[0]), !sure, "{ours:?} {theirs:?}");
        assert!(like(&pair.world, pair.alice, EARLY_HZ, 200, 1500) > 0.98);
        assert!(like(&pair.world, pair.alice, BOB_HZ, 2200, 1500) > 0.98);
        assert_eq!(counts(&pair.world, pair.alice).refused, 0);
        pair.assert_nothing_left();
    }
}

#[test]
fn early_media_comes_through_a_bad_line_too() {
    for seed in 1..=20 {
        let link = Link { loss_permille: 200, ..Link::BAD_DAY };
        let mut pair = Pair::on(seed, link, alice(Reliable::Supported), bob(Reliable::Supported, 12_000, true));
        pair.dial(HangUp::After(ms(1000)));
        pair.run(300_000);
        assert_eq!(pair.outcome(pair.alice), WE_HUNG_UP, "seed {seed}");
        assert_eq!(progress(&pair.world, pair.alice)[0], (183, true, true), "seed {seed}");
        assert!(counts(&pair.world, pair.alice).played > 400, "seed {seed}");
        pair.assert_nothing_left();
    }
}

#[test]
fn a_reliable_response_is_repeated_until_its_prack_comes() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Reliable::Required), bob(Reliable::Supported, 9000, false));
    let mut kept = 0;
    pair.world.set_middle(Box::new(move |sent| match is_request(sent, "PRACK") && kept < 3 {
        true => {
            kept += 1;
            Middle::Drop
        }
        false => Middle::Pass,
    }));
    pair.dial(HangUp::After(ms(500)));
    pair.run(8000);
    // The PRACK is sent again after 500 ms, 1.5 s and 3.5 s; the response after 500 ms, 1.5 s and 3.5 s as well.
    assert_eq!(responses(&pair.world, Pair::BOB, 180).len(), 4);
    let pracks = requests(&pair.world, Pair::ALICE, Method::Prack);
    let branches: std::collections::BTreeSet<_> = pracks.iter().map(|p| p.headers.get("Via").unwrap()).collect();
    assert_eq!((pracks.len(), branches.len()), (4, 1), "a repeated response is not acknowledged anew");
    assert_eq!(progress(&pair.world, pair.alice), [(180, true, false)]);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn a_call_whose_reliable_response_is_never_acknowledged_is_refused() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Reliable::Supported), bob(Reliable::Supported, 1000, true));
    pair.world.set_middle(Box::new(|sent| if is_request(sent, "PRACK") { Middle::Drop } else { Middle::Pass }));
    pair.dial(HangUp::Never);
    pair.run(31_000);
    assert!(responses(&pair.world, Pair::BOB, 200).is_empty(), "no 2xx before the PRACK (RFC 3262 section 3)");
    pair.run(100_000);
    let (Outcome::Failed { status: alice, .. }, Outcome::Failed { status: bob, .. }) = pair.outcomes() else {
        panic!()
    };
    assert_eq!((alice, bob), (Some(504), Some(504)));
    // T1 and then twice as long each time, up to 64*T1.
    assert_eq!(responses(&pair.world, Pair::BOB, 183).len(), 7);
    pair.assert_nothing_left();
}

#[test]
fn a_phone_that_insists_on_reliable_responses_refuses_who_cannot() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Reliable::Never), bob(Reliable::Required, 300, false));
    pair.dial(HangUp::Never);
    pair.run(100_000);
    let refused = responses(&pair.world, Pair::BOB, 421).remove(0);
    assert_eq!(refused.headers.require().unwrap(), ["100rel"]);
    pair.assert_nothing_left();
    let mut pair = Pair::on(1, Link::PERFECT, alice(Reliable::Required), bob(Reliable::Never, 300, false));
    pair.dial(HangUp::Never);
    pair.run(100_000);
    let refused = responses(&pair.world, Pair::BOB, 420).remove(0);
    assert_eq!(refused.headers.unsupported().unwrap(), ["100rel"]);
    pair.assert_nothing_left();
}

#[test]
fn a_caller_who_hangs_up_while_early_media_plays_stops_it() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Reliable::Supported), bob(Reliable::Supported, 60_000, true));
    pair.dial(HangUp::Never);
    pair.run(1000);
    pair.world.command(pair.alice, Command::HangUp(CallId(1)));
    pair.run(100_000);
    assert_eq!((pair.outcome(pair.alice).exit_code(), pair.outcome(pair.bob).exit_code()), (1, 1));
    assert!(media_from(&pair.world, Pair::BOB).all(|sent| sent.at <= at(1010)));
    pair.assert_nothing_left();
}

#[test]
fn nobody_speaks_for_bob_before_the_answer() {
    // Somebody who does not hold the key sends what looks like early media.
    let mut pair = Pair::on(1, Link::PERFECT, alice(Reliable::Supported), bob(Reliable::Supported, 2000, true));
    pair.dial(HangUp::After(ms(500)));
    pair.run(500);
    let early = media_from(&pair.world, Pair::BOB).find(|s| s.to.port() % 2 == 0).unwrap().clone();
    for n in 0..50u8 {
        let mut forged = early.bytes.clone();
        forged[3] = forged[3].wrapping_add(100 + n);
        pair.world.inject(early.from, early.to, &forged);
    }
    pair.run(100_000);
    let heard = counts(&pair.world, pair.alice);
    assert_eq!((heard.refused, heard.lost), (50, 0));
    pair.assert_nothing_left();
}

#[test]
fn a_call_that_rings_for_long_says_so_every_minute() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Reliable::Supported), bob(Reliable::Supported, 150_000, false));
    pair.dial(HangUp::After(ms(500)));
    pair.run(300_000);
    assert_eq!(responses(&pair.world, Pair::BOB, 180).len(), 3, "RFC 3261 section 13.3.1.1");
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn a_call_that_nobody_answers_is_given_up() {
    let mut alice = alice(Reliable::Supported);
    alice.rules.ring_limit = ms(20_000);
    let mut pair = Pair::on(1, Link::PERFECT, alice, bob(Reliable::Supported, 150_000, false));
    pair.dial(HangUp::Never);
    pair.run(100_000);
    let (Outcome::Failed { status, why }, bob) = pair.outcomes() else { panic!() };
    assert_eq!((status, why.as_str(), bob.exit_code()), (Some(408), "nobody answered within 20 s", 1));
    assert_eq!(when(&pair.world, pair.bob, |event| matches!(event, Event::Ended { .. })), at(20_001));
    pair.assert_nothing_left();
}

#[test]
fn a_branch_that_is_over_is_acknowledged_if_it_says_so_reliably() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Reliable::Supported), bob(Reliable::Supported, 1000, true));
    pair.world.set_middle(Box::new(|sent| match is_response(sent, 183) {
        true => {
            let text = String::from_utf8_lossy(&sent.bytes);
            Middle::Change(text.replacen("183 Session Progress", "199 Early Dialog Terminated", 1).into_bytes())
        }
        false => Middle::Pass,
    }));
    pair.dial(HangUp::After(ms(1000)));
    pair.run(100_000);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Prack).len(), 1, "RFC 6228 section 4");
    assert_eq!(responses(&pair.world, Pair::BOB, 183).len(), 1, "it is not repeated");
    pair.assert_nothing_left();
}
