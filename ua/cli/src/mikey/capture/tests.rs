//! Captures as they come from networks: in pieces, out of order, over odd links.

use super::*;

const MESSAGE: &[u8] = b"\x01\x00\x0b\x00\x01\x02\x03\x04\x00\x01\x00\x10sixteen octets!!";

fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len() as u16).to_be_bytes();
    let header = [0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    [&header[..], payload].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let (port, length) = (port.to_be_bytes(), (8 + payload.len() as u16).to_be_bytes());
    ip(17, &[&port, &port, &length, &[0, 0][..], payload].concat())
}

fn tcp(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let port = PORT.to_be_bytes();
    let rest = [0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0];
    ip(6, &[&port, &port, &sequence.to_be_bytes()[..], &rest, payload].concat())
}

/// A file of packets over a kind of link.
fn file(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let mut octets = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, link]);
    for packet in packets {
        let length = packet.len() as u32;
        octets.extend([words(&[1, 0, length, length]), packet.clone()].concat());
    }
    octets
}

fn found(octets: &[u8]) -> Vec<Vec<u8>> {
    messages(octets).unwrap().into_iter().map(|found| found.bytes.unwrap().to_vec()).collect()
}

#[test]
fn what_tcpdump_writes_of_any_interface_is_read() {
    let cooked = |packet: &[u8]| [&[8, 0, 0, 0, 0, 0, 0, 1, 3, 4, 0, 6], &[0; 8][..], packet].concat();
    assert_eq!(found(&file(276, &[cooked(&udp(PORT, MESSAGE)), vec![8, 0]])), [MESSAGE]);
    let ethernet = |packet: &[u8]| [&[0; 12], &[8, 0][..], packet].concat();
    assert_eq!(found(&file(1, &[ethernet(&udp(PORT, MESSAGE))])), [MESSAGE]);
    assert_eq!(found(&file(101, &[udp(PORT, MESSAGE)])), [MESSAGE]);
    assert!(found(&file(147, &[udp(PORT, MESSAGE)])).is_empty(), "nobody knows that link");
}

#[test]
fn a_stream_is_put_together_whatever_came_early_twice_or_in_parts() {
    let part = |from: usize, to: usize| tcp(0xffff_fff0_u32.wrapping_add(from as u32), &MESSAGE[from..to]);
    for order in [
        [(0, 5), (5, 9), (9, 28), (0, 28), (0, 28)],
        [(0, 5), (9, 28), (5, 9), (9, 28), (0, 5)],
        // What came early is known when its time comes, and what follows it is not to wait for more.
        [(0, 5), (6, 8), (12, 28), (5, 12), (3, 4)],
        [(0, 5), (20, 28), (7, 25), (5, 12), (0, 1)],
    ] {
        assert_eq!(found(&file(101, &order.map(|(from, to)| part(from, to)))), [MESSAGE], "{order:?}");
    }
    let hole = [(0, 5), (9, 28)].map(|(from, to)| part(from, to));
    assert_eq!(found(&file(101, &hole)), [&MESSAGE[..5]]);
}

#[test]
fn a_capture_that_is_cut_short_says_what_was_in_it() {
    let whole = file(101, &[udp(PORT, MESSAGE), udp(PORT, MESSAGE)]);
    assert_eq!(found(&whole).len(), 2);
    for end in 0..whole.len() {
        let count = messages(&whole[..end]).map_or(0, |found| found.len());
        assert_eq!(count, usize::from(end >= 24 + 16 + 20 + 8 + MESSAGE.len()), "{end}");
    }
}
