//! What became of our offer (RFC 3264 section 7).

use super::block::{Sdp, SdpError};
use super::key_events::KeyEvents;
use super::media::{Audio, CodecLine, Direction};
use std::net::SocketAddr;

/// What two sides agreed on for one m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Index of the m-line, from zero.
    pub line: u8,
    /// Where the peer hears RTP.
    pub remote_rtp: SocketAddr,
    /// Where the peer hears RTCP.
    pub remote_rtcp: SocketAddr,
    /// The codec, as the peer describes it.
    pub codec: CodecLine,
    /// The number that we send it under: the peer's (RFC 3264 section 6.1).
    pub payload_type: u8,
    /// The number that we hear it under: ours.
    pub heard_as: u8,
    /// Which way, as we see it.
    pub direction: Direction,
    /// Which way the peer would have it, as it sees it: who does not hear has put us on hold (RFC 6337 section 5.3).
    pub theirs: Direction,
    /// Key presses beside the codec; `None` if they were not agreed on.
    pub keys: Option<KeyEvents>,
}

impl Negotiated {
    /// The peer wants to hear nothing from us: it has put us on hold, or says `c=0.0.0.0`.
    pub fn is_held_by_peer(&self) -> bool {
        !self.theirs.hears()
    }
}

/// Why an answer is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// RFC 3264 section 6: as many m-lines as in the offer.
    #[error("the answer has {answered} m-lines where the offer has {offered} (RFC 3264 section 6)")]
    LineCount {
        /// In our offer.
        offered: usize,
        /// In the answer.
        answered: usize,
    },
    /// RFC 3264 section 6.1: the medium stays what it was.
    #[error("m-line {line} of the answer is {answered} where the offer has {offered} (RFC 3264 section 6.1)")]
    Medium {
        /// From zero.
        line: u8,
        /// In our offer.
        offered: String,
        /// In the answer.
        answered: String,
    },
    /// A secure profile was offered, and something else came back.
    #[error("m-line {line} was offered as {offered} and answered as {answered}: somebody took the security away")]
    Downgrade {
        /// From zero.
        line: u8,
        /// In our offer.
        offered: String,
        /// In the answer.
        answered: String,
    },
    /// Another profile than the one offered.
    #[error("m-line {line} was offered as {offered} and answered as {answered}")]
    Profile {
        /// From zero.
        line: u8,
        /// In our offer.
        offered: String,
        /// In the answer.
        answered: String,
    },
    /// A stream that we did not offer is accepted.
    #[error("m-line {line} of the answer accepts a stream that was not offered")]
    NotOffered {
        /// From zero.
        line: u8,
    },
    /// No stream is accepted.
    #[error("the answer refuses every stream")]
    Refused,
    /// No codec of the offer is in the answer.
    #[error("the answer's m-line {line} has no codec of the offer")]
    NoCodec {
        /// From zero.
        line: u8,
    },
    /// Nobody asked.
    #[error("an answer came, and no offer of ours was waiting for one")]
    NoOffer,
    /// Badly written, or beyond us.
    #[error("the answer cannot be used: {0}")]
    Unreadable(#[from] SdpError),
}

/// Reads the answer to `offer`, which is ours.
pub fn read_answer(offer: &Sdp, answer: &Sdp) -> Result<Negotiated, AnswerError> {
    let (offered, answered) = (offer.media().len(), answer.media().len());
    if offered != answered {
        return Err(AnswerError::LineCount { offered, answered });
    }
    let mut accepted = None;
    for (line, (ours, theirs)) in (0u8..).zip(offer.media().iter().zip(answer.media())) {
        if ours.m().media != theirs.m().media {
            let (offered, answered) = (ours.m().media.clone(), theirs.m().media.clone());
            return Err(AnswerError::Medium { line, offered, answered });
        }
        if theirs.is_refused() {
            continue;
        }
        if ours.is_refused() {
            return Err(AnswerError::NotOffered { line });
        }
        let (offered, answered) = (ours.m().proto.clone(), theirs.m().proto.clone());
        if offered != answered {
            return Err(match is_secure(&offered) {
                true => AnswerError::Downgrade { line, offered, answered },
                false => AnswerError::Profile { line, offered, answered },
            });
        }
        accepted.get_or_insert(line);
    }
    agree(offer, answer, accepted.ok_or(AnswerError::Refused)?)
}

fn agree(offer: &Sdp, answer: &Sdp, line: u8) -> Result<Negotiated, AnswerError> {
    let ours = Audio::read(offer, line)?;
    let theirs = Audio::read(answer, line)?;
    // Their first codec that we offered is what we should send (RFC 3264 section 7).
    let common = theirs.codecs.iter().filter(|codec| !codec.is_telephone_event());
    let mut common = common.filter_map(|codec| Some((codec, ours.codecs.iter().find(|o| o.is_same_codec(codec))?)));
    let (codec, offered) = common.next().ok_or(AnswerError::NoCodec { line })?;
    Ok(Negotiated {
        line,
        remote_rtp: theirs.rtp,
        remote_rtcp: theirs.rtcp,
        codec: codec.clone(),
        payload_type: codec.payload_type,
        heard_as: offered.payload_type,
        direction: ours.direction.and(theirs.flow().reversed()),
        theirs: theirs.flow(),
        keys: KeyEvents::agree(codec.clock, &ours.codecs, &theirs.codecs),
    })
}

/// SAVP and SAVPF, over UDP or DTLS.
fn is_secure(proto: &str) -> bool {
    proto.rsplit('/').next().is_some_and(|profile| profile.starts_with("SAVP"))
}
