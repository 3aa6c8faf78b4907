use http::HeaderName;
use serde_json::json;

use super::*;

fn of(body: &Value, headers: &[(&'static str, &str)]) -> Result<CacheControls> {
    let members = body
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), RawJson::from_value(value)))
        .collect();
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .collect();
    CacheControls::of(&members, &headers)
}

#[test]
fn names_are_sorted_for_the_search() {
    assert!(SILENT.is_sorted());
}

#[test]
fn body_has_every_control() {
    let controls = of(
        &json!({"cache": {"no-cache": true, "no-store": true, "ttl": 1.5, "s-max-age": 60, "namespace": "mine", "use-cache": true,
            "other": 1}, "cache_key": "chosen", "user": "u", "metadata": {"redis_namespace": "loses"}}),
        &[],
    )
    .unwrap();
    assert!(controls.no_cache && controls.no_store && controls.opted_in && !controls.off);
    assert_eq!(controls.ttl, Some(Duration::from_millis(1500)));
    assert_eq!(controls.max_age, Some(Duration::from_secs(60)));
    assert_eq!(controls.namespace.as_deref(), Some("mine"));
    assert_eq!(controls.preset.as_deref(), Some("chosen"));
    let members: Vec<&str> = controls
        .members
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(members, ["user"]);
}

#[test]
fn wrong_types_are_refused_by_name() {
    for (body, param) in [
        (json!({"cache": true}), "cache"),
        (json!({"cache": {"no-cache": "yes"}}), "cache.no-cache"),
        (json!({"cache": {"no-store": 1}}), "cache.no-store"),
        (json!({"cache": {"use-cache": "true"}}), "cache.use-cache"),
        (json!({"cache": {"ttl": "60"}}), "cache.ttl"),
        (json!({"cache": {"ttl": -1}}), "cache.ttl"),
        (json!({"cache": {"s-maxage": []}}), "cache.s-maxage"),
        (json!({"cache": {"namespace": 1}}), "cache.namespace"),
        (json!({"cache": {"namespace": ""}}), "cache.namespace"),
        (json!({"cache": {"namespace": "a b"}}), "cache.namespace"),
        (json!({"cache_key": 1}), "cache_key"),
        (json!({"cache_key": "x".repeat(257)}), "cache_key"),
        (json!({"caching": "no"}), "caching"),
        (
            json!({"metadata": {"redis_namespace": 1}}),
            "metadata.redis_namespace",
        ),
    ] {
        let error = of(&body, &[]).unwrap_err();
        assert_eq!(
            (error.status().as_u16(), error.param()),
            (400, Some(param)),
            "{body}"
        );
    }
    for value in ["max-age", "s-maxage=soon", "max-age=-1"] {
        let error = of(&json!({}), &[("cache-control", value)]).unwrap_err();
        assert_eq!(error.param(), Some("cache-control"), "{value}");
    }
    for (name, value) in [
        ("x-portkey-cache", "sometimes"),
        ("x-obiguard-cache-force-refresh", "1"),
        ("x-portkey-cache-namespace", "a b"),
    ] {
        assert_eq!(
            of(&json!({}), &[(name, value)]).unwrap_err().param(),
            Some(name)
        );
    }
}

#[test]
fn nothing_said_is_nothing() {
    let controls = of(
        &json!({"cache": null, "cache_key": null}),
        &[("cache-control", "private, no-transform")],
    )
    .unwrap();
    assert!(!controls.no_cache && !controls.no_store && !controls.opted_in && !controls.off);
    assert!(controls.check_allowed(Some(&[])).is_ok());
}

#[test]
fn cache_control_is_read_whatever_its_case() {
    let controls = of(
        &json!({}),
        &[("cache-control", "No-Cache, NO-STORE, Max-Age=5")],
    )
    .unwrap();
    assert!(controls.no_cache && controls.no_store);
    assert_eq!(
        (controls.max_age, controls.ttl),
        (Some(Duration::from_secs(5)), None)
    );
    let shared = of(&json!({}), &[("cache-control", "s-maxage=7")]).unwrap();
    assert_eq!(shared.max_age, shared.ttl);
    let both = of(
        &json!({"cache": {"ttl": 1}}),
        &[("cache-control", "s-maxage=7")],
    )
    .unwrap();
    assert_eq!(both.ttl, Some(Duration::from_secs(1)));
}

#[test]
fn portkey_opts_in_refreshes_and_names() {
    for mode in ["simple", "semantic", "True"] {
        let controls = of(&json!({}), &[("x-portkey-cache", mode)]).unwrap();
        assert!(controls.opted_in && controls.semantic == (mode == "semantic"));
    }
    let controls = of(
        &json!({}),
        &[
            ("x-obiguard-cache-force-refresh", "true"),
            ("x-obiguard-cache-namespace", "team"),
        ],
    )
    .unwrap();
    assert!(controls.no_cache && !controls.opted_in);
    assert_eq!(controls.namespace.as_deref(), Some("team"));
}

#[test]
fn namespace_of_the_request_wins_over_its_metadata() {
    let body = json!({"metadata": {"redis_namespace": "meta"}});
    assert_eq!(of(&body, &[]).unwrap().namespace.as_deref(), Some("meta"));
}

#[test]
fn control_that_a_key_may_not_use_is_forbidden() {
    let allowed = ["ttl".to_owned(), "s-maxage".to_owned()];
    let check = |body: &Value, headers: &[(&'static str, &str)]| {
        of(body, headers).unwrap().check_allowed(Some(&allowed))
    };
    assert!(check(&json!({"cache": {"ttl": 1, "s-max-age": 1}}), &[]).is_ok());
    let error = check(&json!({"cache": {"ttl": 1, "no-cache": true}}), &[]).unwrap_err();
    assert_eq!(error.status().as_u16(), 403);
    assert_eq!(
        error.message(),
        "Not allowed to set no-cache as a cache control"
    );
    for headers in [
        [("cache-control", "no-store")],
        [("x-portkey-cache-force-refresh", "true")],
    ] {
        assert_eq!(
            check(&json!({}), &headers).unwrap_err().kind(),
            ErrorKind::Forbidden
        );
    }
    let all = of(&json!({"cache": {"no-cache": true}}), &[]).unwrap();
    assert!(all.check_allowed(None).is_ok());
}
