//! Hold and resume by re-INVITE (RFC 3264 section 8.4, RFC 6337 section 5.3), and what happens when both want to change
//! the session at once (RFC 3261 section 14).

use crate::common::*;
use crate::signalling::Script;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event, Outcome, Side};
use keyphone_ua::settings::HangUp;
use keyphone_ua::sip::{Method, Request};

const CALL: CallId = CallId(1);

/// RTP that a host sent in that time.
fn rtp(world: &World, ip: &str, from: u64, to: u64) -> usize {
    media_from(world, ip).filter(|s| s.to.port() % 2 == 0 && s.at >= at(from) && s.at < at(to)).count()
}

fn told(world: &World, node: usize) -> Vec<String> {
    let tell = |event: &Event| match event {
        Event::Held { by, .. } => Some(format!("held by {by:?}")),
        Event::Resumed { by, .. } => Some(format!("resumed by {by:?}")),
        _ => None,
    };
    events(world, node).filter_map(tell).collect()
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body.clone()).unwrap()
}

/// The version in the o= line.
fn version(body: &str) -> u64 {
    let origin = body.lines().find(|line| line.starts_with("o=")).unwrap();
    origin.split(' ').nth(2).unwrap().parse().unwrap()
}

fn talking() -> Pair {
    let mut pair = Pair::new();
    pair.dial(HangUp::Never);
    pair.run(1000);
    pair
}

#[test]
fn a_peer_on_hold_is_silent_and_hears_us_until_it_is_taken_back() {
    for (holder, other, holder_ip, other_ip) in [(0, 1, Pair::ALICE, Pair::BOB), (1, 0, Pair::BOB, Pair::ALICE)] {
        let mut pair = talking();
        pair.world.command(holder, Command::Hold(CALL));
        pair.run(3000);
        assert_eq!(told(&pair.world, holder), ["held by Us"]);
        assert_eq!(told(&pair.world, other), ["held by Peer"]);
        assert_eq!(rtp(&pair.world, other_ip, 1100, 3000), 0, "who is on hold says nothing");
        assert!(rtp(&pair.world, holder_ip, 1100, 3000) >= 94, "who holds goes on");
        pair.world.command(holder, Command::Resume(CALL));
        pair.run(5000);
        assert_eq!(told(&pair.world, holder), ["held by Us", "resumed by Us"]);
        assert_eq!(told(&pair.world, other), ["held by Peer", "resumed by Peer"]);
        for ip in [holder_ip, other_ip] {
            assert!(rtp(&pair.world, ip, 3100, 5000) >= 94, "both talk again");
        }
        let changes: Vec<_> = requests(&pair.world, holder_ip, Method::Invite);
        let changes = &changes[changes.len() - 2..];
        assert!(body(&changes[0]).contains("a=sendonly") && body(&changes[1]).contains("a=sendrecv"));
        assert_eq!(version(&body(&changes[1])), version(&body(&changes[0])) + 1, "RFC 3264 section 8");
        let keys = |node| events(&pair.world, node).filter(|event| matches!(event, Event::Key { .. })).count();
        assert_eq!((keys(0), keys(1)), (2, 2), "nobody made new keys");
        pair.world.command(holder, Command::HangUpAll);
        pair.run(100_000);
        assert_eq!((outcome(&pair.world, holder), outcome(&pair.world, other)), (WE_HUNG_UP, PEER_HUNG_UP));
        pair.assert_nothing_left();
    }
}

#[test]
fn two_who_hold_each_other_are_both_silent_and_each_takes_back_its_own_hold_only() {
    let mut pair = talking();
    pair.world.command(pair.alice, Command::Hold(CALL));
    pair.run(2000);
    pair.world.command(pair.bob, Command::Hold(CALL));
    pair.run(3000);
    let silent = |pair: &Pair, from, to| {
        (rtp(&pair.world, Pair::ALICE, from, to) == 0, rtp(&pair.world, Pair::BOB, from, to) == 0)
    };
    assert_eq!(silent(&pair, 2100, 3000), (true, true));
    pair.world.command(pair.alice, Command::Resume(CALL));
    pair.run(4000);
    assert_eq!(silent(&pair, 3100, 4000), (true, false), "bob still holds alice, and alice hears bob");
    pair.world.command(pair.bob, Command::Resume(CALL));
    pair.run(5000);
    assert_eq!(silent(&pair, 4100, 5000), (false, false));
    pair.world.command(pair.bob, Command::HangUpAll);
    pair.run(100_000);
    pair.assert_nothing_left();
}

