//! Which message belongs to which transaction (RFC 3261 sections 17.1.3, 17.2.3, 9.2 and 18), and how many there may
//! be.

mod transaction_world;

use keyphone_ua::transaction::Transport::{Tcp, Udp};
use keyphone_ua::transaction::{Local, Table};
use transaction_world::{ACK, BYE, CANCEL, INVITE, OPTIONS, World, request, response, to_invite};

#[test]
fn a_cancel_finds_its_invite() {
    let mut world = World::new();
    world.hear(INVITE);
    let invite = world.requests[0].0;
    assert_eq!(world.hear(CANCEL), ["0 cancel"]);
    assert_eq!(world.cancelled, Some(invite));
    assert_eq!(world.respond(200), ["0 send 200"], "the CANCEL has a transaction of its own");
    assert_eq!(world.hear(CANCEL), ["0 send 200"]);
    assert_eq!(world.respond_to(0, 487), ["0 send 487"]);
}

#[test]
fn a_cancel_of_nothing_is_answered_481() {
    let mut world = World::new();
    assert_eq!(world.hear(CANCEL), ["0 send 481"]);
    assert_eq!(world.hear(CANCEL), ["0 send 481"]);
    let other = CANCEL.replace("pc33", "pc34");
    world.hear(INVITE);
    assert_eq!(world.hear(&other), ["0 send 481"], "another sender's branch is another branch");
}

#[test]
fn the_same_branch_from_two_senders_is_two_transactions() {
    let mut world = World::new();
    assert_eq!(world.hear(BYE), ["0 request BYE"]);
    assert_eq!(world.hear(&BYE.replace("pc33", "pc34")), ["0 request BYE"]);
    assert_eq!(world.hear(&BYE.replace("pc33.atlanta.com", "PC33.Atlanta.Com:5060")), [""; 0], "the same sender");
    assert_eq!(world.hear(&BYE.replace("BYE", "INFO")), ["0 request INFO"], "another method");
    assert_eq!(world.table.len(), 3);
}

#[test]
fn a_response_is_matched_by_branch_and_method_and_sender() {
    let mut world = World::new();
    world.request(INVITE, Udp);
    assert_eq!(world.hear(&response(486, "INVITE", "other", "t")), [""; 0]);
    assert_eq!(world.hear(&response(486, "CANCEL", "kjshdyff", "t")), [""; 0]);
    assert_eq!(world.hear(&to_invite(486).replace("pc33.atlanta.com", "evil.example.com")), [""; 0]);
    assert_eq!(world.hear(&to_invite(180)), ["0 response 180"]);
}

#[test]
fn only_a_2xx_to_an_invite_is_worth_a_word_when_nobody_waits_for_it() {
    let mut world = World::new();
    assert_eq!(world.hear(&to_invite(200)), ["0 stray 200"]);
    assert_eq!(world.hear(&to_invite(180)), [""; 0]);
    assert_eq!(world.hear(&to_invite(486)), [""; 0]);
    assert_eq!(world.hear(&response(200, "OPTIONS", "options", "t")), [""; 0]);
}

#[test]
fn an_old_client_without_cookie_is_matched_by_all_its_headers() {
    let old = |text: &str| text.replace("z9hG4bK", "");
    let mut world = World::new();
    assert_eq!(world.hear(&old(INVITE)), ["0 request INVITE"]);
    assert_eq!(world.hear(&old(INVITE)), ["0 send 100"]);
    assert_eq!(world.hear(&old(CANCEL)), ["0 cancel"]);
    world.respond_to(0, 487);
    assert_eq!(world.hear(&old(ACK)), [""; 0], "absorbed");
    assert_eq!(world.hear(&old(INVITE).replace("986759", "986760")), ["0 request INVITE"]);
    let branchless = BYE.replace(";branch=z9hG4bKbye", "");
    assert_eq!(world.hear(&branchless), ["0 request BYE"]);
    assert_eq!(world.hear(&branchless), [""; 0]);
}

#[test]
fn a_full_table_says_503_and_forgets() {
    let mut world = World::limited(2);
    world.hear(INVITE);
    world.hear(BYE);
    assert_eq!(world.hear(OPTIONS), ["0 send 503"]);
    assert_eq!(world.hear(&CANCEL.replace("kjshdyff", "none")), ["0 send 503"]);
    assert_eq!(world.hear(ACK.replace("kjshdyff", "own").as_str()), ["0 ack"]);
    assert_eq!(world.table.len(), 2);
    assert_eq!(world.request(&OPTIONS.replace("options", "ours"), Udp), ["0 send OPTIONS"], "our own still go out");
    assert_eq!(world.hear(INVITE), ["0 send 100"], "and those inside are served");
}

