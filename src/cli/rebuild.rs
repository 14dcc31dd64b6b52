//! `rebuild`: starts it, and shows how far it has come.

use super::client::Client;
use super::exit::{Exit, Trouble};
use super::output::Streams;
use super::request::Request;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::time::Duration;

const ASK_EVERY: Duration = Duration::from_millis(200);
/// Without a terminal, one line each so many questions.
const LINE_EVERY: u32 = 25;

/// Rebuilds one view or all, and waits for the end.
///
/// # Errors
/// What the service refused, or why the rebuild stopped.
pub async fn run(client: &Client, view: Option<&str>, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    let body = match view {
        Some(view) => json!({"view": view}),
        None => json!({}),
    };
    let mut progress = client.ask(&Request::post(["rebuild"]).body(body)).await?;
    let bar = ProgressBar::new(0);
    bar.set_draw_target(if streams.watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
    if let Ok(style) = ProgressStyle::with_template("rebuilding {bar:40} {pos}/{len} events, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    let mut asked = 0;
    while progress["finished_at"].is_null() {
        bar.set_length(progress["head"].as_u64().unwrap_or_default());
        bar.set_position(progress["position"].as_u64().unwrap_or_default());
        if !streams.watched && asked % LINE_EVERY == 0 {
            streams.remark(&line(&progress))?;
        }
        asked += 1;
        tokio::time::sleep(ASK_EVERY).await;
        progress = client.ask(&Request::get(["rebuild"])).await?;
    }
    bar.finish_and_clear();
    if let Some(why) = progress["failed"].as_str() {
        return Err(Trouble::Internal(format!("the rebuild stopped: {why}; the views before it still answer")));
    }
    if streams.json {
        streams.json(&progress)?;
    } else {
        let what = view.map_or_else(|| "all views".to_owned(), |view| format!("the view {view}"));
        streams.print(&format!("rebuilt {what} up to event {}", progress["head"]))?;
    }
    Ok(Exit::Done)
}

fn line(progress: &Value) -> String {
    format!("rebuilding: {} of {} events", progress["position"], progress["head"])
}
