//! Which network addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::Error;

/// An exception to the rule that only public addresses are connected to.
///
/// Written `127.0.0.1:18901` (one port), `127.0.0.1` (any port) or `10.0.0.0/8` (a network, any port); IPv6 likewise, with
/// brackets around the address when a port follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AllowAddress {
    network: IpAddr,
    prefix_length: u8,
    port: Option<u16>,
}

impl AllowAddress {
    /// The port it is limited to.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether it lets `address` through on `port`.
    pub fn contains(&self, address: IpAddr, port: u16) -> bool {
        self.port.is_none_or(|own| own == port) && in_network(address.to_canonical(), self.network, self.prefix_length)
    }
}

impl FromStr for AllowAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let invalid = || Error::InvalidAllowAddress { text: text.to_owned() };
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Ok(AllowAddress::host(socket.ip(), Some(socket.port())));
        }
        if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(AllowAddress::host(address, None));
        }
        let (network, length) = text.split_once('/').ok_or_else(invalid)?;
        let network = network.parse::<IpAddr>().map_err(|_| invalid())?;
        let prefix_length = length.parse::<u8>().map_err(|_| invalid())?;
        let longest = if network.is_ipv4() { 32 } else { 128 };
        if prefix_length > longest {
            return Err(invalid());
        }
        Ok(AllowAddress { network, prefix_length, port: None })
    }
}

impl AllowAddress {
    fn host(address: IpAddr, port: Option<u16>) -> Self {
        let network = address.to_canonical();
        AllowAddress { network, prefix_length: if network.is_ipv4() { 32 } else { 128 }, port }
    }
}

/// Whether `address` may be connected to on `port`.
pub(crate) fn may_connect(address: IpAddr, port: u16, allowed: &[AllowAddress]) -> bool {
    is_public(address) || allowed.iter().any(|allow| allow.contains(address, port))
}

/// Whether an address belongs to the public internet. Addresses that embed another (NAT64, 6to4, Teredo, IPv4-compatible) do not,
/// whatever they embed; IPv4-mapped ones count as the IPv4 address.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !PRIVATE_V4.iter().any(|(network, length)| in_network(IpAddr::V4(address), IpAddr::V4(*network), *length)),
        IpAddr::V6(address) => {
            let global = in_network(IpAddr::V6(address), IpAddr::V6(GLOBAL_V6.0), GLOBAL_V6.1);
            global && !PRIVATE_V6.iter().any(|(network, length)| in_network(IpAddr::V6(address), IpAddr::V6(*network), *length))
        }
    }
}

/// The IANA special-purpose registry, as networks that no public server stands in.
const PRIVATE_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network, unspecified
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, cloud metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, broadcast
];

/// All that is routed: ULA, link-local, multicast, loopback, NAT64 `64:ff9b::/96` and IPv4-compatible addresses lie outside.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

const PRIVATE_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),     // protocol assignments, Teredo
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),     // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),     // documentation
];

fn in_network(address: IpAddr, network: IpAddr, prefix_length: u8) -> bool {
    let (address, network, bits) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (u128::from(address.to_bits()), u128::from(network.to_bits()), 32),
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let shift = bits - u32::from(prefix_length);
    address.checked_shr(shift).unwrap_or(0) == network.checked_shr(shift).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for address in ["8.8.8.8", "210.140.10.1", "100.63.255.255", "172.32.0.1", "2001:4860:4860::8888", "2400:4000::1", "::ffff:8.8.8.8"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:0:53aa::1",
            "2001:db8::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn exceptions_let_through_what_they_name_and_nothing_else() {
        let check = |allow: &str, address: &str, port: u16| allow.parse::<AllowAddress>().unwrap().contains(address.parse().unwrap(), port);
        assert!(check("127.0.0.1:18901", "127.0.0.1", 18901));
        assert!(check("127.0.0.1:18901", "::ffff:127.0.0.1", 18901));
        assert!(!check("127.0.0.1:18901", "127.0.0.1", 18902));
        assert!(!check("127.0.0.1:18901", "127.0.0.2", 18901));
        assert!(check("127.0.0.1", "127.0.0.1", 1));
        assert!(check("10.0.0.0/8", "10.200.1.1", 443));
        assert!(!check("10.0.0.0/8", "11.0.0.1", 443));
        assert!(check("0.0.0.0/0", "10.0.0.1", 443));
        assert!(check("[::1]:8080", "::1", 8080));
        assert!(check("fd00::/8", "fd12::1", 80));
        assert!(!check("fd00::/8", "127.0.0.1", 80));
    }

    #[test]
    fn a_wrong_exception_says_how_to_write_one() {
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0/8", "127.0.0.1:99999", "::1/129", "127.0.0.1/x"] {
            let error = text.parse::<AllowAddress>().unwrap_err();
            assert!(error.to_string().contains("127.0.0.1:18901"), "{error}");
        }
    }
}
