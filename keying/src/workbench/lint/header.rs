//! Rules of the common header.

use super::{Hit, Rule, Severity, Subject};
use crate::mikey::wire::{CsMap, DataType, Prf, Rand, Sp, T};
use crate::workbench::exchange::is_init;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "data-type",
        severity: Severity::Error,
        section: "RFC 3830 table 6.1.a",
        should: "0 to 6, 7 and 8 of RFC 4650, or 9 and 10 of RFC 4738",
        check: |s| match s.message.hdr().data_type {
            DataType::Unknown(n) => vec![Hit::new(1, format!("the data type is {n}, which is none we know"))],
            _ => vec![],
        },
    },
    Rule {
        id: "prf",
        severity: Severity::Error,
        section: "RFC 3830 table 6.1.c",
        should: "0, MIKEY-1, is the only one",
        check: |s| match s.message.hdr().prf {
            Prf::Unknown(n) => vec![Hit::new(3, format!("the PRF is {n}"))],
            _ => vec![],
        },
    },
    Rule {
        id: "v-flag",
        severity: Severity::Note,
        section: "RFC 3830 section 6.1",
        should: "V has a meaning only when the Initiator sets it",
        check: |s| {
            let hdr = s.message.hdr();
            let hit = hdr.v && !is_init(hdr.data_type);
            hit.then(|| Hit::new(3, format!("V is set in {}", hdr.data_type))).into_iter().collect()
        },
    },
    Rule {
        id: "v-flag-rsa-r",
        severity: Severity::Error,
        section: "RFC 4738 section 3.4",
        should: "the V bit must be 1",
        check: |s| {
            let hdr = s.message.hdr();
            let hit = !hdr.v && hdr.data_type == DataType::RsaRInit;
            hit.then(|| Hit::new(3, "V is 0 in an RSA-R I_MESSAGE")).into_iter().collect()
        },
    },
    Rule {
        id: "update-rand",
        severity: Severity::Error,
        section: "RFC 3830 section 4.5",
        should: "no RAND in an update: that of the message which began the bundle counts",
        check: |s| {
            let update = s.first.is_some() && is_init(s.message.hdr().data_type);
            let rand = s.each::<Rand>().next().filter(|_| update);
            rand.map(|(at, _)| Hit::new(at, "an update of a bundle that runs has a RAND")).into_iter().collect()
        },
    },
    Rule {
        id: "update-t",
        severity: Severity::Error,
        section: "RFC 3830 section 4.5",
        should: "a new timestamp in each message to a bundle",
        check: |s| {
            let update = s.first.filter(|_| is_init(s.message.hdr().data_type));
            let old = update.and_then(|first| first.many::<T>().next());
            let same = s.each::<T>().find(|(_, t)| Some(*t) == old);
            same.map(|(at, _)| Hit::new(at + 2, "an update has the T of the first message")).into_iter().collect()
        },
    },
    Rule {
        id: "map-type",
        severity: Severity::Error,
        section: "RFC 3830 table 6.1.d",
        should: "0, SRTP-ID, or 1, the empty map of RFC 4563",
        check: |s| match s.message.hdr().map {
            CsMap::Unknown { map_type, .. } => vec![Hit::new(9, format!("the CS ID map type is {map_type}"))],
            _ => vec![],
        },
    },
    Rule {
        id: "no-crypto-session",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.1.1",
        should: "one entry for each stream; the Responder repeats them and fills in its own",
        check: no_session,
    },
    Rule {
        id: "map-policy",
        severity: Severity::Error,
        section: "RFC 3830 section 6.1.1",
        should: "each Policy_no is that of an SP",
        check: map_policy,
    },
    Rule {
        id: "map-ssrc-twice",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.1.1",
        should: "SSRCs are unique, for streams under one key would share their keystream",
        check: ssrc_twice,
    },
    Rule {
        id: "ssrc-without-answer",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.1.1",
        should: "SSRCs that the Initiator does not know are filled in by the response: set V",
        check: ssrc_without_answer,
    },
];

fn no_session(s: &Subject<'_>) -> Vec<Hit> {
    let hdr = s.message.hdr();
    // An RSA-R Initiator that only listens must say 0 (RFC 4738 section 3.4), and an error message has no streams.
    let none = hdr.map.count() == 0 && !matches!(hdr.data_type, DataType::RsaRInit | DataType::Error);
    let hit = |()| Hit::new(8, "#CS is 0: the message keys no stream");
    none.then_some(()).map(hit).into_iter().collect()
}

fn map_policy(s: &Subject<'_>) -> Vec<Hit> {
    let CsMap::Srtp(ids) = &s.message.hdr().map else { return vec![] };
    let policies: Vec<u8> = s.each::<Sp>().map(|(_, sp)| sp.policy_no).collect();
    // Without any SP the security protocol's own defaults hold; an answer refers to the policies of the offer.
    if !is_init(s.message.hdr().data_type) || policies.is_empty() || !s.complete() {
        return vec![];
    }
    let lost = (0..).zip(ids).filter(|(_, id)| !policies.contains(&id.policy_no));
    lost.map(|(i, id): (usize, _)| {
        Hit::new(10 + 9 * i, format!("CS {} has policy {}, and no SP has that number", i + 1, id.policy_no))
    })
    .collect()
}

fn ssrc_twice(s: &Subject<'_>) -> Vec<Hit> {
    let CsMap::Srtp(ids) = &s.message.hdr().map else { return vec![] };
    let mut hits = vec![];
    for (i, id) in ids.iter().enumerate() {
        if let Some(ssrc) = id.ssrc
            && let Some(first) = ids[..i].iter().position(|other| other.ssrc == Some(ssrc))
        {
            hits.push(Hit::new(10 + 9 * i, format!("CS {} has SSRC {ssrc}, as CS {} has", i + 1, first + 1)));
        }
    }
    hits
}

fn ssrc_without_answer(s: &Subject<'_>) -> Vec<Hit> {
    let hdr = s.message.hdr();
    let CsMap::Srtp(ids) = &hdr.map else { return vec![] };
    let unasked = !hdr.v && matches!(hdr.data_type, DataType::PskInit | DataType::PkInit);
    let open = ids.iter().position(|id| id.ssrc.is_none()).filter(|_| unasked);
    open.map(|i| Hit::new(10 + 9 * i, format!("CS {} has no SSRC, and V is 0", i + 1))).into_iter().collect()
}
