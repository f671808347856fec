//! Makes exchanges in the form that [`verify`](super::verify) reads: the messages of both sides, all their secrets, and
//! every value in between.
//!
//! Each comes from a text, its seed, and is the same whenever it is made anew; but for what OpenSSL draws by itself, the
//! padding of an envelope and the numbers in RSA-PSS and ECDSA, and with it what covers these. The secrets are published
//! with the messages, and so good for nothing else.

mod dice;
mod expected;
mod set;

pub use set::{File, set};

use super::input::{Carrier, Found, Place};
use super::open;
use super::verify::{Verdict, verify};
use crate::crypto::{Envelope, PrivateKey};
use crate::identity::Certificate;
use crate::mikey::bundle::{Agreed, Bundle};
use crate::mikey::derive::CsbLabel;
use crate::mikey::dh::Half;
use crate::mikey::mode::{Initiation, Mode};
use crate::mikey::modes::Modes;
use crate::mikey::modes::rsar::{Group, RsaRMode};
use crate::mikey::policy::{KeyForm, Validity};
use crate::mikey::station::Station;
use crate::mikey::wire::{
    CsMap, Dh, DhGroup, EncrAlg, KeyData, KeyKind, Kv, MacAlg, Message, Param, ProtType, Secret, SignType, Sp, SrtpId,
    SrtpParam,
};
use crate::mikey::{MikeyPolicy, ModeName, Tolerances};
use crate::{Credentials, Error, Expect, Hop, Identity, Psk};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dice::Dice;
use keyphone_media::env::{Env, Instant, Now, NtpTime};
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::Suite;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// What an exchange is to be like.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Its name, and what all its random octets come from.
    pub id: String,
    /// The mode.
    pub mode: ModeName,
    /// How many crypto sessions: 1 to 255.
    pub sessions: u8,
    /// How the key data is encrypted, where it is.
    pub encryption: EncrAlg,
    /// How it is authenticated.
    pub mac: MacAlg,
    /// In which form the key travels.
    pub keys: KeyForm,
    /// When it is to be used.
    pub validity: Validity,
    /// The group of a Diffie-Hellman exchange.
    pub group: DhGroup,
    /// How an envelope is encrypted.
    pub envelope: Envelope,
    /// How RSA keys sign.
    pub signature: SignType,
    /// RSA-R's group form: the Responder gives the key of a group (RFC 4738 section 3.2).
    pub for_group: bool,
    /// What is worth knowing about it.
    pub notes: String,
}

/// The certificates and keys of both sides, in PEM, for the modes that have them.
#[derive(Clone, Debug)]
pub struct Parties {
    /// The certificate of who issued the others.
    pub ca: String,
    /// The Initiator's certificate, with its key.
    pub initiator: (String, String),
    /// The Responder's.
    pub responder: (String, String),
}

impl Recipe {
    /// Two crypto sessions, and all else as by default.
    pub fn new(id: impl Into<String>, mode: ModeName) -> Self {
        let null = mode == ModeName::Null;
        Self {
            id: id.into(),
            mode,
            sessions: 2,
            encryption: if null { EncrAlg::Null } else { EncrAlg::AesCm128 },
            mac: if null { MacAlg::Null } else { MacAlg::HmacSha1_160 },
            keys: KeyForm::default(),
            validity: Validity::default(),
            group: DhGroup::Oakley5,
            envelope: Envelope::Pkcs1,
            signature: SignType::RsaPkcs1,
            for_group: false,
            notes: String::new(),
        }
    }

    fn policy(&self) -> MikeyPolicy {
        MikeyPolicy {
            offer: self.mode,
            accept: BTreeSet::from([self.mode]),
            group: self.group,
            allow_null_encryption: self.encryption == EncrAlg::Null,
            allow_null_mac: self.mac == MacAlg::Null,
            encryption: self.encryption,
            mac: self.mac,
            signature: self.signature,
            envelope: self.envelope,
            keys: self.keys,
            validity: self.validity,
            ..MikeyPolicy::default()
        }
    }
}

