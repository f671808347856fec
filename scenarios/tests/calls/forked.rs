//! Many phones that answer to one name, and a proxy on the way that hands one INVITE to them.

use crate::certs::Ca;
use crate::common::*;
use keyphone_keying::mikey::ModeName;
use keyphone_media::audio::compare::compare;
use keyphone_media::audio::{Clip, Source};
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, Sent, World};
use keyphone_ua::event::{Event, KeyUse, Why};
use keyphone_ua::settings::{HangUp, Incoming, Play, Settings};
use keyphone_ua::sip::Message;
use keyphone_ua::transaction::Transport;
use std::net::IpAddr;
use std::sync::Arc;

pub(crate) const ALICE: &str = Pair::ALICE;
/// The proxy: nobody lives there, and what is sent there is kept.
pub(crate) const PROXY: &str = "10.0.0.9";

/// The modes whose keys come with the answer.
pub(crate) const LATE: [ModeName; 3] = [ModeName::DhSign, ModeName::DhHmac, ModeName::RsaR];

/// Where branch `n` is.
pub(crate) fn ip(n: usize) -> String {
    format!("10.0.1.{}", 1 + n)
}

/// The tone that branch `n` says when it talks; before that it is 50 Hz more.
pub(crate) fn hz(n: usize) -> f32 {
    400.0 + 90.0 * n as f32
}

/// What branch `n` says before it answers.
pub(crate) fn early(n: usize) -> Option<Play> {
    Some(Play::Tone(hz(n) + 50.0))
}

/// Five seconds of a tone, as loud as that.
pub(crate) fn tone(hz: f32, amplitude: f32) -> Play {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut wav = std::io::Cursor::new(vec![]);
    let mut writer = hound::WavWriter::new(&mut wav, spec).unwrap();
    for n in 0..40_000 {
        let sample = (std::f32::consts::TAU * hz * n as f32 / 8000.0).sin() * amplitude;
        writer.write_sample((sample * f32::from(i16::MAX)) as i16).unwrap();
    }
    writer.finalize().unwrap();
    Play::Clip(Arc::new(Clip::from_wav(wav.get_ref(), "a tone").unwrap()))
}

fn said_of(sent: &Sent, method: &str) -> bool {
    matches!(Message::parse(&sent.bytes), Ok(Message::Response(response))
        if response.headers.cseq().is_ok_and(|cseq| cseq.method.to_string() == method))
}

/// Who answers after how many milliseconds, and what is heard of it until then.
pub(crate) type Callee = (u64, Option<Play>);

/// Alice, and all who answer to bob's name.
pub(crate) struct Forked {
    pub(crate) world: World,
    pub(crate) alice: usize,
    pub(crate) bobs: Vec<usize>,
    invite: Vec<u8>,
}

impl Forked {
    pub(crate) fn new(mode: ModeName, callees: &[Callee]) -> Self {
        Self::on(1, Link::PERFECT, mode, callees, |_| ())
    }

    pub(crate) fn on(
        seed: u64,
        link: Link,
        mode: ModeName,
        callees: &[Callee],
        change: impl Fn(&mut Settings),
    ) -> Self {
        Self::among(seed, link, mode, callees, change, |_, _| ())
    }

    /// The same, and phone `n` is changed, too.
    pub(crate) fn among(
        seed: u64,
        link: Link,
        mode: ModeName,
        callees: &[Callee],
        change: impl Fn(&mut Settings),
        change_bob: impl Fn(usize, &mut Settings),
    ) -> Self {
        let ca = Ca::new();
        let rsa = matches!(mode, ModeName::Rsa | ModeName::RsaR);
        ca.certify("alice", ALICE, rsa);
        ca.certify("bob", PROXY, rsa);
        let mut world = World::new(seed, link);
        let mut alice = ca.phone(("alice", ALICE), "bob", &[mode]);
        change(&mut alice);
        let alice = world.add("alice", alice);
        let bobs = callees.iter().enumerate().map(|(n, (after, early))| {
            let named =
                |config: &mut keyphone_config::Config| config.account.from = "sip:bob@10.0.0.9".parse().unwrap();
            let mut bob = ca.phone_with(("bob", &ip(n)), "alice", &[mode], named);
            let plan = plan(hz(n), HangUp::Never);
            bob.incoming = Incoming::Answer { after: ms(*after), early: early.clone(), plan };
            change_bob(n, &mut bob);
            world.add("bob", bob)
        });
        let bobs = bobs.collect();
        let mut forked = Self { world, alice, bobs, invite: vec![] };
        forked.meddle(|_| Middle::Pass);
        forked
    }

