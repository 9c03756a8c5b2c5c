use std::io::Read;
use std::time::{Duration, Instant};

use minato_harvest::{Answer as Fresh, Client, ClientSettings, Error, Request};

use crate::stub::{Answer, Stub, ok, redirect, status};

async fn get(settings: ClientSettings, url: &str) -> Result<Vec<u8>, Error> {
    Client::new(settings).unwrap().get(url, "*/*").await.map(|fetched| fetched.body)
}

#[tokio::test]
async fn the_client_says_who_it_is() {
    let stub = Stub::start(|_| ok("text/plain", "hello")).await;
    assert_eq!(get(stub.settings(), &stub.url("/")).await.unwrap(), b"hello");
    let head = stub.asked()[0].head.to_lowercase();
    assert!(head.contains(&format!("user-agent: minato/{} (+https://data.example.jp/about)", env!("CARGO_PKG_VERSION"))), "{head}");
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused() {
    let stub = Stub::start(|_| ok("text/plain", "secret")).await;
    let port = stub.port;
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[64:ff9b::7f00:1]:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://127.0.0.1.:{port}/"),
        format!("http://LOCALHOST:{port}/"),
        format!("http://１２７．０．０．１:{port}/"),
        format!("http://[::ffff:7f00:1]:{port}/"),
        format!("http://[::7f00:1]:{port}/"),
        format!("http://[2002:7f00:1::]:{port}/"),
        format!("http://[::]:{port}/"),
        format!("http://data.example.jp@127.0.0.1:{port}/"),
        format!("http://data.example.jp:80@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}\\@data.example.jp/"),
        format!("http://127.0.0.1:{port}#@data.example.jp/"),
        format!("http:127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://[fd00:ec2::254]/latest/meta-data/".into(),
        "http://10.0.0.1/".into(),
    ] {
        let error = get(ClientSettings::default(), &url).await.unwrap_err();
        assert!(matches!(error, Error::RefusedAddress { .. }), "{url}: {error:?}");
    }
    // Not every resolver knows this one.
    assert!(get(ClientSettings::default(), &format!("http://localhost.:{port}/")).await.is_err());
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn an_exception_for_one_port_opens_no_other() {
    let open = Stub::start(|_| ok("text/plain", "open")).await;
    let shut = Stub::start(|_| ok("text/plain", "shut")).await;
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(get(open.settings(), &format!("http://{host}:{}/", open.port)).await.unwrap(), b"open");
        let error = get(open.settings(), &format!("http://{host}:{}/", shut.port)).await.unwrap_err();
        assert!(matches!(error, Error::RefusedAddress { .. }), "{error:?}");
    }
    assert!(shut.asked().is_empty());
}

#[tokio::test]
async fn redirects_are_checked_at_every_hop() {
    let shut = Stub::start(|_| ok("text/plain", "secret")).await;
    for target in [
        format!("http://127.0.0.1:{}/", shut.port),
        format!("http://localhost:{}/", shut.port),
        "http://169.254.169.254/".to_owned(),
        "http://[::1]/".to_owned(),
    ] {
        let location = target.clone();
        let stub = Stub::start(move |asked| if asked.path == "/" { redirect("/hop") } else { redirect(&location) }).await;
        let error = get(stub.settings(), &stub.url("/")).await.unwrap_err();
        assert!(matches!(error, Error::RefusedAddress { .. }), "{target}: {error:?}");
        assert_eq!(stub.asked().len(), 2);
    }
    assert!(shut.asked().is_empty());
}

#[tokio::test]
async fn redirects_lead_on_and_come_to_an_end() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/a" => redirect("b?x=1"),
        "/b" => ok("text/plain", asked.target()),
        "/file" => redirect("file:///etc/passwd"),
        "/ftp" => redirect("ftp://127.0.0.1/a"),
        "/script" => redirect("javascript:alert(1)"),
        "/nowhere" => redirect("http://"),
        _ => redirect("/loop"),
    })
    .await;
    assert_eq!(get(stub.settings(), &stub.url("/a")).await.unwrap(), b"/b?x=1");
    assert!(matches!(get(stub.settings(), &stub.url("/loop")).await, Err(Error::TooManyRedirects { limit: 5, .. })));
    for path in ["/file", "/ftp", "/script"] {
        assert!(matches!(get(stub.settings(), &stub.url(path)).await, Err(Error::InvalidUrl { .. })), "{path}");
    }
    assert!(matches!(get(stub.settings(), &stub.url("/nowhere")).await, Err(Error::BadRedirect { .. })));
}

