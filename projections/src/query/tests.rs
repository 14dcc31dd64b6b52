//! What lists answer to sorting, searching and filtering, and who is due.

use crate::story::{START, Story, tenant};
use crate::{ListQuery, Views};
use domain::employee::Employee;
use domain::invitation::{Kind, Role};
use domain::{Failure, Refusal, TenantName, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

fn list() -> ListQuery {
    ListQuery { number: 1, size: 25, ..ListQuery::default() }
}

fn sorted(by: &str, descending: bool) -> ListQuery {
    ListQuery { sort: Some((by.to_owned(), descending)), ..list() }
}

fn searched(term: &str, attributes: &[&str]) -> ListQuery {
    ListQuery { search: Some((term.to_owned(), attributes.iter().map(|a| (*a).to_owned()).collect())), ..list() }
}

fn filtered(filters: &[(&str, Value)]) -> ListQuery {
    ListQuery { filters: filters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(), ..list() }
}

async fn employ(story: &mut Story, tenant: &TenantName, fields: Value, personal: Value) -> Uuid {
    let id = Uuid::now_v7();
    let mut payload = json!({"by": "deployment", "subject": story.subject().await, "personal": personal});
    payload.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    story.append_raw("employee", tenant, id, "Created", payload).await;
    id
}

/// Ann, Bob and Čeněk, and somebody else's Ann.
async fn staff(story: &mut Story) -> Vec<Uuid> {
    let ann = json!({"email": "ann@x.com", "first_name": "Ann", "last_name": "Zeta", "skills": ["Rust", "100%"]});
    let bob = json!({"email": "Bob@x.com", "first_name": "bob", "phone": "+1_2", "address": {"city": "Bonn"}});
    let cenek = json!({"email": "c@x.com", "first_name": "ČENĚK", "last_name": "Alfa"});
    let other = TenantName::parse("other").unwrap();
    employ(story, &other, json!({}), json!({"email": "ann@x.com"})).await;
    vec![
        employ(story, &tenant(), json!({"service_area_id": 7, "date_hired": "2020-01-02"}), ann).await,
        employ(story, &tenant(), json!({"active": false}), bob).await,
        employ(story, &tenant(), json!({"service_area_id": 3}), cenek).await,
    ]
}

async fn names(views: &Views, query: ListQuery) -> Vec<String> {
    let page = views.employees(&tenant(), query).await.unwrap();
    assert_eq!(page.total, page.rows.len() as u64);
    page.rows.into_iter().map(|row| row.personal.first_name.unwrap().unwrap()).collect()
}

#[tokio::test]
async fn employees_are_listed_by_number_and_by_what_is_asked() {
    let mut story = Story::new();
    let views = story.views();
    staff(&mut story).await;
    let cases = [
        (list(), vec!["Ann", "bob", "ČENĚK"]),
        (sorted("id", true), vec!["ČENĚK", "bob", "Ann"]),
        (sorted("created_at", true), vec!["ČENĚK", "bob", "Ann"]),
        (sorted("first_name", false), vec!["Ann", "bob", "ČENĚK"]),
        (sorted("last_name", true), vec!["Ann", "ČENĚK", "bob"]),
        (sorted("active", false), vec!["bob", "Ann", "ČENĚK"]),
        (searched("BO", &[]), vec!["bob"]),
        (searched("čeněk", &["first_name"]), vec!["ČENĚK"]),
        (searched("@x.", &["email", "phone"]), vec!["Ann", "bob", "ČENĚK"]),
        (searched("100%", &["skills"]), vec!["Ann"]),
        (searched("1_2", &[]), vec!["bob"]),
        (searched("%", &["email"]), vec![]),
        (searched("_", &["email"]), vec![]),
        (searched("rust", &["email"]), vec![]),
        (filtered(&[("active", json!(true))]), vec!["Ann", "ČENĚK"]),
        (filtered(&[("active", json!([true, false]))]), vec!["Ann", "bob", "ČENĚK"]),
        (filtered(&[("service_area_id", json!([3, 7])), ("email", json!("ANN@x.com"))]), vec!["Ann"]),
        (filtered(&[("service_area_id", Value::Null)]), vec!["bob"]),
        (filtered(&[("service_area_id", json!([]))]), vec![]),
        (filtered(&[("date_hired", json!("2020-01-02"))]), vec!["Ann"]),
        (filtered(&[("email", json!("' OR 1=1 --"))]), vec![]),
    ];
    for (query, expected) in cases {
        assert_eq!(names(&views, query.clone()).await, expected, "{query:?}");
    }
    views.close().await;
}

#[tokio::test]
async fn names_and_values_that_are_no_fields_are_refused() {
    let mut story = Story::new();
    let views = story.views();
    staff(&mut story).await;
    let cases = [
        (sorted("salary", false), "sort"),
        (sorted("skills", false), "sort"),
        (sorted("number; DROP TABLE employee", false), "sort"),
        (searched("x", &["active"]), "search"),
        (filtered(&[("body", json!("x"))]), "filters"),
        (filtered(&[("active", json!("yes"))]), "filters"),
        (filtered(&[("user_id", json!("me"))]), "filters"),
        (filtered(&[("id", json!({"gt": 1}))]), "filters"),
        (filtered(&[("id", json!(vec![1; 101]))]), "filters"),
    ];
    for (query, param) in cases {
        match views.employees(&tenant(), query.clone()).await {
            Err(Failure::Refused(Refusal::Invalid(faults))) => assert_eq!(faults[0].param, param, "{query:?}"),
            other => panic!("{query:?} was answered with {other:?}"),
        }
    }
    views.close().await;
}

#[tokio::test]
async fn an_employee_is_found_by_number_and_follows_every_change() {
    let mut story = Story::new();
    let views = story.views();
    let ids = staff(&mut story).await;
    let ann = views.employee_by_id(&tenant(), ids[0]).await.unwrap().unwrap();
    assert_eq!(views.employee(&tenant(), ann.number).await.unwrap(), Some(ann.clone()));
    assert_eq!(views.employee(&TenantName::parse("other").unwrap(), ann.number + 1).await.unwrap(), None);
    assert_eq!(views.employee(&tenant(), u64::MAX).await.unwrap(), None);

    let change = json!({"by": "deployment", "active": false, "service_area_id": null, "subject": {"id": Uuid::nil()}});
    story.append_raw("employee", &tenant(), ids[0], "Updated", change).await;
    let after = views.employee(&tenant(), ann.number).await.unwrap().unwrap();
    assert_eq!((after.active, after.service_area_id, after.version), (false, None, 2));
    assert_eq!(after.personal, ann.personal);
    assert_eq!(names(&views, filtered(&[("active", json!(true))])).await, ["ČENĚK"]);

    let failed = json!({"asked": 2, "part": 1, "reason": "gave_up"});
    story.append_raw("employee", &tenant(), ids[0], "NoticeFailed", failed).await;
    let reported = views.employee(&tenant(), ann.number).await.unwrap().unwrap();
    assert_eq!((reported.version, reported.updated_at), (3, after.updated_at));
    views.close().await;
}

#[tokio::test]
async fn the_sweeper_is_told_who_leaves_and_what_is_due() {
    let mut story = Story::new();
    let views = story.views();
    let leaving = |day: &str| json!({"date_off_boarded": day});
    let personal = || json!({"email": "a@x.com"});
    let tomorrow = employ(&mut story, &tenant(), leaving("2026-01-02"), personal()).await;
    employ(&mut story, &tenant(), leaving("2026-01-03"), personal()).await;
    let gone = json!({"active": false, "date_off_boarded": "2025-01-01"});
    employ(&mut story, &tenant(), gone, personal()).await;
    assert_eq!(views.due_off_boardings(START, 10).await.unwrap(), []);
    let next_day = START.plus(Duration::from_hours(24));
    assert_eq!(views.due_off_boardings(next_day, 10).await.unwrap(), [(tenant(), tomorrow)]);

    let (acme, zeta) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let created = story.created(acme, "a@x.com").await;
    let first = story.invite(&tenant(), created).await;
    let created = story.created(zeta, "b@x.com").await;
    let second = story.invite(&tenant(), created).await;
    let due = |target, now: Timestamp, limit| {
        let views = views.clone();
        async move { views.due_invitations(Some(&tenant()), target, now, limit).await.unwrap() }
    };
    assert_eq!(due(None, Timestamp(first.expires_at.0 - 1), 10).await, []);
    assert_eq!(due(None, first.expires_at, 10).await, [(tenant(), first.id)]);
    assert_eq!(due(None, second.expires_at, 10).await, [(tenant(), first.id), (tenant(), second.id)]);
    assert_eq!(due(None, second.expires_at, 1).await, [(tenant(), first.id)]);
    assert_eq!(due(Some(zeta), second.expires_at, 10).await, [(tenant(), second.id)]);
    let others = views.due_invitations(Some(&TenantName::parse("other").unwrap()), None, second.expires_at, 10).await;
    assert_eq!(others.unwrap(), []);
    story.append_raw("invitation", &tenant(), first.id, "Expired", json!({"generation": 1})).await;
    assert_eq!(due(None, second.expires_at, 10).await, [(tenant(), second.id)]);
    views.close().await;
}

async fn integrate(story: &mut Story, by: &str, name: &str) -> Uuid {
    let id = Uuid::now_v7();
    story.append_raw("integration", &tenant(), id, "Created", json!({"by": by, "name": name})).await;
    id
}

async fn grant(story: &mut Story, place: &str, target: Uuid, user: Uuid, role: &str) {
    let id = domain::membership::id_of(target, user);
    let granted = json!({"place": place, "target": target, "user": user, "role": role, "by": "system"});
    story.append_raw("membership", &tenant(), id, "Granted", granted).await;
}

#[tokio::test]
async fn a_client_sees_the_integrations_they_created_or_accepted() {
    let mut story = Story::new();
    let views = story.views();
    let (me, you) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mine = integrate(&mut story, &format!("user:{me}"), "Mine").await;
    let accepted = integrate(&mut story, &format!("user:{you}"), "Accepted").await;
    integrate(&mut story, "deployment", "Theirs").await;
    grant(&mut story, "integration", accepted, me, "member").await;
    let ids = |visible_to, query| {
        let views = views.clone();
        async move {
            let page = views.integrations(&tenant(), query, visible_to).await.unwrap();
            assert_eq!(page.total, page.rows.len() as u64);
            page.rows.into_iter().map(|row| row.name).collect::<Vec<_>>()
        }
    };
    assert_eq!(ids(None, list()).await, ["Mine", "Accepted", "Theirs"]);
    assert_eq!(ids(None, sorted("name", false)).await, ["Accepted", "Mine", "Theirs"]);
    assert_eq!(ids(Some(me), list()).await, ["Mine", "Accepted"]);
    assert_eq!(ids(Some(me), searched("ACC", &["name"])).await, ["Accepted"]);
    assert_eq!(ids(Some(you), list()).await, ["Accepted"]);
    let id = domain::membership::id_of(accepted, me);
    story.append_raw("membership", &tenant(), id, "Revoked", json!({"by": "system"})).await;
    assert_eq!(ids(Some(me), list()).await, ["Mine"]);
    let row = views.integration_by_id(&tenant(), mine).await.unwrap().unwrap();
    assert_eq!(views.integration(&tenant(), row.number).await.unwrap(), Some(row));
    views.close().await;
}

#[tokio::test]
async fn an_integration_is_found_by_what_it_is_called_now() {
    let mut story = Story::new();
    let views = story.views();
    let id = integrate(&mut story, "deployment", "Calendar").await;
    let change = json!({"by": "deployment", "name": "Dates", "description": "Of days."});
    story.append_raw("integration", &tenant(), id, "Updated", change).await;
    let named = |text| {
        let views = views.clone();
        async move { views.integrations(&tenant(), searched(text, &["name", "description"]), None).await.unwrap() }
    };
    assert_eq!(named("calendar").await.rows, []);
    let row = named("DATES").await.rows.remove(0);
    assert_eq!((row.id, row.name.as_str(), row.description.as_deref()), (id, "Dates", Some("Of days.")));
    assert_eq!(named("of days").await.rows, std::slice::from_ref(&row));
    let change = json!({"by": "deployment", "description": null});
    story.append_raw("integration", &tenant(), id, "Updated", change).await;
    assert_eq!(named("of days").await.rows, []);
    let row = views.integration(&tenant(), row.number).await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.description), ("Dates", None));
    views.close().await;
}

