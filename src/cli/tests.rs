use super::*;
use clap::CommandFactory;
use serde_json::json;

const ID: &str = "0193553d-97a1-7cc0-8df0-4b6a26dc4bd4";
const OTHER: &str = "0193553e-1f44-72a3-9a2e-5d1d4f6a9b10";

fn parse(words: &str) -> Cli {
    try_parse(words).unwrap()
}

fn try_parse(words: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("invitation-ledger").chain(words.split_whitespace()))
}

fn requested(words: &str) -> Request {
    match parse(words).command {
        Command::Tenant(c) => request::tenant(&c, None),
        Command::Organization(c) => request::organization(&c),
        Command::Integration(c) => request::integration(&c),
        Command::Employee(c) => request::employee(&c),
        Command::User(c) => request::user(&c, Some("correct horse")),
        Command::Application(c) => request::application(&c),
        Command::Invitation(c) => request::invitation(&c),
        Command::Outbox(c) => request::outbox(&c),
        other @ (Command::Serve(_)
        | Command::Log(_)
        | Command::Rebuild { .. }
        | Command::Openapi { .. }
        | Command::Backup { .. }
        | Command::Restore { .. }
        | Command::Move(_)
        | Command::Doctor) => panic!("{other:?} is no plain request"),
    }
}

