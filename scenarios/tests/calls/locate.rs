//! Callees whose names must be looked up first (RFC 3263).

use crate::common::*;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::Outcome;
use keyphone_ua::settings::{HangUp, Incoming, Settings};
use keyphone_ua::sip::{Message, Method, StatusCode};
use std::collections::BTreeMap;
use std::net::SocketAddr;

fn dial(world: &mut World, alice: usize, target: &str, hang_up: HangUp) {
    let target = Box::new(target.parse().unwrap());
    world.command(alice, Command::Call { target, to: None, from: None, plan: plan(ALICE_HZ, hang_up) });
}

/// Alice calls this, talks for a second and hangs up.
fn call_to(target: &str, zone: impl FnOnce(&mut World)) -> Pair {
    let mut pair = pair();
    zone(&mut pair.world);
    dial(&mut pair.world, pair.alice, target, HangUp::After(ms(1000)));
    pair.run(200_000);
    pair
}

/// Bob is sip:bob@example.org, wherever he is.
fn bob(ip: &str) -> Settings {
    phone("bob", ip, |config| config.account.from = "sip:bob@example.org".parse().unwrap())
}

fn pair() -> Pair {
    Pair::on(1, Link::PERFECT, phone("alice", Pair::ALICE, no_change), bob(Pair::BOB))
}

fn asked(pair: &mut Pair) -> Vec<String> {
    pair.world.zone().asked().iter().map(ToString::to_string).collect()
}

