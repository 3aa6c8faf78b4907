use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::canonical::{ChatRequest, RawJson};
use crate::dialect::Dialect;
use crate::dialect::chat::ChatCompletions;
use crate::dialect::messages::Messages;
use crate::dialect::responses::Responses;

/// A request that says nearly everything a request can say.
fn full() -> Value {
    json!({
        "messages": [
            {"role": "system", "content": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"role": "user", "content": [
                {"type": "text", "text": "What is\nthis? é", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8=", "format": "image/png"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "guarded_text", "text": "guarded"},
            ]},
            {"role": "assistant", "content": null,
                "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "sig"}],
                "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"a\":1}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "found"},
        ],
        "max_tokens": 10, "max_completion_tokens": 20, "temperature": 0.5, "top_p": 0.25, "top_k": 5, "stop": ["a", "b"],
        "tools": [{"type": "function", "function": {"name": "look", "description": "looks", "parameters":
            {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}}, "required": ["a"]}}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": true,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": {"type": "object"}}},
        "reasoning_effort": "low",
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "additionalModelRequestFields": {"inner": {"deep": [1, 2]}},
        "requestMetadata": {"who": "me"},
        "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "priority"},
        "anthropic_beta": ["one"],
        "foo": {"bar": "baz"},
        "seed": 1, "n": 1, "logit_bias": {"1": 2},
        "drop_params": true, "additional_drop_params": ["x"], "allowed_openai_params": ["y"],
        "extra_headers": {"x-one": "1"},
        "user": "u", "modify_params": true, "guardrails": ["g"],
        "fallbacks": [{"model": "b", "messages": [{"role": "user", "content": "other"}]}],
        "stream": true, "stream_options": {"include_usage": true},
    })
}

struct Case {
    model: &'static str,
    group: &'static str,
    routed_by: RoutedBy,
    aws: AwsParams,
    model_id: Option<&'static str>,
    direct: bool,
    tenant: Tenant,
    /// A body that is sent to a model of the client's format.
    sent_instead: Option<&'static str>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            model: "m",
            group: "m",
            routed_by: RoutedBy::default(),
            aws: AwsParams::default(),
            model_id: None,
            direct: false,
            tenant: Tenant::default(),
            sent_instead: None,
        }
    }
}

const GLOBAL: KeySettings<'static> = KeySettings {
    scope: CacheScope::Global,
    namespace: None,
    groups: &[],
};

impl Case {
    fn key(&self, written: &str, settings: &KeySettings<'_>) -> Option<String> {
        self.key_by(&ChatCompletions, written, settings)
    }

    fn key_by(
        &self,
        dialect: &dyn Dialect,
        written: &str,
        settings: &KeySettings<'_>,
    ) -> Option<String> {
        let body = Bytes::from(written.to_owned());
        let mut parsed = dialect.parse(&body, &HeaderMap::new()).ok()?;
        if let (Some(native), Some(body)) = (&mut parsed.request.native, self.sent_instead) {
            native.body = RawJson::from_checked(Bytes::from_static(body.as_bytes()));
        }
        let controls = CacheControls::of(&parsed.controls.other, &HeaderMap::new()).ok()?;
        let question: Question<'_, ChatRequest> = Question {
            model: self.model,
            group: self.group,
            routed_by: &self.routed_by,
            call_type: "completion",
            request: &parsed.request,
            aws: &self.aws,
            model_id: self.model_id,
            direct: self.direct,
            tenant: &self.tenant,
            controls: &controls,
        };
        Some(key(&question, settings))
    }
}

