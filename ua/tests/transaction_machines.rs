//! Every arrow of figures 5 to 8 of RFC 3261, as RFC 6026 corrects them, in simulated time.

mod transaction_world;

use keyphone_ua::transaction::Transport::{Tcp, Udp};
use transaction_world::{ACK, ACK_OF_2XX, BYE, CANCEL, INVITE, OPTIONS, World, response, to_invite, to_options};

const FOREVER: u64 = 200_000;

// Figure 5: the INVITE client transaction.

#[test]
fn an_invite_is_sent_again_at_doubling_intervals_until_timer_b() {
    let mut world = World::new();
    assert_eq!(world.request(INVITE, Udp), ["0 send INVITE"]);
    assert_eq!(
        world.wait(FOREVER),
        [
            "500 send INVITE",
            "1500 send INVITE",
            "3500 send INVITE",
            "7500 send INVITE",
            "15500 send INVITE",
            "31500 send INVITE",
            "32000 timed out"
        ]
    );
    assert!(world.table.is_empty());
}

#[test]
fn an_invite_over_tcp_is_sent_once() {
    let mut world = World::new();
    world.request(INVITE, Tcp);
    assert_eq!(world.wait(FOREVER), ["32000 timed out"]);
    assert!(world.table.is_empty());
}

#[test]
fn ringing_stops_the_retransmissions_and_lasts_as_long_as_it_likes() {
    let mut world = World::new();
    world.request(INVITE, Udp);
    assert_eq!(world.hear(&to_invite(180)), ["0 response 180"]);
    assert_eq!(world.wait(FOREVER), [""; 0]);
    assert_eq!(world.hear(&to_invite(183)), ["200000 response 183"]);
    assert_eq!(world.table.len(), 1);
}

#[test]
fn a_refusal_is_acknowledged_each_time_and_told_once() {
    for ringing in [false, true] {
        let mut world = World::new();
        world.request(INVITE, Udp);
        if ringing {
            world.hear(&to_invite(180));
        }
        assert_eq!(world.hear(&to_invite(486)), ["0 send ACK", "0 response 486"]);
        assert_eq!(world.hear(&to_invite(486)), ["0 send ACK"]);
        assert_eq!(world.hear(&to_invite(180)), [""; 0]);
        assert_eq!(world.hear(&to_invite(200)), [""; 0]);
        assert_eq!(world.wait(31_999), [""; 0]);
        assert_eq!(world.table.len(), 1, "timer D is at least 32 s");
        world.wait(1);
        assert!(world.table.is_empty());
    }
}

