//! `litellm_settings.cache` and `cache_params` → [`CacheConfig`], and which Redis instances share state in.

use std::time::Duration;

use super::environment::Environment;
use super::node::{At, Node, Value};
use super::params::{count, text};
use super::policy::millis;
use super::redis::Draft;
use super::report::{Report, did_you_mean, nearest};
use super::resolve::seconds;
use super::router_section::Sections;
use super::{CacheBackend, CacheConfig, CacheScope, RedisConfig};

const PARAMS: &str = "litellm_settings.cache_params";

/// How long an answer is kept in memory where nothing says it.
const MEMORY_TTL: Duration = Duration::from_secs(600);

/// Calls that can be cached; LiteLLM's asynchronous ones are the same with an `a` before them.
const CALL_TYPES: &[&str] = &[
    "completion",
    "text_completion",
    "embedding",
    "transcription",
    "rerank",
    "responses",
    "anthropic_messages",
];

/// Reads the response cache, and the Redis for shared state: the router's own, else `coordination_redis`, else the
/// cache's.
pub(super) fn read(
    sections: Sections<'_>,
    environment: &Environment,
    report: &mut Report,
) -> (Option<CacheConfig>, Option<RedisConfig>) {
    let timeout = millis(sections.router, "redis_timeout_ms").filter(|timeout| !timeout.is_zero());
    let own = of_router(sections.router, environment, report);
    let coordination = sections
        .general
        .get("coordination_redis")
        .map(|node| {
            let path = "general_settings.coordination_redis";
            let draft = Draft::read(node, "", path, report).or_environment(environment);
            without_place(&draft, node, path, report);
            draft
        })
        .unwrap_or_default();
    let shared = if own.is_somewhere() {
        own
    } else {
        coordination
    };
    let cache = cache(sections, environment, &shared, report).map(|(cache, draft)| CacheConfig {
        redis: draft.finish(timeout),
        ..cache
    });
    let shared = shared.finish(timeout).or_else(|| {
        let cache = cache.as_ref()?;
        Some(RedisConfig {
            namespace: cache.namespace.clone(),
            ..cache.redis.clone()?
        })
    });
    (cache, shared)
}

/// Reads `redis_*` and `cache_kwargs`; the environment fills gaps, but does not turn it on.
fn of_router(router: &Node, environment: &Environment, report: &mut Report) -> Draft {
    if let Some(database) = router.get("redis_db") {
        report
            .warn(
                database.at,
                "router_settings.redis_db",
                "deprecated, as in LiteLLM",
            )
            .hint("write it into `redis_url`: `redis://host:6379/1`");
    }
    let kwargs = router
        .get("cache_kwargs")
        .map(|node| Draft::read(node, "", "router_settings.cache_kwargs", report))
        .unwrap_or_default();
    let draft = kwargs.or(Draft::read(router, "redis_", "router_settings", report));
    if draft.is_empty() {
        return draft;
    }
    let draft = draft.or_environment(environment);
    let written = router.entries().iter().find(|entry| {
        let is_part = entry.key.starts_with("redis_") || entry.key == "cache_kwargs";
        is_part && entry.node.at != At::DEFAULT
    });
    let node = written.map_or(router, |entry| &entry.node);
    without_place(&draft, node, "router_settings.redis_host", report);
    draft
}

fn without_place(draft: &Draft, node: &Node, path: &str, report: &mut Report) {
    if !draft.is_somewhere() {
        report
            .warn(
                node.at,
                path,
                "it is not said where the Redis is; none is used",
            )
            .hint("set a host or a URL");
    }
}

