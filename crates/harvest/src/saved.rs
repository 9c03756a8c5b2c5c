//! A portal of DataEye as it was saved to a directory, for a migration without the portal.
//!
//! Pages of `package_search`, or single packages, are files with `.json`; files are named by the number of their resource (`123`, `123.csv`,
//! `123_一覧.csv`) or lie in a directory of that name. What is asked of the portal is answered from there.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use minato_catalog::Text;
use serde_json::{Value, json};
use url::Url;

use crate::json::plain;

/// Where a portal is said to have been when nothing in the directory tells; `.invalid` is never anybody's.
const UNKNOWN: &str = "http://previous-portal.invalid/";

/// A saved portal.
#[derive(Debug)]
pub struct SavedPortal {
    base: Url,
    /// By id, so that pages that overlap do no harm.
    packages: BTreeMap<String, Value>,
    /// Files by the number of their resource.
    files: HashMap<String, PathBuf>,
    /// Numbers of resources by their addresses.
    resources: HashMap<String, String>,
}

/// What a request is answered with.
pub(crate) enum Saved<'a> {
    Json(String),
    File(&'a Path),
}

impl SavedPortal {
    /// Reads a directory. `address` is where the portal was; without it, what its records say of their files.
    pub fn open(directory: &Path, address: Option<&str>) -> Result<SavedPortal, Text> {
        let mut portal = SavedPortal {
            base: base(UNKNOWN).ok_or_else(|| unreadable(directory, "the address"))?,
            packages: BTreeMap::new(),
            files: HashMap::new(),
            resources: HashMap::new(),
        };
        portal.read(directory, 0)?;
        if portal.packages.is_empty() {
            return Err(Text::new(
                format!(
                    "{} に package_search の応答（JSON）がありません。ポータルの API から保存したディレクトリを指定してください。",
                    directory.display()
                ),
                format!(
                    "{} holds no answers of package_search as JSON files; name a directory saved from the portal's API",
                    directory.display()
                ),
            ));
        }
        let resources = portal.packages.values().flat_map(|package| package["resources"].as_array().into_iter().flatten());
        let addresses: Vec<(String, String)> =
            resources.map(|resource| (plain(&resource["url"]), plain(&resource["id"]))).filter(|(url, _)| !url.is_empty()).collect();
        let told = addresses.iter().find_map(|(url, _)| base(&url[..url.find("resource_download/")?]));
        portal.base = match address {
            Some(address) => base(address).ok_or_else(|| {
                Text::new(
                    format!("「{address}」はポータルの URL として読めません。"),
                    format!("`{address}` is not the address of a portal"),
                )
            })?,
            None => told.unwrap_or(portal.base),
        };
        portal.resources = addresses.into_iter().filter_map(|(url, id)| Some((portal.base.join(&url).ok()?.to_string(), id))).collect();
        Ok(portal)
    }

    /// Where the portal was.
    pub fn address(&self) -> &str {
        self.base.as_str()
    }

    fn read(&mut self, directory: &Path, depth: usize) -> Result<(), Text> {
        let entries = fs::read_dir(directory).map_err(|error| unreadable(directory, &error.to_string()))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // A directory of a resource, or of files at all.
            if path.is_dir() {
                match number_of(&name) {
                    Some(id) => self.files.extend(only_file(&path).map(|file| (id, file))),
                    None if depth < 3 && !name.starts_with('.') => self.read(&path, depth + 1)?,
                    None => {}
                }
                continue;
            }
            // Packages may be saved under their own numbers, which are not those of files.
            let is_page = name.to_ascii_lowercase().ends_with(".json") && self.read_page(&path)?;
            if let Some(id) = number_of(&name).filter(|_| !is_page) {
                self.files.insert(id, path.clone());
            }
        }
        Ok(())
    }

    /// Takes the packages of a JSON file; `false` when it holds none.
    fn read_page(&mut self, path: &Path) -> Result<bool, Text> {
        let bytes = fs::read(path).map_err(|error| unreadable(path, &error.to_string()))?;
        let is_a_file = path.file_name().is_some_and(|name| number_of(&name.to_string_lossy()).is_some());
        let page: Value = match serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)) {
            Ok(page) => page,
            // A file of a resource may be any JSON, and broken; a page may not.
            Err(_) if is_a_file => return Ok(false),
            Err(error) => return Err(unreadable(path, &error.to_string())),
        };
        let result = page.get("result").unwrap_or(&page);
        let found = result.get("results").unwrap_or(result);
        let packages: Vec<&Value> = match found {
            Value::Array(list) => list.iter().collect(),
            Value::Object(_) => vec![found],
            _ => Vec::new(),
        };
        let packages: Vec<&Value> = packages.into_iter().filter(|package| package.get("resources").is_some_and(Value::is_array)).collect();
        for package in &packages {
            let id = plain(&package["id"]);
            let key = if id.is_empty() { format!("{}#{}", path.display(), self.packages.len()) } else { id };
            self.packages.insert(key, (*package).clone());
        }
        Ok(!packages.is_empty())
    }

    pub(crate) fn answer(&self, url: &Url) -> Option<Saved<'_>> {
        let path = url.as_str().split(['?', '#']).next()?.strip_prefix(self.base.as_str());
        if path == Some("ckan_api/package_search") {
            let number = |name: &str| url.query_pairs().find(|(key, _)| key == name).and_then(|(_, value)| value.parse::<usize>().ok());
            let page: Vec<&Value> =
                self.packages.values().skip(number("start").unwrap_or(0)).take(number("rows").unwrap_or(usize::MAX)).collect();
            return Some(Saved::Json(json!({"success": true, "result": {"count": self.packages.len(), "results": page}}).to_string()));
        }
        let id = path
            .and_then(|path| path.strip_prefix("resource_download/"))
            .or_else(|| self.resources.get(url.as_str()).map(String::as_str))?;
        self.files.get(id).map(|path| Saved::File(path))
    }
}