#[test]
fn a_hold_on_a_bad_line_comes_about_all_the_same() {
    for seed in 1..=20 {
        let link = Link { loss_permille: 200, ..Link::BAD_DAY };
        let mut pair = Pair::on(seed, link, phone("alice", Pair::ALICE, no_change), phone("bob", Pair::BOB, no_change));
        pair.dial(HangUp::Never);
        pair.run(40_000);
        pair.world.command(pair.alice, Command::Hold(CALL));
        pair.run(80_000);
        assert_eq!(told(&pair.world, pair.alice), ["held by Us"], "seed {seed}");
        assert_eq!(told(&pair.world, pair.bob), ["held by Peer"], "seed {seed}");
        pair.world.command(pair.bob, Command::HangUpAll);
        pair.run(300_000);
        pair.assert_nothing_left();
    }
}

#[test]
fn two_who_change_the_session_at_once_put_each_other_off_and_both_get_what_they_want() {
    for seed in 1..=10 {
        let mut pair =
            Pair::on(seed, Link::PERFECT, phone("alice", Pair::ALICE, no_change), phone("bob", Pair::BOB, no_change));
        pair.dial(HangUp::Never);
        pair.run(1000);
        pair.world.command(pair.alice, Command::Hold(CALL));
        pair.world.command(pair.bob, Command::Hold(CALL));
        pair.run(10_000);
        let put_off = [Pair::ALICE, Pair::BOB].map(|ip| responses(&pair.world, ip, 491).len());
        assert_eq!(put_off, [1, 1], "RFC 3261 section 14.2");
        let again = |ip| {
            let mut invites = pair.world.log().iter().filter(|s| is_request(s, "INVITE") && s.from == sip_at(ip));
            invites.next_back().unwrap().at.since(at(1000))
        };
        // Whoever owns the Call-ID waits from 2.1 to 4 s, the other up to 2 s (RFC 3261 section 14.1).
        assert!(again(Pair::ALICE) >= ms(2100) && again(Pair::ALICE) <= ms(4100), "{:?}", again(Pair::ALICE));
        assert!(again(Pair::BOB) <= ms(2100), "{:?}", again(Pair::BOB));
        for node in [pair.alice, pair.bob] {
            let told = told(&pair.world, node);
            assert!(told.contains(&"held by Us".into()) && told.contains(&"held by Peer".into()), "{told:?}");
        }
        assert_eq!(rtp(&pair.world, Pair::ALICE, 6000, 10_000) + rtp(&pair.world, Pair::BOB, 6000, 10_000), 0);
        pair.world.command(pair.alice, Command::HangUpAll);
        pair.run(100_000);
        pair.assert_nothing_left();
    }
}

