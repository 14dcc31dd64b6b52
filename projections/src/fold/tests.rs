//! Random histories, folded by the view and by the aggregates: rows and every
//! page must agree.

use crate::story::{Story, tenant};
use crate::{InvitationQuery, InvitationRow, InviteQuery, InviteSort, Page, Views};
use domain::invitation::*;
use domain::{Actor, Address, TenantName, Timestamp, mail};
use proptest::prelude::*;
use uuid::Uuid;

#[derive(Clone, Debug)]
enum Step {
    Create {
        tenant: bool,
        kind: Kind,
        target: u8,
        role: Role,
        by: u8,
        email: u8,
        chosen: bool,
    },
    /// What happens to the n-th invitation there is, modulo how many.
    Happen(usize, Happening),
}

#[derive(Clone, Debug)]
enum Happening {
    Sent(u32),
    Failed(u32, mail::Reason),
    Accepted,
    Cancelled(u8),
    Updated(Option<Role>, Option<i64>),
    Resent,
    Declined,
    Expired,
    Refused,
}

fn actor(n: u8) -> Actor {
    match n {
        0 => Actor::Deployment,
        1 => Actor::Application(Uuid::from_u128(1)),
        n => Actor::User(Uuid::from_u128(n.into())),
    }
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Member), Just(Role::Admin)]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Organization), Just(Kind::Organization), Just(Kind::Integration), Just(Kind::Platform)]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (1..3u32).prop_map(Happening::Sent),
        (1..3u32, prop_oneof![Just(mail::Reason::GaveUp), Just(mail::Reason::OutcomeUnknown)])
            .prop_map(|(g, r)| Happening::Failed(g, r)),
        Just(Happening::Accepted),
        (0..4u8).prop_map(Happening::Cancelled),
        (prop::option::of(role()), prop::option::of(0..99i64)).prop_map(|(r, t)| Happening::Updated(r, t)),
        Just(Happening::Resent),
        Just(Happening::Declined),
        Just(Happening::Expired),
        Just(Happening::Refused),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let create = (any::<bool>(), kind(), 0..2u8, role(), 0..4u8, 0..5u8, any::<bool>()).prop_map(
        |(tenant, kind, target, role, by, email, chosen)| Step::Create {
            tenant,
            kind,
            target,
            role,
            by,
            email,
            chosen,
        },
    );
    prop_oneof![create, (any::<usize>(), happening()).prop_map(|(n, h)| Step::Happen(n, h))]
}

fn event_of(happening: Happening, of: &Invitation) -> Event {
    match happening {
        Happening::Sent(generation) => Event::EmailSent(EmailSent { generation }),
        Happening::Failed(generation, reason) => Event::EmailFailed(EmailFailed { generation, reason }),
        Happening::Accepted => Event::Accepted(Accepted {
            by: Uuid::from_u128(77),
            generation: of.generation,
            proof: Proof::Code,
            holds_address: false,
        }),
        Happening::Cancelled(by) => Event::Cancelled(Cancelled { by: actor(by) }),
        Happening::Updated(role, at) => Event::Updated(Updated { role, updated_in_db_at: at.map(Timestamp) }),
        Happening::Resent => Event::ResendRequested(ResendRequested {
            generation: of.generation + 1,
            by: actor(3),
            digests: Digests::default(),
            valid_days: 30,
            waited: false,
        }),
        Happening::Declined => {
            Event::Declined(Declined { generation: of.generation, subject: of.subject.clone(), personal: None })
        }
        Happening::Expired => Event::Expired(Expired { generation: of.generation }),
        Happening::Refused => Event::AcceptRefused(AcceptRefused {
            generation: of.generation,
            caller: "user:x".into(),
            because: Because::WrongCode,
        }),
    }
}

/// The plain model: aggregates in the order of their creation, with the order of their last change.
#[derive(Default)]
struct Model {
    invitations: Vec<(Invitation, usize)>,
    changes: usize,
}

impl Model {
    async fn play(&mut self, story: &mut Story, step: Step) {
        let other = TenantName::parse("other").unwrap();
        match step {
            Step::Create { tenant: ours, kind, target, role, by, email, chosen } => {
                let email = ["a@x.com", "A@X.com", "b@x.com", "c@BÜRO.example", "d@x.com"][usize::from(email)];
                let created = Created {
                    kind,
                    target: Uuid::from_u128(100 + u128::from(target)),
                    role,
                    invited_by: actor(by),
                    public_id: chosen.then(Uuid::new_v4),
                    ..story.created(Uuid::nil(), email).await
                };
                let tenant = if ours { tenant() } else { other };
                let invitation = story.invite(&tenant, created).await;
                self.changes += 1;
                self.invitations.push((invitation, self.changes));
            }
            Step::Happen(n, happening) => {
                let Some(at) = n.checked_rem(self.invitations.len()) else { return };
                let (invitation, changed) = &mut self.invitations[at];
                let event = event_of(happening, invitation);
                let before = invitation.updated_at;
                let (tenant, id) = (invitation.tenant.clone(), invitation.id);
                story.then::<Invitation>(&tenant, id, invitation, event).await;
                if invitation.updated_at != before {
                    self.changes += 1;
                    *changed = self.changes;
                }
            }
        }
    }

