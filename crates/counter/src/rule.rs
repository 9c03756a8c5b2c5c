//! The rules, in the order in which they are asked.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use minato_catalog::{Channel, ClientClass, Text};
use uuid::Uuid;

use crate::agent::{Kind, look_at_agent};

/// One request for a file or a page about it, and how it was answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request<'a> {
    /// HTTP method, upper case as sent.
    pub method: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// How the file was had.
    pub channel: Channel,
    /// `Range` header.
    pub range: Option<&'a str>,
    /// `User-Agent` header.
    pub user_agent: Option<&'a str>,
    /// `Sec-Purpose` header, else `Purpose`, `X-Purpose` or `X-Moz`.
    pub purpose: Option<&'a str>,
    /// Address of the client, behind trusted proxies.
    pub address: IpAddr,
    /// Signed-in user.
    pub user_id: Option<Uuid>,
    /// Value of the visitor's cookie, when there is one.
    pub cookie: Option<&'a str>,
    /// When the answer began.
    pub at: DateTime<Utc>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is a download, unless it turns out to be the first part of a double click.
    Counted {
        /// Who asked; never [`ClientClass::Robot`].
        class: ClientClass,
        /// The line of the table of agents that says so, see [`class_of_rule`](crate::class_of_rule).
        agent_rule: &'static str,
    },
    /// It is none.
    NotCounted {
        /// The rule that said so.
        reason: Reason,
    },
}

/// Why a request is not a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Another method than GET.
    Method,
    /// Not answered with the file.
    Status,
    /// A part of the file that does not begin at its first byte, or a probe of one or two bytes.
    Part,
    /// Fetched ahead by a browser, before anybody asked for it.
    Prefetch,
    /// A service that watches whether the site is up.
    Monitor,
    /// A crawler.
    Robot,
}

impl Reason {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Reason; 6] = [Reason::Method, Reason::Status, Reason::Part, Reason::Prefetch, Reason::Monitor, Reason::Robot];

    /// As stored and logged.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Method => "method",
            Reason::Status => "status",
            Reason::Part => "part",
            Reason::Prefetch => "prefetch",
            Reason::Monitor => "monitor",
            Reason::Robot => "robot",
        }
    }

    /// The rule in words.
    pub fn text(self) -> Text {
        let rule = RULES.iter().find(|rule| rule.reason == self);
        rule.map_or_else(|| Text::new(self.as_str(), self.as_str()), |rule| Text::new(rule.ja, rule.en))
    }
}

/// One rule of the method, for people who ask how it was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What a request is refused for.
    pub reason: Reason,
    /// Where the rule comes from.
    pub clause: &'static str,
    /// The rule in Japanese.
    pub ja: &'static str,
    /// The rule in English.
    pub en: &'static str,
}

/// The rules in the order in which they are asked; the first that applies decides.
///
/// "COUNTER RD" is the COUNTER Code of Practice for Research Data 1.0.1, "RFC" the HTTP specifications.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    Rule {
        reason: Reason::Method,
        clause: "COUNTER RD 10.1: content was retrieved; RFC 9110 9.3.2: HEAD transfers no content. Adapted: queries of rows and MCP may be asked by POST",
        ja: "GET 以外（HEAD など）の要求は数えません。行の検索と MCP だけは POST も数えます。",
        en: "only GET counts, and POST for queries of rows and MCP; HEAD and other methods transfer no file",
    },
    Rule {
        reason: Reason::Status,
        clause: "COUNTER RD 10.1: status 200 and 304. Adapted: 206 from the first byte; 302, 303 and 307 where a click sends the visitor on to the publisher's own file",
        ja: "ファイルを渡した応答（200・304、先頭からの 206、公開元へ送る 302・303・307）だけを数えます。",
        en: "only answers that handed over the file count: 200, 304, 206 from the first byte, or 302, 303, 307 to the publisher",
    },
    Rule {
        reason: Reason::Part,
        clause: "COUNTER RD 10.1, adapted; RFC 9110 14.2: a download resumed or fetched in parts is one download, the part with the first byte",
        ja: "途中からの再開・分割の続き、1〜2 バイトだけの確認は数えません。",
        en: "resumed downloads, later parts and probes of one or two bytes do not count",
    },
    Rule {
        reason: Reason::Prefetch,
        clause: "COUNTER RD 10: only intended usage is counted; Fetch standard, Sec-Purpose",
        ja: "ブラウザーの先読み（prefetch・prerender・preview）は数えません。",
        en: "what a browser fetches ahead of a click (prefetch, prerender, preview) does not count",
    },
    Rule {
        reason: Reason::Monitor,
        clause: "COUNTER RD 10: robots are excluded; monitoring services are a kind of robot",
        ja: "稼働監視・リンク確認の要求は数えません。",
        en: "uptime monitors and link checkers do not count",
    },
    Rule {
        reason: Reason::Robot,
        clause: "COUNTER RD 10: robots and crawlers are excluded. Adapted: programs run for a user (curl, python-requests, AI assistants on request) are counted, and shown apart",
        ja: "検索エンジンなどのロボット（クローラー）は数えません。プログラムと AI エージェントは分けて数えます。",
        en: "crawlers do not count; programs and AI agents acting for somebody count and are shown apart",
    },
];

