//! One complete MIKEY-PSK exchange: offer, answer, and the caller's verification of it.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, criterion_group, criterion_main};
use keyphone_keying::mikey::Mikey;
use keyphone_keying::{Ask, Dir, Hop, Identity, Input, Keying, Policy, Psk, PskStore, Stream};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_media::rtp::Ssrc;
use std::hint::black_box;

/// Not random, but fresh.
struct Counter(u64);

impl Rng for Counter {
    fn fill(&mut self, buf: &mut [u8]) {
        for chunk in buf.chunks_mut(8) {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            chunk.copy_from_slice(&self.0.to_be_bytes()[..chunk.len()]);
        }
    }
}

fn exchange(c: &mut Criterion) {
    let (alice, bob) = (Identity::new("sip:alice@example.org"), Identity::new("sip:bob@example.org"));
    let mikey = |peer: &Identity| {
        let mut psks = PskStore::default();
        psks.insert(Some(peer.clone()), Psk::new(vec![7; 16]).expect("16 octets"));
        Mikey::new(psks, NtpTime(1 << 63))
    };
    let (mut caller, mut callee) = (mikey(&bob), mikey(&alice));
    let policy = Policy::default();
    let streams = |ssrc| {
        [(Dir::Send, Some(Ssrc(ssrc))), (Dir::Hear, None)].map(|(dir, ssrc)| Stream { line: 0, dir, ssrc, roc: 0 })
    };
    let (ours, theirs) = (streams(1), streams(2));
    let (mut rng, mut ntp) = (Counter(1), 1u64 << 63);

    c.bench_function("MIKEY-PSK: offer, answer, verify", |b| {
        b.iter(|| {
            ntp += 1 << 22; // a millisecond
            let mut env = Env { now: Now { mono: Instant::ZERO, ntp: NtpTime(ntp) }, rng: &mut rng };
            let mut out = vec![];
            let ask = Ask { hop: Hop::Clear, me: &alice, named: &bob, streams: &ours, policy: &policy };
            let (offer, offered) = caller.offer(&ask, &mut env, &mut out).expect("an offer");
            let ask = Ask { hop: Hop::Clear, me: &bob, named: &alice, streams: &theirs, policy: &policy };
            let (answer, _session) = callee.answer(&ask, &offer, &mut env, &mut out).expect("an answer");
            offered.session().handle(Input::Answer(&answer), &mut env, &mut out).expect("verified");
            black_box(out)
        });
    });
}

criterion_group!(benches, exchange);
criterion_main!(benches);
