//! The modes of MIKEY beside the pre-shared key one: a message of somebody who is nobody, and one of somebody who has
//! the key or the certificate and writes what they like.
//!
//! The first octet says which mode it is about; the rest is a message, or how a good one is damaged.

use crate::dice::{Dice, at, damaged, env};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyphone_keying::crypto::{Envelope, PrivateKey, PublicKey};
use keyphone_keying::mikey::derive::{CsbLabel, TransportKeys, hmac_sha1};
use keyphone_keying::mikey::modes::rsar::signed_behind;
use keyphone_keying::mikey::transport::aes_cm;
use keyphone_keying::mikey::wire::{
    DhGroup, Draft, EncrAlg, Hdr, Id, Kemac, MacAlg, Message, Payload, Pke, Rand, T, from_base64, key_mgmt,
};
use keyphone_keying::mikey::{Mikey, MikeyPolicy, ModeName, Tolerances, signing};
use keyphone_keying::{
    Ask, CertStore, Certificate, Credentials, Dir, Error, Hop, Identity, Input, Keying, Level, Line, Lines, Offered,
    Output, Policy, Psk, PskStore, Refusal, Session, Stream,
};
use keyphone_media::rtp::Ssrc;
use std::time::Duration;

/// Nobody gets a key out of us, in any mode, by a message that is damaged; whoever has the key or the certificate may
/// write anything and gets keys for the streams that there are, or an error.
pub fn modes(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else { return };
    let n = usize::from(which) % MODES.len();
    CALLS.with(|calls| {
        let call = &calls[n];
        without_the_key(data, call);
        if let Ok(message) = Message::read(data, Tolerances::none()) {
            with_the_key(&message, call);
        }
    });
}

const MODES: [ModeName; 4] = [ModeName::Rsa, ModeName::RsaR, ModeName::DhSign, ModeName::DhHmac];

/// Alice calls bob: her message, what she keeps, and his answer.
struct Call {
    mode: ModeName,
    offer: Message,
    offered: Box<dyn Offered>,
    answer: Message,
}

impl Call {
    fn new(mode: ModeName) -> Self {
        let (offer, offered) = Side::new(mode, ALICE, BOB, 0xa11ce).offer();
        let (result, _) = Side::new(mode, BOB, ALICE, 0xb0b).answer(&offer);
        let (answer, _) = result.unwrap_or_else(|refusal| panic!("{mode}: bob refuses: {}", refusal.error));
        let call = Self { mode, offer: message(&offer), offered, answer: message(&answer) };
        let (result, _) = call.hear(call.answer.bytes());
        result.unwrap_or_else(|error| panic!("{mode}: alice refuses: {error}"));
        call
    }

    fn bob(&self) -> Side {
        Side::new(self.mode, BOB, ALICE, 0xb0b)
    }

    fn hear(&self, answer: &[u8]) -> (Result<(), Error>, Vec<Output>) {
        let (mut session, mut out) = (self.offered.session(), vec![]);
        let result = session.handle(Input::Answer(&lines(answer)), &mut env(&mut Dice(0)), &mut out);
        (result, out)
    }
}

// Each is made once, for it is always the same.
thread_local! {
    static CALLS: [Call; MODES.len()] = MODES.map(Call::new);
}

fn without_the_key(data: &[u8], call: &Call) {
    let single = &data[..data.len().min(3)];
    let (offer, answer) = (call.offer.bytes(), call.answer.bytes());
    for stranger in [damaged(answer, data), damaged(answer, single)] {
        if stranger != answer {
            let (result, out) = call.hear(&stranger);
            assert!(result.is_err() && !gave_keys(&out), "{}: {out:?}", call.mode);
        }
    }
    let mut bob = call.bob();
    for stranger in [damaged(offer, data), damaged(offer, single)] {
        if stranger != offer {
            let (refused, out) = bob.answer(&lines(&stranger));
            assert!(refused.is_err() && !gave_keys(&out), "{}: {out:?}", call.mode);
        }
    }
}

fn with_the_key(message: &Message, call: &Call) {
    if let Some(offer) = as_offer(message, call) {
        let (result, out) = call.bob().answer(&lines(offer.bytes()));
        assert_eq!(result.is_ok(), gave_keys(&out), "{}: {out:?}", call.mode);
    }
    if let Some(answer) = as_answer(message, call) {
        let (result, out) = call.hear(answer.bytes());
        assert!(result.is_ok() || !gave_keys(&out), "{}: {out:?}", call.mode);
    }
}

/// The message as its payloads say, from alice: at the time, and sealed as the mode wants it.
fn as_offer(message: &Message, call: &Call) -> Option<Message> {
    let t = T::NtpUtc(env(&mut Dice(0)).now.ntp.0);
    let hdr = Hdr { data_type: call.mode.init(), ..message.hdr().clone() };
    let csb = CsbLabel { csb_id: hdr.csb_id, rand: message.many::<Rand>().next()?.0.clone() };
    let draft = payloads(Draft::new(&hdr), message, t, (call.mode == ModeName::Rsa).then_some((&csb, BOB)))?;
    match call.mode {
        ModeName::DhHmac => authenticated(draft, &csb),
        _ => signed(draft, ALICE, &[]),
    }
}

