//! Reading compounds of others.

use super::{BYE, CNAME, Malformed, RR, ReportBlock, SDES, SR, SenderInfo, take};
use crate::env::NtpTime;
use crate::rtp::Ssrc;

/// An RTCP compound whose every packet has been read once, so that none can fail any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compound<'a>(&'a [u8]);

/// One packet of a compound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A sender report (`info` is there) or a receiver report (RFC 3550 sections 6.4.1 and 6.4.2).
    Report {
        /// Who reports.
        ssrc: Ssrc,
        /// What it has sent itself.
        info: Option<SenderInfo>,
        /// What it has heard.
        blocks: Vec<ReportBlock>,
    },
    /// A source description (RFC 3550 section 6.5).
    Description(Vec<Chunk<'a>>),
    /// A goodbye (RFC 3550 section 6.6).
    Bye {
        /// Who leaves.
        sources: Vec<Ssrc>,
        /// Why, if it says so in UTF-8.
        reason: Option<&'a str>,
    },
    /// A packet type that is not read here: to be ignored (RFC 3550 section 6.1).
    Other(u8),
}

/// What a description says about one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Whom it describes.
    pub ssrc: Ssrc,
    /// Its canonical name, if it is there and in UTF-8.
    pub cname: Option<&'a str>,
}

impl<'a> Compound<'a> {
    /// RFC 3550 appendix A.2: version 2 throughout, a report first, padding at most in the last packet, and lengths
    /// that add up. The counts inside each packet must fit, too.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let compound = Self(bytes);
        match bytes.get(1) {
            None => return Err(Malformed::Short(0)),
            Some(&(SR | RR)) => {}
            Some(other) => return Err(Malformed::NoReport(*other)),
        }
        compound.read().try_for_each(|packet| packet.map(drop))?;
        Ok(compound)
    }

    /// Packet by packet.
    pub fn packets(self) -> impl Iterator<Item = Packet<'a>> {
        self.read().map_while(Result::ok)
    }

    fn read(self) -> impl Iterator<Item = Result<Packet<'a>, Malformed>> {
        let (mut rest, mut n) = (self.0, 0);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (packet, after) = match split(rest, n) {
                Ok((packet, after)) => (read(packet, n), after),
                Err(error) => (Err(error), &[][..]),
            };
            (rest, n) = (after, n + 1);
            Some(packet)
        })
    }
}

/// Cuts off the `n`th packet, without its padding.
fn split(bytes: &[u8], n: usize) -> Result<(&[u8], &[u8]), Malformed> {
    let (&[flags, _, words0, words1], _) = take(bytes).ok_or(Malformed::Short(n))?;
    if flags >> 6 != 2 {
        return Err(Malformed::Version(n));
    }
    let len = 4 + 4 * usize::from(u16::from_be_bytes([words0, words1]));
    let (packet, rest) = bytes.split_at_checked(len).ok_or(Malformed::Short(n))?;
    if flags & 0x20 == 0 {
        return Ok((packet, rest));
    }
    // RFC 3550 section 6.4.1: only on the last packet; the last octet counts, itself included, in multiples of four.
    let count = usize::from(packet[len - 1]);
    if !rest.is_empty() || count == 0 || count % 4 != 0 || count > len - 4 {
        return Err(Malformed::Padding(n));
    }
    Ok((&packet[..len - count], rest))
}

fn read(packet: &[u8], n: usize) -> Result<Packet<'_>, Malformed> {
    let (&[flags, kind, _, _], body) = take(packet).ok_or(Malformed::Short(n))?;
    let count = usize::from(flags & 0x1f);
    match kind {
        SR | RR => report(kind == SR, count, body).ok_or(Malformed::Short(n)),
        SDES => description(count, body).ok_or(Malformed::Items(n)),
        BYE => bye(count, body).ok_or(Malformed::Items(n)),
        other => Ok(Packet::Other(other)),
    }
}

/// What follows the report blocks is a profile's own (RFC 3550 section 6.4.3) and is left alone.
fn report(sender: bool, count: usize, body: &[u8]) -> Option<Packet<'_>> {
    let (ssrc, mut rest) = word(body)?;
    let mut info = None;
    if sender {
        let (&ntp, after) = take::<8>(rest)?;
        let (timestamp, after) = word(after)?;
        let (packets, after) = word(after)?;
        let (octets, after) = word(after)?;
        info = Some(SenderInfo { ntp: NtpTime(u64::from_be_bytes(ntp)), timestamp, packets, octets });
        rest = after;
    }
    let blocks = rest.get(..count * ReportBlock::LEN)?.chunks_exact(ReportBlock::LEN).filter_map(block).collect();
    Some(Packet::Report { ssrc: Ssrc(ssrc), info, blocks })
}

fn block(bytes: &[u8]) -> Option<ReportBlock> {
    let (ssrc, rest) = word(bytes)?;
    let (losses, rest) = word(rest)?;
    let (highest, rest) = word(rest)?;
    let (jitter, rest) = word(rest)?;
    let (last_sr, rest) = word(rest)?;
    let (since_last_sr, _) = word(rest)?;
    let lost = (losses << 8).cast_signed() >> 8; // 24 bits with a sign
    Some(ReportBlock {
        ssrc: Ssrc(ssrc),
        fraction_lost: (losses >> 24) as u8,
        lost,
        highest,
        jitter,
        last_sr,
        since_last_sr,
    })
}

/// RFC 3550 section 6.5: each chunk is an SSRC and items, ended by a null octet and padded with more of them to the
/// next 32-bit boundary.
fn description(count: usize, body: &[u8]) -> Option<Packet<'_>> {
    let mut rest = body;
    let chunks = (0..count).map(|_| {
        let (ssrc, mut items) = word(rest)?;
        let mut cname = None;
        loop {
            match items {
                [0, ..] => break,
                [kind, len, after @ ..] => {
                    let (text, after) = after.split_at_checked(usize::from(*len))?;
                    if *kind == CNAME {
                        cname = std::str::from_utf8(text).ok();
                    }
                    items = after;
                }
                _ => return None,
            }
        }
        // `rest` is whole words, so the words that are left begin at the boundary after the null octet.
        let left = (items.len() - 1) / 4 * 4;
        rest = &rest[rest.len() - left..];
        Some(Chunk { ssrc: Ssrc(ssrc), cname })
    });
    chunks.collect::<Option<_>>().map(Packet::Description)
}

fn bye(count: usize, body: &[u8]) -> Option<Packet<'_>> {
    let (sources, rest) = body.split_at_checked(4 * count)?;
    let sources = sources.chunks_exact(4).filter_map(word).map(|(ssrc, _)| Ssrc(ssrc)).collect();
    let reason = match rest.split_first() {
        None => None,
        Some((len, text)) => std::str::from_utf8(text.get(..usize::from(*len))?).ok(),
    };
    Some(Packet::Bye { sources, reason })
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    take(bytes).map(|(word, rest)| (u32::from_be_bytes(*word), rest))
}
