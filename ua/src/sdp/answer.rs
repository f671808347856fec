//! Our answer to an offer (RFC 3264 section 6): one audio stream taken, all others refused in their places.
//!
//! The plan comes first, because keying must know the m-line before it can answer; its lines make the text.

use super::block::{Block, RawLine, Sdp, SdpError};
use super::key_events::KeyEvents;
use super::media::{Audio, CodecLine, Direction, Profile};
use super::offer::{Origin, audio_lines, head, m_line};
use super::{key_mgmt, read_answer::Negotiated};
use keyphone_keying::{Level, Lines};
use std::fmt;
use std::net::IpAddr;

/// What we bring to an answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerAsk<'a> {
    /// Where we hear; the `o=` line says it, too.
    pub address: IpAddr,
    /// Where we hear RTP; RTCP comes to the next port.
    pub port: u16,
    /// What we take, best first. Without [`Profile::Avp`] nothing is ever in the clear.
    pub profiles: &'a [Profile],
    /// What we speak; the offer's order of preference wins.
    pub codecs: &'a [CodecLine],
    /// Which way we want it.
    pub direction: Direction,
}

/// An answer that lacks only keying's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was agreed.
    pub negotiated: Negotiated,
    /// Its profile.
    pub profile: Profile,
    origin: Origin,
    address: IpAddr,
    times: Vec<RawLine>,
    media: Vec<Block>,
    codecs: Vec<CodecLine>,
    /// All that the offer's m-line has.
    pub(super) theirs: Vec<CodecLine>,
    direction: Direction,
}

/// Why one m-line of an offer cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Some other medium.
    #[error("is {0}, and we speak audio only")]
    NotAudio(String),
    /// Offered with port zero.
    #[error("is switched off")]
    Off,
    /// Plain RTP, which policy does not allow.
    #[error("would be in the clear (RTP/AVP), which is not allowed here")]
    Clear,
    /// A profile that we do not speak.
    #[error("has profile {0}, which we do not take")]
    Profile(String),
    /// Nothing in common.
    #[error("has no codec that we speak")]
    NoCodec,
    /// Badly written, or beyond us.
    #[error("cannot be used: {0}")]
    Unreadable(#[from] SdpError),
}

/// Why no m-line of an offer can be taken: 488 Not Acceptable Here (RFC 3261 section 13.3.1.3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Rejection {
    /// One reason for each m-line, in order.
    pub reasons: Vec<Unfit>,
    /// So many m-lines of the session are missing (RFC 3264 section 8).
    pub missing: usize,
}

impl Rejection {
    /// The one thing in the way is that plain RTP is not allowed.
    pub fn is_clear_only(&self) -> bool {
        self.reasons.contains(&Unfit::Clear)
    }

