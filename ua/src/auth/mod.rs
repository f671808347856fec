//! Digest authentication, as a client (RFC 7616, RFC 8760, RFC 3261 section 22).
//!
//! An [`Authenticator`] belongs to one account. It answers challenges, remembers the nonces that servers gave, uses
//! them unasked for what comes next, and checks the server's own proof where there is one. [`crate::sip::digest`]
//! reads and writes the headers.
//!
//! Digest is weak: whoever sees an answer can try passwords against it offline, and whoever changes a challenge on the
//! way can ask for MD5, which is why `weakest` exists. MD5 is accepted unless the policy says otherwise, because most
//! registrars know nothing else. `auth-int` is preferred where there is a body to protect.

mod authenticator;
mod proof;

pub use authenticator::Authenticator;

use keyphone_config::DigestAlgorithm;
use thiserror::Error;

/// Why a challenge is not answered, or a response not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthError {
    /// The response asks for credentials and does not say how.
    #[error("the server wants to know who we are, and asks for it in no way that this phone knows")]
    NoChallenge,
    /// All of a realm's challenges are of a kind that we do not know.
    #[error("the server of {realm:?} asks for a digest that this phone does not know")]
    NotUnderstood {
        /// Whose.
        realm: String,
    },
    /// Policy forbids what the server asks for.
    #[error("the server of {realm:?} asks for a digest that is weaker than {weakest}, which policy forbids")]
    TooWeak {
        /// Whose.
        realm: String,
        /// The weakest that policy allows.
        weakest: DigestAlgorithm,
    },
    /// We have no password for any realm that asks.
    #[error("there is no user name and password for {realm:?}")]
    NoCredentials {
        /// Which asks.
        realm: String,
    },
    /// The answer was wrong: asking again would give the same (RFC 3261 section 22.1).
    #[error("{realm:?} does not accept the user name {username:?} with this password")]
    Rejected {
        /// Whose.
        realm: String,
        /// Which was tried.
        username: String,
    },
    /// Nonce after nonce is called stale.
    #[error("the server of {realm:?} calls every nonce of its own stale")]
    AlwaysStale {
        /// Whose.
        realm: String,
    },
    /// More realms ask than any path has proxies.
    #[error("more than {} servers on the way want credentials", Authenticator::MAX_ANSWERS)]
    TooMany,
    /// The server's proof is wrong: it does not know our password, or somebody changed the response.
    #[error("the server of {realm:?} does not prove that it knows our password")]
    NotProven {
        /// Whose.
        realm: String,
    },
}