#[test]
fn a_change_that_is_refused_leaves_the_call_as_it_was_and_says_so() {
    let mut pair = talking();
    // Somebody on the way wants the media in the clear, and bob does not.
    pair.world.set_middle(Box::new(|sent| match is_request(sent, "INVITE") {
        true => Middle::Change(rewrite(&sent.bytes, |body| body.replace("RTP/SAVP", "RTP/AVP"))),
        false => Middle::Pass,
    }));
    pair.world.command(pair.alice, Command::Hold(CALL));
    pair.run(3000);
    assert_eq!(responses(&pair.world, Pair::BOB, 488).len(), 1);
    assert!(told(&pair.world, pair.alice).is_empty() && told(&pair.world, pair.bob).is_empty());
    assert!(troubles(&pair.world, pair.alice)[0].contains("488"));
    assert_eq!(troubles(&pair.world, pair.bob).len(), 1);
    for ip in [Pair::ALICE, Pair::BOB] {
        assert!(rtp(&pair.world, ip, 2000, 3000) >= 49);
    }
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn a_change_in_which_somebody_takes_the_keys_away_ends_the_call() {
    let mut pair = talking();
    rewrite_answers(&mut pair.world, |body| body.replace("RTP/SAVP", "RTP/AVP"));
    pair.world.command(pair.alice, Command::Hold(CALL));
    pair.run(100_000);
    let (alice, bob) = pair.outcomes();
    assert_eq!((alice.exit_code(), bob), (3, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn a_peer_that_answers_a_change_with_nothing_is_gone_and_so_is_the_call() {
    let mut pair = talking();
    pair.world.set_middle(Box::new(|_| Middle::Drop));
    pair.world.command(pair.alice, Command::Hold(CALL));
    pair.run(100_000);
    let Outcome::Failed { status, .. } = pair.outcome(pair.alice) else { panic!() };
    assert_eq!(status, Some(408), "RFC 3261 section 14.1");
}

#[test]
fn what_is_not_answered_yet_cannot_be_held() {
    let mut pair = Pair::new();
    pair.dial(HangUp::After(ms(500)));
    pair.run(50);
    pair.world.command(pair.alice, Command::Hold(CALL));
    pair.world.command(pair.bob, Command::Resume(CALL));
    assert_eq!(troubles(&pair.world, pair.alice), ["the call is not answered"]);
    assert_eq!(troubles(&pair.world, pair.bob), ["the call is not answered"]);
    pair.run(100_000);
    pair.assert_nothing_left();
}

#[test]
fn a_hold_that_is_taken_back_before_it_is_asked_for_changes_nothing() {
    let mut pair = talking();
    // While the first change is under way, two more are asked for that undo each other.
    pair.world.command(pair.alice, Command::Hold(CALL));
    pair.world.command(pair.alice, Command::Resume(CALL));
    pair.world.command(pair.alice, Command::Hold(CALL));
    pair.run(3000);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Invite).len(), 2);
    assert_eq!(told(&pair.world, pair.bob), ["held by Peer"]);
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    pair.assert_nothing_left();
}

#[test]
fn a_call_can_be_hung_up_while_a_change_is_under_way() {
    for (who, by) in [(0, Side::Us), (1, Side::Peer)] {
        let mut pair = talking();
        pair.world.command(pair.alice, Command::Hold(CALL));
        pair.world.command(who, Command::HangUpAll);
        pair.run(100_000);
        assert_eq!(pair.outcome(pair.alice), Outcome::Completed { by });
        pair.assert_nothing_left();
    }
}

#[test]
fn the_old_way_to_hold_is_understood() {
    let mut pair = talking();
    // RFC 3264 section 8.4: c=0.0.0.0, as RFC 2543 had it.
    pair.world.set_middle(Box::new(|sent| match is_request(sent, "INVITE") {
        true => {
            let edit =
                |body: String| body.replace("c=IN IP4 10.0.0.1", "c=IN IP4 0.0.0.0").replace("sendonly", "sendrecv");
            Middle::Change(rewrite(&sent.bytes, edit))
        }
        false => Middle::Pass,
    }));
    pair.world.command(pair.alice, Command::Hold(CALL));
    pair.run(3000);
    assert_eq!(told(&pair.world, pair.bob), ["held by Peer"]);
    assert_eq!(rtp(&pair.world, Pair::BOB, 1100, 3000), 0);
    assert!(pair.world.log().iter().all(|sent| !sent.to.ip().is_unspecified()), "nothing is sent to 0.0.0.0");
    pair.world.command(pair.alice, Command::HangUpAll);
    pair.run(100_000);
    pair.assert_nothing_left();
}

#[test]
fn a_peer_that_changes_to_another_codec_of_the_same_rate_is_followed() {
    let mut script = Script::talking();
    let offer = requests(&script.pair.world, Pair::ALICE, Method::Invite).remove(0);
    let offer = String::from_utf8(offer.body).unwrap();
    let media = offer.lines().find(|line| line.starts_with("m=audio")).unwrap();
    let words: Vec<&str> = media.split(' ').collect();
    let changed = offer.replace(media, &format!("{} 8", words[..3].join(" ")));
    let kept = |line: &&str| !line.starts_with("a=rtpmap:") && !line.starts_with("a=fmtp:");
    let changed = changed.lines().filter(kept).collect::<Vec<_>>().join("\r\n") + "\r\n";
    let before = media_from(&script.pair.world, Pair::BOB).last().unwrap().bytes[1] & 0x7f;
    let head = script.in_dialog("INVITE", 7) + "Content-Type: application/sdp\r\n";
    let ok = script.answer(&head, &changed);
    assert_eq!(ok.status.code(), 200);
    let body = String::from_utf8(ok.body).unwrap();
    assert!(body.contains("RTP/SAVP 8\r\n"), "{body}");
    script.pair.run(2000);
    let after = media_from(&script.pair.world, Pair::BOB).last().unwrap().bytes[1] & 0x7f;
    assert_eq!((before, after), (0, 8));
}
