//! RSA-R: who may answer, what an answer must not say, and groups (RFC 4738).

use crate::pki::{Ca, Wish, rsa};
use crate::support::*;
use keyphone_keying::mikey::bundle::{Bundle, SessionKeys};
use keyphone_keying::mikey::derive::CsbLabel;
use keyphone_keying::mikey::mode::Mode;
use keyphone_keying::mikey::modes::rsar::{Group, RsaRMode, signed_behind};
use keyphone_keying::mikey::station::Station;
use keyphone_keying::mikey::wire::{
    CsMap, Draft, Ext, Id, KeyData, KeyKind, Kv, Message, Param, Payload, ProtType, Rand, Secret, Sp, SrtpId,
    SrtpParam, T,
};
use keyphone_keying::mikey::{MikeyPolicy, ModeName, Tolerance, Tolerances, signing};
use keyphone_keying::{CertStore, Credentials, Expect, Hop, How, Identity, Lines};
use keyphone_media::env::Env;
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::Suite;

/// Who has carol's certificate.
fn carols(ca: &Ca) -> CertStore {
    let (key, private) = rsa();
    let mut certs = trusting();
    let own = ca.issue(&key, &Wish { uris: &["sip:carol@example.org"], ..Wish::default() });
    certs.add_own(vec![own], private).unwrap();
    certs
}

#[test]
fn somebody_else_may_answer_and_says_who_unless_policy_wants_exactly_that_peer() {
    let ca = Ca::new("ours");
    let caller = || {
        let (own, key) = filed("alice");
        let mut certs = trusting();
        certs.add_own(vec![own], key).unwrap();
        certs.trust(ca.certificate.clone());
        side(alice(), bob(), ModeName::RsaR, certs, 1)
    };
    let mut carol = side(carol(), alice(), ModeName::RsaR, carols(&ca), 3);
    let mut alice = caller();
    let (offer, offered, out) = alice.offer();
    assert!(keys(&out).is_empty(), "no key before the answer");
    let (answer, _, theirs) = carol.accept(&offer);
    let (result, ours) = alice.told(&mut *offered.session(), &answer);
    result.unwrap();
    assert_eq!(proven(&ours), (crate::support::carol(), How::Certificate));
    assert_eq!(keys(&ours).len(), 2);
    assert_eq!(proven(&theirs).0, crate::support::alice());

    let mut exact = caller();
    exact.policy.expect = Expect::Exactly;
    let (offer, ..) = exact.offer();
    let ids: Vec<_> = message(&offer).many::<Id>().cloned().collect();
    assert_eq!(ids.len(), 2, "it names bob");
    let why = carol.refuse(&offer).0;
    assert!(why.contains("for sip:bob@example.org and we are sip:carol@example.org"), "{why}");
}

/// The answer with its payloads changed, signed anew by bob.
fn changed(offer: &Lines, answer: &Lines, change: impl FnMut(Payload) -> Vec<Payload>) -> Lines {
    let (init, message) = (message(offer), message(answer));
    let payloads = message.parts().iter().map(|part| part.payload.clone());
    let unsigned = payloads.filter(|payload| !matches!(payload, Payload::Sign(_)));
    let draft = unsigned.flat_map(change).fold(Draft::new(message.hdr()), Draft::push);
    let behind = signed_behind(init.many::<Id>().next(), message.many::<Id>().next(), *init.one::<T>().unwrap());
    let bob = store("bob");
    lines(&signing::sign(draft, bob.signer().unwrap(), &MikeyPolicy::default(), &[&behind]).unwrap())
}

