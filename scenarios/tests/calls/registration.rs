//! Registrations (RFC 3261 section 10): what a user may rely on, whatever the registrar and the link do.

use crate::common::*;
use crate::registrar::{Instead, Registrar, run};
use keyphone_config::{Config, Login, Password};
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::account::Account;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::Event;
use keyphone_ua::settings::{HangUp, Settings};
use keyphone_ua::sip::digest::DigestCredentials;
use keyphone_ua::sip::{Method, Request};
use keyphone_ua::transaction::{Destination, Transport};
use std::time::Duration;

const ALICE: &str = "10.0.0.1";

fn login(password: &str) -> Login {
    Login { realm: None, username: "alice".into(), password: Password::new(password.to_owned().into()) }
}

/// Alice, whose registrar is there.
fn alice(change: impl FnOnce(&mut Config)) -> Settings {
    phone("alice", ALICE, |config| {
        config.account.from = "sip:alice@example.org".parse().unwrap();
        config.account.registrar = Some(format!("sip:{}", Registrar::IP).parse().unwrap());
        config.account.login = Some(login("zanzibar"));
        change(config);
    })
}

/// A world with alice in it, who has been told to register.
fn registering(seed: u64, link: Link, settings: Settings) -> (World, usize) {
    let mut world = World::new(seed, link);
    let alice = world.add("alice", settings);
    world.command(alice, Command::Register(0));
    (world, alice)
}

fn registers(world: &World) -> Vec<Request> {
    requests(world, ALICE, Method::Register)
}

fn active(world: &World, node: usize) -> usize {
    events(world, node).filter(|event| matches!(event, Event::Registered { .. })).count()
}

/// Status, reason and retry of each failure.
fn failures(world: &World, node: usize) -> Vec<(Option<u16>, String, Option<u32>)> {
    let failed = |event: &Event| match event {
        Event::RegistrationFailed { status, why, retry, .. } => Some((*status, why.clone(), *retry)),
        _ => None,
    };
    events(world, node).filter_map(failed).collect()
}

