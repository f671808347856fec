//! Two who send under one key and SSRC (RFC 3711 section 9.1), and what policy has us do about it. Here all share one
//! key, so that somebody who has it can do what nobody else can.

use crate::common::*;
use crate::forked::{ALICE, Forked, early, ip};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_keying::choice::Order;
use keyphone_keying::mikey::ModeName;
use keyphone_keying::mikey::policy::KeyForm;
use keyphone_keying::policy::OnClash;
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::{Frame, Header, Ssrc};
use keyphone_media::srtp::{Ledger, MasterKey, Sender, Suite};
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, Sent, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::settings::{EarlyMedia, HangUp, Reliable, Settings, System};
use keyphone_ua::sip::Method;
use keyphone_ua::transaction::Transport;
use std::net::SocketAddr;

const MALLORY: &str = "10.0.0.66";

/// A phone whose offers have one TEK for both ways, and that does this when it sees a clash.
fn phone(name: &str, ip: &str, then: OnClash) -> Settings {
    let mut settings = crate::common::phone(name, ip, |config| {
        config.policy.mikey.keys = KeyForm::TekSalt;
        config.policy.on_ssrc_clash = then;
    });
    settings.policy.media.reveal_keys = true;
    settings
}

/// Alice, who does this, talks with bob, who would leave.
fn talking(then: OnClash) -> Pair {
    let (alice, bob) = (phone("alice", Pair::ALICE, then), phone("bob", Pair::BOB, OnClash::Leave));
    let mut pair = Pair::on(1, Link::PERFECT, alice, bob);
    pair.dial(HangUp::Never);
    pair.run(1000);
    pair
}

/// Chance that always falls the same way.
struct Always(u8);

impl Rng for Always {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(self.0);
    }
}

/// Somebody who has a key of ours.
struct Thief {
    ledger: Ledger,
    sender: Sender,
}

impl Thief {
    /// With the last key that this phone has named in its log, under that SSRC; the sequence numbers begin as `dice` fall.
    fn new(world: &World, node: usize, ssrc: Ssrc, dice: u8) -> Self {
        Self::by(world.node(node).key_log.last().unwrap(), ssrc, dice)
    }

    /// The same with the key of that line.
    fn by(line: &str, ssrc: Ssrc, dice: u8) -> Self {
        let text = line.split("inline:").nth(1).unwrap().split(' ').next().unwrap();
        let secret = STANDARD.decode(text).unwrap();
        let key = MasterKey::new(&secret[..16], &secret[16..], Suite::AesCm128HmacSha1_80).unwrap();
        let mut ledger = Ledger::default();
        let now = Now { mono: Instant::ZERO, ntp: NtpTime(0) };
        let slot = ledger.bind(&key, ssrc).unwrap();
        Self { sender: slot.sender(&mut Env { now, rng: &mut Always(dice) }), ledger }
    }

    fn says(&mut self) -> Vec<u8> {
        let frame = Frame { payload_type: 0, marker: false, timestamp: 7, payload: &[0x55; 160] };
        self.sender.seal(&mut self.ledger, frame).unwrap().bytes().to_vec()
    }
}

/// RTP that left a host, and when.
fn rtp<'w>(world: &'w World, ip: &str) -> Vec<&'w Sent> {
    media_from(world, ip).filter(|sent| sent.to.port() % 2 == 0).collect()
}

fn rtcp_from(world: &World, ip: &str) -> usize {
    media_from(world, ip).filter(|sent| sent.to.port() % 2 == 1).count()
}

fn ssrc_of(sent: &Sent) -> Ssrc {
    Header::parse(&sent.bytes).unwrap().ssrc()
}

/// Who that phone is in its packets, and where the other one hears them.
fn speaker(world: &World, ip: &str) -> (Ssrc, SocketAddr) {
    let last = *rtp(world, ip).last().unwrap();
    (ssrc_of(last), last.to)
}

/// What was told of clashes: whether they were ours, and in words.
fn clashes(world: &World, node: usize) -> Vec<(bool, String)> {
    let clash = |event: &Event| match event {
        Event::TwoTimePad { ours, what, .. } => Some((*ours, what.clone())),
        _ => None,
    };
    events(world, node).filter_map(clash).collect()
}

fn sent_after(world: &World, ip: &str, after: Instant) -> usize {
    rtp(world, ip).iter().filter(|sent| sent.at > after).count()
}

/// Mallory sends to alice under that SSRC, and nothing of it must be played.
fn steal(pair: &mut Pair, ssrc: Ssrc, dice: u8, packets: usize) {
    let mut thief = Thief::new(&pair.world, pair.alice, ssrc, dice);
    let (_, to) = speaker(&pair.world, Pair::BOB);
    for _ in 0..packets {
        pair.world.inject(sip_at(MALLORY), to, &thief.says());
    }
}

