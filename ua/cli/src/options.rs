//! The options that `call` and `answer` share, and how they win over the configuration file.

use crate::fault::{Fault, usage};
use crate::secret::Secret;
use clap::Args;
use keyphone_config::mikey::parse_group;
use keyphone_config::network::parse_listen;
use keyphone_config::policy::{parse_keying, parse_suite};
use keyphone_config::{
    Account, Config, KeyingSystem, Login, Password, PeerCert, PskEntry, ServerUri, SipUri, parse_duration,
};
use keyphone_keying::mikey::wire::registry::DhGroup;
use keyphone_media::audio::Clip;
use keyphone_media::audio::codec::Codec;
use keyphone_media::srtp::Suite;
use keyphone_ua::settings::{Play, Record};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Options that mean the same everywhere.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// Read this configuration file; "keyphone config init" writes one
    #[arg(long, value_name = "FILE", help_heading = COMMON)]
    pub(crate) config: Option<PathBuf>,
    /// Listen for SIP here, over UDP and TCP, and with --cert for TLS on the next port; port 0 takes any that is free
    #[arg(long, value_name = "IP:PORT", value_parser = parse_listen, help_heading = COMMON)]
    pub(crate) listen: Option<SocketAddr>,
    /// Key the media by these systems: the first that can key a call is offered, each is accepted. mikey-psk and mikey-dhhmac need --psk;
    /// mikey-dhsign, mikey-rsar and mikey-rsa need --cert, --key, and --ca or --peer-cert; mikey-null protects nothing
    /// itself and needs SIP over TLS. "auto" is what there are keys and certificates for, in the order of RFC 5197
    /// section 5 and without mikey-null; "none" is no keying at all and needs --allow-clear
    #[arg(long, value_name = "LIST", help_heading = COMMON)]
    pub(crate) keying: Option<KeyingList>,
    /// Who we are: sip:user@host
    #[arg(long, value_name = "URI", help_heading = COMMON)]
    pub(crate) from: Option<SipUri>,
    /// The user name for servers that ask who we are; without it, the user of --from
    #[arg(long, value_name = "NAME", requires = "password", help_heading = COMMON)]
    pub(crate) user: Option<String>,
    /// The password for servers that ask who we are; @FILE reads it from a file. Prefer the file: other users of this
    /// machine can see a command line
    #[arg(long, value_name = "TEXT|@FILE", help_heading = COMMON)]
    pub(crate) password: Option<Secret>,
    /// Register there: sip:host
    #[arg(long, value_name = "URI", help_heading = COMMON)]
    pub(crate) registrar: Option<ServerUri>,
    /// Send every request through this proxy: sip:host, sip:host:port;transport=tcp
    #[arg(long, value_name = "URI", help_heading = COMMON)]
    pub(crate) proxy: Option<ServerUri>,
    /// A pre-shared key, in hexadecimal digits, for one PEER (a SIP URI) or for everybody; @FILE reads it from a file.
    /// Prefer the file: other users of this machine can see a command line. May be given many times
    #[arg(long, value_name = "[PEER=]HEX|@FILE", help_heading = COMMON)]
    pub(crate) psk: Vec<Secret>,
    /// Our certificate for TLS and MIKEY, in PEM, followed by those between it and its CA. With it we can be called over
    /// TLS; without --from it also says who we are
    #[arg(long, value_name = "FILE", help_heading = COMMON)]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM
    #[arg(long, value_name = "FILE", help_heading = COMMON)]
    pub(crate) key: Option<PathBuf>,
    /// The CAs that we trust, in PEM. With them we can call over TLS
    #[arg(long, value_name = "FILE", help_heading = COMMON)]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate of a PEER (a SIP URI), or of whom it names, for MIKEY: it may be self-signed, and that peer proves
    /// itself with no other. May be given many times
    #[arg(long, value_name = "[PEER=]FILE", value_parser = PeerCert::from_flag, help_heading = COMMON)]
    pub(crate) peer_cert: Vec<PeerCert>,
    /// Certificates that MIKEY is to refuse: revocation lists, in PEM
    #[arg(long, value_name = "FILE", help_heading = COMMON)]
    pub(crate) crl: Option<PathBuf>,
    /// The Diffie-Hellman group of our MIKEY offers: oakley5; oakley2 and oakley1, which are weak, so that without this
    /// nobody is answered in them; or p256, p384, p521, x25519, which are not interoperable: only keyphone has them
    #[arg(long, value_name = "NAME", value_parser = parse_group, help_heading = COMMON)]
    pub(crate) group: Option<DhGroup>,
    /// SRTP crypto suites by their names in SDP, preferred first, with commas: the first is offered, each is accepted.
    /// AES_CM_128_HMAC_SHA1_80, AEAD_AES_128_GCM, AEAD_AES_256_GCM, AES_256_CM_HMAC_SHA1_80, AES_192_CM_HMAC_SHA1_80, and
    /// those of AES-CM with _32 in place of _80
    #[arg(long, value_name = "LIST", help_heading = COMMON)]
    pub(crate) suite: Option<SuiteList>,
    /// Plain RTP may be used: everybody on the way can listen. Without this, neither side ever sends any
    #[arg(long, help_heading = COMMON)]
    pub(crate) allow_clear: bool,
    /// Let named deviations of other implementations pass, and say so
    #[arg(long, help_heading = COMMON)]
    pub(crate) interop: bool,
    /// Codecs, preferred first: PCMU, PCMA, opus
    #[arg(long, value_name = "LIST", help_heading = COMMON)]
    pub(crate) codec: Option<CodecList>,
    /// Say what happens as one JSON object per line
    #[arg(long, help_heading = COMMON)]
    pub(crate) json: bool,
    /// Show the SIP messages as they come and go, with their keying, and at the end as a ladder
    #[arg(long, help_heading = COMMON)]
    pub(crate) trace: bool,
    /// Write what is sent and received to a capture file for Wireshark
    #[arg(long, value_name = "FILE", help_heading = COMMON)]
    pub(crate) pcap: Option<PathBuf>,
    /// Write the media's master keys to FILE: whoever has it and a capture can listen to the calls
    #[arg(long, value_name = "FILE", help_heading = COMMON)]
    pub(crate) keylog: Option<PathBuf>,
    /// Say more, on stderr; -vv says still more
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = COMMON)]
    pub(crate) verbose: u8,
}

