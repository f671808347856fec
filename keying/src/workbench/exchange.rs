//! Which message answers which, and which bundle an update is of.

use crate::identity::Certificate;
use crate::mikey::wire::{Cert, CertType, DataType, Message, Pke, Rand};
use std::collections::BTreeMap;

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

/// The messages of an input, by the bundles that they are about.
pub(super) struct Exchanges<'m> {
    messages: Vec<Option<&'m Message>>,
    bundles: BTreeMap<u32, Bundle>,
}

/// Where the messages of one bundle are.
#[derive(Default)]
struct Bundle {
    /// Of Initiators.
    inits: Vec<usize>,
    /// The first of a Responder.
    answer: Option<usize>,
}

/// What a message has to be seen beside.
#[derive(Clone, Debug, Default)]
pub(super) struct Context<'m> {
    /// What it answers: of the same bundle, and rather before it than after it.
    pub(super) init: Option<&'m Message>,
    /// It is an update, or answers one: the exchange that began the bundle, as far as it is in the input.
    pub(super) began: Vec<&'m Message>,
}

impl<'m> Exchanges<'m> {
    pub(super) fn of(messages: Vec<Option<&'m Message>>) -> Self {
        let mut bundles: BTreeMap<u32, Bundle> = BTreeMap::new();
        for (index, message) in messages.iter().enumerate() {
            let Some(hdr) = message.map(Message::hdr) else { continue };
            let bundle = bundles.entry(hdr.csb_id).or_default();
            if is_init(hdr.data_type) {
                bundle.inits.push(index);
            } else {
                bundle.answer = bundle.answer.or(Some(index));
            }
        }
        Self { messages, bundles }
    }

    /// Of the message of that index.
    pub(super) fn context(&self, index: usize) -> Context<'m> {
        let Some(message) = self.messages[index] else { return Context::default() };
        let Some(bundle) = self.bundles.get(&message.hdr().csb_id) else { return Context::default() };
        if is_init(message.hdr().data_type) {
            return Context { init: None, began: self.began(bundle, index) };
        }
        let before = bundle.inits.partition_point(|&init| init < index);
        let init = before.checked_sub(1).map_or(bundle.inits.first(), |last| bundle.inits.get(last)).copied();
        Context {
            init: init.and_then(|init| self.messages[init]),
            began: init.map(|init| self.began(bundle, init)).unwrap_or_default(),
        }
    }

    /// What began the bundle before that I_MESSAGE: an update has no RAND of its own (RFC 3830 section 4.5), and so an
    /// exchange with one came before it. The same octets once more are no update.
    fn began(&self, bundle: &Bundle, index: usize) -> Vec<&'m Message> {
        let first = bundle.inits.first().copied().filter(|&first| first < index);
        let (Some(first), Some(update)) = (first.and_then(|first| self.messages[first]), self.messages[index]) else {
            return vec![];
        };
        let answer = bundle.answer.filter(|&answer| answer < index).and_then(|answer| self.messages[answer]);
        let began: Vec<_> = std::iter::once(first).chain(answer).collect();
        let has_rand = began.iter().any(|message| message.many::<Rand>().next().is_some());
        if first.bytes() == update.bytes() || !has_rand { vec![] } else { began }
    }
}

impl<'m> Context<'m> {
    /// The RAND of the bundle, if this is about an update.
    pub(super) fn rand(&self) -> Option<Vec<u8>> {
        self.began.iter().find_map(|message| message.many::<Rand>().next()).map(|rand| rand.0.clone())
    }

    /// The message that brought the envelope key, under which updates are as under a pre-shared key (RFC 3830
    /// section 4.5).
    pub(super) fn sealed(&self) -> Option<&'m Message> {
        self.began.iter().copied().find(|message| message.many::<Pke>().next().is_some())
    }

    /// The certificates that signers of an update need not send again.
    pub(super) fn certificates(&self) -> impl Iterator<Item = Certificate> {
        self.began.iter().filter_map(|message| certificate(message))
    }
}

/// Whose a message's signature is, if it says so with a certificate.
pub(super) fn certificate(message: &Message) -> Option<Certificate> {
    let mut certs = message.many::<Cert>();
    let signs = certs.find(|cert| matches!(cert.cert_type, CertType::X509 | CertType::X509Sign))?;
    Certificate::from_der(&signs.data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mikey::Tolerances;

    fn message(data_type: u8, csb_id: u8, t: u8, rand: bool) -> Message {
        let mut octets = vec![1, data_type, 5, 0, 0, 0, 0, csb_id, 0, 1, if rand { 11 } else { 0 }, 2, 0, 0, 0, t];
        if rand {
            octets.extend([0, 1, t]);
        }
        Message::read(&octets, Tolerances::none()).unwrap()
    }

    #[test]
    fn answers_and_updates_are_seen_beside_what_they_need() {
        let all = [
            message(0, 1, 1, true),  // 0: it begins
            message(1, 1, 1, false), // 1: its answer
            message(0, 2, 2, true),  // 2: another bundle
            message(0, 1, 1, true),  // 3: the first once more
            message(0, 1, 3, false), // 4: an update
            message(1, 1, 3, false), // 5: its answer
            message(1, 3, 4, false), // 6: before what it answers
            message(0, 3, 4, false), // 7: without any RAND
            message(0, 3, 5, false), // 8
        ];
        let exchanges = Exchanges::of(all.iter().map(Some).chain([None]).collect());
        let at = |message: &Message| all.iter().position(|other| std::ptr::eq(other, message)).unwrap();
        let context = |index: usize| {
            let Context { init, began } = exchanges.context(index);
            (init.map(at), began.into_iter().map(at).collect::<Vec<_>>())
        };
        assert_eq!(context(0), (None, vec![]));
        assert_eq!(context(1), (Some(0), vec![]));
        assert_eq!(context(2), (None, vec![]));
        assert_eq!(context(3), (None, vec![]));
        assert_eq!(context(4), (None, vec![0, 1]));
        assert_eq!(context(5), (Some(4), vec![0, 1]));
        assert_eq!(context(6), (Some(7), vec![]));
        assert_eq!(context(8), (None, vec![]));
        assert_eq!(context(9), (None, vec![]));
        assert_eq!(exchanges.context(5).rand(), Some(vec![1]));
    }
}
