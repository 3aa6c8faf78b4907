//! Dollars on their way to Redis. Each report has a number, and Redis counts a number once: what was sent and not answered
//! is sent again under the same number, so that nothing is lost and nothing counts twice.

use std::collections::HashMap;
use std::time::Duration;

use super::ledger::millis;
use crate::store::Spent;

/// How many amounts wait at most, by whose they are.
const MOST: usize = 5000;

/// Between whose it is and how long its period is.
const SEPARATOR: char = '\u{1f}';

/// Amounts that wait, and what Redis said last.
#[derive(Debug, Default)]
pub(super) struct Spending {
    waiting: HashMap<String, (u64, u64)>,
    sent: Option<Batch>,
    last_sequence: u64,
    /// Totals as Redis told them last: field, nanodollars, end of the period; a server that lost them is told.
    pub(super) totals: Vec<(String, u64, u64)>,
}

/// One numbered report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) sequence: u64,
    /// Field, nanodollars, and the period in milliseconds; 0: for ever.
    pub(super) amounts: Vec<(String, u64, u64)>,
}

impl Spending {
    /// Takes amounts over.
    pub(super) fn add(&mut self, spent: &[Spent]) {
        for spent in spent {
            let nanos = nanodollars(spent.usd);
            let period_ms = spent.period.map_or(0, millis);
            let field = format!("{}{SEPARATOR}{period_ms}", spent.key);
            if nanos > 0 && (self.waiting.len() < MOST || self.waiting.contains_key(&field)) {
                let entry = self.waiting.entry(field).or_insert((0, period_ms));
                entry.0 = entry.0.saturating_add(nanos);
            }
        }
    }

    /// Returns what is to be sent: what was not answered, else what waits.
    pub(super) fn next(&mut self) -> Option<Batch> {
        if self.sent.is_none() && !self.waiting.is_empty() {
            self.last_sequence += 1;
            let amounts = self
                .waiting
                .drain()
                .map(|(field, (nanos, period_ms))| (field, nanos, period_ms))
                .collect();
            self.sent = Some(Batch {
                sequence: self.last_sequence,
                amounts,
            });
        }
        self.sent.clone()
    }

    /// Notes that a report was counted.
    pub(super) fn counted(&mut self, sequence: u64) {
        if self
            .sent
            .as_ref()
            .is_some_and(|sent| sent.sequence == sequence)
        {
            self.sent = None;
        }
    }
}

/// Reads whose it is from a field's name.
pub(super) fn key_of(field: &str) -> &str {
    field.rsplit_once(SEPARATOR).map_or(field, |(key, _)| key)
}

/// US dollars in whole nanodollars: counting those is exact, and a token costs some dozens.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that does not fit becomes the nearest that does, and nothing is negative"
)]
fn nanodollars(usd: f64) -> u64 {
    (usd * 1e9).round().clamp(0.0, 9e18) as u64
}

/// Nanodollars in US dollars.
#[expect(clippy::cast_precision_loss, reason = "a cent in nine million dollars")]
pub(super) fn dollars(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// How long a period still runs; `None`: for ever.
pub(super) fn left(ends_ms: u64, now_ms: u64) -> Option<Duration> {
    (ends_ms != 0).then(|| Duration::from_millis(ends_ms.saturating_sub(now_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(usd: f64) -> [Spent; 1] {
        [Spent {
            key: "provider:bedrock".to_owned(),
            period: Some(Duration::from_secs(1)),
            usd,
        }]
    }

    #[test]
    fn what_was_not_answered_is_sent_again_before_anything_else() {
        let mut spending = Spending::default();
        spending.add(&spent(1.5));
        let first = spending.next().expect("something to send");
        spending.add(&spent(2.0));
        assert_eq!(spending.next(), Some(first.clone()));
        spending.counted(first.sequence);
        let second = spending.next().expect("something to send");
        assert_ne!(second.sequence, first.sequence);
        assert_eq!(second.amounts[0].1, 2_000_000_000);
        spending.counted(second.sequence);
        assert_eq!(spending.next(), None);
    }

    #[test]
    fn amounts_that_are_none_are_left_out() {
        let mut spending = Spending::default();
        for usd in [0.0, -1.0, f64::NAN] {
            spending.add(&spent(usd));
        }
        assert_eq!(spending.next(), None);
    }

    #[test]
    fn a_field_names_whose_it_is() {
        let mut spending = Spending::default();
        spending.add(&spent(1.0));
        let batch = spending.next().expect("something to send");
        assert_eq!(key_of(&batch.amounts[0].0), "provider:bedrock");
    }
}
