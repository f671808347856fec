//! Which crypto session is which stream.
//!
//! RFC 4567 section 7.1 gives each m-line two consecutive CS IDs: for the n-th m-line, from zero, `2n + 1` goes from
//! the Initiator to the Responder and `2n + 2` the other way. Peers of the field have one crypto session per m-line for
//! both ways: one TEK then has two uses. The sender of a stream chooses its SSRC; what the Initiator cannot know is
//! zero until the Responder fills it in (RFC 3830 section 6.1.1).

use super::wire::{CsMap, SrtpId};
use crate::{Dir, Error, Level, Stream};
use keyphone_media::rtp::Ssrc;

const SECTION: &str = "RFC 3830 section 6.1.1";

/// Which end of an exchange we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// We made the I_MESSAGE.
    Initiator,
    /// We answered it.
    Responder,
}

/// How the crypto sessions of one message lie over the m-lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    role: Role,
    level: Level,
    /// One crypto session for both ways.
    single: bool,
}

impl Layout {
    /// Of our own offers: two crypto sessions per m-line, at session level.
    pub(super) const OURS: Self = Self { role: Role::Initiator, level: Level::Session, single: false };

    /// Of a peer's offer with `count` crypto sessions, which is to key these streams.
    ///
    /// # Errors
    /// `count` is too small for the m-lines.
    pub(super) fn of_offer(level: Level, count: usize, streams: &[Stream]) -> Result<Self, Error> {
        let pairs = Self { role: Role::Responder, level, single: false };
        let lines = streams.iter().map(|s| pairs.line(s) + 1).max().unwrap_or(0);
        match count {
            n if n >= 2 * lines => Ok(pairs),
            n if n >= lines => Ok(Self { single: true, ..pairs }),
            n => {
                Err(Error::incompatible(format!("it has {n} crypto sessions where {lines} m-lines need twice as many")))
            }
        }
    }

    /// Counted within what the message covers.
    fn line(self, stream: &Stream) -> usize {
        match self.level {
            Level::Session => stream.line.into(),
            Level::Media(_) => 0,
        }
    }

    /// The place in the CS ID map, from zero: one less than the CS ID.
    pub(super) fn place(self, stream: &Stream) -> usize {
        let line = self.line(stream);
        match (self.single, (self.role == Role::Initiator) == (stream.dir == Dir::Send)) {
            (true, _) => line,
            (false, true) => 2 * line,
            (false, false) => 2 * line + 1,
        }
    }

    /// The map of our offer: our SSRCs, and zero for the peer's.
    ///
    /// # Errors
    /// More m-lines than CS IDs.
    pub(super) fn offer(streams: &[Stream]) -> Result<Vec<SrtpId>, Error> {
        let lines = streams.iter().map(|s| usize::from(s.line) + 1).max().unwrap_or(0);
        if !(1..=127).contains(&lines) {
            return Err(Error::Misuse("MIKEY keys 1 to 127 m-lines at once"));
        }
        let mut map = vec![SrtpId { policy_no: 0, ssrc: None, roc: 0 }; 2 * lines];
        for stream in streams.iter().filter(|s| s.dir == Dir::Send) {
            let id = &mut map[Self::OURS.place(stream)];
            (id.ssrc, id.roc) = (stream.ssrc, stream.roc);
        }
        Ok(map)
    }

    /// How many crypto sessions a bundle of `count` has when it covers these streams too.
    pub(super) fn grown(self, count: usize, streams: &[Stream]) -> usize {
        let lines = streams.iter().map(|stream| self.line(stream) + 1).max().unwrap_or(0);
        count.max(if self.single { lines } else { 2 * lines })
    }

    /// The map of our update of a bundle that is to have `count` crypto sessions: they are what they were, whoever
    /// begins.
    pub(super) fn update(self, count: usize, streams: &[Stream]) -> Vec<SrtpId> {
        let mut map = vec![SrtpId { policy_no: 0, ssrc: None, roc: 0 }; count];
        for stream in streams.iter().filter(|s| s.dir == Dir::Send) {
            if let Some(id) = map.get_mut(self.place(stream)) {
                (id.ssrc, id.roc) = (stream.ssrc, stream.roc);
            }
        }
        map
    }

