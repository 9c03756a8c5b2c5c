//! A server that is killed under load, and started again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use minato_app::catalog::{Organization, OrganizationDraft, Viewer, from_value};
use minato_app::{App, AppSettings, Context, SeriesRequest};

const CLIENTS: usize = 8;
const DOWNLOADS: usize = 60;

/// A server as users start it, its address, and what it logs until it ends.
fn serve(data: &std::path::Path) -> (Child, String, JoinHandle<Vec<String>>) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_minato"))
        .args(["--data", data.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0"])
        .env("LANG", "C")
        .env("MINATO_LOG", "info,minato_app=trace,minato_server=trace,minato_store=trace")
        .env_remove("LC_ALL")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("the server says its address").unwrap();
        if let Some((_, address)) = line.split_once("Minato is serving at http://") {
            break address.trim().to_owned();
        }
    };
    let log = std::thread::spawn(move || lines.map_while(Result::ok).collect());
    (server, address, log)
}

/// Whether a client of this number got its answer.
fn download(address: &str, distribution: &str, number: usize) -> bool {
    let request = format!(
        "GET /d/{distribution} HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (X11; Linux) Firefox/{number}\r\nConnection: close\r\n\r\n"
    );
    let ask = || -> std::io::Result<String> {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(Duration::from_secs(20)))?;
        connection.write_all(request.as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 302"))
}

#[test]
fn killing_loses_nothing_and_doubles_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let app = App::open(AppSettings::new(directory.path())).unwrap();
    let system = Context::system("test");
    let place = OrganizationDraft { slug: "kure".into(), name: "呉市".into(), ..Default::default() };
    app.create::<Organization>(&system, None, place).unwrap();
    let draft = serde_json::json!({"organization": "kure", "title": "x", "distributions": [{"download_url": "https://example.jp/a.csv"}]});
    let dataset = app.create_dataset(&system, from_value(draft).unwrap()).unwrap().value;
    let distribution = dataset.content.distributions[0].id.to_string();
    app.stop();
    drop(app);

    let (mut server, address, log) = serve(directory.path());
    let first_address = address.clone();
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (address, distribution, answered) = (address.clone(), distribution.clone(), answered.clone());
            std::thread::spawn(move || {
                let mut unanswered = Vec::new();
                for number in (0..DOWNLOADS).map(|number| client * DOWNLOADS + number) {
                    if download(&address, &distribution, number) {
                        answered.fetch_add(1, Ordering::Relaxed);
                    } else {
                        unanswered.push(number);
                    }
                }
                unanswered
            })
        })
        .collect();
    while answered.load(Ordering::Relaxed) < CLIENTS * DOWNLOADS / 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let unanswered: Vec<usize> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert!(!unanswered.is_empty(), "it was killed under load");

    // Clients that got no answer ask again, as people do: what was counted already is their double click.
    let (mut server, address, later_log) = serve(directory.path());
    assert!(unanswered.iter().all(|number| download(&address, &distribution, *number)));
    server.kill().unwrap();
    server.wait().unwrap();
    let app = App::open(AppSettings { index: false, ..AppSettings::new(directory.path()) }).unwrap();
    let series = app.download_series(&Viewer::public(), &SeriesRequest::default()).unwrap();
    assert_eq!(series.total, i64::try_from(CLIENTS * DOWNLOADS).unwrap());
    app.stop();
    for line in log.join().unwrap().iter().chain(&later_log.join().unwrap()) {
        // The server may say where it listens itself.
        let line = line.replace(&first_address, "").replace(&address, "");
        assert!(!line.contains("Firefox/") && !line.contains("127.0.0.1"), "a log that knows who asked: {line}");
    }
}
