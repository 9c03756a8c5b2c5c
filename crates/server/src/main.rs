//! The `minato` binary.

use std::process::ExitCode;

// Files and answers come and go in bursts over dozens of threads; its settings are in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    minato_server::cli::main()
}
