//! Two phones talk, and nobody on the way hears what they say.

use crate::common::*;
use keyphone_config::Config;
use keyphone_media::audio::Source;
use keyphone_media::audio::codec::Codec;
use keyphone_media::audio::compare::compare;
use keyphone_media::rtp::Header;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::World;
use keyphone_ua::event::Event;
use keyphone_ua::settings::{HangUp, Record};
use keyphone_ua::sip::Method;
use keyphone_ua::transaction::Transport;

/// A second of a tone.
fn tone(hz: f32, codec: Codec) -> Vec<i16> {
    let mut pcm = vec![0; codec.rate() as usize];
    Source::tone(f64::from(hz), codec.rate()).read(&mut pcm);
    pcm
}

/// A tone as G.711 codes it, as far as a second goes: all that could be on the wire in the clear.
fn g711(hz: f32, codec: Codec) -> Vec<Vec<u8>> {
    let mut encoder = codec.encoder().unwrap();
    tone(hz, codec).chunks(codec.frame()).map(|frame| encoder.encode(frame).unwrap().to_vec()).collect()
}

fn with_codec(codec: Codec) -> impl Fn(&mut Config) {
    move |config| config.audio.codecs = vec![codec]
}

pub(crate) fn assert_heard_both_ways(world: &World, (alice, bob): (usize, usize), codec: Codec) {
    for (node, hz) in [(alice, BOB_HZ), (bob, ALICE_HZ)] {
        let heard = recording(world, node);
        assert_eq!(heard.rate, codec.rate());
        let like = compare(&tone(hz, codec), &heard.samples, codec.rate() as usize / 2).correlation;
        assert!(like > 0.98, "{}: {like}", world.node(node).name);
        let counts = counts(world, node);
        assert_eq!((counts.lost, counts.late, counts.refused, counts.replayed), (0, 0, 0, 0));
    }
}

/// No payload on the wire is a frame of what was said.
fn assert_unheard_on_the_way(world: &World) {
    let clear: Vec<Vec<u8>> = [ALICE_HZ, BOB_HZ]
        .iter()
        .flat_map(|hz| [Codec::Pcmu, Codec::Pcma].into_iter().flat_map(|codec| g711(*hz, codec)))
        .collect();
    let rtp = world.log().iter().filter(|sent| sent.media && sent.to.port() % 2 == 0);
    let mut packets = 0;
    for sent in rtp {
        let header = Header::parse(&sent.bytes).unwrap();
        let payload = &sent.bytes[header.octets()..];
        assert!(clear.iter().all(|frame| !payload.windows(frame.len()).any(|window| window == frame)));
        packets += 1;
    }
    assert!(packets > 90, "{packets}");
}

#[test]
fn two_phones_talk_over_mikey_whatever_the_address_the_transport_and_the_codec() {
    for (a, b) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
        for transport in [Transport::Udp, Transport::Tcp] {
            for codec in [Codec::Pcmu, Codec::Pcma, Codec::Opus] {
                let mut world = World::new(1, Link::PERFECT);
                let alice = world.add("alice", phone("alice", a, with_codec(codec)));
                let bob = world.add("bob", phone("bob", b, with_codec(codec)));
                world.command(alice, call(b, transport, plan(ALICE_HZ, HangUp::After(ms(1000)))));
                world.run(at(100_000));
                assert_eq!((outcome(&world, alice), outcome(&world, bob)), (WE_HUNG_UP, PEER_HUNG_UP));
                assert_heard_both_ways(&world, (alice, bob), codec);
                assert_unheard_on_the_way(&world);
                assert!(world.log().iter().all(|sent| sent.media || sent.transport == transport));
                assert_nothing_left(&world, alice);
                assert_nothing_left(&world, bob);
            }
        }
    }
}

#[test]
fn the_first_codec_that_both_speak_is_taken() {
    let speaks = |codecs: &'static [Codec]| move |config: &mut Config| config.audio.codecs = codecs.to_vec();
    let pair = Pair::of(speaks(&[Codec::Opus, Codec::Pcma]), speaks(&[Codec::Pcmu, Codec::Pcma])).whole_call();
    assert_heard_both_ways(&pair.world, (pair.alice, pair.bob), Codec::Pcma);
}

