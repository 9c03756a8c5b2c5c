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
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://10.0.0.1/".into(),
    ] {
        let error = get(ClientSettings::default(), &url).await.unwrap_err();
        assert!(matches!(error, Error::RefusedAddress { .. }), "{url}: {error:?}");
    }
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
        _ => redirect("/loop"),
    })
    .await;
    assert_eq!(get(stub.settings(), &stub.url("/a")).await.unwrap(), b"/b?x=1");
    assert!(matches!(get(stub.settings(), &stub.url("/loop")).await, Err(Error::TooManyRedirects { limit: 5, .. })));
    assert!(matches!(get(stub.settings(), &stub.url("/file")).await, Err(Error::InvalidUrl { .. })));
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

#[tokio::test]
async fn a_gzip_bomb_is_cut_off_after_decompression() {
    let stub = Stub::start(|_| {
        let mut answer = ok("text/csv", gzip_of_zeros(40_000_000));
        answer.headers.push(("Content-Encoding", "gzip".into()));
        answer
    })
    .await;
    let settings = ClientSettings { body_bytes_max: 1_000_000, ..stub.settings() };
    assert!(gzip_of_zeros(40_000_000).len() < 500_000);
    assert!(matches!(get(settings, &stub.url("/")).await, Err(Error::TooLarge { .. })));
}

/// One literal zero and then copies of 258 bytes, in fixed Huffman codes; the trailer is left out, nobody comes so far.
fn gzip_of_zeros(length: usize) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut buffer, mut count) = (0_u64, 0);
    let mut push = |bits: &str| {
        for bit in bits.bytes() {
            buffer |= u64::from(bit == b'1') << count;
            count += 1;
            if count == 8 {
                bytes.push(buffer as u8);
                (buffer, count) = (0, 0);
            }
        }
    };
    push("1");
    push("10");
    push("00110000");
    for _ in 0..length / 258 {
        push("1100010100000");
    }
    bytes
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
