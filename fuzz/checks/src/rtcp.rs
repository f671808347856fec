//! RTP and RTCP as they are when nothing protects them.

use keyphone_media::demux::looks_like_rtp;
use keyphone_media::policy::Policy;
use keyphone_media::rtcp::{Compound, Packet};
use keyphone_media::rtp::Header;
use keyphone_media::srtp::ClearReceiver;

/// Headers, padding and compounds are measured before they are believed.
pub fn rtcp(data: &[u8]) {
    if let Ok(header) = Header::parse(data) {
        assert!(looks_like_rtp(data));
        let after = data.get(header.octets()..).expect("a header is no longer than its packet");
        if let Ok(frame) = header.frame(after) {
            assert!(after.starts_with(frame.payload) && frame.payload_type < 128);
        }
        let clear = Policy { allow_clear: true, ..Policy::default() }.clear().expect("policy allows it");
        let mut ears = ClearReceiver::new(clear);
        for packet in [data, data] {
            let index = ears.open(packet).map(|heard| heard.index as u16);
            assert!(index.is_none_or(|index| index == header.sequence()));
        }
    }
    let Ok(compound) = Compound::parse(data) else { return };
    let mut octets = 0;
    for (number, packet) in compound.packets().enumerate() {
        octets += 4 + match &packet {
            Packet::Report { info, blocks, .. } => 4 + if info.is_some() { 20 } else { 0 } + 24 * blocks.len(),
            Packet::Description(chunks) => 8 * chunks.len(),
            Packet::Bye { sources, .. } => 4 * sources.len(),
            Packet::Other(_) => 0,
        };
        assert!(number > 0 || matches!(packet, Packet::Report { .. }), "a report goes first");
    }
    assert!((8..=data.len()).contains(&octets), "{octets} of {} octets", data.len());
}
