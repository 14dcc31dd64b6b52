//! What the bus promises to whoever follows the log.

use super::*;
use crate::clock::ManualClock;
use domain::application::Application;
use domain::organization::Organization;
use domain::tenant::Tenant;
use domain::use_cases::{CreateApplication, CreateOrganization, CreateTenant, RevokeApplication, UpdateOrganization};
use domain::{Actor, CommandBus, IdempotencyKey, Scope, UseCase};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use store::{BackendOptions, LedgerOptions, StateOptions, VaultOptions};

/// Two that know nothing of each other, as one that has not been told yet.
fn two_of_one_ledger() -> [CommandBus; 2] {
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_750_000_000)));
    let vault = Vault::open(VaultOptions::Memory).unwrap();
    let now = clock.clone();
    let options = LedgerOptions::new(
        BackendOptions::Memory,
        Arc::new(|_, _, _| vec![]),
        vault.clone(),
        Arc::new(move || now.now().0),
    );
    let ledger = Ledger::open(options).unwrap();
    let state = State::open(StateOptions::Memory).unwrap();
    [(); 2].map(|()| {
        let secrets = Secrets::new(|label| vault.secret(label));
        let (ledger, vault, state, clock) = (ledger.clone(), vault.clone(), state.clone(), clock.clone());
        CommandBus::new(Arc::new(Bus::new(BusParts { ledger, vault, state, secrets, clock })))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_read_a_version_in_the_log_gets_no_older_one() {
    let [first, second] = two_of_one_ledger();
    let tenant = TenantName::default_tenant();
    let context = || Context::new(tenant.clone(), Actor::Deployment, Channel::Operator, Uuid::now_v7(), first.now());
    first.perform(context(), CreateTenant {}).await.unwrap();
    let case = CreateOrganization { name: "Acme".to_owned(), bind_recipient: false };
    let made = first.perform(context(), case).await.unwrap();
    assert_eq!(second.load::<Organization>(&tenant, made.id).await.unwrap().name, "Acme");
    let case = UpdateOrganization { organization: made.id, name: Some("Acme & Sons".to_owned()), bind_recipient: None };
    let renamed = first.perform(context(), case).await.unwrap();
    assert_eq!(second.load::<Organization>(&tenant, made.id).await.unwrap().name, "Acme", "nobody told it");
    let since = second.load_since::<Organization>(&tenant, made.id, renamed.version).await.unwrap();
    assert_eq!((since.version, since.name.as_str()), (2, "Acme & Sons"));
    assert_eq!(second.load::<Organization>(&tenant, made.id).await.unwrap().name, "Acme & Sons", "from then on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_was_revoked_elsewhere_a_moment_ago_writes_nothing() {
    let [first, late] = two_of_one_ledger();
    let tenant = TenantName::default_tenant();
    let context = |actor| Context::new(tenant.clone(), actor, Channel::Jsonapi, Uuid::now_v7(), late.now());
    first.perform(context(Actor::Deployment), CreateTenant {}).await.unwrap();
    let (application, scopes) = (Uuid::now_v7(), BTreeSet::from([Scope::Organizations]));
    let shop = CreateApplication { application, name: "shop".to_owned(), scopes };
    first.perform(context(Actor::Deployment), shop).await.unwrap();
    let make = |name: &str| CreateOrganization { name: name.to_owned(), bind_recipient: false };
    let shop = Actor::Application(application);
    late.perform(context(shop), make("Acme")).await.unwrap();
    first.perform(context(Actor::Deployment), RevokeApplication { application }).await.unwrap();
    let load = || late.load::<Application>(&tenant, application);
    assert!(!load().await.unwrap().revoked, "nobody told it");
    let refused = late.perform(context(shop), make("Bolt")).await.unwrap_err();
    assert!(matches!(refused, Failure::Nobody), "{refused:?}");
    assert!(load().await.unwrap().revoked);
    let refused = late.perform(context(shop), make("Bolt")).await.unwrap_err();
    assert!(matches!(refused, Failure::Nobody), "{refused:?}");
}

/// A tenant is made; meanwhile the same request arrives at another service, and is quicker.
struct Overtaken {
    other: CommandBus,
    context: Context,
    is_done: AtomicBool,
}

#[async_trait::async_trait]
impl UseCase for Overtaken {
    type Output = Arc<Tenant>;

    async fn run(&self, unit: &mut dyn domain::bus::Unit) -> Result<(), Failure> {
        if !self.is_done.swap(true, Relaxed) {
            self.other.perform(self.context.clone(), CreateTenant {}).await?;
        }
        UseCase::run(&CreateTenant {}, unit).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_his_own_requests_work_in_the_way_hears_what_it_came_to() {
    let [first, other] = two_of_one_ledger();
    let tenant = TenantName::default_tenant();
    let mut context = Context::new(tenant, Actor::Deployment, Channel::Operator, Uuid::now_v7(), first.now());
    let key = |key: &str| IdempotencyKey { key: key.to_owned(), operation: "createTenant", fingerprint: [1; 32] };
    context.idempotency = Some(key("monday"));
    let made = first
        .perform(context.clone(), Overtaken { other: other.clone(), context: context.clone(), is_done: false.into() })
        .await
        .unwrap();
    assert_eq!(made.name, TenantName::default_tenant(), "and not that the name is taken");
    context.idempotency = Some(key("tuesday"));
    let refused = first.perform(context, CreateTenant {}).await.unwrap_err();
    assert!(matches!(refused, Failure::Refused(Refusal::NameTaken)), "{refused:?}");
}