fn assert_completed(pair: &Pair) {
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

fn why(pair: &Pair) -> String {
    let Outcome::Failed { why, .. } = pair.outcome(pair.alice) else { panic!() };
    pair.assert_nothing_left();
    why
}

#[test]
fn a_name_with_naptr_and_srv_is_found_over_the_transport_that_it_likes_best() {
    let mut pair = call_to("sip:bob@example.org", |world| {
        let zone = world.zone();
        zone.naptr("example.org", (50, 50), "SIPS+D2T", "_sips._tcp.example.org");
        zone.naptr("example.org", (90, 50), "SIP+D2T", "_sip._tcp.example.org");
        zone.naptr("example.org", (100, 50), "SIP+D2U", "_sip._udp.example.org");
        zone.srv("_sip._tcp.example.org", (0, 1, 5060), "bob.example.org.");
        zone.host("bob.example.org", Pair::BOB);
    });
    assert_completed(&pair);
    let asked = asked(&mut pair);
    assert_eq!(asked, ["example.org NAPTR", "_sip._tcp.example.org SRV", "bob.example.org A, AAAA"]);
    let invites = requests(&pair.world, Pair::ALICE, Method::Invite);
    let via = invites[0].headers.get("Via").unwrap();
    assert!(via.starts_with("SIP/2.0/TCP 10.0.0.1:5060"), "TLS is not set up: {via}");
    assert_eq!(invites.len(), 1);
}

#[test]
fn a_name_with_an_address_only_is_called_there_over_udp_and_with_a_port_it_is_asked_for_nothing_else() {
    let mut pair = call_to("sip:bob@example.org", |world| {
        world.zone().host("example.org", Pair::BOB);
    });
    assert_completed(&pair);
    let all = ["example.org NAPTR", "_sip._udp.example.org SRV", "_sip._tcp.example.org SRV", "example.org A, AAAA"];
    assert_eq!(asked(&mut pair), all);
    let mut pair = call_to("sip:bob@example.org:5060", |world| {
        world.zone().host("example.org", Pair::BOB);
    });
    assert_completed(&pair);
    assert_eq!(asked(&mut pair), ["example.org A, AAAA"]);
    let mut pair = call_to("sip:bob@example.org;transport=tcp", |world| {
        world.zone().host("example.org", Pair::BOB);
    });
    assert_completed(&pair);
    assert_eq!(asked(&mut pair), ["_sip._tcp.example.org SRV", "example.org A, AAAA"]);
}

#[test]
fn an_ipv6_phone_takes_the_ipv6_address_of_a_name_that_has_both() {
    let (alice, bob) = ("2001:db8::1", "2001:db8::2");
    let mut pair = Pair::on(1, Link::PERFECT, phone("alice", alice, no_change), self::bob(bob));
    pair.world.zone().host("example.org", "10.0.0.2").host("example.org", bob);
    dial(&mut pair.world, pair.alice, "sip:bob@example.org", HangUp::After(ms(1000)));
    pair.run(200_000);
    assert_completed(&pair);
}

#[test]
fn who_has_only_addresses_of_the_other_family_is_told_so() {
    let pair = call_to("sip:bob@example.org", |world| {
        world.zone().host("example.org", "2001:db8::2");
    });
    assert_eq!(why(&pair), "nobody answers for example.org: it has only IPv6 addresses, and we listen on IPv4");
}

#[test]
fn a_name_that_does_not_exist_fails_the_call_with_those_words() {
    let pair = call_to("sip:bob@example.org", |_| {});
    assert_eq!(why(&pair), "nobody answers for example.org: no such name");
    let pair = call_to("sip:bob@example.org", |world| {
        world.zone().srv("_sip._udp.example.org", (0, 0, 5060), "bob.example.org");
    });
    assert_eq!(why(&pair), "nobody answers for example.org: it names bob.example.org, and there is no such name");
    let pair = call_to("sip:bob@example.org", |world| world.zone().fails("example.org", "the server is out of order"));
    assert_eq!(why(&pair), "nobody answers for example.org: the server is out of order");
    let pair = call_to("sip:bob@example.org", |world| {
        world.zone().srv("_sip._udp.example.org", (0, 0, 0), ".").host("example.org", Pair::BOB);
    });
    assert_eq!(why(&pair), "nobody answers for example.org: it has no SIP service over UDP", "RFC 2782");
    let pair = call_to("sips:bob@example.org", |_| {});
    assert!(why(&pair).ends_with("it asks for TLS, which is not set up here"));
    let pair = call_to("tel:+4930123", |_| {});
    assert_eq!(why(&pair), "nobody answers for tel:+4930123: it names no host");
}

#[test]
fn a_name_server_that_never_answers_fails_the_call_after_ten_seconds() {
    let mut pair = Pair::new();
    pair.world.zone().set_latency(ms(3_600_000));
    dial(&mut pair.world, pair.alice, "sip:bob@example.org", HangUp::Never);
    pair.run(9_999);
    assert_eq!(outcomes(&pair.world, pair.alice), []);
    pair.run(10_000);
    assert!(matches!(pair.outcome(pair.alice), Outcome::Failed { why, .. } if why == "no name server answers"));
}

/// Alice calls example.org, whose first server is at 10.0.0.77, where nobody is, and whose second is bob.
fn with_a_dead_server(transport: &str) -> Pair {
    let service = format!("_sip._{transport}.example.org");
    call_to(&format!("sip:bob@example.org;transport={transport}"), |world| {
        let zone = world.zone();
        zone.srv(&service, (1, 0, 5060), "dead.example.org").srv(&service, (2, 0, 5060), "bob.example.org");
        zone.host("dead.example.org", "10.0.0.77").host("bob.example.org", Pair::BOB);
    })
}

#[test]
fn where_the_first_server_is_dead_the_second_is_called_with_a_branch_of_its_own() {
    for (transport, dialled) in [("tcp", 1), ("udp", 7)] {
        let pair = with_a_dead_server(transport);
        assert_completed(&pair);
        let invites = requests(&pair.world, Pair::ALICE, Method::Invite);
        assert_eq!(invites.len(), dialled + 1, "{transport}");
        let branch = |n: usize| invites[n].headers.via().unwrap().branch().unwrap().to_owned();
        assert_eq!(branch(0), branch(dialled - 1));
        assert_ne!(branch(0), branch(dialled), "RFC 3263 section 4.3");
        assert_eq!(invites[0].headers.get("Call-ID"), invites[dialled].headers.get("Call-ID"));
    }
}

#[test]
fn a_server_that_answers_503_sends_us_to_the_next_and_gets_its_ack() {
    let mut world = World::new(1, Link::PERFECT);
    let mut full = bob("10.0.0.3");
    full.incoming = Incoming::Refuse(StatusCode::SERVICE_UNAVAILABLE);
    let alice = world.add("alice", phone("alice", Pair::ALICE, no_change));
    let bob = world.add("bob", bob(Pair::BOB));
    let full = world.add("full", full);
    let zone = world.zone();
    zone.srv("_sip._udp.example.org", (1, 0, 5060), "full.example.org").host("full.example.org", "10.0.0.3");
    zone.srv("_sip._udp.example.org", (2, 0, 5060), "bob.example.org").host("bob.example.org", Pair::BOB);
    dial(&mut world, alice, "sip:bob@example.org", HangUp::After(ms(500)));
    world.run(at(200_000));
    assert_eq!((outcome(&world, alice), outcome(&world, bob)), (WE_HUNG_UP, PEER_HUNG_UP));
    assert!(matches!(outcome(&world, full), Outcome::Failed { status: Some(503), .. }));
    let acks: Vec<SocketAddr> = world.log().iter().filter(|sent| is_request(sent, "ACK")).map(|sent| sent.to).collect();
    assert_eq!(acks, [sip_at("10.0.0.3"), sip_at(Pair::BOB)]);
    [alice, bob, full].into_iter().for_each(|node| assert_nothing_left(&world, node));
}

#[test]
fn when_every_server_is_full_the_call_fails_with_their_503() {
    let mut bob = phone("bob", Pair::BOB, no_change);
    bob.incoming = Incoming::Refuse(StatusCode::SERVICE_UNAVAILABLE);
    let mut pair = Pair::on(1, Link::PERFECT, phone("alice", Pair::ALICE, no_change), bob);
    pair.world.zone().host("example.org", Pair::BOB);
    dial(&mut pair.world, pair.alice, "sip:bob@example.org", HangUp::Never);
    pair.run(200_000);
    assert!(matches!(pair.outcome(pair.alice), Outcome::Failed { status: Some(503), .. }));
    pair.assert_nothing_left();
}

#[test]
fn a_cancel_has_the_branch_of_the_try_that_rings() {
    let mut pair = pair();
    let zone = pair.world.zone();
    zone.srv("_sip._tcp.example.org", (1, 0, 5060), "dead.example.org").host("dead.example.org", "10.0.0.77");
    zone.srv("_sip._tcp.example.org", (2, 0, 5060), "bob.example.org").host("bob.example.org", Pair::BOB);
    dial(&mut pair.world, pair.alice, "sip:bob@example.org;transport=tcp", HangUp::Never);
    pair.run(200);
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert!(matches!(pair.outcome(pair.bob), Outcome::Failed { status: Some(487), .. }));
    let cancel = requests(&pair.world, Pair::ALICE, Method::Cancel).remove(0);
    let invite = requests(&pair.world, Pair::ALICE, Method::Invite).remove(1);
    assert_eq!(cancel.headers.get("Via"), invite.headers.get("Via"), "RFC 3261 section 9.1");
    pair.assert_nothing_left();
}

#[test]
fn a_peer_whose_contact_is_a_name_gets_its_ack_and_bye() {
    let mut pair = Pair::new();
    pair.world.zone().host("phones.example.org", Pair::BOB);
    pair.world.set_middle(Box::new(|sent| {
        let text = String::from_utf8_lossy(&sent.bytes);
        match !sent.media && text.contains("Contact: <sip:bob@10.0.0.2:5060>") {
            true => Middle::Change(text.replace("bob@10.0.0.2:5060", "bob@phones.example.org:5060").into_bytes()),
            false => Middle::Pass,
        }
    }));
    let mut pair = pair.whole_call();
    assert_completed(&pair);
    assert_eq!(asked(&mut pair), ["phones.example.org A, AAAA"], "once: the answer is kept");
}

#[test]
fn load_is_shared_among_servers_by_their_weight() {
    let mut pair = Pair::new();
    let zone = pair.world.zone();
    zone.srv("_sip._udp.example.org", (0, 0, 5060), "a.example.org").host("a.example.org", Pair::BOB);
    zone.srv("_sip._udp.example.org", (0, 3, 5060), "b.example.org").host("b.example.org", "10.0.0.3");
    pair.world.set_middle(Box::new(|_| Middle::Drop));
    for n in 0..100 {
        dial(&mut pair.world, pair.alice, "sip:bob@example.org", HangUp::Never);
        pair.run(1000 * (n + 1));
    }
    // Where each call went first.
    let mut first = BTreeMap::new();
    for sent in pair.world.log().iter().filter(|sent| is_request(sent, "INVITE")) {
        let Ok(Message::Request(invite)) = Message::parse(&sent.bytes) else { panic!() };
        first.entry(invite.headers.call_id().unwrap().to_owned()).or_insert(sent.to);
    }
    let at = |ip| first.values().filter(|to| **to == sip_at(ip)).count();
    assert_eq!(at(Pair::BOB) + at("10.0.0.3"), 100);
    assert!((60..90).contains(&at("10.0.0.3")), "{}", at("10.0.0.3"));
}
