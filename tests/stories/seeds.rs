//! The sample requests of the four source documents, sent as they stand there
//! (ids, codes, tokens and times are this house's), and the documented answers.

use crate::support::said::members;
use crate::support::wire::{Answer, Connection, Request};
use crate::support::{House, User};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// A minute, after which an invitation may be sent again.
const PAUSE: Duration = Duration::from_secs(60);
/// What this service adds to the documented attributes.
const OURS: [&str; 3] = ["state", "expires_at", "email_status"];

struct Invites {
    house: House,
    organization: Uuid,
    ann: User,
}

impl Invites {
    fn start() -> Self {
        let house = House::start();
        let organization = house.organization("Acme Roofing");
        let ann = house.admin_of(organization, "ann@acme.example");
        Self { house, organization, ann }
    }

    fn place(&self, tail: &str) -> String {
        format!("/api/v2/organizations/{}/invites{tail}", self.organization)
    }

    /// As the document writes every request, those without a body too.
    fn send(&self, user: &User, method: &str, target: &str, body: Option<&Value>) -> Answer {
        let request = Request::new(method, target);
        user.client.send(match body {
            Some(body) => request.document(body),
            None => request.header("Content-Type", "application/vnd.api+json"),
        })
    }

    fn create(&self, email: &str) -> Answer {
        let body = json!({
            "data": {
                "type": "organization_invites",
                "attributes": {
                    "invite_user_as": "admin",
                    "recipient_email": email,
                    "updated_in_db_at": "2021-11-23 14:38:02 UTC"
                }
            }
        });
        self.send(&self.ann, "POST", &self.place(""), Some(&body))
    }

    /// The document's resource, with what this house has drawn put in.
    fn documented(&self, shown: &Value, accepted: Option<(&str, Uuid)>) -> Value {
        let code = shown["attributes"]["code"].as_str().unwrap();
        assert!(code.len() == 64 && code.bytes().all(|b| b.is_ascii_hexdigit()), "{code}");
        assert!(Uuid::try_parse(shown["id"].as_str().unwrap()).is_ok());
        let user = |id: Uuid| json!({"id": id, "type": "users"});
        json!({
            "id": shown["id"],
            "type": "organization_invites",
            "attributes": {
                "accepted_at": accepted.map(|(at, _)| at),
                "code": code,
                "created_at": "2025-06-15T15:06:40Z",
                "invite_user_as": "admin",
                "recipient_email": shown["attributes"]["recipient_email"],
                "updated_at": accepted.map_or("2025-06-15T15:06:40Z", |(at, _)| at),
                "updated_in_db_at": "2021-11-23T14:38:02Z"
            },
            "relationships": {
                "accepted_by_user": {"data": accepted.map(|(_, id)| user(id))},
                "cancelled_by_user": {"data": null},
                "invited_by_user": {"data": user(self.ann.id)}
            }
        })
    }
}

/// Without what is ours alone.
#[track_caller]
fn plain(resource: &Value) -> Value {
    let mut plain = resource.clone();
    for name in OURS {
        assert!(plain["attributes"].as_object_mut().unwrap().remove(name).is_some(), "{resource}");
    }
    plain
}

#[test]
fn organization_invites_list() {
    let invites = Invites::start();
    let email = "11dannie.langosh@schaefer.org";
    invites.create(email).given(201);
    for query in ["", "?filter[invite_user_as]=admin"] {
        let body = invites.send(&invites.ann, "GET", &invites.place(query), None).given(200);
        assert_eq!(members(&body), ["data", "meta"]);
        let only = &body["data"][0];
        assert_eq!(only["attributes"]["recipient_email"], email);
        assert_eq!(
            plain(only),
            invites.documented(only, None),
            "accepted_at is null: the sample's date is an artefact"
        );
        let filter = if query.is_empty() { json!({}) } else { json!({"invite_user_as": "admin"}) };
        let pagination = json!({"page": 1, "per_page": 25, "total_count": 1, "total_pages": 1});
        assert_eq!(body["meta"], json!({"pagination": pagination, "sort": null, "filter": filter}));
    }
}

