//! Security preconditions (RFC 3312, RFC 4032, RFC 5027): no phone rings before the call is keyed.

use crate::common::*;
use keyphone_config::Config;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, Sent, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event, Outcome};
use keyphone_ua::settings::{HangUp, Incoming, Preconditions, Reliable, Settings};
use keyphone_ua::sip::Method;

fn alice(preconditions: Preconditions) -> Settings {
    let mut alice = phone("alice", Pair::ALICE, short);
    alice.rules.preconditions = preconditions;
    alice
}

fn bob(preconditions: Preconditions) -> Settings {
    let mut bob = phone("bob", Pair::BOB, no_change);
    bob.rules.preconditions = preconditions;
    bob
}

/// One codec, so that the INVITE fits into a datagram (RFC 3261 section 18.1.1).
fn short(config: &mut Config) {
    config.audio.codecs.truncate(1);
}

fn clear(config: &mut Config) {
    config.policy.keying.clear();
    config.policy.allow_clear = true;
}

fn rang(world: &World, node: usize) -> usize {
    events(world, node).filter(|event| matches!(event, Event::Ringing { .. })).count()
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

fn key_mgmt(body: &[u8]) -> Vec<&str> {
    text(body).lines().filter(|line| line.contains("key-mgmt")).collect()
}

/// The lines of a body that speak of preconditions.
fn status(body: &[u8]) -> Vec<&str> {
    let is = |line: &&str| ["a=curr:", "a=des:", "a=conf:"].iter().any(|name| line.starts_with(name));
    text(body).lines().filter(is).collect()
}

/// Somebody on the way puts lines at the end of every INVITE's body.
fn add_to_offers(world: &mut World, lines: &'static str) {
    world.set_middle(Box::new(move |sent| match is_request(sent, "INVITE") {
        true => Middle::Change(rewrite(&sent.bytes, |body| body + lines)),
        false => Middle::Pass,
    }));
}

/// The same message without a body, and without what says that it has one or needs it understood.
fn emptied(sent: &Sent) -> Vec<u8> {
    let whole = rewrite(&sent.bytes, |_| String::new());
    let kept = |line: &&str| !line.starts_with("Content-Type:") && !line.starts_with("Require:");
    let text = std::str::from_utf8(&whole).unwrap().trim_end();
    (text.lines().filter(kept).collect::<Vec<_>>().join("\r\n") + "\r\n\r\n").into_bytes()
}

const SEC: &str = "a=curr:sec e2e none\r\na=des:sec mandatory e2e sendrecv\r\n";

fn failed(outcome: Outcome) -> (Option<u16>, String) {
    match outcome {
        Outcome::Failed { status, why } => (status, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_phone_rings_before_it_is_keyed() {
    for (ours, theirs) in [
        (Preconditions::Required, Preconditions::Supported),
        (Preconditions::Supported, Preconditions::Required),
        (Preconditions::Required, Preconditions::Required),
    ] {
        let mut pair = Pair::on(1, Link::PERFECT, alice(ours), bob(theirs));
        pair.dial(HangUp::After(ms(1000)));
        pair.run(100_000);
        assert_eq!(pair.outcome(pair.alice), WE_HUNG_UP, "{ours:?} {theirs:?}");
        assert_eq!(outcomes(&pair.world, pair.bob).pop(), Some(PEER_HUNG_UP));
        let mut invites = requests(&pair.world, Pair::ALICE, Method::Invite);
        // Who did not speak of it is told to, and does.
        assert_eq!(invites.len(), if ours == Preconditions::Required { 1 } else { 2 });
        assert!(pair.world.log().iter().all(|sent| sent.media || sent.bytes.len() <= 1300));
        let invite = invites.pop().unwrap();
        if ours == Preconditions::Required {
            assert_eq!(invite.headers.require().unwrap(), ["100rel", "precondition"]);
            assert_eq!(status(&invite.body), ["a=curr:sec e2e none", "a=des:sec mandatory e2e sendrecv"]);
        } else {
            assert!(status(&invite.body).is_empty());
        }
        // The answer, as in RFC 5027 section 4.1.
        let progress = responses(&pair.world, Pair::BOB, 183).remove(0);
        let asks = ["a=curr:sec e2e recv", "a=des:sec mandatory e2e sendrecv", "a=conf:sec e2e sendrecv"];
        assert_eq!(status(&progress.body), asks);
        let met = ["a=curr:sec e2e sendrecv", "a=des:sec mandatory e2e sendrecv"];
        let pracks = requests(&pair.world, Pair::ALICE, Method::Prack);
        let prack = pracks.iter().find(|prack| !prack.body.is_empty()).unwrap();
        assert_eq!(status(&prack.body), met);
        assert_eq!(prack.headers.require().unwrap(), ["precondition"]);
        // What is keyed stays as it is.
        assert_eq!(key_mgmt(&prack.body), key_mgmt(&invite.body));
        let ok = responses(&pair.world, Pair::BOB, 200).remove(0);
        assert_eq!(ok.headers.cseq().unwrap().method, Method::Prack);
        assert_eq!((status(&ok.body), key_mgmt(&ok.body)), (met.to_vec(), key_mgmt(&progress.body)));
        // Only then it rings, and it rings as long as ever.
        let order = |is: &dyn Fn(&Sent) -> bool| pair.world.log().iter().position(is).unwrap();
        assert!(order(&|sent| is_request(sent, "PRACK")) < order(&|sent| is_response(sent, 180)));
        assert_eq!((rang(&pair.world, pair.alice), rang(&pair.world, pair.bob)), (1, 1));
        let rings = when(&pair.world, pair.bob, |event| matches!(event, Event::Ringing { .. }));
        let answered = when(&pair.world, pair.bob, |event| matches!(event, Event::Answered { .. }));
        assert_eq!(answered.since(rings), ms(300));
        let (a, b) = (counts(&pair.world, pair.alice), counts(&pair.world, pair.bob));
        assert!(a.played > 40 && b.played > 40 && a.refused + b.refused == 0);
        pair.assert_nothing_left();
    }
}

#[test]
fn a_call_that_is_secured_first_comes_through_a_bad_line_too() {
    for seed in 1..=20 {
        let required = Preconditions::Required;
        let mut pair = Pair::on(seed, Link::BAD_DAY, alice(required), bob(Preconditions::Supported));
        pair.dial(HangUp::After(ms(3000)));
        pair.run(300_000);
        assert_eq!(pair.outcome(pair.alice), WE_HUNG_UP, "seed {seed}");
        let confirmed = pair.world.log().iter().position(|sent| is_request(sent, "PRACK") && has_sdp(sent)).unwrap();
        let rings = pair.world.log().iter().position(|sent| is_response(sent, 180)).unwrap();
        assert!(confirmed < rings, "seed {seed}");
        assert_eq!(rang(&pair.world, pair.bob), 1, "seed {seed}");
        assert!(counts(&pair.world, pair.alice).played > 50, "seed {seed}");
        pair.assert_nothing_left();
    }
}

#[test]
fn what_does_not_come_through_in_a_prack_is_said_in_an_update() {
    // Somebody on the way takes the offer out of the PRACK.
    let mut pair = Pair::on(1, Link::PERFECT, alice(Preconditions::Required), bob(Preconditions::Supported));
    pair.world.set_middle(Box::new(|sent| match is_request(sent, "PRACK") {
        true => Middle::Change(emptied(sent)),
        false => Middle::Pass,
    }));
    pair.dial(HangUp::After(ms(2000)));
    pair.run(100_000);
    let update = requests(&pair.world, Pair::ALICE, Method::Update).remove(0);
    assert_eq!(update.headers.require().unwrap(), ["precondition"]);
    assert!(status(&update.body).contains(&"a=curr:sec e2e sendrecv"), "{}", text(&update.body));
    let offer = requests(&pair.world, Pair::ALICE, Method::Invite).remove(0);
    assert_eq!(key_mgmt(&update.body), key_mgmt(&offer.body), "RFC 5027 section 3");
    assert_eq!((rang(&pair.world, pair.bob), rang(&pair.world, pair.alice)), (1, 1));
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn who_never_confirms_is_refused_and_nobody_was_rung() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Preconditions::Required), bob(Preconditions::Supported));
    pair.world.set_middle(Box::new(|sent| match sent.bytes.get(..6) {
        Some(b"PRACK ") => Middle::Change(emptied(sent)),
        Some(b"UPDATE") => Middle::Drop,
        _ => Middle::Pass,
    }));
    pair.dial(HangUp::Never);
    pair.run(100_000);
    let (ours, theirs) = pair.outcomes();
    assert_eq!((failed(ours).0, failed(theirs).0), (Some(580), Some(580)));
    assert_eq!((rang(&pair.world, pair.alice), rang(&pair.world, pair.bob)), (0, 0));
    let refusal = responses(&pair.world, Pair::BOB, 580).remove(0);
    assert_eq!(status(&refusal.body), ["a=des:sec failure e2e sendrecv"]);
    pair.assert_nothing_left();
}

#[test]
fn a_confirmation_that_nobody_takes_is_told() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Preconditions::Required), bob(Preconditions::Supported));
    pair.world.set_middle(Box::new(|sent| match is_request(sent, "PRACK") || is_request(sent, "UPDATE") {
        true => Middle::Change(emptied(sent)),
        false => Middle::Pass,
    }));
    pair.dial(HangUp::Never);
    pair.run(100_000);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Update).len(), 1, "once is enough");
    let trouble = |event: &Event| matches!(event, Event::CallTrouble { what, .. } if what.contains("may never ring"));
    assert_eq!(events(&pair.world, pair.alice).filter(|event| trouble(event)).count(), 1);
    assert_eq!(failed(pair.outcome(pair.alice)).0, Some(580));
    pair.assert_nothing_left();
}

