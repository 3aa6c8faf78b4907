//! What a request says about retries, fallbacks, tags and sessions.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::canonical::{ParamMap, RawJson};
use crate::config::{FallbackRule, FallbackTarget};
use crate::dialect::chat;
use crate::error::{Error, Result};
use crate::pipeline::{CallFallbacks, CallOptions};

/// How many targets one request may name, however nested.
const MOST_TARGETS: usize = 64;
/// Longest tag, session or user that is looked at.
const LONGEST_TEXT: usize = 512;
/// How many tags one request may have.
const MOST_TAGS: usize = 64;

/// Reads the members and headers into `options`.
///
/// # Errors
///
/// A member of the wrong type, by its name.
pub(super) fn read(
    headers: &HeaderMap,
    members: &ParamMap,
    options: &mut CallOptions,
) -> Result<()> {
    let member = |name: &str| {
        let found = members.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    };
    options.fallbacks = fallbacks(&member)?;
    if let Some(include) = member("include_fallback_errors") {
        options.include_fallback_errors = flag(include, "include_fallback_errors")?;
    }
    if let Some(fastest) = member("fastest_response") {
        options.fastest = flag(fastest, "fastest_response")?;
    }
    if let Some(priority) = member("priority") {
        options.priority = Some(priority.parse().map_err(|_| {
            Error::bad_request("priority", "priority: expected a whole number, 0 or more")
        })?);
    }
    let metadata = metadata(&member);
    options.tags = tags(headers, &member);
    options.user_agent = header(headers, "user-agent");
    options.session = header(headers, "x-litellm-session-id")
        .or_else(|| header(headers, "x-litellm-trace-id"))
        .or_else(|| text_of(metadata.get("session_id")));
    options.user = member("user")
        .and_then(|user| text_of(Some(&user.to_value())))
        .or_else(|| header(headers, "x-litellm-end-user-id"))
        .or_else(|| header(headers, "x-litellm-customer-id"));
    Ok(())
}

fn flag(value: &RawJson, name: &str) -> Result<bool> {
    value
        .parse()
        .map_err(|_| Error::bad_request(name, format!("{name}: expected true or false")))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty() && value.len() <= LONGEST_TEXT).then(|| value.to_owned())
}

fn text_of(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    (!text.is_empty() && text.len() <= LONGEST_TEXT).then(|| text.to_owned())
}

/// `metadata` and `litellm_metadata`; what is no object has been refused before.
fn metadata<'a>(member: &impl Fn(&str) -> Option<&'a RawJson>) -> Map<String, Value> {
    let mut all = Map::new();
    for name in ["metadata", "litellm_metadata"] {
        if let Some(Value::Object(own)) = member(name).map(RawJson::to_value) {
            all.extend(own);
        }
    }
    all
}

/// The tags of the body, its metadata and the header, all of them; what is no list counts as none.
fn tags<'a>(headers: &HeaderMap, member: &impl Fn(&str) -> Option<&'a RawJson>) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    let of_metadata = ["metadata", "litellm_metadata"]
        .into_iter()
        .filter_map(|name| member(name)?.to_value().get("tags").cloned());
    let lists = member("tags").map(RawJson::to_value).into_iter();
    for list in lists.chain(of_metadata) {
        let items = list.as_array().cloned().unwrap_or_default();
        tags.extend(items.iter().filter_map(|tag| text_of(Some(tag))));
    }
    if let Some(list) = header(headers, "x-litellm-tags") {
        let named = list.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        tags.extend(named.map(str::to_owned));
    }
    let mut seen = std::collections::HashSet::new();
    tags.retain(|tag| seen.insert(tag.clone()));
    tags.truncate(MOST_TAGS);
    tags
}

fn fallbacks<'a>(member: &impl Fn(&str) -> Option<&'a RawJson>) -> Result<CallFallbacks> {
    let mut own = CallFallbacks::default();
    if let Some(disabled) = member("disable_fallbacks") {
        own.disabled = flag(disabled, "disable_fallbacks")?;
    }
    if let Some(value) = member("fallbacks") {
        let items = list(value, "fallbacks")?;
        match direct(&items) {
            Some(targets) => own.direct = bounded(targets, "fallbacks")?,
            None => own.general = Some(rules(&items, "fallbacks")?),
        }
    }
    for (name, place) in [
        ("context_window_fallbacks", &mut own.context_window),
        ("content_policy_fallbacks", &mut own.content_policy),
    ] {
        if let Some(value) = member(name) {
            *place = Some(rules(&list(value, name)?, name)?);
        }
    }
    Ok(own)
}

fn list(value: &RawJson, name: &str) -> Result<Vec<Value>> {
    match value.to_value() {
        Value::Array(items) => Ok(items),
        _ => Err(wrong(name)),
    }
}

fn wrong(name: &str) -> Error {
    Error::bad_request(
        name,
        format!(
            "{name}: expected a list of model names, of objects with `model`, or of `{{group: [targets]}}`"
        ),
    )
}