#[tokio::test]
async fn members_come_and_go_and_keep_their_place() {
    let mut story = Story::new();
    let views = story.views();
    let (acme, jane, joe) = (Uuid::from_u128(9), Uuid::from_u128(1), Uuid::from_u128(2));
    let personal = json!({"email": "jane@x.com", "name": "Jane"});
    let created = json!({"by": "system", "subject": story.subject().await, "personal": personal});
    story.append_raw("user", &tenant(), jane, "Created", created).await;
    grant(&mut story, "organization", acme, jane, "member").await;
    grant(&mut story, "organization", acme, joe, "admin").await;
    let id = domain::membership::id_of(acme, jane);
    story.append_raw("membership", &tenant(), id, "Revoked", json!({"by": "system"})).await;
    let members = || async { views.members(&tenant(), acme, 1, 25).await.unwrap() };
    assert_eq!(members().await.rows.iter().map(|m| m.user).collect::<Vec<_>>(), [joe]);
    grant(&mut story, "organization", acme, jane, "member").await;
    story.append_raw("membership", &tenant(), id, "RoleChanged", json!({"role": "admin", "by": "system"})).await;
    let page = members().await;
    let shown: Vec<_> = page.rows.iter().map(|m| (m.user, m.role, m.name.as_deref())).collect();
    assert_eq!(shown, [(jane, Role::Admin, Some("Jane")), (joe, Role::Admin, None)]);
    assert_eq!(page.total, 2);
    assert_eq!(views.user(&tenant(), jane).await.unwrap().unwrap().email.unwrap().as_str(), "jane@x.com");
    assert_eq!(views.user(&TenantName::parse("other").unwrap(), jane).await.unwrap(), None);
    assert_eq!(views.users(&tenant(), 1, 25).await.unwrap().total, 1);
    views.close().await;
}

