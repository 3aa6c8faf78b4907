//! What of a request selection looks at, worked out once per call. Tokens are counted only where something goes by
//! them: counting a long conversation costs more than the rest of a pick.

use super::{Asked, ModelGroup};
use crate::canonical::{
    ChatRequest, Content, Media, MediaKind, OperationKind, PartKind, RawJson, Request,
    ResponseFormat, Tool,
};
use crate::catalog::{Flag, Size};
use crate::config::RouterSettings;
use crate::limit::Cost;

/// Tokens that an answer is taken to have where the request does not bound it.
const OUTPUT_TOKENS: u64 = 256;

impl Asked {
    /// Returns what `tag_regex` is looked for in: `User-Agent: <value>`.
    pub fn agent_header(&self) -> Option<String> {
        let agent = self.user_agent.as_ref()?;
        Some(format!("User-Agent: {agent}"))
    }

    /// Works out what a request needs. What the caller is (tags, team, stickiness, …) is added by who knows it.
    pub fn of(request: &Request) -> Self {
        let operation = request.operation();
        let chat = match request {
            Request::Chat(chat) => chat,
            Request::Count(chat) => {
                return Self {
                    operation,
                    needs: needs(chat),
                    ..Self::default()
                };
            }
            Request::Embed(_) | Request::Image(_) | Request::Rerank(_) => {
                return Self {
                    operation,
                    cost: Cost {
                        requests: 1,
                        ..Cost::default()
                    },
                    ..Self::default()
                };
            }
        };
        let params = &chat.params;
        Self {
            operation,
            stream: chat.stream,
            cost: Cost {
                requests: 1,
                input_tokens: 0,
                output_tokens: (params.max_completion_tokens)
                    .or(params.max_tokens)
                    .unwrap_or(OUTPUT_TOKENS),
            },
            needs: needs(chat),
            ..Self::default()
        }
    }

    /// Counts the request's tokens, if picking in `group` goes by them. The cost is what the group's most wasteful tokenizer
    /// makes of it.
    pub fn measure(&mut self, request: &Request, group: &ModelGroup, settings: &RouterSettings) {
        if self.operation != OperationKind::Count && group.needs_estimate(settings) {
            self.measure_for(request, group);
        }
    }

    /// Counts the request's tokens whatever the group needs, because a limit of the caller's goes by them.
    pub fn measure_for(&mut self, request: &Request, group: &ModelGroup) {
        self.size.get_or_insert_with(|| Size::of_request(request));
        self.cost.input_tokens = self.input_tokens(request, group);
    }

    /// Returns the input tokens by estimate, for the model of the group that counts most.
    pub fn input_tokens(&self, request: &Request, group: &ModelGroup) -> u64 {
        let size = self.size.unwrap_or_else(|| Size::of_request(request));
        let tokens = (group.deployments.iter()).map(|one| size.tokens(one.tokenizer));
        tokens.max().unwrap_or(0)
    }
}

/// The capabilities that a request needs.
fn needs(request: &ChatRequest) -> Vec<Flag> {
    let mut needs = Vec::new();
    let mut need = |flag: Flag| {
        if !needs.contains(&flag) {
            needs.push(flag);
        }
    };
    for message in &request.messages {
        let Content::Parts(parts) = &message.content else {
            continue;
        };
        for part in parts {
            if let PartKind::Media(media) = &part.kind
                && let Some(flag) = media_flag(media)
            {
                need(flag);
            }
        }
    }
    let params = &request.params;
    if !params.tools.is_empty() {
        need(Flag::FunctionCalling);
    }
    let has_search_options = (params.openai.iter().chain(&params.extra))
        .any(|(name, value)| name == "web_search_options" && !value.is_null());
    if has_search_options || params.tools.iter().any(searches_the_web) {
        need(Flag::WebSearch);
    }
    if matches!(
        params.response_format,
        Some(ResponseFormat::JsonObject | ResponseFormat::JsonSchema(_))
    ) {
        need(Flag::ResponseSchema);
    }
    if is_wanted(params.reasoning_effort.as_ref()) || is_wanted(params.thinking.as_ref()) {
        need(Flag::Reasoning);
    }
    needs
}

