//! MIKEY-PSK against exchanges that other implementations made (tests/data/README.md says which).

use keyphone_keying::mikey::Tolerances;
use keyphone_keying::workbench::verify::{Verdict, verify};

const VECTORS: &str = include_str!("data/vectors.json");

#[test]
fn every_psk_exchange_of_others_derives_the_same_keys() {
    let report = verify(VECTORS, Tolerances::none()).unwrap();
    assert!(report.ok(), "{report}");
    let psk: Vec<_> = report.vectors.iter().filter(|v| v.mode == "psk").collect();
    assert_eq!(psk.len(), 23);
    for outcome in psk {
        match &outcome.verdict {
            Verdict::Passed { checks } => {
                assert!(checks.iter().any(|c| c.starts_with("tek ")), "{outcome}");
                assert!(checks.iter().any(|c| c == "kemac_decrypt"), "{outcome}");
            }
            other => assert!(matches!(other, Verdict::Refused { .. }), "{outcome}"),
        }
    }
}

#[test]
fn a_fresh_timestamp_in_the_answer_is_refused_by_its_section_and_let_pass_by_interop() {
    let outcome = |tolerances| {
        let report = verify(VECTORS, tolerances).unwrap();
        report.vectors.into_iter().find(|v| v.id == "ms-psk-15").unwrap()
    };
    let Verdict::Refused { reason } = outcome(Tolerances::none()).verdict else { panic!("strict took it") };
    assert!(reason.contains("timestamp of its own") && reason.contains("RFC 3830 section 5.2"), "{reason}");
    let lenient = outcome(Tolerances::interop());
    assert!(matches!(&lenient.verdict, Verdict::Passed { checks } if checks.iter().any(|c| c == "v_mac")), "{lenient}");
    assert!(verify(VECTORS, Tolerances::interop()).unwrap().ok());
}

#[test]
fn a_mode_that_is_not_built_says_so() {
    let unknown = VECTORS.replacen("\"mode\": \"psk\"", "\"mode\": \"sakke\"", 1);
    let report = verify(&unknown, Tolerances::none()).unwrap();
    let sakke = report.vectors.iter().find(|v| v.mode == "sakke").unwrap();
    assert!(sakke.to_string().contains("mode sakke is not built yet"), "{sakke}");
    let json = serde_json::to_string(sakke).unwrap();
    assert!(json.contains(r#""verdict":"unknown","reason":"mode sakke is not built yet""#), "{json}");
    let [passed, refused, unknown, failed] = report.counts();
    assert_eq!((passed + refused + unknown + failed, failed), (47, 0));
    let counts = format!("{passed} passed, {refused} refused, {unknown} of modes that are not built, 0 failed");
    assert!(report.to_string().ends_with(&counts), "{report}");
}

#[test]
fn an_error_message_under_a_key_is_checked_too() {
    let report = verify(VECTORS, Tolerances::none()).unwrap();
    let error = report.vectors.iter().find(|v| v.id == "py-err-01").unwrap();
    assert!(matches!(&error.verdict, Verdict::Passed { checks } if checks.iter().any(|c| c == "v_mac")), "{error}");
}

/// Every value in every expectation counts: change any one and its vector no longer passes.
#[test]
fn a_wrong_expectation_is_found_whichever_it_is() {
    use serde_json::Value;
    fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(k, v)| leaves(v, format!("{path}/{k}"), found)),
            Value::Array(list) => (0..).zip(list).for_each(|(i, v): (u32, _)| leaves(v, format!("{path}/{i}"), found)),
            _ => found.push(path),
        }
    }
    let all: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    for mut vector in all.into_iter().filter(|v| v["mode"] == "psk" && v["expect"] == "accept") {
        let mut paths = vec![];
        leaves(&vector["expected"], "/expected".into(), &mut paths);
        assert!(paths.len() > 10);
        for path in paths {
            let leaf = vector.pointer_mut(&path).unwrap();
            let original = leaf.clone();
            *leaf = match &original {
                Value::String(hex) if hex.is_empty() => "00".into(),
                Value::String(hex) => hex.chars().map(|c| if c == '0' { '1' } else { '0' }).collect::<String>().into(),
                Value::Bool(b) => (!b).into(),
                other => (other.as_u64().unwrap() + 10).into(),
            };
            let report = verify(&Value::from(vec![vector.clone()]).to_string(), Tolerances::none()).unwrap();
            assert!(matches!(report.vectors[0].verdict, Verdict::Failed { .. }), "{path} {report}");
            *vector.pointer_mut(&path).unwrap() = original;
        }
    }
}

#[test]
fn a_file_that_is_none_is_told_where() {
    let missing = verify("[\n {\"id\": \"x\",\n \"mode\": \"psk\"}\n]", Tolerances::none()).unwrap_err().to_string();
    assert!(missing.starts_with("this is no file of MIKEY vectors: missing field `inputs` at line 3"), "{missing}");
    assert!(verify("no", Tolerances::none()).unwrap_err().to_string().contains("line 1 column"));
    let odd = VECTORS.replacen("\"psk\": \"1571", "\"psk\": \"zz71", 1);
    let report = verify(&odd, Tolerances::none()).unwrap();
    assert!(!report.ok() && report.to_string().contains("inputs.psk: expected octets in hex"), "{report}");
}
