//! Worlds with something to tell.

use keyphone_config::{Config, KeyingSystem, PskEntry};
use keyphone_keying::mikey::ModeName;
use keyphone_media::env::Instant;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::{Middle, World};
use keyphone_ua::endpoint::Command;
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record, Settings};
use keyphone_ua::transaction::{Destination, Transport};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f";
const ALICE: &str = "10.0.0.1";
pub(crate) const PROXY: &str = "10.0.0.9";

pub(crate) fn sip_at(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 5060)
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn plan(hz: f32, hang_up: HangUp) -> Plan {
    Plan { play: Play::Tone(hz), record: Record::Memory, hang_up }
}

fn phone(name: &str, ip: &str, mode: ModeName, key: &str) -> Settings {
    let mut config = Config::default();
    config.account.from = format!("sip:{name}@{ip}").parse().unwrap();
    config.policy.keying = vec![KeyingSystem::Mikey(mode)];
    config.credentials.psks = vec![PskEntry::from_hex(None, key).unwrap()];
    let mut settings = Settings::new(&config, sip_at(ip)).unwrap();
    settings.incoming = Incoming::Answer { after: ms(300), early: None, plan: plan(660.0, HangUp::Never) };
    settings
}

/// A proxy that hands one INVITE to many phones, each of which plays early media and answers later than the one before.
pub(crate) fn fork(phones: usize, link: Link) -> World {
    fork_by(ModeName::Psk, phones, link, ms(0))
}

/// The same in another mode; responses take so much longer than media.
pub(crate) fn fork_by(mode: ModeName, phones: usize, link: Link, longer: Duration) -> World {
    let mut world = World::new(1, link);
    let alice = world.add("alice", phone("alice", ALICE, mode, KEY));
    world.set_middle(Box::new(move |sent| match !sent.media && sent.bytes.starts_with(b"SIP/2.0 ") {
        true => Middle::Hold(longer),
        false => Middle::Pass,
    }));
    for n in 0..phones {
        let mut bob = phone("bob", PROXY, mode, KEY);
        bob.sip = sip_at(&format!("10.0.1.{n}"));
        let hz = 500.0 + 17.0 * n as f32;
        let early = (n % 3 == 0).then_some(Play::Tone(hz + 50.0));
        bob.incoming = Incoming::Answer { after: ms(400 + 3 * n as u64), early, plan: plan(hz, HangUp::Never) };
        world.add("bob", bob);
    }
    let target = Box::new(format!("sip:bob@{PROXY}").parse().unwrap());
    let to = Some(Destination { addr: sip_at(PROXY), transport: Transport::Udp });
    world.command(alice, Command::Call { target, to, from: None, plan: plan(440.0, HangUp::After(ms(1_500))) });
    let invite = world.log().last().unwrap().bytes.clone();
    for n in 0..phones {
        world.inject(sip_at(ALICE), sip_at(&format!("10.0.1.{n}")), &invite);
    }
    world.run(Instant::from_micros(100_000_000));
    world
}

pub(crate) fn pair(link: Link, bobs_key: &str) -> World {
    let mut world = World::new(1, link);
    call_in(&mut world, bobs_key);
    world
}

/// Alice calls bob, talks and hangs up, and all timers run out.
pub(crate) fn call_in(world: &mut World, bobs_key: &str) {
    let alice = world.add("alice", phone("alice", ALICE, ModeName::Psk, KEY));
    world.add("bob", phone("bob", "10.0.0.2", ModeName::Psk, bobs_key));
    let target = Box::new("sip:bob@10.0.0.2".parse().unwrap());
    let to = Some(Destination { addr: sip_at("10.0.0.2"), transport: Transport::Udp });
    world.command(alice, Command::Call { target, to, from: None, plan: plan(440.0, HangUp::After(ms(1_500))) });
    world.run(Instant::from_micros(100_000_000));
}
