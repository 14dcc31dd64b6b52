//! Histories, and what stands in the database afterwards.

#[path = "../../../store/tests/conformance/postgres/cluster.rs"]
#[allow(dead_code, reason = "the store's own tests need all of it")]
mod cluster;
mod history;

use super::tables::TABLES;
use super::{Publication, SCHEMA};
use crate::Views;
use crate::story::{Story, tenant};
use cluster::{Cluster, Database};
use domain::{Actor, told};
use history::History;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::{DatabaseUrl, Lease, Sink, SinkError, State, StateOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Nothing takes longer, or something is wrong.
const WITHIN: Duration = Duration::from_secs(60);

/// A service's part: it follows the views, and copies them.
struct Copying {
    publication: Publication,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Copying {
    fn start(views: &Views, database: &Database) -> Self {
        let publication = open(views, database);
        let (stop, stopped) = watch::channel(false);
        let lease = Lease::new(State::open(StateOptions::Memory).unwrap(), "views");
        let running = tokio::spawn(publication.clone().run(lease, stopped));
        Self { publication, stop, running }
    }

    /// Waits until the copy is where the log ends.
    async fn is_even(&self, story: &Story) {
        let head = story.ledger.head();
        self.comes_to("the copy is at the head", || self.publication.figures().position == Some(head)).await;
    }

    async fn comes_to(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < WITHIN, "{what}: {:?}", self.publication.figures());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.running.await.unwrap();
    }
}

fn open(views: &Views, database: &Database) -> Publication {
    Publication::new(views.clone(), &DatabaseUrl::new(database.url()), "a test").unwrap()
}

/// Every row of every table.
fn all(database: &Database) -> Vec<String> {
    let of =
        |name: &str| format!("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM views.{name} t");
    TABLES.iter().map(|table| database.run(&of(table.name))).collect()
}

fn rows(database: &Database, columns: &str, from: &str) -> Value {
    let sql = format!("SELECT coalesce(json_agg(r), '[]') FROM (SELECT {columns} FROM views.{from}) r");
    serde_json::from_str(&database.run(&sql)).unwrap()
}

/// Columns of time as the views have them.
fn micros(names: &[&str]) -> String {
    let each = names.iter().map(|name| format!("(extract(epoch FROM {name}) * 1000000)::bigint AS {name}"));
    each.collect::<Vec<_>>().join(", ")
}

fn by(actor: Actor) -> (Value, Value) {
    let words = actor.to_string();
    match words.split_once(':') {
        Some((kind, id)) => (json!(kind), json!(id)),
        None => (json!(words), Value::Null),
    }
}

/// What the views answer is what stands in the tables.
async fn equals_what_is_answered(views: &Views, database: &Database) {
    invitations_are_as_answered(views, database).await;
    employees_are_as_answered(views, database).await;
    the_directory_is_as_answered(views, database).await;
}

async fn invitations_are_as_answered(views: &Views, database: &Database) {
    let tenant = tenant();
    let query = crate::InvitationQuery { page: 1, per_page: 1_000, ..Default::default() };
    let mut invitations = views.invitations(&tenant, query).await.unwrap().rows;
    invitations.sort_by_key(|row| row.position);
    assert!(invitations.len() > 1);
    let expected: Vec<Value> = invitations
        .iter()
        .map(|row| {
            let (invited_by, cancelled_by) = (by(row.invited_by), row.cancelled_by.map(by));
            json!({
                "tenant": tenant.as_str(), "id": row.id, "public_id": row.public_id, "kind": row.kind.name(),
                "target_id": row.target, "role": row.role.name(), "state": row.state.name(), "email": row.email,
                "message": row.message, "email_status": row.email_status.name(), "generation": row.generation,
                "invited_by": invited_by.0, "invited_by_id": invited_by.1, "accepted_by_id": row.accepted_by,
                "cancelled_by": cancelled_by.as_ref().map(|by| &by.0), "cancelled_by_id": cancelled_by.map(|by| by.1),
                "created_at": row.created_at, "updated_at": row.updated_at, "expires_at": row.expires_at,
                "accepted_at": row.accepted_at, "updated_in_db_at": row.updated_in_db_at, "position": row.position,
            })
        })
        .collect();
    let columns = format!(
        "tenant, id, public_id, kind, target_id, role, state, email, message, email_status, generation, invited_by, \
         invited_by_id, accepted_by_id, cancelled_by, cancelled_by_id, position, {}",
        micros(&["created_at", "updated_at", "expires_at", "accepted_at", "updated_in_db_at"])
    );
    assert_eq!(rows(database, &columns, "invitations WHERE tenant = 'default' ORDER BY position"), json!(expected));
}

fn list() -> crate::ListQuery {
    crate::ListQuery { number: 1, size: 1_000, ..Default::default() }
}

async fn employees_are_as_answered(views: &Views, database: &Database) {
    let tenant = tenant();
    let employees = views.employees(&tenant, list()).await.unwrap().rows;
    assert!(!employees.is_empty());
    let expected: Vec<Value> = employees
        .iter()
        .map(|row| {
            let personal = &row.personal;
            json!({
                "id": row.id, "number": row.number, "user_id": row.user, "active": row.active, "email": personal.email,
                "first_name": personal.first_name, "last_name": personal.last_name, "phone": personal.phone,
                "skills": personal.skills, "address_city": personal.address.get("city"),
                "service_area_id": row.service_area_id, "date_hired": row.date_hired,
                "date_off_boarded": row.date_off_boarded, "erased": personal.erased, "version": row.version,
                "created_at": row.created_at, "updated_at": row.updated_at,
            })
        })
        .collect();
    let columns = format!(
        "id, number, user_id, active, email, first_name, last_name, phone, skills, address_city, service_area_id, \
         date_hired, date_off_boarded, erased, version, {}",
        micros(&["created_at", "updated_at"])
    );
    assert_eq!(rows(database, &columns, "employees ORDER BY number"), json!(expected));
}

async fn the_directory_is_as_answered(views: &Views, database: &Database) {
    let tenant = tenant();
    let users = views.users(&tenant, 1, 1_000).await.unwrap().rows;
    let expected: Vec<Value> = users
        .iter()
        .map(|row| {
            json!({
                "id": row.id, "email": row.email, "name": row.name, "administrator": row.administrator,
                "company_name": row.client.as_ref().map(|client| &client.company_name),
                "client_number": row.client.as_ref().map(|client| client.number), "employee_id": row.employee,
            })
        })
        .collect();
    let columns = "id, email, name, administrator, company_name, client_number, employee_id";
    assert_eq!(rows(database, columns, "users ORDER BY created_at"), json!(expected));

    let members = views.members(&tenant, History::ORGANIZATION, 1, 1_000).await.unwrap().rows;
    let mut expected: Vec<Value> =
        members.iter().map(|row| json!({"user_id": row.user, "role": row.role.name()})).collect();
    expected.sort_by_key(Value::to_string);
    let mut found = rows(database, "user_id, role", "members").as_array().unwrap().clone();
    found.sort_by_key(Value::to_string);
    assert_eq!(found, expected);

    let notifications = views.notifications(&tenant, list()).await.unwrap().rows;
    let expected: Vec<Value> = notifications
        .iter()
        .map(
            |row| json!({"id": row.id, "kind": row.kind, "invitation_id": row.invitation, "reason": row.reason.name()}),
        )
        .collect();
    let ours = "notifications WHERE tenant = 'default' ORDER BY id DESC";
    assert_eq!(rows(database, "id, kind, invitation_id, reason", ours), json!(expected));

    let applications = views.applications(&tenant, 1, 1_000).await.unwrap().rows;
    let expected: Vec<Value> = applications
        .iter()
        .map(|row| json!({"id": row.id, "name": row.name, "scopes": row.scopes, "revoked": row.revoked}))
        .collect();
    let columns = "id, name, scopes, revoked";
    assert_eq!(rows(database, columns, "applications ORDER BY created_at"), json!(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_the_copy_says_what_the_views_answer_and_equals_one_made_anew() {
    for seed in 1..=4 {
        let folder = tempfile::tempdir().unwrap();
        let mut story = Story::new();
        let views = story.views_at(Some(folder.path().join("views.db")));
        views.start().unwrap();
        let (database, again) = (Cluster::shared().database(), Cluster::shared().database());
        let copying = Copying::start(&views, &database);
        let mut history = History::begin(&mut story, seed).await;
        for part in 0..3 {
            for _ in 0..40 {
                history.go_on(&mut story).await;
            }
            copying.is_even(&story).await;
            equals_what_is_answered(&views, &database).await;
            assert_eq!(database.run("SELECT epoch FROM views.progress"), "1", "part {part}: by one, without a break");
        }
        copying.end().await;
        let anew = Copying::start(&views, &again);
        anew.is_even(&story).await;
        assert_eq!(all(&again), all(&database), "seed {seed}");
        assert!(all(&database).iter().all(|rows| !rows.is_empty()), "something of each table: {:#?}", all(&database));
        anew.end().await;
        views.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_gone_or_does_not_fit_is_made_anew() {
    let mut story = Story::new();
    let views = story.views();
    let database = Cluster::shared().database();
    let mut history = History::begin(&mut story, 9).await;
    for _ in 0..30 {
        history.go_on(&mut story).await;
    }
    let copying = Copying::start(&views, &database);
    copying.is_even(&story).await;
    let good = all(&database);
    copying.end().await;
    for damage in [
        "DROP SCHEMA views CASCADE",
        // Half of it, and nothing of that fits the log.
        "DELETE FROM views.invitations WHERE position > 10; UPDATE views.progress SET position = 10",
        "DELETE FROM views.users; UPDATE views.progress SET position = 0",
        // Of a log that was cut and went on otherwise; of one that was longer.
        "UPDATE views.employees SET email = 'x'; UPDATE views.progress SET leaf = decode(repeat('ab', 32), 'hex')",
        "UPDATE views.employees SET email = 'x'; UPDATE views.progress SET position = position + 1000",
        // By a program that makes other rows of the same events.
        "UPDATE views.employees SET email = 'x'; UPDATE views.progress SET shape = 1",
    ] {
        database.run(damage);
        let copying = Copying::start(&views, &database);
        copying.is_even(&story).await;
        assert_eq!(all(&database), good, "{damage}");
        copying.end().await;
    }

    // Under a service that runs.
    let copying = Copying::start(&views, &database);
    copying.is_even(&story).await;
    database.run("DROP SCHEMA views CASCADE");
    history.go_on(&mut story).await;
    let there = "SELECT count(*) FROM pg_class WHERE relname = 'progress' AND relnamespace = to_regnamespace('views')";
    copying.comes_to("it is there again", || database.run(there) == "1").await;
    copying.is_even(&story).await;
    equals_what_is_answered(&views, &database).await;
    copying.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_not_for_this_ledger_is_refused_by_name() {
    let (mut one, mut other) = (Story::new(), Story::new());
    let (views, others) = (one.views(), other.views());
    History::begin(&mut one, 1).await;
    History::begin(&mut other, 2).await;
    let database = Cluster::shared().database();
    let copying = Copying::start(&views, &database);
    copying.is_even(&one).await;
    let before = all(&database);

    let refused = open(&others, &database).check().await.unwrap_err();
    assert!(refused.stays());
    let words = format!("they belong to the ledger {}: name another database", one.ledger.ledger_id());
    assert!(told(&refused).contains(&words), "{}", told(&refused));
    // It is not taken from its ledger by one that goes on all the same.
    let intruder = Copying::start(&others, &database);
    intruder
        .comes_to("it is told", || intruder.publication.figures().fault.is_some_and(|it| it.contains(&words)))
        .await;
    assert_eq!(all(&database), before);
    intruder.end().await;
    copying.end().await;

    let foreign = Cluster::shared().database();
    foreign.run("CREATE SCHEMA views; CREATE TABLE views.sales (amount int)");
    let refused = open(&views, &foreign).check().await.unwrap_err();
    assert!(told(&refused).contains("the schema views is another program's: name a database of its own"));
    let newer = Cluster::shared().database();
    open(&views, &newer).check().await.unwrap();
    newer.run("UPDATE views.meta SET value = '99' WHERE name = 'schema'");
    let refused = open(&views, &newer).check().await.unwrap_err();
    assert!(told(&refused).contains("the database has schema 99, this program knows up to 1"), "{}", told(&refused));
    let latin = Cluster::shared().database_with("ENCODING 'LATIN1' TEMPLATE template0");
    let refused = open(&views, &latin).check().await.unwrap_err();
    assert!(told(&refused).contains("encoded as LATIN1"), "{}", told(&refused));
    // No such role stays so; a server that is away does not.
    let nobody = DatabaseUrl::new(database.url_as("nobody"));
    let refused = Publication::new(views.clone(), &nobody, "a test").unwrap().check().await.unwrap_err();
    assert!(told(&refused).contains("role \"nobody\" does not exist"), "{}", told(&refused));
    let away = DatabaseUrl::new("postgres://nobody@localhost/nothing?host=/nowhere");
    let away = Publication::new(views, &away, "a test").unwrap();
    away.check().await.unwrap();
    assert!(away.figures().fault.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_forgotten_leaves_the_copy_when_the_views_are_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let mut story = Story::new();
    let views = story.views_at(Some(folder.path().join("views.db")));
    views.start().unwrap();
    let created = story.created(History::ORGANIZATION, "jane@x.com").await;
    let jane = story.invite(&tenant(), created).await;
    let database = Cluster::shared().database();
    let copying = Copying::start(&views, &database);
    copying.is_even(&story).await;
    let email = "SELECT count(*), min(email) FROM views.invitations";
    assert_eq!(database.run(email), "1|jane@x.com");
    copying.end().await;

    story.vault.destroy(jane.subject.id).unwrap();
    story.ledger.forget_recent();
    let rebuilding = views.clone();
    tokio::task::spawn_blocking(move || rebuilding.rebuild(Some("invitations"), &mut |_, _| {}))
        .await
        .unwrap()
        .unwrap();
    // Also where nobody copied just then: the file remembers it.
    views.close().await;
    let views = story.views_at(Some(folder.path().join("views.db")));
    views.start().unwrap();
    let copying = Copying::start(&views, &database);
    copying.comes_to("she is gone", || database.run(email) == "1|").await;
    copying.end().await;

    // Once: the next service goes on from there.
    database.run("UPDATE views.invitations SET message = 'a mark'");
    let copying = Copying::start(&views, &database);
    copying.is_even(&story).await;
    assert_eq!(database.run("SELECT message FROM views.invitations"), "a mark");
    // While one copies, too.
    let rebuilding = views.clone();
    tokio::task::spawn_blocking(move || rebuilding.rebuild(None, &mut |_, _| {})).await.unwrap().unwrap();
    copying.comes_to("it is made anew", || database.run("SELECT count(message) FROM views.invitations") == "0").await;
    copying.end().await;
    views.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_stands_still_whole_while_a_view_has_stopped() {
    let mut story = Story::new();
    let views = story.views();
    History::begin(&mut story, 3).await;
    let database = Cluster::shared().database();
    let copying = Copying::start(&views, &database);
    copying.is_even(&story).await;
    let (at, before) = (story.ledger.head(), all(&database));
    story.append_raw("employee", &tenant(), Uuid::now_v7(), "Promoted", json!({"to": "boss"})).await;
    let created = story.created(History::ORGANIZATION, "late@x.com").await;
    story.invite(&tenant(), created).await;
    copying.comes_to("a view has stopped", || views.stopped().is_some()).await;
    views.caught_up().await.unwrap_err();
    copying.end().await;
    assert_eq!((database.run("SELECT position FROM views.progress"), all(&database)), (at.to_string(), before));
}

/// The last one who took the tables writes, whoever else wakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_former_writer_sends_does_not_land() {
    let mut story = Story::new();
    History::begin(&mut story, 3).await;
    let database = Cluster::shared().database();
    let (url, ledger) = (DatabaseUrl::new(database.url()), story.ledger.ledger_id());
    let done = tokio::task::spawn_blocking(move || {
        let (first, second) = (Sink::new(&url, &SCHEMA).unwrap(), Sink::new(&url, &SCHEMA).unwrap());
        let former = first.take(ledger, "first").unwrap();
        let written = first.look(former).unwrap();
        let later = second.take(ledger, "second").unwrap();
        assert!(later > former);
        assert!(matches!(first.begin(former), Err(SinkError::Taken)));
        // One that stands still within a change keeps nobody from taking them, and does not land.
        let mut change = second.begin(later).unwrap();
        change.execute("INSERT INTO views.tenants VALUES ('left', 1, true, true, true, now())", vec![]).unwrap();
        let again = loop {
            match first.take(ledger, "first") {
                Ok(epoch) => break epoch,
                Err(SinkError::Server(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        };
        assert!(matches!(change.commit(written), Err(SinkError::Server(_))));
        assert_eq!(first.look(again).unwrap(), written);
        assert!(matches!(second.take(Uuid::now_v7(), "a stranger"), Err(SinkError::Foreign(owner)) if owner == ledger));
        assert!(second.begin(again).is_ok());
    });
    done.await.unwrap();
    assert_eq!(database.run("SELECT count(*) FROM views.tenants"), "0");
}
