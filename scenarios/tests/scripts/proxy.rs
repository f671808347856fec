//! The proxy, as RFC 3261 section 16 wants it, between phones of ours and on its own.

use crate::play;
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_scenarios::proxy::{Input, Outgoing, Proxy, Setup, Targets};
use keyphone_scenarios::run::Run;
use keyphone_scenarios::world::Sent;
use keyphone_ua::sip::{Message, Method, Request, Response, SipUri, StatusCode, Uri, make};
use keyphone_ua::transaction::Transport;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const PROXY: &str = "10.0.1.1:5060";
const ALICE: &str = "10.0.0.1:5060";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Dice that count.
struct Count(u64);

impl Rng for Count {
    fn fill(&mut self, buf: &mut [u8]) {
        for octet in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *octet = (self.0 >> 56) as u8;
        }
    }
}

/// A proxy that is asked by hand.
struct Bench {
    proxy: Proxy,
    now: Instant,
    dice: Count,
}

impl Bench {
    fn new(targets: Targets) -> Self {
        let users = BTreeMap::from([("bob".to_owned(), targets)]);
        let proxy = Proxy::new(Setup { sip: at(PROXY), record_route: true, users });
        Self { proxy, now: Instant::ZERO, dice: Count(1) }
    }

    fn step(&mut self, input: Input<'_>) -> Vec<(SocketAddr, Message)> {
        let now = Now { mono: self.now, ntp: NtpTime::from_unix(Duration::from_secs(1)) };
        let mut out = vec![];
        self.proxy.handle(input, &mut Env { now, rng: &mut self.dice }, &mut out);
        out.into_iter().map(|Outgoing { to, bytes, .. }| (to, Message::parse(&bytes).unwrap())).collect()
    }

    /// The same, and over what each goes.
    fn over(&mut self, from: &str, message: impl Into<Message>) -> Vec<(Transport, Message)> {
        let (bytes, now) = (message.into().to_bytes(), Now { mono: self.now, ntp: NtpTime(1 << 32) });
        let input = Input::Sip { from: at(from), transport: Transport::Tls, bytes: &bytes };
        let mut out = vec![];
        self.proxy.handle(input, &mut Env { now, rng: &mut self.dice }, &mut out);
        out.into_iter().map(|Outgoing { transport, bytes, .. }| (transport, Message::parse(&bytes).unwrap())).collect()
    }

    fn give(&mut self, from: &str, message: impl Into<Message>) -> Vec<(SocketAddr, Message)> {
        let bytes = message.into().to_bytes();
        self.step(Input::Sip { from: at(from), transport: Transport::Tcp, bytes: &bytes })
    }

    /// Lets time pass until then, and gives all that was said meanwhile.
    fn wait(&mut self, until_s: u64) -> Vec<(SocketAddr, Message)> {
        let until = Instant::from_micros(until_s * 1_000_000);
        let mut said = vec![];
        while let Some(next) = self.proxy.next_timeout().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            said.extend(self.step(Input::Timeout));
        }
        self.now = until;
        said
    }
}

fn uri(n: u8) -> SipUri {
    match format!("sip:bob@10.0.0.{n}:5060;transport=tcp").parse().unwrap() {
        Uri::Sip(uri) => uri,
        Uri::Other(_) => unreachable!(),
    }
}

fn together(phones: std::ops::Range<u8>) -> Targets {
    Targets::Together(phones.map(uri).collect())
}

fn invite(to: &str) -> Request {
    let text = format!(
        "INVITE {to} SIP/2.0\r\nVia: SIP/2.0/TCP {ALICE};branch=z9hG4bKa1\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@10.0.0.1>;tag=a\r\nTo: <{to}>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:alice@{ALICE};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
    );
    match Message::parse(text.as_bytes()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => unreachable!(),
    }
}

fn requests(said: &[(SocketAddr, Message)], method: Method) -> Vec<(SocketAddr, Request)> {
    let request = |(to, message): &(SocketAddr, Message)| match message {
        Message::Request(request) if request.method == method => Some((*to, request.clone())),
        _ => None,
    };
    said.iter().filter_map(request).collect()
}

