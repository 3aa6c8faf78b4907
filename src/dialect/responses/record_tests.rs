use super::*;

fn record(id: &str, input: &Value, output: &Value) -> RawJson {
    let response = json!({"id": id, "object": "response", "output": output});
    RawJson::from_value(&json!({"input": input, "response": response}))
}

fn first() -> RawJson {
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

#[test]
fn a_client_sees_a_response_again() {
    let first = first();
    let seen = response_of(&first, false).unwrap().to_value();
    assert_eq!(seen["id"], "resp_a");
    assert!(seen["output"][0].get("encrypted_content").is_none());
    let seen = response_of(&first, true).unwrap().to_value();
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

#[test]
fn what_is_no_item_has_a_place_and_is_not_listed() {
    let input = json!(["text", {"id": null, "role": "user", "content": "a"}, 7, {"id": "x\"y", "role": "user"}]);
    let record = record("resp_a", &input, &json!([]));
    let page = |after: Option<&str>, limit| {
        let page = Page {
            order: Order::Ascending,
            after: after.map(str::to_owned),
            limit,
        };
        input_items(&record, "resp_a", &page).map(|list| list.to_value())
    };
    let all = page(None, 2).unwrap();
    assert_eq!(
        (&all["first_id"], &all["last_id"]),
        (&json!("in_a_1"), &json!("x\"y"))
    );
    assert_eq!(all["has_more"], false);
    assert_eq!(page(Some("in_a_1"), 1).unwrap()["first_id"], "x\"y");
    assert_eq!(page(Some("x\"y"), 1).unwrap()["data"], json!([]));
    assert!(page(Some("in_a_3"), 1).is_none(), "it is called otherwise");
}
