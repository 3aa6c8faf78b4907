use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::canonical::{MediaKind, PartKind, Thinking};
use crate::dialect::read::Path;

fn read(written: &Value) -> Result<InputRead> {
    let body = Bytes::from(written.to_string());
    let raw: &RawValue = serde_json::from_slice(&body).unwrap();
    let path = Path::ROOT.member("input");
    let node = Node {
        body: &body,
        raw,
        path: &path,
    };
    let mut loss = Loss::default();
    let read = input(&node, &mut loss)?;
    match loss.refusal {
        Some((member, why)) => Err(Error::bad_request(member, why)),
        None => Ok(read),
    }
}

fn messages(written: &Value) -> Vec<Message> {
    read(written).unwrap().messages
}

fn text(message: &Message) -> String {
    match &message.content {
        Content::Text(text) => text.decoded().into_owned(),
        Content::Parts(parts) => match &parts[..] {
            [part] => match &part.kind {
                PartKind::Text(text) => text.decoded().into_owned(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        },
        Content::Absent => String::new(),
    }
}

#[test]
fn a_string_is_one_user_message() {
    let messages = messages(&json!("hi \"you\""));
    assert_eq!((messages.len(), &messages[0].role), (1, &Role::User));
    assert_eq!(text(&messages[0]), "hi \"you\"");
}

#[test]
fn messages_come_with_and_without_their_type() {
    let messages = messages(&json!([
        {"role": "system", "content": "a"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "b"}]},
        {"role": "user", "content": "c"},
        {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "phase": "x",
            "content": [{"type": "output_text", "text": "d", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "no"}]},
    ]));
    let said: Vec<(Role, String)> = messages
        .iter()
        .map(|message| (message.role.clone(), text(message)))
        .collect();
    let expected = [
        (Role::System, "a"),
        (Role::System, "b"),
        (Role::User, "c"),
        (Role::Assistant, "d"),
    ];
    assert_eq!(said, expected.map(|(role, text)| (role, text.to_owned())));
}