/// Whether a request is a download, and whose.
///
/// Double clicks are not known here: see [`is_double_click`](crate::is_double_click).
pub fn decide(request: &Request<'_>) -> Decision {
    let (kind, agent_rule) = look_at_agent(request.user_agent);
    let reason = if !is_method(request.channel, request.method) {
        Reason::Method
    } else if !handed_over(request.channel, request.status) {
        Reason::Status
    } else if request.status == 206 && !begins_the_file(request.range) {
        Reason::Part
    } else if is_prefetch(request.purpose) {
        Reason::Prefetch
    } else if kind == Kind::Monitor {
        Reason::Monitor
    } else if kind == Kind::Robot {
        Reason::Robot
    } else {
        return Decision::Counted { class: kind.class(), agent_rule };
    };
    Decision::NotCounted { reason }
}

/// Whether somebody wants the answer to a request: it comes from no crawler and no monitor, and no browser fetched it ahead of a click.
pub fn is_wanted(user_agent: Option<&str>, purpose: Option<&str>) -> bool {
    !matches!(look_at_agent(user_agent).0, Kind::Monitor | Kind::Robot) && !is_prefetch(purpose)
}

/// Queries and the Model Context Protocol also ask by POST; nothing else hands over content so.
fn is_method(channel: Channel, method: &str) -> bool {
    method == "GET" || (method == "POST" && matches!(channel, Channel::Query | Channel::Mcp))
}

fn handed_over(channel: Channel, status: u16) -> bool {
    match channel {
        Channel::File | Channel::Zip | Channel::Converted => matches!(status, 200 | 206 | 304),
        Channel::Redirect => matches!(status, 302 | 303 | 307),
        Channel::Query | Channel::Api | Channel::Mcp | Channel::Preview | Channel::Page => matches!(status, 200 | 304),
    }
}

/// Whether the asked-for range holds the first byte of the file and more than a probe's two bytes.
///
/// Without a `Range` header a 206 cannot be understood, and is not counted.
fn begins_the_file(range: Option<&str>) -> bool {
    let Some((unit, ranges)) = range.and_then(|range| range.split_once('=')) else { return false };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return false;
    }
    ranges.split(',').any(|range| {
        let Some((first, last)) = range.split_once('-') else { return false };
        let from_start = first.trim().parse() == Ok(0_u64);
        let probe = matches!(last.trim().parse(), Ok(0 | 1_u64));
        from_start && !probe
    })
}

