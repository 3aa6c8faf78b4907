//! What the program says of itself: log lines, spans and metrics.
//!
//! One structured line per call, and, where an OTLP endpoint is configured, one trace per call. Prompts, answers and
//! secrets are never part of any of them. Every name that is said to the outside is a constant in [`names`].

pub mod events;
mod export;
mod json;
pub mod levels;
mod lines;
pub mod metrics;
pub mod names;
mod series;
mod start;

pub use start::{LogFormat, Telemetry, TelemetryOptions};

use http::HeaderMap;
use opentelemetry::propagation::Extractor;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing_opentelemetry::OpenTelemetrySpanExt;

struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Makes the caller's span (`traceparent`) the parent of `span`. Must be called before the span is entered.
pub fn adopt_parent(span: &tracing::Span, headers: &HeaderMap) {
    if span.is_disabled() || !headers.contains_key("traceparent") {
        return;
    }
    let parent = TraceContextPropagator::new().extract(&Incoming(headers));
    // A span that no exporter listens to takes no parent, and needs none.
    let _taken = span.set_parent(parent);
}
