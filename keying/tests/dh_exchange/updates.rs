//! Updates of a bundle (RFC 3830 section 4.5, RFC 4650 section 3.1). That new keys are heard and spoken with is the
//! socket's test; here is what the messages say.

use crate::support::*;
use keyphone_keying::mikey::wire::{Cert, Dh, Id, Kv, Message, Param, ProtType, Rand, Sp, SrtpParam, T};
use keyphone_keying::{Output, Session};

/// A call that is answered, and its first message.
struct Call {
    kind: Kind,
    alice: (Side, Box<dyn Session>),
    bob: (Side, Box<dyn Session>),
    first: Message,
}

impl Call {
    fn new(kind: Kind) -> Self {
        Self::with(kind, |_| {})
    }

    /// Alice's first message is changed so.
    fn with(kind: Kind, change: impl FnOnce(&mut Forged)) -> Self {
        let (mut alice, mut bob) = pair(kind);
        let (offer, offered, _) = alice.offer();
        let first = message(&offer);
        let mut forged = Forged::of(kind, ALICE, &first, &first);
        change(&mut forged);
        let (answer, theirs, _) = bob.accept(&forged.lines());
        let mut ours = offered.session();
        // Where it was changed, alice does not know of it: then only bob is of use.
        let _ = alice.told(&mut *ours, &answer);
        Self { kind, alice: (alice, ours), bob: (bob, theirs), first }
    }

    fn forged(&self, update: &Message) -> Forged {
        Forged::of(self.kind, ALICE, update, &self.first)
    }

    fn update(&mut self) -> Forged {
        let update = message(&self.alice.0.offer_again(&mut *self.alice.1).0);
        self.forged(&update)
    }

    fn refused(&mut self, forged: &Forged) -> String {
        let (result, out) = self.bob.0.answer_again(&mut *self.bob.1, &forged.lines());
        assert!(keys(&out).is_empty(), "{out:?}");
        let Err(refusal) = result else { panic!("accepted") };
        refusal.error.to_string()
    }
}

#[test]
fn an_update_has_new_halves_and_leaves_out_what_was_said_before() {
    for kind in Kind::BOTH {
        let mut call = Call::new(kind);
        let names = |m: &Message| m.parts().iter().map(|part| part.payload.name()).collect::<Vec<_>>().join(" ");
        let offer = call.alice.0.offer_again(&mut *call.alice.1).0;
        let update = message(&offer);
        let (result, theirs) = call.bob.0.answer_again(&mut *call.bob.1, &offer);
        let answer = result.unwrap_or_else(|refusal| panic!("{}", refusal.error));
        let seal = if kind == Kind::Hmac { "KEMAC" } else { "SIGN" };
        assert_eq!(names(&update), format!("T ID ID General Ext. DH {seal}"));
        assert_eq!(names(&message(&answer)), format!("T ID ID DH DH {seal}"));
        assert!(update.many::<Rand>().next().is_none() && update.many::<Cert>().next().is_none());
        assert_eq!(update.hdr().csb_id, call.first.hdr().csb_id);
        let half = |m: &Message| m.many::<Dh>().next().unwrap().value.clone();
        assert_ne!(half(&update), half(&call.first), "{kind:?}");
        let (result, ours) = call.alice.0.told(&mut *call.alice.1, &answer);
        result.unwrap();
        let (send, hear) = ways(&ours, 0);
        assert_eq!((hear, send), ways(&theirs, 0), "{kind:?}");
    }
}

#[test]
fn an_update_that_is_none_is_refused_and_the_next_one_is_taken() {
    type Change = fn(&mut Forged);
    let cases: [(&str, Change); 6] = [
        ("has a RAND", |f| f.payloads.push(Rand(vec![1; 16]).into())),
        ("is for CSB", |f| f.hdr.csb_id ^= 1),
        ("names sip:carol@example.org", |f| {
            let idi = f.find("ID", 0);
            f.payloads[idi] = Id::uri("sip:carol@example.org").into();
        }),
        ("names sip:carol@example.org", |f| {
            let idr = f.find("ID", 1);
            f.payloads[idr] = Id::uri("sip:carol@example.org").into();
        }),
        ("not later than its message before", |f| {
            let t = f.find("T", 0);
            f.payloads[t] = T::NtpUtc(at(1).ntp.0 - 5).into();
        }),
        ("not between 1 and p - 1", |f| {
            let dh = f.find("DH", 0);
            f.payloads[dh] = Dh { group: 1.into(), value: vec![0; 96], kv: Kv::Null }.into();
        }),
    ];
    for kind in Kind::BOTH {
        for (why, change) in cases {
            let mut call = Call::new(kind);
            let mut forged = call.update();
            change(&mut forged);
            let told = call.refused(&forged);
            assert!(told.contains(why), "{kind:?}, {why}: {told}");
            call.alice.0.rejected(&mut *call.alice.1);
            let offer = call.alice.0.offer_again(&mut *call.alice.1).0;
            call.bob.0.answer_again(&mut *call.bob.1, &offer).0.unwrap_or_else(|refusal| panic!("{}", refusal.error));
        }
    }
}

/// "Such a transaction does not change the actual TGK but updates other information" (RFC 4650 section 3.1).
#[test]
fn an_update_without_halves_keeps_the_keys_and_is_answered_without_halves() {
    for kind in Kind::BOTH {
        let mut call = Call::new(kind);
        let mut forged = call.update();
        forged.payloads.remove(forged.find("DH", 0));
        let (result, out) = call.bob.0.answer_again(&mut *call.bob.1, &forged.lines());
        let answer = result.unwrap_or_else(|refusal| panic!("{}", refusal.error));
        assert_eq!(message(&answer).many::<Dh>().count(), 0, "{kind:?}");
        assert!(keys(&out).is_empty() && out.iter().any(|output| matches!(output, Output::Peer(_))), "{out:?}");
        // Our own brings halves, and so must its answer.
        let why = call.alice.0.told(&mut *call.alice.1, &answer).0.unwrap_err().to_string();
        assert!(why.contains("DHr and DHi, and nothing more"), "{why}");
    }
}

#[test]
fn policies_do_not_change_under_the_feet_of_keys() {
    for kind in Kind::BOTH {
        let mut call = Call::new(kind);
        let mut forged = call.update();
        forged.payloads.remove(forged.find("DH", 0));
        let params = vec![Param::new(SrtpParam::TagLen, 4), Param::new(SrtpParam::AuthKeyLen, 20)];
        forged.payloads.insert(1, Sp { policy_no: 0, prot_type: ProtType::Srtp, params }.into());
        call.refused(&forged);
    }
}

/// An MKI stays (RFC 3711 section 3.2.1): ours follow the one that the bundle began with.
#[test]
fn where_a_bundle_began_with_an_mki_each_update_has_the_next_one() {
    for kind in Kind::BOTH {
        let mut call = Call::with(kind, |first| {
            let at = first.find("DH", 0);
            let keyphone_keying::mikey::wire::Payload::Dh(dh) = &mut first.payloads[at] else { panic!() };
            dh.kv = Kv::Spi(vec![0, 0xff]);
        });
        let update = message(&call.bob.0.offer_again(&mut *call.bob.1).0);
        assert_eq!(update.one::<Dh>().unwrap().kv, Kv::Spi(vec![1, 0]), "{kind:?}");
    }
}
