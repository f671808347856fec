//! Offers and answers in a running session (RFC 3264 section 8, RFC 6337 section 5).

use keyphone_keying::{Level, Line, Lines};
use keyphone_ua::sdp::{
    AnswerAsk, AnswerError, CodecLine, Direction, Negotiated, OfferAsk, Origin, Profile, Rejection, Reply, Sdp,
    SdpSession, key_mgmt,
};
use proptest::prelude::*;
use std::net::IpAddr;

/// One side of a dialog: what it wants now.
struct Side {
    session: SdpSession,
    address: IpAddr,
    port: u16,
    codecs: Vec<CodecLine>,
    direction: Direction,
    profile: Profile,
}

impl Side {
    fn new(address: &str, port: u16) -> Self {
        let codecs = vec![
            CodecLine::new(96, "opus", 48000, 2),
            CodecLine::new(0, "PCMU", 8000, 1),
            CodecLine::telephone_event(97, 48000),
            CodecLine::telephone_event(98, 8000),
        ];
        Self {
            session: SdpSession::new(Origin { user: "-".into(), session_id: u64::from(port), version: 1 }),
            address: address.parse().unwrap(),
            port,
            codecs,
            direction: Direction::SendRecv,
            profile: Profile::Savp,
        }
    }

    fn pair() -> (Self, Self) {
        (Self::new("192.0.2.1", 5004), Self::new("192.0.2.2", 6000))
    }

    fn offer(&mut self) -> Sdp {
        let ask = OfferAsk {
            address: self.address,
            port: self.port,
            profile: self.profile,
            codecs: &self.codecs,
            direction: self.direction,
            lines: &keys(),
        };
        sent(&self.session.offer(&ask))
    }

    fn plan(&self, offer: &Sdp) -> Result<Reply, Rejection> {
        let profiles = [Profile::Savp, Profile::Avp];
        let ask = AnswerAsk {
            address: self.address,
            port: self.port,
            profiles: &profiles,
            codecs: &self.codecs,
            direction: self.direction,
        };
        self.session.plan(offer, &ask)
    }

    fn answer(&mut self, offer: &Sdp) -> Sdp {
        let plan = self.plan(offer).unwrap();
        sent(&self.session.reply(offer, &plan, &keys()))
    }

    /// Offers, and hears the other's answer.
    fn calls(&mut self, other: &mut Self) -> Result<Negotiated, AnswerError> {
        let offer = self.offer();
        self.session.answered(&other.answer(&offer))
    }

    fn direction(&self) -> Direction {
        self.session.agreed().unwrap().direction
    }
}

fn keys() -> Lines {
    Lines(vec![Line { level: Level::Session, name: key_mgmt::NAME.into(), value: "mikey AQAFgM0X".into() }])
}

/// As the other side reads it.
fn sent(sdp: &Sdp) -> Sdp {
    Sdp::parse(&sdp.bytes()).unwrap()
}

fn their(blocks: &str) -> Sdp {
    let text = format!("v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n{blocks}");
    Sdp::parse(text.as_bytes()).unwrap()
}

fn version(sdp: &Sdp) -> u64 {
    let origin = sdp.session()[1].text().unwrap();
    origin.split(' ').nth(2).unwrap().parse().unwrap()
}

fn m_lines(sdp: &Sdp) -> Vec<String> {
    sdp.media().iter().map(|block| block.m().to_string()).collect()
}

#[test]
fn what_changes_has_the_next_version_and_what_does_not_is_the_same_to_the_byte() {
    let (mut alice, mut bob) = Side::pair();
    let first = alice.offer();
    let answer = bob.answer(&first);
    alice.session.answered(&answer).unwrap();
    assert_eq!((version(&first), version(&answer)), (1, 1));
    assert_eq!(alice.offer(), first, "the same offer is the same SDP");
    assert_eq!(bob.answer(&first), answer, "and so is its answer");
    alice.session.answered(&answer).unwrap();
    alice.direction = Direction::SendOnly;
    let hold = alice.offer();
    let held = bob.answer(&hold);
    assert_eq!((version(&hold), version(&held)), (2, 2));
    let o = |sdp: &Sdp| sdp.session()[1].text().unwrap().to_owned();
    assert_eq!((o(&first), o(&hold)), ("- 5004 1 IN IP4 192.0.2.1".into(), "- 5004 2 IN IP4 192.0.2.1".into()));
}

