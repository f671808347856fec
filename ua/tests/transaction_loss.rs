//! Whatever is lost, repeated or made up: no panic, and every transaction ends.

mod transaction_world;

use keyphone_ua::sip::Message;
use keyphone_ua::transaction::{Timers, Transport};
use proptest::prelude::*;
use transaction_world::{ACK, BYE, CANCEL, INVITE, OPTIONS, World, response};

#[derive(Clone, Debug)]
enum Event {
    /// We ask; the number makes the branch.
    Ask(&'static str, Transport),
    /// Somebody asks, with one of a few branches.
    Hear(&'static str, u8, Transport),
    /// Somebody answers one of our requests.
    Answer(u16, &'static str, prop::sample::Index),
    /// The TU answers one of theirs.
    Respond(u16, prop::sample::Index),
    /// Time passes, in milliseconds.
    Wait(u64),
    /// A transport breaks.
    Fail(Transport),
}

fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![3 => Just(Transport::Udp), 1 => Just(Transport::Tcp)]
}

fn event() -> impl Strategy<Value = Event> {
    let code = prop::sample::select(vec![100, 180, 183, 200, 202, 302, 401, 486, 487, 503, 600]);
    let method = prop::sample::select(vec!["INVITE", "OPTIONS", "CANCEL"]);
    let theirs = prop::sample::select(vec![INVITE, INVITE, ACK, CANCEL, BYE]);
    prop_oneof![
        (prop::sample::select(vec![INVITE, OPTIONS]), transport()).prop_map(|(text, t)| Event::Ask(text, t)),
        (theirs, 0u8..3, transport()).prop_map(|(text, branch, t)| Event::Hear(text, branch, t)),
        (code.clone(), method, any::<prop::sample::Index>()).prop_map(|(c, m, i)| Event::Answer(c, m, i)),
        (code, any::<prop::sample::Index>()).prop_map(|(c, i)| Event::Respond(c, i)),
        (0u64..40_000).prop_map(Event::Wait),
        transport().prop_map(Event::Fail),
    ]
}

fn ours(text: &str, index: usize) -> String {
    text.replace("z9hG4bKkjshdyff", &format!("z9hG4bKours{index}"))
        .replace("z9hG4bKoptions", &format!("z9hG4bKours{index}"))
}

proptest! {
    #[test]
    fn mutated_messages_never_panic(
        edits in prop::collection::vec((0usize..7, any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut world = World::new();
        world.request(&ours(INVITE, 0), Transport::Udp);
        let answers = [response(486, "INVITE", "ours0", "tag"), response(200, "INVITE", "ours0", "tag")];
        let texts = [INVITE, ACK, CANCEL, BYE, OPTIONS, &answers[0], &answers[1]];
        for (which, at, byte) in edits {
            let mut bytes = texts[which].as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(message) = Message::parse(&bytes) {
                world.hear_message(message, Transport::Udp);
            }
            world.wait(100);
        }
    }

    #[test]
    fn every_transaction_ends(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new();
        let mut asked: Vec<(String, Transport)> = Vec::new();
        for event in events {
            match event {
                Event::Ask(text, transport) => {
                    let text = ours(text, asked.len());
                    world.request(&text, transport);
                    asked.push((text, transport));
                }
                Event::Hear(text, branch, transport) => {
                    world.hear_over(&text.replace("z9hG4bK", &format!("z9hG4bK{branch}")), transport);
                }
                Event::Answer(code, method, which) if !asked.is_empty() => {
                    let branch = format!("ours{}", which.index(asked.len()));
                    world.hear(&response(code, method, &branch, "tag"));
                }
                Event::Respond(code, which) if !world.requests.is_empty() => {
                    world.respond_to(which.index(world.requests.len()), code);
                }
                Event::Answer(..) | Event::Respond(..) => {}
                Event::Wait(ms) => drop(world.wait(ms)),
                Event::Fail(transport) => drop(world.fail(transport)),
            }
        }
        // The TU does its duty: it answers what was asked, and withdraws what rings for ever.
        for index in 0..world.requests.len() {
            world.respond_to(index, 500);
        }
        for (index, (text, transport)) in asked.iter().enumerate() {
            if text.starts_with("INVITE") {
                world.request(&ours(CANCEL, index), *transport);
            }
        }
        world.wait(u64::try_from(Timers::default().longest().as_millis()).unwrap());
        prop_assert!(world.table.is_empty(), "{:?}", world.table);
        prop_assert_eq!(world.table.next_timeout(), None);
    }
}