#[test]
fn an_account_registers_with_its_password_and_stays_registered() {
    let mut registrar = Registrar::new(Registrar::IP);
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    run(&mut world, &mut [&mut registrar], 4 * 3600);
    let registered = Event::Registered {
        aor: "sip:alice@example.org".into(),
        registrar: format!("sip:{}", Registrar::IP),
        contacts: vec!["sip:alice@10.0.0.1:5060".into()],
        expires: 3600,
    };
    assert!(events(&world, alice).all(|event| *event == registered), "{:?}", world.node(alice).events);
    assert!((active(&world, alice), registrar.lapses) == (5, 0), "{} {}", active(&world, alice), registrar.lapses);
    let all = registers(&world);
    // One challenge, then the nonce is used unasked, with its count.
    assert_eq!(all.len(), 6);
    let count = |request: &Request| {
        let text = request.headers.get("Authorization")?;
        DigestCredentials::parse(text).unwrap().protection.map(|p| p.nc)
    };
    assert_eq!(all.iter().map(count).collect::<Vec<_>>(), [None, Some(1), Some(2), Some(3), Some(4), Some(5)]);
    // RFC 3261 section 10.2: one Call-ID, counting up, to the domain and not to a user.
    let name = |request: &Request| request.headers.call_id().unwrap().to_owned();
    assert!(all.iter().all(|request| name(request) == name(&all[0]) && request.uri.sip().unwrap().user().is_none()));
    let numbers: Vec<_> = all.iter().map(|request| request.headers.cseq().unwrap().seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    assert!(all[0].headers.supported().unwrap().contains(&"path".into()), "RFC 3327 section 5.1");
}

#[test]
fn a_registration_survives_a_link_that_loses_and_doubles_packets() {
    for seed in 0..20 {
        let link = Link { loss_permille: 300, duplicate_permille: 200, ..Link::BAD_DAY };
        let mut registrar = Registrar { most: 120, uses: 3, ..Registrar::new(Registrar::IP) };
        let (mut world, alice) = registering(seed, link, alice(no_change));
        run(&mut world, &mut [&mut registrar], 1800);
        assert!(active(&world, alice) >= 25, "{seed}: {}", active(&world, alice));
        let bound = registrar.bound.values().next().unwrap();
        assert!(*bound > world.now(), "{seed}: lapsed");
    }
}

#[test]
fn a_stale_nonce_costs_one_request_and_no_registration() {
    let mut registrar = Registrar { most: 120, uses: 2, ..Registrar::new(Registrar::IP) };
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    run(&mut world, &mut [&mut registrar], 1000);
    assert_eq!(failures(&world, alice), []);
    assert_eq!((active(&world, alice), registrar.lapses), (17, 0));
    // The first challenge, and one more for every second of the other sixteen.
    assert_eq!(registers(&world).len(), 17 + 1 + 8);
}

#[test]
fn a_wrong_password_is_said_and_not_tried_again() {
    let mut registrar = Registrar::new(Registrar::IP);
    let wrong = alice(|config| config.account.login = Some(login("wrong")));
    let (mut world, alice) = registering(1, Link::PERFECT, wrong);
    run(&mut world, &mut [&mut registrar], 3600);
    let why = "\"realm-of-10.0.0.100\" does not accept the user name \"alice\" with this password";
    assert_eq!(failures(&world, alice), [(Some(401), why.to_owned(), None)]);
    assert_eq!(registers(&world).len(), 2);
    assert_nothing_left(&world, alice);
}

#[test]
fn without_a_password_the_user_learns_which_realm_wants_one() {
    let mut registrar = Registrar::new(Registrar::IP);
    let (mut world, alice) = registering(1, Link::PERFECT, alice(|config| config.account.login = None));
    run(&mut world, &mut [&mut registrar], 100);
    let why = "there is no user name and password for \"realm-of-10.0.0.100\"";
    assert_eq!(failures(&world, alice), [(Some(401), why.to_owned(), None)]);
}

#[test]
fn what_is_too_brief_for_the_registrar_is_asked_for_longer() {
    let mut registrar = Registrar { least: 300, password: None, ..Registrar::new(Registrar::IP) };
    let brief = alice(|config| config.account.expires = Duration::from_secs(60));
    let (mut world, alice) = registering(1, Link::PERFECT, brief);
    run(&mut world, &mut [&mut registrar], 400);
    assert_eq!((active(&world, alice), failures(&world, alice)), (3, vec![]));
    let asked: Vec<_> = registers(&world).iter().map(|r| r.headers.get("Expires").unwrap().to_owned()).collect();
    assert_eq!(asked, ["60", "300", "300", "300"], "and it is remembered");
    // Who then calls even that too brief has refused.
    registrar.instead = vec![Instead::Status(423, vec![("Min-Expires", "5".into())])];
    run(&mut world, &mut [&mut registrar], 100);
    assert_eq!(failures(&world, alice), [(Some(423), "423 Interval Too Brief".to_owned(), None)]);
}

#[test]
fn a_registrar_that_is_away_is_asked_again_and_again_with_more_patience() {
    let mut registrar = Registrar { password: None, ..Registrar::new(Registrar::IP) };
    registrar.instead = vec![Instead::Nothing; 11 * 6];
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    run(&mut world, &mut [&mut registrar], 3600);
    let failed = failures(&world, alice);
    assert_eq!(failed.len(), 6, "{failed:?}");
    for (n, (status, _, retry)) in failed.iter().enumerate() {
        // RFC 5626 section 4.5.
        let upper = (30 << (n + 1)).min(1800);
        assert_eq!(*status, Some(408));
        assert!((upper / 2..=upper).contains(&retry.unwrap()), "{n}: {retry:?}");
    }
    assert_eq!(active(&world, alice), 1, "it came back");
}

#[test]
fn a_server_that_says_when_to_come_back_is_obeyed() {
    let mut registrar = Registrar { password: None, ..Registrar::new(Registrar::IP) };
    registrar.instead = vec![Instead::Status(503, vec![("Retry-After", "600 (backup)".into())])];
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    run(&mut world, &mut [&mut registrar], 590);
    assert_eq!(failures(&world, alice), [(Some(503), "503 Service Unavailable".to_owned(), Some(600))]);
    assert_eq!(registers(&world).len(), 1);
    run(&mut world, &mut [&mut registrar], 20);
    assert_eq!(active(&world, alice), 1);
}

#[test]
fn a_refusal_for_good_ends_it_until_the_user_asks_again() {
    let mut registrar = Registrar { password: None, ..Registrar::new(Registrar::IP) };
    registrar.instead = vec![Instead::Status(403, vec![])];
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    run(&mut world, &mut [&mut registrar], 4000);
    assert_eq!(failures(&world, alice), [(Some(403), "403 Forbidden".to_owned(), None)]);
    assert_nothing_left(&world, alice);
    world.command(alice, Command::Register(0));
    run(&mut world, &mut [&mut registrar], 10);
    assert_eq!(active(&world, alice), 1);
}

#[test]
fn who_leaves_is_taken_off_the_books() {
    let mut registrar = Registrar::new(Registrar::IP);
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    run(&mut world, &mut [&mut registrar], 10);
    assert_eq!(registrar.bound.len(), 1);
    world.command(alice, Command::Unregister(0));
    run(&mut world, &mut [&mut registrar], 100);
    assert_eq!(registrar.bound.len(), 0);
    let gone = Event::Unregistered { aor: "sip:alice@example.org".into() };
    assert_eq!(events(&world, alice).filter(|event| **event == gone).count(), 1);
    assert_nothing_left(&world, alice);
}

#[test]
fn who_leaves_while_registering_waits_for_the_answer_first() {
    // RFC 3261 section 10.2: no two at a time.
    let mut registrar = Registrar::new(Registrar::IP);
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    world.command(alice, Command::Unregister(0));
    assert_eq!(registers(&world).len(), 1);
    run(&mut world, &mut [&mut registrar], 100);
    assert_eq!((registrar.bound.len(), active(&world, alice)), (0, 1));
    assert_nothing_left(&world, alice);
    // And who was never registered has nothing to take back.
    let before = registers(&world).len();
    world.command(alice, Command::Unregister(0));
    assert_eq!(registers(&world).len(), before);
}

#[test]
fn a_registrar_that_has_moved_is_found_once() {
    let new = "10.0.0.101";
    let mut old = Registrar { password: None, ..Registrar::new(Registrar::IP) };
    let mut other = Registrar { password: None, most: 120, ..Registrar::new(new) };
    let moved = Instead::Status(302, vec![("Contact", format!("<sip:bob@{new}>;q=0.9, <sip:10.0.0.102>;q=0.1"))]);
    old.instead = vec![moved];
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    run(&mut world, &mut [&mut old, &mut other], 200);
    assert_eq!((active(&world, alice), other.bound.len(), old.bound.len()), (4, 1, 0));
    assert!(registers(&world)[1..].iter().all(|request| request.uri.to_string() == format!("sip:{new}")));
    // One that sends us round in circles is not followed.
    let back = |to: &str| Instead::Status(302, vec![("Contact", format!("<sip:{to}>"))]);
    let (mut old, mut other) = (Registrar::new(Registrar::IP), Registrar::new(new));
    (old.instead, other.instead) = (vec![back(new)], vec![back(Registrar::IP)]);
    let (mut world, alice) = registering(1, Link::PERFECT, self::alice(no_change));
    run(&mut world, &mut [&mut old, &mut other], 100);
    assert_eq!(failures(&world, alice), [(Some(302), "302 Moved Temporarily".to_owned(), None)]);
    assert_eq!(registers(&world).len(), 2);
}

#[test]
fn a_contact_that_the_registrar_does_not_keep_is_no_registration() {
    let mut registrar = Registrar { password: None, most: 0, ..Registrar::new(Registrar::IP) };
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    run(&mut world, &mut [&mut registrar], 20);
    let failed = failures(&world, alice);
    assert_eq!((active(&world, alice), failed.len()), (0, 1));
    assert!(failed[0].1.contains("does not keep it") && failed[0].2.is_some(), "{failed:?}");
}

#[test]
fn servers_that_do_not_stop_asking_are_left() {
    let mut registrar = Registrar::new(Registrar::IP);
    let ask = |n: u32| {
        Instead::Status(407, vec![("Proxy-Authenticate", format!("Digest realm=\"{n}\", nonce=\"n\", qop=\"auth\""))])
    };
    registrar.instead = (0..100).map(ask).collect();
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    run(&mut world, &mut [&mut registrar], 1000);
    let failed = failures(&world, alice);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].1.contains("servers on the way want credentials"), "{failed:?}");
    assert!(registers(&world).len() < 15, "{}", registers(&world).len());
}

