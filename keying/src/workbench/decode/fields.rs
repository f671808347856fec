//! A message as a tree of fields. Every octet is shown once, in its order.

use super::{Field, Keys};
use crate::identity::Certificate;
use crate::mikey::wire::*;

/// The fields of a message, and what is worth knowing besides.
pub(super) fn of(message: &Message, keys: Keys) -> (Vec<Field>, Vec<String>) {
    let mut tree = Tree { bytes: message.bytes(), at: 0, section: "", keys, fields: vec![] };
    let mut notes = Vec::new();
    tree.group("HDR", "RFC 3830 section 6.1", |t| hdr(t, message.hdr()));
    for part in message.parts() {
        let section = section(&part.payload);
        tree.group(part.payload.name(), section, |t| payload(t, &part.payload, message));
        notes.extend(note(&part.payload, message));
    }
    match message.bytes().len() - tree.at {
        0 => {}
        // Octets that we do not understand may be a key.
        rest if message.tolerated().is_some() || keys == Keys::Shown => tree.hex("unread", rest),
        rest => tree.field("unread", rest, format!("{rest} octets")),
    }
    (tree.fields, notes)
}

/// Walks over the octets of a message and grows its fields.
struct Tree<'a> {
    bytes: &'a [u8],
    at: usize,
    section: &'static str,
    keys: Keys,
    fields: Vec<Field>,
}

impl Tree<'_> {
    /// A field of the next `length` octets.
    fn field(&mut self, name: impl Into<String>, length: usize, value: impl Into<String>) {
        let (offset, section) = (self.at, self.section);
        self.fields.push(Field { name: name.into(), value: value.into(), offset, length, section, fields: vec![] });
        self.at += length;
    }

    /// A number in the next octet, with its name.
    fn code(&mut self, name: &str, number: impl Into<u8>, text: impl ToString) {
        let (number, text) = (number.into(), text.to_string());
        let text = if text.starts_with("unknown") { "unknown" } else { &text };
        self.field(name, 1, format!("{text} ({number})"));
    }

    fn hex(&mut self, name: &str, length: usize) {
        let value = hex::encode(&self.bytes[self.at..self.at + length]);
        self.field(name, length, value);
    }

    fn secret(&mut self, name: &str, length: usize) {
        match self.keys {
            Keys::Shown => self.hex(name, length),
            Keys::Hidden => self.field(name, length, format!("{length} octets, hidden")),
        }
    }

    fn next_payload(&mut self) {
        let number = self.bytes[self.at];
        self.code("Next payload", number, payload_name(number));
    }

    /// A field that is made of those that `fill` adds.
    fn group(&mut self, name: impl Into<String>, section: &'static str, fill: impl FnOnce(&mut Self)) {
        let (offset, above) = (self.at, std::mem::replace(&mut self.section, section));
        let outer = std::mem::take(&mut self.fields);
        fill(self);
        let fields = std::mem::replace(&mut self.fields, outer);
        let (name, length) = (name.into(), self.at - offset);
        self.fields.push(Field { name, value: String::new(), offset, length, section, fields });
        self.section = above;
    }
}

/// Two extensions have an RFC of their own.
fn section(payload: &Payload) -> &'static str {
    match payload {
        Payload::Ext(Ext::KeyIds(_)) => "RFC 4563 section 4",
        Payload::Ext(Ext::CsbId(_)) => "RFC 4738 section 3.6",
        Payload::Ext(Ext::OmaBcast { .. }) => "RFC 5410 section 3",
        other => other.section(),
    }
}

fn hdr(t: &mut Tree<'_>, hdr: &Hdr) {
    t.field("version", 1, VERSION.to_string());
    t.code("data type", hdr.data_type, hdr.data_type);
    t.next_payload();
    let v = if hdr.v { "V = 1, response expected" } else { "V = 0, no response expected" };
    t.field("V, PRF func", 1, format!("{v}; PRF {} ({})", hdr.prf, u8::from(hdr.prf)));
    t.field("CSB ID", 4, format!("{:08x}", hdr.csb_id));
    t.field("#CS", 1, hdr.map.count().to_string());
    match &hdr.map {
        CsMap::Srtp(ids) => {
            t.code("CS ID map type", 0, "SRTP-ID");
            // The i-th stream has CS ID i, from 1.
            t.group("CS ID map info", "RFC 3830 section 6.1.1", |t| {
                for (index, id) in ids.iter().enumerate() {
                    let ssrc = id.ssrc.map_or("not chosen yet".into(), |ssrc| ssrc.to_string());
                    let value = format!("policy {}, SSRC {ssrc}, ROC {}", id.policy_no, id.roc);
                    t.field(format!("CS {}", index + 1), 9, value);
                }
            });
        }
        CsMap::Empty { .. } => t.code("CS ID map type", 1, "Empty map, RFC 4563 section 5"),
        CsMap::Unknown { map_type, .. } => t.code("CS ID map type", *map_type, format!("unknown ({map_type})")),
    }
}

