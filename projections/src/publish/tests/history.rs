//! Something happens to everything there is, drawn by a seed.

use crate::story::{Story, tenant};
use domain::bus::Subject;
use domain::invitation::{
    Accepted, Cancelled, Created, Declined, Digests, EmailFailed, EmailSent, Event, Expired, Invitation, Kind, Proof,
    ResendRequested, Role, Updated,
};
use domain::mail::Reason;
use domain::{Actor, TenantName, Timestamp};
use serde_json::json;
use uuid::Uuid;

pub(super) struct History {
    drawn: u64,
    invitations: Vec<Invitation>,
    employees: Vec<(Uuid, Subject)>,
    users: Vec<(Uuid, Subject, bool)>,
    applications: Vec<Uuid>,
}

const BY: &str = "user:00000000-0000-0000-0000-000000000007";

impl History {
    pub(super) const ORGANIZATION: Uuid = Uuid::from_u128(100);

    /// One of each.
    pub(super) async fn begin(story: &mut Story, seed: u64) -> Self {
        let own = json!({"by": "deployment", "name": tenant()});
        story.append_raw("tenant", &tenant(), Uuid::from_u128(1), "Created", own).await;
        let acme = json!({"by": BY, "name": "Acme \"Roofing\"", "bind_recipient": true});
        story.append_raw("organization", &tenant(), Self::ORGANIZATION, "Created", acme).await;
        let (users, applications) = (vec![], vec![]);
        let mut history = Self { drawn: seed, invitations: vec![], employees: vec![], users, applications };
        history.invite(story).await;
        history.employ(story).await;
        history.register(story).await;
        history.apply(story).await;
        history.integrate(story).await;
        history
    }

