use super::*;
use crate::config::{Overrides, load_bytes};

const MODEL: &str = "bedrock/us.amazon.nova-pro-v1:0";

fn try_explained(text: &str, model: &str) -> Result<Explanation, String> {
    tagged(text, model, &[])
}

fn tagged(text: &str, model: &str, tags: &[&str]) -> Result<Explanation, String> {
    let file = Path::new("c.yaml");
    let environment = Environment::default();
    let text = text.replace("MODEL", MODEL);
    let config = load_bytes(file, text.as_bytes(), environment, &Overrides::default());
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    explanation(&config.unwrap(), model, &tags, SystemClock.now())
}

fn explained(text: &str, model: &str) -> Explanation {
    try_explained(text, model).unwrap()
}

fn names(fallbacks: &[FallbackView]) -> Vec<&str> {
    fallbacks.iter().map(|one| one.group.as_str()).collect()
}

const WHOLE: &str = "
model_list:
  - model_name: a
    litellm_params: {model: MODEL, aws_region_name: us-east-1, weight: 3, order: 1, rpm: 60, itpm: 9, timeout: 20, tags: [x]}
    model_info: {id: one, team_id: red}
  - model_name: a
    litellm_params:
      {model: bedrock/invoke/us.amazon.nova-lite-v1:0, weight: 1, order: 1, cooldown_time: 0, max_budget: 5, budget_duration: 7d}
    model_info: {id: two}
  - model_name: a
    litellm_params: {model: MODEL, order: 2}
    model_info: {id: three}
  - model_name: old
    litellm_params: {model: bedrock/agentcore/RUNTIME}
  - model_name: long
    litellm_params: {model: MODEL}
  - model_name: last
    litellm_params: {model: MODEL}
  - model_name: wild-*
    litellm_params: {model: bedrock/us.amazon.*}
router_settings:
  model_group_alias: {b: a}
  fallbacks: [{a: [old, gone, {model: long, temperature: 0}]}, {long: [last]}]
  context_window_fallbacks: [{a: [long]}]
  default_fallbacks: [last]
  stream_timeout: 7
  deadline: 60
  hedge_after: 2
  stream_recovery: resume
  max_queue_ms: 250
  retry_policy: {TimeoutErrorRetries: 1}
  model_group_retry_policy: {a: {RateLimitErrorRetries: 4}}
  allowed_fails: 2
  optional_pre_call_checks: [session_affinity]
litellm_settings:
  model_alias_map: {c: b}
  tag_budget_config: {batch: {max_budget: 3, budget_duration: 1d}}
  cache: true
  cache_params: {type: local, ttl: 30, scope: team}
virtual_keys:
  - {hash: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824, key_alias: team-a, models: [long], rpm_limit: 5, allowed_model_region: eu}
";

