use super::*;

fn flag(name: &str, value: &str) -> (String, String, String) {
    (name.to_owned(), format!("--{}", name.replace('_', "-")), value.to_owned())
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn file(text: &str) -> Option<(PathBuf, String)> {
    Some((PathBuf::from("ledger.toml"), text.to_owned()))
}

fn source_of(settings: &Settings, name: &str) -> String {
    settings.in_force.iter().find(|s| s.name == name).map(|s| s.source.to_string()).unwrap()
}

#[test]
fn with_nothing_said_the_defaults_of_the_contract_hold() {
    let settings = Settings::resolve(&Sources::default()).unwrap();
    assert_eq!(settings.data, PathBuf::from("./data"));
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.public_url, "http://127.0.0.1:8080");
    assert_eq!(settings.mail.reveal(), "file");
    assert_eq!(settings.limits.invitations_per_user, 250);
    assert_eq!(settings.limits.invitations_per_application, None);
    assert_eq!(settings.warnings, Vec::<String>::new());
    assert!(settings.in_force.iter().all(|s| s.source == Source::Default));
    assert_eq!(settings.in_force.len(), KEYS.len());
}

#[test]
fn a_flag_goes_before_a_variable_and_a_variable_before_the_file() {
    let sources = Sources {
        flags: vec![flag("listen", "127.0.0.1:1")],
        environment: environment(&[("INVITATION_LEDGER_LISTEN", "127.0.0.1:2"), ("INVITATION_LEDGER_MAIL", "none")]),
        file: file("listen = \"127.0.0.1:3\"\nmail = \"file\"\n[limits]\ninvitations_per_user = 7\n"),
    };
    let settings = Settings::resolve(&sources).unwrap();
    assert_eq!(settings.listen.port(), 1);
    assert_eq!(source_of(&settings, "listen"), "flag --listen");
    assert_eq!(settings.mail.reveal(), "none");
    assert_eq!(source_of(&settings, "mail"), "environment INVITATION_LEDGER_MAIL");
    assert_eq!(settings.limits.invitations_per_user, 7);
    assert_eq!(source_of(&settings, "limits.invitations_per_user"), "file ledger.toml");
    assert_eq!(source_of(&settings, "data"), "default");
}

#[test]
fn every_fault_is_named_at_once_with_where_it_stands() {
    let sources = Sources {
        flags: vec![flag("listen", "here")],
        environment: environment(&[("INVITATION_LEDGER_MAIL_WAIT_SECONDS", "soon")]),
        file: file("lisen = \"127.0.0.1:3\"\npublic_url = 5\n[routes]\ndisabled = [\"a b\"]\n"),
    };
    let error = Settings::resolve(&sources).unwrap_err();
    let expected = "5 settings are at fault:\n  \
        `lisen` is no setting; did you mean `listen`? (file ledger.toml)\n  \
        `listen` must be an address and a port like 127.0.0.1:8080, not `here` (flag --listen)\n  \
        `public_url` must be a text, not an integer (file ledger.toml)\n  \
        `mail_wait_seconds` must be a whole number from 1 to 60 (environment INVITATION_LEDGER_MAIL_WAIT_SECONDS)\n  \
        `routes.disabled` names `a b`, which is no route or service (file ledger.toml)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_that_is_no_toml_is_one_fault() {
    let error = Settings::resolve(&Sources { file: file("listen = "), ..Sources::default() }).unwrap_err();
    assert_eq!(error.faults.len(), 1);
    assert!(error.to_string().starts_with("setting `ledger.toml` is no TOML: "), "{error}");
}

#[test]
fn a_servers_password_is_in_no_message() {
    for (name, scheme, wrong) in [
        ("mail", "smtp", "snail"),
        ("store", "postgres", "mysql"),
        ("store", "esdb", "http"),
        ("views", "postgres", "esdb"),
    ] {
        let address = |scheme: &str| format!("{scheme}://me:hush-hush@server.example:587");
        let given = |address: &str| Sources { flags: vec![flag(name, address)], ..Sources::default() };
        let good = Settings::resolve(&given(&address(scheme))).unwrap();
        assert!(!format!("{good:?}").contains("hush-hush"));
        let shown = good.in_force.iter().find(|setting| setting.name == name).unwrap();
        assert_eq!(shown.value, format!("{scheme}://***@server.example:587"));
        let bad = Settings::resolve(&given(&address(wrong))).unwrap_err().to_string();
        assert!(bad.contains(name) && !bad.contains("hush-hush"), "{bad}");
    }
}

