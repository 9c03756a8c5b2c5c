//! Where visitors come from, as a domain and no more.

use std::net::IpAddr;

/// Longest domain that is kept, in bytes.
const DOMAIN_BYTES_MAX: usize = 100;

/// The domain of a `Referer` header, in lower case and without `www.`; empty for none, for `own` hosts, and for what names no domain: an
/// address may be somebody's own.
pub fn referrer_domain(referer: Option<&str>, own: &[&str]) -> String {
    let Some(rest) = referer.and_then(|text| text.split_once("://")).filter(|(scheme, _)| matches!(*scheme, "http" | "https")) else {
        return String::new();
    };
    let authority = rest.1.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if own.iter().any(|own| own.eq_ignore_ascii_case(host)) {
        return String::new();
    }
    let name = host.split(':').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let name = name.strip_prefix("www.").unwrap_or(&name);
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let is_domain = plain && name.contains('.') && name.len() <= DOMAIN_BYTES_MAX && name.parse::<IpAddr>().is_err();
    // 2130706433 and 0x7f.1 are addresses, too: the last part of a domain is no number.
    let last = name.rsplit('.').next().unwrap_or_default();
    if is_domain && last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-' || last.starts_with("xn--")) {
        name.to_owned()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_domains_of_other_sites_are_kept() {
        for (referer, expected) in [
            (None, ""),
            (Some("https://www.google.com/search?q=secret"), "google.com"),
            (Some("https://www.city.kure.lg.jp/a?b#c"), "city.kure.lg.jp"),
            (Some("HTTPS://example.jp/"), ""),
            (Some("https://Example.JP:8443"), "example.jp"),
            (Some("https://user:secret@example.jp/"), "example.jp"),
            (Some("https://catalog.example.jp/datasets"), ""),
            (Some("http://127.0.0.1:8080/"), ""),
            (Some("http://192.0.2.1/"), ""),
            (Some("http://[2001:db8::1]/"), ""),
            (Some("http://2130706433.1/"), ""),
            (Some("http://intranet/secret"), ""),
            (Some("android-app://com.google.android.gm/"), ""),
            (Some("about:blank"), ""),
            (Some("https://"), ""),
            (Some("https://xn--n8j.xn--q9jyb4c/"), "xn--n8j.xn--q9jyb4c"),
            (Some("https://あ.example/"), ""),
        ] {
            assert_eq!(referrer_domain(referer, &["catalog.example.jp", "127.0.0.1:8080"]), expected, "{referer:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_domains_comes_out(text in "(https?://)?\\PC{0,40}") {
            let found = referrer_domain(Some(&text), &[]);
            prop_assert!(found.is_empty() || found.contains('.') && !found.contains(['/', '@', ':', '?']));
        }
    }
}