    /// The map of our answer to an update, which may know our SSRCs.
    ///
    /// # Errors
    /// As in [`Self::answer`].
    pub(super) fn answer_update(self, offered: &CsMap, streams: &[Stream]) -> Result<CsMap, Error> {
        let CsMap::Srtp(offered) = offered else { return Ok(offered.clone()) };
        let mut unnamed = offered.to_vec();
        for stream in streams.iter().filter(|s| s.dir == Dir::Send && !self.single) {
            if let Some(id) = unnamed.get_mut(self.place(stream)).filter(|id| id.ssrc == stream.ssrc) {
                (id.ssrc, id.roc) = (None, 0);
            }
        }
        self.answer(&CsMap::Srtp(unnamed), streams)
    }

    /// Does one crypto session serve both ways? Then it names its Initiator's SSRC and no other.
    pub(super) fn is_single(self) -> bool {
        self.single
    }

    /// Where in the SDP its messages stand.
    pub(super) fn level(self) -> Level {
        self.level
    }

    /// The map of our answer: the offer's, with our SSRCs where it has none.
    ///
    /// # Errors
    /// The Initiator chose an SSRC for us, or took ours.
    pub(super) fn answer(self, offered: &CsMap, streams: &[Stream]) -> Result<CsMap, Error> {
        let CsMap::Srtp(offered) = offered else { return Ok(offered.clone()) };
        let mut map = offered.clone();
        for stream in streams.iter().filter(|s| s.dir == Dir::Send) {
            if offered.iter().any(|id| id.ssrc.is_some() && id.ssrc == stream.ssrc) {
                return Err(Error::misbehaved(format!("it names our SSRC {} as its own", show(stream.ssrc)), SECTION));
            }
            let Some(id) = map.get_mut(self.place(stream)) else { continue };
            match id.ssrc {
                None => (id.ssrc, id.roc) = (stream.ssrc, stream.roc),
                Some(_) if self.single => {}
                Some(ssrc) => {
                    return Err(Error::misbehaved(format!("it chose SSRC {ssrc} for a stream that we send"), SECTION));
                }
            }
        }
        Ok(CsMap::Srtp(map))
    }

    /// What we hear, as the peer's map names it. A single crypto session names its Initiator's SSRC alone; an SSRC that
    /// nobody named is heard from whoever authenticates.
    pub(super) fn heard(self, stream: &Stream, map: &[SrtpId]) -> Stream {
        match map.get(self.place(stream)) {
            Some(id) if id.ssrc.is_some() => Stream { ssrc: id.ssrc, roc: id.roc, ..*stream },
            _ => Stream { ssrc: None, roc: 0, ..*stream },
        }
    }
}

