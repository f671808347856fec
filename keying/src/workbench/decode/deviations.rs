//! Rules that a message breaks although it can be read: what is found without a key.

use crate::mikey::Tolerances;
use crate::mikey::wire::{DataType, Dh, Id, Message, Payload, ProtType, T};
use crate::workbench::lint::is_filetime;

/// One sentence for each, with the section of the rule.
pub(super) fn of(message: &Message) -> Vec<String> {
    let mut found: Vec<String> = message.parts().iter().filter_map(|part| payload(&part.payload)).collect();
    let (ids, dhs) = (message.many::<Id>().count(), message.many::<Dh>().count());
    match message.hdr().data_type {
        DataType::DhHmacInit if ids == 0 => found.push("it lacks the mandatory IDr (RFC 4650 section 3)".into()),
        DataType::DhHmacResp if dhs < 2 => found.push("it does not repeat DHi (RFC 4650 section 3)".into()),
        _ => {}
    }
    if message.hdr().data_type == DataType::DhHmacResp && ids == 0 {
        found.push("it lacks the mandatory IDi (RFC 4650 section 3)".into());
    }
    found
}

fn payload(payload: &Payload) -> Option<String> {
    match payload {
        Payload::Sp(sp) if sp.prot_type == ProtType::Srtp => {
            let error = sp.auth_lengths(Tolerances::none()).err()?;
            let understood = sp.auth_lengths(Tolerances::interop()).is_ok();
            Some(if understood { format!("{error}; --interop takes it for the tag length") } else { error.to_string() })
        }
        Payload::T(T::NtpUtc(value)) if is_filetime(*value) => {
            Some("T is a Windows FILETIME, and its type says NTP-UTC (RFC 3830 section 6.6)".into())
        }
        _ => None,
    }
}
