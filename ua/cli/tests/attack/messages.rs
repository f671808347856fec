//! What the attacker says.

use std::fmt::Write;
use std::net::SocketAddr;

/// Dice that always fall the same way.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn word(&mut self) -> String {
        format!("{:08x}{:08x}", self.below(1 << 31), self.below(1 << 31))
    }
}

/// One datagram that he has thought of.
pub(crate) fn message(dice: &mut Dice, ours: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let text = match dice.below(16) {
        0..3 => request(dice, ours, to, "INVITE", "", &offer("RTP/AVP 0", "")),
        3..5 => {
            let mikey = format!("a=key-mgmt:mikey AQAF{}\r\n", dice.word().repeat(8));
            request(dice, ours, to, "INVITE", "", &offer("RTP/SAVP 0", &mikey))
        }
        5..7 => request(dice, ours, to, "OPTIONS", "", ""),
        7 => garbage(dice),
        8 => request(dice, ours, to, "ACK", ";tag=stray", ""),
        9 => response(dice, to),
        10 => {
            // Each of them comes back in the response.
            let vias = "Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKbomb\r\n".repeat(200);
            request(dice, ours, to, "OPTIONS", "", "").replacen("Via:", &format!("{vias}Via:"), 1)
        }
        11 => {
            let mut routes = String::new();
            for at in 0..200 {
                let _ = write!(routes, "Record-Route: <sip:{at}.example.org;lr;{}>\r\n", "x".repeat(200));
            }
            let invite = request(dice, ours, to, "INVITE", "", &offer("RTP/AVP 0", ""));
            invite.replacen("Max-Forwards:", &format!("{routes}Max-Forwards:"), 1)
        }
        12 => request(dice, ours, to, "BYE", ";tag=nobody", ""),
        13 => request(dice, ours, to, "CANCEL", "", ""),
        14 => {
            let methods = ["REGISTER", "SUBSCRIBE", "NOTIFY", "PRACK", "UPDATE", "REFER", "INFO", "MESSAGE", "DANCE"];
            let method = methods[dice.below(9) as usize];
            request(dice, ours, to, method, ";tag=nobody", "")
        }
        // No empty line ends it.
        _ => format!("INVITE sip:bob@{to} SIP/2.0\r\n{}", "X: y\r\n".repeat(10_000)),
    };
    text.into_bytes()
}

fn request(dice: &mut Dice, ours: SocketAddr, to: SocketAddr, method: &str, tag: &str, body: &str) -> String {
    let [branch, from, call] = [dice.word(), dice.word(), dice.word()];
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {ours};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:mallory@{ours}>;tag={from}\r\nTo: <sip:bob@{to}>{tag}\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:mallory@{ours}>\r\n{content}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn response(dice: &mut Dice, to: SocketAddr) -> String {
    let (branch, call, status) = (dice.word(), dice.word(), 100 + dice.below(600));
    format!(
        "SIP/2.0 {status} Spoofed\r\nVia: SIP/2.0/UDP {to};branch=z9hG4bK{branch}\r\nFrom: <sip:bob@{to}>;tag=a\r\n\
         To: <sip:alice@127.0.0.1>;tag=b\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\nContact: <sip:mallory@127.0.0.1:9>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn offer(media: &str, more: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 {media}\r\n{more}")
}

fn garbage(dice: &mut Dice) -> String {
    let length = dice.below(1400);
    (0..length).map(|_| char::from(dice.below(128) as u8)).collect()
}
