//! The dialect's OpenAPI document: what poem-openapi knows, and for every
//! operation an example of its request and of each status it can answer.

use super::call::{Operation, Who};
use super::content::Form;
use super::examples;
use super::refusal::Refused;
use super::reply::Done;
use super::slug::Slug;
use super::{Api, operations};
use crate::spec::{Place, Source};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

const DESCRIPTION: &str = "Every request is a POST, every answer `{\"status\": \"...\", \"data\": ...}`. The token of \
    an application or a session is the parameter `token`, or the header `Authorization: Bearer`. Sensitive operations \
    take base64 of the JSON as `text/plain`. Refusals name all parameters at fault in `errors`.";

/// All operations, in the order of the document.
const OPERATIONS: [&Operation; 12] = [
    &operations::employees_create::OPERATION,
    &operations::employees_index::OPERATION,
    &operations::employees_read::OPERATION,
    &operations::employees_update::OPERATION,
    &operations::integrations_create::OPERATION,
    &operations::integrations_index::OPERATION,
    &operations::integrations_invitation_email::OPERATION,
    &operations::integrations_read::OPERATION,
    &operations::notifications_index::OPERATION,
    &operations::users_client_register::OPERATION,
    &operations::users_login::OPERATION,
    &operations::users_logout::OPERATION,
];

/// Schemas whose members are never omitted.
const RESOURCES: [&str; 9] = [
    "Answer_nothing",
    "Client",
    "Employee",
    "Integration",
    "Invitation",
    "InvitationTarget",
    "Notification",
    "PostalAddress",
    "Session",
];

pub(super) fn source() -> Source {
    let mut source = Source::of::<Api>("Envelope dialect", DESCRIPTION);
    for operation in OPERATIONS {
        let request = examples::request(operation.id);
        let request = match operation.form {
            Form::Json => request,
            Form::Sensitive => STANDARD.encode(request.to_string()).into(),
        };
        let (data, meta) = examples::answer(operation.id);
        source = source.example(operation.id, Place::Request, request).example(
            operation.id,
            Place::Response(200),
            Done { data, meta }.body(),
        );
    }
    if let Ok(mut document) = serde_json::from_str::<Value>(&source.text) {
        show_refusals(&mut document);
        for name in RESOURCES {
            require_all(&mut document["components"]["schemas"][name]);
        }
        source.text = document.to_string();
    }
    source
}

/// A resource has all its members in every answer: absent values are null.
fn require_all(schema: &mut Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let Some(properties) = schema["properties"].as_object_mut() else { return };
    for (name, property) in properties.iter_mut() {
        let reference = property.get("$ref").cloned().filter(|_| !required.contains(&Value::from(name.as_str())));
        if let Some(reference) = reference {
            *property = json!({"allOf": [{"$ref": reference}], "nullable": true});
        }
    }
    let names: Vec<&String> = properties.keys().collect();
    schema["required"] = json!(names);
}

/// One example per word a refused request can be answered with; a status that
/// an operation never answers is taken out.
fn show_refusals(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for post in paths.into_iter().flat_map(Map::values_mut).filter_map(|path| path.get_mut("post")) {
        let id = post["operationId"].as_str().unwrap_or_default().to_owned();
        let Some(operation) = OPERATIONS.iter().find(|operation| operation.id == id) else { continue };
        let Some(responses) = post["responses"].as_object_mut() else { continue };
        responses.retain(|status, response| status == "200" || illustrate(operation, status, response));
    }
}

/// Whether the operation can answer this status at all.
fn illustrate(operation: &Operation, status: &str, response: &mut Value) -> bool {
    let words = Slug::ALL.into_iter().filter(|slug| slug.http().as_str() == status && can_answer(operation, *slug));
    let shown: Map<String, Value> =
        words.map(|slug| (slug.name().to_owned(), json!({"value": example(slug).body()}))).collect();
    let possible = !shown.is_empty();
    let content = response["content"].as_object_mut();
    for media in content.into_iter().flat_map(Map::values_mut) {
        media["examples"] = shown.clone().into();
    }
    possible
}

fn can_answer(operation: &Operation, slug: Slug) -> bool {
    let log_in = operation.id == operations::users_login::OPERATION.id;
    let mails = [operations::integrations_invitation_email::OPERATION.id, operations::employees_update::OPERATION.id];
    match slug {
        Slug::InvalidToken | Slug::SessionExpired | Slug::PermissionDenied => !log_in,
        Slug::ClientRequired => log_in || operation.who == Who::Recorded,
        Slug::MandrillEmailFailed => mails.contains(&operation.id),
        Slug::TooManyRequests => log_in || mails.contains(&operation.id),
        Slug::ActionSuccessful
        | Slug::MissingParam
        | Slug::InvalidParam
        | Slug::InvalidContentType
        | Slug::NoParamsDecoded
        | Slug::InvalidEncodedParams
        | Slug::RouteNotFound
        | Slug::ServiceNotFound
        | Slug::MethodNotAllowed
        | Slug::NotAcceptable
        | Slug::PayloadTooLarge
        | Slug::ApplicationCrash
        | Slug::RouteNonExistent
        | Slug::IdentifyRequestError
        | Slug::ServiceUnavailable => true,
    }
}