#[test]
fn organization_invites_post() {
    let invites = Invites::start();
    let answer = invites.create("4oswaldo@steuber-greenfelder.info");
    let body = answer.given(201);
    assert_eq!(answer.status_line, "HTTP/1.1 201 Created");
    assert_eq!(members(&body), ["data"]);
    assert_eq!(body["data"]["attributes"]["recipient_email"], "4oswaldo@steuber-greenfelder.info");
    assert_eq!(plain(&body["data"]), invites.documented(&body["data"], None));
    invites.house.letter_to("4oswaldo@steuber-greenfelder.info").link();
}

#[test]
fn organization_invites_get() {
    let invites = Invites::start();
    let made = invites.create("1jacelyn_roob@treutel.io").given(201);
    let place = invites.place(&format!("/{}", made["data"]["id"].as_str().unwrap()));
    let body = invites.send(&invites.ann, "GET", &place, None).given(200);
    assert_eq!(plain(&body["data"]), invites.documented(&body["data"], None));
    assert_eq!(body["data"]["attributes"]["code"], made["data"]["attributes"]["code"]);
}

#[test]
fn organization_invites_delete() {
    let invites = Invites::start();
    let made = invites.create("1jacelyn_roob@treutel.io").given(201);
    let place = invites.place(&format!("/{}", made["data"]["id"].as_str().unwrap()));
    let answer = invites.send(&invites.ann, "DELETE", &place, None);
    answer.api(204);
    assert_eq!((answer.status_line.as_str(), answer.body.as_slice()), ("HTTP/1.1 204 No Content", &b""[..]));
}

#[test]
fn organization_invites_accept() {
    let invites = Invites::start();
    let made = invites.create("7miyoko@feest.com").given(201);
    let miyoko = invites.house.user("7miyoko@feest.com");
    let body = json!({
        "data": {
            "type": "organization_invites",
            "attributes": {
                "code": made["data"]["attributes"]["code"]
            }
        }
    });
    let place = invites.place(&format!("/{}/accept", made["data"]["id"].as_str().unwrap()));
    let answer = invites.send(&miyoko, "PUT", &place, Some(&body)).given(200);
    let wanted = invites.documented(&answer["data"], Some(("2025-06-15T15:06:40Z", miyoko.id)));
    assert_eq!(plain(&answer["data"]), wanted);
    assert_eq!(answer["data"]["attributes"]["code"], made["data"]["attributes"]["code"]);
}

/// The sample is HTTP/1.0, names its host in the request line, and proves its
/// session by cookie and CSRF header.
#[test]
fn users_invitations() {
    let house = House::start();
    let ann = house.user("ann@acme.example").browser;
    let body = concat!(
        "{\n  \"EmailAddresses\":[\n    \"jane.mead@acmepaymentscorp.com\"\n  ],\n",
        "  \"Message\":\"You should join this awesome app management platform.\"\n}"
    );
    let cookies: Vec<String> = ann.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let head = [
        format!("POST http://{}/api/users/invitations HTTP/1.0", house.address),
        format!("Host: {}", house.address),
        "Accept: */*".to_owned(),
        "Content-Type: application/json; charset=UTF-8".to_owned(),
        format!("X-Csrf-Token_default: {}", ann.csrf()),
        format!("Cookie: {}", cookies.join("; ")),
        format!("Content-Length: {}", body.len()),
    ];
    let request = format!("{}\r\n\r\n{body}", head.join("\r\n"));
    let answer = Connection::open(house.address).unwrap().send_raw(request.as_bytes()).unwrap();
    assert_eq!(answer.platform(200), json!(["jane.mead@acmepaymentscorp.com"]));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let letter = house.letter_to("jane.mead@acmepaymentscorp.com");
    assert!(letter.text.contains("You should join this awesome app management platform."), "{}", letter.text);
}

