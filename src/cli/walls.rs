//! Walks the operator dialect's own document: every operation asks who calls,
//! what they may, and of which tenant. A new operation is in this test at once.

use crate::clock::SystemClock;
use crate::serve::Running;
use crate::settings::{Settings, Sources};
use openapi::Dialect;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Operations that the deployment's own principal alone may ask for.
const DEPLOYMENT_ONLY: [&str; 7] =
    ["askDoctor", "createTenant", "listTenants", "makeBackup", "showRebuild", "showStatus", "startRebuild"];

struct House {
    running: Running,
    http: Client,
    base: String,
    admin: String,
    _folder: tempfile::TempDir,
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flag = |name: &str, value: String| (name.to_owned(), format!("--{name}"), value);
        let data = folder.path().join("data");
        let flags = vec![flag("data", data.display().to_string()), flag("listen", "127.0.0.1:0".to_owned())];
        let settings = Settings::resolve(&Sources { flags, ..Sources::default() }).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let running = Running::start(&settings, Arc::new(SystemClock)).await.unwrap();
        let base = format!("http://{}", running.address);
        let admin = std::fs::read_to_string(data.join("admin-token")).unwrap().trim().to_owned();
        Self { running, http: Client::builder().no_proxy().build().unwrap(), base, admin, _folder: folder }
    }

    async fn ask(&self, method: &Method, path: &str, token: Option<&str>) -> reqwest::Response {
        let request = self.http.request(method.clone(), format!("{}{path}", self.base));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn make(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(format!("{}/api/ledger/{path}", self.base)).bearer_auth(&self.admin);
        let answer = request.json(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{path}");
        answer.json().await.unwrap()
    }

    /// The token of a new application.
    async fn application(&self, tenant: &str, scopes: &[&str]) -> String {
        let body = json!({"name": "wall", "scopes": scopes});
        let made = self.make(&format!("applications?tenant={tenant}"), &body).await;
        made["token"].as_str().unwrap().to_owned()
    }
}

/// Method, path with something in place of its parameters, operation id.
fn operations() -> Vec<(Method, String, String)> {
    let document: Value = serde_json::from_str(&openapi::document(Dialect::Operator)).unwrap();
    let mut all = vec![];
    for (path, item) in document["paths"].as_object().unwrap() {
        let mut filled = path.clone();
        for name in ["id", "user", "name", "position"] {
            filled = filled.replace(&format!("{{{name}}}"), "0193553d-97a1-7cc0-8df0-4b6a26dc4bd4");
        }
        assert!(!filled.contains('{'), "{path} has a parameter this test does not know");
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            all.push((method, filled.clone(), operation["operationId"].as_str().unwrap().to_owned()));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_past_any_operator_route_without_the_right_to() {
    let house = House::open().await;
    house.make("tenants", &json!({"name": "other"})).await;
    let stranger = format!("il_app_{}", "A".repeat(43));
    let powerless = house.application("default", &["pii"]).await;
    let everything =
        ["employees", "integrations", "invites", "settings", "operate", "users", "organizations", "audit", "pii"];
    let foreigner = house.application("other", &everything).await;
    let mut kept_to_the_deployment = BTreeSet::new();
    for (method, path, id) in operations() {
        for (token, expected) in [
            (None, StatusCode::UNAUTHORIZED),
            (Some(&stranger), StatusCode::UNAUTHORIZED),
            (Some(&powerless), StatusCode::FORBIDDEN),
        ] {
            let answer = house.ask(&method, &path, token.map(String::as_str)).await;
            assert_eq!(answer.status(), expected, "{id} with {token:?}");
            assert_eq!(answer.headers()["cache-control"], "no-store", "{id}");
            assert!(answer.headers().contains_key("x-request-id"), "{id}");
            let body: Value = answer.json().await.unwrap();
            assert!(body["error"]["code"].is_string(), "{id}: {body}");
        }
        let foreign = house.ask(&method, &format!("{path}?tenant=default"), Some(&foreigner)).await;
        assert_eq!(foreign.status(), StatusCode::NOT_FOUND, "{id} reaches into another tenant");
        if house.ask(&method, &path, Some(&foreigner)).await.status() == StatusCode::FORBIDDEN {
            kept_to_the_deployment.insert(id);
        }
    }
    assert_eq!(kept_to_the_deployment, DEPLOYMENT_ONLY.map(ToOwned::to_owned).into());
    house.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenants_things_are_unknown_to_another_however_many_scopes_it_has() {
    let house = House::open().await;
    house.make("tenants", &json!({"name": "other"})).await;
    let foreigner =
        house.application("other", &["employees", "integrations", "invites", "users", "organizations"]).await;
    let organization = house.make("organizations", &json!({"name": "Acme"})).await;
    let integration = house.make("integrations", &json!({"name": "Sync"})).await;
    let employee = house.make("employees", &json!({"email": "jane@acme.example"})).await;
    let user = house.make("users", &json!({"email": "jane@acme.example"})).await;
    let invited = house.make("invitations", &json!({"kind": "platform", "email": "john@example.org"})).await;
    let paths = [
        format!("organizations/{}", organization["id"].as_str().unwrap()),
        format!("organizations/{}/members", organization["id"].as_str().unwrap()),
        format!("integrations/{}", integration["id"]),
        format!("employees/{}", employee["id"]),
        format!("users/{}", user["id"].as_str().unwrap()),
        format!("invitations/{}", invited["invitation"]["id"].as_str().unwrap()),
    ];
    for path in paths {
        let path = format!("/api/ledger/{path}");
        assert_eq!(house.ask(&Method::GET, &path, Some(&house.admin)).await.status(), StatusCode::OK, "{path}");
        assert_eq!(house.ask(&Method::GET, &path, Some(&foreigner)).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for list in ["organizations", "integrations", "employees", "users", "invitations"] {
        let answer = house.ask(&Method::GET, &format!("/api/ledger/{list}"), Some(&foreigner)).await;
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["page"]["total_count"], 0, "{list}");
    }
    house.running.stop().await;
}