    fn page(
        &self,
        matches: impl Fn(&Invitation) -> bool,
        sort: InviteSort,
        (number, size): (u64, u64),
    ) -> (u64, Vec<InvitationRow>) {
        let mut found: Vec<_> = self.invitations.iter().filter(|(i, _)| matches(i)).collect();
        if matches!(sort, InviteSort::UpdatedAsc | InviteSort::UpdatedDesc) {
            found.sort_by_key(|(_, changed)| *changed);
        }
        if matches!(sort, InviteSort::CreatedDesc | InviteSort::UpdatedDesc) {
            found.reverse();
        }
        let total = found.len() as u64;
        let from = ((number - 1) * size) as usize;
        (total, found.into_iter().skip(from).take(size as usize).map(|(i, _)| InvitationRow::from(i)).collect())
    }
}

/// Without what the aggregate does not know.
fn plain(page: Page<InvitationRow>) -> (u64, Vec<InvitationRow>) {
    let row = |row| InvitationRow { position: 0, target_name: None, ..row };
    (page.total, page.rows.into_iter().map(row).collect())
}

async fn agree(model: &Model, views: &Views) {
    let organization = Uuid::from_u128(100);
    let states = [
        None,
        Some(State::Pending),
        Some(State::Accepted),
        Some(State::Cancelled),
        Some(State::Declined),
        Some(State::Expired),
    ];
    for (invitation, _) in &model.invitations {
        let row = views.invitation(&invitation.tenant, invitation.id).await.unwrap().unwrap();
        assert_eq!(InvitationRow { position: 0, target_name: None, ..row }, InvitationRow::from(invitation));
    }
    for state in states {
        for role in [None, Some(Role::Member), Some(Role::Admin)] {
            for sort in
                [InviteSort::CreatedAsc, InviteSort::CreatedDesc, InviteSort::UpdatedAsc, InviteSort::UpdatedDesc]
            {
                for (page, per_page) in [(1, 25), (1, 2), (2, 2), (3, 2)] {
                    let query = InviteQuery { organization, role, state, sort, page, per_page };
                    let answer = views.organization_invites(&tenant(), query).await.unwrap();
                    let matches = |i: &Invitation| {
                        i.tenant == tenant()
                            && i.kind == Kind::Organization
                            && i.target == organization
                            && state.is_none_or(|s| s == i.state)
                            && role.is_none_or(|r| r == i.role)
                    };
                    assert_eq!(
                        plain(answer),
                        model.page(matches, sort, (page, per_page)),
                        "{state:?} {role:?} {sort:?}"
                    );
                }
            }
        }
    }
    for query in tenant_queries() {
        let answer = views.invitations(&tenant(), query.clone()).await.unwrap();
        let matches = |i: &Invitation| {
            i.tenant == tenant()
                && query.kind.is_none_or(|k| k == i.kind)
                && query.target.is_none_or(|t| t == i.target)
                && query.state.is_none_or(|s| s == i.state)
                && query.address.as_ref().is_none_or(|a| Some(a.key()) == i.email.as_ref().map(Address::key))
                && query.invited_by.is_none_or(|by| by == i.invited_by)
        };
        assert_eq!(
            plain(answer),
            model.page(matches, InviteSort::CreatedDesc, (query.page, query.per_page)),
            "{query:?}"
        );
    }
}

fn tenant_queries() -> Vec<InvitationQuery> {
    let mut queries = Vec::new();
    for page in [1, 2] {
        let base = InvitationQuery { page, per_page: 3, ..InvitationQuery::default() };
        let kind = Some(Kind::Organization);
        let target = Some(Uuid::from_u128(100));
        let state = Some(State::Pending);
        let address = Address::parse("a@x.com").ok();
        let invited_by = Some(actor(2));
        queries.extend([
            base.clone(),
            InvitationQuery { kind, ..base.clone() },
            InvitationQuery { state, ..base.clone() },
            InvitationQuery { kind, target, state, ..base.clone() },
            InvitationQuery { invited_by, state, ..base.clone() },
            InvitationQuery { invited_by, kind, target, ..base.clone() },
            InvitationQuery { address: address.clone(), ..base.clone() },
            InvitationQuery { address, state, target, kind, invited_by, ..base.clone() },
            InvitationQuery { address: Address::parse("c@xn--bro-hoa.example").ok(), ..base },
        ]);
    }
    queries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn rows_and_pages_are_those_of_the_aggregates(steps in prop::collection::vec(step(), 1..60), cut in 0..60usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut story = Story::new();
            let views = story.views();
            let mut model = Model::default();
            for (n, step) in steps.into_iter().enumerate() {
                model.play(&mut story, step).await;
                if n == cut {
                    agree(&model, &views).await;
                }
            }
            agree(&model, &views).await;
            let live = views.digests().unwrap();
            views.rebuild(None, &mut |_, _| {}).unwrap();
            assert_eq!(views.digests().unwrap(), live, "folded in one piece and bit by bit");
            agree(&model, &views).await;
            views.close().await;
        });
    }
}
