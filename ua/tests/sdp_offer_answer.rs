//! Offer and answer, step by step (RFC 3264).

use keyphone_keying::{Level, Line, Lines};
use keyphone_ua::sdp::{
    Answer, AnswerAsk, AnswerError, CodecLine, Direction, Negotiated, OfferAsk, Origin, Profile, Rejection, Sdp, Unfit,
    answer, key_mgmt, make_offer, read_answer,
};

fn origin() -> Origin {
    Origin { user: "-".into(), session_id: 42, version: 1 }
}

fn codecs() -> Vec<CodecLine> {
    vec![
        CodecLine { fmtp: Some("useinbandfec=1".into()), ..CodecLine::new(96, "opus", 48000, 2) },
        CodecLine::new(0, "PCMU", 8000, 1),
        CodecLine::new(8, "PCMA", 8000, 1),
        CodecLine::telephone_event(101, 48000),
    ]
}

fn keys(level: Level) -> Lines {
    Lines(vec![Line { level, name: key_mgmt::NAME.into(), value: "mikey AQAFgM0X".into() }])
}

fn offer(profile: Profile, direction: Direction) -> Sdp {
    let ask = OfferAsk {
        address: "192.0.2.1".parse().unwrap(),
        port: 5004,
        profile,
        codecs: &codecs(),
        direction,
        lines: &keys(Level::Session),
    };
    make_offer(&origin(), &ask)
}

fn their(blocks: &str) -> Sdp {
    let text = format!("v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n{blocks}");
    Sdp::parse(text.as_bytes()).unwrap()
}

fn take(offer: &Sdp, profiles: &[Profile]) -> Result<Answer, Rejection> {
    let ask = AnswerAsk {
        address: "192.0.2.2".parse().unwrap(),
        port: 6000,
        profiles,
        codecs: &codecs(),
        direction: Direction::SendRecv,
    };
    answer(offer, &origin(), &ask)
}

fn secure(offer: &Sdp) -> Result<Answer, Rejection> {
    take(offer, &[Profile::Savp])
}

fn answered(offered: &Sdp, blocks: &str) -> Result<Negotiated, AnswerError> {
    read_answer(offered, &their(blocks))
}

#[test]
fn both_sides_agree_on_what_was_agreed() {
    let offer = offer(Profile::Savp, Direction::SendRecv);
    let heard = Sdp::parse(&offer.bytes()).unwrap();
    assert_eq!(key_mgmt::read(&heard).unwrap(), keys(Level::Session));
    let plan = secure(&heard).unwrap();
    assert_eq!((plan.negotiated.line, plan.profile), (0, Profile::Savp));
    assert_eq!(plan.negotiated.remote_rtp, "192.0.2.1:5004".parse().unwrap());
    assert_eq!(plan.negotiated.remote_rtcp, "192.0.2.1:5005".parse().unwrap());
    let text = plan.with_lines(&keys(Level::Media(0)));
    assert_eq!(
        text.to_string(),
        "v=0\r\no=- 42 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 6000 RTP/SAVP 96 101\r\n\
         a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\na=rtpmap:101 telephone-event/48000\r\na=fmtp:101 0-15\r\n\
         a=ptime:20\r\n\
         a=sendrecv\r\na=key-mgmt:mikey AQAFgM0X\r\n"
    );
    let ours = read_answer(&offer, &Sdp::parse(&text.bytes()).unwrap()).unwrap();
    assert_eq!(ours.remote_rtp, "192.0.2.2:6000".parse().unwrap());
    assert_eq!(ours.remote_rtcp, "192.0.2.2:6001".parse().unwrap());
    assert_eq!((ours.codec.name.as_str(), ours.payload_type, ours.heard_as), ("opus", 96, 96));
    assert_eq!((ours.direction, plan.negotiated.direction), (Direction::SendRecv, Direction::SendRecv));
}

