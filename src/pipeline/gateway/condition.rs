//! Whether a condition of a gateway configuration holds for a request.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::config::{GatewayQuery, GatewayTest};

/// Longest text that a pattern is tried on, in bytes.
const LONGEST_TEXT: usize = 64 * 1024;

/// What conditions look at.
#[derive(Debug, Clone, Default)]
pub struct ConditionFacts {
    /// `metadata.*`.
    pub metadata: Map<String, Value>,
    /// `params.*`: the members of the body that a condition names.
    pub params: Map<String, Value>,
    /// `url`: the path.
    pub url: String,
}

impl ConditionFacts {
    /// Says whether `query` holds.
    pub(super) fn holds(&self, query: &GatewayQuery) -> bool {
        match query {
            GatewayQuery::All(parts) => parts.iter().all(|part| self.holds(part)),
            GatewayQuery::Any(parts) => parts.iter().any(|part| self.holds(part)),
            GatewayQuery::Field(name, tests) => {
                let url;
                let value = match name.split_once('.') {
                    Some(("metadata", path)) => member(&self.metadata, path),
                    Some(("params", path)) => member(&self.params, path),
                    Some(("url", "pathname" | "path")) | None => {
                        url = Value::String(self.url.clone());
                        Some(&url)
                    }
                    Some(_) => None,
                };
                tests.iter().all(|test| passes(test, value))
            }
        }
    }
}

/// Returns a member by its name, or by its path where no member is called so.
fn member<'a>(members: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = members.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    match members.get(first)? {
        Value::Object(inner) => member(inner, rest),
        Value::Array(items) => item(items, rest),
        _ => None,
    }
}

fn item<'a>(items: &'a [Value], path: &str) -> Option<&'a Value> {
    let (place, rest) = match path.split_once('.') {
        Some((place, rest)) => (place, Some(rest)),
        None => (path, None),
    };
    let item = items.get(place.parse::<usize>().ok()?)?;
    match (rest, item) {
        (None, item) => Some(item),
        (Some(rest), Value::Object(inner)) => member(inner, rest),
        (Some(_), _) => None,
    }
}

/// Says whether a value, where there is one, passes a test. Nothing is unequal to everything.
fn passes(test: &GatewayTest, value: Option<&Value>) -> bool {
    match (test, value) {
        (GatewayTest::NotEqual(_) | GatewayTest::NotIn(_), None) => true,
        (_, None) => false,
        (GatewayTest::Equal(wanted), Some(value)) => same(value, wanted),
        (GatewayTest::NotEqual(wanted), Some(value)) => !same(value, wanted),
        (GatewayTest::Greater(bound), Some(value)) => {
            order(value, bound) == Some(Ordering::Greater)
        }
        (GatewayTest::GreaterOrEqual(bound), Some(value)) => {
            order(value, bound).is_some_and(Ordering::is_ge)
        }
        (GatewayTest::Less(bound), Some(value)) => order(value, bound) == Some(Ordering::Less),
        (GatewayTest::LessOrEqual(bound), Some(value)) => {
            order(value, bound).is_some_and(Ordering::is_le)
        }
        (GatewayTest::In(list), Some(value)) => list.iter().any(|wanted| same(value, wanted)),
        (GatewayTest::NotIn(list), Some(value)) => !list.iter().any(|wanted| same(value, wanted)),
        (GatewayTest::Matches(pattern), Some(value)) => match value {
            Value::String(written) => written.len() <= LONGEST_TEXT && pattern.is_match(written),
            Value::Number(number) => pattern.is_match(&number.to_string()),
            _ => false,
        },
    }
}

/// Equal, as JSON: 1 is 1.0, and text is no number.
fn same(value: &Value, wanted: &Value) -> bool {
    match (value.as_f64(), wanted.as_f64()) {
        (Some(value), Some(wanted)) => value.total_cmp(&wanted).is_eq(),
        _ => value == wanted,
    }
}

/// How two numbers compare; text that is a number counts as one.
fn order(value: &Value, bound: &Value) -> Option<Ordering> {
    number(value)?.partial_cmp(&number(bound)?)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| !number.is_nan()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{GatewayMode, parse_gateway_config};

    fn holds(query: &Value) -> bool {
        let config = json!({
            "strategy": {"mode": "conditional", "conditions": [{"query": query, "then": "x"}]},
            "targets": [{"name": "x", "provider": "bedrock"}],
        });
        let config = parse_gateway_config(&config.to_string()).unwrap();
        let Some(GatewayMode::Conditional(conditions, None)) = config.mode else {
            panic!("conditional");
        };
        let object = |value: Value| value.as_object().unwrap().clone();
        let facts = ConditionFacts {
            metadata: object(
                json!({"tier": "paid", "seats": "12", "a.b": 1, "deep": {"x": [{"y": true}]}}),
            ),
            params: object(json!({"model": "claude", "temperature": 0.5, "n": 1})),
            url: "/v1/chat/completions".to_owned(),
        };
        facts.holds(&conditions[0].query)
    }

    #[test]
    fn every_operator_means_what_it_says() {
        for (query, expected) in [
            (json!({"metadata.tier": "paid"}), true),
            (json!({"metadata.tier": {"$eq": "free"}}), false),
            (json!({"metadata.tier": {"$ne": "free"}}), true),
            (json!({"metadata.none": {"$ne": "free"}}), true),
            (json!({"metadata.none": {"$nin": ["free"]}}), true),
            (json!({"metadata.none": {"$lt": 9}}), false),
            (json!({"metadata.seats": {"$gt": 11, "$lte": 12}}), true),
            (json!({"metadata.seats": {"$gt": 12}}), false),
            (json!({"metadata.seats": {"$eq": 12}}), false),
            (json!({"metadata.tier": {"$gt": 1}}), false),
            (json!({"metadata.a.b": 1}), true),
            (json!({"metadata.deep.x.0.y": true}), true),
            (json!({"params.n": {"$eq": 1.0}}), true),
            (json!({"params.temperature": {"$gte": 0.5, "$lt": 1}}), true),
            (json!({"params.model": {"$in": ["a", "claude"]}}), true),
            (json!({"params.model": {"$nin": ["a", "claude"]}}), false),
            (json!({"params.model": {"$regex": "^cl"}}), true),
            (json!({"params.n": {"$regex": "^2"}}), false),
            (json!({"url": {"$regex": "chat"}}), true),
            (json!({"url.pathname": "/v1/chat/completions"}), true),
            (json!({"url.host": "h"}), false),
            (json!({"metadata.tier": "paid", "params.n": 2}), false),
            (
                json!({"$or": [{"params.n": 2}, {"metadata.tier": "paid"}]}),
                true,
            ),
            (
                json!({"$and": [{"params.n": 1}, {"$or": [{"params.n": 2}]}]}),
                false,
            ),
        ] {
            assert_eq!(holds(&query), expected, "{query}");
        }
    }
}