#[test]
fn responses_go_back_where_the_request_came_from() {
    let mut world = World::new();
    world.hear(BYE);
    world.respond(200);
    assert_eq!((world.sent[0].0, world.sent[0].1), (World::peer(), Udp));
    assert!(world.last_sent().contains(";received=192.0.2.1"), "{}", world.last_sent());
    world.hear_over(&INVITE.replace("SIP/2.0/UDP", "SIP/2.0/TCP"), Tcp);
    world.respond(180);
    assert_eq!((world.sent[1].0, world.sent[1].1), (World::peer(), Tcp));
}

#[test]
fn nobody_can_point_our_responses_at_somebody_else() {
    let mut world = World::new();
    world.hear(&BYE.replace(";branch", ";maddr=198.51.100.1;received=198.51.100.2;branch"));
    world.respond(200);
    assert_eq!(world.sent[0].0, World::peer());
}

#[test]
fn a_faulty_request_is_answered_and_forgotten_or_dropped() {
    let mut world = World::new();
    assert_eq!(world.hear(&BYE.replace("CSeq: 986760 BYE", "CSeq: 986760 INFO")), ["0 send 400"]);
    assert_eq!(world.hear(&BYE.replace("Max-Forwards: 70", "Max-Forwards: many")), ["0 send 400"]);
    assert_eq!(world.hear(&BYE.replace("Via: SIP/2.0/UDP", "Via: SIP/2.0")), ["0 send 400"]);
    // RFC 4475 section 3.3.1.
    assert_eq!(world.hear(&BYE.replace("Call-ID: 987asjd97y7atg\r\n", "")), ["0 send 400"]);
    assert_eq!(world.hear(&BYE.replace("Via:", "X:")), [""; 0]);
    assert_eq!(world.hear(&ACK.replace("986759 ACK", "986759 BYE")), [""; 0]);
    assert_eq!(world.hear(&to_invite(200).replace("INVITE", "IN VITE")), [""; 0]);
    assert!(world.table.is_empty());
}

fn long_invite() -> String {
    let body = "x".repeat(2000);
    INVITE.replace("Content-Length: 2\r\n\r\nhi", &format!("Content-Length: 2000\r\n\r\n{body}"))
}

#[test]
fn a_long_request_goes_over_tcp_and_its_via_says_so() {
    let mut world = World::new();
    assert_eq!(world.request(&long_invite(), Udp), ["0 send INVITE"]);
    assert_eq!(world.sent[0].1, Tcp);
    assert!(world.last_sent().contains("Via: SIP/2.0/TCP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n"));
    assert_eq!(world.wait(1000), [""; 0]);
    world.hear_over(&to_invite(486), Tcp);
    assert_eq!(world.sent[1].1, Tcp, "its ACK follows it");
    assert!(world.last_sent().contains("Via: SIP/2.0/TCP "));
}

#[test]
fn a_cancel_goes_where_its_invite_went() {
    let mut world = World::new();
    world.request(&long_invite(), Udp);
    world.hear_over(&to_invite(180), Tcp);
    assert_eq!(world.request(CANCEL, Udp), ["0 send CANCEL"]);
    assert_eq!(world.sent[1].1, Tcp);
    assert!(world.last_sent().contains("Via: SIP/2.0/TCP "));
}

#[test]
fn a_cancel_waits_for_a_provisional_response_and_is_sent_once() {
    // RFC 3261 section 9.1.
    let mut world = World::new();
    world.request(INVITE, Udp);
    assert_eq!(world.request(CANCEL, Udp), [""; 0]);
    assert_eq!(world.wait(500), ["500 send INVITE"]);
    assert_eq!(world.hear(&to_invite(100)), ["500 response 100", "500 send CANCEL"]);
    assert_eq!(world.hear(&to_invite(180)), ["500 response 180"]);
    assert_eq!(world.hear(&response(200, "CANCEL", "kjshdyff", "t")), ["500 response 200"]);
    assert_eq!(world.hear(&to_invite(487)), ["500 send ACK", "500 response 487"]);
    world.wait(40_000);
    assert!(world.table.is_empty());
}

