use crate::House;
use domain::{Actor, TenantName};
use identity::{AuthError, Token, TokenKind};
use uuid::Uuid;

#[tokio::test]
async fn the_deployment_token_is_good_and_no_other_one() {
    let house = House::new().await;
    assert_eq!(house.standing(&house.admin).await, "deployment");
    for kind in [TokenKind::Deployment, TokenKind::Application, TokenKind::Session] {
        assert_eq!(house.standing(&Token::random(kind).unwrap()).await, "unknown");
    }
    for text in ["", "Bearer", "il_dep_", "il_ses_é", &house.admin.reveal().to_uppercase()] {
        let answer = house.identity.authenticate(text).await;
        assert!(matches!(answer, Err(AuthError::Unknown)), "{text}");
    }
}

#[tokio::test]
async fn a_token_without_an_application_opens_nothing_yet() {
    let mut house = House::new().await;
    let id = Uuid::new_v4();
    let token = house.identity.new_application_token(&TenantName::default_tenant(), id).await.unwrap();
    assert_eq!(house.standing(&token).await, "unknown");
    house.application(id).await;
    let principal = house.identity.authenticate(token.reveal()).await.unwrap();
    assert_eq!(principal.actor(), Actor::Application(id));
    assert_eq!(principal.tenant(), Some(&TenantName::default_tenant()));
    house.restart();
    assert_eq!(house.standing(&token).await, "application");
}

#[tokio::test]
async fn a_revoked_application_is_nobody_at_once() {
    let house = House::new().await;
    let id = Uuid::new_v4();
    let token = house.identity.new_application_token(&TenantName::default_tenant(), id).await.unwrap();
    house.application(id).await;
    assert_eq!(house.standing(&token).await, "application");
    house.revoke(id).await;
    assert_eq!(house.standing(&token).await, "unknown");
}

#[tokio::test]
async fn a_new_token_ends_the_former_one_and_forgetting_ends_all() {
    let mut house = House::new().await;
    let id = Uuid::new_v4();
    let tenant = TenantName::default_tenant();
    let first = house.identity.new_application_token(&tenant, id).await.unwrap();
    house.application(id).await;
    assert_eq!(house.standing(&first).await, "application");
    let second = house.identity.new_application_token(&tenant, id).await.unwrap();
    assert_eq!(house.standing(&first).await, "unknown");
    assert_eq!(house.standing(&second).await, "application");
    house.identity.forget_application(id).await.unwrap();
    assert_eq!(house.standing(&second).await, "unknown");
    house.restart();
    assert_eq!(house.standing(&second).await, "unknown");
    assert_eq!(house.state.count("application_token").unwrap(), 0);
    assert_eq!(house.state.count("application_token_of").unwrap(), 0);
}