fn media_flag(media: &Media) -> Option<Flag> {
    let is_pdf = || {
        let named = [&media.format, &media.mime];
        named
            .into_iter()
            .flatten()
            .any(|name| name.ends_with("pdf"))
    };
    match media.kind {
        MediaKind::Image => Some(Flag::Vision),
        MediaKind::Video => Some(Flag::VideoInput),
        MediaKind::Audio => Some(Flag::AudioInput),
        MediaKind::File | MediaKind::Document => is_pdf().then_some(Flag::PdfInput),
    }
}

/// Says whether a member that turns reasoning on does so.
fn is_wanted(member: Option<&RawJson>) -> bool {
    member.is_some_and(|member| {
        let written = member.get();
        !member.is_null() && written != "\"none\"" && !written.contains("\"disabled\"")
    })
}

/// Says whether a tool is a search of the web by the provider: `web_search`, `web_search_preview`, or one with a date.
fn searches_the_web(tool: &Tool) -> bool {
    #[derive(serde::Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    // Few tools have the words at all, and only those are read.
    memchr::memmem::find(tool.0.get().as_bytes(), b"\"web_search").is_some()
        && tool
            .0
            .parse::<Typed>()
            .is_ok_and(|tool| tool.kind.is_some_and(|kind| kind.starts_with("web_search")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{MediaSource, Message, Part, Text};

    fn with_tool(tool: &serde_json::Value) -> ChatRequest {
        let mut request = ChatRequest::default();
        request.params.tools = vec![Tool(RawJson::from_value(tool))];
        request
    }

    #[test]
    fn needs_come_from_content_and_params() {
        let mut request =
            with_tool(&serde_json::json!({"type": "function", "function": {"name": "web_search"}}));
        assert_eq!(needs(&request), [Flag::FunctionCalling]);
        let media = Media {
            kind: MediaKind::File,
            source: MediaSource::Base64(Text::new("AA==")),
            format: None,
            mime: Some("application/pdf".to_owned()),
            filename: None,
            title: None,
            context: None,
            citations: false,
            detail: None,
            fetched_from: None,
        };
        let part = Part {
            kind: PartKind::Media(Box::new(media)),
            cache: None,
        };
        request.messages = vec![Message {
            content: Content::Parts(vec![part.clone(), part]),
            ..Message::default()
        }];
        request.params.reasoning_effort = Some(RawJson::from_value("low"));
        request.params.response_format = Some(ResponseFormat::JsonObject);
        assert_eq!(
            needs(&request),
            [
                Flag::PdfInput,
                Flag::FunctionCalling,
                Flag::ResponseSchema,
                Flag::Reasoning
            ]
        );
        request.params.reasoning_effort = Some(RawJson::from_value("none"));
        assert!(!needs(&request).contains(&Flag::Reasoning));
    }

    #[test]
    fn web_search_is_told_by_the_tools_type() {
        for kind in ["web_search", "web_search_preview", "web_search_20250305"] {
            let request = with_tool(&serde_json::json!({"type": kind}));
            assert!(needs(&request).contains(&Flag::WebSearch), "{kind}");
        }
    }

    #[test]
    fn an_unbounded_answer_counts_256_tokens() {
        let mut request = ChatRequest::default();
        assert_eq!(
            Asked::of(&Request::Chat(request.clone()))
                .cost
                .output_tokens,
            256
        );
        request.params.max_tokens = Some(9);
        let asked = Asked::of(&Request::Chat(request));
        assert_eq!((asked.cost.requests, asked.cost.output_tokens), (1, 9));
        assert_eq!(asked.size, None);
    }
}
