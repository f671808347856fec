//! Figure 6: the non-INVITE client transaction.

use crate::transaction_world::{OPTIONS, World, to_options};
use crate::{Arrow, arrows, state};
use keyphone_ua::transaction::Transport::{self, Tcp, Udp};

const FIGURE_6: [Arrow; 14] = [
    ("-", "request from TU", "Trying"),
    ("Trying", "timer E", "Trying"),
    ("Trying", "timer F", "Terminated"),
    ("Trying", "transport error", "Terminated"),
    ("Trying", "1xx", "Proceeding"),
    ("Trying", "200-699", "Completed"),
    ("Proceeding", "timer E", "Proceeding"),
    ("Proceeding", "timer F", "Terminated"),
    ("Proceeding", "transport error", "Terminated"),
    ("Proceeding", "1xx", "Proceeding"),
    ("Proceeding", "200-699", "Completed"),
    ("Completed", "timer K", "Terminated"),
    // Timer K is zero on reliable transports (RFC 3261 section 17.1.2.2): Completed is passed through.
    ("Trying", "200-699 reliably", "Terminated"),
    ("Proceeding", "200-699 reliably", "Terminated"),
];

arrows! { FIGURE_6;
    outside_request_from_tu_to_trying: [Udp, Tcp], |_, _| (), |w, t| w.request(OPTIONS, t) => ["0 send OPTIONS"];
    // MIN(2*T1, T2) and so on (section 17.1.2.2).
    trying_timer_e_to_trying: [Udp], trying, |w, _| w.wait(31_999) => [
        "500 send OPTIONS", "1500 send OPTIONS", "3500 send OPTIONS", "7500 send OPTIONS", "11500 send OPTIONS",
        "15500 send OPTIONS", "19500 send OPTIONS", "23500 send OPTIONS", "27500 send OPTIONS", "31500 send OPTIONS"
    ];
    trying_timer_f_to_terminated: [Tcp], trying, |w, _| w.wait(32_000) => ["32000 timed out"];
    trying_transport_error_to_terminated: [Udp, Tcp], trying, |w, t| w.fail(t) => ["0 transport failed"];
    trying_1xx_to_proceeding: [Udp, Tcp], trying, |w, _| w.hear(&to_options(100)) => ["0 response 100"];
    trying_200_699_to_completed: [Udp], trying, |w, _| w.hear(&to_options(200)) => ["0 response 200"];
    // The timer that runs goes on; from then on it is T2.
    proceeding_timer_e_to_proceeding: [Udp], proceeding, |w, _| w.wait(9_000) => [
        "500 send OPTIONS", "4500 send OPTIONS", "8500 send OPTIONS"
    ];
    proceeding_timer_f_to_terminated: [Tcp], proceeding, |w, _| w.wait(32_000) => ["32000 timed out"];
    proceeding_transport_error_to_terminated: [Udp, Tcp], proceeding, |w, t| w.fail(t) => ["0 transport failed"];
    proceeding_1xx_to_proceeding: [Udp, Tcp], proceeding, |w, _| w.hear(&to_options(183)) => ["0 response 183"];
    proceeding_200_699_to_completed: [Udp], proceeding, |w, _| w.hear(&to_options(699)) => ["0 response 699"];
    completed_timer_k_to_terminated: [Udp], completed_for_almost_t4, |w, _| w.wait(1) => [];
    trying_200_699_reliably_to_terminated: [Tcp], trying, |w, _| w.hear(&to_options(404)) => ["0 response 404"];
    proceeding_200_699_reliably_to_terminated: [Tcp], proceeding, |w, _| w.hear(&to_options(404)) => ["0 response 404"];
}

fn trying(world: &mut World, transport: Transport) {
    world.request(OPTIONS, transport);
}

fn proceeding(world: &mut World, transport: Transport) {
    trying(world, transport);
    world.hear(&to_options(100));
}

fn completed(world: &mut World, transport: Transport) {
    trying(world, transport);
    world.hear(&to_options(404));
}

fn completed_for_almost_t4(world: &mut World, transport: Transport) {
    completed(world, transport);
    assert_eq!(world.wait(4_999), [""; 0]);
}

#[test]
fn a_final_response_is_told_once() {
    let mut world = World::new();
    completed(&mut world, Udp);
    for again in [404, 200, 100] {
        assert_eq!(world.hear(&to_options(again)), [""; 0]);
    }
    assert_eq!(world.fail(Udp), [""; 0]);
    assert_eq!(state(&world), "Completed");
    world.wait(5_000);
    assert_eq!(world.hear(&to_options(404)), [""; 0]);
}

#[test]
fn a_provisional_response_does_not_save_a_request_from_timer_f() {
    let mut world = World::new();
    proceeding(&mut world, Udp);
    assert_eq!(world.wait(200_000).last().unwrap(), "32000 timed out");
    assert_eq!(state(&world), "Terminated");
}

#[test]
fn a_reliable_transport_needs_no_timer_e() {
    for before in [trying, proceeding] {
        let mut world = World::new();
        before(&mut world, Tcp);
        assert_eq!(world.wait(31_999), [""; 0]);
    }
}
