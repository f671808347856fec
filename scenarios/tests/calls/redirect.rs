//! Calls that are sent elsewhere (RFC 3261 section 8.1.3.4), calls that the user answers, and invitations that run out.

use crate::common::*;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::World;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event, Outcome};
use keyphone_ua::settings::{HangUp, Incoming, Settings};
use keyphone_ua::sip::{Method, StatusCode};
use keyphone_ua::transaction::Transport;

const CAROL: &str = "10.0.0.3";
const DAVE: &str = "10.0.0.4";

fn uri(ip: &str) -> String {
    format!("sip:bob@{ip}")
}

/// A phone that answers to bob's name, wherever it is.
fn bob(ip: &str, incoming: Incoming) -> Settings {
    let mut bob = phone("bob", ip, |config| config.account.from = uri(Pair::BOB).parse().unwrap());
    bob.incoming = incoming;
    bob
}

fn answers() -> Incoming {
    Incoming::Answer { after: ms(300), early: None, plan: plan(BOB_HZ, HangUp::Never) }
}

fn sends_to(ips: &[&str]) -> Incoming {
    Incoming::Redirect(ips.iter().map(|ip| uri(ip).parse().unwrap()).collect())
}

/// Alice calls bob; carol and dave are there, too.
fn call_with(bobs: [Incoming; 3], redirects: usize) -> (World, [usize; 4]) {
    let mut world = World::new(1, Link::PERFECT);
    let mut alice = phone("alice", Pair::ALICE, no_change);
    alice.rules.redirects = redirects;
    let alice = world.add("alice", alice);
    let [b, c, d] = bobs;
    let nodes = [
        alice,
        world.add("bob", bob(Pair::BOB, b)),
        world.add("carol", bob(CAROL, c)),
        world.add("dave", bob(DAVE, d)),
    ];
    world.command(alice, call(Pair::BOB, Transport::Udp, plan(ALICE_HZ, HangUp::After(ms(1000)))));
    world.run(at(200_000));
    for node in nodes {
        assert_nothing_left(&world, node);
    }
    (world, nodes)
}

#[test]
fn a_call_that_is_sent_elsewhere_is_answered_there_with_the_same_keys() {
    let (world, [alice, bob, carol, _]) = call_with([sends_to(&[CAROL]), answers(), answers()], 5);
    assert_eq!(outcome(&world, alice), WE_HUNG_UP);
    assert_eq!(outcome(&world, carol), PEER_HUNG_UP);
    assert!(matches!(outcome(&world, bob), Outcome::Failed { status: Some(302), .. }));
    assert!(events(&world, alice).any(|e| matches!(e, Event::Redirected { to, .. } if *to == [uri(CAROL)])));
    assert!(events(&world, bob).any(|e| matches!(e, Event::Redirected { .. })));
    let invites = requests(&world, Pair::ALICE, Method::Invite);
    let [first, second] = &invites[..] else { panic!("{}", invites.len()) };
    assert_eq!((second.uri.to_string(), &second.body), (uri(CAROL), &first.body));
    assert_eq!(second.headers.cseq().unwrap().seq, 2);
    for name in ["Call-ID", "From", "To"] {
        assert_eq!(first.headers.get(name), second.headers.get(name), "RFC 3261 section 8.1.3.4");
    }
    assert!(counts(&world, alice).played > 40 && counts(&world, carol).played > 40);
}

#[test]
fn whoever_is_next_is_called_when_the_first_does_not_want() {
    let (world, [alice, _, _, dave]) =
        call_with([sends_to(&[CAROL, DAVE]), Incoming::Refuse(StatusCode::BUSY_HERE), answers()], 5);
    assert_eq!((outcome(&world, alice), outcome(&world, dave)), (WE_HUNG_UP, PEER_HUNG_UP));
    // Who declines for everybody is believed.
    let (world, [alice, ..]) =
        call_with([sends_to(&[CAROL, DAVE]), Incoming::Refuse(StatusCode::DECLINE), answers()], 5);
    assert!(matches!(outcome(&world, alice), Outcome::Failed { status: Some(603), .. }));
}

#[test]
fn three_who_send_us_to_each_other_are_each_called_once() {
    let (world, [alice, ..]) = call_with([sends_to(&[CAROL]), sends_to(&[DAVE]), sends_to(&[Pair::BOB, CAROL])], 50);
    assert!(matches!(outcome(&world, alice), Outcome::Failed { status: Some(302), .. }));
    assert_eq!(requests(&world, Pair::ALICE, Method::Invite).len(), 3);
}

#[test]
fn a_phone_goes_no_further_than_it_may() {
    let (world, [alice, ..]) = call_with([sends_to(&[CAROL]), sends_to(&[DAVE]), answers()], 1);
    assert!(matches!(outcome(&world, alice), Outcome::Failed { status: Some(302), .. }));
    let (world, [alice, ..]) = call_with([sends_to(&[CAROL]), answers(), answers()], 0);
    assert!(matches!(outcome(&world, alice), Outcome::Failed { status: Some(302), .. }));
    assert_eq!(requests(&world, Pair::ALICE, Method::Invite).len(), 1);
}

/// Bob rings until he is told.
fn ringing() -> Pair {
    let incoming = Incoming::Ring { plan: plan(BOB_HZ, HangUp::Never) };
    let mut pair = Pair::on(1, Link::PERFECT, phone("alice", Pair::ALICE, no_change), bob(Pair::BOB, incoming));
    pair.world.add("carol", bob(CAROL, answers()));
    pair.dial(HangUp::After(ms(1000)));
    pair.run(1000);
    pair
}

#[test]
fn a_user_answers_refuses_or_redirects_what_rings() {
    let mut pair = ringing();
    pair.world.command(pair.bob, Command::Answer(CallId(1)));
    pair.world.command(pair.bob, Command::Answer(CallId(1)));
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();

    let mut pair = ringing();
    pair.world.command(pair.bob, Command::Refuse(CallId(1), StatusCode::RINGING));
    pair.run(1500);
    assert!(outcomes(&pair.world, pair.bob).is_empty(), "180 refuses nothing");
    pair.world.command(pair.bob, Command::Refuse(CallId(1), StatusCode::BUSY_HERE));
    pair.run(100_000);
    let (Outcome::Failed { status: ours, .. }, Outcome::Failed { status: theirs, .. }) = pair.outcomes() else {
        panic!()
    };
    assert_eq!((ours, theirs), (Some(486), Some(486)));
    pair.assert_nothing_left();

    let mut pair = ringing();
    pair.world.command(pair.bob, Command::Redirect(CallId(1), vec![uri(CAROL).parse().unwrap()]));
    pair.run(100_000);
    // Carol is the third phone of this world.
    assert_eq!((pair.outcome(pair.alice), outcome(&pair.world, 2)), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn an_invitation_runs_out_with_the_callee_as_well() {
    let mut pair = ringing();
    // Alice vanishes; her INVITE said for how long it holds.
    pair.world.set_middle(Box::new(|_| keyphone_scenarios::world::Middle::Drop));
    pair.run(400_000);
    let Outcome::Failed { status: Some(487), why } = pair.outcome(pair.bob) else { panic!() };
    assert_eq!(why, "the invitation was for a time that is over");
    assert_eq!(when(&pair.world, pair.bob, |e| matches!(e, Event::Ended { .. })).since(at(180_000)), ms(1));
}
