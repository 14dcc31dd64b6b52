//! A program that knows cqrs-es and postgres-es and nothing of the ledger: it reads
//! every aggregate, and is told why it may not write.

use cqrs_es::{
    Aggregate, AggregateError, DomainEvent, EventStore, event_sink::EventSink, persist::PersistedEventStore,
};
use postgres_es::{PostgresEventRepository, postgres_cqrs};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    bench::{Bench, TENANT, stream, unit},
    postgres::cluster::Cluster,
};

/// A payload as it stands in the table: the kind stands beside it, personal members are sealed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(transparent)]
struct Happened(Value);

impl DomainEvent for Happened {
    fn event_type(&self) -> String {
        "Happened".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

/// Everything that happened to an invitation.
#[derive(Default, Serialize, Deserialize)]
struct Invitation(Vec<Value>);

impl Aggregate for Invitation {
    const TYPE: &'static str = "invitation";
    type Command = Value;
    type Event = Happened;
    type Error = std::convert::Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        command: Value,
        _services: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), std::convert::Infallible> {
        sink.write(Happened(command), self).await;
        Ok(())
    }

    fn apply(&mut self, event: Happened) {
        self.0.push(event.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_program_reads_every_aggregate_and_is_told_why_it_may_not_write() {
    let bench = Bench::postgres(Cluster::shared());
    let subject = bench.vault.subject().await.unwrap();
    let person = json!({
        "number": 1,
        "subject": {"id": subject.id.to_string(), "commitment": subject.commitment},
        "personal": {"email": "ada@example.com"},
    });
    bench.submit(unit([(stream(1), 0, person)])).await.unwrap();
    bench.submit(unit([(stream(2), 0, json!({"number": 1})), (stream(1), 1, json!({"number": 2}))])).await.unwrap();
    let before = bench.entries();
    let url = format!("{}&options=-csearch_path=ledger", bench.database.as_ref().unwrap().url());
    let pool = PgPool::connect(&url).await.unwrap();
    let id = stream(1).aggregate_id().to_owned();
    assert!(id.starts_with(TENANT));

    let store = PersistedEventStore::<_, Invitation>::new_event_store(PostgresEventRepository::new(pool.clone()));
    let events = store.load_events(&id).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.sequence, event.payload.0["number"].clone())).collect();
    assert_eq!(told, vec![(1, json!(1)), (2, json!(2))]);
    assert_eq!(events[0].metadata["actor"], "ada");
    assert!(events[0].payload.0["personal"].as_str().unwrap().starts_with("v1."), "sealed, as it stands in the log");
    let mut context = store.load_aggregate(&id).await.unwrap();
    assert_eq!(cqrs_es::AggregateContext::aggregate(&mut context).0.len(), 2);

    let cqrs = postgres_cqrs::<Invitation>(pool, vec![], ());
    for id in [id.as_str(), "acme/a-new-one"] {
        match cqrs.execute(id, json!({"number": 3})).await {
            Err(AggregateError::UnexpectedError(fault)) => {
                assert!(fault.to_string().contains("only the ledger appends events"), "{fault}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.entries(), before);
}