#[test]
fn users_invitations_without_the_csrf_header_or_with_inviting_switched_off_is_401() {
    let house = House::start();
    let ann = house.user("ann@acme.example");
    let asked = json!({
        "EmailAddresses": ["jane.mead@acmepaymentscorp.com"],
        "Message": "You should join this awesome app management platform."
    });
    let bare = Request::new("POST", "/api/users/invitations").json(&asked);
    ann.browser.send(bare.clone()).code(401, "csrf-token-missing");
    ann.browser.send(bare.header("X-Csrf-Token_default", "expired")).code(401, "csrf-token-invalid");
    let off = json!({"InviteUnregisteredUsers": "com.soa.feature.disabled"});
    house.deployment().put("/api/businesses/default/usersettings", &off).platform(200);
    ann.browser.write("POST", "/api/users/invitations", &asked).code(401, "inviting-disabled");
    let shown = ann.client.get("/api/businesses/tenantbusiness.default/settings?IncludeSecuritySettings=true");
    assert_eq!(shown.platform(200)["SecuritySettings"]["InviteUnregisteredUsers"], "com.soa.feature.disabled");
}

/// "Authentication token for either an application or session."
#[test]
fn integrations_invitation_email() {
    let house = House::start();
    let integration = house.integration("Acme Calendar");
    let application = house.application(&["integrations"]);
    let session = house.user_with("lia@acme.example", &json!({"liaison": true}));
    for (n, client) in [&application, &session.client].into_iter().enumerate() {
        let email = format!("jane.mead-{n}@acmepaymentscorp.com");
        let body = json!({"token": client.token(), "id": integration, "email": email});
        let answer = house.send(&Request::new("POST", "/api/v1/integrations/invitation_email").json(&body));
        let data = answer.done();
        assert_eq!((&data["email"], &data["target"]["id"]), (&json!(email), &json!(integration)));
        house.letter_to(&email).link();
    }
    let without = json!({"token": application.token(), "id": integration});
    let answer = house.send(&Request::new("POST", "/api/v1/integrations/invitation_email").json(&without));
    assert_eq!(answer.faults("missing-param"), [("email".to_owned(), "is missing".to_owned())]);
    house.advance(PAUSE);
    application
        .envelope("integrations/invitation_email", &json!({"id": 7_777, "email": "x@acme.example"}))
        .fault("id", "does not exist");
}

#[test]
fn employees_update_with_every_documented_parameter() {
    let house = House::start();
    let application = house.application(&["employees"]);
    let made = application.envelope("employees/create", &json!({"email": "jane.mead@acmepaymentscorp.com"})).done();
    let address = json!({
        "street": "1 Main Street", "street2": "Suite 4", "city": "Tulsa", "state": "OK",
        "postal_code": "74103", "longitude": "-95.9928", "latitude": "36.1540"
    });
    let body = json!({
        "token": application.token(),
        "id": made["id"],
        "active": true,
        "service_area_id": 12,
        "first_name": "Jane",
        "last_name": "Mead",
        "legal_name": "Jane Q. Mead",
        "skills": ["welding", "first aid"],
        "email": "jane.mead@acmepaymentscorp.com",
        "phone": "+1 555 0100",
        "address": address,
        "date_hired": "2021-11-23",
        "date_off_boarded": "2031-01-31"
    });
    let answer = house.send(&Request::new("POST", "/api/v1/employees/update").json(&body));
    let mut wanted = body.clone();
    let own = wanted.as_object_mut().unwrap();
    own.remove("token");
    own.extend(
        json!({"user_id": null, "version": 2, "created_at": made["created_at"], "updated_at": made["created_at"]})
            .as_object()
            .unwrap()
            .clone(),
    );
    assert_eq!(answer.done(), wanted);
    let bare = json!({"token": application.token(), "id": made["id"], "email": "jane.mead@acmepaymentscorp.com"});
    assert_eq!(house.send(&Request::new("POST", "/api/v1/employees/update").json(&bare)).done(), wanted);
}
