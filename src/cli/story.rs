//! A day of an operator, told through the command line on a folder of its own:
//! no server runs, so every command opens the folder itself.

use super::*;
use serde_json::Value;
use std::path::Path;

struct Desk {
    folder: tempfile::TempDir,
}

/// What one command came to.
#[derive(Debug)]
struct Told {
    exit: u8,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Runs one command; `~` in it stands for a space.
    async fn told(&self, words: &str) -> Told {
        let words = words.split_whitespace().map(|word| word.replace('~', " "));
        let mut cli = Cli::try_parse_from(std::iter::once("invitation-ledger".to_owned()).chain(words)).unwrap();
        cli.common.data.get_or_insert(self.data());
        let settings = resolve(&cli, BTreeMap::new()).unwrap();
        let json = cli.common.json;
        let (mut out, mut err) = (vec![], vec![]);
        let mut streams = Streams { out: &mut out, err: &mut err, json, watched: false };
        let exit = match run::run(cli, &settings, &mut streams).await {
            Ok(exit) => exit,
            Err(trouble) => tell(&trouble, &mut streams),
        };
        Told { exit: exit.code(), out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
    }

    /// The result of a command that must be done.
    async fn done(&self, words: &str) -> String {
        let told = self.told(words).await;
        assert_eq!(told.exit, 0, "{words}: {told:?}");
        told.out.trim_end().to_owned()
    }

    async fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.done(&format!("{words} --json")).await).unwrap()
    }

    /// The one line on standard error of a command that must be refused.
    async fn refused(&self, words: &str) -> String {
        let told = self.told(words).await;
        assert_eq!((told.exit, told.out.as_str()), (1, ""), "{words}: {told:?}");
        told.err.trim_end().to_owned()
    }
}