const COMMON: &str = "Common options";

/// `--keying`, parsed.
#[derive(Clone, Debug)]
pub(crate) struct KeyingList(Vec<KeyingSystem>);

impl FromStr for KeyingList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_keying(text).map(Self)
    }
}

/// `--codec`, parsed.
#[derive(Clone, Debug)]
pub(crate) struct CodecList(Vec<Codec>);

impl FromStr for CodecList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        list(text, str::parse).map(Self)
    }
}

/// `--suite`, parsed.
#[derive(Clone, Debug)]
pub(crate) struct SuiteList(Vec<Suite>);

impl FromStr for SuiteList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        list(text, parse_suite).map(Self)
    }
}

/// Names with commas between them, each once.
fn list<T: PartialEq>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let mut list = vec![];
    for name in text.split(',').map(str::trim) {
        let value = parse(name)?;
        if list.contains(&value) {
            return Err(format!("{name} is there twice"));
        }
        list.push(value);
    }
    Ok(list)
}

impl Common {
    /// The configuration file, if one is named, and what the flags replace in it.
    pub(crate) fn config(&self) -> Result<Config, Fault> {
        let mut config = match &self.config {
            Some(path) => Config::load(path).map_err(usage)?,
            None => Config::default(),
        };
        if let Some(listen) = self.listen {
            config.network.listen = listen;
        }
        if let Some(KeyingList(keying)) = &self.keying {
            config.policy.keying.clone_from(keying);
        }
        if let Some(from) = &self.from {
            config.account.from = from.clone();
        }
        self.login(&mut config.account)?;
        if let Some(CodecList(codecs)) = &self.codec {
            config.audio.codecs.clone_from(codecs);
        }
        let tls = &mut config.tls;
        // The URL in the file is that of the certificate in the file, if one is named there.
        if self.cert.is_some() && tls.cert.is_some() && tls.cert != self.cert {
            tls.cert_url = None;
        }
        for (flag, field) in
            [(&self.cert, &mut tls.cert), (&self.key, &mut tls.key), (&self.ca, &mut tls.ca), (&self.crl, &mut tls.crl)]
        {
            if flag.is_some() {
                field.clone_from(flag);
            }
        }
        tls.peer_certs.extend(self.peer_cert.iter().cloned());
        tls.own().map_err(|why| usage(format!("TLS: {why}")))?;
        if let Some(warning) = config.load_certs().map_err(usage)? {
            tracing::warn!("{warning}");
        }
        if let Some(SuiteList(suites)) = &self.suite {
            let clear = suites.iter().find(|suite| !suite.encrypts() && !config.policy.allow_null_cipher);
            if let Some(suite) = clear {
                let what = "encrypts nothing: that takes allow-null-cipher in [policy] of a --config file";
                return Err(usage(format!("--suite: {suite} {what}")));
            }
            config.policy.suites.clone_from(suites);
        }
        config.policy.mikey.group = self.group.unwrap_or(config.policy.mikey.group);
        config.policy.allow_clear |= self.allow_clear;
        config.policy.mikey.interop |= self.interop;
        config.credentials.psks.extend(psks(&self.psk)?);
        // What a file requires, the systems that a flag names may not have.
        match config.policy.contradiction() {
            Some(why) => Err(usage(why)),
            None => Ok(config),
        }
    }
}

