//! What people feed to `--play`, and what `--record` leaves behind.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use keyphone_media::audio::file::WavSink;
use keyphone_media::audio::{AudioError, Clip, Pcm, Sink, Source};
use proptest::prelude::*;

fn read_wav(path: &Path, rate: u32) -> Result<Pcm, AudioError> {
    Clip::load(path)?.at(rate)
}

/// One second of a sine of `hz` at half of full scale, the same on all channels.
fn write(path: &Path, hz: f64, spec: WavSpec) {
    let mut wav = WavWriter::create(path, spec).expect("temp dir");
    for n in 0..spec.sample_rate {
        let s = 0.5 * (TAU * hz * f64::from(n) / f64::from(spec.sample_rate)).sin();
        for _ in 0..spec.channels {
            match spec.sample_format {
                SampleFormat::Float => wav.write_sample(s as f32).expect("disk"),
                SampleFormat::Int => {
                    wav.write_sample((s * (1u64 << (spec.bits_per_sample - 1)) as f64) as i32).expect("disk");
                }
            }
        }
    }
    wav.finalize().expect("disk");
}

/// Energy at `hz` as a share of all energy.
fn share(pcm: &[i16], hz: f64, rate: u32) -> f64 {
    let w = TAU * hz / f64::from(rate);
    let (re, im) = pcm.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, s)| {
        let (sin, cos) = (w * n as f64).sin_cos();
        (re + f64::from(*s) * cos, im + f64::from(*s) * sin)
    });
    let all: f64 = pcm.iter().map(|s| f64::from(*s).powi(2)).sum();
    2.0 * (re * re + im * im) / pcm.len() as f64 / all
}

fn spec(sample_rate: u32, channels: u16, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
    WavSpec { channels, sample_rate, bits_per_sample, sample_format }
}

#[test]
fn a_wav_of_any_kind_keeps_its_length_loudness_and_pitch() {
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("any.wav");
    let kinds = [(8, SampleFormat::Int), (16, SampleFormat::Int), (24, SampleFormat::Int), (32, SampleFormat::Int)];
    for rate in [8000, 16000, 22050, 44100, 48000] {
        for (bits, format) in kinds.into_iter().chain([(32, SampleFormat::Float)]) {
            for channels in [1, 2, 6] {
                write(&path, 1100.0, spec(rate, channels, bits, format));
                for to in [8000, 48000] {
                    let pcm = read_wav(&path, to).expect("a good file");
                    let what = format!("{rate} Hz, {bits} bits, {channels} channels, to {to}");
                    assert!(pcm.len().abs_diff(to as usize) <= 1, "{what}: {} samples", pcm.len());
                    let middle = &pcm[pcm.len() / 4..pcm.len() * 3 / 4];
                    let peak = middle.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
                    assert!((15_900..16_700).contains(&peak), "{what}: peak {peak}");
                    assert!(share(middle, 1100.0, to) > 0.999, "{what}: {}", share(middle, 1100.0, to));
                }
            }
        }
    }
}

#[test]
fn sound_above_the_codecs_band_does_not_fold_back_into_it() {
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("whistle.wav");
    write(&path, 6000.0, spec(48000, 1, 16, SampleFormat::Int));
    let pcm = read_wav(&path, 8000).expect("a good file");
    let peak = pcm[1000..7000].iter().map(|s| s.unsigned_abs()).max();
    assert!(peak < Some(30), "{peak:?}");
}

#[test]
fn a_file_at_the_codecs_rate_is_played_bit_by_bit_and_recorded_so() {
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("same.wav");
    let said: Vec<i16> = (0..8123).map(|n| (n * 7919 % 65536 - 32768) as i16).collect();
    let mut sink = Sink::wav(&path, 8000).expect("temp dir");
    for frame in said.chunks(160) {
        sink.write(frame).expect("disk");
    }
    sink.finish().expect("disk");
    assert_eq!(read_wav(&path, 8000).expect("own file"), said);

    let mut source = Source::wav(&path, 8000).expect("own file");
    let (mut heard, mut frame) = (Vec::new(), [0; 160]);
    loop {
        match source.read(&mut frame) {
            0 => break,
            n => heard.extend_from_slice(&frame[..n]),
        }
    }
    assert_eq!(heard, said);
}

#[test]
fn a_recording_survives_a_process_that_dies() {
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("killed.wav");
    let mut sink = WavSink::create(&path, 8000).expect("temp dir");
    assert!(hound::WavReader::open(&path).is_ok(), "valid from the start");
    for _ in 0..120 {
        sink.write(&[5; 160]).expect("disk");
    }
    std::mem::forget(sink); // nobody flushes, nobody finalizes
    assert_eq!(read_wav(&path, 8000).expect("a whole file"), vec![5; 16_000]);
}

