//! Stories about callers, told against a ledger and a state in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken story fails its test")]

mod applications;
mod clock;
mod ledger;
mod limits;
mod log_in;
mod sessions;

use clock::TestClock;
use domain::application::Application;
use domain::employee::{Changes, Employee};
use domain::use_cases::{
    CreateApplication, CreateEmployee, CreateTenant, CreateUser, RevokeApplication, UpdateEmployee,
};
use domain::user::User;
use domain::{Actor, Address, Channel, Clock, CommandBus, Context, Scope, TenantName, UseCase};
use identity::{
    AdminToken, AuthError, Identity, IdentityOptions, LogIn, LogInError, PasswordSettings, Principal, Secrets, Session,
    Token, TokenKind,
};
use ledger::MemoryLedger;
use std::net::IpAddr;
use std::sync::Arc;
use store::{State, StateOptions};
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery";
const PEER: &str = "192.0.2.1";

/// A service with one tenant, and everything needed to start it again.
pub struct House {
    pub clock: Arc<TestClock>,
    pub bus: CommandBus,
    pub state: State,
    pub identity: Identity,
    pub admin: Token,
    options: IdentityOptions,
}

impl House {
    pub async fn new() -> Self {
        Self::with(State::open(StateOptions::Memory).unwrap(), |_| {}).await
    }

    pub async fn with(state: State, change: impl FnOnce(&mut IdentityOptions)) -> Self {
        let clock = Arc::new(TestClock::new());
        let bus = CommandBus::new(Arc::new(MemoryLedger::new(clock.clone())));
        let admin = Token::random(TokenKind::Deployment).unwrap();
        let mut options = IdentityOptions::new(AdminToken::of(&admin));
        // Cheap enough to hash hundreds; the expensive default is set in `log_in`.
        options.passwords = PasswordSettings { memory_kib: 8, iterations: 1, lanes: 1, at_once: 2 };
        change(&mut options);
        let identity = open(&state, &bus, &clock, &options);
        let house = Self { clock, bus, state, identity, admin, options };
        house.perform(CreateTenant {}).await;
        house
    }

    /// The same state and ledger under a program that was started anew.
    pub fn restart(&mut self) {
        self.identity = open(&self.state, &self.bus, &self.clock, &self.options);
    }

    pub async fn perform<C: UseCase>(&self, case: C) -> C::Output {
        let context = Context::new(
            TenantName::default_tenant(),
            Actor::Deployment,
            Channel::Operator,
            Uuid::new_v4(),
            self.clock.now(),
        );
        self.bus.perform(context, case).await.unwrap()
    }

    pub async fn user(&self, email: &str) -> Arc<User> {
        let user = Uuid::new_v4();
        self.identity.set_password(user, PASSWORD).await.unwrap();
        let email = Address::parse(email).unwrap();
        self.perform(CreateUser { user, email, name: None, client: None, liaison: false, administrator: false }).await
    }

    pub async fn employee(&self, user: &User) -> Arc<Employee> {
        let changes = Changes { email: user.email.clone(), ..Changes::default() };
        self.perform(CreateEmployee { user: Some(user.id), changes }).await
    }

    pub async fn change(&self, employee: &Employee, changes: Changes) {
        self.perform(UpdateEmployee { number: employee.number, changes }).await;
    }

    pub async fn application(&self, id: Uuid) -> Arc<Application> {
        self.perform(CreateApplication { application: id, name: "crm".to_owned(), scopes: [Scope::Invites].into() })
            .await
    }

    pub async fn revoke(&self, application: Uuid) {
        self.perform(RevokeApplication { application }).await;
    }

    pub async fn log_in(&self, email: &str, password: &str) -> Result<Session, LogInError> {
        self.log_in_from(PEER, email, password).await
    }

    pub async fn log_in_from(&self, peer: &str, email: &str, password: &str) -> Result<Session, LogInError> {
        self.identity.log_in(log_in(peer, email, password)).await
    }

    /// What a token opens, in one word.
    pub async fn standing(&self, token: &Token) -> &'static str {
        match self.identity.authenticate(token.reveal()).await {
            Ok(Principal::Deployment) => "deployment",
            Ok(Principal::Application { .. }) => "application",
            Ok(Principal::User(_)) => "user",
            Err(AuthError::Unknown) => "unknown",
            Err(AuthError::Expired) => "expired",
            Err(AuthError::Unavailable(failure)) => panic!("{failure:?}"),
        }
    }
}

pub fn log_in<'a>(peer: &str, email: &'a str, password: &'a str) -> LogIn<'a> {
    let peer: IpAddr = peer.parse().unwrap();
    LogIn { tenant: TenantName::default_tenant(), email, password, remember_me: false, peer }
}

fn open(state: &State, bus: &CommandBus, clock: &Arc<TestClock>, options: &IdentityOptions) -> Identity {
    let secrets = Secrets::new(|label| {
        let mut key = [7; 32];
        key[..label.len()].copy_from_slice(label.as_bytes());
        key
    });
    Identity::new(state.clone(), bus.clone(), secrets, clock.clone(), options.clone()).unwrap()
}
