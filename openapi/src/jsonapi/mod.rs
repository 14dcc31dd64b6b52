//! The JSON:API dialect: invites to organizations.
//!
//! Answers are `application/vnd.api+json`; callers are Bearer tokens only.
//! Checked in this order: media types, caller, path, permission and existence,
//! body, and then what the use case decides.

mod accept;
mod answers;
mod call;
mod create;
mod decode;
mod delete;
mod documents;
mod encode;
mod examples;
mod get;
mod list;
mod negotiate;
mod patch;
mod problem;
mod refusal;

use crate::wire::{Media, Trouble, Words, shell};
use crate::{Dialect, Service, spec};
use domain::invitation::Role;
use poem::endpoint::BoxEndpoint;
use poem::{Request, Response};

/// What every answer with a body is.
const TYPE: &str = "application/vnd.api+json; charset=utf-8";

type Api = (list::List, create::Create, get::Get, patch::Patch, delete::Delete, accept::Accept);

fn api(service: &Service) -> Api {
    (
        list::List(service.clone()),
        create::Create(service.clone()),
        get::Get(service.clone()),
        patch::Patch(service.clone()),
        delete::Delete(service.clone()),
        accept::Accept(service.clone()),
    )
}

/// Its operations, behind their shell.
#[must_use]
pub fn endpoint(service: Service) -> BoxEndpoint<'static> {
    shell(Own, api(&service), &service)
}

/// Its OpenAPI document before [`spec::finish`].
#[must_use]
pub fn source() -> spec::Source {
    let description = "Invites to organizations, as JSON:API documents. Errors are JSON:API error objects.";
    examples::added(spec::Source::of::<Api>("Invitation Ledger: JSON:API dialect", description))
}

struct Own;

impl Words for Own {
    const DIALECT: Dialect = Dialect::Jsonapi;

    fn trouble(&self, trouble: &Trouble, _: &Request) -> Response {
        refusal::trouble(trouble).respond()
    }
}

/// The media type of bodies, in the document.
struct JsonApi;

impl Media for JsonApi {
    const TYPES: &'static [&'static str] = &["application/vnd.api+json"];
}

fn role(text: &str) -> Option<Role> {
    [Role::Admin, Role::Member].into_iter().find(|role| role.name() == text)
}
