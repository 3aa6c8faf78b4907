//! Says when spans cannot be sent. The exporter itself is silent about that, and a receiver that is away for a day must
//! not fill the log: one line a minute.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::clock::SharedClock;

/// Least time between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// An exporter whose failures are logged.
#[derive(Debug)]
pub(super) struct Watched<E> {
    exporter: E,
    url: String,
    clock: SharedClock,
    losses: Mutex<Losses>,
}

/// What was lost since the last line.
#[derive(Debug, Default)]
struct Losses {
    spans_total: usize,
    said: Option<Instant>,
}

impl Losses {
    /// Counts spans that were lost; returns how many there are to speak of, if it is time for a line.
    fn add(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.spans_total += spans;
        let is_early = |said| now.saturating_duration_since(said) < PAUSE;
        if self.said.is_some_and(is_early) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.spans_total))
    }
}

impl<E> Watched<E> {
    /// Watches `exporter`, which sends to `url`.
    pub(super) fn new(exporter: E, url: &str, clock: SharedClock) -> Self {
        Self {
            exporter,
            url: url.to_owned(),
            clock,
            losses: Mutex::default(),
        }
    }

    fn lost(&self, spans: usize) -> Option<usize> {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.add(spans, self.clock.now())
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        if let Err(error) = &result
            && let Some(lost_spans) = self.lost(spans)
        {
            // Log lines are not exported, so this cannot cause another failure.
            tracing::warn!(url = %self.url, lost_spans, %error, "spans cannot be exported");
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;
    use crate::clock::ManualClock;

    #[derive(Debug)]
    struct Dead;

    impl SpanExporter for Dead {
        async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
            Err(OTelSdkError::InternalFailure("refused".to_owned()))
        }
    }

    #[test]
    fn a_dead_receiver_makes_one_line_a_minute() {
        let clock = Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH));
        let watched = Watched::new((), "http://localhost:4317", clock.clone());
        assert_eq!(watched.lost(3), Some(3));
        clock.advance(Duration::from_secs(59));
        assert_eq!(watched.lost(4), None);
        clock.advance(Duration::from_secs(1));
        assert_eq!(watched.lost(5), Some(9));
    }

    #[tokio::test]
    async fn the_failure_is_passed_on() {
        let clock = Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH));
        let watched = Watched::new(Dead, "http://localhost:4317", clock);
        assert!(watched.export(Vec::new()).await.is_err());
    }
}
