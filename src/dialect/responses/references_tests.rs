use std::cell::Cell;

use serde_json::{Value, json};

use super::*;

thread_local! {
    /// How many ids of items were looked at.
    pub(super) static LOOKED: Cell<usize> = const { Cell::new(0) };
}

const MOST: usize = 32 * 1024 * 1024;

fn record(id: &str, input: &Value, output: &Value) -> RawJson {
    let response = json!({"id": id, "object": "response", "output": output});
    RawJson::from_value(&json!({"input": input, "response": response}))
}

fn kept() -> RawJson {
    record(
        "resp_a",
        &json!([{"role": "user", "content": "one"}]),
        &json!([
            {"id": "rs_a_0", "type": "reasoning", "summary": [], "encrypted_content": "swy1.x"},
            {"id": "msg_a_1", "type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "two", "annotations": []}]},
        ]),
    )
}

fn continued_within(body: &Value, most: usize) -> Result<Value> {
    let body = Bytes::from(body.to_string());
    let references = references(&body)?;
    let mut found = Found::new(&references, most);
    for response in references.responses() {
        if response == "resp_a" {
            found.add(response, &kept())?;
        }
    }
    let body = found.put_into(&body)?;
    Ok(serde_json::from_slice(&body).unwrap())
}

fn continued_with(body: &Value) -> Result<Value> {
    continued_within(body, MOST)
}

#[test]
fn a_request_that_names_nothing_needs_nothing() {
    for body in [
        json!({"input": "hi"}),
        json!({"input": "what is \"item_reference\"?"}),
        json!({"input": "hi", "previous_response_id": null}),
        json!(["previous_response_id"]),
    ] {
        let references = references(&Bytes::from(body.to_string())).unwrap();
        assert!(references.is_empty(), "{body}");
    }
}

#[test]
fn a_request_goes_on_from_a_response() {
    let out = continued_with(&json!({
        "model": "m", "previous_response_id": "resp_a", "input": "three", "temperature": 1,
    }))
    .unwrap();
    let texts: Vec<&Value> = out["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["type"])
        .collect();
    assert_eq!(
        texts,
        [
            &Value::Null,
            &json!("reasoning"),
            &json!("message"),
            &json!("message")
        ]
    );
    assert_eq!(out["input"][1]["encrypted_content"], "swy1.x");
    assert_eq!(
        out["input"][3],
        json!({"type": "message", "role": "user", "content": "three"})
    );
    assert_eq!(
        (&out["model"], &out["temperature"]),
        (&json!("m"), &json!(1))
    );
    assert_eq!(out["previous_response_id"], "resp_a");
}

#[test]
fn items_that_are_only_named_are_put_in_their_places() {
    let body = json!({"input": [
        {"role": "user", "content": "one"},
        {"type": "item_reference", "id": "msg_a_1"},
        {"role": "user", "content": "three"},
    ]});
    let wanted = references(&Bytes::from(body.to_string())).unwrap();
    assert_eq!(wanted.responses(), ["resp_a"]);
    let out = continued_with(&body).unwrap();
    assert_eq!(out["input"][1]["content"][0]["text"], "two");
    assert_eq!(out["input"][2]["content"], "three");
}

#[test]
fn what_is_not_kept_is_named() {
    for (body, param) in [
        (
            json!({"input": "x", "previous_response_id": "resp_b"}),
            "previous_response_id",
        ),
        (
            json!({"input": "x", "previous_response_id": 7}),
            "previous_response_id",
        ),
        (
            json!({"input": "", "previous_response_id": "resp_a"}),
            "input",
        ),
        (
            json!({"input": [{"type": "item_reference", "id": "msg_b_1"}]}),
            "input[0].id",
        ),
        (
            json!({"input": [{"type": "item_reference", "id": "msg_a_7"}]}),
            "input[0].id",
        ),
        (
            json!({"input": [{"type": "item_reference", "id": "odd"}]}),
            "input[0].id",
        ),
    ] {
        assert_eq!(
            continued_with(&body).unwrap_err().param(),
            Some(param),
            "{body}"
        );
    }
    let many: Vec<Value> = (0..=MOST_RESPONSES)
        .map(|n| json!({"type": "item_reference", "id": format!("msg_{n}_0")}))
        .collect();
    assert_eq!(
        continued_with(&json!({"input": many})).unwrap_err().param(),
        Some("input")
    );
}

#[test]
fn a_request_without_input_stays_one() {
    let out = continued_with(&json!({"previous_response_id": "resp_a"})).unwrap();
    assert!(out.get("input").is_none());
}

#[test]
fn what_extra_body_names_is_found() {
    let body =
        json!({"input": "old", "extra_body": {"previous_response_id": "resp_a", "input": "three"}});
    let out = continued_with(&body).unwrap();
    assert_eq!(out["input"][2]["id"], "msg_a_1");
    assert_eq!(out["input"][3]["content"], "three");
    assert_eq!(out["input"].as_array().unwrap().len(), 4);
    let items = json!([{"type": "item_reference", "id": "msg_a_1"}]);
    let out = continued_with(&json!({"extra_body": {"input": items}})).unwrap();
    assert_eq!(out["input"][0]["content"][0]["text"], "two");
    // What is null there says nothing.
    let body = json!({"input": "x", "previous_response_id": "resp_a", "extra_body": {"previous_response_id": null}});
    assert_eq!(
        continued_with(&body).unwrap()["input"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[test]
fn the_work_grows_with_what_is_named() {
    let named = |count: usize| {
        let item = json!({"type": "item_reference", "id": "msg_a_1"});
        json!({"input": vec![item; count]})
    };
    LOOKED.set(0);
    let out = continued_with(&named(MOST_NAMED)).unwrap();
    assert_eq!(out["input"].as_array().unwrap().len(), MOST_NAMED);
    // Each reference once, and in the record the one item that is wanted.
    assert_eq!(LOOKED.get(), MOST_NAMED + 1);
    let error = continued_with(&named(MOST_NAMED + 1)).unwrap_err();
    assert_eq!(error.param(), Some("input"));
    assert!(error.message().contains("4096 items"));
}

#[test]
fn what_is_put_in_counts_as_the_clients_own() {
    let size = |body: &Value| continued_with(body).unwrap().to_string().len();
    for body in [
        json!({"input": vec![json!({"type": "item_reference", "id": "msg_a_1"}); 100]}),
        json!({"input": "x", "previous_response_id": "resp_a"}),
    ] {
        let size = size(&body);
        assert!(continued_within(&body, size).is_ok());
        for most in [size - 1, size / 2, 10] {
            let error = continued_within(&body, most).unwrap_err();
            assert_eq!(error.param(), Some("input"));
            assert!(error.message().contains("max_request_size_mb"));
        }
    }
}
