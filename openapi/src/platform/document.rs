//! The dialect's OpenAPI document: words, security schemes, examples.

use super::csrf::CsrfFault;
use super::fault::{Detail, Fault};
use super::invitations::Invitations;
use super::sessions::Sessions;
use super::settings::Settings;
use crate::spec::{Place, Source};
use crate::wire::{Bearer, BodyFault, Scheme};
use domain::invitation::State;
use domain::{Failure, Refusal, Unavailable, What};
use identity::TooMany;
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use serde_json::{Value, json};

/// The parts of the dialect.
pub type Api = (Sessions, Invitations, Settings);

const COOKIE: &str = "cookie";
const CSRF: &str = "csrf";

const DESCRIPTION: &str = "\
Inviting people to the platform itself, sessions by cookie, and the settings of a business (elsewhere called tenant).

Bodies are bare JSON under five names, for `Content-Type` and `Accept`: `application/json`, \
`application/vnd.soa.v71+json`, `.v72+json`, `.v80+json`, `.v81+json`. The answer has the one that `Accept` likes \
best, and `Expires` equal to `Date`.

A session by cookie is guarded: writes repeat the value of the cookie `Csrf-Token_{tenant}` in the header \
`X-Csrf-Token_{tenant}` while `WriteRequestCSRFSupport` is enabled, reads do while `ReadRequestCSRFSupport` is. The \
header's suffix also picks one of several tenants' cookies. When what the account may do has changed, the next answer \
sets the cookies of a new session, and the old one ends. `Authorization: Bearer` needs none of this.

Refusals are `{\"code\", \"message\", \"details\"}`. Undeclared methods of a known path answer 405 with `Allow`.";

/// Its OpenAPI document before [`crate::spec::finish`].
#[must_use]
pub fn source() -> Source {
    let mut source = Source::of::<Api>("Invitation Ledger: platform dialect", DESCRIPTION);
    if let Some(text) = guarded(&source.text) {
        source.text = text;
    }
    let source = OPERATIONS.iter().fold(source, |source, operation| {
        refusals(operation)
            .into_iter()
            .map(|fault| fault.example())
            .fold(source, |source, (status, refusal)| source.example(operation, Place::Response(status), refusal))
    });
    EXAMPLES.iter().fold(source, |source, (operation, place, example)| source.example(operation, *place, example()))
}

const OPERATIONS: [&str; 9] = [
    "login",
    "renewToken",
    "logout",
    "inviteUsers",
    "getBusinessSettings",
    "getUserSettings",
    "updateUserSettings",
    "getSecuritySettings",
    "updateSecuritySettings",
];

/// One of each status that an operation may be refused with; a status that it does not declare is not shown.
fn refusals(operation: &str) -> Vec<Fault> {
    let parameters = |name: &str, reason: &str| Fault::Parameters(vec![Detail::new(name, reason)]);
    let malformed = match operation {
        "login" => parameters("email", "is missing"),
        "getBusinessSettings" => parameters("IncludeUserSettings", "must be true or false, once"),
        "updateUserSettings" => parameters("InvitedUserValidDays", "must be 1 to 365"),
        "updateSecuritySettings" => parameters("WriteRequestCSRFSupport", "is missing"),
        "inviteUsers" => Fault::Parameters(vec![Detail {
            value: Some("jane.mead".to_owned()),
            ..Detail::new("EmailAddresses[0]", "needs exactly one @ between a name and a domain")
        }]),
        _ => parameters("tenant", "is no tenant's name"),
    };
    let nobody = match operation {
        "login" => Fault::LogInRefused,
        "renewToken" | "logout" => Fault::Csrf(CsrfFault::Wrong),
        "inviteUsers" => Refusal::InvitingDisabled.into(),
        _ => Fault::SessionEnded,
    };
    let forbidden = match operation {
        "login" => Fault::ForeignOrigin,
        "renewToken" | "logout" => Refusal::UsersOnly.into(),
        _ => Refusal::NotPermitted.into(),
    };
    let missing = if operation == "inviteUsers" { Refusal::NotFound(What::Tenant).into() } else { Fault::NoBusiness };
    vec![
        malformed,
        nobody,
        forbidden,
        missing,
        Fault::NotAcceptable,
        Refusal::NotPending(State::Accepted).into(),
        Fault::Body(BodyFault::TooLarge),
        Fault::UnsupportedMediaType,
        Fault::TooMany(TooMany { retry_after_s: 17 }),
        Fault::Failed(Failure::internal("shown")),
        Fault::Failed(Unavailable::Busy { retry_after_s: 1 }.into()),
    ]
}

/// What poem-openapi cannot say: where a cookie is enough for a read, a write
/// needs the CSRF header beside it.
fn guarded(text: &str) -> Option<String> {
    let mut document: Value = serde_json::from_str(text).ok()?;
    for item in document.get_mut("paths")?.as_object_mut()?.values_mut() {
        for (method, operation) in item.as_object_mut()? {
            let Some(schemes) = operation.get_mut("security").and_then(Value::as_array_mut) else { continue };
            for scheme in schemes.iter_mut().filter(|scheme| method != "get" && scheme.get(COOKIE).is_some()) {
                scheme[CSRF] = json!([]);
            }
        }
    }
    Some(document.to_string())
}

/// A token in the header, or a session by cookie with its CSRF token.
pub struct ByBrowserOrBearer;

