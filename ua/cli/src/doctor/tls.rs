//! Certificates for TLS and MIKEY: do they fit their keys, are they for us, and will they last?

use super::Checked;
use keyphone_config::{Config, KeyingSystem};
use keyphone_keying::mikey::ModeName;
use keyphone_ua::net::{Certificate, Tls, TlsFiles};
use keyphone_ua::sip::Uri;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

const WHAT: &str = "certificates";

/// A certificate that ends sooner than this should be made anew.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// Nothing, if TLS is not wanted. `now` is since 1970.
pub(super) fn certificates(config: &Config, now: Duration) -> Vec<Checked> {
    let tls = &config.tls;
    if !tls.is_wanted() {
        return vec![];
    }
    let own = match tls.own() {
        Ok(own) => own,
        Err(why) => {
            return vec![Checked::problem(WHAT, why, "name both in [tls] of the configuration file, or neither")];
        }
    };
    let files = TlsFiles { own, ca: tls.ca.as_deref(), require_client: tls.require_client };
    if let Err(why) = Tls::load(files) {
        let advice = "give a certificate and its own key, both in PEM, and the CAs in PEM";
        return vec![Checked::problem(WHAT, why, advice)];
    }
    let mut checks = mikey(config);
    if let Some((cert, _)) = own {
        checks.extend(each(cert, now, own_host(config).as_deref()));
    }
    if let Some(ca) = &tls.ca {
        checks.extend(each(ca, now, None));
    }
    checks
}

/// What MIKEY makes of them: nothing, if it uses none.
fn mikey(config: &Config) -> Vec<Checked> {
    const WHAT: &str = "MIKEY";
    let mut config = config.clone();
    match config.load_certs() {
        Err(why) => return vec![Checked::problem(WHAT, why, "give a certificate and its own key, both in PEM")],
        Ok(Some(why)) => return vec![Checked::warning(WHAT, why, "give certificates with RSA or NIST-curve keys")],
        Ok(None) => {}
    }
    let by_certificate = |system: &KeyingSystem| {
        matches!(system, KeyingSystem::Mikey(ModeName::DhSign | ModeName::Rsa | ModeName::RsaR))
    };
    let systems: Vec<_> = config.systems().into_iter().filter(by_certificate).collect();
    let lacking = systems.iter().filter_map(|system| config.lacks(*system));
    let problems: Vec<_> =
        lacking.map(|why| Checked::problem(WHAT, why, "do that, or take the system out of keying")).collect();
    match config.credentials.certs.own() {
        Some(own) if problems.is_empty() && !systems.is_empty() => {
            vec![Checked::ok(WHAT, format!("we can prove to be {}", own.shown()))]
        }
        _ => problems,
    }
}

/// What peers compare our certificate with: the host of our address.
fn own_host(config: &Config) -> Option<String> {
    let uri: Uri = config.account.from.as_str().parse().ok()?;
    Some(uri.sip()?.host().to_string())
}

/// All in a file. The first may have to be for a host.
fn each(path: &Path, now: Duration, host: Option<&str>) -> Vec<Checked> {
    let name = path.display();
    match Certificate::read(path) {
        Err(why) => vec![Checked::problem(WHAT, why, "give certificates in PEM")],
        Ok(all) => {
            let many = all.len() > 1;
            let check = |(number, certificate): (usize, &Certificate)| {
                let which = if many { format!("{name}, number {}", number + 1) } else { name.to_string() };
                one(&which, certificate, now, host.filter(|_| number == 0))
            };
            all.iter().enumerate().map(check).collect()
        }
    }
}

fn one(which: &str, certificate: &Certificate, now: Duration, host: Option<&str>) -> Checked {
    let Certificate { identities, begins, ends } = certificate;
    let date = |at: Duration| humantime::format_rfc3339_seconds(UNIX_EPOCH + at.min(FAR)).to_string();
    let renew = "have it made anew";
    if *ends < now {
        return Checked::problem(WHAT, format!("{which} ended at {}", date(*ends)), renew);
    }
    if *begins > now {
        let advice = "wait, or set the clock, or have it made anew";
        return Checked::problem(WHAT, format!("{which} begins at {}", date(*begins)), advice);
    }
    if let Some(host) = host.filter(|host| !identities.is_for(host)) {
        let found =
            format!("{which} is for {identities}, and we are at {host}: who calls us by that over TLS hangs up");
        return Checked::warning(WHAT, found, "have it made for the host of our address (RFC 5922 section 7.1)");
    }
    let whom = if host.is_some() { format!(" is for {identities} and") } else { String::new() };
    let found = format!("{which}{whom} is valid until {}", date(*ends));
    match *ends < now + SOON {
        true => Checked::warning(WHAT, found, renew),
        false => Checked::ok(WHAT, found),
    }
}

