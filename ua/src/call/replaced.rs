//! A call whose place another takes (RFC 3891).

use super::{Call, Phase};
use crate::refer::replaces::{Standing, tag_matches};
use crate::settings::{Plan, System};

/// What the new call has from the one whose place it takes.
pub(crate) struct Place {
    /// It goes on as the old one did.
    pub(crate) plan: Plan,
    /// The old one is keyed: so must the new one be.
    pub(crate) keyed: bool,
}

impl Call {
    /// How our dialog with the peer stands that has this tag; `None` if there is none.
    pub(crate) fn standing(&mut self, peer_tag: &str) -> Option<Standing> {
        let is = |tag: &str| tag_matches(peer_tag, tag);
        match &mut self.phase {
            Phase::Calling(calling) => calling.has_branch(is).then_some(Standing::EarlyOurs),
            Phase::Ringing(ringing) => is(ringing.usage.dialog.remote_tag()).then_some(Standing::EarlyTheirs),
            Phase::Talking(talking) => is(talking.usage.dialog.remote_tag()).then_some(Standing::Confirmed),
            Phase::Leaving(leaving) => is(leaving.usage.dialog.remote_tag()).then_some(Standing::Over),
            Phase::Over => None,
        }
    }

    /// What whoever takes this call's place has from it.
    pub(crate) fn place_here(&self) -> Place {
        let keyed = match &self.phase {
            Phase::Talking(talking) => talking.usage.exchange.system() != System::Clear,
            Phase::Calling(calling) => calling.keyed,
            Phase::Ringing(_) | Phase::Leaving(_) | Phase::Over => true,
        };
        Place { plan: self.plan.clone(), keyed }
    }
}