#[test]
fn a_service_route_is_the_way_of_our_calls_until_it_is_gone() {
    // RFC 3608 section 6.1.
    let mut registrar = Registrar { password: None, most: 120, ..Registrar::new(Registrar::IP) };
    registrar.extra = vec![("Service-Route", "<sip:10.0.0.77;lr>, <sip:10.0.0.78;lr>".into())];
    let (mut world, alice) = registering(1, Link::PERFECT, alice(no_change));
    let call = |world: &mut World| {
        let target = Box::new("sip:bob@b.org".parse().unwrap());
        world.command(alice, Command::Call { target, to: None, from: None, plan: plan(ALICE_HZ, HangUp::Never) });
        world.log().iter().rev().find(|sent| is_request(sent, "INVITE")).map(|sent| sent.to)
    };
    let routes = |world: &World| {
        let invite = requests(world, ALICE, Method::Invite).pop().unwrap();
        assert_eq!(invite.uri.to_string(), "sip:bob@b.org");
        invite.headers.all("Route").map(str::to_owned).collect::<Vec<_>>()
    };
    run(&mut world, &mut [&mut registrar], 10);
    assert_eq!(call(&mut world), Some(sip_at("10.0.0.77")));
    assert_eq!(routes(&world), ["<sip:10.0.0.77;lr>", "<sip:10.0.0.78;lr>"]);
    registrar.extra.clear();
    run(&mut world, &mut [&mut registrar], 100);
    world.zone().host("b.org", "10.0.0.9");
    let before = requests(&world, ALICE, Method::Invite).len();
    call(&mut world);
    run(&mut world, &mut [&mut registrar], 1);
    assert!(requests(&world, ALICE, Method::Invite).len() > before);
    assert_eq!(routes(&world), Vec::<String>::new());
}

