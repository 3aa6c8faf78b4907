//! The guardrail that the operator gave a deployment, on calls that are passed through to it.
//!
//! It holds as for a chat call: a caller that names a guardrail gets that one, and every other gets the deployment's.
//! `InvokeModel` takes it in headers, Converse in its body, and Nova in its body by either.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-use.html>.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Operation;
use crate::canonical::RawJson;
use crate::error::{Error, Result};
use crate::provider::WireRequest;
use crate::provider::bedrock::chat::extras::guardrail_config;
use crate::provider::bedrock::invoke::envelope::guardrail_headers;
use crate::provider::bedrock::model_id::ModelId;

/// The member of a body.
const MEMBER: &str = "guardrailConfig";
/// The header of `InvokeModel` that names a guardrail.
const HEADER: &str = "x-amzn-bedrock-guardrailidentifier";

/// Adds the `guardrail` of the deployment with this `model` to a request that has none.
///
/// # Errors
///
/// A body in which nobody can tell whether it has one, or that has one without a name.
pub fn guard(
    request: &mut WireRequest,
    operation: Operation,
    model: &ModelId,
    guardrail: &RawJson,
) -> Result<()> {
    let (is_in_body, streamed) = match operation {
        Operation::Converse => (true, false),
        Operation::ConverseStream => (true, true),
        Operation::Invoke => (model.is_nova(), false),
        Operation::InvokeStream => (model.is_nova(), true),
        _ => return Ok(()),
    };
    // AWS takes a blank one for none.
    let is_blank = |value: &HeaderValue| value.as_bytes().trim_ascii().is_empty();
    request
        .headers
        .retain(|(name, value)| name != HEADER || !is_blank(value));
    if is_in_body {
        if let Some(body) = guarded(&request.body, &guardrail_config(guardrail, streamed))? {
            request.body = body;
        }
        return Ok(());
    }
    if request.headers.iter().any(|(name, _)| name == HEADER) {
        return Ok(());
    }
    let mut own = Vec::new();
    // What headers cannot say is left out for chat calls too.
    guardrail_headers(guardrail, &mut own, &mut Vec::new())?;
    request
        .headers
        .retain(|(name, _)| own.iter().all(|(known, _)| known != name));
    request.headers.append(&mut own);
    Ok(())
}

/// The body with a guardrail in front of its own members; `None` where it has one. The rest of it stays as it was written.
fn guarded(body: &Bytes, guardrail: &RawJson) -> Result<Option<Bytes>> {
    let unreadable = |_| {
        let message = "the body cannot be read as a JSON object, so this model's guardrail cannot be added to it";
        Error::bad_request(MEMBER, message)
    };
    let seen: Seen = serde_json::from_slice(body).map_err(unreadable)?;
    if !seen.guardrails.iter().all(is_named) {
        let message = "it names no guardrail; left out, this model's own is used";
        return Err(Error::bad_request(MEMBER, format!("{MEMBER}: {message}")));
    }
    if !seen.guardrails.is_empty() {
        return Ok(None);
    }
    let open = body.iter().position(|byte| *byte == b'{');
    let rest = open.and_then(|at| body.get(at + 1..)).unwrap_or_default();
    let comma: &[u8] = if seen.is_empty { b"" } else { b"," };
    let whole = [
        b"{\"guardrailConfig\":",
        &guardrail.bytes()[..],
        comma,
        rest,
    ]
    .concat();
    Ok(Some(Bytes::from(whole)))
}

fn is_named(guardrail: &Value) -> bool {
    let name = guardrail.get("guardrailIdentifier").and_then(Value::as_str);
    name.is_some_and(|name| !name.is_empty())
}

