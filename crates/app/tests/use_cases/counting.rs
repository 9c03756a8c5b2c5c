//! Downloads: counted once, durable, and none that is no download. Traffic whose right answer is known.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use minato_app::catalog::{Channel, ClientClass, DownloadPoint, PeriodKind, Viewer};
use minato_app::{App, AppSettings, Clock, Dimension, FileRequest, FoundDistribution, SeriesRequest};
use serde_json::json;

use crate::{Postgresql, draft, organization, system};

const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const CHATGPT: &str = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot";

/// The time that a test says it is.
#[derive(Clone)]
struct Time(Arc<Mutex<DateTime<Utc>>>);

impl Time {
    fn at(text: &str) -> Time {
        Time(Arc::new(Mutex::new(text.parse().unwrap())))
    }

    fn set(&self, text: &str) {
        *self.0.lock().unwrap() = text.parse().unwrap();
    }

    fn pass(&self, seconds: i64) {
        *self.0.lock().unwrap() += Duration::seconds(seconds);
    }

    fn clock(&self) -> Clock {
        let time = self.0.clone();
        Clock::of(move || *time.lock().unwrap())
    }
}

/// A database with one dataset of two links, and the servers that share it.
struct World {
    time: Time,
    servers: Vec<App>,
    files: Vec<FoundDistribution>,
    directory: tempfile::TempDir,
    _database: Option<Postgresql>,
}

impl Drop for World {
    fn drop(&mut self) {
        for server in &self.servers {
            server.stop();
        }
    }
}

/// On SQLite, with several servers that open the same file; on PostgreSQL when there is one, with several processes' worth of servers.
fn worlds(start: &str, servers: usize) -> Vec<World> {
    let mut worlds = vec![world(start, servers, None)];
    worlds.extend(Postgresql::create().map(|database| world(start, servers, Some(database))));
    worlds
}

fn world(start: &str, servers: usize, database: Option<Postgresql>) -> World {
    let directory = tempfile::tempdir().unwrap();
    let time = Time::at(start);
    let url = database.as_ref().map(|database| database.url.clone());
    let open = |index| {
        let settings = AppSettings { index, clock: time.clock(), database_url: url.clone(), ..AppSettings::new(directory.path()) };
        App::open(settings).unwrap()
    };
    let servers: Vec<App> = (0..servers).map(|number| open(number == 0)).collect();
    organization(&servers[0], "kure");
    let links = json!([{"title": "f", "format": "CSV", "download_url": "https://example.jp/a.csv"}, {"title": "g", "download_url": "https://example.jp/b.csv"}]);
    let body = json!({"title": "x", "slug": "counted", "organization": "kure", "distributions": links});
    let dataset = servers[0].create_dataset(&system(), draft(body)).unwrap().value;
    let ids = dataset.content.distributions.iter().map(|distribution| distribution.id.to_string());
    let files = ids.map(|id| servers[0].distribution(&Viewer::public(), &id).unwrap()).collect();
    World { time, servers, files, directory, _database: database }
}

fn request(address: u8) -> FileRequest<'static> {
    FileRequest {
        method: "GET",
        status: 200,
        channel: Channel::File,
        range: None,
        user_agent: Some(BROWSER),
        purpose: None,
        address: IpAddr::from([192, 0, 2, address]),
        referrer: String::new(),
    }
}

impl World {
    fn send(&self, server: usize, file: usize, request: &FileRequest<'_>) {
        let public = Viewer::public();
        let sent = self.servers[server].count_download(&public, &self.files[file], request);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(sent).unwrap();
    }

