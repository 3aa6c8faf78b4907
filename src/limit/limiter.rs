//! Taking from limits: in this process, and in the shared store where there is one.
//!
//! The process's own ledgers come first: what they refuse, the store would refuse too. Then the store decides, for all
//! limits of the call in one round trip. While it is away each instance goes by its share: for one minute what it had and
//! its part of what was left when the store last spoke of the limit, then an equal part of the limit; an equal part at once
//! where it never did. Where nobody knows of other instances, the whole limit. With `fail_closed_rate_limit_enforcement` the
//! call is refused instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::ledger::Heard;
use super::meters::Meters;
use super::outbox::Outbox;
use super::permit::{Permit, Shared};
use super::{Cost, Full, Refused};
use crate::store::{Charge, Correction, Store, StoreError, Verdict};

/// Takes from limits: in this process, and in the shared store where there is one.
#[derive(Debug, Default)]
pub struct Limiter(Option<SharedSide>);

/// What instances share.
#[derive(Debug)]
struct SharedSide {
    store: Arc<dyn Store>,
    instance: String,
    fail_closed: AtomicBool,
    tracker: TaskTracker,
    handle: Option<Handle>,
    outbox: Arc<Outbox>,
    /// Instances as of the last exchange; 0 where nobody knows.
    instances: AtomicU32,
    /// Whether the last reservation did not reach the store.
    is_away: AtomicBool,
}

impl Limiter {
    /// Makes a limiter that goes by `store` where there is one; call it inside the runtime.
    ///
    /// `instance` names this process in logs; `fail_closed` refuses calls while the store cannot be asked.
    pub fn new(
        store: Option<Arc<dyn Store>>,
        instance: &str,
        fail_closed: bool,
        tracker: &TaskTracker,
    ) -> Self {
        let handle = Handle::try_current().ok();
        let shared = store.map(|store| SharedSide {
            outbox: Arc::new(Outbox::new(
                Arc::clone(&store),
                tracker.clone(),
                handle.clone(),
            )),
            store,
            instance: instance.to_owned(),
            fail_closed: AtomicBool::new(fail_closed),
            tracker: tracker.clone(),
            handle,
            instances: AtomicU32::new(0),
            is_away: AtomicBool::new(false),
        });
        Self(shared)
    }

    /// Notes how many instances there are, this one included, as the last exchange with the store told.
    pub fn set_instances(&self, total: u32) {
        if let Some(shared) = &self.0 {
            shared.instances.store(total, Ordering::Relaxed);
        }
    }

    /// Sets whether calls are refused while the store cannot be asked.
    pub fn set_fail_closed(&self, fail_closed: bool) {
        if let Some(shared) = &self.0 {
            shared.fail_closed.store(fail_closed, Ordering::Relaxed);
        }
    }

    /// Takes `cost` from all `meters`, or from none.
    ///
    /// # Errors
    ///
    /// The limit that has no room: of several, one that is final rather than one of a model, then the one that is longest
    /// without. Or that the shared store could not be asked, where that refuses calls.
    ///
    /// # Cancel safety
    ///
    /// What was taken is given back, also in the store.
    pub async fn take(
        &self,
        meters: &[Arc<Meters>],
        cost: Cost,
        now: Instant,
    ) -> Result<Permit, Refused> {
        let mut permit = Permit::take(meters, cost, now)?;
        let Some(shared) = &self.0 else {
            return Ok(permit);
        };
        let wanted = charges(&permit);
        if wanted.is_empty() {
            return Ok(permit);
        }
        permit.is_undone = true;
        let verdict = shared.reserve(wanted).await;
        shared.note(verdict.as_ref().err());
        match verdict {
            Ok(Verdict::Granted { at, used }) => {
                shared.hear(&permit, used.iter().copied().map(Some), true, now);
                permit.share(Shared {
                    outbox: Arc::clone(&shared.outbox),
                    at,
                });
            }
            Ok(Verdict::Refused {
                index,
                retry_after,
                used,
            }) => return Err(shared.refused(&permit, index, retry_after, used, now)),
            Err(_) if shared.is_fail_closed() => return Err(Refused::StoreAway),
            Err(_) => {
                shared.within_share(&permit, now)?;
                // What is taken meanwhile is told when the store is back.
                permit.share(Shared {
                    outbox: Arc::clone(&shared.outbox),
                    at: shared.store.took_alone(&charges(&permit)),
                });
            }
        }
        permit.is_undone = false;
        Ok(permit)
    }
}

