//! Words for what may stand at a key and for what stands there.

use serde_json::Number;

use super::node::{Node, Spelling, Value};
use super::raw::Kind;
use super::scalar;

/// Says whether a value's type is one of a kind's.
pub(super) fn might_fit(kind: &Kind, node: &Node) -> bool {
    match kind {
        Kind::Text | Kind::Secret | Kind::Choice(_) | Kind::Period | Kind::Time => {
            scalar::as_text(node).is_some()
        }
        Kind::Flag => scalar::as_flag(node).is_some(),
        Kind::Count
        | Kind::Positive
        | Kind::Integer
        | Kind::Amount
        | Kind::Number
        | Kind::Seconds
        | Kind::Millis
        | Kind::Port
        | Kind::Status(_) => scalar::as_number(node).is_some(),
        Kind::List(_) | Kind::OneKeyMaps | Kind::Entries => matches!(node.value, Value::List(_)),
        Kind::MapOf(_) | Kind::Keys(_) | Kind::Map => matches!(node.value, Value::Map(_)),
        Kind::OneOrMore(item) => matches!(node.value, Value::List(_)) || might_fit(item, node),
        Kind::Either(kinds) => kinds.iter().any(|kind| might_fit(kind, node)),
        Kind::Any | Kind::Misplaced(_) => true,
    }
}

/// Says whether a number is in the range of a kind.
pub(super) fn fits(kind: &Kind, number: &Number) -> bool {
    match kind {
        Kind::Count | Kind::Amount | Kind::Millis => {
            number.as_f64().is_some_and(|float| float >= 0.0)
        }
        Kind::Positive => number.as_f64().is_some_and(|float| float >= 1.0),
        Kind::Port => number
            .as_f64()
            .is_some_and(|float| (1.0..=65_535.0).contains(&float)),
        // Longer than a `Duration` is longer than anybody waits.
        Kind::Seconds => number
            .as_f64()
            .is_some_and(|float| (0.0..1e12).contains(&float)),
        _ => true,
    }
}

/// Names what stands there. Its text is not shown, because it may be a secret.
pub(super) fn found(node: &Node) -> String {
    match (&node.spelling, &node.value) {
        (Spelling::Variable(name), _) => format!("the value of `os.environ/{name}`"),
        (_, Value::Number(number)) => format!("the number {number}"),
        _ => node.type_name().to_owned(),
    }
}

/// Words what a kind wants.
pub(super) fn expectation(kind: &Kind) -> String {
    match kind {
        Kind::Text | Kind::Secret | Kind::Choice(_) => "text".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Count => "a whole number, 0 or more".to_owned(),
        Kind::Positive => "a whole number, 1 or more".to_owned(),
        Kind::Integer => "a whole number".to_owned(),
        Kind::Amount => "a number, 0 or more".to_owned(),
        Kind::Number => "a number".to_owned(),
        Kind::Seconds => "a number of seconds, 0 or more".to_owned(),
        Kind::Millis => "a number of milliseconds, 0 or more".to_owned(),
        Kind::Period => "a time span such as `30s`, `15m`, `12h`, `7d` or `1mo`".to_owned(),
        Kind::Time => "a point in time such as `2027-01-31T00:00:00Z`".to_owned(),
        Kind::Port => "a port, 1 to 65535".to_owned(),
        Kind::Status(statuses) => statuses
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(" or "),
        Kind::List(item) | Kind::OneOrMore(item) => match item {
            Kind::Text => "a list of texts".to_owned(),
            Kind::Map | Kind::Keys(_) => "a list of mappings".to_owned(),
            _ => "a list".to_owned(),
        },
        Kind::OneKeyMaps => "a list of mappings with one key each".to_owned(),
        Kind::MapOf(_) | Kind::Keys(_) | Kind::Map => "a mapping".to_owned(),
        Kind::Either(kinds) => kinds
            .iter()
            .map(expectation)
            .collect::<Vec<_>>()
            .join(" or "),
        Kind::Any | Kind::Misplaced(_) => "a value".to_owned(),
        Kind::Entries => "a list of deployments".to_owned(),
    }
}
