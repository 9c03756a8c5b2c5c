//! robots.txt (RFC 9309), for pages that are crawled. API documents that staff configured by address are not.

use std::collections::HashMap;
use std::time::Duration;

use minato_catalog::Text;
use robotxt::Robots;
use tokio::time::{Instant, sleep_until};
use url::{Host, Url};

use crate::client::{Client, Fetched};
use crate::error::Error;

/// Our name in robots.txt.
const PRODUCT_TOKEN: &str = "Minato";
/// Longest time between two pages that a site may ask for.
const CRAWL_DELAY_MAX: Duration = Duration::from_secs(10);

/// Why a page was not read.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// robots.txt says no, or could not be asked.
    Robots(Text),
    /// It could not be fetched.
    Fetch(Error),
}

impl Refusal {
    pub(crate) fn text(&self) -> Text {
        match self {
            Refusal::Robots(cause) => cause.clone(),
            Refusal::Fetch(error) => error.text(),
        }
    }
}

/// Fetches pages as far as robots.txt allows; each host is asked once a run.
pub(crate) struct Crawler<'a> {
    client: &'a Client,
    hosts: HashMap<String, Site>,
}

struct Site {
    /// What it says, or why it could not be asked.
    rules: Result<Robots, Text>,
    /// When the next page may be asked for.
    next: Instant,
}

impl<'a> Crawler<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Crawler { client, hosts: HashMap::new() }
    }

    /// A page. Where robots.txt is missing everything is allowed; where it cannot be had nothing is.
    pub(crate) async fn get(&mut self, url: &Url, accept: &str) -> Result<Fetched, Refusal> {
        let site = self.site(url).await;
        let rules = site.rules.as_ref().map_err(|cause| Refusal::Robots(cause.clone()))?;
        if !rules.is_url_allowed(url) {
            return Err(Refusal::Robots(Text::new(
                format!(
                    "{url} は robots.txt で取得が禁止されています。取り込みを認める場合は、robots.txt で User-agent: {PRODUCT_TOKEN} に Allow を指定してください。"
                ),
                format!("robots.txt does not allow {url}; to let it be harvested, allow it there for User-agent: {PRODUCT_TOKEN}"),
            )));
        }
        let pause = pause(rules.crawl_delay(), url);
        let turn = site.next;
        site.next = turn.max(Instant::now()) + pause;
        sleep_until(turn).await;
        self.client.get(url.as_str(), accept).await.map_err(Refusal::Fetch)
    }

    /// The sitemaps that the site's robots.txt names.
    pub(crate) async fn sitemaps(&mut self, url: &Url) -> Result<Vec<Url>, Text> {
        let site = self.site(url).await;
        site.rules.as_ref().map(|rules| rules.sitemaps().to_vec()).map_err(Text::clone)
    }

    async fn site(&mut self, url: &Url) -> &mut Site {
        let origin = url.origin().ascii_serialization();
        if !self.hosts.contains_key(&origin) {
            let rules = self.ask(url).await;
            self.hosts.insert(origin.clone(), Site { rules, next: Instant::now() });
        }
        self.hosts.entry(origin).or_insert_with(|| Site { rules: Ok(Robots::allow_all()), next: Instant::now() })
    }

    async fn ask(&self, url: &Url) -> Result<Robots, Text> {
        let mut address = url.clone();
        address.set_path("/robots.txt");
        address.set_query(None);
        address.set_fragment(None);
        match self.client.get(address.as_str(), "text/plain, */*;q=0.1").await {
            // A page in its place is an error page with the wrong status.
            Ok(fetched) if fetched.is_html() => Ok(Robots::allow_all()),
            Ok(fetched) => {
                let body = &fetched.body[..fetched.body.len().min(robotxt::BYTE_LIMIT)];
                Ok(Robots::parse(body, PRODUCT_TOKEN))
            }
            // RFC 9309, 2.3.1.3: unavailable, so everything is allowed. 429 asks for a pause and is no answer.
            Err(error) if error.status().is_some_and(|status| (400..500).contains(&status) && status != 429) => Ok(Robots::allow_all()),
            Err(Error::TooManyRedirects { .. }) => Ok(Robots::allow_all()),
            Err(error) => {
                let cause = error.text();
                Err(Text::new(
                    format!("robots.txt を確認できないため、このサイトは取り込みません（{}）", cause.ja),
                    format!("robots.txt cannot be read, so nothing of this site is ({})", cause.en),
                ))
            }
        }
    }
}

/// The time between two pages of a host. Hosts on this machine or network are not paced, as in the client.
fn pause(asked: Option<Duration>, url: &Url) -> Duration {
    let is_own = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => !crate::address::is_public(address.into()),
        Some(Host::Ipv6(address)) => !crate::address::is_public(address.into()),
        None => true,
    };
    if is_own { Duration::ZERO } else { asked.unwrap_or_default().min(CRAWL_DELAY_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_kept_within_bounds() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let public = Url::parse("https://www.example.jp/a").unwrap();
        assert_eq!(pause(seconds(3), &public), Duration::from_secs(3));
        assert_eq!(pause(seconds(3_600), &public), CRAWL_DELAY_MAX);
        assert_eq!(pause(None, &public), Duration::ZERO);
        for own in ["http://127.0.0.1:18901/a", "http://localhost/", "http://[::1]/"] {
            assert_eq!(pause(seconds(3), &Url::parse(own).unwrap()), Duration::ZERO, "{own}");
        }
    }

    #[test]
    fn our_own_group_wins_over_the_general_one() {
        let text = b"User-agent: *\nDisallow: /\n\nUser-agent: minato\nDisallow: /private/\nAllow: /private/open\nCrawl-delay: 2\n\nSitemap: https://e.jp/s.xml";
        let rules = Robots::parse(text, PRODUCT_TOKEN);
        let allowed = |path: &str| rules.is_url_allowed(&Url::parse(&format!("https://e.jp{path}")).unwrap());
        assert!(allowed("/data/1") && allowed("/private/open.html") && !allowed("/private/x"));
        assert_eq!(rules.crawl_delay(), Some(Duration::from_secs(2)));
        assert_eq!(rules.sitemaps().len(), 1);
    }
}
