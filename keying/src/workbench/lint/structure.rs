//! Can it be read at all, are its payloads those of its method, and do they stand in their order?

use super::{Finding, Hit, Rule, Severity, Subject};
use crate::mikey::Tolerances;
use crate::mikey::wire::{DataType, Dh, DhGroup, Id, Message, Payload, Problem, WireError, payload_name};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "unreadable",
        severity: Severity::Error,
        section: "RFC 3830 section 5.3",
        should: "every field must be as long as it says, and every payload whole",
        check: broken,
    },
    Rule {
        id: "last-payload",
        severity: Severity::Error,
        section: "RFC 3830 section 6.1",
        should: "the last payload says 0, Last payload",
        check: last_payload,
    },
    Rule {
        id: "unknown-code",
        severity: Severity::Error,
        section: "RFC 3830 section 10",
        should: "a number out of its table: what follows has a length that nobody else knows",
        check: unknown,
    },
    Rule {
        id: "trailing-padding",
        severity: Severity::Error,
        section: "RFC 3830 section 5.2",
        should: "the message ends with its last payload",
        check: trailing_zeros,
    },
    Rule {
        id: "trailing-octets",
        severity: Severity::Error,
        section: "RFC 3830 section 5.2",
        should: "the message ends with its last payload",
        check: trailing_octets,
    },
    Rule {
        id: "rfc4650-code-points",
        severity: Severity::Error,
        section: "RFC 3830 section 6.2",
        should: "Encr alg NULL is 0 and HMAC-SHA-1-160 is 1, in DHHMAC too, whatever RFC 4650 section 4.2 prints",
        check: literal_4650,
    },
    Rule {
        id: "cs-count",
        severity: Severity::Error,
        section: "RFC 3830 section 6.1",
        should: "#CS says how many entries of 9 octets the CS ID map info has",
        check: cs_count,
    },
    Rule {
        id: "dh-value-unpadded",
        severity: Severity::Error,
        section: "RFC 3830 section 6.4",
        should: "a DH-value is as long as its group says, with leading zeros",
        check: dh_unpadded,
    },
    Rule {
        id: "duplicate-payload",
        severity: Severity::Error,
        section: "RFC 3830 section 3",
        should: "once at most",
        check: duplicate,
    },
    Rule {
        id: "missing-payload",
        severity: Severity::Error,
        section: "RFC 3830 section 3",
        should: "the method demands it",
        check: missing,
    },
    Rule {
        id: "misplaced-payload",
        severity: Severity::Error,
        section: "RFC 3830 section 3",
        should: "only what the method has a place for",
        check: misplaced,
    },
    Rule {
        id: "seal-not-last",
        severity: Severity::Error,
        section: "RFC 3830 section 5.2",
        should: "the MAC or signature is the last of all: what follows it is not covered",
        check: seal_not_last,
    },
    Rule {
        id: "payload-order",
        severity: Severity::Note,
        section: "RFC 3830 section 5.2",
        should: "the order of the method's picture is recommended",
        check: order,
    },
];

/// What cannot even be begun.
pub(super) fn unreadable(error: &WireError) -> Finding {
    let rule = &RULES[0];
    Finding {
        rule: rule.id,
        severity: rule.severity,
        offset: error.offset,
        found: error.to_string(),
        should: "base64 of a whole message, which begins with version 1".into(),
        section: if error.field == "base64" { "RFC 4567 section 3.1" } else { "RFC 3830 section 6.1" },
    }
}

/// Are octets behind the last payload all that is wrong?
pub(super) fn is_trailing(s: &Subject<'_>, error: &WireError) -> bool {
    error.payload == "message" && error.field == "length" && error.offset == s.read_to()
}

fn is_duplicate(error: &WireError) -> bool {
    matches!(&error.problem, Problem::Is(what) if what.starts_with("comes twice"))
}

fn broken(s: &Subject<'_>) -> Vec<Hit> {
    let known = |error: &&WireError| is_trailing(s, error) || is_duplicate(error) || literal_kemac(s).is_some();
    let error = s.error.filter(|error| !known(error));
    let hit = |error: &WireError| {
        let section = section(error.payload);
        Hit::new(error.offset, error.to_string()).section(section)
    };
    error.map(hit).into_iter().collect()
}

