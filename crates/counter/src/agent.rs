//! Who asked, by the `User-Agent` header: a table of facts and a matcher.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use minato_catalog::ClientClass;

/// Who asked, by the look of the agent. An absent or empty agent is a program.
pub fn classify_agent(user_agent: Option<&str>) -> ClientClass {
    kind_of_agent(user_agent).class()
}

/// What an agent is. The order decides when several patterns of the table are found: the first kind wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Fetches for somebody who asked an assistant. Many name a page about their bots, so they go before robots.
    AiAgent,
    /// Watches sites, checks links.
    Monitor,
    /// Crawls.
    Robot,
    /// A program, library or desktop application.
    Machine,
    /// A browser.
    Human,
}

impl Kind {
    pub(crate) fn class(self) -> ClientClass {
        match self {
            Kind::AiAgent => ClientClass::AiAgent,
            Kind::Monitor | Kind::Robot => ClientClass::Robot,
            Kind::Machine => ClientClass::Machine,
            Kind::Human => ClientClass::Human,
        }
    }
}

pub(crate) fn kind_of_agent(user_agent: Option<&str>) -> Kind {
    let agent = user_agent.unwrap_or_default().trim();
    // Nobody writes longer ones by accident; the rest cannot hide anything that the beginning does not say.
    let bytes = &agent.as_bytes()[..agent.len().min(1_024)];
    // A name nobody knows is a program when it does not claim to be a browser. "Mozilla" alone is a scraper's idea of a browser.
    let browser = ["mozilla/5.0 (", "mozilla/4.0 (", "opera/", "docomo/", "kddi-", "softbank/"]
        .iter()
        .any(|start| bytes.len() > start.len() && bytes[..start.len()].eq_ignore_ascii_case(start.as_bytes()));
    let unnamed = if browser { Kind::Human } else { Kind::Machine };
    MATCHER
        .find_overlapping_iter(bytes)
        .filter_map(|found| {
            let (rule, _, kind) = AGENTS[found.pattern().as_usize()];
            let open = found.start() == 0 || !bytes[found.start() - 1].is_ascii_alphanumeric();
            let closed = bytes.get(found.end()).is_none_or(|byte| !byte.is_ascii_alphanumeric());
            let holds = match rule {
                Is::Anywhere => true,
                Is::Word => open && closed,
                Is::WordStart => open,
                Is::First => found.start() == 0,
                Is::BotName => closed && !bytes[..found.end()].to_ascii_lowercase().ends_with(b"cubot"),
            };
            holds.then_some(kind)
        })
        .chain([unnamed])
        .min()
        .unwrap_or(unnamed)
}

static MATCHER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::DFA))
        .build(AGENTS.iter().map(|(_, text, _)| text))
        .expect("the table is constant, small and tested")
});

/// Where in the agent the text must stand. Letters and digits make words; case never matters.
#[derive(Debug, Clone, Copy)]
enum Is {
    /// Anywhere.
    Anywhere,
    /// As a whole word.
    Word,
    /// At the start of a word.
    WordStart,
    /// At the very start.
    First,
    /// At the end of a word, except in the telephone brand Cubot.
    BotName,
}

use Is::{Anywhere, BotName, First, Word, WordStart};
use Kind::{AiAgent, Machine, Monitor, Robot};

