//! Session descriptions: read, offered to us, and as the answer to our offer.

use keyphone_keying::{Level, Line, Lines};
use keyphone_ua::sdp::{
    AnswerAsk, Audio, CodecLine, Direction, OfferAsk, Origin, Profile, Sdp, answer, key_mgmt, make_offer, read_answer,
    refusal,
};
use std::net::{IpAddr, Ipv4Addr};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What was read is printed and read again without a difference. Our answer to it has its m-lines, and would satisfy
/// us if the offer had been ours.
pub fn sdp(data: &[u8]) {
    let Ok(sdp) = Sdp::parse(data) else { return };
    let printed = sdp.bytes();
    let again = Sdp::parse(&printed).unwrap_or_else(|error| panic!("{error}\n{sdp}"));
    assert_eq!(again, sdp);
    for line in 0..=sdp.media().len() as u8 {
        let _ = Audio::read(&sdp, line).map(|audio| audio.flow());
    }
    let _ = key_mgmt::read(&sdp);
    let origin = Origin { user: "-".into(), session_id: 42, version: 1 };
    reads_as_it_was(&refusal(&sdp, &origin, ADDRESS, &lines(Level::Session)));
    for profiles in [&[Profile::Savp][..], &[Profile::Avp, Profile::Savp]] {
        answered(&sdp, &origin, profiles);
    }
    for profile in [Profile::Savp, Profile::Avp] {
        let ask = OfferAsk {
            address: ADDRESS,
            port: 5004,
            profile,
            codecs: &codecs(),
            direction: Direction::SendRecv,
            lines: &lines(Level::Media(0)),
        };
        if let Ok(agreed) = read_answer(&make_offer(&origin, &ask), &sdp) {
            assert!(codecs().iter().any(|ours| ours.is_same_codec(&agreed.codec)));
            let block = &sdp.media()[usize::from(agreed.line)];
            assert_eq!(block.m().proto, profile.as_str(), "the profile is the offered one, or nothing is agreed");
        }
    }
}

fn answered(offer: &Sdp, origin: &Origin, profiles: &[Profile]) {
    let ask = AnswerAsk { address: ADDRESS, port: 6000, profiles, codecs: &codecs(), direction: Direction::SendRecv };
    match answer(offer, origin, &ask) {
        Ok(answer) => {
            let ours = answer.with_lines(&lines(Level::Media(answer.negotiated.line)));
            reads_as_it_was(&ours);
            assert_eq!(ours.media().len(), offer.media().len());
            assert!(profiles.contains(&answer.profile));
            let agreed = read_answer(offer, &ours).unwrap_or_else(|error| panic!("{error}\n{offer}\n{ours}"));
            assert_eq!((agreed.line, agreed.remote_rtp.port()), (answer.negotiated.line, 6000));
            assert!(agreed.codec.is_same_codec(&answer.negotiated.codec));
        }
        Err(rejection) => assert!(!rejection.to_string().is_empty()),
    }
}

fn reads_as_it_was(ours: &Sdp) {
    let again = Sdp::parse(&ours.bytes()).unwrap_or_else(|error| panic!("{error}\n{ours}"));
    assert_eq!(again.bytes(), ours.bytes());
}

fn codecs() -> Vec<CodecLine> {
    vec![
        CodecLine { fmtp: Some("useinbandfec=1".into()), ..CodecLine::new(96, "opus", 48000, 2) },
        CodecLine::new(0, "PCMU", 8000, 1),
        CodecLine::new(8, "PCMA", 8000, 1),
        CodecLine::new(101, "telephone-event", 8000, 1),
    ]
}

fn lines(level: Level) -> Lines {
    Lines(vec![Line { level, name: key_mgmt::NAME.into(), value: "mikey AQAFgM0X".into() }])
}
