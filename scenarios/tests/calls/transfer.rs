//! Transfer, blind and attended: three phones, and keys for every pair that talks (RFC 3515, RFC 3891, RFC 5589).

use crate::common::*;
use crate::signalling::Script;
use keyphone_config::Config;
use keyphone_media::audio::Source;
use keyphone_media::audio::compare::compare;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, Sent, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event, Outcome, Side};
use keyphone_ua::settings::{HangUp, Incoming, Settings};
use keyphone_ua::sip::{Method, StatusCode};
use keyphone_ua::transaction::Transport;

const CAROL: &str = "10.0.0.3";
const CAROL_HZ: f32 = 880.0;

/// Alice transfers, bob is transferred, carol is whom he gets.
struct Three {
    world: World,
    alice: usize,
    bob: usize,
    carol: usize,
}

impl Three {
    fn new() -> Self {
        Self::on(1, Link::PERFECT, no_change)
    }

    fn on(seed: u64, link: Link, change: impl Fn(&mut Config)) -> Self {
        Self::of(seed, link, phone("carol", CAROL, &change), phone("bob", Pair::BOB, &change))
    }

    fn of(seed: u64, link: Link, mut carol: Settings, bob: Settings) -> Self {
        if let Incoming::Answer { plan: old, .. } = &mut carol.incoming {
            *old = plan(CAROL_HZ, HangUp::Never);
        }
        let mut world = World::new(seed, link);
        let alice = world.add("alice", phone("alice", Pair::ALICE, no_change));
        let bob = world.add("bob", bob);
        let carol = world.add("carol", carol);
        Self { world, alice, bob, carol }
    }

    /// Alice talks to bob.
    fn talking(mut self, until: u64) -> Self {
        self.world.command(self.alice, call(Pair::BOB, Transport::Udp, plan(ALICE_HZ, HangUp::Never)));
        self.world.run(at(until));
        self
    }

    /// Alice talks to carol, too: her second call.
    fn consulting(mut self, until: u64) -> Self {
        let (target, plan) = (Box::new("sip:carol@10.0.0.3".parse().unwrap()), plan(ALICE_HZ, HangUp::Never));
        self.world.command(self.alice, Command::Call { target, to: None, from: None, plan });
        self.world.run(at(until));
        self
    }

    fn transfer(&mut self, to: &str) {
        self.world.command(self.alice, Command::Transfer { call: CallId(1), to: Box::new(to.parse().unwrap()) });
    }

    /// What alice was told of her transfers, or bob of his.
    fn told(&self, node: usize, by: Side) -> Vec<u16> {
        let status = |event: &Event| match event {
            Event::Transfer { by: who, status, .. } if *who == by => Some(*status),
            _ => None,
        };
        events(&self.world, node).filter_map(status).collect()
    }

    /// Bob and carol hear each other, and nobody on the way hears them; then all is hung up.
    fn assert_bob_and_carol_talk(mut self, now: u64) {
        self.world.run(at(now + 2000));
        let keyed = |event: &Event| matches!(event, Event::Answered { keying, .. } if keying == "mikey-psk");
        assert!(events(&self.world, self.bob).filter(|event| keyed(event)).count() == 2);
        self.world.command(self.bob, Command::HangUpAll);
        self.world.command(self.carol, Command::HangUpAll);
        self.world.command(self.alice, Command::HangUpAll);
        self.world.run(at(now + 200_000));
        for (node, hz) in [(self.bob, CAROL_HZ), (self.carol, BOB_HZ)] {
            let (_, heard) = self.world.node(node).recordings.last().unwrap();
            let mut tone = vec![0; heard.rate as usize];
            Source::tone(f64::from(hz), heard.rate).read(&mut tone);
            let like = compare(&tone, &heard.samples, heard.rate as usize / 2).correlation;
            assert!(like > 0.98, "{}: {like}", self.world.node(node).name);
        }
        self.assert_nothing_left();
    }

    fn assert_nothing_left(&self) {
        for node in [self.alice, self.bob, self.carol] {
            assert_nothing_left(&self.world, node);
        }
    }
}

