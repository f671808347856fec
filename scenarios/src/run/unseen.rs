//! What nobody can tell of a run: whoever is outside tells us nothing of what it hears, knows and does.

use super::cast::Cast;
use crate::script::{Clips, Counts, Ends, Expectation, Hears, Keys, Knows, Name, Rings, Script, Sends, Verifies};
use serde::Serialize;

/// An expectation of which nobody can tell whether it came true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// What was expected, in the user's words.
    pub sentence: String,
    /// Why nobody can tell.
    pub why: String,
}

/// Can anybody tell of one expectation at least whether it came true?
pub(crate) fn is_any_seen(script: &Script, cast: &Cast) -> bool {
    script.expect.is_empty() || script.expect.iter().any(|expected| part(expected, cast).0.is_some())
}

/// Parts an expectation into what can be judged and what cannot.
pub(super) fn part(expected: &Expectation, cast: &Cast) -> (Option<Expectation>, Option<Unseen>) {
    let is_outside = |name: &&Name| cast.is_outside(name);
    let silent = |name: &Name| format!("{name} is outside, and tells us nothing");
    let knower = match expected {
        Expectation::Hears(Hears::Talk(a, b)) => {
            let hears = |who: &Name, whom: &Name| Expectation::Hears(Hears::Ever(who.clone(), whom.clone()));
            let unseen = |who, whom| Unseen { sentence: hears(who, whom).to_string(), why: silent(who) };
            return match (cast.is_outside(a), cast.is_outside(b)) {
                (false, false) => (Some(expected.clone()), None),
                (false, true) => (Some(hears(a, b)), Some(unseen(b, a))),
                (true, false) => (Some(hears(b, a)), Some(unseen(a, b))),
                (true, true) => (None, Some(Unseen { sentence: expected.to_string(), why: silent(a) })),
            };
        }
        // Of what it says we know neither the sound nor the length.
        Expectation::Hears(Hears::Misses(who, _, whom)) => [who, whom].into_iter().find(is_outside),
        Expectation::Hears(
            Hears::Ever(who, _) | Hears::Within(who, ..) | Hears::Early(who, _) | Hears::Never(who, _),
        )
        | Expectation::Keys(Keys::KeyedBy(who, _) | Keys::Changes(who, _))
        | Expectation::Ends(Ends::Completes(who) | Ends::Fails(who, _) | Ends::Refused(who))
        | Expectation::Rings(Rings::Ever(who) | Rings::Never(who) | Rings::OnceKeyed(who))
        | Expectation::Knows(Knows::TalksTo(who, _) | Knows::Told(who, _) | Knows::Clash(who) | Knows::NoClash(who) | Knows::Says(who, _))
        | Expectation::Verifies(Verifies::InAll(who, _) | Verifies::AtMost(who, _) | Verifies::BeforeHearing(who, _))
        // We see what comes to us of all that it sends.
        | Expectation::Sends(Sends { who, .. })
        | Expectation::Counts(Counts { who, .. }) => Some(who).filter(is_outside),
        // Which branch it is, its own messages say.
        Expectation::Clips(Clips::AtMost(who, _, whom) | Clips::AtLeast(who, _, whom) | Clips::Keeps(who, _, whom)) => {
            [who, whom].into_iter().find(is_outside)
        }
        Expectation::Rings(Rings::AnsweredBy(who, by)) => [who, by].into_iter().find(is_outside),
        // Each branch has to say which keys it has.
        Expectation::Keys(Keys::NoneSharedByBranches) => cast.phones.iter().map(|role| &role.name).find(is_outside),
        Expectation::Keys(Keys::NoneInTwoCalls | Keys::NoPadTwice)
        | Expectation::Ends(Ends::DialogsLeft(..) | Ends::All)
        | Expectation::Safety(_) => None,
    };
    match knower {
        None => (Some(expected.clone()), None),
        Some(name) => (None, Some(Unseen { sentence: expected.to_string(), why: silent(name) })),
    }
}
