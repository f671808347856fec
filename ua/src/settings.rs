//! What an endpoint is told once, before its first call.

use crate::account::{Account, Accounts};
use crate::locate::{Abilities, Hop};
use crate::sdp::{Sdp, key_mgmt};
use crate::sip::{Host, NameAddr, Request, SipError, SipUri, StatusCode, Uri};
use crate::transaction::{Local, Transport};
use keyphone_config::{Config, DigestAlgorithm, KeyingSystem};
use keyphone_keying::mikey::{self, ModeName};
use keyphone_keying::{Credentials, Identity, Lines, Policy};
use keyphone_media::audio::Clip;
use keyphone_media::audio::codec::Codec;
pub use keyphone_media::policy::EarlyMedia;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Who we are, what we may do, and what happens when somebody calls.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who we are, for whom.
    pub accounts: Accounts,
    /// The address that Via and Contact say: where the SIP port is open, for UDP and TCP.
    pub sip: SocketAddr,
    /// What we have of TLS.
    pub tls: Secured,
    /// What a request goes over if its URI leaves that to us.
    pub transport: Transport,
    /// How calls may be keyed: is the first MIKEY, then an offer of ours is chosen for each callee as policy says; an
    /// incoming offer may take any.
    pub keying: Vec<System>,
    /// What the configuration allows.
    pub policy: Policy,
    /// The weakest hash with which passwords are proven to servers.
    pub weakest_digest: DigestAlgorithm,
    /// The pre-shared keys and certificates that we hold.
    pub credentials: Arc<Credentials>,
    /// Preferred first.
    pub codecs: Vec<Codec>,
    /// Depth of the jitter buffer.
    pub jitter: Duration,
    /// What happens to a call that comes in.
    pub incoming: Incoming,
    /// How calls are made and kept.
    pub rules: Rules,
}

/// What we have of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Secured {
    /// We trust a CA, so that we can make connections.
    pub connects: bool,
    /// Where we take connections, if we have a certificate.
    pub port: Option<u16>,
}

/// How calls are made and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Provisional responses that are sure to arrive (RFC 3262).
    pub reliable: Reliable,
    /// Security before anybody rings (RFC 3312, RFC 5027).
    pub preconditions: Preconditions,
    /// How long a session may go without a refresh that we ask for; `None` asks for none (RFC 4028).
    pub session_expires: Option<Duration>,
    /// The shortest that we let the peer ask for (RFC 4028 section 5). At least 90 seconds outside of tests.
    pub min_se: Duration,
    /// How long we let somebody ring whom we call.
    pub ring_limit: Duration,
    /// Do the calls that we place leave the offer to whoever answers (RFC 3261 section 13.2.1)?
    pub late_offer: bool,
    /// How many contacts of 3xx responses one call may try, in all.
    pub redirects: usize,
    /// May the peer of a call have us call somebody else (RFC 3515)?
    pub transfers: bool,
    /// Of several phones that have early media, which is heard?
    pub early_media: EarlyMedia,
    /// How long a packet waits that came before its key.
    pub wait_for_key: Duration,
    /// Do calls have media? Without, they are negotiated and keyed as ever, but our SDP names the discard port, no socket
    /// is opened, and nothing is said or heard: to measure signalling alone.
    pub media: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            reliable: Reliable::Supported,
            preconditions: Preconditions::Supported,
            session_expires: Some(Duration::from_secs(1800)),
            min_se: Duration::from_secs(90),
            ring_limit: Duration::from_secs(180),
            late_offer: false,
            redirects: 5,
            transfers: true,
            early_media: EarlyMedia::First,
            wait_for_key: Duration::from_secs(1),
            media: true,
        }
    }
}

/// What we say of 100rel (RFC 3262).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliable {
    /// Nothing: provisional responses may be lost.
    Never,
    /// We can, and do so if the peer asks for it or if an offer or answer depends on it.
    Supported,
    /// The peer must.
    Required,
}

