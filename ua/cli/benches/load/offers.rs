//! A MIKEY-PSK offer for every call: the callee refuses what it has seen before.

use keyphone_keying::mikey::Mikey;
use keyphone_keying::{Ask, Dir, Hop, Identity, Keying, Policy, Psk, PskStore, Stream};
use keyphone_media::env::{Env, Rng};
use keyphone_media::rtp::Ssrc;
use keyphone_ua::net::{Clock, OsRng};
use std::time::Duration;

/// What both sides hold.
pub(crate) const PSK: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// SIPp's injection file with so many lines, each with one offer: field 0.
pub(crate) fn csv(calls: u32) -> String {
    let (me, named) = (Identity::new("sip:sipp@127.0.0.1"), Identity::new("sip:service@127.0.0.1"));
    let mut psks = PskStore::default();
    psks.insert(None, Psk::new((0..32).collect()).expect("32 octets"));
    let (clock, policy) = (Clock::default(), Policy::default());
    let mut mikey = Mikey::new(psks, clock.now().ntp);
    let mut text = String::from("SEQUENTIAL\n");
    for call in 1..=calls {
        let mut now = clock.now();
        // A timestamp of its own for each, however fast they are made.
        now.ntp = now.ntp + Duration::from_micros(call.into());
        let mut ssrc = [0; 4];
        OsRng.fill(&mut ssrc);
        let ssrc = Ssrc(u32::from_be_bytes(ssrc).max(1));
        let streams = [(Dir::Send, Some(ssrc)), (Dir::Hear, None)];
        let streams = streams.map(|(dir, ssrc)| Stream { line: 0, dir, ssrc, roc: 0 });
        let ask = Ask { hop: Hop::Clear, me: &me, named: &named, streams: &streams, policy: &policy };
        let env = &mut Env { now, rng: &mut OsRng };
        let (lines, _) = mikey.offer(&ask, env, &mut vec![]).expect("an offer");
        let value = &lines.0.first().expect("an offer has its line").value;
        text += value.strip_prefix("mikey ").expect("the protocol stands first");
        text.push('\n');
    }
    text
}
