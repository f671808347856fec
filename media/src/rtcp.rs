//! RTCP on the wire (RFC 3550 section 6): compounds of reports, descriptions and goodbyes.
//!
//! ```text
//! [SR or RR: SSRC, sender info, report blocks][SDES: SSRC CNAME][BYE: SSRC, reason]
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P| RC / SC |      PT       |  length in words, minus one   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

mod read;
mod write;

use crate::env::NtpTime;
use crate::rtp::Ssrc;
pub use read::{Chunk, Compound, Packet};
pub use write::{Report, Text};

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;

/// What a sender says about its own stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report was sent.
    pub ntp: NtpTime,
    /// The same moment in units of the RTP clock.
    pub timestamp: u32,
    /// RTP packets since the stream began.
    pub packets: u32,
    /// Octets of payload since the stream began.
    pub octets: u32,
}

/// What a receiver says about one stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whose stream it is about.
    pub ssrc: Ssrc,
    /// Lost since the last report, in 256ths of what was expected.
    pub fraction_lost: u8,
    /// Lost since the beginning; negative if packets came twice. Written in 24 bits, clamped as RFC 3550 appendix A.3
    /// says.
    pub lost: i32,
    /// The highest sequence number, above its 16 bits the count of its wraps.
    pub highest: u32,
    /// Mean deviation of the interarrival time, in units of the RTP clock.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's NTP time, zero if there was none.
    pub last_sr: u32,
    /// How long ago that report came, in units of 1/65536 s.
    pub since_last_sr: u32,
}

impl ReportBlock {
    const LEN: usize = 24;
    const LOST: std::ops::RangeInclusive<i32> = -0x80_0000..=0x7f_ffff;
}

/// Why bytes are not an RTCP compound (RFC 3550 appendix A.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A packet ends before its header, its length or its counts say so.
    #[error("RTCP packet {0} of a compound is shorter than it says")]
    Short(usize),
    /// Not version 2.
    #[error("RTCP packet {0} of a compound is not of version 2")]
    Version(usize),
    /// A compound begins with a sender or a receiver report.
    #[error("an RTCP compound begins with packet type {0}, not with a report")]
    NoReport(u8),
    /// Padding stands at the end of the last packet only, counts itself and is a multiple of four.
    #[error("RTCP packet {0} of a compound has padding that cannot be")]
    Padding(usize),
    /// A description or a goodbye whose items do not fit into it.
    #[error("RTCP packet {0} of a compound has items that run over its end")]
    Items(usize),
}

