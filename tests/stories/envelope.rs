//! The envelope dialect over a whole service, as callers meet it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::use_cases::{CreateApplication, CreateUser};
use domain::{Actor, Address, Channel, Context, Scope, TenantName};
use invitation_ledger::clock::SystemClock;
use invitation_ledger::serve::House;
use invitation_ledger::settings::{Settings, Sources};
use openapi::Front;
use poem::http::Method;
use poem::{Endpoint, Request};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

struct Shop {
    _folder: tempfile::TempDir,
    house: House,
    endpoint: Front,
    admin: String,
}

struct Got {
    status: u16,
    headers: poem::http::HeaderMap,
    body: Value,
}

impl Shop {
    async fn open(flags: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut flags: Vec<(String, String, String)> =
            flags.iter().map(|(n, v)| ((*n).to_owned(), format!("--{n}"), (*v).to_owned())).collect();
        flags.push(("data".into(), "--data".into(), folder.path().join("data").display().to_string()));
        let settings = Settings::resolve(&Sources { flags, ..Sources::default() }).unwrap();
        let mut house = House::open(&settings, Arc::new(SystemClock), "a test").await.unwrap();
        house.deliver();
        let endpoint = house.endpoint();
        let admin = std::fs::read_to_string(settings.data.join("admin-token")).unwrap().trim().to_owned();
        Self { _folder: folder, house, endpoint, admin }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        let mut request = Request::builder().method(method).uri_str(format!("/api/v1/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.endpoint.get_response(request.body(body.to_vec())).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.into_body().into_bytes().await.unwrap();
        let body =
            serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into());
        assert_eq!(headers.get("cache-control").map(|v| v.as_bytes()), Some(&b"no-store"[..]), "{path}");
        assert!(headers.contains_key("x-request-id"), "{path}");
        Got { status, headers, body }
    }

    async fn post(&self, path: &str, body: Value) -> Got {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string().as_bytes()).await
    }

    async fn sensitive(&self, path: &str, body: Value) -> Got {
        let text = STANDARD.encode(body.to_string());
        self.send(Method::POST, path, &[("content-type", "text/plain")], text.as_bytes()).await
    }

    fn context(&self) -> Context {
        let bus = self.house.bus();
        Context::new(TenantName::default_tenant(), Actor::Deployment, Channel::Operator, Uuid::now_v7(), bus.now())
    }

    async fn user(&self, email: &str, client: Option<&str>, liaison: bool) -> Uuid {
        let user = Uuid::now_v7();
        self.house.identity().set_password(user, "correct horse battery").await.unwrap();
        let case = CreateUser {
            user,
            email: Address::parse(email).unwrap(),
            name: None,
            client: client.map(ToOwned::to_owned),
            liaison,
            administrator: false,
        };
        self.house.bus().perform(self.context(), case).await.unwrap();
        user
    }

    async fn log_in(&self, email: &str) -> Got {
        self.sensitive("users/login", json!({"email": email, "password": "correct horse battery"})).await
    }

    async fn token(&self, email: &str) -> String {
        let got = self.log_in(email).await;
        assert_eq!(got.status, 200, "{}", got.body);
        got.body["data"]["session"]["token"].as_str().unwrap().to_owned()
    }
}