#[test]
fn what_an_answer_must_not_say_is_refused_by_its_rule() {
    let (mut alice, mut bob) = pair(ModeName::RsaR);
    let (offer, offered, _) = alice.offer();
    let (answer, ..) = bob.accept(&offer);
    let mut why = |answer: &Lines| {
        let (result, out) = alice.told(&mut *offered.session(), answer);
        assert!(keys(&out).is_empty());
        result.unwrap_err().to_string()
    };
    let with = |extra: Payload| {
        changed(&offer, &answer, |payload| match payload {
            Payload::T(t) => vec![t.into(), extra.clone()],
            other => vec![other],
        })
    };
    let second = why(&with(Rand(vec![7; 16]).into()));
    assert!(second.contains("a second RAND") && second.contains("RFC 4738 section 3.6"), "{second}");
    let group = why(&with(Ext::CsbId(7).into()));
    assert!(group.contains("a new CSB ID, and this is a call of two"), "{group}");
    let other = Sp { policy_no: 9, prot_type: ProtType::Srtp, params: vec![Param::new(SrtpParam::TagLen, 4)] };
    let other = why(&with(other.into()));
    assert!(other.contains("number 9, that we did not offer (RFC 4738 section 3.7)"), "{other}");
    let silent = changed(&offer, &answer, |p| if let Payload::Sp(_) = p { vec![] } else { vec![p] });
    assert!(why(&silent).contains("which of our policies"));
    let stray = why(&with(keyphone_keying::mikey::wire::ErrorNo::AuthFailure.into()));
    assert!(stray.contains("ERR has no place in an R_MESSAGE of type RSA-R"), "{stray}");
    let t = changed(&offer, &answer, |payload| match payload {
        Payload::T(_) => vec![T::NtpUtc(7).into()],
        other => vec![other],
    });
    assert!(why(&t).contains("a timestamp of its own"));
    let same = changed(&offer, &answer, |payload| vec![payload]);
    alice.told(&mut *offered.session(), &same).0.unwrap();
}

#[test]
fn a_signature_that_leaves_out_idi_is_let_pass_by_its_name_alone() {
    let (mut alice, mut bob) = pair(ModeName::RsaR);
    let (offer, _, _) = alice.offer();
    let (answer, ..) = bob.accept(&offer);
    let message = message(&answer);
    let payloads = message.parts().iter().map(|part| part.payload.clone());
    let unsigned = payloads.filter(|payload| !matches!(payload, Payload::Sign(_)));
    let draft = unsigned.fold(Draft::new(message.hdr()), Draft::push);
    let behind = signed_behind(None, message.many::<Id>().next(), *message.one::<T>().unwrap());
    let certs = store("bob");
    let odd = lines(&signing::sign(draft, certs.signer().unwrap(), &MikeyPolicy::default(), &[&behind]).unwrap());
    for (tolerances, passes) in
        [(Tolerances::none(), false), (Tolerances::none().with(Tolerance::SignedWithoutIdi), true)]
    {
        // The same dice make the same offer.
        let (mut alice, _) = pair(ModeName::RsaR);
        alice.policy.mikey.tolerances = tolerances;
        let (again, offered, _) = alice.offer();
        assert_eq!(again, offer);
        let (result, out) = alice.told(&mut *offered.session(), &odd);
        assert_eq!(result.is_ok(), passes, "{result:?}");
        let said = format!("{out:?}").contains(Tolerance::SignedWithoutIdi.text());
        assert_eq!(said, passes, "it is said aloud");
    }
}

/// Somebody who asks for, or gives, a group's keys, without SDP.
struct Member {
    me: Identity,
    station: Station,
    mode: RsaRMode,
    dice: Dice,
    policy: MikeyPolicy,
}

impl Member {
    fn new(who: &str, mode: RsaRMode) -> Self {
        let credentials = Credentials { certs: store(who), ..Credentials::default() };
        Self {
            me: Identity::new(&format!("sip:{who}@example.org")),
            station: Station::new(credentials, START),
            mode,
            dice: Dice(9),
            policy: MikeyPolicy::default(),
        }
    }

    fn act<R>(
        &mut self,
        peer: &Identity,
        act: impl FnOnce(&mut RsaRMode, &Bundle<'_>, &mut Station, &mut Env<'_>) -> R,
    ) -> R {
        let bundle = Bundle {
            me: &self.me,
            named: peer,
            map: CsMap::Srtp(vec![]),
            policies: vec![],
            protocols: &[],
            hop: Hop::Clear,
            suite: Suite::AesCm128HmacSha1_80,
            expect: Expect::Certified,
            policy: &self.policy,
        };
        let mut env = Env { now: at(1), rng: &mut self.dice };
        act(&mut self.mode, &bundle, &mut self.station, &mut env)
    }
}

