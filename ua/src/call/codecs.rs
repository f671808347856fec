//! What we speak, as an m-line says it.

use crate::sdp::CodecLine;
use keyphone_media::audio::codec::Codec;

/// The codecs: static payload types where there are any (RFC 3551 table 4), 96 and on for the others. Behind them stand
/// key presses at each clock, for one SSRC has one clock (RFC 4733 section 2.5.1.2); 101 is what most call them at 8000.
pub(crate) fn codec_lines(codecs: &[Codec]) -> Vec<CodecLine> {
    let mut lines = voices(codecs);
    let mut clocks: Vec<u32> = lines.iter().map(|line| line.clock).collect();
    clocks.sort_unstable();
    clocks.dedup();
    lines.extend((101..=127).zip(clocks).map(|(number, clock)| CodecLine::telephone_event(number, clock)));
    lines
}

fn voices(codecs: &[Codec]) -> Vec<CodecLine> {
    let mut dynamic = 96..=100;
    let line = |codec: &Codec| {
        let payload_type = codec.static_payload_type().or_else(|| dynamic.next())?;
        // RFC 7587 section 7: Opus is always written with two channels.
        let channels = if *codec == Codec::Opus { 2 } else { 1 };
        Some(CodecLine::new(payload_type, codec.name(), codec.rate(), channels))
    };
    codecs.iter().filter_map(line).collect()
}

/// The codec that a line names, if it is one of ours.
pub(super) fn codec_of(line: &CodecLine) -> Option<Codec> {
    voices(&Codec::ALL).iter().position(|ours| ours.is_same_codec(line)).map(|i| Codec::ALL[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clock_has_its_key_presses_and_they_are_no_voice() {
        let lines = codec_lines(&[Codec::Opus, Codec::Pcmu, Codec::Pcma]);
        let written: Vec<String> = lines.iter().map(|line| format!("{} {}", line.payload_type, line.clock)).collect();
        assert_eq!(written, ["96 48000", "0 8000", "8 8000", "101 8000", "102 48000"]);
        let voices: Vec<_> = lines.iter().map(codec_of).collect();
        assert_eq!(voices, [Some(Codec::Opus), Some(Codec::Pcmu), Some(Codec::Pcma), None, None]);
    }
}
