//! Where several instances keep what they share (Redis), and the response cache's settings.

use std::time::Duration;

use super::Secret;

/// A Redis server, cluster or sentinel group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// `redis_url`: `redis://`, `rediss://`, `redis+unix://`, with user, password and database; wins over the parts.
    pub url: Option<Secret>,
    /// `redis_host`.
    pub host: Option<String>,
    /// `redis_port`.
    pub port: u16,
    /// An ACL user.
    pub username: Option<String>,
    /// `redis_password`.
    pub password: Option<Secret>,
    /// `ssl`.
    pub tls: bool,
    /// `redis_db`.
    pub database: u32,
    /// `redis_startup_nodes`: host and port of nodes of a cluster; empty where there is none.
    pub cluster_nodes: Vec<(String, u16)>,
    /// `sentinel_nodes`: host and port of sentinels; empty where there are none.
    pub sentinel_nodes: Vec<(String, u16)>,
    /// `service_name`: the master that sentinels watch.
    pub service_name: Option<String>,
    /// `sentinel_password`.
    pub sentinel_password: Option<Secret>,
    /// `redis_timeout_ms`: for every command.
    pub timeout: Duration,
    /// `namespace`: put behind `switchyard:` in every key.
    pub namespace: Option<String>,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: None,
            host: None,
            port: 6379,
            username: None,
            password: None,
            tls: false,
            database: 0,
            cluster_nodes: Vec::new(),
            sentinel_nodes: Vec::new(),
            service_name: None,
            sentinel_password: None,
            timeout: Duration::from_millis(100),
            namespace: None,
        }
    }
}

/// Where answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheBackend {
    /// `local`: in this process.
    #[default]
    Local,
    /// `redis`, with a tier in this process before it.
    Redis,
}

/// Who shares an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheScope {
    /// Everyone.
    #[default]
    Global,
    /// The keys of a team.
    Team,
    /// A key alone.
    Key,
}

/// `litellm_settings.cache` and `cache_params`.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheConfig {
    /// `type`.
    pub backend: CacheBackend,
    /// `ttl`, or the backend's own default (`default_in_memory_ttl`, `default_in_redis_ttl`).
    pub ttl: Option<Duration>,
    /// `namespace`.
    pub namespace: Option<String>,
    /// `mode: default_off`: only requests that ask for it are cached.
    pub opt_in: bool,
    /// `max_messages`: longer conversations are not cached; `None`: all are.
    pub max_messages: Option<usize>,
    /// `supported_call_types`; `None`: all.
    pub call_types: Option<Vec<String>>,
    /// `scope`.
    pub scope: CacheScope,
    /// `max_size_mb`, in bytes: what the answers in this process may take.
    pub max_bytes: u64,
    /// Where Redis is, if `backend` is that.
    pub redis: Option<RedisConfig>,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            backend: CacheBackend::Local,
            ttl: None,
            namespace: None,
            opt_in: false,
            max_messages: None,
            call_types: None,
            scope: CacheScope::Global,
            max_bytes: 64 * 1024 * 1024,
            redis: None,
        }
    }
}