/// An address with a slash at its end, so that others can be put below it.
fn base(address: &str) -> Option<Url> {
    let mut url = Url::parse(address.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.set_query(None);
    url.set_fragment(None);
    url.set_path(&format!("{}/", url.path().trim_end_matches('/')));
    Some(url)
}

/// `123`, `123.csv`, `123_一覧.csv`, `123-a.csv`: the number at the beginning.
fn number_of(name: &str) -> Option<String> {
    let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
    let rest = &name[digits.len()..];
    (!digits.is_empty() && (rest.is_empty() || rest.starts_with(['.', '_', '-', ' ']))).then_some(digits)
}

fn only_file(directory: &Path) -> Option<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    files.sort();
    files.into_iter().next()
}

fn unreadable(path: &Path, detail: &str) -> Text {
    Text::new(format!("{} を読めません（{detail}）。", path.display()), format!("cannot read {}: {detail}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_answers_for_the_portal() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let package = |id: u32, url: &str| json!({"id": id, "title": "t", "resources": [{"id": id * 10, "url": url}]});
        let page = |packages: &[Value]| json!({"success": true, "result": {"count": 3, "results": packages}}).to_string();
        write(
            "page-1.json",
            &page(&[package(1, "https://portal.example.jp/resource_download/10"), package(2, "https://elsewhere.example.jp/a.csv")]),
        );
        write("page-2.json", &format!("\u{feff}{}", page(&[package(2, "https://elsewhere.example.jp/a.csv"), package(3, "")])));
        write("files/10.csv", "a");
        write("files/20_一覧.csv", "b");
        write("files/30/中.csv", "c");
        write("files/40.json", "{ not JSON");
        write("packages/30.json", &package(3, "").to_string());
        let portal = SavedPortal::open(directory.path(), None).unwrap();
        assert_eq!(portal.address(), "https://portal.example.jp/");
        let answer = |address: &str| match portal.answer(&Url::parse(address).unwrap()) {
            Some(Saved::Json(text)) => {
                serde_json::from_str::<Value>(&text).unwrap()["result"]["results"].as_array().unwrap().len().to_string()
            }
            Some(Saved::File(path)) => path.file_name().unwrap().to_string_lossy().into_owned(),
            None => "none".to_owned(),
        };
        for (address, expected) in [
            ("https://portal.example.jp/ckan_api/package_search?rows=100&start=0", "3"),
            ("https://portal.example.jp/ckan_api/package_search?rows=2&start=2", "1"),
            ("https://portal.example.jp/resource_download/10", "10.csv"),
            ("https://elsewhere.example.jp/a.csv", "20_一覧.csv"),
            ("https://portal.example.jp/resource_download/30", "中.csv"),
            ("https://portal.example.jp/resource_download/99", "none"),
            ("https://portal.example.jp/api/package_list", "none"),
        ] {
            assert_eq!(answer(address), expected, "{address}");
        }
        write("page-3.json", "{\"success\": tru");
        assert!(SavedPortal::open(directory.path(), None).unwrap_err().en.contains("page-3.json"));
    }

    #[test]
    fn an_empty_directory_is_named() {
        let directory = tempfile::tempdir().unwrap();
        assert!(SavedPortal::open(directory.path(), None).unwrap_err().en.contains("package_search"));
    }
}
