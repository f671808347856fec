//! MIKEY in SDP: `a=key-mgmt:mikey <base64>` at session level or under an m-line (RFC 4567 section 3.1).

use super::tolerance::{Tolerance, Tolerances};
use super::wire::{Ext, Message, from_base64, key_mgmt};
use crate::{Error, Level, Line, Lines, Stream};

const NAME: &str = "key-mgmt";

/// The line of a message.
pub(super) fn line(level: Level, message: &Message) -> Line {
    Line { level, name: NAME.into(), value: message.to_key_mgmt() }
}

/// The lines that are ours.
pub(super) fn ours(lines: &Lines) -> impl Iterator<Item = &Line> {
    lines.0.iter().filter(|line| line.name == NAME && key_mgmt(&line.value).is_some())
}

/// The messages, as far as they can be read. Nothing in them is proven.
pub(super) fn messages(lines: &Lines) -> impl Iterator<Item = Message> + '_ {
    let message = |line: &Line| Message::from_key_mgmt(&line.value, Tolerances::interop())?.ok();
    ours(lines).filter_map(message)
}

/// The bundles that the messages are about.
pub(super) fn csb_ids(lines: &Lines) -> impl Iterator<Item = u32> + '_ {
    messages(lines).map(|message| message.hdr().csb_id)
}

/// One message of an offer, and the streams that it keys.
pub(super) struct Offer {
    pub(super) level: Level,
    pub(super) message: Message,
    pub(super) streams: Vec<Stream>,
}

/// The messages of an offer. What stands under an m-line goes before what stands at session level (RFC 4567 section
/// 3.1); every m-line must have one or the other.
///
/// # Errors
/// None, several at one level, or not readable.
pub(super) fn offers(lines: &Lines, streams: &[Stream], tolerances: Tolerances) -> Result<Vec<Offer>, Error> {
    let mut offers: Vec<Offer> = vec![];
    for stream in streams {
        let media = Level::Media(stream.line);
        let level = if ours(lines).any(|line| line.level == media) { media } else { Level::Session };
        if let Some(offer) = offers.iter_mut().find(|offer| offer.level == level) {
            offer.streams.push(*stream);
            continue;
        }
        let mut here = ours(lines).filter(|line| line.level == level);
        let value = match (here.next(), here.next()) {
            (Some(line), None) => &line.value,
            (None, _) => {
                let what = format!("it offers no MIKEY for m-line {}: there is no key-mgmt line", stream.line);
                return Err(Error::incompatible(what));
            }
            (Some(_), Some(_)) => {
                let what = "it offers MIKEY twice at one level; alternatives within one protocol are not meant \
                            (RFC 4567 section 4.1.2)";
                return Err(Error::incompatible(what));
            }
        };
        offers.push(Offer { level, message: read(value, tolerances)?, streams: vec![*stream] });
    }
    Ok(offers)
}

/// A message of an offer that cannot be read to its end, as far as it can.
pub(super) fn unreadable(lines: &Lines) -> Option<(Level, Message)> {
    ours(lines).find_map(|line| {
        let bytes = from_base64(key_mgmt(&line.value)?).ok()?;
        match Message::read_as_far(&bytes, Tolerances::none()).ok()? {
            (message, Some(_)) => Some((line.level, message)),
            (_, None) => None,
        }
    })
}

/// The one message of an answer, wherever it stands.
///
/// # Errors
/// None, several that differ, or not readable.
pub(super) fn answer(lines: &Lines, tolerances: Tolerances) -> Result<Message, Error> {
    let mut found = ours(lines);
    let first = found.next().ok_or_else(|| {
        Error::misbehaved("it answers a MIKEY offer without a key-mgmt line", "RFC 4567 section 4.1.1")
    })?;
    if found.any(|line| line.value != first.value) {
        let what = "it answers one MIKEY message with several";
        return Err(Error::misbehaved(what, "RFC 4567 section 4.1.2"));
    }
    read(&first.value, tolerances)
}

fn read(value: &str, tolerances: Tolerances) -> Result<Message, Error> {
    let message = Message::from_key_mgmt(value, tolerances);
    Ok(message.ok_or_else(|| Error::wire("this key-mgmt line is not MIKEY's"))??)
}

/// Are the protocols that the message authenticates those that the SDP offers? If not, somebody on the way may have
/// peeled off the stronger ones (RFC 4567 section 4.1.4).
///
/// # Errors
/// They differ; or the message has no such list, and strictly it must have one.
pub(super) fn check_protocols(
    message: &Message,
    lines: &Lines,
    tolerances: Tolerances,
) -> Result<Option<Tolerance>, Error> {
    const SECTION: &str = "RFC 4567 section 4.1.4";
    let Some(said) = message.many::<Ext>().find_map(|ext| if let Ext::SdpIds(ids) = ext { Some(ids) } else { None })
    else {
        if tolerances.allows(Tolerance::NoSdpIds) {
            return Ok(Some(Tolerance::NoSdpIds));
        }
        let what = "its message does not say which key management protocols were offered, so stronger ones may have \
                    been removed on the way";
        return Err(Error::misbehaved(what, SECTION));
    };
    let mut offered: Vec<&str> = vec![];
    for line in lines.0.iter().filter(|line| line.name == NAME) {
        let protocol = line.value.trim_start_matches(' ').split(' ').next().unwrap_or_default();
        if !offered.contains(&protocol) {
            offered.push(protocol);
        }
    }
    let offered = offered.join(";");
    if offered.as_bytes() == said.as_slice() {
        return Ok(None);
    }
    let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    let (said, offered) = (shown(&String::from_utf8_lossy(said)), shown(&offered));
    let what = format!("it says to have offered {said}, but the SDP offers {offered}: somebody removed or added some");
    Err(Error::misbehaved(what, SECTION))
}
