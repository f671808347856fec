//! Figure 5: the INVITE client transaction, as RFC 6026 section 8.4 draws it.

use crate::transaction_world::{CANCEL, INVITE, World, response, to_invite};
use crate::{Arrow, arrows, state};
use keyphone_ua::transaction::Transport::{self, Tcp, Udp};

const FIGURE_5: [Arrow; 22] = [
    ("-", "INVITE from TU", "Calling"),
    ("Calling", "timer A", "Calling"),
    ("Calling", "timer B", "Terminated"),
    ("Calling", "transport error", "Terminated"),
    ("Calling", "1xx", "Proceeding"),
    ("Calling", "2xx", "Accepted"),
    ("Calling", "300-699", "Completed"),
    ("Proceeding", "1xx", "Proceeding"),
    ("Proceeding", "2xx", "Accepted"),
    ("Proceeding", "300-699", "Completed"),
    ("Completed", "300-699", "Completed"),
    ("Completed", "transport error", "Terminated"),
    ("Completed", "timer D", "Terminated"),
    ("Accepted", "2xx", "Accepted"),
    ("Accepted", "timer M", "Terminated"),
    // Timer D is zero on reliable transports (RFC 3261 section 17.1.1.2): Completed is passed through.
    ("Calling", "300-699 reliably", "Terminated"),
    ("Proceeding", "300-699 reliably", "Terminated"),
    // RFC 6026 section 7.2: a 2xx from another branch of the fork.
    ("Accepted", "2xx of another branch", "Accepted"),
    // RFC 3261 section 9.1: after a CANCEL, 64*T1 is all that is left.
    ("Proceeding", "64 T1 after CANCEL", "Terminated"),
    ("Proceeding", "487 after CANCEL", "Completed"),
    // In no figure: a re-INVITE whose dialog is over.
    ("Proceeding", "64 T1 after its call", "Terminated"),
    ("Calling", "1xx after its call", "Proceeding"),
];

arrows! { FIGURE_5;
    outside_invite_from_tu_to_calling: [Udp, Tcp], |_, _| (), |w, t| w.request(INVITE, t) => ["0 send INVITE"];
    calling_timer_a_to_calling: [Udp], calling, |w, _| w.wait(31_999) => [
        "500 send INVITE", "1500 send INVITE", "3500 send INVITE", "7500 send INVITE", "15500 send INVITE",
        "31500 send INVITE"
    ];
    calling_timer_b_to_terminated: [Tcp], calling, |w, _| w.wait(32_000) => ["32000 timed out"];
    calling_transport_error_to_terminated: [Udp, Tcp], calling, |w, t| w.fail(t) => ["0 transport failed"];
    calling_1xx_to_proceeding: [Udp, Tcp], calling, |w, _| w.hear(&to_invite(180)) => ["0 response 180"];
    calling_2xx_to_accepted: [Udp, Tcp], calling, |w, _| w.hear(&to_invite(200)) => ["0 response 200"];
    calling_300_699_to_completed: [Udp], calling, |w, _| w.hear(&to_invite(300)) => ["0 send ACK", "0 response 300"];
    proceeding_1xx_to_proceeding: [Udp, Tcp], proceeding, |w, _| w.hear(&to_invite(183)) => ["0 response 183"];
    proceeding_2xx_to_accepted: [Udp, Tcp], proceeding, |w, _| w.hear(&to_invite(299)) => ["0 response 299"];
    proceeding_300_699_to_completed: [Udp], proceeding, |w, _| w.hear(&to_invite(699)) => ["0 send ACK", "0 response 699"];
    completed_300_699_to_completed: [Udp], completed, |w, _| w.hear(&to_invite(486)) => ["0 send ACK"];
    completed_transport_error_to_terminated: [Udp], completed, |w, t| w.fail(t) => ["0 transport failed"];
    completed_timer_d_to_terminated: [Udp], completed_for_almost_32_s, |w, _| w.wait(1) => [];
    accepted_2xx_to_accepted: [Udp, Tcp], accepted, |w, _| w.hear(&to_invite(200)) => ["0 response 200"];
    accepted_timer_m_to_terminated: [Udp, Tcp], accepted_for_almost_64_t1, |w, _| w.wait(1) => [];
    calling_300_699_reliably_to_terminated: [Tcp], calling, |w, _| w.hear(&to_invite(486)) => ["0 send ACK", "0 response 486"];
    proceeding_300_699_reliably_to_terminated: [Tcp], proceeding, |w, _| w.hear(&to_invite(603)) => ["0 send ACK", "0 response 603"];
    accepted_2xx_of_another_branch_to_accepted: [Udp, Tcp], accepted,
        |w, _| w.hear(&response(200, "INVITE", "kjshdyff", "another-branch")) => ["0 response 200"];
    proceeding_64_t1_after_cancel_to_terminated: [Udp, Tcp], cancelled, |w, _| w.wait(27_000) => ["42000 timed out"];
    proceeding_64_t1_after_its_call_to_terminated: [Udp, Tcp], left, |w, _| w.wait(32_000) => ["32000 timed out"];
    calling_1xx_after_its_call_to_proceeding: [Tcp], calling, |w, _| [w.leave(), w.hear(&to_invite(180))].concat() => ["0 response 180"];
    proceeding_487_after_cancel_to_completed: [Udp], cancelled, |w, _| w.hear(&to_invite(487)) => ["15000 send ACK", "15000 response 487"];
}

