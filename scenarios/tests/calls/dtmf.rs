//! Keys pressed on one side are told on the other (RFC 4733), and only those that were.

use crate::common::*;
use keyphone_media::rtp::Header;
use keyphone_scenarios::link::Link;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::settings::HangUp;

const CALL: CallId = CallId(1);

fn press(pair: &mut Pair, node: usize, keys: &str) {
    pair.world.command(node, Command::Dtmf { call: CALL, keys: keys.into() });
}

fn told(pair: &Pair, node: usize) -> String {
    let key = |event: &Event| if let Event::Dtmf { key, .. } = event { Some(*key) } else { None };
    events(&pair.world, node).filter_map(key).collect()
}

/// A call that is answered, on such a link.
fn talking(seed: u64, link: Link) -> Pair {
    let (alice, bob) = (phone("alice", Pair::ALICE, no_change), phone("bob", Pair::BOB, no_change));
    let mut pair = Pair::on(seed, link, alice, bob);
    pair.dial(HangUp::Never);
    pair.run(2_000);
    pair
}

#[test]
fn keys_pressed_on_either_side_are_told_on_the_other() {
    let mut pair = talking(1, Link::PERFECT);
    let (alice, bob) = (pair.alice, pair.bob);
    press(&mut pair, alice, "0123456789*#");
    press(&mut pair, bob, "ABCD");
    pair.run(6_000);
    assert_eq!((told(&pair, bob).as_str(), told(&pair, alice).as_str()), ("0123456789*#", "ABCD"));
    let offer = &requests(&pair.world, Pair::ALICE, keyphone_ua::sip::Method::Invite)[0].body;
    let offer = String::from_utf8_lossy(offer);
    assert!(offer.contains("a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"), "{offer}");
    pair.world.command(alice, Command::HangUp(CALL));
    pair.run(100_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    for node in [alice, bob] {
        let counts = counts(&pair.world, node);
        assert_eq!((counts.lost, counts.late, counts.refused), (0, 0, 0), "no frame is missed for the keys");
    }
    pair.assert_nothing_left();
}

#[test]
fn keys_come_through_a_link_that_loses_one_packet_in_twenty() {
    for seed in 1..=8 {
        let mut pair = talking(seed, Link { loss_permille: 50, ..Link::PERFECT });
        let (alice, bob) = (pair.alice, pair.bob);
        press(&mut pair, alice, "147*2580369#");
        pair.run(8_000);
        assert_eq!(told(&pair, bob), "147*2580369#", "seed {seed}");
        assert_eq!(told(&pair, alice), "");
    }
}

#[test]
fn a_key_that_does_not_authenticate_is_not_told() {
    let mut pair = talking(1, Link::PERFECT);
    let (alice, bob) = (pair.alice, pair.bob);
    press(&mut pair, alice, "1");
    pair.run(3_000);
    assert_eq!(told(&pair, bob), "1");
    let seen: Vec<_> = media_from(&pair.world, Pair::ALICE).filter(|sent| sent.to.port() % 2 == 0).cloned().collect();
    let last = seen.last().unwrap();
    let header = Header::parse(&last.bytes).unwrap();
    for n in 0..50u16 {
        let mut forged = last.bytes[..header.octets()].to_vec();
        forged[1] = 0x80 | 101;
        forged[2..4].copy_from_slice(&header.sequence().wrapping_add(n).to_be_bytes());
        forged[4..8].copy_from_slice(&u32::from(n).to_be_bytes());
        forged.extend([5, 0x8a, 0x03, 0x20]);
        forged.extend([0; 10]);
        pair.world.inject(last.from, last.to, &forged);
    }
    pair.run(4_000);
    assert_eq!(told(&pair, bob), "1");
}

#[test]
fn keys_that_cannot_be_sent_are_refused_in_words() {
    let mut pair = talking(1, Link::PERFECT);
    let alice = pair.alice;
    press(&mut pair, alice, "1x");
    press(&mut pair, alice, &"1".repeat(65));
    pair.run(3_000);
    let troubles = troubles(&pair.world, alice);
    assert_eq!(troubles.len(), 2, "{troubles:?}");
    assert!(troubles[0].contains("'x' is no key") && troubles[1].contains("more than 64 keys"), "{troubles:?}");
    assert_eq!(told(&pair, pair.bob), "");
}
