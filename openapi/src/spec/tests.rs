//! What every document must have, whatever dialect it is of.

use crate::{Dialect, document};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

fn read(dialect: Dialect) -> Value {
    serde_json::from_str(&document(dialect)).unwrap()
}

/// Every operation: its name for people, and itself.
fn operations(document: &Value) -> Vec<(String, Map<String, Value>)> {
    let paths = document["paths"].as_object().unwrap();
    let named = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation.as_object().unwrap().clone()))
    });
    named.collect()
}

#[test]
fn the_documents_that_are_checked_in_are_the_ones_we_serve() {
    for dialect in Dialect::ALL {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec").join(format!("{dialect}.json"));
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let same = kept == document(dialect);
        assert!(same, "spec/{dialect}.json is not what the program serves: run `cargo run -p openapi --example spec`");
    }
}

#[test]
fn every_operation_lies_under_its_dialects_prefix_and_has_a_name_of_its_own() {
    let mut ids = BTreeSet::new();
    for dialect in Dialect::ALL {
        let document = read(dialect);
        assert_eq!(document["openapi"], "3.0.3");
        assert_eq!(document["servers"][0]["url"], "/");
        let operations = operations(&document);
        assert!(!operations.is_empty(), "{dialect} documents no operation");
        for (name, operation) in operations {
            let path = name.split_once(' ').unwrap().1;
            let under = |prefix: &&str| path == *prefix || path.starts_with(&format!("{prefix}/"));
            assert!(dialect.prefixes().iter().any(under), "{dialect}: {name} is under no prefix of its dialect");
            let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
            assert!(!id.is_empty(), "{dialect}: {name} has no operationId");
            assert!(ids.insert((dialect, id.to_owned())), "{dialect}: {name} shares its operationId `{id}`");
            assert!(operation.contains_key("summary"), "{dialect}: {name} has no summary");
            assert!(operation.contains_key("security"), "{dialect}: {name} does not say who may call it");
        }
    }
}

#[test]
fn every_operation_says_how_it_is_refused() {
    for dialect in Dialect::ALL {
        for (name, operation) in operations(&read(dialect)) {
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("400"), "{dialect}: {name} has no 400");
            let public = operation["security"] == Value::Array(vec![]);
            assert!(public || responses.contains_key("401"), "{dialect}: {name} is secured and has no 401");
            let good = responses.keys().any(|status| status.starts_with('2'));
            assert!(good, "{dialect}: {name} never succeeds");
            for (status, response) in responses {
                let said = response["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(said, "{dialect}: {name} {status} has no description");
            }
        }
    }
}

#[test]
fn every_body_has_an_example() {
    for dialect in Dialect::ALL {
        for (name, operation) in operations(&read(dialect)) {
            let request = operation.get("requestBody").map(|body| ("request", body));
            let responses = operation["responses"].as_object().unwrap().iter().map(|(s, r)| (s.as_str(), r));
            for (part, body) in request.into_iter().chain(responses) {
                for (media, content) in body["content"].as_object().into_iter().flatten() {
                    let shown = content.get("example").is_some() || content.get("examples").is_some();
                    assert!(shown, "{dialect}: {name} has no example of its {part} as {media}");
                }
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_no_schema_is_left_over() {
    for dialect in Dialect::ALL {
        let document = read(dialect);
        let known = document["components"]["schemas"].as_object().cloned().unwrap_or_default();
        let mut named = BTreeSet::new();
        let mut waiting = vec![&document];
        while let Some(value) = waiting.pop() {
            match value {
                Value::Array(values) => waiting.extend(values),
                Value::Object(members) => {
                    let reference = members.get("$ref").and_then(Value::as_str);
                    named.extend(reference.map(|r| r.trim_start_matches("#/components/schemas/").to_owned()));
                    waiting.extend(members.values());
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let known: BTreeSet<String> = known.keys().cloned().collect();
        assert_eq!(named, known, "{dialect}: schemas that are named, and schemas that are there");
    }
}

#[test]
fn every_part_of_a_path_is_a_parameter() {
    for dialect in Dialect::ALL {
        for (name, operation) in operations(&read(dialect)) {
            let parts = name.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            let parts: BTreeSet<&str> = parts.collect();
            let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
            let declared = parameters.filter(|p| p["in"] == "path").filter_map(|p| p["name"].as_str()).collect();
            assert_eq!(parts, declared, "{dialect}: {name} declares other parts than its path has");
        }
    }
}