fn is_prefetch(purpose: Option<&str>) -> bool {
    purpose.is_some_and(|purpose| {
        purpose.split([';', ',', ' ']).any(|word| ["prefetch", "prerender", "preview"].iter().any(|known| word.eq_ignore_ascii_case(known)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

    fn request() -> Request<'static> {
        Request {
            method: "GET",
            status: 200,
            channel: Channel::File,
            range: None,
            user_agent: Some(BROWSER),
            purpose: None,
            address: IpAddr::from([192, 0, 2, 1]),
            user_id: None,
            cookie: None,
            at: DateTime::UNIX_EPOCH,
        }
    }

    fn check(request: Request<'_>, expected: Result<ClientClass, Reason>) {
        let found = match decide(&request) {
            Decision::Counted { class, .. } => Ok(class),
            Decision::NotCounted { reason } => Err(reason),
        };
        assert_eq!(found, expected, "{request:?}");
    }

    #[test]
    fn only_get_counts() {
        check(request(), Ok(ClientClass::Human));
        for method in ["HEAD", "POST", "OPTIONS", "PUT", "", "get"] {
            check(Request { method, ..request() }, Err(Reason::Method));
        }
    }

    #[test]
    fn only_answers_with_the_file_count() {
        for status in [200, 304] {
            check(Request { status, ..request() }, Ok(ClientClass::Human));
        }
        for status in [0, 201, 204, 301, 302, 307, 401, 403, 404, 410, 412, 416, 429, 500, 503] {
            check(Request { status, ..request() }, Err(Reason::Status));
        }
    }

    #[test]
    fn a_redirect_counts_when_it_sends_on_to_the_publisher() {
        let redirect = Request { channel: Channel::Redirect, ..request() };
        for status in [302, 303, 307] {
            check(Request { status, ..redirect }, Ok(ClientClass::Human));
        }
        for status in [200, 206, 301, 304, 404, 502] {
            check(Request { status, ..redirect }, Err(Reason::Status));
        }
    }

    #[test]
    fn a_part_counts_only_from_the_first_byte() {
        for range in ["bytes=0-", "bytes=0-499", "bytes = 0 - ", "BYTES=0-99", "bytes=0-1023, 4096-"] {
            check(Request { status: 206, range: Some(range), ..request() }, Ok(ClientClass::Human));
        }
        for range in ["bytes=1-", "bytes=500-999", "bytes=-500", "bytes=0-0", "bytes=0-1", "items=0-", "bytes=", "bytes", "", "bytes=x-"] {
            check(Request { status: 206, range: Some(range), ..request() }, Err(Reason::Part));
        }
        check(Request { status: 206, range: None, ..request() }, Err(Reason::Part));
    }

    #[test]
    fn each_channel_has_its_methods_and_statuses() {
        for (channel, method, status, counted) in [
            (Channel::Zip, "GET", 200, true),
            (Channel::Zip, "POST", 200, false),
            (Channel::Converted, "GET", 304, true),
            (Channel::Query, "POST", 200, true),
            (Channel::Query, "GET", 200, true),
            (Channel::Query, "GET", 206, false),
            (Channel::Mcp, "POST", 200, true),
            (Channel::Mcp, "PUT", 200, false),
            (Channel::Api, "POST", 200, false),
            (Channel::Page, "GET", 200, true),
            (Channel::Page, "GET", 304, true),
            (Channel::Page, "GET", 410, false),
            (Channel::Preview, "HEAD", 200, false),
        ] {
            let found = decide(&Request { channel, method, status, ..request() });
            assert_eq!(matches!(found, Decision::Counted { .. }), counted, "{channel:?} {method} {status}");
        }
    }

    #[test]
    fn a_range_the_server_ignored_is_a_whole_file() {
        check(Request { range: Some("bytes=500-"), ..request() }, Ok(ClientClass::Human));
    }

    #[test]
    fn what_a_browser_fetches_ahead_does_not_count() {
        for purpose in ["prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip", "Prerender", "preview"] {
            check(Request { purpose: Some(purpose), ..request() }, Err(Reason::Prefetch));
        }
        for purpose in ["", "navigate", "prefetching-not"] {
            check(Request { purpose: Some(purpose), ..request() }, Ok(ClientClass::Human));
        }
    }

    #[test]
    fn robots_and_monitors_do_not_count_and_programs_do() {
        for (agent, expected) in [
            (None, Ok(ClientClass::Machine)),
            (Some("curl/8.5.0"), Ok(ClientClass::Machine)),
            (Some("Mozilla/5.0 (compatible; ChatGPT-User/1.0; +https://openai.com/bot)"), Ok(ClientClass::AiAgent)),
            (Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), Err(Reason::Robot)),
            (Some("check_http/v2.4 (monitoring-plugins 2.4)"), Err(Reason::Monitor)),
        ] {
            check(Request { user_agent: agent, ..request() }, expected);
        }
    }

    #[test]
    fn what_nobody_asked_for_is_not_wanted() {
        for (agent, purpose, wanted) in [
            (Some(BROWSER), None, true),
            (None, None, true),
            (Some("curl/8.5.0"), None, true),
            (Some(BROWSER), Some("prefetch"), false),
            (Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), None, false),
            (Some("check_http/v2.4 (monitoring-plugins 2.4)"), None, false),
        ] {
            assert_eq!(is_wanted(agent, purpose), wanted, "{agent:?} {purpose:?}");
        }
    }

    #[test]
    fn every_reason_has_its_rule_in_the_order_asked() {
        let reasons: Vec<Reason> = RULES.iter().map(|rule| rule.reason).collect();
        assert_eq!(reasons, [Reason::Method, Reason::Status, Reason::Part, Reason::Prefetch, Reason::Monitor, Reason::Robot]);
        assert!(Reason::Part.text().en.contains("resumed"));
    }

    proptest! {
        #[test]
        fn robots_never_count_and_nothing_panics(
            method in "GET|HEAD|\\PC{0,5}", status in any::<u16>(), range in proptest::option::of("bytes=\\PC{0,20}|\\PC{0,20}"),
            agent in proptest::option::of("\\PC{0,60}"), purpose in proptest::option::of("\\PC{0,20}"),
        ) {
            let request = Request {
                method: &method, status, range: range.as_deref(), user_agent: agent.as_deref(), purpose: purpose.as_deref(), ..request()
            };
            if let Decision::Counted { class, agent_rule } = decide(&request) {
                prop_assert!(class != ClientClass::Robot);
                prop_assert_eq!(crate::class_of_rule(agent_rule), Some(class));
                prop_assert_eq!(request.method, "GET");
            }
        }
    }
}
