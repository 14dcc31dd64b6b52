//! The one function that makes poem-openapi's document the one we serve.

use super::merged::Merged;
use super::{Example, Place, Source};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const VERSION: &str = "3.0.3";
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
const SCHEMAS: &str = "#/components/schemas/";

/// The finished document, with sorted keys and a line break at its end.
#[must_use]
pub fn finish(source: Source) -> String {
    let Ok(Merged(mut document)) = serde_json::from_str(&whole_numbers(&source.text)) else { return source.text };
    document["openapi"] = VERSION.into();
    if document["tags"].as_array().is_some_and(Vec::is_empty)
        && let Some(document) = document.as_object_mut()
    {
        document.remove("tags");
    }
    for operation in operations(&mut document) {
        finish_operation(operation, &source.examples);
    }
    let (asked, answered) = (reachable(&document, "requestBody"), reachable(&document, "responses"));
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for (name, schema) in schemas.iter_mut() {
            match (asked.contains(name), answered.contains(name)) {
                (true, _) => refuse_unknown(schema),
                (false, true) => declare_nulls(schema),
                (false, false) => {}
            }
        }
    }
    merge_all_of(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or(source.text);
    text.push('\n');
    text
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(|paths| paths.values_mut()).filter_map(Value::as_object_mut);
    items
        .flat_map(|item| item.iter_mut())
        .filter(|(method, _)| METHODS.contains(&method.as_str()))
        .filter_map(|(_, operation)| operation.as_object_mut())
}

fn finish_operation(operation: &mut Map<String, Value>, examples: &[Example]) {
    operation.entry("security").or_insert_with(|| json!([]));
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        finish_parameter(parameter);
    }
    for response in
        operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flat_map(|r| r.values_mut())
    {
        finish_response(response);
    }
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
    for example in examples.iter().filter(|example| example.operation == id) {
        let body = match example.place {
            Place::Request => operation.get_mut("requestBody"),
            Place::Response(status) => operation.get_mut("responses").and_then(|r| r.get_mut(status.to_string())),
        };
        let content = body.and_then(|body| body.get_mut("content")).and_then(Value::as_object_mut);
        for media in content.into_iter().flat_map(|content| content.values_mut()) {
            media["example"] = example.value.clone();
        }
    }
}

fn finish_parameter(parameter: &mut Value) {
    let Some(parameter) = parameter.as_object_mut() else { return };
    if parameter.get("in").and_then(Value::as_str) == Some("header")
        && let Some(name) = parameter.get("name").and_then(Value::as_str).map(usual_case)
    {
        parameter.insert("name".to_owned(), name.into());
    }
    drop_defaults(parameter);
}

fn finish_response(response: &mut Value) {
    let Some(response) = response.as_object_mut() else { return };
    let headers = response.entry("headers").or_insert_with(|| json!({}));
    let Some(headers) = headers.as_object_mut() else { return };
    let named = std::mem::take(headers);
    headers.extend(named.into_iter().map(|(name, mut header)| {
        if let Some(header) = header.as_object_mut() {
            drop_defaults(header);
        }
        (usual_case(&name), header)
    }));
    let schema = json!({"type": "string", "format": "uuid"});
    headers.insert(
        "X-Request-Id".to_owned(),
        json!({"description": "Finds this request in the service's log.", "schema": schema}),
    );
}

/// What is the default anyway is not worth saying.
fn drop_defaults(object: &mut Map<String, Value>) {
    if object.get("explode") == Some(&Value::Bool(true)) {
        object.remove("explode");
    }
    if object.get("deprecated") == Some(&Value::Bool(false)) {
        object.remove("deprecated");
    }
}

