//! A client's body → canonical request → Converse request.
//!
//! Left out: reading the body from the connection, the choice of a deployment, the signature (which hashes the body once)
//! and sending. `parse` alone ends with the canonical request, `converse` goes on to the finished body.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use http::HeaderMap;
use serde_json::json;
use switchyard::dialect::Dialect as _;
use switchyard::dialect::chat::ChatCompletions;

use crate::gateway::Gateway;
use crate::inputs;

pub(crate) fn group(criterion: &mut Criterion) {
    // The upstream is never called.
    let gateway = Gateway::new(9);
    let target = &gateway.deployment().target;
    let transformer = gateway
        .deployment()
        .transformers
        .chat
        .expect("the route serves chat");
    let headers = HeaderMap::new();
    let mut group = criterion.benchmark_group("encode");
    for (name, body) in bodies() {
        group.throughput(Throughput::Bytes(body.len() as u64));
        let parse = || ChatCompletions.parse(black_box(&body), &headers);
        group.bench_function(format!("{name}/parse"), |bench| {
            bench.iter_with_large_drop(|| parse().expect("the body is good"));
        });
        group.bench_function(format!("{name}/converse"), |bench| {
            bench.iter_batched(
                || (),
                |()| {
                    let parsed = parse().expect("the body is good");
                    transformer
                        .encode(&parsed.request, target)
                        .expect("the request can be sent")
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn bodies() -> [(&'static str, Bytes); 4] {
    [
        ("small", inputs::chat_body(&inputs::small(), false)),
        ("100 KB", inputs::chat_body(&inputs::conversation(), false)),
        ("10 tools", with_tools()),
        ("1000 messages", inputs::chat_body(&short_turns(), false)),
    ]
    .map(|(name, body)| (name, Bytes::from(body)))
}

/// Many turns of one line, where what each message costs counts more than its bytes.
fn short_turns() -> inputs::Messages {
    (0..1000)
        .map(|index| match index % 2 {
            0 => ("user", format!("And step {index}?")),
            _ => ("assistant", format!("Step {index} is \"done\".")),
        })
        .collect()
}

/// A small request with ten tools of ordinary size.
fn with_tools() -> Vec<u8> {
    let tools: Vec<_> = (0..10).map(tool).collect();
    let body = inputs::chat_body(&inputs::small(), false);
    let mut body: serde_json::Value = serde_json::from_slice(&body).expect("it was just written");
    if let Some(object) = body.as_object_mut() {
        object.insert("tools".to_owned(), tools.into());
        object.insert("tool_choice".to_owned(), "auto".into());
    }
    body.to_string().into_bytes()
}

fn tool(index: usize) -> serde_json::Value {
    json!({ "type": "function", "function": {
        "name": format!("search_wagons_{index}"),
        "description": "Searches the yard for wagons that match all given criteria, newest first.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": { "type": "string", "description": "Words that the wagon's papers must have." },
                "track": { "type": "integer", "minimum": 1, "maximum": 64, "description": "Only this track." },
                "state": { "type": "string", "enum": ["arrived", "sorted", "left"] },
                "limit": { "type": "integer", "default": 20 },
                "between": { "type": "array", "items": { "type": "string", "format": "date-time" } }
            },
            "required": ["query"],
            "additionalProperties": false
        }
    }})
}