    fn points(&self, period: PeriodKind, from: &str, to: &str) -> Vec<DownloadPoint> {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let request = SeriesRequest { period, from: Some(day(from)), to: Some(day(to)), ..SeriesRequest::default() };
        let answers: Vec<_> =
            self.servers.iter().map(|server| server.download_series(&Viewer::public(), &request).unwrap().points).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "every server says the same");
        answers.into_iter().next().unwrap()
    }

    /// Period, total, sessions by file and by dataset of the periods that have any.
    fn totals(&self, period: PeriodKind, from: &str, to: &str) -> Vec<(String, i64, i64, i64)> {
        let points = self.points(period, from, to).into_iter().filter(|point| point.total != 0);
        points.map(|point| (point.period, point.total, point.unique_files, point.unique_datasets)).collect()
    }
}

#[test]
fn each_rule_leaves_out_what_it_says_and_nothing_else() {
    for world in worlds("2026-11-20T03:00:00Z", 1) {
        let mut expected = [0_i64; 3];
        let mut address = 0;
        for (request, human, machine, ai) in [
            (request(0), 1, 0, 0),
            (FileRequest { method: "HEAD", ..request(0) }, 0, 0, 0),
            (FileRequest { method: "POST", ..request(0) }, 0, 0, 0),
            (FileRequest { status: 304, ..request(0) }, 1, 0, 0),
            (FileRequest { status: 404, ..request(0) }, 0, 0, 0),
            (FileRequest { status: 206, range: Some("bytes=0-"), ..request(0) }, 1, 0, 0),
            (FileRequest { status: 206, range: Some("bytes=500-"), ..request(0) }, 0, 0, 0),
            (FileRequest { status: 206, range: Some("bytes=0-0"), ..request(0) }, 0, 0, 0),
            (FileRequest { status: 200, range: Some("bytes=500-"), ..request(0) }, 1, 0, 0),
            (FileRequest { purpose: Some("prefetch;prerender"), ..request(0) }, 0, 0, 0),
            (FileRequest { user_agent: Some(GOOGLEBOT), ..request(0) }, 0, 0, 0),
            (FileRequest { user_agent: Some("GPTBot/1.2"), ..request(0) }, 0, 0, 0),
            (FileRequest { user_agent: Some("UptimeRobot/2.0"), ..request(0) }, 0, 0, 0),
            (FileRequest { user_agent: Some(CHATGPT), ..request(0) }, 0, 0, 1),
            (FileRequest { user_agent: Some("curl/8.5.0"), ..request(0) }, 0, 1, 0),
            (FileRequest { user_agent: None, ..request(0) }, 0, 1, 0),
            (FileRequest { channel: Channel::Redirect, status: 302, ..request(0) }, 1, 0, 0),
            (FileRequest { channel: Channel::Converted, ..request(0) }, 1, 0, 0),
            (FileRequest { channel: Channel::Query, method: "POST", ..request(0) }, 1, 0, 0),
            (FileRequest { channel: Channel::Mcp, method: "POST", user_agent: Some("claude-code/2.0"), ..request(0) }, 0, 0, 1),
        ] {
            address += 1;
            world.send(0, 0, &FileRequest { address: IpAddr::from([198, 51, 100, address]), ..request });
            expected = [expected[0] + human, expected[1] + machine, expected[2] + ai];
        }
        let point = world.points(PeriodKind::Day, "2026-11-20", "2026-11-20").remove(0);
        assert_eq!([point.human, point.machine, point.ai_agent], expected);
        assert_eq!(point.total, point.unique_files, "all came from different addresses");
        let day = "2026-11-20".parse().unwrap();
        let channels = world.servers[0].breakdown(Dimension::Channel, day, day).unwrap();
        let channels: Vec<_> = channels.iter().map(|part| (part.key.as_str(), part.sums.total)).collect();
        assert_eq!(channels, [("file", 7), ("converted", 1), ("mcp", 1), ("query", 1), ("redirect", 1)]);
        let formats = world.servers[0].breakdown(Dimension::Format, day, day).unwrap();
        assert_eq!((formats[0].key.as_str(), formats[0].sums.total), ("CSV", 11));
    }
}

