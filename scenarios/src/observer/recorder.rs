//! Perfect forward secrecy, tried out: somebody records all signalling and all media, and is given the long-term keys
//! later, but nothing that a phone held only for a call. What can be read then?
//!
//! SIP over TLS is recorded as the proxies on its way see it: MIKEY-NULL leaves its keys with every one of them, and
//! that is the question here. No key log is asked.

use super::cipher::{Kind, Rtp, is_rtcp};
use super::keys::Keys;
use super::trace::{Tracer, What};
use crate::world::Sent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyphone_keying::crypto::PrivateKey;
use keyphone_keying::workbench::input::{Found, find};
use keyphone_keying::workbench::open::{Opened, Secrets, open};
use keyphone_keying::{Certificate, Psk};
use keyphone_media::srtp::Suite;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use zeroize::Zeroizing;

/// What outlives a call: what a thief finds in a phone years later.
#[derive(Clone, Debug, Default)]
pub struct LongTerm {
    /// Pre-shared keys.
    pub psks: Vec<Psk>,
    /// The private keys of certificates.
    pub keys: Vec<PrivateKey>,
    /// Certificates of those who do not send theirs.
    pub certificates: Vec<Certificate>,
}

/// All that went over the wire.
pub struct Recorder {
    messages: Vec<Found>,
    media: Vec<Vec<u8>>,
}

/// Could the media be read?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// Yes.
    Yes {
        /// So many RTP packets.
        packets: usize,
        /// Of so many.
        of: usize,
    },
    /// No.
    No {
        /// Why: what opening the messages came to.
        why: String,
    },
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes { packets, of } => write!(f, "{packets} of {of} recorded RTP packets were decrypted"),
            Self::No { why } => write!(f, "no recorded RTP packet could be decrypted: {why}"),
        }
    }
}

impl Recorder {
    /// Records a wire.
    pub fn of(wire: &[Sent]) -> Self {
        let (mut messages, mut known) = (vec![], BTreeSet::new());
        for sent in wire.iter().filter(|sent| !sent.media) {
            // A SIP message without MIKEY has nothing to be found.
            let here = find(&sent.bytes).unwrap_or_default();
            // Retransmissions, and what proxies hand on, are one message.
            let new = |found: &Found| found.bytes.as_ref().is_ok_and(|bytes| known.insert(bytes.to_vec()));
            messages.extend(here.into_iter().filter(new));
        }
        let media = wire.iter().filter(|sent| sent.media).map(|sent| sent.bytes.clone()).collect();
        Self { messages, media }
    }

    /// Tries to read the media with what outlives a call.
    pub fn recover(&self, long_term: &LongTerm) -> Recovered {
        let LongTerm { psks, keys, certificates } = long_term;
        let one = |psk: Option<&Psk>| {
            let (keys, certificates) = (keys.clone(), certificates.clone());
            let secrets = Secrets { psk: psk.cloned(), keys, certificates, ..Secrets::default() };
            open(&self.messages, &secrets)
        };
        let mut opened: Vec<_> = match psks.is_empty() {
            true => one(None),
            false => psks.iter().flat_map(|psk| one(Some(psk))).collect(),
        };
        // Later messages of a bundle are under the envelope key of its first (RFC 3830 section 4.5).
        let envelope = opened.iter().filter_map(|opened| Psk::new(hex::decode(opened.value("envelope key")?).ok()?));
        let later: Vec<_> = envelope.flat_map(|key| one(Some(&key))).collect();
        opened.splice(0..0, later);
        let mut keys = Keys::default();
        opened.iter().flat_map(lines).for_each(|line| _ = keys.take(0, &line));
        let (mut tracer, mut packets, mut of) = (Tracer::default(), 0, 0);
        for packet in &self.media {
            match tracer.look(packet, &mut keys) {
                What::Protected(protected) => {
                    let one = usize::from(protected.kind == Kind::Rtp);
                    (packets, of) = (packets + one, of + one);
                }
                _ => of += usize::from(!is_rtcp(packet) && Rtp::read(packet).is_some()),
            }
        }
        match packets {
            0 => Recovered::No { why: why(&opened, keys.all.len()) },
            _ => Recovered::Yes { packets, of },
        }
    }
}

/// What stood in the way: what was missing, rather than what did not come out for want of it.
fn why(opened: &[Opened], keys: usize) -> String {
    let said = || opened.iter().flat_map(|opened| opened.problems.iter().map(move |what| (&opened.what, what)));
    let missing = said().find(|(_, what)| what.starts_with("it needs"));
    match missing.or_else(|| said().next()).map(|(message, what)| format!("{message}: {what}")) {
        _ if opened.is_empty() => "no keying was recorded".into(),
        _ if keys > 0 => format!("none of {keys} keys that came out makes sense of it"),
        None => "no key came out".into(),
        Some(what) => what,
    }
}

/// The master keys of a message as lines of a key log, for every suite that has keys of such lengths.
fn lines(opened: &Opened) -> Vec<Zeroizing<String>> {
    // "CS 2 TEK", or "CS 2 TEK, key 1" where there are several.
    let named = |step: &str| step.strip_prefix("CS ").is_some_and(|rest| rest.contains(" TEK"));
    let teks = opened.steps.iter().filter(|step| named(&step.name));
    let values: BTreeMap<_, _> = opened.steps.iter().map(|step| (step.name.as_str(), step.value.as_str())).collect();
    let of_tek = |step: &keyphone_keying::workbench::open::Step| {
        let salt = values.get(step.name.replace("TEK", "salt").as_str()).copied().unwrap_or_default();
        let (Ok(key), Ok(salt)) = (hex::decode(&step.value), hex::decode(salt)) else { return vec![] };
        let mkis = opened.steps.iter().filter(|step| step.name.starts_with("SPI"));
        let mkis: Vec<_> = mkis.map(|step| format!(" mki={}", step.value)).chain([String::new()]).collect();
        let suites = Suite::ALL.into_iter().filter(|s| (s.key_len(), s.salt_len()) == (key.len(), salt.len()));
        let octets = Zeroizing::new(STANDARD.encode([&key[..], &salt].concat()));
        let line = |suite: Suite| {
            mkis.iter().map({
                let octets = &octets;
                move |mki| Zeroizing::new(format!("SRTP {suite} inline:{} ssrc=* use=hear{mki}", octets.as_str()))
            })
        };
        suites.flat_map(line).collect()
    };
    teks.flat_map(of_tek).collect()
}
