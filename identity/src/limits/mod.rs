//! How much a caller may ask for: mails per recipient, invitations per
//! inviter, and per tenant.
//!
//! Promise: the windows slide and are exact to the millisecond; a request is charged whole or
//! not at all; what did not happen is given back. The log remembers, so that a
//! restart forgives nothing: see [`Limits::restore`].

mod mails;
mod window;

use crate::{IdentityError, Secrets, TooMany};
use domain::{Actor, Address, Clock, TenantName, Timestamp};
use mails::{Mail, Mails};
use serde::Deserialize;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;
use window::Window;

/// No window is longer than a day: what is remembered is bounded by it.
pub(crate) const MAX_WINDOW_S: u32 = 24 * 60 * 60;
/// How often windows that emptied by themselves are looked for.
const TIDY_EVERY_MS: i64 = 60_000;
const MS: i64 = 1_000;
const MICROS_PER_MS: i64 = 1_000;

/// So many within so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub count: u32,
    pub within_s: u32,
}

impl Rate {
    #[must_use]
    pub const fn new(count: u32, within_s: u32) -> Self {
        Self { count, within_s }
    }

    pub(crate) fn window_ms(self) -> i64 {
        i64::from(self.within_s) * MS
    }
}

/// All limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Of every caller together, in one tenant.
    pub mails_per_recipient: Rate,
    pub invitations_per_user: Rate,
    /// Of all users of a tenant together.
    pub invitations_per_tenant: Rate,
    /// Without it applications invite as much as they like.
    pub invitations_per_application: Option<Rate>,
    pub log_in_failures_per_account: Rate,
    pub log_in_failures_per_peer: Rate,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            mails_per_recipient: Rate::new(10, 10 * 60),
            invitations_per_user: Rate::new(250, 60 * 60),
            invitations_per_tenant: Rate::new(10_000, 60 * 60),
            invitations_per_application: None,
            log_in_failures_per_account: Rate::new(10, 15 * 60),
            log_in_failures_per_peer: Rate::new(50, 15 * 60),
        }
    }
}

impl LimitSettings {
    fn rates(&self) -> impl Iterator<Item = (&'static str, Rate)> {
        let fixed = [
            ("mails_per_recipient", self.mails_per_recipient),
            ("invitations_per_user", self.invitations_per_user),
            ("invitations_per_tenant", self.invitations_per_tenant),
            ("log_in_failures_per_account", self.log_in_failures_per_account),
            ("log_in_failures_per_peer", self.log_in_failures_per_peer),
        ];
        let application = self.invitations_per_application.map(|rate| ("invitations_per_application", rate));
        fixed.into_iter().chain(application)
    }

    pub(crate) fn check(&self) -> Result<(), IdentityError> {
        match self.rates().find(|(_, rate)| !(1..=MAX_WINDOW_S).contains(&rate.within_s)) {
            Some((name, _)) => Err(IdentityError::Window { name }),
            None => Ok(()),
        }
    }
}

/// Something an earlier run of the program charged, as the log tells it.
#[derive(Clone, Debug)]
pub struct Spent {
    pub at: Timestamp,
    pub actor: Actor,
    pub tenant: TenantName,
    /// [`Address::key`] of whom the mail went to; `None` when the person is forgotten.
    pub recipient: Option<String>,
    /// 1 for an invitation or its repetition, 0 for any other mail.
    pub invitations: u32,
}

/// The limits. Cheap to clone.
#[derive(Clone)]
pub struct Limits {
    inner: Arc<Inner>,
}

struct Inner {
    settings: LimitSettings,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    spent: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    mails: Mails,
    inviters: HashMap<Uuid, Window>,
    tenants: HashMap<TenantName, Window>,
    tidied_ms: i64,
}

impl Limits {
    pub(crate) fn new(settings: LimitSettings, secrets: Secrets, clock: Arc<dyn Clock>) -> Self {
        Self { inner: Arc::new(Inner { settings, secrets, clock, spent: Mutex::default() }) }
    }

