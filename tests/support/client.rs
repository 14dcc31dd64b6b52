//! Who calls. A client adds its own token or cookies to what it sends.

use super::wire::{Answer, Request};
use serde_json::{Value, json};
use std::net::SocketAddr;
use uuid::Uuid;

/// The type of JSON:API documents.
pub const JSON_API: &str = "application/vnd.api+json";

#[derive(Clone, Debug)]
pub struct Client {
    pub address: SocketAddr,
    token: Option<String>,
}

impl Client {
    pub fn new(address: SocketAddr, token: Option<&str>) -> Self {
        Self { address, token: token.map(str::to_owned) }
    }

    #[track_caller]
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    /// As it stands, with the client's token as Bearer.
    pub fn send(&self, request: Request) -> Answer {
        let request = match &self.token {
            Some(token) => request.bearer(token),
            None => request,
        };
        let what = format!("{} {}", request.method, request.target);
        request.send(self.address).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    pub fn get(&self, target: &str) -> Answer {
        self.send(Request::new("GET", target))
    }

    pub fn post(&self, target: &str, body: &Value) -> Answer {
        self.send(Request::new("POST", target).json(body))
    }

    pub fn put(&self, target: &str, body: &Value) -> Answer {
        self.send(Request::new("PUT", target).json(body))
    }

    pub fn patch(&self, target: &str, body: &Value) -> Answer {
        self.send(Request::new("PATCH", target).json(body))
    }

    pub fn delete(&self, target: &str) -> Answer {
        self.send(Request::new("DELETE", target))
    }

    /// The envelope dialect: the token stands in the body.
    pub fn envelope(&self, route: &str, parameters: &Value) -> Answer {
        let body = self.with_token(parameters);
        let request = Request::new("POST", &format!("/api/v1/{route}")).json(&body);
        Client { token: None, ..self.clone() }.send(request)
    }

    /// The same on a sensitive route: base64 of the JSON as plain text.
    pub fn sensitive(&self, route: &str, parameters: &Value) -> Answer {
        let body = base64(self.with_token(parameters).to_string().as_bytes());
        let request = Request::new("POST", &format!("/api/v1/{route}")).body("text/plain", body);
        Client { token: None, ..self.clone() }.send(request)
    }

    fn with_token(&self, parameters: &Value) -> Value {
        let mut body = parameters.clone();
        if let Some(token) = &self.token {
            body["token"] = json!(token);
        }
        body
    }

    /// The JSON:API dialect, with a document.
    pub fn document(&self, method: &str, target: &str, data: &Value) -> Answer {
        self.send(Request::new(method, target).document(&json!({"data": data})).header("Accept", JSON_API))
    }

    /// Invites to an organization in the JSON:API dialect.
    pub fn invite_document(&self, organization: Uuid, email: &str, role: &str) -> Answer {
        let attributes = json!({"recipient_email": email, "invite_user_as": role});
        let data = json!({"type": "organization_invites", "attributes": attributes});
        self.document("POST", &format!("/api/v2/organizations/{organization}/invites"), &data)
    }

    /// Accepts such an invite.
    pub fn accept_document(&self, organization: Uuid, invite: &str, code: &str) -> Answer {
        let target = format!("/api/v2/organizations/{organization}/invites/{invite}/accept");
        self.document("PUT", &target, &json!({"type": "organization_invites", "attributes": {"code": code}}))
    }
}

/// A person with an account.
#[derive(Clone, Debug)]
pub struct User {
    pub client: Client,
    pub id: Uuid,
    pub email: String,
    pub browser: Browser,
}

impl User {
    #[track_caller]
    pub fn log_in(address: SocketAddr, id: Uuid, email: &str, password: &str) -> Self {
        let asked = json!({"email": email, "password": password});
        let answer = Client::new(address, None).post("/api/login", &asked).expect(200);
        let browser = Browser::of(address, "default", &answer);
        Self { client: Client::new(address, Some(browser.session())), id, email: email.to_owned(), browser }
    }
}

/// A cookie session, as a browser holds it.
#[derive(Clone, Debug)]
pub struct Browser {
    address: SocketAddr,
    tenant: String,
    /// Name and value.
    pub cookies: Vec<(String, String)>,
}

impl Browser {
    /// With the cookies that an answer sets.
    #[track_caller]
    pub fn of(address: SocketAddr, tenant: &str, answer: &Answer) -> Self {
        let pair = |cookie: &str| {
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).unwrap();
            (name.to_owned(), value.to_owned())
        };
        let cookies = answer.headers("set-cookie").into_iter().map(pair).collect();
        Self { address, tenant: tenant.to_owned(), cookies }
    }

    #[track_caller]
    fn cookie(&self, name: &str) -> &str {
        let name = format!("{name}_{}", self.tenant);
        let found = self.cookies.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no cookie {name}"))
    }

    #[track_caller]
    pub fn session(&self) -> &str {
        self.cookie("AtmoAuthToken")
    }

    #[track_caller]
    pub fn csrf(&self) -> &str {
        self.cookie("Csrf-Token")
    }

    /// With all cookies, and nothing else.
    pub fn send(&self, request: Request) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let what = format!("{} {}", request.method, request.target);
        let request = request.header("Cookie", &cookies.join("; "));
        request.send(self.address).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// A write as the service's own pages do it: with the header that proves the origin.
    pub fn write(&self, method: &str, target: &str, body: &Value) -> Answer {
        let csrf = format!("X-Csrf-Token_{}", self.tenant);
        self.send(Request::new(method, target).json(body).header(&csrf, self.csrf()))
    }
}

/// Standard alphabet, padded.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
