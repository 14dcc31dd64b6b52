use super::*;
use crate::wire::{Answers, Body, Media, PathParam, Reply, described, json_response, parse};
use async_trait::async_trait;
use domain::bus::{Claim, Job, MailRef, MailResult, Peek, Record, Runner};
use domain::{Failure, Root, TenantName, Timestamp, Unavailable};
use poem_openapi::registry::{MetaResponse, Registry};
use poem_openapi::types::Any;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::Notify;
use uuid::Uuid;

/// A ledger that is stopping: the shell asks it for the time, and what others have done.
#[derive(Default)]
struct Stopping {
    cut_off: bool,
}

#[async_trait]
impl<A: Root> Peek<A> for Stopping {
    async fn peek(&self, _: &TenantName, _: Uuid, _: u64) -> Result<Arc<A>, Failure> {
        Err(Unavailable::Stopping.into())
    }
}

#[async_trait]
impl Runner for Stopping {
    async fn arrive(&self) -> Result<(), Failure> {
        if self.cut_off { Err(Unavailable::Busy { retry_after_s: 1 }.into()) } else { Ok(()) }
    }
    async fn run(&self, _: domain::Context, _: Arc<dyn Job>) -> Result<Box<dyn Record>, Failure> {
        Err(Unavailable::Stopping.into())
    }
    async fn holder(&self, _: &TenantName, _: Claim) -> Result<Option<Uuid>, Failure> {
        Err(Unavailable::Stopping.into())
    }
    async fn numbered(&self, _: &TenantName, _: &'static str, _: u64) -> Result<Option<Uuid>, Failure> {
        Err(Unavailable::Stopping.into())
    }
    async fn mail_result(&self, _: MailRef, _: Duration) -> Option<MailResult> {
        None
    }
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_000)
    }
}

struct Plain;

impl Media for Plain {
    const TYPES: &'static [&'static str] = &["application/json"];
}

struct Anything;

impl Answers for Anything {
    fn responses() -> Vec<MetaResponse> {
        vec![described(200, "Whatever.", vec![])]
    }
    fn register(_: &mut Registry) {}
}

/// Three operations: one that answers, one that panics, one that waits to be let go.
struct Api {
    go: Arc<Notify>,
    began: Arc<Notify>,
}

#[poem_openapi::OpenApi]
impl Api {
    #[oai(path = "/t/things/:thing", method = "get")]
    async fn get(&self, thing: PathParam<String>) -> Reply<Anything> {
        assert_ne!(thing.text, "bomb", "a secret in a panic");
        json_response(StatusCode::OK, "application/json", &json!({"thing": thing.text})).into()
    }

    #[oai(path = "/t/things/:thing", method = "put")]
    async fn put(&self, _thing: PathParam<String>, body: Body<Plain, Any<Value>>) -> Reply<Anything> {
        let answer = match body.bytes() {
            Ok(bytes) => json!({"bytes": bytes.len(), "json": parse(bytes).is_ok()}),
            Err(fault) => json!({"fault": fault.to_string()}),
        };
        json_response(StatusCode::OK, "application/json", &answer).into()
    }

    #[oai(path = "/t/slow", method = "post")]
    async fn slow(&self) -> Reply<Anything> {
        self.began.notify_one();
        self.go.notified().await;
        json_response(StatusCode::OK, "application/json", &json!({})).into()
    }
}

struct Blunt;

impl Words for Blunt {
    const DIALECT: Dialect = Dialect::Operator;

    fn trouble(&self, trouble: &Trouble, _: &Request) -> Response {
        let status = match trouble {
            Trouble::NoRoute => 404,
            Trouble::Method => 405,
            Trouble::Unreadable => 400,
            Trouble::Overloaded { .. } => 503,
            Trouble::Crashed => 500,
        };
        let status = StatusCode::from_u16(status).unwrap();
        json_response(status, "application/json", &json!({"trouble": format!("{trouble:?}")}))
    }
}

