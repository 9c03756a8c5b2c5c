//! The `minato` binary.

use std::process::ExitCode;

// Files and answers come and go in bursts; glibc's allocator keeps the peaks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    give_back_memory();
    minato_server::cli::main()
}

/// Starts the program once more, in the same process, with an allocator that returns freed memory to the system at once.
///
/// It reads its settings before `main`, so they must be there beforehand. Where that fails, the program only holds more memory.
fn give_back_memory() {
    const SETTING: &str = "MIMALLOC_PURGE_DELAY";
    #[cfg(target_os = "linux")]
    if std::env::var_os(SETTING).is_none()
        && std::env::args_os().any(|argument| argument == "serve")
        && let Ok(program) = std::env::current_exe()
    {
        use std::os::unix::process::CommandExt;
        let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).env(SETTING, "0").exec();
        eprintln!("minato: freed memory is returned late: {error}");
    }
}
