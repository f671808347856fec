//! Rules of single payloads: timestamps, RAND, identities, certificates, signatures, Diffie-Hellman values, extensions.

use super::{Hit, Rule, Severity, Subject};
use crate::mikey::wire::{
    CacheType, Cert, CertType, Chash, Dh, DhGroup, ErrorNo, Ext, HashFunc, Id, IdType, Pke, Rand, Sign, SignType, T,
};
use crate::workbench::exchange::is_init;
use crate::workbench::input::Carrier;
use keyphone_media::env::NtpTime;
use openssl::bn::BigNum;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "t-filetime",
        severity: Severity::Error,
        section: "RFC 3830 section 6.6",
        should: "NTP-UTC counts seconds since 1900 in its upper half",
        check: |s| {
            each_t(s, |t| {
                matches!(t, T::NtpUtc(v) if is_filetime(v))
                    .then(|| "T is a Windows FILETIME, 100 ns since 1601, and its type says NTP-UTC".into())
            })
        },
    },
    Rule {
        id: "t-unix",
        severity: Severity::Error,
        section: "RFC 3830 section 6.6",
        should: "NTP counts seconds since 1900, 2208988800 more than since 1970",
        check: |s| {
            each_t(s, |t| match t {
                T::NtpUtc(value) | T::Ntp(value) if is_unix_time(value) => {
                    Some("T counts seconds since 1970, or is a date after 2070".into())
                }
                _ => None,
            })
        },
    },
    Rule {
        id: "t-date",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.6",
        should: "the time when the message was made",
        check: |s| {
            each_t(s, |t| match t {
                T::NtpUtc(value) | T::Ntp(value) if value == 0 || (1 << 63..MIKEY_PUBLISHED).contains(&value) => {
                    Some("T is a time before MIKEY was published".into())
                }
                _ => None,
            })
        },
    },
    Rule {
        id: "t-skew",
        severity: Severity::Warning,
        section: "RFC 3830 section 5.4",
        should: "no further from the Responder's clock than it allows, usually some minutes",
        check: skew,
    },
    Rule {
        id: "t-counter",
        severity: Severity::Note,
        section: "RFC 3830 section 5.4",
        should: "NTP-UTC or NTP: a counter does not tell old from new after a restart",
        check: |s| each_t(s, |t| matches!(t, T::Counter(_)).then(|| "T is a COUNTER".into())),
    },
    Rule {
        id: "rand-length",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.11",
        should: "at least 16 octets",
        check: |s| {
            let short = s.each::<Rand>().filter(|(_, rand)| rand.0.len() < 16);
            short.map(|(at, rand)| Hit::new(at + 1, format!("RAND has {} octets", rand.0.len()))).collect()
        },
    },
    Rule {
        id: "rand-constant",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.11",
        should: "chosen at random for each bundle",
        check: |s| {
            let same = |rand: &Rand| rand.0.len() > 3 && rand.0.iter().all(|&octet| octet == rand.0[0]);
            let dull = s.each::<Rand>().filter(|(_, rand)| same(rand));
            dull.map(|(at, rand)| Hit::new(at + 2, format!("RAND is {:02x} again and again", rand.0[0]))).collect()
        },
    },
    Rule {
        id: "id-type",
        severity: Severity::Error,
        section: "RFC 3830 table 6.7.a",
        should: "0, NAI, or 1, URI",
        check: |s| {
            let odd = s.each::<Id>().filter(|(_, id)| matches!(id.id_type, IdType::Unknown(_)));
            odd.map(|(at, id)| Hit::new(at + 1, format!("the ID type is {}", u8::from(id.id_type)))).collect()
        },
    },
    Rule {
        id: "id-form",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.7",
        should: "a NAI such as alice@example.org, or a URI such as sip:alice@example.org",
        check: id_form,
    },
    Rule {
        id: "cert-type",
        severity: Severity::Error,
        section: "RFC 3830 table 6.7.b",
        should: "0 to 3",
        check: |s| {
            let odd = s.each::<Cert>().filter(|(_, cert)| matches!(cert.cert_type, CertType::Unknown(_)));
            odd.map(|(at, cert)| Hit::new(at + 1, format!("the certificate type is {}", u8::from(cert.cert_type))))
                .collect()
        },
    },
    Rule {
        id: "cert-unreadable",
        severity: Severity::Error,
        section: "RFC 3830 section 6.7",
        should: "an X.509 certificate in DER, or its URL in ASCII",
        check: cert_unreadable,
    },
    Rule {
        id: "cert-date",
        severity: Severity::Error,
        section: "RFC 3830 section 4.3",
        should: "a certificate that is valid when the message is made",
        check: cert_date,
    },
    Rule {
        id: "sign-type",
        severity: Severity::Error,
        section: "RFC 3830 table 6.5",
        should: "0, RSA/PKCS#1/1.5, or 1, RSA/PSS",
        check: |s| {
            let odd = s.each::<Sign>().filter(|(_, sign)| matches!(sign.s_type, SignType::Unknown(_)));
            odd.map(|(at, sign)| Hit::new(at, format!("the signature type is {}", u8::from(sign.s_type)))).collect()
        },
    },
    Rule {
        id: "sign-length",
        severity: Severity::Error,
        section: "RFC 3830 section 6.5",
        should: "an RSA signature is as long as its key",
        check: sign_length,
    },
    Rule {
        id: "pke-cache",
        severity: Severity::Error,
        section: "RFC 3830 table 6.3",
        should: "0 to 2",
        check: |s| {
            let odd = s.each::<Pke>().filter(|(_, pke)| matches!(pke.cache, CacheType::Unknown(_)));
            odd.map(|(at, _)| Hit::new(at + 1, "the cache indicator of PKE is 3")).collect()
        },
    },
    Rule {
        id: "chash-md5",
        severity: Severity::Warning,
        section: "RFC 3830 table 6.8",
        should: "SHA-1, which is mandatory",
        check: |s| {
            let md5 = s.each::<Chash>().filter(|(_, chash)| chash.hash_func == HashFunc::Md5);
            md5.map(|(at, _)| Hit::new(at + 1, "CHASH is an MD5 hash")).collect()
        },
    },
    Rule {
        id: "dh-group-weak",
        severity: Severity::Warning,
        section: "RFC 3830 table 6.4",
        should: "OAKLEY 5, which is mandatory",
        check: |s| {
            let weak = s.each::<Dh>().filter(|(_, dh)| matches!(dh.group, DhGroup::Oakley1 | DhGroup::Oakley2));
            weak.map(|(at, dh)| Hit::new(at + 1, format!("the DH group is {}, which is weak today", dh.group)))
                .collect()
        },
    },
    Rule {
        id: "dh-group-private",
        severity: Severity::Note,
        section: "RFC 5197 section 4.1",
        should: "not interoperable: no number of an elliptic curve was ever published",
        check: |s| {
            let private = s.each::<Dh>().filter(|(_, dh)| u8::from(dh.group) > 2);
            private
                .map(|(at, dh)| Hit::new(at + 1, format!("the DH group has the number {}", u8::from(dh.group))))
                .collect()
        },
    },
    Rule {
        id: "sign-type-private",
        severity: Severity::Note,
        section: "RFC 5197 section 4.1",
        should: "not interoperable: no number of ECDSA was ever published",
        check: |s| {
            let private = s.each::<Sign>().filter(|(_, sign)| sign.s_type == SignType::Ecdsa);
            private.map(|(at, _)| Hit::new(at, "the signature is ECDSA")).collect()
        },
    },
    Rule {
        id: "dh-value",
        severity: Severity::Error,
        section: "RFC 3830 section 6.4",
        should: "a value between 1 and p - 1, neither of them: others make the secret known to all",
        check: dh_value,
    },
    Rule {
        id: "dh-reserved",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.4",
        should: "the reserved half of the octet before KV is zero",
        check: |s| {
            let at = |(at, dh): (usize, &Dh)| at + 2 + dh.value.len();
            let set = s.each::<Dh>().map(at).filter(|&at| s.message.bytes()[at] >> 4 != 0);
            set.map(|at| Hit::new(at, "the reserved bits of DH are set")).collect()
        },
    },
    Rule {
        id: "err-unknown",
        severity: Severity::Warning,
        section: "RFC 3830 table 6.12",
        should: "0 to 12, or 13 and 14 of RFC 4738",
        check: |s| {
            let odd = s.each::<ErrorNo>().filter(|(_, no)| matches!(no, ErrorNo::Unknown(_)));
            odd.map(|(at, no)| Hit::new(at + 1, format!("the error number is {}", u8::from(*no)))).collect()
        },
    },
    Rule {
        id: "err-reserved",
        severity: Severity::Warning,
        section: "RFC 3830 section 6.12",
        should: "the reserved octets are zero",
        check: |s| {
            let set = s.each::<ErrorNo>().filter(|(at, _)| s.message.bytes()[at + 2..at + 4] != [0, 0]);
            set.map(|(at, _)| Hit::new(at + 2, "the reserved octets of ERR are set")).collect()
        },
    },
    Rule {
        id: "ext-unknown",
        severity: Severity::Note,
        section: "RFC 3830 table 6.15",
        should: "a type that the other side knows too; others are passed over",
        check: |s| {
            let odd = s.each::<Ext>().filter(|(_, ext)| ext.name() == "unknown");
            odd.map(|(at, ext)| Hit::new(at + 1, format!("the extension's type is {}", ext.number()))).collect()
        },
    },
    Rule {
        id: "sdp-ids-missing",
        severity: Severity::Warning,
        section: "RFC 4567 section 4.1.4",
        should: "SDP IDs: without them nobody can tell whether stronger protocols were removed on the way",
        check: sdp_ids_missing,
    },
    Rule {
        id: "sdp-ids-differ",
        severity: Severity::Error,
        section: "RFC 4567 section 4.1.4",
        should: "the list of what the SDP offers: somebody on the way may have removed some",
        check: sdp_ids_differ,
    },
];

