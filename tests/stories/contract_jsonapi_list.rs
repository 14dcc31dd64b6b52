//! The list of an organization's invites: order, filters, pages.

use crate::support::{Client, House};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const SECOND: Duration = Duration::from_secs(1);

struct Shelf {
    house: House,
    client: Client,
    organization: Uuid,
}

impl Shelf {
    /// Seven pending invites of g0 … g6, a second apart but for the last two; the odd ones are members'.
    fn start() -> Self {
        let house = House::start();
        let organization = house.organization("Acme Roofing");
        let client = house.application(&["invites"]);
        for n in 0..7 {
            if n < 6 {
                house.advance(SECOND);
            }
            let role = ["admin", "member"][n % 2];
            client.invite_document(organization, &format!("g{n}@guests.example"), role).given(201);
        }
        house.deliver();
        Self { house, client, organization }
    }

    fn target(&self, query: &str) -> String {
        format!("/api/v2/organizations/{}/invites{query}", self.organization)
    }

    fn list(&self, query: &str) -> Value {
        let body = self.client.get(&self.target(query)).given(200);
        assert_eq!(crate::support::said::members(&body), ["data", "meta"]);
        assert_eq!(crate::support::said::members(&body["meta"]), ["filter", "pagination", "sort"]);
        body
    }

    /// The guests' names, in order.
    fn names(&self, query: &str) -> String {
        names(&self.list(query))
    }

    fn invite(&self, guest: &str) -> Value {
        let all = self.list("?filter[state]=all");
        let of = |invite: &&Value| invite["attributes"]["recipient_email"] == format!("{guest}@guests.example");
        all["data"].as_array().unwrap().iter().find(of).unwrap().clone()
    }
}

fn names(body: &Value) -> String {
    let name = |invite: &Value| invite["attributes"]["recipient_email"].as_str().unwrap()[..2].to_owned();
    body["data"].as_array().unwrap().iter().map(name).collect::<Vec<_>>().join(" ")
}

fn pagination(page: u64, per_page: u64, count: u64, pages: u64) -> Value {
    json!({"page": page, "per_page": per_page, "total_count": count, "total_pages": pages})
}

#[test]
fn pending_invites_come_oldest_first_with_the_documented_meta() {
    let shelf = Shelf::start();
    let body = shelf.list("");
    assert_eq!(names(&body), "g0 g1 g2 g3 g4 g5 g6", "ties by position");
    assert_eq!(body["meta"], json!({"pagination": pagination(1, 25, 7, 1), "sort": null, "filter": {}}));
}

#[test]
fn pages_are_cut_and_past_the_end_is_200_and_empty() {
    let shelf = Shelf::start();
    let body = shelf.list("?page=2&per_page=3");
    assert_eq!((names(&body), &body["meta"]["pagination"]), ("g3 g4 g5".to_owned(), &pagination(2, 3, 7, 3)));
    assert_eq!(shelf.names("?page=3&per_page=3"), "g6");
    let past = shelf.list("?page=4&per_page=3");
    assert_eq!((&past["data"], &past["meta"]["pagination"]), (&json!([]), &pagination(4, 3, 7, 3)));
    assert_eq!(shelf.names("?per_page=100"), "g0 g1 g2 g3 g4 g5 g6");
}

#[test]
fn sorts_are_by_creation_or_change_both_ways() {
    let shelf = Shelf::start();
    let second = shelf.invite("g2");
    shelf.house.advance(SECOND);
    let place = shelf.target(&format!("/{}", second["id"].as_str().unwrap()));
    let data = json!({"type": "organization_invites", "attributes": {"invite_user_as": "member"}});
    shelf.client.document("PATCH", &place, &data).given(200);
    assert_eq!(shelf.names("?sort=created_at"), "g0 g1 g2 g3 g4 g5 g6");
    assert_eq!(shelf.names("?sort=-created_at"), "g6 g5 g4 g3 g2 g1 g0");
    assert_eq!(shelf.names("?sort=updated_at"), "g0 g1 g3 g4 g5 g6 g2");
    let body = shelf.list("?sort=-updated_at&per_page=2");
    assert_eq!((names(&body), &body["meta"]["sort"]), ("g2 g6".to_owned(), &json!("-updated_at")));
}

