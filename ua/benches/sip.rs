//! Parse and print of one INVITE with SDP: ours beside rsip's, in one run.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use keyphone_ua::sip::Message;

const INVITE: &str = "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
    Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9\r\n\
    Via: SIP/2.0/UDP ss1.atlanta.example.com:5060;branch=z9hG4bK2d4790.1;received=192.0.2.111\r\n\
    Record-Route: <sip:ss1.atlanta.example.com;lr>\r\n\
    Max-Forwards: 70\r\n\
    From: \"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
    To: \"Bob\" <sip:bob@biloxi.example.com>\r\n\
    Call-ID: 3848276298220188511@atlanta.example.com\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:alice@client.atlanta.example.com;transport=tcp>\r\n\
    Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE\r\n\
    Supported: 100rel, timer\r\n\
    User-Agent: keyphone\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 466\r\n\
    \r\n\
    v=0\r\n\
    o=alice 2890844526 2890844526 IN IP4 client.atlanta.example.com\r\n\
    s=-\r\n\
    c=IN IP4 192.0.2.101\r\n\
    t=0 0\r\n\
    m=audio 49172 RTP/SAVP 0 8 101\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=ptime:20\r\n\
    a=sendrecv\r\n\
    a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyONQ6gAAAAAGEEoo2pee4hp2UaDX8ZE22YwKAAAPZG9uYWxkQGR1Y2suY29tAQAAAAAAQAk0JKpgaVkDaawi9whVBtBt0KZ14ymNuu62+Nv3ozPLygwK/GbAV9iemnGUIZ19fWQUOSrzKTAv9zV1AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";

fn ours() {
    let message = Message::parse(black_box(INVITE.as_bytes())).expect("the INVITE is well formed");
    black_box(message.to_bytes());
}

fn rsips() {
    let message = rsip::SipMessage::try_from(black_box(INVITE.as_bytes())).expect("the INVITE is well formed");
    black_box(Vec::<u8>::from(message));
}

/// How long a thousand rounds take.
#[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn thousand(round: fn()) -> Duration {
    let before = Instant::now();
    (0..1000).for_each(|_| round());
    before.elapsed()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("sip parse+print, ours", |b| b.iter(ours));
    criterion.bench_function("sip parse+print, rsip", |b| b.iter(rsips));
    criterion.final_summary();

    // By turns, so that both meet the same machine; the best of each.
    let (mut best, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..20 {
        best = best.min(thousand(ours));
        theirs = theirs.min(thousand(rsips));
    }
    let ratio = theirs.as_secs_f64() / best.as_secs_f64();
    println!(
        "{} byte INVITE, parse+print: ours {} ns, rsip {} ns, {ratio:.2} times as fast",
        INVITE.len(),
        best.as_nanos() / 1000,
        theirs.as_nanos() / 1000
    );
}