#[test]
fn every_m_line_is_answered_in_its_place() {
    let offer = their(
        "m=image 2000 udptl t38\r\nc=IN IP4 9.9.9.9\r\nm=audio 7000 RTP/AVP 0\r\nm=audio 7002 UDP/TLS/RTP/SAVPF 0\r\n\
         m=audio 7004 RTP/SAVP 18 97 8\r\na=rtpmap:97 OPUS/48000/2\r\nm=application 9 TCP/MSRP *\r\n\
         m=video 7006 RTP/SAVP 31\r\n",
    );
    let plan = secure(&offer).unwrap();
    assert_eq!((plan.negotiated.line, plan.negotiated.payload_type), (3, 97));
    assert_eq!(plan.negotiated.remote_rtp, "203.0.113.5:7004".parse().unwrap());
    let text = plan.with_lines(&Lines::default());
    let m: Vec<String> = text.media().iter().map(|block| block.m().to_string()).collect();
    let expected = [
        "image 0 udptl t38",
        "audio 0 RTP/AVP 0",
        "audio 0 UDP/TLS/RTP/SAVPF 0",
        "audio 6000 RTP/SAVP 97",
        "application 0 TCP/MSRP *",
        "video 0 RTP/SAVP 31",
    ];
    assert_eq!(m, expected);
    assert!(text.media().iter().filter(|block| block.is_refused()).all(|block| block.lines().len() == 1));
}

#[test]
fn plain_rtp_is_taken_only_where_it_is_allowed_and_never_before_secure() {
    let clear = their("m=audio 7000 RTP/AVP 0\r\n");
    let refused = secure(&clear).unwrap_err();
    assert!(refused.is_clear_only());
    let why = "nothing in the offer can be taken: m-line 0 would be in the clear (RTP/AVP), which is not allowed here";
    assert_eq!(refused.to_string(), why);
    let both = [Profile::Savp, Profile::Avp];
    assert_eq!(take(&clear, &both).unwrap().profile, Profile::Avp);
    let choice = their("m=audio 7000 RTP/AVP 0\r\nm=audio 7002 RTP/SAVP 0\r\n");
    let chosen = take(&choice, &both).unwrap();
    assert_eq!((chosen.profile, chosen.negotiated.line), (Profile::Savp, 1));
}

#[test]
fn an_offer_without_anything_for_us_is_rejected_line_by_line() {
    let offer = their(
        "m=video 7000 RTP/SAVP 31\r\nm=audio 0 RTP/SAVP 0\r\nm=audio 7002 RTP/SAVP 18 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\nm=audio 7004 RTP/SAVP 0\r\nc=IN IP4 phone.example.com\r\n\
         m=audio 7006 RTP/SAVPF 0\r\n",
    );
    let rejection = secure(&offer).unwrap_err();
    let [Unfit::NotAudio(video), Unfit::Off, Unfit::NoCodec, Unfit::Unreadable(error), Unfit::Profile(savpf)] =
        &rejection.reasons[..]
    else {
        panic!("{rejection:?}")
    };
    assert_eq!((video.as_str(), savpf.as_str()), ("video", "RTP/SAVPF"));
    assert!(error.to_string().contains("we resolve no names"));
    assert!(!rejection.is_clear_only());
    assert_eq!(secure(&their("")).unwrap_err().to_string(), "the offer has no m-line");
}

#[test]
fn a_static_payload_type_needs_no_rtpmap_and_any_may_be_mapped_anew() {
    let named = |m: &str| secure(&their(m)).map(|plan| plan.negotiated.codec.name);
    assert_eq!(named("m=audio 7000 RTP/SAVP 8 0\r\n"), Ok("PCMA".into()));
    assert_eq!(named("m=audio 7000 RTP/SAVP 99\r\na=rtpmap:99 pcmu/8000/1\r\n"), Ok("pcmu".into()));
    assert!(named("m=audio 7000 RTP/SAVP 99\r\na=rtpmap:99 PCMU/16000\r\n").is_err());
    assert!(named("m=audio 7000 RTP/SAVP 0\r\na=rtpmap:0 L16/8000\r\n").is_err());
}

#[test]
fn hold_is_answered_with_its_other_half() {
    for (attribute, theirs, ours) in [
        ("a=sendonly\r\n", "a=recvonly", Direction::RecvOnly),
        ("a=recvonly\r\n", "a=sendonly", Direction::SendOnly),
        ("a=inactive\r\n", "a=inactive", Direction::Inactive),
        ("c=IN IP4 0.0.0.0\r\n", "a=recvonly", Direction::RecvOnly),
    ] {
        let plan = secure(&their(&format!("m=audio 7000 RTP/SAVP 0\r\n{attribute}"))).unwrap();
        assert_eq!(plan.negotiated.direction, ours, "{attribute}");
        assert!(plan.with_lines(&Lines::default()).to_string().contains(theirs), "{attribute}");
    }
}

