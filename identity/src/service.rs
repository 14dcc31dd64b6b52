//! The room's front: from a token to whoever calls, from a password to a session.

use crate::applications::Applications;
use crate::failures::{Failures, Try};
use crate::passwords::Passwords;
use crate::sessions::{Found, Outcome, Record, Sessions};
use crate::settings::IdentityOptions;
use crate::token::TokenDigest;
use crate::{
    AdminToken, AuthError, IdentityError, Limits, LogInError, PasswordError, Principal, Secrets, Session, Token,
    TokenKind,
};
use domain::application::Application;
use domain::employee::Employee;
use domain::user::User;
use domain::{Address, Clock, CommandBus, Failure, Refusal, TenantName, Timestamp, claims, permission};
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Batch, State};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Knows callers. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    bus: CommandBus,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    admin_token: AdminToken,
    sessions: Sessions,
    applications: Applications,
    passwords: Passwords,
    failures: Failures,
    limits: Limits,
    swept: Mutex<Swept>,
}

/// Where the last sweep of each kind stopped.
#[derive(Clone, Default)]
struct Swept {
    sessions: Option<String>,
    uses: Option<String>,
    failures: Option<String>,
}

/// A log-in as it was asked for.
pub struct LogIn<'a> {
    pub tenant: TenantName,
    pub email: &'a str,
    pub password: &'a str,
    pub remember_me: bool,
    pub peer: IpAddr,
}