#[test]
fn a_blind_transfer_connects_the_two_others_and_hangs_up() {
    let mut three = Three::new().talking(1000);
    three.transfer("sip:carol@10.0.0.3");
    three.world.run(at(3500));
    assert_eq!(three.told(three.alice, Side::Us), [100, 200]);
    assert_eq!(three.told(three.bob, Side::Peer), [100, 180, 200]);
    assert_eq!(outcomes(&three.world, three.alice), [WE_HUNG_UP]);
    assert_eq!(outcomes(&three.world, three.bob), [PEER_HUNG_UP]);
    let refer = requests(&three.world, Pair::ALICE, Method::Refer).remove(0);
    assert_eq!(refer.headers.get("Refer-To"), Some("<sip:carol@10.0.0.3>"));
    let invite = requests(&three.world, Pair::BOB, Method::Invite).remove(0);
    assert_eq!(invite.headers.get("Referred-By"), Some("<sip:alice@10.0.0.1>"), "RFC 3892 section 2.2");
    assert_eq!((invite.uri.to_string().as_str(), invite.headers.get("Replaces")), ("sip:carol@10.0.0.3", None));
    let notifies = requests(&three.world, Pair::BOB, Method::Notify);
    let last = notifies.last().unwrap();
    assert_eq!(last.headers.get("Subscription-State"), Some("terminated;reason=noresource"));
    assert_eq!((last.headers.get("Event"), &last.body[..]), (Some("refer"), &b"SIP/2.0 200 OK\r\n"[..]));
    three.assert_bob_and_carol_talk(3500);
}

#[test]
fn a_transfer_comes_about_over_a_link_that_loses_and_doubles_packets() {
    for seed in 0..15 {
        let link = Link { loss_permille: 150, duplicate_permille: 100, jitter: ms(30), ..Link::PERFECT };
        let mut three = Three::on(seed, link, no_change).talking(20_000);
        three.transfer("sip:carol@10.0.0.3");
        three.world.run(at(90_000));
        let told = three.told(three.alice, Side::Us);
        assert_eq!((told[0], told.last()), (100, Some(&200)), "{seed}");
        assert_eq!(outcomes(&three.world, three.alice), [WE_HUNG_UP], "{seed}");
        three.world.command(three.carol, Command::HangUpAll);
        three.world.run(at(300_000));
        assert_eq!(outcomes(&three.world, three.bob), [PEER_HUNG_UP, PEER_HUNG_UP], "{seed}");
        three.assert_nothing_left();
    }
}

#[test]
fn a_transfer_to_who_does_not_answer_leaves_the_call_as_it_was() {
    let mut carol = phone("carol", CAROL, no_change);
    carol.incoming = Incoming::Refuse(StatusCode::BUSY_HERE);
    let mut three = Three::of(1, Link::PERFECT, carol, phone("bob", Pair::BOB, no_change)).talking(1000);
    for to in ["sip:carol@10.0.0.3", "sip:nobody@10.0.0.77;transport=tcp"] {
        three.transfer(to);
        three.world.run(three.world.now() + ms(3000));
    }
    assert_eq!(three.told(three.alice, Side::Us), [100, 486, 100, 503]);
    let before = media_from(&three.world, Pair::ALICE).count();
    three.world.run(three.world.now() + ms(1000));
    assert!(media_from(&three.world, Pair::ALICE).count() > before + 40, "they talk on");
    let ids: Vec<_> = requests(&three.world, Pair::BOB, Method::Notify)
        .iter()
        .map(|notify| notify.headers.event().unwrap().unwrap().id.is_some())
        .collect();
    assert_eq!(ids, [false, false, true, true], "RFC 3515 section 2.4.6");
    three.world.command(three.alice, Command::HangUpAll);
    three.world.run(at(200_000));
    assert_eq!(outcomes(&three.world, three.alice), [WE_HUNG_UP]);
    three.assert_nothing_left();
}

#[test]
fn a_phone_that_does_not_let_itself_be_transferred_says_so_and_talks_on() {
    let mut bob = phone("bob", Pair::BOB, no_change);
    bob.rules.transfers = false;
    let mut three = Three::of(1, Link::PERFECT, phone("carol", CAROL, no_change), bob).talking(1000);
    three.transfer("sip:carol@10.0.0.3");
    three.world.run(at(2000));
    assert_eq!(three.told(three.alice, Side::Us), [100, 603]);
    assert_eq!(troubles(&three.world, three.alice).len(), 1);
    assert!(requests(&three.world, Pair::BOB, Method::Invite).is_empty());
    assert_eq!(outcomes(&three.world, three.alice), []);
    three.world.command(three.alice, Command::HangUpAll);
    three.world.run(at(200_000));
    three.assert_nothing_left();
}