#[test]
fn a_refresh_repeats_what_holds_also_after_an_offer_that_was_refused() {
    let (mut alice, mut bob) = Side::pair();
    assert!(alice.session.repeat().is_none(), "nothing holds yet");
    let first = alice.offer();
    alice.session.answered(&bob.answer(&first)).unwrap();
    assert_eq!(sent(&alice.session.repeat().unwrap()), first);
    alice.session.rejected();
    alice.direction = Direction::Inactive;
    assert_eq!(version(&alice.offer()), 2);
    assert!(alice.session.is_waiting());
    alice.session.rejected();
    assert!(!alice.session.is_waiting());
    assert_eq!(alice.direction(), Direction::SendRecv, "what held before holds");
    let again = sent(&alice.session.repeat().unwrap());
    assert_eq!(version(&again), 3, "another SDP went out in between");
    assert_eq!(again.session()[2..], first.session()[2..]);
    assert_eq!(again.media(), first.media());
    alice.session.answered(&bob.answer(&again)).unwrap();
}

#[test]
fn two_sides_on_hold_resume_one_after_the_other() {
    // RFC 6337 section 5.3, to the letter.
    let (mut one, mut two) = Side::pair();
    one.calls(&mut two).unwrap();
    one.direction = Direction::SendOnly;
    let agreed = one.calls(&mut two).unwrap();
    assert_eq!((one.direction(), two.direction()), (Direction::SendOnly, Direction::RecvOnly));
    assert!(!agreed.is_held_by_peer() && !two.session.agreed().unwrap().theirs.hears());
    assert!(two.session.agreed().unwrap().is_held_by_peer());
    two.direction = Direction::SendOnly;
    assert!(two.calls(&mut one).unwrap().is_held_by_peer());
    assert_eq!((one.direction(), two.direction()), (Direction::Inactive, Direction::Inactive));
    one.direction = Direction::SendRecv;
    one.calls(&mut two).unwrap();
    assert_eq!((one.direction(), two.direction()), (Direction::RecvOnly, Direction::SendOnly));
    two.direction = Direction::SendRecv;
    two.calls(&mut one).unwrap();
    assert_eq!((one.direction(), two.direction()), (Direction::SendRecv, Direction::SendRecv));
}

#[test]
fn a_hold_by_an_address_of_zeros_is_understood_and_nothing_is_sent_there() {
    let mut bob = Side::new("192.0.2.2", 6000);
    bob.answer(&their("m=audio 7000 RTP/SAVP 0\r\n"));
    let held = their("m=audio 7000 RTP/SAVP 0\r\nc=IN IP4 0.0.0.0\r\n");
    let answer = bob.answer(&held);
    let agreed = bob.session.agreed().unwrap();
    assert!(agreed.is_held_by_peer() && agreed.remote_rtp.ip().is_unspecified() && !agreed.direction.sends());
    assert!(!answer.to_string().contains("0.0.0.0"));
    bob.answer(&their("m=audio 7000 RTP/SAVP 0\r\n"));
    assert!(!bob.session.agreed().unwrap().remote_rtp.ip().is_unspecified() && bob.direction() == Direction::SendRecv);
}

#[test]
fn a_peer_that_moves_or_changes_its_codec_is_followed() {
    let mut bob = Side::new("192.0.2.2", 6000);
    bob.answer(&their("m=audio 7000 RTP/SAVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-9\r\n"));
    let agreed = bob.session.agreed().unwrap().clone();
    assert_eq!(agreed.remote_rtp, "203.0.113.5:7000".parse().unwrap());
    let keys = agreed.keys.unwrap();
    assert_eq!((keys.send_as, keys.heard_as, keys.takes(9), keys.takes(10)), (101, 101, true, false));
    bob.answer(&their(
        "m=audio 7100 RTP/SAVP 111\r\nc=IN IP4 203.0.113.9\r\na=rtcp:7200\r\na=rtpmap:111 opus/48000/2\r\n",
    ));
    let agreed = bob.session.agreed().unwrap();
    assert_eq!(agreed.remote_rtp, "203.0.113.9:7100".parse().unwrap());
    assert_eq!(agreed.remote_rtcp, "203.0.113.9:7200".parse().unwrap());
    assert_eq!((agreed.codec.name.as_str(), agreed.payload_type, agreed.heard_as), ("opus", 111, 111));
    assert_eq!(agreed.keys, None, "no key presses at this clock were offered");
}