fn line(words: &str) -> String {
    let request = requested(words);
    let body = request.body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
    format!("{} {}{body}", request.method, request.path_and_query())
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn each_command_is_one_request() {
    let cases = [
        ("tenant create acme", r#"POST /api/ledger/tenants {"name":"acme"}"#.to_owned()),
        ("tenant list", "GET /api/ledger/tenants?page=1&size=25".to_owned()),
        ("tenant show", "GET /api/ledger/tenants/default".to_owned()),
        ("tenant update acme --valid-days 9", r#"PATCH /api/ledger/settings?tenant=acme {"valid_days":9}"#.to_owned()),
        (
            "organization create --name Acme",
            r#"POST /api/ledger/organizations {"bind_recipient":false,"name":"Acme"}"#.to_owned(),
        ),
        ("organization list --page 2 --size 5", "GET /api/ledger/organizations?page=2&size=5".to_owned()),
        ("organization show ID", format!("GET /api/ledger/organizations/{ID}")),
        (
            "organization update ID --bind-recipient true",
            format!(r#"PATCH /api/ledger/organizations/{ID} {{"bind_recipient":true}}"#),
        ),
        (
            "organization member add ID OTHER --role admin",
            format!(r#"PUT /api/ledger/organizations/{ID}/members/{OTHER} {{"role":"admin"}}"#),
        ),
        ("organization member remove ID OTHER", format!("DELETE /api/ledger/organizations/{ID}/members/{OTHER}")),
        ("organization member list ID", format!("GET /api/ledger/organizations/{ID}/members?page=1&size=25")),
        ("integration create --name Sync", r#"POST /api/ledger/integrations {"name":"Sync"}"#.to_owned()),
        ("integration show 4", "GET /api/ledger/integrations/4".to_owned()),
        ("integration update 4 --name Sync", r#"PATCH /api/ledger/integrations/4 {"name":"Sync"}"#.to_owned()),
        (
            "integration update 4 --no-description",
            r#"PATCH /api/ledger/integrations/4 {"description":null}"#.to_owned(),
        ),
        ("application revoke ID", format!("POST /api/ledger/applications/{ID}/revoke")),
        (
            "application create --name shop --scopes invites,audit --print token",
            r#"POST /api/ledger/applications {"name":"shop","scopes":["invites","audit"]}"#.to_owned(),
        ),
        ("invitation cancel ID", format!("POST /api/ledger/invitations/{ID}/cancel")),
        ("invitation resend ID", format!("POST /api/ledger/invitations/{ID}/resend")),
        (
            "invitation list --state all --email a+b@example.org",
            "GET /api/ledger/invitations?email=a%2Bb%40example.org&page=1&size=25&state=all".to_owned(),
        ),
        ("outbox list --state dead", "GET /api/ledger/outbox?limit=100&state=dead".to_owned()),
        ("outbox retry a/b", "POST /api/ledger/outbox/a%2Fb/retry".to_owned()),
    ];
    for (words, expected) in cases {
        assert_eq!(line(&words.replace("ID", ID).replace("OTHER", OTHER)), expected, "{words}");
    }
}

#[test]
fn an_employee_is_changed_where_it_was_asked_and_emptied_where_it_was_said() {
    let words =
        "employee update 12 --active false --skill a --skill b --city Tulsa --longitude -95.9 --clear phone,legal-name";
    let request = requested(words);
    assert_eq!((request.method, request.path_and_query().as_str()), ("PATCH", "/api/ledger/employees/12"));
    let expected = json!({
        "active": false, "skills": ["a", "b"], "address": {"city": "Tulsa", "longitude": "-95.9"},
        "phone": null, "legal_name": null,
    });
    assert_eq!(request.body, Some(expected));
}

#[test]
fn an_account_is_made_with_its_records_and_its_password() {
    let request = requested("user create --email jane@acme.example --client Acme --administrator --password-stdin");
    let expected = json!({
        "email": "jane@acme.example", "client": "Acme", "liaison": false, "administrator": true,
        "password": "correct horse",
    });
    assert_eq!(request.body, Some(expected));
    let raised = requested(&format!("user update {ID} --administrator"));
    assert_eq!(raised.body, Some(json!({"administrator": true, "password": "correct horse"})));
}

#[test]
fn an_invitation_goes_to_exactly_one_target() {
    let kind = |words: &str| requested(words).body.unwrap()["kind"].clone();
    assert_eq!(
        kind(&format!("invitation create --email a@b.example --organization {ID} --role member")),
        "organization"
    );
    assert_eq!(kind("invitation create --email a@b.example --integration 4"), "integration");
    assert_eq!(kind("invitation create --email a@b.example --platform"), "platform");
    for wrong in [
        "invitation create --email a@b.example",
        "invitation create --email a@b.example --platform --integration 4",
        "invitation create --email a@b.example --platform --role admin",
        "invitation create --email a@b.example --integration 4 --message hello",
    ] {
        assert_eq!(try_parse(wrong).unwrap_err().exit_code(), 2, "{wrong}");
    }
}

#[test]
fn the_tenant_named_goes_with_every_request_and_none_means_every_log() {
    let cli = parse("--tenant acme log tail -n 5");
    assert_eq!(cli.common.tenant.as_deref(), Some("acme"));
    let request = Request::get(["log"]).query("limit", 5);
    assert_eq!(request.clone().of_any(Some("acme")).path_and_query(), "/api/ledger/log?limit=5&tenant=acme");
    assert_eq!(request.of_any(None).path_and_query(), "/api/ledger/log?every_tenant=true&limit=5");
}

#[test]
fn misuse_ends_with_two_and_help_with_nought() {
    for wrong in ["", "serv", "organization create", "employee show twelve", "openapi soap", "log export a b"] {
        assert_eq!(try_parse(wrong).unwrap_err().exit_code(), 2, "{wrong}");
    }
    for help in ["--help", "serve --help", "user create --help", "--version"] {
        assert_eq!(try_parse(help).unwrap_err().exit_code(), 0, "{help}");
    }
}

#[test]
fn flags_are_settings_and_say_so() {
    let cli = parse("serve --listen 127.0.0.1:9 --data ./here --set limits.connections=7 --mail none");
    let settings = resolve(&cli, BTreeMap::new()).unwrap();
    let from = |name: &str| {
        let found = settings.in_force.iter().find(|s| s.name == name).unwrap();
        (found.value.clone(), found.source.to_string())
    };
    assert_eq!(from("listen"), ("127.0.0.1:9".into(), "flag --listen".into()));
    assert_eq!(from("data"), ("./here".into(), "flag --data".into()));
    assert_eq!(from("limits.connections"), ("7".into(), "flag --set limits.connections".into()));
    assert_eq!(from("mail"), ("none".into(), "flag --mail".into()));
    let wrong = resolve(&parse("doctor --set queue"), BTreeMap::new()).unwrap_err();
    assert_eq!(wrong.to_string(), "setting `queue` must be NAME=VALUE (flag --set)");
    let unknown = resolve(&parse("doctor --set limits.connection=7"), BTreeMap::new()).unwrap_err();
    assert!(unknown.to_string().contains("did you mean `limits.connections`?"), "{unknown}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = resolve(&parse("doctor --config nowhere/ledger.toml"), BTreeMap::new()).unwrap_err();
    assert!(error.to_string().starts_with("setting `nowhere/ledger.toml` cannot be read: "), "{error}");
}

#[test]
fn trouble_is_told_in_one_sentence_or_as_json() {
    let refused =
        || Trouble::of_answer(409, &json!({"error": {"code": "name_taken", "message": "that name is taken"}}));
    let said = |json| {
        let (mut out, mut err) = (vec![], vec![]);
        let exit = tell(&refused(), &mut Streams { out: &mut out, err: &mut err, json, watched: false });
        assert_eq!((exit, out.len()), (Exit::Refused, 0));
        String::from_utf8(err).unwrap()
    };
    assert_eq!(said(false), "error: that name is taken\n");
    assert_eq!(said(true), "{\"error\":{\"code\":\"name_taken\",\"message\":\"that name is taken\"}}\n");
}
