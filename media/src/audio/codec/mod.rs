//! Codecs: a frame of 20 ms to a payload, and back.

mod opus;
mod pcma;
mod pcmu;

use super::{AudioError, FRAMES_PER_SECOND, Pcm};
use std::str::FromStr;

/// No payload stands for more than this, in milliseconds: Opus goes up to 120 (RFC 6716 section 3.2.5), a G.711 packet
/// may be as long (RFC 3551 section 4.2: receivers should accept 0 to 200 ms).
const LONGEST_PAYLOAD_MS: usize = 200;

/// What an m-line can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 with the mu-law (RFC 3551 section 4.5.14).
    Pcmu,
    /// G.711 with the A-law (RFC 3551 section 4.5.14).
    Pcma,
    /// Opus, coded mono (RFC 7587).
    Opus,
}

impl Codec {
    /// All of them, the best sounding first.
    pub const ALL: [Self; 3] = [Self::Opus, Self::Pcmu, Self::Pcma];

    /// The encoding name of `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::Opus => "opus",
        }
    }

    /// The RTP clock in Hz, at which the audio is sampled too.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            // RFC 7587 section 4.1: the RTP clock is 48000 whatever is coded.
            Self::Opus => 48000,
        }
    }

    /// What `a=rtpmap` says after the payload type.
    pub const fn rtpmap(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
            // RFC 7587 section 7: always 48000 and always 2 channels.
            Self::Opus => "opus/48000/2",
        }
    }

    /// The payload type that needs no `a=rtpmap` (RFC 3551 section 6, table 4); Opus is dynamic, 96 to 127.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::Opus => None,
        }
    }

    /// Samples, and RTP clock ticks, in a frame of 20 ms.
    pub const fn frame(self) -> usize {
        (self.rate() / FRAMES_PER_SECOND) as usize
    }

    /// How many samples a payload stands for; `None` if it is empty, malformed or longer than any honest packet.
    pub fn samples_in(self, payload: &[u8]) -> Option<usize> {
        let samples = match self {
            Self::Pcmu | Self::Pcma => payload.len(),
            Self::Opus => opus::samples_in(payload)?,
        };
        (1..=self.rate() as usize / 1000 * LONGEST_PAYLOAD_MS).contains(&samples).then_some(samples)
    }

    /// A fresh encoder.
    pub fn encoder(self) -> Result<Encoder, AudioError> {
        let coding = match self {
            Self::Pcmu => Encoding::Pcmu,
            Self::Pcma => Encoding::Pcma,
            Self::Opus => Encoding::Opus(opus::Encoder::new()?),
        };
        Ok(Encoder { coding, payload: Vec::new() })
    }

    /// A fresh decoder: one per SSRC.
    pub fn decoder(self) -> Result<Decoder, AudioError> {
        Ok(Decoder(match self {
            Self::Pcmu => Decoding::Pcmu,
            Self::Pcma => Decoding::Pcma,
            Self::Opus => Decoding::Opus(opus::Decoder::new()?),
        }))
    }
}

impl FromStr for Codec {
    type Err = String;

    /// The encoding name in either case: as files and flags spell it.
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|c| c.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no codec of this build, which has {names}")
        })
    }
}

/// Turns frames into payloads; one per stream that we send.
#[derive(Debug)]
pub struct Encoder {
    coding: Encoding,
    payload: Vec<u8>,
}

#[derive(Debug)]
enum Encoding {
    Pcmu,
    Pcma,
    Opus(opus::Encoder),
}

impl Encoder {
    /// The payload of one frame of [`Codec::frame`] samples.
    pub fn encode(&mut self, frame: &[i16]) -> Result<&[u8], AudioError> {
        self.payload.clear();
        match &mut self.coding {
            Encoding::Pcmu => self.payload.extend(frame.iter().map(|s| pcmu::encode(*s))),
            Encoding::Pcma => self.payload.extend(frame.iter().map(|s| pcma::encode(*s))),
            Encoding::Opus(opus) => opus.encode(frame, &mut self.payload)?,
        }
        Ok(&self.payload)
    }
}

/// Turns payloads into samples; one per SSRC that we hear.
#[derive(Debug)]
pub struct Decoder(Decoding);

#[derive(Debug)]
enum Decoding {
    Pcmu,
    Pcma,
    Opus(opus::Decoder),
}

impl Decoder {
    /// Appends what the payload holds, and exactly `samples` of it ([`Codec::samples_in`]); what cannot be decoded is
    /// concealed like a loss.
    pub fn decode(&mut self, payload: &[u8], samples: usize, pcm: &mut Pcm) {
        let end = pcm.len() + samples;
        match &mut self.0 {
            Decoding::Pcmu => pcm.extend(payload.iter().take(samples).map(|b| pcmu::decode(*b))),
            Decoding::Pcma => pcm.extend(payload.iter().take(samples).map(|b| pcma::decode(*b))),
            Decoding::Opus(opus) => opus.decode(payload, samples, pcm),
        }
        pcm.resize(end, 0);
    }

    /// Appends `samples` that stand for lost packets: silence for G.711, Opus' own concealment for Opus.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Pcm) {
        let end = pcm.len() + samples;
        if let Decoding::Opus(opus) = &mut self.0 {
            opus.decode(&[], samples, pcm);
        }
        pcm.resize(end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn static_payload_types_are_those_of_rfc_3551() {
        assert_eq!(Codec::ALL.map(Codec::static_payload_type), [None, Some(0), Some(8)]);
        assert_eq!(Codec::ALL.map(Codec::frame), [960, 160, 160]);
    }

    #[test]
    fn a_payload_has_a_length_in_time_or_is_nobodys() {
        assert_eq!(Codec::Pcmu.samples_in(&[]), None);
        assert_eq!(Codec::Pcmu.samples_in(&[0; 80]), Some(80));
        assert_eq!(Codec::Pcmu.samples_in(&[0; 1601]), None);
        assert_eq!(Codec::Opus.samples_in(&[]), None);
        // RFC 6716 section 3.1: configuration 1 is SILK, 20 ms; code 3 with no frame count is malformed (section 3.2.5).
        assert_eq!(Codec::Opus.samples_in(&[1 << 3]), Some(960));
        assert_eq!(Codec::Opus.samples_in(&[1 << 3 | 3]), None);
    }

    proptest! {
        #[test]
        fn any_payload_decodes_to_its_length(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            for codec in Codec::ALL {
                if let Some(samples) = codec.samples_in(&payload) {
                    let mut pcm = Pcm::new();
                    let mut decoder = codec.decoder().expect("memory");
                    decoder.decode(&payload, samples, &mut pcm);
                    decoder.conceal(77, &mut pcm);
                    prop_assert_eq!(pcm.len(), samples + 77);
                }
            }
        }
    }
}
