//! Rules of security policies.

use super::{Hit, Rule, Severity, Subject};
use crate::mikey::Tolerances;
use crate::mikey::wire::{CsMap, Param, ProtType, Sp, SrtpParam};
use crate::workbench::exchange::is_init;
use std::collections::BTreeSet;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "sp-number-twice",
        severity: Severity::Error,
        section: "RFC 3830 section 6.10",
        should: "each SP has a number of its own, by which the map refers to it",
        check: |s| {
            let mut seen = BTreeSet::new();
            let twice = s.each::<Sp>().filter(|(_, sp)| !seen.insert(sp.policy_no));
            twice.map(|(at, sp)| Hit::new(at + 1, format!("a second SP has the number {}", sp.policy_no))).collect()
        },
    },
    Rule {
        id: "sp-unused",
        severity: Severity::Note,
        section: "RFC 3830 section 6.1.1",
        should: "some crypto session that refers to it",
        check: unused,
    },
    Rule {
        id: "sp-protocol",
        severity: Severity::Error,
        section: "RFC 3830 table 6.10",
        should: "0, SRTP",
        check: |s| {
            let odd = s.each::<Sp>().filter(|(_, sp)| sp.prot_type != ProtType::Srtp);
            odd.map(|(at, sp)| Hit::new(at + 2, format!("an SP is for protocol {}", u8::from(sp.prot_type)))).collect()
        },
    },
    Rule {
        id: "sp-empty",
        severity: Severity::Note,
        section: "RFC 3830 section 6.10.1",
        should: "nothing more, if SRTP's defaults are meant",
        check: |s| {
            let empty = s.each::<Sp>().filter(|(_, sp)| sp.params.is_empty());
            empty.map(|(at, _)| Hit::new(at + 3, "an SP has no parameter")).collect()
        },
    },
    Rule {
        id: "tag-length-as-key-length",
        severity: Severity::Error,
        section: "RFC 3830 table 6.10.1.a",
        should: "type 11 for the tag length, and 20 in type 3, the session auth key length; --interop takes it so",
        check: |s| {
            each_srtp(s, |_, sp| {
                let strict = sp.auth_lengths(Tolerances::none()).is_err();
                let len = number(sp, SrtpParam::AuthKeyLen)?;
                let tolerated = strict && sp.auth_lengths(Tolerances::interop()).is_ok();
                tolerated
                    .then(|| (SrtpParam::AuthKeyLen, format!("the session auth key length (type 3) is {len}, a tag's")))
            })
        },
    },
    Rule {
        id: "sp-auth-key-length",
        severity: Severity::Error,
        section: "RFC 3711 section 5.2",
        should: "20 octets for HMAC-SHA-1",
        check: |s| {
            each_srtp(s, |_, sp| {
                let len = number(sp, SrtpParam::AuthKeyLen)?;
                let wrong = sp.auth_lengths(Tolerances::interop()).is_err() && len != 20;
                wrong.then(|| (SrtpParam::AuthKeyLen, format!("the session auth key length is {len}")))
            })
        },
    },
    Rule {
        id: "sp-param-twice",
        severity: Severity::Error,
        section: "RFC 3830 section 6.10",
        should: "each parameter once",
        check: |s| {
            let twice = |(at, sp): (usize, _)| {
                let mut seen = BTreeSet::new();
                let again = places(at, sp).filter(move |(_, param)| !seen.insert(u8::from(param.param)));
                again.map(|(at, param)| Hit::new(at, format!("{} comes again", param.param))).collect::<Vec<_>>()
            };
            srtp(s).flat_map(twice).collect()
        },
    },
    Rule {
        id: "sp-param-unknown",
        severity: Severity::Warning,
        section: "RFC 3830 table 6.10.1.a",
        should: "a parameter out of the table: others are refused, for they may matter",
        check: |s| {
            each_param(s, |param| match param.param {
                SrtpParam::Unknown(n) => Some(format!("a parameter has the type {n}")),
                _ => None,
            })
        },
    },
    Rule {
        id: "sp-param-value",
        severity: Severity::Error,
        section: "RFC 3830 section 6.10.1",
        should: "a value that the parameter can have",
        check: |s| {
            each_param(s, |param| {
                let meaning = param.meaning();
                let known = !matches!(param.param, SrtpParam::Unknown(_));
                let none = param.number().is_none();
                (known && (none || meaning.starts_with("unknown"))).then(|| format!("{} is {meaning}", param.param))
            })
        },
    },
    Rule {
        id: "sp-encr-key-length",
        severity: Severity::Error,
        section: "RFC 6188 section 2",
        should: "16, 24 or 32 octets for AES-CM",
        check: |s| {
            each_srtp(s, |_, sp| {
                let len = number(sp, SrtpParam::EncrKeyLen)?;
                let wrong = is_aes_cm(sp) && !matches!(len, 16 | 24 | 32);
                wrong.then(|| (SrtpParam::EncrKeyLen, format!("the session encr key length is {len}")))
            })
        },
    },
    Rule {
        id: "sp-salt-length",
        severity: Severity::Error,
        section: "RFC 3711 section 5.1",
        should: "14 octets for AES-CM",
        check: |s| {
            each_srtp(s, |_, sp| {
                let len = number(sp, SrtpParam::SaltKeyLen)?;
                (is_aes_cm(sp) && len != 14)
                    .then(|| (SrtpParam::SaltKeyLen, format!("the session salt key length is {len}")))
            })
        },
    },
    Rule {
        id: "sp-tag-length",
        severity: Severity::Warning,
        section: "RFC 3711 section 5.2",
        should: "10 or 4 octets for HMAC-SHA-1",
        check: |s| {
            each_srtp(s, |_, sp| {
                let len = number(sp, SrtpParam::TagLen)?;
                let hmac = matches!(number(sp, SrtpParam::AuthAlg), None | Some(1)) && is_aes_cm(sp);
                (hmac && !matches!(len, 4 | 10))
                    .then(|| (SrtpParam::TagLen, format!("the authentication tag length is {len}")))
            })
        },
    },
    Rule {
        id: "sp-derivation-rate",
        severity: Severity::Error,
        section: "RFC 3711 section 4.3.1",
        should: "0, or a power of two up to 2^24",
        check: |s| {
            each_srtp(s, |_, sp| {
                let rate = number(sp, SrtpParam::KeyDerivationRate)?;
                let fine = rate == 0 || (rate.is_power_of_two() && rate <= 1 << 24);
                (!fine).then(|| (SrtpParam::KeyDerivationRate, format!("the key derivation rate is {rate}")))
            })
        },
    },
    Rule {
        id: "sp-protection-off",
        severity: Severity::Warning,
        section: "RFC 3711 section 9",
        should: "both on: without authentication SRTP proves nothing, without encryption it hides nothing",
        check: |s| {
            each_param(s, |param| match (param.param, param.number()) {
                (SrtpParam::SrtpEncr | SrtpParam::SrtcpEncr | SrtpParam::SrtpAuth, Some(0)) => {
                    Some(format!("{} is off", param.param))
                }
                (SrtpParam::EncrAlg | SrtpParam::AuthAlg, Some(0)) => Some(format!("{} is NULL", param.param)),
                _ => None,
            })
        },
    },
];

