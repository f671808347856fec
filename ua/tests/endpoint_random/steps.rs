//! What can happen. An index picks one of all SIP messages that were ever sent, or one of a phone's calls.

use crate::phones::{Answers, Datagram, PHONES, Phones, Setup, Weather, address, plan, uri};
use keyphone_ua::endpoint::{Command, Input};
use keyphone_ua::settings::HangUp;
use keyphone_ua::sip::{Message, Method, Request, StatusCode, make};
use keyphone_ua::transaction::{Destination, Transport};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// So many milliseconds on such a network.
    Run(u64, Weather),
    /// Some message arrives, perhaps for the second time.
    Again(Index),
    /// Some message arrives with one octet changed.
    Changed(Index, Index, u8),
    /// Some message arrives, cut.
    Cut(Index, Index),
    /// Somebody answers some request, with a To-tag of his.
    Answered(Index, u16, u8),
    /// The body of one message arrives under the head of another.
    Spliced(Index, Index),
    /// A request that is well formed and says a known dialog, in whatever state that is: its method, how far its CSeq is
    /// from the last, the body of which message it has, and whether the peers are swapped.
    Wrong(Index, Method, i8, Option<Index>, bool),
    /// Noise, at SIP's port or at a media port.
    Noise(usize, Option<u16>, Vec<u8>),
    /// Nothing can be sent there.
    Unreachable(usize, usize, Transport),
    /// A phone loses its memory.
    Crash(usize),
    /// A user calls another, and hangs up after so many milliseconds.
    Call(usize, usize, Transport, Option<u16>),
    Answer(usize, Index),
    Refuse(usize, Index, u16),
    Redirect(usize, Index, usize),
    HangUp(usize, Index),
    HangUpAll(usize),
    Hold(usize, Index),
    Resume(usize, Index),
    Rekey(usize, Index),
    Transfer(usize, Index, usize),
    TransferInto(usize, Index, Index),
    Dtmf(usize, Index),
    Info(usize, Index),
    Message(usize, usize),
    Options(usize, usize),
    Register(usize),
    Unregister(usize),
}

pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    let answers = prop_oneof![
        3 => Just(Answers::AtOnce),
        2 => Just(Answers::Later),
        1 => Just(Answers::WithEarlyMedia),
        1 => Just(Answers::ByHand),
        1 => Just(Answers::ByTheNext),
    ];
    let few = || proptest::array::uniform3(proptest::bool::weighted(0.2));
    (any::<u64>(), proptest::array::uniform3(answers), [few(), few(), few(), few(), few()]).prop_map(
        |(seed, answers, [reliable, clear, refreshed, late, secured])| Setup {
            seed,
            answers,
            reliable,
            clear,
            refreshed,
            late,
            secured,
        },
    )
}

fn run() -> impl Strategy<Value = Step> {
    let time = prop_oneof![4 => 1..300u64, 4 => 300..3_000u64, 1 => 3_000..40_000u64];
    let weather = prop_oneof![
        4 => Just(Weather { loss: 0, twice: 0, latest: 20 }),
        2 => Just(Weather { loss: 20, twice: 20, latest: 300 }),
        1 => Just(Weather { loss: 60, twice: 30, latest: 1500 }),
        1 => Just(Weather { loss: 100, twice: 0, latest: 20 }),
    ];
    (time, weather).prop_map(|(ms, weather)| Step::Run(ms, weather))
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let who = || 0..PHONES;
    let transport = || prop_oneof![3 => Just(Transport::Udp), 1 => Just(Transport::Tcp)];
    let index = any::<Index>;
    let method = select(vec![
        Method::Invite,
        Method::Ack,
        Method::Bye,
        Method::Cancel,
        Method::Options,
        Method::Prack,
        Method::Update,
        Method::Info,
        Method::Refer,
        Method::Notify,
        Method::Subscribe,
        Method::Message,
    ]);
    let network = prop_oneof![
        3 => index().prop_map(Step::Again),
        2 => (index(), index(), any::<u8>()).prop_map(|(m, at, byte)| Step::Changed(m, at, byte)),
        1 => (index(), index()).prop_map(|(m, at)| Step::Cut(m, at)),
        3 => (index(), 100..700u16, 0..3u8).prop_map(|(m, status, tag)| Step::Answered(m, status, tag)),
        1 => (index(), index()).prop_map(|(head, body)| Step::Spliced(head, body)),
        6 => (index(), method, -2..5i8, proptest::option::of(index()), any::<bool>())
            .prop_map(|(m, method, seq, body, swapped)| Step::Wrong(m, method, seq, body, swapped)),
        1 => (who(), proptest::option::of(0..20u16), proptest::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(to, port, bytes)| Step::Noise(to, port, bytes)),
        1 => (who(), who(), transport()).prop_map(|(who, to, transport)| Step::Unreachable(who, to, transport)),
        1 => who().prop_map(Step::Crash),
    ];
    let users = prop_oneof![
        6 => (who(), who(), transport(), proptest::option::of(0..3000u16))
            .prop_map(|(from, to, transport, talk)| Step::Call(from, to, transport, talk)),
        2 => (who(), index()).prop_map(|(who, call)| Step::Answer(who, call)),
        1 => (who(), index(), 400..700u16).prop_map(|(who, call, status)| Step::Refuse(who, call, status)),
        1 => (who(), index(), who()).prop_map(|(who, call, to)| Step::Redirect(who, call, to)),
        2 => (who(), index()).prop_map(|(who, call)| Step::HangUp(who, call)),
        1 => who().prop_map(Step::HangUpAll),
        2 => (who(), index()).prop_map(|(who, call)| Step::Hold(who, call)),
        2 => (who(), index()).prop_map(|(who, call)| Step::Resume(who, call)),
        2 => (who(), index()).prop_map(|(who, call)| Step::Rekey(who, call)),
        2 => (who(), index(), who()).prop_map(|(who, call, to)| Step::Transfer(who, call, to)),
        2 => (who(), index(), index()).prop_map(|(who, call, other)| Step::TransferInto(who, call, other)),
        1 => (who(), index()).prop_map(|(who, call)| Step::Dtmf(who, call)),
        1 => (who(), index()).prop_map(|(who, call)| Step::Info(who, call)),
        1 => (who(), who()).prop_map(|(who, to)| Step::Message(who, to)),
        1 => (who(), who()).prop_map(|(who, to)| Step::Options(who, to)),
        1 => who().prop_map(Step::Register),
        1 => who().prop_map(Step::Unregister),
    ];
    prop_oneof![4 => run(), 2 => network, 3 => users]
}

