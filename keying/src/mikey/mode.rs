//! A mode: messages in, messages out; no SDP, no SRTP.
//!
//! ```text
//! Mode::initiate --> I_MESSAGE --> Mode::respond --> R_MESSAGE --> Initiated::complete
//!                                       |                                |
//!                                       +------> Agreed.running <--------+   Updating: later, from either side
//! ```

use super::bundle::{Agreed, Bundle};
use super::station::Station;
use super::wire::{DataType, EncrAlg, ErrorNo, Kemac, MacAlg, Message, Problem, WireError};
use crate::{Error, Identity};
use keyphone_media::env::{Env, NtpTime};
use std::fmt;
use std::str::FromStr;

/// One of MIKEY's methods of key transport or key exchange (RFC 3830 section 3). What all of them share, the caches
/// too, is the [`Station`]'s.
pub trait Mode: Send + fmt::Debug {
    /// Which one it is.
    fn name(&self) -> ModeName;

    /// Makes an I_MESSAGE. What is known before any answer comes out with it, once.
    ///
    /// # Errors
    /// We lack the keys for it, or policy forbids it.
    fn initiate(&mut self, ask: &Bundle<'_>, station: &mut Station, env: &mut Env<'_>) -> Result<Initiation, Error>;

    /// Answers an I_MESSAGE; with an R_MESSAGE if it wants one.
    ///
    /// # Errors
    /// What in it does not verify, is not new, is not for us, or is not allowed.
    fn respond(
        &mut self,
        init: &Message,
        ask: &Bundle<'_>,
        station: &mut Station,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused>;
}

/// An I_MESSAGE on its way.
pub struct Initiation {
    /// The I_MESSAGE.
    pub message: Message,
    /// What is known already: the keys of the transport methods, with the weak proof of our own message.
    pub known: Option<Agreed>,
    /// Waits for answers.
    pub initiated: Box<dyn Initiated>,
}

/// What an Initiator remembers. `&self`: one offer may have many answers.
pub trait Initiated: Send + Sync {
    /// Verifies an R_MESSAGE. `now` is for certificates. Keys that are known only now come out here, with all the
    /// security policies that hold for them.
    ///
    /// # Errors
    /// What in it does not verify, or is not an answer to this offer.
    fn complete(&self, resp: &Message, now: NtpTime) -> Result<Agreed, Error>;
}

/// A bundle that runs and can be updated (RFC 3830 section 4.5), by either side. It holds what protects its messages:
/// the transport keys of the pre-shared or envelope key, or what signatures are made and verified with.
pub trait Updating: Send + Sync + fmt::Debug {
    /// Who the peer proved to be.
    fn peer(&self) -> &Identity;

    /// Which bundle it is.
    fn csb_id(&self) -> u32;

    /// Do its messages need a hop that protects them?
    fn needs_tls(&self) -> bool {
        false
    }

    /// An update. Nothing changes before it is answered, but that its timestamp is used up; then the bundle is what
    /// [`Initiated::complete`] gives as [`Agreed::running`].
    ///
    /// # Errors
    /// Policy forbids how it would be protected.
    fn initiate(&mut self, ask: &Bundle<'_>, env: &mut Env<'_>) -> Result<Initiation, Error>;

    /// Takes an update of the peer's, and answers it. What is replayed, or is no update, changes nothing; what is
    /// proven is remembered as heard even if the rest fails. [`Agreed::running`] is the bundle as it goes on.
    ///
    /// # Errors
    /// What does not verify, is not new, or is not for this bundle.
    fn respond(
        &mut self,
        message: &Message,
        ask: &Bundle<'_>,
        env: &mut Env<'_>,
    ) -> Result<(Option<Message>, Agreed), Refused>;
}

macro_rules! modes {
    ($($(#[$doc:meta])* $variant:ident $text:literal $init:ident $resp:ident,)*) => {
        /// The modes of MIKEY (RFC 3830 section 3, RFC 4650, RFC 4738).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ModeName {
            $($(#[$doc])* $variant,)*
        }

        impl ModeName {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The data type of its I_MESSAGE.
            pub fn init(self) -> DataType {
                match self { $(Self::$variant => DataType::$init,)* }
            }

            /// The data type of its R_MESSAGE.
            pub fn resp(self) -> DataType {
                match self { $(Self::$variant => DataType::$resp,)* }
            }
        }

        impl fmt::Display for ModeName {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text,)* })
            }
        }

        impl FromStr for ModeName {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(format!("{text:?} is no mode of MIKEY: {}", [$($text),*].join(", "))),
                }
            }
        }
    };
}