fn statuses(said: &[(SocketAddr, Message)], to: &str) -> Vec<u16> {
    let status = |(whom, message): &(SocketAddr, Message)| match message {
        Message::Response(response) if *whom == at(to) => Some(response.status.code()),
        _ => None,
    };
    said.iter().filter_map(status).collect()
}

fn answer(request: &Request, status: u16, tag: &str) -> Response {
    make::response(request, StatusCode::new(status).unwrap(), Some(tag))
}

/// A proxy that has forked bob's call to phones 11 to 13, and the three INVITEs.
fn forked() -> (Bench, Vec<(SocketAddr, Request)>) {
    let mut bench = Bench::new(together(11..14));
    let said = bench.give(ALICE, invite("sip:bob@10.0.1.1"));
    let invites = requests(&said, Method::Invite);
    assert_eq!(invites.len(), 3);
    (bench, invites)
}

#[test]
fn a_fork_goes_to_all_at_once_with_a_branch_each_and_one_hop_less_to_go() {
    let (_, invites) = forked();
    let mut branches = vec![];
    for (n, (to, invite)) in invites.iter().enumerate() {
        assert_eq!(*to, at(&format!("10.0.0.{}:5060", 11 + n)));
        assert_eq!(invite.uri.to_string(), uri(11 + n as u8).to_string());
        assert_eq!(invite.headers.max_forwards(), Ok(Some(69)));
        let vias = invite.headers.vias().unwrap();
        assert_eq!((vias.len(), vias[1].branch()), (2, Some("z9hG4bKa1")));
        branches.push(vias[0].branch().unwrap().to_owned());
        let route = &invite.headers.record_route().unwrap()[0];
        assert_eq!(route.to_string(), "<sip:10.0.1.1:5060;lr>");
        assert_eq!(invite.headers.to().unwrap().uri.to_string(), "sip:bob@10.0.1.1", "To stays (section 16.6)");
    }
    branches.dedup();
    assert_eq!(branches.len(), 3);
}

#[test]
fn every_ringing_and_the_first_answer_go_back_and_the_others_are_cancelled() {
    let (mut bench, invites) = forked();
    for (n, (to, invite)) in invites.iter().enumerate() {
        let said = bench.give(&to.to_string(), answer(invite, 180, &format!("b{n}")));
        assert_eq!(statuses(&said, ALICE), [180]);
        let said = bench.give(&to.to_string(), answer(invite, 100, "none"));
        assert!(said.is_empty(), "100 is hop by hop");
    }
    let (to, second) = &invites[1];
    let said = bench.give(&to.to_string(), answer(second, 200, "b1"));
    assert_eq!(statuses(&said, ALICE), [200]);
    let cancels = requests(&said, Method::Cancel);
    assert_eq!(cancels.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [invites[0].0, invites[2].0]);
    for ((to, cancel), (_, invite)) in cancels.iter().zip([&invites[0], &invites[2]]) {
        assert_eq!(cancel.headers.get("Via"), invite.headers.get("Via"), "section 9.1");
        bench.give(&to.to_string(), answer(cancel, 200, "x"));
        let said = bench.give(&to.to_string(), answer(invite, 487, "x"));
        assert!(statuses(&said, ALICE).is_empty(), "one final answer was enough");
        assert_eq!(requests(&said, Method::Ack).len(), 1);
    }
    assert_eq!(bench.proxy.contexts(), 0);
    bench.wait(100);
    assert_eq!(bench.proxy.transactions(), 0, "nothing is left");
}

#[test]
fn a_second_200_of_a_loser_goes_back_as_well() {
    let (mut bench, invites) = forked();
    for (n, (to, invite)) in invites.iter().enumerate() {
        bench.give(&to.to_string(), answer(invite, 180, &format!("b{n}")));
    }
    for (n, (to, invite)) in invites.iter().enumerate() {
        let said = bench.give(&to.to_string(), answer(invite, 200, &format!("b{n}")));
        assert_eq!(statuses(&said, ALICE), [200], "section 16.7, step 5: every 2xx");
    }
    let (to, invite) = &invites[0];
    let again = bench.give(&to.to_string(), answer(invite, 200, "b0"));
    assert_eq!(statuses(&again, ALICE), [200], "its ACK was lost");
}

