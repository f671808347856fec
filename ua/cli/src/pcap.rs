//! `--pcap`: what was sent and received, as Wireshark reads it. The payloads are what the sockets saw; the IP, UDP and
//! TCP headers around them are made up from the addresses.

use crate::fault::{Fault, usage};
use etherparse::PacketBuilder;
use keyphone_media::env::NtpTime;
use keyphone_ua::net::Seen;
use keyphone_ua::transaction::Transport;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, TsResolution};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// A capture that is being written.
pub(crate) struct Capture<W: Write> {
    writer: PcapWriter<W>,
    /// The next sequence number of each direction of each connection.
    next: BTreeMap<(SocketAddr, SocketAddr), u32>,
}

/// TCP payloads are cut here, so that a packet stays below the length that an IP header can give.
const SEGMENT: usize = 32_768;

impl Capture<BufWriter<File>> {
    pub(crate) fn create(path: &Path) -> Result<Self, Fault> {
        let cannot =
            |e: &dyn std::fmt::Display| usage(format!("the capture {} cannot be written: {e}", path.display()));
        let file = File::create(path).map_err(|e| cannot(&e))?;
        Self::new(BufWriter::new(file)).map_err(|e| cannot(&e))
    }
}

impl<W: Write> Capture<W> {
    /// Packets begin with their IP header (LINKTYPE_RAW), for there is no Ethernet that we could know of.
    fn new(writer: W) -> Result<Self, pcap_file::PcapError> {
        let header =
            PcapHeader { datalink: DataLink::RAW, ts_resolution: TsResolution::MicroSecond, ..PcapHeader::default() };
        Ok(Self { writer: PcapWriter::with_header(writer, header)?, next: BTreeMap::new() })
    }

    /// Writes one datagram, or one message on a stream.
    pub(crate) fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let at = unix(seen.at.ntp);
        match seen.transport {
            Transport::Udp => {
                let packet = udp(seen.from, seen.to, seen.bytes)?;
                self.write(at, &packet)
            }
            Transport::Tcp | Transport::Tls => seen.bytes.chunks(SEGMENT).try_for_each(|segment| {
                let packet = self.tcp(seen.from, seen.to, segment)?;
                self.write(at, &packet)
            }),
        }
    }

    /// A segment that follows what was sent before and acknowledges all that came back.
    fn tcp(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Result<Vec<u8>, String> {
        let acknowledged = *self.next.entry((to, from)).or_insert(1);
        let next = self.next.entry((from, to)).or_insert(1);
        let sequence = *next;
        *next = next.wrapping_add(payload.len() as u32);
        let mut packet = vec![];
        let ip = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), TTL),
            (from, to) => PacketBuilder::ipv6(v6(from), v6(to), TTL),
        };
        let built = ip.tcp(from.port(), to.port(), sequence, u16::MAX).psh().ack(acknowledged);
        built.write(&mut packet, payload).map_err(|e| e.to_string())?;
        Ok(packet)
    }

    fn write(&mut self, at: Duration, packet: &[u8]) -> Result<(), String> {
        let length = u32::try_from(packet.len()).map_err(|e| e.to_string())?;
        self.writer.write_packet(&PcapPacket::new(at, length, packet)).map(drop).map_err(|e| e.to_string())
    }
}

const TTL: u8 = 64;

fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Result<Vec<u8>, String> {
    let mut packet = vec![];
    let ip = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), TTL),
        (from, to) => PacketBuilder::ipv6(v6(from), v6(to), TTL),
    };
    ip.udp(from.port(), to.port()).write(&mut packet, payload).map_err(|e| e.to_string())?;
    Ok(packet)
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// NTP seconds wrap in 2036, and so does the difference: Unix seconds come out right until 2106, as far as pcap counts.
fn unix(at: NtpTime) -> Duration {
    let seconds = ((at.0 >> 32) as u32).wrapping_sub(NtpTime::UNIX_EPOCH as u32);
    let microseconds = ((at.0 & 0xffff_ffff) * 1_000_000) >> 32;
    Duration::from_secs(u64::from(seconds)) + Duration::from_micros(microseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    use keyphone_media::env::{Instant, Now};
    use pcap_file::pcap::PcapReader;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn capture(seen: &[(&str, &str, Transport, &[u8])]) -> Vec<(Duration, Vec<u8>)> {
        let mut written = vec![];
        let mut capture = Capture::new(&mut written).unwrap();
        for (second, (from, to, transport, bytes)) in seen.iter().enumerate() {
            let at = NtpTime::from_unix(Duration::from_millis(1_700_000_000_500 + 1_000 * second as u64));
            let at = Now { mono: Instant::ZERO, ntp: at };
            let seen = Seen { at, sent: true, from: addr(from), to: addr(to), transport: *transport, bytes };
            capture.see(&seen).unwrap();
        }
        let mut reader = PcapReader::new(written.as_slice()).unwrap();
        assert_eq!(reader.header().datalink, DataLink::RAW);
        let mut packets = vec![];
        while let Some(packet) = reader.next_packet() {
            let packet = packet.unwrap();
            packets.push((packet.timestamp, packet.data.into_owned()));
        }
        packets
    }

    #[test]
    fn a_datagram_is_found_again_with_its_addresses_and_its_time() {
        let packets = capture(&[
            ("192.0.2.1:5060", "192.0.2.2:5070", Transport::Udp, b"INVITE"),
            ("[::1]:40000", "[::1]:40002", Transport::Udp, b"voice"),
        ]);
        let (at, bytes) = &packets[0];
        // NTP's fraction of a second is binary, so a microsecond may be lost.
        assert!(Duration::from_millis(1_700_000_000_500).abs_diff(*at) <= Duration::from_micros(1));
        let packet = SlicedPacket::from_ip(bytes).unwrap();
        let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("IPv4 goes in, IPv4 comes out") };
        assert_eq!(ip.header().source_addr().to_string(), "192.0.2.1");
        assert_eq!(ip.header().destination_addr().to_string(), "192.0.2.2");
        let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("UDP goes in, UDP comes out") };
        assert_eq!((udp.source_port(), udp.destination_port(), udp.payload()), (5060, 5070, &b"INVITE"[..]));
        let packet = SlicedPacket::from_ip(&packets[1].1).unwrap();
        assert!(matches!(&packet.net, Some(NetSlice::Ipv6(ip)) if ip.header().source_addr().to_string() == "::1"));
    }

    #[test]
    fn a_stream_is_reassembled_because_its_numbers_go_on() {
        let long = vec![b'x'; SEGMENT + 10];
        let (alice, bob) = ("192.0.2.1:40001", "192.0.2.2:5060");
        let packets = capture(&[
            (alice, bob, Transport::Tcp, &long),
            (bob, alice, Transport::Tcp, b"200 OK"),
            (alice, bob, Transport::Tcp, b"ACK"),
        ]);
        let numbers: Vec<_> = packets
            .iter()
            .map(|(_, bytes)| {
                let packet = SlicedPacket::from_ip(bytes).unwrap();
                let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("TCP goes in, TCP comes out") };
                (tcp.sequence_number(), tcp.acknowledgment_number(), tcp.payload().len())
            })
            .collect();
        let end = 1 + SEGMENT as u32 + 10;
        assert_eq!(numbers, [(1, 1, SEGMENT), (1 + SEGMENT as u32, 1, 10), (1, end, 6), (end, 7, 3)]);
    }
}