#[tokio::test]
async fn the_directory_lists_what_was_created() {
    let mut story = Story::new();
    let views = story.views();
    let by = "deployment";
    story.append_raw("tenant", &tenant(), tenant().id(), "Created", json!({"by": by, "name": "default"})).await;
    story.append_raw("tenant", &tenant(), tenant().id(), "SettingsChanged", json!({"by": by, "valid_days": 3})).await;
    let (acme, program) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let created = json!({"by": by, "name": "Acme", "bind_recipient": true});
    story.append_raw("organization", &tenant(), acme, "Created", created).await;
    let created = json!({"by": by, "name": "Sync", "scopes": ["invites"]});
    story.append_raw("application", &tenant(), program, "Created", created).await;
    story.append_raw("application", &tenant(), program, "Revoked", json!({"by": by})).await;
    let tenants = views.tenants(1, 25).await.unwrap();
    assert_eq!((tenants.total, tenants.rows[0].settings.valid_days), (1, 3));
    let organizations = views.organizations(&tenant(), 1, 25).await.unwrap();
    assert_eq!(organizations.rows[0], views.organization(&tenant(), acme).await.unwrap().unwrap());
    assert_eq!((organizations.total, organizations.rows[0].name.as_str()), (1, "Acme"));
    let applications = views.applications(&tenant(), 1, 25).await.unwrap();
    assert_eq!((applications.rows[0].id, applications.rows[0].revoked), (program, true));
    views.close().await;
}

