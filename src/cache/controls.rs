//! What a caller decides about the cache: `cache` in the body, `Cache-Control`, and Portkey's headers.
//!
//! The body's members are LiteLLM's. Headers say the same in HTTP's words; where both say something, the body counts.

use std::time::Duration;

use http::HeaderMap;
use http::header::CACHE_CONTROL;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::canonical::{ParamMap, RawJson};
use crate::error::{Error, ErrorKind, Result};

/// The longest time that can be asked for: a hundred years, far from where sums of time overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Longest `namespace` and `cache_key`, in bytes.
const LONGEST_NAME: usize = 256;

/// Members that steer the gateway and leave the answer as it is, beside those that begin like [`SILENT_PREFIXES`]. All
/// others are part of the key.
const SILENT: [&str; 46] = [
    "acompletion",
    "allowed_fails",
    "allowed_fails_policy",
    "attempted_targets",
    "cache",
    "cache_key",
    "caching",
    "caching_groups",
    "callbacks",
    "client_metadata",
    "client_side_timeout",
    "cooldown_time",
    "enable_weighted_failover",
    "failure_callback",
    "fallback_depth",
    "force_timeout",
    "hedge_after",
    "hedging",
    "id",
    "include_fallback_errors",
    "itpm",
    "keepalive_seconds",
    "logger_fn",
    "max_budget",
    "max_parallel_requests",
    "max_retries",
    "metadata",
    "no-log",
    "no_log",
    "num_retries_per_request",
    "otpm",
    "preset_cache_key",
    "priority",
    "proxy_server_request",
    "retry_after",
    "retry_policy",
    "retry_strategy",
    "routing_strategy",
    "routing_strategy_args",
    "rpm",
    "service_callback",
    "success_callback",
    "tags",
    "tpm",
    "ttl",
    "verbose",
];

/// Members that begin like this are about logs, ids and prices.
const SILENT_PREFIXES: [&str; 9] = [
    "litellm_",
    "user_api_key_",
    "input_cost_per_",
    "output_cost_per_",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "langfuse_",
    "langsmith_",
    "arize_",
];

/// What a caller decided about the cache.
#[derive(Debug, Clone, Default)]
pub struct CacheControls {
    /// `caching: false`: the cache is left alone.
    pub off: bool,
    /// `use-cache: true`, `caching: true` or Portkey's `-cache`: asks for the cache where it is off by default.
    pub opted_in: bool,
    /// Portkey's `-cache: semantic`, which is served as `simple`: worth a warning to the client.
    pub semantic: bool,
    /// `no-cache`, `-cache-force-refresh`: an answer is not looked up, but kept.
    pub no_cache: bool,
    /// `no-store`: an answer is looked up, but not kept.
    pub no_store: bool,
    /// `ttl`: how long the answer is kept.
    pub ttl: Option<Duration>,
    /// `s-maxage`: only an answer younger than this will do.
    pub max_age: Option<Duration>,
    /// `namespace`, else `metadata.redis_namespace`.
    pub namespace: Option<String>,
    /// `cache_key`: stands for the content of the request.
    pub preset: Option<String>,
    /// Members of the body that steer the gateway and can change the answer, as written.
    pub members: ParamMap,
    /// The controls that were used, by name, for [`CacheControls::check_allowed`].
    pub used: Vec<String>,
}

impl CacheControls {
    /// Reads what a request says. `members` are the members of its body that steer the gateway.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadRequest`] naming the member or header that has the wrong type.
    pub fn of(members: &ParamMap, headers: &HeaderMap) -> Result<Self> {
        let mut controls = Self::default();
        controls.read_cache_control(headers)?;
        controls.read_portkey(headers)?;
        for (name, value) in members {
            if value.is_null() {
                continue;
            }
            match name.as_str() {
                "cache" => controls.read_body(value)?,
                "caching" => {
                    let wanted: bool = parse(name, value, "a boolean")?;
                    controls.opted_in |= wanted;
                    controls.off = !wanted;
                }
                "cache_key" | "preset_cache_key" => {
                    controls.preset = Some(name_of(name, parse(name, value, "a string")?)?);
                }
                _ => {}
            }
            if !is_silent(name) {
                controls.members.push((name.clone(), value.clone()));
            }
        }
        if controls.namespace.is_none()
            && let Some(namespace) = namespace_of_metadata(members)?
        {
            controls.namespace = Some(namespace);
            controls.used("namespace");
        }
        Ok(controls)
    }

    /// Checks that a virtual key may use the controls that it used; `None` allows all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`] naming the control.
    pub fn check_allowed(&self, allowed: Option<&[String]>) -> Result<()> {
        let Some(allowed) = allowed else {
            return Ok(());
        };
        match self.used.iter().find(|used| !allowed.contains(used)) {
            None => Ok(()),
            Some(refused) => {
                let message = format!("Not allowed to set {refused} as a cache control");
                Err(Error::new(ErrorKind::Forbidden, message).with_param("cache"))
            }
        }
    }

    fn used(&mut self, name: &str) {
        if !self.used.iter().any(|used| used == name) {
            self.used.push(name.to_owned());
        }
    }