#[test]
fn the_times_of_the_offer_come_back() {
    let text = "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=2873397496 2873404696\r\n\
        r=604800 3600 0 90000\r\nm=audio 7000 RTP/SAVP 0\r\n";
    let back = secure(&Sdp::parse(text.as_bytes()).unwrap()).unwrap().with_lines(&Lines::default()).to_string();
    assert!(back.contains("t=2873397496 2873404696\r\nr=604800 3600 0 90000\r\nm=audio"));
}

#[test]
fn a_secure_offer_answered_in_the_clear_is_a_downgrade() {
    let savp = offer(Profile::Savp, Direction::SendRecv);
    let error = answered(&savp, "m=audio 7000 RTP/AVP 0\r\n").unwrap_err();
    assert!(matches!(&error, AnswerError::Downgrade { line: 0, .. }));
    let why = "m-line 0 was offered as RTP/SAVP and answered as RTP/AVP: somebody took the security away";
    assert_eq!(error.to_string(), why);
    assert!(matches!(answered(&savp, "m=audio 7000 RTP/SAVPF 0\r\n"), Err(AnswerError::Downgrade { .. })));
    let clear = offer(Profile::Avp, Direction::SendRecv);
    assert!(matches!(answered(&clear, "m=audio 7000 RTP/AVPF 0\r\n"), Err(AnswerError::Profile { .. })));
}

#[test]
fn an_answer_that_does_not_match_the_offer_is_refused() {
    let offer = offer(Profile::Savp, Direction::SendRecv);
    let two = "m=audio 7000 RTP/SAVP 0\r\nm=audio 7002 RTP/SAVP 0\r\n";
    assert_eq!(answered(&offer, two), Err(AnswerError::LineCount { offered: 1, answered: 2 }));
    assert_eq!(answered(&offer, ""), Err(AnswerError::LineCount { offered: 1, answered: 0 }));
    assert_eq!(answered(&offer, "m=audio 0 RTP/AVP 0\r\n"), Err(AnswerError::Refused));
    assert_eq!(answered(&offer, "m=audio 7000 RTP/SAVP 9\r\n"), Err(AnswerError::NoCodec { line: 0 }));
    assert!(matches!(answered(&offer, "m=video 7000 RTP/SAVP 0\r\n"), Err(AnswerError::Medium { .. })));
    assert!(matches!(answered(&offer, "m=audio 7000 RTP/SAVP x\r\n"), Err(AnswerError::Unreadable(_))));
    let off = their("m=audio 0 RTP/SAVP 0\r\n");
    assert_eq!(answered(&off, "m=audio 7000 RTP/SAVP 0\r\n"), Err(AnswerError::NotOffered { line: 0 }));
}

#[test]
fn an_answer_may_renumber_a_codec_and_choose_its_rtcp_port() {
    let block = "m=audio 7000 RTP/SAVP 101 110 0\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=rtpmap:110 opus/48000/2\r\na=rtcp:7100\r\n";
    let agreed = answered(&offer(Profile::Savp, Direction::SendRecv), block).unwrap();
    assert_eq!((agreed.payload_type, agreed.heard_as), (110, 96));
    assert_eq!(agreed.remote_rtcp, "203.0.113.5:7100".parse().unwrap());
}

#[test]
fn nothing_flows_that_one_side_did_not_want() {
    let agreed = |offered, answer: &str| {
        let block = format!("m=audio 7000 RTP/SAVP 0\r\n{answer}\r\n");
        answered(&offer(Profile::Savp, offered), &block).unwrap().direction
    };
    assert_eq!(agreed(Direction::SendRecv, "a=recvonly"), Direction::SendOnly);
    assert_eq!(agreed(Direction::SendOnly, "a=sendrecv"), Direction::SendOnly);
    assert_eq!(agreed(Direction::SendOnly, "a=sendonly"), Direction::Inactive);
    assert_eq!(agreed(Direction::SendRecv, "c=IN IP4 0.0.0.0"), Direction::RecvOnly);
}