modes! {
    /// The pre-shared key method with neither encryption nor MAC (RFC 3830 sections 4.2.3 and 4.2.4).
    Null "mikey-null" PskInit PskVer,
    /// The pre-shared key method (RFC 3830 section 3.1).
    Psk "mikey-psk" PskInit PskVer,
    /// The public-key method (RFC 3830 section 3.2).
    Rsa "mikey-rsa" PkInit PkVer,
    /// Diffie-Hellman, signed (RFC 3830 section 3.3).
    DhSign "mikey-dhsign" DhInit DhResp,
    /// Diffie-Hellman under a pre-shared key (RFC 4650).
    DhHmac "mikey-dhhmac" DhHmacInit DhHmacResp,
    /// The public-key method in reverse (RFC 4738).
    RsaR "mikey-rsar" RsaRInit RsaRResp,
}

impl ModeName {
    /// The mode that an I_MESSAGE belongs to; `None` if it is no I_MESSAGE. NULL is PSK with neither encryption nor MAC.
    pub fn of(init: &Message) -> Option<Self> {
        match init.hdr().data_type {
            DataType::PskInit => {
                let null = |kemac: &Kemac| (kemac.encr_alg, kemac.mac_alg) == (EncrAlg::Null, MacAlg::Null);
                Some(if init.many::<Kemac>().any(null) { Self::Null } else { Self::Psk })
            }
            DataType::PkInit => Some(Self::Rsa),
            DataType::DhInit => Some(Self::DhSign),
            DataType::DhHmacInit => Some(Self::DhHmac),
            DataType::RsaRInit => Some(Self::RsaR),
            _ => None,
        }
    }
}

/// Of what an error message says, so much is shown: anybody may send one, with thousands of ERR payloads.
const SHOWN_ERRORS: usize = 4;

/// What an error message says (RFC 3830 section 5.1.2).
pub(crate) fn hint(message: &Message) -> Error {
    let errors = message.many::<ErrorNo>().take(SHOWN_ERRORS);
    let errors: Vec<_> = errors.map(|no| format!("{no} ({})", no.section())).collect();
    if errors.is_empty() {
        Error::Hint("an error without a number".into())
    } else {
        Error::Hint(errors.join("; ").into())
    }
}

/// Why an I_MESSAGE is not answered, for us and for the peer.
#[derive(Debug)]
pub struct Refused {
    /// For us.
    pub error: Error,
    /// For the peer's error message (RFC 3830 section 5.1.2).
    pub number: ErrorNo,
}

impl Refused {
    /// Both.
    pub fn new(number: ErrorNo, error: Error) -> Self {
        Self { error, number }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, number: ErrorNo::Unspecified }
    }
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        let number = match (error.field, &error.problem) {
            ("TS type", Problem::Unknown(_)) => ErrorNo::InvalidTs,
            ("Mac alg" | "Auth alg", Problem::Unknown(_)) => ErrorNo::InvalidMac,
            ("Hash func", Problem::Unknown(_)) => ErrorNo::InvalidHa,
            ("DH-Group", Problem::Unknown(_)) => ErrorNo::InvalidDh,
            // RFC 4738 section 3.9.2.
            _ => ErrorNo::UnsupportedMessage,
        };
        Self { error: error.into(), number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_has_the_error_that_says_why() {
        let hdr = "0100050012345678 0001";
        for (rest, number) in [
            ("000300", ErrorNo::InvalidTs),    // T of type 3
            ("", ErrorNo::UnsupportedMessage), // cut short
        ] {
            let bytes = hex::decode(format!("{hdr}{rest}").replace(' ', "")).unwrap();
            let message = Message::read(&bytes, crate::mikey::Tolerances::none());
            let error = message.and_then(|message| message.complete()).unwrap_err();
            assert_eq!(Refused::from(error).number, number);
        }
        let field = |field, value| WireError { offset: 0, payload: "", field, problem: Problem::Unknown(value) };
        for (name, number) in [
            ("Mac alg", ErrorNo::InvalidMac),
            ("Auth alg", ErrorNo::InvalidMac),
            ("Hash func", ErrorNo::InvalidHa),
            ("DH-Group", ErrorNo::InvalidDh),
            ("CS ID map type", ErrorNo::UnsupportedMessage),
        ] {
            assert_eq!(Refused::from(field(name, 99)).number, number, "{name}");
        }
    }

    #[test]
    fn of_a_thousand_errors_a_few_are_shown() {
        use crate::mikey::wire::{CsMap, Draft, Hdr, Prf};
        let map = CsMap::Srtp(vec![]);
        let hdr = Hdr { data_type: DataType::Error, v: false, prf: Prf::Mikey1, csb_id: 1, map };
        let draft = (0..1000).fold(Draft::new(&hdr), |draft, _| draft.push(ErrorNo::InvalidSpPar));
        let text = hint(&draft.finish().unwrap()).to_string();
        assert!(text.contains("Invalid SPpar (10)") && text.len() < 500, "{text}");
    }

    #[test]
    fn every_mode_is_read_as_it_is_written() {
        for &mode in ModeName::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        let error = "mikey".parse::<ModeName>().unwrap_err();
        assert!(error.contains("mikey-null, mikey-psk, mikey-rsa, mikey-dhsign, mikey-dhhmac, mikey-rsar"), "{error}");
    }
}
