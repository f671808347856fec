//! MIKEY from somebody who has no key, and from somebody who has one and writes what they like.

use crate::dice::{Dice, damaged, env};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_keying::mikey::derive::{CsbLabel, TransportKeys, hmac_sha1};
use keyphone_keying::mikey::transport::{aes_cm, aes_kw_unwrap, aes_kw_wrap};
use keyphone_keying::mikey::wire::{
    Draft, EncrAlg, Hdr, Id, Kemac, MacAlg, Message, Payload, Rand, T, V, from_base64, key_data, key_mgmt,
};
use keyphone_keying::mikey::{Mikey, Tolerances};
use keyphone_keying::workbench::decode::{Field, Keys, decode};
use keyphone_keying::workbench::diagnose::{Evidence, diagnose};
use keyphone_keying::workbench::input::{Carrier, Found, Place};
use keyphone_keying::workbench::lint::lint;
use keyphone_keying::workbench::open::{Secrets, open};
use keyphone_keying::workbench::stream::{First, first};
use keyphone_keying::{
    Ask, Dir, Error, Hop, Identity, Input, Keying, Level, Line, Lines, Offered, Output, Policy, Psk, PskStore, Refusal,
    Session, Stream,
};
use keyphone_media::rtp::Ssrc;
use std::time::Duration;

/// A message is read, shown and written without a difference; whoever does not hold the key gets none out of us, in an
/// offer, in an answer, or with a message of the peer that was damaged; whoever holds it may write anything and gets
/// keys for the streams that there are, or an error.
pub fn mikey(data: &[u8]) {
    for tolerances in [Tolerances::none(), Tolerances::interop()] {
        if let Ok(message) = Message::read(data, tolerances) {
            read(&message, data);
        }
    }
    shown(data);
    judged(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Message::from_key_mgmt(text, Tolerances::interop());
        let _ = Message::from_key_mgmt(&format!("mikey {text}"), Tolerances::none());
    }
    let _ = (key_data::read_keys(data), key_data::read_id_and_keys(data));
    SECRET.with(|call| without_the_key(data, call));
    BETRAYED.with(|call| with_the_key(data, call));
}

fn read(message: &Message, data: &[u8]) {
    assert_eq!(message.bytes(), data);
    let _ = (message.clear_keys(), format!("{message:?}"), message.one::<Rand>());
    for covered in [message.before_mac(), message.before_ver_data(), message.before_signature()].into_iter().flatten() {
        assert!(data.starts_with(covered));
    }
    let draft = message.parts().iter().fold(Draft::new(message.hdr()), |draft, part| draft.push(part.payload.clone()));
    let rewritten = draft.finish();
    if message.complete().is_ok() {
        let rewritten = rewritten.unwrap_or_else(|error| panic!("{error}\n{message:?}"));
        assert_eq!(rewritten.hdr(), message.hdr());
        let payloads = |m: &Message| m.parts().iter().map(|part| part.payload.clone()).collect::<Vec<_>>();
        assert_eq!(payloads(&rewritten), payloads(message));
        let value = rewritten.to_key_mgmt();
        let octets = key_mgmt(&value).map(from_base64).expect("we wrote mikey").expect("we wrote base64");
        assert_eq!(&octets[..], rewritten.bytes());
    }
}

/// The workbench judges and opens whatever there is, and points at octets that are there.
fn judged(data: &[u8]) {
    let found = [(); 2].map(|()| Found::octets(data, Carrier::Unknown, Place::default()));
    for linted in lint(&found, None) {
        assert!(linted.findings.iter().all(|finding| finding.offset <= data.len()), "{linted}");
    }
    let secrets = Secrets { psk: Psk::new(data.iter().rev().copied().take(16).collect()), ..Secrets::default() };
    let _ = open(&found, &secrets);
    let _ = diagnose(&found, &Evidence::default());
    if let First::Whole(len) = first(data) {
        assert!((1..=data.len()).contains(&len));
    }
}

/// The workbench shows every octet once.
fn shown(data: &[u8]) {
    for keys in [Keys::Hidden, Keys::Shown] {
        let Ok(decoded) = decode(data, Tolerances::interop(), keys) else { continue };
        assert!(!decoded.to_string().is_empty() && decoded.to_json().is_array());
        let message = &decoded.messages[0];
        if data.first() != Some(&1) || message.fields.is_empty() {
            continue;
        }
        let end = leaves(&message.fields).fold(0, |at, field| {
            assert_eq!(field.offset, at, "{}\n{decoded}", field.name);
            at + field.length
        });
        assert_eq!(end, data.len(), "{decoded}");
    }
}

fn leaves(fields: &[Field]) -> Box<dyn Iterator<Item = &Field> + '_> {
    Box::new(fields.iter().flat_map(|field| match field.fields.is_empty() {
        true => Box::new(std::iter::once(field)),
        false => leaves(&field.fields),
    }))
}