#[tokio::test]
async fn an_invitation_is_found_by_link_and_by_the_id_its_organization_knows() {
    let mut story = Story::new();
    let views = story.views();
    let acme = Uuid::from_u128(1);
    let created = json!({"by": "deployment", "name": "Acme", "bind_recipient": false});
    story.append_raw("organization", &tenant(), acme, "Created", created).await;
    let chosen = Uuid::from_u128(55);
    let mut created = story.created(acme, "a@x.com").await;
    created.public_id = Some(chosen);
    let id = domain::invitation::aggregate_id(acme, chosen);
    let event = domain::invitation::Event::Created(created.clone());
    story.append::<domain::invitation::Invitation>(&tenant(), id, &event).await;
    let row = views.invitation_in(&tenant(), acme, chosen).await.unwrap().unwrap();
    assert_eq!((row.id, row.public_id, row.kind), (id, chosen, Kind::Organization));
    assert_eq!(row.target_name, None, "whoever asks knows it");
    assert_eq!(views.invitation_by_link(created.link).await.unwrap().unwrap().id, id);
    assert_eq!(
        views.invitation_in(&tenant(), acme, id).await.unwrap(),
        None,
        "the chosen id is the only one it is known by"
    );
    assert_eq!(views.invitation_in(&tenant(), Uuid::from_u128(2), chosen).await.unwrap(), None);
    assert_eq!(views.invitation_in(&TenantName::parse("other").unwrap(), acme, chosen).await.unwrap(), None);
    assert_eq!(views.invitation_by_link(Uuid::nil()).await.unwrap(), None);
    views.close().await;
}

