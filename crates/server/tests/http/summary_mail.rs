//! Mails: only where asked for, once, and readable.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use minato_app::Clock;
use minato_app::catalog::Role;
use minato_server::config::{MailSettings, MailTls};
use minato_server::mail::{send_due, send_reports};
use serde_json::json;

use crate::site::Site;

/// A mail server on loopback that takes everything and tells what came.
fn sink() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
            connection.write_all(b"220 sink\r\n").unwrap();
            while let Some(Ok(line)) = lines.next() {
                let answer = match line.split_whitespace().next().unwrap_or_default().to_uppercase().as_str() {
                    "EHLO" | "HELO" => "250 sink\r\n",
                    "DATA" => {
                        connection.write_all(b"354 go on\r\n").unwrap();
                        let mail: Vec<String> = lines.by_ref().map(|line| line.unwrap()).take_while(|line| line != ".").collect();
                        sender.send(mail.join("\n")).unwrap();
                        "250 taken\r\n"
                    }
                    "QUIT" => "221 bye\r\n",
                    _ => "250 ok\r\n",
                };
                connection.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    (address, receiver)
}

#[actix_web::test]
async fn a_summary_is_sent_once_to_those_who_asked() {
    let site = Site::open_with(|settings| settings.clock = Clock::of(|| "2026-11-05T03:00:00Z".parse().unwrap()));
    let system = minato_app::Context::system("test");
    site.state.app.set_member(&system, "fuchu-cho", "publisher", Role::Administrator).unwrap();
    let path = "/api/v1/organizations/343021/summary-mail";
    assert_eq!(site.ask("GET", path).token(&site.publisher).send().await.expect(200)["address"], json!(null));
    site.ask("PUT", path).token(&site.other).json(&json!({"address": "a@example.jp"})).send().await.refuses(403, "");
    site.ask("PUT", path).json(&json!({"address": "a@example.jp"})).send().await.refuses(401, "");
    let wrong = json!({"address": "a@example.jp\r\nBcc: all@example.jp"});
    site.ask("PUT", path).token(&site.publisher).json(&wrong).send().await.refuses(422, "/address");
    let (smtp, mails) = sink();
    let settings = MailSettings { smtp: Some(smtp), tls: MailTls::None, from: Some("minato@example.jp".into()), ..MailSettings::default() };
    let send = || {
        let (app, settings) = (site.state.app.clone(), settings.clone());
        actix_web::web::block(move || send_due(&app, &settings, "https://catalog.example.jp").unwrap())
    };
    assert_eq!(send().await.unwrap(), 0, "nobody asked for any");
    site.ask("PUT", path).token(&site.publisher).json(&json!({"address": "opendata@fuchu.example.jp"})).send().await.expect(200);
    assert_eq!(send().await.unwrap(), 1);
    assert_eq!(send().await.unwrap(), 0, "once a month");
    let mail = mails.recv().unwrap();
    assert!(mail.contains("To: opendata@fuchu.example.jp") && mail.contains("Subject: =?utf-8?b?"), "{mail}");
    assert!(mails.try_recv().is_err());
    site.ask("DELETE", path).token(&site.publisher).send().await.expect(200);
    assert_eq!(site.ask("GET", path).token(&site.publisher).send().await.expect(200)["address"], json!(null));
}

#[actix_web::test]
async fn a_harvest_that_needs_a_person_is_reported_once() {
    let site = Site::open_with(|settings| settings.sends_mail = true);
    let source = json!({
        "slug": "fuchu-list", "title": "府中町一覧", "kind": "open_data_list", "url": "http://127.0.0.1:9/list.csv", "organization": "fuchu-cho",
        "notify": {"email": "opendata@fuchu.example.jp"},
    });
    site.ask("POST", "/api/v1/harvest-sources").token(&site.admin).json(&source).send().await.expect(201);
    // Who is told is nobody else's business.
    assert_eq!(site.get("/api/v1/harvest-sources/fuchu-list").await.expect(200)["notify"], json!({}));
    let app = site.state.app.clone();
    let run =
        actix_web::web::block(move || app.harvest(&minato_app::Context::system("test"), "fuchu-list", |_| {}).unwrap()).await.unwrap();
    assert_eq!(run.status.as_str(), "failed");
    let (smtp, mails) = sink();
    let settings = MailSettings { smtp: Some(smtp), tls: MailTls::None, from: Some("minato@example.jp".into()), ..MailSettings::default() };
    let send = || {
        let (app, settings) = (site.state.app.clone(), settings.clone());
        actix_web::web::block(move || send_reports(&app, &settings).unwrap())
    };
    assert_eq!(send().await.unwrap(), 1);
    assert_eq!(send().await.unwrap(), 0, "once a run");
    assert!(mails.recv().unwrap().contains("To: opendata@fuchu.example.jp"));
}