/// What we say of preconditions (RFC 3312).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preconditions {
    /// Nothing: who requires them is refused.
    Never,
    /// A caller who wants security before we ring gets it. Only where [`Rules::reliable`] is not `Never`.
    Supported,
    /// Nobody rings before the call is keyed, on either side; a peer that cannot do that is not talked to.
    Required,
}

impl Settings {
    /// As a configuration says, for a SIP port that is open at `sip`. Calls that come in are refused: `incoming` is
    /// for the caller to decide.
    ///
    /// # Errors
    /// One sentence, if the account's URI is one that this phone cannot read.
    pub fn new(config: &Config, sip: SocketAddr) -> Result<Self, SipError> {
        let systems = config.systems();
        let mut policy = config.policy.keying_policy();
        // One protocol is offered once (RFC 4567 section 4.1.2): in the mode that is chosen when there is a callee.
        let first = systems.first().map(|KeyingSystem::Mikey(mode)| *mode);
        let mut keying: Vec<_> = first.map(System::Mikey).into_iter().collect();
        policy.mikey.offer = first.unwrap_or(policy.mikey.offer);
        let allowed = systems.into_iter().filter(|system| policy.choice.allow(*system));
        policy.mikey.accept = allowed.map(|KeyingSystem::Mikey(mode)| mode).collect();
        if config.policy.allow_clear || keying.is_empty() {
            keying.push(System::Clear);
        }
        Ok(Self {
            accounts: Accounts::new(config)?,
            sip,
            tls: Secured::default(),
            transport: match config.network.transport {
                keyphone_config::Transport::Udp => Transport::Udp,
                keyphone_config::Transport::Tcp => Transport::Tcp,
                keyphone_config::Transport::Tls => Transport::Tls,
            },
            keying,
            policy,
            weakest_digest: config.policy.weakest_digest,
            credentials: Arc::new(config.credentials.keying()),
            codecs: config.audio.codecs.clone(),
            jitter: config.audio.jitter,
            incoming: Incoming::Refuse(StatusCode::TEMPORARILY_UNAVAILABLE),
            rules: Rules { early_media: config.audio.early_media, ..Rules::default() },
        })
    }

    /// Which addresses we can find and reach.
    pub(crate) fn abilities(&self) -> Abilities {
        Abilities { tls: self.tls.connects, prefer: self.transport, ..Abilities::at(self.sip.ip()) }
    }

    /// What Via and Contact say of us.
    pub(crate) fn local(&self) -> Local {
        Local { ip: self.sip.ip(), port: self.sip.port(), tls: self.tls.port }
    }

    /// The same, for another account that speaks. It holds no keys: those are asked for elsewhere.
    pub(crate) fn speaking_for(&self, account: usize) -> Self {
        let mut settings = Self { credentials: Arc::default(), ..self.clone() };
        settings.accounts.speak_for(account);
        settings
    }

    /// The account that speaks.
    pub fn account(&self) -> &Account {
        self.accounts.speaking()
    }

    /// Where a request outside any dialog goes: to the first proxy that we have, or to whom it is for.
    pub(crate) fn next_hop(&self, target: &Uri) -> Hop {
        match (self.accounts.routes().first().map(|route| &route.uri), target) {
            (None, _) => target.into(),
            // RFC 5630 section 5.1.1: what is for a sips URI visits nothing but sips URIs.
            (Some(Uri::Sip(route)), Uri::Sip(sip)) if sip.is_secure() => Uri::Sip(route.clone().secured()).into(),
            (Some(route), _) => route.into(),
        }
    }

    /// How keying knows us when we call.
    pub(crate) fn identity(&self) -> Identity {
        Identity::new(&self.account().me.to_string())
    }

