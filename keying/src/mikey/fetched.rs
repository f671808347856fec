//! Certificates that a message only points to (RFC 4738 section 3.8): which of them are missing, and what was found.
//!
//! A message whose certificate is not here is refused where its signature would be verified, and so after all that costs
//! nothing was checked. Before it comes to that, whoever has the message asks what is missing: [`Mikey::needs`] for what a
//! stranger sends, which must pass those checks first, or nothing is fetched for it (RFC 3830 section 9.5);
//! [`Mikey::missing`] for what belongs to a call. What was fetched goes into [`Mikey::fetched`], and the message is taken
//! as if it had come only now.
//!
//! What was fetched proves nothing. It stands where the CERT payload has its URL, and is checked like one that came in the
//! message; the signature is over the octets that came, with the URL in them.

use super::bundle::Bundle;
use super::mode::Refused;
use super::wire::{Cert, CertType, CsMap, ErrorNo, Message};
use super::{Mikey, keys, sdp};
use crate::{Ask, CertStore, Certificate, Error, Input, Lines, Policy, Session, Url};
use keyphone_media::env::{Env, Instant};
use std::collections::BTreeMap;
use std::time::Duration;

/// What URLs led to: a bounded memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetched(BTreeMap<Url, Found>);

#[derive(Clone, Debug)]
struct Found {
    certificate: Result<Certificate, String>,
    until: Instant,
}

impl Fetched {
    /// So many are remembered; then the one goes whose time is over first. With the largest certificates that is 4 MB.
    const MOST: usize = 64;
    /// How long a certificate is not fetched again: "the certificate cache timeout is a matter of local policy" (RFC 4738
    /// section 3.8). Its time and the revocation lists are looked at each time it is used; but while it is remembered, no
    /// call is keyed with the one that took its place there, nor with the right one where somebody on the way gave us a
    /// wrong one. So a minute: long enough for a call to be set up.
    const GOOD: Duration = Duration::from_secs(60);
    /// How long it is not tried again when there was none.
    const BAD: Duration = Duration::from_secs(10);

    fn insert(&mut self, url: Url, certificate: Result<Certificate, String>, now: Instant) {
        self.0.retain(|_, found| found.until > now);
        if self.0.len() >= Self::MOST
            && let Some(first) = self.0.iter().min_by_key(|(_, found)| found.until).map(|(url, _)| url.clone())
        {
            self.0.remove(&first);
        }
        let until = now + if certificate.is_ok() { Self::GOOD } else { Self::BAD };
        self.0.insert(url, Found { certificate, until });
    }

    fn find(&self, url: &Url, now: Instant) -> Option<&Result<Certificate, String>> {
        self.0.get(url).filter(|found| found.until > now).map(|found| &found.certificate)
    }

    /// For a session: see [`Input::Fetched`].
    pub(super) fn told(&mut self, url: &Url, certificate: Result<&Certificate, &str>, now: Instant) {
        self.insert(url.clone(), certificate.cloned().map_err(str::to_owned), now);
    }

    /// Reads what was found in the place of the URLs of a message.
    ///
    /// # Errors
    /// One of them led to nothing, and why.
    pub(super) fn resolve(&self, message: &mut Message, now: Instant) -> Result<(), Refused> {
        for url in urls(message) {
            if let Some(Err(why)) = self.find(&url, now) {
                let what = format!("its certificate could not be fetched from {url}: {why} (RFC 4738 section 3.8)");
                return Err(Refused::new(ErrorNo::InvalidCert, Error::incompatible(what)));
            }
        }
        message.resolve(|cert| {
            let found = self.find(&url_of(cert)?, now)?.as_ref().ok()?;
            Some(Cert { cert_type: CertType::X509, data: found.der().to_vec() })
        });
        Ok(())
    }
}

fn url_of(cert: &Cert) -> Option<Url> {
    if cert.cert_type == CertType::X509Url { Url::of_octets(&cert.data) } else { None }
}

/// The URLs of a message; a longer chain is refused anyway.
fn urls(message: &Message) -> Vec<Url> {
    message.many().filter_map(url_of).take(CertStore::MAX_CHAIN).collect()
}

impl Mikey {
    /// What is fetched is no longer than this, in octets.
    pub const LARGEST_CERTIFICATE: usize = 64 << 10;

    /// What must be fetched before anybody can know whether these lines are in order, as far as policy allows it. They
    /// must be from somebody in a call with us.
    pub fn missing(&self, lines: &Lines, policy: &Policy, now: Instant) -> Vec<Url> {
        if policy.mikey.fetch.is_empty() {
            return vec![];
        }
        let mut missing: Vec<_> =
            sdp::messages(lines).flat_map(|message| self.missing_in(&message, policy, now)).collect();
        missing.sort();
        missing.dedup();
        missing
    }

    fn missing_in(&self, message: &Message, policy: &Policy, now: Instant) -> Vec<Url> {
        let mut urls = urls(message);
        urls.retain(|url| policy.mikey.fetch.allows(url) && self.fetched.find(url, now).is_none());
        urls
    }

