//! Sticky routing: a caller, a session or a cached prompt comes back to the deployment that served it last.
//!
//! It narrows the choice to that deployment while it is left after all other filters, and to nothing else: a sticky
//! deployment that cools down or is full is passed over, and the next success moves the caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Left, Scope};
use crate::config::{Affinity, RouterSettings};
use crate::router::{ModelGroup, Sticky};

/// How long Bedrock keeps a prompt in its cache.
const PROMPT_CACHE: Duration = Duration::from_secs(300);
/// Entries of a generation; there are two.
const GENERATION: usize = 16_384;

/// Which deployments callers, sessions and prompts of a group stick to. Bounded: when a generation of entries is full, the
/// one before it is forgotten.
#[derive(Debug, Default)]
pub struct Stickiness(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Key, Kept>,
    old: HashMap<Key, Kept>,
}

/// What sticks; the numbers are [`Sticky`]'s hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Session(u64),
    Caller(u64),
    Prompt(u64),
}

#[derive(Debug, Clone)]
struct Kept {
    id: Arc<str>,
    until: Instant,
}

impl Stickiness {
    fn find(&self, key: Key, now: Instant) -> Option<Arc<str>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.young.get(&key).or_else(|| kept.old.get(&key))?;
        (now < found.until).then(|| Arc::clone(&found.id))
    }

    fn keep(&self, key: Key, kept: Kept) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.young.len() >= GENERATION {
            all.old = std::mem::take(&mut all.young);
        }
        all.young.insert(key, kept);
    }
}

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) {
    let affinity = scope.group.affinity(scope.settings);
    let is_pinned = scope.history.tier.is_some() || scope.group.priorities.is_some();
    if affinity == Affinity::default() || is_pinned || left.len() < 2 {
        return;
    }
    let history = scope.history;
    let stickiness = &scope.group.stickiness;
    let found = looked_up(&scope.asked.sticky, affinity)
        .filter_map(|key| stickiness.find(key, scope.now))
        .find_map(|id| left.iter().position(|one| *one.id == *id))
        .and_then(|place| left.get(place).copied());
    let Some(found) = found else { return };
    // What has failed in this call is not gone back to.
    if history.tried.contains(&found.id) || history.excluded.contains(&found.id) {
        return;
    }
    left.clear();
    left.push(found);
}

/// What a call is looked up by, the strongest first.
fn looked_up(sticky: &Sticky, affinity: Affinity) -> impl Iterator<Item = Key> {
    let session = sticky.session.filter(|_| affinity.session);
    let caller = sticky.caller.filter(|_| affinity.deployment);
    let prompts = sticky.prompt_prefixes.iter();
    (session.map(Key::Session).into_iter())
        .chain(caller.map(Key::Caller))
        .chain(
            prompts
                .filter(move |_| affinity.prompt_caching)
                .map(|prefix| Key::Prompt(*prefix)),
        )
}

impl ModelGroup {
    /// Notes that the deployment with this id served a call, for the calls that stick to it.
    pub fn remember(&self, sticky: &Sticky, id: &str, settings: &RouterSettings, now: Instant) {
        let affinity = self.affinity(settings);
        if affinity == Affinity::default() {
            return;
        }
        let id: Arc<str> = Arc::from(id);
        let keep = |key: Key, time: Duration| {
            // A time beyond what a clock can say is none.
            if let Some(until) = now.checked_add(time) {
                let id = Arc::clone(&id);
                self.stickiness.keep(key, Kept { id, until });
            }
        };
        if let Some(session) = sticky.session.filter(|_| affinity.session) {
            keep(Key::Session(session), settings.affinity.ttl);
        }
        if let Some(caller) = sticky.caller.filter(|_| affinity.deployment) {
            keep(Key::Caller(caller), settings.affinity.ttl);
        }
        if affinity.prompt_caching {
            for point in &sticky.cache_points {
                keep(Key::Prompt(*point), PROMPT_CACHE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock};

    #[test]
    fn entries_end_and_their_number_is_bounded() {
        let clock = ManualClock::at(std::time::UNIX_EPOCH);
        let all = Stickiness::default();
        let kept = |seconds| Kept {
            id: Arc::from("a"),
            until: clock.now() + Duration::from_secs(seconds),
        };
        all.keep(Key::Caller(1), kept(10));
        assert!(all.find(Key::Caller(1), clock.now()).is_some());
        assert!(all.find(Key::Session(1), clock.now()).is_none());
        clock.advance(Duration::from_secs(10));
        assert!(all.find(Key::Caller(1), clock.now()).is_none());
        for number in 0..100_000 {
            all.keep(Key::Prompt(number), kept(300));
        }
        let generations = all.0.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
