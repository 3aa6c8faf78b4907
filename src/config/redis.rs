//! Where a Redis is: `router_settings.redis_*`, `cache_params`, `coordination_redis`, and `REDIS_*` of the environment.

use std::time::Duration;

use super::environment::Environment;
use super::node::{Node, Value};
use super::params::{flag, small, text};
use super::report::Report;
use super::{RedisConfig, Secret};

/// The schemes that the client of Redis knows.
const SCHEMES: [&str; 7] = [
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "unix",
    "redis+unix",
    "valkey+unix",
];

/// Says whether a text can be an address of a Redis.
fn is_address(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| SCHEMES.contains(&scheme)) && url::Url::parse(text).is_ok()
}

/// What is known of a Redis so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Draft {
    url: Option<Secret>,
    host: Option<String>,
    port: Option<u16>,
    username: Option<String>,
    password: Option<Secret>,
    tls: Option<bool>,
    database: Option<u32>,
    cluster_nodes: Vec<(String, u16)>,
    sentinel_nodes: Vec<(String, u16)>,
    service_name: Option<String>,
    sentinel_password: Option<Secret>,
    namespace: Option<String>,
}

impl Draft {
    /// Reads the keys of a mapping; `prefix` is what they begin with there, `redis_` or nothing.
    pub(super) fn read(node: &Node, prefix: &str, path: &str, report: &mut Report) -> Self {
        let key = |name: &str| format!("{prefix}{name}");
        let filled = |name: &str| text(node, &key(name)).filter(|text| !text.is_empty());
        let address = filled("url").map(Secret::new);
        if let (Some(url), Some(written)) = (&address, node.get(&key("url")))
            && !is_address(url.expose())
        {
            let message = "this is no address of a Redis";
            let finding = report.error(written.at, &format!("{path}.{}", key("url")), message);
            finding.hint("write `redis://HOST:PORT/DATABASE`, or `rediss://` for TLS");
        }
        let mut list = |name: &str| nodes(node.get(name), &format!("{path}.{name}"), report);
        let cluster_nodes = list("redis_startup_nodes");
        Self {
            url: address,
            host: filled("host"),
            port: small(node, &key("port")).and_then(|port| u16::try_from(port).ok()),
            username: filled("username"),
            password: filled("password").map(Secret::new),
            tls: flag(node, &key("ssl")),
            database: small(node, &key("db")),
            cluster_nodes: if cluster_nodes.is_empty() {
                list("startup_nodes")
            } else {
                cluster_nodes
            },
            sentinel_nodes: list("sentinel_nodes"),
            service_name: text(node, "service_name"),
            sentinel_password: text(node, "sentinel_password").map(Secret::new),
            namespace: filled("namespace"),
        }
    }

    /// Reads `REDIS_HOST` and its like; what cannot be read is as not set.
    fn of_environment(environment: &Environment) -> Self {
        let get = |name: &str| environment.get(name).map(str::to_owned);
        let number = |name: &str| environment.get(name)?.trim().parse::<u32>().ok();
        let json = |name: &str| {
            let value = environment
                .get(name)
                .and_then(|text| serde_json::from_str::<Vec<serde_json::Value>>(text).ok());
            let nodes = value.unwrap_or_default();
            nodes.iter().filter_map(node_of_json).collect()
        };
        Self {
            url: get("REDIS_URL").map(Secret::new),
            host: get("REDIS_HOST"),
            port: number("REDIS_PORT").and_then(|port| u16::try_from(port).ok()),
            username: get("REDIS_USERNAME"),
            password: get("REDIS_PASSWORD").map(Secret::new),
            tls: get("REDIS_SSL").map(|value| value.eq_ignore_ascii_case("true") || value == "1"),
            database: number("REDIS_DB"),
            cluster_nodes: json("REDIS_CLUSTER_NODES"),
            sentinel_nodes: json("REDIS_SENTINEL_NODES"),
            service_name: get("REDIS_SERVICE_NAME"),
            sentinel_password: get("REDIS_SENTINEL_PASSWORD").map(Secret::new),
            namespace: None,
        }
    }