#[tokio::test]
async fn only_web_addresses_are_fetched() {
    for url in ["", "file:///etc/passwd", "ftp://example.jp/a", "data:text/plain,a", "/relative"] {
        assert!(matches!(get(ClientSettings::default(), url).await, Err(Error::InvalidUrl { .. })), "{url}");
    }
}

#[tokio::test]
async fn large_bodies_are_cut_off() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/claimed" => Answer { claimed_length: Some(1_000_000_000), ..ok("text/plain", "x") },
        _ => ok("text/plain", vec![b'x'; 20_000]),
    })
    .await;
    let settings = ClientSettings { body_bytes_max: 10_000, ..stub.settings() };
    for path in ["/claimed", "/real"] {
        assert!(matches!(get(settings.clone(), &stub.url(path)).await, Err(Error::TooLarge { limit: 10_000, .. })), "{path}");
    }
}

/// `length` zeros as every encoding that is understood sends them; written piece by piece, as a bomb is larger than what makes it.
fn compressed_zeros(length: usize) -> [(&'static str, Vec<u8>); 4] {
    use std::io::Write;
    let fill = |writer: &mut dyn Write| {
        for _ in 0..length / 1_000 {
            writer.write_all(&[0; 1_000]).unwrap();
        }
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    fill(&mut gzip);
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    fill(&mut deflate);
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    fill(&mut zstd);
    let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    fill(&mut brotli);
    [
        ("gzip", gzip.finish().unwrap()),
        ("deflate", deflate.finish().unwrap()),
        ("zstd", zstd.finish().unwrap()),
        ("br", brotli.into_inner()),
    ]
}

fn encoded(encoding: &str, body: Vec<u8>) -> Answer {
    Answer { headers: vec![("Content-Encoding", encoding.into())], ..ok("text/csv", body) }
}

#[tokio::test]
async fn every_encoding_is_decompressed_and_counted_so() {
    for (encoding, body) in compressed_zeros(50_000) {
        let cut = body[..body.len() - 5].to_vec();
        let stub = Stub::start(move |asked| encoded(encoding, if asked.path == "/cut" { cut.clone() } else { body.clone() })).await;
        let head = |stub: &Stub| stub.asked()[0].head.to_lowercase();
        assert_eq!(get(stub.settings(), &stub.url("/")).await.unwrap(), [0; 50_000], "{encoding}");
        assert!(head(&stub).contains(encoding), "{}", head(&stub));
        let narrow = ClientSettings { body_bytes_max: 49_999, ..stub.settings() };
        assert!(matches!(get(narrow, &stub.url("/")).await, Err(Error::TooLarge { limit: 49_999, .. })), "{encoding}");
        assert!(get(stub.settings(), &stub.url("/cut")).await.is_err(), "{encoding}");
    }
}

#[tokio::test]
async fn a_bomb_is_cut_off_after_decompression() {
    for (encoding, body) in compressed_zeros(40_000_000) {
        assert!(body.len() < 500_000, "{encoding}");
        let stub = Stub::start(move |_| encoded(encoding, body.clone())).await;
        let client = Client::new(ClientSettings { body_bytes_max: 1_000_000, ..stub.settings() }).unwrap();
        let mut written = Vec::new();
        assert!(matches!(client.get(&stub.url("/"), "*/*").await, Err(Error::TooLarge { .. })), "{encoding}");
        assert!(matches!(client.spool(&stub.url("/"), "*/*").await, Err(Error::TooLarge { .. })), "{encoding}");
        assert!(matches!(client.download(&stub.url("/"), &mut written, 2_000_000).await, Err(Error::TooLarge { .. })), "{encoding}");
        assert!(written.len() <= 2_000_000, "{encoding}");
    }
}

#[tokio::test]
async fn a_body_that_drips_is_cut_off() {
    let stub = Stub::start(|_| Answer { drip: Duration::from_millis(20), ..ok("text/csv", vec![b'x'; 1_000]) }).await;
    let started = Instant::now();
    let settings = ClientSettings { request_timeout: Duration::from_millis(300), attempts_max: 1, ..stub.settings() };
    assert!(matches!(get(settings, &stub.url("/")).await, Err(Error::Timeout { .. })));
    let settings = ClientSettings { total_timeout: Duration::from_millis(300), attempts_max: 100, ..stub.settings() };
    assert!(matches!(get(settings, &stub.url("/")).await, Err(Error::Timeout { .. })));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_download_is_summed_while_it_is_written() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/cut" => Answer { claimed_length: Some(100), ..ok("text/csv", "cut off") },
        "/moved" => redirect("/file.csv"),
        _ => Answer { headers: vec![("ETag", "\"1\"".into()), ("Content-Type", "text/csv".into())], ..ok("text/csv", "abc") },
    })
    .await;
    let client = Client::new(stub.settings()).unwrap();
    let mut written = Vec::new();
    let downloaded = client.download(&stub.url("/moved"), &mut written, 3).await.unwrap();
    assert_eq!((written.as_slice(), downloaded.length, downloaded.etag.as_deref()), (&b"abc"[..], 3, Some("\"1\"")));
    assert_eq!(downloaded.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(downloaded.url.as_str(), stub.url("/file.csv"));
    assert!(matches!(client.download(&stub.url("/file.csv"), &mut written, 2).await, Err(Error::TooLarge { limit: 2, .. })));
    let before = stub.asked().len();
    written.clear();
    assert!(client.download(&stub.url("/cut"), &mut written, 1_000).await.is_err());
    assert_eq!((stub.asked().len() - before, written.as_slice()), (1, &b"cut off"[..]), "what was written cannot be taken back");
}

#[tokio::test]
async fn links_are_looked_at_without_their_files() {
    let stub = Stub::start(|asked| {
        let is_head = asked.head.starts_with("HEAD ");
        let range = |total: &str| vec![("Content-Range", format!("bytes 0-0/{total}"))];
        match asked.path.as_str() {
            "/plain" => Answer { claimed_length: Some(12_345), ..ok("text/csv", "") },
            "/moved" => redirect("/plain"),
            "/no-head" | "/forbidden" | "/silent" if is_head => match asked.path.as_str() {
                "/no-head" => status(405),
                "/forbidden" => status(403),
                _ => status(501),
            },
            "/no-head" => Answer { status: 206, headers: range("999"), body: b"x".to_vec(), ..Answer::default() },
            "/forbidden" => Answer { status: 416, headers: vec![("Content-Range", "bytes */0".into())], ..Answer::default() },
            "/silent" => Answer { claimed_length: Some(5_000_000_000), ..ok("video/mp4", "") },
            "/broken" => status(503),
            _ => status(404),
        }
    })
    .await;
    let client = Client::new(stub.settings()).unwrap();
    for (path, found, length, requests) in [
        ("/plain", 200, Some(12_345), 1),
        ("/moved", 200, Some(12_345), 2),
        ("/no-head", 200, Some(999), 2),
        ("/forbidden", 200, Some(0), 2),
        ("/silent", 200, Some(5_000_000_000), 2),
        ("/gone", 404, None, 2),
    ] {
        let before = stub.asked().len();
        let probe = client.probe(&stub.url(path)).await.unwrap();
        assert_eq!((probe.status, probe.length, stub.asked().len() - before), (found, length, requests), "{path}: {probe:?}");
    }
    assert!(stub.asked().iter().any(|asked| asked.head.to_lowercase().contains("range: bytes=0-0")));
    assert_eq!(client.probe(&stub.url("/broken")).await.unwrap_err().status(), Some(503));
    assert!(matches!(client.probe("http://10.0.0.1/").await, Err(Error::RefusedAddress { .. })));
}

#[tokio::test]
async fn redirects_to_other_hosts_are_counted_and_told_no_secrets() {
    let other = Stub::start(|_| ok("text/csv", "a")).await;
    let location = format!("http://x:y@localhost:{}/list.csv", other.port);
    let stub = Stub::start(move |asked| if asked.path == "/a" { redirect("/b") } else { redirect(&location) }).await;
    let allow_addresses = [stub.settings().allow_addresses, other.settings().allow_addresses].concat();
    let client = Client::new(ClientSettings { allow_addresses, ..stub.settings() }).unwrap();
    let spooled = client.spool(&format!("http://user:geheim@127.0.0.1:{}/a", stub.port), "*/*").await.unwrap();
    assert_eq!((spooled.foreign_redirects, spooled.url.as_str()), (1, format!("http://localhost:{}/list.csv", other.port).as_str()));
    assert!(stub.asked().iter().all(|asked| asked.head.to_lowercase().contains("authorization: basic")));
    assert!(!other.asked()[0].head.to_lowercase().contains("authorization"));
}

#[tokio::test]
async fn transient_faults_are_retried_and_others_are_not() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    for (code, requests) in [(500, 2), (503, 2), (429, 2), (404, 1), (403, 1)] {
        let count = AtomicUsize::new(0);
        let stub =
            Stub::start(move |_| if count.fetch_add(1, Ordering::SeqCst) == 0 { status(code) } else { ok("text/plain", "good") }).await;
        let got = get(stub.settings(), &stub.url("/")).await;
        assert_eq!(stub.asked().len(), requests, "{code}");
        assert_eq!(got.ok(), (requests == 2).then(|| b"good".to_vec()), "{code}");
    }
}

