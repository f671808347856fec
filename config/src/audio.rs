//! `[audio]`: what is played, what is recorded, and in which codec.

use crate::duration::parse_between;
use crate::finding::Report;
use crate::section::Section;
use keyphone_media::audio::codec::Codec;
use keyphone_media::policy::EarlyMedia;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// What is played, recorded and spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// What the peer hears.
    pub play: Play,
    /// A WAV file for what we hear.
    pub record: Option<PathBuf>,
    /// Codecs, preferred first.
    pub codecs: Vec<Codec>,
    /// How much audio the jitter buffer holds back, so that late packets are still in time.
    pub jitter: Duration,
    /// Of several phones that have early media in one call, the one to hear.
    pub early_media: EarlyMedia,
}

impl Default for Audio {
    fn default() -> Self {
        let jitter = Duration::from_millis(60);
        let codecs = vec![Codec::Pcmu, Codec::Pcma, Codec::Opus];
        Self { play: Play::Tone, record: None, codecs, jitter, early_media: EarlyMedia::First }
    }
}

impl Audio {
    pub(crate) fn read(&mut self, mut section: Section<'_>, directory: &Path, report: &mut Report<'_>) {
        section.parse("play", &mut self.play, report, |text| {
            Ok(match text.parse()? {
                Play::File(path) => Play::File(directory.join(path)),
                Play::Tone => Play::Tone,
            })
        });
        section.parse("record", &mut self.record, report, |text| Ok(Some(directory.join(wav(text)?))));
        section.list("codecs", &mut self.codecs, report, str::parse);
        section.parse("jitter", &mut self.jitter, report, |text| parse_between(text, "0ms", "1000ms"));
        section.parse("early-media", &mut self.early_media, report, str::parse);

        if let Play::File(path) = &self.play
            && let Err(e) = std::fs::metadata(path)
        {
            let message = format!("{} cannot be played: {e}", path.display());
            report.warning(section.span_of("play"), "audio.play", message);
        }
        // The directory of a bare file name is "", which stands for the current one and is there.
        if let Some(parent) = self.record.as_deref().and_then(Path::parent)
            && !parent.as_os_str().is_empty()
            && !parent.is_dir()
        {
            let message = format!("the directory {} is not there", parent.display());
            report.warning(section.span_of("record"), "audio.record", message);
        }
        section.finish(report);
    }
}

/// What the peer hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Play {
    /// A tone.
    Tone,
    /// A WAV file.
    File(PathBuf),
}

impl FromStr for Play {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "tone" => Ok(Self::Tone),
            _ => wav(text).map(Self::File).map_err(|e| format!("{e}, nor is it \"tone\"")),
        }
    }
}

fn wav(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_wav = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav"));
    if is_wav { Ok(path) } else { Err(format!("{text:?} is not the name of a WAV file (.wav)")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tone_or_a_wav_file_is_played() {
        assert_eq!("tone".parse(), Ok(Play::Tone));
        assert_eq!("./a b.WAV".parse(), Ok(Play::File("./a b.WAV".into())));
        for text in ["", "mic", "a.mp3", ".wav"] {
            let error = text.parse::<Play>().unwrap_err();
            assert_eq!(error, format!("{text:?} is not the name of a WAV file (.wav), nor is it \"tone\""));
        }
    }

    #[test]
    fn a_codec_is_known_in_either_case() {
        assert_eq!("PCMU".parse(), Ok(Codec::Pcmu));
        assert_eq!(
            "g729".parse::<Codec>().unwrap_err(),
            "\"g729\" is no codec of this build, which has opus, PCMU, PCMA"
        );
    }
}