fn is_private(path: &Path, mode: u32) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777 == mode
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_command_makes_the_ledger_and_ids_can_be_kept_in_variables() {
    let desk = Desk::new();
    let organization = desk.done("organization create --name Acme~Roofing").await;
    assert!(is_private(&desk.data(), 0o700));
    assert!(is_private(&desk.data().join("admin-token"), 0o600));
    let user = desk.done("user create --email jane@acme.example --name Jane --client Acme --no-password").await;
    let added = desk.json(&format!("organization member add {organization} {user} --role admin")).await;
    assert_eq!(added["role"], "admin");
    let members = desk.json(&format!("organization member list {organization}")).await;
    assert_eq!(members["items"][0]["email"], "jane@acme.example");
    let shown = desk.json(&format!("user show {user}")).await;
    assert_eq!(
        (shown["client"]["company_name"].as_str(), shown["administrator"].as_bool()),
        (Some("Acme"), Some(false))
    );
    let raised = desk.json(&format!("user update {user} --administrator")).await;
    assert_eq!(raised["administrator"], true);
    let gone = desk.json(&format!("organization member remove {organization} {user}")).await;
    assert_eq!(gone["role"], Value::Null);
    let table = desk.done("organization list").await;
    assert!(table.starts_with("ID  ") && table.contains("Acme Roofing"), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_made_sent_again_too_soon_and_taken_back() {
    let desk = Desk::new();
    let integration = desk.done("integration create --name Field~sync").await;
    let organization = desk.done("organization create --name Acme").await;
    let told = desk.told(&format!("invitation create --organization {organization} --email john@example.org")).await;
    assert_eq!((told.exit, told.err.as_str()), (0, "the mail waits for the next `invitation-ledger serve`\n"));
    let id = told.out.trim();
    let again =
        desk.refused(&format!("invitation create --organization {organization} --email John@Example.org")).await;
    assert!(again.starts_with("error: a pending invitation of that address exists"), "{again}");
    desk.done(&format!("invitation create --integration {integration} --email john@example.org")).await;
    desk.done("invitation create --platform --email john@example.org --message Join~us.").await;
    let all = desk.json("invitation list").await;
    let kinds: Vec<&str> = all["items"].as_array().unwrap().iter().map(|i| i["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["platform", "integration", "organization"]);
    assert_eq!(all["items"][1]["target"], serde_json::json!({"id": integration, "name": "Field sync"}));
    let soon = desk.refused(&format!("invitation resend {id}")).await;
    assert!(soon.starts_with("error: too many; try again in "), "{soon}");
    let cancelled = desk.json(&format!("invitation cancel {id}")).await;
    assert_eq!(
        (cancelled["state"].as_str(), cancelled["cancelled_by"].as_str()),
        (Some("cancelled"), Some("deployment"))
    );
    let story = desk.json(&format!("invitation show {id} --events")).await;
    let events: Vec<&str> = story["events"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(events, ["Created", "Cancelled"]);
    assert_eq!(story["events"][0]["payload"].get("personal"), None);
    let missing = desk.refused("invitation show 0193553d-97a1-7cc0-8df0-4b6a26dc4bd4").await;
    assert_eq!(missing, "error: there is no such invitation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_see_nothing_of_each_other() {
    let desk = Desk::new();
    assert_eq!(desk.done("tenant create acme").await, "acme");
    assert_eq!(desk.refused("tenant create acme").await, "error: that name is taken");
    let wrong = desk.refused("tenant create ACME").await;
    assert_eq!(wrong, "error: name must be 1 to 32 of a-z, 0-9 and -");
    let organization = desk.done("organization create --name Acme --tenant acme").await;
    assert_eq!(
        desk.refused(&format!("organization show {organization}")).await,
        "error: there is no such organization"
    );
    assert_eq!(desk.json(&format!("organization show {organization} --tenant acme")).await["name"], "Acme");
    assert_eq!(desk.refused("organization list --tenant nobody").await, "error: there is no such tenant");
    let changed = desk.json("tenant update acme --valid-days 14").await;
    assert_eq!(changed["valid_days"], 14);
    assert_eq!(desk.json("tenant show").await["settings"]["valid_days"], 7);
    assert_eq!(desk.json("tenant show acme").await["settings"]["valid_days"], 14);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_employee_is_changed_field_by_field_and_every_fault_is_told() {
    let desk = Desk::new();
    let id = desk.done("employee create --email jane@acme.example --first-name Jane --phone 555 --city Tulsa").await;
    let changed = desk.json(&format!("employee update {id} --last-name Roe --postal-code 74103 --clear phone")).await;
    assert_eq!(changed["last_name"], "Roe");
    assert_eq!((changed["phone"].as_str(), changed["first_name"].as_str()), (None, Some("Jane")));
    assert_eq!(
        (changed["address"]["city"].as_str(), changed["address"]["postal_code"].as_str()),
        (Some("Tulsa"), Some("74103"))
    );
    let faults = desk.refused(&format!("employee update {id} --date-hired tomorrow --latitude north")).await;
    let expected = "error: 2 parameters are at fault:\n  \
        address.latitude must be a decimal number in a string\n  \
        date_hired must be a date, YYYY-MM-DD or RFC 3339";
    assert_eq!(faults, expected);
    let found = desk.json("employee list --search roe").await;
    assert_eq!(found["page"]["total_count"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_applications_token_is_shown_once_and_its_end_is_for_ever() {
    let desk = Desk::new();
    let token = desk.done("application create --name shop --scopes invites --print token").await;
    assert!(token.starts_with("il_app_"), "{token}");
    let made = desk.json("application create --name audit --scopes audit,pii").await;
    let id = made["id"].as_str().unwrap();
    assert!(made["token"].as_str().unwrap().starts_with("il_app_"));
    let revoked = desk.json(&format!("application revoke {id}")).await;
    assert_eq!(revoked["revoked"], true);
    let again = desk.json(&format!("application revoke {id}")).await;
    assert_eq!(again, revoked);
    let listed = desk.done("application list").await;
    assert!(!listed.contains("il_app_"), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_read_exported_rebuilt_from_and_copied() {
    let desk = Desk::new();
    desk.done("user create --email marker@person.example --no-password").await;
    let tail = desk.done("log tail -n 1").await;
    assert!(tail.contains("user-default/") && tail.ends_with("Created  by deployment"), "{tail}");
    let file = desk.folder.path().join("log.ndjson");
    desk.done(&format!("log export {}", file.display())).await;
    let lines: Vec<Value> =
        std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let positions: Vec<u64> = lines.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
    assert!(!std::fs::read_to_string(&file).unwrap().contains("marker@person.example"));
    let again = desk.told(&format!("log export {}", file.display())).await;
    assert_eq!(again.exit, 74, "{again:?}");
    let last = positions.len();
    let open = desk.json(&format!("log show {last} --personal")).await;
    assert_eq!(open["payload"]["personal"]["email"], "marker@person.example");
    let closed = desk.json(&format!("log show {last}")).await;
    assert_eq!(closed["payload"].get("personal"), None);

    assert_eq!(desk.done("rebuild").await, format!("rebuilt all views up to event {last}"));
    assert_eq!(desk.refused("rebuild nonsense").await, "error: there is no such view");

    let copy = desk.folder.path().join("copy");
    desk.done(&format!("backup {}", copy.display())).await;
    let restored = desk.folder.path().join("restored");
    desk.done(&format!("restore {} --data {}", copy.display(), restored.display())).await;
    let users = desk.json(&format!("user list --data {}", restored.display())).await;
    assert_eq!(users["items"][0]["email"], "marker@person.example");
    let full = desk.refused(&format!("restore {}", copy.display())).await;
    assert!(full.contains("is not empty"), "{full}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_a_new_ledger_healthy_and_a_readable_token_not() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.done("organization create --name Acme").await;
    let report = desk.json("doctor").await;
    assert_eq!(report["healthy"], true, "{report}");
    let token = desk.data().join("admin-token");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = desk.done("doctor").await;
    assert!(report.contains(&format!("what to do: chmod 600 {}", token.display())), "{report}");
    assert!(report.contains("FROM"), "{report}");
}