#[test]
fn a_running_call_says_that_the_keys_it_has_are_secure() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Preconditions::Never), bob(Preconditions::Supported));
    pair.dial(HangUp::Never);
    pair.run(1000);
    add_to_offers(&mut pair.world, SEC);
    pair.world.command(pair.alice, Command::Hold(CallId(1)));
    pair.run(2000);
    let ok = responses(&pair.world, Pair::BOB, 200).pop().unwrap();
    assert_eq!(status(&ok.body), ["a=curr:sec e2e sendrecv", "a=des:sec mandatory e2e sendrecv"]);
}

#[test]
fn a_user_who_answers_before_it_may_ring_is_connected_as_soon_as_it_may() {
    let mut waiting = bob(Preconditions::Supported);
    waiting.incoming = Incoming::Ring { plan: plan(BOB_HZ, HangUp::Never) };
    let mut pair = Pair::on(1, Link::PERFECT, alice(Preconditions::Required), waiting);
    let mut kept = 0;
    pair.world.set_middle(Box::new(move |sent| match is_request(sent, "PRACK") && kept < 2 {
        true => {
            kept += 1;
            Middle::Drop
        }
        false => Middle::Pass,
    }));
    pair.dial(HangUp::After(ms(1000)));
    pair.run(200);
    pair.world.command(pair.bob, Command::Answer(CallId(1)));
    pair.run(1000);
    let answered = |event: &Event| matches!(event, Event::Answered { .. });
    assert!(!events(&pair.world, pair.bob).any(answered));
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn a_precondition_that_cannot_be_met_is_580() {
    let able = phone("alice", Pair::ALICE, short);
    let mut unreliable = able.clone();
    unreliable.rules.reliable = Reliable::Never;
    let open = |config: &mut Config| config.policy.allow_clear = true;
    for (alice, lines, blamed, why) in [
        (phone("alice", Pair::ALICE, clear), SEC, "a=des:sec failure e2e sendrecv", "offers a call in the clear"),
        (unreliable, SEC, "a=des:sec failure e2e sendrecv", "does not know reliable responses"),
        (able, "a=curr:qos e2e none\r\na=des:qos mandatory e2e send\r\n", "a=des:qos unknown e2e recv", "not know"),
    ] {
        let mut pair = Pair::on(1, Link::PERFECT, alice, phone("bob", Pair::BOB, open));
        add_to_offers(&mut pair.world, lines);
        pair.dial(HangUp::Never);
        pair.run(100_000);
        let (status_of, said) = failed(pair.outcome(pair.alice));
        assert_eq!(status_of, Some(580), "{said}");
        assert!(said.contains(why), "{said}");
        let refusal = responses(&pair.world, Pair::BOB, 580).remove(0);
        assert_eq!(status(&refusal.body), [blamed]);
        assert!(text(&refusal.body).contains("m=audio 0 "));
        assert_eq!((rang(&pair.world, pair.bob), responses(&pair.world, Pair::BOB, 180).len()), (0, 0));
        assert_eq!(media_from(&pair.world, Pair::BOB).count(), 0);
        pair.assert_nothing_left();
    }
}

#[test]
fn what_is_the_callers_own_business_is_waited_for_too() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Preconditions::Supported), bob(Preconditions::Supported));
    add_to_offers(&mut pair.world, "a=curr:qos local none\r\na=des:qos mandatory local sendrecv\r\n");
    pair.dial(HangUp::Never);
    pair.run(100_000);
    let asks = ["a=curr:qos remote none", "a=des:qos mandatory remote sendrecv", "a=conf:qos remote sendrecv"];
    assert_eq!(status(&responses(&pair.world, Pair::BOB, 183)[0].body), asks);
    assert_eq!((failed(pair.outcome(pair.bob)).0, rang(&pair.world, pair.bob)), (Some(580), 0));
    pair.assert_nothing_left();
}

