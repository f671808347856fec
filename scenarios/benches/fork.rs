//! What it costs the caller of a forked call to come to the first early frame: 1, 10 and 30 phones, DH-SIGN, all answers
//! there before any media. Verified when needed, which is one of them; and, as security preconditions want it (RFC 5027
//! section 3), all first. Only the caller's work is measured: what comes to it was recorded in a world and is said again.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use keyphone_config::{Config, KeyingSystem};
use keyphone_keying::mikey::ModeName;
use keyphone_keying::{CertStore, Credentials, Identity};
use keyphone_media::env::{Env, Instant, Now, Rng};
use keyphone_scenarios::link::Link;
use keyphone_scenarios::pki::Pki;
use keyphone_scenarios::script::{KeyKind, Name};
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::{Command, Endpoint, Input, MediaPorts, Output};
use keyphone_ua::event::Event;
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Preconditions, Record, Settings};
use keyphone_ua::transaction::{Destination, Transport};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const ALICE: &str = "10.0.0.1";
const PROXY: &str = "10.0.0.9";
const SEED: u64 = 1;

fn sip(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse::<IpAddr>().expect("an address"), 5060)
}

/// The dice that a world gives to its first phone.
struct Dice(ChaCha8Rng);

impl Dice {
    fn of_the_first() -> Self {
        Self(ChaCha8Rng::seed_from_u64(ChaCha8Rng::seed_from_u64(SEED).next_u64()))
    }
}

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        self.0.fill_bytes(buf);
    }
}

/// A phone with a certificate for that URI, and an RSA key: so that the same offer can be made again.
fn phone(pki: &Pki, name: &str, uri: &str, ip: &str) -> Settings {
    let mut config = Config::default();
    config.account.from = uri.parse().expect("a URI");
    config.policy.keying = vec![KeyingSystem::Mikey(ModeName::DhSign)];
    config.audio.codecs.truncate(1);
    let mut settings = Settings::new(&config, sip(ip)).expect("settings");
    let (name, ca): (Name, Name) = (name.parse().expect("a name"), "ca".parse().expect("a name"));
    let own = pki.issue(&name, KeyKind::Rsa, &ca, &Identity::new(uri)).expect("a certificate");
    let mut certs = CertStore::default();
    certs.add_own(vec![own.certificate], own.key).expect("our own");
    certs.trust(pki.authority(&ca).expect("an authority"));
    settings.credentials = Arc::new(Credentials { certs, ..Credentials::default() });
    settings
}

fn plan(hz: f32) -> Plan {
    Plan { play: Play::Tone(hz), record: Record::Nothing, hang_up: HangUp::Never }
}

fn call() -> Command {
    let target = Box::new(format!("sip:bob@{PROXY}").parse().expect("a URI"));
    let to = Some(Destination { addr: sip(PROXY), transport: Transport::Udp });
    Command::Call { target, to, from: None, plan: plan(440.0) }
}

/// What came to the caller, and when.
struct Came {
    at: Instant,
    from: SocketAddr,
    to: SocketAddr,
    transport: Transport,
    bytes: Vec<u8>,
}

/// A forked call as its caller sees it, until it hears something.
struct Recorded {
    alice: Settings,
    began: Now,
    invite: Vec<u8>,
    came: Vec<Came>,
    /// How many answers were verified.
    verified: usize,
}

