//! What goes in, the same for both benches: requests as an OpenAI client writes them, and the configuration.

use serde_json::json;

/// The alias that clients name.
const ALIAS: &str = "claude";
/// The model behind it.
const MODEL: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";
/// The same as it stands in a URL.
pub(crate) const MODEL_PATH: &str = "anthropic.claude-3-5-sonnet-20240620-v1%3A0";
/// The master key of the Switchyard under test.
pub(crate) const MASTER_KEY: &str = "sk-bench-0c7d1f9a52e84b36";

const CONVERSATION_BYTES: usize = 100_000;

/// Role and text of each message.
pub(crate) type Messages = Vec<(&'static str, String)>;

/// One question of a few words.
pub(crate) fn small() -> Messages {
    vec![
        ("system", "You are a helpful assistant.".to_owned()),
        (
            "user",
            "What does a switchyard do? Answer in two sentences.".to_owned(),
        ),
    ]
}

/// Turns of about 1 KB that look like people and models at work: lines, quotes, a little code, a little Unicode.
pub(crate) fn conversation() -> Messages {
    const QUESTION: &str = "I changed the loop as you said, but the \"retry\" branch still runs twice:\n\n\
        ```rust\nwhile let Some(job) = queue.pop() {\n\tif job.attempts > 3 { continue; }\n\trun(&job)?;\n}\n```\n\
        The log says `attempt=2 backoff=\"250ms\"`, then nothing. Why? Naïvely I'd expect 3 – or none.\n";
    const ANSWER: &str = "There are two things to look at here. First, the counter is read before the job is taken \
        off the queue, so that a job which another worker has just put back is seen with its old value. Second, the \
        guard compares with `>` where the comment says \"at least\".\n\n1. Move the check behind the `pop`.\n\
        2. Write `>=` and add a test that runs the job exactly three times.\n\nAfter that the log should show each \
        attempt once, and the backoff doubles from 250 ms as the documentation describes.\n";
    let mut messages = vec![("system", "You are a careful senior engineer.\n".repeat(20))];
    let mut bytes = 0;
    while bytes < CONVERSATION_BYTES {
        let (role, text) = match messages.len() % 2 {
            1 => ("user", QUESTION.repeat(3)),
            _ => ("assistant", ANSWER.repeat(2)),
        };
        bytes += text.len() + 40;
        messages.push((role, text));
    }
    if messages
        .last()
        .is_some_and(|(role, _)| *role == "assistant")
    {
        messages.push(("user", "Thank you. Now write the test.".to_owned()));
    }
    messages
}

/// Writes the request that an OpenAI client would send.
pub(crate) fn chat_body(messages: &Messages, is_stream: bool) -> Vec<u8> {
    let messages: Vec<_> = messages
        .iter()
        .map(|(role, text)| json!({ "role": role, "content": text }))
        .collect();
    let mut body = json!({
        "model": ALIAS, "messages": messages, "max_tokens": 512, "temperature": 0.2
    });
    if let (true, Some(object)) = (is_stream, body.as_object_mut()) {
        object.insert("stream".to_owned(), true.into());
    }
    body.to_string().into_bytes()
}

/// One deployment at an upstream on this machine, and a master key.
pub(crate) fn config_yaml(upstream_port: u16) -> String {
    config_yaml_with(upstream_port, 0)
}

/// The same with further deployments, which nobody calls.
pub(crate) fn config_yaml_with(upstream_port: u16, further: u32) -> String {
    let mut text = format!("model_list:\n{}", entry(ALIAS, upstream_port));
    for number in 0..further {
        text.push_str(&entry(&format!("{ALIAS}-{number}"), upstream_port));
    }
    text.push_str("general_settings:\n  master_key: ");
    text.push_str(MASTER_KEY);
    text.push('\n');
    text
}

fn entry(name: &str, upstream_port: u16) -> String {
    format!(
        "- model_name: {name}\n  \
           litellm_params:\n    \
             model: bedrock/converse/{MODEL}\n    \
             aws_access_key_id: AKIDEXAMPLE\n    \
             aws_secret_access_key: wJalrXUtnFEMI\n    \
             aws_region_name: us-east-1\n    \
             aws_bedrock_runtime_endpoint: http://127.0.0.1:{upstream_port}\n",
    )
}