#[tokio::test]
async fn retry_after_is_honoured_within_bounds() {
    let answer =
        |seconds: &'static str| move |_: &crate::stub::Asked| Answer { headers: vec![("Retry-After", seconds.into())], ..status(503) };
    let patient = Stub::start(answer("1")).await;
    let started = Instant::now();
    let settings = ClientSettings { retry_delay_max: Duration::from_secs(5), ..patient.settings() };
    assert_eq!(get(settings, &patient.url("/")).await.unwrap_err().status(), Some(503));
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(patient.asked().len(), 2);

    let impatient = Stub::start(answer("3600")).await;
    assert_eq!(get(impatient.settings(), &impatient.url("/")).await.unwrap_err().status(), Some(503));
    assert_eq!(impatient.asked().len(), 1, "a server that asks for an hour is left alone");
}

#[tokio::test]
async fn silence_and_broken_connections_are_errors() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/slow" => Answer { delay: Duration::from_secs(20), ..ok("text/plain", "late") },
        _ => Answer { claimed_length: Some(100), ..ok("text/plain", "cut off") },
    })
    .await;
    let settings = ClientSettings { read_timeout: Duration::from_millis(200), ..stub.settings() };
    assert!(matches!(get(settings, &stub.url("/slow")).await, Err(Error::Timeout { .. })));
    assert!(matches!(get(stub.settings(), &stub.url("/cut")).await, Err(Error::Connection { .. })));
    assert_eq!(stub.asked().len(), 4);
}

