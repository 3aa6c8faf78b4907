//! Who may reach the gateway at all: from which addresses, and at which paths.

use std::net::IpAddr;

use super::node::{At, Node};
use super::report::Report;
use super::resolve::texts;

/// What a list of paths may name beside paths.
const SETS: [&str; 4] = [
    "llm_api_routes",
    "openai_routes",
    "management_routes",
    "info_routes",
];

/// Where callers may come from, and where they may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// `allowed_ips`; `None`: callers may come from anywhere.
    pub addresses: Option<Vec<IpRange>>,
    /// `trusted_proxy_ranges`: whose `x-forwarded-for` is believed. Empty without `use_x_forwarded_for`.
    pub proxies: Vec<IpRange>,
    /// `allowed_routes`: the paths that there are; empty: all.
    pub routes: Vec<String>,
    /// `admin_only_routes`: paths that are the administrator's.
    pub admin_routes: Vec<String>,
}

/// An address, or all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRange {
    first: IpAddr,
    bits: u8,
}

impl IpRange {
    /// Reads `10.0.0.1`, `10.0.0.0/8`, `::1` or `fd00::/8`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = match bits {
            None => most,
            Some(bits) => bits.trim().parse().ok().filter(|bits| *bits <= most)?,
        };
        let first = address.to_canonical();
        // An IPv4 range that is written as IPv6 has 96 bits more.
        let bits = match (address, first) {
            (IpAddr::V6(_), IpAddr::V4(_)) => bits.checked_sub(96)?,
            _ => bits,
        };
        Some(Self { first, bits })
    }

    /// Says whether an address is in the range. An IPv4 address is the same one when it is written as IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = u32::from(self.bits);
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differ = first.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= bits
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differ = first.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= bits
            }
            _ => false,
        }
    }
}

/// Reads what `general_settings` says of it.
pub(super) fn read(section: &Node, report: &mut Report) -> Reach {
    let addresses = section.written("allowed_ips").map(|list| {
        if list.items().is_empty() {
            report
                .error(
                    list.at,
                    "general_settings.allowed_ips",
                    "an empty list would let nobody in",
                )
                .hint("remove the key, or list addresses such as `10.0.0.0/8`");
        }
        ranges(list, "allowed_ips", report)
    });
    let forwarded = section.get("use_x_forwarded_for");
    let is_forwarded = forwarded.and_then(Node::flag) == Some(true);
    let trusted = section.get("trusted_proxy_ranges");
    let proxies = trusted.map_or_else(Vec::new, |list| {
        ranges(list, "trusted_proxy_ranges", report)
    });
    if is_forwarded && proxies.is_empty() {
        let at = forwarded.map_or(At::DEFAULT, |node| node.at);
        report
            .error(
                at,
                "general_settings.use_x_forwarded_for",
                "no proxy is trusted: anyone could write `x-forwarded-for`",
            )
            .hint("list the addresses of your load balancers in `trusted_proxy_ranges`");
    }
    Reach {
        addresses,
        proxies: if is_forwarded { proxies } else { Vec::new() },
        routes: routes(section, "allowed_routes", report),
        admin_routes: routes(section, "admin_only_routes", report),
    }
}

fn ranges(list: &Node, key: &str, report: &mut Report) -> Vec<IpRange> {
    let mut ranges = Vec::with_capacity(list.items().len());
    for (index, item) in list.items().iter().enumerate() {
        let text = item.text().unwrap_or_default();
        if let Some(range) = IpRange::parse(text) {
            ranges.push(range);
            continue;
        }
        report
            .error(
                item.at,
                &format!("general_settings.{key}[{index}]"),
                format!("`{text}` is no IP address and no range of them"),
            )
            .hint("addresses are written like `10.1.2.3`, ranges like `10.0.0.0/8` or `fd00::/8`");
    }
    ranges
}

/// Reads a list of paths. One that names nothing is an error, because it would guard nothing.
fn routes(section: &Node, key: &str, report: &mut Report) -> Vec<String> {
    let list = section.get(key);
    let items = list.map(Node::items).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        let text = item.text().unwrap_or_default();
        if !text.starts_with('/') && !SETS.contains(&text) {
            report
                .error(
                    item.at,
                    &format!("general_settings.{key}[{index}]"),
                    format!("`{text}` is neither a path nor a set of paths"),
                )
                .hint(format!(
                    "paths begin with `/` and may end with `*`; sets are `{}`",
                    SETS.join("`, `")
                ));
        }
    }
    texts(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_the_addresses_that_begin_with_their_bits() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("0.0.0.0/0", "192.0.2.1", "::1"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fdab::1", "fe80::1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
            ("::/0", "fe80::1", "10.0.0.1"),
        ] {
            let parsed = IpRange::parse(range).unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(
                !parsed.contains(outside.parse().unwrap()),
                "{range} {outside}"
            );
        }
        for text in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "::/129",
            "localhost",
            "10.0.0.0/-1",
        ] {
            assert_eq!(IpRange::parse(text), None, "{text}");
        }
    }
}