    #[must_use]
    pub fn settings(&self) -> &LimitSettings {
        &self.inner.settings
    }

    /// Charges a request: a mail to each recipient, and so many invitations.
    /// Give it back if the request did not happen; dropped, it is kept, so that
    /// who hangs up in the middle does not send for nothing.
    ///
    /// # Errors
    /// [`TooMany`] if any limit would be passed; then nothing is charged.
    pub fn charge(
        &self,
        actor: Actor,
        tenant: &TenantName,
        recipients: &[Address],
        invitations: u32,
    ) -> Result<Charge, TooMany> {
        let inner = &*self.inner;
        let now_ms = to_ms(inner.clock.now());
        let hashes: Vec<u64> = recipients.iter().map(|a| inner.secrets.recipient(tenant, a.key())).collect();
        let purses = inner.purses(actor, tenant, invitations);
        let mut books = inner.books();
        books.tidy(now_ms, &inner.settings);
        let later = purses.iter().filter_map(|purse| books.purse_fits_at(purse, invitations, now_ms)).max();
        let mails = books.take_mails(&hashes, inner.settings.mails_per_recipient, now_ms);
        let mails = match (later, mails) {
            (None, Ok(mails)) => mails,
            (later, mails) => {
                let mails_at = mails.as_ref().err().copied();
                mails.unwrap_or_default().into_iter().for_each(|mail| books.mails.give_back(mail));
                return Err(too_many(later.max(mails_at).unwrap_or(now_ms), now_ms));
            }
        };
        purses.iter().for_each(|purse| books.window(&purse.owner).add(now_ms, invitations));
        drop(books);
        let owners = purses.into_iter().map(|purse| purse.owner).collect();
        Ok(Charge { limits: self.clone(), at_ms: now_ms, mails, owners, invitations })
    }

    /// Charges again what the log says was charged before the program stopped,
    /// newest first or in any order. What no window sees is left out: the log
    /// need not be read further back than [`Self::remembers_since`].
    pub fn restore(&self, spent: impl IntoIterator<Item = Spent>) {
        let inner = &*self.inner;
        let now_ms = to_ms(inner.clock.now());
        let mail_window = inner.settings.mails_per_recipient.window_ms();
        for spent in spent {
            let at_ms = to_ms(spent.at);
            let purses = inner.purses(spent.actor, &spent.tenant, spent.invitations);
            let hash = spent.recipient.map(|key| inner.secrets.recipient(&spent.tenant, &key));
            let mut books = inner.books();
            if let Some(hash) = hash.filter(|_| at_ms > now_ms - mail_window) {
                books.mails.add(hash, at_ms);
            }
            for purse in purses.into_iter().filter(|p| at_ms > now_ms - p.rate.window_ms()) {
                books.window(&purse.owner).add(at_ms, spent.invitations);
            }
        }
    }

    /// How far back recipients matter to [`Self::restore`].
    #[must_use]
    pub fn remembers_recipients_since(&self) -> Timestamp {
        self.since(self.inner.settings.mails_per_recipient.within_s)
    }

    /// How far back [`Self::restore`] wants the log read.
    #[must_use]
    pub fn remembers_since(&self) -> Timestamp {
        let widest = self.inner.settings.rates().map(|(_, rate)| rate.within_s).max().unwrap_or(0);
        self.since(widest)
    }

    fn since(&self, seconds: u32) -> Timestamp {
        self.inner.clock.now().minus(std::time::Duration::from_secs(u64::from(seconds)))
    }
}

/// Whose invitations are counted together.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Owner {
    Inviter(Uuid),
    Tenant(TenantName),
}

struct Purse {
    owner: Owner,
    rate: Rate,
}

