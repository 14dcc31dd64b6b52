//! The program itself as a process: for what a house in this process cannot
//! show, its words and its end.

use super::Client;
use super::wire::Request;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A start, an end or what is waited for takes no longer, or something is wrong.
const WAIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

pub struct Program {
    child: Child,
    pub address: SocketAddr,
    pub data: PathBuf,
    words: PathBuf,
}

impl Program {
    /// Serves `folder`'s data and waits until it answers. Its words go to `folder`.
    pub fn start(folder: &Path, settings: &[&str]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap();
        let (data, words) = (folder.join("data"), folder.join("words"));
        let log = File::create(&words).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_invitation-ledger"))
            .arg("serve")
            .args(["--listen", &address.to_string(), "--data"])
            .arg(&data)
            .env("INVITATION_LEDGER_MAIL", "file")
            .args(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut program = Self { child, address, data, words };
        let begun = Instant::now();
        while !Request::new("GET", "/healthz").send(address).is_ok_and(|answer| answer.status == 200) {
            let ended = program.child.try_wait().unwrap();
            assert!(ended.is_none() && begun.elapsed() < WAIT, "it does not start: {}", program.words());
            std::thread::sleep(LOOK_AGAIN);
        }
        program
    }

    pub fn deployment(&self) -> Client {
        let token = std::fs::read_to_string(self.data.join("admin-token")).unwrap();
        Client::new(self.address, Some(token.trim()))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written about itself so far.
    pub fn words(&self) -> String {
        std::fs::read_to_string(&self.words).unwrap()
    }

    /// Asks it to end, as a service manager does.
    pub fn ask_to_end(&self) {
        self.signal("TERM");
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status().unwrap();
        assert!(sent.success());
    }

    /// Stops it, and waits until all of its threads stand still: on a busy machine one of them may
    /// go on for a while after the signal, and take a request that comes then.
    pub fn stand_still(&self) {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.child.id());
        let stands = |task: std::io::Result<std::fs::DirEntry>| {
            let told = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
            told.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        };
        self.comes_to("all of its threads are stopped", || std::fs::read_dir(&tasks).unwrap().all(stands));
    }

    /// Whether it stands still, as a signal told it to.
    pub fn is_stopped(&self) -> bool {
        let told = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        told.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// Waits for what it does after an answer, or beside it.
    pub fn comes_to(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < WAIT, "it never comes to this: {what}: {}", self.words());
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    pub fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < WAIT, "it does not end: {}", self.words());
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Of a test that failed half-way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