#[test]
fn a_registrar_is_found_by_its_name() {
    let mut registrar = Registrar::new(Registrar::IP);
    let by_name = alice(|config| config.account.registrar = None);
    let mut world = World::new(1, Link::PERFECT);
    world.zone().srv("_sip._udp.example.org", (1, 1, 5060), "sip.example.org").host("sip.example.org", Registrar::IP);
    let alice = world.add("alice", by_name);
    world.command(alice, Command::Register(0));
    run(&mut world, &mut [&mut registrar], 10);
    assert_eq!(active(&world, alice), 1, "{:?}", world.node(alice).events);
}

#[test]
fn an_outbound_proxy_gets_the_register_too() {
    let mut proxy = Registrar::new("10.0.0.50");
    let through = alice(|config| config.account.proxy = Some("sip:10.0.0.50".parse().unwrap()));
    let (mut world, alice) = registering(1, Link::PERFECT, through);
    run(&mut world, &mut [&mut proxy], 10);
    assert_eq!(active(&world, alice), 1);
    let first = registers(&world).remove(0);
    assert_eq!(first.headers.get("Route"), Some("<sip:10.0.0.50;lr>"));
    assert_eq!(first.uri.to_string(), format!("sip:{}", Registrar::IP));
}

#[test]
fn several_accounts_live_side_by_side() {
    let other = "10.0.0.101";
    let (mut here, mut there) = (Registrar::new(Registrar::IP), Registrar::new(other));
    there.password = Some("kilimanjaro".into());
    let mut settings = alice(no_change);
    let carol = settings.accounts.push(Account {
        registrar: Some(format!("sip:{other}").parse().unwrap()),
        logins: vec![Login { username: "carol".into(), ..login("kilimanjaro") }],
        ..Account::new("sip:carol@c.org".parse().unwrap())
    });
    let mut world = World::new(1, Link::PERFECT);
    let (alice, bob) = (world.add("alice", settings), world.add("bob", phone("bob", Pair::BOB, no_change)));
    for account in [0, carol] {
        world.command(alice, Command::Register(account));
    }
    run(&mut world, &mut [&mut here, &mut there], 10);
    assert_eq!((here.bound.len(), there.bound.len(), failures(&world, alice).len()), (1, 1, 0));
    // A call from carol says so, and one to carol is answered as carol's.
    let target = Box::new("sip:bob@10.0.0.2".parse().unwrap());
    let plan = plan(ALICE_HZ, HangUp::After(ms(500)));
    world.command(alice, Command::Call { target, to: None, from: Some(carol), plan: plan.clone() });
    run(&mut world, &mut [&mut here, &mut there], 5);
    let from = requests(&world, ALICE, Method::Invite).remove(0).headers.from().unwrap().uri;
    assert_eq!(from.to_string(), "sip:carol@c.org");
    assert_eq!(outcomes(&world, bob).len(), 1);
    let target = Box::new("sip:carol@c.org".parse().unwrap());
    let to = Some(Destination { addr: sip_at(ALICE), transport: Transport::Udp });
    world.command(bob, Command::Call { target, to, from: None, plan });
    run(&mut world, &mut [&mut here, &mut there], 5);
    let ringing = responses(&world, ALICE, 180).remove(0);
    assert_eq!(ringing.headers.contact().unwrap().unwrap().uri.to_string(), "sip:carol@10.0.0.1:5060");
    // A number that no account has.
    world.command(alice, Command::Register(7));
    assert_eq!(failures(&world, alice), [(None, "there is no account 7".to_owned(), None)]);
}