#[derive(Default)]
struct Watch(Mutex<Vec<(&'static str, &'static str, u16)>>);

impl crate::wire::Observer for Watch {
    fn answered(&self, answered: &Answered) {
        self.0.lock().unwrap().push((answered.method, answered.route, answered.status));
    }
}

struct House {
    endpoint: BoxEndpoint<'static>,
    go: Arc<Notify>,
    began: Arc<Notify>,
    watch: Arc<Watch>,
}

fn house(requests_at_once: usize) -> House {
    house_of(Stopping::default(), requests_at_once)
}

fn house_of(ledger: Stopping, requests_at_once: usize) -> House {
    let (go, began, watch) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Watch::default()));
    let settings = HttpSettings { requests_at_once, observer: Some(watch.clone()), ..HttpSettings::default() };
    let api = Api { go: go.clone(), began: began.clone() };
    let endpoint = around(Blunt, api, CommandBus::new(Arc::new(ledger)), Arc::new(settings));
    House { endpoint, go, began, watch }
}

fn request(method: Method, path: &str) -> poem::RequestBuilder {
    Request::builder().method(method).uri_str(path)
}

async fn told(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.into_body().into_string().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[tokio::test]
async fn every_answer_has_the_headers_all_answers_have() {
    let house = house(8);
    let id = "8646b67b-9a28-4de7-bd0e-27adacc99e45";
    for (path, status) in [("/t/things/1", 200), ("/t/nothing", 404)] {
        let sent = request(Method::GET, path).header("X-Request-Id", id).finish();
        let response = house.endpoint.call(sent).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.header("x-request-id"), Some(id));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    let sent = request(Method::GET, "/t/things/1").header("X-Request-Id", "'; drop").finish();
    let response = house.endpoint.call(sent).await.unwrap();
    assert!(response.header("x-request-id").and_then(crate::wire::uuid).is_some(), "ours, where theirs is no UUID");
}

#[tokio::test]
async fn undeclared_methods_learn_the_declared_ones_and_head_is_a_get_without_its_body() {
    let house = house(8);
    for method in [Method::POST, Method::DELETE, Method::OPTIONS, Method::PATCH, Method::TRACE] {
        let response = house.endpoint.call(request(method.clone(), "/t/things/1").finish()).await.unwrap();
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.header("allow"), Some("GET, HEAD, PUT"), "{method}");
    }
    let head = house.endpoint.call(request(Method::HEAD, "/t/things/1").finish()).await.unwrap();
    assert_eq!(told(head).await, (200, Value::Null));
}

#[tokio::test]
async fn a_panic_is_a_crash_in_the_dialects_words_and_says_nothing() {
    let house = house(1);
    for _ in 0..2 {
        let response = house.endpoint.call(request(Method::GET, "/t/things/bomb").finish()).await.unwrap();
        assert_eq!(told(response).await, (500, json!({"trouble": "Crashed"})));
    }
}

#[tokio::test]
async fn one_more_than_fits_is_sent_away_and_may_come_back() {
    let house = Arc::new(house(1));
    let first = tokio::spawn({
        let house = house.clone();
        async move { house.endpoint.call(request(Method::POST, "/t/slow").finish()).await.unwrap().status() }
    });
    house.began.notified().await;
    let second = house.endpoint.call(request(Method::GET, "/t/things/1").finish()).await.unwrap();
    assert_eq!(second.status(), 503);
    assert_eq!(second.header("retry-after"), Some("1"));
    house.go.notify_one();
    assert_eq!(first.await.unwrap(), 200);
    let third = house.endpoint.call(request(Method::GET, "/t/things/1").finish()).await.unwrap();
    assert_eq!(third.status(), 200);
}

