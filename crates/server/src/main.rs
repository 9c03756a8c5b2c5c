//! The `minato` binary.

use std::process::ExitCode;

// Files and answers come and go in bursts; glibc's allocator keeps the peaks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    minato_server::cli::main()
}