#[test]
fn what_only_claudes_own_format_says_counts_in_the_conversation_alone() {
    let key = |block: &str, beside: &str| {
        let written = format!(
            r#"{{"max_tokens":9,"messages":[{{"role":"user","content":[{block}]}}]{beside}}}"#
        );
        Case::default()
            .key_by(&Messages, &written, &GLOBAL)
            .unwrap()
    };
    let text = r#"{"type":"text","text":"a"}"#;
    let plain = key(text, "");
    assert_eq!(plain, key(text, r#","cache":{"ttl":5},"container":"c""#));
    assert_ne!(plain, key(r#"{"type":"text","text":"a","future":1}"#, ""));
    assert_ne!(plain, key(text, r#","system":"S""#));
}

#[test]
fn what_a_model_of_the_clients_format_is_asked_counts_even_if_something_else_was_read() {
    let written = r#"{"input":"B","store":false}"#;
    let honest = Case::default()
        .key_by(&Responses, written, &GLOBAL)
        .unwrap();
    let case = Case {
        sent_instead: Some(r#"{"input":"A","store":false}"#),
        ..Case::default()
    };
    assert_ne!(case.key_by(&Responses, written, &GLOBAL).unwrap(), honest);
    let mixed = r#"{"input":"A","store":false,"extra\u005fbody":{"input":"B"}}"#;
    // The model is asked B.
    let key = Case::default().key_by(&Responses, mixed, &GLOBAL).unwrap();
    assert_eq!(key, honest);
}

#[test]
fn a_setting_that_is_spelled_like_the_question_counts() {
    let key = |written: &str| {
        Case::default()
            .key_by(&Responses, written, &GLOBAL)
            .unwrap()
    };
    assert_ne!(
        key(r#"{"input":"auto","truncation":"auto"}"#),
        key(r#"{"input":"auto"}"#)
    );
}

#[test]
fn two_choices_of_a_tool_in_one_body_are_another_question() {
    let key = |choices: &str| {
        let written = format!(
            r#"{{"max_tokens":9,"messages":[{{"role":"user","content":"a"}}],"tools":[{{"name":"f","input_schema":{{}}}}],{choices}}}"#
        );
        Case::default()
            .key_by(&Messages, &written, &GLOBAL)
            .unwrap()
    };
    let alone = r#""tool_choice":{"type":"auto","disable_parallel_tool_use":true}"#;
    let two = format!(r#"{alone},"tool_choice":{{"type":"auto"}}"#);
    assert_ne!(key(alone), key(&two));
}

fn key_of(body: &Value) -> Option<String> {
    Case::default().key(&body.to_string(), &GLOBAL)
}

/// The paths to everything in `value` that is no list and no object.
fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                leaves(value, &format!("{path}/{index}"), out);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                leaves(value, &format!("{path}/{name}"), out);
            }
        }
        Value::Null => {}
        _ => out.push(path.to_owned()),
    }
}

fn changed(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("data:") => json!("data:image/png;base64,aGVsbG8h"),
        Value::String(text) => json!(format!("{text}x")),
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => json!(whole + 1),
            None => json!(0.125),
        },
        other => other.clone(),
    }
}

/// What the dialect does not read, and so says nothing.
const UNREAD: [&str; 2] = [
    "/messages/2/thinking_blocks/0/type",
    "/messages/2/tool_calls/0/type",
];

#[test]
fn every_leaf_counts() {
    let body = full();
    let before = key_of(&body).unwrap();
    let mut paths = Vec::new();
    leaves(&body, "", &mut paths);
    assert!(paths.len() > 60);
    let mut same = Vec::new();
    for path in &paths {
        let mut other = body.clone();
        let leaf = other.pointer_mut(path).unwrap();
        *leaf = changed(leaf);
        // A value that is refused has no key at all.
        if key_of(&other).is_some_and(|key| key == before) {
            same.push(path.as_str());
        }
    }
    assert_eq!(same, UNREAD);
}

#[test]
fn every_member_counts() {
    let body = full();
    let before = key_of(&body).unwrap();
    for name in body.as_object().unwrap().keys() {
        let mut other = body.clone();
        other.as_object_mut().unwrap().remove(name);
        assert_ne!(key_of(&other).unwrap(), before, "{name}");
    }
}

#[test]
fn what_only_steers_the_gateway_does_not_count() {
    let before = key_of(&full()).unwrap();
    for (name, value) in [
        ("metadata", json!({"trace": 1})),
        ("tags", json!(["a"])),
        ("timeout", json!(5)),
        ("num_retries", json!(1)),
        ("cache", json!({"ttl": 5, "s-maxage": 1})),
        ("litellm_call_id", json!("x")),
        ("callbacks", json!([])),
    ] {
        let mut other = full();
        other[name] = value;
        assert_eq!(key_of(&other).unwrap(), before, "{name}");
    }
}

#[test]
fn guardrails_differ() {
    let with = |guardrail: &str| {
        key_of(
            &json!({"messages": [{"role": "user", "content": "hi"}], "guardrailConfig": {"guardrailIdentifier": guardrail}}),
        )
    };
    assert_ne!(with("a"), with("b"));
}

#[test]
fn names_and_callers_count() {
    let body = full().to_string();
    let secret = |text: &str| AwsParams {
        secret_access_key: Some(Secret::new(text)),
        ..AwsParams::default()
    };
    let cases = [
        Case::default(),
        Case {
            model: "alias",
            ..Case::default()
        },
        Case {
            group: "n",
            ..Case::default()
        },
        Case {
            routed_by: RoutedBy {
                tags: vec!["free".to_owned()],
                ..RoutedBy::default()
            },
            ..Case::default()
        },
        Case {
            routed_by: RoutedBy {
                agent: Some(String::new()),
                ..RoutedBy::default()
            },
            ..Case::default()
        },
        Case {
            routed_by: RoutedBy {
                agent: Some("cli".to_owned()),
                ..RoutedBy::default()
            },
            ..Case::default()
        },
        Case {
            routed_by: RoutedBy {
                team: Some("a".to_owned()),
                ..RoutedBy::default()
            },
            ..Case::default()
        },
        Case {
            routed_by: RoutedBy {
                team: Some("b".to_owned()),
                ..RoutedBy::default()
            },
            ..Case::default()
        },
        Case {
            aws: secret("a"),
            ..Case::default()
        },
        Case {
            aws: secret("b"),
            ..Case::default()
        },
        Case {
            model_id: Some("arn"),
            ..Case::default()
        },
        Case {
            direct: true,
            ..Case::default()
        },
    ];
    let mut keys: Vec<String> = cases
        .iter()
        .map(|case| case.key(&body, &GLOBAL).unwrap())
        .collect();
    assert!(keys.iter().all(|key| key.len() == 64));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), cases.len());
}

#[test]
fn scope_says_who_shares() {
    let body = full().to_string();
    let tenant = |key: &str, team: Option<&str>| Case {
        tenant: Tenant {
            key: Some(key.to_owned()),
            team: team.map(str::to_owned),
        },
        ..Case::default()
    };
    let share = |scope, one: &Case, other: &Case| {
        let settings = KeySettings { scope, ..GLOBAL };
        one.key(&body, &settings) == other.key(&body, &settings)
    };
    let (a, b) = (tenant("a", Some("t")), tenant("b", Some("t")));
    let (loner, other) = (tenant("a", None), tenant("b", None));
    assert!(share(CacheScope::Global, &a, &loner));
    assert!(share(CacheScope::Team, &a, &b));
    assert!(!share(CacheScope::Team, &a, &tenant("a", Some("u"))));
    assert!(!share(CacheScope::Team, &loner, &other));
    assert!(!share(CacheScope::Key, &a, &b));
    assert!(!share(CacheScope::Key, &a, &Case::default()));
    // A team is not taken for a key of the same name.
    assert!(!share(
        CacheScope::Team,
        &tenant("t", None),
        &tenant("x", Some("t"))
    ));
}

#[test]
fn namespace_is_the_requests_else_the_configurations() {
    let settings = KeySettings {
        namespace: Some("ops"),
        ..GLOBAL
    };
    let plain = json!({"messages": []});
    let hash = key_of(&plain).unwrap();
    let key = |body: &Value| Case::default().key(&body.to_string(), &settings).unwrap();
    assert_eq!(key(&plain), format!("ops:{hash}"));
    assert_eq!(
        key(&json!({"messages": [], "cache": {"namespace": "mine"}})),
        format!("mine:{hash}")
    );
    assert_eq!(
        key(&json!({"messages": [], "metadata": {"redis_namespace": "meta"}})),
        format!("meta:{hash}")
    );
}

#[test]
fn preset_key_stands_for_the_content_within_its_scope() {
    let body = |text: &str| {
        json!({"messages": [{"role": "user", "content": text}], "cache_key": "mine"}).to_string()
    };
    let of = |case: &Case, text: &str| {
        let settings = KeySettings {
            scope: CacheScope::Key,
            ..GLOBAL
        };
        case.key(&body(text), &settings).unwrap()
    };
    let stranger = Case {
        tenant: Tenant {
            key: Some("k".to_owned()),
            team: None,
        },
        ..Case::default()
    };
    assert_eq!(of(&Case::default(), "a"), of(&Case::default(), "b"));
    assert_ne!(of(&Case::default(), "a"), of(&stranger, "a"));
    assert_ne!(
        of(&Case::default(), "a"),
        of(
            &Case {
                model: "n",
                group: "n",
                ..Case::default()
            },
            "a"
        )
    );
}

#[test]
fn caching_groups_share() {
    let groups = [vec!["a".to_owned(), "b".to_owned()]];
    let settings = KeySettings {
        groups: &groups,
        ..GLOBAL
    };
    let body = full().to_string();
    let of = |model, group| {
        Case {
            model,
            group,
            ..Case::default()
        }
        .key(&body, &settings)
        .unwrap()
    };
    assert_eq!(of("a", "a"), of("b", "b"));
    assert_ne!(of("a", "a"), of("c", "c"));
    assert_ne!(of("a", "a"), of("alias", "a"));
    // A key's own name for another group is not the group of that name.
    assert_ne!(of("a", "a"), of("a", "c"));
}

/// The same value, the members of its objects in an order that follows from `seed`.
fn shuffled(value: &Value, seed: u64) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|value| shuffled(value, seed)).collect(),
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            fastrand::Rng::with_seed(seed).shuffle(&mut members);
            let turned: Map<String, Value> = members
                .into_iter()
                .map(|(name, value)| (name.clone(), shuffled(value, seed.wrapping_add(1))))
                .collect();
            Value::Object(turned)
        }
        leaf => leaf.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn order_of_members_does_not_count_and_their_values_do(keep in any::<u64>(), seed in any::<u64>(), pick in any::<prop::sample::Index>()) {
        let mut body = full();
        let members = body.as_object_mut().unwrap();
        let names: Vec<String> = members.keys().cloned().collect();
        for (bit, name) in names.iter().enumerate().filter(|(_, name)| *name != "messages") {
            if keep >> bit & 1 == 0 {
                members.remove(name);
            }
        }
        let before = key_of(&body).unwrap();
        prop_assert_eq!(key_of(&shuffled(&body, seed)).unwrap(), before.clone());
        let mut paths = Vec::new();
        leaves(&body, "", &mut paths);
        let path = pick.get(&paths);
        prop_assume!(!UNREAD.contains(&path.as_str()));
        let leaf = body.pointer_mut(path).unwrap();
        *leaf = changed(leaf);
        prop_assert_ne!(key_of(&body), Some(before), "{}", path);
    }
}