#[tokio::test]
async fn where_it_is_not_known_what_other_services_have_acknowledged_nothing_is_answered() {
    let house = house_of(Stopping { cut_off: true }, 1);
    for _ in 0..2 {
        let response = house.endpoint.call(request(Method::GET, "/t/things/1").finish()).await.unwrap();
        assert_eq!(response.header("retry-after"), Some("1"));
        assert_eq!(told(response).await, (503, json!({"trouble": "Overloaded { retry_after_s: 1 }"})));
    }
    let unknown = house.endpoint.call(request(Method::GET, "/t/nothing").finish()).await.unwrap();
    assert_eq!(unknown.status(), 404, "what needs no ledger is answered");
}

#[tokio::test]
async fn bodies_are_counted_whatever_their_length_says() {
    let house = house(8);
    let fits = request(Method::PUT, "/t/things/1").body(vec![b' '; crate::wire::MAX_BODY]);
    let answer = told(house.endpoint.call(fits).await.unwrap()).await;
    assert_eq!(answer, (200, json!({"bytes": 65_536, "json": false})));
    let large = json!({"fault": "the body is larger than 65536 bytes"});
    let counted = request(Method::PUT, "/t/things/1").body(vec![b' '; crate::wire::MAX_BODY + 1]);
    assert_eq!(told(house.endpoint.call(counted).await.unwrap()).await, (200, large.clone()));
    let declared = request(Method::PUT, "/t/things/1").header("Content-Length", "65537").body("{}");
    assert_eq!(told(house.endpoint.call(declared).await.unwrap()).await, (200, large));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let house = house(8);
    let never = poem::Body::from_bytes_stream(futures_util::stream::pending::<std::io::Result<Vec<u8>>>());
    let response = house.endpoint.call(request(Method::PUT, "/t/things/1").body(never)).await.unwrap();
    assert_eq!(told(response).await.1, json!({"fault": "the body did not arrive in time"}));
}

#[tokio::test]
async fn a_header_that_is_not_utf_8_is_not_looked_at_further() {
    let house = house(8);
    let mut sent = request(Method::GET, "/t/things/1").finish();
    sent.headers_mut().insert("x-any", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    assert_eq!(told(house.endpoint.call(sent).await.unwrap()).await, (400, json!({"trouble": "Unreadable"})));
}

#[tokio::test]
async fn parts_of_a_path_are_decoded_and_what_is_no_text_is_no_route() {
    let house = house(8);
    let get = |path: &'static str| house.endpoint.call(request(Method::GET, path).finish());
    assert_eq!(told(get("/t/things/a%2Fb%C3%BC").await.unwrap()).await, (200, json!({"thing": "a/bü"})));
    assert_eq!(told(get("/t/things/%FF").await.unwrap()).await, (404, json!({"trouble": "NoRoute"})));
    assert_eq!(told(get("/t/things/").await.unwrap()).await, (404, json!({"trouble": "NoRoute"})));
}

#[tokio::test]
async fn everything_under_a_prefix_is_answered_in_the_dialects_words() {
    let house = house(8);
    let ask = |path: &'static str| house.endpoint.get_response(request(Method::GET, path).finish());
    for path in ["/t", "/t/", "/t//", "/t/x/y/z", "/t/%FF", "/t/%FF/x", "/t/things/1/"] {
        assert_eq!(told(ask(path).await).await, (404, json!({"trouble": "NoRoute"})), "{path}");
    }
    assert_eq!(told(ask("/t/things/1?page=2").await).await, (200, json!({"thing": "1"})));
}

#[tokio::test]
async fn metrics_see_declared_paths_and_known_methods_only() {
    let house = house(8);
    for (method, path) in [("GET", "/t/things/secret-id"), ("GET", "/t/made/up"), ("BREW", "/t/things/1")] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        house.endpoint.call(request(method, path).finish()).await.unwrap();
    }
    let seen = house.watch.0.lock().unwrap().clone();
    assert_eq!(seen, [("GET", "/t/things/{thing}", 200), ("GET", "", 404), ("other", "/t/things/{thing}", 405)]);
}
