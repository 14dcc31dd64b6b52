//! The program. See `invitation-ledger --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    invitation_ledger::cli::main()
}
