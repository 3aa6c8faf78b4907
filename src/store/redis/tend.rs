//! The task that tends the connection: connects, hands in the ledger, waits until it breaks, begins again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::ledger::Entry;
use super::link::Session;
use super::place::Wire;
use super::script::Input;
use super::{ALIVE_FOR, Inner, millis, read};
use crate::store::Stamp;
use crate::telemetry::events;

/// A session that lasted this long was a good one: the next may begin at once.
const GOOD_AFTER: Duration = Duration::from_secs(2);

/// The longest between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How soon a server that refused the ledger is offered it again.
const OFFER_AGAIN: Duration = Duration::from_secs(1);

/// How long handing in a part of the ledger may take. No request waits for it.
const HAND_IN_WITHIN: Duration = Duration::from_secs(1);

/// How many buckets are handed in at once.
const BUCKETS_AT_ONCE: usize = 2000;

/// How often changes made meanwhile are handed in before the session begins all the same.
const MOST_PASSES: usize = 50;

/// Tends the connection until `stop`.
pub(super) async fn tend(inner: Arc<Inner>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        never = forever(&inner) => match never {},
    }
}

async fn forever(inner: &Inner) -> std::convert::Infallible {
    let mut attempts = 0_u32;
    let mut told_away = false;
    loop {
        tokio::time::sleep(pause(attempts)).await;
        match patiently(inner).await {
            Ok(refused) => {
                if told_away {
                    events::store_back();
                    told_away = false;
                }
                if let Some(why) = &refused {
                    events::store_away(why);
                    told_away = true;
                }
                let began = inner.clock.now();
                until_broken(inner, refused.is_some()).await;
                let lasted = inner.clock.now().saturating_duration_since(began);
                attempts = if lasted >= GOOD_AFTER {
                    0
                } else {
                    attempts + 1
                };
            }
            Err(failure) => {
                inner.link.fail(failure);
                if !told_away && let Some(why) = inner.link.down() {
                    events::store_away(&why.to_string());
                    told_away = true;
                }
                attempts += 1;
            }
        }
        if attempts > 1 {
            inner.link.stop_waiting();
        }
    }
}

/// Nothing before the first two attempts, then longer and longer.
fn pause(attempts: u32) -> Duration {
    match attempts {
        0 | 1 => Duration::ZERO,
        _ => Duration::from_millis(25)
            .saturating_mul(1 << attempts.min(10))
            .min(LONGEST_PAUSE),
    }
}

async fn until_broken(inner: &Inner, refused: bool) {
    let again = async {
        if refused {
            tokio::time::sleep(OFFER_AGAIN).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = inner.link.broken() => {}
        () = again => {}
    }
}

/// Begins a session; callers wait for it no longer than for any command.
async fn patiently(inner: &Inner) -> Result<Option<String>, Failure> {
    let session = begin(inner);
    tokio::pin!(session);
    if let Ok(begun) = tokio::time::timeout(inner.timeout, &mut session).await {
        return begun;
    }
    inner.link.stop_waiting();
    session.await
}

/// Connects and hands in the ledger. Returns why the server did not take it, if so.
async fn begin(inner: &Inner) -> Result<Option<String>, Failure> {
    let place = match &inner.place {
        Ok(place) => place,
        Err(why) => return Err(Failure::Refused(why.clone())),
    };
    let mut wire = place.connect().await?;
    check_in_time(inner, &mut wire).await?;
    let values = place.connect().await?;
    let number = inner.last_session.fetch_add(1, Ordering::Relaxed) + 1;
    let refused = match hand_in(inner, &mut wire, number).await {
        Ok(()) => None,
        Err(Failure::Refused(why)) => Some(why),
        Err(Failure::NoScript) => Some("scripts cannot be run".to_owned()),
        Err(lost) => return Err(lost),
    };
    put(inner, (wire, values), number, refused).await
}

/// Asks something small: a server that is slow to answer stays away.
async fn check_in_time(inner: &Inner, wire: &mut Wire) -> Result<(), Failure> {
    let mut command = redis::cmd("GET");
    command.arg(inner.keys.applied(&inner.instance));
    match tokio::time::timeout(inner.timeout, wire.ask(&command)).await {
        Ok(Err(Failure::Lost(why))) => Err(Failure::Lost(why)),
        // That it refuses is an answer too.
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::Lost(format!(
            "no answer within {} ms",
            inner.timeout.as_millis()
        ))),
    }
}

