//! Addresses of the portal that was before.

use minato_app::store::{Error, previous_portal};
use serde_json::json;

use crate::site::Site;

#[actix_web::test]
async fn numbers_of_the_former_portal_lead_to_where_things_are_now() {
    let site = Site::open();
    let dataset = site.dataset("hinanjo", "避難所一覧").await;
    let path = "/api/v1/datasets/hinanjo/distributions";
    let file = site.ask("POST", path).token(&site.editor).form(&[("file", "a.csv", b"a\n1\n")]).send().await.expect(201);
    let id = file["id"].as_str().unwrap().to_owned();
    site.state
        .app
        .store()
        .write::<_, Error>(|conn| {
            previous_portal::set_dataset_number(conn, "12", dataset["id"].as_str().unwrap().parse().unwrap())?;
            previous_portal::set_resource_number(conn, "120", id.parse().unwrap())?;
            Ok(())
        })
        .unwrap();
    for (path, to) in [
        ("/datasets/12", "/datasets/hinanjo".to_owned()),
        ("/resources/120", format!("/datasets/hinanjo#{id}")),
        ("/resource_download/120", format!("/d/{id}")),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = site.ask(method, path).send().await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (301, to.as_str()), "{method} {path}");
        }
    }
    let total = || async { site.get("/api/v1/statistics/downloads?period=fiscal_year").await.expect(200)["total"].clone() };
    assert_eq!(total().await, json!(0), "the way to a file is no download");
    assert_eq!(site.get(&format!("/d/{id}")).await.status.as_u16(), 200);
    assert_eq!(total().await, json!(1));

    site.get("/resources/121").await.refuses(404, "");
    site.get("/resource_download/abc").await.refuses(404, "");
    site.ask("POST", "/resource_download/120").send().await.refuses(405, "");
}
