//! MIKEY in a capture: in the SDP of SIP, in the headers of RTSP, and on a port of its own, over UDP and TCP.

use crate::fault::{Fault, usage};
use etherparse::defrag::IpDefragPool;
use etherparse::{EtherType, IpNumber, NetSlice, SlicedPacket, TcpSlice, TransportSlice, UdpSlice};
use keyphone_keying::workbench::input::{Carrier, Found, Packet, Place, find_in_lines};
use keyphone_keying::workbench::stream::{First, first};
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// MIKEY's own port (RFC 3830 section 10).
const PORT: u16 = 2269;
/// Datagrams in pieces are put together out of the last so many pieces.
const PIECES: usize = 256;
/// Octets of the header that `tcpdump -i any` writes in place of Ethernet's (LINKTYPE_LINUX_SLL2): it begins with the
/// protocol, as Ethernet numbers it.
const SLL2: usize = 20;
/// Segments that came before their time; more of one stream are lost.
const EARLY: usize = 1024;

/// Does a file begin as a capture does?
pub(super) fn is_one(octets: &[u8]) -> bool {
    const MAGIC: [[u8; 4]; 5] = [
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0xa1, 0xb2, 0x3c, 0x4d],
        [0x4d, 0x3c, 0xb2, 0xa1],
        [0x0a, 0x0d, 0x0d, 0x0a],
    ];
    MAGIC.iter().any(|magic| octets.starts_with(magic))
}

/// The messages, in the order in which they end. What is cut short in the file, or cannot be read, is left out with a
/// warning.
pub(super) fn messages(octets: &[u8]) -> Result<Vec<Found>, Fault> {
    let mut reader = Capture::default();
    let mut cut = None;
    let bad = |error: pcap_file::PcapError| usage(format!("this capture cannot be read: {error}"));
    if octets.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        let mut file = PcapNgReader::new(octets).map_err(bad)?;
        while let Some(block) = file.next_block() {
            let (interface, data) = match block {
                Ok(Block::EnhancedPacket(packet)) => (packet.interface_id, packet.data.into_owned()),
                Ok(Block::SimplePacket(packet)) => (0, packet.data.into_owned()),
                Ok(_) => continue,
                // A capture that was interrupted ends in the middle.
                Err(error) => {
                    cut = Some(error);
                    break;
                }
            };
            let link = file.interfaces().get(interface as usize).map_or(DataLink::ETHERNET, |i| i.linktype);
            reader.packet(link, &data);
        }
    } else {
        let mut file = PcapReader::new(octets).map_err(bad)?;
        let link = file.header().datalink;
        while let Some(packet) = file.next_packet() {
            match packet {
                Ok(packet) => reader.packet(link, &packet.data),
                Err(error) => {
                    cut = Some(error);
                    break;
                }
            }
        }
    }
    if let Some(error) = cut {
        tracing::warn!("the capture is cut short after packet {}: {error}", reader.number);
    }
    Ok(reader.end())
}

type Flow = (SocketAddr, SocketAddr);

/// What was seen so far.
#[derive(Default)]
struct Capture {
    number: usize,
    found: Vec<Found>,
    pieces: IpDefragPool<usize, ()>,
    streams: BTreeMap<Flow, Stream>,
    /// The kind of link of packets that nobody here can read, by its number in captures.
    unknown: Option<u32>,
}

/// One direction of a TCP connection.
#[derive(Default)]
struct Stream {
    octets: Vec<u8>,
    /// The sequence number that comes next.
    next: Option<u32>,
    early: BTreeMap<u32, Vec<u8>>,
    /// Up to where the octets had come with which packet.
    marks: Vec<(usize, usize)>,
}

impl Capture {
    fn packet(&mut self, link: DataLink, data: &[u8]) {
        self.number += 1;
        let sliced = match link {
            DataLink::ETHERNET => SlicedPacket::from_ethernet(data),
            DataLink::LINUX_SLL => SlicedPacket::from_linux_sll(data),
            DataLink::LINUX_SLL2 => match data.split_at_checked(SLL2) {
                Some(([high, low, ..], rest)) => {
                    SlicedPacket::from_ether_type(EtherType(u16::from_be_bytes([*high, *low])), rest)
                }
                _ => return,
            },
            DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => SlicedPacket::from_ip(data),
            // The address family, in four octets of either order.
            DataLink::NULL | DataLink::LOOP => SlicedPacket::from_ip(data.get(4..).unwrap_or_default()),
            other => {
                self.unknown = Some(other.into());
                return;
            }
        };
        let Ok(sliced) = sliced else { return };
        let Some((from, to)) = addresses(&sliced) else { return };
        if sliced.is_ip_payload_fragmented() {
            let oldest = self.number.saturating_sub(PIECES);
            self.pieces.retain(|seen| *seen >= oldest);
            if let Ok(Some(whole)) = self.pieces.process_sliced_packet(&sliced, self.number, ()) {
                match whole.ip_number {
                    IpNumber::UDP => {
                        UdpSlice::from_slice(&whole.payload).into_iter().for_each(|udp| self.udp((from, to), &udp))
                    }
                    IpNumber::TCP => {
                        TcpSlice::from_slice(&whole.payload).into_iter().for_each(|tcp| self.tcp((from, to), &tcp))
                    }
                    _ => {}
                }
                self.pieces.return_buf(whole);
            }
            return;
        }
        match &sliced.transport {
            Some(TransportSlice::Udp(udp)) => self.udp((from, to), udp),
            Some(TransportSlice::Tcp(tcp)) => self.tcp((from, to), tcp),
            _ => {}
        }
    }

