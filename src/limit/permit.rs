//! Taking from several holders at once, and giving back.

use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use super::ledger::Book;
use super::meters::{Limit, Meters};
use super::outbox::Outbox;
use super::window::Place;
use super::{Cost, Full, LimitName, Queue, Tokens};
use crate::canonical::Usage;
use crate::store::{Correction, Stamp};

/// The right to make one call, held while it lasts. Dropped unsettled, it gives back the tokens and the slot; the request
/// stays counted.
#[derive(Debug, Default)]
pub struct Permit {
    held: Vec<Held>,
    requests: u64,
    /// What it has of each limit on tokens: the estimate, then what was used.
    tokens: Tokens,
    is_settled: bool,
    /// Set while nobody knows whether the call may proceed: then the request is given back too.
    pub(super) is_undone: bool,
    shared: Option<Shared>,
    wakes: Option<Arc<Queue>>,
}

/// What was taken from one holder: a place for each of its limits, in their order.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) meters: Arc<Meters>,
    places: [Option<Place>; 5],
}

/// That the shared store has taken it too, and when by its clock.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) outbox: Arc<Outbox>,
    pub(super) at: Stamp,
}

impl Permit {
    /// Takes `cost` from all `meters`, or from none, in this process.
    ///
    /// All books are open at once, in one order for all calls, so that no call is refused for what another took for a
    /// moment only. A holder that is named twice is charged once.
    pub(super) fn take(meters: &[Arc<Meters>], cost: Cost, now: Instant) -> Result<Self, Full> {
        let mut limited: Vec<&Arc<Meters>> =
            meters.iter().filter(|meters| meters.is_limited()).collect();
        if limited.is_empty() {
            return Ok(Self::default());
        }
        let address = |meters: &&Arc<Meters>| Arc::as_ptr(meters.ledger()).addr();
        limited.sort_unstable_by_key(address);
        limited.dedup_by_key(|meters| address(meters));
        if let [only] = limited.as_slice()
            && let Some(full) = only.gate_says_no(cost, now)
        {
            return Err(full);
        }
        let mut books: Vec<MutexGuard<'_, Book>> = limited
            .iter()
            .map(|meters| meters.ledger().open())
            .collect();
        let full = limited
            .iter()
            .zip(&mut books)
            .filter_map(|(meters, book)| meters.room_in(book, cost, now).err())
            .max_by_key(Full::weight);
        if let Some(full) = full {
            return Err(full);
        }
        let tokens = Tokens::estimated(cost);
        let held = limited
            .iter()
            .zip(&mut books)
            .map(|(meters, book)| Held::take(meters, book, cost.requests, tokens, now))
            .collect();
        let mut permit = Self::default();
        permit.held = held;
        permit.requests = cost.requests;
        permit.tokens = tokens;
        Ok(permit)
    }

    /// Like [`Permit::settle_usage`], by bare numbers.
    #[cfg(test)]
    pub(crate) fn settle(&mut self, input_tokens: u64, output_tokens: u64) {
        self.settle_tokens(Tokens::new(
            input_tokens.saturating_add(output_tokens),
            input_tokens,
            output_tokens,
        ));
    }

    /// Puts what the model reported in the place of the estimate: tokens read from the prompt cache count for `tpm`, not
    /// for `itpm`. The slot is held until the permit is dropped.
    pub fn settle_usage(&mut self, usage: &Usage) {
        let input = usage.input_tokens.saturating_add(usage.cache_write_tokens);
        let total = usage.prompt_tokens().saturating_add(usage.output_tokens);
        self.settle_tokens(Tokens::new(total, input, usage.output_tokens));
    }

    /// Keeps the tokens that were taken, by estimate, where the model does not tell what was used.
    pub fn settle_at_estimate(&mut self) {
        self.is_settled = true;
    }

    /// Has the permit wake `queue` when it is dropped.
    #[must_use]
    pub fn waking(mut self, queue: Option<Arc<Queue>>) -> Self {
        self.wakes = queue;
        self
    }

    pub(super) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Each enforced limit that was taken from, with its holder, in a fixed order.
    pub(super) fn enforced(&self) -> impl Iterator<Item = (&Arc<Meters>, &Limit)> {
        self.held.iter().flat_map(|held| {
            let limits = held.meters.limits().iter();
            limits
                .filter(|limit| limit.is_enforced)
                .map(|limit| (&held.meters, limit))
        })
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    pub(super) fn tokens(&self) -> Tokens {
        self.tokens
    }

    pub(super) fn share(&mut self, shared: Shared) {
        self.shared = Some(shared);
    }

    fn settle_tokens(&mut self, used: Tokens) {
        let before = self.tokens;
        self.is_settled = true;
        self.tokens = used;
        self.change(|limit| {
            let is_tokens = limit.name.counts_tokens();
            is_tokens.then(|| difference(used.of(limit.name), before.of(limit.name)))
        });
    }

    /// Changes what is held by what `by` says for each limit, here and in the shared store.
    fn change(&self, by: impl Fn(&Limit) -> Option<i64>) {
        let mut corrections = Vec::new();
        for held in &self.held {
            let mut book = held.meters.ledger().open();
            for (limit, place) in held.meters.limits().iter().zip(held.places) {
                let Some(place) = place else { continue };
                let Some(change) = by(limit).filter(|change| *change != 0) else {
                    continue;
                };
                book.change(limit.name, place, change);
                if limit.name == LimitName::Rpm
                    && let Some(gate) = held.meters.gate()
                {
                    gate.gave_back();
                }
                if let Some(shared) = self.shared.as_ref().filter(|_| limit.is_enforced) {
                    book.change_heard(limit.name, change);
                    corrections.push(Correction {
                        key: limit.key.clone(),
                        kind: limit.kind(),
                        at: shared.at,
                        change,
                    });
                }
            }
        }
        if let Some(shared) = self.shared.as_ref().filter(|_| !corrections.is_empty()) {
            shared.outbox.push(corrections);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            let (requests, tokens) = (self.requests, self.tokens);
            let (is_undone, keeps_tokens) = (self.is_undone, self.is_settled && !self.is_undone);
            self.change(|limit| match limit.name {
                LimitName::Parallel => Some(-1),
                LimitName::Rpm => is_undone.then(|| difference(0, requests)),
                name => (!keeps_tokens).then(|| difference(0, tokens.of(name))),
            });
        }
        if let Some(queue) = &self.wakes {
            queue.notify();
        }
    }
}

impl Held {
    fn take(
        meters: &Arc<Meters>,
        book: &mut Book,
        requests: u64,
        tokens: Tokens,
        now: Instant,
    ) -> Self {
        let mut places = [None; 5];
        for (limit, place) in meters.limits().iter().zip(&mut places) {
            let ask = limit.ask(requests, tokens);
            *place = Some(book.take(limit.name, ask.amount, now));
            if limit.name == LimitName::Rpm
                && let Some(gate) = meters.gate()
            {
                let next = limit.ask(1, tokens);
                gate.took(book.room(limit.name, next, now).err().flatten(), now);
            }
        }
        Self {
            meters: Arc::clone(meters),
            places,
        }
    }
}

fn difference(to: u64, from: u64) -> i64 {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    signed(to).saturating_sub(signed(from))
}