    /// Reads `cache` of the body; members that nobody knows are only noted.
    fn read_body(&mut self, value: &RawJson) -> Result<()> {
        let members: Map<String, Value> = parse("cache", value, "an object")?;
        for (name, value) in members {
            if value.is_null() {
                continue;
            }
            let path = format!("cache.{name}");
            match name.as_str() {
                "no-cache" => self.no_cache = flag(&path, &value)?,
                "no-store" => self.no_store = flag(&path, &value)?,
                "use-cache" => self.opted_in |= flag(&path, &value)?,
                "ttl" => self.ttl = Some(seconds(&path, value.as_f64())?),
                "s-maxage" | "s-max-age" => self.max_age = Some(seconds(&path, value.as_f64())?),
                "namespace" => {
                    let namespace = value.as_str().ok_or_else(|| wrong(&path, "a string"))?;
                    self.namespace = Some(name_of(&path, namespace.to_owned())?);
                }
                _ => {}
            }
            self.used(if name == "s-max-age" {
                "s-maxage"
            } else {
                &name
            });
        }
        Ok(())
    }

    /// Reads `Cache-Control`. `max-age` asks for an answer that is younger, as HTTP has it; `s-maxage` also bounds how
    /// long this one is kept, as LiteLLM documents it. Directives that nobody knows are HTTP's to ignore.
    fn read_cache_control(&mut self, headers: &HeaderMap) -> Result<()> {
        for value in headers.get_all(CACHE_CONTROL) {
            let value = value.to_str().unwrap_or_default();
            for directive in value.split(',') {
                let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
                let name = name.trim().to_ascii_lowercase();
                match name.as_str() {
                    "no-cache" => self.no_cache = true,
                    "no-store" => self.no_store = true,
                    "max-age" => self.max_age = Some(directive_seconds(&name, argument)?),
                    "s-maxage" => {
                        let age = directive_seconds(&name, argument)?;
                        self.max_age = Some(age);
                        self.ttl = Some(age);
                    }
                    _ => continue,
                }
                self.used(&name);
            }
        }
        Ok(())
    }

    /// Reads Portkey's and Obiguard's headers. `semantic` is served as `simple`.
    fn read_portkey(&mut self, headers: &HeaderMap) -> Result<()> {
        for prefix in ["x-portkey-cache", "x-obiguard-cache"] {
            let get = |suffix: &str| {
                let value = headers.get(format!("{prefix}{suffix}"))?;
                Some(value.to_str().unwrap_or_default().trim().to_owned())
            };
            if let Some(mode) = get("") {
                match mode.to_ascii_lowercase().as_str() {
                    mode @ ("simple" | "semantic" | "true") => {
                        self.opted_in = true;
                        self.semantic |= mode == "semantic";
                    }
                    "false" | "" => {}
                    _ => return Err(wrong(prefix, "`simple`, `semantic`, `true` or `false`")),
                }
            }
            if let Some(refresh) = get("-force-refresh") {
                match refresh.to_ascii_lowercase().as_str() {
                    "true" => {
                        self.no_cache = true;
                        self.used("no-cache");
                    }
                    "false" | "" => {}
                    _ => {
                        return Err(wrong(
                            &format!("{prefix}-force-refresh"),
                            "`true` or `false`",
                        ));
                    }
                }
            }
            if let Some(namespace) = get("-namespace").filter(|namespace| !namespace.is_empty()) {
                self.namespace = Some(name_of(&format!("{prefix}-namespace"), namespace)?);
                self.used("namespace");
            }
        }
        Ok(())
    }
}

fn is_silent(name: &str) -> bool {
    SILENT.binary_search(&name).is_ok()
        || SILENT_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

fn parse<'a, T: Deserialize<'a>>(name: &str, value: &'a RawJson, expected: &str) -> Result<T> {
    value.parse().map_err(|_| wrong(name, expected))
}

fn wrong(name: &str, expected: &str) -> Error {
    Error::bad_request(name, format!("{name}: expected {expected}"))
}

fn flag(name: &str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| wrong(name, "a boolean"))
}

fn seconds(name: &str, value: Option<f64>) -> Result<Duration> {
    value
        .filter(|value| *value >= 0.0)
        .and_then(|value| Duration::try_from_secs_f64(value.min(LONGEST.as_secs_f64())).ok())
        .ok_or_else(|| wrong(name, "a number of seconds, 0 or more"))
}

fn directive_seconds(name: &str, argument: &str) -> Result<Duration> {
    let argument = argument.trim().trim_matches('"');
    let whole = argument.parse::<u32>().ok();
    seconds("cache-control", whole.map(f64::from)).map_err(|_| {
        wrong(
            "cache-control",
            &format!("a number of seconds behind `{name}=`"),
        )
    })
}

/// A name that a caller chose: part of keys and headers, so it is short and printable. An empty one is refused, too: it
/// would be somebody's mistake.
fn name_of(path: &str, name: String) -> Result<String> {
    let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
    if name.is_empty() || name.len() > LONGEST_NAME || !printable {
        let expected = format!("1 to {LONGEST_NAME} visible ASCII characters");
        return Err(wrong(path, &expected));
    }
    Ok(name)
}

/// Reads `metadata.redis_namespace`.
fn namespace_of_metadata(members: &ParamMap) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow, default)]
        redis_namespace: Option<&'a RawValue>,
    }
    for (name, value) in members {
        if name != "metadata" && name != "litellm_metadata" {
            continue;
        }
        // Metadata that is no object was refused before.
        let metadata = value.parse::<Metadata<'_>>().ok();
        if let Some(written) = metadata.and_then(|metadata| metadata.redis_namespace) {
            let path = format!("{name}.redis_namespace");
            let namespace =
                serde_json::from_str(written.get()).map_err(|_| wrong(&path, "a string"))?;
            return name_of(&path, namespace).map(Some);
        }
    }
    Ok(None)
}

#[cfg(test)]
#[path = "controls_tests.rs"]
mod tests;