/// The end of the year 9999, in which RFC 3339 ends, too.
const FAR: Duration = Duration::from_secs(253_402_300_799);

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use keyphone_config::{PeerCert, Tls as Files};
    use std::path::PathBuf;

    const DAY: u64 = 24 * 3600;

    /// A self-signed certificate for `host`, valid in the year 2026, and its key.
    fn made(dir: &Path, name: &str, host: &str) -> (PathBuf, PathBuf) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let (cert, file) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        std::fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&file, key.serialize_pem()).unwrap();
        (cert, file)
    }

    /// So many days after the first of January 2026.
    fn day(days: u64) -> Duration {
        Duration::from_secs(1_767_225_600 + days * DAY)
    }

    #[test]
    fn a_certificate_is_checked_for_its_key_its_host_and_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = made(dir.path(), "ours", "example.org");
        let (_, other) = made(dir.path(), "other", "example.com");
        let check = |key: &Path, from: &str, now| {
            let mut config = Config::default();
            config.account.from = from.parse().unwrap();
            config.tls = Files { cert: Some(cert.clone()), key: Some(key.to_owned()), ..Files::default() };
            let checks = certificates(&config, now);
            assert_eq!(checks.len(), 1, "{checks:?}");
            (checks[0].verdict, checks[0].found.clone())
        };
        let (verdict, found) = check(&key, "sip:bob@example.org", day(10));
        assert_eq!(verdict, Verdict::Ok);
        assert!(found.ends_with("ours.pem is for example.org and is valid until 2027-01-01T00:00:00Z"), "{found}");
        assert_eq!(check(&key, "sip:bob@example.com", day(10)).0, Verdict::Warning, "it is somebody else's");
        assert_eq!(check(&key, "sip:bob@example.org", day(350)).0, Verdict::Warning, "it ends soon");
        assert_eq!(check(&key, "sip:bob@example.org", day(400)).0, Verdict::Problem, "it has ended");
        assert_eq!(check(&key, "sip:bob@example.org", Duration::ZERO).0, Verdict::Problem, "it has not begun");
        assert_eq!(check(&other, "sip:bob@example.org", day(10)).0, Verdict::Problem, "the key is another's");
    }

    #[test]
    fn what_mikey_can_do_with_them_is_said_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.subject_alt_names = vec![rcgen::SanType::URI("sip:bob@example.org".try_into().unwrap())];
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("bob.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(at("bob.key"), key.serialize_pem()).unwrap();
        let check = |from: &str, peers: bool, keying: &[ModeName]| {
            let mut config = Config::default();
            config.account.from = from.parse().unwrap();
            config.tls = Files { cert: Some(at("bob.pem")), key: Some(at("bob.key")), ..Files::default() };
            if peers {
                config.tls.peer_certs = vec![PeerCert { peer: None, file: at("bob.pem") }];
            }
            if !keying.is_empty() {
                config.policy.keying = keying.iter().copied().map(KeyingSystem::Mikey).collect();
            }
            let checks = certificates(&config, day(10)).into_iter().filter(|check| check.what == "MIKEY");
            checks.map(|check| (check.verdict, check.found)).collect::<Vec<_>>()
        };
        let good = vec![(Verdict::Ok, "we can prove to be sip:bob@example.org".to_owned())];
        assert_eq!(check("sip:bob@example.org", true, &[]), good);
        assert_eq!(check("sip:bob@example.org", true, &[ModeName::DhSign]), good);
        assert_eq!(check("sip:bob@example.org", false, &[]), [], "it trusts nobody, and nothing else was asked for");
        let lacking = check("sip:bob@example.org", false, &[ModeName::RsaR]);
        assert!(lacking[0].1.contains("needs to know whose certificates to trust"), "{lacking:?}");
        let other = check("sip:carol@example.org", true, &[ModeName::DhSign]);
        assert!(matches!(&other[..], [(Verdict::Problem, why)] if why.contains("and we are sip:carol@")), "{other:?}");
    }

    #[test]
    fn nothing_is_said_of_certificates_where_none_are_wanted() {
        assert_eq!(certificates(&Config::default(), day(10)), []);
        let mut config = Config::default();
        config.tls.cert = Some("cert.pem".into());
        assert_eq!(certificates(&config, day(10))[0].found, "there is a certificate without its key");
    }
}
