//! Somebody on the way, or the peer itself, tries to take the security away.

use crate::common::*;
use keyphone_ua::event::Outcome;
use keyphone_ua::sip::Method;

/// A whole call in which bob's answer arrives changed.
fn with_answer(edit: impl Fn(String) -> String + 'static) -> Pair {
    let mut pair = Pair::new();
    rewrite_answers(&mut pair.world, edit);
    pair.whole_call()
}

/// Alice acknowledges, says BYE with the reason, and sends no media.
fn assert_declined(pair: &Pair, what: &str) {
    let Pair { world, alice, .. } = pair;
    assert!(!requests(world, Pair::ALICE, Method::Ack).is_empty(), "{what}");
    let byes = requests(world, Pair::ALICE, Method::Bye);
    assert_eq!(byes.len(), 1, "{what}");
    let [reason] = &byes[0].headers.reason().unwrap()[..] else { panic!("{what}: one Reason") };
    assert_eq!((reason.protocol.as_str(), reason.cause), ("SIP", Some(488)), "{what}");
    let outcome = pair.outcome(*alice);
    let Outcome::KeyingRefused { why } = &outcome else { panic!("{what}: {outcome:?}") };
    assert_eq!(reason.text.as_deref(), Some(why.as_str()), "{what}");
    assert_eq!(media_from(world, Pair::ALICE).count(), 0, "{what}");
    pair.assert_nothing_left();
}

fn without_keys(body: String) -> String {
    body.lines().filter(|line| !line.starts_with("a=key-mgmt")).map(|line| format!("{line}\r\n")).collect()
}

#[test]
fn an_answer_in_the_clear_is_acknowledged_and_hung_up() {
    let pair = with_answer(|body| without_keys(body).replace("RTP/SAVP", "RTP/AVP"));
    assert_declined(&pair, "RTP/AVP without keys");
    let (why, _) = refusal(&pair.world, pair.alice);
    assert!(why.contains("somebody took the security away"), "{why}");
    assert_declined(&with_answer(|body| body.replace("RTP/SAVP", "RTP/AVP")), "RTP/AVP with keys");
}

#[test]
fn a_secure_answer_without_keys_is_acknowledged_and_hung_up() {
    let pair = with_answer(without_keys);
    assert_declined(&pair, "without key-mgmt");
    let (why, _) = refusal(&pair.world, pair.alice);
    assert!(why.contains("key-mgmt"), "{why}");
}

#[test]
fn an_offer_that_lost_its_keys_on_the_way_is_refused() {
    for clear in [false, true] {
        let mut pair = Pair::of(|config| config.policy.retries = 0, no_change);
        pair.world.set_middle(Box::new(move |sent| match is_request(sent, "INVITE") {
            true => keyphone_scenarios::world::Middle::Change(rewrite(&sent.bytes, |body| {
                let body = without_keys(body);
                if clear { body.replace("RTP/SAVP", "RTP/AVP") } else { body }
            })),
            false => keyphone_scenarios::world::Middle::Pass,
        }));
        let pair = pair.whole_call();
        for node in [pair.alice, pair.bob] {
            assert_eq!(pair.outcome(node).exit_code(), 3, "clear: {clear}");
        }
        assert_eq!(pair.world.log().iter().filter(|sent| sent.media).count(), 0);
    }
}

/// Changes one letter of the key-mgmt data to another one that base64 knows.
fn with_letter_changed(body: &str, at: usize) -> Option<String> {
    let start = body.find("a=key-mgmt:mikey ")? + "a=key-mgmt:mikey ".len();
    let end = start + body[start..].find('\r')?;
    let mut letters = body.as_bytes().to_vec();
    let letter = letters[start..end].get_mut(at).filter(|letter| **letter != b'=')?;
    *letter = if *letter == b'A' { b'B' } else { b'A' };
    String::from_utf8(letters).ok()
}

#[test]
fn an_answer_that_was_changed_in_any_letter_of_its_keys_is_acknowledged_and_hung_up() {
    let mut tried = 0;
    for at in 0.. {
        let whole = Pair::new().whole_call();
        let body = String::from_utf8(responses(&whole.world, Pair::BOB, 200)[0].body.clone()).unwrap();
        let Some(changed) = with_letter_changed(&body, at) else { break };
        // The last letter may hold bits that belong to no octet.
        assert_ne!(changed, body);
        assert_declined(&with_answer(move |_| changed.clone()), &format!("letter {at}"));
        tried += 1;
    }
    assert!(tried > 60, "{tried}");
}

#[test]
fn an_answer_with_another_number_of_m_lines_is_acknowledged_and_hung_up_and_is_not_keyings_fault() {
    let pair = with_answer(|body| {
        let head = body.split("m=").next().unwrap();
        head.to_owned()
    });
    let Outcome::Failed { why, .. } = pair.outcome(pair.alice) else { panic!() };
    assert!(why.contains("RFC 3264 section 6"), "{why}");
    assert_eq!(requests(&pair.world, Pair::ALICE, Method::Bye).len(), 1);
    assert_eq!(media_from(&pair.world, Pair::ALICE).count(), 0);
    pair.assert_nothing_left();
}

#[test]
fn an_answer_that_cannot_be_read_is_acknowledged_and_hung_up() {
    for body in ["", "garbage", "v=0\r\n"] {
        let pair = with_answer(move |_| body.into());
        assert_eq!(pair.outcome(pair.alice).exit_code(), 1, "{body:?}");
        assert_eq!(requests(&pair.world, Pair::ALICE, Method::Bye).len(), 1, "{body:?}");
        assert_eq!(media_from(&pair.world, Pair::ALICE).count(), 0);
        pair.assert_nothing_left();
    }
}