/// Where a payload is described.
fn section(name: &str) -> &'static str {
    match name {
        "HDR" => "RFC 3830 section 6.1",
        "KEMAC" => "RFC 3830 section 6.2",
        "PKE" => "RFC 3830 section 6.3",
        "DH" => "RFC 3830 section 6.4",
        "SIGN" => "RFC 3830 section 6.5",
        "T" => "RFC 3830 section 6.6",
        "ID" | "CERT" => "RFC 3830 section 6.7",
        "CHASH" => "RFC 3830 section 6.8",
        "V" => "RFC 3830 section 6.9",
        "SP" => "RFC 3830 section 6.10",
        "RAND" => "RFC 3830 section 6.11",
        "ERR" => "RFC 3830 section 6.12",
        "Key data" => "RFC 3830 section 6.13",
        "General Ext." => "RFC 3830 section 6.15",
        _ => "RFC 3830 section 5.3",
    }
}

/// 255 is what a reader of other protocols may take for the end.
fn last_payload(s: &Subject<'_>) -> Vec<Hit> {
    let at_end = |error: &&WireError| error.field == "Next payload" && error.problem == Problem::Unknown(255);
    let tail = s.message.tail().map(|tail| &tail.why).filter(at_end);
    tail.map(|why| Hit::new(why.offset, format!("{} says 255 where no payload follows it that there is", why.payload)))
        .into_iter()
        .collect()
}

fn unknown(s: &Subject<'_>) -> Vec<Hit> {
    let tail = s.message.tail().filter(|_| last_payload(s).is_empty());
    tail.map(|tail| Hit::new(tail.why.offset, tail.why.to_string()).section(section(tail.why.payload)))
        .into_iter()
        .collect()
}

/// What stands behind the last payload.
fn rest<'s>(s: &Subject<'s>) -> Option<&'s [u8]> {
    let error = s.error.filter(|error| is_trailing(s, error))?;
    s.message.bytes().get(error.offset..)
}

fn octets(n: usize) -> String {
    if n == 1 { "1 octet".into() } else { format!("{n} octets") }
}

fn trailing_zeros(s: &Subject<'_>) -> Vec<Hit> {
    let rest = rest(s).filter(|rest| rest.iter().all(|&octet| octet == 0));
    let hit = |rest: &[u8]| {
        let what = format!("{} of zero behind the last payload; --interop lets it pass", octets(rest.len()));
        Hit::new(s.read_to(), what)
    };
    rest.map(hit).into_iter().collect()
}

fn trailing_octets(s: &Subject<'_>) -> Vec<Hit> {
    let rest = rest(s).filter(|rest| rest.iter().any(|&octet| octet != 0) && cs_count(s).is_empty());
    rest.map(|rest| Hit::new(s.read_to(), format!("{} behind the last payload", octets(rest.len()))))
        .into_iter()
        .collect()
}

/// Encr alg 2 and MAC alg 0, without any key data and with 20 octets that could be the MAC.
fn literal_4650(s: &Subject<'_>) -> Vec<Hit> {
    let what = "KEMAC has Encr alg 2 and MAC alg 0, and 20 octets of a MAC follow; --interop takes it so";
    literal_kemac(s).map(|at| Hit::new(at + 1, what)).into_iter().collect()
}

/// Where that KEMAC begins.
pub(super) fn literal_kemac(s: &Subject<'_>) -> Option<usize> {
    let dhhmac = matches!(s.message.hdr().data_type, DataType::DhHmacInit | DataType::DhHmacResp);
    let part = s.message.parts().last().filter(|_| dhhmac)?;
    let Payload::Kemac(kemac) = &part.payload else { return None };
    let literal = u8::from(kemac.encr_alg) == 2 && u8::from(kemac.mac_alg) == 0 && kemac.encr_data.is_empty();
    (literal && s.message.bytes().len() == part.range.end + 20).then_some(part.range.start)
}

/// Another number of crypto sessions that would make all of it readable.
fn cs_count(s: &Subject<'_>) -> Vec<Hit> {
    let readable = (s.error.is_none() && s.message.tail().is_none()) || literal_kemac(s).is_some();
    if readable || s.message.hdr().map.map_type() != 0 || !trailing_zeros(s).is_empty() {
        return vec![];
    }
    let (said, bytes) = (s.message.bytes()[8], s.message.bytes());
    let reads_with = |count: u8| {
        let mut bytes = bytes.to_vec();
        bytes[8] = count;
        Message::read(&bytes, Tolerances::interop()).is_ok_and(|m| m.complete().is_ok() && !m.parts().is_empty())
    };
    let fits = (0..=MAX_TRIED).find(|&count| count != said && reads_with(count));
    let hit = |fits| Hit::new(8, format!("#CS is {said}, but the message can be read only with {fits} in the map"));
    fits.map(hit).into_iter().collect()
}