impl Phones {
    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Run(ms, weather) => self.run(Duration::from_millis(*ms), *weather),
            Step::Call(from, to, transport, talk) => {
                let hang_up = talk.map_or(HangUp::Never, |ms| HangUp::After(Duration::from_millis(ms.into())));
                let destination = Destination { addr: address(*to), transport: *transport };
                let (target, to) = (Box::new(uri(*to)), Some(destination));
                self.command(*from, Command::Call { target, to, from: None, plan: plan(hang_up) });
            }
            Step::HangUpAll(phone) => self.command(*phone, Command::HangUpAll),
            Step::Message(phone, to) => {
                self.command(*phone, Command::Message { to: Box::new(uri(*to)), text: "hello".into() });
            }
            Step::Options(phone, to) => self.command(*phone, Command::Options { to: Box::new(uri(*to)) }),
            Step::Register(phone) => self.command(*phone, Command::Register(0)),
            Step::Unregister(phone) => self.command(*phone, Command::Unregister(0)),
            Step::Crash(phone) => self.crash(*phone),
            Step::Unreachable(phone, to, transport) => {
                let failed = Input::TransportFailed { to: address(*to), transport: *transport, why: String::new() };
                self.give(*phone, failed);
            }
            Step::Answer(phone, call)
            | Step::Refuse(phone, call, _)
            | Step::Redirect(phone, call, _)
            | Step::HangUp(phone, call)
            | Step::Hold(phone, call)
            | Step::Resume(phone, call)
            | Step::Rekey(phone, call)
            | Step::Transfer(phone, call, _)
            | Step::TransferInto(phone, call, _)
            | Step::Dtmf(phone, call)
            | Step::Info(phone, call) => {
                if let Some(command) = self.in_call(step, *phone, call) {
                    self.command(*phone, command);
                }
            }
            _ => {
                if let Some(datagram) = self.made_up(step) {
                    self.deliver(&datagram);
                }
            }
        }
    }

    fn in_call(&self, step: &Step, phone: usize, call: &Index) -> Option<Command> {
        let call = self.call(phone, call)?;
        Some(match step {
            Step::Answer(..) => Command::Answer(call),
            Step::Refuse(_, _, status) => Command::Refuse(call, StatusCode::new(*status)?),
            Step::Redirect(_, _, to) => Command::Redirect(call, vec![uri(*to)]),
            Step::HangUp(..) => Command::HangUp(call),
            Step::Hold(..) => Command::Hold(call),
            Step::Resume(..) => Command::Resume(call),
            Step::Rekey(..) => Command::Rekey(call),
            Step::Transfer(_, _, to) => Command::Transfer { call, to: Box::new(uri(*to)) },
            Step::TransferInto(_, _, other) => Command::TransferInto { call, other: self.call(phone, other)? },
            Step::Dtmf(..) => Command::Dtmf { call, keys: "19#".into() },
            Step::Info(..) => Command::Info { call, content_type: "text/plain".into(), body: b"x".to_vec() },
            _ => return None,
        })
    }

    fn pick(&self, index: &Index) -> Option<Datagram> {
        (!self.wire.is_empty()).then(|| index.get(&self.wire).clone())
    }

    /// A datagram that somebody made.
    fn made_up(&self, step: &Step) -> Option<Datagram> {
        Some(match step {
            Step::Again(which) => self.pick(which)?,
            Step::Changed(which, at, byte) => {
                let mut datagram = self.pick(which)?;
                let at = at.index(datagram.bytes.len());
                datagram.bytes[at] = *byte;
                datagram
            }
            Step::Cut(which, at) => {
                let mut datagram = self.pick(which)?;
                datagram.bytes.truncate(at.index(datagram.bytes.len()));
                datagram
            }
            Step::Answered(which, status, tag) => {
                let datagram = self.pick(which)?;
                let Ok(Message::Request(request)) = Message::parse(&datagram.bytes) else { return None };
                let mut response = make::response(&request, StatusCode::new(*status)?, Some(&format!("tag{tag}")));
                response.headers.push("Contact", format!("<sip:x@{}>", datagram.to));
                let Datagram { from: to, to: from, transport, .. } = datagram;
                Datagram { from, to, transport, bytes: response.to_bytes() }
            }
            Step::Spliced(head, body) => {
                let (head, body) = (self.pick(head)?, self.pick(body)?);
                let (message, other) = (Message::parse(&head.bytes).ok()?, Message::parse(&body.bytes).ok()?);
                let body = other.body().to_vec();
                let bytes = match message {
                    Message::Request(request) => Request { body, ..request }.to_bytes(),
                    Message::Response(mut response) => {
                        response.body = body;
                        response.to_bytes()
                    }
                };
                Datagram { bytes, ..head }
            }
            Step::Wrong(which, method, seq, body, swapped) => {
                let body = body.as_ref().and_then(|index| self.pick(index));
                wrong(&self.pick(which)?, method, *seq, body.as_ref(), *swapped, self.wire.len())?
            }
            Step::Noise(phone, port, bytes) => {
                let mut to = address(*phone);
                to.set_port(port.map_or(5060, |port| 40_000 + port));
                let from = "10.0.0.66:6666".parse().expect("an address");
                Datagram { from, to, transport: Transport::Udp, bytes: bytes.clone() }
            }
            _ => return None,
        })
    }
}