#[test]
fn an_answer_that_no_transaction_knows_goes_nowhere() {
    let (mut bench, invites) = forked();
    let (to, invite) = &invites[0];
    bench.give(&to.to_string(), answer(invite, 200, "b0"));
    bench.wait(100);
    assert_eq!(bench.give(&to.to_string(), answer(invite, 200, "b0")), [], "RFC 6026 section 7.3");
    // Somebody would have us hit a victim.
    let mut forged = invite.clone();
    forged.headers.set("Via", format!("SIP/2.0/UDP {PROXY};branch=z9hG4bKx"));
    forged.headers.push("Via", "SIP/2.0/UDP 192.0.2.99:53;branch=z9hG4bKy");
    assert_eq!(bench.give("192.0.2.1:5060", answer(&forged, 200, "x")), []);
    assert_eq!((bench.proxy.transactions(), bench.proxy.contexts()), (0, 0));
}

#[test]
fn an_answer_that_has_lost_its_vias_is_a_bad_gateways_and_leaves_nothing_behind() {
    for method in [Method::Invite, Method::Options] {
        let mut bench = Bench::new(together(11..12));
        let mut request = invite("sip:bob@10.0.1.1");
        request.headers.set("CSeq", format!("1 {method}"));
        request.method = method.clone();
        let said = bench.give(ALICE, request);
        let (to, forwarded) = requests(&said, method).remove(0);
        let mut broken = answer(&forwarded, 486, "t");
        let ours = broken.headers.get("Via").unwrap().to_owned();
        broken.headers.set("Via", ours);
        let said = bench.give(&to.to_string(), broken);
        assert_eq!((statuses(&said, ALICE), bench.proxy.contexts()), (vec![502], 0));
        bench.wait(200);
        assert_eq!(bench.proxy.transactions(), 0);
    }
}