/// Alice calls bob: her message, what she keeps, and his answer.
struct Call {
    offer: Lines,
    offered: Box<dyn Offered>,
    answer: Lines,
}

impl Call {
    fn new(psk: &Psk16) -> Self {
        let (offer, offered) = Side::new(ALICE, BOB, psk, 0xa11ce).offer();
        let (answer, _) = bob(psk).answer(&offer).0.unwrap_or_else(|refusal| panic!("bob refuses: {}", refusal.error));
        let (result, out) = hear(&*offered, &answer);
        assert!(result.is_ok() && out.iter().any(|output| matches!(output, Output::Expect(..))), "{out:?}");
        Self { offer, offered, answer }
    }
}

// Each is made once, for it is always the same.
thread_local! {
    static SECRET: Call = Call::new(&SECRET_KEY);
    static BETRAYED: Call = Call::new(&BETRAYED_KEY);
}

fn without_the_key(data: &[u8], Call { offer, offered, answer }: &Call) {
    let (genuine, told) = (bytes(answer), bytes(offer));
    let single = &data[..data.len().min(3)];
    for stranger in [data.to_vec(), damaged(&genuine, data), damaged(&genuine, single)] {
        if stranger != genuine {
            let lines = lines(Level::Session, &stranger);
            let _ = (offered.hint(&lines), offered.refused(&lines));
            let (result, out) = hear(&**offered, &lines);
            assert!(result.is_err() && !gave_keys(&out), "{out:?}");
        }
    }
    let mut bob = bob(&SECRET_KEY);
    for stranger in [data.to_vec(), damaged(&told, data), damaged(&told, single)] {
        if stranger != told {
            let (refused, out) = bob.answer(&lines(Level::Media(0), &stranger));
            assert!(refused.is_err() && !gave_keys(&out), "{out:?}");
        }
    }
    // What a stranger sends before does not spoil what alice sends after, which counts once.
    let (result, out) = bob.answer(offer);
    assert!(result.is_ok() && keys(&out) == 2, "{out:?}");
    let (replayed, out) = bob.answer(offer);
    assert!(replayed.is_err() && !gave_keys(&out), "{out:?}");
}

fn with_the_key(data: &[u8], Call { offer, offered, .. }: &Call) {
    let Ok(message) = Message::read(data, Tolerances::none()) else { return };
    if let Some(offer) = as_offer(&message) {
        for side in [bob(&BETRAYED_KEY), bob(&BETRAYED_KEY).lenient()] {
            let (result, out) = { side }.answer(&lines(Level::Session, offer.bytes()));
            assert!(keys(&out) <= 2, "{out:?}");
            assert_eq!(result.is_ok(), gave_keys(&out), "{out:?}");
        }
    }
    if let Some(answer) = as_answer(&message, offer) {
        let (result, out) = hear(&**offered, &lines(Level::Session, answer.bytes()));
        assert!(keys(&out) == 0 && (result.is_ok() || !gave_keys(&out)), "{out:?}");
    }
}

/// The message as its payloads say, from somebody who has the key: what stands in KEMAC is encrypted, the MAC and the
/// time are right.
fn as_offer(message: &Message) -> Option<Message> {
    let rand = message.maybe::<Rand>().ok()??.0.clone();
    let hdr = message.hdr();
    let keys = TransportKeys::new(&BETRAYED_KEY, &CsbLabel { csb_id: hdr.csb_id, rand });
    let (kemac, t) = (message.one::<Kemac>().ok()?, at_the_time(message.one::<T>().ok()?));
    let data = match kemac.encr_alg {
        EncrAlg::AesCm128 => aes_cm(&keys, hdr.csb_id, t.octets(), &kemac.encr_data),
        EncrAlg::AesKw128 => {
            let wrapped = aes_kw_wrap(&keys, &kemac.encr_data)?;
            assert_eq!(aes_kw_unwrap(&keys, &wrapped).as_ref(), Some(&kemac.encr_data));
            wrapped.into()
        }
        EncrAlg::Null | EncrAlg::Unknown(_) => kemac.encr_data.clone(),
    };
    let unsealed = payloads(Draft::new(hdr), message, t).kemac(kemac.encr_alg, data, MacAlg::HmacSha1_160);
    let mac = hmac_sha1(&keys.auth, &[unsealed.covered()]);
    unsealed.seal(&mac).ok()
}

