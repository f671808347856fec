//! What the RFCs say, as they say it.

use super::{Column, Says};
use keyphone_keying::System;
use keyphone_keying::mikey::ModeName;
use serde::Serialize;
use std::fmt;

/// What an RFC says of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// Just that.
    Plainly(Says),
    /// That, with a footnote or a condition.
    Conditionally(Says),
    /// The cell is empty, which in RFC 5197's first table is no.
    Blank,
    /// It does not apply.
    NotApplicable,
    /// It has no such cell.
    Nothing,
}

impl Said {
    /// Does it agree with what was found? An empty cell does not say yes.
    pub fn agrees(self, found: Says) -> bool {
        match self {
            Self::Plainly(says) | Self::Conditionally(says) => says == found,
            Self::Blank => found == Says::No,
            Self::NotApplicable => false,
            Self::Nothing => true,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plainly(says) => says.fmt(f),
            Self::Conditionally(says) => write!(f, "{says}, with a condition"),
            Self::Blank => f.write_str("nothing: the cell is blank"),
            Self::NotApplicable => f.write_str("not applicable"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

/// What the RFC of a column says of a system.
pub(super) fn said(column: Column, system: System) -> Said {
    let System::Mikey(mode) = system;
    match column {
        Column::EarlyMedia
        | Column::SecureForking
        | Column::Retarget
        | Column::Redirect
        | Column::SharedKeyConference => scenarios(column, mode),
        Column::ManualKeys | Column::NeedsPki | Column::Pfs | Column::KeyGeneration => properties(column, mode),
        Column::Clipping
        | Column::DistinctKeys
        | Column::Association
        | Column::SecureRetargeting
        | Column::ForwardSecrecy
        | Column::BestEffort => rfc5479(column, mode),
    }
}

/// The first table of RFC 5197 section 5.5. Its cells are "Yes", "Yes*" and blank.
fn scenarios(column: Column, mode: ModeName) -> Said {
    use ModeName::{DhHmac, DhSign, Null, Psk, Rsa, RsaR};
    let row = match mode {
        //             early fork retarget redirect conference
        Psk => ["Yes", "", "", "", "Yes*"],
        Rsa => ["Yes", "", "", "", "Yes*"],
        DhSign => ["", "Yes*", "Yes", "Yes", ""],
        Null => ["Yes", "", "", "", ""],
        DhHmac => ["", "", "", "", ""],
        RsaR => ["", "Yes", "Yes", "Yes", "Yes"],
    };
    let cell = match column {
        Column::EarlyMedia => row[0],
        Column::SecureForking => row[1],
        Column::Retarget => row[2],
        Column::Redirect => row[3],
        _ => row[4],
    };
    match cell {
        "Yes" => Said::Plainly(Says::Yes),
        "Yes*" => Said::Conditionally(Says::Yes),
        _ => Said::Blank,
    }
}

/// The second table of RFC 5197 section 5.5.
fn properties(column: Column, mode: ModeName) -> Said {
    use ModeName::{DhHmac, DhSign, Null, Psk, Rsa, RsaR};
    use Says::{Both, Initiator, No, Yes};
    let (manual, pki, pfs, key) = match mode {
        Psk => (Yes, No, No, Said::Plainly(Initiator)),
        Rsa => (No, Yes, No, Said::Plainly(Initiator)),
        DhSign => (No, Yes, Yes, Said::Plainly(Both)),
        Null => (No, No, No, Said::Plainly(Initiator)),
        DhHmac => (Yes, No, Yes, Said::Plainly(Both)),
        // "Assumed the Initiator provides the (optional) RAND value."
        RsaR => (No, Yes, No, Said::Conditionally(Both)),
    };
    match column {
        Column::ManualKeys => Said::Plainly(manual),
        Column::NeedsPki => Said::Plainly(pki),
        Column::Pfs => Said::Plainly(pfs),
        _ => key,
    }
}

/// RFC 5479 appendix A.4.1 (forking, association, retargeting), A.4.2 (clipping), A.5.2 (PFS). Appendix A.5.3 has no
/// word on single mechanisms.
fn rfc5479(column: Column, mode: ModeName) -> Said {
    use ModeName::{DhHmac, DhSign, Null, Psk, Rsa, RsaR};
    use Says::{No, Yes};
    let late = matches!(mode, DhSign | DhHmac | RsaR);
    let is = |yes| Said::Plainly(if yes { Yes } else { No });
    match column {
        Column::Clipping | Column::DistinctKeys => is(late),
        // "Answer is associated with media by the SSRC in MIKEY", of every mode.
        Column::Association => is(true),
        // "It would require the PSK to be the same for all the potential intermediaries."
        Column::SecureRetargeting if mode == DhHmac => Said::Conditionally(Yes),
        Column::SecureRetargeting => is(late),
        Column::ForwardSecrecy => match mode {
            Null => Said::NotApplicable,
            Psk | Rsa | RsaR => is(false),
            DhSign | DhHmac => is(true),
        },
        _ => Said::Nothing,
    }
}
