//! Writing our own compounds.

use super::{BYE, CNAME, RR, ReportBlock, SDES, SR, SenderInfo};
use crate::rtp::Ssrc;

/// A text of at most 255 octets: a CNAME, a reason for leaving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Box<str>);

impl Text {
    /// `None` if it is longer than 255 octets, which is what one octet can count (RFC 3550 sections 6.5 and 6.6).
    pub fn new(text: &str) -> Option<Self> {
        (text.len() <= usize::from(u8::MAX)).then(|| Self(text.into()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.0.len() as u8); // `new` has measured it
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// One compound of an endpoint: a report, who it is from, and perhaps a goodbye (RFC 3550 section 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// Our SSRC.
    pub ssrc: Ssrc,
    /// Present if we have sent since the last report but one: the report is then an SR, else an RR.
    pub info: Option<SenderInfo>,
    /// One block for each stream that we have heard since the last report.
    pub blocks: &'a [ReportBlock],
    /// Our canonical name, the same in all our streams.
    pub cname: &'a Text,
    /// We leave; why may be empty.
    pub bye: Option<&'a Text>,
}

impl Report<'_> {
    /// RC has five bits; what is more goes into further RRs (RFC 3550 section 6.1).
    const MAX_BLOCKS: usize = 31;

    /// Appends the whole compound to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (first, more) = self.blocks.split_at(self.blocks.len().min(Self::MAX_BLOCKS));
        self.report(first, self.info, out);
        more.chunks(Self::MAX_BLOCKS).for_each(|blocks| self.report(blocks, None, out));
        packet(SDES, 1, out, |out| {
            out.extend_from_slice(&self.ssrc.0.to_be_bytes());
            out.push(CNAME);
            self.cname.write(out);
            out.push(0); // ends the list; `packet` pads it on (RFC 3550 section 6.5)
        });
        if let Some(reason) = self.bye {
            packet(BYE, 1, out, |out| {
                out.extend_from_slice(&self.ssrc.0.to_be_bytes());
                if !reason.as_str().is_empty() {
                    reason.write(out);
                }
            });
        }
    }

    fn report(&self, blocks: &[ReportBlock], info: Option<SenderInfo>, out: &mut Vec<u8>) {
        packet(if info.is_some() { SR } else { RR }, blocks.len() as u8, out, |out| {
            out.extend_from_slice(&self.ssrc.0.to_be_bytes());
            if let Some(SenderInfo { ntp, timestamp, packets, octets }) = info {
                out.extend_from_slice(&ntp.0.to_be_bytes());
                [timestamp, packets, octets].iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
            }
            for block in blocks {
                let lost = block.lost.clamp(*ReportBlock::LOST.start(), *ReportBlock::LOST.end());
                let losses = u32::from(block.fraction_lost) << 24 | lost.cast_unsigned() & 0x00ff_ffff;
                let ReportBlock { ssrc, highest, jitter, last_sr, since_last_sr, .. } = block;
                [ssrc.0, losses, *highest, *jitter, *last_sr, *since_last_sr]
                    .iter()
                    .for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
            }
        });
    }
}

/// Writes a header, a body, zeros up to the next 32-bit boundary, and then the length into the header.
fn packet(kind: u8, count: u8, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count, kind, 0, 0]);
    body(out);
    out.resize(start + (out.len() - start).next_multiple_of(4), 0);
    // At most 31 blocks or 255 octets of text: far from 2^16 words.
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}
