//! Images, documents, videos and sounds.

use serde_json::{Value, json};

use crate::support::{CLAUDE_35, Case, NOVA, call, tool};

fn content(part: impl Into<Value>) -> Value {
    let parts = json!([{"type": "text", "text": "x"}, part.into()]);
    Case::new(CLAUDE_35).says(parts).content()[1].take()
}

fn image(url: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": url}})
}

#[test]
fn mime_types_decide_the_block() {
    for (mime, member, format) in [
        ("image/jpg", "image", "jpeg"),
        ("image/webp", "image", "webp"),
        ("application/pdf", "document", "pdf"),
        ("text/markdown", "document", "md"),
        ("video/quicktime", "video", "mov"),
        ("video/x-matroska", "video", "mkv"),
        ("video/3gpp", "video", "three_gp"),
        ("video/mpeg", "video", "mpeg"),
        ("audio/mpeg", "audio", "mp3"),
        ("audio/x-wav", "audio", "wav"),
    ] {
        let block = content(image(&format!("data:{mime};base64,AAAA")));
        assert_eq!(block[member]["format"], format, "{mime}: {block}");
        assert_eq!(block[member]["source"]["bytes"], "AAAA");
    }
    for mime in ["image/svg+xml", "application/json", "video/ogg"] {
        let parts = json!([image(&format!("data:{mime};base64,AAAA"))]);
        let refusal = Case::new(CLAUDE_35).says(parts).refusal();
        assert!(refusal.contains(mime), "{refusal}");
    }
}

#[test]
fn formats_that_a_client_names_win() {
    let part = json!({"type": "image_url", "image_url": {
        "url": "data:image/png;base64,AAAA", "format": "application/pdf"}});
    assert_eq!(content(part)["document"]["format"], "pdf");
    let part = json!({"type": "file", "file": {"file_data": "AAAA", "format": "csv"}});
    assert_eq!(content(part)["document"]["format"], "csv");
}

#[test]
fn bare_base64_is_told_by_name_or_by_its_first_bytes() {
    let pdf = json!({"type": "file", "file": {"file_data": "JVBERi0xLjQK"}});
    assert_eq!(content(pdf)["document"]["format"], "pdf");
    let png = json!({"type": "file", "file": {"file_data": "iVBORw0KGgoAAAANSUhEUg=="}});
    assert_eq!(content(png)["image"]["format"], "png");
    let named = json!({"type": "file", "file": {"file_data": "AAAA", "filename": "Q1 report_v2 (final).docx"}});
    let block = content(named);
    assert_eq!(block["document"]["format"], "docx");
    assert_eq!(block["document"]["name"], "Q1 report v2 (final)");
    let unknown = json!([{"type": "file", "file": {"file_data": "AAAA"}}]);
    assert!(
        Case::new(CLAUDE_35)
            .says(unknown)
            .refusal()
            .contains("unknown")
    );
}

#[test]
fn documents_are_named_by_their_content_and_told_apart() {
    let part = image("data:application/pdf;base64,AAAA");
    let parts = json!([{"type": "text", "text": "x"}, part, part]);
    let blocks = Case::new(CLAUDE_35).says(parts).content();
    let first = blocks[1]["document"]["name"].as_str().unwrap();
    assert!(first.starts_with("DocumentPDFmessages_") && first.ends_with("_pdf"));
    assert_eq!(blocks[2]["document"]["name"], format!("{first}_2"));
    let source = json!({"type": "base64", "media_type": "application/pdf", "data": "AAAA"});
    let block = content(json!({"type": "document", "source": source}));
    assert!(
        block["document"]["name"]
            .as_str()
            .unwrap()
            .starts_with("Document_")
    );
}

#[test]
fn a_document_alone_gets_a_word_beside_it() {
    let part = json!({"type": "document", "cache_control": {"type": "ephemeral"}, "title": "T",
        "context": "C", "citations": {"enabled": true},
        "source": {"type": "text", "media_type": "text/plain", "data": "hello"}});
    assert_eq!(
        Case::new("bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0")
            .says(json!([part]))
            .content(),
        json!([
            {"document": {"format": "txt", "name": "T", "source": {"text": "hello"}, "context": "C",
                "citations": {"enabled": true}}},
            {"text": "."},
            {"cachePoint": {"type": "default"}},
        ])
    );
}

#[test]
fn objects_in_s3_need_a_type() {
    let part = |file: Value| json!([{"type": "text", "text": "x"}, {"type": "image_url", "image_url": file}]);
    let refusal = Case::new(NOVA)
        .says(part(json!({"url": "s3://b/k.png"})))
        .refusal();
    assert!(refusal.contains("mime_type is required for s3 URIs"));
    let owner = json!({"url": "s3://b/k.mp4", "format": "video/mp4", "bucketOwner": "12"});
    assert!(
        Case::new(NOVA)
            .says(part(owner))
            .refusal()
            .contains("12 digits")
    );
    let video = json!({"url": "s3://b/k.mp4", "format": "mp4"});
    assert_eq!(
        Case::new(NOVA).says(part(video)).content()[1],
        json!({"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/k.mp4"}}}})
    );
}

#[test]
fn sounds_and_videos_are_sent() {
    let audio = json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}});
    assert_eq!(
        content(audio),
        json!({"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}})
    );
    let video = json!({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}});
    assert_eq!(content(video)["video"]["format"], "mp4");
    let unknown = Case::new(CLAUDE_35).says(json!([{"type": "hologram"}]));
    assert!(unknown.refusal().contains("'hologram'"));
}

#[test]
fn media_that_was_not_fetched_is_our_mistake() {
    let error = Case::new(CLAUDE_35)
        .says(json!([image("https://example.com/a.png")]))
        .send()
        .unwrap_err();
    assert_eq!(error.status(), 500);
}

#[test]
fn images_in_results_go_beside_them_where_the_model_wants_that() {
    let turns = |model: &str| {
        Case::new(model)
            .with("tools", json!([tool("f")]))
            .messages(json!([
                {"role": "user", "content": "q"}, call("c", "f", "{}"),
                {"role": "tool", "tool_call_id": "c", "content": [image("data:image/png;base64,AAAA")]}]))
            .turns()[2]["content"]
            .take()
    };
    let picture = json!({"image": {"format": "png", "source": {"bytes": "AAAA"}}});
    assert_eq!(
        turns(CLAUDE_35),
        json!([{"toolResult": {"toolUseId": "c", "content": [picture]}}])
    );
    assert_eq!(
        turns("bedrock/openai.gpt-6-sol"),
        json!([
            {"toolResult": {"toolUseId": "c", "content": [{"text": "[image attached below]"}]}},
            picture,
        ])
    );
}

#[test]
fn text_for_the_guardrail_is_not_the_text_beside_a_document() {
    let file = json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}});
    let content = Case::new(CLAUDE_35)
        .with(
            "guardrailConfig",
            json!({"guardrailIdentifier": "g", "guardrailVersion": "1"}),
        )
        .says(json!([file, {"type": "text", "text": "sum up"}]))
        .content();
    assert_eq!(
        content[1],
        json!({"guardContent": {"text": {"text": "sum up"}}})
    );
    assert_eq!(content[2], json!({"text": "."}));
}
