//! What an administrator asks of the cache: is it there, what is it, forget this.

use std::fmt;

use serde_json::{Map, Value, json};

use super::ResponseCache;
use crate::config::{CacheBackend, CacheConfig, CacheScope, RedisConfig};
use crate::store::StoreError;

/// That the cache is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// In this process.
    Local,
    /// In a store, which answered and could be written.
    Shared,
}

/// Why the cache did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminError {
    /// The shared store failed; what is in this process was done.
    Store(StoreError),
    /// Only a cache in Redis can do this, and this one is in the process.
    NotShared,
    /// The cache is to be in Redis, and there is no connection to it.
    NotConnected,
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::NotShared => {
                f.write_str("the cache is in this process: there is no Redis that could be asked")
            }
            Self::NotConnected => f.write_str("the cache is not connected to Redis"),
        }
    }
}

impl std::error::Error for AdminError {}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl ResponseCache {
    /// Returns `type`, as config.yaml spells it.
    pub fn kind(&self) -> &'static str {
        match self.config.backend {
            CacheBackend::Local => "local",
            CacheBackend::Redis => "redis",
        }
    }

    /// Asks whether the cache works.
    ///
    /// # Errors
    ///
    /// Redis is configured and cannot be read or written.
    pub async fn ping(&self) -> Result<Health, AdminError> {
        match (&self.remote, self.config.backend) {
            (Some(remote), _) => {
                remote.ping().await?;
                Ok(Health::Shared)
            }
            (None, CacheBackend::Local) => Ok(Health::Local),
            (None, CacheBackend::Redis) => Err(AdminError::NotConnected),
        }
    }

    /// Forgets answers by their keys (`x-litellm-cache-key`). Other instances may have a copy for a minute.
    ///
    /// # Errors
    ///
    /// The shared store failed; this process has forgotten them.
    pub async fn delete(&self, keys: &[String]) -> Result<(), AdminError> {
        for key in keys {
            self.memory.delete(key);
        }
        if let Some(remote) = &self.remote
            && !keys.is_empty()
        {
            remote.delete(keys).await?;
        }
        Ok(())
    }

    /// Forgets every answer. Other instances may have copies for a minute.
    ///
    /// # Errors
    ///
    /// The shared store failed; this process has forgotten them.
    pub async fn flush(&self) -> Result<(), AdminError> {
        self.memory.flush();
        if let Some(remote) = &self.remote {
            remote.flush().await?;
        }
        Ok(())
    }

    /// Returns what Redis says of itself, by name.
    ///
    /// # Errors
    ///
    /// The cache is not in Redis, or Redis failed.
    pub async fn info(&self) -> Result<Map<String, Value>, AdminError> {
        match (&self.remote, self.config.backend) {
            (Some(remote), _) => Ok(read_info(&remote.info().await?)),
            (None, CacheBackend::Local) => Err(AdminError::NotShared),
            (None, CacheBackend::Redis) => Err(AdminError::NotConnected),
        }
    }

    /// Returns the settings, without secrets.
    pub fn params(&self) -> Value {
        let CacheConfig {
            backend: _,
            ttl,
            namespace,
            opt_in,
            max_messages,
            call_types,
            scope,
            max_bytes,
            redis,
        } = &self.config;
        json!({
            "type": self.kind(),
            "ttl": ttl.map(|ttl| ttl.as_secs_f64()),
            "namespace": namespace,
            "mode": if *opt_in { "default_off" } else { "default_on" },
            "max_messages": max_messages,
            "supported_call_types": call_types,
            "scope": match scope {
                CacheScope::Global => "global",
                CacheScope::Team => "team",
                CacheScope::Key => "key",
            },
            "max_size_mb": max_bytes / (1024 * 1024),
            "redis": redis.as_ref().map(redis_params),
        })
    }

    /// Returns where Redis is, without secrets; `null` members where there is none.
    pub fn health_params(&self) -> Value {
        let redis = self.config.redis.as_ref();
        json!({
            "host": redis.and_then(|redis| redis.host.as_deref()),
            "port": redis.filter(|redis| redis.host.is_some()).map(|redis| redis.port),
            "namespace": self.config.namespace,
        })
    }
}

fn redis_params(redis: &RedisConfig) -> Value {
    const MASKED: &str = "********";
    let RedisConfig {
        url,
        host,
        port,
        username,
        password,
        tls,
        database,
        cluster_nodes,
        sentinel_nodes,
        service_name,
        sentinel_password,
        timeout,
        namespace,
    } = redis;
    let nodes = |nodes: &[(String, u16)]| -> Vec<String> {
        nodes
            .iter()
            .map(|(host, port)| format!("{host}:{port}"))
            .collect()
    };
    json!({
        "url": url.as_ref().map(|_| MASKED),
        "host": host,
        "port": port,
        "username": username.as_ref().map(|_| MASKED),
        "password": password.as_ref().map(|_| MASKED),
        "ssl": tls,
        "db": database,
        "startup_nodes": nodes(cluster_nodes),
        "sentinel_nodes": nodes(sentinel_nodes),
        "service_name": service_name,
        "sentinel_password": sentinel_password.as_ref().map(|_| MASKED),
        "timeout_ms": u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        "namespace": namespace,
    })
}

/// Reads `INFO`: lines of `name:value`, with headings between them. Numbers become numbers.
fn read_info(text: &str) -> Map<String, Value> {
    let lines = text.lines().filter_map(|line| line.trim().split_once(':'));
    lines
        .filter(|(name, _)| !name.starts_with('#'))
        .map(|(name, value)| {
            let number = value.parse::<i64>().map(Value::from);
            (
                name.to_owned(),
                number.unwrap_or_else(|_| Value::from(value)),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn settings_show_no_secret() {
        let redis = RedisConfig {
            url: Some(Secret::new("rediss://admin:hunter2@redis:6380/0")),
            username: Some("admin".to_owned()),
            password: Some(Secret::new("hunter2")),
            sentinel_password: Some(Secret::new("hunter2")),
            cluster_nodes: vec![("node".to_owned(), 7000)],
            ..RedisConfig::default()
        };
        let shown = redis_params(&redis).to_string();
        assert!(
            !shown.contains("hunter2") && !shown.contains("admin"),
            "{shown}"
        );
        assert!(shown.contains("node:7000"));
    }

    #[test]
    fn info_is_read_by_name() {
        let info = read_info(
            "# Server\r\nredis_version:7.2.0\r\n\r\n# Clients\r\nconnected_clients:3\r\n",
        );
        assert_eq!(
            Value::Object(info),
            json!({"redis_version": "7.2.0", "connected_clients": 3})
        );
    }
}
