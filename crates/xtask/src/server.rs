//! The `minato` binary: its subcommands, and a server that ends with us.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(60);
/// How long a server may take to end what it is doing.
const STOP_MAX: Duration = Duration::from_secs(15);

/// A `minato` binary with the catalog it works on.
pub(crate) struct Minato {
    binary: PathBuf,
    data: PathBuf,
    environment: Vec<(String, String)>,
}

impl Minato {
    /// The binary on the catalog in `data`, which is created when missing.
    pub(crate) fn new(binary: PathBuf, data: &Path) -> Result<Minato> {
        std::fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
        let data = data.canonicalize().with_context(|| format!("cannot use {}", data.display()))?;
        Ok(Minato { binary, data, environment: Vec::new() })
    }

    /// Where the catalog is.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// A setting for every call, as the variable of that name.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Runs a subcommand and returns what it printed, trimmed.
    pub(crate) fn call(&self, arguments: &[&str]) -> Result<String> {
        let words = arguments.join(" ");
        let output = self.command(arguments).output().with_context(|| format!("cannot run `minato {words}`"))?;
        if !output.status.success() {
            bail!("`minato {words}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn serve(&self, address: SocketAddr) -> Result<Server> {
        let log = self.data.join("server.log");
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = output.try_clone().context("cannot write the log")?;
        let started = Instant::now();
        let child = self
            .command(&["serve", "--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot run {}", self.binary.display()))?;
        let mut server = Server { child, address, start_time: Duration::ZERO };
        loop {
            if is_healthy(address) {
                server.start_time = started.elapsed();
                return Ok(server);
            }
            let ended = server.child.try_wait().context("cannot look after the server")?;
            if let Some(status) = ended {
                bail!("the server ended while starting ({status}):\n{}", tail(&log));
            }
            ensure!(started.elapsed() < START_MAX, "the server did not answer GET /healthz with 200 within {START_MAX:?}:\n{}", tail(&log));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Neither settings of the shell nor a `minato.toml` of the caller's directory may lead it to another catalog.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.data).args(arguments).arg("--data").arg(&self.data);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MINATO_") {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A server while it runs. It stops when this value is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From its start to its first answer.
    pub(crate) start_time: Duration,
}

impl Server {
    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}; memory is measured on Linux only"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the system tells no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().context("VmRSS is no number")?;
        Ok(kilobytes * 1024)
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if !self.is_running() {
            return;
        }
        // std knows no signal but SIGKILL; `kill` asks politely.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().is_ok_and(|status| status.success());
        let deadline = Instant::now() + STOP_MAX;
        while asked && self.is_running() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.is_running() {
            // It may have ended in this moment; then there is nothing left to do.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// An address on loopback that nothing listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on loopback")?;
    listener.local_addr().context("cannot listen on loopback")
}

fn is_healthy(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(&status == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

/// The last lines of a log.
fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
