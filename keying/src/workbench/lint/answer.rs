//! Rules of an answer beside the I_MESSAGE that it answers.

use super::{Hit, Rule, Severity, Subject};
use crate::mikey::wire::{Body, CsMap, DataType, Dh, Ext, Message, Rand, Sp, T};
use crate::workbench::exchange::answer_to;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "fresh-t",
        severity: Severity::Error,
        section: "RFC 3830 section 5.2",
        should: "the Initiator's T, repeated; --interop lets it pass",
        check: |s| {
            let t = s.init.and_then(|init| init.many::<T>().next());
            let other = s.each::<T>().find(|(_, own)| t.is_some_and(|t| t != *own));
            other.map(|(at, _)| Hit::new(at + 2, "the answer has a T of its own")).into_iter().collect()
        },
    },
    Rule {
        id: "answer-type",
        severity: Severity::Error,
        section: "RFC 3830 section 6.1",
        should: "the answer of the same method, or an error message",
        check: |s| {
            let data_type = s.message.hdr().data_type;
            let asked = s.init.map(|init| init.hdr().data_type);
            let wrong = asked.filter(|&asked| data_type != DataType::Error && answer_to(asked) != Some(data_type));
            wrong.map(|asked| Hit::new(1, format!("{data_type} answers {asked}"))).into_iter().collect()
        },
    },
    Rule {
        id: "answer-unasked",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.1",
        should: "no verification message where the I_MESSAGE has V = 0",
        check: |s| {
            let unasked = s.init.is_some_and(|init| !init.hdr().v)
                && matches!(s.message.hdr().data_type, DataType::PskVer | DataType::PkVer);
            unasked.then(|| Hit::new(1, "a verification message that nobody asked for")).into_iter().collect()
        },
    },
    Rule {
        id: "map-changed",
        severity: Severity::Error,
        section: "RFC 3830 section 6.1.1",
        should: "the Initiator's map, with nothing but zero SSRCs filled in",
        check: map_changed,
    },
    Rule {
        id: "ssrc-left-zero",
        severity: Severity::Error,
        section: "RFC 3830 section 6.1.1",
        should: "the Responder fills in the SSRCs of its streams; --interop lets it pass",
        check: ssrc_left_zero,
    },
    Rule {
        id: "second-rand",
        severity: Severity::Error,
        section: "RFC 4738 section 3.6",
        should: "no RAND where the I_MESSAGE has one, outside of groups",
        check: |s| {
            let group = s.each::<Ext>().any(|(_, ext)| matches!(ext, Ext::CsbId(_)));
            let rsar = s.message.hdr().data_type == DataType::RsaRResp && !group && has::<Rand>(s.init);
            let second = s.each::<Rand>().next().filter(|_| rsar);
            second.map(|(at, _)| Hit::new(at, "the answer has a RAND too")).into_iter().collect()
        },
    },
    Rule {
        id: "no-rand",
        severity: Severity::Error,
        section: "RFC 4738 section 3.6",
        should: "a RAND in one of the two messages",
        check: |s| {
            let rsar = s.message.hdr().data_type == DataType::RsaRResp && s.complete() && s.init.is_some();
            let none = rsar && !has::<Rand>(s.init) && s.each::<Rand>().next().is_none();
            none.then(|| Hit::new(s.read_to(), "neither message has a RAND")).into_iter().collect()
        },
    },
    Rule {
        id: "no-policy-chosen",
        severity: Severity::Error,
        section: "RFC 4738 section 3.6",
        should: "the SP that the Responder has chosen of those in the I_MESSAGE",
        check: |s| {
            let rsar = s.message.hdr().data_type == DataType::RsaRResp && s.complete() && has::<Sp>(s.init);
            let none = rsar && s.each::<Sp>().next().is_none();
            none.then(|| Hit::new(s.read_to(), "the answer has no SP")).into_iter().collect()
        },
    },
    Rule {
        id: "dhi-not-repeated",
        severity: Severity::Error,
        section: "RFC 3830 section 3.3",
        should: "DHi as it was in the I_MESSAGE, and DHr of the same group",
        check: dhi,
    },
];

fn has<B: Body>(message: Option<&Message>) -> bool {
    message.is_some_and(|message| message.many::<B>().next().is_some())
}

fn map_changed(s: &Subject<'_>) -> Vec<Hit> {
    let Some(CsMap::Srtp(offered)) = s.init.map(|init| &init.hdr().map) else { return vec![] };
    let CsMap::Srtp(answered) = &s.message.hdr().map else { return vec![] };
    // In RSA-R the Responder fills in all of it (RFC 4738 section 3.6); an error message need not have any.
    if matches!(s.message.hdr().data_type, DataType::RsaRResp | DataType::Error) {
        return vec![];
    }
    if offered.len() != answered.len() {
        return vec![Hit::new(8, format!("#CS is {} where the I_MESSAGE has {}", answered.len(), offered.len()))];
    }
    let changed = offered.iter().zip(answered).position(|(offered, answered)| {
        offered.policy_no != answered.policy_no || (offered.ssrc.is_some() && offered.ssrc != answered.ssrc)
    });
    changed.map(|i| Hit::new(10 + 9 * i, format!("the entry of CS {} is another one", i + 1))).into_iter().collect()
}

fn ssrc_left_zero(s: &Subject<'_>) -> Vec<Hit> {
    let answers = s.init.is_some() && s.message.hdr().data_type != DataType::Error;
    let CsMap::Srtp(ids) = &s.message.hdr().map else { return vec![] };
    let open = ids.iter().position(|id| id.ssrc.is_none()).filter(|_| answers);
    open.map(|i| Hit::new(11 + 9 * i, format!("the SSRC of CS {} is still zero", i + 1))).into_iter().collect()
}

fn dhi(s: &Subject<'_>) -> Vec<Hit> {
    let theirs: Vec<_> = s.each::<Dh>().collect();
    let Some(ours) = s.init.and_then(|init| init.many::<Dh>().next()) else {
        let unasked = theirs.first().filter(|_| s.init.is_some());
        let hit = |(at, _): &(usize, _)| Hit::new(*at, "a DH answers an I_MESSAGE that has none");
        return unasked.map(|dh| hit(dh).should("no DH").section("RFC 3830 section 4.5")).into_iter().collect();
    };
    let (Some((at, _)), true) = (theirs.first(), theirs.len() == 2) else { return vec![] };
    let repeats = theirs.iter().filter(|(_, dh)| dh.value == ours.value).count();
    match repeats {
        1 if theirs.iter().all(|(_, dh)| dh.group == ours.group) => vec![],
        0 => vec![Hit::new(*at, "neither DH is the Initiator's")],
        1 => vec![Hit::new(*at, "DHr is of another group")],
        _ => vec![Hit::new(*at, "DHr is DHi")],
    }
}
