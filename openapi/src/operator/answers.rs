//! What the document says about the answers of an operation.

use super::refusal::JSON;
use super::resources::ErrorBody;
use crate::wire::{Answers, content, described, header};
use poem_openapi::registry::{MetaResponse, Registry};
use poem_openapi::types::Type;
use std::marker::PhantomData;

/// A read: 200 and `T`.
pub(super) struct Shown<T>(PhantomData<fn() -> T>);
/// A write to something that is there: 200 and `T`.
pub(super) struct Changed<T>(PhantomData<fn() -> T>);
/// A write that makes something: 201 and `T`.
pub(super) struct Made<T>(PhantomData<fn() -> T>);
/// Work that goes on after the answer: 202 and `T`.
pub(super) struct Started<T>(PhantomData<fn() -> T>);
/// A stream of JSON values, one a line.
pub(super) struct Lines;

const NDJSON: &str = "application/x-ndjson";

fn refusals(writes: bool) -> Vec<MetaResponse> {
    let error = || vec![content::<ErrorBody>(JSON)];
    let mut all = vec![
        described(400, "Parameters are at fault; all of them are named.", error()),
        described(401, "No token, or one that is unknown, revoked or over.", error()),
        described(403, "The caller may not do that.", error()),
        described(404, "There is no such thing in this tenant.", error()),
    ];
    if writes {
        all.push(described(
            409,
            "It contradicts what is there, or the `Idempotency-Key` came with another body.",
            error(),
        ));
        all.push(described(413, "The body is larger than 64 KiB.", error()));
        all.push(described(415, "The body is not `application/json`.", error()));
        all.push(retrying(described(429, "A limit is reached.", error())));
    }
    all.push(described(500, "Something unexpected; the request id finds it in the log.", error()));
    all.push(retrying(described(
        503,
        "Not now: too busy, out of space, stopping, or the outcome is unknown.",
        error(),
    )));
    all
}

fn retrying(mut response: MetaResponse) -> MetaResponse {
    response.headers.push(header::<u64>("Retry-After", "Seconds after which the same request is worth another try."));
    response
}

fn all(
    status: u16,
    description: &'static str,
    writes: bool,
    media: Vec<poem_openapi::registry::MetaMediaType>,
) -> Vec<MetaResponse> {
    let mut responses = vec![described(status, description, media)];
    responses.extend(refusals(writes));
    responses
}

macro_rules! answers {
    ($name:ident, $status:literal, $writes:literal, $description:literal) => {
        impl<T: Type + 'static> Answers for $name<T> {
            fn responses() -> Vec<MetaResponse> {
                all($status, $description, $writes, vec![content::<T>(JSON)])
            }
            fn register(registry: &mut Registry) {
                T::register(registry);
                ErrorBody::register(registry);
            }
        }
    };
}

answers!(Shown, 200, false, "As it is now.");
answers!(Changed, 200, true, "Done; as it is now.");
answers!(Made, 201, true, "Made.");
answers!(Started, 202, true, "Started.");

impl Answers for Lines {
    fn responses() -> Vec<MetaResponse> {
        all(
            200,
            "One JSON value a line, until the end of the log as it was when the request came.",
            false,
            vec![content::<String>(NDJSON)],
        )
    }
    fn register(registry: &mut Registry) {
        ErrorBody::register(registry);
    }
}
