//! Starts logging and tracing, and flushes them at the end.

use std::io::IsTerminal;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use super::export::Watched;
use super::json::JsonLines;
use super::lines::Lines;
use super::names::TRACE_TARGET;
use crate::clock::SystemClock;
use crate::config::Environment;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// What to log, and where to send traces.
#[derive(Debug, Clone, Default)]
pub struct TelemetryOptions {
    /// How log lines are written.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,switchyard=debug`.
    pub level: String,
    /// Whether the configuration asks for traces (`callbacks: ["otel"]`).
    pub traces: bool,
}

/// Running telemetry; [`Telemetry::stop`] flushes what is left.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    output: Lines,
}

impl Telemetry {
    /// Starts logging to standard error, and exporting spans where an endpoint is configured
    /// (`OTEL_EXPORTER_OTLP_ENDPOINT` and its relatives, or `callbacks: ["otel"]`, whose default is
    /// `http://localhost:4317`).
    ///
    /// # Errors
    ///
    /// A log level that cannot be read, or an exporter that cannot be built.
    pub fn start(options: &TelemetryOptions, environment: &Environment) -> Result<Self, String> {
        let level = if options.level.is_empty() {
            "info"
        } else {
            &options.level
        };
        // Else the filter would take a misspelt level for the name of a module.
        let is_level = |word: &str| {
            word.contains(['=', '[', ':']) || word.trim().parse::<LevelFilter>().is_ok()
        };
        if let Some(word) = level.split(',').find(|word| !is_level(word)) {
            return Err(format!(
                "the log level `{word}` is not known; known are off, error, warn, info, debug and trace"
            ));
        }
        // Spans for export are for the exporter only.
        let filter = EnvFilter::try_new(format!("{level},{TRACE_TARGET}=off"))
            .map_err(|error| format!("the log level `{level}` cannot be read: {error}"))?;
        let output = Lines::start(std::io::stderr())
            .map_err(|error| format!("the log cannot be written: {error}"))?;
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(output.clone())
            .with_ansi(std::io::stderr().is_terminal());
        let lines: Box<dyn Layer<Registry> + Send + Sync> = match options.format {
            LogFormat::Text => lines.with_filter(filter).boxed(),
            LogFormat::Json => {
                let format = JsonLines::new(Arc::new(SystemClock));
                lines.event_format(format).with_filter(filter).boxed()
            }
        };
        let provider = exporter_endpoint(options, environment)
            .map(|endpoint| tracer_provider(&endpoint, environment))
            .transpose()?;
        let registry = Registry::default().with(lines);
        // A layer that may be absent would keep every span alive for nobody.
        let started = match &provider {
            None => registry.try_init(),
            Some(provider) => registry.with(span_layer(provider)).try_init(),
        };
        started.map_err(|error| error.to_string())?;
        Ok(Self { provider, output })
    }

    /// Flushes spans that were not sent yet, and the last lines.
    pub fn stop(self) {
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "spans could not be flushed");
        }
        self.output.flush();
    }
}

/// What hands spans to the exporter.
fn span_layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("switchyard"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // Without a filter the exporter's own connections would be traced, and exported, and traced.
        .with_filter(Targets::new().with_target(TRACE_TARGET, tracing::Level::INFO))
}

/// Where spans go: endpoint and protocol, or nowhere.
#[derive(Debug, PartialEq, Eq)]
struct Endpoint {
    url: String,
    grpc: bool,
}

fn exporter_endpoint(options: &TelemetryOptions, environment: &Environment) -> Option<Endpoint> {
    if environment
        .get("OTEL_SDK_DISABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        return None;
    }
    let exact = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    let base = environment
        .get("OTEL_EXPORTER_OTLP_ENDPOINT")
        .or_else(|| environment.get("OTEL_ENDPOINT"));
    let protocol = environment
        .get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        .or_else(|| environment.get("OTEL_EXPORTER_OTLP_PROTOCOL"))
        .or_else(|| environment.get("OTEL_EXPORTER"));
    if exact.is_none() && base.is_none() && !options.traces {
        return None;
    }
    let port_is_http = exact.or(base).is_some_and(|url| url.contains(":4318"));
    let grpc = match protocol {
        Some(protocol) => protocol.contains("grpc"),
        None => !port_is_http,
    };
    let url = match (exact, base) {
        (Some(exact), _) => exact.to_owned(),
        (None, Some(base)) if grpc => base.to_owned(),
        (None, Some(base)) => format!("{}/v1/traces", base.trim_end_matches('/')),
        (None, None) if grpc => "http://localhost:4317".to_owned(),
        (None, None) => "http://localhost:4318/v1/traces".to_owned(),
    };
    Some(Endpoint { url, grpc })
}

fn tracer_provider(
    endpoint: &Endpoint,
    environment: &Environment,
) -> Result<SdkTracerProvider, String> {
    let exporter = if endpoint.grpc {
        opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&endpoint.url)
            .build()
    } else {
        opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&endpoint.url)
            .build()
    }
    .map_err(|error| format!("spans cannot be exported to {}: {error}", endpoint.url))?;
    let service = environment
        .get("OTEL_SERVICE_NAME")
        .unwrap_or("switchyard")
        .to_owned();
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(Watched::new(exporter, &endpoint.url, Arc::new(SystemClock)))
        .with_resource(resource)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(pairs: &[(&str, &str)], traces: bool) -> Option<Endpoint> {
        let environment = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let options = TelemetryOptions {
            traces,
            ..TelemetryOptions::default()
        };
        exporter_endpoint(&options, &environment)
    }

    #[test]
    fn unknown_log_level_is_refused_and_named() {
        for (level, unknown) in [("loud", "loud"), ("info,quiet", "quiet")] {
            let options = TelemetryOptions {
                level: level.to_owned(),
                ..TelemetryOptions::default()
            };
            let refused = Telemetry::start(&options, &Environment::default()).unwrap_err();
            let expected = format!("the log level `{unknown}` is not known; known are off, ");
            assert!(refused.starts_with(&expected), "{refused}");
        }
    }

    #[test]
    fn nothing_is_exported_unless_asked() {
        assert_eq!(endpoint(&[], false), None);
    }

    #[test]
    fn endpoint_follows_the_standard_variables() {
        let grpc = endpoint(
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:4317")],
            false,
        )
        .unwrap();
        assert_eq!(
            grpc,
            Endpoint {
                url: "http://jaeger:4317".to_owned(),
                grpc: true
            }
        );
        let http = endpoint(
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:4318")],
            false,
        )
        .unwrap();
        assert_eq!(http.url, "http://jaeger:4318/v1/traces");
        let exact = endpoint(
            &[
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://x/custom"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ],
            false,
        );
        assert_eq!(
            exact.unwrap(),
            Endpoint {
                url: "http://x/custom".to_owned(),
                grpc: false
            }
        );
        assert!(endpoint(&[], true).unwrap().grpc);
        assert_eq!(endpoint(&[("OTEL_SDK_DISABLED", "true")], true), None);
    }
}