/// More crypto sessions are not tried.
const MAX_TRIED: u8 = 16;

/// A DH value that lost its leading zeros: with them the message can be read.
fn dh_unpadded(s: &Subject<'_>) -> Vec<Hit> {
    if s.complete() {
        return vec![];
    }
    let bytes = s.message.bytes();
    // The DH payload may have been read, and then what follows it makes no sense; or it may have been too short.
    let read = s.each::<Dh>().map(|(at, dh)| (at, dh.group));
    let short = s.error.filter(|error| error.payload == "DH").and_then(|_| {
        let at = s.read_to();
        Some((at, DhGroup::from(*bytes.get(at + 1)?)))
    });
    for (at, group) in read.chain(short) {
        let fits = (1..=2).find(|&zeros| {
            let mut padded = bytes.to_vec();
            padded.splice(at + 2..at + 2, std::iter::repeat_n(0, zeros));
            Message::read(&padded, Tolerances::none()).is_ok_and(|m| m.complete().is_ok())
        });
        if let (Some(zeros), Some(len)) = (fits, group.octets()) {
            let what = format!("the DH-value has {} octets where {group} has {len}", len - zeros);
            return vec![Hit::new(at + 2, what)];
        }
    }
    vec![]
}

fn duplicate(s: &Subject<'_>) -> Vec<Hit> {
    let error = s.error.filter(|error| is_duplicate(error));
    let twice = error.map(|error| Hit::new(error.offset, format!("{} comes twice", error.payload)));
    let ids = s.each::<Id>().nth(2).map(|(at, _)| Hit::new(at, "a third ID").should("IDi and IDr at most"));
    let dhs = s.each::<Dh>().nth(2).map(|(at, _)| Hit::new(at, "a third DH").should("DHi and DHr at most"));
    twice.into_iter().chain(ids).chain(dhs).collect()
}

/// What a message of a type has, in the order of the method's picture.
struct Shape {
    section: &'static str,
    /// Payload numbers, each once, and whether there must be one.
    payloads: &'static [(u8, bool)],
}

const KEMAC: u8 = 1;
const PKE: u8 = 2;
const DH: u8 = 3;
const SIGN: u8 = 4;
const T: u8 = 5;
const ID: u8 = 6;
const CERT: u8 = 7;
const CHASH: u8 = 8;
const V: u8 = 9;
const SP: u8 = 10;
const RAND: u8 = 11;
const ERR: u8 = 12;
const EXT: u8 = 21;

fn shape(data_type: DataType) -> Option<Shape> {
    let (section, payloads): (_, &[(u8, bool)]) = match data_type {
        DataType::PskInit => {
            ("RFC 3830 section 3.1", &[(T, true), (RAND, true), (ID, false), (SP, false), (KEMAC, true)])
        }
        DataType::PskVer => ("RFC 3830 section 3.1", &[(T, true), (ID, false), (V, true)]),
        DataType::PkInit => (
            "RFC 3830 section 3.2",
            &[
                (T, true),
                (RAND, true),
                (ID, false),
                (CERT, false),
                (SP, false),
                (KEMAC, true),
                (CHASH, false),
                (PKE, true),
                (SIGN, true),
            ],
        ),
        DataType::PkVer => ("RFC 3830 section 3.2", &[(T, true), (ID, false), (V, true)]),
        DataType::DhInit => (
            "RFC 3830 section 3.3",
            &[(T, true), (RAND, true), (ID, false), (CERT, false), (SP, false), (DH, true), (SIGN, true)],
        ),
        DataType::DhResp => ("RFC 3830 section 3.3", &[(T, true), (ID, true), (CERT, false), (DH, true), (SIGN, true)]),
        DataType::DhHmacInit => {
            ("RFC 4650 section 3", &[(T, true), (RAND, true), (ID, true), (SP, false), (DH, true), (KEMAC, true)])
        }
        DataType::DhHmacResp => ("RFC 4650 section 3", &[(T, true), (ID, true), (DH, true), (KEMAC, true)]),
        DataType::RsaRInit => {
            ("RFC 4738 section 3.1", &[(T, true), (RAND, false), (ID, false), (CERT, false), (SP, false), (SIGN, true)])
        }
        DataType::RsaRResp => (
            "RFC 4738 section 3.1",
            &[
                (T, true),
                (RAND, false),
                (ID, false),
                (CERT, false),
                (SP, false),
                (KEMAC, true),
                (PKE, true),
                (SIGN, true),
            ],
        ),
        DataType::Error => {
            ("RFC 3830 section 5.1.2", &[(T, true), (ERR, true), (SP, false), (V, false), (SIGN, false)])
        }
        DataType::Unknown(_) => return None,
    };
    Some(Shape { section, payloads })
}