    /// How keying knows us when we are called.
    pub(crate) fn identity_for(&self, request: &Request) -> Identity {
        match request.headers.to() {
            Ok(to) if self.account().any_name => {
                let (to, here) = (Identity::new(&to.uri.to_string()), Identity::new(&request.uri.to_string()));
                // Whoever was sent on to us has made the offer for the name that we were sent on by, while To stays as it
                // was (RFC 3261 section 8.1.3.4).
                let body = request.session_body().ok().flatten().filter(|_| here != to);
                let lines = body.and_then(|body| key_mgmt::read(&Sdp::parse(body).ok()?).ok());
                let names = lines.map(|lines| mikey::names(&lines)).unwrap_or_default();
                if names.contains(&here) && !names.contains(&to) { here } else { to }
            }
            _ => self.identity(),
        }
    }

    /// Our name, without escapes: what stands in our Contact, and what a Request-URI says that is for us.
    pub(crate) fn user(&self) -> String {
        let of_contact = self.account().contact_user.clone();
        of_contact.or_else(|| self.account().me.sip().and_then(SipUri::user_text)).unwrap_or_else(|| "keyphone".into())
    }

    /// Our Contact: where requests inside a dialog reach us, and what is registered.
    pub(crate) fn contact(&self, transport: Transport) -> String {
        let uri = SipUri::new(false, Host::Ip(self.sip.ip())).with_user(&self.user()).with_port(self.sip.port());
        let uri = match transport {
            Transport::Udp => uri,
            // RFC 5630 section 5.1.1: never transport=tls. Where sips is due, the transaction writes it.
            Transport::Tcp | Transport::Tls => uri.with_param("transport", Some("tcp")),
        };
        NameAddr::new(Uri::Sip(uri)).to_string()
    }
}

/// A keying system, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// MIKEY, in this mode.
    Mikey(ModeName),
    /// Clear RTP. Policy must allow it as well.
    Clear,
}

impl System {
    /// By which a call is keyed: one of the two lines is an offer.
    pub(crate) fn of(ours: &Lines, theirs: &Lines) -> Self {
        Self::Mikey(mikey::offered(theirs).or_else(|| mikey::offered(ours)).unwrap_or(ModeName::Psk))
    }

    /// Is the media protected?
    pub fn is_keyed(self) -> bool {
        self != Self::Clear
    }
}

/// As the command line and the log spell it.
impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mikey(mode) => mode.fmt(f),
            Self::Clear => f.write_str("none"),
        }
    }
}

/// What happens to a call that comes in.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// It rings, and is answered.
    Answer {
        /// How long it rings.
        after: Duration,
        /// What the caller hears meanwhile, in a 183 (early media); `None` is a plain 180.
        early: Option<Play>,
        /// What is said and recorded.
        plan: Plan,
    },
    /// It rings until a command answers, refuses or redirects it.
    Ring {
        /// What is said and recorded once it is answered.
        plan: Plan,
    },
    /// The caller is sent elsewhere: 302 (RFC 3261 section 21.3.3).
    Redirect(Vec<Uri>),
    /// It is refused with this status.
    Refuse(StatusCode),
}

/// What is to happen in a call once it is answered.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the peer gets to hear.
    pub play: Play,
    /// What becomes of what we hear.
    pub record: Record,
    /// When we hang up.
    pub hang_up: HangUp,
}

/// What the peer gets to hear.
#[derive(Clone, Debug)]
pub enum Play {
    /// A recording, once; then silence.
    Clip(Arc<Clip>),
    /// A tone of so many hertz.
    Tone(f32),
    /// Silence.
    Silence,
}

/// What becomes of what we hear.
#[derive(Clone, Debug)]
pub enum Record {
    /// A WAV file. The second call of an endpoint writes `name-2.wav`, and so on.
    Wav(PathBuf),
    /// It is given back when the call ends.
    Memory,
    /// It is thrown away.
    Nothing,
}

/// When we hang up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// Only when told to.
    Never,
    /// So long after the answer.
    After(Duration),
    /// Half a second after the clip has been played.
    WhenPlayed,
}
