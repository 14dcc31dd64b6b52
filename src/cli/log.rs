//! `log tail`, `log show`, `log export`.

use super::args::LogCommand;
use super::client::Client;
use super::exit::{Exit, Trouble};
use super::output::{Streams, cell, lines};
use super::request::Request;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

/// Events asked for at once.
const PART: u64 = 1_000;
/// How often a follower asks for more.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Runs one of the commands.
///
/// # Errors
/// What the service refused, or which file could not be written.
pub async fn run(
    client: &Client,
    command: &LogCommand,
    tenant: Option<&str>,
    streams: &mut Streams<'_>,
) -> Result<Exit, Trouble> {
    match command {
        LogCommand::Tail { lines, follow, personal } => {
            let asked = Scope { tenant, personal: *personal };
            let head = tail(client, *lines, asked, streams).await?;
            if !follow {
                return Ok(Exit::Done);
            }
            if !client.is_server() {
                streams.remark("no server runs on the folder, so nothing follows")?;
                return Ok(Exit::Done);
            }
            follow_from(client, head, asked, streams).await
        }
        LogCommand::Show { position, personal } => {
            let request = Request::get(["log", &position.to_string()]).of_any(tenant);
            let event = client.ask(&personally(request, *personal)).await?;
            if streams.json {
                streams.json(&event)?
            } else {
                streams.print(&lines(&event))?
            }
            Ok(Exit::Done)
        }
        LogCommand::Export { file, after, to, personal } => {
            let span = Span { after: *after, to: *to };
            let asked = Scope { tenant, personal: *personal };
            match file.as_deref().filter(|file| *file != Path::new("-")) {
                None => {
                    let mut out = BufWriter::new(&mut *streams.out);
                    export(client, span, asked, (&mut out, ProgressBar::hidden())).await?;
                }
                Some(file) => export_to(client, file, span, asked, streams).await?,
            }
            Ok(Exit::Done)
        }
    }
}

/// Whose events, and with what in them.
#[derive(Clone, Copy)]
struct Scope<'t> {
    tenant: Option<&'t str>,
    personal: bool,
}

impl Scope<'_> {
    fn ask(self) -> Request {
        personally(Request::get(["log"]).of_any(self.tenant), self.personal)
    }
}

fn personally(request: Request, personal: bool) -> Request {
    if personal { request.query("personal", true) } else { request }
}

/// Prints the newest events and answers the head they were read at.
async fn tail(client: &Client, wanted: u64, asked: Scope<'_>, streams: &mut Streams<'_>) -> Result<u64, Trouble> {
    let wanted = usize::try_from(wanted.clamp(1, PART)).unwrap_or(1);
    let (mut events, mut before, mut head) = (vec![], None, 0);
    // A part may leave out other tenants' events: ask on until there are enough.
    loop {
        let request = match before {
            Some(position) => asked.ask().query("before", position),
            None => asked.ask(),
        };
        let part = client.ask(&request.query("limit", PART.min(wanted as u64))).await?;
        head = part["head"].as_u64().unwrap_or_default().max(head);
        events.extend(part["items"].as_array().cloned().unwrap_or_default());
        before = part["next"].as_u64();
        if events.len() >= wanted || before.is_none() {
            break;
        }
    }
    for event in events.iter().take(wanted).rev() {
        print_event(event, streams)?;
    }
    Ok(head)
}

async fn follow_from(client: &Client, head: u64, asked: Scope<'_>, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    let mut after = head;
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
        }
        loop {
            let part = client.ask(&asked.ask().query("after", after).query("limit", PART)).await?;
            for event in part["items"].as_array().into_iter().flatten() {
                print_event(event, streams)?;
            }
            match part["next"].as_u64() {
                Some(next) => after = next,
                None => {
                    after = part["head"].as_u64().unwrap_or(after).max(after);
                    break;
                }
            }
        }
    }
}

/// One line: JSON as it came, or the few things people look for.
fn print_event(event: &Value, streams: &mut Streams<'_>) -> Result<(), Trouble> {
    if streams.json {
        return streams.print(&event.to_string());
    }
    streams.print(&short(event))
}

fn short(event: &Value) -> String {
    let at = event["at"].as_str().unwrap_or_default();
    let at = at.get(..19).unwrap_or(at);
    let actor = cell(&event["metadata"]["actor"]);
    let by = if actor.is_empty() { String::new() } else { format!("  by {actor}") };
    format!("{:>8}  {at}Z  {}  {}{by}", cell(&event["position"]), cell(&event["stream"]), cell(&event["type"]))
}

#[derive(Clone, Copy)]
struct Span {
    after: u64,
    to: Option<u64>,
}

async fn export_to(
    client: &Client,
    file: &Path,
    span: Span,
    asked: Scope<'_>,
    streams: &mut Streams<'_>,
) -> Result<(), Trouble> {
    let fault = || Trouble::io(format!("{} cannot be written", file.display()));
    let mut out = BufWriter::new(File::create_new(file).map_err(fault())?);
    let bar = if streams.watched { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_draw_target(if streams.watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    let count = export(client, span, asked, (&mut out, bar)).await?;
    let whole = out.into_inner().map_err(|error| fault()(error.into_error()))?;
    whole.sync_all().map_err(fault())?;
    streams.remark(&format!("{count} events are in {}", file.display()))
}

/// Writes the events of the span, one a line, and answers how many.
async fn export(
    client: &Client,
    span: Span,
    asked: Scope<'_>,
    (out, bar): (&mut dyn Write, ProgressBar),
) -> Result<u64, Trouble> {
    let (mut after, mut to, mut count) = (span.after, span.to, 0);
    loop {
        let part = client.ask(&asked.ask().query("after", after).query("limit", PART)).await?;
        // Where the log ends is settled by the first part: it grows meanwhile.
        let end = *to.get_or_insert_with(|| part["head"].as_u64().unwrap_or_default());
        bar.set_length(end.saturating_sub(span.after));
        for event in part["items"].as_array().into_iter().flatten() {
            if event["position"].as_u64().is_some_and(|position| position > end) {
                break;
            }
            writeln!(out, "{event}").map_err(Trouble::io("the events cannot be written"))?;
            count += 1;
        }
        match part["next"].as_u64().filter(|next| *next < end) {
            Some(next) => after = next,
            None => break,
        }
        bar.set_position(after.saturating_sub(span.after));
    }
    bar.finish_and_clear();
    out.flush().map_err(Trouble::io("the events cannot be written"))?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line_of_what_people_look_for() {
        let event = json!({
            "position": 17, "at": "2024-11-21T22:07:32.104211Z", "stream": "invitation-default/1", "type": "EmailSent",
            "metadata": {"actor": "system"},
        });
        assert_eq!(short(&event), "      17  2024-11-21T22:07:32Z  invitation-default/1  EmailSent  by system");
    }
}
