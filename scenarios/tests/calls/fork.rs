//! One INVITE, three phones: a proxy on the way forks it, and delivers every response.

use crate::common::*;
use keyphone_media::audio::Source;
use keyphone_media::audio::compare::compare;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::event::Event;
use keyphone_ua::settings::{HangUp, Incoming, Play};
use keyphone_ua::sip::{Method, StatusCode};
use keyphone_ua::transaction::Transport;
use std::collections::BTreeSet;

const ALICE: &str = "10.0.0.1";
/// The proxy: nobody lives there.
const PROXY: &str = "10.0.0.9";

/// Where branch `n` is.
fn ip(n: usize) -> String {
    format!("10.0.0.{}", 11 + n)
}

/// The tone that branch `n` says.
fn hz(n: usize) -> f32 {
    500.0 + 170.0 * n as f32
}

struct Fork {
    world: World,
    alice: usize,
    bobs: Vec<usize>,
}

impl Fork {
    /// Three phones that answer to bob's name, each after its own time.
    fn new(answer_after: [u64; 3]) -> Self {
        let mut world = World::new(1, Link::PERFECT);
        let alice = world.add("alice", phone("alice", ALICE, no_change));
        let bob = |(n, after)| {
            let mut settings = phone("bob", &ip(n), |config| config.account.from = "sip:bob@10.0.0.9".parse().unwrap());
            settings.incoming = Incoming::Answer { after: ms(after), early: None, plan: plan(hz(n), HangUp::Never) };
            settings
        };
        let bobs = answer_after.into_iter().enumerate().map(bob).collect::<Vec<_>>();
        let bobs = bobs.into_iter().map(|settings| world.add("bob", settings)).collect();
        Self { world, alice, bobs }
    }

    /// The same, and each says something before it answers.
    fn early(answer_after: [u64; 3]) -> Self {
        let mut world = World::new(1, Link::PERFECT);
        let alice = world.add("alice", phone("alice", ALICE, no_change));
        let bob = |(n, after)| {
            let mut settings = phone("bob", &ip(n), |config| config.account.from = "sip:bob@10.0.0.9".parse().unwrap());
            let early = Some(Play::Tone(hz(n) + 50.0));
            settings.incoming = Incoming::Answer { after: ms(after), early, plan: plan(hz(n), HangUp::Never) };
            settings
        };
        let bobs = answer_after.into_iter().enumerate().map(bob).collect::<Vec<_>>();
        let bobs = bobs.into_iter().map(|settings| world.add("bob", settings)).collect();
        Self { world, alice, bobs }
    }

    /// Alice dials the proxy, which hands one datagram to all three.
    fn dial(&mut self, hang_up: HangUp) {
        self.world.command(self.alice, call(PROXY, Transport::Udp, plan(ALICE_HZ, hang_up)));
        let invite = self.world.log().last().unwrap().bytes.clone();
        for n in 0..self.bobs.len() {
            self.world.inject(sip_at(ALICE), sip_at(&ip(n)), &invite);
        }
    }

    /// The To-tag of branch `n`.
    fn tag(&self, n: usize) -> String {
        responses(&self.world, &ip(n), 180)[0].headers.to().unwrap().tag().unwrap().to_owned()
    }

    fn media_to(&self, n: usize) -> usize {
        let ip = ip(n).parse::<std::net::IpAddr>().unwrap();
        media_from(&self.world, ALICE).filter(|sent| sent.to.ip() == ip).count()
    }
}