#[test]
fn a_cancel_without_a_provisional_response_is_never_sent() {
    for (last, said) in [(486, vec!["0 send ACK", "0 response 486"]), (200, vec!["0 response 200"])] {
        let mut world = World::new();
        world.request(INVITE, Udp);
        world.request(CANCEL, Udp);
        assert_eq!(world.hear(&to_invite(last)), said);
        assert_eq!(world.request(CANCEL, Udp), [""; 0], "nor after a final one");
        world.wait(64_000);
        assert!(world.table.is_empty() && !world.last_sent().starts_with("CANCEL"));
    }
    let mut world = World::new();
    world.request(INVITE, Udp);
    world.request(CANCEL, Udp);
    assert_eq!(world.wait(32_000).last().unwrap(), "32000 timed out");
    assert!(world.table.is_empty());
}

#[test]
fn a_cancel_after_a_failover_waits_for_the_new_server() {
    let mut world = World::new();
    world.request_to(INVITE, "sip:bob@b.example.org:5070");
    world.found("b.example.org", &["192.0.2.7", "192.0.2.8"]);
    // The first server has answered 100, and then has no room: the TU has seen a provisional response.
    assert_eq!(world.hear(&to_invite(100)), ["0 response 100"]);
    assert_eq!(world.hear(&to_invite(503)), ["0 send ACK", "0 send INVITE"]);
    assert_eq!(world.request(CANCEL, Udp), [""; 0]);
    let second = request(&world.last_sent()).headers.via().unwrap();
    let branch = second.branch().unwrap().strip_prefix("z9hG4bK").unwrap();
    let trying = world.hear(&response(100, "INVITE", branch, "t"));
    assert_eq!(trying, ["0 response 100", "0 send CANCEL"]);
    assert_eq!(request(&world.last_sent()).headers.via().unwrap(), second);
    assert_eq!(world.sent.last().unwrap().0.to_string(), "192.0.2.8:5070");
}

#[test]
fn who_cancels_has_nobody_else_tried() {
    let mut world = World::new();
    world.request_to(INVITE, "sip:bob@b.example.org:5070");
    world.found("b.example.org", &["192.0.2.7", "192.0.2.8"]);
    world.request(CANCEL, Udp);
    assert_eq!(world.hear(&to_invite(503)), ["0 send ACK", "0 response 503"]);
    // Nor does what went over TCP for its length alone go over UDP.
    let mut world = World::new();
    world.request(&long_invite(), Udp);
    world.request(CANCEL, Udp);
    assert_eq!(world.fail(Tcp), ["0 transport failed"]);
}

#[test]
fn a_long_request_falls_back_to_udp_where_tcp_is_not_spoken() {
    let mut world = World::new();
    world.request(&long_invite(), Udp);
    world.wait(100);
    assert_eq!(world.fail(Tcp), ["100 send INVITE"]);
    assert_eq!(world.sent[1].1, Udp);
    assert!(world.last_sent().contains("Via: SIP/2.0/UDP "));
    assert_eq!(world.wait(500), ["600 send INVITE"]);
    assert_eq!(world.fail(Tcp), [""; 0]);
    assert_eq!(world.fail(Udp), ["600 transport failed"]);
    assert!(world.table.is_empty());
}

#[test]
fn a_request_that_wanted_tcp_does_not_fall_back() {
    let mut world = World::new();
    world.request(&long_invite(), Tcp);
    assert_eq!(world.fail(Tcp), ["0 transport failed"]);
    assert!(world.table.is_empty());
}

#[test]
fn a_response_whose_connection_is_gone_goes_where_its_via_says() {
    // RFC 3261 section 18.2.2: to the address that the request came from, at the port of the Via.
    let mut world = World::new();
    world.hear_over(&OPTIONS.replace("SIP/2.0/UDP pc33.atlanta.com", "SIP/2.0/TCP pc33.atlanta.com:5070"), Tcp);
    assert_eq!(world.respond(100), ["0 send 100"]);
    assert_eq!(world.fail(Tcp), ["0 send 100"]);
    assert_eq!(world.sent.last().unwrap().0.to_string(), "192.0.2.1:5070");
    // RFC 3263 section 5: and then to whom it names.
    let before = world.sent.len();
    assert_eq!(world.fail_at("192.0.2.1:5070", Tcp), ["0 look up pc33.atlanta.com A, AAAA"]);
    assert_eq!(world.found("pc33.atlanta.com", &["192.0.2.33"]), ["0 send 100"]);
    assert_eq!(world.sent[before].0.to_string(), "192.0.2.33:5070");
    assert_eq!(world.fail_at("192.0.2.33:5070", Tcp), ["0 transport failed"], "there is nowhere else");
}

