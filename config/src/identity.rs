//! What we prove who we are with: `[[psk]]`, and certificates.

use crate::account::SipUri;
use crate::certs::Certs;
use crate::finding::Report;
use crate::section::Section;
use keyphone_keying::{Identity, Psk, PskStore};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// In octets. A shorter key can be found by trying, for every message that it protects lets a guess be checked
/// offline; MIKEY encrypts with 128-bit keys that are derived from it (RFC 3830 sections 4.1.4 and 4.2.3).
const SHORT: usize = 16;

/// More than any sensible key file holds, in octets.
const KEY_FILE_LIMIT: u64 = 8192;

/// The secrets that we hold.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Pre-shared keys. Of two for one peer the later counts, so that a flag is pushed at the end.
    pub psks: Vec<PskEntry>,
    /// Certificates: see [`crate::Config::load_certs`].
    pub certs: Certs,
}

impl Credentials {
    /// The keys in the form in which keying asks for them.
    pub fn psk_store(&self) -> PskStore {
        let mut store = PskStore::default();
        for entry in &self.psks {
            store.insert(entry.peer.clone(), entry.key.clone());
        }
        store
    }

    /// All in the form in which keying asks for it.
    pub fn keying(&self) -> keyphone_keying::Credentials {
        keyphone_keying::Credentials { psks: self.psk_store(), certs: self.certs.store() }
    }

    pub(crate) fn read(&mut self, sections: Vec<Section<'_>>, directory: &Path, report: &mut Report<'_>) {
        for section in sections {
            self.read_psk(section, directory, report);
        }
    }

    fn read_psk(&mut self, mut section: Section<'_>, directory: &Path, report: &mut Report<'_>) {
        let start = section.span.clone().unwrap_or_default();
        let mut peer: Option<SipUri> = None;
        section.parse("peer", &mut peer, report, |text| parse_peer(text).map(Some));
        let peer_span = section.span_of("peer");
        let peer_usable = peer.is_some() || peer_span.is_none();
        let peer = peer.map(|uri| uri.identity());

        let key = section.string("key", report);
        let key_file = section.string("key-file", report);
        let (entry, span, field) = match (key, key_file) {
            (Some((text, span)), None) => (PskEntry::from_hex(peer, text), span, "psk.key"),
            (None, Some((path, span))) => {
                let path = directory.join(path);
                report.warn_if_open(&path, &span, "psk.key-file");
                (PskEntry::from_file(peer, &path), span, "psk.key-file")
            }
            (Some(_), Some((_, span))) => {
                (Err("stands beside key, and only one of the two may".to_owned()), span, "psk.key-file")
            }
            (None, None) => {
                // A field of the wrong type has been reported; only where there is none is one missing.
                if section.span_of("key").or(section.span_of("key-file")).is_none() {
                    report.error(start, "psk.key", "this [[psk]] has neither key nor key-file");
                }
                return section.finish(report);
            }
        };
        section.finish(report);
        match entry {
            Err(message) => report.error(span, field, message),
            Ok(entry) => {
                if let Some(weakness) = entry.weakness() {
                    report.warning(Some(span), field, weakness);
                }
                if !peer_usable {
                    return;
                }
                if self.psks.iter().any(|earlier| earlier.peer == entry.peer) {
                    let whom = entry.peer.map_or("everybody else".to_owned(), |peer| peer.to_string());
                    let message = format!("there is already a key for {whom}");
                    return report.error(peer_span.unwrap_or(start), "psk.peer", message);
                }
                self.psks.push(entry);
            }
        }
    }
}

/// A pre-shared key and whom we share it with.
#[derive(Clone, Debug)]
pub struct PskEntry {
    /// `None`: everybody who has no key of their own.
    pub peer: Option<Identity>,
    key: Psk,
    octets: usize,
}

impl PskEntry {
    /// A key in hexadecimal digits.
    ///
    /// # Errors
    /// One sentence that does not hold the key.
    pub fn from_hex(peer: Option<Identity>, digits: &str) -> Result<Self, String> {
        let digits = digits.trim();
        let mut octets = Zeroizing::new(vec![0; digits.len() / 2]);
        hex::decode_to_slice(digits, &mut octets).map_err(|e| match e {
            hex::FromHexError::InvalidHexCharacter { index, .. } => {
                format!("the key must be hexadecimal digits, and its character {} is none", index + 1)
            }
            _ => format!("the key must be an even number of hexadecimal digits, and has {}", digits.len()),
        })?;
        let length = octets.len();
        let key = Psk::new(std::mem::take(&mut *octets)).ok_or("the key is empty")?;
        Ok(Self { peer, key, octets: length })
    }