/// The first day of August 2004, as NTP writes it.
const MIKEY_PUBLISHED: u64 = 3_300_307_200 << 32;

/// 100 ns since 1601: what a FILETIME of 2004 (when MIKEY was published) to 2040 begins with. As NTP time it would be
/// a day in early 2037.
pub(in crate::workbench) fn is_filetime(value: u64) -> bool {
    (0x01c3_d000..0x01e6_0000).contains(&(value >> 32))
}

/// Seconds of 2004 to 2038 as Unix counts them.
fn is_unix_time(value: u64) -> bool {
    (0x4000_0000..0x8000_0000).contains(&(value >> 32))
}

fn each_t(s: &Subject<'_>, wrong: impl Fn(T) -> Option<String>) -> Vec<Hit> {
    s.each::<T>().filter_map(|(at, t)| Some(Hit::new(at + 2, wrong(*t)?))).collect()
}

/// In seconds: what a Responder commonly allows.
const MAX_SKEW: Duration = Duration::from_secs(300);

fn skew(s: &Subject<'_>) -> Vec<Hit> {
    each_t(s, |t| {
        let (T::NtpUtc(value) | T::Ntp(value)) = t else { return None };
        let apart = NtpTime(value).distance(s.now?);
        (apart > MAX_SKEW && !is_filetime(value)).then(|| format!("T is {} s away from our clock", apart.as_secs()))
    })
}

