//! Calls between two phones in simulated time.

use keyphone_config::{Config, PskEntry};
use keyphone_media::env::Instant;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::World;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{Event, Outcome, Side};
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record, Settings};
use keyphone_ua::transaction::{Destination, Transport};
use std::time::Duration;

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

fn plan(hz: f32, hang_up: HangUp) -> Plan {
    Plan { play: Play::Tone(hz), record: Record::Memory, hang_up }
}

fn settings(name: &str, ip: &str, change: impl FnOnce(&mut Config)) -> Settings {
    let mut config = Config::default();
    config.account.from = format!("sip:{name}@{ip}").parse().unwrap();
    config.credentials.psks = vec![PskEntry::from_hex(None, KEY).unwrap()];
    change(&mut config);
    let mut settings = Settings::new(&config, format!("{ip}:5060").parse().unwrap()).unwrap();
    settings.incoming = Incoming::Answer { after: Duration::from_millis(300), plan: plan(660.0, HangUp::Never) };
    settings
}

fn call(plan: Plan, transport: Transport) -> Command {
    let target = Box::new("sip:bob@10.0.0.2".parse().unwrap());
    Command::Call { target, to: Destination { addr: "10.0.0.2:5060".parse().unwrap(), transport }, plan }
}

fn seconds(s: u64) -> Instant {
    Instant::from_micros(s * 1_000_000)
}

fn outcome(world: &World, node: usize) -> Outcome {
    let ended = |(_, event): &(Instant, Event)| match event {
        Event::Ended { outcome, .. } => Some(outcome.clone()),
        _ => None,
    };
    world.node(node).events.iter().find_map(ended).unwrap_or_else(|| panic!("{:#?}", world.node(node).events))
}

#[test]
fn two_phones_talk_over_mikey() {
    let mut world = World::new(1, Link::PERFECT);
    let alice = world.add("alice", settings("alice", "10.0.0.1", |_| {}));
    let bob = world.add("bob", settings("bob", "10.0.0.2", |_| {}));
    world.command(alice, call(plan(440.0, HangUp::After(Duration::from_secs(2))), Transport::Udp));
    world.run(seconds(60));
    for (_, e) in &world.node(alice).events {
        println!("alice {e:?}");
    }
    for (_, e) in &world.node(bob).events {
        println!("bob {e:?}");
    }
    assert_eq!(outcome(&world, alice), Outcome::Completed { by: Side::Us });
    assert_eq!(outcome(&world, bob), Outcome::Completed { by: Side::Peer });
    assert_eq!((world.node(alice).endpoint.calls(), world.node(bob).endpoint.transactions()), (0, 0));
}
#[test]
fn show() {
    let mut world = World::new(1, Link::PERFECT);
    let alice = world.add("alice", settings("alice", "10.0.0.1", |_| {}));
    world.add("bob", settings("bob", "10.0.0.2", |_| {}));
    world.command(alice, call(plan(440.0, HangUp::After(Duration::from_secs(2))), Transport::Udp));
    world.run(seconds(60));
    for s in world.log().iter().filter(|s| !s.media) {
        println!(
            "--- {:?} {} -> {} {} {} bytes\n{}",
            s.at,
            s.from,
            s.to,
            s.transport,
            s.bytes.len(),
            String::from_utf8_lossy(&s.bytes)
        );
    }
    println!("{} media", world.log().iter().filter(|s| s.media).count());
}