/// Is the map of an answer one that the offer can have?
///
/// # Errors
/// Another count, another policy, an SSRC that was ours and is not any more, or ours twice.
pub(super) fn check_answer(offered: &[SrtpId], answered: &[SrtpId]) -> Result<(), Error> {
    let wrong = |what: String| Err(Error::misbehaved(what, SECTION));
    if offered.len() != answered.len() {
        return wrong(format!("it answers {} crypto sessions with {}", offered.len(), answered.len()));
    }
    for (cs_id, (ours, theirs)) in (1..).zip(offered.iter().zip(answered)) {
        if ours.policy_no != theirs.policy_no {
            return wrong(format!("it gives CS {cs_id} policy {} instead of {}", theirs.policy_no, ours.policy_no));
        }
        match ours.ssrc {
            Some(ssrc) if theirs.ssrc != ours.ssrc => {
                return wrong(format!("it changed the SSRC of CS {cs_id}, {ssrc}, which is ours to choose"));
            }
            None if theirs.ssrc.is_some() && offered.iter().any(|id| id.ssrc == theirs.ssrc) => {
                return wrong(format!("it names our SSRC {} as its own", show(theirs.ssrc)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The same of the whole map.
///
/// # Errors
/// Another type of map, too.
pub(super) fn check_map(offered: &CsMap, answered: &CsMap) -> Result<(), Error> {
    match (offered, answered) {
        (CsMap::Srtp(ours), CsMap::Srtp(theirs)) => check_answer(ours, theirs),
        (ours, theirs) if ours == theirs => Ok(()),
        _ => Err(Error::misbehaved("it changed the type of the CS ID map", "RFC 3830 section 6.1")),
    }
}

fn show(ssrc: Option<Ssrc>) -> String {
    ssrc.map_or_else(|| "0".to_owned(), |s| s.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(line: u8, dir: Dir, ssrc: Option<u32>) -> Stream {
        Stream { line, dir, ssrc: ssrc.map(Ssrc), roc: 0 }
    }

    #[test]
    fn odd_goes_out_and_even_comes_back() {
        let map = Layout::offer(&[stream(0, Dir::Send, Some(7)), stream(2, Dir::Send, Some(9))]).unwrap();
        let ssrcs: Vec<_> = map.iter().map(|id| id.ssrc.map_or(0, |s| s.0)).collect();
        assert_eq!(ssrcs, [7, 0, 0, 0, 9, 0]);
        let theirs = Layout::of_offer(Level::Session, 6, &[stream(2, Dir::Send, None)]).unwrap();
        assert_eq!(theirs.place(&stream(2, Dir::Send, None)), 5);
        assert_eq!(theirs.place(&stream(2, Dir::Hear, None)), 4);
        assert_eq!(theirs.heard(&stream(2, Dir::Hear, None), &map).ssrc, Some(Ssrc(9)));
        assert!(Layout::offer(&[]).is_err() && Layout::offer(&[stream(127, Dir::Send, None)]).is_err());
    }

    #[test]
    fn a_message_under_an_m_line_counts_from_one_again() {
        let layout = Layout::of_offer(Level::Media(3), 2, &[stream(3, Dir::Hear, None)]).unwrap();
        assert_eq!((layout.place(&stream(3, Dir::Hear, None)), layout.place(&stream(3, Dir::Send, None))), (0, 1));
        assert!(Layout::of_offer(Level::Session, 0, &[stream(0, Dir::Send, None)]).is_err());
    }

    #[test]
    fn one_crypto_session_serves_both_ways() {
        let offered = [SrtpId { policy_no: 0, ssrc: Some(Ssrc(7)), roc: 2 }];
        let both = [stream(0, Dir::Send, Some(8)), stream(0, Dir::Hear, None)];
        let layout = Layout::of_offer(Level::Session, 1, &both).unwrap();
        assert_eq!(both.map(|s| layout.place(&s)), [0, 0]);
        assert_eq!(layout.answer(&CsMap::Srtp(offered.to_vec()), &both).unwrap(), CsMap::Srtp(offered.to_vec()));
        assert_eq!(layout.heard(&both[1], &offered), Stream { ssrc: Some(Ssrc(7)), roc: 2, ..both[1] });
    }

    #[test]
    fn an_answer_may_fill_in_and_nothing_else() {
        let offered = Layout::offer(&[stream(0, Dir::Send, Some(7))]).unwrap();
        let with = |i: usize, policy_no, ssrc: u32| {
            let mut map = offered.clone();
            map[i] = SrtpId { policy_no, ssrc: Some(Ssrc(ssrc)), roc: 0 };
            map
        };
        assert_eq!(check_answer(&offered, &with(1, 0, 8)), Ok(()));
        assert_eq!(check_answer(&offered, &offered), Ok(()));
        for bad in [with(1, 0, 7), with(1, 1, 8), with(0, 0, 6), offered[..1].to_vec()] {
            assert!(check_answer(&offered, &bad).is_err(), "{bad:?}");
        }
    }
}
