//! What an ear makes of a stranger's packets.

use crate::dice::{Dice, damaged, env};
use keyphone_media::rtcp::Compound;
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{DerivationRate, Heard, HeardRtcp, Ledger, MasterKey, Mki, Receiver, Sealed, Sender, Suite};

const US: Ssrc = Ssrc(1);
const PEER: Ssrc = Ssrc(2);

/// Nothing opens that the peer did not seal, and it leaves nothing behind; what the peer sealed opens afterwards all
/// the same, once. All tags here have 80 bits or more, so that no fuzzer finds one by chance.
pub fn srtp(data: &[u8]) {
    let mki = || Mki::new(&[7, 7]).expect("an MKI may have two octets");
    // Nothing was ever sealed under these, so no fuzzer can have seen it.
    for unheard in [key(3, CM), key(3, CM).with_mki(mki()), key(3, GCM)] {
        let mut us = Phone::new(&unheard, US, 1);
        us.refuses(data);
        us.is_untouched();
    }
    // Another epoch for each packet: what says that it is of one is derived for, and nothing is kept.
    let rate = DerivationRate::new(1).expect("a power of two");
    let gcm = || key(1, GCM).with_mki(mki());
    for key in [key(1, CM), key(1, CM).with_mki(mki()), gcm(), gcm().with_derivation_rate(rate)] {
        let (mut us, mut peer) = (Phone::new(&key, US, 1), Phone::new(&key, PEER, 2));
        let packet = peer.says(data);
        us.refuses_damaged(&packet, data);
        us.is_untouched();
        let payload = &data[..data.len().min(MAX_PAYLOAD)];
        let heard = us.ears.open(&mut us.ledger, &packet);
        assert!(matches!(heard, Heard::Frame { ssrc: PEER, frame, .. } if frame.payload == payload), "{heard:?}");
        assert_eq!(us.ears.open(&mut us.ledger, &packet), Heard::Replayed);
        let own = us.says(data);
        assert_eq!(us.ears.open(&mut us.ledger, &own), Heard::Reflected);
        let packet = peer.reports(data);
        us.refuses_damaged(&packet, data);
        match us.ears.open_rtcp(&mut us.ledger, &packet) {
            HeardRtcp::Compound { ssrc: PEER, bytes, .. } => {
                assert!(bytes.ends_with(payload));
                // An authentic peer may still write nonsense.
                let _ = Compound::parse(bytes).map(|compound| compound.packets().count());
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(us.ears.open_rtcp(&mut us.ledger, &packet), HeardRtcp::Replayed);
    }
}

/// So much fits into a packet beside header, MKI and tag.
const MAX_PAYLOAD: usize = Sealed::MAX_LEN - 64;

const CM: Suite = Suite::AesCm128HmacSha1_80;
const GCM: Suite = Suite::AeadAes256Gcm;

fn key(n: u8, suite: Suite) -> MasterKey {
    let (key, salt) = (vec![n; suite.key_len()], vec![2; suite.salt_len()]);
    MasterKey::new(&key, &salt, suite).expect("a key of the suite's lengths")
}

struct Phone {
    ledger: Ledger,
    mouth: Sender,
    ears: Receiver,
}

impl Phone {
    fn new(key: &MasterKey, ssrc: Ssrc, seed: u64) -> Self {
        let mut ledger = Ledger::default();
        let mouth = ledger.bind(key, ssrc).expect("nobody has it yet").sender(&mut env(&mut Dice(seed)));
        let mut ears = Receiver::default();
        ears.add(key);
        Self { ledger, mouth, ears }
    }

    fn says(&mut self, payload: &[u8]) -> Vec<u8> {
        let payload = &payload[..payload.len().min(MAX_PAYLOAD)];
        let frame = Frame { payload_type: 0, marker: false, timestamp: 160, payload };
        self.mouth.seal(&mut self.ledger, frame).expect("it fits").bytes().to_vec()
    }

    /// A compound that begins with a report of ours and goes on as it likes.
    fn reports(&mut self, more: &[u8]) -> Vec<u8> {
        let more = &more[..more.len().min(MAX_PAYLOAD)];
        let compound = [&[0x80, 201, 0, 1], &self.mouth.ssrc().0.to_be_bytes()[..], more].concat();
        self.mouth.seal_rtcp(&mut self.ledger, &compound).expect("it fits").bytes().to_vec()
    }

    fn refuses(&mut self, packet: &[u8]) {
        assert_eq!(self.ears.open(&mut self.ledger, packet), Heard::Refused);
        assert_eq!(self.ears.open_rtcp(&mut self.ledger, packet), HeardRtcp::Refused);
    }

    fn refuses_damaged(&mut self, packet: &[u8], damage: &[u8]) {
        let single = &damage[..damage.len().min(3)];
        let longer = [packet, &damage[..damage.len().min(32)]].concat();
        for stranger in [damaged(packet, damage), damaged(packet, single), longer] {
            if stranger != packet {
                self.refuses(&stranger);
            }
        }
    }

    /// No SSRC is followed, and the book holds none but our own.
    fn is_untouched(&self) {
        assert!(format!("{:?}", self.ears).contains("sources: 0"), "{:?}", self.ears);
        assert!(format!("{:?}", self.ledger).contains("ssrcs: 1"), "{:?}", self.ledger);
        assert_eq!(self.ears.roc(PEER), None);
    }
}