#[test]
fn double_clicks_sessions_and_archives_add_up() {
    for world in worlds("2026-11-20T03:00:00Z", 2) {
        let at = |seconds: i64| {
            world.time.set("2026-11-20T03:00:00Z");
            world.time.pass(seconds);
        };
        // One visitor: three clicks that are one, by two servers; again after a minute, and in the next hour.
        for (seconds, server) in [(0, 0), (25, 1), (50, 0), (110, 1), (3_700, 0)] {
            at(seconds);
            world.send(server, 0, &request(1));
        }
        assert_eq!(world.totals(PeriodKind::Day, "2026-11-20", "2026-11-20"), [("2026-11-20".to_owned(), 3, 2, 2)]);
        // The other file of the dataset in the same session, and somebody else.
        at(120);
        world.send(0, 1, &request(1));
        world.send(1, 1, &request(2));
        assert_eq!(world.totals(PeriodKind::Day, "2026-11-20", "2026-11-20"), [("2026-11-20".to_owned(), 5, 4, 3)]);
        // An archive of both files is one download; twice at once it is one, too.
        let zip = FileRequest { channel: Channel::Zip, ..request(9) };
        let (public, runtime) = (Viewer::public(), tokio::runtime::Builder::new_current_thread().build().unwrap());
        for server in [0, 1] {
            let sent = world.servers[server].count_dataset_download(&public, &world.files[0].dataset, &zip);
            runtime.block_on(sent).unwrap();
        }
        assert_eq!(world.totals(PeriodKind::Month, "2026-11-01", "2026-11-30"), [("2026-11".to_owned(), 6, 5, 4)]);
    }
}

#[test]
fn midnight_and_the_turn_of_the_fiscal_year_split_nothing_and_join_nothing() {
    for world in worlds("2026-03-31T14:00:00Z", 2) {
        // Both servers know the salt of the old day.
        world.send(0, 0, &request(100));
        world.send(1, 1, &request(101));
        // 23:59:50 and 00:00:05 in Japan by two servers: one download, of the new day and year.
        world.time.set("2026-03-31T14:59:50Z");
        world.send(0, 0, &request(1));
        world.time.set("2026-03-31T15:00:05Z");
        world.send(1, 0, &request(1));
        // 23:59:40 and 00:00:11: two.
        world.time.set("2026-03-31T14:59:40Z");
        world.send(1, 0, &request(2));
        world.time.set("2026-03-31T15:00:11Z");
        world.send(0, 0, &request(2));
        // A clock that is behind: the click of before midnight arrives later.
        world.time.set("2026-03-31T15:00:12Z");
        world.send(0, 0, &request(3));
        world.time.set("2026-03-31T14:59:55Z");
        world.send(1, 0, &request(3));
        let years = [("2025".to_owned(), 3, 3, 3), ("2026".to_owned(), 3, 3, 3)];
        assert_eq!(world.totals(PeriodKind::FiscalYear, "2025-04-01", "2026-04-01"), years);
        // And at the end of the calendar year, as of any day.
        world.time.set("2026-12-31T14:59:59Z");
        world.send(0, 0, &request(4));
        world.time.set("2026-12-31T15:00:01Z");
        world.send(1, 0, &request(4));
        assert_eq!(world.totals(PeriodKind::Month, "2026-12-01", "2027-01-31"), [("2027-01".to_owned(), 1, 1, 1)]);
    }
}

#[test]
fn a_server_whose_clock_is_behind_counts_with_the_others_over_midnight() {
    for world in worlds("2026-03-31T15:00:05Z", 2) {
        // The first of all clicks is of the new day; the other server is in the old one still, and nobody counted there yet.
        world.send(0, 0, &request(1));
        world.time.set("2026-03-31T14:59:58Z");
        world.send(1, 0, &request(2));
        world.time.set("2026-03-31T15:00:10Z");
        world.send(0, 0, &request(2));
        assert_eq!(world.totals(PeriodKind::Day, "2026-03-31", "2026-04-01"), [("2026-04-01".to_owned(), 2, 2, 2)]);
    }
}

