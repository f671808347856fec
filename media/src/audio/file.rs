//! WAV files: any that people have is played, one kind is recorded.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

use super::{AudioError, Pcm, RECORDING_LIMIT};

/// Files above this many octets are not read: five minutes of CD sound and hours of telephone sound are below it.
const FILE_LIMIT: u64 = 64 << 20;
/// Longer files are not read, in seconds.
const LENGTH_LIMIT: u64 = 600;
/// Sample rates that a sound card might have written, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 2_000..=384_000;
/// What the resampler works on at a time, in samples.
const RESAMPLER_CHUNK: usize = 1024;

/// A WAV file in memory, mixed to mono: played at whatever rate the codec wants.
#[derive(Clone, Debug)]
pub struct Clip {
    rate: u32,
    /// -1.0 to 1.0.
    mono: Vec<f32>,
}

impl Clip {
    /// Reads a WAV file of any rate, any number of channels and 8 to 32 bits (or float).
    pub fn load(path: &Path) -> Result<Self, AudioError> {
        open(path).and_then(Self::read).map_err(|why| AudioError::Play { path: path.to_owned(), why })
    }

    /// Reads a WAV file that is in memory already; `name` is what errors call it.
    pub fn from_wav(wav: &[u8], name: &str) -> Result<Self, AudioError> {
        Self::read(wav).map_err(|why| AudioError::Play { path: name.into(), why })
    }

    /// Resampled to `rate` Hz.
    pub fn at(&self, rate: u32) -> Result<Pcm, AudioError> {
        resample(&self.mono, self.rate, rate).map_err(|why| AudioError::Play { path: "the clip".into(), why })
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.mono.len() as f64 / f64::from(self.rate))
    }

    fn read(wav: impl Read) -> Result<Self, String> {
        let mut wav = WavReader::new(wav).map_err(|e| not_wav(&e))?;
        let spec = wav.spec();
        if !RATES.contains(&spec.sample_rate) {
            return Err(format!("its header claims a sample rate of {} Hz", spec.sample_rate));
        }
        if u64::from(wav.duration()) > LENGTH_LIMIT * u64::from(spec.sample_rate) {
            return Err(format!("it is longer than {} minutes", LENGTH_LIMIT / 60));
        }
        let mono = mono(&mut wav)?;
        if mono.is_empty() {
            return Err("it holds no sound".into());
        }
        Ok(Self { rate: spec.sample_rate, mono })
    }
}

fn open(path: &Path) -> Result<BufReader<File>, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let meta = file.metadata().map_err(|e| e.to_string())?;
    if !meta.is_file() {
        return Err("it is not a file".into());
    }
    match meta.len() {
        0 => Err("the file is empty".into()),
        1..=FILE_LIMIT => Ok(BufReader::new(file)),
        n => Err(format!("the file has {} MB; at most {} are read", n >> 20, FILE_LIMIT >> 20)),
    }
}

/// What hound's error means to whoever chose the file.
fn not_wav(e: &hound::Error) -> String {
    match e {
        hound::Error::FormatError("no RIFF tag found" | "no WAVE tag found") => "it is not a WAV file".into(),
        hound::Error::FormatError(why) => format!("its WAV header is broken ({why})"),
        hound::Error::Unsupported => "its samples are compressed; convert it to PCM".into(),
        hound::Error::IoError(e)
            if matches!(e.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::Other) =>
        {
            "it ends before its WAV header does".into()
        }
        other => other.to_string(),
    }
}

/// All channels averaged, -1.0 to 1.0.
fn mono(wav: &mut WavReader<impl Read>) -> Result<Vec<f32>, String> {
    let spec = wav.spec();
    let channels = usize::from(spec.channels);
    let promised = wav.len();
    let scale = match spec.sample_format {
        SampleFormat::Float => 1.0,
        SampleFormat::Int => 1.0 / (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32,
    };
    let mut mono = Vec::new();
    let (mut sum, mut read) = (0.0f32, 0);
    let mut add = |sample: f32| {
        sum += if sample.is_finite() { sample * scale } else { 0.0 };
        read += 1;
        if read % channels == 0 {
            mono.push(sum / channels as f32);
            sum = 0.0;
        }
    };
    let done = match spec.sample_format {
        SampleFormat::Float => wav.samples::<f32>().try_for_each(|s| s.map(&mut add)),
        SampleFormat::Int => wav.samples::<i32>().try_for_each(|s| s.map(|s| add(s as f32))),
    };
    match done {
        Ok(()) => Ok(mono),
        Err(hound::Error::IoError(_)) => {
            Err(format!("it is cut short: its header promises {promised} samples and {read} are there"))
        }
        Err(e) => Err(e.to_string()),
    }
}

fn resample(mono: &[f32], from: u32, to: u32) -> Result<Pcm, String> {
    let pcm = |samples: &[f32]| samples.iter().map(|s| (s * 32768.0).round().clamp(-32768.0, 32767.0) as i16).collect();
    if from == to {
        return Ok(pcm(mono));
    }
    let fail = |e: &dyn std::fmt::Display| format!("{from} Hz cannot be resampled to {to} Hz ({e})");
    let mut resampler =
        Fft::<f32>::new(from as usize, to as usize, RESAMPLER_CHUNK, 1, FixedSync::Both).map_err(|e| fail(&e))?;
    let input = InterleavedSlice::new(mono, 1, mono.len()).map_err(|e| fail(&e))?;
    let output = resampler.process_all(&input, mono.len(), None).map_err(|e| fail(&e))?;
    Ok(pcm(&output.take_data()))
}

/// A 16-bit mono WAV file. Its header is brought up to date every second, so a file survives its process.
pub struct WavSink {
    path: PathBuf,
    writer: WavWriter<BufWriter<File>>,
    rate: u32,
    unflushed: usize,
}

impl std::fmt::Debug for WavSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavSink").field("path", &self.path).field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl WavSink {
    /// Creates (or overwrites) the file.
    pub fn create(path: &Path, rate: u32) -> Result<Self, AudioError> {
        let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let fail = |e: &hound::Error| AudioError::Record { path: path.to_owned(), why: e.to_string() };
        let mut writer = WavWriter::create(path, spec).map_err(|e| fail(&e))?;
        writer.flush().map_err(|e| fail(&e))?;
        Ok(Self { path: path.to_owned(), writer, rate, unflushed: 0 })
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Appends samples.
    pub fn write(&mut self, frame: &[i16]) -> Result<(), AudioError> {
        if self.writer.len() as usize + frame.len() > RECORDING_LIMIT {
            return Err(AudioError::Full);
        }
        for sample in frame {
            self.writer.write_sample(*sample).map_err(|e| self.fail(&e))?;
        }
        self.unflushed += frame.len();
        if self.unflushed >= self.rate as usize { self.flush() } else { Ok(()) }
    }

    /// Makes the file on disk whole.
    pub fn flush(&mut self) -> Result<(), AudioError> {
        self.unflushed = 0;
        self.writer.flush().map_err(|e| self.fail(&e))
    }

    fn fail(&self, e: &hound::Error) -> AudioError {
        AudioError::Record { path: self.path.clone(), why: e.to_string() }
    }
}
