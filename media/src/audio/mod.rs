//! Audio: where 20 ms frames come from, where they go, and how they look in a packet.
//!
//! Everything here is mono, 16-bit and at one codec's rate: a [`Source`] is built for that rate (files are resampled
//! once, when they are opened), a [`Sink`] records at it. [`codec`] turns frames into payloads, [`jitter`] puts
//! payloads back in time, [`dtmf`] sends and hears keys, [`compare`] says whether what was heard is what was said.

pub mod codec;
pub mod compare;
pub mod dtmf;
pub mod file;
pub mod jitter;
pub mod tone;

pub use file::Clip;

use std::path::{Path, PathBuf};

/// Mono 16-bit samples.
pub type Pcm = Vec<i16>;

/// A frame lasts 20 ms (RFC 3551 section 4.2, the default packetization interval).
pub const FRAMES_PER_SECOND: u32 = 50;

/// A recording ends after this many samples: 6 h at 48 kHz, 37 h at 8 kHz. A WAV header could not count far beyond it.
pub const RECORDING_LIMIT: usize = 1 << 30;

/// Why audio cannot be played, recorded or coded: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// A file that cannot be a source.
    #[error("cannot play {}: {why}", path.display())]
    Play {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file that cannot be a sink.
    #[error("cannot record to {}: {why}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A recording has reached [`RECORDING_LIMIT`].
    #[error("the recording is full; it keeps what was heard so far")]
    Full,
    /// A source or a sink at another rate than the codec's.
    #[error("{codec} runs at {wanted} Hz, but the audio at {got} Hz")]
    Rate {
        /// The codec's name.
        codec: &'static str,
        /// Its rate in Hz.
        wanted: u32,
        /// The source's or sink's rate in Hz.
        got: u32,
    },
    /// A codec library said no.
    #[error("{codec} failed: {why}")]
    Codec {
        /// The codec's name.
        codec: &'static str,
        /// What the library says.
        why: String,
    },
}

/// Where frames come from. Pulled once per 20 ms.
#[derive(Debug)]
pub enum Source {
    /// Samples in memory, from a WAV file or a test: they end.
    Samples(Samples),
    /// A sine without end.
    Tone(tone::Tone),
    /// Silence without end, at this rate in Hz.
    Silence(u32),
}

impl Source {
    /// A WAV file, resampled to `rate` Hz.
    pub fn wav(path: &Path, rate: u32) -> Result<Self, AudioError> {
        Ok(Self::samples(file::Clip::load(path)?.at(rate)?, rate))
    }

    /// These samples, which are at `rate` Hz.
    pub fn samples(pcm: Pcm, rate: u32) -> Self {
        Self::Samples(Samples { rate, pcm, next: 0 })
    }

    /// A sine of `hz` at `rate` Hz.
    pub fn tone(hz: f64, rate: u32) -> Self {
        Self::Tone(tone::Tone::new(hz, rate))
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        match self {
            Self::Samples(s) => s.rate,
            Self::Tone(t) => t.rate(),
            Self::Silence(rate) => *rate,
        }
    }

    /// Fills `frame`, the rest with silence, and says how many samples are the source's own: 0 = it has ended.
    pub fn read(&mut self, frame: &mut [i16]) -> usize {
        frame.fill(0);
        match self {
            Self::Samples(s) => {
                let left = &s.pcm[s.next..];
                let n = left.len().min(frame.len());
                frame[..n].copy_from_slice(&left[..n]);
                s.next += n;
                n
            }
            Self::Tone(t) => {
                t.fill(frame);
                frame.len()
            }
            Self::Silence(_) => frame.len(),
        }
    }
}

/// Samples in memory and how far they have been read.
#[derive(Debug)]
pub struct Samples {
    rate: u32,
    pcm: Pcm,
    next: usize,
}

/// Where frames go. Pushed once per 20 ms.
#[derive(Debug)]
pub enum Sink {
    /// A 16-bit mono WAV file.
    Wav(file::WavSink),
    /// Samples kept in memory.
    Memory(Pcm, u32),
    /// Nowhere; at this rate in Hz.
    Null(u32),
}

impl Sink {
    /// Creates (or overwrites) a WAV file at `rate` Hz.
    pub fn wav(path: &Path, rate: u32) -> Result<Self, AudioError> {
        Ok(Self::Wav(file::WavSink::create(path, rate)?))
    }

    /// Keeps everything, at `rate` Hz.
    pub fn memory(rate: u32) -> Self {
        Self::Memory(Pcm::new(), rate)
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        match self {
            Self::Wav(w) => w.rate(),
            Self::Memory(_, rate) | Self::Null(rate) => *rate,
        }
    }

    /// Appends a frame.
    pub fn write(&mut self, frame: &[i16]) -> Result<(), AudioError> {
        match self {
            Self::Wav(w) => w.write(frame),
            Self::Memory(pcm, _) if pcm.len() + frame.len() > RECORDING_LIMIT => Err(AudioError::Full),
            Self::Memory(pcm, _) => {
                pcm.extend_from_slice(frame);
                Ok(())
            }
            Self::Null(_) => Ok(()),
        }
    }

    /// Writes out what is still buffered. More may follow.
    pub fn finish(&mut self) -> Result<(), AudioError> {
        match self {
            Self::Wav(w) => w.flush(),
            Self::Memory(..) | Self::Null(_) => Ok(()),
        }
    }

    /// What a memory sink has heard; nothing for the others.
    pub fn heard(&self) -> &[i16] {
        match self {
            Self::Memory(pcm, _) => pcm,
            Self::Wav(_) | Self::Null(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_ends_with_a_padded_frame_and_then_says_zero() {
        let mut source = Source::samples(vec![7; 5], 8000);
        let mut frame = [1; 4];
        assert_eq!((source.read(&mut frame), frame), (4, [7; 4]));
        assert_eq!((source.read(&mut frame), frame), (1, [7, 0, 0, 0]));
        assert_eq!((source.read(&mut frame), frame), (0, [0; 4]));
    }
}
