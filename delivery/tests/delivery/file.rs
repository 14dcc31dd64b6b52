//! The file transport, and what mails look like.

use crate::house::{House, secret_of};
use delivery::TransportOptions;
use domain::invitation::{Invitation, Kind, Recipient, Role};
use domain::{Actor, Address, user};
use std::path::Path;
use uuid::Uuid;

/// Compares with a file under `tests/golden`; only the message id differs from ledger to ledger.
fn assert_golden(name: &str, mail: &str) {
    let text = mail.replace("\r\n", "\n");
    let id = text.split("inv-").nth(1).and_then(|rest| rest.get(..32)).unwrap().to_owned();
    let text = text.replace(&id, "MESSAGE");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} differs; UPDATE_GOLDEN=1 writes it anew, and the difference is to be read");
}

async fn golden_invitation(house: &House, kind: Kind, name: &str) {
    let words = "Welcome <b>Ann</b>,\nwe are glad & proud.".to_owned();
    house
        .invite_as(Uuid::from_u128(0xa), "ann@guest.example", |created| {
            created.kind = kind;
            created.link = Uuid::from_u128(0xb);
            created.role = Role::Admin;
            created.target = if kind == Kind::Integration { house.integration } else { house.organization };
            created.personal =
                Recipient::Known { email: Address::parse("ann@guest.example").unwrap(), message: Some(words) };
        })
        .await;
    house.deliver(TransportOptions::File).await;
    let mails = house.files();
    assert_eq!(mails.len(), 1);
    assert_golden(name, &mails[0]);
}

#[tokio::test]
async fn an_invitation_to_an_organization_reads_so() {
    golden_invitation(&House::new().await, Kind::Organization, "organization.eml").await;
}

#[tokio::test]
async fn an_invitation_to_an_integration_reads_so() {
    golden_invitation(&House::new().await, Kind::Integration, "integration.eml").await;
}

#[tokio::test]
async fn an_invitation_to_the_platform_reads_so() {
    golden_invitation(&House::new().await, Kind::Platform, "platform.eml").await;
}

#[tokio::test]
async fn notices_read_so() {
    let house = House::new().await;
    house.employee_moves("old@guest.example", "new@guest.example").await;
    let notice = user::Event::AccountNoticeRequested(user::AccountNoticeRequested { by: Actor::Deployment });
    house.append::<user::User>(house.jane, notice).await;
    house.deliver(TransportOptions::File).await;
    let mails = house.files();
    assert_eq!(mails.len(), 3);
    for (to, name) in [
        ("old@guest.example", "email_changed_old.eml"),
        ("new@guest.example", "email_changed_new.eml"),
        ("jane.mead@acme.example", "account_notice.eml"),
    ] {
        let mail = mails.iter().find(|m| m.contains(&format!("To: {to}\r\n"))).unwrap();
        assert_golden(name, mail);
    }
}

#[tokio::test]
async fn a_name_that_is_no_plain_text_stays_in_its_header_and_the_link_stays_whole() {
    let house = House::new().await;
    let mallory = Uuid::now_v7();
    house.user(mallory, "m@acme.example", "Mällory\r\nBcc: victim@x.example").await;
    let invited = house.invite_with("ann@guest.example", |created| created.invited_by = Actor::User(mallory)).await;
    house.deliver(TransportOptions::File).await;
    let mail = house.files().remove(0);
    let head = mail.split("\r\n\r\n").next().unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    let link = house.bus.load::<Invitation>(&house.tenant, invited).await.unwrap().link;
    let line = format!("\r\nhttps://invite.example/i/{link}#{}\r\n", secret_of(invited, 1));
    assert!(mail.contains(&line), "{mail}");
    assert!(mail.contains("Content-Transfer-Encoding: 8bit\r\n"), "{mail}");
}

#[cfg(unix)]
#[tokio::test]
async fn mails_in_files_are_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new().await;
    house.invite("ann@guest.example").await;
    house.deliver(TransportOptions::File).await;
    let folder = house.folder.path().join("outbox");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    assert_eq!(mode(&file), 0o600);
}