impl Scheme for ByBrowserOrBearer {
    const NAMES: &'static [&'static str] = &[COOKIE, "bearer"];

    fn register(registry: &mut Registry) {
        Bearer::register(registry);
        registry.create_security_scheme(
            COOKIE,
            key(
                "cookie",
                "AtmoAuthToken_{tenant}",
                "The session's token, set by the log-in; `{tenant}` is the tenant's name.",
            ),
        );
        registry.create_security_scheme(
            CSRF,
            key(
                "header",
                "X-Csrf-Token_{tenant}",
                "The value of the cookie `Csrf-Token_{tenant}`. Needed beside the session's cookie for writes while \
                 `WriteRequestCSRFSupport` is enabled, and for reads while `ReadRequestCSRFSupport` is.",
            ),
        );
    }
}

fn key(place: &'static str, name: &'static str, description: &'static str) -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "apiKey",
        description: Some(description),
        name: Some(name),
        key_in: Some(place),
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    }
}

type Sample = (&'static str, Place, fn() -> Value);

const EXAMPLES: &[Sample] = &[
    (
        "login",
        Place::Request,
        || json!({"email": "jane.mead@acmepaymentscorp.com", "password": "correct horse battery", "tenant": "default"}),
    ),
    ("login", Place::Response(200), session),
    ("renewToken", Place::Response(200), session),
    ("logout", Place::Response(200), || json!({})),
    ("inviteUsers", Place::Request, || {
        json!({
            "EmailAddresses": ["jane.mead@acmepaymentscorp.com"],
            "Message": "You should join this awesome app management platform."
        })
    }),
    ("inviteUsers", Place::Response(200), || json!(["jane.mead@acmepaymentscorp.com"])),
    ("getBusinessSettings", Place::Response(200), || json!({"SecuritySettings": security(), "UserSettings": user()})),
    ("getUserSettings", Place::Response(200), user),
    ("updateUserSettings", Place::Request, || json!({"InvitedUserValidDays": 7})),
    ("updateUserSettings", Place::Response(200), user),
    ("getSecuritySettings", Place::Response(200), security),
    ("updateSecuritySettings", Place::Request, || json!({"WriteRequestCSRFSupport": "com.soa.feature.enabled"})),
    ("updateSecuritySettings", Place::Response(200), security),
];

fn session() -> Value {
    json!({
        "userId": "8646b67b-9a28-4de7-bd0e-27adacc99e45",
        "tenant": "default",
        "expires_at": "2021-11-30T14:38:02Z"
    })
}

fn security() -> Value {
    super::switches::security(domain::tenant::Settings::default())
}

fn user() -> Value {
    super::switches::user(domain::tenant::Settings::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, spec};
    use std::collections::BTreeMap;

    fn document() -> Value {
        serde_json::from_str(&crate::document(Dialect::Platform)).unwrap()
    }

    /// Every operation, by its id.
    fn operations() -> BTreeMap<String, (String, Value)> {
        let document = document();
        let mut found = BTreeMap::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                found.insert(id, (format!("{} {path}", method.to_uppercase()), operation.clone()));
            }
        }
        found
    }

    #[test]
    fn the_document_has_every_operation_of_the_contract() {
        let routes: Vec<(String, String)> = operations().into_iter().map(|(id, (route, _))| (id, route)).collect();
        let expected = [
            ("getBusinessSettings", "GET /api/businesses/{BusinessID}/settings"),
            ("getSecuritySettings", "GET /api/businesses/{BusinessID}/securitysettings"),
            ("getUserSettings", "GET /api/businesses/{BusinessID}/usersettings"),
            ("inviteUsers", "POST /api/users/invitations"),
            ("login", "POST /api/login"),
            ("logout", "POST /api/logout"),
            ("renewToken", "POST /api/login/renewToken"),
            ("updateSecuritySettings", "PUT /api/businesses/{BusinessID}/securitysettings"),
            ("updateUserSettings", "PUT /api/businesses/{BusinessID}/usersettings"),
        ];
        let expected: Vec<(String, String)> =
            expected.into_iter().map(|(id, route)| (id.to_owned(), route.to_owned())).collect();
        assert_eq!(routes, expected);
    }

    #[test]
    fn every_operation_says_its_security_its_refusals_and_an_example() {
        for (id, (route, operation)) in operations() {
            let by_cookie =
                if route.starts_with("GET") { json!({"cookie": []}) } else { json!({"cookie": [], "csrf": []}) };
            let security = if id == "login" { json!([]) } else { json!([by_cookie, {"bearer": []}]) };
            assert_eq!(operation["security"], security, "{id}");
            for status in ["200", "400", "401", "406", "500", "503"] {
                let content = operation["responses"][status]["content"].as_object();
                assert_eq!(content.map(serde_json::Map::len), Some(5), "{id} {status}");
            }
            assert!(!operation["responses"]["200"]["content"]["application/json"]["example"].is_null(), "{id}");
            assert!(operation["summary"].is_string(), "{id}");
        }
    }

    #[test]
    fn the_seeds_sample_stands_in_the_document() {
        let operation = &operations()["inviteUsers"].1;
        let sample = &operation["requestBody"]["content"]["application/vnd.soa.v81+json"]["example"];
        assert_eq!(sample["EmailAddresses"], json!(["jane.mead@acmepaymentscorp.com"]));
        let answer = &operation["responses"]["200"]["content"]["application/json"];
        assert_eq!(answer["example"], json!(["jane.mead@acmepaymentscorp.com"]));
        assert_eq!(answer["schema"], json!({"type": "array", "items": {"type": "string"}}));
    }

    #[test]
    fn guarding_the_text_loses_nothing_of_it() {
        let bare = Source::of::<Api>("x", "y");
        let before: Value = serde_json::from_str(&spec::finish(bare)).unwrap();
        let after = document();
        let paths = |d: &Value| d["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(paths(&before), paths(&after));
    }
}