#[test]
fn whoever_sends_as_us_is_told_of_once_and_by_default_we_leave_and_say_why() {
    assert_eq!(Settings::clone(&crate::common::phone("a", "10.0.0.9", no_change)).policy.on_ssrc_clash, OnClash::Leave);
    let mut pair = talking(OnClash::Leave);
    let (ours, _) = speaker(&pair.world, Pair::ALICE);
    let goodbyes = rtcp_from(&pair.world, Pair::ALICE);
    steal(&mut pair, ours, 3, 50);
    let told = clashes(&pair.world, pair.alice);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0 && told[0].1.contains(&format!("10.0.0.66:5060 sends as us: SSRC {ours}")), "{told:?}");
    assert_eq!(rtcp_from(&pair.world, Pair::ALICE), goodbyes + 1, "RTCP's BYE");
    let at_once = pair.world.now();
    pair.run(100_000);
    assert_eq!(sent_after(&pair.world, Pair::ALICE, at_once), 0);
    let (why, _) = refusal(&pair.world, pair.alice);
    assert!(why.contains("sends as us") && why.contains("RFC 3711 section 9.1"), "{why}");
    let bye = requests(&pair.world, Pair::ALICE, Method::Bye).remove(0);
    assert!(bye.headers.get("Reason").is_some_and(|reason| reason.contains("sends as us")), "{bye:?}");
    assert_eq!((pair.outcome(pair.alice).exit_code(), pair.outcome(pair.bob)), (3, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

/// Alice cures a clash under her SSRC; gives who she was and who she is.
fn cured(then: OnClash) -> (Ssrc, Ssrc) {
    let mut pair = talking(then);
    let (before, _) = speaker(&pair.world, Pair::ALICE);
    let reports = rtcp_from(&pair.world, Pair::ALICE);
    steal(&mut pair, before, 3, 50);
    assert_eq!(rtcp_from(&pair.world, Pair::ALICE) - reports, usize::from(then == OnClash::Move), "RTCP's BYE");
    let stolen = pair.world.now();
    pair.run(3000);
    let keyed = when(&pair.world, pair.alice, |event| matches!(event, Event::Key { .. }));
    assert!(keyed < stolen);
    let silent = rtp(&pair.world, Pair::ALICE).into_iter().find(|sent| sent.at > stolen).unwrap();
    let answered = pair.world.log().iter().rfind(|sent| is_response(sent, 200) && has_sdp(sent)).unwrap();
    assert!(silent.at >= answered.arrived[0], "nothing is said under the old key any more");
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Invite).len(), 2);
    let (after, _) = speaker(&pair.world, Pair::ALICE);
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    assert_eq!(clashes(&pair.world, pair.alice).len(), 1);
    assert_eq!(clashes(&pair.world, pair.bob), []);
    for node in [pair.alice, pair.bob] {
        let counts = counts(&pair.world, node);
        assert!(counts.heard > 120 && counts.lost == 0, "{counts:?}");
    }
    pair.assert_nothing_left();
    (before, after)
}

#[test]
fn where_policy_says_rekey_we_are_silent_until_there_are_new_keys_and_the_call_goes_on() {
    let (before, after) = cured(OnClash::Rekey);
    assert_eq!(before, after);
}

#[test]
fn where_policy_says_move_our_ssrc_says_goodbye_and_the_peer_hears_us_under_another() {
    let (before, after) = cured(OnClash::Move);
    assert_ne!(before, after);
}

#[test]
fn when_others_clash_neither_is_played_until_there_are_new_keys() {
    // Far ahead of bob, far behind him.
    for dice in [0x7f, 0] {
        let mut pair = talking(OnClash::Rekey);
        let (bobs, _) = speaker(&pair.world, Pair::BOB);
        // Her re-INVITE is lost for a while.
        let hold = at(2000);
        pair.world.set_middle(Box::new(move |sent| match is_request(sent, "INVITE") && sent.at < hold {
            true => Middle::Drop,
            false => Middle::Pass,
        }));
        steal(&mut pair, bobs, dice, 1);
        let told = clashes(&pair.world, pair.alice);
        assert!(matches!(&told[..], [(false, what)] if what.contains("10.0.0.66:5060 sends under SSRC")), "{told:?}");
        let heard = pair.world.node(pair.alice).endpoint.counts(CallId(1)).unwrap().heard;
        pair.run(1900);
        let muted = pair.world.node(pair.alice).endpoint.counts(CallId(1)).unwrap();
        assert_eq!(muted.heard, heard, "{dice}");
        // What lies behind somebody who is far ahead passes for a replay.
        assert!(muted.refused + muted.replayed > 40, "{muted:?}");
        pair.run(6000);
        let cured = pair.world.node(pair.alice).endpoint.counts(CallId(1)).unwrap();
        assert!(cured.heard > heard + 100, "{cured:?}");
        pair.world.command(pair.bob, Command::HangUpAll);
        pair.run(100_000);
        assert_eq!(pair.outcomes(), (PEER_HUNG_UP, WE_HUNG_UP));
        pair.assert_nothing_left();
    }
}

