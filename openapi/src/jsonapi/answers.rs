//! What the document says of each operation's answers.

use super::TYPE;
use super::documents::{ErrorDocument, InviteDocument, InviteListDocument};
use crate::wire::{Answers, content, described, header};
use poem_openapi::registry::{MetaResponse, Registry};
use poem_openapi::types::Type;

/// What can happen to any operation here.
const ALWAYS: [u16; 7] = [400, 401, 403, 404, 406, 429, 500];
const BODY: [u16; 5] = [408, 413, 415, 422, 503];

fn errors(more: &[u16]) -> Vec<MetaResponse> {
    let mut all: Vec<u16> = ALWAYS.iter().chain(more).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(error).collect()
}

fn error(status: u16) -> MetaResponse {
    let description = match status {
        400 => "The request is malformed.",
        401 => "No token, an unknown one, or a session that has ended.",
        403 => "The caller may not do this.",
        404 => "No such organization or invite for this caller.",
        406 => "The caller does not accept JSON:API.",
        408 => "The body did not arrive in time.",
        409 => "In conflict with what is there.",
        410 => "The invite is over.",
        413 => "The body is larger than 64 KiB.",
        415 => "The body is not declared as JSON:API.",
        422 => "Well-formed attributes with an impossible value.",
        423 => "Locked for this caller after five wrong codes, until it is sent again.",
        429 => "A limit is reached.",
        500 => "Something unexpected.",
        _ => "Not available now, or not known whether it was written.",
    };
    let mut response = described(status, description, vec![content::<ErrorDocument>(TYPE)]);
    if matches!(status, 429 | 503) {
        response.headers.push(header::<u64>("Retry-After", "Seconds after which to try again."));
    }
    if status == 401 {
        response.headers.push(header::<String>("WWW-Authenticate", "`Bearer`."));
    }
    response
}

fn answers(success: MetaResponse, errors_too: &[&[u16]]) -> Vec<MetaResponse> {
    let mut all = vec![success];
    all.extend(errors(&errors_too.concat()));
    all
}

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident: $document:ty, $responses:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Answers for $name {
            fn responses() -> Vec<MetaResponse> {
                $responses
            }

            fn register(registry: &mut Registry) {
                <$document>::register(registry);
                ErrorDocument::register(registry);
            }
        }
    )*};
}

answers! {
    Listed: InviteListDocument, answers(
        described(200, "A page of invites.", vec![content::<InviteListDocument>(TYPE)]),
        &[&[503]],
    );
    Got: InviteDocument, answers(
        described(200, "The invite, in any state.", vec![content::<InviteDocument>(TYPE)]),
        &[&[503]],
    );
    Created: InviteDocument, {
        let mut created = described(201, "The new invite.", vec![content::<InviteDocument>(TYPE)]);
        let path = "Path of the new invite, with the query that names its tenant where the caller had to.";
        created.headers.push(header::<String>("Location", path));
        answers(created, &[&BODY, &[409]])
    };
    Changed: InviteDocument, answers(
        described(200, "The invite as it is now.", vec![content::<InviteDocument>(TYPE)]),
        &[&BODY, &[409]],
    );
    Deleted: InviteDocument, answers(described(204, "Cancelled, now or before.", vec![]), &[&[409, 503]]);
    Accepted: InviteDocument, answers(
        described(200, "Accepted, now or before, by this user.", vec![content::<InviteDocument>(TYPE)]),
        &[&BODY, &[409, 410, 423]],
    );
}
