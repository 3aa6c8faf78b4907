//! The board: what this instance tells, and what it reads.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::script::Input;
use super::spending::{Batch, dollars, key_of, left};
use super::{ALIVE_FOR, Inner, MOST_ON_THE_BOARD, Request, WARMED_FOR, millis, read};
use crate::store::{Board, Cooling, Report, Stamp, StoreError};

/// Between an id and its number, and after the number.
const WITHIN: char = '\u{1f}';
const AFTER: char = '\u{1e}';

/// How many held gauges are kept from expiring, and by which exchanges: every minute at four a second.
const MOST_GAUGES: usize = 5000;
const EXCHANGES_OF_A_ROUND: u64 = 240;

/// What the script answers: that it ran, when, instances, others' flights, cooldowns, warmed, spent.
type Told = (
    i64,
    u64,
    u32,
    Vec<String>,
    Vec<String>,
    Vec<String>,
    Vec<String>,
);

/// Tells and reads, in one round trip.
pub(super) async fn exchange(inner: &Inner, report: &Report) -> Result<Board, StoreError> {
    let batch = {
        let mut spending = inner.spending();
        spending.add(&report.spent);
        spending.next()
    };
    let input = input(inner, report, batch.as_ref());
    let told: Told = read(
        inner
            .ask(Request::Script(&inner.scripts.exchange, &input))
            .await?,
    )?;
    let (_, now, instances, flights, cooldowns, warmed, spent) = told;
    inner.learn_time(Stamp(now));
    inner.instances.store(instances, Ordering::Relaxed);
    inner.ledger().prune(Stamp(now));
    let totals = totals(&spent);
    let board = Board {
        instances,
        in_flight: in_flight(&flights),
        cooldowns: cooldowns
            .chunks_exact(2)
            .filter_map(|pair| cooling(pair, now, inner.clock.wall()))
            .collect(),
        warmed: warmed.chunks_exact(2).filter_map(stamped).collect(),
        spent: totals
            .iter()
            .map(|(field, nanos, ends)| {
                (key_of(field).to_owned(), dollars(*nanos), left(*ends, now))
            })
            .collect(),
    };
    let mut spending = inner.spending();
    if let Some(batch) = batch {
        spending.counted(batch.sequence);
    }
    spending.totals = totals;
    Ok(board)
}

/// Ends a cooldown for all.
pub(super) async fn warm(inner: &Inner, key: &str) -> Result<(), StoreError> {
    let input = Input {
        keys: vec![inner.keys.cooldowns()],
        arguments: vec![key.to_owned(), millis(WARMED_FOR).to_string()],
    };
    inner
        .ask(Request::Free(&inner.scripts.warm, &input))
        .await
        .map(drop)
}

fn input(inner: &Inner, report: &Report, batch: Option<&Batch>) -> Input {
    let keys = &inner.keys;
    let mut input = Input {
        keys: vec![
            keys.instances(),
            keys.flights(),
            keys.cooldowns(),
            keys.spent(),
            keys.ends(),
            keys.applied(&inner.instance),
            keys.known(),
        ],
        arguments: Vec::new(),
    };
    let round = inner.exchanges.fetch_add(1, Ordering::Relaxed);
    if round.is_multiple_of(EXCHANGES_OF_A_ROUND) {
        for gauge in inner.ledger().held(MOST_GAUGES) {
            let [name, _] = keys.gauge(&gauge);
            input.keys.push(name);
        }
    }
    input.push(millis(ALIVE_FOR));
    input.push(flight(report));
    input.push(batch.map_or(0, |batch| batch.sequence));
    input.push(millis(WARMED_FOR));
    input.push(MOST_ON_THE_BOARD);
    let wall = inner.clock.wall();
    let cooldowns: Vec<_> = report
        .cooldowns
        .iter()
        .take(MOST_ON_THE_BOARD)
        .filter_map(|cooling| Some((cooling, cooling.until.duration_since(wall).ok()?)))
        .collect();
    input.push(cooldowns.len());
    for (cooling, remaining) in cooldowns {
        input.push(&cooling.key);
        input.push(millis(remaining));
        input.push(cooling.step);
        input.push(&cooling.reason);
    }
    for (field, nanos, period_ms) in batch.iter().flat_map(|batch| &batch.amounts) {
        input.push(field);
        input.push(nanos);
        input.push(period_ms);
    }
    input
}

/// Writes calls under way: ids and numbers, idle deployments left out.
fn flight(report: &Report) -> String {
    let mut text = String::new();
    let busy = report.in_flight.iter().filter(|(_, count)| *count > 0);
    for (id, count) in busy.take(MOST_ON_THE_BOARD) {
        text.push_str(id);
        text.push(WITHIN);
        text.push_str(&count.to_string());
        text.push(AFTER);
    }
    text
}

/// Sums what the other instances wrote.
fn in_flight(flights: &[String]) -> Vec<(String, u64)> {
    let mut sums: HashMap<&str, u64> = HashMap::new();
    for entry in flights.iter().flat_map(|flight| flight.split(AFTER)) {
        if let Some((id, count)) = entry.rsplit_once(WITHIN)
            && let Ok(count) = count.parse::<u64>()
        {
            let sum = sums.entry(id).or_default();
            *sum = sum.saturating_add(count);
        }
    }
    sums.into_iter()
        .map(|(id, count)| (id.to_owned(), count))
        .collect()
}

/// Reads a cooldown: its key, and when by the server's clock it ends, its step and its reason.
fn cooling(pair: &[String], now: u64, wall: SystemTime) -> Option<Cooling> {
    let [key, value] = pair else { return None };
    let mut parts = value.splitn(3, ' ');
    let until: u64 = parts.next()?.parse().ok()?;
    let step = parts.next()?.parse().ok()?;
    Some(Cooling {
        key: key.clone(),
        until: wall.checked_add(Duration::from_millis(until.saturating_sub(now)))?,
        reason: parts.next()?.to_owned(),
        step,
    })
}

fn stamped(pair: &[String]) -> Option<(String, Stamp)> {
    let [key, at] = pair else { return None };
    Some((key.clone(), Stamp(at.parse().ok()?)))
}

fn totals(spent: &[String]) -> Vec<(String, u64, u64)> {
    spent
        .chunks_exact(3)
        .filter_map(|entry| {
            let [field, nanos, ends] = entry else {
                return None;
            };
            Some((field.clone(), nanos.parse().ok()?, ends.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_under_way_are_summed_over_instances() {
        let report = |count| {
            flight(&Report {
                in_flight: vec![("a".to_owned(), count), ("idle".to_owned(), 0)],
                ..Report::default()
            })
        };
        let sums = in_flight(&[report(2), report(3), "noise".to_owned()]);
        assert_eq!(sums, [("a".to_owned(), 5)]);
    }

    #[test]
    fn cooldowns_are_read_against_the_servers_clock() {
        let pair = ["id\u{1f}m".to_owned(), "5000 2 throttled".to_owned()];
        let cooling = cooling(&pair, 4000, SystemTime::UNIX_EPOCH).expect("a cooldown");
        assert_eq!(
            cooling.until,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1)
        );
        assert_eq!((cooling.step, cooling.reason.as_str()), (2, "throttled"));
    }
}