/// The first `N` octets, and the rest.
fn take<const N: usize>(bytes: &[u8]) -> Option<(&[u8; N], &[u8])> {
    bytes.split_first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block() -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc(0x22222222),
            fraction_lost: 64,
            lost: -2,
            highest: 0x0001_8000,
            jitter: 5,
            last_sr: 0xb705_2000,
            since_last_sr: 0x0005_4000,
        }
    }

    fn info() -> SenderInfo {
        SenderInfo { ntp: NtpTime(0xb44d_b705_2000_0000), timestamp: 160, packets: 3, octets: 480 }
    }

    fn text(text: &str) -> Text {
        Text::new(text).unwrap()
    }

    fn written(report: &Report<'_>) -> Vec<u8> {
        let mut out = vec![];
        report.write(&mut out);
        out
    }

    fn parse(hex: &str) -> Result<Vec<Packet<'static>>, Malformed> {
        let bytes = hex::decode(hex).unwrap().leak();
        Compound::parse(bytes).map(|compound| compound.packets().collect())
    }

    /// Laid out by hand after the figures of RFC 3550 sections 6.4.1, 6.5 and 6.6; the times are those of its figure 2.
    const GOODBYE: &str = concat!(
        "81c8000c11111111b44db70520000000000000a000000003000001e0",
        "2222222240fffffe0001800000000005b705200000054000",
        "81ca0003111111110105616c69636500",
        "81cb00021111111103627965",
    );

    #[test]
    fn a_sender_says_goodbye_as_rfc_3550_draws_it() {
        let (cname, bye) = (text("alice"), text("bye"));
        let blocks = [block()];
        let report =
            Report { ssrc: Ssrc(0x11111111), info: Some(info()), blocks: &blocks, cname: &cname, bye: Some(&bye) };
        assert_eq!(hex::encode(written(&report)), GOODBYE);
        assert_eq!(
            parse(GOODBYE).unwrap(),
            [
                Packet::Report { ssrc: Ssrc(0x11111111), info: Some(info()), blocks: vec![block()] },
                Packet::Description(vec![Chunk { ssrc: Ssrc(0x11111111), cname: Some("alice") }]),
                Packet::Bye { sources: vec![Ssrc(0x11111111)], reason: Some("bye") },
            ]
        );
    }

    #[test]
    fn who_has_nothing_to_report_sends_an_empty_receiver_report_and_its_name() {
        let cname = text("ab");
        let report = Report { ssrc: Ssrc(1), info: None, blocks: &[], cname: &cname, bye: None };
        assert_eq!(hex::encode(written(&report)), "80c900010000000181ca0003000000010102616200000000");
    }

    #[test]
    fn more_than_31_streams_go_into_further_reports() {
        let (cname, blocks) = (text("a"), [block(); 40]);
        let bytes = written(&Report { ssrc: Ssrc(1), info: None, blocks: &blocks, cname: &cname, bye: None });
        let counts: Vec<_> = Compound::parse(&bytes)
            .unwrap()
            .packets()
            .filter_map(|p| if let Packet::Report { blocks, .. } = p { Some(blocks.len()) } else { None })
            .collect();
        assert_eq!(counts, [31, 9]);
    }

    #[test]
    fn padding_unknown_types_and_profile_extensions_are_tolerated_where_rfc_3550_allows_them() {
        assert_eq!(parse("80c9000100000001a0cc000200000001ffffff04").unwrap()[1..], [Packet::Other(204)]);
        assert_eq!(parse("80c900020000000112345678").unwrap().len(), 1, "a profile's extension");
        assert_eq!(parse("80c900010000000180cb0000").unwrap()[1], Packet::Bye { sources: vec![], reason: None });
        let two = parse("80c900010000000182ca0006000000010101610000000002020262630101640000000000").unwrap();
        let chunk = |ssrc, cname| Chunk { ssrc: Ssrc(ssrc), cname: Some(cname) };
        assert_eq!(two[1], Packet::Description(vec![chunk(1, "a"), chunk(2, "d")]));
    }

    #[test]
    fn lengths_and_counts_that_lie_are_refused() {
        assert_eq!(parse(""), Err(Malformed::Short(0)));
        assert_eq!(parse("98c985fe"), Err(Malformed::Short(0)));
        assert_eq!(parse("80ca0000"), Err(Malformed::NoReport(202)));
        assert_eq!(parse("80c9000000000001"), Err(Malformed::Short(0)), "no room for its SSRC");
        assert_eq!(parse("81c9000100000001"), Err(Malformed::Short(0)), "a block that is not there");
        assert_eq!(parse("80c800010000000180"), Err(Malformed::Short(0)), "an SR without sender info");
        assert_eq!(parse("80c900010000000140ca0000"), Err(Malformed::Version(1)));
        assert_eq!(parse("80c900010000000180ca0001"), Err(Malformed::Short(1)));
        assert_eq!(parse("a0c90002000000010000000480ca0000"), Err(Malformed::Padding(0)), "not the last packet");
        for count in ["00", "03", "0c"] {
            assert_eq!(parse(&format!("a0c9000200000001000000{count}")), Err(Malformed::Padding(0)));
        }
        assert_eq!(parse("80c900010000000181ca000200000001010661"), Err(Malformed::Short(1)));
        assert_eq!(parse("80c900010000000181ca00020000000101066161"), Err(Malformed::Items(1)));
        assert_eq!(parse("80c900010000000181ca00020000000101026161"), Err(Malformed::Items(1)), "no null octet");
        assert_eq!(parse("80c900010000000182cb000100000001"), Err(Malformed::Items(1)));
        assert_eq!(parse("80c900010000000181cb00020000000104616263"), Err(Malformed::Items(1)));
        assert!(Text::new(&"x".repeat(256)).is_none());
    }

    fn blocks() -> impl Strategy<Value = Vec<ReportBlock>> {
        let block = (any::<[u32; 5]>(), any::<u8>(), ReportBlock::LOST).prop_map(|(words, fraction_lost, lost)| {
            let [ssrc, highest, jitter, last_sr, since_last_sr] = words;
            ReportBlock { ssrc: Ssrc(ssrc), fraction_lost, lost, highest, jitter, last_sr, since_last_sr }
        });
        prop::collection::vec(block, 0..70)
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_a_compound_or_an_error(bytes: Vec<u8>) {
            if let Ok(compound) = Compound::parse(&bytes) {
                prop_assert!(compound.packets().count() <= bytes.len() / 4);
            }
        }

        /// Bytes that get past the first checks.
        #[test]
        fn near_misses_are_a_compound_or_an_error(at in 0usize..200, to: u8, cut in 0usize..200) {
            let mut bytes = hex::decode(GOODBYE).unwrap();
            if let Some(octet) = bytes.get_mut(at) {
                *octet = to;
            }
            bytes.truncate(cut);
            if let Ok(compound) = Compound::parse(&bytes) {
                prop_assert!(compound.packets().count() <= bytes.len() / 4);
            }
        }

        #[test]
        fn what_is_written_is_read(ssrc: u32, send: bool, blocks in blocks(), cname in ".{0,60}", bye in prop::option::of(".{0,60}")) {
            let (cname, bye) = (text(&cname), bye.as_deref().map(text));
            let report = Report {
                ssrc: Ssrc(ssrc), info: send.then(info), blocks: &blocks, cname: &cname, bye: bye.as_ref(),
            };
            let bytes = written(&report);
            let packets: Vec<_> = Compound::parse(&bytes).unwrap().packets().collect();
            let mut read = vec![];
            for packet in &packets {
                match packet {
                    Packet::Report { ssrc: s, info, blocks } => {
                        prop_assert_eq!(*s, Ssrc(ssrc));
                        prop_assert_eq!(*info, report.info.filter(|_| read.is_empty()));
                        read.extend_from_slice(blocks);
                    }
                    Packet::Description(chunks) => {
                        let chunk = Chunk { ssrc: Ssrc(ssrc), cname: Some(cname.as_str()) };
                        prop_assert_eq!(&chunks[..], [chunk]);
                    }
                    Packet::Bye { sources, reason } => {
                        prop_assert_eq!(&sources[..], [Ssrc(ssrc)]);
                        prop_assert_eq!(reason.unwrap_or(""), bye.as_ref().map_or("", Text::as_str));
                    }
                    Packet::Other(kind) => prop_assert!(false, "nobody wrote type {}", kind),
                }
            }
            prop_assert_eq!(read, blocks);
        }
    }
}