/// The message as bob's answer to our offer.
fn as_answer(message: &Message, call: &Call) -> Option<Message> {
    let (init, t) = (&call.offer, *call.offer.one::<T>().ok()?);
    let csb = CsbLabel { csb_id: init.hdr().csb_id, rand: init.one::<Rand>().ok()?.0.clone() };
    let hdr = Hdr { data_type: call.mode.resp(), csb_id: csb.csb_id, ..message.hdr().clone() };
    let sealed = (call.mode == ModeName::RsaR).then_some((&csb, ALICE));
    let draft = payloads(Draft::new(&hdr), message, t, sealed)?;
    let (idi, idr) = (init.many::<Id>().next(), message.many::<Id>().next());
    match call.mode {
        ModeName::DhHmac => authenticated(draft, &csb),
        ModeName::RsaR => signed(draft, BOB, &[&signed_behind(idi, idr, t)]),
        ModeName::DhSign => signed(draft, BOB, &[]),
        _ => {
            let bob = PrivateKey::read(files(BOB)[1]).ok()?;
            let secret = bob.open(Envelope::Pkcs1, &init.one::<Pke>().ok()?.data, b"it opens".to_vec().into());
            let keys = TransportKeys::new(&secret, &csb);
            let unsealed = draft.v(MacAlg::HmacSha1_160);
            let idr = idr.or(init.many::<Id>().nth(1));
            let behind = signed_behind(idi, idr, t);
            let mac = hmac_sha1(&keys.auth, &[unsealed.covered(), &behind]);
            unsealed.seal(&mac).ok()
        }
    }
}

/// All payloads but those that end a message. In place of KEMAC and PKE stands an envelope for somebody, in which is what
/// KEMAC held.
fn payloads(mut draft: Draft, message: &Message, t: T, sealed: Option<(&CsbLabel, &str)>) -> Option<Draft> {
    for part in message.parts() {
        draft = match &part.payload {
            Payload::T(_) => draft.push(t),
            Payload::V(_) | Payload::Sign(_) | Payload::Pke(_) => draft,
            Payload::Kemac(kemac) => match sealed {
                None => draft,
                Some((csb, to)) => {
                    let keys = TransportKeys::new(b"an envelope key.", csb);
                    let encr_data = aes_cm(&keys, csb.csb_id, t.octets(), &kemac.encr_data);
                    let (encr_alg, mac_alg) = (EncrAlg::AesCm128, MacAlg::HmacSha1_160);
                    let mut kemac = Kemac { encr_alg, encr_data, mac_alg, mac: vec![] };
                    kemac.mac = hmac_sha1(&keys.auth, &[&kemac.covered_alone().ok()?]).to_vec();
                    let key: PublicKey = certificate(to).key().ok()?.clone();
                    let cache = message.many::<Pke>().next().map_or(0.into(), |pke| pke.cache);
                    let data = key.encrypt(Envelope::Pkcs1, b"an envelope key.").ok()?;
                    draft.push(kemac).push(Pke { cache, data })
                }
            },
            other => draft.push(other.clone()),
        };
    }
    Some(draft)
}

fn authenticated(draft: Draft, csb: &CsbLabel) -> Option<Message> {
    let keys = TransportKeys::new(&PSK, csb);
    let unsealed = draft.kemac(EncrAlg::Null, vec![].into(), MacAlg::HmacSha1_160);
    let mac = hmac_sha1(&keys.auth, &[unsealed.covered()]);
    unsealed.seal(&mac).ok()
}

fn signed(draft: Draft, who: &str, behind: &[&[u8]]) -> Option<Message> {
    signing::sign(draft, store(who).signer().ok()?, &MikeyPolicy::default(), behind).ok()
}

const PSK: [u8; 16] = *b"sixteen octets!!";
const ALICE: &str = "sip:alice@example.org";
const BOB: &str = "sip:bob@example.org";

/// The certificate and the key of one of them.
fn files(who: &str) -> [&'static [u8]; 2] {
    if who == ALICE {
        [
            include_bytes!("../../../keying/tests/data/certs/alice.pem"),
            include_bytes!("../../../keying/tests/data/certs/alice.key"),
        ]
    } else {
        [
            include_bytes!("../../../keying/tests/data/certs/bob.pem"),
            include_bytes!("../../../keying/tests/data/certs/bob.key"),
        ]
    }
}

fn certificate(who: &str) -> Certificate {
    Certificate::read(files(who)[0]).expect("it is one").remove(0)
}

/// What one of them holds: alice, bob's certificate too.
fn store(who: &str) -> CertStore {
    let mut store = CertStore::default();
    let ca = include_bytes!("../../../keying/tests/data/certs/ca.pem");
    store.trust(Certificate::read(ca).expect("it is one").remove(0));
    let key = PrivateKey::read(files(who)[1]).expect("it is one");
    store.add_own(vec![certificate(who)], key).expect("they belong together");
    if who == ALICE {
        store.pin(Identity::new(BOB), certificate(BOB));
    }
    store
}