/// The time at which all are made: 2027-01-15 08:00:00 UTC.
const NOW: NtpTime = NtpTime::from_unix(Duration::from_secs(1_800_000_000));

/// Does the mode need certificates?
pub fn needs_parties(mode: ModeName) -> bool {
    matches!(mode, ModeName::Rsa | ModeName::DhSign | ModeName::RsaR)
}

/// Both sides of one exchange, as it was played.
struct Played {
    i: Message,
    r: Message,
    /// What the Responder came to; the keys of the Initiator are the same.
    agreed: Agreed,
    psk: Option<Vec<u8>>,
    dh: [Option<Vec<u8>>; 2],
}

/// Makes one exchange: plays it, opens it, and verifies what it writes.
///
/// # Errors
/// What the mode refuses; certificates that are missing; an exchange that does not verify.
pub fn make(recipe: &Recipe, parties: Option<&Parties>) -> Result<Value, Error> {
    let played = play(recipe, parties)?;
    let mut inputs = Map::new();
    let mut put = |name: &str, value: String| inputs.insert(name.into(), value.into());
    put("seed", recipe.id.clone());
    put("id_i", identities()[0].as_str().into());
    put("id_r", identities()[1].as_str().into());
    if let Some(psk) = &played.psk {
        put("psk", hex::encode(psk));
    }
    if let (true, Some(parties)) = (needs_parties(recipe.mode), parties) {
        put("ca_pem", parties.ca.clone());
        put("cert_i_pem", parties.initiator.0.clone());
        put("key_i_pem", parties.initiator.1.clone());
        put("cert_r_pem", parties.responder.0.clone());
        put("key_r_pem", parties.responder.1.clone());
    }
    if matches!(recipe.mode, ModeName::Rsa | ModeName::RsaR) {
        let oaep = recipe.envelope == Envelope::Oaep;
        put("pke_padding", if oaep { "oaep" } else { "pkcs1v15" }.into());
    }
    for (name, secret) in ["dh_priv_i", "dh_priv_r"].into_iter().zip(&played.dh) {
        if let Some(secret) = secret {
            put(name, hex::encode(secret));
        }
    }
    let found = [&played.i, &played.r].map(|m| Found::octets(m.bytes(), Carrier::Unknown, Place::default()));
    let opened = open::open(&found, &secrets(recipe, &played, parties)?);
    let vector = json!({
        "id": recipe.id,
        "mode": expected::mode(recipe.mode),
        "source": "keyphone",
        "inputs": inputs,
        "i_message_b64": STANDARD.encode(played.i.bytes()),
        "r_message_b64": STANDARD.encode(played.r.bytes()),
        "expected": expected::of(recipe, &played, &opened)?,
        "checks": expected::checks(recipe),
        "verified_by": ["keyphone"],
        "expect": "accept",
        "notes": recipe.notes,
    });
    let report = verify(&json!([vector]).to_string(), Tolerances::none());
    match report.as_ref().map(|report| &report.vectors[0].verdict) {
        Ok(Verdict::Passed { .. }) => Ok(vector),
        Ok(_) | Err(_) => {
            let why = report.map_or_else(|error| error.to_string(), |report| report.to_string());
            Err(Error::wire(format!("what was made does not verify, which is a fault of ours: {why}")))
        }
    }
}

fn identities() -> [Identity; 2] {
    ["sip:alice@example.org", "sip:bob@example.org"].map(Identity::new)
}