/// What `--psk` was given, once or many times.
pub(crate) fn psks(flags: &[Secret]) -> Result<Vec<PskEntry>, Fault> {
    let entry = |flag: &Secret| {
        let entry = PskEntry::from_flag(flag).map_err(|why| usage(format!("--psk: {why}")))?;
        if let Some(weakness) = entry.weakness() {
            tracing::warn!("--psk: {weakness}");
        }
        Ok(entry)
    };
    flags.iter().map(entry).collect()
}

impl Common {
    /// What the flags say of the first account's servers.
    fn login(&self, account: &mut Account) -> Result<(), Fault> {
        if let Some(password) = &self.password {
            let password = Password::from_flag(password).map_err(|why| usage(format!("--password: {why}")))?;
            let (realm, username) = match account.login.take() {
                Some(login) => (login.realm, login.username),
                None => (None, account.user().to_owned()),
            };
            account.login = Some(Login { realm, username: self.user.clone().unwrap_or(username), password });
        }
        if self.registrar.is_some() {
            account.registrar.clone_from(&self.registrar);
        }
        if self.proxy.is_some() {
            account.proxy.clone_from(&self.proxy);
        }
        Ok(())
    }
}

/// What `--play` and `[audio]` name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sound {
    /// A tone without end.
    Tone,
    /// Silence without end.
    Silence,
    /// A WAV file, once.
    File(PathBuf),
}

impl FromStr for Sound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "silence" => Ok(Self::Silence),
            _ => text.parse::<keyphone_config::Play>().map(|play| Self::from(&play)).map_err(|e| e + " or \"silence\""),
        }
    }
}

impl From<&keyphone_config::Play> for Sound {
    fn from(play: &keyphone_config::Play) -> Self {
        match play {
            keyphone_config::Play::Tone => Self::Tone,
            keyphone_config::Play::File(path) => Self::File(path.clone()),
        }
    }
}

/// The options about sound.
#[derive(Args, Debug)]
pub(crate) struct Audio {
    /// What the peer hears: a WAV file, "tone" or "silence"
    #[arg(long, value_name = "F.wav|tone|silence")]
    pub(crate) play: Option<Sound>,
    /// Record what is heard; the second call writes F-2.wav, and so on
    #[arg(long, value_name = "F.wav")]
    pub(crate) record: Option<PathBuf>,
    /// Hang up so long after the answer: 10s, 500ms, 2m
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
}

impl Audio {
    /// What is played, by flag or by file.
    pub(crate) fn sound(&self, config: &Config) -> Sound {
        self.play.clone().unwrap_or_else(|| (&config.audio.play).into())
    }

    /// Where what is heard goes. A directory that is not there is found out before the call and not after it.
    pub(crate) fn record(&self, config: &Config) -> Result<Record, Fault> {
        match self.record.as_ref().or(config.audio.record.as_ref()) {
            Some(path) => recorded(path),
            None => Ok(Record::Nothing),
        }
    }
}

/// Into this file.
pub(crate) fn recorded(path: &Path) -> Result<Record, Fault> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !directory.is_dir() {
        return Err(usage(format!("nothing can be recorded to {}: there is no such directory", path.display())));
    }
    Ok(Record::Wav(path.to_owned()))
}