/// The sentence that a bad file gets, after the part that names the file.
fn sentence(path: &Path, bytes: &[u8]) -> String {
    std::fs::write(path, bytes).expect("temp dir");
    let error = read_wav(path, 8000).expect_err("a bad file").to_string();
    let why = error.strip_prefix(&format!("cannot play {}: ", path.display()));
    why.unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn a_bad_file_gets_one_sentence() {
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("bad.wav");
    write(&path, 440.0, spec(8000, 1, 16, SampleFormat::Int));
    let good = std::fs::read(&path).expect("just written");
    // The canonical header of 44 octets: format at 20, channels at 22, rate at 24, octets per second at 28.
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        bad
    };
    assert_eq!(sentence(&path, b""), "the file is empty");
    assert_eq!(sentence(&path, b"Hello Bob, this is Alice, and this is text"), "it is not a WAV file");
    assert_eq!(sentence(&path, b"RI"), "it ends before its WAV header does");
    assert_eq!(sentence(&path, &good[..30]), "it ends before its WAV header does");
    let cut = sentence(&path, &good[..44 + 8000]);
    assert_eq!(cut, "it is cut short: its header promises 8000 samples and 4000 are there");
    assert_eq!(sentence(&path, &with(20, &[7, 0])), "its samples are compressed; convert it to PCM");
    assert_eq!(sentence(&path, &with(22, &[0, 0])), "its WAV header is broken (file contains zero channels)");
    let rate = |hz: u32| with(24, &[hz.to_le_bytes(), hz.wrapping_mul(2).to_le_bytes()].concat());
    assert_eq!(sentence(&path, &rate(1)), "its header claims a sample rate of 1 Hz");
    assert_eq!(sentence(&path, &rate(1_000_000)), "its header claims a sample rate of 1000000 Hz");
    let mut none = good[..44].to_vec();
    none[40..].fill(0);
    assert_eq!(sentence(&path, &none), "it holds no sound");
    assert!(matches!(read_wav(dir.path(), 8000), Err(AudioError::Play { why, .. }) if why == "it is not a file"));
    let nowhere = PathBuf::from("/nowhere/at/all.wav");
    assert!(read_wav(&nowhere, 8000).is_err_and(|e| e.to_string().starts_with("cannot play /nowhere/at/all.wav: ")));
    assert!(
        Sink::wav(&nowhere, 8000).is_err_and(|e| e.to_string().starts_with("cannot record to /nowhere/at/all.wav: "))
    );
}

#[test]
fn a_clip_in_memory_is_the_same_as_the_file_it_came_from() {
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("clip.wav");
    write(&path, 440.0, spec(22050, 2, 24, SampleFormat::Int));
    let clip = Clip::from_wav(&std::fs::read(&path).expect("just written"), "the built-in voice").expect("a good clip");
    assert_eq!(clip.duration().as_millis(), 1000);
    assert_eq!(clip.at(8000).expect("8 kHz"), read_wav(&path, 8000).expect("a good file"));
    let why = Clip::from_wav(b"", "the built-in voice").expect_err("empty").to_string();
    assert_eq!(why, "cannot play the built-in voice: it ends before its WAV header does");
}

#[test]
fn an_absurd_file_is_not_read_at_all() {
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("huge.wav");
    write(&path, 440.0, spec(8000, 1, 16, SampleFormat::Int));
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("just written");
    file.set_len(5 << 30).expect("sparse files");
    let error = read_wav(&path, 8000).expect_err("5 GB").to_string();
    assert!(error.ends_with("the file has 5120 MB; at most 64 are read"), "{error}");

    let mut wav = WavWriter::create(&path, spec(2000, 1, 8, SampleFormat::Int)).expect("temp dir");
    for _ in 0..2000 * 601 {
        wav.write_sample(1i8).expect("disk");
    }
    wav.finalize().expect("disk");
    assert!(read_wav(&path, 8000).is_err_and(|e| e.to_string().ends_with("it is longer than 10 minutes")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_damaged_header_never_panics(
        damage in proptest::collection::vec((0usize..60, any::<u8>()), 1..6),
        cut in 1usize..700,
    ) {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("damaged.wav");
        let mut sink = Sink::wav(&path, 8000).expect("temp dir");
        sink.write(&[100; 320]).and_then(|()| sink.finish()).expect("disk");
        let mut bytes = std::fs::read(&path).expect("just written");
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        bytes.truncate(cut);
        std::fs::write(&path, bytes).expect("temp dir");
        if let Ok(pcm) = read_wav(&path, 48000) {
            prop_assert!(pcm.len() <= 640 * 24, "{} samples out of 640 octets", pcm.len());
        }
    }
}