/// Its dialog is over; for a re-INVITE nobody sends a CANCEL then.
fn left(world: &mut World, transport: Transport) {
    proceeding(world, transport);
    assert_eq!(world.leave(), [""; 0]);
}

fn calling(world: &mut World, transport: Transport) {
    world.request(INVITE, transport);
}

fn proceeding(world: &mut World, transport: Transport) {
    calling(world, transport);
    world.hear(&to_invite(100));
}

fn completed(world: &mut World, transport: Transport) {
    calling(world, transport);
    world.hear(&to_invite(486));
}

fn completed_for_almost_32_s(world: &mut World, transport: Transport) {
    completed(world, transport);
    assert_eq!(world.wait(31_999), [""; 0]);
}

fn accepted(world: &mut World, transport: Transport) {
    calling(world, transport);
    world.hear(&to_invite(200));
}

fn accepted_for_almost_64_t1(world: &mut World, transport: Transport) {
    accepted(world, transport);
    assert_eq!(world.wait(31_999), [""; 0]);
}

/// After ten seconds of ringing; the CANCEL itself is answered, and its own transaction over.
fn cancelled(world: &mut World, transport: Transport) {
    proceeding(world, transport);
    world.wait(10_000);
    assert_eq!(world.request(CANCEL, transport), ["10000 send CANCEL"]);
    assert_eq!(world.hear(&response(200, "CANCEL", "kjshdyff", "99sa0xk")), ["10000 response 200"]);
    assert_eq!(world.wait(5_000), [""; 0]);
}

#[test]
fn what_has_no_arrow_changes_nothing() {
    for (before, is, events) in [
        (proceeding as fn(&mut World, Transport), "Proceeding", vec![]),
        (completed, "Completed", vec![to_invite(180), to_invite(200)]),
        (accepted, "Accepted", vec![to_invite(180), to_invite(486)]),
    ] {
        let mut world = World::new();
        before(&mut world, Udp);
        for event in &events {
            assert_eq!(world.hear(event), [""; 0], "{is}");
        }
        if is != "Completed" {
            assert_eq!(world.fail(Udp), [""; 0], "{is} has no arrow for a transport error");
        }
        assert_eq!(state(&world), is);
    }
}

#[test]
fn on_an_unreliable_transport_timer_b_ends_what_timer_a_repeats() {
    let mut world = World::new();
    calling(&mut world, Udp);
    assert_eq!(world.wait(200_000)[6..], ["32000 timed out"]);
    assert_eq!(state(&world), "Terminated");
}

#[test]
fn ringing_lasts_as_long_as_it_likes() {
    let mut world = World::new();
    proceeding(&mut world, Udp);
    assert_eq!(world.wait(1_000_000), [""; 0]);
    assert_eq!(world.hear(&to_invite(200)), ["1000000 response 200"]);
}

#[test]
fn a_2xx_after_timer_m_is_nobodys() {
    let mut world = World::new();
    accepted(&mut world, Udp);
    world.wait(32_000);
    assert_eq!(world.hear(&to_invite(200)), ["32000 stray 200"]);
}

#[test]
fn the_ack_of_a_refusal_is_built_from_the_invite_and_the_response() {
    let mut world = World::new();
    completed(&mut world, Udp);
    // RFC 3261 section 17.1.1.3.
    let ack = world.last_sent();
    for line in [
        "ACK sip:bob@biloxi.com SIP/2.0\r\n",
        "Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n",
        "To: Bob <sip:bob@biloxi.com>;tag=99sa0xk\r\n",
        "From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\n",
        "Max-Forwards: 70\r\n",
        "Call-ID: 987asjd97y7atg\r\n",
        "CSeq: 986759 ACK\r\n",
        "Route: <sip:proxy.atlanta.com;lr>\r\n",
    ] {
        assert!(ack.contains(line), "{line} in {ack}");
    }
    assert_eq!(ack.matches("Via:").count(), 1);
    assert!(ack.ends_with("\r\n\r\n"), "no body: {ack}");
}

#[test]
fn a_provisional_response_does_not_save_an_invite_whose_call_is_over() {
    let mut world = World::new();
    calling(&mut world, Udp);
    world.leave();
    world.hear(&to_invite(180));
    assert_eq!(world.wait(200_000), ["32000 timed out"]);
    assert_eq!(state(&world), "Terminated");
}