fn play(recipe: &Recipe, parties: Option<&Parties>) -> Result<Played, Error> {
    if recipe.sessions == 0 {
        return Err(Error::Misuse("an exchange has at least one crypto session"));
    }
    if recipe.for_group && recipe.mode != ModeName::RsaR {
        return Err(Error::Misuse("mikey-rsar alone has a form for groups"));
    }
    let [alice, bob] = identities();
    let mut shared = Dice::new(&recipe.id, "shared");
    let psk = matches!(recipe.mode, ModeName::Psk | ModeName::DhHmac).then(|| shared.octets(32));
    let ssrc = |dice: &mut Dice| Some(Ssrc(u32::from_be_bytes(dice.octets(4).try_into().unwrap_or([1; 4]))));
    // Streams of the Initiator's and of the Responder's take turns; the latter has yet to choose its SSRCs.
    let offered: Vec<_> = (0..recipe.sessions)
        .map(|i| SrtpId { policy_no: 0, ssrc: if i % 2 == 0 { ssrc(&mut shared) } else { None }, roc: 0 })
        .collect();
    let filled: Vec<_> =
        offered.iter().map(|id| SrtpId { ssrc: id.ssrc.or_else(|| ssrc(&mut shared)), ..*id }).collect();
    // Who asks for a group's key brings neither policy nor streams (RFC 4738 section 3.2).
    let (offered, sps) = if recipe.for_group { (vec![], vec![]) } else { (offered, vec![srtp()]) };
    let policy = recipe.policy();
    let protocols = ["mikey".to_owned()];
    let bundle = |i: bool| Bundle {
        me: if i { &alice } else { &bob },
        named: if i { &bob } else { &alice },
        map: CsMap::Srtp(if i { offered.clone() } else { filled.clone() }),
        policies: if i { sps.clone() } else { vec![] },
        protocols: &protocols,
        hop: Hop::Tls,
        suite: Suite::AesCm128HmacSha1_80,
        expect: Expect::Exactly,
        policy: &policy,
    };
    let station = |side: usize| credentials(recipe, side, psk.as_deref(), parties).map(|c| Station::new(c, EARLIER));
    let (mut ours, mut theirs) = (station(0)?, station(1)?);
    let mut dice = [Dice::new(&recipe.id, "initiator"), Dice::new(&recipe.id, "responder")];
    let now = Now { mono: Instant::ZERO, ntp: NOW };
    let [dice_i, dice_r] = &mut dice;
    let Initiation { message: i, known, initiated } =
        Modes::all().offering(&policy)?.initiate(&bundle(true), &mut ours, &mut Env { now, rng: dice_i })?;
    let mut modes = Modes::all();
    let mut of_group = RsaRMode::of_group(group(&filled, &mut shared));
    let mode: &mut dyn Mode = match recipe.for_group {
        true => &mut of_group,
        false => modes.answering(&i, &policy).map_err(|refused| refused.error)?,
    };
    let answered = mode.respond(&i, &bundle(false), &mut theirs, &mut Env { now, rng: dice_r });
    let (r, agreed) = answered.map_err(|refused| refused.error)?;
    let r = r.ok_or(Error::Misuse("the mode gave no answer"))?;
    let completed = initiated.complete(&r, NOW)?;
    let keys = known.map_or(completed.keys, |known| known.keys);
    if keys != agreed.keys {
        return Err(Error::wire("the two sides came to different keys, which is a fault of ours"));
    }
    let dh = [secret_of(&i, dice[0].drawn(), None), secret_of(&r, dice[1].drawn(), i.many::<Dh>().next())];
    Ok(Played { i, r, agreed, psk, dh })
}

/// What a group has in common: its own CSB ID and RAND, all its crypto sessions, a policy, a TGK with an MKI.
fn group(sessions: &[SrtpId], dice: &mut Dice) -> Group {
    let csb_id = u32::from_be_bytes(dice.octets(4).try_into().unwrap_or([1; 4]));
    let csb = CsbLabel { csb_id, rand: dice.octets(16) };
    let key = Secret::new(dice.octets(16));
    let keys = vec![KeyData { kind: KeyKind::Tgk, key, salt: None, kv: Kv::Spi(dice.octets(4)) }];
    Group { csb, map: CsMap::Srtp(sessions.to_vec()), policies: vec![srtp()], keys }
}

/// Endpoints have run for a while.
const EARLIER: NtpTime = NtpTime::from_unix(Duration::from_secs(1_800_000_000 - 3_600));