fn kemac(t: &mut Tree<'_>, kemac: &Kemac, message: &Message) {
    let len = kemac.encr_data.len();
    // The octet as it stands there: its meaning may be that of RFC 4650 section 4.2.
    t.code("Encr alg", t.bytes[t.at], kemac.encr_alg);
    t.field("Encr data len", 2, len.to_string());
    match message.clear_keys() {
        Ok(Some(keys)) if !keys.is_empty() => t.group("Encr data", t.section, |t| {
            for key in &keys {
                t.group(KeyData::NAME, KeyData::SECTION, |t| key_data(t, key));
            }
        }),
        Ok(None) => t.hex("Encr data", len),
        Ok(Some(_)) => t.field("Encr data", len, "none"),
        Err(_) => t.secret("Encr data", len),
    }
    t.code("Mac alg", t.bytes[t.at], kemac.mac_alg);
    t.hex("MAC", kemac.mac.len());
}

fn key_data(t: &mut Tree<'_>, key: &KeyData) {
    t.next_payload();
    let kv_name = ["Null", "SPI", "Interval"][usize::from(key.kv.number())];
    t.field("Type, KV", 1, format!("{} ({}), {kv_name} ({})", key.type_name(), key.type_number(), key.kv.number()));
    t.field("Key data len", 2, key.key.len().to_string());
    t.secret("Key data", key.key.len());
    if let Some(salt) = &key.salt {
        t.field("Salt len", 2, salt.len().to_string());
        t.secret("Salt data", salt.len());
    }
    kv(t, &key.kv);
}

fn kv(t: &mut Tree<'_>, kv: &Kv) {
    if *kv == Kv::Null {
        return;
    }
    t.group("KV data", "RFC 3830 section 6.14", |t| {
        let mut sized = |len_name, name, octets: &[u8]| {
            t.field(len_name, 1, octets.len().to_string());
            t.hex(name, octets.len());
        };
        match kv {
            Kv::Null => {}
            Kv::Spi(spi) => sized("SPI Length", "SPI", spi),
            Kv::Interval { from, to } => {
                sized("VF Length", "Valid From", from);
                sized("VT Length", "Valid To", to);
            }
        }
    });
}

fn payload(t: &mut Tree<'_>, payload: &Payload, message: &Message) {
    if !matches!(payload, Payload::Sign(_)) {
        t.next_payload();
    }
    match payload {
        Payload::Kemac(kemac) => self::kemac(t, kemac, message),
        Payload::Pke(pke) => {
            let cache = format!("{} ({}), {}", pke.cache, u8::from(pke.cache), pke.data.len());
            t.field("C, Data len", 2, cache);
            t.hex("Data", pke.data.len());
        }
        Payload::Dh(dh) => {
            t.code("DH-Group", dh.group, dh.group);
            t.hex("DH-value", dh.value.len());
            t.field("Reserv, KV", 1, dh.kv.number().to_string());
            kv(t, &dh.kv);
        }
        Payload::Sign(sign) => {
            let (s_type, len) = (sign.s_type, sign.signature.len());
            t.field("S type, Signature len", 2, format!("{s_type} ({}), {len}", u8::from(s_type)));
            t.hex("Signature", len);
        }
        Payload::T(ts) => match ts {
            T::NtpUtc(ntp) | T::Ntp(ntp) => {
                t.code("TS type", ts.number(), if ts.number() == 0 { "NTP-UTC" } else { "NTP" });
                t.field("TS value", 8, format!("{ntp:016x}, {}", date(*ntp)));
            }
            T::Counter(counter) => {
                t.code("TS type", ts.number(), "COUNTER");
                t.field("TS value", 4, counter.to_string());
            }
        },
        Payload::Id(id) => {
            t.code("ID Type", id.id_type, id.id_type);
            t.field("ID len", 2, id.data.len().to_string());
            text(t, "ID Data", &id.data);
        }
        Payload::Cert(cert) => {
            t.code("Cert Type", cert.cert_type, cert.cert_type);
            t.field("Cert len", 2, cert.data.len().to_string());
            match cert.cert_type {
                CertType::X509Url => text(t, "Certificate Data", &cert.data),
                _ => t.hex("Certificate Data", cert.data.len()),
            }
        }
        Payload::Chash(chash) => {
            t.code("Hash func", chash.hash_func, chash.hash_func);
            t.hex("Hash", chash.hash.len());
        }
        Payload::V(v) => {
            t.code("Auth alg", v.auth_alg, v.auth_alg);
            t.hex("Ver data", v.ver_data.len());
        }
        Payload::Sp(sp) => self::sp(t, sp),
        Payload::Rand(Rand(rand)) => {
            t.field("RAND len", 1, rand.len().to_string());
            t.hex("RAND", rand.len());
        }
        Payload::Err(no) => {
            t.field("Error no", 1, no.to_string());
            t.hex("Reserved", 2);
        }
        Payload::Ext(ext) => self::ext(t, ext),
    }
}