    fn udp(&mut self, (from, to): (IpAddr, IpAddr), udp: &UdpSlice<'_>) {
        let flow = (SocketAddr::new(from, udp.source_port()), SocketAddr::new(to, udp.destination_port()));
        let place = Place { packet: Some(packet(self.number, "UDP", flow)), line: None };
        let payload = udp.payload();
        if is_ours(flow) {
            self.found.push(Found::octets(payload, Carrier::Port, place));
        } else {
            self.found.extend(in_text(payload, &place));
        }
    }

    fn tcp(&mut self, (from, to): (IpAddr, IpAddr), tcp: &TcpSlice<'_>) {
        let flow = (SocketAddr::new(from, tcp.source_port()), SocketAddr::new(to, tcp.destination_port()));
        let stream = self.streams.entry(flow).or_default();
        // A SYN takes one number of its own.
        let sequence = tcp.sequence_number().wrapping_add(u32::from(tcp.syn()));
        if tcp.syn() {
            stream.next = Some(sequence);
        }
        if !tcp.payload().is_empty() {
            stream.segment(sequence, tcp.payload(), self.number);
        }
    }

    /// What is in the streams.
    fn end(mut self) -> Vec<Found> {
        if let Some(link) = self.unknown {
            tracing::warn!("the capture has packets of link type {link}, which cannot be read here");
        }
        for (flow, stream) in std::mem::take(&mut self.streams) {
            if !stream.early.is_empty() {
                let (from, to) = flow;
                tracing::warn!("TCP {from} > {to} has a hole in this capture: what follows it is left out");
            }
            let place = |end: usize| {
                let number =
                    stream.marks.iter().find(|(mark, _)| *mark >= end).map_or(self.number, |(_, packet)| *packet);
                Place { packet: Some(packet(number, "TCP", flow)), line: None }
            };
            if is_ours(flow) {
                let mut at = 0;
                while at < stream.octets.len() {
                    let rest = &stream.octets[at..];
                    let len = if let First::Whole(len) = first(rest) { len } else { rest.len() };
                    at += len;
                    self.found.push(Found::octets(&rest[..len], Carrier::Port, place(at)));
                }
                continue;
            }
            let mut at = 0;
            for message in text_messages(&stream.octets) {
                at += message.len();
                self.found.extend(in_text(message, &place(at)));
            }
        }
        self.found.sort_by_key(|found| found.place.packet.as_ref().map(|packet| packet.number));
        self.found
    }
}

impl Stream {
    fn segment(&mut self, sequence: u32, payload: &[u8], number: usize) {
        // A capture may begin in the middle of a connection.
        let next = *self.next.get_or_insert(sequence);
        if is_ahead(sequence, next) {
            if self.early.len() < EARLY {
                self.early.insert(sequence, payload.to_vec());
            }
            return;
        }
        self.take(sequence, payload, number);
        // What came early may now be next, or be known already.
        while let Some(at) = self.early.keys().copied().find(|&at| !is_ahead(at, self.next.unwrap_or(at))) {
            let payload = self.early.remove(&at).unwrap_or_default();
            self.take(at, &payload, number);
        }
    }

    /// Appends what is new in a segment that does not lie ahead.
    fn take(&mut self, sequence: u32, payload: &[u8], number: usize) {
        let next = self.next.unwrap_or(sequence);
        let known = next.wrapping_sub(sequence) as usize;
        let Some(new) = payload.get(known..).filter(|new| !new.is_empty()) else { return };
        self.octets.extend_from_slice(new);
        self.next = Some(next.wrapping_add(new.len() as u32));
        self.marks.push((self.octets.len(), number));
    }
}

/// Does a sequence number lie ahead of another (RFC 9293 section 3.4)?
fn is_ahead(sequence: u32, next: u32) -> bool {
    sequence.wrapping_sub(next) as i32 > 0
}

fn addresses(packet: &SlicedPacket<'_>) -> Option<(IpAddr, IpAddr)> {
    match &packet.net {
        Some(NetSlice::Ipv4(ip)) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
        Some(NetSlice::Ipv6(ip)) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
        _ => None,
    }
}

fn is_ours((from, to): Flow) -> bool {
    from.port() == PORT || to.port() == PORT
}

fn packet(number: usize, transport: &str, (from, to): Flow) -> Packet {
    Packet { number, route: format!("{transport} {from} > {to}") }
}

/// The messages in SIP or RTSP.
fn in_text(octets: &[u8], place: &Place) -> Vec<Found> {
    let text = String::from_utf8_lossy(octets);
    let found = find_in_lines(&text);
    found
        .into_iter()
        .map(|found| Found { place: Place { packet: place.packet.clone(), ..found.place }, ..found })
        .collect()
}

/// A stream of SIP or RTSP messages, cut before every start line.
fn text_messages(octets: &[u8]) -> Vec<&[u8]> {
    let is_start = |line: &[u8]| {
        let line = line.trim_ascii();
        [&b"SIP/2.0"[..], b"RTSP/1.0", b"RTSP/2.0"].iter().any(|name| line.starts_with(name) || line.ends_with(name))
    };
    let (mut messages, mut begin, mut at) = (vec![], 0, 0);
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        // "Via: SIP/2.0/UDP .." neither begins nor ends with it.
        if is_start(line) && at > begin {
            messages.push(&octets[begin..at]);
            begin = at;
        }
        at += line.len();
    }
    messages.push(&octets[begin..]);
    messages
}

#[cfg(test)]
mod tests;