#[test]
fn a_turn_of_the_model_becomes_one_message_again() {
    let thought = Thinking::Shown {
        text: "hm".into(),
        signature: Some("sig".into()),
    };
    let messages = messages(&json!([
        {"role": "user", "content": "q"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": packed::pack([&thought])},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
        {"type": "function_call", "call_id": "c2", "name": "find", "namespace": "crm", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "gAAA"},
        {"type": "custom_tool_call", "call_id": "c3", "name": "patch", "input": "a\n\"b\""},
        {"type": "custom_tool_call_output", "call_id": "c3", "output": "ok"},
    ]));
    let roles: Vec<&Role> = messages.iter().map(|message| &message.role).collect();
    let expected = [
        &Role::User,
        &Role::Assistant,
        &Role::Tool,
        &Role::Tool,
        &Role::Assistant,
        &Role::Tool,
    ];
    assert_eq!(roles, expected);
    let turn = &messages[1];
    assert!(matches!(
        &turn.thinking[..],
        [Thinking::Shown { signature: Some(signature), .. }] if signature.decoded() == "sig"
    ));
    assert_eq!(text(turn), "let me see");
    let calls: Vec<(&str, &str)> = turn
        .tool_calls
        .iter()
        .map(|call| (call.name.as_str(), call.arguments.as_str()))
        .collect();
    assert_eq!(calls, [("f", "{\"a\":1}"), ("crm__find", "{}")]);
    assert_eq!(
        (messages[3].tool_call_id.as_deref(), text(&messages[3])),
        (Some("c2"), "two".to_owned())
    );
    assert!(messages[4].thinking.is_empty());
    let input: Value = serde_json::from_str(&messages[4].tool_calls[0].arguments).unwrap();
    assert_eq!(input, json!({"input": "a\n\"b\""}));
}

#[test]
fn a_turn_is_cut_where_its_order_would_change() {
    let messages = messages(&json!([
        {"role": "assistant", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"role": "assistant", "content": "c"},
    ]));
    let said: Vec<(String, usize)> = messages
        .iter()
        .map(|message| (text(message), message.tool_calls.len()))
        .collect();
    assert_eq!(
        said,
        [
            ("a".to_owned(), 0),
            ("b".to_owned(), 1),
            ("c".to_owned(), 0)
        ]
    );
}

#[test]
fn pictures_and_files_are_media() {
    let messages = messages(&json!([{"role": "user", "content": [
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
        {"type": "input_image", "image_url": "https://x.example/a.png"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
        {"type": "input_file", "file_url": "https://x.example/a.pdf"},
    ]}]));
    let Content::Parts(parts) = &messages[0].content else {
        panic!("{messages:?}");
    };
    let kinds: Vec<(MediaKind, Option<&str>)> = parts
        .iter()
        .map(|part| match &part.kind {
            PartKind::Media(media) => (media.kind, media.filename.as_deref()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            (MediaKind::Image, None),
            (MediaKind::Image, None),
            (MediaKind::File, Some("a.pdf")),
            (MediaKind::File, None),
        ]
    );
}

#[test]
fn records_of_what_openai_ran_are_left_out() {
    let read = read(&json!([
        {"role": "user", "content": "a"}, {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "mcp_list_tools", "tools": []}, {"type": "web_search_call"},
    ]))
    .unwrap();
    assert_eq!(read.messages.len(), 1);
    assert_eq!(read.left_out, ["web_search_call", "mcp_list_tools"]);
}

#[test]
fn what_is_wrong_is_named() {
    for (input, param) in [
        (json!(7), "input"),
        (json!([]), "input"),
        (json!([{"type": "web_search_call"}]), "input"),
        (json!(["x"]), "input[0]"),
        (json!([{"content": "x"}]), "input[0].role"),
        (json!([{"role": "robot", "content": "x"}]), "input[0].role"),
        (json!([{"role": "user"}]), "input[0].content"),
        (json!([{"role": "user", "content": 7}]), "input[0].content"),
        (
            json!([{"role": "user", "content": [{"type": "input_image"}]}]),
            "input[0].content[0].image_url",
        ),
        (json!([{"type": "telepathy"}]), "input[0].type"),
        (
            json!([{"type": "item_reference", "id": "msg_1"}]),
            "input[0]",
        ),
        (
            json!([{"type": "function_call", "name": "f", "arguments": "{}"}]),
            "input[0].call_id",
        ),
        (
            json!([{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]),
            "input[0].arguments",
        ),
        (
            json!([{"type": "function_call", "call_id": "c", "name": "f", "arguments": "[".repeat(500)}]),
            "input[0].arguments",
        ),
        (
            json!([{"type": "function_call_output", "call_id": "c"}]),
            "input[0].output",
        ),
    ] {
        assert_eq!(read(&input).unwrap_err().param(), Some(param), "{input}");
    }
}

#[test]
fn what_only_other_models_know_is_refused_by_those_that_do_not() {
    let body = Bytes::from_static(
        br#"[{"type":"apply_patch_call","call_id":"c"},{"type":"computer_call_output","call_id":"d",
            "output":{"type":"computer_screenshot","image_url":"https://pictures.test/a.png"}}]"#,
    );
    let node = Node {
        body: &body,
        raw: serde_json::from_slice(&body).unwrap(),
        path: &Path::ROOT.member("input"),
    };
    let mut loss = Loss::default();
    let read = input(&node, &mut loss).unwrap();
    assert_eq!(loss.refusal.unwrap().0, "input[0].type");
    // Whoever knows it wants to see the picture.
    let [
        Message {
            content: Content::Parts(parts),
            ..
        },
    ] = &read.messages[..]
    else {
        panic!("{read:?}");
    };
    assert!(matches!(&parts[0].kind, PartKind::Media(media) if media.is_remote()));
}
