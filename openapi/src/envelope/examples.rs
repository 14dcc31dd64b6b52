//! Examples for the document: one request and one answer per operation.

use serde_json::{Value, json};

const TOKEN: &str = "il_ses_fFhMv5mRkPZ2m8pLr0v6tD8Zt1cQ3b2wYxUo7sJ4aKE";
const AT: &str = "2021-11-23T14:38:03Z";

/// The parameters of a request, before they are encoded.
pub(super) fn request(operation: &str) -> Value {
    match operation {
        "employees_create" => json!({
            "token": TOKEN,
            "email": "jane.mead@acmepaymentscorp.com",
            "first_name": "Jane",
            "last_name": "Mead",
            "date_hired": "2021-11-23",
        }),
        "employees_index" => json!({
            "token": TOKEN,
            "page": {"number": 1, "size": 25},
            "sort": {"by": "last_name", "order": "asc"},
            "search": {"term": "mead", "attributes": ["first_name", "last_name"]},
            "filters": {"active": true},
        }),
        "employees_update" => json!({
            "token": TOKEN,
            "id": 12,
            "active": true,
            "service_area_id": 4,
            "first_name": "Jane",
            "last_name": "Mead",
            "legal_name": "Jane Alexandra Mead",
            "skills": ["welding", "first aid"],
            "email": "jane.mead@acmepaymentscorp.com",
            "phone": "+1 918 555 0100",
            "address": {
                "street": "1 Main Street",
                "street2": null,
                "city": "Tulsa",
                "state": "OK",
                "postal_code": "74103",
                "longitude": "-95.9928",
                "latitude": "36.1540",
            },
            "date_hired": "2021-11-23",
            "date_off_boarded": null,
        }),
        "integrations_create" => json!({"token": TOKEN, "name": "Payroll", "description": "Pays every other Friday"}),
        "integrations_index" => json!({
            "token": TOKEN,
            "sort": {"by": "name"},
            "search": {"term": "pay"},
        }),
        "integrations_invitation_email" => json!({
            "token": TOKEN,
            "id": 3,
            "email": "jane.mead@acmepaymentscorp.com",
        }),
        "employees_read" => json!({"token": TOKEN, "id": 12}),
        "integrations_read" => json!({"token": TOKEN, "id": 3}),
        "notifications_index" => json!({"token": TOKEN, "filters": {"kind": "invitation_email_failed"}}),
        "users_client_register" => json!({"token": TOKEN, "company_name": "Acme Payments Corp"}),
        "users_login" => json!({
            "email": "jane.mead@acmepaymentscorp.com",
            "password": "correct horse battery staple",
            "remember_me": false,
        }),
        _ => json!({"token": TOKEN}),
    }
}

/// `data` and `meta` of the answer.
pub(super) fn answer(operation: &str) -> (Value, Option<Value>) {
    let one = |data: Value| (data, None);
    let list = |entry: Value| {
        let page = json!({"page": {"number": 1, "size": 25, "total_count": 1, "total_pages": 1}});
        (json!([entry]), Some(page))
    };
    match operation {
        "employees_create" | "employees_read" | "employees_update" => one(employee()),
        "employees_index" => list(employee()),
        "integrations_create" | "integrations_read" => one(integration()),
        "integrations_index" => list(integration()),
        "integrations_invitation_email" => one(invitation()),
        "notifications_index" => list(notification()),
        "users_client_register" => one(json!({
            "client": {"id": 15, "company_name": "Acme Payments Corp", "created_at": AT},
            "session": session(),
        })),
        "users_login" => one(json!({"session": session()})),
        _ => one(Value::Null),
    }
}

pub(super) fn session() -> Value {
    json!({"token": TOKEN, "created_at": AT, "expires_at": "2021-11-30T14:38:03Z", "remember_me": false})
}

fn employee() -> Value {
    json!({
        "id": 12,
        "user_id": null,
        "email": "jane.mead@acmepaymentscorp.com",
        "active": true,
        "service_area_id": 4,
        "first_name": "Jane",
        "last_name": "Mead",
        "legal_name": "Jane Alexandra Mead",
        "skills": ["welding", "first aid"],
        "phone": "+1 918 555 0100",
        "address": {
            "street": "1 Main Street",
            "street2": null,
            "city": "Tulsa",
            "state": "OK",
            "postal_code": "74103",
            "longitude": "-95.9928",
            "latitude": "36.1540",
        },
        "date_hired": "2021-11-23",
        "date_off_boarded": null,
        "created_at": AT,
        "updated_at": AT,
        "version": 1,
    })
}

fn integration() -> Value {
    json!({"id": 3, "name": "Payroll", "description": "Pays every other Friday", "created_at": AT})
}

fn invitation() -> Value {
    json!({
        "id": "8646b67b-9a28-4de7-bd0e-27adacc99e45",
        "kind": "integration",
        "target": {"id": 3, "name": "Payroll"},
        "email": "jane.mead@acmepaymentscorp.com",
        "state": "pending",
        "email_status": "sent",
        "invited_by": {"id": "0b5c2b0c-5a0f-4c0e-9d0b-3f1f0f5d7b11", "kind": "user"},
        "created_at": AT,
        "updated_at": AT,
        "expires_at": "2021-11-30T14:38:03Z",
        "accepted_at": null,
        "message": null,
    })
}

fn notification() -> Value {
    json!({
        "id": 41,
        "kind": "invitation_email_failed",
        "invitation_id": "8646b67b-9a28-4de7-bd0e-27adacc99e45",
        "reason": "recipient_refused",
        "created_at": AT,
    })
}
