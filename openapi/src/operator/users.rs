//! Users' accounts.

use super::Group;
use super::answers::{Changed, Made, Shown};
use super::asked::{NewUser, UserChange};
use super::desk::{Json, Sent, Visit, answer, done, made};
use super::read::Query;
use super::refusal::No;
use super::resources::{User, UserList};
use crate::Service;
use crate::wire::values::{Read, address, boolean, name, string};
use crate::wire::{
    Bearer, Body, HeaderParam, KeyText, PageNumber, PageSize, PathParam, QueryParam, Reply, Secured, TenantText,
};
use domain::text::{MAX_PASSWORD, MIN_PASSWORD};
use domain::use_cases::{Allowed, CreateUser, UpdateUser};
use domain::{Address, Context, Failure, Scope, What, user};
use identity::PasswordError;
use poem::Request;
use poem_openapi::OpenApi;
use projections::UserRow;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

pub(super) struct Users(pub Service);

const ALLOWED: Allowed = Allowed::Operate(Scope::Users);

/// Checked before anything is written; the same is checked where it is kept.
fn password(value: &Value) -> Read<String> {
    let text = string(value)?;
    match text.chars().count() {
        length if length > MAX_PASSWORD => Err(PasswordError::TooLong.to_string()),
        length if length < MIN_PASSWORD => Err(PasswordError::TooShort.to_string()),
        _ => Ok(text),
    }
}

/// What a body says of an account to make.
struct Draft {
    email: Option<Address>,
    name: Option<String>,
    password: Option<String>,
    client: Option<String>,
    liaison: bool,
    administrator: bool,
}

impl Draft {
    fn read(sent: &Sent) -> Result<Self, No> {
        let mut reader = sent.reader()?;
        let draft = Self {
            email: reader.required("email", address),
            name: reader.optional("name", name),
            password: reader.optional("password", password),
            client: reader.optional("client", name),
            liaison: reader.optional("liaison", boolean).unwrap_or(false),
            administrator: reader.optional("administrator", boolean).unwrap_or(false),
        };
        reader.finish()?;
        Ok(draft)
    }
}

impl Users {
    async fn find(&self, visit: &Visit<'_>, id: &PathParam<Uuid>) -> Result<Arc<user::User>, No> {
        let id = id.uuid().ok_or(No::not_found(What::User))?;
        let found: Arc<user::User> = self.0.bus.load(visit.tenant(), id).await?;
        if found.exists() { Ok(found) } else { Err(No::not_found(What::User)) }
    }

    /// Makes the account whose password is kept already, and forgets that
    /// password where no account came of it.
    async fn make(&self, context: Context, case: CreateUser, keeps: bool) -> Result<Arc<user::User>, No> {
        let id = case.user;
        let result = self.0.bus.perform(context, case).await;
        // It may have landed: then its user must be able to log in.
        let is_there = result.as_ref().map_or_else(Failure::may_have_landed, |made| made.id == id);
        if keeps && !is_there {
            self.0.identity.forget_password(id).await?;
        }
        Ok(result?)
    }
}

#[OpenApi(prefix_path = "/api/ledger", tag = "Group::Users")]
impl Users {
    /// List users
    #[oai(path = "/users", method = "get", operation_id = "listUsers")]
    async fn list(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// Counts from 1.
        #[oai(name = "page")]
        _page: QueryParam<Option<PageNumber>>,
        /// At most 100; 25 when it is missing.
        #[oai(name = "size")]
        _size: QueryParam<Option<PageSize>>,
    ) -> Reply<Shown<UserList>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            let mut query = Query::of(request);
            let (page, size) = query.page();
            query.finish()?;
            done(&UserList::from(self.0.views.users(visit.tenant(), page, size).await?))
        })
        .await
    }

    /// Make an account
    ///
    /// Only people make administrators: an application's token would else be
    /// worth more than its scopes.
    #[oai(path = "/users", method = "post", operation_id = "createUser")]
    async fn create(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// The same key and body within 24 hours give the same answer, and nothing is done twice.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
        body: Body<Json, NewUser>,
    ) -> Reply<Made<User>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let sent = Sent::of(request, &body)?;
            let Draft { email, name, password, client, liaison, administrator } = Draft::read(&sent)?;
            let context = visit.keyed("createUser", &sent.bytes)?;
            let email = email.ok_or(No::NotAnObject)?;
            // The password is kept before the account exists: whoever sees the
            // account can log in. Without the account it opens nothing.
            let id = Uuid::now_v7();
            let keeps = password.is_some();
            if let Some(password) = password {
                self.0.identity.set_password(id, &password).await?;
            }
            let case = CreateUser { user: id, email, name, client, liaison, administrator };
            made(&User::from(&UserRow::from(&*self.make(context, case, keeps).await?)))
        })
        .await
    }

    /// Show an account
    #[oai(path = "/users/:id", method = "get", operation_id = "showUser")]
    async fn show(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
    ) -> Reply<Shown<User>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            done(&User::from(&UserRow::from(&*self.find(&visit, &id).await?)))
        })
        .await
    }

    /// Change an account
    ///
    /// What is not named stays. A new password ends all sessions of the user.
    #[oai(path = "/users/:id", method = "patch", operation_id = "updateUser")]
    async fn update(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<Uuid>,
        body: Body<Json, UserChange>,
    ) -> Reply<Changed<User>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let before = self.find(&visit, &id).await?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let called = reader.settable("name", name);
            let new_password = reader.settable("password", password);
            let client = reader.settable("client", name);
            let liaison = reader.settable("liaison", boolean);
            let administrator = reader.settable("administrator", boolean);
            reader.finish()?;
            // Whoever may not give rights may not take over an account that has them.
            if new_password.is_some() && before.administrator {
                visit.may(Allowed::Deploy).await?;
            }
            let case = UpdateUser { user: before.id, name: called, client, liaison, administrator };
            let user = visit.perform(visit.context(), case).await?;
            if let Some(password) = new_password {
                self.0.identity.set_password(user.id, &password).await?;
            }
            done(&User::from(&UserRow::from(&*user)))
        })
        .await
    }
}
