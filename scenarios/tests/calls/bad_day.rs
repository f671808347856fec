//! A link that loses 5 % and jitters by 40 ms: what arrived in time is heard as it was said, and every frame that is
//! missing is accounted for.

use crate::common::*;
use keyphone_config::Config;
use keyphone_media::audio::Clip;
use keyphone_media::audio::codec::Codec;
use keyphone_media::audio::compare::compare;
use keyphone_scenarios::fate::{Expected, Hearing, expected, rtp_port};
use keyphone_scenarios::link::Link;
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record};
use std::sync::Arc;
use std::time::Duration;

fn clips() -> [Arc<Clip>; 2] {
    let clip = |wav: &[u8], name| Arc::new(Clip::from_wav(wav, name).unwrap());
    [
        clip(include_bytes!("../../assets/alice.wav"), "alice.wav"),
        clip(include_bytes!("../../assets/bob.wav"), "bob.wav"),
    ]
}

/// What a frame of the clip sounds like after G.711.
fn as_heard(clip: &Clip) -> Vec<Vec<i16>> {
    let mut pcm = clip.at(8000).unwrap();
    pcm.resize(pcm.len().next_multiple_of(160), 0);
    let (mut encoder, mut decoder) = (Codec::Pcmu.encoder().unwrap(), Codec::Pcmu.decoder().unwrap());
    let through = |frame: &[i16]| {
        let (payload, mut out) = (encoder.encode(frame).unwrap().to_vec(), vec![]);
        decoder.decode(&payload, frame.len(), &mut out);
        out
    };
    pcm.chunks(160).map(through).collect()
}

/// A call on a bad day in which both play their clip; gives what both must have heard.
fn bad_day(seed: u64, depth: Duration) -> (Pair, [Expected; 2]) {
    let [alice_says, bob_says] = clips();
    let talk = |clip: &Arc<Clip>, hang_up| Plan { play: Play::Clip(clip.clone()), record: Record::Memory, hang_up };
    let pcmu = |config: &mut Config| {
        config.audio.codecs = vec![Codec::Pcmu];
        config.audio.jitter = depth;
    };
    let mut bob = phone("bob", Pair::BOB, pcmu);
    bob.incoming = Incoming::Answer { after: ms(300), early: None, plan: talk(&bob_says, HangUp::Never) };
    let mut pair = Pair::on(seed, Link::BAD_DAY, phone("alice", Pair::ALICE, pcmu), bob);
    let longest = alice_says.duration().max(bob_says.duration()) + ms(500);
    let plan = talk(&alice_says, HangUp::After(longest));
    pair.world.command(pair.alice, call(Pair::BOB, keyphone_ua::transaction::Transport::Udp, plan));
    pair.run(200_000);
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP), "seed {seed}");
    let fate = |node: usize, ip: &str| {
        let log = pair.world.log();
        let hearing = Hearing::of(&pair.world.node(node).events, Codec::Pcmu, depth).unwrap();
        expected(log, rtp_port(log, ip.parse().unwrap()).unwrap(), &hearing)
    };
    let both = [fate(pair.alice, Pair::ALICE), fate(pair.bob, Pair::BOB)];
    (pair, both)
}

/// The counts are those of the link; each frame on the recording is bit for bit the one that was said.
fn assert_accounted_for(pair: &Pair, fates: &[Expected; 2], what: &str) {
    let [alice_says, bob_says] = clips();
    for (node, clip, fate) in [(pair.alice, &bob_says, &fates[0]), (pair.bob, &alice_says, &fates[1])] {
        let counts = counts(&pair.world, node);
        assert_eq!((counts.played, counts.lost, counts.late), (fate.played, fate.lost, fate.late), "{what}");
        assert_eq!((counts.refused, counts.replayed, counts.reflected), (0, 0, 0), "{what}");
        let heard = &recording(&pair.world, node).samples;
        assert_eq!(heard.len(), fate.frames.len() * 160, "{what}");
        let said = as_heard(clip);
        let silence = as_heard_silence();
        for (n, (frame, sent)) in heard.chunks(160).zip(&fate.frames).enumerate() {
            if let Some(sent) = sent {
                assert_eq!(frame, said.get(*sent).unwrap_or(&silence), "{what}: frame {n}, sent as {sent}");
            }
        }
    }
}

fn as_heard_silence() -> Vec<i16> {
    let (mut encoder, mut decoder) = (Codec::Pcmu.encoder().unwrap(), Codec::Pcmu.decoder().unwrap());
    let (payload, mut out) = (encoder.encode(&[0; 160]).unwrap().to_vec(), vec![]);
    decoder.decode(&payload, 160, &mut out);
    out
}

#[test]
fn the_bad_day() {
    for seed in 1..=5 {
        let (pair, fates) = bad_day(seed, ms(60));
        assert_accounted_for(&pair, &fates, &format!("seed {seed}"));
        let [alice_says, bob_says] = clips();
        for (node, clip, fate) in [(pair.alice, &bob_says, &fates[0]), (pair.bob, &alice_says, &fates[1])] {
            assert!(fate.lost > 0 && fate.played > 100, "seed {seed}: {} {}", fate.lost, fate.played);
            let like = compare(&clip.at(8000).unwrap(), &recording(&pair.world, node).samples, 8000).correlation;
            assert!(like >= 0.90, "seed {seed}: {like}");
        }
    }
}

#[test]
fn what_comes_too_late_for_a_shallow_jitter_buffer_is_counted_as_late_and_not_as_lost() {
    let mut late = 0;
    for seed in 1..=10 {
        let (pair, fates) = bad_day(seed, ms(20));
        assert_accounted_for(&pair, &fates, &format!("seed {seed}"));
        late += fates.iter().map(|fate| fate.late).sum::<u64>();
    }
    assert!(late > 100, "{late}");
}