/// What a permit takes from limits, in the store's words.
fn charges(permit: &Permit) -> Vec<Charge> {
    permit
        .enforced()
        .map(|(_, limit)| limit.charge(permit.requests(), permit.tokens()))
        .collect()
}

impl SharedSide {
    /// Asks the store. The answer is awaited by a task of its own: a caller that hangs up meanwhile gives back what it was
    /// granted.
    async fn reserve(&self, charges: Vec<Charge>) -> Result<Verdict, StoreError> {
        let Some(handle) = &self.handle else {
            return self.store.reserve(&charges).await;
        };
        let (answer, awaited) = oneshot::channel();
        let (store, outbox) = (Arc::clone(&self.store), Arc::clone(&self.outbox));
        let asking = async move {
            let verdict = store.reserve(&charges).await;
            if let Err(Ok(Verdict::Granted { at, .. })) = answer.send(verdict) {
                let give_back = |charge: &Charge| Correction {
                    key: charge.key.clone(),
                    kind: charge.kind,
                    at,
                    change: i64::try_from(charge.amount).map_or(i64::MIN, |amount| -amount),
                };
                outbox.push(charges.iter().map(give_back).collect());
            }
        };
        self.tracker.spawn_on(asking, handle);
        awaited
            .await
            .unwrap_or_else(|_| Err(StoreError::Away("the process is stopping".to_owned())))
    }

    fn is_fail_closed(&self) -> bool {
        self.fail_closed.load(Ordering::Relaxed)
    }

    /// Keeps what the store said of each enforced limit of a permit; one that it did not grant is no part of what this
    /// instance has.
    fn hear(
        &self,
        permit: &Permit,
        used: impl Iterator<Item = Option<u64>>,
        is_granted: bool,
        now: Instant,
    ) {
        let instances = self.instances.load(Ordering::Relaxed);
        for ((meters, limit), used) in permit.enforced().zip(used) {
            let Some(used) = used else { continue };
            let mut book = meters.ledger().open();
            let ask = limit.ask(permit.requests(), permit.tokens());
            let refused = if is_granted { 0 } else { ask.amount };
            let own = book.used(limit.name, now).saturating_sub(refused);
            book.hear(
                limit.name,
                Heard::new(used, own, limit.value, instances, now),
            );
        }
    }

    fn refused(
        &self,
        permit: &Permit,
        index: usize,
        retry_after: Option<Duration>,
        used: u64,
        now: Instant,
    ) -> Refused {
        let said = std::iter::repeat_n(None, index).chain(std::iter::once(Some(used)));
        self.hear(permit, said, false, now);
        match permit.enforced().nth(index) {
            Some((meters, limit)) => Refused::Full(meters.full(limit, retry_after)),
            // A store that names a charge which was not there knows nothing of this call.
            None => Refused::StoreAway,
        }
    }

    /// Looks whether what was taken is within this instance's share of each limit.
    fn within_share(&self, permit: &Permit, now: Instant) -> Result<(), Full> {
        let instances = self.instances.load(Ordering::Relaxed);
        for held in permit.held() {
            let meters = &held.meters;
            let mut book = meters.ledger().open();
            let enforced = meters.limits().iter().filter(|limit| limit.is_enforced);
            for limit in enforced {
                let ask = limit.ask(permit.requests(), permit.tokens());
                if let Err(wait) = book.within_share(limit.name, ask, instances, now) {
                    return Err(meters.full(limit, wait));
                }
            }
        }
        Ok(())
    }

    /// Says once that the store went away, and once that it is back.
    fn note(&self, error: Option<&StoreError>) {
        let was_away = self.is_away.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !was_away => {
                tracing::warn!(%error, instance = %self.instance, fail_closed = self.is_fail_closed(), "limits go by local state");
            }
            None if was_away => {
                tracing::info!(instance = %self.instance, "limits go by the shared store again");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