impl Identity {
    /// # Errors
    /// When a setting is out of range.
    pub fn new(
        state: State,
        bus: CommandBus,
        secrets: Secrets,
        clock: Arc<dyn Clock>,
        options: IdentityOptions,
    ) -> Result<Self, IdentityError> {
        options.limits.check()?;
        let inner = Inner {
            sessions: Sessions::new(state.clone()),
            applications: Applications::new(state.clone()),
            passwords: Passwords::new(state.clone(), options.passwords)?,
            failures: Failures::new(state, &options.limits),
            limits: Limits::new(options.limits, secrets.clone(), clock.clone()),
            admin_token: options.admin_token,
            swept: Mutex::default(),
            bus,
            secrets,
            clock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whom a token names. What they may is asked by each use case.
    ///
    /// # Errors
    /// [`AuthError`]: nobody, nobody any more, or it cannot be told now.
    pub async fn authenticate(&self, token: &str) -> Result<Principal, AuthError> {
        let token = Token::parse(token).map_err(|_| AuthError::Unknown)?;
        let digest = token.digest();
        match token.kind() {
            TokenKind::Deployment if self.inner.admin_token.is(&digest) => Ok(Principal::Deployment),
            TokenKind::Deployment => Err(AuthError::Unknown),
            TokenKind::Application => self.application(&digest).await,
            TokenKind::Session => self.session(token, &digest).await.map(Principal::User),
        }
    }

    async fn application(&self, digest: &TokenDigest) -> Result<Principal, AuthError> {
        let inner = &*self.inner;
        let owner = inner.applications.find(digest).map_err(AuthError::Unavailable)?.ok_or(AuthError::Unknown)?;
        let application = inner.bus.load::<Application>(&owner.tenant, owner.application).await;
        let application = application.map_err(AuthError::Unavailable)?;
        if !application.acts() {
            return Err(AuthError::Unknown);
        }
        Ok(Principal::Application { tenant: owner.tenant.clone(), id: owner.application })
    }

    async fn session(&self, token: Token, digest: &TokenDigest) -> Result<Session, AuthError> {
        let inner = &*self.inner;
        let now = self.now();
        let held = match inner.sessions.find(digest, now).map_err(AuthError::Unavailable)? {
            Found::Live(held) => held,
            Found::Ended => return Err(AuthError::Expired),
            Found::Unknown => return Err(AuthError::Unknown),
        };
        let (tenant, user) = (&held.record.tenant, held.record.user);
        let Some(user) = self.who_may_log_in(tenant, user).await.map_err(AuthError::Unavailable)? else {
            inner.sessions.end_later(digest, user, now).map_err(AuthError::Unavailable)?;
            return Err(AuthError::Expired);
        };
        inner.sessions.touch(digest, &held, now);
        let rights_changed = held.record.rights != user.rights_version;
        Ok(Session { rights_changed, ..self.shown(token, &held.record) })
    }

    /// The user, if there is one, unless their employee record has ended.
    async fn who_may_log_in(&self, tenant: &TenantName, user: Uuid) -> Result<Option<Arc<User>>, Failure> {
        let user = self.inner.bus.load::<User>(tenant, user).await?;
        let employee = match user.employee {
            Some(id) => Some(self.inner.bus.load::<Employee>(tenant, id).await?),
            None => None,
        };
        let may = user.exists() && !permission::is_off_boarded(employee.as_deref(), self.now());
        Ok(may.then_some(user))
    }

    fn shown(&self, token: Token, record: &Record) -> Session {
        Session {
            csrf: self.inner.secrets.csrf(&token),
            token,
            tenant: record.tenant.clone(),
            user: record.user,
            created_at: record.created_at,
            expires_at: record.expires_at(),
            remember_me: record.remember_me,
            logged_in_at: record.logged_in_at,
            rights_changed: false,
        }
    }

    /// Opens a session for whoever knows the password. An unknown address, a
    /// wrong password and an off-boarded employee are answered the same, after the same work.
    ///
    /// # Errors
    /// [`LogInError`].
    pub async fn log_in(&self, request: LogIn<'_>) -> Result<Session, LogInError> {
        let inner = &*self.inner;
        let _place = inner.passwords.place().map_err(LogInError::Unavailable)?;
        let address = Address::parse(request.email).ok();
        let counted = address.as_ref().map_or_else(|| request.email.to_lowercase(), |a| a.key().to_owned());
        let account = inner.secrets.account(&request.tenant, &counted);
        let peer = inner.secrets.peer(request.peer);
        let admitted = inner.failures.admit(account, peer, || self.now()).await.map_err(LogInError::Unavailable)?;
        let admitted = admitted?;
        match self.try_password(&request, address, &admitted).await.map_err(LogInError::Unavailable)? {
            Some(session) => Ok(session),
            None => {
                admitted.failed(self.now()).await.map_err(LogInError::Unavailable)?;
                Err(LogInError::Refused)
            }
        }
    }

    async fn try_password(
        &self,
        request: &LogIn<'_>,
        address: Option<Address>,
        admitted: &Try,
    ) -> Result<Option<Session>, Failure> {
        let inner = &*self.inner;
        let user = match address {
            Some(address) => inner.bus.holder(&request.tenant, claims::account(&request.tenant, &address)).await?,
            None => None,
        };
        let kept = match user {
            Some(user) => inner.passwords.of(user)?,
            None => None,
        };
        let right = inner.passwords.is(kept.as_ref(), request.password).await?;
        let (Some(id), Some(kept), true) = (user, kept, right) else { return Ok(None) };
        let Some(user) = self.who_may_log_in(&request.tenant, id).await? else { return Ok(None) };
        let now = self.now();
        // A password that is changed at this moment opens nothing.
        let batch = kept.expect(admitted.forgive(Batch::new(), now)?, id);
        let record = Record::new(&user, request.remember_me, now);
        self.open(batch, record).await
    }

    /// A session for a user who has just shown otherwise who they are: by
    /// registering, or by accepting.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn open_session(&self, tenant: &TenantName, user: Uuid, remember_me: bool) -> Result<Session, Failure> {
        let user = self.inner.bus.load::<User>(tenant, user).await?;
        let record = Record::new(&user, remember_me, self.now());
        self.open(Batch::new(), record).await?.ok_or_else(|| Failure::internal("a new session was there before"))
    }

    async fn open(&self, batch: Batch, record: Record) -> Result<Option<Session>, Failure> {
        let token = Token::random(TokenKind::Session)?;
        let digest = token.digest();
        let (opened, record) = self
            .uncut(move |identity| async move {
                let opened = identity.inner.sessions.open(batch, &digest, &record).await;
                opened.map(|opened| (opened, record))
            })
            .await?;
        match opened {
            Outcome::Done => Ok(Some(self.shown(token, &record))),
            Outcome::Changed => Ok(None),
        }
    }

    /// Runs a change to its end even when the caller hangs up meanwhile.
    async fn uncut<T, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        tokio::spawn(work(self.clone())).await.map_err(Failure::internal)?
    }

