//! Starting the program: how it begins, and what it says is in its way where it cannot.

use crate::support::program::Program;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Exit code and words of a `serve` that does not come about.
fn serve(data: &Path, listen: SocketAddr) -> (Option<i32>, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_invitation-ledger"))
        .args(["serve", "--mail", "none", "--listen", &listen.to_string(), "--data"])
        .arg(data)
        .output()
        .unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn who_starts_it_twice_hears_of_the_first_one() {
    let folder = tempfile::tempdir().unwrap();
    let first = Program::start(folder.path(), &[]);
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let holder = format!("in use by pid {} http://{};", first.pid(), first.address);
    for listen in [first.address, free] {
        let (code, words) = serve(&first.data, listen);
        assert_eq!(code, Some(1), "{words}");
        assert!(words.contains(&holder), "{words}");
    }
    let (code, words) = serve(&folder.path().join("another"), first.address);
    assert_eq!(code, Some(74), "{words}");
    let busy = format!("{} cannot be listened at; choose another with --listen", first.address);
    assert!(words.contains(&busy), "{words}");
    assert!(!folder.path().join("another").exists(), "nothing is made for a service that does not start");
}

#[test]
fn a_service_has_itself_give_freed_memory_back_soon() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[]);
    let environment = std::fs::read(format!("/proc/{}/environ", program.pid())).unwrap();
    let wanted = environment.split(|byte| *byte == 0).any(|line| line == b"MIMALLOC_PURGE_DELAY=10");
    assert!(wanted, "{}", String::from_utf8_lossy(&environment));
}
