//! The schema says what the reader says: every script fits it, and it names every field and every form.

use keyphone_scenarios::book;
use keyphone_scenarios::script::{Deed, Expectation, Rule, Script, Step};
use serde_json::Value;

fn schema() -> Value {
    serde_json::from_str(book::SCHEMA).unwrap()
}

/// As much of JSON Schema as ours uses; a word of it that is not known here fails.
fn fits(value: &Value, schema: &Value, at: &str) -> Result<(), String> {
    for (word, says) in schema.as_object().unwrap() {
        let wrong = |why: &str| Err(format!("{at}: {why}: {value}"));
        match word.as_str() {
            "$schema" | "title" | "description" => {}
            // Names and percentages: the reader's own tests have their grammar.
            "pattern" => {}
            "type" => {
                let kinds: Vec<_> = says.as_array().map_or(vec![says], |kinds| kinds.iter().collect());
                let is = |kind: &Value| match kind.as_str().unwrap() {
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("{other}"),
                };
                if !kinds.into_iter().any(is) {
                    return wrong("another type");
                }
            }
            "enum" if !says.as_array().unwrap().contains(value) => return wrong("none of these"),
            "minimum" if value.as_i64() < says.as_i64() => return wrong("too small"),
            "maximum" if value.as_i64() > says.as_i64() => return wrong("too large"),
            "minItems" if (value.as_array().unwrap().len() as u64) < says.as_u64().unwrap() => return wrong("too few"),
            "maxItems" if value.as_array().unwrap().len() as u64 > says.as_u64().unwrap() => return wrong("too many"),
            "required" => {
                let missing =
                    says.as_array().unwrap().iter().find(|field| value.get(field.as_str().unwrap()).is_none());
                if let Some(field) = missing {
                    return wrong(&format!("{field} is missing"));
                }
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                let unknown = value.as_object().unwrap().keys().find(|field| !known.contains_key(*field));
                if let Some(field) = unknown {
                    return wrong(&format!("{field} is unknown"));
                }
            }
            "properties" => {
                for (field, inner) in value.as_object().unwrap() {
                    fits(inner, &says[field], &format!("{at}.{field}"))?;
                }
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    fits(item, says, at)?;
                }
            }
            "enum" | "minimum" | "maximum" | "minItems" | "maxItems" => {}
            other => panic!("{other} is not known here"),
        }
    }
    Ok(())
}

fn json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

#[test]
fn every_script_fits_the_schema_also_when_it_is_written_anew() {
    for page in book::ALL {
        assert_eq!(fits(&json(page.text), &schema(), page.name), Ok(()));
        let text = page.script().unwrap().to_string();
        assert_eq!(fits(&json(&text), &schema(), page.name), Ok(()), "{text}");
    }
    assert_eq!(fits(&json(book::TEMPLATE), &schema(), "template"), Ok(()));
}

#[test]
fn what_does_not_fit_is_seen() {
    let plain = book::find("plain-call").unwrap().text;
    for (from, to) in [("title =", "titel ="), ("name = \"alice\"", "tone = 440"), ("[[phone]]", "[[phones]]")] {
        assert!(fits(&json(&plain.replacen(from, to, 1)), &schema(), "").is_err(), "{to}");
    }
}

/// A field of a table, with something in it that its type allows.
fn with(field: &str, rule: &Value) -> String {
    let kind = rule["type"].as_str().unwrap_or("string");
    let value = match kind {
        "boolean" => "true".into(),
        "integer" => rule["minimum"].to_string(),
        "array" => "[]".into(),
        _ => format!("{:?}", rule["enum"].get(0).and_then(Value::as_str).unwrap_or("alice")),
    };
    format!("{field} = {value}\n")
}

#[test]
fn every_field_of_the_schema_is_one_that_the_reader_knows() {
    let schema = schema();
    for table in ["phone", "proxy", "link", "attacker"] {
        let fields = schema["properties"][table]["items"]["properties"].as_object().unwrap();
        for (field, rule) in fields.iter().filter(|(field, _)| *field != "name") {
            let name = if table == "link" { String::new() } else { "name = \"zoe\"\n".into() };
            let text = format!("title = \"t\"\n[[{table}]]\n{name}{}", with(field, rule));
            let told = Script::parse(&text, "t").unwrap_err().to_string();
            assert!(!told.contains("there is no such field"), "{table}.{field}: {told}");
        }
    }
    // And the other way round: the reader lists what it knows where a field is none.
    for table in ["phone", "proxy", "attacker", "link"] {
        let told = Script::parse(&format!("[[{table}]]\nname = \"zoe\"\ncolour = 1\n"), "t").unwrap_err().to_string();
        let known = told.lines().find_map(|line| line.split_once("there is no such field; there are ")).unwrap().1;
        for field in known.split(", ") {
            let there = &schema["properties"][table]["items"]["properties"][field];
            assert!(there.is_object(), "{table}.{field} is not in the schema");
        }
    }
}

#[test]
fn every_form_of_a_sentence_stands_in_the_schema() {
    let schema = schema();
    let listed = |path: &[&str]| {
        let there = path.iter().fold(&schema["properties"], |value, key| &value[key]);
        there["items"]["description"].as_str().unwrap().to_owned()
    };
    let check = |forms: &mut dyn Iterator<Item = String>, listed: String| {
        let listed: Vec<_> = listed.trim_start_matches("One of: ").split("; ").collect();
        let forms: Vec<_> = forms.collect();
        assert_eq!(forms, listed);
    };
    check(&mut Step::forms(), listed(&["steps"]));
    check(&mut Expectation::forms(), listed(&["expect"]));
    check(&mut Deed::forms(), listed(&["attacker", "items", "properties", "does"]));
    check(&mut Rule::forms(), listed(&["proxy", "items", "properties", "rules"]));
}