fn example(slug: Slug) -> Refused {
    match slug {
        Slug::MissingParam => Refused::param("token", super::refusal::MISSING),
        Slug::InvalidParam => Refused::param("email", "needs exactly one @ between a name and a domain"),
        Slug::ClientRequired => Refused::client_required(examples::session()),
        Slug::TooManyRequests | Slug::ServiceUnavailable => Refused::later(slug, 1),
        Slug::ActionSuccessful
        | Slug::InvalidContentType
        | Slug::NoParamsDecoded
        | Slug::InvalidEncodedParams
        | Slug::InvalidToken
        | Slug::SessionExpired
        | Slug::PermissionDenied
        | Slug::RouteNotFound
        | Slug::ServiceNotFound
        | Slug::MethodNotAllowed
        | Slug::NotAcceptable
        | Slug::PayloadTooLarge
        | Slug::ApplicationCrash
        | Slug::MandrillEmailFailed
        | Slug::RouteNonExistent
        | Slug::IdentifyRequestError => Refused::new(slug),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        serde_json::from_str(&crate::spec::finish(source())).unwrap()
    }

    fn posts(document: &Value) -> Vec<(String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        paths.iter().map(|(path, item)| (path.clone(), item["post"].clone())).collect()
    }

    #[test]
    fn every_operation_is_declared_with_examples_of_all_it_answers() {
        let document = document();
        let posts = posts(&document);
        let ids: Vec<&str> = posts.iter().map(|(_, post)| post["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids, OPERATIONS.map(|operation| operation.id));
        for (path, post) in &posts {
            assert!(post["summary"].is_string(), "{path} needs a summary");
            assert_eq!(post["tags"].as_array().map(Vec::len), Some(1), "{path} needs its tag");
            let body = post["requestBody"]["content"].as_object().unwrap();
            assert!(body.values().all(|media| !media["example"].is_null()), "{path} needs an example of its request");
            for (status, response) in post["responses"].as_object().unwrap() {
                let content = response["content"].as_object().unwrap();
                let shown = |media: &Value| !media["example"].is_null() || media["examples"].is_object();
                assert!(content.values().all(shown), "{path} needs an example of {status}");
            }
        }
    }

    #[test]
    fn ids_follow_from_paths_and_sensitive_bodies_are_plain_text() {
        for (path, post) in posts(&document()) {
            let name = path.strip_prefix("/api/v1/").unwrap().replace('/', "_");
            assert_eq!(post["operationId"], json!(name));
            let operation = OPERATIONS.iter().find(|operation| operation.id == name).unwrap();
            let body = post["requestBody"]["content"].as_object().unwrap();
            let expected = match operation.form {
                Form::Json => "application/json",
                Form::Sensitive => "text/plain",
            };
            assert_eq!(body.keys().collect::<Vec<_>>(), [expected], "{path}");
        }
    }

    #[test]
    fn only_log_in_is_open_to_everybody() {
        for (path, post) in posts(&document()) {
            let expected = if path.ends_with("/login") { json!([]) } else { json!([{"bearer": []}]) };
            assert_eq!(post["security"], expected, "{path}");
        }
    }

    #[test]
    fn an_operation_shows_the_words_it_has_and_no_others() {
        let document = document();
        let words = |path: &str, status: &str| {
            let media = &document["paths"][path]["post"]["responses"][status]["content"];
            let media = media.as_object().and_then(|content| content.values().next());
            let examples = media.and_then(|media| media["examples"].as_object());
            examples.map(|shown| shown.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
        };
        let invite = "/api/v1/integrations/invitation_email";
        assert_eq!(words(invite, "401"), ["client-required", "invalid-token", "session-expired"]);
        assert_eq!(
            words(invite, "500"),
            ["application-crash", "identify-request-error", "mandrill-email-failed", "route-non-existent"]
        );
        assert_eq!(words("/api/v1/users/login", "401"), ["client-required"]);
        assert_eq!(words("/api/v1/users/login", "403"), Vec::<String>::new());
        assert_eq!(words("/api/v1/users/logout", "401"), ["invalid-token", "session-expired"]);
        assert_eq!(words("/api/v1/employees/read", "429"), Vec::<String>::new());
    }

    #[test]
    fn resources_have_all_their_members() {
        let schemas = &document()["components"]["schemas"];
        for name in RESOURCES {
            let properties = schemas[name]["properties"].as_object().unwrap();
            assert_eq!(schemas[name]["required"], json!(properties.keys().collect::<Vec<_>>()), "{name}");
        }
        for (name, member) in [("Employee", "address"), ("Employee", "phone"), ("Invitation", "invited_by")] {
            assert_eq!(schemas[name]["properties"][member]["nullable"], json!(true), "{name}.{member}");
        }
        let (employee, _) = examples::answer("employees_read");
        let shown: Vec<&String> = employee.as_object().unwrap().keys().collect();
        assert_eq!(schemas["Employee"]["required"], json!(shown));
    }

    #[test]
    fn examples_of_requests_are_what_the_operation_reads() {
        for operation in OPERATIONS {
            let request = examples::request(operation.id);
            assert!(request.as_object().is_some_and(|members| !members.is_empty()), "{}", operation.id);
        }
    }
}
