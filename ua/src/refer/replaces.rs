//! What becomes of an INVITE that wants to take the place of another call (RFC 3891 section 3).
//!
//! ```text
//! the dialog that Replaces names     early-only     otherwise
//! none, or more than one             481            481
//! early, the peer began it           481            481
//! early, we began it                 CANCEL it      CANCEL it
//! confirmed                          486            BYE to it
//! over                               603            603
//! ```

use crate::sip::StatusCode;

/// How a dialog stands that an INVITE wants to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not answered yet; we sent its INVITE.
    EarlyOurs,
    /// Not answered yet; the peer sent its INVITE.
    EarlyTheirs,
    /// Answered.
    Confirmed,
    /// Ended a moment ago.
    Over,
}

/// May an INVITE replace the dialog? `found` is every one that its Replaces names; what comes back is the one that it
/// takes the place of, or the status that refuses it.
pub(crate) fn choose<T: Copy>(found: &[(T, Standing)], early_only: bool) -> Result<T, StatusCode> {
    let [(one, standing)] = found else { return Err(StatusCode::CALL_DOES_NOT_EXIST) };
    match standing {
        Standing::EarlyOurs => Ok(*one),
        Standing::EarlyTheirs => Err(StatusCode::CALL_DOES_NOT_EXIST),
        Standing::Confirmed if early_only => Err(StatusCode::BUSY_HERE),
        Standing::Confirmed => Ok(*one),
        Standing::Over => Err(StatusCode::DECLINE),
    }
}

/// Does a tag that Replaces says name this tag of a dialog? A zero is that of a peer from before RFC 3261, which has
/// none (RFC 3891 section 6.1).
pub(crate) fn tag_matches(said: &str, tag: &str) -> bool {
    let none = |tag: &str| tag.is_empty() || tag == "0";
    said == tag || (none(said) && none(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_answers() {
        use Standing::*;
        let refused = |found: &[(u8, Standing)], early_only| choose(found, early_only).map_err(StatusCode::code);
        for (found, early_only, expected) in [
            (&[][..], false, Err(481)),
            (&[(1, Confirmed), (2, Confirmed)], false, Err(481)),
            (&[(1, EarlyTheirs)], false, Err(481)),
            (&[(1, EarlyTheirs)], true, Err(481)),
            (&[(1, EarlyOurs)], false, Ok(1)),
            (&[(1, EarlyOurs)], true, Ok(1)),
            (&[(1, Confirmed)], false, Ok(1)),
            (&[(1, Confirmed)], true, Err(486)),
            (&[(1, Over)], false, Err(603)),
            (&[(1, Over)], true, Err(603)),
        ] {
            assert_eq!(refused(found, early_only), expected, "{found:?} {early_only}");
        }
    }

    #[test]
    fn a_tag_is_matched_byte_for_byte_and_zero_is_none() {
        assert!(tag_matches("r33th4x0r", "r33th4x0r") && tag_matches("0", "") && tag_matches("0", "0"));
        assert!(!tag_matches("r33th4x0r", "R33TH4X0R") && !tag_matches("0", "1") && !tag_matches("a", ""));
    }
}