#[test]
fn when_others_clash_we_leave_by_default_and_do_not_where_they_are_to_move() {
    let mut pair = talking(OnClash::Leave);
    let (bobs, _) = speaker(&pair.world, Pair::BOB);
    steal(&mut pair, bobs, 0x7f, 50);
    pair.run(100_000);
    assert_eq!(pair.outcome(pair.alice).exit_code(), 3);
    pair.assert_nothing_left();
    let mut pair = talking(OnClash::Move);
    steal(&mut pair, bobs, 0x7f, 50);
    pair.run(3000);
    assert_eq!(clashes(&pair.world, pair.alice).len(), 1);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Invite).len(), 1);
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
}

#[test]
fn our_own_packets_that_come_back_are_counted_and_cause_nothing() {
    let mut pair = talking(OnClash::Leave);
    let (_, to) = speaker(&pair.world, Pair::BOB);
    let ours: Vec<_> =
        media_from(&pair.world, Pair::ALICE).map(|sent| (sent.to.port() % 2, sent.bytes.clone())).collect();
    for (rtcp, packet) in &ours {
        pair.world.inject(sip_at(MALLORY), SocketAddr::new(to.ip(), to.port() + rtcp), packet);
    }
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    let counts = counts(&pair.world, pair.alice);
    let frames = ours.iter().filter(|(rtcp, _)| *rtcp == 0).count() as u64;
    assert_eq!((counts.reflected, counts.refused, counts.lost), (frames, 0, 0));
    assert_eq!(clashes(&pair.world, pair.alice), []);
    pair.assert_nothing_left();
}

#[test]
fn whoever_has_every_new_key_too_is_left_after_three() {
    let mut pair = talking(OnClash::Rekey);
    for round in 1..=4 {
        let (ours, _) = speaker(&pair.world, Pair::ALICE);
        steal(&mut pair, ours, 3, 5);
        pair.run(1000 + round * 3000);
    }
    pair.run(100_000);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Invite).len(), 4, "the first, and three with new keys");
    assert_eq!(clashes(&pair.world, pair.alice).len(), 4);
    let (why, _) = refusal(&pair.world, pair.alice);
    assert!(why.contains("sends as us"), "{why}");
    pair.assert_nothing_left();
}

#[test]
fn a_peer_that_refuses_new_keys_is_left_for_nothing_could_be_said_any_more() {
    let mut pair = talking(OnClash::Rekey);
    pair.world.set_middle(Box::new(|sent| match is_request(sent, "INVITE") {
        true => Middle::Change(rewrite(&sent.bytes, |body| body.replace("mikey AQ", "mikey AA"))),
        false => Middle::Pass,
    }));
    let (ours, _) = speaker(&pair.world, Pair::ALICE);
    steal(&mut pair, ours, 3, 5);
    pair.run(100_000);
    let outcome = pair.outcome(pair.alice);
    assert!(format!("{outcome:?}").contains("we could get no other keys"), "{outcome:?}");
    assert_eq!(pair.outcome(pair.bob), PEER_HUNG_UP);
    pair.assert_nothing_left();
}

/// Two phones answer to bob's name, under one key of alice's and with one SSRC, and both have early media.
fn fork(then: OnClash) -> Forked {
    let callees = [(3000, early(0)), (2500, early(1))];
    let mut fork = Forked::on(1, Link::PERFECT, ModeName::Psk, &callees, |alice| {
        alice.policy.on_ssrc_clash = then;
        alice.rules.early_media = EarlyMedia::First;
    });
    fork.bobs.clone().into_iter().for_each(|bob| fork.world.set_few_ssrcs(bob, 0x0bad_cafe, 1));
    fork.dial(HangUp::Never);
    fork
}

#[test]
fn two_branches_with_one_key_and_one_ssrc_are_seen_on_the_first_packet_and_the_call_is_given_up() {
    let mut fork = fork(OnClash::Leave);
    fork.world.run(at(100_000));
    let told = clashes(&fork.world, fork.alice);
    assert!(matches!(&told[..], [(false, what)] if what.contains("SSRC 0badcafe")), "{told:?}");
    let first = |n: usize| rtp(&fork.world, &ip(n))[0].arrived[0];
    let seen = when(&fork.world, fork.alice, |event| matches!(event, Event::TwoTimePad { .. }));
    assert_eq!(seen, first(0).max(first(1)));
    let (why, _) = refusal(&fork.world, fork.alice);
    assert!(why.contains("SSRC 0badcafe") && why.contains("RFC 3711 section 9.1"), "{why}");
    // The proxy of this world answers nothing, so that it is repeated.
    assert!(!requests(&fork.world, ALICE, Method::Cancel).is_empty());
}