/// One end of a call.
struct Side {
    mikey: Mikey,
    me: Identity,
    named: Identity,
    policy: Policy,
    streams: [Stream; 2],
    dice: Dice,
}

/// What came of an offer.
type Answered = Result<(Lines, Box<dyn Session>), Refusal>;

impl Side {
    fn new(mode: ModeName, me: &str, named: &str, ssrc: u32) -> Self {
        let mut psks = PskStore::default();
        psks.insert(None, Psk::new(PSK.to_vec()).expect("it is not empty"));
        let certs = if mode == ModeName::DhHmac { CertStore::default() } else { store(me) };
        // The quickest group there is: it is not the arithmetic that is looked at.
        let group = DhGroup::Oakley1;
        let mikey = MikeyPolicy { offer: mode, accept: [mode].into(), group, ..MikeyPolicy::default() };
        let streams = [(Dir::Send, Some(Ssrc(ssrc))), (Dir::Hear, None)];
        Self {
            mikey: Mikey::new(Credentials { psks, certs }, at(Duration::ZERO).ntp),
            me: Identity::new(me),
            named: Identity::new(named),
            policy: Policy { mikey, ..Policy::default() },
            streams: streams.map(|(dir, ssrc)| Stream { line: 0, dir, ssrc, roc: 0 }),
            dice: Dice(ssrc.into()),
        }
    }

    fn offer(&mut self) -> (Lines, Box<dyn Offered>) {
        let Self { mikey, me, named, policy, streams, dice } = self;
        let ask = Ask { hop: Hop::Clear, me, named, streams, policy };
        mikey.offer(&ask, &mut env(dice), &mut vec![]).unwrap_or_else(|error| panic!("{error}"))
    }

    fn answer(&mut self, offer: &Lines) -> (Answered, Vec<Output>) {
        let Self { mikey, me, named, policy, streams, dice } = self;
        let ask = Ask { hop: Hop::Clear, me, named, streams, policy };
        let mut out = vec![];
        (mikey.answer(&ask, offer, &mut env(dice), &mut out), out)
    }
}

fn lines(message: &[u8]) -> Lines {
    let value = format!("mikey {}", STANDARD.encode(message));
    Lines(vec![Line { level: Level::Session, name: "key-mgmt".into(), value }])
}

fn message(lines: &Lines) -> Message {
    let data = key_mgmt(&lines.0[0].value).map(from_base64).expect("we wrote mikey").expect("we wrote base64");
    Message::read(&data, Tolerances::none()).expect("we read what we write")
}

fn gave_keys(out: &[Output]) -> bool {
    out.iter().any(|output| matches!(output, Output::Key(_) | Output::Expect(..)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_keying::mikey::wire::{KeyData, KeyKind, Kv, Secret, key_data};

    /// The message with what its KEMAC seals in clear: as a fuzzer writes it.
    fn in_clear(message: &Message, sender: &str) -> Message {
        let key = KeyData { kind: KeyKind::Tgk, key: Secret::new(vec![7; 16]), salt: None, kv: Kv::Null };
        let plain = key_data::write_keys(Some(&Id::uri(sender)), &[key]).unwrap();
        let payloads = message.parts().iter().map(|part| match &part.payload {
            Payload::Kemac(kemac) => Payload::Kemac(Kemac { encr_data: plain.clone(), ..kemac.clone() }),
            other => other.clone(),
        });
        payloads.fold(Draft::new(message.hdr()), Draft::push).finish().unwrap()
    }

    #[test]
    fn what_is_sealed_for_the_fuzzer_is_taken_if_it_is_good() {
        CALLS.with(|calls| {
            for call in calls {
                let offer = as_offer(&in_clear(&call.offer, ALICE), call).unwrap();
                let (result, out) = call.bob().answer(&lines(offer.bytes()));
                let error = result.err().map(|refusal| refusal.error);
                assert_eq!((error, gave_keys(&out)), (None, true), "{}", call.mode);
                let answer = as_answer(&in_clear(&call.answer, BOB), call).unwrap();
                let (result, _) = call.hear(answer.bytes());
                assert_eq!(result, Ok(()), "{}", call.mode);
            }
        });
    }

    /// The seeds are these messages. `KEYPHONE_WRITE_SEEDS=/path/to/fuzz/seeds/modes` writes them anew, for when the
    /// messages have changed.
    #[test]
    fn good_messages_and_damage_to_them_make_seeds() {
        let directory = std::env::var_os("KEYPHONE_WRITE_SEEDS").map(std::path::PathBuf::from);
        for (n, call) in (0u8..).zip(MODES.map(Call::new)) {
            for (kind, message) in [("i", in_clear(&call.offer, ALICE)), ("r", in_clear(&call.answer, BOB))] {
                let seed = [&[n], message.bytes()].concat();
                modes(&seed);
                modes(&[n, 0, 100, 1, 0, 200, 0]);
                if let Some(directory) = &directory {
                    let name = format!("{}_{kind}", call.mode.to_string().trim_start_matches("mikey-"));
                    std::fs::write(directory.join(name), seed).unwrap();
                }
            }
        }
    }
}
