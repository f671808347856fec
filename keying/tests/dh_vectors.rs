//! The Diffie-Hellman modes against exchanges that other implementations made (tests/data/README.md says which).

use keyphone_keying::mikey::{Tolerance, Tolerances};
use keyphone_keying::workbench::verify::{Outcome, Verdict, verify};
use serde_json::Value;

const VECTORS: &str = include_str!("data/vectors.json");

fn outcomes(tolerances: Tolerances) -> Vec<Outcome> {
    let report = verify(VECTORS, tolerances).unwrap();
    report.vectors.into_iter().filter(|v| v.mode == "dh" || v.mode == "dhhmac").collect()
}

fn vectors() -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    all.into_iter().filter(|v| v["mode"] == "dh" || v["mode"] == "dhhmac").collect()
}

#[test]
fn every_exchange_of_others_makes_the_same_tgk_and_keys_in_every_group() {
    let outcomes = outcomes(Tolerances::interop());
    assert_eq!(outcomes.len(), 12);
    for outcome in &outcomes {
        let Verdict::Passed { checks } = &outcome.verdict else { panic!("{outcome}") };
        let seal = if outcome.mode == "dh" { ["i_sign", "r_sign"] } else { ["i_mac", "r_mac"] };
        for check in ["tgk", "tgk of the Responder", "g^dh_priv_i", "g^dh_priv_r", "tek 1", "salt 2", "tek32 1"] {
            assert!(checks.iter().any(|c| c == check), "{check}: {outcome}");
        }
        assert!(seal.iter().all(|seal| checks.iter().any(|c| c == seal)), "{outcome}");
    }
    let accepted = vectors().iter().filter(|v| v["expect"] == "accept").count();
    let strict = self::outcomes(Tolerances::none());
    assert_eq!(strict.iter().filter(|o| matches!(o.verdict, Verdict::Passed { .. })).count(), accepted);
    assert!(strict.iter().chain(&outcomes).all(|outcome| outcome.as_expected));
}

/// The deviations that are let pass by name, each refused without it for the reason that the file gives.
#[test]
fn what_is_only_tolerated_is_refused_by_its_rule_and_let_pass_by_its_name_alone() {
    let files = vectors();
    let strict = outcomes(Tolerances::none());
    for (vector, outcome) in files.iter().zip(&strict).filter(|(v, _)| v["expect"] == "tolerate") {
        let Verdict::Refused { reason } = &outcome.verdict else { panic!("strict took it: {outcome}") };
        let (why, tolerance) = (vector["expect_why"].as_str().unwrap(), {
            if outcome.id == "py-dhhmac-05" { Tolerance::LiteralCodePoints } else { Tolerance::MissingId }
        });
        let told: &[&str] = match why {
            "R_MESSAGE lacks the mandatory IDi (RFC 3830 3.3)" => &["R_MESSAGE lacks IDi", "(RFC 3830 section 3.3)"],
            "no ID payloads (RFC 4650 3)" => &["no ID payloads", "(RFC 4650 section 3)"],
            _ => &["literal code points of RFC 4650 section 4.2"],
        };
        assert!(told.iter().all(|told| reason.contains(told)), "{reason}: {why}");
        let named = outcomes(Tolerances::none().with(tolerance));
        let named = named.iter().find(|o| o.id == outcome.id).unwrap();
        assert!(matches!(named.verdict, Verdict::Passed { .. }), "{named}");
    }
    assert_eq!(strict.iter().filter(|o| matches!(o.verdict, Verdict::Refused { .. })).count(), 7);
}

/// What minisip derives is never right, whatever is tolerated.
#[test]
fn the_keys_of_a_wrong_prf_are_never_let_pass() {
    for mut vector in vectors() {
        let Some(wrong) = vector["minisip_stock_cs"].as_array().cloned() else { continue };
        vector["expected"]["cs"][0]["tek"] = wrong[0]["tek"].clone();
        let report = verify(&Value::from(vec![vector]).to_string(), Tolerances::interop()).unwrap();
        let failed = matches!(&report.vectors[0].verdict, Verdict::Failed { check, .. } if check == "tek 1");
        assert!(failed, "{report}");
    }
}

/// Every value in every expectation counts, and every secret: change any one and its vector no longer passes.
#[test]
fn a_wrong_expectation_or_secret_is_found_whichever_it_is() {
    fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(k, v)| leaves(v, format!("{path}/{k}"), found)),
            Value::Array(list) => (0..).zip(list).for_each(|(i, v): (u32, _)| leaves(v, format!("{path}/{i}"), found)),
            _ => found.push(path),
        }
    }
    for mut vector in vectors().into_iter().filter(|v| v["expect"] == "accept") {
        let mut paths = vec!["/inputs/dh_priv_i".into(), "/inputs/dh_priv_r".into()];
        if vector["mode"] == "dhhmac" {
            paths.push("/inputs/psk".into());
        }
        leaves(&vector["expected"], "/expected".into(), &mut paths);
        assert!(paths.len() > 10);
        for path in paths {
            let leaf = vector.pointer_mut(&path).unwrap();
            let original = leaf.clone();
            *leaf = match &original {
                Value::String(hex) => hex.chars().map(|c| if c == '0' { '1' } else { '0' }).collect::<String>().into(),
                Value::Bool(b) => (!b).into(),
                other => (other.as_u64().unwrap() + 10).into(),
            };
            let report = verify(&Value::from(vec![vector.clone()]).to_string(), Tolerances::none()).unwrap();
            assert!(!report.vectors[0].as_expected, "{path} {report}");
            *vector.pointer_mut(&path).unwrap() = original;
        }
    }
}

/// A bit of each octet of both messages of one exchange of each mode: nothing is accepted that was changed on the way.
#[test]
fn no_octet_of_either_message_can_be_changed() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    for id in ["py-dhhmac-03", "py-dh-03"] {
        let vector = vectors().into_iter().find(|v| v["id"] == id).unwrap();
        for field in ["i_message_b64", "r_message_b64"] {
            let octets = STANDARD.decode(vector[field].as_str().unwrap()).unwrap();
            for at in 0..octets.len() {
                let mut flipped = octets.clone();
                flipped[at] ^= 1 << (at % 8);
                let mut vector = vector.clone();
                vector[field] = STANDARD.encode(flipped).into();
                let report = verify(&Value::from(vec![vector]).to_string(), Tolerances::interop()).unwrap();
                let passed = matches!(report.vectors[0].verdict, Verdict::Passed { .. });
                assert!(!passed, "{id}: octet {at} of {field}");
            }
        }
    }
}
