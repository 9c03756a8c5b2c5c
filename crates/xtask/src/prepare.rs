//! Filling a catalog over its REST interface, as a publisher would.

use anyhow::{Context, Result, ensure};
use minato_catalog::DatasetDraft;
use minato_testkit::fixtures::Municipality;
use serde_json::Value;

use crate::http::{Client, expect};
use crate::server::Minato;

/// A new administrator token; the user is created when missing.
pub(crate) fn administrator(minato: &Minato, name: &str) -> Result<String> {
    let created = minato.call(&["user", "create", name, "--email", &format!("{name}@example.jp"), "--admin"]);
    let token = minato.call(&["token", "create", "--user", name, "--label", "cargo xtask"]);
    // In a catalog that was there before, the user was too.
    let token = match (token, created) {
        (Ok(token), _) => token,
        (Err(_), Err(error)) => return Err(error),
        (Err(error), Ok(_)) => return Err(error),
    };
    ensure!(!token.is_empty() && !token.contains(char::is_whitespace), "`minato token create` did not print a token alone: {token}");
    Ok(token)
}

/// Creates the organization of a municipality unless it exists.
pub(crate) async fn organization(client: &mut Client, municipality: &Municipality) -> Result<()> {
    let path = format!("/api/v1/organizations/{}", municipality.slug);
    if client.send("GET", &path, &[], &[]).await?.status == 200 {
        return Ok(());
    }
    let draft = serde_json::to_value(municipality.organization()).context("an organization is not JSON")?;
    client.send_json("POST", "/api/v1/organizations", &[], &draft, &[201]).await?;
    Ok(())
}

/// Creates a dataset under the publisher's own key, or brings the one there up to date; says whether it is new.
pub(crate) async fn dataset(client: &mut Client, organization: &str, identifier: &str, draft: &DatasetDraft) -> Result<bool> {
    let body = serde_json::to_value(draft).context("a dataset is not JSON")?;
    let path = format!("/api/v1/organizations/{organization}/datasets/{identifier}");
    Ok(client.send_json("PUT", &path, &[], &body, &[200, 201]).await?.status == 201)
}

/// A file as it is uploaded.
pub(crate) struct Upload<'a> {
    pub(crate) title: &'a str,
    pub(crate) file_name: &'a str,
    pub(crate) media_type: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// Adds a distribution with its file to a dataset; returns the distribution.
pub(crate) async fn upload(client: &mut Client, dataset: &str, upload: &Upload<'_>) -> Result<Value> {
    let path = format!("/api/v1/datasets/{dataset}/distributions");
    let body = multipart(upload);
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let answer = client.send("POST", &path, &[("content-type", &content_type)], &body).await?;
    expect(&answer, &[201], "POST", &path)?;
    Ok(answer.json())
}

const BOUNDARY: &str = "minato-xtask-5b1f2c9a7d";

fn multipart(upload: &Upload<'_>) -> Vec<u8> {
    let mut body = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\n{}\r\n\
         --{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{}\"\r\ncontent-type: {}\r\n\r\n",
        upload.title, upload.file_name, upload.media_type
    )
    .into_bytes();
    body.extend_from_slice(upload.bytes);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// All counted downloads so far.
pub(crate) async fn downloads_counted(client: &mut Client) -> Result<u64> {
    let series = client.get("/api/v1/statistics/downloads?period=fiscal_year").await?;
    series["total"].as_u64().context("the statistics have no total")
}

/// Where a distribution's file is had, below the address of the site; `None` while it has none.
pub(crate) fn download_path(distribution: &Value) -> Option<String> {
    let (_, after_scheme) = distribution["url"].as_str()?.split_once("://")?;
    after_scheme.find('/').map(|start| after_scheme[start..].to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn download_paths_are_those_of_the_answer() {
        assert_eq!(download_path(&json!({"url": "http://127.0.0.1:1/d/x"})).as_deref(), Some("/d/x"));
        assert_eq!(download_path(&json!({"url": null})), None);
    }
}
