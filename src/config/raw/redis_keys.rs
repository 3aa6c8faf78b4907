//! Where a Redis is: the keys of `cache_kwargs` and `coordination_redis`, which `cache_params` has too.

use super::{Key, Kind, Table, Unknown};
use Kind::{Any, Count, Flag, List, Port, Secret, Text};

/// A mapping that says where a Redis is.
pub(in crate::config) const REDIS: Table = Table {
    name: "redis",
    keys: CONNECTION,
    also: &[],
    unknown: Unknown::Warn,
};

/// The keys by themselves.
#[rustfmt::skip]
pub(super) const CONNECTION: &[Key] = &[
    Key::used("url", Secret, "`redis://…`, `rediss://…` or `redis+unix://…`; wins over the parts; also env `REDIS_URL`"),
    Key::used("host", Text, "also env `REDIS_HOST`"),
    Key::used("port", Port, "also env `REDIS_PORT`; 6379 where neither says it"),
    Key::used("username", Text, "an ACL user; also env `REDIS_USERNAME`"),
    Key::used("password", Secret, "also env `REDIS_PASSWORD`"),
    Key::used("ssl", Flag, "TLS; also env `REDIS_SSL`"),
    Key::used("db", Count, "number of the database; also env `REDIS_DB`"),
    Key::used("redis_startup_nodes", List(&Any), "nodes of a cluster, as `{host, port}`; also env `REDIS_CLUSTER_NODES` (JSON)"),
    Key::used("startup_nodes", List(&Any), "the same as `redis_startup_nodes`"),
    Key::used("sentinel_nodes", List(&Any), "sentinels, as `[host, port]`; also env `REDIS_SENTINEL_NODES` (JSON)"),
    Key::used("service_name", Text, "the master that the sentinels watch; also env `REDIS_SERVICE_NAME`"),
    Key::used("sentinel_password", Secret, "also env `REDIS_SENTINEL_PASSWORD`"),
    Key::used("namespace", Text, "put before every key"),
    Key::inert("max_connections", Count, "calls share connections, so that a few are enough"),
    Key::inert("socket_timeout", Kind::Seconds, "`router_settings.redis_timeout_ms` bounds every command"),
    Key::inert("socket_connect_timeout", Kind::Seconds, "`router_settings.redis_timeout_ms` bounds every command"),
    Key::inert("decode_responses", Flag, "the Python client's"),
    Key::inert("redis_flush_size", Count, "writes go out at once"),
    Key::later("gcp_service_account", Text, "IAM login of Google's"),
];
