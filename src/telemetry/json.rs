//! Log lines as JSON, written straight into the line.
//!
//! One line is written per call, so it has to be cheap: fields go from the event into the text, without a map in between.
//! Lines have `timestamp`, `level`, `target`, `message` and the event's fields, in this order.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{SharedClock, rfc3339_micros};

/// Writes events as JSON objects, one a line.
#[derive(Debug, Clone)]
pub(super) struct JsonLines {
    clock: SharedClock,
}

impl JsonLines {
    /// Makes the format; `clock` gives the timestamps.
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { clock }
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        writer.write_str(&rfc3339_micros(self.clock.wall()))?;
        write!(
            writer,
            "\",\"level\":\"{}\",\"target\":\"{}\"",
            meta.level(),
            meta.target()
        )?;
        let mut fields = Fields {
            writer,
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        fields.writer.write_str("}\n")
    }
}

struct Fields<'writer> {
    writer: Writer<'writer>,
    result: fmt::Result,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = write!(self.writer, ",\"{}\":", field.name())
                .and_then(|()| value(&mut self.writer));
        }
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is no number.
        if value.is_finite() {
            self.put(field, |writer| write!(writer, "{value}"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |writer| {
            writer.write_char('"')?;
            Escaping(writer).write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, |writer| {
            writer.write_char('"')?;
            write!(Escaping(writer), "{value:?}")?;
            writer.write_char('"')
        });
    }
}

/// Escapes what JSON strings may not hold.
struct Escaping<'a, 'writer>(&'a mut Writer<'writer>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) =
            rest.find(|letter: char| letter < ' ' || letter == '"' || letter == '\\')
        {
            let (plain, escaped) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut letters = escaped.chars();
            match letters.next() {
                Some('"') => self.0.write_str("\\\"")?,
                Some('\\') => self.0.write_str("\\\\")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some(letter) => write!(self.0, "\\u{:04x}", u32::from(letter))?,
                None => {}
            }
            rest = letters.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, UNIX_EPOCH};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::clock::ManualClock;
    use crate::telemetry::lines::Lines;
    use crate::telemetry::lines::test_output::Collected;

    #[test]
    fn line_is_one_json_object_with_all_fields() {
        let collected = Collected::default();
        let lines = Lines::start(collected.clone()).unwrap();
        let clock = ManualClock::at(UNIX_EPOCH + Duration::from_micros(1_709_210_096_000_123));
        let layer = tracing_subscriber::fmt::layer()
            .event_format(JsonLines::new(Arc::new(clock)))
            .with_writer(lines.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let nothing: Option<u64> = None;
            tracing::info!(target: "t", text = "a\"\\\n\u{1}é", shown = %"x\"y", number = 3_u64, part = 1.5, yes = true, nothing, "said");
        });
        lines.flush();
        let text = collected.text();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            line,
            serde_json::json!({
                "timestamp": "2024-02-29T12:34:56.000123Z", "level": "INFO", "target": "t", "message": "said",
                "text": "a\"\\\n\u{1}é", "shown": "x\"y", "number": 3, "part": 1.5, "yes": true,
            })
        );
        assert!(text.ends_with("}\n"));
    }
}
