//! Two phones in two processes on loopback, seen by others: tshark listens on the wire and reads every message, and
//! webrtc-srtp, an implementation of SRTP that shares no line with ours, opens every packet with the key log.

mod peers;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use peers::capture::{self, Capture, Packet, assert_understood, assert_unmarked, packets};
use peers::sound::{Ears, FRAME, Speech};
use peers::{KEY, Ports, Process, Ran, answer, has_ipv6, keyphone, skipped, text};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

/// Not [`KEY`].
const WRONG: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[test]
fn a_keyed_call_by_udp_over_ipv4_is_heard_at_both_ends_and_nowhere_between() {
    keyed_call("127.0.0.1", "udp", 1);
}

#[test]
fn a_keyed_call_by_tcp_over_ipv4_is_heard_at_both_ends_and_nowhere_between() {
    keyed_call("127.0.0.1", "tcp", 2);
}

#[test]
fn a_keyed_call_by_udp_over_ipv6_is_heard_at_both_ends_and_nowhere_between() {
    keyed_call("[::1]", "udp", 3);
}

#[test]
fn a_keyed_call_by_tcp_over_ipv6_is_heard_at_both_ends_and_nowhere_between() {
    keyed_call("[::1]", "tcp", 4);
}

/// The control for the four above: a test that hears nothing in any capture would prove nothing.
#[test]
fn a_clear_call_is_heard_between_by_the_same_ears() {
    let Some(call) = Call::place("127.0.0.1", "udp", 5, &["--keying", "none", "--allow-clear"]) else { return };
    call.assert_heard();
    let ears = Ears::new([&call.alice_says]);
    let (alice, bob) = (call.media_of(Side::Alice), call.media_of(Side::Bob));
    let frames = call.alice_says.g711().len() / FRAME;
    let understood = alice.iter().filter(|p| ears.understand(&p.payload)).count();
    assert!(understood >= frames, "{understood} packets of {frames} frames");
    assert!(!bob.iter().any(|p| ears.understand(&p.payload)), "he says something else");
    assert_unmarked(&call.wire, &call.ports);
}

#[test]
fn a_wrong_key_is_refused_with_an_error_message_and_not_one_packet_of_media() {
    let dir = tempfile::tempdir().unwrap();
    let ports = Ports::free();
    let Some(capture) = Capture::start(dir.path().join("wire.pcap"), &ports) else { return };
    let (mut bob, mut alice) = commands("127.0.0.1", &ports, dir.path());
    bob.args(["--psk", WRONG, "--once"]);
    alice.args(["--psk", KEY, "-v"]);
    let bob = answer(bob);
    let alice = Process::start(alice).finish();
    assert_eq!(alice.code, Some(3), "{alice}");
    let bob = bob.finish();
    assert_eq!(bob.code, Some(3), "{bob}");
    for ran in [&alice, &bob] {
        assert_eq!(ran.only("call.ended")["outcome"], "keying-refused");
    }
    let hint = alice.only("keying.refused")["hint"].as_str().unwrap_or_default().to_owned();
    assert!(hint.contains("unauthenticated message that is no more than a hint"), "{hint:?}");
    assert!(hint.contains("authentication failure"), "{hint:?}");
    let logged = alice.stderr.lines().find(|line| line.contains("an error message that nobody authenticated"));
    assert!(logged.is_some_and(|line| line.contains(&hint)), "{alice}");

    let wire = capture.finish();
    let media: Vec<_> = packets(&wire, &ports).into_iter().filter(|p| ports.is_media(p)).collect();
    assert_eq!(media, [], "nothing may be sent");
    let read = capture::read(&wire, &ports, &["-Y", "sip.Status-Code == 488", "-V", "-O", "sip,sdp,mikey"]);
    for what in [
        "Status-Line: SIP/2.0 488",
        "Warning: 399 ",
        "Common Header (HDR) Type: Error",
        "Error no.: Authentication failure (0)",
    ] {
        assert!(read.contains(what), "{what}: {read}");
    }
    assert_unmarked(&wire, &ports);
}

