//! A storm of faults against a whole gateway: three model groups of four deployments that throttle, fail, reset, stall, break
//! their streams and are slow, while the file is reloaded and Redis is killed.
//!
//! **What counts as a success.** A whole answer with status 200, or a stream that ends with `[DONE]`. Every group falls back
//! to the two others, so a fault before the first content must not be seen: of those calls 99.9 % succeed. A stream that
//! broke after content cannot be begun again; where `stream_recovery` is off (in every other configuration) it ends with one
//! error event. Those are counted apart, and so are calls that were told to be a mistake of the caller's (400), and clients
//! that hang up. Each call ends in exactly one of these ways.
//!
//! `SEED=n` plays a storm again, `STORM_CALLS=n` makes it longer.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on must fail at once, and says what it saw"
)]

mod client;
#[expect(dead_code, unreachable_pub, reason = "others use more of it")]
#[path = "../it/support/redis.rs"]
mod redis_server;
mod stage;
mod weather;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use switchyard::state::{Outcome, Trigger};

use self::client::{Ended, Tally};
use self::stage::Stage;
use self::weather::Weather;

/// Calls, unless the variable says otherwise.
const CALLS: usize = 20_000;
/// Clients that call at one time.
const CLIENTS: usize = 300;
/// Changes of the file.
const RELOADS: usize = 50;
/// How much longer than its deadline a call may take, on a machine that is busy.
const MARGIN: Duration = Duration::from_secs(45);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_ends_in_one_answer_and_nothing_is_held_after_the_storm() {
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let calls = number("STORM_CALLS").map_or(CALLS, |calls| usize::try_from(calls).unwrap());
    let mut weather = Weather::new(seed);
    let stage = Arc::new(Stage::set(&mut weather).await);
    let next = Arc::<AtomicUsize>::default();
    let began = std::time::Instant::now();
    let clients = (0..CLIENTS).map(|_| {
        let (stage, next) = (Arc::clone(&stage), Arc::clone(&next));
        tokio::task::spawn(async move {
            let mut tally = Tally::default();
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= calls {
                    return tally;
                }
                let wish = weather::wish(seed, number);
                let limit = weather::DEADLINE + MARGIN;
                let ended = tokio::time::timeout(limit, client::call(&stage, &wish)).await;
                let ended = ended.unwrap_or(Ended::Hung);
                tally.add(&wish, &ended);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let disturbing = disturb(&stage, &mut weather, &next, calls);
    let (tallies, ()) = tokio::join!(join_all(clients), disturbing);
    let took = began.elapsed();
    let mut tally = Tally::default();
    for one in tallies {
        tally.join(one.unwrap());
    }
    stage.comes_to_rest().await;
    tally.print(took);
    let sent = usize::try_from(stage.simulator.calls_total()).unwrap();
    let counted = stage.counted().await;
    println!(
        "sent to AWS: {sent}, {:.3} for each call (resumed and hung-up ones included); retries {}, fallbacks {}; retries refused by \
         the budget {}",
        ratio(sent, calls),
        counted.retries,
        counted.fallbacks,
        counted.refused
    );
    assert_eq!(tally.wrong, Vec::<String>::new());
    assert_eq!(tally.all(), calls, "a call had no end, or two");
    assert!(tally.success() >= 0.999, "{}", tally.success());
    // Each send is a call's first, a retry that the budget paid for, or the first of a fallback.
    assert!(sent <= calls + counted.retries + counted.fallbacks);
    assert!(2 * sent <= 3 * calls, "{sent} of {calls}");
}

fn ratio(part: usize, whole: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole.max(1)).unwrap())
}

/// Reloads the file and kills Redis while calls go on, at fixed parts of their number.
async fn disturb(stage: &Stage, weather: &mut Weather, next: &AtomicUsize, calls: usize) {
    let mut redis = stage.redis.lock().await;
    for change in 0..RELOADS {
        let due = calls * (change + 1) / (RELOADS + 1);
        while next.load(Ordering::SeqCst) < due {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        match change {
            12 | 32 => redis.kill(),
            16 | 37 => redis.restart(),
            _ => {}
        }
        let (text, is_good) = weather.file(&stage.simulator.url(), redis.port);
        std::fs::write(&stage.path, text).unwrap();
        let outcome = stage.reloader().reload(Trigger::Signal).await.unwrap();
        assert_eq!(
            matches!(outcome, Outcome::Applied(_)),
            is_good,
            "{outcome:?}"
        );
        stage.remember_deployments();
    }
}