#[test]
fn a_transfer_never_trades_a_keyed_call_for_a_clear_one() {
    // Carol takes clear calls only; bob is allowed to make them, but keys his.
    let clear = |config: &mut Config| config.policy.allow_clear = true;
    let mut carol = phone("carol", CAROL, clear);
    carol.keying = vec![keyphone_ua::settings::System::Clear];
    let mut three = Three::of(1, Link::PERFECT, carol, phone("bob", Pair::BOB, clear)).talking(1000);
    three.transfer("sip:carol@10.0.0.3");
    three.world.run(at(4000));
    assert_eq!(three.told(three.alice, Side::Us), [100, 488]);
    assert_eq!(outcomes(&three.world, three.alice), []);
    assert!(outcomes(&three.world, three.bob).iter().all(|outcome| outcome.exit_code() == 3));
    assert_eq!(media_from(&three.world, CAROL).count(), 0);
    three.world.command(three.alice, Command::HangUpAll);
    three.world.run(at(200_000));
    three.assert_nothing_left();
}

#[test]
fn the_new_call_is_keyed_for_the_one_whom_the_peer_named() {
    // Bob has a key for alice and another for carol; carol's own is not the one that he has for her.
    let keys = |carol: &'static str| {
        move |config: &mut Config| {
            let psk = |peer: &str, key| {
                keyphone_config::PskEntry::from_hex(Some(keyphone_keying::Identity::new(peer)), key).unwrap()
            };
            config.credentials.psks = vec![psk("sip:alice@10.0.0.1", KEY), psk("sip:carol@10.0.0.3", carol)];
        }
    };
    for (carols, expected) in [(KEY, [100, 200]), (OTHER_KEY, [100, 488])] {
        let bob = phone("bob", Pair::BOB, keys(carols));
        let mut three = Three::of(1, Link::PERFECT, phone("carol", CAROL, no_change), bob).talking(1000);
        three.transfer("sip:carol@10.0.0.3");
        three.world.run(at(4000));
        assert_eq!(three.told(three.alice, Side::Us), expected, "{carols}");
        for node in [three.alice, three.bob, three.carol] {
            three.world.command(node, Command::HangUpAll);
        }
        three.world.run(at(200_000));
        three.assert_nothing_left();
    }
}

#[test]
fn an_attended_transfer_puts_the_peer_of_one_call_into_the_other() {
    let mut three = Three::new().talking(1000).consulting(2000);
    three.world.command(three.alice, Command::TransferInto { call: CallId(1), other: CallId(2) });
    three.world.run(at(4500));
    assert_eq!(three.told(three.alice, Side::Us), [100, 200]);
    // Carol has said BYE to alice because bob has her place, and alice to bob because he has.
    assert_eq!(outcomes(&three.world, three.alice).len(), 2);
    assert!(
        events(&three.world, three.carol)
            .any(|event| { matches!(event, Event::Replaces { call: CallId(2), other: CallId(1) }) })
    );
    assert_eq!(outcomes(&three.world, three.carol), [WE_HUNG_UP]);
    let refer = requests(&three.world, Pair::ALICE, Method::Refer).remove(0);
    let refer_to = refer.headers.refer_to().unwrap().unwrap();
    assert!(refer_to.uri.to_string().starts_with("sip:carol@10.0.0.3:5060?Replaces="), "RFC 5589 section 7.3");
    let invite = requests(&three.world, Pair::BOB, Method::Invite).remove(0);
    assert_eq!(
        (invite.headers.get("Require"), invite.headers.get("Referred-By")),
        (Some("replaces"), Some("<sip:alice@10.0.0.1>"))
    );
    assert!(invite.uri.sip().unwrap().headers().next().is_none());
    assert_eq!(responses(&three.world, CAROL, 180).len(), 1, "carol was rung by alice only");
    three.assert_bob_and_carol_talk(4500);
}

#[test]
fn an_attended_transfer_comes_about_over_a_link_that_loses_packets() {
    for seed in 0..10 {
        let link = Link { loss_permille: 150, duplicate_permille: 100, jitter: ms(30), ..Link::PERFECT };
        let mut three = Three::on(seed, link, no_change).talking(20_000).consulting(40_000);
        three.world.command(three.alice, Command::TransferInto { call: CallId(1), other: CallId(2) });
        three.world.run(at(120_000));
        assert_eq!(three.told(three.alice, Side::Us).last(), Some(&200), "{seed}");
        assert_eq!(outcomes(&three.world, three.alice).len(), 2, "{seed}");
        three.world.command(three.bob, Command::HangUpAll);
        three.world.run(at(400_000));
        three.assert_nothing_left();
    }
}