    /// Somebody on the way. What goes to the proxy is kept, and the proxy keeps the refusals of single phones, as it must
    /// while others may answer (RFC 3261 section 16.7).
    pub(crate) fn meddle(&mut self, mut middle: impl FnMut(&Sent) -> Middle + 'static) {
        self.world.set_middle(Box::new(move |sent| {
            let refusal = (300..700).any(|status| is_response(sent, status)) && said_of(sent, "INVITE");
            match sent.to == sip_at(PROXY) || refusal {
                true => Middle::Drop,
                false => middle(sent),
            }
        }));
    }

    /// Alice dials the proxy; nobody has been called yet.
    pub(crate) fn call(&mut self, hang_up: HangUp) {
        self.world.command(self.alice, call(PROXY, Transport::Udp, plan(ALICE_HZ, hang_up)));
        let invite = self.world.log().iter().rev().find(|sent| is_request(sent, "INVITE"));
        self.invite = invite.unwrap().bytes.clone();
    }

    /// The proxy calls that phone.
    pub(crate) fn reach(&mut self, n: usize) {
        self.world.inject(sip_at(ALICE), sip_at(&ip(n)), &self.invite);
    }

    /// Alice dials the proxy, which calls them all.
    pub(crate) fn dial(&mut self, hang_up: HangUp) {
        self.call(hang_up);
        (0..self.bobs.len()).for_each(|n| self.reach(n));
    }

    /// The To-tag of branch `n`.
    pub(crate) fn tag(&self, n: usize) -> String {
        let said = [180, 183].into_iter().find_map(|status| responses(&self.world, &ip(n), status).pop());
        said.unwrap().headers.to().unwrap().tag().unwrap().to_owned()
    }

    pub(crate) fn media_to(&self, n: usize) -> usize {
        let ip = ip(n).parse::<IpAddr>().unwrap();
        media_from(&self.world, ALICE).filter(|sent| sent.to.ip() == ip).count()
    }

    pub(crate) fn answered(&self) -> Vec<String> {
        self.of_alice(|event| match event {
            Event::Answered { branch, .. } => Some(branch.clone()),
            _ => None,
        })
    }

    pub(crate) fn failed(&self) -> Vec<String> {
        self.of_alice(|event| match event {
            Event::BranchFailed { branch, .. } => Some(branch.clone()),
            _ => None,
        })
    }

    /// Which branches alice has verified, and why.
    pub(crate) fn verified(&self) -> Vec<(String, Why)> {
        self.of_alice(|event| match event {
            Event::Verified { branch, why, .. } => Some((branch.clone(), *why)),
            _ => None,
        })
    }

    /// The keys that a phone sends or hears with.
    pub(crate) fn keys(&self, node: usize, which: KeyUse) -> Vec<String> {
        let key = |event: &Event| match event {
            Event::Key { key, use_for, .. } if *use_for == which => Some(key.clone()),
            _ => None,
        };
        events(&self.world, node).filter_map(key).collect()
    }

    pub(crate) fn of_alice<T>(&self, of: impl FnMut(&Event) -> Option<T>) -> Vec<T> {
        events(&self.world, self.alice).filter_map(of).collect()
    }

    /// Is alice hearing this tone from `from` ms after she began to hear, for 400 ms?
    pub(crate) fn hears(&self, hz: f32, from: usize) -> bool {
        let heard = recording(&self.world, self.alice);
        let per_ms = heard.rate as usize / 1000;
        let mut said = vec![0; 400 * per_ms];
        Source::tone(f64::from(hz), heard.rate).read(&mut said);
        let heard = heard.samples.get(from * per_ms..(from + 400) * per_ms).unwrap_or_default();
        compare(&said, heard, 40 * per_ms).correlation > 0.95
    }

    /// Is this what she heard last?
    pub(crate) fn hears_last(&self, hz: f32) -> bool {
        let heard = recording(&self.world, self.alice);
        self.hears(hz, (heard.samples.len() * 1000 / heard.rate as usize).saturating_sub(450))
    }

    /// No call, timer, key or packet is left with anybody.
    pub(crate) fn assert_nothing_left(&self) {
        for node in self.bobs.iter().chain([&self.alice]) {
            assert_nothing_left(&self.world, *node);
            for fill in self.world.node(*node).endpoint.tables(self.world.now()) {
                assert_eq!(fill.entries, 0, "{}", fill.table);
            }
        }
    }
}