    /// The same log-in under a new token and CSRF token; the old ones end. The
    /// end stays seven days after the log-in.
    ///
    /// # Errors
    /// `NotPermitted` when the session ended, or was renewed, in the meantime.
    pub async fn renew(&self, session: &Session) -> Result<Session, Failure> {
        let token = Token::random(TokenKind::Session)?;
        let (old, new, now) = (session.token.digest(), token.digest(), self.now());
        let user = self.inner.bus.load::<User>(&session.tenant, session.user).await?;
        let renewed = self
            .uncut(move |identity| async move { identity.inner.sessions.replace(&old, &new, &user, now).await })
            .await?;
        Ok(self.shown(token, &renewed.ok_or(Refusal::NotPermitted)?))
    }

    /// Ends a session; its token is unknown from now on.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub async fn log_out(&self, session: &Session) -> Result<(), Failure> {
        let (digest, user) = (session.token.digest(), session.user);
        self.uncut(move |identity| async move { identity.inner.sessions.give_up(&digest, user).await }).await
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub async fn end_sessions_of(&self, user: Uuid) -> Result<(), Failure> {
        let now = self.now();
        self.uncut(move |identity| async move { identity.inner.sessions.end_all_of(user, now).await }).await
    }

    /// Whether this is the CSRF token that goes with the session.
    #[must_use]
    pub fn verify_csrf(&self, session: &Session, presented: &str) -> bool {
        Secrets::same(&session.csrf, presented)
    }

    /// Keeps a user's password and ends their sessions. A new user's is kept
    /// before the user is: a password without an account opens nothing.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn set_password(&self, user: Uuid, password: &str) -> Result<(), PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        let work = move |identity: Self| async move {
            let kept = identity.inner.passwords.set(user, &password).await;
            if kept.is_ok() {
                identity.inner.sessions.end_all_of(user, identity.now()).await?;
            }
            Ok(kept)
        };
        self.uncut(work).await.map_err(PasswordError::Unavailable)?
    }

    /// Forgets the password of a user who was not made after all.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub async fn forget_password(&self, user: Uuid) -> Result<(), Failure> {
        self.inner.passwords.forget(user).await
    }

    /// A token for an application, kept before the application is; former ones end.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn new_application_token(&self, tenant: &TenantName, application: Uuid) -> Result<Token, Failure> {
        let tenant = tenant.clone();
        self.uncut(move |identity| async move { identity.inner.applications.new_token(&tenant, application).await })
            .await
    }

    /// Ends all tokens of an application.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub async fn forget_application(&self, application: Uuid) -> Result<(), Failure> {
        self.uncut(move |identity| async move { identity.inner.applications.forget(application).await }).await
    }

    /// Forgets one page of what no longer counts: sessions that ended a month
    /// ago, failures that left their window. Gives how much; the next call goes on there.
    ///
    /// # Errors
    /// When the state cannot be read or changed.
    pub async fn sweep(&self) -> Result<u64, Failure> {
        let inner = &*self.inner;
        let now = self.now();
        let from = inner.swept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (sessions, next_session) = inner.sessions.sweep(from.sessions.as_deref(), now).await?;
        let (uses, next_use) = inner.sessions.sweep_uses(from.uses.as_deref()).await?;
        let (failures, next_failure) = inner.failures.sweep(from.failures.as_deref(), now).await?;
        let next = Swept { sessions: next_session, uses: next_use, failures: next_failure };
        *inner.swept.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(sessions + uses + failures)
    }

    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}