#[test]
fn two_branches_with_one_key_and_one_ssrc_are_both_unheard_until_the_winner_has_new_keys() {
    let mut fork = fork(OnClash::Rekey);
    fork.world.run(at(2400));
    let heard = |fork: &Forked| fork.world.node(fork.alice).endpoint.counts(CallId(1)).map_or(0, |counts| counts.heard);
    assert!(heard(&fork) <= 1, "one frame of the first had come before the second's");
    fork.world.run(at(6000));
    assert_eq!(clashes(&fork.world, fork.alice).len(), 1);
    assert_eq!(requests(&fork.world, ALICE, Method::Invite).len(), 2, "{:#?}", fork.world.node(fork.alice).events);
    assert!(heard(&fork) > 100, "{}", heard(&fork));
    fork.world.command(fork.alice, Command::HangUpAll);
    fork.world.run(at(100_000));
    assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP);
}

#[test]
fn where_no_new_keys_can_be_offered_we_leave_rather_than_be_silent_for_ever() {
    // MIKEY-NULL over TLS, to a sip URI: the dialog goes on over TCP, where no key is shown.
    let null = |mut settings: Settings| {
        settings.keying = vec![System::Mikey(ModeName::Null)];
        settings.policy.mikey.accept = [ModeName::Null].into();
        settings.policy.choice.systems = vec![keyphone_keying::System::Mikey(ModeName::Null)];
        settings.policy.choice.order = Order::Listed;
        settings
    };
    let alice = null(phone("alice", Pair::ALICE, OnClash::Rekey));
    let mut pair = Pair::on(1, Link::PERFECT, alice, null(phone("bob", Pair::BOB, OnClash::Leave)));
    pair.world.command(pair.alice, call(Pair::BOB, Transport::Tls, plan(ALICE_HZ, HangUp::Never)));
    pair.run(1000);
    let (ours, _) = speaker(&pair.world, Pair::ALICE);
    steal(&mut pair, ours, 3, 5);
    pair.run(100_000);
    let outcome = pair.outcome(pair.alice);
    assert!(format!("{outcome:?}").contains("we could get no other keys"), "{outcome:?}");
    assert_eq!(pair.outcome(pair.bob), PEER_HUNG_UP);
    pair.assert_nothing_left();
}

#[test]
fn a_clash_under_the_key_of_a_branch_that_is_not_heard_keeps_us_silent_when_it_answers() {
    // Each phone offers one key for both ways, and alice answers it.
    let late = |alice: &mut Settings| {
        alice.rules.late_offer = true;
        alice.rules.reliable = Reliable::Required;
        alice.policy.on_ssrc_clash = OnClash::Rekey;
        alice.policy.media.reveal_keys = true;
    };
    let tek = |_, bob: &mut Settings| bob.policy.mikey.keys = KeyForm::TekSalt;
    let mut fork = Forked::among(1, Link::PERFECT, ModeName::Psk, &[(2000, None), (60_000, None)], late, tek);
    fork.dial(HangUp::Never);
    fork.world.run(at(1000));
    let sends = |line: &&zeroize::Zeroizing<String>| line.contains("use=send");
    let line = fork.world.node(fork.alice).key_log.iter().find(sends).unwrap();
    let ssrc = line.split("ssrc=").nth(1).unwrap().split(' ').next().unwrap();
    let ssrc = Ssrc(u32::from_str_radix(ssrc, 16).unwrap());
    let mut thief = Thief::by(line, ssrc, 3);
    fork.world.inject(sip_at(MALLORY), format!("{ALICE}:40000").parse().unwrap(), &thief.says());
    let told = clashes(&fork.world, fork.alice);
    assert!(matches!(&told[..], [(true, _)]), "{told:?}");
    let hold = at(4000);
    fork.meddle(move |sent| match is_request(sent, "INVITE") && sent.at < hold {
        true => Middle::Drop,
        false => Middle::Pass,
    });
    fork.world.run(at(4000));
    assert_eq!(fork.answered(), [fork.tag(0)]);
    assert_eq!(fork.media_to(0), 0, "not a word under that key");
    fork.world.run(at(10_000));
    assert!(fork.media_to(0) > 50, "and then under another");
    fork.world.command(fork.alice, Command::HangUpAll);
    fork.world.run(at(100_000));
    assert_eq!(outcome(&fork.world, fork.alice), WE_HUNG_UP);
}