#[test]
fn a_name_is_followed_through_renames_and_aliases() {
    let found = explained(WHOLE, "c");
    assert_eq!(found.renamed.as_deref(), Some("b"));
    assert_eq!(
        (found.matched, found.alias_of.as_deref()),
        ("alias", Some("a"))
    );
    assert_eq!((found.group.as_str(), found.shown.as_str()), ("a", "b"));
    let text = found.text();
    for line in [
        "requested      c",
        "renamed        b (model_alias_map)",
        "resolved       alias (group a)",
        "shown as       b (headers, cache)",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_pattern_says_what_its_stars_are() {
    let found = explained(WHOLE, "wild-nova-pro-v1:0");
    assert_eq!(found.matched, "wildcard");
    assert_eq!(found.pattern.as_deref(), Some("wild-*"));
    assert_eq!(found.captures, ["nova-pro-v1:0"]);
    assert_eq!(found.deployments[0].model_id, "us.amazon.nova-pro-v1:0");
    assert!(
        found
            .text()
            .contains("pattern        wild-*, * is `nova-pro-v1:0`")
    );
}

#[test]
fn deployments_are_told_with_what_holds_for_them() {
    let found = explained(WHOLE, "a");
    let [one, two, three] = found.deployments.as_slice() else {
        panic!("three deployments");
    };
    assert_eq!(
        (one.share, two.share, three.share),
        (Some(0.75), Some(0.25), Some(1.0))
    );
    assert_eq!(found.tiers, [1, 2]);
    assert_eq!(
        (one.timeout_seconds, one.timeouts.first_event_seconds),
        (20.0, 7.0)
    );
    assert!((one.timeouts.stream_idle_seconds - 7.0).abs() < f64::EPSILON);
    let limits: Vec<_> = one
        .limits
        .iter()
        .map(|limit| (limit.name, limit.limit, limit.enforced))
        .collect();
    assert_eq!(limits, [("rpm", 60, false)]);
    assert_eq!(two.cooldown.as_ref().map(|one| one.seconds), None);
    assert_eq!(
        one.cooldown.as_ref().and_then(|one| one.allowed_fails),
        Some(2)
    );
    assert!(
        two.url
            .ends_with("/model/us.amazon.nova-lite-v1%3A0/invoke"),
        "{}",
        two.url
    );
    let text = found.text();
    for line in [
        "limits       rpm 60 (not enforced), tpm none, itpm 9 (not enforced), parallel none",
        "timeouts     20 s, stream 7 s to its first event, 7 s between events, connect 5 s",
        "preference   weight 3 (share 0.750), order 1",
        "budget       5 USD per 604800 s",
        "cooldown     off",
        "for          team red",
        "tags         x",
        "tiers          order 1, then 2",
        "deadline       60 s for the whole call",
        "hedge          after 2 s",
        "streams        resume",
        "queue          up to 250 ms",
        "by class     RateLimitErrorRetries 4 (model_group_retry_policy)",
        "session_affinity for 3600 s",
        "budget of tag batch 3 USD per 86400 s",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
}

#[test]
fn fallbacks_are_told_by_kind_of_error_in_order() {
    let found = explained(WHOLE, "b");
    assert_eq!(names(&found.fallbacks), ["old", "gone", "long", "last"]);
    assert_eq!(names(&found.context_window_fallbacks), ["long", "last"]);
    assert_eq!(
        names(&found.content_policy_fallbacks),
        names(&found.fallbacks)
    );
    let [old, gone, long, last] = found.fallbacks.as_slice() else {
        panic!("four fallbacks");
    };
    assert!(old.exists && !gone.exists && !long.is_default && last.is_default);
    assert_eq!(long.overrides, ["temperature"]);
    assert_eq!(long.then, ["last"]);
    let text = found.text();
    for line in [
        "then group gone: there is no such group",
        "then group long (with its own temperature; then last)",
        "then group last (default_fallbacks)",
        "answers      no: not served here: `agentcore/`",
        "conversation too long:\nthen group long",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    assert!(!text.contains("content refused:"), "{text}");
}

#[test]
fn cache_and_keys_are_told() {
    let found = explained(WHOLE, "a");
    let cache = found.cache.as_ref().unwrap();
    assert_eq!(
        (cache.r#type, cache.ttl_seconds, cache.scope),
        ("local", Some(30.0), "team")
    );
    let [key] = found.virtual_keys.as_slice() else {
        panic!("one key");
    };
    assert!(!key.allowed);
    let text = found.text();
    assert!(
        text.contains("key team-a     may not call it; in eu regions only; rpm 5 of the key"),
        "{text}"
    );
    assert!(text.contains("by access group") || found.depends_on_key);
}

#[test]
fn name_of_a_team_is_told_by_key() {
    let file = "
model_list:
  - {model_name: a, litellm_params: {model: MODEL}, model_info: {id: one}}
  - {model_name: b, litellm_params: {model: MODEL}, model_info: {id: two, team_id: red, team_public_model_name: a}}
  - {model_name: c, litellm_params: {model: MODEL}, model_info: {id: three, team_id: red, team_public_model_name: only}}
virtual_keys:
  - {hash: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824, key_alias: k, team_id: red}
";
    let found = explained(file, "a");
    assert_eq!(
        (found.matched, found.deployments[0].id.as_str()),
        ("exact", "one")
    );
    assert!(found.depends_on_key);
    let line = "key k          team red; which means its own by the name: two";
    assert!(found.text().contains(line), "{}", found.text());
    let found = explained(file, "only");
    assert_eq!(
        (found.matched, found.deployments[0].id.as_str()),
        ("name of a team", "three")
    );
}

#[test]
fn health_checks_are_told_where_they_are_made() {
    let file = "
model_list:
  - {model_name: a, litellm_params: {model: MODEL}, model_info: {health_check_timeout: 9}}
  - {model_name: a, litellm_params: {model: MODEL}, model_info: {disable_background_health_check: true}}
general_settings: {background_health_checks: true, health_check_interval: 30, enable_health_check_routing: true}
";
    let found = explained(file, "a");
    assert!(found.filters.health_checks);
    assert!(found.deployments[1].health_check.is_none());
    let line = "checked      every 30 s, within 9 s";
    assert_eq!(found.text().matches(line).count(), 1, "{}", found.text());
}

#[test]
fn enforced_limits_follow_from_the_strategy() {
    let file = "
model_list:
  - {model_name: a, litellm_params: {model: MODEL, rpm: 5, tpm: 100}}
router_settings: {routing_strategy: usage-based-routing-v2, default_max_parallel_requests: 3}
";
    let found = explained(file, "a");
    let line = "limits       rpm 5 (enforced), tpm 100 (enforced), parallel 3 (enforced)";
    assert!(found.text().contains(line), "{}", found.text());
    assert_eq!(found.filters.rate_limits, "enforced");
    assert_eq!(found.deployments[0].share, None);
}

#[test]
fn a_forced_model_takes_the_place_of_the_name() {
    let file = "
model_list:
  - {model_name: a, litellm_params: {model: MODEL}}
general_settings: {completion_model: a}
";
    let found = explained(file, "whatever");
    assert_eq!(found.forced.as_deref(), Some("a"));
    assert!(found.text().contains("replaced       a (completion_model)"));
}

#[test]
fn an_unknown_name_leads_to_the_nearest_ones() {
    let error = try_explained(WHOLE, "lang").unwrap_err();
    assert!(
        error.starts_with("no model is called `lang`; the nearest names are: long"),
        "{error}"
    );
    let paused = "model_list: [{model_name: a, litellm_params: {model: MODEL}, model_info: {blocked: true}}]";
    let text = explained(paused, "a").text();
    assert!(text.contains("(blocked)"), "{text}");
}

#[test]
fn json_keeps_the_members_that_were_there_before() {
    let json = serde_json::to_value(explained(WHOLE, "a")).unwrap();
    for member in [
        "requested",
        "matched",
        "group",
        "strategy",
        "num_retries",
        "deployments",
        "fallbacks",
        "not_supported_yet",
    ] {
        assert!(json.get(member).is_some(), "{member}");
    }
    for member in [
        "id",
        "model",
        "model_id",
        "route",
        "url",
        "region",
        "credentials",
        "rpm",
        "tpm",
        "max_parallel_requests",
        "timeout_seconds",
        "stream_timeout_seconds",
        "num_retries",
        "weight",
        "order",
        "blocked",
        "gap",
    ] {
        assert!(json["deployments"][0].get(member).is_some(), "{member}");
    }
    for member in ["group", "exists", "deployments"] {
        assert!(json["fallbacks"][0].get(member).is_some(), "{member}");
    }
}

#[test]
fn what_holds_for_agents_is_told() {
    let agents = WHOLE.replace("MODEL, order: 2", "bedrock/agent/A/B, order: 2");
    for (text, is_agents) in [(WHOLE, false), (agents.as_str(), true)] {
        let found = explained(text, "a");
        assert_eq!(found.cache.is_none(), is_agents);
        assert_eq!(found.call.hedge_after_seconds.is_none(), is_agents);
        assert_eq!(found.text().contains("not sent again"), is_agents);
    }
}

const TAGGED: &str = "
model_list:
  - {model_name: a, litellm_params: {model: MODEL, tags: [paid]}, model_info: {id: paid}}
  - {model_name: a, litellm_params: {model: MODEL, tags: [default]}, model_info: {id: default}}
  - {model_name: a, litellm_params: {model: MODEL, tags: [default, paid]}, model_info: {id: both}}
router_settings: {enable_tag_filtering: true}
";

#[test]
fn shares_are_of_calls_with_the_tags_that_are_asked_about() {
    for (tags, expected, line) in [
        (
            &[][..],
            [None, Some(0.5), Some(0.5)],
            "shares         of calls without tags (--tag asks for some)",
        ),
        (
            &["paid"],
            [Some(0.5), None, Some(0.5)],
            "shares         of calls with the tags paid",
        ),
    ] {
        let found = tagged(TAGGED, "a", tags).unwrap();
        let shares: Vec<_> = found.deployments.iter().map(|one| one.share).collect();
        assert_eq!(shares, expected, "{tags:?}");
        let text = found.text();
        assert!(text.contains(line), "{text}");
        assert_eq!(
            text.matches("(share 0: its tags are others)").count(),
            1,
            "{text}"
        );
    }
}

#[test]
fn models_without_a_chat_say_where_their_own_requests_go() {
    let text = "
model_list:
  - {model_name: r, litellm_params: {model: bedrock/cohere.rerank-v3-5:0, aws_region_name: us-west-2}}
  - {model_name: k, litellm_params: {model: bedrock/cohere.rerank-v3-5:0, aws_region_name: us-west-2, api_key: k}}
  - {model_name: e, litellm_params: {model: bedrock/amazon.titan-embed-text-v2:0, aws_region_name: us-west-2}}
";
    for (model, url) in [
        (
            "r",
            "https://bedrock-agent-runtime.us-west-2.amazonaws.com/rerank",
        ),
        (
            "k",
            "https://bedrock-runtime.us-west-2.amazonaws.com/model/cohere.rerank-v3-5%3A0/invoke",
        ),
        (
            "e",
            "https://bedrock-runtime.us-west-2.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke",
        ),
    ] {
        assert_eq!(explained(text, model).deployments[0].url, url);
    }
}

#[test]
fn keys_say_their_aliases_budgets_and_ends() {
    let text = "
model_list: [{model_name: a, litellm_params: {model: MODEL}}]
virtual_keys:
  - {key: sk-1, key_alias: a-team-with-a-long-name, aliases: {mine: a}, max_budget: 5, budget_duration: 1d}
  - {key: sk-2, key_alias: other, expires: 2999-12-31T00:00:00Z}
litellm_settings: {max_budget: 50}
";
    let found = explained(text, "a");
    let text_of = found.text();
    for line in [
        "key a-team-with-a-long-name budget 5 USD per 86400 s; calls it mine too",
        "key other      until 2999-12-31T00:00:00Z",
        "budget of the gateway 50 USD",
    ] {
        assert!(text_of.contains(line), "{text_of}");
    }
    let own = explained(text, "mine");
    assert_eq!((own.matched, own.group.as_str()), ("alias of a key", "a"));
    assert_eq!(own.alias_of_keys, ["a-team-with-a-long-name"]);
    let others: Vec<_> = own.virtual_keys.iter().map(|key| key.allowed).collect();
    assert_eq!(others, [true, false]);
    assert!(try_explained(text, "yours").is_err());
}
