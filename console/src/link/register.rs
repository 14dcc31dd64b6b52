//! `POST /i/{link}/register`: the holder of the mail makes an account, accepts,
//! and is logged in.
//!
//! The password is kept first, under the id the user will have: an account
//! without one could never be entered. It is hashed only once the secret is
//! known to be right, because hashing is the expensive part.

use super::fault::Fault;
use super::{Asked, Body, Links, Shown, json};
use domain::invitation::Proof;
use domain::text::{MAX_PASSWORD, MAX_TEXT, MIN_PASSWORD, line};
use domain::use_cases::RegisterByLink;
use domain::{Actor, Failure, Unavailable};
use poem::Response;
use serde::Serialize;
use uuid::Uuid;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registered {
    user_id: Uuid,
    tenant: String,
    state: &'static str,
    kind: &'static str,
}

impl Links {
    pub(super) async fn register(&self, asked: Asked) -> Result<Response, Fault> {
        let (code, name, password) = read(asked.body()?)?;
        self.tries.check(&asked.peer, self.bus.now())?;
        let shown = self.shown(asked.link, &code).await?;
        let user = Uuid::new_v4();
        let hopeful = self.is_hopeful(&asked, &shown).await?;
        if hopeful {
            self.identity.set_password(user, &password).await?;
        }
        let context = self.context(&asked, &shown.tenant, Actor::Visitor);
        let case = RegisterByLink { invitation: shown.invitation.id, digest: shown.digest.clone(), user, name };
        if let Err(failure) = self.bus.perform(context, case).await {
            // It may have landed: then its user must be able to log in.
            let unknown = matches!(failure, Failure::Unavailable(Unavailable::OutcomeUnknown));
            if hopeful && !unknown {
                self.identity.forget_password(user).await?;
            }
            return Err(self.remembered(&asked, &shown, failure.into()));
        }
        if !hopeful {
            self.identity.set_password(user, &password).await?;
        }
        let mut response = json(&Registered {
            user_id: user,
            tenant: shown.tenant.to_string(),
            state: domain::invitation::State::Accepted.name(),
            kind: shown.invitation.kind.name(),
        })?;
        // The account is there: what fails now must not deny that. It can log in.
        match self.identity.open_session(&shown.tenant, user, false).await {
            Ok(session) => self.set_cookies(&mut response, &session),
            Err(failure) => Fault::from(failure).report(asked.request_id, "a new user's session was not opened"),
        }
        Ok(response)
    }

    /// Whether an account may come of it, as far as can be told before.
    async fn is_hopeful(&self, asked: &Asked, shown: &Shown) -> Result<bool, Failure> {
        let invitation = &shown.invitation;
        let visitor = self.context(asked, &shown.tenant, Actor::Visitor).caller();
        let right = invitation.proof(&shown.digest) == Some(Proof::Mail)
            && invitation.is_pending(self.bus.now())
            && !invitation.is_locked_for(&visitor);
        Ok(right && !self.has_account(shown).await?)
    }
}

/// The secret, the name as it will be kept, the password as it was typed.
fn read(mut body: Body) -> Result<(String, String, String), Fault> {
    let read = (body.code(), body.required("name", person), body.required("password", password));
    body.end()?;
    Ok(read)
}

fn person(text: &str) -> Result<String, String> {
    let name = line(text.trim(), MAX_TEXT)?;
    if name.is_empty() { Err("is blank".to_owned()) } else { Ok(name) }
}

fn password(text: &str) -> Result<String, String> {
    match text.chars().count() {
        ..MIN_PASSWORD => Err(format!("must have at least {MIN_PASSWORD} characters")),
        MIN_PASSWORD..=MAX_PASSWORD => Ok(text.to_owned()),
        _ => Err(format!("must have at most {MAX_PASSWORD} characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Refusal;
    use serde_json::json;

    fn faults(name: &str, password: &str) -> Vec<String> {
        let body = json!({"code": "c", "name": name, "password": password});
        match read(Body::read(body.to_string().as_bytes()).unwrap()) {
            Ok(_) => vec![],
            Err(Fault::Failed(Failure::Refused(Refusal::Invalid(faults)))) => {
                faults.into_iter().map(|f| f.param).collect()
            }
            Err(other) => vec![other.to_string()],
        }
    }

    #[test]
    fn a_name_and_a_long_password_are_needed_and_both_faults_told_at_once() {
        assert_eq!(faults("Jane", "correct horse"), Vec::<String>::new());
        assert_eq!(faults("  ", "short"), ["name", "password"]);
        assert_eq!(faults("Jane\n", &"x".repeat(201)), ["password"], "a trailing break is trimmed");
        assert_eq!(faults("Ja\u{202E}ne", "correct horse"), ["name"]);
    }

    #[test]
    fn a_password_is_kept_as_it_was_typed() {
        let body = br#"{"code": "c", "name": " Jane ", "password": " correct horse "}"#;
        let (_, name, password) = read(Body::read(body).unwrap()).unwrap();
        assert_eq!((name.as_str(), password.as_str()), ("Jane", " correct horse "));
    }
}
