//! SIP messages, alone and in a stream.

use keyphone_ua::sip::headers::MAX_FIELD;
use keyphone_ua::sip::{Frame, Framer, Headers, Message, NameAddr, Request, SipError, StatusCode, Uri, Via, hop, make};
use std::fmt::Debug;
use std::str::FromStr;

/// A datagram is read or refused. What was read is printed and read again without a difference, and so is each of its
/// typed values; whatever is answered can be read.
pub fn sip_message(data: &[u8]) {
    let message = match Message::parse(data) {
        Ok(message) => message,
        Err(error) => return refuse(data, &error),
    };
    read_headers(message.headers());
    if data.len() <= SHORT {
        reads_as_it_was(&message);
    }
    match (message.check(), message) {
        (Err(error), Message::Request(_)) => refuse(data, &error),
        (Ok(()), Message::Request(request)) => answer(request, data.len() <= SHORT),
        (_, Message::Response(_)) => {}
    }
}

/// A compact name is written in full, so a field may outgrow its limit when it is written; not if it was so short.
const SHORT: usize = MAX_FIELD / 2;

fn refuse(data: &[u8], error: &SipError) {
    let refusal = make::refusal(data, error, "tag");
    refusal.filter(|_| data.len() <= SHORT).into_iter().for_each(|refusal| reads_as_it_was(&refusal.into()));
}

fn reads_as_it_was(message: &Message) {
    let printed = message.to_bytes();
    let again = Message::parse(&printed).unwrap_or_else(|error| panic!("{error}\n{}", printed.escape_ascii()));
    assert_eq!(&again, message, "{}", printed.escape_ascii());
}

fn value<T: FromStr<Err: Debug> + ToString + PartialEq + Debug>(value: &T) {
    let printed = value.to_string();
    match T::from_str(&printed) {
        Ok(again) => assert_eq!(&again, value, "{printed}"),
        Err(error) => panic!("{printed}: {error:?}"),
    }
}

fn read_headers(headers: &Headers) {
    let addresses = [headers.from(), headers.to()].into_iter().flatten().chain(headers.contact().ok().flatten());
    let lists = [headers.contacts(), headers.record_route(), headers.route()].into_iter().flatten().flatten();
    addresses.chain(lists).for_each(|address| name_addr(&address));
    headers.vias().into_iter().flatten().chain(headers.via()).for_each(|via| {
        value::<Via>(&via);
        let _ = (via.branch(), via.rport(), hop::response_hop(&via));
    });
    for (name, address) in [("From", headers.from()), ("To", headers.to())] {
        address.into_iter().for_each(|address| assert_eq!(headers.tag(name), address.tag(), "{name}"));
    }
    headers.via().into_iter().for_each(|via| assert_eq!(headers.transport(), Some(via.transport)));
    let _ = (headers.cseq(), headers.call_id(), headers.max_forwards(), headers.content_type());
    let _ = (headers.allow(), headers.supported(), headers.require(), headers.unsupported());
    let _ = (headers.warning(), headers.reason());
    for name in ["Expires", "Min-Expires", "RSeq"] {
        let _ = headers.number(name);
    }
    for name in ["Refer-To", "Referred-By", "Reply-To"] {
        headers.name_addr(name).into_iter().flatten().for_each(|address| name_addr(&address));
    }
}

fn name_addr(address: &NameAddr) {
    value::<NameAddr>(address);
    uri(&address.uri);
    let _ = (address.tag(), address.params.text("tag"));
}

fn uri(uri: &Uri) {
    value::<Uri>(uri);
    assert!(uri.matches(uri), "{uri} is not itself");
    if let Some(sip) = uri.sip() {
        let _ = (sip.user_text(), sip.param("transport"));
        value::<Uri>(&sip.clone().for_request().into());
    }
}

fn answer(mut request: Request, short: bool) {
    uri(&request.uri);
    let source = "192.0.2.1:5060".parse().expect("an address");
    let via = request.headers.via().expect("it was read before");
    hop::stamp(&mut request, via, source);
    let response = make::response(&request, StatusCode::OK, Some("tag"));
    let made = [make::ack(&request, &response), make::cancel(&request)].map(|made| made.expect("it was checked"));
    if short {
        made.map(Message::from).iter().chain(&[response.into()]).for_each(reads_as_it_was);
    }
}

/// A stream gives the same frames however it is cut. The first octet says how many octets behind it are the lengths
/// of the pieces; the last one's counts for all that follow.
pub fn sip_framer(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let Some((lengths, stream)) = rest.split_at_checked(usize::from(count % 16)) else { return };
    let whole = frames([stream].into_iter());
    let mut left = stream;
    let mut lengths = lengths.iter().map(|length| usize::from(*length).max(1));
    let mut length = 1;
    let pieces = std::iter::from_fn(|| {
        length = lengths.next().unwrap_or(length);
        let (piece, rest) = left.split_at(length.min(left.len()));
        left = rest;
        Some(piece).filter(|piece| !piece.is_empty())
    });
    assert_eq!(frames(pieces), whole);
    for frame in whole.iter().flatten() {
        // What the framer cut out is one message to the octet, or none at all.
        if let Frame::Message(bytes) = frame
            && let Ok(message) = Message::parse(bytes)
        {
            assert!(bytes.ends_with(message.body()));
        }
    }
}

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Result<Frame, String>> {
    let mut framer = Framer::new();
    let mut frames = vec![];
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.next_frame() {
            frames.push(frame.map_err(|error| error.to_string()));
        }
    }
    frames
}
