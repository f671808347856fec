//! Making a message: payloads one after another, and at the end a hole for the MAC or signature that covers them.
//!
//! ```text
//! Draft::new(hdr) --push--> Draft --finish--------------------------------> Message
//!                             +--kemac | v | sign--> Unsealed --seal(mac)--> Message
//! ```

use super::codec::{WireError, Writer};
use super::hdr::Hdr;
use super::message::Message;
use super::registry::{EncrAlg, MacAlg, SignType};
use super::{Body, Kemac, Payload, Sign, V};
use crate::mikey::tolerance::{Tolerance, Tolerances};
use zeroize::Zeroizing;

/// A message in the making.
pub struct Draft(Writer);

/// A message that lacks nothing but its MAC or signature.
pub struct Unsealed {
    w: Writer,
    field: &'static str,
    len: Option<usize>,
    tolerances: Tolerances,
}

impl Unsealed {
    fn new(w: Writer, field: &'static str, len: Option<usize>) -> Self {
        Self { w, field, len, tolerances: Tolerances::none() }
    }
}

impl Draft {
    /// Begins with the header. What does not fit its field is reported at the end.
    pub fn new(hdr: &Hdr) -> Self {
        let mut w = Writer::new();
        hdr.write(&mut w);
        Self(w)
    }

    /// Adds a payload.
    #[must_use]
    pub fn push(mut self, payload: impl Into<Payload>) -> Self {
        payload.into().write(&mut self.0);
        self
    }

    /// Ends with a KEMAC, whose MAC will cover the whole message (PSK, DHHMAC).
    pub fn kemac(mut self, encr_alg: EncrAlg, encr_data: Zeroizing<Vec<u8>>, mac_alg: MacAlg) -> Unsealed {
        self.0.enter(Kemac::NAME, Kemac::NUMBER);
        Kemac { encr_alg, encr_data, mac_alg, mac: vec![] }.write_without_mac(&mut self.0);
        Unsealed::new(self.0, "MAC", mac_alg.octets())
    }

    /// Ends with the KEMAC of a DHHMAC message, with the literal numbers of RFC 4650 section 4.2: for a peer that uses
    /// them, where that is let pass.
    pub fn kemac_4650(self) -> Unsealed {
        let unsealed = self.kemac(EncrAlg::AesKw128, Zeroizing::default(), MacAlg::Null);
        let tolerances = Tolerances::none().with(Tolerance::LiteralCodePoints);
        Unsealed { len: MacAlg::HmacSha1_160.octets(), tolerances, ..unsealed }
    }

    /// Ends with a V.
    pub fn v(mut self, auth_alg: MacAlg) -> Unsealed {
        self.0.enter(V::NAME, V::NUMBER);
        V::write_header(auth_alg, &mut self.0);
        Unsealed::new(self.0, "Ver data", auth_alg.octets())
    }

    /// Ends with a SIGN of `len` octets: the length is signed too, so the key must be known before.
    pub fn sign(mut self, s_type: SignType, len: usize) -> Unsealed {
        self.0.enter(Sign::NAME, Sign::NUMBER);
        Sign::write_header(s_type, len, &mut self.0);
        Unsealed::new(self.0, "Signature", Some(len))
    }

    /// The message, without MAC or signature of its own.
    pub fn finish(self) -> Result<Message, WireError> {
        read_back(self.0, Tolerances::none())
    }
}

impl Unsealed {
    /// What the MAC or signature covers of the message; the method may add identities and T (RFC 3830 section 5.2).
    pub fn covered(&self) -> &[u8] {
        self.w.so_far()
    }

    /// Fills the hole. It is an error if `mac` is not as long as announced.
    pub fn seal(mut self, mac: &[u8]) -> Result<Message, WireError> {
        if self.len != Some(mac.len()) {
            self.w.fault(self.field, format!("has {} octets, which is not what was announced", mac.len()));
        }
        self.w.bytes(mac);
        read_back(self.w, self.tolerances)
    }
}

/// What we send we have also read, strictly and to the end.
fn read_back(w: Writer, tolerances: Tolerances) -> Result<Message, WireError> {
    let message = Message::read(&w.finish()?, tolerances)?;
    message.complete()?;
    Ok(message)
}
