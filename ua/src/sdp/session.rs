//! The session of one dialog: what its next offer and its next answer must be made of (RFC 3264 section 8).
//!
//! ```text
//!            +---- offer(), repeat() ----> in flight ---- answered() ----+
//!   new ---> |                                 |                         v
//!            |                             rejected()             what holds: ours
//!            +---- plan(), (keying), reply() -------------------------> ^
//! ```
//! Our half rises by one version with every SDP of ours that is different from the one before (RFC 8866 section 5.2),
//! m-lines stay in their slots, numbers keep their codecs, and a stream that was secure stays secure. A forked INVITE
//! has one offer and a clone of this for each branch; a clone is also the way back when a re-INVITE fails.

use super::answer::{Answer, AnswerAsk, Rejection, Unfit, answer_at, refusal};
use super::block::{Block, RawLine, Sdp};
use super::media::{Audio, CodecLine, Profile};
use super::offer::{OfferAsk, Origin, offer_in};
use super::precondition::StatusTable;
use super::read_answer::{AnswerError, Negotiated, read_answer};
use keyphone_keying::Lines;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// What one dialog's offers and answers have come to.
#[derive(Clone, Debug)]
pub struct SdpSession {
    /// Its version is that of the last SDP that we sent, or of the first.
    origin: Origin,
    /// The last SDP that we sent, whatever became of it.
    sent: Option<Arc<Sdp>>,
    /// Our half of what holds.
    ours: Option<Arc<Sdp>>,
    /// Our offer that is not answered yet.
    offered: Option<Arc<Sdp>>,
    agreed: Option<Negotiated>,
    /// The m-line of the audio, also while it is switched off.
    line: u8,
    /// A secure profile was agreed on.
    secure: bool,
    /// What a number stands for under an m-line, on either side, for good.
    numbers: BTreeMap<(u8, u8), Box<CodecLine>>,
    /// The preconditions of the audio, as every SDP of ours says them (RFC 3312).
    status: StatusTable,
}

/// What an offer gets.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Its audio is taken.
    Audio(Box<Answer>),
    /// The stream that there was is switched off (RFC 3264 section 8.2), and no other one fits; the call goes on. Where
    /// our answer says that we are.
    Off(IpAddr),
}