#[test]
fn a_number_keeps_its_codec_for_the_whole_session() {
    let mut bob = Side::new("192.0.2.2", 6000);
    bob.answer(&their(
        "m=audio 7000 RTP/SAVP 111 96 97\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:96 speex/16000\r\n\
         a=rtpmap:97 telephone-event/48000\r\n",
    ));
    let offer = bob.offer();
    assert_eq!(m_lines(&offer), ["audio 6000 RTP/SAVP 111 0 97 98"], "opus has the number that the peer gave it");
    bob.session.rejected();
    // The peer's 98 is now something else than ours, which was only offered.
    let mut bob = Side::new("192.0.2.2", 6000);
    bob.answer(&their("m=audio 7000 RTP/SAVP 0 96 98\r\na=rtpmap:96 speex/16000\r\na=rtpmap:98 iLBC/8000\r\n"));
    let m = m_lines(&bob.offer());
    assert_eq!(m, ["audio 6000 RTP/SAVP 99 0 97 100"], "96 and 98 are other codecs already");
}

#[test]
fn m_lines_stay_in_their_slots_and_none_is_ever_left_out() {
    let mut bob = Side::new("192.0.2.2", 6000);
    let offer = their("m=video 7002 RTP/SAVP 31\r\nm=audio 7000 RTP/SAVP 0\r\n");
    assert_eq!(m_lines(&bob.answer(&offer)), ["video 0 RTP/SAVP 31", "audio 6000 RTP/SAVP 0"]);
    assert_eq!(bob.session.line(), 1);
    let ours = bob.offer();
    assert_eq!(m_lines(&ours), ["video 0 RTP/SAVP 31", "audio 6000 RTP/SAVP 96 0 97 98"]);
    let answer = their("m=video 0 RTP/SAVP 31\r\nm=audio 7000 RTP/SAVP 0\r\n");
    assert_eq!(bob.session.answered(&answer).unwrap().line, 1);
    let fewer = bob.plan(&their("m=audio 7000 RTP/SAVP 0\r\n")).unwrap_err();
    assert_eq!(fewer.to_string(), "the offer lacks 1 m-lines of the session (RFC 3264 section 8)");
    // A new m-line comes below. The stream that has keys is kept, whatever else would fit.
    let more = their("m=audio 7004 RTP/SAVP 0\r\nm=audio 7000 RTP/SAVP 0\r\nm=audio 7006 RTP/SAVP 0\r\n");
    let m = m_lines(&bob.answer(&more));
    assert_eq!(m, ["audio 0 RTP/SAVP 0", "audio 6000 RTP/SAVP 0", "audio 0 RTP/SAVP 0"]);
    assert_eq!(bob.offer().media().len(), 3);
}

#[test]
fn a_stream_that_is_switched_off_leaves_its_slot_and_may_come_back() {
    let (mut alice, mut bob) = Side::pair();
    let Err(nothing) = bob.plan(&their("m=audio 0 RTP/SAVP 0\r\n")) else { panic!("there is nothing to switch off") };
    assert!(nothing.to_string().contains("is switched off"));
    alice.calls(&mut bob).unwrap();
    let off = bob.answer(&their("m=audio 0 RTP/SAVP 0\r\n"));
    assert_eq!(m_lines(&off), ["audio 0 RTP/SAVP 0"]);
    assert!(bob.session.agreed().is_none());
    let again = bob.offer();
    assert_eq!(m_lines(&again), ["audio 6000 RTP/SAVP 96 0 97 98"], "the slot is used again");
    let refused = bob.session.answered(&their("m=audio 0 RTP/SAVP 0\r\n"));
    assert_eq!((refused, bob.session.agreed()), (Err(AnswerError::Refused), None));
    alice.session.answered(&off).unwrap_err();
    assert_eq!(alice.direction(), Direction::SendRecv, "an answer to no offer changes nothing");
    alice.calls(&mut bob).unwrap();
}