/// What is known of agents, from their makers' own pages and from logs of public sites.
#[rustfmt::skip]
const AGENTS: &[(Is, &str, Kind)] = &[
    // AI assistants that fetch because their user asked. Their makers' crawlers have other names, below.
    (Word, "chatgpt-user", AiAgent),
    (Word, "chatgpt agent", AiAgent),
    (Word, "claude-user", AiAgent),
    (Word, "claude-code", AiAgent),
    (Word, "perplexity-user", AiAgent),
    (Word, "mistralai-user", AiAgent),
    (Word, "meta-externalfetcher", AiAgent),
    (Word, "google-notebooklm", AiAgent),
    (Word, "gemini-deep-research", AiAgent),
    (Word, "googleagent-mariner", AiAgent),
    (Word, "google-agent", AiAgent),
    (Word, "duckassistbot", AiAgent),
    (Word, "amzn-user", AiAgent),
    (Word, "novaact", AiAgent),
    (Word, "devin", AiAgent),
    (Word, "cohere-ai", AiAgent),
    (Word, "kagi-fetcher", AiAgent),
    (Word, "modelcontextprotocol", AiAgent),

    // Uptime monitors, load balancers' health checks, link checkers.
    (Anywhere, "uptimerobot", Monitor),
    (Anywhere, "pingdom", Monitor),
    (Anywhere, "statuscake", Monitor),
    (Anywhere, "site24x7", Monitor),
    (Anywhere, "newrelicpinger", Monitor),
    (Anywhere, "datadogsynthetics", Monitor),
    (Word, "datadog", Monitor),
    (Anywhere, "zabbix", Monitor),
    (Anywhere, "nagios", Monitor),
    (Anywhere, "check_http", Monitor),
    (Anywhere, "monitoring-plugins", Monitor),
    (Word, "icinga", Monitor),
    (Anywhere, "mackerel", Monitor),
    (Anywhere, "blackbox-exporter", Monitor),
    (Anywhere, "blackbox_exporter", Monitor),
    (First, "prometheus/", Monitor),
    (Anywhere, "uptime-kuma", Monitor),
    (Word, "betteruptime", Monitor),
    (Anywhere, "better uptime", Monitor),
    (Anywhere, "better stack", Monitor),
    (Anywhere, "hetrixtools", Monitor),
    (Anywhere, "freshping", Monitor),
    (Anywhere, "updown.io", Monitor),
    (Anywhere, "montastic", Monitor),
    (Anywhere, "gomezagent", Monitor),
    (Anywhere, "catchpoint", Monitor),
    (Anywhere, "ptst/", Monitor),
    (Anywhere, "monitis", Monitor),
    (Anywhere, "cloudflare-healthchecks", Monitor),
    (Anywhere, "cloudflare-traffic-manager", Monitor),
    (Anywhere, "elb-healthchecker", Monitor),
    (Anywhere, "amazon-route53-health-check", Monitor),
    (Anywhere, "googlehc/", Monitor),
    (Anywhere, "googlestackdrivermonitoring", Monitor),
    (Anywhere, "load balancer agent", Monitor),
    (First, "kube-probe/", Monitor),
    (Word, "healthcheck", Monitor),
    (Word, "haproxy", Monitor),
    (Anywhere, "linkchecker", Monitor),
    (Anywhere, "link checker", Monitor),
    (Anywhere, "link-checker", Monitor),
    (Anywhere, "linkcheck", Monitor),
    (Anywhere, "linkwalker", Monitor),
    (Anywhere, "checklink", Monitor),
    (Anywhere, "xenu link sleuth", Monitor),
    (Anywhere, "linktiger", Monitor),
    (Anywhere, "linkscan", Monitor),
    (Anywhere, "w3c_validator", Monitor),
    (Anywhere, "validator.nu", Monitor),
    (Anywhere, "ckanext-archiver", Monitor),
    (Anywhere, "dead-link", Monitor),
    (First, "lychee/", Monitor),
    (Anywhere, "chrome-lighthouse", Monitor),
    (Anywhere, "pagespeed", Monitor),
    (Anywhere, "gtmetrix", Monitor),

    // Words that crawlers call themselves by.
    (BotName, "bot", Robot),
    (BotName, "bots", Robot),
    (Word, "robot", Robot),
    (Word, "robots", Robot),
    (Anywhere, "crawl", Robot),
    (Anywhere, "spider", Robot),
    (Anywhere, "scrapy", Robot),
    (Word, "scraper", Robot),
    (Anywhere, "slurp", Robot),
    (Anywhere, "archiver", Robot),
    (Anywhere, "heritrix", Robot),
    (Anywhere, "nutch", Robot),
    (Anywhere, "httrack", Robot),
    (Anywhere, "harvester", Robot),
    (Word, "fetcher", Robot),
    (Word, "indexer", Robot),

    // Search engines and their other agents.
    (Anywhere, "googlebot", Robot),
    (Anywhere, "googleother", Robot),
    (Anywhere, "google-extended", Robot),
    (Anywhere, "google-inspectiontool", Robot),
    (Anywhere, "google-site-verification", Robot),
    (Anywhere, "google favicon", Robot),
    (Anywhere, "google web preview", Robot),
    (Anywhere, "mediapartners-google", Robot),
    (Anywhere, "apis-google", Robot),
    (Anywhere, "feedfetcher", Robot),
    (Anywhere, "bingpreview", Robot),
    (Anywhere, "bingbot", Robot),
    (Anywhere, "msnbot", Robot),
    (Anywhere, "yandex.com/bots", Robot),
    (Anywhere, "yandexbot", Robot),
    (Anywhere, "baiduspider", Robot),
    (Anywhere, "yahoo! slurp", Robot),
    (Anywhere, "y!j-", Robot),
    (Anywhere, "yeti/", Robot),
    (Anywhere, "daum/", Robot),
    (Anywhere, "daumoa", Robot),
    (Anywhere, "petalbot", Robot),
    (Anywhere, "hatena::", Robot),
    (Anywhere, "ichiro/", Robot),
    (Anywhere, "qwantify", Robot),
    (Anywhere, "ia_archiver", Robot),
    (Anywhere, "archive.org", Robot),
    (Anywhere, "archiveteam", Robot),
    (Anywhere, "lockss", Robot),
    (Anywhere, "funnelback", Robot),
    (Anywhere, "yacy", Robot),
    (Anywhere, "larbin", Robot),
    (Anywhere, "mnogosearch", Robot),
    (Anywhere, "bubing", Robot),
    (Anywhere, "unpaywall", Robot),
    (Anywhere, "teoma", Robot),
    (Anywhere, "mojeek", Robot),

    // Crawlers that collect for AI models and AI search.
    (Anywhere, "gptbot", Robot),
    (Anywhere, "oai-searchbot", Robot),
    (Anywhere, "claudebot", Robot),
    (Anywhere, "claude-web", Robot),
    (Anywhere, "claude-searchbot", Robot),
    (Anywhere, "anthropic-ai", Robot),
    (Anywhere, "perplexitybot", Robot),
    (Anywhere, "ccbot", Robot),
    (Anywhere, "bytespider", Robot),
    (Anywhere, "tiktokspider", Robot),
    (Anywhere, "amazonbot", Robot),
    (Anywhere, "applebot", Robot),
    (Anywhere, "meta-externalagent", Robot),
    (Anywhere, "facebookbot", Robot),
    (Anywhere, "diffbot", Robot),
    (Anywhere, "ai2bot", Robot),
    (Anywhere, "omgili", Robot),
    (Anywhere, "webzio", Robot),
    (Anywhere, "timpibot", Robot),
    (Anywhere, "img2dataset", Robot),
    (Anywhere, "firecrawl", Robot),
    (Anywhere, "imagesift", Robot),

    // Link previews in messengers and social networks: nobody asked for the file.
    (Anywhere, "facebookexternalhit", Robot),
    (Anywhere, "facebookcatalog", Robot),
    (Anywhere, "line-poker", Robot),
    (Anywhere, "slackbot", Robot),
    (Anywhere, "slack-imgproxy", Robot),
    (Anywhere, "discordbot", Robot),
    (Anywhere, "twitterbot", Robot),
    (Anywhere, "telegrambot", Robot),
    (First, "whatsapp/", Robot),
    (Anywhere, "skypeuripreview", Robot),
    (Anywhere, "pinterest/0.", Robot),
    (Anywhere, "embedly", Robot),
    (Anywhere, "iframely", Robot),
    (Anywhere, "bitlybot", Robot),
    (Anywhere, "mastodon/", Robot),
    (Anywhere, "misskey/", Robot),
    (Anywhere, "flipboardproxy", Robot),

    // Marketing, security and survey crawlers whose names say nothing.
    (Anywhere, "ahrefs", Robot),
    (Anywhere, "semrush", Robot),
    (Anywhere, "majestic12", Robot),
    (Anywhere, "mj12", Robot),
    (Anywhere, "screaming frog", Robot),
    (Anywhere, "deepcrawl", Robot),
    (Anywhere, "barkrowler", Robot),
    (Anywhere, "seokicks", Robot),
    (Anywhere, "netcraft", Robot),
    (Anywhere, "censysinspect", Robot),
    (Anywhere, "shodan", Robot),
    (Anywhere, "expanse", Robot),
    (Anywhere, "internet-measurement", Robot),
    (First, "masscan/", Robot),
    (First, "zgrab", Robot),
    (Anywhere, " zgrab", Robot),
    (Anywhere, "nmap scripting", Robot),
    (Anywhere, "nikto", Robot),
    (Anywhere, "sqlmap", Robot),
    (Anywhere, "nuclei", Robot),
    (Anywhere, "wpscan", Robot),
    (Anywhere, "nessus", Robot),
    (Anywhere, "ltx71", Robot),
    (Anywhere, "grapeshot", Robot),
    (Anywhere, "proximic", Robot),
    (Anywhere, "admantx", Robot),
    (Anywhere, "turnitin", Robot),
    (Anywhere, "webcopier", Robot),
    (Anywhere, "teleport pro", Robot),
    (Anywhere, "offline explorer", Robot),
    (Anywhere, "sitesucker", Robot),
    (Anywhere, "webzip", Robot),
    (Anywhere, "webreaper", Robot),
    (Anywhere, "webstripper", Robot),
    (Anywhere, "panscient", Robot),
    (Anywhere, "feedly", Robot),
    (Anywhere, "feedburner", Robot),
    (Anywhere, "feedbin", Robot),
    (Anywhere, "feedreader", Robot),
    (Anywhere, "inoreader", Robot),
    (Anywhere, "newsblur", Robot),

    // Programs, libraries and applications that call themselves browsers; all others are programs anyway.
    (Anywhere, "curl/", Machine),
    (Anywhere, "wget", Machine),
    (Anywhere, "python", Machine),
    (Anywhere, "aiohttp", Machine),
    (Anywhere, "httpx", Machine),
    (Anywhere, "okhttp", Machine),
    (Anywhere, "go-http-client", Machine),
    (WordStart, "java/", Machine),
    (Anywhere, "apache-httpclient", Machine),
    (Anywhere, "axios/", Machine),
    (Anywhere, "node-fetch", Machine),
    (Word, "undici", Machine),
    (Anywhere, "libwww-perl", Machine),
    (Anywhere, "guzzlehttp", Machine),
    (Anywhere, "ckanapi", Machine),
    (Anywhere, "ckanr", Machine),
    (Anywhere, "libcurl", Machine),
    (Word, "rstudio", Machine),
    (Anywhere, "powershell/", Machine),
    (Anywhere, "microsoft.data.mashup", Machine),
    (Anywhere, "ms-office", Machine),
    (Anywhere, "msoffice", Machine),
    (Anywhere, "microsoft office", Machine),
    (Anywhere, "microsoft excel", Machine),
    (Anywhere, "libreoffice", Machine),
    (Anywhere, "qgis/", Machine),
    (Anywhere, "arcgis", Machine),
    (Anywhere, "gdal/", Machine),
    (Anywhere, "duckdb", Machine),
    (Anywhere, "tableau", Machine),
    (Anywhere, "google-apps-script", Machine),
    (Anywhere, "googledocs", Machine),
    (Anywhere, "apps-spreadsheets", Machine),
    (Anywhere, "postmanruntime", Machine),
    (Anywhere, "headlesschrome", Machine),
    (Anywhere, "phantomjs", Machine),
    (Anywhere, "puppeteer", Machine),
    (Anywhere, "playwright", Machine),
    (Anywhere, "selenium", Machine),
    (Anywhere, "cfnetwork/", Machine),
    (Anywhere, "dalvik/", Machine),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

    fn check(expected: Kind, agents: &[&str]) {
        for agent in agents {
            assert_eq!(kind_of_agent(Some(agent)), expected, "{agent}");
        }
    }

    #[test]
    fn browsers_are_human() {
        check(
            Kind::Human,
            &[
                CHROME,
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:132.0) Gecko/20100101 Firefox/132.0",
                "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
                "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)",
                "Mozilla/5.0 (Linux; Android 14; SO-51D Build/68) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36 Line/14.19.1/IAB",
                "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36",
                "Mozilla/5.0 (Linux; Android 13; CUBOT) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 YJApp-IOS jp.co.yahoo.ipn.appli/4.130",
                "Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.18",
            ],
        );
    }

    #[test]
    fn programs_are_machines() {
        check(
            Kind::Machine,
            &[
                "",
                "   ",
                "curl/8.5.0",
                "Wget/1.21.4",
                "python-requests/2.32.3",
                "Python-urllib/3.12",
                "python-httpx/0.27.2",
                "Python/3.11 aiohttp/3.10.5",
                "okhttp/4.12.0",
                "Go-http-client/2.0",
                "Java/17.0.9",
                "Java-http-client/21.0.1",
                "axios/1.7.7",
                "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
                "node",
                "ckanapi/4.8 (+https://github.com/ckan/ckanapi)",
                "libcurl/8.5.0 r-curl/5.2.1 crul/1.4.2 rOpenSci(ckanr/0.7.0)",
                "R (4.4.1 x86_64-w64-mingw32 x86_64 mingw32)",
                "Mozilla/5.0 QGIS/33404/Windows 11 Version 2009",
                "Mozilla/5.0 (Windows NT; Windows NT 10.0; ja-JP) WindowsPowerShell/5.1.22621.4391",
                "Microsoft.Data.Mashup (https://go.microsoft.com/fwlink/?LinkID=304225)",
                "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
                "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Excel 16.0.17928; Pro)",
                "Mozilla/5.0 (compatible; GoogleDocs; apps-spreadsheets; +http://docs.google.com)",
                "Mozilla/5.0 (compatible; Google-Apps-Script; beanserver; +https://script.google.com; id: UAEmdDd)",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
                "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)",
                "BousaiMap/3.1 CFNetwork/1568.200.51 Darwin/24.1.0",
                "hiroshima-bousai-app/1.2 (mailto:abbott@example.jp)",
                "bottle/0.12",
                "Mozilla/5.0",
                "Mozilla",
                "アプリ/1.0",
            ],
        );
    }

    #[test]
    fn assistants_on_request_are_ai_agents() {
        check(
            Kind::AiAgent,
            &[
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Claude-User/1.0; +Claude-User@anthropic.com)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Perplexity-User/1.0; +https://perplexity.ai/perplexity-user)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; MistralAI-User/1.0; +https://docs.mistral.ai/robots)",
                "meta-externalfetcher/1.1",
                "CHATGPT-USER",
            ],
        );
    }

    #[test]
    fn crawlers_are_robots() {
        check(
            Kind::Robot,
            &[
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0 Safari/537.36",
                "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
                "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
                "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
                "Y!J-ASR/1.0 crawler (https://support.yahoo-net.jp/PccSearch/s/article/H000007955)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; OAI-SearchBot/1.0; +https://openai.com/searchbot)",
                "CCBot/2.0 (https://commoncrawl.org/faq/)",
                "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; spider-feedback@bytedance.com)",
                "facebookexternalhit/1.1;line-poker/1.0",
                "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
                "Scrapy/2.11.2 (+https://scrapy.org)",
                "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
                "some_bot",
                "Bot 2",
                "MyCompany robot",
            ],
        );
    }

    #[test]
    fn watchers_are_monitors_and_no_class_of_their_own() {
        let agents = [
            "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
            "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
            "Zabbix 7.0.0",
            "check_http/v2.3.3 (nagios-plugins 2.3.3)",
            "mackerel-http-checker/0.0.1",
            "ELB-HealthChecker/2.0",
            "kube-probe/1.30",
            "Prometheus/2.54.1",
            "Mozilla/5.0 (compatible; linkcheck/3.0)",
        ];
        check(Kind::Monitor, &agents);
        assert_eq!(classify_agent(Some(agents[0])), ClientClass::Robot);
        assert_eq!(classify_agent(None), ClientClass::Machine);
    }

    #[test]
    fn the_table_is_lower_case_and_holds_nothing_twice() {
        let mut seen = std::collections::HashSet::new();
        for (_, text, kind) in AGENTS {
            assert_eq!(*text, text.to_ascii_lowercase());
            assert!(text.len() >= 3, "{text} is too short to mean anything");
            assert!(seen.insert(text), "{text} twice, as {kind:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_kind(text in "\\PC{0,80}") {
            kind_of_agent(Some(&text));
        }

        #[test]
        fn case_does_not_matter(index in 0..AGENTS.len()) {
            let text = AGENTS[index].1;
            prop_assert_eq!(kind_of_agent(Some(text)), kind_of_agent(Some(&text.to_ascii_uppercase())));
        }
    }
}