#[test]
fn a_call_cannot_be_transferred_into_itself_or_into_one_that_is_not_there() {
    let mut three = Three::new().talking(1000);
    for other in [CallId(1), CallId(9)] {
        three.world.command(three.alice, Command::TransferInto { call: CallId(1), other });
    }
    assert_eq!(troubles(&three.world, three.alice).len(), 2);
    three.transfer("sip:carol@10.0.0.3");
    three.transfer("sip:dave@10.0.0.4");
    assert_eq!(troubles(&three.world, three.alice).len(), 3, "one transfer at a time");
    assert_eq!(requests(&three.world, Pair::ALICE, Method::Refer).len(), 1);
    three.world.run(at(3500));
    three.assert_bob_and_carol_talk(3500);
}

#[test]
fn whoever_hangs_up_while_it_transfers_does_not_end_the_new_call() {
    let mut three = Three::new().talking(1000);
    three.transfer("sip:carol@10.0.0.3");
    three.world.run(at(1050));
    three.world.command(three.alice, Command::HangUp(CallId(1)));
    three.world.run(at(3000));
    assert_eq!(outcomes(&three.world, three.alice), [WE_HUNG_UP]);
    three.assert_bob_and_carol_talk(3000);
}

/// Somebody on the way keeps what these are.
fn drop_all(world: &mut World, which: impl Fn(&Sent) -> bool + 'static) {
    world.set_middle(Box::new(move |sent| if which(sent) { Middle::Drop } else { Middle::Pass }));
}

#[test]
fn a_transfer_of_which_nothing_is_heard_is_given_up_after_32_seconds_and_the_call_goes_on() {
    let mut three = Three::new().talking(1000);
    drop_all(&mut three.world, |sent| is_request(sent, "NOTIFY"));
    three.transfer("sip:carol@10.0.0.3");
    three.world.run(at(40_000));
    assert_eq!(three.told(three.alice, Side::Us), [100, 408], "RFC 6665 section 4.1.2.4");
    assert!(troubles(&three.world, three.alice)[0].contains("nothing more"));
    assert_eq!(outcomes(&three.world, three.alice), []);
    for node in [three.alice, three.bob, three.carol] {
        three.world.command(node, Command::HangUpAll);
    }
    three.world.run(at(300_000));
    three.assert_nothing_left();
}

#[test]
fn a_refer_is_refused_as_rfc_3515_says_and_nobody_is_called() {
    let mut script = Script::talking();
    let outside = script.outside("REFER") + "Refer-To: <sip:carol@10.0.0.3>\r\n";
    assert_eq!(script.status(&outside, ""), 403);
    let stranger = (script.in_dialog("REFER", 7) + "Refer-To: <sip:carol@10.0.0.3>\r\n").replace(";tag=", ";tag=0");
    assert_eq!(script.status(&stranger, ""), 481);
    for (seq, headers, status) in [
        (11, "", 400),
        (12, "Refer-To: <sip:carol@10.0.0.3>\r\nRefer-To: <sip:dave@10.0.0.4>\r\n", 400),
        (13, "Refer-To: <http://www.ietf.org>\r\n", 416),
        (14, "Refer-To: <sip:carol@10.0.0.3;method=SUBSCRIBE>\r\n", 501),
        (15, "Refer-To: <sip:carol@10.0.0.3?Replaces=nonsense>\r\n", 400),
        (16, "Refer-To: <sip:carol@10.0.0.3?Require=telepathy>\r\n", 420),
        (17, "Refer-To: <sip:carol@10.0.0.3>\r\nReferred-By: nobody\r\n", 400),
    ] {
        let head = script.in_dialog("REFER", seq) + headers;
        assert_eq!(script.status(&head, ""), status, "{headers}");
    }
    assert!(requests(&script.pair.world, Pair::BOB, Method::Invite).is_empty());
    script.assert_call_goes_on();
}

#[test]
fn a_peer_that_wants_no_notify_gets_none() {
    let mut script = Script::talking();
    let head = script.in_dialog("REFER", 7) + "Refer-To: <sip:carol@10.0.0.3>\r\nRefer-Sub: false\r\n";
    let accepted = script.answer(&head, "");
    assert_eq!((accepted.status.code(), accepted.headers.get("Refer-Sub")), (202, Some("false")), "RFC 4488 section 4");
    assert!(accepted.headers.contact().unwrap().is_some(), "RFC 3515 section 2.2");
    assert_eq!(requests(&script.pair.world, Pair::BOB, Method::Invite).len(), 1);
    script.pair.run(1500);
    assert!(requests(&script.pair.world, Pair::BOB, Method::Notify).is_empty());
    script.pair.world.command(script.pair.bob, Command::HangUpAll);
    script.pair.run(200_000);
    script.pair.assert_nothing_left();
}