#[tokio::test]
async fn failed_mails_are_told_newest_first() {
    let mut story = Story::new();
    let views = story.views();
    let created = story.created(Uuid::from_u128(1), "a@x.com").await;
    let jane = story.invite(&tenant(), created).await;
    let failed = json!({"generation": 1, "reason": "recipient_refused"});
    story.append_raw("invitation", &tenant(), jane.id, "EmailFailed", failed).await;
    let ann = employ(&mut story, &tenant(), json!({}), json!({"email": "ann@x.com"})).await;
    story.append_raw("employee", &tenant(), ann, "NoticeSent", json!({"asked": 1, "part": 0})).await;
    let failed = json!({"asked": 1, "part": 0, "reason": "gave_up"});
    story.append_raw("employee", &tenant(), ann, "NoticeFailed", failed).await;
    let user = json!({"by": "system", "subject": story.subject().await, "personal": {"email": "u@x.com"}});
    story.append_raw("user", &tenant(), Uuid::from_u128(4), "Created", user).await;
    let failed = json!({"asked": 1, "reason": "account_refused"});
    story.append_raw("user", &tenant(), Uuid::from_u128(4), "NoticeFailed", failed).await;

    let shown = |query| {
        let views = views.clone();
        async move {
            let page = views.notifications(&tenant(), query).await.unwrap();
            page.rows.into_iter().map(|n| (n.kind, n.invitation, n.reason.name())).collect::<Vec<_>>()
        }
    };
    let account = ("account_notice_failed".to_owned(), None, "account_refused");
    let employee = ("employee_email_failed".to_owned(), None, "gave_up");
    let invitation = ("invitation_email_failed".to_owned(), Some(jane.id), "recipient_refused");
    assert_eq!(shown(list()).await, [account.clone(), employee.clone(), invitation.clone()]);
    assert_eq!(shown(sorted("id", false)).await, [invitation.clone(), employee.clone(), account.clone()]);
    assert_eq!(shown(filtered(&[("invitation_id", json!(jane.id))])).await, std::slice::from_ref(&invitation));
    assert_eq!(shown(filtered(&[("kind", json!("employee_email_failed"))])).await, std::slice::from_ref(&employee));
    assert_eq!(shown(sorted("reason", false)).await, [account, employee, invitation]);
    let page = views.notifications(&tenant(), list()).await.unwrap();
    assert_eq!((page.total, page.rows[2].id, page.rows[2].created_at), (3, 2, Timestamp(START.0 + 2_000)));
    views.close().await;
}

#[tokio::test]
async fn a_row_is_the_aggregates_row() {
    let mut story = Story::new();
    let views = story.views();
    let id = employ(&mut story, &tenant(), json!({"user": Uuid::from_u128(3)}), json!({"email": "a@x.com"})).await;
    let row = views.employee_by_id(&tenant(), id).await.unwrap().unwrap();
    let employee = Employee {
        id,
        version: 1,
        number: 1,
        user: Some(Uuid::from_u128(3)),
        personal: row.personal.clone(),
        created_at: row.created_at,
        updated_at: row.created_at,
        ..Employee::default()
    };
    assert_eq!(row, crate::EmployeeRow::from(&employee));
    views.close().await;
}
