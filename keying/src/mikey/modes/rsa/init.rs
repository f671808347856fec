//! The I_MESSAGE: read, and nothing of it proven.

use crate::Identity;
use crate::identity::Own;
use crate::mikey::bundle::Bundle;
use crate::mikey::derive::CsbLabel;
use crate::mikey::envelope;
use crate::mikey::form;
use crate::mikey::ids::{Ids, identity};
use crate::mikey::mode::Refused;
use crate::mikey::policy::MikeyPolicy;
use crate::mikey::signing;
use crate::mikey::wire::{CacheType, DataType, Draft, Hdr, Id, Kemac, MacAlg, Message, Payload, Pke, Prf, Rand, Sp, T};

/// An I_MESSAGE of the public-key method, in good order and not proven.
pub struct Init<'m> {
    message: &'m Message,
    /// `None` in an update that brings no key.
    kemac: Option<&'m Kemac>,
    pke: &'m Pke,
    /// When it was made.
    pub t: T,
    /// What its keys are derived with.
    pub csb: CsbLabel,
    /// Who made it, and for whom.
    pub ids: Ids,
}

impl<'m> Init<'m> {
    /// Checks the header and which payloads there are.
    ///
    /// # Errors
    /// Another data type or PRF, a payload that does not belong, one that is missing, an octet that cannot be read.
    pub fn read(message: &'m Message) -> Result<Self, Refused> {
        Self::read_with(message, None)
    }

    /// The same, of an update of a bundle that has this RAND already (RFC 3830 section 4.5).
    ///
    /// # Errors
    /// It has a RAND of its own: then it is no update, but the first message of a bundle.
    pub fn read_update(message: &'m Message, rand: &[u8]) -> Result<Self, Refused> {
        Self::read_with(message, Some(rand))
    }

    fn read_with(message: &'m Message, rand: Option<&[u8]>) -> Result<Self, Refused> {
        let fits = |payload: &Payload| {
            use Payload::{Cert, Chash, Ext, Id, Kemac, Pke, Rand, Sign, Sp, T};
            matches!(
                payload,
                T(_) | Rand(_) | Id(_) | Cert(_) | Sp(_) | Ext(_) | Kemac(_) | Chash(_) | Pke(_) | Sign(_)
            )
        };
        form::check_init(message, DataType::PkInit, fits, "RFC 3830 section 3.2")?;
        message.before_signature()?; // SIGN is the last payload (RFC 3830 section 6.5)
        let is_update = rand.is_some();
        let rand = form::rand(message, rand)?;
        let csb = CsbLabel { csb_id: message.hdr().csb_id, rand };
        let kemac = if is_update { message.maybe()? } else { Some(message.one()?) };
        let pke = message.one()?;
        Ok(Self { message, kemac, pke, t: *message.one()?, csb, ids: Ids::of_certified(message)? })
    }

    /// Who it says that it is from, if it says so in clear.
    ///
    /// # Errors
    /// It names nobody that can be read.
    pub fn claimed(&self) -> Result<Option<Identity>, Refused> {
        self.ids.i.as_ref().map(identity).transpose()
    }

    /// What its answer is authenticated with: as its key data is, but never without a MAC. V is all that the Responder
    /// proves itself with.
    pub fn mac_alg(&self) -> MacAlg {
        let alg = self.kemac.map(|kemac| kemac.mac_alg).filter(|&alg| alg != MacAlg::Null);
        alg.unwrap_or(MacAlg::HmacSha1_160)
    }

    /// May the key data be protected as it is?
    ///
    /// # Errors
    /// See [`envelope::protected`].
    pub fn protected(&self, policy: &MikeyPolicy) -> Result<(), Refused> {
        self.kemac.map_or(Ok(()), |kemac| envelope::protected((kemac.encr_alg, kemac.mac_alg), policy))
    }

    /// What may be done with the envelope key.
    pub fn cache(&self) -> CacheType {
        self.pke.cache
    }

    /// The message itself.
    pub fn message(&self) -> &'m Message {
        self.message
    }

    /// The security policies.
    pub fn policies(&self) -> Vec<Sp> {
        self.message.many::<Sp>().cloned().collect()
    }
}

/// Our I_MESSAGE as far as its extensions. In an update there is no RAND.
pub(super) fn write((csb_id, rand, t): (u32, Option<Rand>, T), (id, own): (Id, &Own), ask: &Bundle<'_>) -> Draft {
    let hdr = Hdr { data_type: DataType::PkInit, v: true, prf: Prf::Mikey1, csb_id, map: ask.map.clone() };
    let draft = rand.into_iter().fold(Draft::new(&hdr).push(t), Draft::push).push(id);
    let draft = signing::certs(own).fold(draft, Draft::push).push(Id::uri(ask.named.as_str()));
    let draft = ask.policies.iter().cloned().fold(draft, Draft::push);
    ask.extensions().fold(draft, Draft::push)
}
