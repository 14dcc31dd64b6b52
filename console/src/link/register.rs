//! `POST /i/{link}/register`: the holder of the mail makes an account, accepts,
//! and is logged in.
//!
//! The password is kept first, under the id the user will have: an account
//! without one could never be entered. It is hashed only once the secret is
//! known to be right, because hashing is the expensive part.

use super::fault::Fault;
use super::{Asked, Links, Shown, json, required};
use domain::invitation::Proof;
use domain::text::{MAX_PASSWORD, MAX_TEXT, MIN_PASSWORD, line};
use domain::use_cases::RegisterByLink;
use domain::{Actor, Failure, Refusal, Unavailable};
use poem::Response;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    code: String,
    name: String,
    password: String,
}

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
        let body: Body = asked.decode()?;
        let code = required(&body.code)?;
        let name = checked(&body)?;
        self.tries.check(&asked.peer, self.bus.now())?;
        let shown = self.shown(asked.link, code).await?;
        let user = Uuid::new_v4();
        let hopeful = self.is_hopeful(&asked, &shown).await?;
        if hopeful {
            self.identity.set_password(user, &body.password).await?;
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
            self.identity.set_password(user, &body.password).await?;
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

/// The name as it will be kept; all faults at once.
fn checked(body: &Body) -> Result<String, Fault> {
    let name = line(body.name.trim(), MAX_TEXT);
    let mut faults = vec![];
    match &name {
        Ok(name) if name.is_empty() => faults.push(domain::Fault::new("name", "is blank")),
        Ok(_) => {}
        Err(why) => faults.push(domain::Fault::new("name", why.as_str())),
    }
    let length = body.password.chars().count();
    if length < MIN_PASSWORD {
        faults.push(domain::Fault::new("password", format!("must have at least {MIN_PASSWORD} characters")));
    } else if length > MAX_PASSWORD {
        faults.push(domain::Fault::new("password", format!("must have at most {MAX_PASSWORD} characters")));
    }
    match name {
        Ok(name) if faults.is_empty() => Ok(name),
        Ok(_) | Err(_) => Err(Refusal::Invalid(faults).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, password: &str) -> Vec<String> {
        let body = Body { code: "c".into(), name: name.into(), password: password.into() };
        match checked(&body) {
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
    fn unknown_and_doubled_members_are_refused() {
        let read = |text: &str| serde_json::from_str::<Body>(text).is_ok();
        assert!(read(r#"{"code": "c", "name": "n", "password": "p"}"#));
        assert!(!read(r#"{"code": "c", "name": "n", "password": "p", "administrator": true}"#));
        assert!(!read(r#"{"code": "c", "code": "d", "name": "n", "password": "p"}"#));
    }
}
