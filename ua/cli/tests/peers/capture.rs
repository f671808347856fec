//! tshark beside a call: what was on the wire, and what another implementation makes of it.

use super::{PATIENCE, Ports, Process, Ran, installed, skipped, text};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// tshark, capturing all that goes to or comes from a block of ports on loopback.
pub(crate) struct Capture {
    tshark: Process,
    file: PathBuf,
    probe: UdpSocket,
    ends: [u16; 2],
}

impl Capture {
    /// Begins; `None`, and said so, where tshark is missing or may not capture.
    pub(crate) fn start(file: PathBuf, ports: &Ports) -> Option<Self> {
        if !installed("tshark", "tshark") {
            return None;
        }
        let filter = format!("portrange {}-{}", ports.first(), ports.last());
        let mut command = Command::new("tshark");
        command.args(["-i", "lo", "-f", &filter, "-F", "pcap", "-w", text(&file)]);
        // Beside the file, the destination port of each packet as it comes: that is how we see our own probes.
        command.args(["-P", "-l", "-T", "fields", "-e", "udp.dstport"]);
        let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut capture = Self { tshark: Process::start(command), file, probe, ends: ports.probes() };
        if capture.sees(capture.ends[0]) {
            return Some(capture);
        }
        let Self { tshark, .. } = capture;
        let Ran { stderr, .. } = tshark.finish();
        skipped(&format!("tshark cannot capture on loopback ({})", stderr.trim().replace('\n', " ")));
        None
    }

    /// Sends probes until one is seen. `false` if tshark has given up.
    fn sees(&mut self, port: u16) -> bool {
        let end = Instant::now() + PATIENCE;
        while self.tshark.is_running() {
            self.probe.send_to(b"probe", (Ipv4Addr::LOCALHOST, port)).unwrap();
            let next = Instant::now() + Duration::from_millis(100);
            while let Some(line) = self.tshark.line(next.saturating_duration_since(Instant::now())) {
                if line.trim() == port.to_string() {
                    return true;
                }
            }
            assert!(Instant::now() < end, "tshark captures nothing");
        }
        false
    }

    /// Ends as soon as tshark has written all that came so far.
    pub(crate) fn finish(mut self) -> PathBuf {
        assert!(self.sees(self.ends[1]), "tshark has ended before the call did");
        self.tshark.interrupt();
        let ran = self.tshark.finish();
        assert_eq!(ran.code, Some(0), "{ran}");
        self.file
    }
}

/// One packet with a payload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Packet {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) tcp: bool,
    pub(crate) payload: Vec<u8>,
}

/// What a capture holds, tshark's or ours, but for our probes.
pub(crate) fn packets(file: &Path, ports: &Ports) -> Vec<Packet> {
    let mut reader = PcapReader::new(File::open(file).unwrap()).unwrap();
    let datalink = reader.header().datalink;
    let mut found = vec![];
    while let Some(packet) = reader.next_packet() {
        let packet = packet.unwrap();
        let sliced = match datalink {
            DataLink::RAW => SlicedPacket::from_ip(&packet.data),
            DataLink::ETHERNET => SlicedPacket::from_ethernet(&packet.data),
            other => panic!("{other:?} is neither Ethernet nor IP"),
        };
        let sliced = sliced.unwrap();
        let (from, to): (std::net::IpAddr, std::net::IpAddr) = match &sliced.net {
            Some(NetSlice::Ipv4(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
            Some(NetSlice::Ipv6(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
            _ => continue,
        };
        let (tcp, source, destination, payload) = match &sliced.transport {
            Some(TransportSlice::Udp(udp)) => (false, udp.source_port(), udp.destination_port(), udp.payload()),
            Some(TransportSlice::Tcp(tcp)) => (true, tcp.source_port(), tcp.destination_port(), tcp.payload()),
            _ => continue,
        };
        if payload.is_empty() || ports.probes().contains(&destination) {
            continue;
        }
        let (from, to) = (SocketAddr::new(from, source), SocketAddr::new(to, destination));
        found.push(Packet { from, to, tcp, payload: payload.to_vec() });
    }
    found
}

/// What tshark reads in a capture; SIP is told by its ports.
pub(crate) fn read(file: &Path, ports: &Ports, args: &[&str]) -> String {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r", text(file)]);
    for port in [ports.alice(), ports.bob()] {
        for transport in ["udp", "tcp"] {
            command.args(["-d", &format!("{transport}.port=={port},sip")]);
        }
    }
    command.args(args);
    let ran = Process::start(command).finish();
    assert_eq!(ran.code, Some(0), "{ran}");
    ran.stdout
}

/// tshark understands all of SIP, SDP and MIKEY in a capture of a call that was keyed by a pre-shared key.
pub(crate) fn assert_understood(file: &Path, ports: &Ports) {
    let text = read(file, ports, &["-Y", "sip", "-V", "-O", "sip,sdp,mikey"]);
    for what in [
        "Method: INVITE",
        "Status-Code: 200",
        "Method: ACK",
        "Method: BYE",
        "Media Protocol: RTP/SAVP",
        "Key Management Protocol (kmpid): mikey",
        // The I_MESSAGE.
        "Common Header (HDR) Type: Pre-shared",
        "CSB ID: 0x",
        "CS ID map type: SRTP-ID (0)",
        "Timestamp (T) Type: NTP-UTC",
        "RAND len: 16",
        "ID URI: sip:alice@",
        "ID URI: sip:bob@",
        "Security Policy (SP) No: 0, Type: SRTP",
        "Encryption algorithm: AES-CM (1)",
        "General Extension (EXT) Type: SDP-IDs",
        "Key Data Transport (KEMAC)",
        "Mac alg: HMAC-SHA-1-160 (1)",
        // The R_MESSAGE.
        "Common Header (HDR) Type: PSK ver msg",
        "Auth alg: HMAC-SHA-1-160 (1)",
    ] {
        assert!(text.contains(what), "{}: tshark reads no {what:?} in {text}", file.display());
    }
    assert_unmarked(file, ports);
}

/// tshark marks nothing as malformed, and finds no fault with SIP, SDP or MIKEY. SRTCP is not asked about: tshark 4.0
/// learns the length of its tag from `a=crypto` only, and where MIKEY agreed on it takes the first of the last 32 bits,
/// which belong to the tag, for the E flag (RFC 3711 section 3.4). Where that is 0 it reads ciphertext as reports.
pub(crate) fn assert_unmarked(file: &Path, ports: &Ports) {
    let marked = read(file, ports, &["-Y", "(_ws.malformed || _ws.short) && !srtcp"]);
    assert_eq!(marked, "", "{}", file.display());
    // Its remarks are chats, notes, warnings and errors; that a request is one is a chat.
    let faults = read(file, ports, &["-Y", "sip && _ws.expert.severity >= note", "-V", "-O", "sip,sdp,mikey"]);
    assert_eq!(faults, "", "{}", file.display());
    let text = read(file, ports, &["-Y", "sip", "-V", "-O", "sip,sdp,mikey"]);
    for mark in ["Malformed", "malformed", "Expert Info", "Unknown", "undecoded"] {
        let line = text.lines().find(|line| line.contains(mark));
        assert_eq!(line, None, "{}", file.display());
    }
}
