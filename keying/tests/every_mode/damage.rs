//! Messages that came to harm on the way: each octet changed, cut at each length, payloads twice or gone.

use crate::modes::{self, Case};
use crate::side::*;
use keyphone_keying::mikey::wire::{Message, Payload};

/// Where a change may pass, and the sentence of the RFC that lets it. A mode without a MAC has no other such place.
fn exceptions(case: &Case) -> Option<&'static str> {
    const NULL: &str = "The NULL authentication algorithm (i.e., no MAC) can be used together with the NULL \
                        encryption algorithm [..] while relying on the security of SIP. (RFC 3830 section 4.2.4)";
    case.is_null().then_some(NULL)
}

/// What becomes of each of these messages: none is accepted, but where an exception says so.
fn all_refused(
    case: &Case,
    what: &str,
    damaged: impl Iterator<Item = (String, Vec<u8>)>,
    mut take: impl FnMut(&[u8]) -> bool,
) {
    for (how, bytes) in damaged {
        let taken = take(&bytes);
        assert!(!taken || exceptions(case).is_some(), "{}: {what} with {how} was accepted", case.name);
    }
}

/// Every octet, three of its bits one after the other, and all of them.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    (0..bytes.len()).flat_map(move |at| {
        [0x01, 0x10, 0x80, 0xff].map(|bits| {
            let mut changed = bytes.to_vec();
            changed[at] ^= bits;
            (format!("octet {at} changed by {bits:02x}"), changed)
        })
    })
}

fn cut(bytes: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    (0..bytes.len()).map(|len| (format!("{len} octets left"), bytes[..len].to_vec()))
}

/// Each payload a second time behind itself, and each left out, the chain of payloads mended.
fn rebuilt(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let message = Message::read(bytes, keyphone_keying::mikey::Tolerances::none()).unwrap();
    let parts: Vec<_> = message.parts().iter().map(|part| (part.payload.number(), part.range.clone())).collect();
    let mut all = vec![];
    for (i, part) in message.parts().iter().enumerate() {
        let (number, range) = parts[i].clone();
        let mut twice = bytes[..range.end].to_vec();
        twice.extend(&bytes[range.clone()]);
        twice.extend(&bytes[range.end..]);
        // A SIGN has no Next payload: it ends the message (RFC 3830 section 6.5).
        if !matches!(part.payload, Payload::Sign(_)) {
            twice[range.start] = number;
        }
        all.push((format!("{} twice", part.payload.name()), twice));

        let mut without = bytes[..range.start].to_vec();
        without.extend(&bytes[range.end..]);
        let next = parts.get(i + 1).map_or(0, |(number, _)| *number);
        match i.checked_sub(1).map(|before| parts[before].1.start) {
            Some(before) => without[before] = next,
            None => without[2] = next, // of the header (RFC 3830 section 6.1)
        }
        all.push((format!("no {}", part.payload.name()), without));
    }
    all
}

#[test]
fn no_change_of_the_offer_is_accepted_and_none_leaves_a_trace() {
    for case in modes::all() {
        let (mut alice, mut bob) = pair(&case);
        let offer = bytes(&alice.offer().0);
        let damaged = flipped(&offer).chain(cut(&offer)).chain(rebuilt(&offer));
        all_refused(&case, "the I_MESSAGE", damaged, |bytes| {
            let (result, out) = bob.answer(&lines(bytes));
            assert!(result.is_ok() || keys(&out).is_empty(), "{}: {out:?}", case.name);
            result.is_ok()
        });
        if !case.is_null() {
            bob.accept(&lines(&offer));
        }
    }
}

#[test]
fn no_change_of_the_answer_is_accepted_and_the_true_one_still_is() {
    for case in modes::all() {
        let (mut alice, mut bob) = pair(&case);
        let (offer, offered, _) = alice.offer();
        let answer = bytes(&bob.accept(&offer).0);
        let damaged = flipped(&answer).chain(cut(&answer)).chain(rebuilt(&answer));
        all_refused(&case, "the R_MESSAGE", damaged, |bytes| {
            let (result, out) = alice.told(&mut *offered.session(), &lines(bytes));
            assert!(result.is_ok() || keys(&out).is_empty(), "{}: {out:?}", case.name);
            result.is_ok()
        });
        alice.told(&mut *offered.session(), &lines(&answer)).0.unwrap();
    }
}

#[test]
fn an_answer_to_one_call_is_none_to_another() {
    for case in modes::all() {
        let (mut alice, mut bob) = pair(&case);
        let (first, second) = (alice.offer(), alice.offer());
        let answer = bob.accept(&first.0).0;
        let why = alice.reject(&*second.1, &answer);
        assert!(why.contains("RFC 3830 section") || why.contains("RFC 4"), "{}: {why}", case.name);
    }
}
