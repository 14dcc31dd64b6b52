//! The program under test as a process: started on a folder, asked over HTTP,
//! killed without warning.

use crate::wire::{Answer, Request};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A start that replays, opens and listens is done after that long, or it failed.
const START_WAIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(3);
/// A service that is up has caught up after that long.
const BUSY_WAIT: Duration = Duration::from_secs(60);
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// How to start it.
#[derive(Clone, Debug)]
pub struct Program {
    pub binary: PathBuf,
    pub data: PathBuf,
    /// Loaded before the program: a library that lies to it.
    pub preload: Option<PathBuf>,
    /// Where its words go, one start after the other.
    pub log: PathBuf,
    pub address: SocketAddr,
}

impl Program {
    /// Beside `folder`'s data lies its log.
    pub fn new(binary: &Path, data: PathBuf, log: PathBuf) -> Self {
        Self { binary: binary.to_owned(), data, preload: None, log, address: free_address() }
    }

    /// Starts it and waits until it answers.
    pub fn start(&self) -> Result<Server, String> {
        let words = || -> io::Result<File> { OpenOptions::new().create(true).append(true).open(&self.log) };
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .args(["--listen", &self.address.to_string(), "--mail", "file", "--data"])
            .arg(&self.data)
            .env("INVITATION_LEDGER_LOG_LEVEL", "info")
            .stdin(Stdio::null());
        if let Some(library) = &self.preload {
            command.env("LD_PRELOAD", library);
        }
        let told = |error: io::Error| format!("{} could not be started: {error}", self.binary.display());
        let child = command.stdout(words().map_err(told)?).stderr(words().map_err(told)?).spawn().map_err(told)?;
        let mut server = Server { child: Mutex::new(child), address: self.address, token: String::new() };
        let begun = Instant::now();
        while !server.answers() {
            if let Ok(Some(status)) = server.child().try_wait() {
                return Err(format!("the program ended at its start: {status}\n{}", self.last_words()));
            }
            if begun.elapsed() > START_WAIT {
                return Err(format!("the program did not answer in {START_WAIT:?}\n{}", self.last_words()));
            }
            sleep(LOOK_AGAIN);
        }
        let file = self.data.join("admin-token");
        let token = std::fs::read_to_string(&file).map_err(|e| format!("{} cannot be read: {e}", file.display()))?;
        server.token = token.trim().to_owned();
        Ok(server)
    }

    /// The end of its log, for a report.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// Nobody listens there now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address")
}

pub struct Server {
    child: Mutex<Child>,
    pub address: SocketAddr,
    /// The deployment's.
    pub token: String,
}

impl Server {
    fn answers(&self) -> bool {
        Request::new("GET", "/healthz").send(self.address).is_ok_and(|answer| answer.status == 200)
    }

    /// With whatever token it holds; again while the answer is 503, as callers are
    /// told to do. After a power cut the views may have far to go.
    pub fn ask(&self, request: &Request) -> Result<Answer, String> {
        let begun = Instant::now();
        loop {
            let told = |error| format!("{} {}: {error}", request.method, request.target);
            let answer = request.send(self.address).map_err(told)?;
            if answer.status != 503 || begun.elapsed() > BUSY_WAIT {
                return Ok(answer);
            }
            sleep(BUSY_PAUSE);
        }
    }

    /// As the deployment's principal.
    pub fn call(&self, request: Request) -> Result<Answer, String> {
        self.ask(&request.bearer(&self.token))
    }

    /// The JSON of a call that must succeed.
    pub fn must(&self, request: Request) -> Result<Value, String> {
        let what = format!("{} {}", request.method, request.target);
        let answer = self.call(request)?;
        if answer.status / 100 != 2 {
            return Err(format!("{what}: {} {}", answer.status, answer.text()));
        }
        Ok(answer.json())
    }

    /// `SIGKILL`: no handler of the program runs, no buffer of it is flushed.
    pub fn kill(&self) {
        let mut child = self.child();
        // It may have ended by itself, after an I/O error.
        let _ = child.kill();
        let _ = child.wait();
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