#[test]
fn a_sips_call_goes_over_tls_to_sips_places_only() {
    let [plain, secure] = ["sip:bob@10.0.0.11:5060;transport=tcp", "sips:bob@10.0.0.12:5060"].map(|text| {
        let Ok(Uri::Sip(uri)) = text.parse::<Uri>() else { unreachable!() };
        uri
    });
    let places = Targets::Together(vec![plain.clone(), secure]);
    let invites = |said: Vec<(Transport, Message)>| {
        let invite = |(over, message): (Transport, Message)| match message {
            Message::Request(request) => Some((over, request)),
            Message::Response(_) => None,
        };
        said.into_iter().filter_map(invite).collect::<Vec<_>>()
    };
    let sent = invites(Bench::new(places.clone()).over(ALICE, invite("sips:bob@10.0.1.1:5060")));
    let [(Transport::Tls, request)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(request.uri.to_string(), "sips:bob@10.0.0.12:5060");
    let route = &request.headers.record_route().unwrap()[0];
    assert_eq!(route.to_string(), "<sips:10.0.1.1:5060;lr>", "RFC 3261 section 16.6, step 4");
    // Called by sip, the same place is reached over TLS, and by sip (RFC 5630 section 5.3).
    let sent = invites(Bench::new(places).over(ALICE, invite("sip:bob@10.0.1.1")));
    let told: Vec<_> = sent.iter().map(|(over, request)| (*over, request.uri.to_string())).collect();
    let [first, second] = ["sip:bob@10.0.0.11:5060;transport=tcp", "sip:bob@10.0.0.12:5060"].map(str::to_owned);
    assert_eq!(told, [(Transport::Tcp, first), (Transport::Tls, second)]);
    // Where there is none, nobody is asked.
    let said = Bench::new(Targets::Together(vec![plain])).over(ALICE, invite("sips:bob@10.0.1.1:5060"));
    let Some((_, Message::Response(refused))) = said.last() else { panic!("{said:?}") };
    assert_eq!(refused.status.code(), 480);
    assert!(refused.headers.get("Warning").unwrap().starts_with("380 "), "RFC 5630 section 5.3");
    // A Route of its own does not bring it down either.
    let mut request = invite("sips:bob@10.0.0.9:5060");
    request.headers.push("Route", "<sip:10.0.7.7:5060;lr>");
    let sent = invites(Bench::new(together(11..12)).over(ALICE, request));
    assert_eq!(sent.iter().map(|(over, _)| *over).collect::<Vec<_>>(), [Transport::Tls]);
}

#[test]
fn who_is_asked_for_proof_by_many_is_asked_for_all_of_it() {
    let (mut bench, invites) = forked();
    let mut back = vec![];
    for ((to, invite), (status, name, realm)) in invites.iter().zip([
        (401, "WWW-Authenticate", "Digest realm=\"one\", nonce=\"1\""),
        (407, "Proxy-Authenticate", "Digest realm=\"two\", nonce=\"2\""),
        (404, "WWW-Authenticate", "Digest realm=\"none\", nonce=\"3\""),
    ]) {
        let mut response = answer(invite, status, "t");
        response.headers.push(name, realm);
        back.extend(bench.give(&to.to_string(), response));
    }
    let back: Vec<_> = back.iter().filter(|(to, _)| *to == at(ALICE)).collect();
    let [(_, Message::Response(response))] = &back[..] else { panic!("{back:?}") };
    let asked = |name| response.headers.all(name).map(str::to_owned).collect::<Vec<_>>().join(", ");
    assert_eq!(response.status.code(), 401);
    assert_eq!(asked("WWW-Authenticate"), "Digest realm=\"one\", nonce=\"1\"", "section 16.7, step 7");
    assert_eq!(asked("Proxy-Authenticate"), "Digest realm=\"two\", nonce=\"2\"");
}

#[test]
fn who_rings_for_three_minutes_is_cancelled_though_100_comes_again_and_again() {
    let mut bench = Bench::new(together(11..12));
    let said = bench.give(ALICE, invite("sip:bob@10.0.1.1"));
    let (to, forwarded) = requests(&said, Method::Invite).remove(0);
    bench.give(&to.to_string(), answer(&forwarded, 180, "t"));
    bench.wait(100);
    bench.give(&to.to_string(), answer(&forwarded, 100, "t"));
    let said = bench.wait(182);
    assert_eq!(requests(&said, Method::Cancel).len(), 1, "section 16.7, step 2: 101 to 199 set timer C again");
    // And it is forgotten though it never answers.
    assert_eq!(statuses(&bench.wait(250), ALICE), [408]);
    assert_eq!((bench.proxy.transactions(), bench.proxy.contexts()), (0, 0));
}

#[test]
fn strict_routers_before_and_behind_are_understood() {
    // Section 16.4: the one before has put our Record-Route into the Request-URI.
    let mut bench = Bench::new(together(11..12));
    let mut request = invite("sip:10.0.1.1:5060;lr");
    request.headers.push("Route", "<sip:bob@10.0.0.9:5060;transport=tcp>");
    let said = bench.give(ALICE, request);
    let (to, forwarded) = requests(&said, Method::Invite).remove(0);
    assert_eq!((to, forwarded.uri.to_string()), (at("10.0.0.9:5060"), "sip:bob@10.0.0.9:5060;transport=tcp".into()));
    assert_eq!(forwarded.headers.route().unwrap(), []);
    // Section 16.6, step 6: the one behind wants to be in it.
    let mut request = invite("sip:bob@10.0.0.9:5060");
    request.headers.set_first("Via", format!("SIP/2.0/TCP {ALICE};branch=z9hG4bKa2"));
    request.headers.push("Route", "<sip:10.0.1.1:5060;lr>");
    request.headers.push("Route", "<sip:10.0.7.7:5060;transport=tcp>");
    request.headers.push("Route", "<sip:10.0.8.8:5060;lr>");
    let said = bench.give(ALICE, request);
    let (to, forwarded) = requests(&said, Method::Invite).remove(0);
    assert_eq!((to, forwarded.uri.to_string()), (at("10.0.7.7:5060"), "sip:10.0.7.7:5060;transport=tcp".into()));
    let routes: Vec<_> = forwarded.headers.route().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["<sip:10.0.8.8:5060;lr>", "<sip:bob@10.0.0.9:5060>"]);
}