fn credentials(
    recipe: &Recipe,
    side: usize,
    psk: Option<&[u8]>,
    parties: Option<&Parties>,
) -> Result<Credentials, Error> {
    let mut credentials = Credentials::default();
    let [me, peer] = if side == 0 { [0, 1] } else { [1, 0] }.map(|side: usize| identities()[side].clone());
    if let Some(psk) = psk.and_then(|psk| Psk::new(psk.to_vec())) {
        credentials.psks.insert(Some(peer.clone()), psk);
    }
    if !needs_parties(recipe.mode) {
        return Ok(credentials);
    }
    let parties = parties.ok_or(Error::Misuse("this mode needs certificates and keys of both sides, and their CA"))?;
    let (own, other) = match side {
        0 => (&parties.initiator, &parties.responder),
        _ => (&parties.responder, &parties.initiator),
    };
    let read = |pem: &str| Certificate::read(pem.as_bytes()).map_err(Error::from);
    let chain = read(&own.0)?;
    if !chain[0].names().contains(&me) {
        let what =
            format!("the certificate of {me} is for {}: make one with `keyphone cert make {me}`", chain[0].shown());
        return Err(Error::wire(what));
    }
    credentials.certs.add_own(chain, PrivateKey::read(own.1.as_bytes())?)?;
    // Who makes an envelope must have the other's certificate before.
    if recipe.mode == ModeName::Rsa && side == 0 {
        read(&other.0)?.into_iter().take(1).for_each(|certificate| credentials.certs.pin(peer.clone(), certificate));
    }
    read(&parties.ca)?.into_iter().for_each(|ca| credentials.certs.trust(ca));
    Ok(credentials)
}

/// Which of the drawn octets became the Diffie-Hellman secret of a message.
fn secret_of(message: &Message, drawn: &[Vec<u8>], not: Option<&Dh>) -> Option<Vec<u8>> {
    let dh = message.many::<Dh>().find(|dh| not.is_none_or(|not| not.value != dh.value))?;
    drawn.iter().find_map(|octets| {
        // An exponent has its highest bit set; a scalar of a curve has no more bits than its order.
        let with_bit = |mut octets: Vec<u8>| {
            octets[0] |= 0x80;
            octets
        };
        let within = |mut octets: Vec<u8>| {
            octets[0] &= 0x01;
            octets
        };
        let first = octets.first().is_some_and(|_| octets.len() >= 32);
        let candidates = [octets.clone()].into_iter().chain(first.then(|| with_bit(octets.clone())));
        let candidates = candidates.chain(first.then(|| within(octets.clone())));
        candidates
            .into_iter()
            .find(|secret| Half::of(dh.group, secret.clone().into()).is_ok_and(|half| half.public() == dh.value))
    })
}

fn secrets(recipe: &Recipe, played: &Played, parties: Option<&Parties>) -> Result<open::Secrets, Error> {
    let keys = parties.filter(|_| needs_parties(recipe.mode)).map_or(vec![], |p| vec![&p.initiator.1, &p.responder.1]);
    Ok(open::Secrets {
        psk: played.psk.clone().and_then(Psk::new),
        keys: keys.into_iter().map(|key| PrivateKey::read(key.as_bytes())).collect::<Result<_, _>>()?,
        dh: played.dh.iter().flatten().map(|secret| secret.clone().into()).collect(),
        ..open::Secrets::default()
    })
}

/// AES-CM-128 with HMAC-SHA-1-80, every parameter named (RFC 3830 section 6.10.1).
fn srtp() -> Sp {
    let params = [
        (SrtpParam::EncrAlg, 1),
        (SrtpParam::EncrKeyLen, 16),
        (SrtpParam::AuthAlg, 1),
        (SrtpParam::AuthKeyLen, 20),
        (SrtpParam::SaltKeyLen, 14),
        (SrtpParam::Prf, 0),
        (SrtpParam::KeyDerivationRate, 0),
        (SrtpParam::SrtpEncr, 1),
        (SrtpParam::SrtcpEncr, 1),
        (SrtpParam::SrtpAuth, 1),
        (SrtpParam::TagLen, 10),
    ];
    let params = params.map(|(param, value)| Param::new(param, value)).to_vec();
    Sp { policy_no: 0, prot_type: ProtType::Srtp, params }
}
