//! How much memory stays with the process (docs/decisions/0028).

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The option of mimalloc for how many milliseconds freed pages are kept. It takes
/// options from the environment the process begins with, or from unsafe code.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";
/// Long enough for what the next batch takes again.
const MILLISECONDS: &str = "10";

/// Begins this very process once more with freed pages given back soon, unless
/// the environment says what shall be done with them. Where that cannot be, this
/// returns and the service runs as well, with 10 to 20 MiB more.
pub(super) fn give_back_soon() {
    if env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut given = env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = given.next() {
        again.arg0(name);
    }
    // It comes back only if it failed, and then nothing has changed.
    let _failed = again.args(given).env(PURGE_DELAY, MILLISECONDS).exec();
}