#[test]
fn when_all_refuse_the_best_refusal_goes_back_and_a_6xx_stops_all() {
    let (mut bench, invites) = forked();
    let mut back = vec![];
    for ((to, invite), status) in invites.iter().zip([404, 486, 480]) {
        back.extend(statuses(&bench.give(&to.to_string(), answer(invite, status, "t")), ALICE));
    }
    assert_eq!(back, [404], "of the lowest class, when all have answered");
    let (mut bench, invites) = forked();
    bench.give(&invites[0].0.to_string(), answer(&invites[0].1, 180, "t"));
    let said = bench.give(&invites[1].0.to_string(), answer(&invites[1].1, 603, "t"));
    assert_eq!((statuses(&said, ALICE).len(), requests(&said, Method::Cancel).len()), (0, 1));
    let mut back = vec![];
    for (to, invite) in [&invites[0], &invites[2]] {
        back.extend(statuses(&bench.give(&to.to_string(), answer(invite, 487, "t")), ALICE));
    }
    assert_eq!(back, [603]);
}

#[test]
fn a_caller_that_withdraws_gets_487_from_those_who_rang() {
    let (mut bench, invites) = forked();
    for (to, invite) in &invites {
        bench.give(&to.to_string(), answer(invite, 180, "t"));
    }
    let said = bench.give(ALICE, make::cancel(&invite("sip:bob@10.0.1.1")).unwrap());
    assert_eq!((statuses(&said, ALICE), requests(&said, Method::Cancel).len()), (vec![200], 3));
    let mut back = vec![];
    for (to, invite) in &invites {
        back.extend(statuses(&bench.give(&to.to_string(), answer(invite, 487, "t")), ALICE));
    }
    assert_eq!(back, [487]);
}

#[test]
fn in_turn_each_rings_for_its_time_and_then_the_next() {
    let mut bench = Bench::new(Targets::InTurn(vec![uri(11), uri(12), uri(13)], Duration::from_secs(5)));
    let said = bench.give(ALICE, invite("sip:bob@10.0.1.1"));
    let first = requests(&said, Method::Invite);
    assert_eq!(first.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [at("10.0.0.11:5060")]);
    bench.give("10.0.0.11:5060", answer(&first[0].1, 180, "t"));
    assert!(requests(&bench.wait(4), Method::Cancel).is_empty());
    let said = bench.wait(6);
    assert_eq!((requests(&said, Method::Cancel).len(), requests(&said, Method::Invite).len()), (1, 0));
    let said = bench.give("10.0.0.11:5060", answer(&first[0].1, 487, "t"));
    let second = requests(&said, Method::Invite);
    assert_eq!(second[0].0, at("10.0.0.12:5060"));
    // Of this one nothing is heard: the third is asked all the same.
    let third = requests(&bench.wait(12), Method::Invite);
    assert_eq!(third.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [at("10.0.0.13:5060")]);
    let said = bench.give("10.0.0.13:5060", answer(&third[0].1, 200, "t"));
    assert_eq!(statuses(&said, ALICE), [200]);
}

#[test]
fn what_cannot_be_forwarded_is_refused_with_the_reason() {
    let mut bench = Bench::new(together(11..12));
    let mut number = 0;
    let mut status = |edit: &dyn Fn(&mut Request)| {
        let mut request = invite("sip:bob@10.0.1.1");
        edit(&mut request);
        number += 1;
        request.headers.set_first("Via", format!("SIP/2.0/TCP {ALICE};branch=z9hG4bKn{number}"));
        statuses(&bench.give(ALICE, request), ALICE).last().copied()
    };
    assert_eq!(status(&|r| r.headers.set("Max-Forwards", "0")), Some(483));
    assert_eq!(status(&|r| r.headers.push("Proxy-Require", "teleport")), Some(420));
    assert_eq!(status(&|r| r.uri = "tel:+1".parse().unwrap()), Some(416));
    assert_eq!(status(&|r| r.uri = "sip:nobody@10.0.1.1".parse().unwrap()), Some(404));
    assert_eq!(status(&|r| r.headers.set("Max-Forwards", "1")), None, "one hop is enough");
}