fn id_form(s: &Subject<'_>) -> Vec<Hit> {
    let wrong = |id: &Id| match (id.text(), id.id_type) {
        (Some(""), _) => Some("an ID is empty"),
        (None, _) => Some("an ID is no text"),
        (Some(text), IdType::Uri) if !text.contains(':') => Some("an ID of type URI has no scheme"),
        (Some(text), IdType::Nai) if text.starts_with("sip:") || text.starts_with("sips:") => {
            Some("an ID of type NAI is a URI")
        }
        _ => None,
    };
    s.each::<Id>().filter_map(|(at, id)| Some(Hit::new(at + 4, wrong(id)?))).collect()
}

/// The certificates that are in the message itself.
fn certificates<'a>(s: &Subject<'a>) -> impl Iterator<Item = (usize, &'a [u8])> {
    let whole = |cert: &Cert| matches!(cert.cert_type, CertType::X509 | CertType::X509Sign | CertType::X509Encr);
    s.each::<Cert>().filter(move |(_, cert)| whole(cert)).map(|(at, cert)| (at + 4, &cert.data[..]))
}

fn cert_unreadable(s: &Subject<'_>) -> Vec<Hit> {
    let whole = |der: &[u8]| X509Certificate::from_der(der).is_ok_and(|(rest, _)| rest.is_empty());
    let ders = certificates(s).filter(|(_, der)| !whole(der)).map(|(at, _)| Hit::new(at, "CERT holds no certificate"));
    let urls = s.each::<Cert>().filter(|(_, cert)| cert.cert_type == CertType::X509Url);
    let is_url = |data: &[u8]| std::str::from_utf8(data).is_ok_and(|url| url.is_ascii() && url.contains("://"));
    let urls = urls.filter(|(_, cert)| !is_url(&cert.data));
    ders.chain(urls.map(|(at, _)| Hit::new(at + 4, "CERT holds no URL"))).collect()
}

