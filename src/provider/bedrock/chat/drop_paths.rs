//! `additional_drop_params`: what is removed from a request before anything else is decided.
//!
//! An entry is the name of a parameter, or a path into one in LiteLLM's words: `tools[*].input_examples`,
//! `foo.bar`, `foo.list[0].bar`. A path that leads nowhere removes nothing; it removes members of objects, never
//! elements of lists.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::params::remove_known;
use crate::canonical::{ChatParams, RawJson};
use crate::error::{Error, Result};

/// The name of the parameter.
const PARAM: &str = "additional_drop_params";
/// How many paths there may be: each is followed through the whole value.
const MOST_PATHS: usize = 64;
/// What no path of a caller's leads into: it may be the operator's, and would be none without its name.
const OPERATORS: [&str; 2] = ["guardrailConfig", "guardrail_config"];

/// Removes what the operator and the request name.
pub(crate) fn apply(
    params: &mut ChatParams,
    operators: &[String],
    callers: &[String],
) -> Result<()> {
    let mut names: HashSet<&str> = HashSet::new();
    let mut paths: BTreeMap<&str, Vec<Vec<Step<'_>>>> = BTreeMap::new();
    let mut count = 0;
    let of_operators = operators.iter().map(|entry| (entry, true));
    for (entry, is_operators) in of_operators.chain(callers.iter().map(|entry| (entry, false))) {
        // The name of a parameter that nobody knows may itself look like a path.
        names.insert(entry);
        if let Some((root, steps)) = parse(entry) {
            count += 1;
            if is_operators || !OPERATORS.contains(&root) {
                paths.entry(root).or_default().push(steps);
            }
        }
    }
    if count > MOST_PATHS {
        return Err(Error::bad_request(
            PARAM,
            format!("Invalid value for '{PARAM}': at most {MOST_PATHS} paths are followed."),
        ));
    }
    for name in &names {
        remove_known(params, name);
    }
    for map in [&mut params.openai, &mut params.extra] {
        map.retain(|(name, _)| !names.contains(name.as_str()));
    }
    for (root, paths) in paths {
        follow(params, root, &paths);
    }
    Ok(())
}

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'p> {
    /// To a member of an object.
    Member(&'p str),
    /// To an element of a list.
    Index(usize),
    /// To every element of a list.
    Each,
}

/// Reads a path into a parameter; `None` for the mere name of one, and for what is no path.
fn parse(entry: &str) -> Option<(&str, Vec<Step<'_>>)> {
    let (root, mut rest) = entry.split_at(entry.find(['.', '['])?);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (index, after) = inside.split_once(']')?;
            steps.push(match index {
                "*" => Step::Each,
                _ => Step::Index(index.parse().ok()?),
            });
            rest = after;
        } else {
            let name = rest.strip_prefix('.')?;
            let (name, after) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
            steps.push(Step::Member(name));
            rest = after;
        }
    }
    Some((root, steps))
}