fn group() -> Group {
    let key = Secret::new(vec![42; 16]);
    Group {
        csb: CsbLabel { csb_id: 0x6b73_5943, rand: vec![3; 16] },
        map: CsMap::Srtp(vec![SrtpId { policy_no: 0, ssrc: Some(Ssrc(77)), roc: 5 }]),
        policies: vec![Sp { policy_no: 0, prot_type: ProtType::Srtp, params: vec![] }],
        keys: vec![KeyData { kind: KeyKind::Tgk, key, salt: None, kv: Kv::Null }],
    }
}

#[test]
fn everybody_who_asks_for_a_groups_keys_gets_the_same_ones() {
    let mut server = Member::new("bob", RsaRMode::of_group(group()));
    let mut teks = vec![];
    for _ in 0..2 {
        let mut listener = Member::new("alice", RsaRMode::default());
        listener.dice = Dice(teks.len() as u64);
        let begun = listener.act(&bob(), |mode, ask, station, env| mode.initiate(ask, station, env)).unwrap();
        assert!(begun.message.many::<Sp>().next().is_none() && begun.message.hdr().v);
        assert_eq!(begun.message.hdr().map, CsMap::Srtp(vec![]), "listeners have no crypto session of their own");
        let (answer, theirs) =
            server.act(&alice(), |mode, ask, station, env| mode.respond(&begun.message, ask, station, env)).unwrap();
        let answer = answer.expect("there is always an answer");
        assert_eq!(answer.hdr().csb_id, begun.message.hdr().csb_id);
        let agreed = begun.initiated.complete(&answer, at(1).ntp).unwrap();
        assert_eq!((&agreed.csb, &agreed.map, &agreed.policies), (&group().csb, &group().map, &group().policies));
        assert!(agreed.running.is_none() && theirs.running.is_none(), "nobody updates a group through one member");
        let tek = |keys: &[KeyData], csb: &CsbLabel| SessionKeys::new(&keys[0], 1, csb, (16, 14)).tek;
        assert_eq!(tek(&agreed.keys, &agreed.csb), tek(&theirs.keys, &theirs.csb));
        teks.push(tek(&agreed.keys, &agreed.csb));
    }
    assert_eq!(teks[0], teks[1]);
}

#[test]
fn a_request_with_a_policy_of_its_own_gets_no_groups_keys() {
    let mut server = Member::new("bob", RsaRMode::of_group(group()));
    let offer = message(&pair(ModeName::RsaR).0.offer().0);
    let refused = server.act(&alice(), |mode, ask, station, env| mode.respond(&offer, ask, station, env)).unwrap_err();
    assert!(refused.to_string().contains("the policy is the group's (RFC 4738 section 3.2)"), "{refused}");
}

#[test]
fn an_answer_without_any_rand_makes_no_key() {
    let mut server = Member::new("bob", RsaRMode::of_group(group()));
    let mut listener = Member::new("alice", RsaRMode::default());
    let begun = listener.act(&bob(), |mode, ask, station, env| mode.initiate(ask, station, env)).unwrap();
    let (answer, _) =
        server.act(&alice(), |mode, ask, station, env| mode.respond(&begun.message, ask, station, env)).unwrap();
    let (offer, answer) = (lines(&begun.message), lines(&answer.unwrap()));
    let why = |without: fn(&Payload) -> bool| {
        let odd: Message = message(&changed(&offer, &answer, |p| if without(&p) { vec![] } else { vec![p] }));
        begun.initiated.complete(&odd, at(1).ntp).unwrap_err().to_string()
    };
    let bare = why(|p| matches!(p, Payload::Rand(_) | Payload::Ext(_)));
    assert!(bare.contains("has no RAND, and neither has our I_MESSAGE"), "{bare}");
    let no_rand = why(|p| matches!(p, Payload::Rand(_)));
    assert!(no_rand.contains("lacks RAND or SP"), "{no_rand}");
    assert!(why(|p| matches!(p, Payload::Sp(_))).contains("lacks RAND or SP"));
}
