//! Configuration: one file and the environment, read once at start. Every setting has a default.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use minato_app::AppSettings;
use serde::{Deserialize, Serialize};

/// The whole configuration. In a file as TOML tables, in the environment as `MINATO_<TABLE>_<SETTING>`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Directory for database, index and files. Default `minato-data`. `--data`, `MINATO_DATA`.
    pub data: Option<PathBuf>,
    /// `sqlite:///path` or `postgres://user@host/name`. Default: an SQLite file in the data directory. `--database-url`, `MINATO_DATABASE_URL`.
    pub database_url: Option<String>,
    /// Table `[server]`.
    pub server: ServerSettings,
    /// Table `[harvest]`.
    pub harvest: HarvestSettings,
    /// Table `[storage]`.
    pub storage: StorageSettings,
    /// Table `[mail]`.
    pub mail: MailSettings,
}

/// How mail is sent. Without `smtp` none is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// Server, `mail.example.jp` or `mail.example.jp:587`. Default: none, no mail.
    pub smtp: Option<String>,
    /// `tls` from the beginning (default), `starttls`, or `none` for a server on this machine.
    pub tls: MailTls,
    /// Name to sign in with.
    pub user: Option<String>,
    /// Password to sign in with.
    pub password: Option<String>,
    /// Sender, `みなと <opendata@example.jp>`.
    pub from: Option<String>,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// TLS from the beginning, or none at all.
    #[default]
    Tls,
    /// TLS begun within the connection, or none at all.
    Starttls,
    /// Nothing. For a server on this machine.
    None,
}

/// How the server serves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Address and port. Default `127.0.0.1:8080`. `--listen`, `MINATO_SERVER_LISTEN`.
    pub listen: SocketAddr,
    /// Address under which the public reaches it, without a final slash; used in links that leave the site. Default: `http://<listen>`.
    pub base_url: Option<String>,
    /// Name of the site in Japanese. Default `みなと`.
    pub title: String,
    /// Name of the site in English. Default `Minato`.
    pub title_en: String,
    /// Threads that answer requests. Default: the number of processors.
    pub workers: Option<usize>,
    /// Proxies whose `X-Forwarded-For` is believed. Default: none. In the environment a comma-separated list.
    #[serde(deserialize_with = "addresses")]
    pub trusted_proxies: Vec<IpAddr>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            base_url: None,
            title: "みなと".to_owned(),
            title_en: "Minato".to_owned(),
            workers: None,
            trusted_proxies: Vec::new(),
        }
    }
}

impl ServerSettings {
    /// Address under which the public reaches the site, without a final slash.
    pub fn base_url(&self) -> String {
        match &self.base_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
        }
    }
}

/// How other portals are harvested.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HarvestSettings {
    /// Private and loopback addresses that may be harvested all the same: `127.0.0.1:18901`, `10.0.0.0/8`. Default: none. In the environment a comma-separated list.
    #[serde(deserialize_with = "list_or_text")]
    pub allow_addresses: Vec<String>,
    /// Page or mail address that the `User-Agent` names for questions. Default: the base URL.
    pub contact: Option<String>,
    /// Whether this process runs queued harvests. Default true.
    pub worker: bool,
}

impl Default for HarvestSettings {
    fn default() -> Self {
        HarvestSettings { allow_addresses: Vec::new(), contact: None, worker: true }
    }
}

/// How things are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageSettings {
    /// Largest file accepted, in bytes. Default 2 GiB.
    pub upload_bytes_max: u64,
    /// Most database connections. Default 8.
    pub connections_max: u32,
    /// Memory for writing the search index, in bytes. Default 20 MB.
    pub index_memory_bytes: usize,
}

impl Default for StorageSettings {
    fn default() -> Self {
        StorageSettings { upload_bytes_max: 2 * 1024 * 1024 * 1024, connections_max: 8, index_memory_bytes: 20_000_000 }
    }
}

/// Where the data are when nobody says otherwise.
pub const DEFAULT_DATA: &str = "minato-data";

impl Config {
    /// Reads `file` (or `minato.toml` here, when there is one) and the environment over it.
    pub fn load(file: Option<&std::path::Path>) -> anyhow::Result<Config> {
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        match file {
            Some(path) => {
                anyhow::ensure!(path.is_file(), "configuration file {} does not exist", path.display());
                figment = figment.merge(Toml::file(path));
            }
            None => figment = figment.merge(Toml::file("minato.toml")),
        }
        // MINATO_HARVEST_ALLOW_ADDRESSES -> harvest.allow_addresses; the two settings outside the tables keep their names.
        let environment = Env::prefixed("MINATO_").filter(|key| known(key.as_str())).map(|key| {
            let key = key.as_str().to_ascii_lowercase();
            match key.split_once('_') {
                Some((table @ ("server" | "harvest" | "storage" | "mail"), setting)) => format!("{table}.{setting}").into(),
                _ => key.into(),
            }
        });
        let config: Config = figment.merge(environment).extract()?;
        Ok(config)
    }

    /// The settings of the application.
    pub fn app(&self) -> anyhow::Result<AppSettings> {
        let mut settings = AppSettings::new(self.data.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_DATA)));
        settings.database_url = self.database_url.clone();
        settings.store.connections_max = self.storage.connections_max;
        settings.upload_bytes_max = self.storage.upload_bytes_max;
        settings.index_memory_bytes = self.storage.index_memory_bytes;
        settings.harvest.contact_url = self.harvest.contact.clone().unwrap_or_else(|| self.server.base_url());
        settings.public_url = self.server.base_url();
        settings.sends_mail = self.mail.smtp.is_some();
        for text in &self.harvest.allow_addresses {
            let address = text.trim().parse().map_err(|error| anyhow::anyhow!("harvest.allow_addresses: `{text}`: {error}"))?;
            settings.harvest.allow_addresses.push(address);
        }
        Ok(settings)
    }
}

/// Variables of the tests and of the shell may begin with MINATO_ too; only settings are read, and a misspelt one in a known table is an error.
fn known(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    matches!(key.as_str(), "data" | "database_url")
        || ["server_", "harvest_", "storage_", "mail_"].iter().any(|table| key.starts_with(table))
}

fn addresses<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<IpAddr>, D::Error> {
    let list = list_or_text(deserializer)?;
    let address = |text: &String| text.trim().parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is no address")));
    list.iter().map(address).collect()
}

fn list_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ListOrText {
        List(Vec<String>),
        Text(String),
    }
    Ok(match ListOrText::deserialize(deserializer)? {
        ListOrText::List(list) => list,
        ListOrText::Text(text) => text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect(),
    })
}