fn follow(params: &mut ChatParams, root: &str, paths: &[Vec<Step<'_>>]) {
    if root == "tools" {
        for (index, tool) in params.tools.iter_mut().enumerate() {
            let mut into_tool = paths.iter().filter_map(|path| match path.split_first() {
                Some((Step::Each, rest)) => Some(rest),
                Some((Step::Index(chosen), rest)) if *chosen == index => Some(rest),
                _ => None,
            });
            rewrite(&mut tool.0, &mut into_tool);
        }
        return;
    }
    let known = match root {
        "thinking" => params.thinking.as_mut(),
        "output_config" => params.output_config.as_mut(),
        "reasoning_effort" => params.reasoning_effort.as_mut(),
        "guardrailConfig" | "guardrail_config" => params.guardrail.as_mut(),
        _ => None,
    };
    let others = params.openai.iter_mut().chain(&mut params.extra);
    let others = others.filter(|(name, _)| name == root).map(|(_, raw)| raw);
    for raw in known.into_iter().chain(others) {
        rewrite(raw, &mut paths.iter().map(Vec::as_slice));
    }
}

/// Removes from one value what the paths lead to; the value is written anew only if something was there.
fn rewrite(raw: &mut RawJson, paths: &mut dyn Iterator<Item = &[Step<'_>]>) {
    let mut paths = paths.peekable();
    if paths.peek().is_none() {
        return;
    }
    let Ok(mut value) = raw.parse::<Value>() else {
        return;
    };
    let mut changed = false;
    for path in paths {
        changed |= remove(&mut value, path);
    }
    if changed {
        *raw = RawJson::from_value(&value);
    }
}

/// Removes what a path leads to; says whether something was there. It goes no deeper than the value does.
fn remove(value: &mut Value, path: &[Step<'_>]) -> bool {
    let Some((step, rest)) = path.split_first() else {
        return false;
    };
    match (step, value) {
        (Step::Member(name), Value::Object(members)) if rest.is_empty() => {
            members.shift_remove(*name).is_some()
        }
        (Step::Member(name), Value::Object(members)) => members
            .get_mut(*name)
            .is_some_and(|value| remove(value, rest)),
        (Step::Index(index), Value::Array(list)) => list
            .get_mut(*index)
            .is_some_and(|value| remove(value, rest)),
        (Step::Each, Value::Array(list)) => {
            let mut changed = false;
            for value in list {
                changed |= remove(value, rest);
            }
            changed
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Tool;
    use serde_json::json;

    #[test]
    fn paths_are_read() {
        use Step::{Each, Index, Member};
        assert_eq!(parse("plain"), None);
        assert_eq!(parse("a.b"), Some(("a", vec![Member("b")])));
        assert_eq!(
            parse("tools[*].x[2]"),
            Some(("tools", vec![Each, Member("x"), Index(2)]))
        );
        for broken in ["a[", "a[x]", "a[1]b"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn no_path_of_a_caller_leads_into_a_guardrail() {
        let own = json!({"guardrailIdentifier": "g", "trace": "enabled"});
        let mut params = ChatParams {
            guardrail: Some(RawJson::from_value(&own)),
            ..ChatParams::default()
        };
        let callers = [
            "guardrailConfig",
            "guardrailConfig.guardrailIdentifier",
            "guardrail_config.guardrailIdentifier",
        ]
        .map(str::to_owned);
        apply(&mut params, &[], &callers).unwrap();
        assert_eq!(params.guardrail.as_ref().unwrap().to_value(), own);
        apply(&mut params, &["guardrailConfig.trace".to_owned()], &[]).unwrap();
        let left = params.guardrail.unwrap().to_value();
        assert_eq!(left, json!({"guardrailIdentifier": "g"}));
    }

    #[test]
    fn what_paths_lead_to_is_removed() {
        let tool = |value: Value| Tool(RawJson::from_value(&value));
        let mut params = ChatParams {
            tools: vec![
                tool(json!({"name": "a", "input_examples": [1], "x": {"y": 1, "z": 2}})),
                tool(json!({"name": "b", "x": {"y": 1}})),
            ],
            extra: vec![
                (
                    "foo".to_owned(),
                    RawJson::from_value(&json!({"list": [{"a": 1, "b": 2}]})),
                ),
                ("odd.name".to_owned(), RawJson::from_value(&json!(1))),
            ],
            top_k: Some(3.into()),
            ..ChatParams::default()
        };
        let paths = [
            "tools[*].input_examples",
            "tools[1].x.y",
            "foo.list[*].a",
            "foo.list[0]",
            "foo.none.x",
            "odd.name",
            "top_k",
        ]
        .map(str::to_owned);
        apply(&mut params, &[], &paths).unwrap();
        let written = |raw: &RawJson| raw.to_value();
        assert_eq!(
            written(&params.tools[0].0),
            json!({"name": "a", "x": {"y": 1, "z": 2}})
        );
        assert_eq!(written(&params.tools[1].0), json!({"name": "b", "x": {}}));
        assert_eq!(params.extra.len(), 1);
        assert_eq!(written(&params.extra[0].1), json!({"list": [{"b": 2}]}));
        assert!(params.top_k.is_none());
        let many = vec!["a.b".to_owned(); 65];
        assert_eq!(
            apply(&mut params, &many, &[]).unwrap_err().param(),
            Some(PARAM)
        );
    }
}