/// Reads the cache and, where answers are kept in Redis, what is known of that.
fn cache(
    sections: Sections<'_>,
    environment: &Environment,
    shared: &Draft,
    report: &mut Report,
) -> Option<(CacheConfig, Draft)> {
    let empty = Node::new(super::node::At::DEFAULT, Value::Map(Vec::new()));
    let params = sections.litellm.get("cache_params");
    let on = switch(sections, params, report)?;
    let params = params.unwrap_or(&empty);
    // The namespace is the cache's; the connection has none of its own.
    let own = Draft::read(params, "", PARAMS, report)
        .without_namespace()
        .or_environment(environment);
    let draft = if own.is_somewhere() {
        own
    } else {
        shared.clone()
    };
    let at = params.get("type").unwrap_or(on).at;
    let backend = backend(params, draft.is_somewhere(), at, report)?;
    let base = CacheConfig::default();
    let config = CacheConfig {
        backend,
        ttl: ttl(backend, params),
        namespace: text(params, "namespace").filter(|name| !name.is_empty()),
        opt_in: params.get("mode").and_then(Node::text) == Some("default_off"),
        max_messages: count(params, "max_messages").and_then(|most| usize::try_from(most).ok()),
        call_types: call_types(params.get("supported_call_types"), report),
        scope: match params.get("scope").and_then(Node::text) {
            Some("team") => CacheScope::Team,
            Some("key") => CacheScope::Key,
            _ => CacheScope::Global,
        },
        max_bytes: count(params, "max_size_mb")
            .map_or(base.max_bytes, |size| size.saturating_mul(1024 * 1024)),
        redis: None,
    };
    let draft = match backend {
        CacheBackend::Local => Draft::default(),
        CacheBackend::Redis => draft,
    };
    Some((config, draft))
}

/// Finds what turns the cache on.
fn switch<'a>(
    sections: Sections<'a>,
    params: Option<&Node>,
    report: &mut Report,
) -> Option<&'a Node> {
    let switches = [
        sections.litellm.get("cache"),
        sections.router.get("cache_responses"),
    ];
    let on = switches
        .into_iter()
        .flatten()
        .find(|node| node.flag() == Some(true));
    if let (None, Some(params)) = (on, params.filter(|params| !params.is_empty())) {
        report
            .warn(params.at, PARAMS, "no effect: the cache is off")
            .hint("`cache: true` turns it on");
    }
    on
}

fn ttl(backend: CacheBackend, params: &Node) -> Option<Duration> {
    let general = seconds(params, "ttl");
    match backend {
        CacheBackend::Local => seconds(params, "default_in_memory_ttl")
            .or(general)
            .or(Some(MEMORY_TTL)),
        CacheBackend::Redis => seconds(params, "default_in_redis_ttl").or(general),
    }
}

/// Finds where answers are kept; `None` turns the cache off.
fn backend(params: &Node, has_redis: bool, at: At, report: &mut Report) -> Option<CacheBackend> {
    let path = format!("{PARAMS}.type");
    let name = params.get("type").and_then(Node::text);
    match name {
        Some("local") => Some(CacheBackend::Local),
        None | Some("redis") if has_redis => Some(CacheBackend::Redis),
        None | Some("redis") => {
            report
                .warn(
                    at,
                    &path,
                    "no Redis is known: answers are kept in memory, for this process only",
                )
                .hint("set `cache_params.host`, or env `REDIS_HOST`; or `type: local`");
            Some(CacheBackend::Local)
        }
        Some(name) if name.ends_with("-semantic") => {
            report
                .warn(
                    at,
                    &path,
                    format!("`{name}` is not supported: the cache is off"),
                )
                .hint("`redis` and `local` answer calls that are the same");
            None
        }
        Some(name) => {
            report
                .warn(
                    at,
                    &path,
                    format!("`{name}` is not supported: answers are kept in memory"),
                )
                .hint("`redis` keeps them for all instances");
            Some(CacheBackend::Local)
        }
    }
}

/// Reads the types of calls, without the `a` of LiteLLM's asynchronous names.
fn call_types(node: Option<&Node>, report: &mut Report) -> Option<Vec<String>> {
    let node = node?;
    let mut types: Vec<String> = Vec::new();
    for (index, item) in node.items().iter().enumerate() {
        let Some(name) = item.text() else { continue };
        let known = |name: &str| CALL_TYPES.contains(&name).then(|| name.to_owned());
        let found = known(name).or_else(|| known(name.strip_prefix('a')?));
        match found {
            Some(found) if types.contains(&found) => {}
            Some(found) => types.push(found),
            None => {
                let path = format!("{PARAMS}.supported_call_types[{index}]");
                let finding = report.warn(item.at, &path, "no such type of call; it is ignored");
                if let Some(known) = nearest(name, CALL_TYPES.iter().copied(), 3) {
                    finding.hint(did_you_mean(known));
                }
            }
        }
    }
    Some(types)
}