impl Inner {
    fn books(&self) -> MutexGuard<'_, Books> {
        // Counting cannot panic half-way into something worse than a wrong count.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn purses(&self, actor: Actor, tenant: &TenantName, invitations: u32) -> Vec<Purse> {
        let settings = &self.settings;
        match actor {
            _ if invitations == 0 => vec![],
            Actor::User(id) => vec![
                Purse { owner: Owner::Inviter(id), rate: settings.invitations_per_user },
                Purse { owner: Owner::Tenant(tenant.clone()), rate: settings.invitations_per_tenant },
            ],
            Actor::Application(id) => settings
                .invitations_per_application
                .map(|rate| Purse { owner: Owner::Inviter(id), rate })
                .into_iter()
                .collect(),
            Actor::Deployment | Actor::System | Actor::Visitor => vec![],
        }
    }
}

impl Books {
    fn window(&mut self, owner: &Owner) -> &mut Window {
        match owner {
            Owner::Inviter(id) => self.inviters.entry(*id).or_default(),
            Owner::Tenant(name) => self.tenants.entry(name.clone()).or_default(),
        }
    }

    fn purse_fits_at(&mut self, purse: &Purse, count: u32, now_ms: i64) -> Option<i64> {
        let window_ms = purse.rate.window_ms();
        let window = self.window(&purse.owner);
        window.expire(now_ms, window_ms);
        window.fits_at(count, purse.rate.count, now_ms, window_ms)
    }

    /// All of them, or none and the time when all would fit.
    fn take_mails(&mut self, recipients: &[u64], rate: Rate, now_ms: i64) -> Result<Vec<Mail>, i64> {
        let window_ms = rate.window_ms();
        let limit = usize::try_from(rate.count).unwrap_or(usize::MAX);
        let mut taken = Vec::with_capacity(recipients.len());
        let mut times = vec![];
        let mut later = None;
        for recipient in recipients {
            self.mails.of(*recipient, now_ms, window_ms, &mut times);
            if times.len() < limit {
                taken.push(self.mails.add(*recipient, now_ms));
            } else {
                // It fits once so many of the oldest are gone that one is free.
                let freed = times.get(times.len() - limit).map_or(now_ms, |at| *at) + window_ms;
                later = later.max(Some(freed));
            }
        }
        match later {
            None => Ok(taken),
            Some(at) => {
                taken.into_iter().for_each(|mail| self.mails.give_back(mail));
                Err(at)
            }
        }
    }

    /// Windows and minutes that emptied cost nothing more.
    fn tidy(&mut self, now_ms: i64, settings: &LimitSettings) {
        if (now_ms - self.tidied_ms).abs() < TIDY_EVERY_MS {
            return;
        }
        self.tidied_ms = now_ms;
        self.mails.expire(now_ms, settings.mails_per_recipient.window_ms());
        let applications = settings.invitations_per_application.map_or(0, Rate::window_ms);
        retain(&mut self.inviters, now_ms, settings.invitations_per_user.window_ms().max(applications));
        retain(&mut self.tenants, now_ms, settings.invitations_per_tenant.window_ms());
    }
}

fn retain<K: Hash + Eq>(windows: &mut HashMap<K, Window>, now_ms: i64, window_ms: i64) {
    windows.retain(|_, window| {
        window.expire(now_ms, window_ms);
        !window.is_empty()
    });
}

fn to_ms(at: Timestamp) -> i64 {
    at.0.div_euclid(MICROS_PER_MS)
}

/// Whole seconds until then, rounded up.
pub(crate) fn too_many(then_ms: i64, now_ms: i64) -> TooMany {
    let wait_ms = then_ms.saturating_sub(now_ms).max(1);
    TooMany { retry_after_s: wait_ms.unsigned_abs().div_ceil(MS.unsigned_abs()) }
}

/// What a request was charged.
#[must_use = "what did not happen is to be given back"]
pub struct Charge {
    limits: Limits,
    at_ms: i64,
    mails: Vec<Mail>,
    owners: Vec<Owner>,
    invitations: u32,
}

impl Charge {
    /// It did not happen.
    pub fn give_back(self) {
        let mut books = self.limits.inner.books();
        self.mails.into_iter().for_each(|mail| books.mails.give_back(mail));
        for owner in &self.owners {
            books.window(owner).give_back(self.at_ms, self.invitations);
        }
    }
}