/// The message as an answer to our offer, in which Ver data is right.
fn as_answer(message: &Message, offer: &Lines) -> Option<Message> {
    let init = Message::read(&bytes(offer), Tolerances::none()).expect("we read what we write");
    let (t, rand) = (*init.one::<T>().expect("it has T"), init.one::<Rand>().expect("it has RAND").0.clone());
    let csb_id = init.hdr().csb_id;
    let keys = TransportKeys::new(&BETRAYED_KEY, &CsbLabel { csb_id, rand });
    message.one::<V>().ok()?;
    let hdr = Hdr { csb_id, ..message.hdr().clone() };
    let unsealed = payloads(Draft::new(&hdr), message, t).v(MacAlg::HmacSha1_160);
    let id = |m: &Message, n| m.many::<Id>().nth(n).map(|id| id.data.clone());
    let (idi, idr) = (id(&init, 0).unwrap_or_default(), id(message, 0).or(id(&init, 1)).unwrap_or_default());
    let mac = hmac_sha1(&keys.auth, &[unsealed.covered(), &idi, &idr, &t.octets()]);
    unsealed.seal(&mac).ok()
}

/// All payloads but those that end a message.
fn payloads(draft: Draft, message: &Message, t: T) -> Draft {
    message.parts().iter().fold(draft, |draft, part| match &part.payload {
        Payload::T(_) => draft.push(t),
        Payload::Kemac(_) | Payload::V(_) | Payload::Sign(_) => draft,
        other => draft.push(other.clone()),
    })
}

fn at_the_time(t: &T) -> T {
    match t {
        T::NtpUtc(_) => T::NtpUtc(env(&mut Dice(0)).now.ntp.0),
        other => *other,
    }
}

type Psk16 = [u8; 16];

/// Nothing is ever made with it but one call, so no fuzzer can learn what another message would look like.
const SECRET_KEY: Psk16 = *b"sixteen octets!!";
/// What the input says is signed with it.
const BETRAYED_KEY: Psk16 = *b"known to many...";

const ALICE: &str = "sip:alice@example.org";
const BOB: &str = "sip:bob@example.org";

fn bob(psk: &Psk16) -> Side {
    Side::new(BOB, ALICE, psk, 0xb0b)
}

/// One end of a call.
pub(crate) struct Side {
    mikey: Mikey,
    me: Identity,
    named: Identity,
    policy: Policy,
    streams: [Stream; 2],
    dice: Dice,
}

type Agreement = (Lines, Box<dyn Session>);

impl Side {
    pub(crate) fn new(me: &str, named: &str, psk: &[u8], ssrc: u32) -> Self {
        let mut psks = PskStore::default();
        psks.insert(None, Psk::new(psk.to_vec()).expect("it is not empty"));
        let streams = [(Dir::Send, Some(Ssrc(ssrc))), (Dir::Hear, None)];
        Self {
            mikey: Mikey::new(psks, crate::dice::at(Duration::ZERO).ntp),
            me: Identity::new(me),
            named: Identity::new(named),
            policy: Policy::default(),
            streams: streams.map(|(dir, ssrc)| Stream { line: 0, dir, ssrc, roc: 0 }),
            dice: Dice(ssrc.into()),
        }
    }

    /// Lets pass what policy can let pass, but for a missing MAC.
    fn lenient(mut self) -> Self {
        self.policy.mikey.tolerances = Tolerances::interop();
        self.policy.mikey.allow_null_encryption = true;
        self.policy.mikey.allow_counter = true;
        self
    }

    pub(crate) fn offer(&mut self) -> (Lines, Box<dyn Offered>) {
        let Self { mikey, me, named, policy, streams, dice } = self;
        let ask = Ask { hop: Hop::Clear, me, named, streams, policy };
        mikey.offer(&ask, &mut env(dice), &mut vec![]).expect("it has a key and a policy")
    }

    pub(crate) fn answer(&mut self, offer: &Lines) -> (Result<Agreement, Refusal>, Vec<Output>) {
        let Self { mikey, me, named, policy, streams, dice } = self;
        let ask = Ask { hop: Hop::Clear, me, named, streams, policy };
        let mut out = vec![];
        (mikey.answer(&ask, offer, &mut env(dice), &mut out), out)
    }
}

fn hear(offered: &dyn Offered, answer: &Lines) -> (Result<(), Error>, Vec<Output>) {
    let mut out = vec![];
    let result = offered.session().handle(Input::Answer(answer), &mut env(&mut Dice(0)), &mut out);
    (result, out)
}

fn lines(level: Level, message: &[u8]) -> Lines {
    let value = format!("mikey {}", STANDARD.encode(message));
    Lines(vec![Line { level, name: "key-mgmt".into(), value }])
}

fn bytes(lines: &Lines) -> Vec<u8> {
    let data = key_mgmt(&lines.0[0].value).map(from_base64);
    data.expect("we wrote mikey").expect("we wrote base64").to_vec()
}

fn keys(out: &[Output]) -> usize {
    out.iter().filter(|output| matches!(output, Output::Key(_))).count()
}

fn gave_keys(out: &[Output]) -> bool {
    out.iter().any(|output| matches!(output, Output::Key(_) | Output::Expect(..)))
}
