//! `/healthz`, `/readyz` and `/metrics`: what machines ask the service.

use super::house::Rooms;
use super::metrics::{Figure, Metrics};
use openapi::wire::{Answered, Observer};
use poem::error::MethodNotAllowedError;
use poem::http::{StatusCode, header};
use poem::{Endpoint, EndpointExt, IntoResponse, Response, Route, RouteMethod, get, handler, web::Data};
use std::sync::Arc;

/// A service whose views are further behind than this is not ready, in events.
const MAX_LAG: u64 = 100_000;

impl Observer for Metrics {
    fn answered(&self, answered: &Answered) {
        let operation = format!("{} {}", answered.method, answered.route);
        Metrics::answered(self, answered.dialect.name(), &operation, answered.status, answered.took.as_secs_f64());
    }
}

pub(super) fn routes(routes: Route, rooms: Rooms, metrics: Metrics) -> Route {
    let rooms = Arc::new(rooms);
    routes
        .at("/healthz", only_read(get(alive)))
        .at("/readyz", only_read(get(ready.data(rooms.clone()))))
        .at("/metrics", only_read(get(page.data(rooms).data(metrics))))
}

/// Says which methods there are to whoever tries another.
fn only_read(methods: RouteMethod) -> impl Endpoint<Output = Response> + 'static {
    let refused = |_: MethodNotAllowedError| async {
        let refused = answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET and HEAD only\n".to_owned());
        refused.with_header(header::ALLOW, "GET, HEAD").into_response()
    };
    methods.catch_error(refused).map_to_response()
}

/// The process answers. Whether it can work is `/readyz`.
#[handler]
fn alive() -> Response {
    answer(StatusCode::OK, "text/plain", "ok\n".to_owned())
}

#[handler]
fn ready(rooms: Data<&Arc<Rooms>>) -> Response {
    let reasons = not_ready(&rooms);
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({"ready": reasons.is_empty(), "reasons": reasons, "remarks": remarks(&rooms)});
    answer(status, "application/json", body.to_string())
}

fn answer(status: StatusCode, kind: &str, body: String) -> Response {
    Response::builder().status(status).header(header::CACHE_CONTROL, "no-store").content_type(kind).body(body)
}

/// Why the service should get no requests now; empty when it should.
pub(super) fn not_ready(rooms: &Rooms) -> Vec<String> {
    let mut reasons = vec![];
    if rooms.ledger.failed() {
        reasons.push("the ledger has failed and accepts nothing; restart the service".to_owned());
    }
    reasons.extend(servers(rooms).into_iter().filter(|(_, answers)| !answers).map(|(what, _)| no_answer(what)));
    if let Some(stopped) = rooms.views.stopped() {
        reasons.push(stopped);
    }
    let lag = lag(rooms);
    if lag > MAX_LAG {
        reasons.push(format!("the views are {lag} events behind"));
    }
    reasons
}

/// What somebody should know although requests are answered as ever.
fn remarks(rooms: &Rooms) -> Vec<String> {
    let fault = rooms.published.figures().and_then(|copy| copy.fault);
    fault.map(|fault| standing_still(&fault)).into_iter().collect()
}

pub(super) fn standing_still(fault: &str) -> String {
    format!("the views' copy stands still: {fault}")
}

/// What lies with a database server, and whether that answers.
pub(super) fn servers(rooms: &Rooms) -> Vec<(&'static str, bool)> {
    let each = [
        ("log", rooms.ledger.server(), rooms.ledger.reachable()),
        ("state", rooms.state.server(), rooms.state.reachable()),
        ("keys", rooms.vault.server(), rooms.vault.reachable()),
    ];
    each.into_iter().filter_map(|(what, server, answers)| server.map(|_| (what, answers))).collect()
}

pub(super) fn no_answer(what: &str) -> String {
    format!("the database server that has the {what} does not answer")
}

/// How far the view that has read least is behind the head.
pub(super) fn lag(rooms: &Rooms) -> u64 {
    let head = rooms.ledger.head();
    rooms.views.progress().iter().map(|(_, at)| head.saturating_sub(*at)).max().unwrap_or(0)
}