#[test]
fn phones_without_a_codec_in_common_do_not_talk_and_it_is_not_keyings_fault() {
    let pair = Pair::of(with_codec(Codec::Opus), with_codec(Codec::Pcmu)).whole_call();
    assert_eq!(pair.outcome(pair.bob).exit_code(), 1);
    assert_eq!(responses(&pair.world, Pair::BOB, 488)[0].headers.warning().unwrap()[0].code, 305);
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Invite).len(), 1, "another way of keying would not help");
    assert_eq!(media_from(&pair.world, Pair::BOB).count() + media_from(&pair.world, Pair::ALICE).count(), 0);
}

#[test]
fn the_peer_is_named_before_its_keys_are_used_and_no_event_holds_a_secret() {
    let pair = Pair::new().whole_call();
    for node in [pair.alice, pair.bob] {
        let position = |is: fn(&Event) -> bool| events(&pair.world, node).position(is).unwrap();
        let peer = position(|event| matches!(event, Event::Peer { .. }));
        assert!(peer < position(|event| matches!(event, Event::Answered { .. })));
        let all = format!("{:?}", pair.world.node(node).events);
        assert!(!all.contains(KEY) && pair.world.node(node).key_log.is_empty());
    }
    // The caller made the keys itself; the callee has them from a peer that it knows by then.
    let first = events(&pair.world, pair.bob).find(|event| matches!(event, Event::Peer { .. } | Event::Key { .. }));
    assert!(matches!(first, Some(Event::Peer { how, .. }) if how.contains("key")), "{first:?}");
}

#[test]
fn both_sides_name_each_key_alike_and_each_direction_has_its_own() {
    let pair = Pair::new().whole_call();
    let keys = |node| -> Vec<(String, String)> {
        let key = |event: &Event| match event {
            Event::Key { key, use_for, .. } => Some((format!("{use_for:?}"), key.clone())),
            _ => None,
        };
        let mut keys: Vec<_> = events(&pair.world, node).filter_map(key).collect();
        keys.sort();
        keys
    };
    let (alice, bob) = (keys(pair.alice), keys(pair.bob));
    assert_eq!((alice.len(), bob.len()), (2, 2));
    assert_eq!((&alice[0].1, &alice[1].1), (&bob[1].1, &bob[0].1), "one's Hear is the other's Send");
    assert_ne!(alice[0].1, alice[1].1);
}

#[test]
fn one_phone_serves_many_calls_at_once_and_one_after_the_other() {
    let mut world = World::new(1, Link::PERFECT);
    let quiet = |name: &str, ip: &str| {
        let mut settings = phone(name, ip, no_change);
        settings.incoming =
            keyphone_ua::settings::Incoming::Answer { after: ms(0), early: None, plan: plan(BOB_HZ, HangUp::Never) };
        settings
    };
    let bob = world.add("bob", quiet("bob", "10.0.0.2"));
    let callers: Vec<_> = (10..20).map(|n| world.add("caller", quiet("caller", &format!("10.0.0.{n}")))).collect();
    for round in 1..=2 {
        for caller in &callers {
            let plan =
                keyphone_ua::settings::Plan { record: Record::Nothing, ..plan(ALICE_HZ, HangUp::After(ms(500))) };
            world.command(*caller, call("10.0.0.2", Transport::Udp, plan));
        }
        world.run(at(100_000 * round));
    }
    assert_eq!(outcomes(&world, bob), vec![PEER_HUNG_UP; 20]);
    let stats = events(&world, bob).filter(|event| matches!(event, Event::Stats { counts, .. } if counts.played > 15));
    assert_eq!(stats.count(), 20);
    assert_nothing_left(&world, bob);
}

#[test]
fn a_peer_may_want_frames_under_another_number_than_it_sends_them() {
    let mut pair = Pair::of(with_codec(Codec::Opus), with_codec(Codec::Opus));
    // RFC 3264 section 6.1 lets an answer number a codec its own way.
    rewrite_answers(&mut pair.world, |body| body.replace("RTP/SAVP 96", "RTP/SAVP 111").replace(":96 ", ":111 "));
    let pair = pair.whole_call();
    let numbers = |ip| {
        let rtp = media_from(&pair.world, ip).filter(|sent| sent.to.port() % 2 == 0);
        rtp.map(|sent| sent.bytes[1] & 0x7f).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!((numbers(Pair::ALICE), numbers(Pair::BOB)), ([111].into(), [96].into()));
    assert!(counts(&pair.world, pair.alice).played > 40);
}
