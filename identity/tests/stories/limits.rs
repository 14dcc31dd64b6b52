use crate::House;
use crate::clock::{HOUR, MINUTE, SECOND};
use domain::{Actor, Address, Clock, TenantName};
use identity::{Identity, IdentityError, IdentityOptions, Rate, Spent, TooMany};
use std::time::Duration;
use store::{State, StateOptions};
use uuid::Uuid;

fn tenant() -> TenantName {
    TenantName::default_tenant()
}

fn address(n: u64) -> Address {
    Address::parse(&format!("a{n}@x.com")).unwrap()
}

fn spend(identity: &Identity, actor: Actor, recipients: &[Address]) -> Result<(), TooMany> {
    let invitations = u32::try_from(recipients.len()).unwrap();
    identity.limits().charge(actor, &tenant(), recipients, invitations).map(drop)
}

fn too_many(retry_after_s: u64) -> Result<(), TooMany> {
    Err(TooMany { retry_after_s })
}

async fn house(change: impl FnOnce(&mut IdentityOptions)) -> House {
    House::with(State::open(StateOptions::Memory).unwrap(), change).await
}

#[tokio::test]
async fn an_address_gets_ten_mails_in_ten_minutes_whoever_asks_and_however_it_is_spelled() {
    let house = House::new().await;
    let spellings = ["jane@x.com", "JANE@X.com"].map(|t| Address::parse(t).unwrap());
    let callers = [Actor::Deployment, Actor::Application(Uuid::new_v4()), Actor::User(Uuid::new_v4())];
    for n in 0..10 {
        let one = &spellings[n % 2..=n % 2];
        assert_eq!(spend(&house.identity, callers[n % 3], one), Ok(()));
        house.clock.advance(SECOND);
    }
    for caller in callers {
        assert_eq!(spend(&house.identity, caller, &spellings[..1]), too_many(590));
    }
    let acme = TenantName::parse("acme").unwrap();
    assert!(house.identity.limits().charge(Actor::Deployment, &acme, &spellings[..1], 1).is_ok());
    house.clock.advance(590 * SECOND - Duration::from_millis(1));
    assert_eq!(spend(&house.identity, callers[0], &spellings[..1]), too_many(1));
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(spend(&house.identity, callers[0], &spellings[..1]), Ok(()));
    assert_eq!(spend(&house.identity, callers[0], &spellings[..1]), too_many(1));
}

#[tokio::test]
async fn a_list_of_addresses_is_charged_whole_or_not_at_all() {
    let house = House::new().await;
    let user = Actor::User(Uuid::new_v4());
    for _ in 0..10 {
        spend(&house.identity, Actor::Deployment, &[address(0)]).unwrap();
    }
    for _ in 0..20 {
        assert_eq!(spend(&house.identity, user, &[address(1), address(0), address(2)]), too_many(600));
    }
    let hundred: Vec<Address> = (10..110).map(address).collect();
    assert_eq!(spend(&house.identity, user, &hundred), Ok(()));
    assert_eq!(spend(&house.identity, user, &hundred), Ok(()));
    assert_eq!(spend(&house.identity, user, &hundred), too_many(3_600));
    assert_eq!(spend(&house.identity, user, &hundred[..50]), Ok(()));
    assert_eq!(spend(&house.identity, user, &[address(1)]), too_many(3_600));
    assert_eq!(spend(&house.identity, Actor::Deployment, &[address(1)]), Ok(()));
}

#[tokio::test]
async fn what_did_not_happen_is_given_back() {
    let house = House::new().await;
    let user = Actor::User(Uuid::new_v4());
    let list: Vec<Address> = (0..100).map(address).collect();
    for _ in 0..30 {
        house.identity.limits().charge(user, &tenant(), &list, 100).unwrap().give_back();
    }
    for _ in 0..10 {
        spend(&house.identity, user, &list[..1]).unwrap();
    }
    assert_eq!(spend(&house.identity, user, &list[..1]), too_many(600));
    assert_eq!(spend(&house.identity, user, &list[1..]), Ok(()));
}

#[tokio::test]
async fn a_user_invites_two_hundred_and_fifty_an_hour_and_the_window_slides() {
    let house = House::new().await;
    let (jane, joe) = (Actor::User(Uuid::new_v4()), Actor::User(Uuid::new_v4()));
    let mut fresh = (0..).map(address);
    let mut invite = |actor, house: &House| spend(&house.identity, actor, &[fresh.next().unwrap()]);
    for _ in 0..250 {
        assert_eq!(invite(jane, &house), Ok(()));
        house.clock.advance(SECOND);
    }
    assert_eq!(invite(jane, &house), too_many(3_350));
    assert_eq!(invite(joe, &house), Ok(()));
    house.clock.advance(HOUR - 250 * SECOND);
    for _ in 0..5 {
        assert_eq!(invite(jane, &house), Ok(()));
        assert_eq!(invite(jane, &house), too_many(1));
        house.clock.advance(SECOND);
    }
}

