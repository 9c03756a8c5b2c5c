//! Downloads: counted once, durable, and none that is no download.

use minato_app::catalog::{Channel, Viewer};
use minato_app::{App, AppSettings, FileRequest, SeriesRequest};
use serde_json::json;

use crate::{draft, fresh, organization, system};

fn request<'a>(agent: &'a str, method: &'a str) -> FileRequest<'a> {
    FileRequest {
        method,
        status: 302,
        channel: Channel::Redirect,
        range: None,
        user_agent: Some(agent),
        purpose: None,
        address: [192, 0, 2, 1].into(),
    }
}

#[tokio::test]
async fn downloads_are_counted_by_the_rules_and_survive_a_restart() {
    let fresh = fresh();
    let app = fresh.app.clone();
    let (app, id) = tokio::task::spawn_blocking(move || {
        organization(&app, "kure");
        let body =
            json!({"title": "x", "organization": "kure", "distributions": [{"title": "f", "download_url": "https://example.jp/a.csv"}]});
        let id = app.create_dataset(&system(), draft(body)).unwrap().value.content.distributions[0].id.to_string();
        (app, id)
    })
    .await
    .unwrap();
    let public = Viewer::public();
    let found = app.distribution(&public, &id).unwrap();
    let browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    for (agent, method) in [(browser, "GET"), (browser, "GET"), (browser, "HEAD"), ("curl/8.5.0", "GET"), ("Googlebot/2.1", "GET")] {
        app.count_download(&public, &found, &request(agent, method)).await.unwrap();
    }
    let many = (0..200).map(|number| {
        let (app, public, found) = (&app, &public, &found);
        async move { app.count_download(public, found, &request(&format!("{browser} {number}"), "GET")).await.unwrap() }
    });
    futures_join(many).await;
    let total = |app: &App| {
        let series = app.download_series(&Viewer::public(), &SeriesRequest::default()).unwrap();
        let last = series.points.last().unwrap().clone();
        (series.total, last.human, last.machine)
    };
    assert_eq!(total(&app), (202, 201, 1));
    let beside = App::open(AppSettings { index: false, ..AppSettings::new(fresh.directory.path()) }).unwrap();
    assert_eq!(total(&beside), (202, 201, 1));
    assert_eq!(beside.top_datasets(&public, chrono::NaiveDate::MIN, 5).unwrap()[0].downloads, 202);
    assert_eq!(beside.download_indicator(None).unwrap().current_month, 202);
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
