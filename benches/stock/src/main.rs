//! The plain service to compare with: poem + cqrs-es + postgres-es, wired as
//! their documentation shows. One aggregate, one view, nothing else.

use cqrs_es::persist::{GenericQuery, ViewRepository};
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope, View, event_sink::EventSink};
use poem::http::StatusCode;
use poem::web::{Data, Json, Path};
use poem::{EndpointExt, Route, Server, get, handler, listener::TcpListener, post};
use postgres_es::{PostgresCqrs, PostgresViewRepository, postgres_cqrs};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};

const EVENTS: &str = "CREATE TABLE IF NOT EXISTS events (aggregate_type text NOT NULL, aggregate_id text NOT NULL, \
    sequence bigint CHECK (sequence >= 0) NOT NULL, event_type text NOT NULL, event_version text NOT NULL, \
    payload json NOT NULL, metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence))";
const VIEW: &str = "CREATE TABLE IF NOT EXISTS invitation_view (view_id text NOT NULL, \
    version bigint CHECK (version >= 0) NOT NULL, payload json NOT NULL, PRIMARY KEY (view_id))";

#[derive(Default, Serialize, Deserialize)]
struct Invitation {
    email: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Created { organization: String, email: String, at: u64 },
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        "Created".to_owned()
    }
    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

struct Create {
    organization: String,
    email: String,
}

#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("exists")
    }
}

impl std::error::Error for Refused {}

impl Aggregate for Invitation {
    const TYPE: &'static str = "invitation";
    type Command = Create;
    type Event = Event;
    type Error = Refused;
    type Services = ();

    async fn handle(&mut self, command: Create, _: &(), sink: &EventSink<Self>) -> Result<(), Refused> {
        if self.email.is_some() {
            return Err(Refused);
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        sink.write(Event::Created { organization: command.organization, email: command.email, at }, self).await;
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        let Event::Created { email, .. } = event;
        self.email = Some(email);
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct InvitationView {
    email: String,
    organization: String,
}

impl View<Invitation> for InvitationView {
    fn update(&mut self, event: &EventEnvelope<Invitation>) {
        let Event::Created { organization, email, .. } = &event.payload;
        self.email.clone_from(email);
        self.organization.clone_from(organization);
    }
}

type Views = PostgresViewRepository<InvitationView, Invitation>;

struct App {
    cqrs: PostgresCqrs<Invitation>,
    views: Arc<Views>,
}

#[derive(Deserialize)]
struct New {
    email: String,
}

#[handler]
async fn create(Path(organization): Path<String>, Json(new): Json<New>, app: Data<&Arc<App>>) -> (StatusCode, String) {
    let id = uuid::Uuid::new_v4().to_string();
    match app.cqrs.execute(&id, Create { organization, email: new.email }).await {
        Ok(()) => (StatusCode::CREATED, id),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

#[handler]
async fn read(Path((_, id)): Path<(String, String)>, app: Data<&Arc<App>>) -> StatusCode {
    match app.views.load(&id).await {
        Ok(Some(_)) => StatusCode::OK,
        Ok(None) => StatusCode::NOT_FOUND,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(url), Some(listen)) = (words.next(), words.next()) else { return Err("usage: stock POSTGRES-URL LISTEN".into()) };
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(32).connect(&url).await?;
    for table in [EVENTS, VIEW] {
        sqlx::query(table).execute(&pool).await?;
    }
    let views = Arc::new(Views::new("invitation_view", pool.clone()));
    let cqrs = postgres_cqrs(pool, vec![Box::new(GenericQuery::new(views.clone()))], ());
    let app = Arc::new(App { cqrs, views });
    let routes = Route::new()
        .at("/organizations/:org/invites", post(create))
        .at("/organizations/:org/invites/:id", get(read))
        .data(app);
    // Told to end, it ends in order: a build that is watched writes down what it saw then.
    let mut told = signal(SignalKind::terminate())?;
    let ended = async move { told.recv().await.unwrap_or_default() };
    Server::new(TcpListener::bind(listen)).run_with_graceful_shutdown(routes, ended, Some(Duration::from_secs(1))).await?;
    Ok(())
}
