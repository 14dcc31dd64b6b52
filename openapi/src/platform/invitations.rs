//! `POST /api/users/invitations`: invite addresses to join the platform itself.

use super::answer::{Five, Refusals, Says, encoded};
use super::door::Door;
use super::fault::{Detail, Fault};
use super::schema::UserInviteRequest;
use super::{ByBrowserOrBearer, Tag, answered, door};
use crate::Service;
use crate::wire::{self, Body, HeaderParam, KeyText, Member, QueryParam, Reply, Secured, TenantText, arrival};
use domain::text::{MAX_MESSAGE, lines};
use domain::use_cases::{Allowed, Check, InviteToPlatform, MAX_ADDRESSES};
use domain::{Address, Refusal, What};
use poem::http::StatusCode;
use poem::{Request, Response};
use poem_openapi::OpenApi;
use serde_json::{Value, json};
use std::collections::HashSet;

pub const OPERATION: &str = "inviteUsers";

pub struct Invitations {
    pub service: Service,
}

pub struct Refused;

impl Refusals for Refused {
    const STATUSES: &'static [u16] = &[400, 401, 403, 404, 406, 409, 413, 415, 429, 500, 503];
}

#[OpenApi]
impl Invitations {
    /// Invite users to the platform
    ///
    /// Sends each address a mail with a link to join: all of them, or none. A pending invitation is sent again; an
    /// address that has an account is told so by mail. The answer is the same for all of them: the addresses in the
    /// order given, duplicates once. Any logged-in user may, unless inviting is switched off (401).
    #[oai(path = "/api/users/invitations", method = "post", operation_id = "inviteUsers", tag = "Tag::Invitations")]
    async fn invite(
        &self,
        request: &Request,
        body: Body<Five, UserInviteRequest>,
        /// Makes the request repeatable for 24 hours: the same key and body get the same answer.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
        /// For the deployment's token alone: the tenant that is meant.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        _secured: Secured<ByBrowserOrBearer>,
    ) -> Reply<Says<Vec<String>, Refused>> {
        answered(request, &self.service, true, async |media, door| {
            let addresses = self.run(request, door, &body).await?;
            Ok(success(media, request, &addresses))
        })
        .await
    }
}

fn success(media: super::answer::Media, request: &Request, addresses: &[Address]) -> Response {
    let shown: Vec<&str> = addresses.iter().map(Address::as_str).collect();
    encoded(media, arrival(request).at, StatusCode::OK, &json!(shown))
}

impl Invitations {
    async fn run(
        &self,
        request: &Request,
        door: &Door<'_>,
        body: &Body<Five, UserInviteRequest>,
    ) -> Result<Vec<Address>, Fault> {
        let service = &self.service;
        let caller = door.enter(None).await?;
        // Naming another tenant than one's own is the same as naming none that exists.
        let names_one = wire::query(request).iter().any(|(name, _)| name == "tenant");
        if names_one && wire::tenant_of(request).as_ref() != Some(&caller.tenant) {
            return Err(Refusal::NotFound(What::Tenant).into());
        }
        let mut context = caller.context(request);
        let Wanted { emails, message } = match door::json(body).and_then(|body| decode(&body)) {
            Ok(wanted) => wanted,
            Err(fault) => {
                // The document asks first whether inviting is allowed.
                service.bus.perform(context, Check(Allowed::Platform)).await?;
                return Err(fault);
            }
        };
        context.idempotency = wire::idempotency(request, OPERATION, body.bytes()?, &service.identity)?;
        let case = InviteToPlatform { emails: emails.clone(), message };
        wire::invite(service, context, &emails, case).await??;
        Ok(emails)
    }
}

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Wanted {
    /// In the order given, duplicates once.
    emails: Vec<Address>,
    message: Option<String>,
}

/// Names every fault at once.
fn decode(body: &Value) -> Result<Wanted, Fault> {
    let mut members = door::members(body)?;
    let mut faults = vec![];
    let emails = addresses(members.take("EmailAddresses"), &mut faults);
    let message = message(members.take("Message"), &mut faults);
    faults.extend(members.unknown().into_iter().map(|name| Detail::new(name, "is not known")));
    if faults.is_empty() { Ok(Wanted { emails, message }) } else { Err(Fault::Parameters(faults)) }
}

