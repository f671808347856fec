//! Which of the things that travel: `media`, `INVITE`, `200`, `anything`.

use keyphone_ua::sip::Method;
use std::fmt;
use std::str::FromStr;

/// Some of what travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// All of it.
    Anything,
    /// RTP and RTCP.
    Media,
    /// SIP.
    Signalling,
    /// SIP requests with this method.
    Request(Method),
    /// SIP responses with this status.
    Response(u16),
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let method = Method::KNOWN.iter().find(|method| method.as_str() == text);
        match text {
            "anything" => Ok(Self::Anything),
            "media" => Ok(Self::Media),
            "signalling" => Ok(Self::Signalling),
            _ => match (text.parse::<u16>(), method) {
                (Ok(status @ 100..700), _) if text.len() == 3 => Ok(Self::Response(status)),
                (_, Some(method)) => Ok(Self::Request(method.clone())),
                _ => Err(format!("{text:?} is none of media, signalling, anything, a SIP method and a status")),
            },
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anything => f.write_str("anything"),
            Self::Media => f.write_str("media"),
            Self::Signalling => f.write_str("signalling"),
            Self::Request(method) => f.write_str(method.as_str()),
            Self::Response(status) => status.fmt(f),
        }
    }
}