#[test]
fn plain_calls_are_as_they_were() {
    for (ours, theirs) in [
        (Preconditions::Supported, Preconditions::Supported),
        (Preconditions::Never, Preconditions::Supported),
        (Preconditions::Supported, Preconditions::Never),
    ] {
        let pair = Pair::on(1, Link::PERFECT, alice(ours), bob(theirs)).whole_call();
        assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
        let said: Vec<_> = pair.world.log().iter().filter(|sent| !sent.media).collect();
        // INVITE, 100, 180, 200, ACK, BYE, 200: at most.
        assert!(said.len() <= 7, "{}", said.len());
        assert!(said.iter().all(|sent| !String::from_utf8_lossy(&sent.bytes).contains("a=curr")));
        assert!(
            said.iter()
                .all(|sent| !is_request(sent, "INVITE")
                    || !String::from_utf8_lossy(&sent.bytes).contains("precondition"))
        );
        assert_eq!(responses(&pair.world, Pair::BOB, 180).len(), 1);
        pair.assert_nothing_left();
    }
}

#[test]
fn security_that_is_only_wished_for_delays_nothing() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Preconditions::Supported), bob(Preconditions::Supported));
    add_to_offers(&mut pair.world, "a=curr:sec e2e none\r\na=des:sec optional e2e sendrecv\r\n");
    pair.dial(HangUp::After(ms(1000)));
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    assert!(responses(&pair.world, Pair::BOB, 183).is_empty() && rang(&pair.world, pair.bob) == 1);
    let ok = responses(&pair.world, Pair::BOB, 200).remove(0);
    assert_eq!(status(&ok.body), ["a=curr:sec e2e recv", "a=des:sec optional e2e sendrecv"]);
    pair.assert_nothing_left();
}

