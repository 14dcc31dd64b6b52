//! The program. See `invitation-ledger --help`.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A request makes some hundred small allocations; the system's allocator took
/// a quarter of its time. Without huge pages (`no_thp`), which keep 40 MB more
/// resident and make nothing faster here.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    invitation_ledger::cli::main()
}