#[track_caller]
fn is(got: &Got, status: u16, slug: &str) {
    assert_eq!((got.status, got.body["status"].as_str().unwrap_or_default()), (status, slug), "{}", got.body);
    assert_eq!(got.headers.get("content-type").unwrap(), "application/json; charset=utf-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_come_in_their_order() {
    let shop = Shop::open(&[("mail", "none")]).await;
    let json = [("content-type", "application/json")];
    is(&shop.post("nonsense", json!({})).await, 500, "route-non-existent");
    is(&shop.send(Method::POST, "", &[], b"").await, 500, "route-non-existent");
    let got = shop.send(Method::GET, "employees/read", &[], b"").await;
    is(&got, 405, "method-not-allowed");
    assert_eq!(got.headers.get("allow").unwrap(), "POST");
    is(&shop.send(Method::POST, "employees/read", &[], b"{").await, 400, "invalid-content-type");
    is(&shop.send(Method::POST, "employees/read", &json, b"{").await, 400, "invalid-encoded-params");
    is(&shop.send(Method::POST, "employees/read", &json, b"").await, 400, "invalid-encoded-params");
    is(&shop.send(Method::POST, "employees/read", &json, b"[]").await, 400, "no-params-decoded");
    is(&shop.send(Method::POST, "employees/read", &json, b"{}").await, 400, "no-params-decoded");
    let bearer = format!("Bearer {}", shop.admin);
    let both = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    is(&shop.send(Method::POST, "employees/read", &both, b"{}").await, 400, "no-params-decoded");
    is(&shop.send(Method::POST, "employees/index", &both, b"{}").await, 200, "action-successful");
    is(&shop.send(Method::POST, "employees/index", &json, b"{}").await, 400, "no-params-decoded");
    let got = shop.post("employees/read", json!({"id": "x"})).await;
    is(&got, 400, "missing-param");
    assert_eq!(
        got.body["errors"],
        json!([{"param": "id", "reason": "must be an integer"}, {"param": "token", "reason": "is missing"}])
    );
    is(&shop.post("employees/read", json!({"token": 5, "id": 1})).await, 400, "invalid-param");
    is(&shop.post("employees/read", json!({"token": "il_ses_x", "id": "x"})).await, 401, "invalid-token");
    let other = shop.send(Method::POST, "employees/read", &both, br#"{"token": "il_ses_x", "id": 1}"#).await;
    is(&other, 400, "invalid-param");
    let got = shop.post("employees/read", json!({"token": shop.admin, "id": 77})).await;
    is(&got, 400, "invalid-param");
    assert_eq!(got.body["errors"], json!([{"param": "id", "reason": "does not exist"}]));
    let got = shop.post("employees/read", json!({"token": shop.admin, "id": 77, "tenant": "nobody"})).await;
    assert_eq!(got.body["errors"], json!([{"param": "tenant", "reason": "does not exist"}]), "{}", got.body);
    let accept = [("content-type", "application/json"), ("accept", "text/html")];
    is(&shop.send(Method::POST, "employees/read", &accept, b"{}").await, 406, "not-acceptable");
    let large = vec![b' '; 64 * 1024 + 1];
    is(&shop.send(Method::POST, "employees/read", &json, &large).await, 413, "payload-too-large");
    let mut bad = Request::builder().method(Method::POST).uri_str("/api/v1/employees/read").finish();
    bad.headers_mut().insert("x-odd", poem::http::HeaderValue::from_bytes(b"\xff").unwrap());
    let response = shop.endpoint.get_response(bad).await;
    assert_eq!(response.status().as_u16(), 500);
    assert!(response.into_body().into_string().await.unwrap().contains("identify-request-error"));
    shop.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_is_not_there() {
    let flags = [("mail", "none"), ("routes.disabled", "employees/read"), ("services.disabled", "integrations")];
    let shop = Shop::open(&flags).await;
    is(&shop.post("employees/read", json!({})).await, 404, "route-not-found");
    is(&shop.send(Method::POST, "integrations/index", &[], b"").await, 404, "service-not-found");
    is(&shop.post("employees/index", json!({"token": shop.admin})).await, 200, "action-successful");
    shop.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_registers_as_a_client_and_invites() {
    let shop = Shop::open(&[("mail", "file")]).await;
    shop.user("jane@acme.com", None, false).await;
    let wrong = shop.sensitive("users/login", json!({"email": "jane@acme.com", "password": "wrong"})).await;
    let unknown = shop.sensitive("users/login", json!({"email": "jim@acme.com", "password": "wrong"})).await;
    is(&wrong, 400, "invalid-param");
    assert_eq!(wrong.body, unknown.body);
    let got = shop.log_in("jane@acme.com").await;
    is(&got, 401, "client-required");
    let token = got.body["session"]["token"].as_str().unwrap().to_owned();
    assert_eq!(got.body["session"]["remember_me"], json!(false));
    assert!(got.body["session"]["expires_at"].is_string());
    let got = shop.post("integrations/index", json!({"token": token})).await;
    is(&got, 401, "client-required");
    assert_eq!(got.body["session"]["token"], json!(token));
    let got = shop.sensitive("users/client_register", json!({"token": token, "company_name": " "})).await;
    is(&got, 400, "invalid-param");
    let got = shop.sensitive("users/client_register", json!({"token": token, "company_name": "Acme"})).await;
    is(&got, 200, "action-successful");
    assert_eq!(got.body["data"]["client"]["company_name"], json!("Acme"));
    let old = token;
    let token = got.body["data"]["session"]["token"].as_str().unwrap().to_owned();
    is(&shop.post("integrations/index", json!({"token": old})).await, 401, "invalid-token");
    let got = shop.sensitive("users/client_register", json!({"token": token, "company_name": "Acme"})).await;
    assert_eq!(got.body["errors"][0]["param"], json!("company_name"), "{}", got.body);
    let got = shop.post("integrations/create", json!({"token": token, "name": "Payroll"})).await;
    is(&got, 200, "action-successful");
    assert_eq!(got.body["data"]["description"], Value::Null);
    let id = got.body["data"]["id"].as_i64().unwrap();
    let foreign = shop.post("integrations/create", json!({"token": shop.admin, "name": "Theirs"})).await;
    let theirs = foreign.body["data"]["id"].as_i64().unwrap();
    assert!(theirs > id);
    is(&shop.post("integrations/read", json!({"token": token, "id": theirs})).await, 403, "permission-denied");
    let got = shop.post("integrations/read", json!({"token": token, "id": id})).await;
    assert_eq!(got.body["data"]["name"], json!("Payroll"), "{}", got.body);
    let got = shop.post("integrations/index", json!({"token": token})).await;
    assert_eq!(got.body["data"].as_array().map(Vec::len), Some(1), "{}", got.body);
    assert_eq!(got.body["meta"]["page"], json!({"number": 1, "size": 25, "total_count": 1, "total_pages": 1}));

    let invite = json!({"token": token, "id": id, "email": "Bob@Acme.com"});
    let key = [("content-type", "application/json"), ("idempotency-key", "k1")];
    let first = shop.send(Method::POST, "integrations/invitation_email", &key, invite.to_string().as_bytes()).await;
    is(&first, 200, "action-successful");
    let data = &first.body["data"];
    assert_eq!(data["target"], json!({"id": id, "name": "Payroll"}));
    assert_eq!(
        (&data["email"], &data["email_status"], &data["state"]),
        (&json!("Bob@Acme.com"), &json!("sent"), &json!("pending"))
    );
    assert_eq!(data["invited_by"]["kind"], json!("user"));
    let again = shop.send(Method::POST, "integrations/invitation_email", &key, invite.to_string().as_bytes()).await;
    assert_eq!(again.body, first.body);
    let changed = json!({"token": token, "id": id, "email": "eve@acme.com"}).to_string();
    let got = shop.send(Method::POST, "integrations/invitation_email", &key, changed.as_bytes()).await;
    assert_eq!(got.body["errors"][0]["param"], json!("Idempotency-Key"), "{}", got.body);
    let soon = shop.post("integrations/invitation_email", invite).await;
    is(&soon, 429, "too-many-requests");
    assert!(soon.headers.contains_key("retry-after"));
    let got = shop
        .post("integrations/invitation_email", json!({"token": token, "id": theirs, "email": "bob@acme.com"}))
        .await;
    is(&got, 403, "permission-denied");
    let got =
        shop.post("integrations/invitation_email", json!({"token": token, "id": 999, "email": "bob", "x": 1})).await;
    is(&got, 400, "invalid-param");
    assert_eq!(got.body["errors"].as_array().map(Vec::len), Some(3), "{}", got.body);
    is(&shop.post("employees/index", json!({"token": token})).await, 403, "permission-denied");
    is(&shop.post("notifications/index", json!({"token": token, "x": 1})).await, 403, "permission-denied");
    let got = shop.post("users/logout", json!({"token": token})).await;
    is(&got, 200, "action-successful");
    assert_eq!(got.body, json!({"status": "action-successful", "data": null}));
    is(&shop.post("users/logout", json!({"token": token})).await, 401, "invalid-token");
    is(&shop.post("users/logout", json!({"token": shop.admin})).await, 403, "permission-denied");
    shop.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn employees_are_kept() {
    let shop = Shop::open(&[("mail", "file")]).await;
    let user = shop.user("worker@acme.com", None, false).await;
    shop.user("lia@acme.com", None, true).await;
    let liaison = shop.token("lia@acme.com").await;
    let got = shop
        .post("employees/create", json!({"token": liaison, "user_id": user, "email": "worker@acme.com", "first_name": "W", "address": {"city": "Tulsa", "state": null}}))
        .await;
    is(&got, 200, "action-successful");
    let id = got.body["data"]["id"].as_i64().unwrap();
    assert_eq!(got.body["data"]["user_id"], json!(user));
    assert_eq!(got.body["data"]["address"]["city"], json!("Tulsa"));
    let second = shop.post("employees/create", json!({"token": liaison, "email": "WORKER@acme.com"})).await;
    assert_eq!(second.body["errors"], json!([{"param": "email", "reason": "belongs to another active employee"}]));
    let second = shop.post("employees/create", json!({"token": liaison, "email": "other@acme.com"})).await;
    let other = second.body["data"]["id"].as_i64().unwrap();
    let worker = shop.token("worker@acme.com").await;
    is(&shop.post("employees/read", json!({"token": worker, "id": id})).await, 200, "action-successful");
    is(&shop.post("employees/read", json!({"token": worker, "id": other})).await, 403, "permission-denied");
    let got = shop.post("employees/index", json!({"token": worker})).await;
    assert_eq!(got.body["meta"]["page"]["total_count"], json!(1), "{}", got.body);
    assert_eq!(got.body["data"][0]["id"], json!(id));
    let got = shop
        .post(
            "employees/index",
            json!({"token": liaison, "sort": {"by": "id", "order": "desc"}, "filters": {"active": true}}),
        )
        .await;
    let ids: Vec<i64> = got.body["data"].as_array().unwrap().iter().map(|e| e["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [other, id]);
    let got = shop.post("employees/index", json!({"token": liaison, "search": {"term": "other"}})).await;
    assert_eq!(got.body["meta"]["page"]["total_count"], json!(1), "{}", got.body);

    let own = json!({"token": worker, "id": id, "email": "worker@acme.com", "phone": "1"});
    let got = shop.post("employees/update", own).await;
    is(&got, 200, "action-successful");
    assert_eq!((&got.body["data"]["phone"], &got.body["data"]["version"]), (&json!("1"), &json!(2)));
    let got = shop
        .post("employees/update", json!({"token": worker, "id": id, "email": "worker@acme.com", "phone": "1"}))
        .await;
    assert_eq!(got.body["data"]["version"], json!(2));
    let beyond = json!({"token": worker, "id": id, "email": "worker@acme.com", "first_name": 5});
    is(&shop.post("employees/update", beyond).await, 403, "permission-denied");
    let foreign = json!({"token": worker, "id": other, "email": 5});
    is(&shop.post("employees/update", foreign).await, 403, "permission-denied");
    let got = shop.post("employees/update", json!({"token": worker, "id": id, "email": 5})).await;
    is(&got, 400, "invalid-param");
    let got = shop.post("employees/update", json!({"token": worker, "id": id, "phone": "1"})).await;
    is(&got, 400, "missing-param");
    let key = [("content-type", "application/json"), ("idempotency-key", "k2")];
    let change =
        json!({"token": worker, "id": id, "email": "new@acme.com", "address": {"street": "1 Main", "city": null}});
    let got = shop.send(Method::POST, "employees/update", &key, change.to_string().as_bytes()).await;
    is(&got, 200, "action-successful");
    assert_eq!(got.body["data"]["email"], json!("new@acme.com"));
    assert_eq!(
        (&got.body["data"]["address"]["street"], &got.body["data"]["address"]["city"]),
        (&json!("1 Main"), &Value::Null)
    );
    let again = shop.send(Method::POST, "employees/update", &key, change.to_string().as_bytes()).await;
    assert_eq!(again.body, got.body);
    is(&shop.log_in("new@acme.com").await, 400, "invalid-param");
    let got = shop
        .post("employees/update", json!({"token": liaison, "id": id, "email": "new@acme.com", "active": false}))
        .await;
    is(&got, 200, "action-successful");
    is(&shop.post("employees/read", json!({"token": worker, "id": id})).await, 401, "session-expired");
    is(&shop.log_in("worker@acme.com").await, 400, "invalid-param");
    shop.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_nobody_takes_is_told() {
    let shop = Shop::open(&[("mail", "smtp://127.0.0.1:9"), ("mail_wait_seconds", "1")]).await;
    let got = shop.post("integrations/create", json!({"token": shop.admin, "name": "Payroll"})).await;
    let id = got.body["data"]["id"].as_i64().unwrap();
    let got = shop
        .post("integrations/invitation_email", json!({"token": shop.admin, "id": id, "email": "bob@acme.com"}))
        .await;
    is(&got, 500, "mandrill-email-failed");
    let got = shop.post("notifications/index", json!({"token": shop.admin})).await;
    is(&got, 200, "action-successful");
    shop.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_has_its_scopes() {
    let shop = Shop::open(&[("mail", "none")]).await;
    let id = Uuid::now_v7();
    let tenant = TenantName::default_tenant();
    let token = shop.house.identity().new_application_token(&tenant, id).await.unwrap();
    let case = CreateApplication { application: id, name: "Nightly".into(), scopes: [Scope::Integrations].into() };
    shop.house.bus().perform(shop.context(), case).await.unwrap();
    let token = token.reveal();
    is(&shop.post("integrations/index", json!({"token": token})).await, 200, "action-successful");
    is(&shop.post("employees/index", json!({"token": token})).await, 403, "permission-denied");
    is(&shop.post("employees/create", json!({"token": token})).await, 403, "permission-denied");
    is(
        &shop.sensitive("users/client_register", json!({"token": token, "company_name": "A"})).await,
        403,
        "permission-denied",
    );
    let got = shop.post("integrations/index", json!({"token": token, "tenant": "other"})).await;
    assert_eq!(got.body["errors"], json!([{"param": "tenant", "reason": "does not exist"}]));
    shop.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_a_recipient_counts_and_a_repetition_does_not() {
    let shop = Shop::open(&[("mail", "file")]).await;
    let mut ids = vec![];
    for n in 0..11 {
        let got = shop.post("integrations/create", json!({"token": shop.admin, "name": format!("P{n}")})).await;
        ids.push(got.body["data"]["id"].as_i64().unwrap());
    }
    for id in &ids[..10] {
        let body = json!({"token": shop.admin, "id": id, "email": "bob@acme.com"}).to_string();
        let key = format!("k{id}");
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        for _ in 0..2 {
            let got = shop.send(Method::POST, "integrations/invitation_email", &headers, body.as_bytes()).await;
            is(&got, 200, "action-successful");
        }
    }
    let got = shop
        .post("integrations/invitation_email", json!({"token": shop.admin, "id": ids[10], "email": "BOB@acme.com"}))
        .await;
    is(&got, 429, "too-many-requests");
    let got = shop
        .post("integrations/invitation_email", json!({"token": shop.admin, "id": 9999, "email": "bob@acme.com"}))
        .await;
    is(&got, 400, "invalid-param");
    let body = json!({"token": shop.admin, "id": ids[0], "email": "bob@acme.com"}).to_string();
    let key = format!("k{}", ids[0]);
    let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
    let got = shop.send(Method::POST, "integrations/invitation_email", &headers, body.as_bytes()).await;
    is(&got, 200, "action-successful");
    shop.house.close().await;
}
