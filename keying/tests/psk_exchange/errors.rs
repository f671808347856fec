//! Every error number of MIKEY: which fault of a peer's gets it, and what is made of it when a peer sends it
//! (RFC 3830 sections 5.1.2 and 6.12, RFC 4738 section 3.9.2).

use crate::support::*;
use keyphone_keying::Error;
use keyphone_keying::mikey::wire::{
    DataType, Draft, ErrorNo, Hdr, Id, IdType, KeyData, KeyKind, Kv, Param, Prf, ProtType, Secret, Sp, SrtpParam, T,
};

fn tgk() -> KeyData {
    KeyData { kind: KeyKind::Tgk, key: Secret::new(vec![0x77; 16]), salt: None, kv: Kv::Null }
}

fn sp(prot_type: ProtType, param: SrtpParam, value: u8) -> Sp {
    Sp { policy_no: 0, prot_type, params: vec![Param::new(param, value)] }
}

/// Their message with a payload that nobody knows how to read in front of its KEMAC.
fn with(number: u8, octets: &[u8]) -> Vec<u8> {
    let message = Foreign::new(vec![tgk()]).message();
    let parts = message.parts();
    let [.., before, kemac] = parts else { panic!() };
    let mut bytes = message.bytes()[..kemac.range.start].to_vec();
    bytes[before.range.start] = number;
    bytes.push(1); // KEMAC follows
    bytes.extend(octets);
    bytes.extend(&message.bytes()[kemac.range.clone()]);
    bytes
}

/// A message with this fault, and whether the right key has sealed it.
fn faulty(number: ErrorNo) -> Option<Vec<u8>> {
    let good = || Foreign::new(vec![tgk()]);
    let foreign = match number {
        ErrorNo::AuthFailure => {
            let mut bytes = good().message().bytes().to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            return Some(bytes);
        }
        ErrorNo::InvalidTs => Foreign { t: T::NtpUtc(at(1000).ntp.0), ..good() },
        ErrorNo::InvalidPrf => Foreign { prf: Prf::Unknown(5), ..good() },
        ErrorNo::InvalidMac => return Some(with(9, &[7, 1, 2, 3])), // V of Auth alg 7
        ErrorNo::InvalidEa => {
            let mut bytes = good().message().bytes().to_vec();
            let kemac = good().message().parts().last().unwrap().range.start;
            bytes[kemac + 1] = 9;
            return Some(bytes);
        }
        ErrorNo::InvalidHa => return Some(with(8, &[9, 1, 2, 3])), // CHASH of Hash func 9
        ErrorNo::InvalidDh => return Some(with(3, &[77, 1, 2, 3])), // DH of group 77
        ErrorNo::InvalidId => {
            let id = Id { id_type: IdType::Unknown(9), data: b"alice".to_vec() };
            let mut foreign = good();
            foreign.payloads[0] = id.into();
            foreign
        }
        ErrorNo::InvalidSp => {
            Foreign { payloads: plus(good(), sp(ProtType::Unknown(4), SrtpParam::TagLen, 10)), ..good() }
        }
        ErrorNo::InvalidSpPar => {
            Foreign { payloads: plus(good(), sp(ProtType::Srtp, SrtpParam::EncrAlg, 2)), ..good() }
        }
        ErrorNo::InvalidDt => Foreign { data_type: DataType::Unknown(77), ..good() },
        ErrorNo::Unspecified => Foreign::new(vec![tgk(), tgk()]),
        ErrorNo::UnsupportedMessage => return Some(with(99, &[1, 2, 3])),
        // Of certificates, which this method has none of: see tests/every_mode.
        ErrorNo::InvalidCert | ErrorNo::Unknown(_) => return None,
    };
    Some(foreign.message().bytes().to_vec())
}

fn plus(foreign: Foreign, sp: Sp) -> Vec<keyphone_keying::mikey::wire::Payload> {
    let mut payloads = foreign.payloads;
    payloads.push(sp.into());
    payloads
}

#[test]
fn each_fault_has_its_number_and_one_sentence_with_its_section() {
    for &number in ErrorNo::ALL {
        let Some(bytes) = faulty(number) else { continue };
        let (why, error) = pair().1.refuse(&lines(&bytes));
        let error = message(&error.unwrap_or_else(|| panic!("{number}: {why}")));
        assert_eq!(error.hdr().data_type, DataType::Error);
        assert_eq!(error.many::<ErrorNo>().collect::<Vec<_>>(), [&number], "{why}");
        let wire = why.starts_with("cannot be read: octet ");
        assert!(wire || why.contains("(RFC "), "{number}: {why}");
        assert!(!why.contains('\n') && why.len() < 300, "{number}: {why}");
        let said = *error.one::<T>().unwrap();
        assert!(said == T::NtpUtc(at(1).ntp.0) || number == ErrorNo::InvalidTs, "it names the message by its T");
    }
}

#[test]
fn each_number_that_a_peer_sends_is_shown_in_words_and_believed_by_nobody() {
    let (mut alice, _) = pair();
    let (offer, offered, _) = alice.offer();
    let init = message(&offer);
    for &number in ErrorNo::ALL.iter().chain(&[ErrorNo::Unknown(200)]) {
        let hdr = Hdr { data_type: DataType::Error, v: false, ..init.hdr().clone() };
        let error = Draft::new(&hdr).push(*init.one::<T>().unwrap()).push(number).finish().unwrap();
        let Some(hint @ Error::Hint(_)) = offered.refused(&lines(error.bytes())) else { panic!("{number}") };
        let text = hint.to_string();
        assert!(text.contains(number.text()) && text.contains("unauthenticated") && text.contains("RFC "), "{text}");
        let (result, out) = alice.told(&mut *offered.session(), &lines(error.bytes()));
        assert!(matches!(result, Err(Error::Hint(_))) && out.is_empty());
    }
}
