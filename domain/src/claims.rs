//! Which claims an event takes and gives back: the invariants that hold across
//! aggregates. Pure, so that the index of claims can be rebuilt from the log.

use crate::Root;
use crate::bus::Claim;
use crate::invitation::Kind;
use crate::said::{Named, Said};
use crate::{Address, TenantName, employee, invitation, user};
use uuid::Uuid;

/// One pending invitation per tenant, target and address.
pub const PENDING: &str = "pending";
/// One account per tenant and address.
pub const ACCOUNT: &str = "account";
/// One active employee per tenant and address.
pub const EMPLOYEE: &str = "employee";

/// What an event does to claims. A release gives back all claims of a family
/// that the event's own stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Take(Claim),
    Release(&'static str),
}

#[must_use]
pub fn pending(tenant: &TenantName, kind: Kind, target: Uuid, address: &Address) -> Claim {
    Claim { family: PENDING, name: format!("{tenant}/{}/{target}/{}", kind.name(), address.key()) }
}

#[must_use]
pub fn account(tenant: &TenantName, address: &Address) -> Claim {
    Claim { family: ACCOUNT, name: format!("{tenant}/{}", address.key()) }
}

#[must_use]
pub fn active_employee(tenant: &TenantName, address: &Address) -> Claim {
    Claim { family: EMPLOYEE, name: format!("{tenant}/{}", address.key()) }
}

/// The claims of one event, from its payload's text with the personal part opened. An
/// event that cannot be decoded, and one whose person is forgotten, takes none: their
/// claims were given back before the key was destroyed.
#[must_use]
pub fn of(aggregate: &str, tenant: &TenantName, kind: &str, payload: &str) -> Vec<Change> {
    match aggregate {
        invitation::Invitation::TYPE => of_invitation(tenant, kind, payload),
        user::User::TYPE => of_user(tenant, kind, payload),
        employee::Employee::TYPE => of_employee(tenant, kind, payload),
        _ => vec![],
    }
}

/// The address of a person who is not forgotten.
fn address(said: &Said<'_>) -> Option<Address> {
    said.address(Named::Email).or_else(|| said.address(Named::HeldEmail))
}

fn of_invitation(tenant: &TenantName, kind: &str, payload: &str) -> Vec<Change> {
    match kind {
        "Created" => {
            let said = Said::by(payload);
            match (said.kind(), said.target(), address(&said)) {
                (Some(of), Some(target), Some(address)) => vec![Change::Take(pending(tenant, of, target, &address))],
                _ => vec![],
            }
        }
        "Accepted" if Said::by(payload).holds_address() == Some(true) => vec![],
        "Accepted" | "Cancelled" | "Declined" | "Expired" => vec![Change::Release(PENDING)],
        _ => vec![],
    }
}

fn of_user(tenant: &TenantName, kind: &str, payload: &str) -> Vec<Change> {
    match kind {
        "Created" => {
            let address = address(&Said::by(payload));
            address.map(|a| Change::Take(account(tenant, &a))).into_iter().collect()
        }
        _ => vec![],
    }
}

/// An inactive record holds no claim; `holds_address` says where an update
/// changes that, because the event alone does not know the state before it.
fn of_employee(tenant: &TenantName, kind: &str, payload: &str) -> Vec<Change> {
    let take = |said: &Said<'_>| address(said).map(|a| Change::Take(active_employee(tenant, &a)));
    match kind {
        "Created" => {
            let said = Said::by(payload);
            take(&said).filter(|_| said.active() != Some(false)).into_iter().collect()
        }
        "OffBoarded" => vec![Change::Release(EMPLOYEE)],
        "Updated" => {
            let said = Said::by(payload);
            match said.holds_address() {
                Some(true) => std::iter::once(Change::Release(EMPLOYEE)).chain(take(&said)).collect(),
                Some(false) => vec![Change::Release(EMPLOYEE)],
                None => vec![],
            }
        }
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(aggregate: &str, tenant: &TenantName, kind: &str, payload: &Value) -> Vec<Change> {
        super::of(aggregate, tenant, kind, &payload.to_string())
    }

    fn tenant() -> TenantName {
        TenantName::default_tenant()
    }

    #[test]
    fn a_pending_invitation_holds_its_address_until_it_ends() {
        let target = Uuid::from_u128(7);
        let created = json!({"kind": "organization", "target": target, "personal": {"email": "A@X.com"}});
        let claim = pending(&tenant(), Kind::Organization, target, &Address::parse("a@x.com").unwrap());
        assert_eq!(of("invitation", &tenant(), "Created", &created), vec![Change::Take(claim)]);
        for kind in ["Accepted", "Cancelled", "Declined", "Expired"] {
            assert_eq!(of("invitation", &tenant(), kind, &json!({})), vec![Change::Release(PENDING)], "{kind}");
        }
        assert_eq!(of("invitation", &tenant(), "EmailSent", &json!({})), vec![]);
    }

    #[test]
    fn an_employee_who_leaves_frees_the_address() {
        let created = json!({"personal": {"email": "a@x.com"}});
        let take = Change::Take(active_employee(&tenant(), &Address::parse("a@x.com").unwrap()));
        assert_eq!(of("employee", &tenant(), "Created", &created), vec![take.clone()]);
        assert_eq!(
            of("employee", &tenant(), "Updated", &json!({"active": false, "holds_address": false})),
            vec![Change::Release(EMPLOYEE)]
        );
        let back = json!({"active": true, "holds_address": true, "personal": {"held_email": "a@x.com"}});
        assert_eq!(of("employee", &tenant(), "Updated", &back), vec![Change::Release(EMPLOYEE), take]);
        assert_eq!(of("employee", &tenant(), "Updated", &json!({"personal": {"phone": "1"}})), vec![]);
    }

    #[test]
    fn a_forgotten_person_takes_no_claim() {
        let created = json!({"kind": "platform", "target": Uuid::nil(), "personal": {"erased": true}});
        assert_eq!(of("invitation", &tenant(), "Created", &created), vec![]);
    }
}