#[test]
fn a_secure_stream_stays_secure() {
    let (mut alice, mut bob) = Side::pair();
    alice.calls(&mut bob).unwrap();
    let clear = bob.plan(&their("m=audio 7000 RTP/AVP 0\r\n")).unwrap_err();
    assert!(clear.is_clear_only(), "{clear}");
    alice.profile = Profile::Avp;
    assert_eq!(alice.offer().media()[0].m().proto, "RTP/SAVP");
    let (mut alice, mut bob) = Side::pair();
    alice.profile = Profile::Avp;
    alice.calls(&mut bob).unwrap();
    alice.profile = Profile::Savp;
    alice.calls(&mut bob).unwrap();
    assert!(bob.plan(&their("m=audio 7000 RTP/AVP 0\r\n")).is_err(), "and what became secure, too");
}

#[test]
fn each_branch_of_a_fork_has_a_session_of_its_own() {
    let (mut alice, mut bob) = Side::pair();
    let mut carol = Side::new("192.0.2.3", 7000);
    let offer = alice.offer();
    let mut branch = alice.session.clone();
    alice.session.answered(&bob.answer(&offer)).unwrap();
    branch.answered(&carol.answer(&offer)).unwrap();
    let at = |session: &SdpSession| session.agreed().unwrap().remote_rtp.to_string();
    assert_eq!((at(&alice.session), at(&branch)), ("192.0.2.2:6000".into(), "192.0.2.3:7000".into()));
    assert_eq!(branch.answered(&offer), Err(AnswerError::NoOffer));
}

#[test]
fn a_bad_answer_to_a_new_offer_leaves_what_held() {
    let (mut alice, mut bob) = Side::pair();
    alice.calls(&mut bob).unwrap();
    alice.direction = Direction::SendOnly;
    alice.offer();
    let downgrade = alice.session.answered(&their("m=audio 7000 RTP/AVP 0\r\n"));
    assert!(matches!(downgrade, Err(AnswerError::Downgrade { .. })));
    assert!(alice.direction() == Direction::SendRecv && !alice.session.is_waiting());
    assert_eq!(alice.session.agreed().unwrap().remote_rtp.port(), 6000);
}

fn direction() -> impl Strategy<Value = Direction> {
    (any::<bool>(), any::<bool>()).prop_map(|(sends, hears)| Direction::new(sends, hears))
}

proptest! {
    /// Both sides offer as they like, and some offers are refused: they always see the same session from two ends.
    #[test]
    fn after_any_offers_both_sides_see_the_same_session(
        steps in prop::collection::vec((any::<bool>(), direction(), any::<bool>(), 1024u16..2000), 1..12),
    ) {
        let (mut alice, mut bob) = Side::pair();
        alice.calls(&mut bob).unwrap();
        let mut versions = [1, 1];
        for (turn, wanted, refused, port) in steps {
            let (one, other) = if turn { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            (one.direction, one.port) = (wanted, port);
            let offer = one.offer();
            let risen = version(&offer) - versions[usize::from(turn)];
            prop_assert!(risen <= 1);
            versions[usize::from(turn)] += risen;
            if refused {
                one.session.rejected();
                continue;
            }
            let answer = other.answer(&offer);
            let risen = version(&answer) - versions[usize::from(!turn)];
            prop_assert!(risen <= 1);
            versions[usize::from(!turn)] += risen;
            let mine = one.session.answered(&answer).unwrap();
            let theirs = other.session.agreed().unwrap();
            prop_assert_eq!(mine.direction, theirs.direction.reversed());
            prop_assert_eq!((mine.payload_type, mine.heard_as), (theirs.heard_as, theirs.payload_type));
            prop_assert_eq!((theirs.remote_rtp.port(), mine.remote_rtp.port()), (port, other.port));
            prop_assert!(mine.codec.is_same_codec(&theirs.codec) && mine.keys.is_some() && theirs.keys.is_some());
        }
    }
}