#[tokio::test]
async fn passwords_in_addresses_are_not_shown() {
    let stub = Stub::start(|_| status(404)).await;
    let error = get(stub.settings(), &format!("http://user:geheim@127.0.0.1:{}/a", stub.port)).await.unwrap_err();
    assert!(!error.to_string().contains("geheim") && !error.text().ja.contains("geheim"), "{error}");
    assert!(error.text().ja.contains("404"));
}

#[tokio::test]
async fn a_listing_may_go_to_disk() {
    let stub = Stub::start(|asked| match asked.path.as_str() {
        "/large" => ok("text/csv", vec![b'x'; 100_000]),
        "/cut" => Answer { claimed_length: Some(100), ..ok("text/csv", "cut off") },
        "/page" => crate::stub::html(),
        _ => Answer { headers: vec![("Link", "<?page=2>; rel=next".into()), ("ETag", "\"1\"".into())], ..ok("text/csv", "") },
    })
    .await;
    let client = Client::new(stub.settings()).unwrap();
    let mut spooled = client.spool(&stub.url("/large"), "text/csv").await.unwrap();
    let mut body = Vec::new();
    spooled.file.read_to_end(&mut body).unwrap();
    assert_eq!((body.len(), spooled.length, spooled.head().len(), spooled.is_html()), (100_000, 100_000, 4096, false));
    assert!(client.spool(&stub.url("/page"), "*/*").await.unwrap().is_html());
    let linked = client.spool(&stub.url("/list"), "*/*").await.unwrap();
    assert_eq!((linked.next.unwrap().as_str(), linked.etag.as_deref()), (stub.url("/list?page=2").as_str(), Some("\"1\"")));
    assert!(matches!(client.spool(&stub.url("/cut"), "*/*").await, Err(Error::Connection { .. })));
    let narrow = Client::new(ClientSettings { body_bytes_max: 99_999, ..stub.settings() }).unwrap();
    assert!(matches!(narrow.spool(&stub.url("/large"), "*/*").await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn another_attempt_begins_with_an_empty_file() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let count = AtomicUsize::new(0);
    let stub = Stub::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer { claimed_length: Some(100), ..ok("text/csv", "cut off") },
        _ => ok("text/csv", "whole"),
    })
    .await;
    let mut spooled = Client::new(stub.settings()).unwrap().spool(&stub.url("/"), "*/*").await.unwrap();
    let mut body = String::new();
    spooled.file.read_to_string(&mut body).unwrap();
    assert_eq!((body.as_str(), spooled.head(), spooled.length), ("whole", &b"whole"[..], 5));
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let stub = Stub::start(|asked| {
        let head = asked.head.to_lowercase();
        let known = head.contains("if-none-match: w/\"7\"") || head.contains("if-modified-since: mon, 01 apr 2024 00:00:00 gmt");
        let headers = vec![("ETag", "W/\"7\"".to_owned()), ("Last-Modified", "Mon, 01 Apr 2024 00:00:00 GMT".to_owned())];
        if known { Answer { headers, ..status(304) } } else { Answer { headers, ..ok("text/csv", "a") } }
    })
    .await;
    let client = Client::new(stub.settings()).unwrap();
    let unknown = Request { accept: "text/csv", etag: None, last_modified: None };
    let Fresh::Changed(first) = client.fetch(&stub.url("/"), &unknown).await.unwrap() else { panic!() };
    for known in [Request { etag: first.etag.as_deref(), ..unknown }, Request { last_modified: first.last_modified.as_deref(), ..unknown }]
    {
        assert!(matches!(client.fetch(&stub.url("/"), &known).await.unwrap(), Fresh::NotModified));
    }
    let other = Request { etag: Some("\"6\""), ..unknown };
    assert!(matches!(client.fetch(&stub.url("/"), &other).await.unwrap(), Fresh::Changed(_)));

    let odd = Stub::start(|_| status(304)).await;
    let error = Client::new(odd.settings()).unwrap().fetch(&odd.url("/"), &unknown).await.unwrap_err();
    assert_eq!(error.status(), Some(304), "nobody asked for that");
}
