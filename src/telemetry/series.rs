//! The time series of one owner: a deployment, or a model group.
//!
//! A series is made when something is counted for the first time. After that, counting is an atomic addition: labels are
//! compared, not hashed, and nothing is allocated. When its owner is gone, so are its series.

use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

/// Most series of one owner in one metric; what comes later is not counted. Labels are kinds of errors and configured
/// names, so nothing sound gets there.
const MAX_SERIES: usize = 256;

/// Counters of one metric whose first labels are the owner's.
#[derive(Debug)]
pub(super) struct Counters {
    family: IntCounterVec,
    own: Vec<String>,
    made: RwLock<Vec<(Vec<String>, IntCounter)>>,
}

impl Counters {
    pub(super) fn new(family: &IntCounterVec, own: &[&str]) -> Self {
        Self {
            family: family.clone(),
            own: own.iter().map(|label| (*label).to_owned()).collect(),
            made: RwLock::default(),
        }
    }

    /// Adds 1 to the counter whose further labels are `rest`.
    pub(super) fn count(&self, rest: &[&str]) {
        self.add(rest, 1);
    }

    /// Adds to the counter whose further labels are `rest`.
    pub(super) fn add(&self, rest: &[&str], amount: u64) {
        let known = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = find(&known, rest) {
            counter.inc_by(amount);
            return;
        }
        drop(known);
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = find(&made, rest) {
            counter.inc_by(amount);
        } else if made.len() < MAX_SERIES
            && let Ok(counter) = self.family.get_metric_with_label_values(&self.labels(rest))
        {
            counter.inc_by(amount);
            made.push((
                rest.iter().map(|label| (*label).to_owned()).collect(),
                counter,
            ));
        }
    }

    fn labels<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let own = self.own.iter().map(String::as_str);
        own.chain(rest.iter().copied()).collect()
    }

    /// Takes the series out of the metric.
    pub(super) fn forget(&self) {
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        for (rest, _) in made.drain(..) {
            let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
            // What is not there needs no removal.
            let _removed = self.family.remove_label_values(&self.labels(&rest));
        }
    }
}

fn find<'a>(made: &'a [(Vec<String>, IntCounter)], rest: &[&str]) -> Option<&'a IntCounter> {
    made.iter()
        .find(|(labels, _)| labels.iter().map(String::as_str).eq(rest.iter().copied()))
        .map(|(_, counter)| counter)
}

/// Durations of one metric, by the owner's labels.
#[derive(Debug)]
pub(super) struct Durations {
    family: HistogramVec,
    own: Vec<String>,
    made: OnceLock<Option<Histogram>>,
}

impl Durations {
    pub(super) fn new(family: &HistogramVec, own: &[&str]) -> Self {
        Self {
            family: family.clone(),
            own: own.iter().map(|label| (*label).to_owned()).collect(),
            made: OnceLock::new(),
        }
    }

    /// Adds a duration.
    pub(super) fn observe(&self, duration: Duration) {
        let made = self
            .made
            .get_or_init(|| self.family.get_metric_with_label_values(&self.own).ok());
        if let Some(made) = made {
            made.observe(duration.as_secs_f64());
        }
    }

    /// Takes the series out of the metric.
    pub(super) fn forget(&self) {
        if self.made.get().is_some() {
            // What is not there needs no removal.
            let _removed = self.family.remove_label_values(&self.own);
        }
    }
}