#[test]
fn a_phone_that_knows_nothing_of_preconditions_says_so() {
    let pair = Pair::on(1, Link::PERFECT, alice(Preconditions::Required), bob(Preconditions::Never)).whole_call();
    let (status, why) = failed(pair.outcome(pair.alice));
    assert_eq!(status, Some(420));
    assert!(why.contains("the peer cannot do what this call requires (precondition)"), "{why}");
    assert_eq!(responses(&pair.world, Pair::BOB, 420)[0].headers.get("Unsupported"), Some("precondition"));
    let pair = Pair::on(1, Link::PERFECT, alice(Preconditions::Never), bob(Preconditions::Required)).whole_call();
    let (status, why) = failed(pair.outcome(pair.alice));
    assert_eq!(status, Some(421), "RFC 3261 section 21.4.16");
    assert!(why.contains("does not ring before the call is keyed"), "{why}");
    assert_eq!(responses(&pair.world, Pair::BOB, 421)[0].headers.get("Require"), Some("precondition"));
}

#[test]
fn nobody_asks_for_security_first_in_the_clear() {
    let mut alice = phone("alice", Pair::ALICE, clear);
    alice.rules.preconditions = Preconditions::Required;
    let mut pair = Pair::on(1, Link::PERFECT, alice, phone("bob", Pair::BOB, clear));
    pair.dial(HangUp::Never);
    pair.run(1000);
    assert!(matches!(pair.outcome(pair.alice), Outcome::KeyingRefused { why } if why.contains("in the clear")));
    assert!(sip_from(&pair.world, Pair::ALICE).is_empty());
}

#[test]
fn a_call_that_was_secured_first_can_be_held_and_taken_back() {
    let mut pair = Pair::on(1, Link::PERFECT, alice(Preconditions::Required), bob(Preconditions::Supported));
    pair.dial(HangUp::After(ms(4000)));
    pair.run(1500);
    pair.world.command(pair.alice, Command::Hold(CallId(1)));
    pair.run(2500);
    pair.world.command(pair.bob, Command::Rekey(CallId(1)));
    pair.run(3000);
    pair.world.command(pair.alice, Command::Resume(CallId(1)));
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    let resumed = |event: &Event| matches!(event, Event::Resumed { .. });
    assert!(events(&pair.world, pair.alice).any(resumed) && events(&pair.world, pair.bob).any(resumed));
    assert_eq!((rang(&pair.world, pair.alice), rang(&pair.world, pair.bob)), (1, 1));
    assert_eq!(counts(&pair.world, pair.alice).refused + counts(&pair.world, pair.bob).refused, 0);
    pair.assert_nothing_left();
}