#[test]
fn over_udp_nobody_has_us_look_for_somebody_else() {
    let mut world = World::new();
    world.hear(OPTIONS);
    assert_eq!(world.respond(100), ["0 send 100"]);
    assert_eq!(world.fail(Udp), ["0 transport failed"]);
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_remembered() {
    let mut world = World::new();
    assert_eq!(world.found("b.example.org", &["192.0.2.66"]), [""; 0]);
    assert_eq!(world.request_to(OPTIONS, "sip:bob@b.example.org:5070"), ["0 look up b.example.org A, AAAA"]);
    assert_eq!(world.found("b.example.org", &["192.0.2.8"]), ["0 send OPTIONS"]);
    assert_eq!(world.sent.last().unwrap().0.to_string(), "192.0.2.8:5070");
    assert_eq!(world.found("b.example.org", &["192.0.2.66"]), [""; 0]);
    assert_eq!(
        world.request_to(&OPTIONS.replace("bKoptions", "bKmore"), "sip:bob@b.example.org:5070"),
        ["0 send OPTIONS"]
    );
    assert_eq!(world.sent.last().unwrap().0.to_string(), "192.0.2.8:5070", "the answer is kept");
}

#[test]
fn more_names_than_can_wait_fail_at_once() {
    let mut world = World::new();
    for n in 0..1000 {
        let asked = world.request_to(&OPTIONS.replace("bKoptions", &format!("bK{n}")), &format!("sip:b@h{n}.org:1"));
        assert_eq!(asked, [format!("0 look up h{n}.org A, AAAA")]);
    }
    let refused = world.request_to(&OPTIONS.replace("bKoptions", "bKx"), "sip:b@hx.org:1");
    assert_eq!(refused, ["0 transport failed"]);
    assert_eq!(world.table.len(), 1000);
    assert_eq!(world.wait(10_000).len(), 1000, "no name server answers");
    assert!(world.table.is_empty());
    assert_eq!(world.request_to(OPTIONS, "sip:b@hx.org:1"), ["10000 look up hx.org A, AAAA"]);
}

#[test]
fn via_and_contact_name_the_port_of_the_transport_that_is_chosen() {
    let local = Local { ip: [192, 0, 2, 50].into(), port: 5060, tls: Some(5061) };
    let ours = INVITE
        .replace("pc33.atlanta.com;branch", "192.0.2.50:5060;branch")
        .replace("alice@pc33.atlanta.com", "alice@192.0.2.50:5060");
    let sent = |request: &str, uri: &str| {
        let mut world = World::local(local);
        world.request_to(request, uri);
        let text = world.last_sent();
        let line = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap().to_owned();
        (line("Via"), line("Contact"))
    };
    let (via, contact) = sent(&ours, "sip:bob@192.0.2.8;transport=tcp");
    assert_eq!(via, "Via: SIP/2.0/TCP 192.0.2.50:5060;branch=z9hG4bKkjshdyff");
    assert_eq!(contact, "Contact: <sip:alice@192.0.2.50:5060;transport=tcp>");
    // RFC 5630 section 5.1.1.2: TLS alone makes no sips Contact, and never says transport=tls.
    let (via, contact) = sent(&ours, "sip:bob@192.0.2.8;transport=tls");
    assert_eq!(via, "Via: SIP/2.0/TLS 192.0.2.50:5061;branch=z9hG4bKkjshdyff");
    assert_eq!(contact, "Contact: <sip:alice@192.0.2.50:5060;transport=tcp>");
    // RFC 3261 section 8.1.1.8: a sips Request-URI does.
    let secure = ours.replace("INVITE sip:", "INVITE sips:");
    let (_, contact) = sent(&secure, "sips:bob@192.0.2.8");
    assert_eq!(contact, "Contact: <sips:alice@192.0.2.50:5061>");
    // A Contact that is not ours is left alone.
    let other = ours.replace("alice@192.0.2.50:5060", "alice@pc33.atlanta.com");
    assert_eq!(sent(&other, "sip:bob@192.0.2.8;transport=tcp").1, "Contact: <sip:alice@pc33.atlanta.com>");
}

#[test]
fn of_a_thousand_answers_that_do_not_arrive_the_latest_hear_of_it_and_so_does_every_request_of_ours() {
    let mut world = World::new();
    world.request(OPTIONS, Udp);
    for n in 0..1000 {
        world.hear(&BYE.replace("z9hG4bKbye", &format!("z9hG4bKbye{n}")));
        world.respond(200);
    }
    let told = world.fail(Udp);
    assert_eq!(told, vec!["0 transport failed"; 1 + Table::MOST_UNDELIVERED]);
    assert_eq!(world.table.len(), 1000, "the request is over, and who answers waits for its timers");
}
