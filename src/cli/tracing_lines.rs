//! What the program writes about itself: lines on standard error, as text or
//! as JSON.

use crate::settings::{LogFormat, Settings};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// What commands other than `serve` say beside their own errors.
const QUIET: &str = "error";

/// Starts to write. A program that does so already, as a test does, goes on.
pub fn begin(settings: &Settings, serves: bool) {
    let level = if serves { settings.log_level.as_str() } else { QUIET };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let _ = match settings.log_format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
}
