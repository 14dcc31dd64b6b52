//! `doctor`: which settings are in force and from where, and how healthy the
//! ledger is. Looks, and changes nothing: an empty folder stays empty.

use super::client::{Client, server_of};
use super::exit::{Exit, Trouble};
use super::output::{Streams, table};
use super::request::Request;
use crate::settings::{STORE_IN_DATA, Settings};
use serde_json::{Value, json};
use std::io::ErrorKind;

/// Prints the report; the exit code says whether anything is wrong.
///
/// # Errors
/// When nothing can be printed.
pub async fn run(settings: &Settings, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    let findings = findings(settings).await?;
    let healthy = findings.iter().all(|finding| finding["health"] != "wrong");
    let in_force: Vec<Value> = settings
        .in_force
        .iter()
        .map(|s| json!({"setting": s.name, "value": s.value, "from": s.source.to_string()}))
        .collect();
    if streams.json {
        streams.json(&json!({"healthy": healthy, "settings": in_force, "findings": findings}))?;
    } else {
        streams.print(&table(&in_force, &["setting", "value", "from"]))?;
        streams.print("")?;
        for finding in &findings {
            streams.print(&told(finding))?;
        }
    }
    Ok(if healthy { Exit::Done } else { Exit::Refused })
}

async fn findings(settings: &Settings) -> Result<Vec<Value>, Trouble> {
    let mut findings: Vec<Value> = settings
        .warnings
        .iter()
        .map(|warning| json!({"check": "settings", "health": "warning", "found": warning, "advice": null}))
        .collect();
    let begun = if settings.store.reveal() == STORE_IN_DATA { "ledger.db" } else { "index.db" };
    // Below a file, or in a folder that may not be entered, nothing can be looked up.
    let place = settings.data.display();
    let nothing = match settings.data.join(begun).metadata() {
        Ok(_) => None,
        Err(fault) if fault.kind() == ErrorKind::NotFound => Some((
            "warning",
            format!("{place} holds no ledger yet"),
            "`invitation-ledger serve` makes one, as any other command does",
        )),
        Err(fault) => Some((
            "wrong",
            format!("{place} cannot be looked into: {fault}"),
            "`--data` names the ledger's folder, which belongs to the user that the service runs as",
        )),
    };
    if let Some((health, found, advice)) = nothing {
        findings.push(json!({"check": "ledger", "health": health, "found": found, "advice": advice}));
        return Ok(findings);
    }
    if let Some(address) = server_of(settings)? {
        let found = format!("a server answers at {address}; the settings above are this command's, not the server's");
        findings.push(json!({"check": "server", "health": "fine", "found": found, "advice": null}));
    }
    match ask(settings).await {
        Ok(report) => findings.extend(report["findings"].as_array().cloned().unwrap_or_default()),
        Err(trouble) => findings.push(json!({
            "check": "ledger", "health": "wrong", "found": trouble.told(),
            "advice": "nothing was changed; see docs/operating.md for what each message means",
        })),
    }
    Ok(findings)
}

async fn ask(settings: &Settings) -> Result<Value, Trouble> {
    let client = Client::open(settings).await?;
    let report = client.ask(&Request::get(["doctor"])).await;
    client.close().await;
    report
}

fn told(finding: &Value) -> String {
    let text = |name: &str| finding[name].as_str().unwrap_or_default();
    let mark = match text("health") {
        "fine" => "ok     ",
        "warning" => "warning",
        _ => "WRONG  ",
    };
    let line = format!("{mark}  {:12}  {}", text("check"), text("found"));
    match finding["advice"].as_str() {
        Some(advice) => format!("{line}\n         what to do: {advice}"),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Sources;

    #[test]
    fn a_finding_says_what_to_do() {
        let finding = json!({"check": "disk", "health": "wrong", "found": "1 MiB is free", "advice": "make room"});
        assert_eq!(told(&finding), "WRONG    disk          1 MiB is free\n         what to do: make room");
        let fine = json!({"check": "disk", "health": "fine", "found": "9 GiB are free", "advice": null});
        assert_eq!(told(&fine), "ok       disk          9 GiB are free");
    }

    #[tokio::test]
    async fn a_file_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::resolve(&Sources::default()).unwrap();
        settings.data = folder.path().join("data");
        std::fs::write(&settings.data, "").unwrap();
        let (mut out, mut err) = (vec![], vec![]);
        let mut streams = Streams { out: &mut out, err: &mut err, json: true, watched: false };
        assert_eq!(run(&settings, &mut streams).await.unwrap(), Exit::Refused);
        let report: Value = serde_json::from_slice(&out).unwrap();
        let found = report["findings"][0]["found"].as_str().unwrap();
        assert!(found.contains("cannot be looked into: Not a directory"), "{found}");
    }

    #[tokio::test]
    async fn an_empty_folder_is_looked_at_and_left_empty() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::resolve(&Sources::default()).unwrap();
        settings.data = folder.path().to_owned();
        let (mut out, mut err) = (vec![], vec![]);
        let mut streams = Streams { out: &mut out, err: &mut err, json: true, watched: false };
        assert_eq!(run(&settings, &mut streams).await.unwrap(), Exit::Done);
        let report: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(report["findings"][0]["check"], "ledger");
        assert_eq!(report["settings"].as_array().unwrap().len(), crate::settings::KEYS.len());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
