//! What the key logs of all phones say: every master key once, who hears with it, and what it is called.

use super::cipher::{Master, pad};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyphone_media::srtp::Suite;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zeroize::Zeroizing;

/// One master key with all that decides how its packets look.
pub(super) struct Key {
    pub(super) master: Master,
    /// Which key stream: equal for keys whose octets are equal, whatever suite and MKI they are used with.
    pub(super) stream: usize,
    /// Its fingerprint, as events say it.
    pub(super) name: Arc<str>,
    /// The phones that hear with it.
    pub(super) heard_by: BTreeSet<usize>,
    /// The SSRCs that logs name under it.
    pub(super) ssrcs: BTreeSet<u32>,
}

/// All keys.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) all: Vec<Key>,
    /// What tells each of them from the others.
    facts: Vec<Zeroizing<Vec<u8>>>,
    streams: Vec<Zeroizing<Vec<u8>>>,
    /// How many lines of SRTP could not be read, by phone.
    pub(super) unread: BTreeMap<usize, usize>,
}

impl Keys {
    /// Takes one line of the log of `phone`. One that does not begin with `SRTP` is none of ours: other tools may write
    /// there. One that does and cannot be read is counted.
    pub(super) fn take(&mut self, phone: usize, line: &str) -> Option<()> {
        let mut words = line.split_whitespace();
        if words.next()? != "SRTP" {
            return None;
        }
        let taken = self.take_words(phone, words);
        if taken.is_none() {
            *self.unread.entry(phone).or_default() += 1;
        }
        taken
    }

    fn take_words<'l>(&mut self, phone: usize, mut words: impl Iterator<Item = &'l str>) -> Option<()> {
        let suite = Suite::from_name(words.next()?)?;
        let fields: BTreeMap<_, _> = words.filter_map(|word| word.split_once(['=', ':'])).collect();
        let octets = Zeroizing::new(STANDARD.decode(fields.get("inline")?).ok()?);
        let mki = fields.get("mki").map_or(Some(vec![]), |text| from_hex(text))?;
        let rate = fields.get("kdr").map_or(Some(0), |text| text.parse().ok())?;
        let master = Master::new(suite, &octets, &mki, rate)?;
        let (key, salt) = octets.split_at(suite.key_len());
        let (stream, _) = number(&mut self.streams, [key, &pad(salt)].concat());
        let facts = [&octets[..], suite.name().as_bytes(), &mki, &rate.to_be_bytes()].concat();
        let (at, new) = number(&mut self.facts, facts);
        if new {
            let name = fields.get("key").copied().unwrap_or_default().into();
            let (heard_by, ssrcs) = Default::default();
            self.all.push(Key { master, stream, name, heard_by, ssrcs });
        }
        let key = &mut self.all[at];
        if fields.get("use") == Some(&"hear") {
            key.heard_by.insert(phone);
        }
        key.ssrcs.extend(fields.get("ssrc").and_then(|text| u32::from_str_radix(text, 16).ok()));
        Some(())
    }
}

/// Where it stands among those that are known, and is it new?
fn number(known: &mut Vec<Zeroizing<Vec<u8>>>, octets: Vec<u8>) -> (usize, bool) {
    if let Some(at) = known.iter().position(|one| **one == octets) {
        return (at, false);
    }
    known.push(Zeroizing::new(octets));
    (known.len() - 1, true)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let octet = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_two_phones_log_is_one_key_and_who_hears_with_it_is_known() {
        let mut keys = Keys::default();
        let line = |rest: &str| format!("SRTP AES_CM_128_HMAC_SHA1_80 inline:{} {rest}", STANDARD.encode([7; 30]));
        for (phone, rest) in [(0, "ssrc=0000abcd use=send key=17"), (1, "ssrc=* use=hear key=17")] {
            keys.take(phone, &line(rest)).unwrap();
        }
        let [key] = &keys.all[..] else { panic!("{}", keys.all.len()) };
        assert_eq!((&*key.name, &key.heard_by, &key.ssrcs), ("17", &[1].into(), &[0xabcd].into()));
        keys.take(1, &line("ssrc=* use=hear key=17 mki=0102 kdr=64")).unwrap();
        let [one, other] = &keys.all[..] else { panic!("{}", keys.all.len()) };
        assert_eq!(one.stream, other.stream, "an MKI makes no other key stream");
    }

    #[test]
    fn a_line_that_is_none_is_passed_over() {
        let mut keys = Keys::default();
        for line in
            ["", "CLIENT_RANDOM 1 2", "SRTP AES_CM_128_HMAC_SHA1_80", "SRTP NO_SUITE inline:AA== ssrc=* use=hear"]
        {
            assert_eq!(keys.take(0, line), None);
        }
        assert_eq!(keys.take(0, "SRTP AES_CM_128_HMAC_SHA1_80 inline:AAAA ssrc=* use=hear key=1"), None);
        assert!(keys.all.is_empty());
        assert_eq!(keys.unread, [(0, 3)].into(), "and counted, if it is of SRTP");
    }
}