#[test]
fn a_clock_that_leapt_ahead_and_came_back_hides_nothing() {
    for world in worlds("2026-11-20T03:00:00Z", 2) {
        world.send(0, 0, &request(1));
        world.time.set("2028-02-01T03:00:00Z");
        world.servers[0].keep_house().unwrap();
        world.time.set("2026-11-20T06:00:00Z");
        world.send(1, 0, &request(1));
        world.servers[1].keep_house().unwrap();
        for period in [PeriodKind::Day, PeriodKind::Month, PeriodKind::FiscalYear] {
            let totals = world.totals(period, "2026-11-20", "2026-11-20");
            assert_eq!(totals.iter().map(|(_, total, files, datasets)| (*total, *files, *datasets)).collect::<Vec<_>>(), [(2, 2, 2)]);
        }
        assert_eq!(world.servers[0].download_indicator(None).unwrap().current_month, 2);
        // A server that is over midnight already is none that leapt.
        world.time.set("2026-11-23T15:00:01Z");
        world.servers[0].keep_house().unwrap();
        let through = |world: &World| world.servers[0].store().read(minato_app::store::statistics::through).unwrap().unwrap().to_string();
        assert_eq!(through(&world), "2026-11-21");
        world.time.set("2026-11-23T14:59:59Z");
        world.servers[1].keep_house().unwrap();
        assert_eq!(through(&world), "2026-11-21");
    }
}

#[test]
fn days_settle_without_changing_any_figure_and_can_be_counted_again() {
    for world in worlds("2026-11-01T03:00:00Z", 2) {
        for _ in 0..20 {
            world.time.pass(6 * 3_600 + 77);
            for (server, address) in [(0, 1), (1, 2), (0, 2)] {
                world.send(server, usize::from(address) % 2, &request(address));
            }
            world.servers[0].keep_house().unwrap();
        }
        let all = |world: &World| {
            [PeriodKind::Day, PeriodKind::Month, PeriodKind::FiscalYear].map(|period| world.totals(period, "2026-04-01", "2026-12-31"))
        };
        let before = all(&world);
        assert_eq!(before[2], [("2026".to_owned(), 40, 40, 40)]);
        for server in &world.servers {
            server.keep_house().unwrap();
            server.rebuild_rollup().unwrap();
        }
        assert_eq!(all(&world), before);
        let today = world.servers[0].today();
        world.servers[1].rebuild_statistics(today.pred_opt().unwrap(), today).unwrap();
        assert_eq!(all(&world), before);
        // Older days have no single rows any more, and are refused rather than emptied.
        let error = world.servers[0].rebuild_statistics(today - Duration::days(3), today).unwrap_err();
        assert!(error.text().en.contains("48 hours"), "{error}");
        world.time.pass(10 * 24 * 3_600);
        world.servers[1].keep_house().unwrap();
        assert_eq!(all(&world), before);
    }
}

#[test]
fn a_withdrawn_or_moved_dataset_keeps_its_history() {
    for world in worlds("2026-11-20T03:00:00Z", 1) {
        let app = &world.servers[0];
        world.send(0, 0, &request(1));
        let other = organization(app, "onomichi");
        let moved = json!({"organization": "onomichi"});
        app.patch_dataset(&system(), "counted", &moved).unwrap();
        let found = app.distribution(&Viewer::public(), &world.files[0].distribution.id.to_string()).unwrap();
        let (public, second) = (Viewer::public(), request(2));
        let sent = app.count_download(&public, &found, &second);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(sent).unwrap();
        app.archive_dataset(&system(), "counted").unwrap();
        let day = "2026-11-20".parse().unwrap();
        let parts = app.breakdown(Dimension::Organization, day, day).unwrap();
        assert_eq!(parts.iter().map(|part| part.sums.total).collect::<Vec<_>>(), [1, 1]);
        assert!(parts.iter().any(|part| part.key == other.id.to_string()));
        assert_eq!(app.download_indicator(None).unwrap().current_month, 2);
        assert!(app.top_datasets(&Viewer::public(), day, 5).unwrap().is_empty(), "what is withdrawn is in no ranking");
    }
}