    /// Fills what is not set from another one.
    pub(super) fn or(self, other: Self) -> Self {
        let list = |own: Vec<_>, other| if own.is_empty() { other } else { own };
        Self {
            url: self.url.or(other.url),
            host: self.host.or(other.host),
            port: self.port.or(other.port),
            username: self.username.or(other.username),
            password: self.password.or(other.password),
            tls: self.tls.or(other.tls),
            database: self.database.or(other.database),
            cluster_nodes: list(self.cluster_nodes, other.cluster_nodes),
            sentinel_nodes: list(self.sentinel_nodes, other.sentinel_nodes),
            service_name: self.service_name.or(other.service_name),
            sentinel_password: self.sentinel_password.or(other.sentinel_password),
            namespace: self.namespace.or(other.namespace),
        }
    }

    /// Fills what is not set from the environment. Another server's address there does not replace this one's.
    pub(super) fn or_environment(self, environment: &Environment) -> Self {
        let mut other = Self::of_environment(environment);
        if self.is_somewhere() {
            // A URL has its own port, user, password and database.
            if self.url.is_some() {
                return self;
            }
            other.url = None;
            other.host = None;
            other.cluster_nodes.clear();
            other.sentinel_nodes.clear();
        }
        self.or(other)
    }

    /// Takes the namespace out.
    pub(super) fn without_namespace(self) -> Self {
        Self {
            namespace: None,
            ..self
        }
    }

    /// Says whether anything is known.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Says whether it is known where the Redis is.
    pub(super) fn is_somewhere(&self) -> bool {
        self.url.is_some()
            || self.host.is_some()
            || !self.cluster_nodes.is_empty()
            || !self.sentinel_nodes.is_empty()
    }

    /// Completes it, if it is known where the Redis is.
    pub(super) fn finish(self, timeout: Option<Duration>) -> Option<RedisConfig> {
        if !self.is_somewhere() {
            return None;
        }
        let base = RedisConfig::default();
        Some(RedisConfig {
            url: self.url,
            host: self.host,
            port: self.port.unwrap_or(base.port),
            username: self.username,
            password: self.password,
            tls: self.tls.unwrap_or(base.tls),
            database: self.database.unwrap_or(base.database),
            cluster_nodes: self.cluster_nodes,
            sentinel_nodes: self.sentinel_nodes,
            service_name: self.service_name,
            sentinel_password: self.sentinel_password,
            timeout: timeout.unwrap_or(base.timeout),
            namespace: self.namespace,
        })
    }
}

/// Reads a list of `{host, port}`, `[host, port]` or `host:port`.
fn nodes(node: Option<&Node>, path: &str, report: &mut Report) -> Vec<(String, u16)> {
    let mut found = Vec::new();
    for (index, item) in node.map(Node::items).unwrap_or_default().iter().enumerate() {
        if let Some(node) = node_of_json(&item.to_json()) {
            found.push(node);
        } else if item.value != Value::Null {
            report
                .error(
                    item.at,
                    &format!("{path}[{index}]"),
                    "not a host and a port",
                )
                .hint("write `{host: 10.0.0.1, port: 6379}`");
        }
    }
    found
}

fn node_of_json(value: &serde_json::Value) -> Option<(String, u16)> {
    use serde_json::Value as Json;
    let port_of = |value: &Json| match value {
        Json::Number(port) => port.as_u64().and_then(|port| u16::try_from(port).ok()),
        Json::String(port) => port.trim().parse().ok(),
        _ => None,
    };
    let (host, port) = match value {
        Json::String(text) => {
            let (host, port) = text.rsplit_once(':')?;
            (host.to_owned(), port.parse().ok()?)
        }
        Json::Array(parts) => match parts.as_slice() {
            [Json::String(host), port] => (host.clone(), port_of(port)?),
            _ => return None,
        },
        Json::Object(members) => {
            let host = members.get("host")?.as_str()?;
            let port = members.get("port").map_or(Some(6379), port_of);
            (host.to_owned(), port?)
        }
        _ => return None,
    };
    (!host.is_empty() && port > 0).then_some((host, port))
}
