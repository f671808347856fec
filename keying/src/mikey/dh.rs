//! Diffie-Hellman, the arithmetic of the modes that agree on a key instead of sending one (RFC 3830 section 4.2.7).
//!
//! ```text
//! Half::new(group, env): secret x, public g^x          Half::agree(peer's g^y)
//!   x: 256 random bits, or the curve's order             checks g^y, then g^xy: the TGK
//! ```
//! A group has one length, of its public values and of what is agreed on: both keep their leading zeros. RFC 3830
//! section 6.4 says so of the DH-value; of the TGK it says nothing, and whoever strips them gets another key once in
//! 256 times.
//!
//! | group | DH-value, octets | TGK, octets |
//! |---|---|---|
//! | OAKLEY 5, 1, 2 | 192, 96, 128: an integer, big-endian | the same |
//! | P-256, P-384, P-521 | 65, 97, 133: `04`, x, y | 32, 48, 66: x of the common point |
//! | X25519 | 32: u, little-endian (RFC 7748 section 5) | 32: u of the common point |
//!
//! The curves have numbers of our own choice and work with keyphone alone: see [`DhGroup`].

mod curve;
mod modp;

use super::wire::DhGroup;
use crate::Error;
use crate::mikey::derive::Secret;
use keyphone_media::env::Env;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use std::fmt;

/// Our half of an agreement. One half may meet many others: a forked offer has one secret and as many TGKs as answers.
#[derive(Clone)]
pub struct Half {
    group: DhGroup,
    secret: Held,
    public: Vec<u8>,
}

/// A secret as its arithmetic wants it. Both are wiped when dropped.
#[derive(Clone)]
enum Held {
    /// An exponent, or a scalar.
    Number(Secret),
    X25519(PKey<Private>),
}

impl Half {
    /// A fresh one. The secret is random and used for this one offer or answer (RFC 3830 section 3.3: "xi MUST be
    /// randomly/pseudo-randomly and secretly chosen").
    ///
    /// # Errors
    /// A group that we do not have.
    pub fn new(group: DhGroup, env: &mut Env<'_>) -> Result<Self, Error> {
        let secret = match group {
            DhGroup::Oakley1 | DhGroup::Oakley2 | DhGroup::Oakley5 => modp::secret(env),
            DhGroup::P256 | DhGroup::P384 | DhGroup::P521 => {
                let (secret, public) = curve::fresh(group, env)?;
                return Ok(Self { group, secret: Held::Number(secret), public });
            }
            DhGroup::X25519 => Secret::new(env.bytes::<32>().to_vec()),
            DhGroup::Unknown(_) => return Err(unknown()),
        };
        Self::of(group, secret)
    }

    /// Of a secret that is known: an exponent or scalar, big-endian; of X25519 its 32 octets.
    ///
    /// # Errors
    /// A group that we do not have, or a secret that is none in it.
    pub fn of(group: DhGroup, secret: Secret) -> Result<Self, Error> {
        let made = match group {
            DhGroup::Oakley1 | DhGroup::Oakley2 | DhGroup::Oakley5 => {
                modp::public(group, &secret).map(|public| (Held::Number(secret), public))
            }
            DhGroup::P256 | DhGroup::P384 | DhGroup::P521 => {
                curve::public(group, &secret).map(|public| (Held::Number(secret), public))
            }
            DhGroup::X25519 => curve::key_x25519(&secret).map(|(key, public)| (Held::X25519(key), public)),
            DhGroup::Unknown(_) => return Err(unknown()),
        };
        let (secret, public) = made.map_err(|_| Error::Misuse("this is no Diffie-Hellman secret of its group"))?;
        Ok(Self { group, secret, public })
    }

    /// The group.
    pub fn group(&self) -> DhGroup {
        self.group
    }

    /// Our DH-value.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// What both sides alone know, given the peer's DH-value, which is checked: the TGK.
    ///
    /// # Errors
    /// Its value is none that an honest peer sends.
    pub fn agree(&self, theirs: &[u8]) -> Result<Secret, Error> {
        match (&self.secret, self.group) {
            (Held::X25519(key), _) => curve::agree_x25519(key, theirs),
            (Held::Number(secret), DhGroup::P256 | DhGroup::P384 | DhGroup::P521) => {
                curve::agree(self.group, secret, theirs)
            }
            (Held::Number(secret), _) => modp::agree(self.group, secret, theirs),
        }
    }
}

impl fmt::Debug for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Half({})", self.group)
    }
}

fn unknown() -> Error {
    Error::Misuse("this Diffie-Hellman group is none we have")
}

/// The library refused what it should be able to do: it ran out of memory, or lacks the curve.
fn library(_: ErrorStack) -> Error {
    Error::Misuse("the system's cryptographic library refused a Diffie-Hellman operation")
}

/// A value that an honest peer never sends.
fn bad(what: &'static str, section: &'static str) -> Error {
    Error::misbehaved(what, section)
}

#[cfg(test)]
mod tests;