#[test]
fn a_peer_that_asks_for_many_calls_gets_a_few() {
    let mut script = Script::talking();
    let mut statuses = vec![];
    for seq in 11..20 {
        let head = script.in_dialog("REFER", seq) + "Refer-To: <sip:nobody@10.0.0.77>\r\n";
        statuses.push(script.status(&head, ""));
    }
    assert_eq!(statuses, [202, 202, 202, 202, 503, 503, 503, 503, 503]);
    script.pair.world.command(script.pair.bob, Command::HangUpAll);
    script.pair.run(200_000);
    script.pair.assert_nothing_left();
}

#[test]
fn a_subscription_to_a_transfer_is_all_that_can_be_subscribed_to() {
    let mut script = Script::talking();
    let presence = script.in_dialog("SUBSCRIBE", 7) + "Event: presence\r\n";
    let refused = script.answer(&presence, "");
    assert_eq!((refused.status.code(), refused.headers.get("Allow-Events")), (489, Some("refer")));
    let none = script.in_dialog("SUBSCRIBE", 8) + "Event: refer\r\n";
    assert_eq!(script.status(&none, ""), 403, "RFC 3515 section 2.4.4");
    let outside = script.outside("SUBSCRIBE") + "Event: refer\r\n";
    assert_eq!(script.status(&outside, ""), 403);
    let notify = script.in_dialog("NOTIFY", 9) + "Event: refer\r\nSubscription-State: active\r\n";
    assert_eq!(script.status(&notify, ""), 481, "RFC 6665 section 4.1.3");
    let other = script.in_dialog("NOTIFY", 10) + "Event: presence\r\nSubscription-State: active\r\n";
    assert_eq!(script.status(&other, ""), 489);
    script.assert_call_goes_on();
}

#[test]
fn a_peer_can_take_its_subscription_back_and_the_new_call_goes_on() {
    let mut script = Script::talking();
    let refer = script.in_dialog("REFER", 7) + "Refer-To: <sip:nobody@10.0.0.77>\r\n";
    assert_eq!(script.status(&refer, ""), 202);
    // The first NOTIFY is answered, as bob expects.
    let first = requests(&script.pair.world, Pair::BOB, Method::Notify).remove(0);
    let via = first.headers.get("Via").unwrap().to_owned();
    let header = |name| first.headers.get(name).unwrap().to_owned();
    let ok = format!(
        "SIP/2.0 200 OK\r\nVia: {via}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n",
        header("From"),
        header("To"),
        header("Call-ID"),
        header("CSeq")
    );
    script.pair.world.inject(sip_at(Pair::ALICE), sip_at(Pair::BOB), ok.as_bytes());
    let unsubscribe = script.in_dialog("SUBSCRIBE", 8) + "Event: refer\r\nExpires: 0\r\n";
    let ok = script.answer(&unsubscribe, "");
    assert_eq!((ok.status.code(), ok.headers.get("Expires")), (200, Some("0")));
    let last = requests(&script.pair.world, Pair::BOB, Method::Notify).pop().unwrap();
    assert_eq!(last.headers.get("Subscription-State"), Some("terminated;reason=timeout"));
    assert!(requests(&script.pair.world, Pair::BOB, Method::Cancel).is_empty(), "RFC 3515 section 2.4.4");
    script.pair.world.command(script.pair.bob, Command::HangUpAll);
    script.pair.run(200_000);
    script.pair.assert_nothing_left();
}

#[test]
fn a_reply_that_never_comes_leaves_the_caller_with_its_call() {
    let mut three = Three::new().talking(1000);
    drop_all(&mut three.world, |sent| is_request(sent, "REFER"));
    three.transfer("sip:carol@10.0.0.3");
    three.world.run(at(40_000));
    assert_eq!(three.told(three.alice, Side::Us), [100, 408]);
    assert!(outcomes(&three.world, three.carol).is_empty());
    for node in [three.alice, three.bob] {
        three.world.command(node, Command::HangUpAll);
    }
    three.world.run(at(300_000));
    assert!(matches!(outcomes(&three.world, three.bob)[..], [Outcome::Completed { .. }]));
    three.assert_nothing_left();
}