#[test]
fn state_and_keys_lie_in_a_database_only_if_the_log_lies_with_a_server() {
    let resolved = |store: &str, place: &str| {
        let flags = vec![flag("store", store), flag("state", place), flag("keys", place)];
        Settings::resolve(&Sources { flags, ..Sources::default() })
    };
    let urls = |store: &str, place: &str| {
        let settings = resolved(store, place).unwrap();
        [settings.state_url(), settings.keys_url()].map(|url| url.map(str::to_owned))
    };
    let (log, other) = ("postgres://one.example/ledger", "postgres://two.example/keys");
    for (store, place) in [("data", "store"), ("data", "data"), (log, "data")] {
        assert_eq!(urls(store, place), [None, None], "{store} {place}");
    }
    assert_eq!(urls(log, "store"), [Some(log.to_owned()), Some(log.to_owned())]);
    assert_eq!(urls(log, other), [Some(other.to_owned()), Some(other.to_owned())]);
    for esdb in ["esdb://one.example:2113", "esdb+discover://one.example:2113"] {
        // It has nothing but the log.
        assert_eq!(urls(esdb, "store"), [None, None]);
        assert_eq!(urls(esdb, "data"), [None, None]);
        assert_eq!(urls(esdb, other), [Some(other.to_owned()), Some(other.to_owned())]);
        assert_eq!(resolved(log, esdb).unwrap_err().faults.len(), 2);
    }
    assert!(resolved("data", other).unwrap_err().to_string().contains("the log lies in the folder"));
}

#[test]
fn listening_everywhere_without_a_public_url_warns() {
    let sources = Sources { flags: vec![flag("listen", "0.0.0.0:80")], ..Sources::default() };
    let settings = Settings::resolve(&sources).unwrap();
    assert_eq!(settings.public_url, "http://127.0.0.1:80");
    assert_eq!(settings.warnings.len(), 1);
    assert!(settings.warnings[0].contains("set public_url"));
    let named = Sources {
        flags: vec![flag("listen", "0.0.0.0:80"), flag("public_url", "https://Invite.example/")],
        ..Sources::default()
    };
    let settings = Settings::resolve(&named).unwrap();
    assert_eq!(settings.public_url, "https://invite.example");
    assert_eq!(settings.warnings, Vec::<String>::new());
    assert_eq!(settings.mail_from, "Invitation Ledger <invitations@invite.example>");
}

#[test]
fn a_misspelled_variable_is_named_and_ignored() {
    let environment =
        environment(&[("INVITATION_LEDGER_LISTEM", "x"), ("INVITATION_LEDGER_TENANT", "acme"), ("HOME", "/")]);
    let settings = Settings::resolve(&Sources { environment, ..Sources::default() }).unwrap();
    let expected =
        "the variable INVITATION_LEDGER_LISTEM is not known and was ignored; did you mean INVITATION_LEDGER_LISTEN?";
    assert_eq!(settings.warnings, [expected]);
}

#[test]
fn senders_are_addresses_with_or_without_a_name() {
    let from = |text: &str| {
        Settings::resolve(&Sources { flags: vec![flag("mail_from", text)], ..Sources::default() }).map(|s| s.mail_from)
    };
    assert_eq!(from("hello@invite.example").unwrap(), "hello@invite.example");
    assert_eq!(from("The Ledger <hello@invite.example>").unwrap(), "The Ledger <hello@invite.example>");
    assert!(from("The Ledger").is_err());
    assert!(from("A\r\nBcc: x <hello@invite.example>").is_err());
}

#[test]
fn names_and_variables_of_settings_are_unique() {
    let names: BTreeSet<_> = KEYS.iter().map(|k| k.name).collect();
    let variables: BTreeSet<_> = KEYS.iter().map(Key::variable).collect();
    assert_eq!((names.len(), variables.len()), (KEYS.len(), KEYS.len()));
}