fn missing(s: &Subject<'_>) -> Vec<Hit> {
    let Some(shape) = shape(s.message.hdr().data_type).filter(|_| s.complete() && cs_count(s).is_empty()) else {
        return vec![];
    };
    let (end, data_type) = (s.read_to(), s.message.hdr().data_type);
    let has = |number| s.payloads().any(|(_, payload)| payload.number() == number);
    // An update has no RAND, and it need not bring new keys (RFC 3830 section 4.5, RFC 4650 section 3.1); its answer has
    // as many DH as it.
    let keyless = s.init.is_none_or(|init| init.many::<Dh>().next().is_none());
    let spared = |number| match number {
        RAND => s.first.is_some(),
        KEMAC => s.first.is_some() && data_type == DataType::PkInit,
        DH => s.first.is_some() && keyless,
        _ => false,
    };
    let absent = shape.payloads.iter().filter(|&&(number, needed)| needed && !has(number) && !spared(number));
    let mut hits: Vec<_> = absent
        .map(|&(number, _)| match (number, data_type) {
            (RAND, _) => Hit::new(end, "RAND is missing")
                .should("only an update of a bundle that runs has none (section 4.5)")
                .section(shape.section),
            (ID, DataType::DhHmacInit) => Hit::new(end, "the mandatory IDr is missing").section(shape.section),
            (ID, _) => Hit::new(end, "the mandatory IDi is missing").section(shape.section),
            (number, _) => Hit::new(end, format!("{} is missing", payload_name(number))).section(shape.section),
        })
        .collect();
    let repeats = matches!(data_type, DataType::DhResp | DataType::DhHmacResp);
    if repeats && s.each::<Dh>().count() == 1 {
        let should = "the answer has DHr and repeats DHi";
        hits.push(Hit::new(end, "there is only one DH").should(should).section(shape.section));
    }
    hits
}

fn misplaced(s: &Subject<'_>) -> Vec<Hit> {
    let data_type = s.message.hdr().data_type;
    let Some(shape) = shape(data_type) else { return vec![] };
    let stray = s.payloads().filter(|(_, payload)| {
        payload.number() != EXT && !shape.payloads.iter().any(|&(number, _)| number == payload.number())
    });
    stray
        .map(|(at, payload)| {
            Hit::new(at, format!("{} has no place in {data_type}", payload.name())).section(shape.section)
        })
        .collect()
}

fn seal_not_last(s: &Subject<'_>) -> Vec<Hit> {
    use DataType::{DhHmacInit, DhHmacResp, PskInit};
    let seals = |payload: &Payload| match payload {
        Payload::Kemac(_) => matches!(s.message.hdr().data_type, PskInit | DhHmacInit | DhHmacResp),
        Payload::V(_) => true,
        _ => false,
    };
    let last = s.message.parts().len().saturating_sub(1);
    let early = s.payloads().enumerate().find(|(index, (_, payload))| seals(payload) && *index < last);
    early
        .map(|(_, (at, payload))| Hit::new(at, format!("{} is not the last payload", payload.name())))
        .into_iter()
        .collect()
}

fn order(s: &Subject<'_>) -> Vec<Hit> {
    let Some(shape) = shape(s.message.hdr().data_type) else { return vec![] };
    // ID and CERT go together, in either order.
    let rank = |number| shape.payloads.iter().position(|&(n, _)| n == if number == CERT { ID } else { number });
    let ranked = s.payloads().filter_map(|(at, payload)| Some((rank(payload.number())?, at, payload)));
    let mut before: Option<(usize, &Payload)> = None;
    for (rank, at, payload) in ranked {
        match before {
            Some((highest, above)) if rank < highest => {
                let what = format!("{} comes after {}", payload.name(), above.name());
                return vec![Hit::new(at, what).section(shape.section)];
            }
            _ => before = Some((rank, payload)),
        }
    }
    vec![]
}