fn cert_date(s: &Subject<'_>) -> Vec<Hit> {
    let t = s.each::<T>().find_map(|(_, t)| match t {
        T::NtpUtc(value) | T::Ntp(value) if !is_filetime(*value) => Some(value >> 32),
        _ => None,
    });
    // Seconds without their top bit are after 2036.
    let Some(unix) = t.map(|t| (if t >> 31 == 1 { t } else { t + (1 << 32) }) as i64 - NtpTime::UNIX_EPOCH as i64)
    else {
        return vec![];
    };
    let wrong = |der: &[u8]| {
        let validity = X509Certificate::from_der(der).ok()?.1.validity().clone();
        match () {
            () if unix < validity.not_before.timestamp() => Some("the certificate is not valid yet when T says"),
            () if unix > validity.not_after.timestamp() => Some("the certificate has expired when T says"),
            () => None,
        }
    };
    certificates(s).filter_map(|(at, der)| Some(Hit::new(at, wrong(der)?))).collect()
}

fn sign_length(s: &Subject<'_>) -> Vec<Hit> {
    let modulus = |der: &[u8]| match X509Certificate::from_der(der).ok()?.1.public_key().parsed().ok()? {
        PublicKey::RSA(key) => Some(key.key_size().div_ceil(8)),
        _ => None,
    };
    let Some((_, leaf)) = certificates(s).next() else { return vec![] };
    let Some(len) = modulus(leaf) else { return vec![] };
    let other = s.each::<Sign>().filter(|(_, sign)| sign.signature.len() != len);
    other
        .map(|(at, sign)| {
            let what = format!("a signature of {} octets under a key of {len}", sign.signature.len());
            Hit::new(at, what)
        })
        .collect()
}

/// The prime of one of the OAKLEY groups; `None` for elliptic curves.
fn prime(group: DhGroup) -> Option<BigNum> {
    match group {
        DhGroup::Oakley5 => BigNum::get_rfc3526_prime_1536().ok(),
        DhGroup::Oakley1 => BigNum::get_rfc2409_prime_768().ok(),
        DhGroup::Oakley2 => BigNum::get_rfc2409_prime_1024().ok(),
        _ => None,
    }
}

fn dh_value(s: &Subject<'_>) -> Vec<Hit> {
    let wrong = |dh: &Dh| {
        let (value, prime) = (BigNum::from_slice(&dh.value).ok()?, prime(dh.group)?);
        let mut last = prime.to_owned().ok()?;
        last.sub_word(1).ok()?;
        match () {
            () if value.num_bits() == 0 => Some("the DH-value is 0"),
            () if value.num_bits() == 1 => Some("the DH-value is 1"),
            () if value == last => Some("the DH-value is p - 1"),
            () if value > last => Some("the DH-value is not below p"),
            () => None,
        }
    };
    s.each::<Dh>().filter_map(|(at, dh)| Some(Hit::new(at + 2, wrong(dh)?))).collect()
}

fn sdp_ids<'a>(s: &Subject<'a>) -> Option<(usize, &'a [u8])> {
    s.each::<Ext>().find_map(|(at, ext)| match ext {
        Ext::SdpIds(ids) => Some((at, &ids[..])),
        _ => None,
    })
}

fn sdp_ids_missing(s: &Subject<'_>) -> Vec<Hit> {
    let wanted = is_init(s.message.hdr().data_type) && s.complete() && sdp_ids(s).is_none();
    match s.carrier {
        Carrier::Sdp { .. } if wanted => {
            vec![Hit::new(s.read_to(), "an offer in SDP that does not list the protocols")]
        }
        _ => vec![],
    }
}

fn sdp_ids_differ(s: &Subject<'_>) -> Vec<Hit> {
    let (Some((at, said)), Carrier::Sdp { protocols: Some(offered) }) = (sdp_ids(s), s.carrier) else { return vec![] };
    let offered = offered.join(";");
    let said = String::from_utf8_lossy(said);
    (said != offered)
        .then(|| Hit::new(at + 4, format!("it lists {said:?}, and the SDP offers {offered:?}")))
        .into_iter()
        .collect()
}