/// What matters of a body: every guardrail that it has, in order, because AWS may read another than the first.
struct Seen {
    guardrails: Vec<Value>,
    is_empty: bool,
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Seen;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut members: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut seen = Seen {
            guardrails: Vec::new(),
            is_empty: true,
        };
        while let Some(name) = members.next_key::<String>()? {
            seen.is_empty = false;
            if name == MEMBER {
                seen.guardrails.push(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Method};
    use serde_json::json;

    use super::*;

    /// A request with this body and the caller's own headers, guarded for a deployment of `model`.
    fn sent(
        operation: Operation,
        model: &str,
        body: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<WireRequest> {
        let own = json!({"guardrail_identifier": "gr1", "guardrailVersion": 1, "streamProcessingMode": "async"});
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let mut request = WireRequest {
            method: Method::POST,
            url: String::new(),
            headers: headers.collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            service: "bedrock",
        };
        let model = ModelId::parse(model, None, None).unwrap();
        let own = RawJson::from_value(&own);
        guard(&mut request, operation, &model, &own).map(|()| request)
    }

    #[test]
    fn body_gets_it_in_front_and_stays_as_it_was() {
        let whole = r#"{"guardrailConfig":{"guardrailIdentifier":"gr1","guardrailVersion":1}"#;
        let streamed = r#"{"guardrailConfig":{"guardrailIdentifier":"gr1","guardrailVersion":1,"streamProcessingMode":"async"}"#;
        let (claude, nova) = ("anthropic.claude-x-v1:0", "amazon.nova-lite-v1:0");
        for (operation, model, before) in [
            (Operation::Converse, claude, whole),
            (Operation::ConverseStream, claude, streamed),
            (Operation::Invoke, nova, whole),
            (Operation::InvokeStream, nova, streamed),
        ] {
            for (body, rest) in [
                (" {\n \"a\" : 1.50}\n", ",\n \"a\" : 1.50}\n"),
                ("{ }", " }"),
                (r#"{"x":"\ud800"}"#, r#","x":"\ud800"}"#),
            ] {
                let request = sent(operation, model, body, &[]).unwrap();
                assert_eq!(request.body, format!("{before}{rest}"), "{operation:?}");
                assert!(request.headers.is_empty());
            }
        }
        let counted = sent(Operation::CountTokens, claude, "{}", &[]).unwrap();
        assert_eq!(counted.body, "{}");
    }

    #[test]
    fn guardrail_of_the_caller_stays_and_one_without_a_name_is_refused() {
        let theirs = r#"{"a":1,"guardrailConfig":{"guardrailIdentifier":"gr2"}}"#;
        let request = sent(Operation::Converse, "m", theirs, &[]).unwrap();
        assert_eq!(request.body, theirs);
        for body in [
            r#"{"guardrailConfig":null}"#,
            r#"{"guardrailConfig":{}}"#,
            r#"{"guardrailConfig":{"guardrailIdentifier":""}}"#,
            r#"{"guardrailConfig":{"guardrailIdentifier":"gr2"},"guardrailConfig":null}"#,
            r#"{"guardrail\u0043onfig":null}"#,
            "[]",
            "not json",
            "",
        ] {
            let error = sent(Operation::Converse, "m", body, &[]).unwrap_err();
            assert_eq!(error.param(), Some(MEMBER), "{body}");
        }
    }

    #[test]
    fn headers_name_it_unless_the_caller_does() {
        let names = |headers: &[(&'static str, &'static str)]| {
            let request = sent(
                Operation::InvokeStream,
                "anthropic.claude-x-v1:0",
                "x",
                headers,
            );
            let headers = request.unwrap().headers.into_iter();
            let text = headers.map(|(name, value)| format!("{name}={}", value.to_str().unwrap()));
            text.collect::<Vec<_>>()
        };
        let own = [
            "x-amzn-bedrock-guardrailidentifier=gr1",
            "x-amzn-bedrock-guardrailversion=1",
        ];
        assert_eq!(names(&[]), own);
        assert_eq!(names(&[("x-amzn-bedrock-guardrailversion", "7")]), own);
        assert_eq!(names(&[(HEADER, "")]), own);
        assert_eq!(names(&[(HEADER, " \t"), (HEADER, "")]), own);
        let theirs = names(&[(HEADER, "gr2"), (HEADER, "")]);
        assert_eq!(theirs, ["x-amzn-bedrock-guardrailidentifier=gr2"]);
    }
}
