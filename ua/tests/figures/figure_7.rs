//! Figure 7: the INVITE server transaction, as RFC 6026 section 8.6 draws it.
//!
//! A transport error is told once nothing else is left: a response that a connection did not take goes elsewhere first
//! (RFC 6026 section 8.8, RFC 3263 section 5), so the arrow is walked over UDP.

use crate::transaction_world::{ACK, ACK_OF_2XX, INVITE, World};
use crate::{Arrow, arrows, state};
use keyphone_ua::transaction::Transport::{self, Tcp, Udp};

const FIGURE_7: [Arrow; 19] = [
    ("-", "INVITE", "Proceeding"),
    ("Proceeding", "INVITE", "Proceeding"),
    ("Proceeding", "101-199 from TU", "Proceeding"),
    ("Proceeding", "transport error", "Proceeding"),
    ("Proceeding", "2xx from TU", "Accepted"),
    ("Proceeding", "300-699 from TU", "Completed"),
    ("Completed", "INVITE", "Completed"),
    ("Completed", "transport error", "Completed"),
    ("Completed", "timer G", "Completed"),
    ("Completed", "timer H", "Terminated"),
    ("Completed", "ACK", "Confirmed"),
    ("Confirmed", "timer I", "Terminated"),
    ("Accepted", "INVITE", "Accepted"),
    ("Accepted", "ACK", "Accepted"),
    ("Accepted", "2xx from TU", "Accepted"),
    ("Accepted", "transport error", "Accepted"),
    ("Accepted", "timer L", "Terminated"),
    // "send 100 if TU won't in 200 ms", beside the first arrow.
    ("Proceeding", "200 ms", "Proceeding"),
    // Timer I is zero on reliable transports (RFC 3261 section 17.2.1): Confirmed is passed through.
    ("Completed", "ACK reliably", "Terminated"),
];

arrows! { FIGURE_7;
    outside_invite_to_proceeding: [Udp, Tcp], |_, _| (), |w, t| w.hear_over(INVITE, t) => ["0 request INVITE"];
    proceeding_invite_to_proceeding: [Udp, Tcp], ringing, |w, t| w.hear_over(INVITE, t) => ["0 send 180"];
    proceeding_101_199_from_tu_to_proceeding: [Udp, Tcp], proceeding, |w, _| w.respond(183) => ["0 send 183"];
    proceeding_transport_error_to_proceeding: [Udp], ringing, |w, t| w.fail(t) => ["0 transport failed"];
    proceeding_2xx_from_tu_to_accepted: [Udp, Tcp], proceeding, |w, _| w.respond(200) => ["0 send 200"];
    proceeding_300_699_from_tu_to_completed: [Udp, Tcp], proceeding, |w, _| w.respond(699) => ["0 send 699"];
    completed_invite_to_completed: [Udp, Tcp], completed, |w, t| w.hear_over(INVITE, t) => ["0 send 486"];
    completed_transport_error_to_completed: [Udp], completed, |w, t| w.fail(t) => ["0 transport failed"];
    completed_timer_g_to_completed: [Udp], completed, |w, _| w.wait(31_999) => [
        "500 send 486", "1500 send 486", "3500 send 486", "7500 send 486", "11500 send 486", "15500 send 486",
        "19500 send 486", "23500 send 486", "27500 send 486", "31500 send 486"
    ];
    completed_timer_h_to_terminated: [Tcp], completed, |w, _| w.wait(32_000) => ["32000 timed out"];
    completed_ack_to_confirmed: [Udp], completed, |w, t| w.hear_over(ACK, t) => [];
    confirmed_timer_i_to_terminated: [Udp], confirmed_for_almost_t4, |w, _| w.wait(1) => [];
    accepted_invite_to_accepted: [Udp, Tcp], accepted, |w, t| w.hear_over(INVITE, t) => [];
    // With the INVITE's branch: an old proxy, or a bug, but the TU's.
    accepted_ack_to_accepted: [Udp, Tcp], accepted, |w, t| w.hear_over(ACK, t) => ["0 ack"];
    accepted_2xx_from_tu_to_accepted: [Udp, Tcp], accepted, |w, _| w.respond(200) => ["0 send 200"];
    accepted_transport_error_to_accepted: [Udp], accepted, |w, t| w.fail(t) => ["0 transport failed"];
    accepted_timer_l_to_terminated: [Udp, Tcp], accepted_for_almost_64_t1, |w, _| w.wait(1) => [];
    proceeding_200_ms_to_proceeding: [Udp, Tcp], proceeding, |w, _| w.wait(100_000) => ["200 send 100"];
    completed_ack_reliably_to_terminated: [Tcp], completed, |w, t| w.hear_over(ACK, t) => [];
}

