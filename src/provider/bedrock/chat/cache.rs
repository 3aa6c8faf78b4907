//! `cache_control` → `cachePoint`: where it is sent, and where the model would refuse it.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

use super::Wire;
use super::blocks::{Block, CachePoint};
use super::kind::{Kind, Model};
use crate::canonical::{CacheControl, Content, Message, RawJson, Role};
use crate::catalog::Flag;
use crate::error::{Error, Result};

/// Which cache points the model takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CachePolicy {
    allowed: bool,
    in_tools: bool,
    ttl: bool,
}

impl CachePolicy {
    /// Looks at what is known of the model; one that nobody knows keeps its cache points.
    pub(crate) fn of(model: &Model<'_>) -> Self {
        let facts = model.facts;
        let is_openai = matches!(model.kind, Kind::Gpt | Kind::GptOss);
        let refuses = facts.flag(Flag::PromptCacheBreakpoint) == Some(false)
            || (facts.known && !facts.is(Flag::PromptCaching));
        // Anthropic's own format keeps what the client wrote.
        let allowed = model.wire == Wire::Messages || !is_openai && !refuses;
        Self {
            allowed,
            // quirk(bedrock): Nova takes cache points in messages but refuses them among tools.
            in_tools: allowed && !matches!(model.kind, Kind::Nova | Kind::Nova2 | Kind::Amazon),
            ttl: facts.one_hour_cache,
        }
    }

    /// Returns the cache point that `control` asks for in a message.
    pub(crate) fn point(self, control: Option<&CacheControl>) -> Option<CachePoint> {
        let control = control.filter(|_| self.allowed)?;
        let ttl = match control.ttl.as_deref() {
            Some("5m") if self.ttl => Some("5m"),
            Some("1h") if self.ttl => Some("1h"),
            _ => None,
        };
        Some(CachePoint { ttl })
    }

    /// Returns the cache point that `control` asks for among the tools.
    pub(crate) fn tool_point(self, control: Option<&CacheControl>) -> Option<CachePoint> {
        if self.in_tools {
            self.point(control)
        } else {
            None
        }
    }

    /// Appends the cache point that `control` asks for.
    pub(crate) fn push(self, control: Option<&CacheControl>, out: &mut Vec<Block>) {
        out.extend(self.point(control).map(Block::CachePoint));
    }
}

/// How many of them there may be: each is held against every message.
const MOST_POINTS: usize = 64;

/// Where the operator wants cache points: `cache_control_injection_points`.
#[derive(Debug, Default)]
pub(crate) struct Injections {
    messages: Vec<WirePoint>,
    /// For the end of the tools.
    pub(crate) tools: Option<CacheControl>,
}

#[derive(Debug, Clone, Deserialize)]
struct WirePoint {
    location: String,
    #[serde(default)]
    role: Option<String>,
    #[serde(default, deserialize_with = "place")]
    index: Option<i64>,
    #[serde(default)]
    control: Option<WireControl>,
}

/// Reads a place in the conversation, which LiteLLM also takes as a string.
fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Place {
        Number(i64),
        Text(String),
    }
    match Option::<Place>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Place::Number(place)) => Ok(Some(place)),
        Some(Place::Text(text)) => text.trim().parse().map(Some).map_err(D::Error::custom),
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
struct WireControl {
    #[serde(default)]
    ttl: Option<String>,
}

impl WirePoint {
    fn control(&self) -> CacheControl {
        CacheControl {
            kind: Some("ephemeral".to_owned()),
            ttl: self.control.clone().and_then(|control| control.ttl),
        }
    }
}

impl Injections {
    /// Name of the parameter.
    pub(crate) const NAME: &'static str = "cache_control_injection_points";

    /// Reads the parameter.
    pub(crate) fn read(raw: Option<&RawJson>) -> Result<Self> {
        let Some(raw) = raw.filter(|raw| !raw.is_null()) else {
            return Ok(Self::default());
        };
        let points: Vec<WirePoint> = raw.parse().map_err(|error| {
            Error::bad_request(
                Self::NAME,
                format!("Invalid value for '{}': {error}.", Self::NAME),
            )
        })?;
        if points.len() > MOST_POINTS {
            return Err(Error::bad_request(
                Self::NAME,
                format!(
                    "Invalid value for '{}': at most {MOST_POINTS} are taken.",
                    Self::NAME
                ),
            ));
        }
        let (tools, messages): (Vec<_>, Vec<_>) = points
            .into_iter()
            .partition(|point| point.location == "tool_config");
        Ok(Self {
            messages,
            tools: tools.first().map(WirePoint::control),
        })
    }

    /// Marks the messages that are meant, by place or by role.
    pub(crate) fn apply(&self, messages: &mut [Cow<'_, Message>]) {
        for point in &self.messages {
            if point.location != "message" {
                continue;
            }
            if let Some(index) = point.index {
                let count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
                let place = if index < 0 { count + index } else { index };
                let place = usize::try_from(place).ok();
                if let Some(message) = place.and_then(|place| messages.get_mut(place)) {
                    mark(message.to_mut(), &point.control());
                }
            } else if let Some(role) = point.role.as_deref() {
                for message in messages.iter_mut() {
                    if name_of(&message.role) == role {
                        mark(message.to_mut(), &point.control());
                    }
                }
            }
        }
    }
}

fn name_of(role: &Role) -> &str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Function => "function",
        Role::Other(name) => name,
    }
}

/// Marks a message: the end of its content.
fn mark(message: &mut Message, control: &CacheControl) {
    match &mut message.content {
        Content::Parts(parts) if message.role != Role::Tool => {
            if let Some(last) = parts.last_mut() {
                last.cache = Some(control.clone());
            }
        }
        _ => message.cache = Some(control.clone()),
    }
}