    /// The code of the SIP Warning that tells the peer (RFC 3261 section 20.43): 305, "Incompatible media format", if that
    /// is all that is in the way; otherwise 399.
    pub fn warning(&self) -> u16 {
        let only_codecs = self.missing == 0 && self.reasons.contains(&Unfit::NoCodec);
        let beside = |reason: &Unfit| matches!(reason, Unfit::NoCodec | Unfit::Off | Unfit::NotAudio(_));
        if only_codecs && self.reasons.iter().all(beside) { 305 } else { 399 }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.missing > 0 {
            return write!(f, "the offer lacks {} m-lines of the session (RFC 3264 section 8)", self.missing);
        }
        if self.reasons.is_empty() {
            return f.write_str("the offer has no m-line");
        }
        f.write_str("nothing in the offer can be taken")?;
        for (index, reason) in self.reasons.iter().enumerate() {
            write!(f, "{} m-line {index} {reason}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

/// What a 488 may say about an offer that keying refused: every m-line off, and the keying system's own error message
/// (RFC 4567 section 4.1.2).
pub fn refusal(offer: &Sdp, origin: &Origin, address: IpAddr, lines: &Lines) -> Sdp {
    let mut session = head(origin, address);
    session.extend(times(offer));
    session.extend(key_mgmt::write(lines, Level::Session));
    Sdp::from_parts(session, offer.media().iter().map(Block::refused).collect())
}

/// The times are not negotiable: the answer's t= equals the offer's (RFC 3264 section 6).
fn times(offer: &Sdp) -> Vec<RawLine> {
    let times = offer.session().iter().filter(|line| matches!(line.kind(), b't' | b'r' | b'z'));
    times.map(|line| RawLine::new(line.kind(), line.value())).collect()
}

/// Plans an answer: the best of our profiles first, then the first m-line with a codec that we speak.
pub fn answer(offer: &Sdp, origin: &Origin, ask: &AnswerAsk<'_>) -> Result<Answer, Rejection> {
    answer_at(offer, origin, ask, None)
}

/// The same, but best of all is the m-line that the session's audio has: it has keys.
pub(crate) fn answer_at(
    offer: &Sdp,
    origin: &Origin,
    ask: &AnswerAsk<'_>,
    line: Option<u8>,
) -> Result<Answer, Rejection> {
    let fits: Vec<Result<Fit, Unfit>> =
        (0u8..).zip(offer.media()).map(|(line, block)| fit(offer, line, block, ask)).collect();
    let rank = |fit: &Fit| ask.profiles.iter().position(|p| *p == fit.profile);
    let best = fits.iter().flatten().min_by_key(|fit| (line != Some(fit.audio.line), rank(fit), fit.audio.line));
    match best {
        Some(fit) => Ok(plan(offer, origin, fit, ask)),
        None => Err(Rejection { reasons: fits.into_iter().filter_map(Result::err).collect(), missing: 0 }),
    }
}

impl Answer {
    /// The answer's text, with what keying says in it.
    pub fn with_lines(&self, lines: &Lines) -> Sdp {
        self.write(&self.origin, lines)
    }

    pub(crate) fn write(&self, origin: &Origin, lines: &Lines) -> Sdp {
        let line = self.negotiated.line;
        let mut session = head(origin, self.address);
        session.extend(self.times.iter().cloned());
        session.extend(key_mgmt::write(lines, Level::Session));
        let media = (0u8..).zip(&self.media).map(|(index, block)| match index == line {
            true => Block::new(block.m().clone(), audio_lines(&self.codecs, self.direction, lines, line)),
            false => block.clone(),
        });
        Sdp::from_parts(session, media.collect())
    }
}

struct Fit {
    audio: Audio,
    profile: Profile,
    codec: CodecLine,
}

fn fit(offer: &Sdp, line: u8, block: &Block, ask: &AnswerAsk<'_>) -> Result<Fit, Unfit> {
    let m = block.m();
    if m.media != "audio" {
        return Err(Unfit::NotAudio(m.media.clone()));
    }
    if block.is_refused() {
        return Err(Unfit::Off);
    }
    let Some(profile) = ask.profiles.iter().copied().find(|p| p.as_str() == m.proto) else {
        return Err(if m.proto == Profile::Avp.as_str() { Unfit::Clear } else { Unfit::Profile(m.proto.clone()) });
    };
    let audio = Audio::read(offer, line)?;
    let codec = audio.codecs.iter().find(|c| speaks(ask, c) && !c.is_telephone_event()).ok_or(Unfit::NoCodec)?.clone();
    Ok(Fit { audio, profile, codec })
}

fn speaks(ask: &AnswerAsk<'_>, codec: &CodecLine) -> bool {
    ask.codecs.iter().any(|ours| ours.is_same_codec(codec))
}

fn plan(offer: &Sdp, origin: &Origin, fit: &Fit, ask: &AnswerAsk<'_>) -> Answer {
    let Fit { audio, profile, codec } = fit;
    let direction = ask.direction.and(audio.flow().reversed());
    // The offer's number for the codec (RFC 3264 section 6.1), our parameters: they say what we can hear.
    let ours = |theirs: &CodecLine| {
        let fmtp = ask.codecs.iter().find(|ours| ours.is_same_codec(theirs)).and_then(|ours| ours.fmtp.clone());
        CodecLine { fmtp, ..theirs.clone() }
    };
    let at_its_clock = |c: &&CodecLine| c.is_telephone_event() && c.clock == codec.clock && speaks(ask, c);
    let keys = audio.codecs.iter().find(at_its_clock);
    let codecs: Vec<CodecLine> = std::iter::once(codec).chain(keys).map(ours).collect();
    let m = m_line(ask.port, &audio.proto, &codecs);
    // Every other m-line is refused where it stands (RFC 3264 section 6).
    let media = (0u8..).zip(offer.media());
    let media =
        media.map(|(index, b)| if index == audio.line { Block::new(m.clone(), Vec::new()) } else { b.refused() });
    Answer {
        negotiated: Negotiated {
            line: audio.line,
            remote_rtp: audio.rtp,
            remote_rtcp: audio.rtcp,
            codec: codec.clone(),
            payload_type: codec.payload_type,
            heard_as: codec.payload_type,
            direction,
            theirs: audio.flow(),
            keys: KeyEvents::agree(codec.clock, &codecs, &audio.codecs),
        },
        profile: *profile,
        origin: origin.clone(),
        address: ask.address,
        times: times(offer),
        media: media.collect(),
        codecs,
        theirs: audio.codecs.clone(),
        direction,
    }
}
