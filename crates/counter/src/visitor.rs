//! Who is who, without keeping who they are.

use std::net::{IpAddr, Ipv6Addr};

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::Request;

/// Longest time between two clicks that are one (COUNTER RD 10.2).
pub const DOUBLE_CLICK_SECONDS: i64 = 30;

/// Keys of the one who asked: 32 hexadecimal digits each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Visitor {
    /// A session: changes with the hour in Japan. For unique counts, and all that is stored with a download.
    pub visitor: String,
    /// The same without the hour. For recognizing double clicks; needs no keeping beyond [`DOUBLE_CLICK_SECONDS`].
    pub click_key: String,
}

/// Both keys of the one who asked, under a salt that the caller throws away daily.
///
/// Identity is the signed-in user, else the cookie, else address and agent (COUNTER 5, 7.3).
pub fn visitor(salt: &[u8], request: &Request<'_>) -> Visitor {
    let mut identity = Sha256::new();
    add(&mut identity, salt);
    let cookie = request.cookie.filter(|cookie| !cookie.is_empty());
    if let Some(user_id) = request.user_id {
        add(&mut identity, b"user");
        add(&mut identity, user_id.as_bytes());
    } else if let Some(cookie) = cookie {
        add(&mut identity, b"cookie");
        add(&mut identity, cookie.as_bytes());
    } else {
        add(&mut identity, b"address");
        add(&mut identity, &network(request.address));
        add(&mut identity, request.user_agent.unwrap_or_default().as_bytes());
    }
    let mut session = identity.clone();
    add(&mut session, &hour_in_japan(request.at).to_be_bytes());
    Visitor { visitor: short_hex(session), click_key: short_hex(identity) }
}

/// Whether two clicks of one `click_key` on one file are a double click, of which the later one counts.
///
/// The clocks of two servers may differ, so the order does not matter.
pub fn is_double_click(previous: DateTime<Utc>, next: DateTime<Utc>) -> bool {
    next.signed_duration_since(previous).abs() <= TimeDelta::seconds(DOUBLE_CLICK_SECONDS)
}

/// Adds one part with its length, so that no two lists of parts look alike.
fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => (Ipv6Addr::to_bits(address) >> 64).to_be_bytes().to_vec(),
    }
}

/// Number of the hour since 1970 in Japan. Japan is whole hours from UTC, but the date must turn with the hour there.
fn hour_in_japan(at: DateTime<Utc>) -> i64 {
    let offset_seconds = i64::from(JAPAN_OFFSET.map_or(0, |offset| offset.local_minus_utc()));
    at.timestamp().saturating_add(offset_seconds).div_euclid(3_600)
}

const JAPAN_OFFSET: Option<FixedOffset> = FixedOffset::east_opt(9 * 3_600);

fn short_hex(hash: Sha256) -> String {
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use minato_catalog::Channel;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn request() -> Request<'static> {
        Request {
            method: "GET",
            status: 200,
            channel: Channel::File,
            range: None,
            user_agent: Some("curl/8.5.0"),
            purpose: None,
            address: "192.0.2.1".parse().unwrap(),
            user_id: None,
            cookie: None,
            at: at("2026-11-20T14:59:50Z"),
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn with_address(text: &str) -> Request<'static> {
        Request { address: text.parse().unwrap(), ..request() }
    }

    #[test]
    fn the_hour_changes_the_visitor_but_not_the_click_key() {
        let before = visitor(b"salt", &request());
        let same_hour = visitor(b"salt", &Request { at: at("2026-11-20T14:00:00Z"), ..request() });
        let next_hour = visitor(b"salt", &Request { at: at("2026-11-20T15:00:10Z"), ..request() });
        assert_eq!(before, same_hour);
        assert_ne!(before.visitor, next_hour.visitor);
        assert_eq!(before.click_key, next_hour.click_key);
        let next_day = visitor(b"salt", &Request { at: at("2026-11-21T14:59:50Z"), ..request() });
        assert_ne!(before.visitor, next_day.visitor);
    }

    #[test]
    fn user_goes_before_cookie_before_address() {
        let user_id = Some(Uuid::from_u128(7));
        let user = |address, cookie| visitor(b"salt", &Request { user_id, cookie, ..with_address(address) });
        assert_eq!(user("192.0.2.1", None), user("198.51.100.9", Some("c")));
        let cookie = |address, cookie| visitor(b"salt", &Request { cookie: Some(cookie), ..with_address(address) });
        assert_eq!(cookie("192.0.2.1", "c"), cookie("198.51.100.9", "c"));
        assert_ne!(cookie("192.0.2.1", "c"), cookie("192.0.2.1", "d"));
        assert_eq!(cookie("192.0.2.1", ""), visitor(b"salt", &request()), "an empty cookie is none");
    }

    #[test]
    fn address_and_agent_tell_visitors_apart() {
        let one = visitor(b"salt", &request());
        assert_ne!(one, visitor(b"salt", &with_address("192.0.2.2")));
        assert_ne!(one, visitor(b"salt", &Request { user_agent: Some("Wget/1.21"), ..request() }));
        assert_ne!(one, visitor(b"pepper", &request()));
        assert_eq!(one, visitor(b"salt", &with_address("::ffff:192.0.2.1")));
        let v6 = |text| visitor(b"salt", &with_address(text));
        assert_eq!(v6("2001:db8:1:2::1"), v6("2001:db8:1:2:aaaa::9"));
        assert_ne!(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1"));
    }

    #[test]
    fn keys_are_short_hexadecimal() {
        let keys = visitor(b"", &request());
        for key in [keys.visitor, keys.click_key] {
            assert!(key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        }
    }

    #[test]
    fn clicks_within_thirty_seconds_are_one() {
        let first = at("2026-11-20T10:01:00Z");
        for (next, expected) in [
            ("2026-11-20T10:01:00Z", true),
            ("2026-11-20T10:01:29Z", true),
            ("2026-11-20T10:01:30Z", true),
            ("2026-11-20T10:01:30.001Z", false),
            ("2026-11-20T10:01:35Z", false),
            ("2026-11-20T10:00:58Z", true),
            ("2026-11-20T09:00:00Z", false),
        ] {
            assert_eq!(is_double_click(first, at(next)), expected, "{next}");
        }
        assert!(!is_double_click(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC));
    }

    proptest! {
        #[test]
        fn never_panics(salt in any::<Vec<u8>>(), address in any::<IpAddr>(), agent in any::<Option<String>>(), cookie in any::<Option<String>>()) {
            for at in [DateTime::<Utc>::MIN_UTC, DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC] {
                let request = Request { address, user_agent: agent.as_deref(), cookie: cookie.as_deref(), at, ..request() };
                prop_assert_eq!(visitor(&salt, &request).visitor.len(), 32);
            }
        }
    }
}