#[test]
fn the_first_of_three_answers_wins_and_the_others_are_hung_up() {
    // The first and the second are on the way at the same time; the third comes while alice talks.
    let mut fork = Fork::new([401, 400, 900]);
    fork.dial(HangUp::After(ms(1500)));
    fork.world.run(at(100_000));
    let Fork { world, alice, bobs } = &fork;
    assert_eq!(outcome(world, *alice), WE_HUNG_UP);
    for bob in bobs {
        assert_eq!(outcome(world, *bob), PEER_HUNG_UP);
        let keys = events(world, *bob).filter(|event| matches!(event, Event::Key { .. })).count();
        assert_eq!(keys, 2, "every branch is keyed");
    }
    let rang: BTreeSet<_> = ringing(&fork).into_iter().collect();
    assert_eq!(rang, (0..3).map(|n| fork.tag(n)).collect(), "each branch rings under its own tag");
    assert_eq!(answered(&fork), [fork.tag(1)]);
    assert_eq!(lost(&fork), [fork.tag(0), fork.tag(2)]);
    for n in [0, 2] {
        assert_eq!(fork.media_to(n), 0, "media goes to the winner only");
        let to_loser = |request: &keyphone_ua::sip::Request| request.headers.to().unwrap().tag() == Some(&fork.tag(n));
        for (method, times) in [(Method::Ack, 1), (Method::Bye, 1)] {
            assert_eq!(requests(world, ALICE, method).iter().filter(|r| to_loser(r)).count(), times);
        }
    }
    assert!(fork.media_to(1) > 70);
    let ssrcs: BTreeSet<_> =
        media_from(world, ALICE).filter(|s| s.to.port() % 2 == 0).map(|s| s.bytes[8..12].to_vec()).collect();
    assert_eq!(ssrcs.len(), 1, "one sender");
    let said = format!("{:?}", world.node(*alice).events);
    assert!(!said.contains("TwoTimePad"), "{said}");
    for node in [*alice].iter().chain(bobs) {
        assert_nothing_left(world, *node);
    }
}

#[test]
fn who_wins_is_heard_even_if_a_loser_speaks_first() {
    let mut fork = Fork::new([400, 460, 2000]);
    // The first answer is lost on the way, but not what its sender says; so the second wins.
    let loser = sip_at(&ip(0));
    let mut kept = 0;
    fork.world.set_middle(Box::new(move |sent| match sent.from == loser && is_response(sent, 200) && kept == 0 {
        true => {
            kept += 1;
            Middle::Drop
        }
        false => Middle::Pass,
    }));
    fork.dial(HangUp::After(ms(1500)));
    fork.world.run(at(100_000));
    assert_eq!(answered(&fork), [fork.tag(1)]);
    let heard = recording(&fork.world, fork.alice);
    let rate = heard.rate as usize;
    let mut said = vec![0; rate];
    Source::tone(f64::from(hz(1)), heard.rate).read(&mut said);
    // What came before the winner's answer may be the loser's.
    let after = &heard.samples[rate / 4..];
    let like = compare(&said, after, rate / 2).correlation;
    assert!(like > 0.98, "{like}");
}

#[test]
fn a_frame_of_a_loser_does_not_mute_the_winner() {
    let mut fork = Fork::new([400, 401, 5000]);
    // What the winner says takes longer than what the loser says, and its answer does not.
    let winner = ip(0).parse::<std::net::IpAddr>().unwrap();
    fork.world.set_middle(Box::new(move |sent| match sent.media && sent.from.ip() == winner {
        true => Middle::Hold(ms(5)),
        false => Middle::Pass,
    }));
    fork.dial(HangUp::After(ms(1000)));
    fork.world.run(at(100_000));
    assert_eq!(answered(&fork), [fork.tag(0)]);
    let heard = counts(&fork.world, fork.alice);
    assert!(heard.played >= 45, "{heard:?}");
}

#[test]
fn early_media_is_heard_before_its_answer_comes() {
    let mut fork = Fork::new([400, 5000, 5000]);
    let early = sip_at(&ip(0));
    fork.world.set_middle(Box::new(move |sent| match sent.from == early && is_response(sent, 200) {
        true => Middle::Hold(ms(450)),
        false => Middle::Pass,
    }));
    fork.dial(HangUp::After(ms(1000)));
    fork.world.run(at(100_000));
    let Fork { world, alice, .. } = &fork;
    let heard = when(world, *alice, |event| matches!(event, Event::Heard { .. }));
    let answered = when(world, *alice, |event| matches!(event, Event::Answered { .. }));
    assert!(heard <= at(410) && answered >= at(850), "{heard:?} {answered:?}");
    assert_eq!(outcome(world, *alice), WE_HUNG_UP);
    let counts = counts(world, *alice);
    assert_eq!((counts.lost, counts.refused), (0, 0));
    let heard = recording(world, *alice);
    assert!(heard.samples.len() as u32 > heard.rate * 13 / 10, "the early part is on the recording");
    assert_eq!(
        media_from(world, ALICE).filter(|sent| sent.at < answered).count(),
        0,
        "nothing is said before the answer"
    );
}