impl SdpSession {
    /// A session that has not begun. `origin` is that of the first SDP.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            sent: None,
            ours: None,
            offered: None,
            agreed: None,
            line: 0,
            secure: false,
            numbers: BTreeMap::new(),
            status: StatusTable::default(),
        }
    }

    /// What holds; `None` before the first answer, and while the stream is switched off.
    pub fn agreed(&self) -> Option<&Negotiated> {
        self.agreed.as_ref()
    }

    /// Our half of what holds: what a repeated answer says again.
    pub fn ours(&self) -> Option<&Sdp> {
        self.ours.as_deref()
    }

    /// The m-line that our next offer's audio has: what keying needs to know first.
    pub fn line(&self) -> u8 {
        self.line
    }

    /// The preconditions of the audio, as we see them.
    pub fn status(&self) -> &StatusTable {
        &self.status
    }

    /// From now on our SDPs say these preconditions.
    pub fn set_status(&mut self, status: StatusTable) {
        self.status = status;
    }

    /// Is an offer of ours without its answer? Then no other may be made, nor one taken (RFC 3261 section 14, 491).
    pub fn is_waiting(&self) -> bool {
        self.offered.is_some()
    }

    /// An offer: for an INVITE, as the answer to an INVITE without one, for a re-INVITE or UPDATE. It says what we want
    /// now, whatever was agreed on before (RFC 6337 section 5.1). Once secure, its profile is, too.
    pub fn offer(&mut self, ask: &OfferAsk<'_>) -> Arc<Sdp> {
        let line = self.line;
        let codecs = self.numbered(ask.codecs);
        let profile = if self.secure { Profile::Savp } else { ask.profile };
        let ask = OfferAsk { codecs: &codecs, profile, ..*ask };
        let slots: Vec<Block> =
            self.ours.as_ref().map(|ours| ours.media().iter().map(Block::refused).collect()).unwrap_or_default();
        self.note(line, &codecs);
        let offer = self.send(line, |origin| offer_in(origin, &ask, (line, slots.clone())));
        self.offered = Some(Arc::clone(&offer));
        offer
    }

    /// What holds, offered once more: to refresh a session (RFC 4028 section 7.4), or after a change that did not come
    /// about (RFC 6337 section 3.4). The same version unless another SDP was sent since. `None` if nothing holds yet.
    pub fn repeat(&mut self) -> Option<Arc<Sdp>> {
        let ours = self.ours.clone()?;
        let offer = self.send(self.line, |origin| with_version(&ours, origin.version));
        self.offered = Some(Arc::clone(&offer));
        Some(offer)
    }

    /// The answer to our offer.
    ///
    /// # Errors
    /// It cannot be used, and what held before still holds; but [`AnswerError::Refused`] has switched the stream off.
    pub fn answered(&mut self, answer: &Sdp) -> Result<Negotiated, AnswerError> {
        let offer = self.offered.take().ok_or(AnswerError::NoOffer)?;
        let read = read_answer(&offer, answer);
        match &read {
            Ok(agreed) => {
                self.note_their(answer, agreed.line);
                self.hold(offer, agreed);
            }
            Err(AnswerError::Refused) if self.ours.is_some() => (self.ours, self.agreed) = (Some(offer), None),
            Err(_) => {}
        }
        read
    }

    /// Our offer was refused: what held before holds.
    pub fn rejected(&mut self) {
        self.offered = None;
    }

    /// Plans the answer to an offer.
    ///
    /// # Errors
    /// Why it is refused (488); what held before still holds.
    pub fn plan(&self, offer: &Sdp, ask: &AnswerAsk<'_>) -> Result<Reply, Rejection> {
        let slots = self.ours.as_ref().map_or(0, |ours| ours.media().len());
        if offer.media().len() < slots {
            return Err(Rejection { reasons: vec![], missing: slots - offer.media().len() });
        }
        let secure: Vec<Profile> = ask.profiles.iter().copied().filter(|p| *p == Profile::Savp).collect();
        let profiles = if self.secure { &secure } else { ask.profiles };
        let line = self.agreed.as_ref().map(|agreed| agreed.line);
        match answer_at(offer, &self.origin, &AnswerAsk { profiles, ..*ask }, line) {
            Ok(answer) => Ok(Reply::Audio(Box::new(answer))),
            Err(rejection) => match rejection.reasons.get(usize::from(self.line)) {
                Some(Unfit::Off) if self.ours.is_some() => Ok(Reply::Off(ask.address)),
                _ => Err(rejection),
            },
        }
    }

    /// The answer as planned, to be sent: from now on it holds.
    pub fn reply(&mut self, offer: &Sdp, reply: &Reply, lines: &Lines) -> Arc<Sdp> {
        match reply {
            Reply::Audio(answer) => {
                let agreed = &answer.negotiated;
                let text = self.send(agreed.line, |origin| answer.write(origin, lines));
                self.note(agreed.line, &answer.theirs);
                self.hold(Arc::clone(&text), agreed);
                text
            }
            Reply::Off(address) => {
                let text = self.send(self.line, |origin| refusal(offer, origin, *address, lines));
                (self.ours, self.agreed) = (Some(Arc::clone(&text)), None);
                text
            }
        }
    }

    fn hold(&mut self, ours: Arc<Sdp>, agreed: &Negotiated) {
        let block = &ours.media()[usize::from(agreed.line)];
        self.secure |= block.m().proto == Profile::Savp.as_str();
        self.line = agreed.line;
        self.agreed = Some(agreed.clone());
        self.ours = Some(ours);
    }

    /// Makes an SDP with the version that it must have: another one if it says anything else than the one before
    /// (RFC 3264 section 8).
    fn send(&mut self, line: u8, make: impl Fn(&Origin) -> Sdp) -> Arc<Sdp> {
        let status = self.status.clone();
        let make = |origin: &Origin| match status.is_empty() {
            true => make(origin),
            false => status.write(make(origin), line),
        };
        let mut sdp = make(&self.origin);
        if let Some(sent) = &self.sent {
            if **sent == sdp {
                return Arc::clone(sent);
            }
            self.origin.version = self.origin.version.saturating_add(1);
            sdp = make(&self.origin);
        }
        let sdp = Arc::new(sdp);
        self.sent = Some(Arc::clone(&sdp));
        sdp
    }

    /// Our codecs under the numbers that they have in this session; where a number is another codec's already, under a
    /// free one (RFC 3264 section 8.3.2).
    fn numbered(&self, codecs: &[CodecLine]) -> Vec<CodecLine> {
        let at = |number: u8| self.numbers.get(&(self.line, number));
        let ours = self.ours.as_ref().and_then(|ours| Audio::read(ours, self.line).ok()).map(|audio| audio.codecs);
        let ours = ours.unwrap_or_default();
        let mut taken: Vec<u8> = Vec::new();
        let mut numbered = Vec::new();
        for codec in codecs {
            let in_use = ours.iter().find(|o| o.is_same_codec(codec)).map(|o| o.payload_type);
            let known = || (0..128).find(|n| at(*n).is_some_and(|c| c.is_same_codec(codec)));
            let own = || Some(codec.payload_type).filter(|n| at(*n).is_none());
            let mut free = (96..128).filter(|n| at(*n).is_none() && codecs.iter().all(|c| c.payload_type != *n));
            let free = || free.find(|n| !taken.contains(n));
            let number = in_use.or_else(known).or_else(own).filter(|n| !taken.contains(n)).or_else(free);
            if let Some(payload_type) = number {
                taken.push(payload_type);
                numbered.push(CodecLine { payload_type, ..codec.clone() });
            }
        }
        numbered
    }

    /// What a number first stood for is what it stands for. Names are cut, so that a peer cannot make us keep long ones.
    fn note(&mut self, line: u8, codecs: &[CodecLine]) {
        for codec in codecs {
            self.numbers.entry((line, codec.payload_type)).or_insert_with(|| {
                let name: String = codec.name.chars().take(32).collect();
                CodecLine::new(codec.payload_type, &name, codec.clock, codec.channels).into()
            });
        }
    }

    fn note_their(&mut self, theirs: &Sdp, line: u8) {
        if let Ok(audio) = Audio::read(theirs, line) {
            self.note(line, &audio.codecs);
        }
    }
}

/// The same SDP, but for the version in its `o=` line.
fn with_version(sdp: &Sdp, version: u64) -> Sdp {
    let renewed = |line: &RawLine| match (line.kind(), line.text()) {
        (b'o', Ok(text)) => {
            let mut fields: Vec<&str> = text.split(' ').collect();
            let version = version.to_string();
            if let Some(field) = fields.get_mut(2) {
                *field = &version;
            }
            RawLine::new(b'o', fields.join(" "))
        }
        _ => line.clone(),
    };
    Sdp::from_parts(sdp.session().iter().map(renewed).collect(), sdp.media().to_vec())
}