fn record(pki: &Pki, phones: usize, all_first: bool) -> Recorded {
    let mut world = World::new(SEED, Link::PERFECT);
    let mut alice = phone(pki, "alice", &format!("sip:alice@{ALICE}"), ALICE);
    if all_first {
        alice.rules.preconditions = Preconditions::Required;
    }
    let (began, node) = (world.clock(), world.add("alice", alice.clone()));
    let ips: Vec<_> = (1..=phones).map(|n| format!("10.0.1.{n}")).collect();
    for ip in &ips {
        let mut bob = phone(pki, "bob", &format!("sip:bob@{PROXY}"), ip);
        let early = Some(Play::Tone(500.0));
        bob.incoming = Incoming::Answer { after: Duration::from_secs(60), early, plan: plan(660.0) };
        world.add("bob", bob);
    }
    world.set_middle(Box::new(|sent| match (sent.to == sip(PROXY), sent.media) {
        (true, _) => Middle::Drop,
        (_, true) => Middle::Hold(Duration::from_millis(50)),
        (_, false) => Middle::Pass,
    }));
    world.command(node, call());
    let invite = world.log().last().expect("an INVITE").bytes.clone();
    ips.iter().for_each(|ip| world.inject(sip(ALICE), sip(ip), &invite));
    world.run(Instant::from_micros(1_000_000));
    let events = &world.node(node).events;
    let (heard, _) = events.iter().find(|(_, event)| matches!(event, Event::Heard { .. })).expect("somebody is heard");
    let verified = events.iter().filter(|(at, event)| at <= heard && matches!(event, Event::Verified { .. })).count();
    let to_alice = world.log().iter().filter(|sent| sent.to.ip() == sip(ALICE).ip());
    let mut came: Vec<_> = to_alice
        .flat_map(|sent| sent.arrived.iter().map(move |at| (sent, *at)))
        .filter(|(_, at)| at <= heard)
        .map(|(sent, at)| Came {
            at,
            from: sent.from,
            to: sent.to,
            transport: sent.transport,
            bytes: sent.bytes.clone(),
        })
        .collect();
    came.sort_by_key(|came| came.at);
    Recorded { alice, began, invite, came, verified }
}

impl Recorded {
    /// A caller that has just called.
    fn caller(&self) -> (Endpoint, Dice) {
        let (mut endpoint, mut dice) = (Endpoint::new(self.alice.clone(), &self.began), Dice::of_the_first());
        for port in [40_000, 40_002, 40_004, 40_006] {
            let at = |port| SocketAddr::new(sip(ALICE).ip(), port);
            let ports = MediaPorts { rtp: at(port), rtcp: at(port + 1) };
            endpoint.handle(Input::Ports(ports), &mut Env { now: self.began, rng: &mut dice }, &mut vec![]);
        }
        let mut out = vec![];
        endpoint.handle(Input::Command(call()), &mut Env { now: self.began, rng: &mut dice }, &mut out);
        let same = |output: &Output| matches!(output, Output::Sip { bytes, .. } if *bytes == self.invite);
        assert!(out.iter().any(same), "the same dice make the same offer");
        (endpoint, dice)
    }

    /// Everything happens again, until something is heard.
    fn again(&self, (mut endpoint, mut dice): (Endpoint, Dice)) -> Endpoint {
        let mut out = vec![];
        for came in &self.came {
            while let Some(at) = endpoint.next_timeout().filter(|at| *at < came.at) {
                endpoint.handle(Input::Timeout, &mut Env { now: self.at(at), rng: &mut dice }, &mut out);
            }
            let Came { at, from, to, transport, bytes } = came;
            let input = match *to == sip(ALICE) {
                true => Input::Sip { from: *from, transport: *transport, bytes },
                false => Input::Media { at: *to, from: *from, bytes },
            };
            endpoint.handle(input, &mut Env { now: self.at(*at), rng: &mut dice }, &mut out);
            if out.drain(..).any(|output| matches!(output, Output::Event(Event::Heard { .. }))) {
                return endpoint;
            }
        }
        panic!("nothing was heard");
    }

    fn at(&self, mono: Instant) -> Now {
        Now { mono, ntp: self.began.ntp + mono.since(self.began.mono) }
    }
}

fn first_frame(c: &mut Criterion) {
    let pki = Pki::new();
    let mut group = c.benchmark_group("from the first answer to the first early frame, DH-SIGN");
    for (name, all_first) in [("verified when needed", false), ("all verified first", true)] {
        for phones in [1, 10, 30] {
            let recorded = record(&pki, phones, all_first);
            assert_eq!(recorded.verified, if all_first { phones } else { 1 });
            group.bench_with_input(BenchmarkId::new(name, phones), &recorded, |b, recorded| {
                b.iter_batched(|| recorded.caller(), |caller| recorded.again(caller), BatchSize::SmallInput);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, first_frame);
criterion_main!(benches);