/// Hands in the whole ledger and what was spent, in parts. Nothing of this instance is taken before the last part is there.
async fn hand_in(inner: &Inner, wire: &mut Wire, number: u64) -> Result<(), Failure> {
    let entries = inner.ledger().all(inner.server_now());
    let mut parts = parts(entries);
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    let last = parts.len() - 1;
    for (index, part) in parts.into_iter().enumerate() {
        let stage = match (index, last) {
            (0, 0) => "only",
            (0, _) => "first",
            (index, last) if index == last => "last",
            _ => "more",
        };
        hand_in_part(inner, wire, (number, stage), part).await?;
    }
    Ok(())
}

/// Puts the session in force, once everything that changed meanwhile is handed in too.
async fn put(
    inner: &Inner,
    (mut wire, values): (Wire, Wire),
    number: u64,
    refused: Option<String>,
) -> Result<Option<String>, Failure> {
    for pass in 0..=MOST_PASSES {
        let changed = {
            let mut ledger = inner.ledger();
            let changed = ledger.changed();
            if changed.is_empty() || pass == MOST_PASSES || refused.is_some() {
                // Under the ledger's lock, so that no correction falls between.
                inner.link.put(Session {
                    wire,
                    values,
                    number,
                    refused: refused.clone(),
                });
                return Ok(refused);
            }
            changed
        };
        for part in parts(changed) {
            match hand_in_part(inner, &mut wire, (number, "more"), part).await {
                Ok(()) | Err(Failure::Refused(_) | Failure::NoScript) => {}
                Err(lost) => return Err(lost),
            }
        }
    }
    Ok(refused)
}

fn parts(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut parts: Vec<Vec<Entry>> = Vec::new();
    let mut room = 0_usize;
    for entry in entries {
        let size = match &entry {
            Entry::Window { buckets, .. } => buckets.len() + 1,
            Entry::Gauge { .. } => 1,
        };
        if room < size || parts.is_empty() {
            parts.push(Vec::new());
            room = BUCKETS_AT_ONCE;
        }
        room = room.saturating_sub(size);
        if let Some(part) = parts.last_mut() {
            part.push(entry);
        }
    }
    parts
}

async fn hand_in_part(
    inner: &Inner,
    wire: &mut Wire,
    (number, stage): (u64, &str),
    part: Vec<Entry>,
) -> Result<(), Failure> {
    let keys = &inner.keys;
    let mut input = Input {
        keys: vec![
            keys.instances(),
            keys.spent(),
            keys.ends(),
            keys.settling(),
            keys.known(),
        ],
        arguments: vec![stage.to_owned(), millis(ALIVE_FOR).to_string()],
    };
    input.push(inner.instances.load(Ordering::Relaxed));
    let totals = match stage {
        "first" | "only" => inner.spending().totals.clone(),
        _ => Vec::new(),
    };
    input.push(totals.len());
    for (field, nanos, ends) in totals {
        input.push(field);
        input.push(nanos);
        input.push(ends);
    }
    for entry in part {
        match entry {
            Entry::Gauge { key, held } => {
                input.keys.extend(keys.gauge(&key));
                input.push("g");
                input.push(held);
            }
            Entry::Window {
                key,
                length,
                buckets,
            } => {
                input.keys.extend(keys.window(&key));
                input.push("w");
                input.push(millis(length));
                input.push(buckets.len());
                for bucket in buckets {
                    input.push(bucket.number);
                    input.push(bucket.latest);
                    input.push(bucket.amount);
                }
            }
        }
    }
    let number = number.to_string();
    let first = [inner.instance.as_str(), number.as_str()];
    let within = HAND_IN_WITHIN.max(inner.timeout);
    let run = inner.scripts.sync.run(wire, &first, &input);
    let answer = tokio::time::timeout(within, run)
        .await
        .map_err(|_| Failure::Lost("it is slow to answer".to_owned()))??;
    let now: u64 = read(answer).map_err(|error| Failure::Refused(error.to_string()))?;
    inner.learn_time(Stamp(now));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second() {
        let pauses: Vec<u128> = (0..9).map(|attempts| pause(attempts).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 100, 200, 400, 800, 1000, 1000, 1000]);
    }

    #[test]
    fn a_large_ledger_is_handed_in_in_parts() {
        let entries = vec![
            Entry::Gauge {
                key: "k".to_owned(),
                held: 1
            };
            BUCKETS_AT_ONCE + 1
        ];
        let sizes: Vec<usize> = parts(entries).iter().map(Vec::len).collect();
        assert_eq!(sizes, [BUCKETS_AT_ONCE, 1]);
    }
}