#[test]
fn the_ack_of_a_refusal_is_built_from_the_invite_and_the_response() {
    let mut world = World::new();
    world.request(INVITE, Udp);
    world.hear(&to_invite(486));
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
fn a_refusal_over_tcp_ends_the_transaction_at_once() {
    let mut world = World::new();
    world.request(INVITE, Tcp);
    assert_eq!(world.hear(&to_invite(603)), ["0 send ACK", "0 response 603"]);
    assert!(world.table.is_empty());
}

#[test]
fn every_2xx_reaches_the_caller_until_timer_m() {
    for ringing in [false, true] {
        let mut world = World::new();
        world.request(INVITE, Tcp);
        if ringing {
            world.hear(&to_invite(180));
        }
        assert_eq!(world.hear(&to_invite(200)), ["0 response 200"]);
        assert_eq!(world.hear(&response(200, "INVITE", "kjshdyff", "another-fork")), ["0 response 200"]);
        assert_eq!(world.hear(&to_invite(486)), [""; 0]);
        assert_eq!(world.hear(&to_invite(180)), [""; 0]);
        assert_eq!(world.wait(31_999), [""; 0]);
        assert_eq!(world.hear(&to_invite(200)), ["31999 response 200"]);
        world.wait(1);
        assert!(world.table.is_empty());
        assert_eq!(world.hear(&to_invite(200)), ["32000 stray 200"]);
    }
}

#[test]
fn a_transport_error_ends_an_invite_that_nobody_answered_and_its_ack() {
    let mut world = World::new();
    world.request(INVITE, Udp);
    assert_eq!(world.fail(Udp), ["0 transport failed"]);
    assert!(world.table.is_empty());

    let mut world = World::new();
    world.request(INVITE, Udp);
    world.hear(&to_invite(486));
    assert_eq!(world.fail(Udp), ["0 transport failed"]);
    assert!(world.table.is_empty());

    let mut world = World::new();
    world.request(INVITE, Tcp);
    world.hear(&to_invite(180));
    assert_eq!(world.fail(Tcp), [""; 0]);
    world.hear(&to_invite(200));
    assert_eq!(world.fail(Tcp), [""; 0]);
    assert_eq!(world.table.len(), 1);
}

#[test]
fn a_cancelled_invite_without_final_response_ends_after_64_t1() {
    let mut world = World::new();
    world.request(INVITE, Udp);
    world.hear(&to_invite(180));
    world.wait(10_000);
    assert_eq!(world.request(CANCEL, Udp), ["10000 send CANCEL"]);
    assert_eq!(world.hear(&response(200, "CANCEL", "kjshdyff", "99sa0xk")), ["10000 response 200"]);
    assert_eq!(world.wait(FOREVER), ["42000 timed out"]);
    assert!(world.table.is_empty());
}

#[test]
fn a_cancelled_invite_still_takes_its_487() {
    let mut world = World::new();
    world.request(INVITE, Udp);
    world.hear(&to_invite(180));
    world.request(CANCEL, Udp);
    assert_eq!(world.hear(&to_invite(487)), ["0 send ACK", "0 response 487"]);
}

// Figure 6: the non-INVITE client transaction.

#[test]
fn a_request_is_sent_again_at_intervals_up_to_t2_until_timer_f() {
    let mut world = World::new();
    world.request(OPTIONS, Udp);
    let at: Vec<u64> = world.wait(FOREVER).iter().map(|l| l.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(at, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000]);
    assert!(world.table.is_empty());
}

#[test]
fn a_provisional_response_slows_a_request_down_and_does_not_save_it() {
    let mut world = World::new();
    world.request(OPTIONS, Udp);
    assert_eq!(world.hear(&to_options(100)), ["0 response 100"]);
    assert_eq!(world.hear(&to_options(183)), ["0 response 183"]);
    let log = world.wait(FOREVER);
    assert_eq!(log[..3], ["500 send OPTIONS", "4500 send OPTIONS", "8500 send OPTIONS"]);
    assert_eq!(log.last().unwrap(), "32000 timed out");
    assert!(world.table.is_empty());
}

#[test]
fn a_final_response_is_told_once_and_awaited_again_for_t4() {
    for trying in [false, true] {
        let mut world = World::new();
        world.request(OPTIONS, Udp);
        if trying {
            world.hear(&to_options(100));
        }
        assert_eq!(world.hear(&to_options(404)), ["0 response 404"]);
        assert_eq!(world.hear(&to_options(404)), [""; 0]);
        assert_eq!(world.fail(Udp), [""; 0]);
        assert_eq!(world.wait(4_999), [""; 0]);
        assert_eq!(world.table.len(), 1);
        world.wait(1);
        assert!(world.table.is_empty());
        assert_eq!(world.hear(&to_options(404)), [""; 0]);
    }
}

#[test]
fn over_tcp_a_request_is_sent_once_and_ends_with_its_response() {
    let mut world = World::new();
    world.request(OPTIONS, Tcp);
    assert_eq!(world.wait(1000), [""; 0]);
    assert_eq!(world.hear(&to_options(200)), ["1000 response 200"]);
    assert!(world.table.is_empty());
}

#[test]
fn a_transport_error_ends_a_request() {
    for trying in [false, true] {
        let mut world = World::new();
        world.request(OPTIONS, Udp);
        if trying {
            world.hear(&to_options(100));
        }
        assert_eq!(world.fail(Udp), ["0 transport failed"]);
        assert!(world.table.is_empty());
    }
}

// Figure 7: the INVITE server transaction.

#[test]
fn a_slow_callee_is_covered_by_a_100_after_200_ms() {
    let mut world = World::new();
    assert_eq!(world.hear(INVITE), ["0 request INVITE"]);
    assert_eq!(world.wait(FOREVER), ["200 send 100"]);
    assert!(!world.last_sent().contains("To: Bob <sip:bob@biloxi.com>;tag"), "no tag in a 100");
    assert_eq!(world.hear(INVITE), ["200000 send 100"]);
}

#[test]
fn a_quick_callee_needs_no_100() {
    let mut world = World::new();
    world.hear(INVITE);
    assert_eq!(world.respond(180), ["0 send 180"]);
    assert_eq!(world.hear(INVITE), ["0 send 180"]);
    assert_eq!(world.respond(183), ["0 send 183"]);
    assert_eq!(world.hear(INVITE), ["0 send 183"]);
    assert_eq!(world.wait(FOREVER), [""; 0]);
}

#[test]
fn an_impatient_caller_gets_the_100_before_its_time() {
    let mut world = World::new();
    world.hear(INVITE);
    world.wait(100);
    assert_eq!(world.hear(INVITE), ["100 send 100"]);
    assert_eq!(world.wait(FOREVER), [""; 0]);
}

#[test]
fn an_accepted_invite_is_absorbed_until_timer_l() {
    let mut world = World::new();
    world.hear(INVITE);
    assert_eq!(world.respond(200), ["0 send 200"]);
    assert_eq!(world.hear(INVITE), [""; 0]);
    assert_eq!(world.wait(31_000), [""; 0]);
    assert_eq!(world.respond(200), ["31000 send 200"], "the TU sends it again");
    assert_eq!(world.respond(486), [""; 0]);
    assert_eq!(world.fail(Udp), ["31000 transport failed"]);
    assert_eq!(world.table.len(), 1);
    assert_eq!(world.hear(ACK), ["31000 ack"], "same branch: an old proxy, or a bug, but the TU's");
    assert_eq!(world.hear(ACK_OF_2XX), ["31000 ack"]);
    world.wait(1000);
    assert!(world.table.is_empty());
    assert_eq!(world.respond(200), [""; 0]);
    assert_eq!(world.hear(INVITE), ["32000 request INVITE"]);
}

#[test]
fn a_refusal_is_sent_again_until_its_ack() {
    let mut world = World::new();
    world.hear(INVITE);
    assert_eq!(world.respond(486), ["0 send 486"]);
    assert_eq!(world.respond(200), [""; 0]);
    assert_eq!(
        world.wait(12_000),
        ["500 send 486", "1500 send 486", "3500 send 486", "7500 send 486", "11500 send 486"]
    );
    assert_eq!(world.hear(INVITE), ["12000 send 486"]);
    assert_eq!(world.fail(Udp), ["12000 transport failed"]);
    assert_eq!(world.hear(ACK), [""; 0]);
    assert_eq!(world.hear(ACK), [""; 0]);
    assert_eq!(world.hear(INVITE), [""; 0]);
    assert_eq!(world.fail(Udp), [""; 0]);
    assert_eq!(world.wait(4_999), [""; 0]);
    assert_eq!(world.table.len(), 1);
    world.wait(1);
    assert!(world.table.is_empty());
}

#[test]
fn a_refusal_without_ack_ends_at_timer_h() {
    let mut world = World::new();
    world.hear(INVITE);
    world.respond(486);
    assert_eq!(world.wait(FOREVER).last().unwrap(), "32000 timed out");
    assert!(world.table.is_empty());
}

#[test]
fn over_tcp_a_refusal_is_sent_once_and_ends_with_its_ack() {
    let mut world = World::new();
    world.hear_over(INVITE, Tcp);
    assert_eq!(world.respond(486), ["0 send 486"]);
    assert_eq!(world.wait(31_000), [""; 0]);
    world.hear_over(ACK, Tcp);
    assert!(world.table.is_empty());
}

#[test]
fn a_transport_error_does_not_forget_an_invite() {
    let mut world = World::new();
    world.hear(INVITE);
    world.respond(180);
    assert_eq!(world.fail(Udp), ["0 transport failed"]);
    assert_eq!(world.hear(INVITE), ["0 send 180"]);
}

#[test]
fn an_ack_before_any_answer_is_nothing() {
    let mut world = World::new();
    world.hear(INVITE);
    assert_eq!(world.hear(ACK), [""; 0]);
    assert_eq!(world.table.len(), 1);
}

// Figure 8: the non-INVITE server transaction.

#[test]
fn a_request_waits_for_its_answer_and_then_repeats_it() {
    let mut world = World::new();
    assert_eq!(world.hear(BYE), ["0 request BYE"]);
    assert_eq!(world.hear(BYE), [""; 0]);
    assert_eq!(world.respond(183), ["0 send 183"]);
    assert_eq!(world.hear(BYE), ["0 send 183"]);
    assert_eq!(world.respond(182), ["0 send 182"]);
    assert_eq!(world.fail(Udp), ["0 transport failed"]);
    assert_eq!(world.respond(200), ["0 send 200"]);
    assert_eq!(world.respond(500), [""; 0]);
    assert_eq!(world.wait(31_999), [""; 0]);
    assert_eq!(world.hear(BYE), ["31999 send 200"]);
    assert_eq!(world.fail(Udp), ["31999 transport failed"]);
    world.wait(1);
    assert!(world.table.is_empty());
}

#[test]
fn over_tcp_a_request_ends_with_its_answer() {
    let mut world = World::new();
    world.hear_over(BYE, Tcp);
    assert_eq!(world.respond(200), ["0 send 200"]);
    assert!(world.table.is_empty());
}