fn addresses(member: Member<'_>, faults: &mut Vec<Detail>) -> Vec<Address> {
    const NAME: &str = "EmailAddresses";
    let mut fault = |reason: String| {
        faults.push(Detail::new(NAME, reason));
        vec![]
    };
    let given = match member {
        Member::Absent | Member::Null => return fault("is missing".to_owned()),
        Member::Present(Value::Array(given)) => given,
        Member::Present(_) => return fault("must be a list of addresses".to_owned()),
    };
    if given.is_empty() || given.len() > MAX_ADDRESSES {
        return fault(format!("must have 1 to {MAX_ADDRESSES} addresses"));
    }
    let mut seen = HashSet::new();
    let mut addresses = vec![];
    for (place, value) in given.iter().enumerate() {
        match value.as_str().map(Address::parse) {
            Some(Ok(address)) if seen.insert(address.key().to_owned()) => addresses.push(address),
            Some(Ok(_)) => {}
            Some(Err(why)) => faults.push(Detail {
                value: value.as_str().map(str::to_owned),
                ..Detail::new(format!("{NAME}[{place}]"), why.to_string())
            }),
            None => faults.push(Detail::new(format!("{NAME}[{place}]"), "must be a string")),
        }
    }
    addresses
}

fn message(member: Member<'_>, faults: &mut Vec<Detail>) -> Option<String> {
    match member {
        Member::Absent | Member::Null => None,
        Member::Present(Value::String(text)) => match lines(text, MAX_MESSAGE) {
            Ok(text) => Some(text).filter(|text| !text.trim().is_empty()),
            Err(why) => {
                faults.push(Detail::new("Message", why));
                None
            }
        },
        Member::Present(_) => {
            faults.push(Detail::new("Message", "must be a string"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &Value) -> Vec<(String, Option<String>)> {
        match decode(body) {
            Err(Fault::Parameters(details)) => details.into_iter().map(|d| (d.param, d.value)).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_sample_is_read_and_duplicates_are_folded_in_order() {
        let sample = json!({
            "EmailAddresses": ["jane.mead@acmepaymentscorp.com"],
            "Message": "You should join this awesome app management platform."
        });
        let wanted = decode(&sample).unwrap();
        assert_eq!(wanted.emails, [Address::parse("jane.mead@acmepaymentscorp.com").unwrap()]);
        assert_eq!(wanted.message.as_deref(), Some("You should join this awesome app management platform."));
        let twice = decode(&json!({"EmailAddresses": ["B@x.com", "a@x.com", "b@X.com"]})).unwrap();
        let shown: Vec<&str> = twice.emails.iter().map(Address::as_str).collect();
        assert_eq!(shown, ["B@x.com", "a@x.com"]);
        assert_eq!(twice.message, None);
    }

    #[test]
    fn every_malformed_address_is_named_with_its_place_and_value() {
        let body = json!({"EmailAddresses": ["a@x.com", "jane", 7, "b@x.com\r\nBcc: c@x.com"], "Extra": 1});
        assert_eq!(
            refused(&body),
            [
                ("EmailAddresses[1]".into(), Some("jane".into())),
                ("EmailAddresses[2]".into(), None),
                ("EmailAddresses[3]".into(), Some("b@x.com\r\nBcc: c@x.com".into())),
                ("Extra".into(), None),
            ]
        );
    }

    #[test]
    fn the_list_and_the_message_are_bounded() {
        for wrong in [
            json!({}),
            json!({"EmailAddresses": null}),
            json!({"EmailAddresses": []}),
            json!({"EmailAddresses": "a@x.com"}),
        ] {
            assert_eq!(refused(&wrong), [("EmailAddresses".to_owned(), None)], "{wrong}");
        }
        let many = |n: usize| (0..n).map(|i| format!("a{i}@x.com")).collect::<Vec<_>>();
        assert_eq!(decode(&json!({"EmailAddresses": many(100)})).unwrap().emails.len(), 100);
        assert_eq!(refused(&json!({"EmailAddresses": many(101)})), [("EmailAddresses".to_owned(), None)]);
        let said = |text: String| json!({"EmailAddresses": ["a@x.com"], "Message": text});
        assert!(decode(&said("ä".repeat(2_000))).is_ok());
        assert_eq!(refused(&said("ä".repeat(2_001))), [("Message".to_owned(), None)]);
        assert!(matches!(decode(&json!([])), Err(Fault::NotAnObject)));
    }
}