/// `X-REQUEST-ID` → `X-Request-Id`; names that have lower case already are left alone.
fn usual_case(name: &str) -> String {
    if name.bytes().any(|b| b.is_ascii_lowercase()) {
        return name.to_owned();
    }
    let word = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => format!("{first}{}", rest.to_ascii_lowercase()),
        None => word.to_owned(),
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// Names of the schemas that bodies under `part` of any operation lead to.
fn reachable(document: &Value, part: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let items = document["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let mut waiting: Vec<&Value> = items.flat_map(Map::values).filter_map(|operation| operation.get(part)).collect();
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(values) => waiting.extend(values),
            Value::Object(members) => {
                waiting.extend(members.values());
                let named = members.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix(SCHEMAS));
                if let Some(name) = named.filter(|name| found.insert((*name).to_owned())) {
                    waiting.extend(document["components"]["schemas"].get(name));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

/// In requests, a member that is not named here is refused.
fn refuse_unknown(schema: &mut Value) {
    if schema.get("properties").is_some() {
        schema["additionalProperties"] = false.into();
    }
}

/// In answers, a member that is not required may be null.
fn declare_nulls(schema: &mut Value) {
    let required: BTreeSet<String> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, property) in properties.iter_mut().filter(|(name, _)| !required.contains(*name)) {
        if let Some(named) = property.get("$ref").cloned() {
            *property = json!({"allOf": [{"$ref": named}]});
        }
        if property.get("type").is_some() || property.get("allOf").is_some() {
            property["nullable"] = true.into();
        }
    }
}

/// `allOf: [reference, description]` beside the same description: the second
/// says nothing, and generators make a new type of it.
fn merge_all_of(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(merge_all_of),
        Value::Object(members) => {
            if let Some(Value::Array(all)) = members.get_mut("allOf")
                && all.len() == 2
                && all[0].get("$ref").is_some()
                && let Some(Value::Object(second)) = all.pop()
            {
                for (name, value) in second {
                    members.entry(name).or_insert(value);
                }
            }
            members.values_mut().for_each(merge_all_of);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Bounds come as `100.0`, which is no integer to some readers, and read as
/// a float not always what it was.
fn whole_numbers(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        let digit_before = whole.as_bytes().last().is_some_and(u8::is_ascii_digit);
        if !quoted && digit_before && is_nothing(&text[at..]) {
            signs.next();
            continue;
        }
        quoted ^= sign == '"' && !escaped;
        escaped = quoted && sign == '\\' && !escaped;
        whole.push(sign);
    }
    whole
}

/// `.0`, and no digit or exponent after it.
fn is_nothing(text: &str) -> bool {
    let more = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, 'e' | 'E'));
    text.strip_prefix(".0").is_some_and(|rest| !more(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(text: &Value, examples: Vec<Example>) -> Value {
        serde_json::from_str(&finish(Source { text: text.to_string(), examples })).unwrap()
    }

    #[test]
    fn a_public_operation_says_so_and_headers_have_their_usual_case() {
        let document = finished(
            &json!({
                "openapi": "3.0.0", "tags": [],
                "paths": {"/a": {"post": {
                    "operationId": "make",
                    "parameters": [{"name": "IDEMPOTENCY-KEY", "in": "header", "explode": true, "deprecated": false}],
                    "requestBody": {"content": {"application/json": {}}},
                    "responses": {"201": {"headers": {"LOCATION": {"deprecated": false}}}}
                }}}
            }),
            vec![Example { operation: "make", place: Place::Request, value: json!({"x": 1}) }],
        );
        let operation = &document["paths"]["/a"]["post"];
        assert_eq!(document["openapi"], "3.0.3");
        assert_eq!(document.get("tags"), None);
        assert_eq!(operation["security"], json!([]));
        assert_eq!(operation["parameters"], json!([{"name": "Idempotency-Key", "in": "header"}]));
        assert_eq!(operation["requestBody"]["content"]["application/json"]["example"], json!({"x": 1}));
        let headers: Vec<&String> = operation["responses"]["201"]["headers"].as_object().unwrap().keys().collect();
        assert_eq!(headers, ["Location", "X-Request-Id"]);
    }

    #[test]
    fn nulls_are_declared_in_answers_and_unknown_members_refused_in_requests() {
        let schema = |name: &str| json!({"$ref": format!("{SCHEMAS}{name}")});
        let body = |name: &str| json!({"content": {"application/json": {"schema": schema(name)}}});
        let object = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "string"}, "b": {"type": "string"}, "c": schema("Inner"),
        }});
        let document = finished(
            &json!({
                "paths": {"/a": {"post": {"requestBody": body("Asked"), "responses": {"200": body("Answered")}}}},
                "components": {"schemas": {"Asked": object, "Answered": object, "Inner": {"type": "object"}}}
            }),
            vec![],
        );
        let schemas = &document["components"]["schemas"];
        let mut asked = object;
        asked["additionalProperties"] = false.into();
        assert_eq!(schemas["Asked"], asked);
        assert_eq!(schemas["Answered"]["properties"]["a"], json!({"type": "string"}));
        assert_eq!(schemas["Answered"]["properties"]["b"], json!({"type": "string", "nullable": true}));
        assert_eq!(schemas["Answered"]["properties"]["c"], json!({"allOf": [schema("Inner")], "nullable": true}));
    }

    #[test]
    fn bounds_of_integers_are_integers() {
        let text =
            r#"{"maximum": 9007199254740991.0, "minimum": 0.5, "n": [7, -100.0], "s": "2.0, \"3.0\"", "e": 1.0e3}"#;
        let expected =
            r#"{"maximum": 9007199254740991, "minimum": 0.5, "n": [7, -100], "s": "2.0, \"3.0\"", "e": 1.0e3}"#;
        assert_eq!(whole_numbers(text), expected);
    }

    #[test]
    fn a_described_reference_is_one_element() {
        let mut value = json!({"p": {"allOf": [{"$ref": "#/x"}, {"description": "d"}], "description": "d"}});
        merge_all_of(&mut value);
        assert_eq!(value, json!({"p": {"allOf": [{"$ref": "#/x"}], "description": "d"}}));
    }
}