/// A whole call, and all that can be said about it.
fn keyed_call(ip: &str, transport: &str, seed: u32) {
    let Some(call) = Call::place(ip, transport, seed, &["--psk", KEY]) else { return };
    for ran in [&call.alice, &call.bob] {
        assert_eq!(ran.only("call.answered")["keying"], "mikey-psk");
        assert_eq!(ran.only("call.answered")["codec"], "PCMU");
    }
    call.assert_heard();

    let ears = Ears::new([&call.alice_says, &call.bob_says]);
    let overheard = call.packets.iter().filter(|p| ears.understand(&p.payload)).count();
    assert_eq!(overheard, 0, "of {} packets", call.packets.len());

    assert_understood(&call.wire, &call.ports);
    for side in [Side::Alice, Side::Bob] {
        call.assert_opened(side);
        let own = call.file(side, "pcap");
        assert_understood(&own, &call.ports);
        call.assert_same_packets(side, &packets(&own, &call.ports));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Alice,
    Bob,
}

/// One call between two processes, ended and captured.
struct Call {
    dir: TempDir,
    ports: Ports,
    alice: Ran,
    bob: Ran,
    alice_says: Speech,
    bob_says: Speech,
    wire: PathBuf,
    packets: Vec<Packet>,
}

/// `answer` for bob and `call` for alice, each with its own ports.
fn commands(ip: &str, ports: &Ports, dir: &Path) -> (Command, Command) {
    let phone = |command: &str, name: &str, port: u16, media| {
        let (listen, from) = (format!("{ip}:{port}"), format!("sip:{name}@{ip}"));
        let config = ports.config(dir, media);
        keyphone(command, &["--listen", &listen, "--from", &from, "--config", text(&config)])
    };
    let bob = phone("answer", "bob", ports.bob(), ports.bob_media());
    let mut alice = phone("call", "alice", ports.alice(), ports.alice_media());
    alice.arg(format!("sip:bob@{ip}:{}", ports.bob()));
    (bob, alice)
}

impl Call {
    fn place(ip: &str, transport: &str, seed: u32, keying: &[&str]) -> Option<Self> {
        if ip == "[::1]" && !has_ipv6() {
            skipped("there is no IPv6 on loopback");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        // She hangs up when all is said, so he says less.
        let alice_says = Speech::write(dir.path(), "alice-says.wav", seed, 1_200);
        let bob_says = Speech::write(dir.path(), "bob-says.wav", seed + 100, 1_000);
        let ports = Ports::free();
        let capture = Capture::start(dir.path().join("wire.pcap"), &ports)?;
        let (mut bob, mut alice) = commands(ip, &ports, dir.path());
        for (side, says, command) in [(Side::Bob, &bob_says, &mut bob), (Side::Alice, &alice_says, &mut alice)] {
            command.arg("--play").arg(&says.file).args(["--codec", "PCMU"]).args(keying);
            for (flag, kind) in [("--record", "wav"), ("--keylog", "keys"), ("--pcap", "pcap")] {
                command.arg(flag).arg(side.file(dir.path(), kind));
            }
        }
        bob.arg("--once");
        alice.args(["--transport", transport]);
        let bob = answer(bob);
        let alice = Process::start(alice).finish();
        assert_eq!(alice.code, Some(0), "{alice}");
        let bob = bob.finish();
        assert_eq!(bob.code, Some(0), "{bob}");
        let wire = capture.finish();
        let packets = packets(&wire, &ports);
        Some(Self { dir, ports, alice, bob, alice_says, bob_says, wire, packets })
    }

    fn file(&self, side: Side, kind: &str) -> PathBuf {
        side.file(self.dir.path(), kind)
    }

    fn says(&self, side: Side) -> &Speech {
        match side {
            Side::Alice => &self.alice_says,
            Side::Bob => &self.bob_says,
        }
    }

    fn ran(&self, side: Side) -> &Ran {
        match side {
            Side::Alice => &self.alice,
            Side::Bob => &self.bob,
        }
    }

    /// RTP and RTCP on the wire.
    fn media_of(&self, side: Side) -> Vec<&Packet> {
        let [first, last] = match side {
            Side::Alice => self.ports.alice_media(),
            Side::Bob => self.ports.bob_media(),
        };
        self.packets.iter().filter(|p| !p.tcp && (first..=last).contains(&p.from.port())).collect()
    }

    fn assert_heard(&self) {
        self.alice_says.assert_heard(&self.file(Side::Bob, "wav"));
        self.bob_says.assert_heard(&self.file(Side::Alice, "wav"));
    }

    /// webrtc-srtp opens all that this side sent with the one key that its log says it sends by, and finds its words.
    fn assert_opened(&self, side: Side) {
        let (mut context, ssrc) = sending_context(&self.file(side, "keys"));
        let (mut payloads, mut reports, mut goodbyes) = (vec![], 0, 0);
        for packet in self.media_of(side) {
            let is_rtcp = !packet.to.port().is_multiple_of(2);
            if is_rtcp {
                let plain = context.decrypt_rtcp(&packet.payload).unwrap_or_else(|e| panic!("{side:?}, RTCP: {e}"));
                // Sender report or receiver report comes first (RFC 3550 section 6.1).
                assert!([200, 201].contains(&plain[1]), "{plain:02x?}");
                assert_eq!(plain[4..8], ssrc);
                reports += 1;
                goodbyes += usize::from(packet_types(&plain).contains(&203));
            } else {
                let plain = context.decrypt_rtp(&packet.payload).unwrap_or_else(|e| panic!("{side:?}, RTP: {e}"));
                assert_eq!((plain[0], plain[1] & 0x7f), (0x80, 0), "version 2 and PCMU");
                assert_eq!(plain[8..12], ssrc);
                payloads.push(plain[12..].to_vec());
            }
        }
        assert_eq!(payloads.len() as u64, self.ran(side).only("media.stats")["sent"], "{side:?}");
        assert!(reports >= 1, "{side:?} sent no report");
        assert_eq!(goodbyes, 1, "{side:?} says goodbye once (RFC 3550 section 6.6)");
        // All was said, frame by frame, and nothing but silence came after it.
        let g711 = self.says(side).g711();
        let said: Vec<_> = g711.chunks_exact(FRAME).collect();
        assert_eq!(payloads[..said.len().min(payloads.len())], said, "{side:?}");
    }

    /// A capture of ours holds what the wire had: all that this side sent, and nothing that nobody sent.
    fn assert_same_packets(&self, side: Side, own: &[Packet]) {
        let udp = |packets: &[Packet]| packets.iter().filter(|p| !p.tcp).cloned().collect::<HashSet<_>>();
        let (wire, own_udp) = (udp(&self.packets), udp(own));
        let invented = own_udp.difference(&wire).count();
        assert_eq!(invented, 0, "{side:?}: of {} packets", own_udp.len());
        for packet in self.media_of(side) {
            assert!(own_udp.contains(packet), "{side:?} left out {packet:?}");
        }
        assert!(own_udp.len() + 10 > wire.len(), "{side:?}: {} of {}", own_udp.len(), wire.len());
        // On a stream the wire has the connection's ports and ours the phone's; what was said is the same.
        let stream = |packets: &[Packet], to_bob: bool| -> Vec<u8> {
            let told = packets.iter().filter(|p| p.tcp && (p.to.port() == self.ports.bob()) == to_bob);
            told.flat_map(|p| p.payload.clone()).collect()
        };
        for to_bob in [true, false] {
            let (wire, own) = (stream(&self.packets, to_bob), stream(own, to_bob));
            assert_eq!(String::from_utf8_lossy(&own), String::from_utf8_lossy(&wire), "{side:?}, to bob: {to_bob}");
        }
    }
}

impl Side {
    fn file(self, dir: &Path, kind: &str) -> PathBuf {
        dir.join(format!("{self:?}.{kind}").to_lowercase())
    }
}

/// What the one line of a key log says that a side sends by: a context of another implementation, and the SSRC.
fn sending_context(key_log: &Path) -> (Context, [u8; 4]) {
    let log = std::fs::read_to_string(key_log).unwrap();
    let lines: Vec<_> = log.lines().filter(|l| l.contains(" use=send ")).collect();
    assert_eq!(lines.len(), 1, "{} lines", lines.len());
    let field = |name: &str| lines[0].split(' ').find_map(|word| word.strip_prefix(name)).expect("each line has it");
    let suite = field("AES_CM_128_HMAC_SHA1_");
    assert_eq!(suite, "80");
    let bytes = STANDARD.decode(field("inline:")).unwrap();
    assert_eq!(bytes.len(), 30, "16 octets of key, 14 of salt");
    let (key, salt) = bytes.split_at(16);
    let context = Context::new(key, salt, ProtectionProfile::Aes128CmHmacSha1_80, None, None).unwrap();
    (context, u32::from_str_radix(field("ssrc="), 16).unwrap().to_be_bytes())
}

/// The packet types of a compound packet (RFC 3550 section 6.4.1: lengths count 32-bit words, minus one).
fn packet_types(mut compound: &[u8]) -> Vec<u8> {
    let mut types = vec![];
    while let [_, packet_type, high, low, ..] = *compound {
        types.push(packet_type);
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        compound = compound.get(length..).expect("a packet ends where the compound does");
    }
    types
}