fn unused(s: &Subject<'_>) -> Vec<Hit> {
    let hdr = s.message.hdr();
    let CsMap::Srtp(ids) = &hdr.map else { return vec![] };
    if !is_init(hdr.data_type) || ids.is_empty() {
        return vec![];
    }
    let unused = s.each::<Sp>().filter(|(_, sp)| ids.iter().all(|id| id.policy_no != sp.policy_no));
    unused.map(|(at, sp)| Hit::new(at + 1, format!("no crypto session has policy {}", sp.policy_no))).collect()
}

fn number(sp: &Sp, param: SrtpParam) -> Option<u64> {
    sp.params.iter().find(|p| p.param == param)?.number()
}

/// AES-CM is the default too.
fn is_aes_cm(sp: &Sp) -> bool {
    matches!(number(sp, SrtpParam::EncrAlg), None | Some(1))
}

/// Where each parameter of a policy stands.
fn places(at: usize, sp: &Sp) -> impl Iterator<Item = (usize, &Param)> {
    sp.params.iter().scan(at + 5, |at, param| {
        let start = *at;
        *at += 2 + param.value.len();
        Some((start, param))
    })
}

fn srtp<'a>(s: &Subject<'a>) -> impl Iterator<Item = (usize, &'a Sp)> {
    s.each::<Sp>().filter(|(_, sp)| sp.prot_type == ProtType::Srtp)
}

/// Looks at each SRTP policy as a whole, and points at one parameter.
fn each_srtp(s: &Subject<'_>, wrong: impl Fn(usize, &Sp) -> Option<(SrtpParam, String)>) -> Vec<Hit> {
    let hit = |(at, sp): (usize, &Sp)| {
        let (param, found) = wrong(at, sp)?;
        let place = places(at, sp).find(|(_, p)| p.param == param).map_or(at, |(at, _)| at);
        Some(Hit::new(place, found))
    };
    srtp(s).filter_map(hit).collect()
}

/// Looks at each parameter of each SRTP policy.
fn each_param(s: &Subject<'_>, wrong: impl Fn(&Param) -> Option<String>) -> Vec<Hit> {
    let mut hits = vec![];
    for (at, sp) in srtp(s) {
        hits.extend(places(at, sp).filter_map(|(at, param)| Some(Hit::new(at, wrong(param)?))));
    }
    hits
}