#[test]
fn a_request_that_comes_back_as_it_was_has_looped_and_one_that_comes_back_otherwise_has_not() {
    let mut bench = Bench::new(together(11..12));
    let said = bench.give(ALICE, invite("sip:bob@10.0.1.1"));
    let (_, mut forwarded) = requests(&said, Method::Invite).remove(0);
    // Somebody sends it back to where it was first sent.
    forwarded.headers.push_front("Via", "SIP/2.0/TCP 10.0.0.11:5060;branch=z9hG4bKb1");
    let spiral = forwarded.clone();
    forwarded.uri = "sip:bob@10.0.1.1".parse().unwrap();
    forwarded.headers.remove("Record-Route");
    let said = bench.give("10.0.0.11:5060", forwarded);
    assert_eq!(statuses(&said, "10.0.0.11:5060"), [482], "section 16.3, step 4");
    let mut spiral = spiral;
    spiral.headers.set_first("Via", "SIP/2.0/TCP 10.0.0.11:5060;branch=z9hG4bKb2");
    let said = bench.give("10.0.0.11:5060", spiral);
    assert_eq!(requests(&said, Method::Invite).len(), 1);
}

#[test]
fn a_proxy_redirects_with_the_places_in_their_order() {
    let mut bench = Bench::new(Targets::Redirect(vec![uri(12), uri(11)]));
    let said = bench.give(ALICE, invite("sip:bob@10.0.1.1"));
    let Some((_, Message::Response(response))) = said.last() else { panic!("{said:?}") };
    assert_eq!(response.status, StatusCode::MOVED_TEMPORARILY);
    let contacts: Vec<_> = response.headers.all("Contact").collect();
    assert!(contacts[0].contains("10.0.0.12") && contacts[1].contains("10.0.0.11"), "{contacts:?}");
}

#[test]
fn garbage_is_dropped_or_refused_and_leaves_nothing_behind() {
    let mut bench = Bench::new(together(11..12));
    let bytes = invite("sip:bob@10.0.1.1").to_bytes();
    for cut in (0..bytes.len()).step_by(3) {
        bench.step(Input::Sip { from: at(ALICE), transport: Transport::Udp, bytes: &bytes[..cut] });
    }
    for n in 0..=255 {
        bench.step(Input::Sip { from: at(ALICE), transport: Transport::Udp, bytes: &[n; 40] });
    }
    bench.wait(200);
    assert_eq!((bench.proxy.transactions(), bench.proxy.contexts()), (0, 0));
}

fn sip_between<'r>(run: &'r Run, from: &str, to: &str) -> Vec<&'r Sent> {
    let is = |sent: &&Sent| !sent.media && sent.from == at(from) && sent.to == at(to);
    run.world.log().iter().filter(is).collect()
}

#[test]
fn with_record_route_the_whole_dialog_passes_the_proxy_and_without_only_its_beginning() {
    for record_route in [true, false] {
        let text = format!(
            "title = \"t\"\nabout = \"a\"\nsteps = [\"at 0 s alice calls bob\", \"at 1 s alice rekeys\", \"at 2 s bob hangs up\"]\n\
             expect = [\"alice and bob talk\", \"alice changes keys one time\", \"every call ends\"]\n\
             [[phone]]\nname = \"alice\"\n[[phone]]\nname = \"bob\"\nhome = \"proxy\"\n\
             [[proxy]]\nname = \"proxy\"\nrecord-route = {record_route}\n"
        );
        let run = play(&text, 1);
        assert!(run.passed(), "{:#?}", run.verdicts);
        let direct = sip_between(&run, "10.0.0.2:5060", ALICE).len() + sip_between(&run, ALICE, "10.0.0.2:5060").len();
        assert_eq!(direct == 0, record_route, "{direct}");
    }
}

#[test]
fn two_proxies_that_send_a_call_to_each_other_end_it() {
    let run = play(
        "title = \"t\"\nabout = \"a\"\nsteps = [\"at 0 s alice calls bob\"]\nlength = \"120 s\"\n\
         expect = [\"no dialogs are left\", \"every call ends\"]\n[[phone]]\nname = \"alice\"\n\
         [[phone]]\nname = \"carol\"\n\
         [[proxy]]\nname = \"east\"\nrules = [\"bob goes to dave\"]\n\
         [[proxy]]\nname = \"west\"\nrules = [\"dave goes to bob\"]\n",
        1,
    );
    assert!(run.passed(), "{:#?}", run.verdicts);
    let invites = run.world.log().iter().filter(|sent| sent.bytes.starts_with(b"INVITE ")).count();
    assert!(invites < 80, "{invites}");
}