    /// The same for the offer of a stranger: nothing, unless it passes all checks that cost nothing. `ask` needs no
    /// streams.
    pub fn needs(&mut self, ask: &Ask<'_>, lines: &Lines, env: &mut Env<'_>) -> Vec<Url> {
        if self.missing(lines, ask.policy, env.now.mono).is_empty() {
            return vec![];
        }
        let mut needed = vec![];
        for mut message in sdp::messages(lines) {
            let missing = self.missing_in(&message, ask.policy, env.now.mono);
            // It cannot succeed without them, so nothing comes of it but the reason why it does not.
            let resolved = self.fetched.resolve(&mut message, env.now.mono);
            let refused =
                resolved.and_then(|()| if missing.is_empty() { Ok(()) } else { self.rehearse(&message, ask, env) });
            match refused {
                Ok(()) => {}
                Err(Refused { error: Error::NotFetched(_), .. }) => needed.extend(missing),
                Err(_) => return vec![],
            }
        }
        needed.sort();
        needed.dedup();
        needed
    }

    fn rehearse(&mut self, message: &Message, ask: &Ask<'_>, env: &mut Env<'_>) -> Result<(), Refused> {
        let bundle = Bundle {
            me: ask.me,
            named: ask.named,
            map: CsMap::Srtp(vec![]),
            policies: vec![],
            protocols: &[],
            hop: ask.hop,
            suite: keys::suite(&[], &[], ask.policy),
            expect: ask.policy.expect,
            policy: &ask.policy.mikey,
        };
        let mode = self.modes.answering(message, &ask.policy.mikey)?;
        mode.respond(message, &bundle, &mut self.station, env).map(|_| ())
    }

    /// What was fetched: a certificate in DER (RFC 2585 section 3), or why there is none.
    pub fn fetched(&mut self, url: Url, result: Result<Vec<u8>, String>, now: Instant) {
        let certificate = result.and_then(|der| {
            if der.len() > Self::LARGEST_CERTIFICATE {
                return Err(format!("it is longer than {} octets", Self::LARGEST_CERTIFICATE));
            }
            Certificate::from_der(&der).map_err(|why| why.to_string())
        });
        self.fetched.insert(url, certificate, now);
    }

    /// Tells a session what the URLs in these lines led to, before it reads them.
    pub fn tell(&self, lines: &Lines, session: &mut dyn Session, env: &mut Env<'_>) {
        // Without anything fetched there is nothing to tell, and nothing is read twice.
        if self.fetched.0.is_empty() {
            return;
        }
        for url in sdp::messages(lines).flat_map(|message| urls(&message)) {
            let Some(certificate) = self.fetched.find(&url, env.now.mono) else { continue };
            let certificate = certificate.as_ref().map_err(String::as_str);
            // It only remembers it.
            let told = session.handle(Input::Fetched { url: &url, certificate }, env, &mut vec![]);
            debug_assert_eq!(told, Ok(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Credentials;
    use keyphone_media::env::NtpTime;

    fn url(n: usize) -> Url {
        format!("http://example.org/{n}.cer").parse().unwrap()
    }

    #[test]
    fn a_certificate_that_took_the_place_of_another_is_found_a_minute_later() {
        let der = |pem: &[u8]| Certificate::read(pem).unwrap().remove(0).der().to_vec();
        let [old, new] = [
            der(include_bytes!("../../tests/data/certs/alice.pem")),
            der(include_bytes!("../../tests/data/certs/bob.pem")),
        ];
        let (mut mikey, now) = (Mikey::new(Credentials::default(), NtpTime(0xed00_0000_0000_0000)), Instant::ZERO);
        let lies_there = |mikey: &Mikey, now| {
            let found = mikey.fetched.find(&url(1), now);
            found.map(|found| found.as_ref().unwrap().der().to_vec())
        };
        mikey.fetched(url(1), Ok(old.clone()), now);
        assert_eq!(lies_there(&mikey, now + Duration::from_secs(59)), Some(old));
        let later = now + Duration::from_secs(60);
        assert_eq!(lies_there(&mikey, later), None, "so it is fetched again");
        mikey.fetched(url(1), Ok(new.clone()), later);
        assert_eq!(lies_there(&mikey, later), Some(new));
    }

    #[test]
    fn however_many_urls_are_fetched_the_memory_of_them_is_bounded_and_goes() {
        let (mut fetched, mut now) = (Fetched::default(), Instant::ZERO);
        for n in 0..1000 {
            now = now + Duration::from_millis(1);
            fetched.insert(url(n), Err("not there".into()), now);
        }
        assert_eq!(fetched.0.len(), Fetched::MOST);
        assert!(fetched.find(&url(999), now).is_some() && fetched.find(&url(0), now).is_none());
        assert!(fetched.find(&url(999), now + Fetched::BAD).is_none(), "then it is tried again");
        fetched.insert(url(0), Err("not there".into()), now + Fetched::BAD);
        assert_eq!(fetched.0.len(), 1);
    }
}
