//! Opus (RFC 6716) by libopus, coded mono at 48 kHz (RFC 7587). Stereo from a peer is mixed down by the decoder.

use super::{AudioError, Pcm};

const RATE: u32 = 48000;
/// RFC 7587 section 3.1.1: 28 to 40 kbit/s is the sweet spot of full-band speech.
const BITRATE: i32 = 40000;
/// Above any packet that 20 ms at our bit rate can become.
const LARGEST_PAYLOAD: usize = 1275;
/// Opus conceals in multiples of 2.5 ms, in samples.
const SMALLEST_FRAME: usize = 120;

fn fail(e: ::opus::Error) -> AudioError {
    AudioError::Codec { codec: "opus", why: e.description().into() }
}

/// How many samples at 48 kHz the payload stands for (RFC 6716 section 3.2).
pub(super) fn samples_in(payload: &[u8]) -> Option<usize> {
    ::opus::packet::get_nb_samples(payload, RATE).ok()
}

pub(super) struct Encoder(::opus::Encoder);

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("opus::Encoder")
    }
}

impl Encoder {
    pub(super) fn new() -> Result<Self, AudioError> {
        let mut encoder =
            ::opus::Encoder::new(RATE, ::opus::Channels::Mono, ::opus::Application::Voip).map_err(fail)?;
        encoder.set_bitrate(::opus::Bitrate::Bits(BITRATE)).map_err(fail)?;
        // RFC 7587 section 3.1.2 and RFC 6562: with a variable rate the sizes of encrypted packets tell words apart.
        encoder.set_vbr(false).map_err(fail)?;
        Ok(Self(encoder))
    }

    pub(super) fn encode(&mut self, frame: &[i16], payload: &mut Vec<u8>) -> Result<(), AudioError> {
        payload.resize(LARGEST_PAYLOAD, 0);
        let n = self.0.encode(frame, payload).map_err(fail)?;
        payload.truncate(n);
        Ok(())
    }
}

pub(super) struct Decoder(::opus::Decoder);

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("opus::Decoder")
    }
}

impl Decoder {
    pub(super) fn new() -> Result<Self, AudioError> {
        ::opus::Decoder::new(RATE, ::opus::Channels::Mono).map(Self).map_err(fail)
    }

    /// Appends at most `samples`; an empty payload, or one that libopus refuses, is concealed.
    pub(super) fn decode(&mut self, payload: &[u8], samples: usize, pcm: &mut Pcm) {
        let start = pcm.len();
        pcm.resize(start + samples, 0);
        let decoded = match payload {
            [] => Err(()),
            payload => self.0.decode(payload, &mut pcm[start..], false).map_err(|_| ()),
        };
        let concealable = samples - samples % SMALLEST_FRAME;
        let n = decoded
            .or_else(|()| self.0.decode(&[], &mut pcm[start..start + concealable], false).map_err(|_| ()))
            .unwrap_or(0);
        pcm.truncate(start + n.min(samples));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_packets_of_a_call_have_one_size_whatever_is_said() {
        let mut encoder = Encoder::new().expect("memory");
        let mut tone = crate::audio::tone::Tone::new(440.0, RATE);
        let mut sizes = std::collections::BTreeSet::new();
        for n in 0..50 {
            let mut frame = [0; 960];
            if n % 10 < 5 {
                tone.fill(&mut frame);
            }
            let mut payload = Vec::new();
            encoder.encode(&frame, &mut payload).expect("20 ms");
            sizes.insert(payload.len());
        }
        assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [100]);
    }

    #[test]
    fn a_lost_packet_sounds_on() {
        let (mut encoder, mut decoder) = (Encoder::new().expect("memory"), Decoder::new().expect("memory"));
        let mut tone = crate::audio::tone::Tone::new(440.0, RATE);
        let mut pcm = Pcm::new();
        for _ in 0..10 {
            let mut frame = [0; 960];
            tone.fill(&mut frame);
            let mut payload = Vec::new();
            encoder.encode(&frame, &mut payload).expect("20 ms");
            decoder.decode(&payload, 960, &mut pcm);
        }
        decoder.decode(&[], 960, &mut pcm);
        assert_eq!(pcm.len(), 11 * 960);
        assert!(pcm[10 * 960..].iter().any(|s| s.unsigned_abs() > 3000));
    }
}