fn sp(t: &mut Tree<'_>, sp: &Sp) {
    t.field("Policy no", 1, sp.policy_no.to_string());
    t.code("Prot type", sp.prot_type, sp.prot_type);
    t.field("Policy param length", 2, sp.params.iter().map(|p| 2 + p.value.len()).sum::<usize>().to_string());
    t.group("Policy param", "RFC 3830 section 6.10.1", |t| {
        for param in &sp.params {
            let (name, value) = match sp.prot_type {
                ProtType::Srtp => (param.param.to_string(), param.meaning()),
                ProtType::Unknown(_) => (format!("Type {}", u8::from(param.param)), hex::encode(&param.value)),
            };
            t.field(name, 2 + param.value.len(), value);
        }
    });
}

fn ext(t: &mut Tree<'_>, ext: &Ext) {
    t.code("Type", ext.number(), ext.name());
    let len = u16::from_be_bytes([t.bytes[t.at], t.bytes[t.at + 1]]);
    t.field("Length", 2, len.to_string());
    match ext {
        Ext::SdpIds(data) | Ext::VendorId(data) => text(t, "Data", data),
        Ext::CsbId(csb_id) => t.field("CSB_ID", 4, format!("{csb_id:08x}")),
        Ext::KeyIds(ids) => {
            for KeyId { id_type, id } in ids {
                t.field(id_type.to_string(), 2 + id.len(), hex::encode(id));
            }
        }
        Ext::OmaBcast { subtype, data } => {
            t.code("Subtype", *subtype, subtype);
            t.hex("Subtype Specific Data", data.len());
        }
        Ext::Unknown { data, .. } => t.hex("Data", data.len()),
    }
}

/// Printable text as it is, everything else in hex.
fn text(t: &mut Tree<'_>, name: &str, data: &[u8]) {
    match std::str::from_utf8(data) {
        Ok(text) if !text.chars().any(char::is_control) => t.field(name, data.len(), text),
        _ => t.hex(name, data.len()),
    }
}

fn note(payload: &Payload, message: &Message) -> Option<String> {
    match payload {
        Payload::Kemac(_) => match message.clear_keys() {
            Ok(keys) => keys.iter().flatten().find(|k| k.type_name() == "TEK" && k.key.len() == 30).map(|_| {
                "a TEK of 30 octets is, in practice, a 16-octet master key and its 14-octet master salt".into()
            }),
            Err(error) => Some(format!("the keys in KEMAC cannot be read: {error}")),
        },
        Payload::Rand(Rand(rand)) if rand.len() < 16 => {
            Some("RAND should have at least 16 octets (RFC 3830 section 6.11)".into())
        }
        Payload::Dh(dh) if dh.group.is_private() => {
            Some("its DH group has a number of our own, for none was assigned: not interoperable (RFC 5197 section 4.1)".into())
        }
        Payload::Sign(sign) if sign.s_type == SignType::Ecdsa => {
            Some("its signature type has a number of our own, for none was assigned: not interoperable (RFC 5197 section 4.1)".into())
        }
        Payload::Cert(cert) if matches!(cert.cert_type, CertType::X509 | CertType::X509Sign | CertType::X509Encr) => {
            let cert = Certificate::from_der(&cert.data).ok()?;
            let expires = unix_date(cert.not_after());
            Some(format!("a certificate for {}, issued by {}, which expires {expires}", cert.shown(), cert.issuer()))
        }
        _ => None,
    }
}

/// The day and second of an NTP timestamp. Seconds without their top bit are after 2036 (RFC 2030 section 3).
fn date(ntp: u64) -> String {
    const EPOCH_1970: i64 = 2_208_988_800;
    let seconds = (ntp >> 32) as i64;
    unix_date(if seconds >> 31 == 1 { seconds } else { seconds + (1 << 32) } - EPOCH_1970)
}

/// The same, of seconds since 1970.
fn unix_date(unix: i64) -> String {
    let (day, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    // Years begin in March, so that a leap day ends them; 719468 days go before 1970-01-01, 146097 make 400 years.
    let days = day + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let (month, of_month) = ((march + 2) % 12 + 1, of_year - (153 * march + 2) / 5 + 1);
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{of_month:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_a_date() {
        assert_eq!(date(0xe8fe_6f80_1f9a_cffa), "2023-11-14 22:13:20 UTC");
        assert_eq!(date(2_208_988_800 << 32), "1970-01-01 00:00:00 UTC");
        assert_eq!(date((2_208_988_800 + 951_782_400) << 32), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(0), "2036-02-07 06:28:16 UTC");
    }
}