#[test]
fn a_proxy_that_asks_who_calls_is_answered() {
    let settings = alice(no_change);
    let mut world = World::new(1, Link::PERFECT);
    let (alice, bob) = (world.add("alice", settings), world.add("bob", phone("bob", Pair::BOB, no_change)));
    // Somebody before bob wants to know: the INVITE comes to bob only with credentials.
    let challenge = |sent: &keyphone_scenarios::world::Sent| match is_request(sent, "INVITE") {
        true if !String::from_utf8_lossy(&sent.bytes).contains("Proxy-Authorization") => Middle::Drop,
        _ => Middle::Pass,
    };
    world.set_middle(Box::new(challenge));
    world.command(alice, call(Pair::BOB, Transport::Udp, plan(ALICE_HZ, HangUp::After(ms(500)))));
    let invite = requests(&world, ALICE, Method::Invite).remove(0);
    let mut response = keyphone_ua::sip::make::response(
        &invite,
        keyphone_ua::sip::StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        Some("p"),
    );
    response.headers.push("Proxy-Authenticate", "Digest realm=\"p\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256");
    world.inject(sip_at(Pair::BOB), sip_at(ALICE), &response.to_bytes());
    world.run(at(100_000));
    assert_eq!((outcome(&world, alice), outcome(&world, bob)), (WE_HUNG_UP, PEER_HUNG_UP));
    let answered: Vec<_> = requests(&world, ALICE, Method::Invite);
    let second = answered.iter().find(|invite| invite.headers.cseq().unwrap().seq == 2).unwrap();
    assert_eq!(second.headers.call_id(), invite.headers.call_id());
    // RFC 3261 section 22.1: the ACK has the credentials of its INVITE.
    let ack = requests(&world, ALICE, Method::Ack).pop().unwrap();
    assert_eq!(ack.headers.get("Proxy-Authorization"), second.headers.get("Proxy-Authorization"));
}