#[handler]
fn page(rooms: Data<&Arc<Rooms>>, metrics: Data<&Metrics>) -> Response {
    let outbox = rooms.delivery.figures();
    for (state, count) in [("queued", outbox.queued), ("sending", outbox.sending), ("dead", outbox.dead)] {
        metrics.set_outbox(state, count);
    }
    let text = metrics.page(&figures(&rooms));
    answer(StatusCode::OK, "text/plain; version=0.0.4", text)
}

fn figures(rooms: &Rooms) -> Vec<Figure> {
    let ledger = rooms.ledger.figures();
    let outbox = rooms.delivery.figures();
    let one = |name, kind, text, value| Figure { name, kind, text, labels: String::new(), value };
    let mut figures = vec![
        one("invitation_ledger_head_position", "gauge", "position of the last event", ledger.head),
        one("invitation_ledger_commits_total", "counter", "batches written", ledger.commits),
        one("invitation_ledger_units_total", "counter", "units that landed", ledger.units),
        one("invitation_ledger_events_total", "counter", "events that landed", ledger.events),
        one("invitation_ledger_units_refused_total", "counter", "units that were refused", ledger.refused),
        one("invitation_ledger_units_turned_away_total", "counter", "units that found the queue full", ledger.busy),
        one("invitation_ledger_commit_microseconds_total", "counter", "time spent writing batches", ledger.commit_us),
        one("invitation_ledger_queue_units", "gauge", "units that wait for the writer", ledger.queued),
        one("invitation_ledger_index_lag_events", "gauge", "events in the index's memory alone", ledger.index_lag),
        one("invitation_ledger_wal_bytes", "gauge", "size of the write-ahead log", ledger.wal_bytes),
        one("invitation_ledger_free_bytes", "gauge", "space left on the data folder's disk", ledger.free_bytes),
        one("invitation_ledger_mails_sent_total", "counter", "mails that a provider accepted", outbox.sent_total),
        one("invitation_ledger_mails_failed_total", "counter", "mails that were given up", outbox.failed_total),
        one("invitation_ledger_outbox_position", "gauge", "how far the outbox has read the log", outbox.cursor),
    ];
    let mut below = 0;
    for (bound, count) in &ledger.batches {
        below += count;
        let labels = format!("{{le=\"{bound}\"}}");
        figures.push(Figure {
            name: "invitation_ledger_batch_units_bucket",
            kind: "counter",
            text: "batches by number of units, cumulated",
            labels,
            value: below,
        });
    }
    for (what, answers) in servers(rooms) {
        figures.push(Figure {
            name: "invitation_ledger_server_answers",
            kind: "gauge",
            text: "1 if the database server that has it answered last",
            labels: format!("{{of=\"{what}\"}}"),
            value: u64::from(answers),
        });
    }
    figures.extend(copy_figures(rooms, ledger.head));
    for (view, position) in rooms.views.progress() {
        let labels = format!("{{view=\"{view}\"}}");
        let value = ledger.head.saturating_sub(position);
        figures.push(Figure {
            name: "invitation_ledger_projection_lag_events",
            kind: "gauge",
            text: "events a view has not read",
            labels,
            value,
        });
    }
    figures
}

/// Of the views' copy, if there is one; how far it is, the service that writes it knows.
fn copy_figures(rooms: &Rooms, head: u64) -> Vec<Figure> {
    let Some(copy) = rooms.published.figures() else { return vec![] };
    let gauge =
        |name, text, labels: &str, value| Figure { name, kind: "gauge", text, labels: labels.to_owned(), value };
    let mut figures = vec![gauge(
        "invitation_ledger_server_answers",
        "1 if the database server that has it answered last",
        "{of=\"views\"}",
        u64::from(copy.fault.is_none()),
    )];
    if let Some(position) = copy.position {
        figures.push(gauge("invitation_ledger_copy_position", "how far the views' copy is", "", position));
        let lag = head.saturating_sub(position);
        figures.push(gauge("invitation_ledger_copy_lag_events", "events the views' copy has not", "", lag));
    }
    figures
}
