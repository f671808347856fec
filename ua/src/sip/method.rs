//! Methods (RFC 3261 section 7.1): what a request asks for.

use std::fmt;
use std::str::FromStr;

use super::error::SipError;
use super::scan;

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// What a request asks for. Methods are case-sensitive (RFC 3261 section 7.1): `invite` is an extension.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$doc])* $variant,)*
            /// Any other token, as [`Method::from_str`] reads it.
            Extension(String),
        }

        impl Method {
            /// The methods that have a name here.
            pub const KNOWN: &[Self] = &[$(Self::$variant,)*];

            /// The method as it is written.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Extension(name) => name,
                }
            }

            fn known(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

methods! {
    /// Ends the three-way handshake of an INVITE (RFC 3261 section 13).
    Ack "ACK",
    /// Ends a call (RFC 3261 section 15).
    Bye "BYE",
    /// Withdraws a request that has no final answer yet (RFC 3261 section 9).
    Cancel "CANCEL",
    /// Carries information inside a dialog (RFC 6086).
    Info "INFO",
    /// Begins or changes a call (RFC 3261 sections 13 and 14).
    Invite "INVITE",
    /// Carries a text (RFC 3428).
    Message "MESSAGE",
    /// Tells a subscriber (RFC 6665).
    Notify "NOTIFY",
    /// Asks what the peer can do (RFC 3261 section 11).
    Options "OPTIONS",
    /// Acknowledges a reliable provisional response (RFC 3262).
    Prack "PRACK",
    /// Publishes state (RFC 3903).
    Publish "PUBLISH",
    /// Asks the peer to call somebody else (RFC 3515).
    Refer "REFER",
    /// Binds addresses to a name (RFC 3261 section 10).
    Register "REGISTER",
    /// Asks to be told (RFC 6665).
    Subscribe "SUBSCRIBE",
    /// Changes a session before or after its answer (RFC 3311).
    Update "UPDATE",
}

impl Method {
    pub(super) fn parse(name: &str) -> Result<Self, &'static str> {
        match Self::known(name) {
            Some(known) => Ok(known),
            None if scan::is_token(name) => Ok(Self::Extension(name.to_owned())),
            None => Err("the method is not a token"),
        }
    }
}

impl FromStr for Method {
    type Err = SipError;

    fn from_str(name: &str) -> Result<Self, SipError> {
        Self::parse(name).map_err(SipError::StartLine)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_method_is_read_as_itself() {
        for method in Method::KNOWN {
            assert_eq!(method.as_str().parse::<Method>().as_ref(), Ok(method));
        }
    }

    #[test]
    fn a_method_in_other_letters_is_another_method() {
        assert_eq!("invite".parse(), Ok(Method::Extension("invite".into())));
        assert_eq!("RE%47IST%45R".parse(), Ok(Method::Extension("RE%47IST%45R".into())));
        assert!("IN VITE".parse::<Method>().is_err());
        assert!("".parse::<Method>().is_err());
    }
}