fn proceeding(world: &mut World, transport: Transport) {
    world.hear_over(INVITE, transport);
}

fn ringing(world: &mut World, transport: Transport) {
    proceeding(world, transport);
    world.respond(180);
}

fn completed(world: &mut World, transport: Transport) {
    proceeding(world, transport);
    world.respond(486);
}

fn confirmed_for_almost_t4(world: &mut World, transport: Transport) {
    completed(world, transport);
    world.hear_over(ACK, transport);
    assert_eq!(world.wait(4_999), [""; 0]);
}

fn accepted(world: &mut World, transport: Transport) {
    proceeding(world, transport);
    world.respond(200);
}

fn accepted_for_almost_64_t1(world: &mut World, transport: Transport) {
    accepted(world, transport);
    assert_eq!(world.wait(31_999), [""; 0]);
}

#[test]
fn what_has_no_arrow_changes_nothing() {
    let mut world = World::new();
    proceeding(&mut world, Udp);
    assert_eq!(world.hear(ACK), [""; 0], "nothing was answered yet");
    assert_eq!(state(&world), "Proceeding");

    let mut world = World::new();
    completed(&mut world, Udp);
    assert_eq!(world.respond(200), [""; 0], "a second final response");
    world.hear(ACK);
    for event in [ACK, INVITE] {
        assert_eq!(world.hear(event), [""; 0]);
    }
    assert_eq!(world.fail(Udp), [""; 0]);
    assert_eq!(state(&world), "Confirmed");

    let mut world = World::new();
    accepted(&mut world, Udp);
    assert_eq!((world.respond(486), world.respond(180)), (vec![], vec![]));
    assert_eq!(state(&world), "Accepted");
}

#[test]
fn the_100_that_we_send_for_the_tu_has_no_tag() {
    let mut world = World::new();
    proceeding(&mut world, Udp);
    world.wait(200);
    assert!(!world.last_sent().contains("To: Bob <sip:bob@biloxi.com>;tag"));
    assert_eq!(world.hear(INVITE), ["200 send 100"]);
}

#[test]
fn whoever_asks_again_gets_the_100_before_its_time() {
    let mut world = World::new();
    proceeding(&mut world, Udp);
    world.wait(100);
    assert_eq!(world.hear(INVITE), ["100 send 100"]);
    assert_eq!(world.wait(100_000), [""; 0]);
}

#[test]
fn a_callee_that_rings_at_once_needs_no_100() {
    let mut world = World::new();
    ringing(&mut world, Udp);
    assert_eq!(world.wait(100_000), [""; 0]);
}

#[test]
fn after_timer_l_the_same_invite_is_a_new_one() {
    let mut world = World::new();
    accepted(&mut world, Udp);
    assert_eq!(world.hear(ACK_OF_2XX), ["0 ack"]);
    world.wait(32_000);
    assert_eq!(world.respond(200), [""; 0], "nobody would read it");
    assert_eq!(world.hear(INVITE), ["32000 request INVITE"]);
}

#[test]
fn a_reliable_transport_needs_no_timer_g() {
    let mut world = World::new();
    completed(&mut world, Tcp);
    assert_eq!(world.wait(31_999), [""; 0]);
}