    /// A key in a file of its own, in hexadecimal digits; white space around them does not count.
    ///
    /// # Errors
    /// One sentence that names the file and does not hold the key.
    pub fn from_file(peer: Option<Identity>, path: &Path) -> Result<Self, String> {
        let name = match path.file_name().and_then(|n| n.to_str()) {
            Some(name) if looks_like_key(name) => "(not shown, for its name looks like a key)".to_owned(),
            _ => path.display().to_string(),
        };
        let cannot = |e: std::io::Error| format!("the key file {name} cannot be read: {e}");
        // Room for all of it from the start: a growing buffer would leave copies behind.
        let mut content = Zeroizing::new(Vec::with_capacity(KEY_FILE_LIMIT as usize + 1));
        File::open(path).map_err(cannot)?.take(KEY_FILE_LIMIT + 1).read_to_end(&mut content).map_err(cannot)?;
        if content.len() as u64 > KEY_FILE_LIMIT {
            return Err(format!("the key file {name} is longer than {KEY_FILE_LIMIT} octets"));
        }
        let digits = std::str::from_utf8(&content).map_err(|_| format!("the key file {name} holds more than text"))?;
        Self::from_hex(peer, digits).map_err(|e| format!("in the key file {name}: {e}"))
    }

    /// `--psk`: `HEX`, `PEER=HEX`, `@FILE` or `PEER=@FILE`.
    ///
    /// # Errors
    /// One sentence that does not hold the key.
    pub fn from_flag(text: &str) -> Result<Self, String> {
        let peer = |uri: &str| parse_peer(uri).map(|uri| Some(uri.identity()));
        if let Some(file) = text.strip_prefix('@') {
            Self::from_file(None, Path::new(file))
        } else if let Some((uri, file)) = text.split_once("=@") {
            Self::from_file(peer(uri)?, Path::new(file))
        } else if let Some((uri, digits)) = text.rsplit_once('=') {
            Self::from_hex(peer(uri)?, digits)
        } else {
            Self::from_hex(None, text)
        }
    }

    /// What should be said about this key, if anything.
    pub fn weakness(&self) -> Option<String> {
        let octets = self.octets;
        (octets < SHORT).then(|| format!("the key has {octets} octets; with fewer than {SHORT} it can be guessed"))
    }
}

/// Keys get into the wrong field, and then its content must not be shown.
pub(crate) fn looks_like_key(text: &str) -> bool {
    text.len() >= SHORT && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Where a key and its peer change places, the text is the key, so that no message quotes it.
fn parse_peer(text: &str) -> Result<SipUri, String> {
    text.parse().map_err(|_| "the peer must be a SIP URI such as sip:bob@example.org".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f";

    #[test]
    fn a_flag_names_a_peer_or_a_file_or_neither() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a=b.key");
        std::fs::write(&file, format!("\n {HEX}\n")).unwrap();
        let bob = Some(Identity::new("sip:bob@example.org"));
        for (flag, peer) in [
            (HEX.to_owned(), None),
            (format!("sip:bob@example.org={HEX}"), bob.clone()),
            (format!("@{}", file.display()), None),
            (format!("sip:bob@example.org:5070=@{}", file.display()), bob),
        ] {
            let entry = PskEntry::from_flag(&flag).unwrap();
            assert_eq!((entry.peer, entry.octets), (peer, 16), "{flag}");
        }
    }

    #[test]
    fn no_message_about_a_key_repeats_it() {
        for (digits, message) in [
            ("", "the key is empty"),
            ("c0ffee5", "the key must be an even number of hexadecimal digits, and has 7"),
            ("c0ffee5x", "the key must be hexadecimal digits, and its character 8 is none"),
        ] {
            assert_eq!(PskEntry::from_hex(None, digits).unwrap_err(), message);
        }
        for flag in [format!("{HEX}=sip:bob@example.org"), format!("{HEX}=@f"), format!("@{HEX}")] {
            let error = PskEntry::from_flag(&flag).unwrap_err();
            assert!(!error.contains(HEX), "{error}");
        }
        let entry = PskEntry::from_hex(None, HEX).unwrap();
        assert!(!format!("{entry:?}").contains("0102"), "{entry:?}");
        assert_eq!(entry.weakness(), None);
        let weak = PskEntry::from_hex(None, "c0ffee").unwrap().weakness().unwrap();
        assert_eq!(weak, "the key has 3 octets; with fewer than 16 it can be guessed");
    }

    #[test]
    fn a_key_file_must_be_there_and_be_short_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("psk");
        assert!(PskEntry::from_file(None, &path).unwrap_err().contains("cannot be read"));
        std::fs::write(&path, vec![b'0'; 9000]).unwrap();
        assert!(PskEntry::from_file(None, &path).unwrap_err().contains("longer than 8192 octets"));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(PskEntry::from_file(None, &path).unwrap_err().contains("more than text"));
    }

    #[test]
    fn of_two_keys_for_one_peer_the_flag_that_came_later_counts() {
        let mut credentials = Credentials::default();
        assert!(credentials.psk_store().is_empty());
        credentials.psks.push(PskEntry::from_flag(&format!("sip:bob@example.org={HEX}")).unwrap());
        let store = credentials.psk_store();
        assert!(store.with(&Identity::new("sip:bob@example.org")).is_some());
        assert!(store.with(&Identity::new("sip:carol@example.org")).is_none());
    }
}