#[test]
fn a_caller_who_hangs_up_while_three_phones_ring_cancels_once() {
    let mut fork = Fork::new([9000, 9000, 9000]);
    fork.dial(HangUp::Never);
    fork.world.run(at(500));
    fork.world.command(fork.alice, keyphone_ua::endpoint::Command::HangUpAll);
    let cancel = fork.world.log().last().unwrap().bytes.clone();
    assert!(cancel.starts_with(b"CANCEL "));
    for n in 0..3 {
        fork.world.inject(sip_at(ALICE), sip_at(&ip(n)), &cancel);
    }
    fork.world.run(at(100_000));
    assert_eq!(requests(&fork.world, ALICE, Method::Cancel).len(), 1);
    for bob in &fork.bobs {
        assert_eq!(outcome(&fork.world, *bob).exit_code(), 1);
        assert_nothing_left(&fork.world, *bob);
    }
    assert_nothing_left(&fork.world, fork.alice);
}

fn ringing(fork: &Fork) -> Vec<String> {
    branches(fork, |event| match event {
        Event::Ringing { branch, .. } => Some(branch.clone()),
        _ => None,
    })
}

fn answered(fork: &Fork) -> Vec<String> {
    branches(fork, |event| match event {
        Event::Answered { branch, .. } => Some(branch.clone()),
        _ => None,
    })
}

fn lost(fork: &Fork) -> Vec<String> {
    branches(fork, |event| match event {
        Event::BranchLost { branch, .. } => Some(branch.clone()),
        _ => None,
    })
}

fn branches(fork: &Fork, of: impl FnMut(&Event) -> Option<String>) -> Vec<String> {
    events(&fork.world, fork.alice).filter_map(of).collect()
}

/// Is alice hearing this tone from `from` ms after she began to hear, for half a second?
fn hears(fork: &Fork, hz: f32, from: usize) -> bool {
    let heard = recording(&fork.world, fork.alice);
    let per_ms = heard.rate as usize / 1000;
    let mut said = vec![0; 500 * per_ms];
    Source::tone(f64::from(hz), heard.rate).read(&mut said);
    compare(&said, &heard.samples[from * per_ms..(from + 500) * per_ms], 40 * per_ms).correlation > 0.95
}

#[test]
fn of_three_phones_with_early_media_one_is_heard_and_when_it_gives_up_another() {
    let mut fork = Fork::early([60_000, 4000, 60_000]);
    fork.dial(HangUp::After(ms(1000)));
    fork.world.run(at(1500));
    assert_eq!(requests(&fork.world, ALICE, Method::Prack).len(), 3, "each branch has an early dialog of its own");
    // RFC 6228: the proxy says that the first has given up.
    let mut gone = responses(&fork.world, &ip(0), 183).remove(0);
    gone.status = StatusCode::EARLY_DIALOG_TERMINATED;
    gone.body.clear();
    for name in ["Require", "RSeq", "Content-Type"] {
        gone.headers.remove(name);
    }
    fork.world.inject(sip_at(PROXY), sip_at(ALICE), &gone.to_bytes());
    fork.world.run(at(200_000));
    let ok = responses(&fork.world, &ip(1), 200);
    let winner = ok.iter().find(|ok| ok.headers.cseq().unwrap().method == Method::Invite).unwrap();
    assert_eq!(answered(&fork), [winner.headers.to().unwrap().tag().unwrap()]);
    assert!(hears(&fork, hz(0) + 50.0, 500), "the first that spoke");
    assert!([1, 2].iter().any(|n| hears(&fork, hz(*n) + 50.0, 2500)), "then another, but not both");
    assert!(hears(&fork, hz(1), 4300), "and then who answered");
    let said = format!("{:?}", fork.world.node(fork.alice).events);
    assert!(!said.contains("TwoTimePad"), "{said}");
    assert_nothing_left(&fork.world, fork.alice);
    assert_nothing_left(&fork.world, fork.bobs[1]);
}