/// Reads a list that names targets without groups: all names, or objects with a `model`.
fn direct(items: &[Value]) -> Option<Vec<FallbackTarget>> {
    let is_named = |item: &Value| match item {
        Value::String(_) => true,
        Value::Object(members) => members.get("model").is_some_and(Value::is_string),
        _ => false,
    };
    if items.is_empty() || !items.iter().all(is_named) {
        return None;
    }
    items.iter().map(target).collect()
}

fn target(item: &Value) -> Option<FallbackTarget> {
    match item {
        Value::String(model) => Some(FallbackTarget {
            model: model.clone(),
            ..FallbackTarget::default()
        }),
        Value::Object(members) => {
            let mut overrides = members.clone();
            let model = overrides.remove("model")?.as_str()?.to_owned();
            Some(FallbackTarget { model, overrides })
        }
        _ => None,
    }
}

fn rules(items: &[Value], name: &str) -> Result<Vec<FallbackRule>> {
    let mut rules = Vec::new();
    let mut total = 0;
    for item in items {
        let members = item.as_object().ok_or_else(|| wrong(name))?;
        for (group, targets) in members {
            let items = targets.as_array().ok_or_else(|| wrong(name))?;
            let targets: Option<Vec<_>> = items.iter().map(target).collect();
            let targets = bounded(targets.ok_or_else(|| wrong(name))?, name)?;
            total += targets.len();
            if total > MOST_TARGETS {
                return Err(too_many(name));
            }
            rules.push(FallbackRule {
                group: group.clone(),
                targets,
            });
        }
    }
    Ok(rules)
}

fn bounded(targets: Vec<FallbackTarget>, name: &str) -> Result<Vec<FallbackTarget>> {
    if targets.len() > MOST_TARGETS {
        return Err(too_many(name));
    }
    for target in &targets {
        check_overrides(target, name)?;
    }
    Ok(targets)
}

/// Refuses what a fallback may not lay over the request: what a request may not say, and credentials, which are told once,
/// for the whole call.
fn check_overrides(target: &FallbackTarget, name: &str) -> Result<()> {
    if target.overrides.is_empty() {
        return Ok(());
    }
    let body = serde_json::to_vec(&target.overrides)
        .map_err(|error| Error::bad_request(name, error.to_string()))?;
    let laid = chat::parse(&Bytes::from(body), &HeaderMap::new())?;
    match laid.controls.credentials.first() {
        None => Ok(()),
        Some((banned, _)) => Err(Error::bad_request(
            name,
            format!("Rejected Request: {banned} is not allowed in a fallback."),
        )),
    }
}

fn too_many(name: &str) -> Error {
    Error::bad_request(
        name,
        format!("{name}: a request may name at most {MOST_TARGETS} targets"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_members(members: &[(&str, Value)]) -> Result<CallOptions> {
        let members: ParamMap = members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), RawJson::from_value(value)))
            .collect();
        let mut headers = HeaderMap::new();
        headers.insert("x-litellm-tags", "c, a".parse().unwrap());
        let mut options = CallOptions::default();
        read(&headers, &members, &mut options)?;
        Ok(options)
    }

    #[test]
    fn fallbacks_are_names_objects_or_lists_by_group() {
        use serde_json::json;
        let named = read_members(&[("fallbacks", json!(["b", "c"]))]).unwrap();
        let models = |targets: &[FallbackTarget]| -> Vec<String> {
            targets.iter().map(|target| target.model.clone()).collect()
        };
        assert_eq!(models(&named.fallbacks.direct), ["b", "c"]);
        let laid = read_members(&[("fallbacks", json!([{"model": "b", "temperature": 0}]))]);
        let laid = laid.unwrap().fallbacks.direct;
        assert_eq!(laid[0].overrides["temperature"], 0);
        let by_group = read_members(&[("fallbacks", json!([{"a": ["b"]}]))]).unwrap();
        let rules = by_group.fallbacks.general.unwrap();
        assert_eq!(
            (rules[0].group.as_str(), models(&rules[0].targets)),
            ("a", vec!["b".into()])
        );
        assert!(
            read_members(&[("fallbacks", json!([]))])
                .unwrap()
                .fallbacks
                .general
                .is_some()
        );
        for wrong in [
            json!("b"),
            json!([1]),
            json!([{"a": "b"}]),
            json!(["b", {"a": [1]}]),
        ] {
            let error = read_members(&[("fallbacks", wrong)]).unwrap_err();
            assert_eq!(error.param(), Some("fallbacks"));
        }
    }

    #[test]
    fn tags_of_body_metadata_and_header_are_one_list() {
        use serde_json::json;
        let options = read_members(&[
            ("tags", json!(["a", 1])),
            ("metadata", json!({"tags": ["b"], "session_id": "s"})),
            ("user", json!("u")),
        ])
        .unwrap();
        assert_eq!(options.tags, ["a", "b", "c"]);
        let both = [
            ("metadata", json!({"tags": ["b"]})),
            ("litellm_metadata", json!({"tags": ["d"]})),
        ];
        assert_eq!(read_members(&both).unwrap().tags, ["b", "d", "c", "a"]);
        assert_eq!(options.session.as_deref(), Some("s"));
        assert_eq!(options.user.as_deref(), Some("u"));
        assert_eq!(
            read_members(&[("tags", json!("x"))]).unwrap().tags,
            ["c", "a"]
        );
    }
}
