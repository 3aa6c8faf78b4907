//! Whether a request is looked at at all: where it comes from, and whether its path is served to anyone, or to the
//! administrator alone. It comes before everything else, because it holds for every path, and for those that there are
//! not.
//!
//! Probes are answered wherever they come from: an orchestrator that gets 403 takes the process for dead.

use std::net::{IpAddr, SocketAddr};

use axum::response::Response;
use http::{HeaderMap, Method, Request, header};

use super::headers::{call_id, error_response_naming};
use super::layers::with_fixed;
use super::{App, endpoints, passthrough};
use crate::config::{IpRange, Reach};
use crate::error::{Error, ErrorKind, Result};
use crate::keys;
use crate::state::Snapshot;

/// What orchestrators ask; it tells nobody anything.
const PROBES: [&str; 3] = [
    "/health/liveliness",
    "/health/liveness",
    "/health/readiness",
];

/// Where proxies write whom they speak for.
const FORWARDED: &str = "x-forwarded-for";

/// Returns the refusal of a request from `peer` that may not be looked at; `None` for every other one.
pub fn refusal<B>(app: &App, peer: IpAddr, request: &Request<B>) -> Option<Response> {
    let snapshot = app.live.load();
    let path = request.uri().path();
    let reach = &snapshot.config.general.reach;
    if *reach == Reach::default() || PROBES.contains(&path) {
        return None;
    }
    let headers = request.headers();
    let error = comes_from(reach, peer, headers)
        .and_then(|()| leads_to(app, &snapshot, request))
        .err()?;
    let id = call_id(headers);
    tracing::debug!(%peer, path, call_id = id, "refused: {}", error.message());
    let named = snapshot.config.general.include_call_id_in_error_body;
    Some(with_fixed(if path.starts_with("/bedrock/") {
        passthrough::refusal(&error, &snapshot, &id)
    } else {
        error_response_naming(&error, endpoints::front_of(path), Some(&id), named)
    }))
}

/// Checks where a request comes from.
fn comes_from(reach: &Reach, peer: IpAddr, headers: &HeaderMap) -> Result<()> {
    let Some(allowed) = &reach.addresses else {
        return Ok(());
    };
    let client = client(reach, peer, headers);
    if client.is_some_and(|client| is_in(allowed, client)) {
        return Ok(());
    }
    let message = match client {
        Some(client) => format!("calls from {} are not allowed here", client.to_canonical()),
        None => format!("{FORWARDED} does not say whom this is from"),
    };
    Err(Error::new(ErrorKind::Forbidden, message))
}

/// Checks whether a path is served to the caller.
fn leads_to<B>(app: &App, snapshot: &Snapshot, request: &Request<B>) -> Result<()> {
    let (path, headers) = (request.uri().path(), request.headers());
    let reach = &snapshot.config.general.reach;
    if !reach.routes.is_empty() && !keys::allows_path(&reach.routes, path) {
        let message = "this path is not served here (`allowed_routes`)";
        return Err(Error::new(ErrorKind::Forbidden, message));
    }
    let mut guarded = reach.admin_routes.iter();
    if is_preflight(request) || !guarded.any(|route| keys::guards_path(route, path)) {
        return Ok(());
    }
    let identity = if path.starts_with("/bedrock/") {
        snapshot.keys.check_passed_through(headers)
    } else {
        snapshot.keys.check(headers)
    };
    keys::administrates(&identity?, path, app.clock.wall())
}

/// Says whether a browser asks what a page may send, which it does without a key. CORS answers that, and no endpoint.
fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Finds whom a request is from: the peer, or behind proxies that are trusted the last address that is none of theirs.
/// What stands before that anyone can have written. `None` where a trusted proxy says something that is no address.
fn client(reach: &Reach, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
    let lines = headers.get_all(FORWARDED).iter();
    let hops: Vec<&[u8]> = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        if !is_in(&reach.proxies, client) {
            break;
        }
        client = address(hop)?;
    }
    Some(client)
}

/// Reads `10.0.0.1`, `::1`, and both with a port, which some proxies write.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let with_port = || Some(hop.parse::<SocketAddr>().ok()?.ip());
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(with_port)
}

fn is_in(ranges: &[IpRange], address: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(trusted: &[&str], peer: &str, forwarded: &[&str]) -> Option<String> {
        let reach = Reach {
            proxies: trusted
                .iter()
                .map(|range| IpRange::parse(range).unwrap())
                .collect(),
            ..Reach::default()
        };
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED, line.parse().unwrap());
        }
        client(&reach, peer.parse().unwrap(), &headers).map(|client| client.to_string())
    }

    #[test]
    fn caller_is_the_last_address_that_no_trusted_proxy_has() {
        let ours = &["10.0.0.0/8", "fd00::/8"][..];
        for (trusted, peer, forwarded, expected) in [
            (
                &[][..],
                "192.0.2.1",
                &["203.0.113.9"][..],
                Some("192.0.2.1"),
            ),
            (ours, "192.0.2.1", &["203.0.113.9"], Some("192.0.2.1")),
            (ours, "10.0.0.1", &["203.0.113.9"], Some("203.0.113.9")),
            // What the caller wrote himself stands before what the proxies added.
            (
                ours,
                "10.0.0.1",
                &["10.9.9.9, 203.0.113.9"],
                Some("203.0.113.9"),
            ),
            (
                ours,
                "10.0.0.1",
                &["203.0.113.9, 10.0.0.2", "10.0.0.3"],
                Some("203.0.113.9"),
            ),
            (
                ours,
                "::ffff:10.0.0.1",
                &["203.0.113.9:5000"],
                Some("203.0.113.9"),
            ),
            (ours, "fd00::1", &["[2001:db8::1]:443"], Some("2001:db8::1")),
            (ours, "10.0.0.1", &["[2001:db8::1]"], Some("2001:db8::1")),
            (ours, "10.0.0.1", &[], Some("10.0.0.1")),
            (ours, "10.0.0.1", &["unknown"], None),
            (ours, "10.0.0.1", &["203.0.113.9,"], None),
        ] {
            let found = client_of(trusted, peer, forwarded);
            assert_eq!(found.as_deref(), expected, "{peer} {forwarded:?}");
        }
    }
}
