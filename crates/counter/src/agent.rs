//! Who asked, by the `User-Agent` header: a table of facts and a matcher.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use minato_catalog::ClientClass;

/// Who asked, by the look of the agent. An absent or empty agent is a program.
pub fn classify_agent(user_agent: Option<&str>) -> ClientClass {
    look_at_agent(user_agent).0.class()
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

/// Name of the rule for agents that look like a browser, and in which nothing of the table is found.
const BROWSER: &str = "(browser)";
/// Name of the rule for agents that nobody knows: a program when it does not claim to be a browser.
const UNNAMED: &str = "(unnamed)";
/// Name of the rule for requests that do not say who asks.
const ABSENT: &str = "(absent)";
/// Name of the rule for what calls itself compatible with a browser: no browser since Internet Explorer 10 does, crawlers do.
const COMPATIBLE: &str = "(compatible)";

/// The class that a rule gives, by the name kept with a download; `None` for a name that this version of the table does not have.
pub fn class_of_rule(rule: &str) -> Option<ClientClass> {
    match rule {
        BROWSER => Some(ClientClass::Human),
        UNNAMED | ABSENT => Some(ClientClass::Machine),
        COMPATIBLE => Some(ClientClass::Robot),
        rule => AGENTS.iter().find(|(_, text, _)| *text == rule).map(|(_, _, kind)| kind.class()),
    }
}

/// What an agent is, and the name of the rule that says so: the text of a line of the table, or one of those in parentheses.
pub(crate) fn look_at_agent(user_agent: Option<&str>) -> (Kind, &'static str) {
    let agent = user_agent.unwrap_or_default().trim();
    // Nobody writes longer ones by accident; the rest cannot hide anything that the beginning does not say.
    let bytes = &agent.as_bytes()[..agent.len().min(1_024)];
    MATCHER
        .find_overlapping_iter(bytes)
        .filter_map(|found| {
            let (rule, text, kind) = AGENTS[found.pattern().as_usize()];
            let open = found.start() == 0 || !bytes[found.start() - 1].is_ascii_alphanumeric();
            let closed = bytes.get(found.end()).is_none_or(|byte| !byte.is_ascii_alphanumeric());
            let holds = match rule {
                Is::Anywhere => true,
                Is::Word => open && closed,
                Is::WordStart => open,
                Is::First => found.start() == 0,
                Is::Whole => found.start() == 0 && found.end() == bytes.len(),
                Is::BotName => closed && !bytes[..found.end()].to_ascii_lowercase().ends_with(b"cubot"),
            };
            holds.then_some((kind, text))
        })
        .min_by_key(|(kind, _)| *kind)
        .unwrap_or_else(|| unnamed(bytes))
}

/// What an agent is in which nothing of the table is found.
fn unnamed(agent: &[u8]) -> (Kind, &'static str) {
    if agent.is_empty() {
        return (Kind::Machine, ABSENT);
    }
    // "Mozilla" alone is a scraper's idea of a browser.
    const BROWSERS: [&str; 6] = ["mozilla/5.0 (", "mozilla/4.0 (", "opera/", "docomo/", "kddi-", "softbank/"];
    let starts = |start: &str| agent.len() > start.len() && agent[..start.len()].eq_ignore_ascii_case(start.as_bytes());
    if !BROWSERS.iter().any(|start| starts(start)) {
        return (Kind::Machine, UNNAMED);
    }
    let compatible = ["mozilla/5.0 (compatible; ", "mozilla/4.0 (compatible; "].iter().find(|start| starts(start));
    let named = compatible.and_then(|start| agent.get(start.len()..));
    let browser = |name: &[u8]| {
        ["msie ", "konqueror"].iter().any(|known| name.len() > known.len() && name[..known.len()].eq_ignore_ascii_case(known.as_bytes()))
    };
    match named {
        Some(name) if !browser(name) => (Kind::Robot, COMPATIBLE),
        _ => (Kind::Human, BROWSER),
    }
}

/// The table as texts, for telling whether it changed.
pub(crate) fn lines() -> impl Iterator<Item = String> {
    AGENTS.iter().map(|(rule, text, kind)| format!("{rule:?} {text} {kind:?}\n"))
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
    /// The whole agent.
    Whole,
    /// At the end of a word, except in the telephone brand Cubot.
    BotName,
}

use Is::{Anywhere, BotName, First, Whole, Word, WordStart};
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
    (Word, "chatgpt-operator", AiAgent),
    (Word, "claude-desktop", AiAgent),
    (Word, "gemini-cli", AiAgent),
    (Word, "copilot-user", AiAgent),
    (Word, "manus-user", AiAgent),
    (Word, "openai-agents", AiAgent),
    (Word, "bedrock-agent", AiAgent),
    (Word, "langchain", AiAgent),

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

    // Checkers of links and markup.
    (Word, "linklint-checkonly", Monitor),
    (Word, "validator", Monitor),
    (Word, "webmetrics", Monitor),
    (Word, "webmon", Monitor),
    (Word, "xenu", Monitor),

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
    (Anywhere, "cohere-training-data-crawler", Robot),
    (Anywhere, "deepseekbot", Robot),
    (Anywhere, "pangubot", Robot),
    (Anywhere, "youbot", Robot),
    (Anywhere, "iaskspider", Robot),
    (Anywhere, "velenpublicwebcrawler", Robot),
    (Anywhere, "brightbot", Robot),
    (Anywhere, "kangaroo bot", Robot),
    (Anywhere, "applebot-extended", Robot),
    (Anywhere, "google-cloudvertexbot", Robot),

    // Link previews in messengers and social networks: nobody asked for the file.
    (Anywhere, "facebookexternalhit", Robot),
    (Anywhere, "facebookcatalog", Robot),
    (Anywhere, "line-poker", Robot),
    (Anywhere, "slackbot", Robot),
    (Anywhere, "slack-imgproxy", Robot),
    (Anywhere, "discordbot", Robot),
    (Anywhere, "twitterbot", Robot),
    (Anywhere, "telegrambot", Robot),
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

    // Crawlers, collectors and previews that the COUNTER project knows of; a slash where the word alone is also part of people's agents
    // (motorola, "Yahoo! JAPAN" in a telephone's browser).
    (Word, "7siters", Robot),
    (Word, "addthis", Robot),
    (Word, "alexa", Robot),
    (Word, "alexandria prototype project", Robot),
    (Word, "allentrack", Robot),
    (Word, "almaden", Robot),
    (Word, "appie", Robot),
    (Word, "arachmo", Robot),
    (Word, "arachni", Robot),
    (Word, "architext", Robot),
    (Word, "arks", Robot),
    (Word, "asterias", Robot),
    (Word, "atomz", Robot),
    (WordStart, "baidu/", Robot),
    (Word, "bdfetch", Robot),
    (Word, "betsie", Robot),
    (Word, "biglotron", Robot),
    (Word, "binlar", Robot),
    (Word, "bjaaland", Robot),
    (Word, "blackboard safeassign", Robot),
    (Word, "blaiz-bee", Robot),
    (Word, "bloglines", Robot),
    (Word, "blogpulse", Robot),
    (Word, "boitho.com-dc", Robot),
    (Word, "brutus/aet", Robot),
    (WordStart, "buck/", Robot),
    (Word, "bwh3_user_agent", Robot),
    (Word, "celestial", Robot),
    (Word, "centuryb", Robot),
    (Word, "checkprivacy", Robot),
    (Word, "china local browse 2.6", Robot),
    (Word, "cloakdetect", Robot),
    (Word, "coccoc/1.0", Robot),
    (Word, "code sample web client", Robot),
    (Word, "collection@infegy.com", Robot),
    (Word, "com.plumanalytics", Robot),
    (WordStart, "combine/", Robot),
    (Word, "contentmatch", Robot),
    (Word, "contentsmartz", Robot),
    (Word, "convera", Robot),
    (WordStart, "core/", Robot),
    (Word, "coverscout", Robot),
    (WordStart, "crusty/", Robot),
    (WordStart, "custo/", Robot),
    (Word, "datacha0s", Robot),
    (Word, "deusu", Robot),
    (WordStart, "dispatch/", Robot),
    (Word, "docoloc", Robot),
    (Word, "dsurf", Robot),
    (Word, "dts agent", Robot),
    (Word, "easydl", Robot),
    (Word, "ecosearch", Robot),
    (Word, "emailsiphon", Robot),
    (Word, "emailwolf", Robot),
    (Word, "ethos+(british+library)", Robot),
    (Word, "faveeo", Robot),
    (Word, "favorg", Robot),
    (WordStart, "ferret/", Robot),
    (Word, "findlinks", Robot),
    (Word, "findthatfile", Robot),
    (WordStart, "fish/", Robot),
    (Word, "fulltext", Robot),
    (Word, "g-i-g-a-b-o-t", Robot),
    (Word, "genieo", Robot),
    (Word, "gigablastopensource", Robot),
    (Word, "glmslinkanalysis", Robot),
    (Word, "goldfire server", Robot),
    (WordStart, "google/", Robot),
    (Word, "grouphigh", Robot),
    (WordStart, "grub/", Robot),
    (Word, "gulliver", Robot),
    (Word, "harvest", Robot),
    (WordStart, "holmes/", Robot),
    (Word, "htdig", Robot),
    (Word, "iktomi", Robot),
    (WordStart, "ilse/", Robot),
    (Word, "internetseer", Robot),
    (Word, "intute", Robot),
    (Word, "isilox", Robot),
    (Word, "iskanie", Robot),
    (Word, "jeeves", Robot),
    (WordStart, "jobo/", Robot),
    (Word, "kyluka", Robot),
    (Word, "lilina", Robot),
    (Word, "lipperhey", Robot),
    (Word, "livejournal.com", Robot),
    (Word, "longurl api", Robot),
    (Word, "longurl.api", Robot),
    (Word, "lycos", Robot),
    (Word, "macocu", Robot),
    (Word, "mail.ru", Robot),
    (Word, "megite", Robot),
    (Word, "metainspector", Robot),
    (Word, "metauri api", Robot),
    (WordStart, "mimas/", Robot),
    (Word, "moget", Robot),
    (WordStart, "motor/", Robot),
    (Word, "muscatferre", Robot),
    (WordStart, "myweb/", Robot),
    (Word, "netluchs", Robot),
    (WordStart, "nettle/", Robot),
    (WordStart, "ng/2.", Robot),
    (Word, "no_user_agent", Robot),
    (WordStart, "nomad/", Robot),
    (Word, "ocelli", Robot),
    (Word, "ogscrper", Robot),
    (Word, "onetszukaj", Robot),
    (Word, "parsijoo", Robot),
    (WordStart, "perman/", Robot),
    (Word, "pidcheck", Robot),
    (WordStart, "pioneer/", Robot),
    (Word, "powermarks", Robot),
    (Word, "rambler", Robot),
    (Word, "readpaper", Robot),
    (Word, "redalert", Robot),
    (Word, "riddler", Robot),
    (Word, "robozilla", Robot),
    (WordStart, "rss/", Robot),
    (Word, "scan4mail", Robot),
    (Word, "scientificcommons", Robot),
    (Word, "scirus", Robot),
    (WordStart, "scooter/", Robot),
    (Word, "scoutjet", Robot),
    (Word, "searchbloxintra", Robot),
    (Word, "shoutcast", Robot),
    (Word, "sogou", Robot),
    (WordStart, "speedy/", Robot),
    (Word, "srcedamp", Robot),
    (WordStart, "strider/", Robot),
    (Word, "summify", Robot),
    (WordStart, "sunrise/", Robot),
    (Word, "sysomos", Robot),
    (Word, "t-h-u-n-d-e-r-s-t-o-n-e", Robot),
    (Word, "tailrank", Robot),
    (Word, "the knowledge ai", Robot),
    (WordStart, "titan/", Robot),
    (Word, "trello", Robot),
    (WordStart, "trove/", Robot),
    (Word, "twiceler", Robot),
    (Word, "ucsd", Robot),
    (Word, "ultraseek", Robot),
    (Word, "urlaliasbuilder", Robot),
    (Word, "virus detector", Robot),
    (Word, "virus.detector", Robot),
    (WordStart, "voila/", Robot),
    (WordStart, "voyager/", Robot),
    (Word, "w3af.org", Robot),
    (Word, "wanadoo", Robot),
    (Word, "webcollage", Robot),
    (Word, "webinator", Robot),
    (Word, "weblayers", Robot),
    (WordStart, "worm/", Robot),
    (Word, "www.gnip.com", Robot),
    (WordStart, "y!j/", Robot),
    (WordStart, "yahoo/", Robot),
    (Word, "yandex", Robot),
    (WordStart, "zeus/", Robot),
    (Word, "zyborg", Robot),
    (Anywhere, "whatsapp/", Robot),
    (Whole, "opera/4", Robot),

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
    // Libraries, download managers and other people's software that fetches: counted as programs, where COUNTER leaves them out.
    (Word, "aria2", Machine),
    (Word, "bookmark-manager", Machine),
    (Word, "cakephp", Machine),
    (Word, "citoid", Machine),
    (Word, "coldfusion", Machine),
    (Word, "cortana", Machine),
    (WordStart, "cursor/", Machine),
    (Word, "download master", Machine),
    (Word, "download+master", Machine),
    (Word, "drupal", Machine),
    (Word, "easybib autocite", Machine),
    (Word, "ebsco ejs content server", Machine),
    (Word, "elinks", Machine),
    (Word, "fdm", Machine),
    (Word, "fetch api request", Machine),
    (Word, "getright", Machine),
    (Word, "geturl", Machine),
    (Word, "grammarly", Machine),
    (Word, "gvfs", Machine),
    (Word, "htmlparser", Machine),
    (Word, "http client", Machine),
    (Word, "http-client", Machine),
    (Word, "httpclient", Machine),
    (Word, "httpcomponents", Machine),
    (Word, "httpfetcher", Machine),
    (Word, "httpget", Machine),
    (Word, "indy library", Machine),
    (Word, "insomnia", Machine),
    (WordStart, "jersey/", Machine),
    (Word, "koha", Machine),
    (Word, "libhttp", Machine),
    (Word, "libwww", Machine),
    (Word, "lwp", Machine),
    (Word, "marcedit", Machine),
    (Word, "microsoft url control", Machine),
    (Word, "microsoft-webdav-miniredir", Machine),
    (WordStart, "newspaper/", Machine),
    (Word, "offline navigator", Machine),
    (Word, "ourbrowser", Machine),
    (Word, "pcore-http", Machine),
    (Word, "pear.php.net", Machine),
    (WordStart, "php/", Machine),
    (Word, "playmusic.com", Machine),
    (Word, "playstarmusic.com", Machine),
    (Word, "reactornetty", Machine),
    (Word, "restsharp", Machine),
    (Word, "typhoeus", Machine),
    (Word, "url2file", Machine),
    (Word, "urllib", Machine),
    (Word, "web downloader", Machine),
    (Word, "webcloner", Machine),
    (Word, "webmirror", Machine),
    (Word, "wordpress", Machine),
    (Word, "www-mechanize", Machine),
    (Word, "zoterotranslationserver", Machine),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

    fn check(expected: Kind, agents: &[&str]) {
        for agent in agents {
            assert_eq!(look_at_agent(Some(agent)).0, expected, "{agent}");
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
                "Mozilla/5.0 (Linux; Android 12; motorola edge 30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/342.0 Mobile/15E148 Safari/604.1",
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) coc_coc_browser/120.0 Chrome/114.0 Safari/537.36",
                "Mozilla/5.0 (iPad; CPU OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/480.0]",
                "DoCoMo/2.0 N905i(c100;TB;W24H16)",
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

    /// Agents that match a pattern of the COUNTER list, written as clients would: alone, after "compatible;", and after a browser's name.
    fn samples(pattern: &str) -> Vec<String> {
        let mut name = pattern.trim_start_matches('^').trim_end_matches('$').to_owned();
        for (from, to) in [
            ("(\\s|\\+)", " "),
            ("[\\+\\s]", " "),
            ("\\s+", " "),
            ("\\s", " "),
            ("(oa)?", ""),
            ("[0-9]", "1"),
            ("\\d{1,2}.", "17."),
            ("\\d", "1"),
            ("[^a]", " "),
            ("[_+]", "_"),
            ("\\%?", ""),
            (".?", ""),
            ("\\/", "/"),
            ("\\", ""),
            ("[en]", "[en]"),
        ] {
            name = name.replace(from, to);
        }
        let name = name.trim().to_owned();
        if pattern.starts_with('^') {
            return vec![name];
        }
        let after = format!("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) {name}/1.0");
        vec![name.clone(), format!("Mozilla/5.0 (compatible; {name}/1.0)"), after]
    }

    /// Patterns of the COUNTER list that people have in their agents here, and why they stay people.
    const PEOPLE: &[(&str, &str)] = &[("docomo", "telephones of a Japanese carrier, with somebody before them")];

    #[test]
    fn what_the_counter_list_matches_is_no_person() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/robots/COUNTER_Robots_list.json");
        let Ok(text) = std::fs::read_to_string(path) else { return };
        let mut missing = Vec::new();
        let mut patterns = 0;
        for rest in text.split("\"pattern\": \"").skip(1) {
            let pattern = rest.split("\",").next().unwrap().replace("\\\\", "\\");
            patterns += 1;
            if PEOPLE.iter().any(|(stays, _)| *stays == pattern) {
                continue;
            }
            missing.extend(
                samples(&pattern)
                    .into_iter()
                    .filter(|agent| look_at_agent(Some(agent)).0 == Kind::Human)
                    .map(|agent| (pattern.clone(), agent)),
            );
        }
        assert!(patterns > 300, "{patterns} patterns read");
        assert!(missing.is_empty(), "{} agents are taken for people: {missing:#?}", missing.len());
    }

    proptest! {
        #[test]
        fn any_text_has_a_kind(text in "\\PC{0,80}") {
            look_at_agent(Some(&text));
        }

        #[test]
        fn case_does_not_matter(index in 0..AGENTS.len()) {
            let text = AGENTS[index].1;
            prop_assert_eq!(look_at_agent(Some(text)), look_at_agent(Some(&text.to_ascii_uppercase())));
        }
    }
}
