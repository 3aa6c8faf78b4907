//! Each section with everything set, and what is read of it.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::defaults::DEFAULTS;
use super::*;

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, Findings> {
    let variables = variables.iter().chain(&[("LITELLM_MASTER_KEY", "sk-m")]);
    let environment = variables
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    load_bytes(
        Path::new("config.yaml"),
        text.as_bytes(),
        environment,
        &Overrides::default(),
    )
}

fn good(text: &str, variables: &[(&str, &str)]) -> Config {
    load_text(text, variables).unwrap_or_else(|findings| panic!("{findings}"))
}

/// A configuration about which there is nothing to say.
fn clean(text: &str, variables: &[(&str, &str)]) -> Config {
    let config = good(text, variables);
    assert_eq!(config.warnings, [], "{text}");
    config
}

/// What is said of a configuration.
fn said(text: &str, variables: &[(&str, &str)]) -> String {
    match load_text(text, variables) {
        Ok(config) => Findings(config.warnings),
        Err(findings) => findings,
    }
    .to_string()
}

const MODELS: &str = "model_list:\n\
    - {model_name: a, litellm_params: {model: bedrock/x}}\n\
    - {model_name: b, litellm_params: {model: bedrock/x}}\n\
    - {model_name: c, litellm_params: {model: bedrock/x}}\n";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