/// A request inside the dialog of some message.
fn wrong(
    datagram: &Datagram,
    method: &Method,
    seq: i8,
    body: Option<&Datagram>,
    swapped: bool,
    serial: usize,
) -> Option<Datagram> {
    let message = Message::parse(&datagram.bytes).ok()?;
    let old = message.headers();
    let (from, to) = if swapped { (datagram.to, datagram.from) } else { (datagram.from, datagram.to) };
    let (mut ours, mut theirs) = (old.get("From")?, old.get("To")?);
    if swapped {
        (ours, theirs) = (theirs, ours);
    }
    let number = old.cseq().ok()?.seq.saturating_add_signed(seq.into());
    let mut request = Request::new(method.clone(), format!("sip:phone@{to}").parse().ok()?);
    request.headers.push("Via", format!("SIP/2.0/{} {from};branch=z9hG4bKwrong{serial}", datagram.transport));
    request.headers.push("Max-Forwards", "70");
    request.headers.push("From", ours);
    request.headers.push("To", theirs);
    request.headers.push("Call-ID", old.get("Call-ID")?);
    request.headers.push("CSeq", format!("{number} {method}"));
    request.headers.push("Contact", format!("<sip:phone@{from}>"));
    match method {
        Method::Refer => request.headers.push("Refer-To", format!("<sip:phone@{to}>")),
        Method::Prack => request.headers.push("RAck", format!("1 {number} INVITE")),
        Method::Notify | Method::Subscribe => {
            request.headers.push("Event", "refer");
            request
                .headers
                .push("Subscription-State", if seq % 2 == 0 { "active" } else { "terminated;reason=noresource" });
        }
        _ => {}
    }
    if *method == Method::Notify {
        request.headers.push("Content-Type", "message/sipfrag");
        request.body = b"SIP/2.0 200 OK\r\n".to_vec();
    } else if let Some(body) = body.and_then(|body| Message::parse(&body.bytes).ok()) {
        if let Some(content) = body.headers().get("Content-Type") {
            request.headers.push("Content-Type", content);
        }
        request.body = body.body().to_vec();
    }
    Some(Datagram { from, to, transport: datagram.transport, bytes: request.to_bytes() })
}
