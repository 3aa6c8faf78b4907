//! A client's own Responses body for a model that speaks the format: kept byte for byte but for what is the gateway's.

use serde_json::json;
use switchyard::canonical::{MediaSource, NativeFormat, Text};
use switchyard::dialect::Dialect as _;
use switchyard::dialect::responses::Responses;
use switchyard::error::Error;

use crate::support::{Case, Sent};

const LUNA: &str = "bedrock/us.openai.gpt-5.6-luna";

fn sent(body: &str) -> Sent {
    let bytes = bytes::Bytes::copy_from_slice(body.as_bytes());
    Case::new(LUNA).responses().send_bytes(&bytes).unwrap()
}

#[test]
fn what_no_rule_names_stays_as_it_was_written() {
    let sent = sent(concat!(
        r#"{ "model":"m","max_output_tokens":250.0, "temperature": 1e0,"input":[ {"role":"user","content":"S\u00e9","later":1e2} ],"#,
        r#""timeout":3,"tools":[ {"type":"mcp","x":1.0} ],"store":false,"previous_response_id":null}"#
    ));
    assert_eq!(
        String::from_utf8_lossy(&sent.wire.body),
        concat!(
            r#"{"model":"us.openai.gpt-5.6-luna","max_output_tokens":250,"temperature":1e0,"#,
            r#""input":[ {"role":"user","content":"S\u00e9","later":1e2} ],"tools":[ {"type":"mcp","x":1.0} ],"store":false}"#
        )
    );
    assert_eq!(sent.warnings, [""; 0]);
}

#[test]
fn what_is_left_out_is_said() {
    let sent = sent(r#"{"input":"hi","background":true,"tools":[{"type":"web_search"}]}"#);
    assert_eq!(sent.body["tools"], json!(null));
    assert_eq!(
        sent.warnings,
        [
            "background was left out: the answer is waited for",
            "1 tools were left out: not supported"
        ]
    );
}

#[test]
fn pictures_that_were_fetched_stand_where_their_addresses_stood() {
    let picture = |place: &str| {
        format!(r#"{{"type":"{place}","image_url":"https://pictures.test/a.png","detail":"low"}}"#)
    };
    let (image, screen) = (picture("input_image"), picture("computer_screenshot"));
    let body = format!(
        r#"{{"input":[{{"role":"user","content":[{image},{{"type":"input_text","text":"https://pictures.test/a.png"}}]}},
            {{"type":"computer_call_output","call_id":"c","output":{screen}}},
            {{"type":"function_call_output","call_id":"d","output":[{image}]}}]}}"#
    );
    let body = bytes::Bytes::from(body);
    let parsed = Responses.parse(&body, &http::HeaderMap::new());
    let mut request = parsed.unwrap().request;
    let remote = request.remote_media();
    assert_eq!(remote.len(), 3);
    for media in remote {
        media.fetched_from = Some("https://pictures.test/a.png".to_owned());
        media.mime = Some("image/png".to_owned());
        media.source = MediaSource::Base64(Text::new("aGk="));
    }
    let exchange = Case::new(LUNA).encode(&request).unwrap();
    assert_eq!(exchange.decoder.native(), Some(NativeFormat::Responses));
    let sent: serde_json::Value = serde_json::from_slice(&exchange.requests[0].body).unwrap();
    let data = "data:image/png;base64,aGk=";
    let input = &sent["input"];
    assert_eq!(input[0]["content"][0]["image_url"], data);
    assert_eq!(input[0]["content"][0]["detail"], "low");
    assert_eq!(
        input[0]["content"][1]["text"],
        "https://pictures.test/a.png"
    );
    assert_eq!(input[1]["output"]["image_url"], data);
    assert_eq!(input[2]["output"][0]["image_url"], data);
}

#[test]
fn a_chat_of_such_a_model_is_a_chat() -> Result<(), Error> {
    let sent = Case::new(LUNA).send()?;
    assert!(sent.wire.url.ends_with("/openai/v1/chat/completions"));
    Ok(())
}