#[test]
fn filters_are_by_role_and_state_and_stand_in_the_meta() {
    let shelf = Shelf::start();
    let (first, third) = (shelf.invite("g0"), shelf.invite("g3"));
    shelf.client.delete(&shelf.target(&format!("/{}", first["id"].as_str().unwrap()))).api(204);
    let guest = shelf.house.user("g3@guests.example");
    let code = third["attributes"]["code"].as_str().unwrap();
    guest.client.accept_document(shelf.organization, third["id"].as_str().unwrap(), code).given(200);
    let (link, secret) = shelf.house.letter_to("g4@guests.example").link();
    shelf.house.visitor().post(&format!("{link}/decline"), &json!({"code": secret})).expect(200);

    let body = shelf.list("?filter[invite_user_as]=member");
    assert_eq!((names(&body), &body["meta"]["filter"]), ("g1 g5".to_owned(), &json!({"invite_user_as": "member"})));
    assert_eq!(body["meta"]["pagination"]["total_count"], json!(2));
    let states =
        [("pending", "g1 g2 g5 g6"), ("accepted", "g3"), ("declined", "g4"), ("cancelled", "g0"), ("expired", "")];
    for (state, wanted) in states {
        let body = shelf.list(&format!("?filter%5Bstate%5D={state}"));
        assert_eq!((names(&body).as_str(), &body["meta"]["filter"]), (wanted, &json!({"state": state})));
        assert_eq!(body["meta"]["pagination"]["total_count"], json!(body["data"].as_array().unwrap().len()));
    }
    assert_eq!(shelf.names("?filter[state]=all&sort=-created_at"), "g6 g5 g4 g3 g2 g1 g0");
    assert_eq!(shelf.names("?filter[state]=all&filter[invite_user_as]=admin"), "g0 g2 g4 g6");
}

#[test]
fn what_is_due_is_expired_before_the_list_so_that_rows_filters_and_counts_agree() {
    let shelf = Shelf::start();
    // g0 was invited a second after the beginning: now it alone is over.
    shelf.house.advance(7 * 24 * 60 * 60 * SECOND - 5 * SECOND);
    let body = shelf.list("");
    assert_eq!((names(&body), &body["meta"]["pagination"]), ("g1 g2 g3 g4 g5 g6".to_owned(), &pagination(1, 25, 6, 1)));
    assert_eq!(shelf.names("?filter[state]=expired"), "g0");
    let expired = shelf.house.log().iter().filter(|event| event.name() == "invitation.Expired").count();
    assert_eq!(expired, 1);
}

#[test]
fn unknown_names_and_values_are_400_and_all_of_them_named() {
    let shelf = Shelf::start();
    let refused = |query: &str| {
        let sources = shelf.client.get(&shelf.target(query)).problems(400);
        let parameter = |(code, source): &(String, Value)| {
            assert_eq!(code, "invalid-parameter");
            source["parameter"].as_str().unwrap().to_owned()
        };
        sources.iter().map(parameter).collect::<Vec<_>>()
    };
    let cases = [
        ("?filter[invite_user_as]=owner", "filter[invite_user_as]"),
        ("?filter[state]=open", "filter[state]"),
        ("?filter[email]=x", "filter[email]"),
        ("?sort=recipient_email", "sort"),
        ("?page=0", "page"),
        ("?page=x", "page"),
        ("?per_page=101", "per_page"),
        ("?include=users", "include"),
        ("?tenant=beta", "tenant"),
    ];
    for (query, name) in cases {
        assert_eq!(refused(query), [name], "{query}");
    }
    assert_eq!(refused("?page=0&sort=x&limit=1"), ["page", "sort", "limit"]);
}

#[test]
fn an_empty_list_has_no_pages() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let body = house.deployment().get(&format!("/api/v2/organizations/{organization}/invites")).given(200);
    assert_eq!(body, json!({"data": [], "meta": {"pagination": pagination(1, 25, 0, 0), "sort": null, "filter": {}}}));
}
