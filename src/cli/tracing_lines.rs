//! What the program writes about itself: lines on standard error, as text or
//! as JSON.

use crate::settings::{LogFormat, Settings};
use std::io::{IsTerminal, stderr};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

/// What commands other than `serve` say beside their own errors.
const QUIET: &str = "error";

/// Starts to write. A program that does so already, as a test does, goes on.
pub fn begin(settings: &Settings, serves: bool) {
    let level = if serves { settings.log_level.as_str() } else { QUIET };
    // The settings have read it already, and said what is wrong with it.
    let filter = level.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let lines = layer().with_writer(stderr);
    let _ = match settings.log_format {
        LogFormat::Text => registry().with(filter).with(lines.with_ansi(stderr().is_terminal())).try_init(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            registry().with(filter).with(lines).try_init()
        }
    };
}
