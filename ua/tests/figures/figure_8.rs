//! Figure 8: the non-INVITE server transaction. A transport error is told and changes nothing (RFC 6026 section 8.8).
//!
//! A transport error is told once nothing else is left: a response that a connection did not take goes elsewhere first
//! (RFC 6026 section 8.8, RFC 3263 section 5), so the arrow is walked over UDP.

use crate::transaction_world::{BYE, World};
use crate::{Arrow, arrows, state};
use keyphone_ua::transaction::Transport::{self, Tcp, Udp};

const FIGURE_8: [Arrow; 12] = [
    ("-", "request", "Trying"),
    ("Trying", "1xx from TU", "Proceeding"),
    ("Trying", "200-699 from TU", "Completed"),
    ("Proceeding", "1xx from TU", "Proceeding"),
    ("Proceeding", "request", "Proceeding"),
    ("Proceeding", "transport error", "Proceeding"),
    ("Proceeding", "200-699 from TU", "Completed"),
    ("Completed", "request", "Completed"),
    ("Completed", "transport error", "Completed"),
    ("Completed", "timer J", "Terminated"),
    // Timer J is zero on reliable transports (RFC 3261 section 17.2.2): Completed is passed through.
    ("Trying", "200-699 from TU reliably", "Terminated"),
    ("Proceeding", "200-699 from TU reliably", "Terminated"),
];

arrows! { FIGURE_8;
    outside_request_to_trying: [Udp, Tcp], |_, _| (), |w, t| w.hear_over(BYE, t) => ["0 request BYE"];
    trying_1xx_from_tu_to_proceeding: [Udp, Tcp], trying, |w, _| w.respond(183) => ["0 send 183"];
    trying_200_699_from_tu_to_completed: [Udp], trying, |w, _| w.respond(200) => ["0 send 200"];
    proceeding_1xx_from_tu_to_proceeding: [Udp, Tcp], proceeding, |w, _| w.respond(182) => ["0 send 182"];
    proceeding_request_to_proceeding: [Udp, Tcp], proceeding, |w, t| w.hear_over(BYE, t) => ["0 send 183"];
    proceeding_transport_error_to_proceeding: [Udp], proceeding, |w, t| w.fail(t) => ["0 transport failed"];
    proceeding_200_699_from_tu_to_completed: [Udp], proceeding, |w, _| w.respond(699) => ["0 send 699"];
    completed_request_to_completed: [Udp], completed, |w, t| w.hear_over(BYE, t) => ["0 send 200"];
    completed_transport_error_to_completed: [Udp], completed, |w, t| w.fail(t) => ["0 transport failed"];
    completed_timer_j_to_terminated: [Udp], completed_for_almost_64_t1, |w, _| w.wait(1) => [];
    trying_200_699_from_tu_reliably_to_terminated: [Tcp], trying, |w, _| w.respond(200) => ["0 send 200"];
    proceeding_200_699_from_tu_reliably_to_terminated: [Tcp], proceeding, |w, _| w.respond(481) => ["0 send 481"];
}

fn trying(world: &mut World, transport: Transport) {
    world.hear_over(BYE, transport);
}

fn proceeding(world: &mut World, transport: Transport) {
    trying(world, transport);
    world.respond(183);
}

fn completed(world: &mut World, transport: Transport) {
    trying(world, transport);
    world.respond(200);
}

fn completed_for_almost_64_t1(world: &mut World, transport: Transport) {
    completed(world, transport);
    assert_eq!(world.wait(31_999), [""; 0]);
}

#[test]
fn what_has_no_arrow_changes_nothing() {
    let mut world = World::new();
    trying(&mut world, Udp);
    assert_eq!(
        (world.hear(BYE), world.fail(Udp)),
        (vec![], vec![]),
        "there is nothing to repeat, and nothing was sent"
    );
    assert_eq!(state(&world), "Trying");
    assert_eq!(world.wait(1_000_000), [""; 0], "the TU has all the time that it wants");

    let mut world = World::new();
    completed(&mut world, Udp);
    assert_eq!((world.respond(404), world.respond(100)), (vec![], vec![]), "a second final response");
    assert_eq!(state(&world), "Completed");
    assert_eq!(world.hear(BYE), ["0 send 200"]);
}

#[test]
fn after_timer_j_the_same_request_is_a_new_one() {
    let mut world = World::new();
    completed(&mut world, Udp);
    world.wait(32_000);
    assert_eq!(world.hear(BYE), ["32000 request BYE"]);
}
