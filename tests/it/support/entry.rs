//! Entries of `model_list` with every part that a test may want to set, and waits without sleeps.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use switchyard::clock::{ManualClock, SystemClock};
use switchyard::simulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

use super::Gateway;

/// A model of Anthropic's that the simulator plays.
pub const CLAUDE: &str = "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// An entry; `params` and `info` are further members in flow style (`, rpm: 1`).
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub name: &'a str,
    pub id: &'a str,
    pub model: &'a str,
    pub fault: &'a str,
    pub params: &'a str,
    pub info: &'a str,
}

impl Default for Entry<'_> {
    fn default() -> Self {
        Self {
            name: "m",
            id: "m1",
            model: CLAUDE,
            fault: "",
            params: "",
            info: "",
        }
    }
}

impl<'a> Entry<'a> {
    /// A deployment of Claude.
    pub fn of(name: &'a str, id: &'a str) -> Self {
        Self {
            name,
            id,
            ..Self::default()
        }
    }

    pub fn model(self, model: &'a str) -> Self {
        Self { model, ..self }
    }

    /// How the simulator fails its calls.
    pub fn fault(self, fault: &'a str) -> Self {
        Self { fault, ..self }
    }

    pub fn params(self, params: &'a str) -> Self {
        Self { params, ..self }
    }

    pub fn info(self, info: &'a str) -> Self {
        Self { info, ..self }
    }

    /// Writes the entry.
    pub fn yaml(&self) -> String {
        let Self {
            name,
            id,
            model,
            fault,
            params,
            info,
        } = self;
        let place = if fault.is_empty() {
            String::new()
        } else {
            format!("/fault/{fault}")
        };
        format!(
            "  - {{model_name: \"{name}\", model_info: {{id: {id}{info}}}, litellm_params: {{model: \"{model}\", \
             aws_access_key_id: {ACCESS_KEY_ID}, aws_secret_access_key: {SECRET_ACCESS_KEY}, aws_region_name: us-west-2, \
             aws_bedrock_runtime_endpoint: \"$URL{place}\", extra_headers: {{x-deployment: {id}}}{params}}}}}\n"
        )
    }
}

/// A file with these entries and further sections.
pub fn file(entries: &[Entry<'_>], rest: &str) -> String {
    let list: String = entries.iter().map(Entry::yaml).collect();
    format!("model_list:\n{list}{rest}")
}

/// A gateway with these entries and further sections.
pub async fn serving(entries: &[Entry<'_>], rest: &str) -> Gateway {
    Gateway::with(&file(entries, rest), Arc::new(SystemClock)).await
}

/// The same, and the clock that it goes by.
pub async fn timed(entries: &[Entry<'_>], rest: &str) -> (Gateway, Arc<ManualClock>) {
    let wall = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let clock = Arc::new(ManualClock::at(wall));
    let gateway = Gateway::with(&file(entries, rest), clock.clone()).await;
    (gateway, clock)
}

/// Lets the gateway run until `holds`.
pub async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// An answer that is still coming.
pub struct Coming {
    pub response: reqwest::Response,
    pub text: String,
}

impl Coming {
    /// Asks for a stream, and reads its first piece.
    pub async fn of(gateway: &Gateway, body: &Value) -> Self {
        let request = gateway
            .client
            .post(format!("{}/v1/chat/completions", gateway.url))
            .body(body.to_string());
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let first = response.chunk().await.unwrap().unwrap();
        Self {
            response,
            text: String::from_utf8(first.to_vec()).unwrap(),
        }
    }

    /// Reads the rest.
    pub async fn whole(mut self) -> String {
        while let Some(piece) = self.response.chunk().await.unwrap() {
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
        self.text
    }
}