    /// 0 to `below`, without it.
    fn draw(&mut self, below: usize) -> usize {
        self.drawn = self.drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.drawn >> 33) as usize % below
    }

    pub(super) async fn go_on(&mut self, story: &mut Story) {
        match self.draw(16) {
            0..=3 => self.invite(story).await,
            4..=9 => self.happen(story).await,
            10 => self.employ(story).await,
            11 | 12 => self.update_employee(story).await,
            13 => self.register(story).await,
            14 => self.change_user(story).await,
            _ => match self.draw(4) {
                0 => self.apply(story).await,
                1 => self.change_application(story).await,
                2 => self.integrate(story).await,
                _ => {
                    let changed = json!({"by": BY, "valid_days": 1 + self.draw(30), "write_csrf": self.draw(2) == 0});
                    story.append_raw("tenant", &tenant(), Uuid::from_u128(1), "SettingsChanged", changed).await;
                }
            },
        }
    }

    async fn invite(&mut self, story: &mut Story) {
        let kind = [Kind::Organization, Kind::Integration, Kind::Platform][self.draw(3)];
        let email = format!("n{}@büro.example", self.draw(1_000));
        let created = Created {
            kind,
            public_id: (self.draw(2) == 0).then(Uuid::new_v4),
            role: [Role::Member, Role::Admin][self.draw(2)],
            invited_by: self.actor(),
            // The last one that an event can hold.
            updated_in_db_at: (self.draw(2) == 0).then_some(Timestamp(9_007_199_254_740_991)),
            ..story.created(Self::ORGANIZATION, &email).await
        };
        let home = if self.draw(4) == 0 { TenantName::parse("other").unwrap() } else { tenant() };
        self.invitations.push(story.invite(&home, created).await);
    }

    fn actor(&mut self) -> Actor {
        match self.draw(4) {
            0 => Actor::Deployment,
            1 => Actor::Application(Uuid::from_u128(1)),
            2 => Actor::System,
            _ => Actor::User(Uuid::from_u128(7)),
        }
    }

    async fn happen(&mut self, story: &mut Story) {
        let (at, by) = (self.draw(self.invitations.len()), self.actor());
        let drawn = self.draw(8);
        let invitation = &mut self.invitations[at];
        let generation = invitation.generation;
        let event = match drawn {
            0 => Event::EmailSent(EmailSent { generation }),
            1 => Event::EmailFailed(EmailFailed { generation, reason: Reason::GaveUp }),
            2 => Event::Accepted(Accepted {
                by: Uuid::from_u128(77),
                generation,
                proof: Proof::Code,
                holds_address: false,
            }),
            3 => Event::Cancelled(Cancelled { by }),
            4 => Event::Updated(Updated { role: Some(Role::Admin), updated_in_db_at: Some(Timestamp(-1_500_000)) }),
            5 => Event::Declined(Declined { generation, subject: invitation.subject.clone(), personal: None }),
            6 => Event::Expired(Expired { generation }),
            _ => Event::ResendRequested(ResendRequested {
                generation: generation + 1,
                by,
                digests: Digests::default(),
                valid_days: 30,
                waited: false,
            }),
        };
        let (home, id) = (invitation.tenant.clone(), invitation.id);
        story.then::<Invitation>(&home, id, invitation, event).await;
    }

    async fn employ(&mut self, story: &mut Story) {
        let (id, subject) = (Uuid::now_v7(), story.subject().await);
        let personal = json!({
            "email": format!("e{}@x.com", self.draw(1_000)), "first_name": "Zoë", "last_name": null,
            "skills": ["roofs, flat", "\"quoted\" \\ {braces}"], "address": {"city": "Łódź", "street": null},
        });
        let created = json!({"by": BY, "subject": subject, "date_hired": "2024-02-29", "personal": personal});
        story.append_raw("employee", &tenant(), id, "Created", created).await;
        self.employees.push((id, subject.named()));
    }

    async fn update_employee(&mut self, story: &mut Story) {
        let at = self.draw(self.employees.len());
        let (id, subject) = self.employees[at].clone();
        let (kind, payload) = match self.draw(4) {
            0 => ("OffBoarded", json!({})),
            1 => ("NoticeFailed", json!({"asked": 1, "part": 0, "reason": "recipient_refused"})),
            _ => {
                let personal = json!({"phone": "+1 555", "skills": [], "address": {"city": null, "street": "Main St"}});
                let fields =
                    json!({"by": BY, "subject": subject, "service_area_id": self.draw(9), "personal": personal});
                ("Updated", fields)
            }
        };
        story.append_raw("employee", &tenant(), id, kind, payload).await;
    }

    async fn register(&mut self, story: &mut Story) {
        let (id, subject) = (Uuid::now_v7(), story.subject().await);
        let personal = json!({"email": format!("u{}@x.com", self.users.len()), "name": "U. Ser"});
        story
            .append_raw("user", &tenant(), id, "Created", json!({"by": BY, "subject": subject, "personal": personal}))
            .await;
        self.users.push((id, subject.named(), false));
        self.join(story, self.users.len() - 1).await;
    }

    /// Becomes a member, or is none any more.
    async fn join(&mut self, story: &mut Story, at: usize) {
        let (user, _, member) = &mut self.users[at];
        let id = domain::membership::id_of(Self::ORGANIZATION, *user);
        let (kind, payload) = if std::mem::replace(member, !*member) {
            ("Revoked", json!({"by": BY}))
        } else {
            let place = json!({"place": "organization", "target": Self::ORGANIZATION, "user": user});
            let mut granted = json!({"role": "member", "by": BY});
            granted.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
            ("Granted", granted)
        };
        story.append_raw("membership", &tenant(), id, kind, payload).await;
    }

    async fn change_user(&mut self, story: &mut Story) {
        let at = self.draw(self.users.len());
        let (id, subject, _) = self.users[at].clone();
        let (kind, payload) = match self.draw(5) {
            0 => ("Updated", json!({"by": BY, "subject": subject, "personal": {"name": "Another"}})),
            1 => ("RightsChanged", json!({"by": BY, "administrator": true})),
            2 => ("EmployeeLinked", json!({"employee": self.employees[0].0})),
            3 => ("ClientRegistered", json!({"by": BY, "subject": subject, "personal": {"company_name": "Ltd"}})),
            _ => return self.join(story, at).await,
        };
        story.append_raw("user", &tenant(), id, kind, payload).await;
    }

    async fn apply(&mut self, story: &mut Story) {
        let id = Uuid::now_v7();
        let created = json!({"by": BY, "name": "shop", "scopes": ["invites", "pii"]});
        story.append_raw("application", &tenant(), id, "Created", created).await;
        self.applications.push(id);
    }

    async fn change_application(&mut self, story: &mut Story) {
        let at = self.draw(self.applications.len());
        let id = self.applications[at];
        let (kind, payload) = match self.draw(2) {
            0 => ("Updated", json!({"by": BY, "scopes": []})),
            _ => ("Revoked", json!({"by": BY})),
        };
        story.append_raw("application", &tenant(), id, kind, payload).await;
    }

    async fn integrate(&mut self, story: &mut Story) {
        let created = json!({"by": BY, "name": "Till", "description": null});
        story.append_raw("integration", &tenant(), Uuid::now_v7(), "Created", created).await;
        let failed = Event::EmailFailed(EmailFailed { generation: 9, reason: Reason::OutcomeUnknown });
        let invitation = &mut self.invitations[0];
        let (home, id) = (invitation.tenant.clone(), invitation.id);
        story.then::<Invitation>(&home, id, invitation, failed).await;
    }
}
