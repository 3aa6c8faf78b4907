use super::*;

fn record(id: &str, input: &Value, output: &Value) -> RawJson {
    let response = json!({"id": id, "object": "response", "output": output});
    RawJson::from_value(&json!({"input": input, "response": response}))
}

fn records() -> BTreeMap<String, RawJson> {
    let first = record(
        "resp_a",
        &json!([{"role": "user", "content": "one"}]),
        &json!([
            {"id": "rs_a_0", "type": "reasoning", "summary": [], "encrypted_content": "swy1.x"},
            {"id": "msg_a_1", "type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "two", "annotations": []}]},
        ]),
    );
    BTreeMap::from([("resp_a".to_owned(), first)])
}

fn continued_with(body: &Value) -> Result<Value> {
    let body = Bytes::from(body.to_string());
    let references = references(&body)?;
    let body = continued(&body, &references, &records())?;
    Ok(serde_json::from_slice(&body).unwrap())
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
fn a_client_sees_a_response_again() {
    let records = records();
    let seen = response_of(&records["resp_a"], false).unwrap().to_value();
    assert_eq!(seen["id"], "resp_a");
    assert!(seen["output"][0].get("encrypted_content").is_none());
    let seen = response_of(&records["resp_a"], true).unwrap().to_value();
    assert_eq!(seen["output"][0]["encrypted_content"], "swy1.x");
}

#[test]
fn items_are_listed_page_by_page() {
    let input = json!([
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"},
    ]);
    let record = record("resp_a", &input, &json!([]));
    let page = |order, after: Option<&str>, limit| {
        let page = Page {
            order,
            after: after.map(str::to_owned),
            limit,
        };
        input_items(&record, "resp_a", &page).map(|list| list.to_value())
    };
    let all = page(Order::Ascending, None, 20).unwrap();
    let parts = |kind: &str, text: &str| json!([{"type": kind, "text": text}]);
    assert_eq!(all["data"][0]["id"], "in_a_0");
    assert_eq!(
        (&all["data"][0]["type"], &all["data"][0]["content"]),
        (&json!("message"), &parts("input_text", "one"))
    );
    assert_eq!(all["data"][1]["content"][0]["type"], "output_text");
    assert_eq!(
        (&all["last_id"], &all["has_more"]),
        (&json!("fc_1"), &json!(false))
    );
    let first = page(Order::Descending, None, 2).unwrap();
    assert_eq!(
        (&first["first_id"], &first["last_id"], &first["has_more"]),
        (&json!("fc_1"), &json!("in_a_1"), &json!(true))
    );
    let rest = page(Order::Descending, Some("in_a_1"), 2).unwrap();
    assert_eq!(
        (&rest["first_id"], &rest["has_more"]),
        (&json!("in_a_0"), &json!(false))
    );
    assert!(page(Order::Ascending, Some("nope"), 2).is_none());
}