#[tokio::test]
async fn the_users_of_a_tenant_share_its_ten_thousand_an_hour() {
    let house = house(|options| options.limits.invitations_per_tenant = Rate::new(3, 3_600)).await;
    let users: Vec<Actor> = (0..4).map(|_| Actor::User(Uuid::new_v4())).collect();
    for (n, user) in (0..3).zip(&users) {
        assert_eq!(spend(&house.identity, *user, &[address(n)]), Ok(()));
    }
    assert_eq!(spend(&house.identity, users[3], &[address(3)]), too_many(3_600));
    assert_eq!(spend(&house.identity, Actor::Application(Uuid::new_v4()), &[address(3)]), Ok(()));
    let acme = TenantName::parse("acme").unwrap();
    assert!(house.identity.limits().charge(users[3], &acme, &[address(3)], 1).is_ok());
    assert_eq!(house.identity.limits().settings().invitations_per_user, Rate::new(250, 3_600));
}

#[tokio::test]
async fn applications_are_unlimited_unless_a_limit_is_set() {
    let free = House::new().await;
    let id = Actor::Application(Uuid::new_v4());
    for n in 0..10_001 {
        spend(&free.identity, id, &[address(n)]).unwrap();
    }
    let bound = house(|options| options.limits.invitations_per_application = Some(Rate::new(2, 60))).await;
    assert_eq!(spend(&bound.identity, id, &[address(1), address(2)]), Ok(()));
    assert_eq!(spend(&bound.identity, id, &[address(3)]), too_many(60));
    assert_eq!(spend(&bound.identity, Actor::Application(Uuid::new_v4()), &[address(3)]), Ok(()));
}

#[tokio::test]
async fn a_restart_forgives_nothing_that_the_log_remembers() {
    let mut house = House::new().await;
    let user = Actor::User(Uuid::new_v4());
    let mut log: Vec<Spent> = vec![];
    for n in 0..250 {
        let recipient = if n < 241 { address(n) } else { address(0) };
        spend(&house.identity, user, std::slice::from_ref(&recipient)).unwrap();
        let at = house.clock.now();
        log.push(Spent {
            at,
            actor: user,
            tenant: tenant(),
            recipient: Some(recipient.key().to_owned()),
            invitations: 1,
        });
        house.clock.advance(2 * SECOND);
    }
    house.restart();
    assert_eq!(house.identity.limits().remembers_since(), house.clock.now().minus(HOUR));
    assert_eq!(house.identity.limits().remembers_recipients_since(), house.clock.now().minus(600 * SECOND));
    house.identity.limits().restore(log.into_iter().rev());
    assert_eq!(spend(&house.identity, user, &[address(999)]), too_many(3_100));
    assert_eq!(spend(&house.identity, Actor::Deployment, &[address(0)]), too_many(100));
    assert_eq!(spend(&house.identity, Actor::Deployment, &[address(1)]), Ok(()));
    house.clock.advance(3_100 * SECOND);
    assert_eq!(spend(&house.identity, user, &[address(999)]), Ok(()));
    assert_eq!(spend(&house.identity, user, &[address(999)]), too_many(2));
}

#[tokio::test]
async fn what_no_window_sees_is_not_restored_in_whatever_order_it_comes() {
    let house = House::new().await;
    let now = house.clock.now();
    let old = |back: Duration| Spent {
        at: now.minus(back),
        actor: Actor::Deployment,
        tenant: tenant(),
        recipient: Some(address(1).key().to_owned()),
        invitations: 1,
    };
    house.identity.limits().restore([old(2 * HOUR), old(MINUTE), old(10 * MINUTE)]);
    for _ in 0..9 {
        assert_eq!(spend(&house.identity, Actor::Deployment, &[address(1)]), Ok(()));
    }
    assert_eq!(spend(&house.identity, Actor::Deployment, &[address(1)]), too_many(540));
}

#[tokio::test]
async fn settings_are_read_by_name_and_checked() {
    let limits = |text: &str| serde_json::from_str::<identity::LimitSettings>(text);
    let set = limits(r#"{"mails_per_recipient": {"count": 3, "within_s": 60}}"#).unwrap();
    assert_eq!(set.mails_per_recipient, Rate::new(3, 60));
    assert_eq!(set.log_in_failures_per_peer, Rate::new(50, 900));
    assert!(limits(r#"{"mails": {"count": 3, "within_s": 60}}"#).is_err());
    let house = House::new().await;
    let mut options = IdentityOptions::new(identity::AdminToken::of(&house.admin));
    options.limits.invitations_per_user = Rate::new(1, 0);
    let secrets = house.identity.secrets().clone();
    let refused = Identity::new(house.state.clone(), house.bus.clone(), secrets, house.clock.clone(), options);
    assert!(matches!(refused, Err(IdentityError::Window { name: "invitations_per_user" })));
}