#[expect(clippy::too_many_lines, reason = "the section has that many keys")]
fn router_settings_are_read_whole() {
    let text = format!(
        "{MODELS}router_settings:
  routing_strategy: latency-based-routing
  routing_strategy_args: {{ttl: 60, lowest_latency_buffer: 0.2, max_latency_list_size: 5, ttft_percentile: 0.95}}
  routing_groups:
    - {{group_name: fast, models: [a, b], routing_strategy: least-busy}}
    - {{group_name: best, models: [b, c], routing_strategy: priority, model_priorities: {{b: 2, c: -1}}}}
  num_retries: 4
  retry_after: 1
  retry_policy: {{BadRequestErrorRetries: 1, AuthenticationErrorRetries: 2, TimeoutErrorRetries: 3, RateLimitErrorRetries: 4,
    ContentPolicyViolationErrorRetries: 5, InternalServerErrorRetries: 6, ServiceUnavailableErrorRetries: 7,
    NotFoundErrorRetries: 8, DefaultRetries: 0}}
  model_group_retry_policy: {{a: {{TimeoutErrorRetries: 9}}}}
  retry_budget: {{capacity: 10, cost: 2, throttle_cost: 1, refill_per_second: 0.5}}
  timeout: 30
  stream_timeout: 8
  stream_idle_timeout: 20
  connect_timeout: 2
  deadline: 90
  max_fallbacks: 3
  fallbacks: [{{a: [b, {{model: c, temperature: 0}}]}}, {{\"*\": c}}]
  context_window_fallbacks: [{{b: [c]}}]
  content_policy_fallbacks: [{{c: [a]}}]
  default_fallbacks: [c]
  fallback_on_4xx: true
  enable_weighted_failover: true
  allowed_fails: 3
  allowed_fails_policy: {{BadGatewayErrorAllowedFails: 2, RateLimitErrorAllowedFails: 0}}
  allowed_fails_window: 10
  cooldown_time: 20
  max_cooldown_time: 100
  disable_cooldowns: true
  enable_pre_call_checks: true
  optional_pre_call_checks: [deployment_affinity, session_affinity, prompt_caching, enforce_model_rate_limits, router_budget_limiting]
  deployment_affinity_ttl_seconds: 50
  model_group_affinity_config: {{a: [session_affinity], b: {{deployment_affinity: true, prompt_caching: false}}}}
  enable_tag_filtering: true
  tag_filtering_match_any: false
  tag_routing_prefix: \"route:\"
  default_max_parallel_requests: 7
  parallel_limit_from_rpm: true
  max_queue_ms: 1500
  default_priority: 6
  polling_interval: 0.1
  provider_budget_config: {{bedrock: {{budget_limit: 12.5, time_period: 1d}}}}
  caching_groups: [[a, b]]
  stream_recovery: resume
  hedge_after: 1.5
  default_litellm_params: {{timeout: 40, temperature: 0.1}}
"
    );
    let router = clean(&text, &[]).router;
    let target = |model: &str| FallbackTarget {
        model: model.to_owned(),
        ..FallbackTarget::default()
    };
    let rule = |group: &str, targets: Vec<FallbackTarget>| FallbackRule {
        group: group.to_owned(),
        targets,
    };
    let with_override = FallbackTarget {
        overrides: serde_json::Map::from_iter([("temperature".to_owned(), json!(0))]),
        ..target("c")
    };
    let wanted = RouterSettings {
        strategy: StrategyConfig {
            name: StrategyName::LatencyBased,
            args: StrategyArgs {
                ttl: seconds(60),
                lowest_latency_buffer: 0.2,
                max_latency_list_size: 5,
                ttft_percentile: Some(0.95),
            },
        },
        routing_groups: vec![
            RoutingGroup {
                name: "fast".to_owned(),
                models: vec!["a".to_owned(), "b".to_owned()],
                strategy: StrategyConfig {
                    name: StrategyName::LeastBusy,
                    ..StrategyConfig::default()
                },
                priorities: None,
            },
            RoutingGroup {
                name: "best".to_owned(),
                models: vec!["b".to_owned(), "c".to_owned()],
                strategy: StrategyConfig::default(),
                priorities: Some(BTreeMap::from([("b".to_owned(), 2), ("c".to_owned(), -1)])),
            },
        ],
        num_retries: 4,
        num_retries_per_request: None,
        retry_after: seconds(1),
        retry_policy: Some(ByClass {
            bad_request: Some(1),
            authentication: Some(2),
            timeout: Some(3),
            rate_limit: Some(4),
            content_policy: Some(5),
            internal: Some(6),
            unavailable: Some(7),
            bad_gateway: None,
            not_found: Some(8),
            default: Some(0),
        }),
        group_retry_policies: BTreeMap::from([(
            "a".to_owned(),
            ByClass {
                timeout: Some(9),
                ..ByClass::default()
            },
        )]),
        retry_budget: Some(RetryBudgetConfig {
            capacity: 10.0,
            cost: 2.0,
            throttle_cost: 1.0,
            refill_per_second: 0.5,
        }),
        timeout: seconds(30),
        stream_timeout: Some(seconds(8)),
        stream_idle_timeout: Some(seconds(20)),
        connect_timeout: seconds(2),
        deadline: Some(seconds(90)),
        aliases: Vec::new(),
        fallbacks: FallbackLists {
            general: vec![
                rule("a", vec![target("b"), with_override]),
                rule("*", vec![target("c")]),
            ],
            context_window: vec![rule("b", vec![target("c")])],
            content_policy: vec![rule("c", vec![target("a")])],
            default: vec!["c".to_owned()],
        },
        max_fallbacks: 3,
        fallback_on_4xx: true,
        weighted_failover: true,
        cooldown: CooldownSettings {
            disabled: true,
            time: seconds(20),
            max_time: seconds(100),
            allowed_fails: Some(3),
            allowed_fails_policy: Some(ByClass {
                bad_gateway: Some(2),
                rate_limit: Some(0),
                ..ByClass::default()
            }),
            // Never shorter than the cooldown.
            window: seconds(20),
        },
        pre_call_checks: true,
        enforce_model_rate_limits: true,
        affinity: AffinitySettings {
            all: Affinity {
                deployment: true,
                session: true,
                prompt_caching: true,
            },
            groups: BTreeMap::from([
                (
                    "a".to_owned(),
                    Affinity {
                        session: true,
                        ..Affinity::default()
                    },
                ),
                (
                    "b".to_owned(),
                    Affinity {
                        deployment: true,
                        ..Affinity::default()
                    },
                ),
            ]),
            ttl: seconds(50),
        },
        tags: TagSettings {
            enabled: true,
            match_any: false,
            prefix: "route:".to_owned(),
        },
        default_parallel: Some(7),
        parallel_limit_from_rpm: true,
        max_queue: Duration::from_millis(1500),
        default_priority: Some(6),
        provider_budget: Some(Budget {
            limit_usd: 12.5,
            period: Some(seconds(86_400)),
        }),
        health: HealthSettings::default(),
        tag_budgets: BTreeMap::new(),
        redis: None,
        caching_groups: vec![vec!["a".to_owned(), "b".to_owned()]],
        stream_recovery: StreamRecovery::Resume,
        hedge_after: Some(Duration::from_millis(1500)),
        default_params: serde_json::Map::from_iter([
            ("timeout".to_owned(), json!(40)),
            ("temperature".to_owned(), json!(0.1)),
        ]),
    };
    assert_eq!(router, wanted);
}

#[test]
fn litellm_settings_stand_in_for_the_router() {
    let text = format!(
        "{MODELS}litellm_settings:
  num_retries: 1
  num_retries_per_request: 3
  fallbacks: [{{a: [b]}}]
  context_window_fallbacks: [{{a: [c]}}]
  content_policy_fallbacks: [{{b: [c]}}]
  default_fallbacks: [c]
  max_fallbacks: 2
  allowed_fails: 3
  require_auth_for_metrics_endpoint: false
  budget_exceeded_status_code: 429
  callbacks: [prometheus, otel]
general_settings:
  max_parallel_requests: 9
"
    );
    let config = clean(&text, &[]);
    let router = &config.router;
    assert_eq!((router.num_retries, router.max_fallbacks), (1, 2));
    assert_eq!(router.num_retries_per_request, Some(3));
    assert_eq!(router.cooldown.allowed_fails, Some(3));
    assert_eq!(router.default_parallel, Some(9));
    let lists = &router.fallbacks;
    assert_eq!(lists.general[0].targets[0].model, "b");
    assert_eq!(lists.context_window[0].group, "a");
    assert_eq!(lists.content_policy[0].group, "b");
    assert_eq!(lists.default, ["c"]);
    assert!(config.litellm.metrics_are_public && config.litellm.otel);
    assert_eq!(config.litellm.budget_status, Some(429));
    let text = "router_settings: {allowed_fails: 1, max_fallbacks: 4, default_max_parallel_requests: 2}\n\
                litellm_settings: {allowed_fails: 7, max_fallbacks: 8}\ngeneral_settings: {max_parallel_requests: 9}\n";
    let router = clean(text, &[("ROUTER_MAX_FALLBACKS", "6")]).router;
    assert_eq!(router.cooldown.allowed_fails, Some(1));
    assert_eq!(
        (router.max_fallbacks, router.default_parallel),
        (4, Some(2))
    );
}

#[test]
fn general_settings_are_read_whole() {
    let text = "general_settings: {max_in_flight_requests_per_worker: 5, max_queued_requests_per_worker: 6, \
                admission_queue_timeout_seconds: 0.5, global_max_parallel_requests: 7, \
                fail_closed_rate_limit_enforcement: true, expose_fallback_errors_to_caller: true, \
                reject_clientside_metadata_tags: true, disable_bedrock_agent_runtime_passthrough: true, \
                disable_bedrock_control_plane_passthrough: true, pass_through_request_timeout: 7, \
                allowed_ips: [10.0.0.0/8, \"::1\"], use_x_forwarded_for: true, trusted_proxy_ranges: [192.0.2.1], \
                allowed_routes: [llm_api_routes, /metrics], admin_only_routes: [/bedrock/*], \
                enforce_user_param: true, enforced_params: [seed, metadata.team]}\n";
    let ranges = |texts: &[&str]| -> Vec<IpRange> {
        texts
            .iter()
            .filter_map(|text| IpRange::parse(text))
            .collect()
    };
    let words = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let wanted = GeneralSettings {
        master_key: Some(Secret::new("sk-m")),
        max_in_flight: Some(5),
        max_queued: 6,
        admission_queue_timeout: Duration::from_millis(500),
        global_parallel: Some(7),
        fail_closed: true,
        expose_fallback_errors: true,
        reject_client_tags: true,
        pass_through: PassThroughSettings {
            without_agents: true,
            without_control_plane: true,
            timeout: seconds(7),
        },
        reach: Reach {
            addresses: Some(ranges(&["10.0.0.0/8", "::1"])),
            proxies: ranges(&["192.0.2.1"]),
            routes: words(&["llm_api_routes", "/metrics"]),
            admin_routes: words(&["/bedrock/*"]),
        },
        enforce_user: true,
        enforced_params: words(&["seed", "metadata.team"]),
        ..GeneralSettings::default()
    };
    assert_eq!(clean(text, &[]).general, wanted);
}

#[test]
fn budget_of_the_gateway_is_an_amount_and_a_period() {
    let budget = |text: &str| {
        let text = format!("litellm_settings: {{{text}}}\n");
        clean(&text, &[]).litellm.budget
    };
    assert_eq!(budget("drop_params: true"), None);
    let day = Some(seconds(86_400));
    for (text, period) in [
        ("max_budget: 2.5", None),
        ("max_budget: 2.5, budget_duration: 1d", day),
    ] {
        let wanted = Budget {
            limit_usd: 2.5,
            period,
        };
        assert_eq!(budget(text), Some(wanted), "{text}");
    }
    let alone = said("litellm_settings: {budget_duration: 1d}\n", &[]);
    assert!(alone.contains("a period alone is no budget"), "{alone}");
    let nothing = said("litellm_settings: {max_budget: 0}\n", &[]);
    assert!(nothing.contains("0 is no limit"), "{nothing}");
}

#[test]
fn cooldown_time_has_a_floor_and_bounds_what_depends_on_it() {
    let cooldown = |text: &str, variables: &[(&str, &str)]| {
        let text = format!("router_settings: {{{text}}}\n");
        clean(&text, variables).router.cooldown
    };
    assert_eq!(cooldown("cooldown_time: 0", &[]).time, seconds(5));
    let variable = [("DEFAULT_COOLDOWN_TIME_SECONDS", "8")];
    assert_eq!(cooldown("", &variable).time, seconds(8));
    assert_eq!(cooldown("cooldown_time: 2", &variable).time, seconds(2));
    let long = cooldown("cooldown_time: 600, allowed_fails_window: 1", &[]);
    assert_eq!((long.window, long.max_time), (seconds(600), seconds(600)));
    // LiteLLM's default stands for the rate of failures, not for a count of them.
    assert_eq!(cooldown("", &[]).allowed_fails, None);
}

#[test]
fn retry_budget_can_be_turned_off_and_half_written() {
    let budget = |value: &str| {
        let text = format!("router_settings: {{retry_budget: {value}}}\n");
        clean(&text, &[]).router.retry_budget
    };
    assert_eq!(budget("false"), None);
    assert_eq!(budget("true"), Some(RetryBudgetConfig::default()));
    let half = RetryBudgetConfig {
        cost: 1.0,
        ..RetryBudgetConfig::default()
    };
    assert_eq!(budget("{cost: 1}"), Some(half));
}

#[test]
fn entry_is_read_whole() {
    let text = "router_settings: {optional_pre_call_checks: [enforce_model_rate_limits]}
model_list:
- model_name: anthropic/*
  rpm: 3
  tpm: 4
  litellm_params:
    model: bedrock/*
    rpm: 5
    itpm: 6
    otpm: 7
    max_parallel_requests: 8
    max_queue_ms: 250
    order: 2
    num_retries: 1
    cooldown_time: 30
    timeout_by_service_tier: {flex: 900, default: 0}
    stream_timeout_by_service_tier: {flex: 60}
    tags: [paid, eu]
    tag_regex: [\"^User-Agent: curl/\"]
    input_cost_per_token: 0
    output_cost_per_token: 1.5e-05
    max_budget: 10
    budget_duration: 2w
    mock_response: {content: hi}
    default_api_key_rpm_limit: 9
    default_api_key_tpm_limit: 10
  model_info:
    allowed_fails: 2
    allowed_fails_policy: {TimeoutErrorAllowedFails: 1}
    cooldown_time: 0
    access_groups: [beta]
    team_id: team
    enable_tag_filtering: true
    allow_fail_open: true
";
    let deployment = clean(text, &[]).deployments.remove(0);
    let wanted = DeploymentLimits {
        rpm: Some(5),
        tpm: Some(4),
        parallel: Some(8),
        weight: None,
        order: Some(2),
        itpm: Some(6),
        otpm: Some(7),
        max_queue: Some(Duration::from_millis(250)),
        // `model_info` wins, and 0 is a value: no cooldowns.
        cooldown: Some(Duration::ZERO),
        allowed_fails: Some(2),
        allowed_fails_policy: Some(ByClass {
            timeout: Some(1),
            ..ByClass::default()
        }),
        budget: Some(Budget {
            limit_usd: 10.0,
            period: Some(seconds(14 * 86_400)),
        }),
        default_key: RateLimits {
            rpm: Some(9),
            tpm: Some(10),
            parallel: None,
        },
    };
    assert_eq!(deployment.limits, wanted);
    assert_eq!(deployment.num_retries, Some(1));
    let flex = |time| BTreeMap::from([("flex".to_owned(), seconds(time))]);
    assert_eq!(deployment.tier_timeouts, flex(900));
    assert_eq!(deployment.tier_stream_timeouts, flex(60));
    assert_eq!(deployment.tags, ["paid", "eu"]);
    assert_eq!(deployment.tag_regex, ["^User-Agent: curl/"]);
    assert_eq!(deployment.input_cost_per_token, Some(0.0));
    assert_eq!(deployment.output_cost_per_token, Some(1.5e-5));
    let mock = deployment.mock_response.as_ref().map(RawJson::get);
    assert_eq!(mock, Some(r#"{"content":"hi"}"#));
    assert!(deployment.params.is_empty(), "{:?}", deployment.params);
    let info = &deployment.info;
    assert_eq!(info.access_groups, ["beta"]);
    assert_eq!(info.team_id.as_deref(), Some("team"));
    assert_eq!(
        (info.tag_filtering, info.allow_fail_open),
        (Some(true), true)
    );
}

#[test]
fn tags_have_budgets_by_either_name_of_their_parts() {
    let text = "litellm_settings:
  tag_budget_config:
    product:a: {max_budget: 10, budget_duration: 1d}
    b: {budget_limit: 0.5, time_period: daily}
    ever: {max_budget: 1}
";
    let day = Some(Duration::from_secs(86_400));
    let budget = |limit_usd, period| Budget { limit_usd, period };
    assert_eq!(
        clean(text, &[]).router.tag_budgets,
        BTreeMap::from([
            ("b".to_owned(), budget(0.5, day)),
            ("ever".to_owned(), budget(1.0, None)),
            ("product:a".to_owned(), budget(10.0, day)),
        ])
    );
}

#[test]
fn health_checks_are_read_from_their_three_places() {
    let text = format!(
        "{MODELS}general_settings:
  background_health_checks: true
  health_check_interval: 0.2
  health_check_concurrency: 3
  health_check_details: false
  health_check_staleness_threshold: 50
router_settings:
  enable_health_check_routing: true
  health_check_staleness_threshold: 70
  health_check_ignore_transient_errors: true
  background_health_check_model_groups: [a]
"
    );
    let health = clean(&text, &[("DEFAULT_HEALTH_CHECK_PROMPT", "Well?")])
        .router
        .health;
    assert_eq!(
        health,
        HealthSettings {
            background: true,
            interval: Duration::from_secs(1),
            concurrency: 3,
            details: false,
            routing: true,
            staleness: Duration::from_secs(50),
            ignore_transient: true,
            groups: vec!["a".to_owned()],
            prompt: "Well?".to_owned(),
        }
    );
    assert!(health.routes("a") && !health.routes("b"));
    let text = "general_settings: {background_health_checks: true, health_check_interval: 20}\n";
    let health = clean(text, &[]).router.health;
    assert_eq!(health.staleness, Duration::from_secs(40));
    assert!(!health.routes("a"));
    let text = "model_list: [{model_name: m, litellm_params: {model: bedrock/amazon.nova-lite-v1:0, aws_region_name: us-east-1}, \
                model_info: {disable_background_health_check: true, health_check_model: bedrock/x.y, health_check_timeout: 5, health_check_max_tokens: 2}}]\n";
    let config = clean(text, &[]);
    assert_eq!(
        config.deployments[0].info.health,
        HealthParams {
            disabled: true,
            model: Some("bedrock/x.y".to_owned()),
            timeout: Some(Duration::from_secs(5)),
            max_tokens: Some(2),
        }
    );
}

#[test]
fn cache_is_read_whole() {
    let text = "litellm_settings:
  cache: true
  cache_params:
    type: redis
    host: cache.internal
    port: \"6380\"
    username: u
    password: p
    ssl: true
    db: 2
    ttl: 60
    default_in_redis_ttl: 90
    default_in_memory_ttl: 30
    namespace: prod
    mode: default_off
    max_messages: 4
    supported_call_types: [acompletion, completion, aembedding, anthropic_messages]
    scope: team
    max_size_mb: 8
";
    let config = clean(text, &[("REDIS_URL", "redis://elsewhere")]);
    let redis = RedisConfig {
        host: Some("cache.internal".to_owned()),
        port: 6380,
        username: Some("u".to_owned()),
        password: Some(Secret::new("p")),
        tls: true,
        database: 2,
        ..RedisConfig::default()
    };
    let types = ["completion", "embedding", "anthropic_messages"];
    let wanted = CacheConfig {
        backend: CacheBackend::Redis,
        ttl: Some(seconds(90)),
        namespace: Some("prod".to_owned()),
        opt_in: true,
        max_messages: Some(4),
        call_types: Some(types.map(str::to_owned).to_vec()),
        scope: CacheScope::Team,
        max_bytes: 8 * 1024 * 1024,
        redis: Some(redis.clone()),
    };
    assert_eq!(config.cache, Some(wanted));
    let shared = RedisConfig {
        namespace: Some("prod".to_owned()),
        ..redis
    };
    assert_eq!(config.router.redis, Some(shared));
}

#[test]
fn cache_goes_where_a_redis_is_known() {
    let on = "litellm_settings: {cache: true}\n";
    let config = clean(
        on,
        &[
            ("REDIS_HOST", "h"),
            ("REDIS_PORT", "7000"),
            ("REDIS_PASSWORD", "p"),
        ],
    );
    let cache = config.cache.unwrap();
    assert_eq!((cache.backend, cache.ttl), (CacheBackend::Redis, None));
    let redis = cache.redis.unwrap();
    assert_eq!((redis.host.as_deref(), redis.port), (Some("h"), 7000));
    assert_eq!(config.router.redis, Some(redis));
    let config = good(on, &[]);
    assert_eq!(config.router.redis, None);
    let cache = config.cache.unwrap();
    assert_eq!(
        (cache.backend, cache.ttl),
        (CacheBackend::Local, Some(seconds(600)))
    );
    assert!(said(on, &[]).contains("no Redis is known: answers are kept in memory"));
    // The router's Redis will do where the cache has none.
    let router = "router_settings: {redis_host: r, redis_port: 6379, cache_responses: true}\n";
    let cache = clean(router, &[]).cache.unwrap();
    assert_eq!(cache.redis.unwrap().host.as_deref(), Some("r"));
    // Being in the environment turns nothing on.
    let off = clean("litellm_settings: {cache: false}\n", &[("REDIS_HOST", "h")]);
    assert_eq!((off.cache, off.router.redis), (None, None));
}

#[test]
fn types_of_cache_that_are_not_there_are_told() {
    let with =
        |kind: &str| format!("litellm_settings: {{cache: true, cache_params: {{type: {kind}}}}}\n");
    for kind in ["redis-semantic", "valkey-semantic", "qdrant-semantic"] {
        assert_eq!(
            good(&with(kind), &[("REDIS_HOST", "h")]).cache,
            None,
            "{kind}"
        );
        assert!(
            said(&with(kind), &[]).contains("the cache is off"),
            "{kind}"
        );
    }
    for kind in ["disk", "s3", "gcs", "azure-blob"] {
        let cache = good(&with(kind), &[("REDIS_HOST", "h")]).cache.unwrap();
        assert_eq!(cache.backend, CacheBackend::Local, "{kind}");
        assert!(said(&with(kind), &[]).contains("kept in memory"), "{kind}");
    }
    assert_eq!(
        clean(&with("local"), &[("REDIS_HOST", "h")]).router.redis,
        None
    );
}

#[test]
fn shared_redis_is_the_routers_then_the_coordinations_then_the_caches() {
    let redis =
        |text: &str, variables: &[(&str, &str)]| clean(text, variables).router.redis.unwrap();
    let cache = "litellm_settings: {cache: true, cache_params: {host: c}}\n";
    let coordination = "general_settings: {coordination_redis: {host: g, sentinel_nodes: [[s, 26379], \"t:26380\"], \
                        service_name: m, sentinel_password: sp}}\n";
    let router = "router_settings: {redis_url: \"redis://r\", redis_timeout_ms: 40, cache_kwargs: {namespace: n, \
                  startup_nodes: [{host: k, port: \"7001\"}, {host: l}]}}\n";
    let host = |redis: &RedisConfig| redis.host.clone().unwrap();
    assert_eq!(host(&redis(cache, &[])), "c");
    let found = redis(&format!("{cache}{coordination}"), &[]);
    assert_eq!(host(&found), "g");
    let node = |host: &str, port| (host.to_owned(), port);
    assert_eq!(found.sentinel_nodes, [node("s", 26379), node("t", 26380)]);
    assert_eq!(found.service_name.as_deref(), Some("m"));
    assert_eq!(found.sentinel_password, Some(Secret::new("sp")));
    let found = redis(
        &format!("{cache}{coordination}{router}"),
        &[("REDIS_PASSWORD", "x")],
    );
    assert_eq!(found.url, Some(Secret::new("redis://r")));
    assert_eq!(found.timeout, Duration::from_millis(40));
    assert_eq!(found.namespace.as_deref(), Some("n"));
    assert_eq!(found.cluster_nodes, [node("k", 7001), node("l", 6379)]);
    // A URL says it all.
    assert_eq!(found.password, None);
    let parts = "router_settings: {redis_host: r, redis_port: 1, redis_password: os.environ/P}\n";
    let found = redis(
        parts,
        &[
            ("P", "p"),
            ("REDIS_URL", "redis://x"),
            ("REDIS_SSL", "True"),
        ],
    );
    assert_eq!((found.url.clone(), found.tls, found.port), (None, true, 1));
    assert_eq!(found.password, Some(Secret::new("p")));
    let json = [
        ("REDIS_SENTINEL_NODES", r#"[["s", 1]]"#),
        ("REDIS_CLUSTER_NODES", r#"[{"host": "n", "port": "2"}]"#),
    ];
    let found = redis("router_settings: {redis_password: p}\n", &json);
    assert_eq!(found.sentinel_nodes, [node("s", 1)]);
    assert_eq!(found.cluster_nodes, [node("n", 2)]);
}

#[test]
fn strategies_that_are_none_are_told() {
    for (name, strategy, word) in [
        (
            "usage-based-routing",
            StrategyName::UsageBased,
            "usage-based-routing-v2",
        ),
        (
            "provider-budget-routing",
            StrategyName::SimpleShuffle,
            "budgets hold",
        ),
        (
            "lar1",
            StrategyName::SimpleShuffle,
            "`simple-shuffle` is used",
        ),
    ] {
        let text = format!("router_settings: {{routing_strategy: {name}}}\n");
        assert_eq!(good(&text, &[]).router.strategy.name, strategy);
        assert!(said(&text, &[]).contains(word), "{name}");
    }
    for name in [
        "simple-shuffle",
        "least-busy",
        "latency-based-routing",
        "cost-based-routing",
        "usage-based-routing-v2",
        "p2c",
    ] {
        let text = format!("router_settings: {{routing_strategy: {name}}}\n");
        assert_eq!(clean(&text, &[]).router.strategy.name.name(), name);
    }
}

#[test]
fn limit_per_minute_that_limits_nothing_is_told_once() {
    let entry = |name: &str, params: &str| {
        format!("- {{model_name: {name}, litellm_params: {{model: bedrock/x, {params}}}}}\n")
    };
    let models = format!(
        "model_list:\n{}{}",
        entry("a", "rpm: 5"),
        entry("b", "tpm: 5")
    );
    let text = said(&models, &[]);
    assert_eq!(text.matches("limits nothing").count(), 1, "{text}");
    assert!(text.contains("enforce_model_rate_limits"), "{text}");
    for router in [
        "optional_pre_call_checks: [enforce_model_rate_limits]",
        "routing_strategy: usage-based-routing-v2",
        "enable_pre_call_checks: true",
        "parallel_limit_from_rpm: true",
        "routing_groups: [{group_name: g, models: [a, b], routing_strategy: cost-based-routing}]",
    ] {
        clean(&format!("{models}router_settings: {{{router}}}\n"), &[]);
    }
    let input = format!(
        "model_list:\n{}router_settings: {{enable_pre_call_checks: true}}\n",
        entry("a", "itpm: 5")
    );
    assert!(said(&input, &[]).contains("`itpm` limits nothing"));
}

#[test]
fn names_may_be_patterns_routing_groups_and_aliases() {
    let text = "model_list:
- {model_name: bedrock/anthropic.*, litellm_params: {model: bedrock/anthropic.*}, model_info: {access_groups: [beta]}}
- {model_name: a, litellm_params: {model: bedrock/x}}
router_settings:
  model_group_alias: {alias: a}
  routing_groups: [{group_name: g, models: [a, anthropic.claude-3]}]
  fallbacks: [{g: [bedrock/anthropic.claude-3]}, {anthropic.claude-4: [alias, old]}]
  model_group_retry_policy: {bedrock/anthropic.*: {DefaultRetries: 1}}
  caching_groups: [[a, g]]
litellm_settings: {model_alias_map: {old: a}}
virtual_keys: [{key: sk-1, models: [beta, g, alias, \"x*\", all-proxy-models], aliases: {mine: alias}}]
";
    clean(text, &[]);
}

#[test]
#[expect(clippy::float_cmp, reason = "both are written as literals")]
fn defaults_of_nested_tables_are_those_of_the_settings() {
    let number = |section: &str, key: &str| {
        let mut defaults = DEFAULTS.iter();
        let default = defaults
            .find(|default| default.section == section && default.key == key)
            .unwrap();
        default.value.parse::<f64>().unwrap()
    };
    let budget = RetryBudgetConfig::default();
    assert_eq!(number("retry_budget", "capacity"), budget.capacity);
    assert_eq!(number("retry_budget", "cost"), budget.cost);
    assert_eq!(
        number("retry_budget", "throttle_cost"),
        budget.throttle_cost
    );
    assert_eq!(
        number("retry_budget", "refill_per_second"),
        budget.refill_per_second
    );
    let args = StrategyArgs::default();
    assert_eq!(
        number("routing_strategy_args", "ttl"),
        args.ttl.as_secs_f64()
    );
    assert_eq!(
        number("routing_strategy_args", "lowest_latency_buffer"),
        args.lowest_latency_buffer
    );
    assert_eq!(
        number("routing_strategy_args", "max_latency_list_size"),
        10.0
    );
    assert_eq!(args.max_latency_list_size, 10);
    assert_eq!(number("cache_params", "max_size_mb"), 64.0);
    assert_eq!(CacheConfig::default().max_bytes, 64 * 1024 * 1024);
}

#[test]
fn checks_that_are_not_made_are_named() {
    for check in [
        "responses_api_deployment_check",
        "encrypted_content_affinity",
        "forward_client_headers_by_model_group",
    ] {
        let text = format!("{MODELS}router_settings: {{optional_pre_call_checks: [{check}]}}\n");
        let expected = format!("`{check}`: accepted, not supported yet");
        assert!(said(&text, &[]).contains(&expected), "{check}");
    }
}
