//! `[tls]` and `[[peer-cert]]`: our certificate, and whom we trust, for SIP over TLS and for MIKEY.

use crate::account::SipUri;
use crate::finding::Report;
use crate::section::Section;
use keyphone_keying::{Identity, Url};
use std::path::{Path, PathBuf};

/// Files in PEM. The command line replaces single ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Our certificate, followed by those between it and its CA. With it we take calls over TLS, and sign in MIKEY.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// Where others can fetch our certificate, in DER: then MIKEY names the URL instead of bringing the certificate (RFC 4738
    /// section 3.8).
    pub cert_url: Option<Url>,
    /// The CAs that we trust. With them we make calls over TLS, and believe signatures in MIKEY.
    pub ca: Option<PathBuf>,
    /// Certificates of peers, for MIKEY: whoever has one here proves itself with no other.
    pub peer_certs: Vec<PeerCert>,
    /// Revocation lists, for MIKEY.
    pub crl: Option<PathBuf>,
    /// Must whoever connects to us show a certificate of one of these CAs?
    pub require_client: bool,
}

impl Tls {
    /// There is something to set up.
    pub fn is_wanted(&self) -> bool {
        self.cert.is_some() || self.key.is_some() || self.ca.is_some()
    }

    /// The certificate and its key, if there are any.
    ///
    /// # Errors
    /// One sentence, if there is only one of the two, or if others must show certificates of nobody.
    pub fn own(&self) -> Result<Option<(&Path, &Path)>, String> {
        if self.require_client && self.ca.is_none() {
            return Err("to require certificates of others, say whose: there is no ca".to_owned());
        }
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Ok(Some((cert, key))),
            (None, None) => Ok(None),
            (Some(_), None) => Err("there is a certificate without its key".to_owned()),
            (None, Some(_)) => Err("there is a key without its certificate".to_owned()),
        }
    }

    pub(crate) fn read(&mut self, mut section: Section<'_>, directory: &Path, report: &mut Report<'_>) {
        let start = section.span.clone().unwrap_or_default();
        for (field, path, into) in [
            ("cert", "tls.cert", &mut self.cert),
            ("key", "tls.key", &mut self.key),
            ("ca", "tls.ca", &mut self.ca),
            ("crl", "tls.crl", &mut self.crl),
        ] {
            let Some((text, span)) = section.string(field, report) else { continue };
            let file = directory.join(text);
            if !file.is_file() {
                report.error(span, path, format!("{} is no file", file.display()));
                continue;
            }
            if field == "key" {
                report.warn_if_open(&file, &span, "tls.key");
            }
            *into = Some(file);
        }
        section.parse("cert-url", &mut self.cert_url, report, |text| text.parse().map(Some));
        if self.cert_url.is_some()
            && self.cert.is_none()
            && let Some(span) = section.span_of("cert-url")
        {
            report.error(span, "tls.cert-url", "there is a URL of our certificate, and no certificate");
        }
        section.flag("require-client-certificate", &mut self.require_client, report);
        let missing = section.span_of("cert").is_some() != section.span_of("key").is_some()
            || self.require_client && section.span_of("ca").is_none();
        if missing && let Err(message) = self.own() {
            report.error(start, "tls", message);
        }
        section.finish(report);
    }
}

/// A peer's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCert {
    /// Whose it is; `None` is whoever it names itself.
    pub peer: Option<Identity>,
    /// In PEM or DER.
    pub file: PathBuf,
}

impl PeerCert {
    /// `--peer-cert`: `FILE` or `PEER=FILE`.
    ///
    /// # Errors
    /// One sentence, if PEER is no SIP URI.
    pub fn from_flag(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((peer, file)) if peer.starts_with("sip") && peer.contains(':') => {
                let peer: SipUri = peer.parse()?;
                Ok(Self { peer: Some(peer.identity()), file: file.into() })
            }
            _ => Ok(Self { peer: None, file: text.into() }),
        }
    }

    /// `[[peer-cert]]`.
    pub(crate) fn read(mut section: Section<'_>, directory: &Path, report: &mut Report<'_>) -> Option<Self> {
        let start = section.span.clone().unwrap_or_default();
        let mut peer: Option<SipUri> = None;
        section.parse("peer", &mut peer, report, |text| text.parse().map(Some));
        let file = section.string("file", report).map(|(text, span)| (directory.join(text), span));
        if section.span_of("file").is_none() {
            report.error(start, "peer-cert.file", "this [[peer-cert]] has no file");
        }
        section.finish(report);
        let (file, span) = file?;
        if !file.is_file() {
            report.error(span, "peer-cert.file", format!("{} is no file", file.display()));
            return None;
        }
        Some(Self { peer: peer.map(|uri| uri.identity()), file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, check};

    #[test]
    fn certificates_are_files_beside_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["me.pem", "me.key", "ca.pem"] {
            std::fs::write(at(name), "x").unwrap();
        }
        let name = at("keyphone.toml").display().to_string();
        let read = |text: &str| Config::from_toml(&format!("[tls]\n{text}"), &name).map(|config| config.tls);
        let tls =
            read("cert = \"me.pem\"\nkey = \"me.key\"\nca = \"ca.pem\"\nrequire-client-certificate = true").unwrap();
        assert_eq!(tls.own(), Ok(Some((at("me.pem").as_path(), at("me.key").as_path()))));
        assert!(tls.require_client && tls.is_wanted() && !Tls::default().is_wanted());
        let error = |text: &str| read(text).unwrap_err().to_string();
        assert!(error("cert = \"me.pem\"").ends_with("there is a certificate without its key"));
        assert!(error("key = \"me.key\"").ends_with("there is a key without its certificate"));
        assert!(error("require-client-certificate = true").ends_with("there is no ca"));
        assert!(error("ca = \"none.pem\"").ends_with("none.pem is no file"));
        assert!(error("certificate = \"me.pem\"").contains("there is no such field"));
        #[cfg(unix)]
        assert!(
            check("[tls]\ncert = \"me.pem\"\nkey = \"me.key\"", &name).iter().any(|f| f.message.contains("chmod 600"))
        );
    }
}
