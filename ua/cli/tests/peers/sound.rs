//! What is said in a call, and whether it was heard, and by whom.

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use keyphone_media::audio::codec::Codec;
use keyphone_media::audio::compare::compare;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// G.711 samples a second.
const RATE: u32 = 8_000;
/// Samples of a packet: 20 ms.
pub(crate) const FRAME: usize = 160;

/// Something like speech that never repeats itself: noise in syllables, with a tone that glides.
pub(crate) struct Speech {
    pub(crate) file: PathBuf,
    pub(crate) pcm: Vec<i16>,
}

impl Speech {
    /// Writes it into a directory; other seeds say other things.
    pub(crate) fn write(directory: &Path, name: &str, seed: u32, milliseconds: u32) -> Self {
        let (mut state, mut low, mut phase) = (seed, 0.0_f64, 0.0_f64);
        let mut sample = |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = f64::from((state >> 16) as i16) / 32_768.0;
            low += 0.4 * (white - low);
            let time = f64::from(n) / f64::from(RATE);
            phase += std::f64::consts::TAU * (200.0 + 700.0 * time + f64::from(seed % 97)) / f64::from(RATE);
            let syllable = 0.55 + 0.45 * (std::f64::consts::TAU * 4.3 * time + f64::from(seed % 7)).sin();
            (syllable * (0.9 * low + 0.2 * phase.sin()) * 20_000.0) as i16
        };
        let pcm: Vec<i16> = (0..RATE * milliseconds / 1_000).map(&mut sample).collect();
        let file = directory.join(name);
        let spec = WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(&file, spec).unwrap();
        pcm.iter().for_each(|s| writer.write_sample(*s).unwrap());
        writer.finalize().unwrap();
        Self { file, pcm }
    }

    /// The whole of it as PCMU.
    pub(crate) fn g711(&self) -> Vec<u8> {
        Codec::Pcmu.encoder().unwrap().encode(&self.pcm).unwrap().to_vec()
    }

    /// Asserts that a recording holds it, as well as PCMU can.
    pub(crate) fn assert_heard(&self, recording: &Path) {
        let mut reader = WavReader::open(recording).unwrap();
        assert_eq!(reader.spec().sample_rate, RATE, "{}", recording.display());
        let heard: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert!(heard.len() >= self.pcm.len() * 9 / 10, "{}: {} samples", recording.display(), heard.len());
        let found = compare(&self.pcm, &heard, RATE as usize);
        assert!(found.correlation >= 0.98, "{}: {found:?}", recording.display());
    }
}

/// Finds words of somebody's speech, as G.711, in payloads.
pub(crate) struct Ears(HashSet<Vec<u8>>);

impl Ears {
    /// So many octets in a row, wherever they begin, are words: a quarter of a frame, so that no whole frame can hide.
    const WORD: usize = FRAME / 4;

    pub(crate) fn new<'a>(speeches: impl IntoIterator<Item = &'a Speech>) -> Self {
        let words = |speech: &Speech| speech.g711().windows(Self::WORD).map(<[u8]>::to_vec).collect::<Vec<_>>();
        Self(speeches.into_iter().flat_map(words).collect())
    }

    pub(crate) fn understand(&self, payload: &[u8]) -> bool {
        payload.windows(Self::WORD).any(|word| self.0.contains(word))
    }
}
