//! Which message answers which.

use crate::mikey::wire::{DataType, Message, Rand};

/// Does an Initiator send it?
pub(super) fn is_init(data_type: DataType) -> bool {
    use DataType::{DhHmacInit, DhInit, PkInit, PskInit, RsaRInit};
    matches!(data_type, PskInit | PkInit | DhInit | DhHmacInit | RsaRInit)
}

/// What answers an I_MESSAGE of this type.
pub(super) fn answer_to(init: DataType) -> Option<DataType> {
    Some(match init {
        DataType::PskInit => DataType::PskVer,
        DataType::PkInit => DataType::PkVer,
        DataType::DhInit => DataType::DhResp,
        DataType::DhHmacInit => DataType::DhHmacResp,
        DataType::RsaRInit => DataType::RsaRResp,
        _ => return None,
    })
}

/// The I_MESSAGE that the message of that index may answer: of the same bundle, and rather before it than after it.
pub(super) fn init_of<'m>(messages: &[Option<&'m Message>], index: usize) -> Option<&'m Message> {
    let resp = messages[index]?;
    if is_init(resp.hdr().data_type) {
        return None;
    }
    let (before, after) = messages.split_at(index);
    let fits = |message: &&Message| is_init(message.hdr().data_type) && message.hdr().csb_id == resp.hdr().csb_id;
    before.iter().rev().chain(after).copied().flatten().find(fits)
}

/// The message of that index is an I_MESSAGE, and an earlier one has begun its bundle: so it is an update, which has no
/// RAND (RFC 3830 section 4.5).
pub(super) fn first_of<'m>(messages: &[Option<&'m Message>], index: usize) -> Option<&'m Message> {
    let update = messages[index].filter(|message| is_init(message.hdr().data_type))?;
    let begins = |message: &&Message| {
        is_init(message.hdr().data_type)
            && message.hdr().csb_id == update.hdr().csb_id
            && message.many::<Rand>().next().is_some()
    };
    messages[..index].iter().copied().flatten().find(begins)
}
