//! A store whose failures are counted, by operation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Answer, Board, Charge, Correction, Report, Stamp, Store, StoreError, Verdict};
use crate::telemetry::events::store_error;
use crate::telemetry::metrics::Metrics;

/// Has the failures of `store` counted in `metrics`.
pub fn counted(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Arc<dyn Store> {
    Arc::new(Counted { store, metrics })
}

#[derive(Debug)]
struct Counted {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

impl Counted {
    fn counting<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        answer: Answer<'a, T>,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let result: Result<T, StoreError> = answer.await;
            if let Err(error) = &result {
                store_error(&self.metrics, operation, error);
            }
            result
        })
    }
}

impl Store for Counted {
    fn reserve<'a>(&'a self, charges: &'a [Charge]) -> Answer<'a, Verdict> {
        self.counting("reserve", self.store.reserve(charges))
    }

    fn correct<'a>(&'a self, corrections: &'a [Correction]) -> Answer<'a, ()> {
        self.counting("correct", self.store.correct(corrections))
    }

    fn took_alone(&self, charges: &[Charge]) -> Stamp {
        self.store.took_alone(charges)
    }

    fn exchange<'a>(&'a self, report: &'a Report) -> Answer<'a, Board> {
        self.counting("exchange", self.store.exchange(report))
    }

    fn warm<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        self.counting("warm", self.store.warm(key))
    }

    fn read<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>> {
        self.counting("read", self.store.read(keys))
    }

    fn write<'a>(&'a self, key: &'a str, value: Bytes, ttl: Option<Duration>) -> Answer<'a, ()> {
        self.counting("write", self.store.write(key, value, ttl))
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> Answer<'a, u64> {
        self.counting("delete", self.store.delete(keys))
    }

    fn flush<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        self.counting("flush", self.store.flush(prefix))
    }

    fn ping(&self) -> Answer<'_, ()> {
        self.counting("ping", self.store.ping())
    }

    fn info(&self) -> Answer<'_, String> {
        self.counting("info", self.store.info())
    }

    fn is_up(&self) -> bool {
        self.store.is_up()
    }
}