/// Loads what is to be played.
pub(crate) fn load(sound: &Sound) -> Result<Play, Fault> {
    /// Concert pitch.
    const HERTZ: f32 = 440.0;
    Ok(match sound {
        Sound::Tone => Play::Tone(HERTZ),
        Sound::Silence => Play::Silence,
        Sound::File(path) => Play::Clip(Arc::new(Clip::load(path).map_err(usage)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keyphone_keying::mikey::ModeName;
    use keyphone_ua::settings::{Settings, System};

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        common: Common,
    }

    fn config(flags: &[&str]) -> Result<Config, Fault> {
        Flags::try_parse_from([&["keyphone"], flags].concat()).unwrap().common.config()
    }

    #[test]
    fn the_url_of_the_certificate_in_the_file_is_none_of_the_one_that_a_flag_names() {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["alice.example.org".to_owned()]).unwrap();
        let (file, cert, key) = (dir.path().join("k.toml"), dir.path().join("me.pem"), dir.path().join("me.key"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::copy(&cert, dir.path().join("old.pem")).unwrap();
        let text = "[tls]\ncert = \"old.pem\"\nkey = \"me.key\"\ncert-url = \"http://example.org/old.cer\"\n";
        std::fs::write(&file, text).unwrap();
        let [file, cert, key] = [&file, &cert, &key].map(|path| path.to_str().unwrap());
        assert!(config(&["--config", file]).unwrap().tls.cert_url.is_some());
        assert_eq!(config(&["--config", file, "--cert", cert, "--key", key]).unwrap().tls.cert_url, None);
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keyphone.toml");
        let text = "[account]\nfrom = \"sip:carol@example.org\"\n[audio]\ncodecs = [\"opus\"]\n";
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let from_file = config(&["--config", file]).unwrap();
        assert_eq!(from_file.account.from.as_str(), "sip:carol@example.org");
        assert_eq!(from_file.audio.codecs, [Codec::Opus]);
        assert_eq!(from_file.network, Config::default().network);
        let flagged =
            ["--config", file, "--from", "sip:dave@example.org", "--codec", "pcma, PCMU", "--listen", "[::1]:0"];
        let flagged = config(&flagged).unwrap();
        assert_eq!(flagged.account.from.as_str(), "sip:dave@example.org");
        assert_eq!(flagged.audio.codecs, [Codec::Pcma, Codec::Pcmu]);
        assert_eq!(flagged.network.listen.to_string(), "[::1]:0");
    }

    #[test]
    fn a_key_is_never_quoted_when_it_is_wrong() {
        let error = config(&["--psk", "sip:bob@example.org=0011223344556677889900aabbccddeeffXX"]).unwrap_err();
        assert_eq!(error.code(), 2);
        assert!(!error.to_string().contains("0011"), "{error}");
        let flags = ["keyphone", "--psk", "00112233445566778899aabbccddeeff", "--password", "00secret"];
        let shown = format!("{:?}", Flags::try_parse_from(flags).unwrap().common);
        assert!(shown.contains("not shown") && !shown.contains("0011") && !shown.contains("00secret"), "{shown}");
        let config = config(&["--psk", "00112233445566778899aabbccddeeff"]).unwrap();
        assert!(!config.credentials.psk_store().is_empty());
    }

    #[test]
    fn clear_rtp_is_used_only_where_policy_says_so() {
        let systems = |flags: &[&str]| {
            let settings = Settings::new(&config(flags).unwrap(), "127.0.0.1:5060".parse().unwrap()).unwrap();
            (settings.keying, settings.policy.media.clear().is_some())
        };
        assert_eq!(systems(&[]), (vec![System::Mikey(ModeName::Psk)], false));
        assert_eq!(
            systems(&["--keying", "auto", "--allow-clear"]),
            (vec![System::Mikey(ModeName::Psk), System::Clear], true)
        );
        // The phone refuses such a call itself, and says so to the other side.
        assert_eq!(systems(&["--keying", "none"]), (vec![System::Clear], false));
        assert_eq!(systems(&["--keying", "none", "--allow-clear"]), (vec![System::Clear], true));
    }

    #[test]
    fn suites_are_named_as_in_sdp_and_none_without_a_cipher_by_a_flag_alone() {
        let suites = |list: &str| config(&["--suite", list]).map(|config| config.policy.suites);
        let gcm = [Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_32];
        assert_eq!(suites("AEAD_AES_256_GCM, AES_CM_128_HMAC_SHA1_32").unwrap(), gcm);
        let error = suites("NULL_HMAC_SHA1_80").unwrap_err();
        assert!(error.code() == 2 && error.to_string().contains("NULL_HMAC_SHA1_80 encrypts nothing"), "{error}");
        for wrong in ["AES_CM_128", "", "AEAD_AES_128_GCM,AEAD_AES_128_GCM"] {
            assert!(Flags::try_parse_from(["keyphone", "--suite", wrong]).is_err(), "{wrong:?}");
        }
        let help = <Flags as clap::CommandFactory>::command().render_long_help().to_string().replace('\n', " ");
        let named = Suite::encrypting().filter(|suite| !suite.name().ends_with("_32"));
        named.for_each(|suite| assert!(help.contains(suite.name()), "--suite names no {suite}"));
    }

    #[test]
    fn what_is_played_is_a_file_a_tone_or_silence() {
        assert_eq!("silence".parse(), Ok(Sound::Silence));
        assert_eq!("tone".parse(), Ok(Sound::Tone));
        assert_eq!("a.wav".parse(), Ok(Sound::File("a.wav".into())));
        let error = "mic".parse::<Sound>().unwrap_err();
        assert_eq!(error, "\"mic\" is not the name of a WAV file (.wav), nor is it \"tone\" or \"silence\"");
        assert_eq!(load(&Sound::File("nowhere.wav".into())).unwrap_err().code(), 2);
    }
}
