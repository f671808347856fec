//! MIKEY-RSA and MIKEY-RSA-R against exchanges that other implementations made (tests/data/README.md says which).

use keyphone_keying::mikey::{Tolerance, Tolerances};
use keyphone_keying::workbench::verify::{Outcome, Verdict, verify};
use serde_json::Value;

const VECTORS: &str = include_str!("data/vectors.json");

fn outcomes(mode: &str, tolerances: Tolerances) -> Vec<Outcome> {
    let report = verify(VECTORS, tolerances).unwrap();
    report.vectors.into_iter().filter(|outcome| outcome.mode == mode).collect()
}

#[test]
fn every_envelope_of_others_opens_and_every_signature_and_answer_verifies() {
    let pke = outcomes("pke", Tolerances::none());
    assert_eq!(pke.len(), 7);
    for outcome in pke {
        let Verdict::Passed { checks } = &outcome.verdict else { panic!("{outcome}") };
        for check in ["i_sign", "pke_decrypt", "kemac_mac", "kemac_plaintext", "tek 1", "v_mac"] {
            assert!(checks.iter().any(|done| done == check), "{check}: {outcome}");
        }
    }
}

#[test]
fn conformant_exchanges_in_reverse_pass_for_two_and_for_a_group() {
    for id in ["py-rsar-01", "py-rsar-03"] {
        let outcome = outcomes("rsa-r", Tolerances::none()).into_iter().find(|o| o.id == id).unwrap();
        let Verdict::Passed { checks } = &outcome.verdict else { panic!("{outcome}") };
        for check in ["i_sign", "r_sign", "r_signed_sha1", "pke_decrypt", "kemac_plaintext", "tek 2"] {
            assert!(checks.iter().any(|done| done == check), "{check}: {outcome}");
        }
    }
}

#[test]
fn what_minisip_does_otherwise_is_refused_by_its_name_and_let_pass_by_interop() {
    let of_minisip = |tolerances| {
        let found: Vec<_> = outcomes("rsa-r", tolerances).into_iter().filter(|o| o.id.starts_with("ms-")).collect();
        assert_eq!(found.len(), 2);
        found
    };
    let reason = |outcome: &Outcome| match &outcome.verdict {
        Verdict::Refused { reason } => reason.clone(),
        _ => panic!("{outcome}"),
    };
    for outcome in of_minisip(Tolerances::none()) {
        let reason = reason(&outcome);
        assert!(reason.contains("second RAND") && reason.contains("RFC 4738 section 3.6"), "{reason}");
    }
    // Each deviation is its own: with all but one of them let pass, that one is named.
    let all_but = |missing: Tolerance| {
        let others = Tolerance::ALL.into_iter().filter(|tolerance| *tolerance != missing);
        others.fold(Tolerances::none(), Tolerances::with)
    };
    for outcome in of_minisip(all_but(Tolerance::SignedWithoutIdi)) {
        assert!(reason(&outcome).contains("signature does not verify"), "{outcome}");
    }
    let no_policy = of_minisip(all_but(Tolerance::NoChosenPolicy));
    assert!(reason(&no_policy[0]).contains("does not say which of our policies"), "{}", no_policy[0]);
    assert!(matches!(no_policy[1].verdict, Verdict::Passed { .. }), "it was offered none");
    for outcome in of_minisip(Tolerances::interop()) {
        assert!(matches!(outcome.verdict, Verdict::Passed { .. }), "{outcome}");
    }
}

/// Every value in every expectation counts: change any one and its vector no longer passes.
#[test]
fn a_wrong_expectation_is_found_whichever_it_is() {
    fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(k, v)| leaves(v, format!("{path}/{k}"), found)),
            Value::Array(list) => (0..).zip(list).for_each(|(i, v): (u32, _)| leaves(v, format!("{path}/{i}"), found)),
            _ => found.push(path),
        }
    }
    let all: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    for mut vector in all.into_iter().filter(|v| v["mode"] == "pke" || v["mode"] == "rsa-r") {
        let mut paths = vec![];
        leaves(&vector["expected"], "/expected".into(), &mut paths);
        assert!(paths.len() > 10);
        // What a salt that was sent would be without it is no part of the exchange.
        for path in paths.into_iter().filter(|path| !path.contains("unused")) {
            let leaf = vector.pointer_mut(&path).unwrap();
            let original = leaf.clone();
            *leaf = match &original {
                Value::String(hex) => hex.chars().map(|c| if c == '0' { '1' } else { '0' }).collect::<String>().into(),
                Value::Bool(b) => (!b).into(),
                other => (other.as_u64().unwrap() + 10).into(),
            };
            let report = verify(&Value::from(vec![vector.clone()]).to_string(), Tolerances::interop()).unwrap();
            assert!(matches!(report.vectors[0].verdict, Verdict::Failed { .. }), "{path} {report}");
            *vector.pointer_mut(&path).unwrap() = original;
        }
    }
}
