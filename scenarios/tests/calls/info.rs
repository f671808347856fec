//! INFO in a call.

use crate::common::*;
use crate::signalling::Script;
use keyphone_scenarios::link::Link;
use keyphone_scenarios::world::World;
use keyphone_ua::endpoint::Command;
use keyphone_ua::event::{CallId, Event};
use keyphone_ua::settings::HangUp;

fn informed(world: &World, node: usize) -> Vec<(String, String)> {
    let info = |event: &Event| match event {
        Event::Info { content_type, body, .. } => Some((content_type.clone(), body.clone())),
        _ => None,
    };
    events(world, node).filter_map(info).collect()
}

fn info(content_type: &str, body: &str) -> Command {
    Command::Info { call: CallId(1), content_type: content_type.into(), body: body.as_bytes().to_vec() }
}

#[test]
fn an_info_arrives_once_in_either_direction_whatever_the_link_loses() {
    for seed in 0..20 {
        let link = Link { loss_permille: 200, duplicate_permille: 200, ..Link::PERFECT };
        let (alice, bob) = (phone("alice", Pair::ALICE, no_change), phone("bob", Pair::BOB, no_change));
        let mut pair = Pair::on(seed, link, alice, bob);
        pair.dial(HangUp::Never);
        pair.run(10_000);
        pair.world.command(pair.alice, info("application/dtmf-relay", "Signal=5\r\n"));
        pair.world.command(pair.bob, info("text/plain", "hello"));
        pair.run(50_000);
        let relay = ("application/dtmf-relay".to_owned(), "Signal=5\r\n".to_owned());
        assert_eq!(informed(&pair.world, pair.bob), [relay], "{seed}");
        assert_eq!(informed(&pair.world, pair.alice), [("text/plain".to_owned(), "hello".to_owned())], "{seed}");
        assert_eq!(troubles(&pair.world, pair.alice).len() + troubles(&pair.world, pair.bob).len(), 0);
        pair.world.command(pair.alice, Command::HangUpAll);
        pair.run(200_000);
        pair.assert_nothing_left();
    }
}

#[test]
fn an_info_that_the_peer_does_not_take_is_told_and_the_call_goes_on() {
    let mut pair = Pair::new();
    pair.dial(HangUp::After(ms(2000)));
    pair.run(1000);
    pair.world.command(pair.alice, info("application/x-strange", "?"));
    pair.run(100_000);
    let told = troubles(&pair.world, pair.alice);
    assert!(told.len() == 1 && told[0].contains("415"), "{told:?}");
    assert_eq!(pair.outcomes(), (WE_HUNG_UP, PEER_HUNG_UP));
    pair.assert_nothing_left();
}

#[test]
fn an_info_is_refused_as_the_documents_say() {
    let mut script = Script::talking();
    let package = script.in_dialog("INFO", 7) + "Info-Package: foo\r\n";
    let refused = script.answer(&package, "");
    assert_eq!((refused.status.code(), refused.headers.get("Recv-Info")), (469, Some("")), "RFC 6086 section 4.2.2");
    let strange = script.in_dialog("INFO", 8) + "Content-Type: application/x-strange\r\n";
    let refused = script.answer(&strange, "?");
    assert_eq!(refused.status.code(), 415);
    assert!(refused.headers.get("Accept").unwrap().contains("application/dtmf-relay"));
    let empty = script.in_dialog("INFO", 9);
    assert_eq!(script.status(&empty, ""), 200, "RFC 2976 section 2.2");
    let stranger = script.outside("INFO");
    assert_eq!(script.status(&stranger, ""), 481);
    script.assert_call_goes_on();
}