#[test]
fn salts_are_shared_rotate_and_are_destroyed() {
    for world in worlds("2026-11-20T14:59:00Z", 2) {
        let salts = |world: &World| world.servers[0].store().read(|conn| minato_app::store::setting::keys(conn, "salt.")).unwrap();
        world.send(0, 0, &request(1));
        world.send(1, 1, &request(1));
        assert_eq!(salts(&world), ["salt.2026-11-20"]);
        let rows =
            world.servers[0].store().read(|conn| minato_app::store::download::rows_of_day(conn, "2026-11-20".parse().unwrap())).unwrap();
        assert_eq!(rows[0].visitor, rows[1].visitor, "two servers hash alike");
        world.time.set("2026-11-20T15:00:30Z");
        world.servers[1].keep_house().unwrap();
        assert_eq!(salts(&world), ["salt.2026-11-20", "salt.2026-11-21"]);
        world.time.set("2026-11-20T15:01:00Z");
        world.servers[1].keep_house().unwrap();
        assert_eq!(salts(&world), ["salt.2026-11-21"]);
        assert!(rows.iter().all(|row| row.class == ClientClass::Human && !format!("{row:?}").contains("192.0.2.")));
    }
}

#[test]
fn neither_addresses_nor_agents_are_in_the_files_of_the_database() {
    let world = world("2026-11-20T03:00:00Z", 1, None);
    let agent = "SecretBrowser/77.31 (somebody@example.jp)";
    let address = "203.0.113.77".parse().unwrap();
    let from = FileRequest { user_agent: Some(agent), address, referrer: "example.org".to_owned(), ..request(1) };
    world.send(0, 0, &from);
    world.servers[0].note_view(&Viewer::public(), "counted", &FileRequest { channel: Channel::Page, ..from });
    world.servers[0].flush_view_log();
    let salt = world.servers[0].store().read(|conn| minato_app::store::setting::get(conn, "salt.2026-11-20")).unwrap().unwrap();
    world.time.set("2026-11-22T03:00:00Z");
    world.servers[0].keep_house().unwrap();
    let mut bytes = 0;
    let mut looked_at = vec![world.directory.path().to_owned()];
    while let Some(path) = looked_at.pop() {
        if path.is_dir() {
            looked_at.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let content = std::fs::read(&path).unwrap();
        bytes += content.len();
        let found = |text: &[u8]| content.windows(text.len()).any(|window| window == text);
        for text in ["203.0.113.77", "SecretBrowser", "somebody@example.jp"] {
            assert!(!found(text.as_bytes()), "{text} is in {}", path.display());
        }
        // The journal is emptied with the next checkpoint; the database itself has nothing of it.
        if path.extension().is_some_and(|extension| extension == "sqlite") {
            assert!(!found(salt.as_bytes()), "the salt of a day that is over is in {}", path.display());
        }
    }
    assert!(bytes > 10_000);
}

#[test]
fn a_sample_of_a_day_counts_to_the_same_again() {
    for world in worlds("2026-11-20T03:00:00Z", 2) {
        for number in 0..40_u8 {
            world.time.pass(i64::from(number % 7) * 11);
            let agent = [BROWSER, "curl/8.5.0", CHATGPT][usize::from(number % 3)];
            let asked = FileRequest { user_agent: Some(agent), ..request(number % 5) };
            world.send(usize::from(number % 2), usize::from(number % 2), &asked);
            if number % 4 == 0 {
                world.send(0, usize::from(number % 2), &asked);
            }
        }
        world.servers[0].note_view(&Viewer::public(), "counted", &FileRequest { channel: Channel::Page, ..request(1) });
        world.servers[0].flush_view_log();
        let sample = world.servers[1].export_sample("2026-11-20".parse().unwrap()).unwrap();
        let recount = minato_app::recount(&sample).unwrap();
        assert_eq!(recount.published, recount.recounted);
        assert!(recount.same_rules && recount.reclassified.is_empty());
        assert!(recount.published.total > 10 && recount.published.double_clicks > 0 && recount.published.views == 1, "{recount:?}");
        assert!(!sample.contains("192.0.2.") && !sample.contains("Mozilla") && !sample.contains("curl/8"));
        // Another sample of the same day has other names for the same visitors.
        assert_ne!(sample, world.servers[1].export_sample("2026-11-20".parse().unwrap()).unwrap());
        // A line that is taken away is missed.
        let shorter: Vec<&str> = sample.lines().take(sample.lines().count() - 1).collect();
        let recount = minato_app::recount(&shorter.join("\n")).unwrap();
        assert_ne!(recount.published, recount.recounted);
        for broken in ["", "{}", "x", &format!("{sample}x"), &sample.replace("\"clicks\":1", "\"clicks\":0")] {
            assert!(minato_app::recount(broken).is_err());
        }
        assert!(world.servers[0].export_sample("2026-11-01".parse().unwrap()).is_err());
    }
}

#[test]
fn looks_at_pages_are_counted_apart() {
    for world in worlds("2026-11-20T03:00:00Z", 2) {
        let page = FileRequest { channel: Channel::Page, ..request(1) };
        for (seconds, server) in [(0, 0), (10, 1), (60, 0)] {
            world.time.set("2026-11-20T03:00:00Z");
            world.time.pass(seconds);
            world.servers[server].note_view(&Viewer::public(), "counted", &page);
            world.servers[server].flush_view_log();
        }
        world.servers[0].note_view(&Viewer::public(), "counted", &FileRequest { user_agent: Some(GOOGLEBOT), ..page.clone() });
        world.servers[0].note_view(&Viewer::public(), "nothing-here", &page);
        world.servers[0].flush_view_log();
        assert_eq!(world.totals(PeriodKind::Month, "2026-11-01", "2026-11-30"), []);
        let views = world.servers[1].view_series(&Viewer::public(), &SeriesRequest::default()).unwrap();
        assert_eq!((views.total, views.points.last().unwrap().unique_datasets), (2, 1));
    }
}

#[tokio::test]
async fn downloads_gather_in_commits_and_survive_a_restart() {
    let world = tokio::task::spawn_blocking(|| world("2026-11-20T03:00:00Z", 1, None)).await.unwrap();
    let (app, found, public) = (world.servers[0].clone(), world.files[0].clone(), Viewer::public());
    let agents: Vec<String> = (0..200).map(|number| format!("{BROWSER} {number}")).collect();
    let many = agents.iter().map(|agent| {
        let (app, public, found) = (&app, &public, &found);
        async move { app.count_download(public, found, &FileRequest { user_agent: Some(agent), ..request(1) }).await.unwrap() }
    });
    futures_join(many).await;
    let settings = AppSettings { index: false, clock: world.time.clock(), ..AppSettings::new(world.directory.path()) };
    let beside = App::open(settings).unwrap();
    for app in [&app, &beside] {
        let series = app.download_series(&public, &SeriesRequest::default()).unwrap();
        assert_eq!((series.total, series.points.last().unwrap().human), (200, 200));
        assert_eq!(app.top_datasets(&public, NaiveDate::MIN, 5).unwrap()[0].downloads, 200);
        assert_eq!(app.download_indicator(None).unwrap().current_month, 200);
    }
    tokio::task::spawn_blocking(move || drop(world)).await.unwrap();
}

/// Polls all at once, so that they gather in one commit.
async fn futures_join(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
