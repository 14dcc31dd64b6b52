//! The command line. Results go to standard output, everything else to
//! standard error; every end has one of five exit codes.
//!
//! Commands go through the operator routes, over HTTP while a server holds the
//! data folder and in this process otherwise, so that whatever they do has been
//! checked, decided and recorded in one way. `serve`, `openapi`, `restore`, `move` and a
//! part of `doctor` alone do not.

mod args;
mod client;
mod doctor;
mod exit;
mod folders;
mod log;
mod memory;
mod moving;
mod output;
mod password;
mod rebuild;
mod request;
mod run;
mod text_lines;
mod tracing_lines;

pub use args::{Cli, Command, Common};
pub use exit::{Exit, Trouble};
pub use output::Streams;
pub use request::Request;

use crate::settings::{ENV_PREFIX, SettingFault, Settings, SettingsError, Source, Sources};
use clap::Parser;
use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    // clap prints help and usage faults itself, and ends with 0 or 2.
    let cli = Cli::parse();
    if matches!(cli.command, Command::Serve(_)) {
        memory::give_back_soon();
    }
    let json = cli.common.json;
    let (mut out, mut err) = (stdout().lock(), stderr());
    let watched = err.is_terminal();
    let mut streams = Streams { out: &mut out, err: &mut err, json, watched };
    let ended = start(cli, &mut streams);
    tracing_lines::end();
    ended.unwrap_or_else(|trouble| tell(&trouble, &mut streams)).into()
}

/// Says on standard error what went wrong.
fn tell(trouble: &Trouble, streams: &mut Streams<'_>) -> Exit {
    let exit = trouble.exit();
    if exit != Exit::Done {
        let text = if streams.json { trouble.json().to_string() } else { format!("error: {}", trouble.told()) };
        // Nobody is left to tell when even this fails.
        let _ = writeln!(streams.err, "{text}");
    }
    exit
}

fn start(cli: Cli, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    if let Command::Openapi { dialect } = cli.command {
        return run::openapi(dialect, streams);
    }
    let settings = settings(&cli)?;
    tracing_lines::begin(&settings, matches!(cli.command, Command::Serve(_)));
    if let Command::Move(args) = &cli.command {
        return moving::run(args, &settings, streams);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Trouble::io("threads cannot be started"))?;
    runtime.block_on(run::run(cli, &settings, streams))
}

/// Flags, then the environment, then the file.
///
/// # Errors
/// Everything at fault, at once.
fn settings(cli: &Cli) -> Result<Settings, Trouble> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(ENV_PREFIX));
    Ok(resolve(cli, environment.collect())?)
}

fn resolve(cli: &Cli, environment: BTreeMap<String, String>) -> Result<Settings, SettingsError> {
    let mut sources = Sources { flags: flags(cli)?, environment, file: None };
    sources.read_file(cli.common.config.as_deref())?;
    Settings::resolve(&sources)
}

fn flags(cli: &Cli) -> Result<Vec<(String, String, String)>, SettingsError> {
    let mut flags = vec![];
    for text in &cli.common.set {
        let Some((name, value)) = text.split_once('=') else {
            let (source, reason) = (Source::Flag("--set".to_owned()), "must be NAME=VALUE".to_owned());
            return Err(SettingsError { faults: vec![SettingFault { name: text.clone(), source, reason }] });
        };
        flags.push((name.to_owned(), format!("--set {name}"), value.to_owned()));
    }
    if let Some(data) = &cli.common.data {
        flags.push(("data".to_owned(), "--data".to_owned(), data.display().to_string()));
    }
    if let Command::Serve(args) = &cli.command {
        flags.extend(args.given().into_iter().map(|(name, flag, value)| (name.to_owned(), flag.to_owned(), value)));
    }
    Ok(flags)
}

#[cfg(test)]
mod story;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walls;
